//! Decisions that take several people, statements over lists, and requests that nobody decides on.

use std::collections::BTreeSet;

use hufu::{cli::Family, services::audit::Finding};
use serde_json::{Value, json};
use time::Duration;

use crate::world::{Ca, Office, Person, TestCa, in_both_families, text};

in_both_families! {
    a_profile_that_asks_for_two_waits_for_the_second,
    who_was_dismissed_meanwhile_is_not_counted,
    an_approval_that_waits_is_in_the_ledger_with_its_time,
    a_clock_that_was_set_back_by_seconds_accuses_nobody,
    a_rejection_names_the_approvals_that_it_overrules,
    a_list_of_requests_says_whose_they_are_and_since_when,
    one_statement_approves_a_list,
    two_statements_approve_a_list_that_takes_two,
    a_list_with_one_that_may_not_be_approved_changes_nothing,
    requests_that_nobody_decides_on_expire,
}

/// An installation where staff take two approvals, and its approvers.
async fn with_two_approvals(family: Family) -> (Ca, Office, Person) {
    let ca = TestCa::new().with_policy("profiles/staff.toml", |text| text.replace("count = 1", "count = 2")).start().await;
    let office = ca.office(family).await;
    let second = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    (ca, office, second)
}

async fn approve(ca: &Ca, by: &Person, enrolment: &str) -> (u16, Value) {
    let draft = ca.draft(by, "approve", enrolment, None, None).await;
    let answer = ca.hand_in(by, "approve", enrolment, &by.sign(&draft)).await;
    (answer.status, answer.json())
}

async fn state(ca: &Ca, office: &Office, enrolment: &str) -> String {
    text(&ca.client(&office.registration).get(&format!("/api/v1/enrolments/{enrolment}")).await.ok().json(), "state")
}

async fn a_profile_that_asks_for_two_waits_for_the_second(family: Family) {
    let (ca, office, second) = with_two_approvals(family).await;
    let applicant = ca.enrol(&office, "staff", family).await;
    let (status, first) = approve(&ca, &office.approver, &applicant.enrolment).await;
    assert_eq!((status, &first["state"], &first["missing"]["people"]), (202, &json!("submitted"), &json!(1)));
    assert_eq!(state(&ca, &office, &applicant.enrolment).await, "submitted");

    // One person is one, however often they sign.
    let again = json!({"act": "approve", "about": applicant.enrolment});
    let refused = ca.client(&office.approver).post("/api/v1/statements/drafts", &again).await;
    assert_eq!((refused.status, text(&refused.json(), "code")), (403, "not-permitted".to_owned()));

    let (status, done) = approve(&ca, &second, &applicant.enrolment).await;
    assert_eq!((status, done["certificates"].as_array().unwrap().len()), (201, 1));
    ca.audit_finds_nothing().await;
}

async fn an_approval_that_waits_is_in_the_ledger_with_its_time(family: Family) {
    let (ca, office, _) = with_two_approvals(family).await;
    let applicant = ca.enrol(&office, "staff", family).await;
    approve(&ca, &office.approver, &applicant.enrolment).await;
    ca.audit_finds_nothing().await;

    let mut sql = ca.sql().await;
    let column = |findings: &[Finding]| -> Vec<String> {
        let columns: BTreeSet<String> = findings.iter().map(|one| format!("{}.{}", one.table, one.column)).collect();
        columns.into_iter().collect()
    };
    // Each nonce says when it was used, until it is forgotten.
    sql.run("delete from nonce").await;
    let of_it = format!("about = '{}'", applicant.enrolment);
    for shift in ["- 3600000", "+ 3600000"] {
        sql.run(&format!("update statement set recorded_at = recorded_at {shift} where {of_it}")).await;
        assert_eq!(column(&ca.audit().await), if shift.starts_with('-') { vec!["statement.recorded_at"] } else { vec![] });
    }
    sql.run(&format!("update statement set about = '{}' where {of_it}", ca.enrol(&office, "staff", family).await.enrolment)).await;
    assert!(column(&ca.audit().await).contains(&"statement.about".to_owned()));
    sql.run(&format!("delete from statement where act = 'approve' and signer_person = '{}'", office.approver.id)).await;
    assert_eq!(column(&ca.audit().await), ["statement.digest"]);
}

async fn a_clock_that_was_set_back_by_seconds_accuses_nobody(family: Family) {
    let (ca, office, second) = with_two_approvals(family).await;
    let applicant = ca.enrol(&office, "staff", family).await;
    ca.clock.forward(Duration::seconds(-20));
    for person in [&office.approver, &second] {
        approve(&ca, person, &applicant.enrolment).await;
    }
    let other = ca.enrol(&office, "staff", family).await;
    ca.decide(&second, "reject", &other.enrolment, Some("not-on-the-payroll"), None).await.ok();
    ca.audit_finds_nothing().await;
}

async fn who_was_dismissed_meanwhile_is_not_counted(family: Family) {
    let (ca, office, second) = with_two_approvals(family).await;
    let third = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let applicant = ca.enrol(&office, "staff", family).await;
    approve(&ca, &office.approver, &applicant.enrolment).await;
    ca.dismiss(&office.administrator, &office.approver).await;
    let (status, waits) = approve(&ca, &second, &applicant.enrolment).await;
    assert_eq!((status, &waits["missing"]["people"]), (202, &json!(1)));
    assert_eq!(approve(&ca, &third, &applicant.enrolment).await.0, 201);
    ca.audit_finds_nothing().await;
}

async fn a_rejection_names_the_approvals_that_it_overrules(family: Family) {
    let (ca, office, second) = with_two_approvals(family).await;
    let applicant = ca.enrol(&office, "staff", family).await;
    approve(&ca, &office.approver, &applicant.enrolment).await;
    ca.audit_finds_nothing().await;
    ca.decide(&second, "reject", &applicant.enrolment, Some("not-on-the-payroll"), None).await.ok();
    assert_eq!(state(&ca, &office, &applicant.enrolment).await, "rejected");
    assert_eq!(
        ca.sql()
            .await
            .number("select count(*) from decision_statement where statement in (select digest from statement where act = 'approve')")
            .await,
        1
    );
    ca.audit_finds_nothing().await;
}

/// Enrols so many and answers their ids.
async fn enrolments(ca: &Ca, office: &Office, family: Family, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(ca.enrol(office, "staff", family).await.enrolment);
    }
    ids
}

async fn approve_list(ca: &Ca, by: &Person, ids: &[String]) -> crate::world::Answer {
    let client = ca.client(by);
    let draft = client.post("/api/v1/statements/drafts", &json!({"act": "approve", "list": ids})).await.ok().json();
    let payload = serde_json::from_value(draft["payload"].clone()).unwrap();
    client.post("/api/v1/approvals", &json!({"list": ids, "statement": by.sign(&payload)})).await
}

async fn a_list_of_requests_says_whose_they_are_and_since_when(family: Family) {
    let ca = TestCa::new().at("2030-01-01T00:00:00Z").start().await;
    let office = ca.office(family).await;
    let ids = enrolments(&ca, &office, family, 1).await;
    let path = format!("/api/v1/enrolments?department={}", office.department);
    let listed = ca.client(&office.approver).get(&path).await.ok().json()["items"].as_array().unwrap().clone();
    let listed = listed.into_iter().find(|one| one["id"] == ids[0]).unwrap();
    let shown = ca.client(&office.approver).get(&format!("/api/v1/enrolments/{}", ids[0])).await.ok().json();
    assert!(listed["name"].as_str().is_some_and(|name| !name.is_empty()), "{listed}");
    assert_eq!(listed["name"], shown["shown"]["fields"]["CN"]);
    assert_eq!((&listed["submitted_at"], &shown["name"]), (&shown["shown"]["submitted_at"], &listed["name"]));
}

async fn one_statement_approves_a_list(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let ids = enrolments(&ca, &office, family, 5).await;
    let before = ca.sql().await.number("select count(*) from statement where act = 'approve'").await;
    let settled = approve_list(&ca, &office.approver, &ids).await.ok().json();
    assert_eq!(settled, json!({"items": 5, "issued": 5, "approved": 0, "waiting": 0, "failed": []}));
    assert_eq!(ca.sql().await.number("select count(*) from statement where act = 'approve'").await, before + 1);
    for id in &ids {
        assert_eq!(state(&ca, &office, id).await, "issued");
    }
    ca.audit_finds_nothing().await;

    // What was decided is not decided again.
    let again = ca.client(&office.approver).post("/api/v1/statements/drafts", &json!({"act": "approve", "list": ids})).await;
    assert_eq!((again.status, text(&again.json(), "code")), (409, "wrong-state".to_owned()));
    assert!(text(&again.json(), "detail").starts_with(&ids[0]));
}

async fn two_statements_approve_a_list_that_takes_two(family: Family) {
    let (ca, office, second) = with_two_approvals(family).await;
    let ids = enrolments(&ca, &office, family, 4).await;
    let settled = approve_list(&ca, &office.approver, &ids).await.ok().json();
    assert_eq!((&settled["issued"], &settled["waiting"]), (&json!(0), &json!(4)));
    ca.audit_finds_nothing().await;
    // The second need not take the same list, nor a list at all.
    assert_eq!(approve(&ca, &second, &ids[3]).await.0, 201);
    let settled = approve_list(&ca, &second, &ids[..3]).await.ok().json();
    assert_eq!((&settled["issued"], &settled["waiting"]), (&json!(3), &json!(0)));
    ca.audit_finds_nothing().await;
}

async fn a_list_with_one_that_may_not_be_approved_changes_nothing(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let ids = enrolments(&ca, &office, family, 2).await;
    let before = ca.sql().await.snapshot().await;
    let draft = async |by: &Person, list: Value| {
        let answer = ca.client(by).post("/api/v1/statements/drafts", &json!({"act": "approve", "list": list})).await;
        (answer.status, text(&answer.json(), "code"))
    };
    // The registration officer asked for all of them.
    assert_eq!(draft(&office.registration, json!(ids)).await, (403, "own-request".to_owned()));
    assert_eq!(draft(&office.approver, json!([ids[0], "0".repeat(32)])).await, (404, "unknown-record".to_owned()));
    assert_eq!(draft(&office.approver, json!([ids[0], ids[0]])).await, (400, "malformed-request".to_owned()));
    assert_eq!(draft(&office.approver, json!([])).await, (400, "malformed-request".to_owned()));
    assert_eq!(before.changes_to(&ca.sql().await.snapshot().await), Vec::<String>::new());

    // A statement over one list does not approve another, shorter or in another order.
    let client = ca.client(&office.approver);
    let drafted = client.post("/api/v1/statements/drafts", &json!({"act": "approve", "list": ids})).await.ok().json();
    let statement = office.approver.sign(&serde_json::from_value(drafted["payload"].clone()).unwrap());
    for list in [json!([ids[0]]), json!([ids[1], ids[0]])] {
        let refused = client.post("/api/v1/approvals", &json!({"list": list, "statement": statement})).await;
        assert_eq!((refused.status, text(&refused.json(), "code")), (409, "statement-target-mismatch".to_owned()));
    }
}

async fn requests_that_nobody_decides_on_expire(family: Family) {
    let ca = TestCa::new().at("2030-01-01T00:00:00Z").start().await;
    let office = ca.office(family).await;
    let old = ca.enrol(&office, "staff", family).await;
    ca.clock.forward(Duration::days(29));
    let young = ca.enrol(&office, "staff", family).await;
    assert_eq!(ca.services().upkeep().await.requests_expired, 0);
    ca.clock.forward(Duration::days(2));
    assert_eq!(ca.services().upkeep().await.requests_expired, 1);
    assert_eq!(state(&ca, &office, &old.enrolment).await, "expired");
    let late = json!({"act": "approve", "about": old.enrolment});
    let refused = ca.client(&office.approver).post("/api/v1/statements/drafts", &late).await;
    assert_eq!((refused.status, text(&refused.json(), "code")), (409, "wrong-state".to_owned()));
    assert_eq!(approve(&ca, &office.approver, &young.enrolment).await.0, 201);
    assert!(matches!(ca.services().settle_approved().await, Ok(0)));
    ca.audit_finds_nothing().await;
}
