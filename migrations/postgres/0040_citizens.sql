-- Citizens: who they proved to be, the one certificate of a profile that each may have, what they are told, and how they suspend.

-- An in-person check of who somebody is: recorded and signed by one officer, confirmed by another, who hands out a code.
create table identity_check (
    id              text   not null,
    profile         text   not null,
    department      text,
    submitted_by    text   not null,
    submitted_at    bigint not null,
    sealed_subject  bytea,
    sealed_number   bytea,
    salt            bytea,
    evidence_digest bytea  not null,
    checked         bytea,
    confirmed       bytea,
    locator         bytea,
    code_hash       bytea,
    works_from      bigint,
    expires_at      bigint,
    failures        bigint not null,
    used_at         bigint,
    withdrawn       bytea,
    constraint "identity_check.id" primary key (id),
    constraint "identity_check.locator" unique (locator),
    constraint "identity_check.department is a department" foreign key (department) references department (id),
    constraint "identity_check.submitted_by is a person" foreign key (submitted_by) references person (id),
    constraint "identity_check.checked is a statement" foreign key (checked) references statement (digest),
    constraint "identity_check.confirmed is a statement" foreign key (confirmed) references statement (digest),
    constraint "identity_check.withdrawn is a statement" foreign key (withdrawn) references statement (digest),
    constraint "identity_check.withdrawn before it was used" check (withdrawn is null or used_at is null),
    constraint "identity_check.evidence_digest is a digest" check (length(evidence_digest) = 32),
    constraint "identity_check.code_hash is a digest" check (length(code_hash) = 32),
    constraint "identity_check.confirmed comes with its code" check ((confirmed is null) = (locator is null) and (locator is null) = (code_hash is null)),
    constraint "identity_check.failures counts from zero" check (failures >= 0)
);

comment on column identity_check.id is 'Opaque and random.';
comment on column identity_check.profile is 'The certificate profile that the code is for.';
comment on column identity_check.department is 'The department whose counter it was; null for one of the whole installation.';
comment on column identity_check.submitted_by is 'The officer who recorded it.';
comment on column identity_check.submitted_at is 'In milliseconds since 1970 UTC.';
comment on column identity_check.sealed_subject is 'Name and contact, encrypted under the data key; null when they were erased.';
comment on column identity_check.sealed_number is 'The identity number, encrypted under the identity key; null when it was erased.';
comment on column identity_check.salt is 'Binds the statements to the record; null when it was erased.';
comment on column identity_check.evidence_digest is 'SHA-256 of what was seen (scans, forms), which is kept elsewhere.';
comment on column identity_check.checked is 'The statement of the officer who recorded it; null before.';
comment on column identity_check.confirmed is 'The statement of the officer who confirmed it; null before.';
comment on column identity_check.locator is 'The first part of the code, by which it is found; null before there is one.';
comment on column identity_check.code_hash is 'SHA-256 of the secret part of the code, which is never stored; null before.';
comment on column identity_check.works_from is 'From when the code works, in milliseconds since 1970 UTC; null before.';
comment on column identity_check.expires_at is 'From then on the code is refused, in milliseconds since 1970 UTC; null before.';
comment on column identity_check.failures is 'How often the locator came with a wrong secret.';
comment on column identity_check.used_at is 'When the code was used, in milliseconds since 1970 UTC; null before.';
comment on column identity_check.withdrawn is 'The statement by which an officer took it back before the code was used; null unless.';

-- A login at an OpenID Connect provider that is under way. Rows are forgotten once they have expired.
create table oidc_flow (
    state_hash     bytea  not null,
    browser_hash   bytea  not null,
    sealed_secrets bytea  not null,
    expires_at     bigint not null,
    used_at        bigint,
    constraint "oidc_flow.state_hash" primary key (state_hash),
    constraint "oidc_flow.state_hash is a digest" check (length(state_hash) = 32),
    constraint "oidc_flow.browser_hash is a digest" check (length(browser_hash) = 32)
);

comment on column oidc_flow.state_hash is 'SHA-256 of the state parameter (RFC 6749 §4.1.1).';
comment on column oidc_flow.browser_hash is 'SHA-256 of the cookie of the browser that began it: no other browser can end it.';
comment on column oidc_flow.sealed_secrets is 'The nonce and the PKCE verifier (RFC 7636), encrypted under the data key.';
comment on column oidc_flow.expires_at is 'In milliseconds since 1970 UTC; from then on it is refused.';
comment on column oidc_flow.used_at is 'When the provider''s answer came, in milliseconds since 1970 UTC; null before. It comes once.';

-- Who somebody proved to be: by a code from a counter or by an OpenID Connect provider. Used once.
create table proofing (
    id             text   not null,
    method         text   not null,
    assurance      text   not null,
    reference      bytea,
    evidence       text   not null,
    identity_check text,
    sealed_subject bytea,
    sealed_number  bytea,
    blind_index    bytea,
    token_hash     bytea  not null,
    created_at     bigint not null,
    expires_at     bigint not null,
    enrolment      text,
    resumed        bytea,
    constraint "proofing.id" primary key (id),
    constraint "proofing.token_hash" unique (token_hash),
    constraint "proofing.enrolment" unique (enrolment),
    constraint "proofing.identity_check" unique (identity_check),
    constraint "proofing.identity_check is one" foreign key (identity_check) references identity_check (id),
    constraint "proofing.enrolment is an enrolment" foreign key (enrolment) references enrolment (id),
    constraint "proofing.resumed is a certificate" foreign key (resumed) references certificate (id),
    constraint "proofing is used once" check (enrolment is null or resumed is null),
    constraint "proofing.method is known" check (method in ('counter', 'oidc')),
    constraint "proofing.method has its check" check ((method = 'counter') = (identity_check is not null)),
    constraint "proofing.assurance is known" check (assurance in ('low', 'substantial', 'high')),
    constraint "proofing.blind_index is a digest" check (length(blind_index) = 32),
    constraint "proofing.token_hash is a digest" check (length(token_hash) = 32)
);

comment on column proofing.id is 'Opaque and random.';
comment on column proofing.method is 'counter or oidc.';
comment on column proofing.assurance is 'low, substantial or high.';
comment on column proofing.reference is 'The subject under a keyed hash: the same for the same subject, and nothing without the key; null when it was erased.';
comment on column proofing.evidence is 'What was checked, as canonical JSON without personal data; its SHA-256 is the evidence of the enrolment.';
comment on column proofing.identity_check is 'The in-person check whose code was used; null for oidc.';
comment on column proofing.sealed_subject is 'Name and contact, encrypted under the data key; null when they were erased.';
comment on column proofing.sealed_number is 'The identity number, encrypted under the identity key; null when there is none or when it was erased.';
comment on column proofing.blind_index is 'HMAC of the identity number, or of the subject where there is none, under the identity key; null when it was erased.';
comment on column proofing.token_hash is 'SHA-256 of the token that its owner shows; the token itself is random and never stored.';
comment on column proofing.created_at is 'In milliseconds since 1970 UTC.';
comment on column proofing.expires_at is 'From then on it cannot be used for an enrolment, in milliseconds since 1970 UTC.';
comment on column proofing.enrolment is 'The enrolment that it was used for; null before.';
comment on column proofing.resumed is 'The suspended certificate that it was used for instead; null unless.';

-- Who holds the one certificate of a profile that a citizen may have. A row passes to another enrolment when the first has ended.
create table identity_slot (
    profile     text   not null,
    blind_index bytea  not null,
    enrolment   text   not null,
    taken_at    bigint not null,
    constraint "identity_slot.profile, identity_slot.blind_index" primary key (profile, blind_index),
    constraint "identity_slot.enrolment" unique (enrolment),
    constraint "identity_slot.enrolment is an enrolment" foreign key (enrolment) references enrolment (id),
    constraint "identity_slot.blind_index is a digest" check (length(blind_index) = 32)
);

comment on column identity_slot.profile is 'The certificate profile.';
comment on column identity_slot.blind_index is 'HMAC of the identity number or of the subject under the identity key.';
comment on column identity_slot.enrolment is 'The enrolment that holds it.';
comment on column identity_slot.taken_at is 'In milliseconds since 1970 UTC.';

-- Two enrolments for one citizen and profile: two officers decide which of them stands.
create table contest (
    later     text   not null,
    earlier   text   not null,
    opened_at bigint not null,
    state     text   not null,
    decision  bytea,
    constraint "contest.later" primary key (later),
    constraint "contest.later is an enrolment" foreign key (later) references enrolment (id),
    constraint "contest.earlier is an enrolment" foreign key (earlier) references enrolment (id),
    constraint "contest.decision is a decision" foreign key (decision) references decision (digest),
    constraint "contest.state is known" check (state in ('open', 'upheld', 'dismissed')),
    constraint "contest.state has its decision" check ((state = 'open') = (decision is null))
);

comment on column contest.later is 'The enrolment that came second and waits.';
comment on column contest.earlier is 'The enrolment that held the slot.';
comment on column contest.opened_at is 'In milliseconds since 1970 UTC.';
comment on column contest.state is 'open, upheld (the earlier certificate was revoked) or dismissed (the later enrolment was rejected).';
comment on column contest.decision is 'What two officers decided; null while it is open.';

-- What a citizen is told through their contact: an outbox that whoever sends takes from.
create table contact_notice (
    id             text   not null,
    kind           text   not null,
    about          text   not null,
    sealed_contact bytea  not null,
    created_at     bigint not null,
    sent_at        bigint,
    constraint "contact_notice.id" primary key (id),
    constraint "contact_notice.kind is known" check (kind in ('identity-confirmed', 'second-application', 'certificate-issued', 'certificate-suspended', 'certificate-resumed', 'contest-decided'))
);

comment on column contact_notice.id is 'Opaque and random.';
comment on column contact_notice.kind is 'identity-confirmed, second-application, certificate-issued, certificate-suspended, certificate-resumed, contest-decided.';
comment on column contact_notice.about is 'The person or the identity check that it is about.';
comment on column contact_notice.sealed_contact is 'The contact, encrypted under the data key. The row is deleted when the person is erased.';
comment on column contact_notice.created_at is 'In milliseconds since 1970 UTC.';
comment on column contact_notice.sent_at is 'When it was sent, in milliseconds since 1970 UTC; null before.';

-- What a holder types who has lost the device: it can suspend one certificate, once, and nothing else.
create table suspension_code (
    certificate bytea  not null,
    locator     bytea  not null,
    code_hash   bytea  not null,
    created_at  bigint not null,
    failures    bigint not null,
    used_at     bigint,
    constraint "suspension_code.certificate" primary key (certificate),
    constraint "suspension_code.locator" unique (locator),
    constraint "suspension_code.certificate is a certificate" foreign key (certificate) references certificate (id),
    constraint "suspension_code.code_hash is a digest" check (length(code_hash) = 32),
    constraint "suspension_code.failures counts from zero" check (failures >= 0)
);

comment on column suspension_code.certificate is 'The certificate; a new code takes the place of the one before.';
comment on column suspension_code.locator is 'The first part of the code, by which it is found.';
comment on column suspension_code.code_hash is 'SHA-256 of the secret part of the code, which is never stored.';
comment on column suspension_code.created_at is 'In milliseconds since 1970 UTC.';
comment on column suspension_code.failures is 'How often the locator came with a wrong secret.';
comment on column suspension_code.used_at is 'When it suspended the certificate, in milliseconds since 1970 UTC; null before.';

create index contact_notice_waiting on contact_notice (created_at) where sent_at is null;
create index contact_notice_about on contact_notice (about);
create index identity_check_unused on identity_check (expires_at) where used_at is null and salt is not null;
create index proofing_unused on proofing (expires_at) where enrolment is null and blind_index is not null;
