//! What is found and counted of citizens, and what is recorded by itself: logins and suspension codes.

use sqlx::QueryBuilder;

use super::{
    super::{AT_ONCE, Connection, Error, StatementRow, departments::within, expect_one, on, push_list},
    ContactNoticeRow, ContestRow, IdentityCheckRow, OidcFlowRow, ProofingRow, SlotRow, SuspensionCodeRow,
};

macro_rules! check_columns {
    () => {
        "select id, profile, department, submitted_by, submitted_at, sealed_subject, sealed_number, salt, evidence_digest, checked, \
         confirmed, locator, code_hash, works_from, expires_at, failures, used_at, withdrawn from identity_check "
    };
}

pub async fn find_check(connection: &mut Connection, id: &str) -> Result<Option<IdentityCheckRow>, Error> {
    const SQL: &str = concat!(check_columns!(), "where id = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(id).fetch_optional(c).await)?)
}

pub async fn find_check_by_locator(connection: &mut Connection, locator: &[u8]) -> Result<Option<IdentityCheckRow>, Error> {
    const SQL: &str = concat!(check_columns!(), "where locator = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(locator).fetch_optional(c).await)?)
}

/// A page of the checks about which it is still known whom they were about.
pub async fn page_of_checks(
    connection: &mut Connection,
    department: Option<&str>,
    state: Option<&str>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<IdentityCheckRow>, Error> {
    const SQL: &str = concat!(
        check_columns!(),
        "where id > $1 and sealed_subject is not null and (cast($2 as text) is null or department = $2) and (cast($3 as text) is null or \
         $3 = case when used_at is not null then 'used' when confirmed is not null then 'confirmed' when checked is not null then 'signed' \
         else 'recorded' end) order by id limit $4"
    );
    let after = after.unwrap_or_default();
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(after).bind(department).bind(state).bind(limit).fetch_all(c).await)?)
}

/// Every check, for the audit.
pub async fn checks(connection: &mut Connection) -> Result<Vec<IdentityCheckRow>, Error> {
    const SQL: &str = concat!(check_columns!(), "order by id");
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

pub async fn count_check_failure(connection: &mut Connection, id: &str) -> Result<(), Error> {
    const SQL: &str = "update identity_check set failures = failures + 1 where id = $1";
    on!(connection, c => sqlx::query(SQL).bind(id).execute(c).await.map(drop))?;
    Ok(())
}

pub async fn insert_flow(connection: &mut Connection, row: &OidcFlowRow) -> Result<(), Error> {
    const SQL: &str = "insert into oidc_flow (state_hash, browser_hash, sealed_secrets, expires_at) values ($1, $2, $3, $4)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.state_hash)
        .bind(&row.browser_hash)
        .bind(&row.sealed_secrets)
        .bind(row.expires_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Uses a login up and answers it; `Conflict` when there is none, it was used before, is over, or another browser began it.
pub async fn use_flow(connection: &mut Connection, state_hash: &[u8], browser_hash: &[u8], at: i64) -> Result<OidcFlowRow, Error> {
    const USE: &str =
        "update oidc_flow set used_at = $1 where state_hash = $2 and browser_hash = $3 and used_at is null and expires_at > $1";
    const FIND: &str = "select state_hash, browser_hash, sealed_secrets, expires_at, used_at from oidc_flow where state_hash = $1";
    expect_one(on!(connection, c => sqlx::query(USE)
        .bind(at)
        .bind(state_hash)
        .bind(browser_hash)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)?;
    Ok(on!(connection, c => sqlx::query_as(FIND).bind(state_hash).fetch_one(c).await)?)
}

/// How many logins are under way.
pub async fn count_flows(connection: &mut Connection, now: i64) -> Result<i64, Error> {
    const SQL: &str = "select count(*) from oidc_flow where expires_at > $1";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(now).fetch_one(c).await)?)
}

/// Every login that is still kept, for the audit.
pub async fn flows(connection: &mut Connection) -> Result<Vec<OidcFlowRow>, Error> {
    const SQL: &str = "select state_hash, browser_hash, sealed_secrets, expires_at, used_at from oidc_flow order by state_hash";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

macro_rules! proofing_columns {
    () => {
        "select p.id, p.method, p.assurance, p.reference, p.evidence, p.identity_check, p.sealed_subject, p.sealed_number, p.blind_index, \
         p.token_hash, p.created_at, p.expires_at, p.enrolment, p.resumed from proofing p "
    };
}

pub async fn find_proofing(connection: &mut Connection, token_hash: &[u8]) -> Result<Option<ProofingRow>, Error> {
    const SQL: &str = concat!(proofing_columns!(), "where p.token_hash = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(token_hash).fetch_optional(c).await)?)
}

pub async fn proofing_of(connection: &mut Connection, enrolment: &str) -> Result<Option<ProofingRow>, Error> {
    const SQL: &str = concat!(proofing_columns!(), "where p.enrolment = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(enrolment).fetch_optional(c).await)?)
}

pub async fn proofings_of_person(connection: &mut Connection, person: &str) -> Result<Vec<ProofingRow>, Error> {
    const SQL: &str =
        concat!(proofing_columns!(), "join enrolment e on e.id = p.enrolment where e.person = $1 order by p.created_at, p.id");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(person).fetch_all(c).await)?)
}

/// Other persons who were proven to be the same: under an index of a proof of this one.
pub async fn proven_the_same(connection: &mut Connection, person: &str) -> Result<Vec<String>, Error> {
    const SQL: &str = "select distinct e.person from proofing p join enrolment e on e.id = p.enrolment where e.person <> $1 \
         and p.blind_index in (select q.blind_index from proofing q join enrolment o on o.id = q.enrolment where o.person = $1) order by e.person";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(person).fetch_all(c).await)?)
}

/// Every proofing, for the audit.
pub async fn proofings(connection: &mut Connection) -> Result<Vec<ProofingRow>, Error> {
    const SQL: &str = concat!(proofing_columns!(), "order by p.id");
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Enrolments of a profile that hold their slot, were proofed at a level, and wait for a decision.
pub async fn waiting_for_proof(connection: &mut Connection, profile: &str, assurance: &str, limit: i64) -> Result<Vec<String>, Error> {
    const SQL: &str = "select e.id from enrolment e join proofing p on p.enrolment = e.id join identity_slot s on s.enrolment = e.id \
         where e.state = 'submitted' and e.profile = $1 and p.assurance = $2 order by e.seq limit $3";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(profile).bind(assurance).bind(limit).fetch_all(c).await)?)
}

pub async fn find_slot(connection: &mut Connection, profile: &str, blind_index: &[u8]) -> Result<Option<SlotRow>, Error> {
    const SQL: &str = "select profile, blind_index, enrolment, taken_at from identity_slot where profile = $1 and blind_index = $2";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(profile).bind(blind_index).fetch_optional(c).await)?)
}

/// Those of these enrolments that were proofed and hold no slot.
pub async fn without_slot(connection: &mut Connection, enrolments: &[String]) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for chunk in enrolments.chunks(AT_ONCE) {
        found.extend::<Vec<String>>(on!(connection, c => {
            let mut query = QueryBuilder::new(
                "select enrolment from proofing where not exists (select 1 from identity_slot s where s.enrolment = proofing.enrolment) \
                 and enrolment in ",
            );
            push_list(&mut query, chunk);
            query.build_query_scalar().fetch_all(c).await
        })?);
    }
    Ok(found)
}

pub async fn slot_of(connection: &mut Connection, enrolment: &str) -> Result<Option<SlotRow>, Error> {
    const SQL: &str = "select profile, blind_index, enrolment, taken_at from identity_slot where enrolment = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(enrolment).fetch_optional(c).await)?)
}

/// Every slot, for the audit.
pub async fn slots(connection: &mut Connection) -> Result<Vec<SlotRow>, Error> {
    const SQL: &str = "select profile, blind_index, enrolment, taken_at from identity_slot order by profile, blind_index";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

pub async fn find_contest(connection: &mut Connection, later: &str) -> Result<Option<ContestRow>, Error> {
    const SQL: &str = "select later, earlier, opened_at, state, decision from contest where later = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(later).fetch_optional(c).await)?)
}

/// A page of the contests whose later enrolment is of a department or of one that lies in it, by the later enrolment; `None` is every department.
pub async fn contests(
    connection: &mut Connection,
    department: Option<&str>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<ContestRow>, Error> {
    const SQL: &str = concat!(
        "select o.later, o.earlier, o.opened_at, o.state, o.decision from contest o left join enrolment e on e.id = o.later \
         where o.later > $1 and (cast($2 as text) is null or e.department",
        within!("$2"),
        ") order by o.later limit $3"
    );
    let after = after.unwrap_or_default();
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(after).bind(department).bind(limit).fetch_all(c).await)?)
}

/// Every contest, for the audit: also one whose enrolments are not there.
pub async fn all_contests(connection: &mut Connection) -> Result<Vec<ContestRow>, Error> {
    const SQL: &str = "select later, earlier, opened_at, state, decision from contest order by later";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

macro_rules! notice_columns {
    () => {
        "select id, kind, about, sealed_contact, created_at, sent_at from contact_notice "
    };
}

/// What waits to be sent, oldest first: for whoever sends.
pub async fn waiting_notices(connection: &mut Connection, limit: i64) -> Result<Vec<ContactNoticeRow>, Error> {
    const SQL: &str = concat!(notice_columns!(), "where sent_at is null order by created_at, id limit $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(limit).fetch_all(c).await)?)
}

/// `Conflict` when it was sent before.
pub async fn mark_notice_sent(connection: &mut Connection, id: &str, at: i64) -> Result<(), Error> {
    const SQL: &str = "update contact_notice set sent_at = $1 where id = $2 and sent_at is null";
    expect_one(on!(connection, c => sqlx::query(SQL).bind(at).bind(id).execute(c).await.map(|done| done.rows_affected()))?)
}

pub async fn notices_about(connection: &mut Connection, about: &str) -> Result<Vec<ContactNoticeRow>, Error> {
    const SQL: &str = concat!(notice_columns!(), "where about = $1 order by created_at, id");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(about).fetch_all(c).await)?)
}

/// Every notice, for the audit.
pub async fn notices(connection: &mut Connection) -> Result<Vec<ContactNoticeRow>, Error> {
    const SQL: &str = concat!(notice_columns!(), "order by id");
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Records a code in place of the one before.
pub async fn replace_suspension_code(connection: &mut Connection, row: &SuspensionCodeRow) -> Result<(), Error> {
    const SQL: &str = "insert into suspension_code (certificate, locator, code_hash, created_at, failures) values ($1, $2, $3, $4, 0) \
         on conflict (certificate) do update set locator = excluded.locator, code_hash = excluded.code_hash, \
         created_at = excluded.created_at, failures = 0, used_at = null";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.certificate)
        .bind(&row.locator)
        .bind(&row.code_hash)
        .bind(row.created_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

macro_rules! suspension_columns {
    () => {
        "select certificate, locator, code_hash, created_at, failures, used_at from suspension_code "
    };
}

pub async fn find_suspension_code(connection: &mut Connection, locator: &[u8]) -> Result<Option<SuspensionCodeRow>, Error> {
    const SQL: &str = concat!(suspension_columns!(), "where locator = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(locator).fetch_optional(c).await)?)
}

/// Every suspension code, for the audit.
pub async fn suspension_codes(connection: &mut Connection) -> Result<Vec<SuspensionCodeRow>, Error> {
    const SQL: &str = concat!(suspension_columns!(), "order by certificate");
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

pub async fn count_suspension_failure(connection: &mut Connection, certificate: &[u8]) -> Result<(), Error> {
    const SQL: &str = "update suspension_code set failures = failures + 1 where certificate = $1";
    on!(connection, c => sqlx::query(SQL).bind(certificate).execute(c).await.map(drop))?;
    Ok(())
}

/// Statements of people, of that act about the same, that no pair has been made of.
pub async fn unpaired_statements(connection: &mut Connection, act: &str, about: &str, since: i64) -> Result<Vec<StatementRow>, Error> {
    const SQL: &str = "select s.digest, s.jws, s.act, s.about, s.signer_person, s.signer_certificate, s.nonce, s.recorded_at \
         from statement s where s.act = $1 and s.about = $2 and s.recorded_at > $3 and s.signer_person is not null and not exists \
         (select 1 from decision_statement a join decision_statement b on a.decision = b.decision and b.statement <> a.statement \
         where a.statement = s.digest) order by s.recorded_at, s.digest";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(act).bind(about).bind(since).fetch_all(c).await)?)
}

/// The acts of the statements that a person signed or that are about them: act, when, and whether they signed.
pub async fn statements_of_person(connection: &mut Connection, person: &str) -> Result<Vec<(String, i64, i64)>, Error> {
    const SQL: &str = "select act, recorded_at, cast(case when signer_person = $1 then 1 else 0 end as bigint) from statement \
         where signer_person = $1 or about = $1 order by recorded_at, digest";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(person).fetch_all(c).await)?)
}

/// Enrolments of a person, oldest first.
pub async fn enrolments_of_person(connection: &mut Connection, person: &str) -> Result<Vec<String>, Error> {
    const SQL: &str = "select id from enrolment where person = $1 order by seq";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(person).fetch_all(c).await)?)
}
