-- Decisions that take several people, and statements about lists.

create index statement_about on statement (about, act);

-- Append-only: what a statement about a list is about. Its root is that of RFC 6962 over the items.
create table statement_list (
    root    text    not null,
    ordinal bigint  not null,
    item    text    not null,
    constraint "statement_list.root, statement_list.ordinal" primary key (root, ordinal),
    constraint "statement_list.ordinal counts from zero" check (ordinal >= 0)
);

create index statement_list_item on statement_list (item);

comment on table statement_list is 'Append-only: what a statement about a list is about. Its root is that of RFC 6962 over the items.';
comment on column statement_list.root is 'The root, as statements are about it.';
comment on column statement_list.ordinal is 'Position in the list, from 0.';
comment on column statement_list.item is 'An identifier or a digest, as a statement about it alone would have it.';
