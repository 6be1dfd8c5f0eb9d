-- Staff in bulk: for whom an employee number stands, and the codes with which people come to certificates that were approved
-- before there was a key.

-- One row a member of staff. A number belongs to one person of a department for ever.
create table staff (
    person        text   not null,
    department    text   not null,
    sealed_number bytea,
    blind_index   bytea,
    added_at      bigint not null,
    constraint "staff.person" primary key (person),
    constraint "staff.department, staff.blind_index" unique (department, blind_index),
    constraint "staff.person is a person" foreign key (person) references person (id),
    constraint "staff.department is a department" foreign key (department) references department (id),
    constraint "staff.blind_index is a digest" check (length(blind_index) = 32),
    constraint "staff.blind_index comes with the number" check ((blind_index is null) = (sealed_number is null))
);

comment on column staff.person is 'The person.';
comment on column staff.department is 'The department whose number it is.';
comment on column staff.sealed_number is 'The employee number, encrypted under the identity key; null when it was erased.';
comment on column staff.blind_index is 'HMAC of department and number under the identity key; null when it was erased.';
comment on column staff.added_at is 'In milliseconds since 1970 UTC.';

-- Codes are used or replaced, never deleted: the leaf of their batch binds all of them.
create table enrolment_code (
    code_hash   bytea  not null,
    enrolment   text   not null,
    batch       text   not null,
    issued_to   text   not null,
    issued_at   bigint not null,
    expires_at  bigint not null,
    replaced_at bigint,
    used_at     bigint,
    failures    bigint not null,
    constraint "enrolment_code.code_hash" primary key (code_hash),
    constraint "enrolment_code.enrolment is an enrolment" foreign key (enrolment) references enrolment (id),
    constraint "enrolment_code.issued_to is a person" foreign key (issued_to) references person (id),
    constraint "enrolment_code.code_hash is a digest" check (length(code_hash) = 32),
    constraint "enrolment_code.is used or replaced" check (used_at is null or replaced_at is null),
    constraint "enrolment_code.failures counts from zero" check (failures >= 0)
);

comment on column enrolment_code.code_hash is 'SHA-256 of the code; the code itself is random and never stored.';
comment on column enrolment_code.enrolment is 'The approved enrolment that it is for.';
comment on column enrolment_code.batch is 'Names those that were made together, which one leaf binds.';
comment on column enrolment_code.issued_to is 'The officer who was handed it.';
comment on column enrolment_code.issued_at is 'In milliseconds since 1970 UTC.';
comment on column enrolment_code.expires_at is 'In milliseconds since 1970 UTC; from then on it is refused.';
comment on column enrolment_code.replaced_at is 'When a newer code took its place, in milliseconds since 1970 UTC; null before.';
comment on column enrolment_code.used_at is 'When it was used, in milliseconds since 1970 UTC; null before.';
comment on column enrolment_code.failures is 'How often it was presented with a request that was refused.';

create index enrolment_code_enrolment on enrolment_code (enrolment);
-- What was renewed, and by what.
create index enrolment_replaces on enrolment (replaces) where replaces is not null;
-- One enrolment has one code that works.
create unique index enrolment_code_standing on enrolment_code (enrolment) where replaced_at is null;
