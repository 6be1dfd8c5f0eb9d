-- The authorities of this installation and the logs that record them.

-- Append-only: a new generation is a new row beside the old one.
create table authority (
    name            text    not null, -- Purpose, family and generation, such as department-p256-g1 or root-sm2-g1.
    purpose         text    not null, -- Whom it certifies: root, department or citizen.
    algorithm       text    not null, -- The name of its key's algorithm, as in crypto::ALGORITHMS.
    generation      integer not null, -- 1, 2, 3 …; generations roll over side by side.
    issuer          text,             -- The authority that certified it; null for a root.
    subject_der     blob    not null, -- Its distinguished name in DER, as its certificates name their issuer.
    key_fingerprint  blob    not null, -- SHA-256 of its SubjectPublicKeyInfo; its own certificate is the one for that key.
    key_name        text    not null, -- What the key store calls its private key.
    crl_shards      integer not null, -- How many shards its CRL has: fixed, because certificates name their shard.
    null_parameters integer not null, -- 1: the SM2-with-SM3 algorithm identifier carries NULL parameters; 0: they are absent.
    policy_oid      text    not null, -- The certificate policy that its certificates assert, in dotted form.
    created_at      integer not null, -- When it was made, in milliseconds since 1970 UTC.
    constraint "authority.name" primary key (name),
    constraint "authority.key_fingerprint" unique (key_fingerprint),
    constraint "authority.key_name" unique (key_name),
    constraint "authority.issuer is an authority" foreign key (issuer) references authority (name),
    constraint "authority.generation counts from one" check (generation >= 1),
    constraint "authority.key_fingerprint is a digest" check (length(key_fingerprint) = 32),
    constraint "authority.crl_shards counts from one" check (crl_shards between 1 and 65535),
    constraint "authority.null_parameters is 0 or 1" check (null_parameters in (0, 1))
) strict;

-- Append-only.
create table log (
    name         text    not null, -- The authority that the log records, or operations.
    origin       text    not null, -- The checkpoint's origin line: a URL without scheme, unique to this incarnation.
    map_depth    integer not null, -- d: the status map has 2^d buckets.
    ed25519_spki blob    not null, -- SubjectPublicKeyInfo of the key of the Ed25519 note signature, in DER.
    sm2_spki     blob    not null, -- SubjectPublicKeyInfo of the key of the SM2 note signature, in DER.
    created_at   integer not null, -- When it was made, in milliseconds since 1970 UTC.
    constraint "log.name" primary key (name),
    constraint "log.origin" unique (origin),
    constraint "log.map_depth is possible" check (map_depth between 0 and 63)
) strict;
