-- Persons, services and departments.

create table person (
    id             text    not null, -- Opaque and random, whatever certificates the person holds.
    kind           text    not null, -- person, service, or system: the service itself.
    department     text,             -- Where the person works or the service belongs; null for citizens.
    created_at     integer not null, -- When the row was made, in milliseconds since 1970 UTC.
    sealed_profile blob,             -- Name and other personal data, encrypted; null when there is none or when it was erased.
    constraint "person.id" primary key (id),
    constraint "person.department is a department" foreign key (department) references department (id),
    constraint "person.kind is known" check (kind in ('person', 'service', 'system'))
) strict;

create index person_department on person (department, id);

create table department (
    id              text    not null, -- Opaque and random.
    name            text    not null, -- What people call it.
    created_by      text    not null, -- The administrator who made it.
    created_at      integer not null, -- When it was made, in milliseconds since 1970 UTC.
    idempotency_key text,             -- The Idempotency-Key of the request that made it; null when it had none.
    request_digest  blob,             -- SHA-256 of that request, to tell a repetition from another request under the same key.
    successor       text,             -- The department it was merged into; null while it stands.
    constraint "department.id" primary key (id),
    constraint "department.created_by, department.idempotency_key" unique (created_by, idempotency_key),
    constraint "department.created_by is a person" foreign key (created_by) references person (id),
    constraint "department.successor is a department" foreign key (successor) references department (id),
    constraint "department.request_digest is a digest" check (length(request_digest) = 32),
    constraint "department.successor is another" check (successor <> id)
) strict;

-- What a department may certify. A value belongs to one department.
create table department_namespace (
    kind       text not null, -- organization: a value of O; dns: a domain suffix; mail: a mail domain.
    value      text not null, -- The name itself, in the normal form that validation compares.
    department text not null, -- The department that may certify it.
    constraint "department_namespace.kind, department_namespace.value" primary key (kind, value),
    constraint "department_namespace.department is a department" foreign key (department) references department (id),
    constraint "department_namespace.kind is known" check (kind in ('organization', 'dns', 'mail'))
) strict;

create index department_namespace_department on department_namespace (department);

-- Append-only: a key belongs to one person for ever, whatever becomes of the certificates over it.
create table key_owner (
    key_fingerprint blob    not null, -- SHA-256 of the SubjectPublicKeyInfo.
    person          text    not null, -- The person who first proved possession of the key.
    first_seen      integer not null, -- When that was, in milliseconds since 1970 UTC.
    constraint "key_owner.key_fingerprint" primary key (key_fingerprint),
    constraint "key_owner.person is a person" foreign key (person) references person (id),
    constraint "key_owner.key_fingerprint is a digest" check (length(key_fingerprint) = 32)
) strict;
