-- Who may act, by whose statement, and the one-time codes with which the first administrators come in.

-- A grant is withdrawn, never deleted.
create table role_grant (
    id                  text    not null, -- Opaque and random.
    person              text    not null, -- Who holds the role.
    department          text,             -- The department it is limited to; null for the whole installation.
    role                text    not null, -- administrator, registration-officer, approver, auditor …
    statement           blob    not null, -- The statement that granted it.
    granted_at          integer not null, -- In milliseconds since 1970 UTC.
    withdrawn_at        integer,          -- In milliseconds since 1970 UTC; null while the grant stands.
    withdrawn_statement blob,             -- The statement that withdrew it; null while the grant stands.
    constraint "role_grant.id" primary key (id),
    constraint "role_grant.person is a person" foreign key (person) references person (id),
    constraint "role_grant.department is a department" foreign key (department) references department (id),
    constraint "role_grant.statement is a statement" foreign key (statement) references statement (digest),
    constraint "role_grant.withdrawn_statement is a statement" foreign key (withdrawn_statement) references statement (digest),
    constraint "role_grant.withdrawn_at has its statement" check ((withdrawn_at is null) = (withdrawn_statement is null))
) strict;

create index role_grant_person on role_grant (person);
-- One person holds a role once: two grants at one moment do not make two.
create unique index role_grant_standing on role_grant (person, role, coalesce(department, '')) where withdrawn_at is null;

-- One-time codes for people who have no certificate yet.
create table claim (
    code_hash  blob    not null, -- SHA-256 of the code; the code itself is random and never stored.
    person     text    not null, -- Who may claim.
    profile    text    not null, -- The certificate profile that is claimed.
    department text,             -- The department of the certificate; null when it has none.
    statement  blob    not null, -- The statement that made the claim possible.
    expires_at integer not null, -- In milliseconds since 1970 UTC; from then on it is refused.
    used_at    integer,          -- When it was used, in milliseconds since 1970 UTC; null before.
    failures   integer not null, -- How often it was presented with a request that was refused.
    constraint "claim.code_hash" primary key (code_hash),
    constraint "claim.person is a person" foreign key (person) references person (id),
    constraint "claim.department is a department" foreign key (department) references department (id),
    constraint "claim.statement is a statement" foreign key (statement) references statement (digest),
    constraint "claim.code_hash is a digest" check (length(code_hash) = 32),
    constraint "claim.failures counts from zero" check (failures >= 0)
) strict;
