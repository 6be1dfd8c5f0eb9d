//! What is destroyed: data that has served, and everything that is held about one person.

use super::super::{Connection, Error, on};

/// Identity checks whose code was not used in time, and those that were recorded before `$2` and never confirmed.
macro_rules! unused_checks {
    () => {
        "used_at is null and salt is not null and (expires_at <= $1 or (confirmed is null and submitted_at <= $2))"
    };
}

/// Identity checks whose proof is over: it was not used in time, or only ended a suspension.
macro_rules! spent_checks {
    () => {
        "salt is not null and id in (select p.identity_check from proofing p \
         where p.enrolment is null and p.blind_index is not null and p.expires_at <= $1)"
    };
}

/// Forgets logins that are over, proofs that are, and who was checked at a counter for nothing, with what they were told.
/// `stale` is until when a check was recorded that nobody confirms any more. Answers how many rows.
pub async fn forget(connection: &mut Connection, now: i64, stale: i64) -> Result<u64, Error> {
    const UNUSED: [&str; 2] = [
        concat!("delete from contact_notice where about in (select id from identity_check where ", unused_checks!(), ")"),
        concat!("update identity_check set sealed_subject = null, sealed_number = null, salt = null where ", unused_checks!()),
    ];
    const SPENT: [&str; 4] = [
        concat!("delete from contact_notice where about in (select id from identity_check where ", spent_checks!(), ")"),
        concat!("update identity_check set sealed_subject = null, sealed_number = null, salt = null where ", spent_checks!()),
        "update proofing set sealed_subject = null, sealed_number = null, blind_index = null, reference = null \
         where enrolment is null and blind_index is not null and expires_at <= $1",
        "delete from oidc_flow where expires_at <= $1",
    ];
    let mut rows = 0;
    for sql in UNUSED {
        rows += on!(connection, c => sqlx::query(sql).bind(now).bind(stale).execute(c).await.map(|done| done.rows_affected()))?;
    }
    for sql in SPENT {
        rows += on!(connection, c => sqlx::query(sql).bind(now).execute(c).await.map(|done| done.rows_affected()))?;
    }
    Ok(rows)
}

/// Sealed subjects, salts, indexes, numbers and contacts of one person; certificates, decisions and leaves stay. Whoever came
/// second for what the person held goes on, by the decision that erases: there is nobody left to contest with.
pub(super) async fn erase(connection: &mut Connection, person: &str, decision: &[u8]) -> Result<(), Error> {
    const CONTESTS: [&str; 3] = [
        // The one that came first of those that wait,
        "update contest set state = 'moot', decision = $2 where state = 'open' and earlier in (select id from enrolment where person = $1) \
         and not exists (select 1 from contest o where o.earlier = contest.earlier and o.state = 'open' and (o.opened_at < contest.opened_at \
         or (o.opened_at = contest.opened_at and o.later < contest.later)))",
        // has the slot,
        "update identity_slot set enrolment = (select m.later from contest m where m.earlier = identity_slot.enrolment and m.state = 'moot' \
         and m.decision = $2) where enrolment in (select m.earlier from contest m join enrolment e on e.id = m.earlier \
         where e.person = $1 and m.state = 'moot' and m.decision = $2)",
        // and the others contest with that one.
        "update contest set earlier = (select m.later from contest m where m.earlier = contest.earlier and m.state = 'moot' \
         and m.decision = $2) where state = 'open' and earlier in (select id from enrolment where person = $1)",
    ];
    const SQL: [&str; 7] = [
        "delete from contact_notice where about = $1 or about in (select p.identity_check from proofing p \
         join enrolment e on e.id = p.enrolment where e.person = $1) or about in (select p.identity_check from proofing p \
         join certificate c on c.id = p.resumed where c.person = $1)",
        "delete from identity_slot where enrolment in (select id from enrolment where person = $1)",
        "update identity_check set sealed_subject = null, sealed_number = null, salt = null where id in \
         (select p.identity_check from proofing p join enrolment e on e.id = p.enrolment where e.person = $1) or id in \
         (select p.identity_check from proofing p join certificate c on c.id = p.resumed where c.person = $1)",
        "update proofing set sealed_subject = null, sealed_number = null, blind_index = null, reference = null \
         where enrolment in (select id from enrolment where person = $1) or resumed in (select id from certificate where person = $1)",
        "delete from suspension_code where certificate in (select id from certificate where person = $1)",
        "update enrolment set sealed_subject = null, salt = null where person = $1",
        "update person set sealed_profile = null where id = $1",
    ];
    for sql in CONTESTS {
        on!(connection, c => sqlx::query(sql).bind(person).bind(decision).execute(c).await.map(drop))?;
    }
    for sql in SQL {
        on!(connection, c => sqlx::query(sql).bind(person).execute(c).await.map(drop))?;
    }
    Ok(())
}
