-- Certificates, from the promise on.

-- Inserted in the transaction that commits the leaf, before any key signs. Nothing but signature, fingerprint, status
-- and version ever changes, and signature and fingerprint change once, from null.
create table certificate (
    seq             bigint not null generated always as identity,
    id              bytea  not null,
    serial          bytea  not null,
    authority       text   not null,
    profile         text   not null,
    person          text   not null,
    department      text,
    enrolment       text,
    key_fingerprint bytea  not null,
    subject         text   not null,
    not_before      bigint not null,
    not_after       bigint not null,
    tbs             bytea  not null,
    signature       bytea,
    fingerprint     bytea,
    decision        bytea  not null,
    leaf_log        text   not null,
    leaf_idx        bigint not null,
    version         bigint not null,
    status          text   not null,
    created_at      bigint not null,
    constraint "certificate.seq" primary key (seq),
    constraint "certificate.id" unique (id),
    constraint "certificate.serial" unique (serial),
    constraint "certificate.fingerprint" unique (fingerprint),
    constraint "certificate.leaf_log, certificate.leaf_idx" unique (leaf_log, leaf_idx),
    constraint "certificate.authority is an authority" foreign key (authority) references authority (name),
    constraint "certificate.person is a person" foreign key (person) references person (id),
    constraint "certificate.department is a department" foreign key (department) references department (id),
    constraint "certificate.enrolment is an enrolment" foreign key (enrolment) references enrolment (id),
    constraint "certificate.decision is a decision" foreign key (decision) references decision (digest),
    -- No certificate without its leaf. Deferred to the commit, so that the two may be written in either order.
    constraint "certificate.leaf is a leaf" foreign key (leaf_log, leaf_idx) references ledger_leaf (log, idx)
        deferrable initially deferred,
    constraint "certificate.id is a digest" check (length(id) = 32),
    constraint "certificate.serial has twenty octets" check (length(serial) = 20),
    constraint "certificate.key_fingerprint is a digest" check (length(key_fingerprint) = 32),
    constraint "certificate.fingerprint is a digest" check (length(fingerprint) = 32),
    constraint "certificate.signature has its fingerprint" check ((signature is null) = (fingerprint is null)),
    constraint "certificate.not_after follows not_before" check (not_after >= not_before),
    constraint "certificate.status is known" check (status in ('promised', 'valid', 'suspended', 'revoked')),
    constraint "certificate.status agrees with signature"
        check (case when signature is null then status in ('promised', 'revoked') else status <> 'promised' end),
    constraint "certificate.version counts from one" check (version >= 1)
);

comment on column certificate.seq is 'Order of promising, for paging. A table in this order keeps the hot inserts side by side.';
comment on column certificate.id is 'SHA-256 of the TBSCertificate: the identity of the certificate.';
comment on column certificate.serial is 'Twenty octets; claimed by this row before anything is signed.';
comment on column certificate.authority is 'The authority that issues it.';
comment on column certificate.profile is 'The profile it was made by.';
comment on column certificate.person is 'Whom it identifies.';
comment on column certificate.department is 'The department it was issued under; null for a citizen''s.';
comment on column certificate.enrolment is 'The enrolment it answers; null for the installation''s own certificates.';
comment on column certificate.key_fingerprint is 'SHA-256 of its SubjectPublicKeyInfo.';
comment on column certificate.subject is 'Its subject in RFC 4514 form, for searching.';
comment on column certificate.not_before is 'In milliseconds since 1970 UTC.';
comment on column certificate.not_after is 'In milliseconds since 1970 UTC.';
comment on column certificate.tbs is 'The TBSCertificate in DER: the exact bytes that are signed.';
comment on column certificate.signature is 'The signature value; null while it is only promised.';
comment on column certificate.fingerprint is 'SHA-256 of the whole certificate in DER; null while it is only promised.';
comment on column certificate.decision is 'The decision it was issued on.';
comment on column certificate.leaf_log is 'The log that records its issue.';
comment on column certificate.leaf_idx is 'The leaf that records its issue.';
comment on column certificate.version is '1 at first, raised with each change of status (optimistic lock); named by ledger events.';
comment on column certificate.status is 'promised, valid, suspended or revoked. Only a cache of the ledger, which alone is believed.';
comment on column certificate.created_at is 'When it was promised, in milliseconds since 1970 UTC.';

-- The two questions asked of few rows among many: what is unfinished, and what belongs on a CRL.
create index certificate_promised on certificate (authority, seq) where status = 'promised';
create index certificate_not_good on certificate (authority, seq) where status in ('suspended', 'revoked');
create index certificate_person on certificate (person, seq);
create index certificate_department on certificate (department, seq);
create index certificate_enrolment on certificate (enrolment);
create index certificate_decision on certificate (decision);
create index certificate_not_after on certificate (not_after);

-- The certificates of the installation itself.
create table system_certificate (
    certificate bytea  not null,
    purpose     text   not null,
    authority   text,
    key_name    text   not null,
    active      bigint not null,
    constraint "system_certificate.certificate" primary key (certificate),
    constraint "system_certificate.certificate is a certificate" foreign key (certificate) references certificate (id),
    constraint "system_certificate.authority is an authority" foreign key (authority) references authority (name),
    constraint "system_certificate.purpose is known" check (purpose in ('responder', 'listener', 'system')),
    constraint "system_certificate.active is 0 or 1" check (active in (0, 1))
);

comment on column system_certificate.certificate is 'TBS digest of the certificate.';
comment on column system_certificate.purpose is 'responder: answers OCSP; listener: serves TLS; system: signs what no person decides.';
comment on column system_certificate.authority is 'The authority that a responder answers for; null for the others.';
comment on column system_certificate.key_name is 'What the key store calls its private key.';
comment on column system_certificate.active is '1: in use; 0: replaced by a later one.';
