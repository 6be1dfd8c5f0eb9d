//! Who becomes an officer, and which policy is in force: what no one person decides.

use hufu::cli::Family;
use serde_json::{Value, json};

use crate::world::{Answer, Ca, Office, Person, TestCa, in_both_families, text};

in_both_families! {
    a_grant_takes_two_people_one_of_them_from_outside,
    the_grant_of_an_officer_who_was_dismissed_meanwhile_does_not_count,
    the_last_administrator_cannot_be_removed,
    a_policy_is_put_in_force_by_an_administrator_and_an_auditor,
    a_change_of_departments_that_waits_shows_who_has_signed_it,
    nobody_is_asked_to_sign_what_was_decided,
    a_policy_that_is_wrong_is_refused_with_file_and_line,
    what_people_decided_is_in_force_after_a_restart_whatever_the_files_say,
}

const OFFICERS: &str = "/api/v1/officers";
const POLICIES: &str = "/api/v1/policies";

async fn propose(ca: &Ca, by: &Person, department: Option<&str>, role: &str) -> String {
    let body = json!({"name": "新官", "department": department, "roles": [role]});
    text(&ca.client(by).post(OFFICERS, &body).await.ok().json(), "id")
}

/// Asks for a draft and hands its statement in; what refuses either is the answer.
async fn grant(ca: &Ca, by: &Person, officer: &str) -> Answer {
    sign(ca, by, "grant", officer).await
}

async fn sign(ca: &Ca, by: &Person, act: &str, about: &str) -> Answer {
    let draft = ca.client(by).post("/api/v1/statements/drafts", &json!({"act": act, "about": about})).await;
    if draft.status != 200 {
        return draft;
    }
    let payload = serde_json::from_value(draft.json()["payload"].clone()).unwrap();
    ca.hand_in(by, act, about, &by.sign(&payload)).await
}

fn refused(answer: &Answer) -> (u16, String) {
    (answer.status, text(&answer.json(), "code"))
}

async fn a_grant_takes_two_people_one_of_them_from_outside(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let department = office.department.as_str();
    let inside = [
        ca.officer(&office.administrator, department, &["administrator"], family).await,
        ca.officer(&office.administrator, department, &["administrator"], family).await,
    ];
    let officer = propose(&ca, &inside[0], Some(department), "approver").await;

    // Two of the department are two people, and neither is from outside.
    let first = grant(&ca, &inside[0], &officer).await;
    assert_eq!((first.status, first.json()["missing"].clone()), (202, missing(1, 1)));
    let again = grant(&ca, &inside[0], &officer).await;
    assert_eq!(refused(&again), (403, "not-permitted".to_owned()), "one who signs twice is one, and is told so");
    assert!(text(&again.json(), "detail").starts_with("one person is counted once"));
    assert_eq!(grant(&ca, &inside[1], &officer).await.json()["missing"], missing(0, 1));
    // Whoever looks sees who has signed, and what kind of signature is missing still.
    let mut signed = inside.each_ref().map(|person| person.id.clone());
    signed.sort();
    let listed = ca.client(&office.administrator).get(OFFICERS).await.ok().json();
    let listed = listed["items"].as_array().unwrap().iter().find(|one| one["id"] == officer).unwrap().clone();
    for shown in [listed, ca.client(&office.administrator).get(&format!("{OFFICERS}/{officer}")).await.ok().json()] {
        assert_eq!((&shown["state"], &shown["signed_by"], &shown["missing"]), (&json!("proposed"), &json!(signed), &missing(0, 1)));
        assert_eq!((&shown["name"], &shown["department_name"]), (&json!("新官"), &json!("民政局")));
    }
    ca.audit_finds_nothing().await;
    // Neither has a say who has no such role.
    assert_eq!(refused(&grant(&ca, &office.approver, &officer).await), (403, "not-permitted".to_owned()));
    let granted = grant(&ca, &office.administrator, &officer).await;
    assert_eq!(granted.status, 201);
    ca.claim(&text(&granted.json(), "claim"), "new", family).await;
    ca.audit_finds_nothing().await;

    // Auditors alone grant nothing, and propose nobody.
    let auditor = ca.auditor(family).await;
    let proposal = json!({"name": "新官", "department": department, "roles": ["approver"]});
    assert_eq!(refused(&ca.client(auditor).post(OFFICERS, &proposal).await), (403, "not-permitted".to_owned()));
    let second = ca.officer(&office.administrator, department, &["auditor"], family).await;
    let another = propose(&ca, &office.administrator, Some(department), "registration-officer").await;
    grant(&ca, auditor, &another).await.ok();
    let without = grant(&ca, &second, &another).await.ok();
    assert_eq!((without.status, &without.json()["missing"]["administrators"]), (202, &json!(1)));
}

fn missing(people: usize, outside: usize) -> Value {
    json!({"people": people, "departments": 0, "outside": outside, "administrators": 0, "audit": 0})
}

async fn the_grant_of_an_officer_who_was_dismissed_meanwhile_does_not_count(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let leaver = ca.officer(&office.administrator, &office.department, &["administrator"], family).await;
    let officer = propose(&ca, &leaver, Some(&office.department), "approver").await;
    grant(&ca, &leaver, &officer).await.ok();
    ca.dismiss(&office.administrator, &leaver).await;
    let dismissed = ca.client(&office.administrator).get(&format!("/api/v1/officers/{}", leaver.id)).await.ok().json();
    assert_eq!((&dismissed["state"], &dismissed["roles"]), (&json!("dismissed"), &json!([])));
    assert_eq!(grant(&ca, &office.administrator, &officer).await.status, 202);
    assert_eq!(grant(&ca, ca.auditor(family).await, &officer).await.status, 201);
    ca.audit_finds_nothing().await;
}

async fn the_last_administrator_cannot_be_removed(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let id = propose(&ca, &office.administrator, None, "administrator").await;
    grant(&ca, &office.administrator, &id).await.ok();
    let code = text(&grant(&ca, ca.auditor(family).await, &id).await.ok().json(), "claim");
    let second = ca.claim(&code, "second", family).await;

    // Nobody dismisses themselves; the other may, and is then the last.
    assert_eq!(refused(&dismiss(&ca, &second, &second).await), (403, "own-request".to_owned()));
    assert_eq!(dismiss(&ca, &second, &office.administrator).await.status, 204);
    let local = ca.officer(&second, &office.department, &["administrator"], family).await;
    let before = ca.sql().await.snapshot().await;
    assert_eq!(refused(&dismiss(&ca, &local, &second).await), (403, "not-permitted".to_owned()));
    let changed = before.changes_to(&ca.sql().await.snapshot().await);
    assert!(changed.iter().all(|change| change.contains("nonce")), "{changed:?}");
}

async fn dismiss(ca: &Ca, by: &Person, officer: &Person) -> Answer {
    let draft = ca.client(by).post("/api/v1/statements/drafts", &json!({"act": "dismiss", "about": officer.id})).await;
    if draft.status != 200 {
        return draft;
    }
    let statement = by.sign(&serde_json::from_value(draft.json()["payload"].clone()).unwrap());
    let (body, json) = (json!({"statement": statement}).to_string().into_bytes(), [("content-type", "application/json")]);
    ca.client(by).send("DELETE", &format!("{OFFICERS}/{}", officer.id), &json, body).await
}

/// The policy in force with a sentence more, handed in.
async fn propose_policy(ca: &Ca, office: &Office, change: impl Fn(&mut serde_json::Map<String, Value>)) -> Answer {
    let client = ca.client(&office.administrator);
    let in_force = ca.services().policy().digest().to_string();
    let version = client.get(&format!("{POLICIES}/{in_force}")).await.ok().json();
    assert_eq!(version["state"], "in-force");
    let mut files = version["files"].as_object().unwrap().clone();
    change(&mut files);
    client.post(POLICIES, &json!({"files": files})).await
}

fn two_approvals(files: &mut serde_json::Map<String, Value>) {
    let staff = files["profiles/staff.toml"].as_str().unwrap().replace("count = 1", "count = 2");
    files.insert("profiles/staff.toml".to_owned(), json!(staff));
}

async fn a_policy_is_put_in_force_by_an_administrator_and_an_auditor(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let waiting = ca.enrol(&office, "staff", family).await;
    let old = ca.draft(&office.approver, "approve", &waiting.enrolment, None, None).await;
    let proposed = propose_policy(&ca, &office, two_approvals).await.ok();
    let digest = text(&proposed.json(), "digest");
    assert_eq!((proposed.status, &proposed.json()["state"]), (201, &json!("proposed")));
    ca.audit_finds_nothing().await;

    assert_eq!(refused(&sign(&ca, &office.approver, "activate-policy", &digest).await), (403, "not-permitted".to_owned()));
    let alone = sign(&ca, &office.administrator, "activate-policy", &digest).await;
    assert_eq!((alone.status, &alone.json()["missing"]["audit"]), (202, &json!(1)));
    for path in [POLICIES.to_owned(), format!("{POLICIES}/{digest}")] {
        let shown = ca.client(&office.administrator).get(&path).await.ok().json();
        let items = shown["items"].as_array().cloned().unwrap_or(vec![shown]);
        let waits = items.iter().find(|one| one["digest"] == digest).unwrap();
        assert_eq!((&waits["signed_by"], &waits["missing"]["audit"]), (&json!([office.administrator.id]), &json!(1)), "{path}");
        assert!(items.iter().filter(|one| one["state"] == "in-force").all(|one| one["missing"].is_null()), "{path}");
    }
    ca.audit_finds_nothing().await;
    let size = ca.log_sizes()["operations"];
    let done = sign(&ca, ca.auditor(family).await, "activate-policy", &digest).await;
    assert_eq!((done.status, done.json()["state"].clone()), (200, json!("in-force")));
    assert!(ca.log_sizes()["operations"] > size, "the ledger says so");
    assert_eq!(ca.services().policy().digest().to_string(), digest);
    ca.audit_finds_nothing().await;

    // What was seen under the old one decides nothing, and the new one asks for two.
    let late = ca.hand_in(&office.approver, "approve", &waiting.enrolment, &office.approver.sign(&old)).await;
    assert_eq!(refused(&late), (409, "policy-stale".to_owned()));
    assert_eq!(sign(&ca, &office.approver, "approve", &waiting.enrolment).await.status, 202);
    // It is in force already.
    assert_eq!(refused(&sign(&ca, &office.administrator, "activate-policy", &digest).await), (409, "wrong-state".to_owned()));
}

async fn a_change_of_departments_that_waits_shows_who_has_signed_it(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let client = ca.client(&office.administrator);
    let path = format!("/api/v1/departments/{}", office.department);
    let renamed = json!({"name": "民政厅"}).to_string().into_bytes();
    let proposed = client.send("PATCH", &path, &[("content-type", "application/json")], renamed).await.ok().json();
    let change = text(&proposed, "id");
    let one = format!("/api/v1/department-changes/{change}");
    let shown = client.get(&one).await.ok().json();
    assert_eq!((&shown["signed_by"], &shown["missing"]["people"]), (&Value::Null, &json!(2)));

    sign(&ca, &office.administrator, "change-department", &change).await.ok();
    let list = format!("/api/v1/department-changes?department={}", office.department);
    let listed = client.get(&list).await.ok().json()["items"].as_array().unwrap().clone();
    for shown in [client.get(&one).await.ok().json(), listed.into_iter().find(|one| one["id"] == change).unwrap()] {
        assert_eq!((&shown["signed_by"], &shown["missing"]["people"]), (&json!([office.administrator.id]), &json!(1)));
        assert_eq!((&shown["name"], &shown["proposed_at"]), (&json!("民政厅"), &proposed["proposed_at"]));
    }
    let done = sign(&ca, ca.auditor(family).await, "change-department", &change).await.ok().json();
    assert_eq!((&done["state"], &client.get(&one).await.ok().json()["missing"]), (&json!("done"), &Value::Null));
}

async fn nobody_is_asked_to_sign_what_was_decided(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let (administrator, auditor) = (&office.administrator, ca.auditor(family).await);
    let draft = async |by: &Person, act: &str, about: &str| {
        let body = json!({"act": act, "about": about});
        refused(&ca.client(by).post("/api/v1/statements/drafts", &body).await)
    };
    let wrong_state = (409, "wrong-state".to_owned());

    let issued = text(&ca.issue(&office, "staff", family).await.view, "enrolment");
    for act in ["approve", "reject"] {
        assert_eq!(draft(&office.approver, act, &issued).await, wrong_state, "{act}");
    }
    let path = format!("/api/v1/departments/{}", office.department);
    let renamed = json!({"name": "民政厅"}).to_string().into_bytes();
    let change = ca.client(administrator).send("PATCH", &path, &[("content-type", "application/json")], renamed).await.ok().json();
    let change = text(&change, "id");
    sign(&ca, administrator, "change-department", &change).await.ok();
    sign(&ca, auditor, "change-department", &change).await.ok();
    for act in ["change-department", "withdraw"] {
        assert_eq!(draft(administrator, act, &change).await, wrong_state, "{act}");
    }

    let officer = ca.officer(administrator, &office.department, &["approver"], family).await;
    assert_eq!(draft(administrator, "grant", &officer.id).await, wrong_state);
    ca.dismiss(administrator, &officer).await;
    let again = ca.client(administrator).post("/api/v1/statements/drafts", &json!({"act": "dismiss", "about": officer.id})).await;
    assert_eq!(text(&again.json(), "detail"), "the officer is dismissed, not proposed or appointed");

    // Whoever was proposed for a department is granted nothing once that is merged.
    let successor = ca.department(administrator, "税务局", "swj.example.cn").await;
    let proposed = propose(&ca, administrator, Some(&office.department), "approver").await;
    let merger = ca.client(administrator).post(&format!("{path}/merger"), &json!({"successor": successor})).await.ok().json();
    sign(&ca, administrator, "merge-department", &text(&merger, "id")).await.ok();
    sign(&ca, auditor, "merge-department", &text(&merger, "id")).await.ok();
    assert_eq!(draft(administrator, "grant", &proposed).await, (409, "department-merged".to_owned()));
    ca.audit_finds_nothing().await;
}

async fn a_policy_that_is_wrong_is_refused_with_file_and_line(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let before = ca.sql().await.snapshot().await;
    let wrong = propose_policy(&ca, &office, |files| {
        let staff = files["profiles/staff.toml"].as_str().unwrap().replace("[\"approver\"]", "[\"king\"]");
        files.insert("profiles/staff.toml".to_owned(), json!(staff));
    })
    .await;
    assert_eq!(refused(&wrong), (422, "policy-refused".to_owned()));
    let detail = text(&wrong.json(), "detail");
    assert!(detail.starts_with("profiles/staff.toml:") && detail.contains("king"), "{detail}");
    let files = json!({"files": {"profiles/../../x.toml": ""}});
    assert_eq!(refused(&ca.client(&office.administrator).post(POLICIES, &files).await), (422, "policy-refused".to_owned()));
    assert_eq!(refused(&ca.client(&office.approver).post(POLICIES, &files).await), (403, "not-permitted".to_owned()));
    assert_eq!(before.changes_to(&ca.sql().await.snapshot().await), Vec::<String>::new());
}

async fn what_people_decided_is_in_force_after_a_restart_whatever_the_files_say(family: Family) {
    let mut ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let digest = text(&propose_policy(&ca, &office, two_approvals).await.ok().json(), "digest");
    sign(&ca, &office.administrator, "activate-policy", &digest).await.ok();
    sign(&ca, ca.auditor(family).await, "activate-policy", &digest).await.ok();
    ca.stop().await;
    ca.start_again().await;
    assert_eq!(ca.services().policy().digest().to_string(), digest);
    ca.audit_finds_nothing().await;
}
