-- Departments lie one in another, and are made, changed and merged by signed statements.

alter table department add column parent text -- The department above it; null at the top.
    constraint "department.parent is a department" references department (id);

create index department_parent on department (parent);
create index department_successor on department (successor);

-- A name belongs to one department, and to those below it that were given it.
create table namespace (
    kind       text not null, -- organization: a value of O; dns: a domain suffix; mail: a mail domain.
    value      text not null, -- The name itself, in the normal form that validation compares.
    department text not null, -- A department that may certify it.
    constraint "department_namespace.kind, value, department" primary key (kind, value, department),
    constraint "department_namespace.department is a department" foreign key (department) references department (id),
    constraint "department_namespace.kind is known" check (kind in ('organization', 'dns', 'mail'))
) strict;

insert into namespace (kind, value, department) select kind, value, department from department_namespace;
drop table department_namespace;
alter table namespace rename to department_namespace;
create index department_namespace_department on department_namespace (department);

-- What people decide about departments. It is proposed, signed by as many as it takes, and then done.
create table department_change (
    id              text    not null, -- Opaque and random; of a change that makes a department, the department's own.
    act             text    not null, -- What the statements say that they do.
    department      text    not null, -- The department that is made, changed or merged.
    proposed_by     text    not null, -- The administrator who proposed it.
    proposed_at     integer not null, -- When that was, in milliseconds since 1970 UTC.
    idempotency_key text,             -- The Idempotency-Key of the proposal; null when it had none.
    request_digest  blob    not null, -- SHA-256 of that request, to tell a repetition from another request under the same key.
    shown           text    not null, -- Canonical JSON: what each department is and becomes, as whoever signs is shown it.
    statement       blob,             -- The statement that made the people enough; null until then.
    decided_at      integer,          -- When it was done, in milliseconds since 1970 UTC.
    constraint "department_change.id" primary key (id),
    constraint "department_change.proposed_by, department_change.idempotency_key" unique (proposed_by, idempotency_key),
    constraint "department_change.proposed_by is a person" foreign key (proposed_by) references person (id),
    constraint "department_change.statement is a statement" foreign key (statement) references statement (digest),
    constraint "department_change.act is known" check (act in ('define-department', 'change-department', 'merge-department')),
    constraint "department_change.request_digest is a digest" check (length(request_digest) = 32),
    constraint "department_change.decided_at is with its statement" check ((statement is null) = (decided_at is null))
) strict;
