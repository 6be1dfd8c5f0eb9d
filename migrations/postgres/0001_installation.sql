-- What this database belongs to.

-- One row, written by the first start.
create table installation (
    id          bigint not null,
    incarnation text   not null,
    mode        text   not null,
    created_at  bigint not null,
    constraint "installation.id" primary key (id),
    constraint "installation.id is one" check (id = 1),
    constraint "installation.incarnation is hex" check (length(incarnation) = 8),
    constraint "installation.mode is known" check (mode in ('trial', 'production'))
);

comment on column installation.id is 'Always 1, so that there is one row.';
comment on column installation.incarnation is 'Eight hexadecimal digits drawn at the first start; part of the origin of its logs.';
comment on column installation.mode is 'trial: roots beside the service and the passphrase beside the keys; production: after a key ceremony.';
comment on column installation.created_at is 'When the installation was made, in milliseconds since 1970 UTC.';
