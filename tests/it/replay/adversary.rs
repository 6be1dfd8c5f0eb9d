//! Whoever has the database and SQL, and then the key of one officer as well: for each table that decisions rest on, the changes that
//! somebody would make who wants something, and who names them. docs/audit.md says what by its nature nobody can.

use std::collections::BTreeSet;

use hufu::{
    cli::Family,
    policy::{Act, Decision, Outcome, Payload, Statement, Timestamp, decision::hashed_text},
    services::{audit::audit, replay::export::Export},
    store::{Db, Options},
};
use serde_json::{Value, json};
use time::Duration;

use super::{
    Read, agreed, codes,
    planted::{digest, octets, quoted, rewrite, slip_in},
};
use crate::{
    citizens::{Citizen, Counter, certificate},
    departments::{bureau, done},
    renewal::{member, renew},
    staff::{approve_list, import, in_state},
    world::{Ca, Person, Sql, TestCa, in_both_families, new_csr, on_postgres, text},
};

in_both_families! {
    every_plausible_change_of_what_decisions_rest_on_is_named,
}

/// Who names a change: both replays with that code, or the audit of the rows by its table.
enum Named {
    Replay(&'static str),
    Audit(&'static str),
}

use Named::{Audit, Replay};

/// What was found so far in a database that is changed again and again, and what was not found and should have been.
struct Watch<'a> {
    ca: &'a Ca,
    read: Read,
    replayed: Vec<Value>,
    audited: BTreeSet<String>,
    missed: Vec<String>,
}

impl Watch<'_> {
    async fn look(&mut self) -> (Vec<Value>, BTreeSet<String>) {
        let options = Options { busy_timeout: std::time::Duration::from_secs(5), max_connections: 2 };
        let db = Db::open(&self.ca.config.database_url(), options).await.unwrap();
        let bundle = self.ca.bundle();
        let findings = audit(&db, &bundle).await.unwrap().iter().map(|finding| format!("{} {finding}", finding.table)).collect();
        let export = Export::gather(&db).await.unwrap();
        db.close().await;
        (agreed(&export, &bundle, &mut self.read), findings)
    }

    /// It is named by something that was not found before.
    async fn expects(&mut self, what: &str, by: &Named) {
        let (replayed, audited) = self.look().await;
        let new: Vec<Value> = replayed.iter().filter(|one| !self.replayed.contains(one)).cloned().collect();
        let findings: Vec<&String> = audited.difference(&self.audited).collect();
        let is_named = match by {
            Replay(code) => codes(&new).contains(code),
            Audit(table) => findings.iter().any(|finding| finding.split(' ').next() == Some(table)),
        };
        if !is_named {
            self.missed.push(format!("{what}: {:?} {findings:#?}", codes(&new)));
        }
        (self.replayed, self.audited) = (replayed, audited);
    }
}

async fn every_plausible_change_of_what_decisions_rest_on_is_named(family: Family) {
    let soon = |text: String| text.replace("renewal_window = \"30 days\"", "renewal_window = \"364 days\"");
    let at_once = |text: String| text.replace("cooling = \"24 hours\"", "cooling = \"0 seconds\"");
    let ca = TestCa::new()
        .at("2030-01-01T00:00:00Z")
        .with_policy("profiles/staff.toml", soon)
        .with_policy("profiles/citizen-basic.toml", at_once)
        .start()
        .await;
    let counter = Counter::open(&ca, family).await;
    let office = &counter.office;
    let auditor = ca.auditor(family).await;
    let below = bureau(&ca, office, "below", family).await;
    let gone = ca.officer(&office.administrator, &office.department, &["registration-officer"], family).await;
    ca.dismiss(&office.administrator, &gone).await;
    let (clerk, clerks) = member(&ca, office, family).await;
    ca.clock.forward(Duration::days(2));
    renew(&ca, &clerk, &clerks.id, &new_csr(family)).await.ok();
    let (mut requests, mut certificates) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        let applicant = ca.enrol(office, "staff", family).await;
        requests.push(applicant.enrolment.clone());
        certificates.push(ca.approve(&office.approver, applicant).await.id);
    }
    let applicant = ca.enrol(&below, "staff", family).await;
    let of_below = applicant.enrolment.clone();
    ca.approve(&below.approver, applicant).await;
    ca.decide(&office.approver, "suspend", &certificates[0], None, None).await.ok();
    let (rejected, open) = (ca.enrol(office, "staff", family).await.enrolment, ca.enrol(office, "staff", family).await.enrolment);
    ca.decide(&office.approver, "reject", &rejected, None, None).await.ok();
    import(&ca, &office.registration, &office.department, "number,CN\n1,甲\n2,乙\n3,丙\n", "").await.ok();
    let ids = in_state(&ca, office, "submitted").await.into_iter().filter(|id| *id != open).collect::<Vec<_>>();
    approve_list(&ca, &office.approver, &ids).await;
    certificate(&ca, &counter, "citizen-basic", &Citizen::new("李雷"), family).await;
    let body = json!({"name": "service", "department": office.department, "scopes": ["verify"]});
    let token = text(&ca.client(&office.administrator).post("/api/v1/tokens", &body).await.ok().json(), "id");
    ca.decide(&office.administrator, "grant-token", &token, None, None).await.ok();
    done(&ca, office, family, "PATCH", &format!("/{}", below.department), json!({"name": "新处"})).await;
    let thief = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let since = Timestamp::new(ca.now()).to_string();
    let applicant = ca.enrol(office, "staff", family).await;
    ca.approve(&thief, applicant).await;
    let stolen = thief.identity.certificate().id().to_string();
    for person in [&office.administrator, auditor] {
        let draft = ca.draft(person, "re-review", &stolen, None, Some(&since)).await;
        ca.hand_in(person, "re-review", &stolen, &person.sign(&draft)).await.ok();
    }
    ca.audit_finds_nothing().await;

    let mut sql = ca.sql().await;
    // Whoever changes rows by SQL can drop what the schema guards.
    sql.run(if on_postgres() { "set session_replication_role = replica" } else { "pragma foreign_keys = off" }).await;
    let mut watch = Watch { ca: &ca, read: Read::default(), replayed: Vec::new(), audited: BTreeSet::new(), missed: Vec::new() };
    let [own, above] = [&below.department, &office.department];
    let both = |what: &str, enrolment: &str| {
        format!("update enrolment set {what} where id = '{enrolment}'; update certificate set {what} where enrolment = '{enrolment}'")
    };
    let swap = |one: &str, other: &str| {
        format!(
            "update certificate set enrolment = case enrolment when '{one}' then '{other}' else '{one}' end \
             where enrolment in ('{one}', '{other}')"
        )
    };
    let approval = |about: &str| format!("from statement where act = 'approve' and about = '{about}'");
    let last = "log = 'operations' and idx = (select max(idx) from ledger_leaf where log = 'operations')";
    for (what, change, by) in [
        (
            "a request becomes one of somebody who was dismissed",
            format!("update enrolment set submitted_by = '{}' where id = '{}'", gone.id, requests[0]),
            Replay("not-permitted"),
        ),
        (
            "a request becomes one of a clerk",
            format!("update enrolment set submitted_by = '{}' where id = '{}'", clerk.id, requests[1]),
            Replay("not-permitted"),
        ),
        (
            "a request was made before anybody had a role",
            format!("update enrolment set submitted_at = submitted_at - 2592000000 where id = '{}'", requests[2]),
            Replay("not-permitted"),
        ),
        (
            "another officer saw the documents",
            format!("update identity_check set submitted_by = '{}'", office.approver.id),
            Replay("not-permitted"),
        ),
        ("two certificates change their requests", swap(&requests[3], &requests[4]), Replay("decision-misfit")),
        ("another profile, in both rows", both("profile = 'staff-short-lived'", &requests[5]), Replay("decision-misfit")),
        ("another department, in both rows", both(&format!("department = '{above}'"), &of_below), Replay("not-permitted")),
        (
            "another person, in all rows",
            format!(
                "{}; update key_owner set person = '{}' where key_fingerprint in \
                 (select key_fingerprint from enrolment_request where enrolment = '{}')",
                both(&format!("person = '{}'", gone.id), &requests[6]),
                gone.id,
                requests[6]
            ),
            Audit("certificate"),
        ),
        (
            "a renewal followed another certificate",
            format!("update enrolment set replaces = {} where replaces is not null", octets(&certificates[1])),
            Replay("statement-misfit"),
        ),
        (
            "a suspended certificate is good",
            format!("update certificate set status = 'valid' where id = {}", octets(&certificates[0])),
            Audit("certificate"),
        ),
        ("a department moves to the top", format!("update department set parent = null where id = '{own}'"), Audit("department")),
        ("a department has another name", format!("update department set name = '{}' where id = '{own}'", "别处"), Audit("department")),
        (
            "a change of departments was another",
            "update department_change set shown = replace(shown, '新处', '旧处')".to_owned(),
            Replay("change-unbound"),
        ),
        (
            "an officer works elsewhere",
            format!("update person set department = '{above}' where id = '{}'", below.approver.id),
            Audit("person"),
        ),
        (
            "a role becomes another",
            format!("update role_grant set role = 'approver' where person = '{}'", below.registration.id),
            Replay("grant-unbound"),
        ),
        (
            "a role is held above",
            format!("update role_grant set department = '{above}' where person = '{}'", below.approver.id),
            Replay("grant-unbound"),
        ),
        (
            "a role was granted a day earlier",
            format!("update role_grant set granted_at = granted_at - 86400000 where person = '{}'", below.administrator.id),
            Replay("grant-unbound"),
        ),
        (
            "a dismissal was a day later",
            format!("update role_grant set withdrawn_at = withdrawn_at + 86400000 where person = '{}'", gone.id),
            Replay("grant-unbound"),
        ),
        (
            "a claim code works longer",
            format!("update claim set expires_at = expires_at + 86400000 where person = '{}'", thief.id),
            Replay("grant-unbound"),
        ),
        ("a token reads below", format!("update token set department = '{own}' where id = '{token}'"), Audit("token")),
        ("a proof is of another level", "update proofing set assurance = 'low'".to_owned(), Audit("proofing")),
        ("something is taken out of a re-review", "delete from re_review".to_owned(), Replay("review-unbound")),
        ("something is taken out of a list", format!("delete from statement_list where item = '{}'", ids[0]), Replay("list-mismatch")),
        (
            "a statement has another signer",
            format!("update statement set signer_person = '{}' where about = '{}'", office.registration.id, requests[4]),
            Audit("statement"),
        ),
        ("a statement is removed", format!("delete {}", approval(&requests[3])), Replay("statement-missing")),
        ("the last leaf is removed", format!("delete from ledger_leaf where {last}"), Replay("log-untrusted")),
    ] {
        sql.run(&change).await;
        watch.expects(what, &by).await;
    }

    // Decisions, with their texts, digests and whatever names them.
    let moved = |by: Duration| {
        move |whole: &mut Value| {
            let at: Timestamp = text(&whole["decision"], "at").parse().unwrap();
            whole["decision"]["at"] = json!(Timestamp::new(at.instant() + by).to_string());
        }
    };
    rewrite(&mut sql, "approve", &requests[2], moved(Duration::HOUR)).await;
    watch.expects("what a leaf records was decided at another time", &Replay("decision-missing")).await;
    rewrite(&mut sql, "reject", &rejected, moved(Duration::HOUR)).await;
    watch.expects("a rejection was later", &Replay("statement-time")).await;
    rewrite(&mut sql, "reject", &rejected, moved(-Duration::DAY)).await;
    watch.expects("a rejection was earlier", &Replay("statement-time")).await;

    ca.clock.forward(Duration::minutes(10));
    with_a_key(&ca, &mut sql, &mut watch, [&office.approver, &thief, &office.administrator], [&open, &rejected, &gone.id]).await;
    assert!(watch.missed.is_empty(), "{}", watch.missed.join("\n"));
}

/// The same with the key file of an officer: a stolen one that was revoked, and those of two who are in office.
async fn with_a_key(
    ca: &Ca,
    sql: &mut Sql,
    watch: &mut Watch<'_>,
    [approver, thief, administrator]: [&Person; 3],
    [open, rejected, gone]: [&str; 3],
) {
    let model = sql.texts(&format!("select jws from statement where act = 'reject' and about = '{rejected}'")).await.remove(0);
    let model = Statement::parse(&model).unwrap().payload().clone();
    let size =
        ca.log_sizes().into_iter().find(|(log, _)| model.log.origin.contains(&format!("/{log}/"))).map_or(model.log.size, |(_, size)| size);
    let mut number = 0u32;
    let mut says = |act: Act, about: &str| {
        number += 1;
        let mut payload = Payload { act, about: about.parse().unwrap(), at: Timestamp::new(ca.now()), ..model.clone() };
        payload.nonce = format!("{number:032x}").parse().unwrap();
        payload.log.size = size;
        payload
    };
    // Whatever they say, no leaf names it: it was not there when it claims to have been signed.
    for (what, by, act, about) in [
        ("a stolen key that was revoked rejects", thief, Act::Reject, open),
        ("an approver's own key rejects what they might have rejected", approver, Act::Reject, open),
        ("an administrator's key rejects", administrator, Act::Reject, open),
        ("an administrator's key grants alone", administrator, Act::Grant, gone),
        ("an approver's key takes back what others asked for", approver, Act::Withdraw, open),
    ] {
        let payload = says(act, about);
        let statement = slip_in(sql, by, &payload).await;
        record(sql, &payload, &statement).await;
        watch.expects(what, &Replay("statement-unbound")).await;
    }
}

/// A decision on one statement, as the service would record one that no leaf does.
async fn record(sql: &mut Sql, payload: &Payload, statement: &str) {
    let Payload { about, act, at, policy, .. } = payload.clone();
    let decision = Decision { about, act, at, policy, profile: None, outcome: Outcome::Allowed };
    let text = hashed_text(&[hex::decode(statement).unwrap().try_into().unwrap()], &decision.value());
    let hash = octets(&digest(&text));
    sql.run(&format!("insert into decision select {hash}, {}, max(recorded_at) from decision", quoted(&text))).await;
    sql.run(&format!("insert into decision_statement values ({hash}, 0, {})", octets(statement))).await;
}
