-- Who decided what: nonces, signed statements, the decisions made of them, and the versions of the policy.

-- Makes a statement single-use. Rows may be forgotten once they have expired: what is not here is refused.
create table nonce (
    nonce      text    not null, -- Random, in the form in which the statement carries it.
    person     text    not null, -- The person it was made for.
    act        text    not null, -- The act it may be used for.
    about      text    not null, -- What the act is about: an enrolment, a certificate, or the root of a list.
    issued_at  integer not null, -- In milliseconds since 1970 UTC.
    expires_at integer not null, -- In milliseconds since 1970 UTC; from then on it is refused.
    used_at    integer,          -- When a statement used it, in milliseconds since 1970 UTC; null before.
    constraint "nonce.nonce" primary key (nonce),
    constraint "nonce.person is a person" foreign key (person) references person (id)
) strict;

create index nonce_expires_at on nonce (expires_at);

-- Append-only.
create table statement (
    digest             blob    not null, -- SHA-256 of the JWS.
    jws                text    not null, -- The signed statement in compact serialisation (RFC 7515 §7.1).
    act                text    not null, -- Copied from the payload, for searching.
    about              text    not null, -- Copied from the payload, for searching.
    signer_person      text,             -- The person whose certificate signed it; null when the system key did.
    signer_certificate blob,             -- TBS digest of the certificate that signed it; null when the system key had none yet.
    nonce              text    not null, -- Copied from the payload: a nonce is in one statement only.
    recorded_at        integer not null, -- When it was recorded, in milliseconds since 1970 UTC.
    constraint "statement.digest" primary key (digest),
    constraint "statement.nonce" unique (nonce),
    constraint "statement.signer_person is a person" foreign key (signer_person) references person (id),
    constraint "statement.digest is a digest" check (length(digest) = 32),
    constraint "statement.signer_certificate is a digest" check (length(signer_certificate) = 32)
) strict;

create index statement_signer_person on statement (signer_person);

-- Append-only: what was decided, kept off the log and bound to it by decision_hash.
create table decision (
    digest      blob    not null, -- SHA-256 of the canonical text: the decision_hash of ledger entries.
    canonical   text    not null, -- The decision as canonical JSON (RFC 8785).
    recorded_at integer not null, -- When it was recorded, in milliseconds since 1970 UTC.
    constraint "decision.digest" primary key (digest),
    constraint "decision.digest is a digest" check (length(digest) = 32)
) strict;

-- Append-only: the statements that a decision rests on, in the order in which it names them.
create table decision_statement (
    decision  blob    not null, -- The decision.
    ordinal   integer not null, -- Position in the decision's list, from 0.
    statement blob    not null, -- The statement.
    constraint "decision_statement.decision, decision_statement.ordinal" primary key (decision, ordinal),
    constraint "decision_statement.decision is a decision" foreign key (decision) references decision (digest),
    constraint "decision_statement.statement is a statement" foreign key (statement) references statement (digest),
    constraint "decision_statement.ordinal counts from zero" check (ordinal >= 0)
) strict;

create index decision_statement_statement on decision_statement (statement);

-- Versions are kept for ever; the one in force is the one activated last.
create table policy_version (
    digest       blob    not null, -- SHA-256 of the text.
    text         text    not null, -- Every profile and rule of this version, in canonical form.
    recorded_at  integer not null, -- When it was first seen, in milliseconds since 1970 UTC.
    activated_at integer,          -- When it was last put in force, in milliseconds since 1970 UTC; null when never.
    activated_by blob,             -- The statement that put it in force; null for the version an installation starts with.
    constraint "policy_version.digest" primary key (digest),
    constraint "policy_version.activated_by is a statement" foreign key (activated_by) references statement (digest),
    constraint "policy_version.digest is a digest" check (length(digest) = 32)
) strict;
