-- Departments lie one in another, and are made, changed and merged by signed statements.

alter table department add column parent text
    constraint "department.parent is a department" references department (id);

comment on column department.parent is 'The department above it; null at the top.';

create index department_parent on department (parent);
create index department_successor on department (successor);

-- A name belongs to one department, and to those below it that were given it.
alter table department_namespace drop constraint "department_namespace.kind, department_namespace.value";
alter table department_namespace add
    constraint "department_namespace.kind, value, department" primary key (kind, value, department);

comment on column department_namespace.department is 'A department that may certify it.';

-- What people decide about departments. It is proposed, signed by as many as it takes, and then done.
create table department_change (
    id              text   not null,
    act             text   not null,
    department      text   not null,
    proposed_by     text   not null,
    proposed_at     bigint not null,
    idempotency_key text,
    request_digest  bytea  not null,
    shown           text   not null,
    statement       bytea,
    decided_at      bigint,
    constraint "department_change.id" primary key (id),
    constraint "department_change.proposed_by, department_change.idempotency_key" unique (proposed_by, idempotency_key),
    constraint "department_change.proposed_by is a person" foreign key (proposed_by) references person (id),
    constraint "department_change.statement is a statement" foreign key (statement) references statement (digest),
    constraint "department_change.act is known" check (act in ('define-department', 'change-department', 'merge-department')),
    constraint "department_change.request_digest is a digest" check (length(request_digest) = 32),
    constraint "department_change.decided_at is with its statement" check ((statement is null) = (decided_at is null))
);

comment on column department_change.id is 'Opaque and random; of a change that makes a department, the department''s own.';
comment on column department_change.act is 'What the statements say that they do.';
comment on column department_change.department is 'The department that is made, changed or merged.';
comment on column department_change.proposed_by is 'The administrator who proposed it.';
comment on column department_change.proposed_at is 'When that was, in milliseconds since 1970 UTC.';
comment on column department_change.idempotency_key is 'The Idempotency-Key of the proposal; null when it had none.';
comment on column department_change.request_digest is 'SHA-256 of that request, to tell a repetition from another request under the same key.';
comment on column department_change.shown is 'Canonical JSON: what each department is and becomes, as whoever signs is shown it.';
comment on column department_change.statement is 'The statement that made the people enough; null until then.';
comment on column department_change.decided_at is 'When it was done, in milliseconds since 1970 UTC.';
