-- Re-review after a stolen key: whatever rests on what a certificate signed since then.

-- Append-only. What became of each item is where it always is: in the status of the certificate, the state of the enrolment.
create table re_review (
    statement blob not null, -- The statement that completed the re-review. It is about the stolen key's certificate, and says since when.
    kind      text not null, -- certificate, enrolment, roles, token, identity-check or policy.
    item      text not null, -- The id of the certificate, enrolment, person, token or identity check, or the digest of the policy.
    constraint "re_review.statement, re_review.item" primary key (statement, item),
    constraint "re_review.statement is a statement" foreign key (statement) references statement (digest),
    constraint "re_review.kind is known" check (kind in ('certificate', 'enrolment', 'roles', 'token', 'identity-check', 'policy'))
) strict;

create index re_review_item on re_review (item);
