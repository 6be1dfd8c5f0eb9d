-- Who decided what: nonces, signed statements, the decisions made of them, and the versions of the policy.

-- Makes a statement single-use. Rows may be forgotten once they have expired: what is not here is refused.
create table nonce (
    nonce      text   not null,
    person     text   not null,
    act        text   not null,
    about      text   not null,
    issued_at  bigint not null,
    expires_at bigint not null,
    used_at    bigint,
    constraint "nonce.nonce" primary key (nonce),
    constraint "nonce.person is a person" foreign key (person) references person (id)
);

comment on column nonce.nonce is 'Random, in the form in which the statement carries it.';
comment on column nonce.person is 'The person it was made for.';
comment on column nonce.act is 'The act it may be used for.';
comment on column nonce.about is 'What the act is about: an enrolment, a certificate, or the root of a list.';
comment on column nonce.issued_at is 'In milliseconds since 1970 UTC.';
comment on column nonce.expires_at is 'In milliseconds since 1970 UTC; from then on it is refused.';
comment on column nonce.used_at is 'When a statement used it, in milliseconds since 1970 UTC; null before.';

create index nonce_expires_at on nonce (expires_at);

-- Append-only.
create table statement (
    digest             bytea  not null,
    jws                text   not null,
    act                text   not null,
    about              text   not null,
    signer_person      text,
    signer_certificate bytea,
    nonce              text   not null,
    recorded_at        bigint not null,
    constraint "statement.digest" primary key (digest),
    constraint "statement.nonce" unique (nonce),
    constraint "statement.signer_person is a person" foreign key (signer_person) references person (id),
    constraint "statement.digest is a digest" check (length(digest) = 32),
    constraint "statement.signer_certificate is a digest" check (length(signer_certificate) = 32)
);

comment on column statement.digest is 'SHA-256 of the JWS.';
comment on column statement.jws is 'The signed statement in compact serialisation (RFC 7515 §7.1).';
comment on column statement.act is 'Copied from the payload, for searching.';
comment on column statement.about is 'Copied from the payload, for searching.';
comment on column statement.signer_person is 'The person whose certificate signed it; null when the system key did.';
comment on column statement.signer_certificate is 'TBS digest of the certificate that signed it; null when the system key had none yet.';
comment on column statement.nonce is 'Copied from the payload: a nonce is in one statement only.';
comment on column statement.recorded_at is 'When it was recorded, in milliseconds since 1970 UTC.';

create index statement_signer_person on statement (signer_person);

-- Append-only: what was decided, kept off the log and bound to it by decision_hash.
create table decision (
    digest      bytea  not null,
    canonical   text   not null,
    recorded_at bigint not null,
    constraint "decision.digest" primary key (digest),
    constraint "decision.digest is a digest" check (length(digest) = 32)
);

comment on column decision.digest is 'SHA-256 of the canonical text: the decision_hash of ledger entries.';
comment on column decision.canonical is 'The decision as canonical JSON (RFC 8785).';
comment on column decision.recorded_at is 'When it was recorded, in milliseconds since 1970 UTC.';

-- Append-only: the statements that a decision rests on, in the order in which it names them.
create table decision_statement (
    decision  bytea  not null,
    ordinal   bigint not null,
    statement bytea  not null,
    constraint "decision_statement.decision, decision_statement.ordinal" primary key (decision, ordinal),
    constraint "decision_statement.decision is a decision" foreign key (decision) references decision (digest),
    constraint "decision_statement.statement is a statement" foreign key (statement) references statement (digest),
    constraint "decision_statement.ordinal counts from zero" check (ordinal >= 0)
);

comment on column decision_statement.decision is 'The decision.';
comment on column decision_statement.ordinal is 'Position in the decision''s list, from 0.';
comment on column decision_statement.statement is 'The statement.';

create index decision_statement_statement on decision_statement (statement);

-- Versions are kept for ever; the one in force is the one activated last.
create table policy_version (
    digest       bytea  not null,
    text   text   not null,
    recorded_at  bigint not null,
    activated_at bigint,
    activated_by bytea,
    constraint "policy_version.digest" primary key (digest),
    constraint "policy_version.activated_by is a statement" foreign key (activated_by) references statement (digest),
    constraint "policy_version.digest is a digest" check (length(digest) = 32)
);

comment on column policy_version.digest is 'SHA-256 of the text.';
comment on column policy_version.text is 'Every profile and rule of this version, in canonical form.';
comment on column policy_version.recorded_at is 'When it was first seen, in milliseconds since 1970 UTC.';
comment on column policy_version.activated_at is 'When it was last put in force, in milliseconds since 1970 UTC; null when never.';
comment on column policy_version.activated_by is 'The statement that put it in force; null for the version an installation starts with.';
