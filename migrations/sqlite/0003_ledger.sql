-- The Merkle logs: leaves, the tiles computed from them, the head that is compared and set, and what was signed over it.

-- Append-only: the entries are the truth that every other table is checked against.
create table ledger_leaf (
    log       text    not null, -- The log.
    idx       integer not null, -- Position in the log, from 0 without gaps.
    event_id  blob    not null, -- Identity of the event: recording it twice hits the unique constraint.
    leaf_hash blob    not null, -- RFC 6962 leaf hash of the entry.
    entry     blob    not null, -- The entry's bytes as served in entry bundles.
    constraint "ledger_leaf.log, ledger_leaf.idx" primary key (log, idx),
    constraint "ledger_leaf.log, ledger_leaf.event_id" unique (log, event_id),
    constraint "ledger_leaf.log is a log" foreign key (log) references log (name),
    constraint "ledger_leaf.idx counts from zero" check (idx >= 0),
    constraint "ledger_leaf.event_id is a digest" check (length(event_id) = 32),
    constraint "ledger_leaf.leaf_hash is a digest" check (length(leaf_hash) = 32)
) strict, without rowid;

-- Computed from the leaves. Only the rightmost row of a level ever grows; a stored hash never changes, so every
-- historical partial tile is a prefix of its row.
create table ledger_tile (
    log    text    not null, -- The log.
    level  integer not null, -- Level of the tile (C2SP tlog-tiles): 0 holds leaf hashes.
    n      integer not null, -- Number of the tile within its level.
    hashes blob    not null, -- 1 to 256 hashes of 32 octets.
    constraint "ledger_tile.log, ledger_tile.level, ledger_tile.n" primary key (log, level, n),
    constraint "ledger_tile.log is a log" foreign key (log) references log (name),
    constraint "ledger_tile.level is possible" check (level between 0 and 63),
    constraint "ledger_tile.n counts from zero" check (n >= 0),
    constraint "ledger_tile.hashes are whole" check (length(hashes) between 32 and 8192 and length(hashes) % 32 = 0)
) strict;

-- One row per log, changed only by compare-and-set on size and fence.
create table ledger_head (
    log      text    not null, -- The log.
    size     integer not null, -- How many leaves its tree has.
    root     blob    not null, -- Root of the tree of that size.
    map_root blob    not null, -- Root of the status map as of that size.
    time     integer not null, -- When the head was set, in milliseconds since 1970 UTC.
    fence    integer not null, -- Raised by each new sequencer, so that a paused old one cannot set the head.
    constraint "ledger_head.log" primary key (log),
    constraint "ledger_head.log is a log" foreign key (log) references log (name),
    constraint "ledger_head.size counts from zero" check (size >= 0),
    constraint "ledger_head.root is a digest" check (length(root) = 32),
    constraint "ledger_head.map_root is a digest" check (length(map_root) = 32)
) strict;

-- Append-only: each is signed after its tree is durable, and never two of one size.
create table ledger_checkpoint (
    log  text    not null, -- The log.
    size integer not null, -- The tree size that the checkpoint states.
    note text    not null, -- The signed note (C2SP tlog-checkpoint), with the log's own signatures.
    constraint "ledger_checkpoint.log, ledger_checkpoint.size" primary key (log, size),
    constraint "ledger_checkpoint.log is a log" foreign key (log) references log (name),
    constraint "ledger_checkpoint.size counts from zero" check (size >= 0)
) strict;
