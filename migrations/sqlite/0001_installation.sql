-- What this database belongs to.

-- One row, written by the first start.
create table installation (
    id          integer not null, -- Always 1, so that there is one row.
    incarnation text    not null, -- Eight hexadecimal digits drawn at the first start; part of the origin of its logs.
    mode        text    not null, -- trial: roots beside the service and the passphrase beside the keys; production: after a key ceremony.
    created_at  integer not null, -- When the installation was made, in milliseconds since 1970 UTC.
    constraint "installation.id" primary key (id),
    constraint "installation.id is one" check (id = 1),
    constraint "installation.incarnation is hex" check (length(incarnation) = 8),
    constraint "installation.mode is known" check (mode in ('trial', 'production'))
) strict;
