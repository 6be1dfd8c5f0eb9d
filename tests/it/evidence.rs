//! Evidence for a court: who may have it, and what whoever has nothing but the file and the bundle finds.

use std::{path::Path, process::Output};

use hufu::{
    cli::Family,
    services::court::{
        Evidence,
        judge::{Judgement, judge},
    },
    world::{rfc3339_seconds, seconds},
};
use serde_json::Value;
use time::Duration;

use crate::{
    citizens::{Citizen, Counter, certificate},
    renewal::{leaf, member, renew},
    staff::{approve_list, import, in_state},
    world::{Ca, Office, Person, TestCa, in_both_families, new_csr, text},
};

in_both_families! {
    a_court_is_shown_how_a_certificate_came_about,
    a_court_is_shown_that_a_key_was_stolen_when_it_approved,
    a_key_that_was_stolen_later_leaves_what_it_signed_before,
    an_office_is_named_as_it_was_when_its_holder_signed,
    a_vote_that_says_it_was_signed_before_the_theft_is_told,
    a_re_review_knows_what_came_after_the_theft,
    whoever_signed_is_told_as_what,
}

const BEGIN: &str = "2030-01-01T00:00:00Z";

async fn hufu(arguments: &[&str]) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_hufu")).args(arguments).output().await.unwrap()
}

/// What `hufu verify evidence` says of a file, and its exit code.
async fn verify(file: &Path, bundle: &Path) -> (i32, Value) {
    let output = hufu(&["verify", "evidence", file.to_str().unwrap(), "--trust", bundle.to_str().unwrap(), "--json"]).await;
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

async fn a_court_is_shown_how_a_certificate_came_about(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    ca.revoke(&office.approver, &text(&holder.view, "id"), "keyCompromise", None).await;
    let path = format!("/api/v1/certificates/{}/evidence", text(&holder.view, "id"));
    assert_eq!(ca.anonymous().get(&path).await.status, 401);
    let other = ca.department(&office.administrator, "财政局", "czj.example.cn").await;
    let stranger = ca.officer(&office.administrator, &other, &["approver"], family).await;
    assert_eq!(ca.client(&stranger).get(&path).await.status, 403);
    ca.client(&office.registration).get(&path).await.ok();

    let (file, bundle) = (ca.scratch().join("evidence.json"), ca.data().join("trust/bundle.json"));
    let server = format!("https://127.0.0.1:{}", ca.running().https.port());
    let identity = office.approver.files.to_str().unwrap();
    let id = text(&holder.view, "serial");
    let fetched = hufu(&["evidence", &id, "--out", file.to_str().unwrap(), "--identity", identity, "--server", &server]).await;
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    let (code, judged) = verify(&file, &bundle).await;
    assert_eq!((code, &judged["verdict"], &judged["status"]["state"]), (0, &Value::from("PASSED"), &Value::from("revoked")), "{judged:#}");
    let events = judged["events"].as_array().unwrap();
    assert_eq!((events.len(), &events[1]["reason"]), (2, &Value::from("keyCompromise")));
    for event in events {
        let signed = &event["signed_by"][0];
        assert!(signed["signer"].as_str().unwrap().contains(&office.approver.id), "{signed}");
        assert_eq!(signed["as"]["officer"]["roles"], serde_json::json!(["approver"]));
        assert_eq!(signed["as"]["officer"]["department"], "民政局");
        assert_eq!(signed["as"]["officer"]["appointed_by"].as_array().unwrap().len(), 2);
    }
    let told = hufu(&["verify", "evidence", file.to_str().unwrap(), "--trust", bundle.to_str().unwrap()]).await;
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("approver of 民政局, appointed "), "{told}");

    // Somebody would rather have been approved by nobody, by somebody else, or elsewhere.
    let whole: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for (folder, part) in [("statements", "statement"), ("appointments", "appointment"), ("departments", "department")] {
        let name = whole[folder].as_object().unwrap().keys().next().unwrap().clone();
        let mut altered = whole.clone();
        altered[folder].as_object_mut().unwrap().remove(&name);
        let named = faults(&altered, &file, &bundle).await;
        // What is not there is missed by whatever rests on it.
        let missed = if part == "statement" { format!("statement {name}") } else { "office behind statement ".to_owned() };
        assert!(named.iter().any(|found| found.starts_with(&missed)), "{folder}: {named:?}");
    }
    let mut altered = whole.clone();
    let (change, definition) = altered["departments"].as_object_mut().unwrap().iter_mut().next().unwrap();
    definition["shown"] = Value::from(definition["shown"].as_str().unwrap().replace("民政局", "财政局"));
    let named = format!("department {change}");
    assert!(faults(&altered, &file, &bundle).await.contains(&named));

    std::fs::write(&file, "{}").unwrap();
    assert_eq!(verify(&file, &bundle).await.0, 64);
    // What an earlier program wrote.
    let earlier = whole.to_string().replace("hufu/evidence@v2", "hufu/evidence@v1");
    std::fs::write(&file, earlier).unwrap();
    let refused = hufu(&["verify", "evidence", file.to_str().unwrap(), "--trust", bundle.to_str().unwrap()]).await;
    assert_eq!(refused.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("hufu/evidence@v1, and this program reads hufu/evidence@v2"));
}

/// The parts that are found wrong in a file.
async fn faults(altered: &Value, file: &Path, bundle: &Path) -> Vec<String> {
    std::fs::write(file, altered.to_string()).unwrap();
    let (code, judged) = verify(file, bundle).await;
    assert_eq!((code, &judged["verdict"], &judged["reason"]), (1, &Value::from("FAILED"), &Value::from("altered")));
    let parts = judged["parts"].as_array().unwrap().iter();
    parts.filter(|part| !part["fault"].is_null()).map(|part| text(part, "part")).collect()
}

/// What whoever has the bundle finds in the evidence that an officer fetched.
async fn judged(ca: &Ca, by: &Person, certificate: &str) -> Judgement {
    let file = ca.client(by).get(&format!("/api/v1/certificates/{certificate}/evidence")).await.ok().body;
    let judged = judge(&ca.bundle(), &Evidence::parse(&file).unwrap(), seconds(ca.now()));
    assert!(judged.is_genuine(), "{:#?}", judged.parts);
    judged
}

fn codes(judged: &Judgement) -> Vec<&str> {
    judged.remarks.iter().map(|remark| remark.code).collect()
}

/// Since an hour from the beginning, the key of an approver who approved right then and again two hours later.
async fn approved_twice(ca: &Ca, office: &Office, family: Family) -> (Person, [String; 2], String) {
    let approver = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let first = ca.approve(&approver, ca.enrol(office, "staff", family).await).await.id;
    ca.clock.forward(Duration::hours(1));
    let since = rfc3339_seconds(seconds(ca.now()));
    ca.clock.forward(Duration::hours(1));
    let second = ca.approve(&approver, ca.enrol(office, "staff", family).await).await.id;
    (approver, [first, second], since)
}

/// An administrator and an auditor say since when this key is not trusted.
async fn re_review(ca: &Ca, office: &Office, family: Family, thief: &Person, since: &str) {
    for by in [&office.administrator, ca.auditor(family).await] {
        ca.decide(by, "re-review", &thief.identity.certificate().id().to_string(), None, Some(since)).await.ok();
    }
}

async fn a_court_is_shown_that_a_key_was_stolen_when_it_approved(family: Family) {
    let ca = TestCa::new().at(BEGIN).start().await;
    let office = ca.office(family).await;
    let (thief, [before, after], since) = approved_twice(&ca, &office, family).await;
    let stolen = thief.identity.certificate().id().to_string();
    re_review(&ca, &office, family, &thief, &since).await;
    let whole = judged(&ca, &office.administrator, &before).await;
    assert!(whole.holds() && codes(&whole) == ["signer-revoked"], "{whole:#?}");
    assert!(whole.remarks[0].en.contains("what it signed before stands"), "{whole:#?}");

    let found = judged(&ca, &office.administrator, &after).await;
    let [finding] = &found.distrusted[..] else { panic!("{found:#?}") };
    assert_eq!(finding.code, "key-not-trusted");
    assert!(finding.en.contains(&thief.id) && finding.en.contains(&format!("is not trusted since {since} (keyCompromise)")), "{finding:?}");
    let signer = found.signers.iter().find(|signer| signer.certificate == stolen).unwrap();
    assert_eq!(signer.history[1].since.as_ref(), Some(&since));

    // Others looked at it and kept it; and what the thief stopped stays stopped.
    ca.decide(&office.approver, "resume", &after, None, None).await.ok();
    let kept = judged(&ca, &office.administrator, &after).await;
    assert!(kept.holds() && codes(&kept) == ["reviewed-and-kept"], "{kept:#?}");
    ca.audit_finds_nothing().await;
}

async fn a_key_that_was_stolen_later_leaves_what_it_signed_before(family: Family) {
    let ca = TestCa::new().at(BEGIN).start().await;
    let office = ca.office(family).await;
    let (thief, [before, after], since) = approved_twice(&ca, &office, family).await;
    let stopped = ca.issue(&office, "staff", family).await.id;
    ca.revoke(&thief, &stopped, "superseded", None).await;
    re_review(&ca, &office, family, &thief, &since).await;
    let whole = judged(&ca, &office.administrator, &before).await;
    assert!(whole.holds() && codes(&whole) == ["signer-revoked"], "{whole:#?}");
    let found = judged(&ca, &office.administrator, &after).await;
    assert!(!found.holds() && found.distrusted.len() == 1, "{found:#?}");
    let found = judged(&ca, &office.administrator, &stopped).await;
    assert!(found.holds() && codes(&found) == ["stopped-by-a-distrusted-key"], "{found:#?}");
}

async fn an_office_is_named_as_it_was_when_its_holder_signed(family: Family) {
    let ca = TestCa::new().at(BEGIN).start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    ca.clock.forward(Duration::hours(1));
    let body = serde_json::json!({"name": "民政和社会工作局"}).to_string().into_bytes();
    let path = format!("/api/v1/departments/{}", office.department);
    let answer = ca.client(&office.administrator).send("PATCH", &path, &[("content-type", "application/json")], body).await.ok();
    let change = text(&answer.json(), "id");
    for by in [&office.administrator, ca.auditor(family).await] {
        ca.decide(by, "change-department", &change, None, None).await.ok();
    }
    ca.clock.forward(Duration::hours(1));
    let id = text(&holder.view, "id");
    ca.revoke(&office.approver, &id, "superseded", None).await;
    ca.dismiss(&office.administrator, &office.approver).await;
    let judged = judged(&ca, &office.administrator, &id).await;
    let shown = serde_json::to_value(&judged.events).unwrap();
    assert_eq!(shown[0]["signed_by"][0]["as"]["officer"]["department"], "民政局");
    assert_eq!(shown[1]["signed_by"][0]["as"]["officer"]["department"], "民政和社会工作局");
}

async fn a_vote_that_says_it_was_signed_before_the_theft_is_told(family: Family) {
    let two = |text: String| text.replace("count = 1", "count = 2");
    let ca = TestCa::new().at(BEGIN).with_policy("profiles/staff.toml", two).start().await;
    let office = ca.office(family).await;
    let other = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let applicant = ca.enrol(&office, "staff", family).await;
    assert_eq!(ca.decide(&other, "approve", &applicant.enrolment, None, None).await.ok().status, 202);
    ca.clock.forward(Duration::hours(1));
    let since = rfc3339_seconds(seconds(ca.now()));
    ca.clock.forward(Duration::hours(1));
    let id = ca.approve(&office.approver, applicant).await.id;
    re_review(&ca, &office, family, &other, &since).await;
    let found = judged(&ca, &office.administrator, &id).await;
    assert!(found.holds() && found.events[0].signed_by.len() == 2, "{found:#?}");
    assert_eq!(codes(&found), ["signed-before-by-its-own-word", "signer-revoked"]);
}

async fn a_re_review_knows_what_came_after_the_theft(family: Family) {
    let ca = TestCa::new().at(BEGIN).start().await;
    let office = ca.office(family).await;
    let thief = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let applicant = ca.enrol(&office, "staff", family).await;
    // Drafted before the theft, and handed in after it.
    let payload = ca.draft(&thief, "approve", &applicant.enrolment, None, None).await;
    ca.clock.forward(Duration::minutes(10));
    let since = rfc3339_seconds(seconds(ca.now()));
    ca.clock.forward(Duration::minutes(10));
    let answer = ca.hand_in(&thief, "approve", &applicant.enrolment, &thief.sign(&payload)).await.ok().json();
    let id = text(&answer["certificates"][0], "id");
    re_review(&ca, &office, family, &thief, &since).await;
    let found = judged(&ca, &office.administrator, &id).await;
    assert!(!found.holds() && found.distrusted.len() == 1, "{found:#?}");
}

async fn whoever_signed_is_told_as_what(family: Family) {
    let at_once = |text: String| text.replace("cooling = \"72 hours\"", "cooling = \"0 seconds\"");
    let ca = TestCa::new().at(BEGIN).with_policy("profiles/citizen.toml", at_once).start().await;
    let counter = Counter::open(&ca, family).await;
    let office = &counter.office;
    let as_what = async |by: &Person, id: &str| -> Vec<(String, Value)> {
        let judged = judged(&ca, by, id).await;
        assert!(judged.holds(), "{judged:#?}");
        let signed = judged.events.into_iter().flat_map(|event| event.signed_by);
        let mut told: Vec<_> = signed
            .map(|signed| {
                let capacity = serde_json::to_value(&signed.capacity).unwrap();
                let role = capacity.pointer("/officer/roles/0").cloned();
                (signed.act.to_string(), role.unwrap_or(capacity))
            })
            .collect();
        told.sort_by_key(|(act, _)| act.clone());
        told
    };
    let told = |act: &str, capacity: &str| (act.to_owned(), Value::from(capacity));

    // Approved on a list, and claimed.
    import(&ca, &office.registration, &office.department, "工号,姓名,OU,邮箱\nE-1,王芳,一科,\n", "").await.ok();
    let ids = in_state(&ca, office, "submitted").await;
    approve_list(&ca, &office.approver, &ids).await;
    ca.clock.forward(Duration::hours(1));
    let body = serde_json::json!({"enrolments": ids});
    let codes = ca.client(&office.registration).post("/api/v1/enrolments/codes", &body).await.ok().json();
    let claimed = ca.claim(&text(&codes["codes"][0], "code"), "wangfang", family).await;
    let id = claimed.identity.certificate().id().to_string();
    assert_eq!(as_what(&claimed, &id).await, [told("approve", "approver"), told("claim", "system-key")]);

    // Looked at by two officers at a counter, and issued by the system key.
    let (one, _, citizen) = certificate(&ca, &counter, "citizen", &Citizen::new("李雷"), family).await;
    let expected = [told("check-identity", "registration-officer"), told("confirm-identity", "approver"), told("prove", "system-key")];
    assert_eq!(as_what(&citizen, &text(&one, "id")).await, expected);

    // Renewed and suspended by its holder, with the certificate before.
    let (person, holder) = member(&ca, office, family).await;
    ca.clock.forward(Duration::days(345));
    let renewed = renew(&ca, &person, &holder.id, &new_csr(family)).await.ok().json();
    let id = leaf(&renewed).id().to_string();
    ca.decide(&person, "suspend", &id, None, None).await.ok();
    assert_eq!(as_what(&person, &id).await, [told("renew", "holder"), told("suspend", "holder")]);
}
