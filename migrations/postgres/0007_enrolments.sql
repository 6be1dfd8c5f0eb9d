-- Requests for certificates.

create table enrolment (
    seq             bigint not null generated always as identity,
    id              text   not null,
    profile         text   not null,
    department      text,
    person          text   not null,
    submitted_by    text   not null,
    submitted_at    bigint not null,
    state           text   not null,
    sealed_subject  bytea,
    salt            bytea,
    evidence_digest bytea,
    replaces        bytea,
    policy          bytea  not null,
    decision        bytea,
    idempotency_key text,
    request_digest  bytea  not null,
    updated_at      bigint not null,
    constraint "enrolment.seq" primary key (seq),
    constraint "enrolment.id" unique (id),
    constraint "enrolment.submitted_by, enrolment.idempotency_key" unique (submitted_by, idempotency_key),
    constraint "enrolment.department is a department" foreign key (department) references department (id),
    constraint "enrolment.person is a person" foreign key (person) references person (id),
    constraint "enrolment.submitted_by is a person" foreign key (submitted_by) references person (id),
    constraint "enrolment.policy is a policy version" foreign key (policy) references policy_version (digest),
    constraint "enrolment.decision is a decision" foreign key (decision) references decision (digest),
    constraint "enrolment.state is known" check (state in ('submitted', 'approved', 'issued', 'rejected', 'withdrawn', 'expired')),
    constraint "enrolment.evidence_digest is a digest" check (length(evidence_digest) = 32),
    constraint "enrolment.replaces is a digest" check (length(replaces) = 32),
    constraint "enrolment.request_digest is a digest" check (length(request_digest) = 32)
);

comment on column enrolment.seq is 'Order of submission, for paging.';
comment on column enrolment.id is 'Opaque and random.';
comment on column enrolment.profile is 'The certificate profile that is asked for.';
comment on column enrolment.department is 'The department it is asked under; null for a citizen''s own request.';
comment on column enrolment.person is 'The subject.';
comment on column enrolment.submitted_by is 'Who asked, perhaps the subject.';
comment on column enrolment.submitted_at is 'In milliseconds since 1970 UTC.';
comment on column enrolment.state is 'submitted, approved, issued, rejected, withdrawn or expired.';
comment on column enrolment.sealed_subject is 'The subject''s data, encrypted; null after erasure.';
comment on column enrolment.salt is 'Random; binds what was shown to the statements about it; null after erasure, which unbinds it.';
comment on column enrolment.evidence_digest is 'SHA-256 of the evidence of identity proofing; null when the profile asks for none.';
comment on column enrolment.replaces is 'TBS digest of the certificate that this one renews; null for a first one.';
comment on column enrolment.policy is 'The policy version it was checked against.';
comment on column enrolment.decision is 'The decision that approved or rejected it; null before.';
comment on column enrolment.idempotency_key is 'The Idempotency-Key of the request; null when it had none.';
comment on column enrolment.request_digest is 'SHA-256 of the request, to tell a repetition from another request under the same key.';
comment on column enrolment.updated_at is 'When its state last changed, in milliseconds since 1970 UTC.';

create index enrolment_state on enrolment (state, seq);
create index enrolment_department on enrolment (department, seq);
create index enrolment_person on enrolment (person, seq);

-- Append-only: the requests as received, proof of possession checked.
create table enrolment_request (
    enrolment       text   not null,
    ordinal         bigint not null,
    csr             bytea  not null,
    key_fingerprint bytea  not null,
    algorithm       text   not null,
    constraint "enrolment_request.enrolment, enrolment_request.ordinal" primary key (enrolment, ordinal),
    constraint "enrolment_request.enrolment is an enrolment" foreign key (enrolment) references enrolment (id),
    constraint "enrolment_request.key_fingerprint is a digest" check (length(key_fingerprint) = 32),
    constraint "enrolment_request.ordinal counts from zero" check (ordinal >= 0)
);

comment on column enrolment_request.enrolment is 'The enrolment.';
comment on column enrolment_request.ordinal is 'Position in the enrolment, from 0.';
comment on column enrolment_request.csr is 'The PKCS#10 request in DER, as received (RFC 2986).';
comment on column enrolment_request.key_fingerprint is 'SHA-256 of its SubjectPublicKeyInfo.';
comment on column enrolment_request.algorithm is 'The name of its key''s algorithm, as in crypto::ALGORITHMS.';
