-- Requests for certificates.

create table enrolment (
    seq             integer not null, -- Order of submission, for paging.
    id              text    not null, -- Opaque and random.
    profile         text    not null, -- The certificate profile that is asked for.
    department      text,             -- The department it is asked under; null for a citizen's own request.
    person          text    not null, -- The subject.
    submitted_by    text    not null, -- Who asked, perhaps the subject.
    submitted_at    integer not null, -- In milliseconds since 1970 UTC.
    state           text    not null, -- submitted, approved, issued, rejected, withdrawn or expired.
    sealed_subject  blob,             -- The subject's data, encrypted; null after erasure.
    salt            blob,             -- Random; binds what was shown to the statements about it; null after erasure, which unbinds it.
    evidence_digest blob,             -- SHA-256 of the evidence of identity proofing; null when the profile asks for none.
    replaces        blob,             -- TBS digest of the certificate that this one renews; null for a first one.
    policy          blob    not null, -- The policy version it was checked against.
    decision        blob,             -- The decision that approved or rejected it; null before.
    idempotency_key text,             -- The Idempotency-Key of the request; null when it had none.
    request_digest  blob    not null, -- SHA-256 of the request, to tell a repetition from another request under the same key.
    updated_at      integer not null, -- When its state last changed, in milliseconds since 1970 UTC.
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
) strict;

create index enrolment_state on enrolment (state, seq);
create index enrolment_department on enrolment (department, seq);
create index enrolment_person on enrolment (person, seq);

-- Append-only: the requests as received, proof of possession checked.
create table enrolment_request (
    enrolment       text    not null, -- The enrolment.
    ordinal         integer not null, -- Position in the enrolment, from 0.
    csr             blob    not null, -- The PKCS#10 request in DER, as received (RFC 2986).
    key_fingerprint blob    not null, -- SHA-256 of its SubjectPublicKeyInfo.
    algorithm       text    not null, -- The name of its key's algorithm, as in crypto::ALGORITHMS.
    constraint "enrolment_request.enrolment, enrolment_request.ordinal" primary key (enrolment, ordinal),
    constraint "enrolment_request.enrolment is an enrolment" foreign key (enrolment) references enrolment (id),
    constraint "enrolment_request.key_fingerprint is a digest" check (length(key_fingerprint) = 32),
    constraint "enrolment_request.ordinal counts from zero" check (ordinal >= 0)
) strict;
