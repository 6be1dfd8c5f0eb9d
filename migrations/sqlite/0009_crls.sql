-- Certificate revocation lists.

-- Append-only: a list is kept as it was published.
create table crl (
    authority   text    not null, -- The authority that issued it.
    shard       integer not null, -- The shard of its certificates that it covers; -1 for the list of all.
    number      integer not null, -- CRLNumber (RFC 5280 §5.2.3): one counter per authority, so a number is in one list only.
    this_update integer not null, -- In milliseconds since 1970 UTC.
    next_update integer not null, -- In milliseconds since 1970 UTC.
    der         blob    not null, -- The CertificateList in DER.
    constraint "crl.authority, crl.shard, crl.number" primary key (authority, shard, number),
    constraint "crl.authority, crl.number" unique (authority, number),
    constraint "crl.authority is an authority" foreign key (authority) references authority (name),
    constraint "crl.shard is possible" check (shard between -1 and 65534),
    constraint "crl.number counts from one" check (number >= 1),
    constraint "crl.next_update follows this_update" check (next_update > this_update)
) strict;
