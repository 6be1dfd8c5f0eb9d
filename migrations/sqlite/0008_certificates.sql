-- Certificates, from the promise on.

-- Inserted in the transaction that commits the leaf, before any key signs. Nothing but signature, fingerprint, status
-- and version ever changes, and signature and fingerprint change once, from null.
create table certificate (
    seq             integer not null, -- Order of promising, for paging. A table in this order keeps the hot inserts side by side.
    id              blob    not null, -- SHA-256 of the TBSCertificate: the identity of the certificate.
    serial          blob    not null, -- Twenty octets; claimed by this row before anything is signed.
    authority       text    not null, -- The authority that issues it.
    profile         text    not null, -- The profile it was made by.
    person          text    not null, -- Whom it identifies.
    department      text,             -- The department it was issued under; null for a citizen's.
    enrolment       text,             -- The enrolment it answers; null for the installation's own certificates.
    key_fingerprint blob    not null, -- SHA-256 of its SubjectPublicKeyInfo.
    subject         text    not null, -- Its subject in RFC 4514 form, for searching.
    not_before      integer not null, -- In milliseconds since 1970 UTC.
    not_after       integer not null, -- In milliseconds since 1970 UTC.
    tbs             blob    not null, -- The TBSCertificate in DER: the exact bytes that are signed.
    signature       blob,             -- The signature value; null while it is only promised.
    fingerprint     blob,             -- SHA-256 of the whole certificate in DER; null while it is only promised.
    decision        blob    not null, -- The decision it was issued on.
    leaf_log        text    not null, -- The log that records its issue.
    leaf_idx        integer not null, -- The leaf that records its issue.
    version         integer not null, -- 1 at first, raised with each change of status (optimistic lock); named by ledger events.
    status          text    not null, -- promised, valid, suspended or revoked. Only a cache of the ledger, which alone is believed.
    created_at      integer not null, -- When it was promised, in milliseconds since 1970 UTC.
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
) strict;

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
    certificate blob    not null, -- TBS digest of the certificate.
    purpose     text    not null, -- responder: answers OCSP; listener: serves TLS; system: signs what no person decides.
    authority   text,             -- The authority that a responder answers for; null for the others.
    key_name    text    not null, -- What the key store calls its private key.
    active      integer not null, -- 1: in use; 0: replaced by a later one.
    constraint "system_certificate.certificate" primary key (certificate),
    constraint "system_certificate.certificate is a certificate" foreign key (certificate) references certificate (id),
    constraint "system_certificate.authority is an authority" foreign key (authority) references authority (name),
    constraint "system_certificate.purpose is known" check (purpose in ('responder', 'listener', 'system')),
    constraint "system_certificate.active is 0 or 1" check (active in (0, 1))
) strict;
