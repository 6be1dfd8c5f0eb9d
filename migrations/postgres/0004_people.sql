-- Persons, services and departments.

create table person (
    id             text   not null,
    kind           text   not null,
    department     text,
    created_at     bigint not null,
    sealed_profile bytea,
    constraint "person.id" primary key (id),
    constraint "person.kind is known" check (kind in ('person', 'service', 'system'))
);

comment on column person.id is 'Opaque and random, whatever certificates the person holds.';
comment on column person.kind is 'person, service, or system: the service itself.';
comment on column person.department is 'Where the person works or the service belongs; null for citizens.';
comment on column person.created_at is 'When the row was made, in milliseconds since 1970 UTC.';
comment on column person.sealed_profile is 'Name and other personal data, encrypted; null when there is none or when it was erased.';

create index person_department on person (department, id);

create table department (
    id              text   not null,
    name            text   not null,
    created_by      text   not null,
    created_at      bigint not null,
    idempotency_key text,
    request_digest  bytea,
    successor       text,
    constraint "department.id" primary key (id),
    constraint "department.created_by, department.idempotency_key" unique (created_by, idempotency_key),
    constraint "department.created_by is a person" foreign key (created_by) references person (id),
    constraint "department.successor is a department" foreign key (successor) references department (id),
    constraint "department.request_digest is a digest" check (length(request_digest) = 32),
    constraint "department.successor is another" check (successor <> id)
);

comment on column department.id is 'Opaque and random.';
comment on column department.name is 'What people call it.';
comment on column department.created_by is 'The administrator who made it.';
comment on column department.created_at is 'When it was made, in milliseconds since 1970 UTC.';
comment on column department.idempotency_key is 'The Idempotency-Key of the request that made it; null when it had none.';
comment on column department.request_digest is 'SHA-256 of that request, to tell a repetition from another request under the same key.';
comment on column department.successor is 'The department it was merged into; null while it stands.';

-- The two tables name each other.
alter table person add constraint "person.department is a department" foreign key (department) references department (id);

-- What a department may certify. A value belongs to one department.
create table department_namespace (
    kind       text   not null,
    value      text   not null,
    department text   not null,
    constraint "department_namespace.kind, department_namespace.value" primary key (kind, value),
    constraint "department_namespace.department is a department" foreign key (department) references department (id),
    constraint "department_namespace.kind is known" check (kind in ('organization', 'dns', 'mail'))
);

comment on column department_namespace.kind is 'organization: a value of O; dns: a domain suffix; mail: a mail domain.';
comment on column department_namespace.value is 'The name itself, in the normal form that validation compares.';
comment on column department_namespace.department is 'The department that may certify it.';

create index department_namespace_department on department_namespace (department);

-- Append-only: a key belongs to one person for ever, whatever becomes of the certificates over it.
create table key_owner (
    key_fingerprint bytea  not null,
    person          text   not null,
    first_seen      bigint not null,
    constraint "key_owner.key_fingerprint" primary key (key_fingerprint),
    constraint "key_owner.person is a person" foreign key (person) references person (id),
    constraint "key_owner.key_fingerprint is a digest" check (length(key_fingerprint) = 32)
);

comment on column key_owner.key_fingerprint is 'SHA-256 of the SubjectPublicKeyInfo.';
comment on column key_owner.person is 'The person who first proved possession of the key.';
comment on column key_owner.first_seen is 'When that was, in milliseconds since 1970 UTC.';
