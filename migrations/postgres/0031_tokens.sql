-- Tokens: how services that rely on us say who they are.

-- A token is revoked or expires, and is never deleted.
create table token (
    id                text   not null,
    name              text   not null,
    department        text,
    scopes            text   not null,
    salt              bytea  not null,
    proposed_by       text   not null,
    proposed_at       bigint not null,
    expires_at        bigint not null,
    secret_hash       bytea,
    statement         bytea,
    granted_at        bigint,
    revoked_at        bigint,
    revoked_statement bytea,
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
);

comment on column token.id is 'Opaque and random; the part of the secret that finds the row.';
comment on column token.name is 'What its service is called.';
comment on column token.department is 'The department whose records it may read; null for those of all.';
comment on column token.scopes is 'What it is for, separated by spaces, in their order.';
comment on column token.salt is 'Binds statements about it to this row.';
comment on column token.proposed_by is 'The administrator who asked for it.';
comment on column token.proposed_at is 'In milliseconds since 1970 UTC.';
comment on column token.expires_at is 'In milliseconds since 1970 UTC; from then on it opens nothing.';
comment on column token.secret_hash is 'SHA-256 of the secret; null until it is granted.';
comment on column token.statement is 'The statement that granted it; null before.';
comment on column token.granted_at is 'In milliseconds since 1970 UTC; null before.';
comment on column token.revoked_at is 'In milliseconds since 1970 UTC; null while it stands.';
comment on column token.revoked_statement is 'The statement that revoked it; null while it stands.';

create index token_department on token (department, id);
