-- Tokens: how services that rely on us say who they are.

-- A token is revoked or expires, and is never deleted.
create table token (
    id                text    not null, -- Opaque and random; the part of the secret that finds the row.
    name              text    not null, -- What its service is called.
    department        text,             -- The department whose records it may read; null for those of all.
    scopes            text    not null, -- What it is for, separated by spaces, in their order.
    salt              blob    not null, -- Binds statements about it to this row.
    proposed_by       text    not null, -- The administrator who asked for it.
    proposed_at       integer not null, -- In milliseconds since 1970 UTC.
    expires_at        integer not null, -- In milliseconds since 1970 UTC; from then on it opens nothing.
    secret_hash       blob,             -- SHA-256 of the secret; null until it is granted.
    statement         blob,             -- The statement that granted it; null before.
    granted_at        integer,          -- In milliseconds since 1970 UTC; null before.
    revoked_at        integer,          -- In milliseconds since 1970 UTC; null while it stands.
    revoked_statement blob,             -- The statement that revoked it; null while it stands.
    constraint "token.id" primary key (id),
    constraint "token.department is a department" foreign key (department) references department (id),
    constraint "token.proposed_by is a person" foreign key (proposed_by) references person (id),
    constraint "token.statement is a statement" foreign key (statement) references statement (digest),
    constraint "token.revoked_statement is a statement" foreign key (revoked_statement) references statement (digest),
    constraint "token.secret_hash is a digest" check (secret_hash is null or length(secret_hash) = 32),
    constraint "token.granted_at has its statement" check ((granted_at is null) = (statement is null)),
    constraint "token.secret_hash has its statement" check ((secret_hash is null) = (statement is null)),
    constraint "token.revoked_at has its statement" check ((revoked_at is null) = (revoked_statement is null)),
    constraint "token.revoked_at comes after granted_at" check (revoked_at is null or granted_at is not null)
) strict;

create index token_department on token (department, id);
