-- The Merkle logs: leaves, the tiles computed from them, the head that is compared and set, and what was signed over it.

-- Append-only: the entries are the truth that every other table is checked against.
create table ledger_leaf (
    log       text   not null,
    idx       bigint not null,
    event_id  bytea  not null,
    leaf_hash bytea  not null,
    entry     bytea  not null,
    constraint "ledger_leaf.log, ledger_leaf.idx" primary key (log, idx),
    constraint "ledger_leaf.log, ledger_leaf.event_id" unique (log, event_id),
    constraint "ledger_leaf.log is a log" foreign key (log) references log (name),
    constraint "ledger_leaf.idx counts from zero" check (idx >= 0),
    constraint "ledger_leaf.event_id is a digest" check (length(event_id) = 32),
    constraint "ledger_leaf.leaf_hash is a digest" check (length(leaf_hash) = 32)
);

comment on column ledger_leaf.log is 'The log.';
comment on column ledger_leaf.idx is 'Position in the log, from 0 without gaps.';
comment on column ledger_leaf.event_id is 'Identity of the event: recording it twice hits the unique constraint.';
comment on column ledger_leaf.leaf_hash is 'RFC 6962 leaf hash of the entry.';
comment on column ledger_leaf.entry is 'The entry''s bytes as served in entry bundles.';

-- Computed from the leaves. Only the rightmost row of a level ever grows; a stored hash never changes, so every
-- historical partial tile is a prefix of its row.
create table ledger_tile (
    log    text   not null,
    level  bigint not null,
    n      bigint not null,
    hashes bytea  not null,
    constraint "ledger_tile.log, ledger_tile.level, ledger_tile.n" primary key (log, level, n),
    constraint "ledger_tile.log is a log" foreign key (log) references log (name),
    constraint "ledger_tile.level is possible" check (level between 0 and 63),
    constraint "ledger_tile.n counts from zero" check (n >= 0),
    constraint "ledger_tile.hashes are whole" check (length(hashes) between 32 and 8192 and length(hashes) % 32 = 0)
);

comment on column ledger_tile.log is 'The log.';
comment on column ledger_tile.level is 'Level of the tile (C2SP tlog-tiles): 0 holds leaf hashes.';
comment on column ledger_tile.n is 'Number of the tile within its level.';
comment on column ledger_tile.hashes is '1 to 256 hashes of 32 octets.';

-- One row per log, changed only by compare-and-set on size and fence.
create table ledger_head (
    log      text   not null,
    size     bigint not null,
    root     bytea  not null,
    map_root bytea  not null,
    time     bigint not null,
    fence    bigint not null,
    constraint "ledger_head.log" primary key (log),
    constraint "ledger_head.log is a log" foreign key (log) references log (name),
    constraint "ledger_head.size counts from zero" check (size >= 0),
    constraint "ledger_head.root is a digest" check (length(root) = 32),
    constraint "ledger_head.map_root is a digest" check (length(map_root) = 32)
);

comment on column ledger_head.log is 'The log.';
comment on column ledger_head.size is 'How many leaves its tree has.';
comment on column ledger_head.root is 'Root of the tree of that size.';
comment on column ledger_head.map_root is 'Root of the status map as of that size.';
comment on column ledger_head.time is 'When the head was set, in milliseconds since 1970 UTC.';
comment on column ledger_head.fence is 'Raised by each new sequencer, so that a paused old one cannot set the head.';

-- Append-only: each is signed after its tree is durable, and never two of one size.
create table ledger_checkpoint (
    log  text   not null,
    size bigint not null,
    note text   not null,
    constraint "ledger_checkpoint.log, ledger_checkpoint.size" primary key (log, size),
    constraint "ledger_checkpoint.log is a log" foreign key (log) references log (name),
    constraint "ledger_checkpoint.size counts from zero" check (size >= 0)
);

comment on column ledger_checkpoint.log is 'The log.';
comment on column ledger_checkpoint.size is 'The tree size that the checkpoint states.';
comment on column ledger_checkpoint.note is 'The signed note (C2SP tlog-checkpoint), with the log''s own signatures.';
