-- Citizens: who they proved to be, the one certificate of a profile that each may have, what they are told, and how they suspend.

-- An in-person check of who somebody is: recorded and signed by one officer, confirmed by another, who hands out a code.
create table identity_check (
    id              text    not null, -- Opaque and random.
    profile         text    not null, -- The certificate profile that the code is for.
    department      text,             -- The department whose counter it was; null for one of the whole installation.
    submitted_by    text    not null, -- The officer who recorded it.
    submitted_at    integer not null, -- In milliseconds since 1970 UTC.
    sealed_subject  blob,             -- Name and contact, encrypted under the data key; null when they were erased.
    sealed_number   blob,             -- The identity number, encrypted under the identity key; null when it was erased.
    salt            blob,             -- Binds the statements to the record; null when it was erased.
    evidence_digest blob    not null, -- SHA-256 of what was seen (scans, forms), which is kept elsewhere.
    checked         blob,             -- The statement of the officer who recorded it; null before.
    confirmed       blob,             -- The statement of the officer who confirmed it; null before.
    locator         blob,             -- The first part of the code, by which it is found; null before there is one.
    code_hash       blob,             -- SHA-256 of the secret part of the code, which is never stored; null before.
    works_from      integer,          -- From when the code works, in milliseconds since 1970 UTC; null before.
    expires_at      integer,          -- From then on the code is refused, in milliseconds since 1970 UTC; null before.
    failures        integer not null, -- How often the locator came with a wrong secret.
    used_at         integer,          -- When the code was used, in milliseconds since 1970 UTC; null before.
    withdrawn       blob,             -- The statement by which an officer took it back before the code was used; null unless.
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
) strict;

-- A login at an OpenID Connect provider that is under way. Rows are forgotten once they have expired.
create table oidc_flow (
    state_hash     blob    not null, -- SHA-256 of the state parameter (RFC 6749 §4.1.1).
    browser_hash   blob    not null, -- SHA-256 of the cookie of the browser that began it: no other browser can end it.
    sealed_secrets blob    not null, -- The nonce and the PKCE verifier (RFC 7636), encrypted under the data key.
    expires_at     integer not null, -- In milliseconds since 1970 UTC; from then on it is refused.
    used_at        integer,          -- When the provider's answer came, in milliseconds since 1970 UTC; null before. It comes once.
    constraint "oidc_flow.state_hash" primary key (state_hash),
    constraint "oidc_flow.state_hash is a digest" check (length(state_hash) = 32),
    constraint "oidc_flow.browser_hash is a digest" check (length(browser_hash) = 32)
) strict;

-- Who somebody proved to be: by a code from a counter or by an OpenID Connect provider. Used once.
create table proofing (
    id             text    not null, -- Opaque and random.
    method         text    not null, -- counter or oidc.
    assurance      text    not null, -- low, substantial or high.
    reference      blob,             -- The subject under a keyed hash: the same for the same subject, and nothing without the key; null when it was erased.
    evidence       text    not null, -- What was checked, as canonical JSON without personal data; its SHA-256 is the evidence of the enrolment.
    identity_check text,             -- The in-person check whose code was used; null for oidc.
    sealed_subject blob,             -- Name and contact, encrypted under the data key; null when they were erased.
    sealed_number  blob,             -- The identity number, encrypted under the identity key; null when there is none or when it was erased.
    blind_index    blob,             -- HMAC of the identity number, or of the subject where there is none, under the identity key; null when it was erased.
    token_hash     blob    not null, -- SHA-256 of the token that its owner shows; the token itself is random and never stored.
    created_at     integer not null, -- In milliseconds since 1970 UTC.
    expires_at     integer not null, -- From then on it cannot be used for an enrolment, in milliseconds since 1970 UTC.
    enrolment      text,             -- The enrolment that it was used for; null before.
    resumed        blob,             -- The suspended certificate that it was used for instead; null unless.
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
) strict;

-- Who holds the one certificate of a profile that a citizen may have. A row passes to another enrolment when the first has ended.
create table identity_slot (
    profile     text    not null, -- The certificate profile.
    blind_index blob    not null, -- HMAC of the identity number or of the subject under the identity key.
    enrolment   text    not null, -- The enrolment that holds it.
    taken_at    integer not null, -- In milliseconds since 1970 UTC.
    constraint "identity_slot.profile, identity_slot.blind_index" primary key (profile, blind_index),
    constraint "identity_slot.enrolment" unique (enrolment),
    constraint "identity_slot.enrolment is an enrolment" foreign key (enrolment) references enrolment (id),
    constraint "identity_slot.blind_index is a digest" check (length(blind_index) = 32)
) strict;

-- Two enrolments for one citizen and profile: two officers decide which of them stands.
create table contest (
    later     text    not null, -- The enrolment that came second and waits.
    earlier   text    not null, -- The enrolment that held the slot.
    opened_at integer not null, -- In milliseconds since 1970 UTC.
    state     text    not null, -- open, upheld (the earlier certificate was revoked) or dismissed (the later enrolment was rejected).
    decision  blob,             -- What two officers decided; null while it is open.
    constraint "contest.later" primary key (later),
    constraint "contest.later is an enrolment" foreign key (later) references enrolment (id),
    constraint "contest.earlier is an enrolment" foreign key (earlier) references enrolment (id),
    constraint "contest.decision is a decision" foreign key (decision) references decision (digest),
    constraint "contest.state is known" check (state in ('open', 'upheld', 'dismissed')),
    constraint "contest.state has its decision" check ((state = 'open') = (decision is null))
) strict;

-- What a citizen is told through their contact: an outbox that whoever sends takes from.
create table contact_notice (
    id             text    not null, -- Opaque and random.
    kind           text    not null, -- identity-confirmed, second-application, certificate-issued, certificate-suspended, certificate-resumed, contest-decided.
    about          text    not null, -- The person or the identity check that it is about.
    sealed_contact blob    not null, -- The contact, encrypted under the data key. The row is deleted when the person is erased.
    created_at     integer not null, -- In milliseconds since 1970 UTC.
    sent_at        integer,          -- When it was sent, in milliseconds since 1970 UTC; null before.
    constraint "contact_notice.id" primary key (id),
    constraint "contact_notice.kind is known" check (kind in ('identity-confirmed', 'second-application', 'certificate-issued', 'certificate-suspended', 'certificate-resumed', 'contest-decided'))
) strict;

-- What a holder types who has lost the device: it can suspend one certificate, once, and nothing else.
create table suspension_code (
    certificate blob    not null, -- The certificate; a new code takes the place of the one before.
    locator     blob    not null, -- The first part of the code, by which it is found.
    code_hash   blob    not null, -- SHA-256 of the secret part of the code, which is never stored.
    created_at  integer not null, -- In milliseconds since 1970 UTC.
    failures    integer not null, -- How often the locator came with a wrong secret.
    used_at     integer,          -- When it suspended the certificate, in milliseconds since 1970 UTC; null before.
    constraint "suspension_code.certificate" primary key (certificate),
    constraint "suspension_code.locator" unique (locator),
    constraint "suspension_code.certificate is a certificate" foreign key (certificate) references certificate (id),
    constraint "suspension_code.code_hash is a digest" check (length(code_hash) = 32),
    constraint "suspension_code.failures counts from zero" check (failures >= 0)
) strict;

create index contact_notice_waiting on contact_notice (created_at) where sent_at is null;
create index contact_notice_about on contact_notice (about);
create index identity_check_unused on identity_check (expires_at) where used_at is null and salt is not null;
create index proofing_unused on proofing (expires_at) where enrolment is null and blind_index is not null;
