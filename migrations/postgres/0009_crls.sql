-- Certificate revocation lists.

-- Append-only: a list is kept as it was published.
create table crl (
    authority   text   not null,
    shard       bigint not null,
    number      bigint not null,
    this_update bigint not null,
    next_update bigint not null,
    der         bytea  not null,
    constraint "crl.authority, crl.shard, crl.number" primary key (authority, shard, number),
    constraint "crl.authority, crl.number" unique (authority, number),
    constraint "crl.authority is an authority" foreign key (authority) references authority (name),
    constraint "crl.shard is possible" check (shard between -1 and 65534),
    constraint "crl.number counts from one" check (number >= 1),
    constraint "crl.next_update follows this_update" check (next_update > this_update)
);

comment on column crl.authority is 'The authority that issued it.';
comment on column crl.shard is 'The shard of its certificates that it covers; -1 for the list of all.';
comment on column crl.number is 'CRLNumber (RFC 5280 §5.2.3): one counter per authority, so a number is in one list only.';
comment on column crl.this_update is 'In milliseconds since 1970 UTC.';
comment on column crl.next_update is 'In milliseconds since 1970 UTC.';
comment on column crl.der is 'The CertificateList in DER.';
