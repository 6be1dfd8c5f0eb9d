-- Decisions that take several people, and statements about lists.

create index statement_about on statement (about, act);

-- Append-only: what a statement about a list is about. Its root is that of RFC 6962 over the items.
create table statement_list (
    root    text    not null, -- The root, as statements are about it.
    ordinal integer not null, -- Position in the list, from 0.
    item    text    not null, -- An identifier or a digest, as a statement about it alone would have it.
    constraint "statement_list.root, statement_list.ordinal" primary key (root, ordinal),
    constraint "statement_list.ordinal counts from zero" check (ordinal >= 0)
) strict;

create index statement_list_item on statement_list (item);
