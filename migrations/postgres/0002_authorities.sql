-- The authorities of this installation and the logs that record them.

-- Append-only: a new generation is a new row beside the old one.
create table authority (
    name            text   not null,
    purpose         text   not null,
    algorithm       text   not null,
    generation      bigint not null,
    issuer          text,
    subject_der     bytea  not null,
    key_fingerprint  bytea  not null,
    key_name        text   not null,
    crl_shards      bigint not null,
    null_parameters bigint not null,
    policy_oid      text   not null,
    created_at      bigint not null,
    constraint "authority.name" primary key (name),
    constraint "authority.key_fingerprint" unique (key_fingerprint),
    constraint "authority.key_name" unique (key_name),
    constraint "authority.issuer is an authority" foreign key (issuer) references authority (name),
    constraint "authority.generation counts from one" check (generation >= 1),
    constraint "authority.key_fingerprint is a digest" check (length(key_fingerprint) = 32),
    constraint "authority.crl_shards counts from one" check (crl_shards between 1 and 65535),
    constraint "authority.null_parameters is 0 or 1" check (null_parameters in (0, 1))
);

comment on column authority.name is 'Purpose, family and generation, such as department-p256-g1 or root-sm2-g1.';
comment on column authority.purpose is 'Whom it certifies: root, department or citizen.';
comment on column authority.algorithm is 'The name of its key''s algorithm, as in crypto::ALGORITHMS.';
comment on column authority.generation is '1, 2, 3 …; generations roll over side by side.';
comment on column authority.issuer is 'The authority that certified it; null for a root.';
comment on column authority.subject_der is 'Its distinguished name in DER, as its certificates name their issuer.';
comment on column authority.key_fingerprint is 'SHA-256 of its SubjectPublicKeyInfo; its own certificate is the one for that key.';
comment on column authority.key_name is 'What the key store calls its private key.';
comment on column authority.crl_shards is 'How many shards its CRL has: fixed, because certificates name their shard.';
comment on column authority.null_parameters is '1: the SM2-with-SM3 algorithm identifier carries NULL parameters; 0: they are absent.';
comment on column authority.policy_oid is 'The certificate policy that its certificates assert, in dotted form.';
comment on column authority.created_at is 'When it was made, in milliseconds since 1970 UTC.';

-- Append-only.
create table log (
    name         text   not null,
    origin       text   not null,
    map_depth    bigint not null,
    ed25519_spki bytea  not null,
    sm2_spki     bytea  not null,
    created_at   bigint not null,
    constraint "log.name" primary key (name),
    constraint "log.origin" unique (origin),
    constraint "log.map_depth is possible" check (map_depth between 0 and 63)
);

comment on column log.name is 'The authority that the log records, or operations.';
comment on column log.origin is 'The checkpoint''s origin line: a URL without scheme, unique to this incarnation.';
comment on column log.map_depth is 'd: the status map has 2^d buckets.';
comment on column log.ed25519_spki is 'SubjectPublicKeyInfo of the key of the Ed25519 note signature, in DER.';
comment on column log.sm2_spki is 'SubjectPublicKeyInfo of the key of the SM2 note signature, in DER.';
comment on column log.created_at is 'When it was made, in milliseconds since 1970 UTC.';
