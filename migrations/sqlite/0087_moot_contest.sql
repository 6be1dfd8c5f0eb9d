-- A contest also ends without two officers: when the later enrolment ends, or when the earlier citizen is erased.
create table ended_contest (
    later     text    not null, -- The enrolment that came second and waits.
    earlier   text    not null, -- The enrolment that holds the slot while it is open, and held it when it ended.
    opened_at integer not null, -- In milliseconds since 1970 UTC.
    state     text    not null, -- open, upheld (the earlier certificate was revoked), dismissed (the later enrolment was rejected) or moot (one of the two ended otherwise).
    decision  blob,             -- What two officers decided, or what ended one of the two; null while it is open.
    constraint "contest.later" primary key (later),
    constraint "contest.later is an enrolment" foreign key (later) references enrolment (id),
    constraint "contest.earlier is an enrolment" foreign key (earlier) references enrolment (id),
    constraint "contest.decision is a decision" foreign key (decision) references decision (digest),
    constraint "contest.state is known" check (state in ('open', 'upheld', 'dismissed', 'moot')),
    constraint "contest.state has its decision" check ((state = 'open') = (decision is null))
) strict;

insert into ended_contest (later, earlier, opened_at, state, decision) select later, earlier, opened_at, state, decision from contest;
drop table contest;
alter table ended_contest rename to contest;
create index contest_earlier on contest (earlier) where state = 'open';

update contest set state = 'moot', decision = (select decision from enrolment where id = contest.later)
    where state = 'open' and later in (select id from enrolment where state in ('rejected', 'withdrawn', 'expired'));
update contest set earlier = (select s.enrolment from proofing p join enrolment e on e.id = p.enrolment
        join identity_slot s on s.blind_index = p.blind_index and s.profile = e.profile where p.enrolment = contest.later)
    where state = 'open' and exists (select 1 from proofing p join enrolment e on e.id = p.enrolment
        join identity_slot s on s.blind_index = p.blind_index and s.profile = e.profile where p.enrolment = contest.later);
