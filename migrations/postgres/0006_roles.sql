-- Who may act, by whose statement, and the one-time codes with which the first administrators come in.

-- A grant is withdrawn, never deleted.
create table role_grant (
    id                  text   not null,
    person              text   not null,
    department          text,
    role                text   not null,
    statement           bytea  not null,
    granted_at          bigint not null,
    withdrawn_at        bigint,
    withdrawn_statement bytea,
    constraint "role_grant.id" primary key (id),
    constraint "role_grant.person is a person" foreign key (person) references person (id),
    constraint "role_grant.department is a department" foreign key (department) references department (id),
    constraint "role_grant.statement is a statement" foreign key (statement) references statement (digest),
    constraint "role_grant.withdrawn_statement is a statement" foreign key (withdrawn_statement) references statement (digest),
    constraint "role_grant.withdrawn_at has its statement" check ((withdrawn_at is null) = (withdrawn_statement is null))
);

comment on column role_grant.id is 'Opaque and random.';
comment on column role_grant.person is 'Who holds the role.';
comment on column role_grant.department is 'The department it is limited to; null for the whole installation.';
comment on column role_grant.role is 'administrator, registration-officer, approver, auditor …';
comment on column role_grant.statement is 'The statement that granted it.';
comment on column role_grant.granted_at is 'In milliseconds since 1970 UTC.';
comment on column role_grant.withdrawn_at is 'In milliseconds since 1970 UTC; null while the grant stands.';
comment on column role_grant.withdrawn_statement is 'The statement that withdrew it; null while the grant stands.';

create index role_grant_person on role_grant (person);
-- One person holds a role once: two grants at one moment do not make two.
create unique index role_grant_standing on role_grant (person, role, coalesce(department, '')) where withdrawn_at is null;

-- One-time codes for people who have no certificate yet.
create table claim (
    code_hash  bytea  not null,
    person     text   not null,
    profile    text   not null,
    department text,
    statement  bytea  not null,
    expires_at bigint not null,
    used_at    bigint,
    failures   bigint not null,
    constraint "claim.code_hash" primary key (code_hash),
    constraint "claim.person is a person" foreign key (person) references person (id),
    constraint "claim.department is a department" foreign key (department) references department (id),
    constraint "claim.statement is a statement" foreign key (statement) references statement (digest),
    constraint "claim.code_hash is a digest" check (length(code_hash) = 32),
    constraint "claim.failures counts from zero" check (failures >= 0)
);

comment on column claim.code_hash is 'SHA-256 of the code; the code itself is random and never stored.';
comment on column claim.person is 'Who may claim.';
comment on column claim.profile is 'The certificate profile that is claimed.';
comment on column claim.department is 'The department of the certificate; null when it has none.';
comment on column claim.statement is 'The statement that made the claim possible.';
comment on column claim.expires_at is 'In milliseconds since 1970 UTC; from then on it is refused.';
comment on column claim.used_at is 'When it was used, in milliseconds since 1970 UTC; null before.';
comment on column claim.failures is 'How often it was presented with a request that was refused.';
