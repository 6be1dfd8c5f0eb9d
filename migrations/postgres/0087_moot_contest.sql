-- A contest also ends without two officers: when the later enrolment ends, or when the earlier citizen is erased.
alter table contest
    drop constraint "contest.state is known",
    add constraint "contest.state is known" check (state in ('open', 'upheld', 'dismissed', 'moot'));

comment on column contest.earlier is 'The enrolment that holds the slot while it is open, and held it when it ended.';
comment on column contest.state is 'open, upheld (the earlier certificate was revoked), dismissed (the later enrolment was rejected) or moot (one of the two ended otherwise).';
comment on column contest.decision is 'What two officers decided, or what ended one of the two; null while it is open.';
create index contest_earlier on contest (earlier) where state = 'open';

update contest set state = 'moot', decision = (select decision from enrolment where id = contest.later)
    where state = 'open' and later in (select id from enrolment where state in ('rejected', 'withdrawn', 'expired'));
update contest set earlier = (select s.enrolment from proofing p join enrolment e on e.id = p.enrolment
        join identity_slot s on s.blind_index = p.blind_index and s.profile = e.profile where p.enrolment = contest.later)
    where state = 'open' and exists (select 1 from proofing p join enrolment e on e.id = p.enrolment
        join identity_slot s on s.blind_index = p.blind_index and s.profile = e.profile where p.enrolment = contest.later);
