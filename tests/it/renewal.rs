//! Renewal by the holder's own signature: when, by whom, with which key; and the command that does so by itself.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration as Wait, Instant},
};

use hufu::{
    cli::{Family, client::Identity},
    crypto::Secret,
    x509::Certificate,
};
use serde_json::{Value, json};
use time::Duration;

use crate::{
    citizens::{Citizen, Counter, certificate},
    staff::{approve_list, import, in_state},
    world::{Answer, Ca, Holder, Office, Person, TestCa, csr, in_both_families, new_csr, text},
};

in_both_families! {
    the_holder_renews_within_the_window_with_a_key_of_their_choice,
    nobody_else_renews_and_nothing_that_is_not_good,
    a_statement_renews_with_the_key_that_was_shown_alone,
    an_officer_renews_while_they_hold_a_role,
    a_list_knows_whoever_has_renewed,
    a_command_that_comes_too_early_leaves_nothing,
    a_citizen_renews_and_keeps_their_one_place,
    the_command_replaces_the_files_and_tells_a_service,
}

/// A member of staff who acts with their own certificate.
pub async fn member(ca: &Ca, office: &Office, family: Family) -> (Person, Holder) {
    let holder = ca.issue(office, "staff", family).await;
    let authority = ca.services().authorities().load(&holder.authority()).unwrap();
    let above = ca.services().authorities().chain(&authority).unwrap();
    let chain: String = std::iter::once(holder.certificate.to_pem()).chain(above.iter().map(|one| one.to_pem())).collect();
    (Person::keep(ca, &text(&holder.view, "person"), &chain, &holder.secret), holder)
}

async fn draft(ca: &Ca, by: &Person, id: &str, csr: &str) -> Answer {
    ca.client(by).post("/api/v1/statements/drafts", &json!({"act": "renew", "about": id, "csr": csr})).await
}

pub async fn renew(ca: &Ca, by: &Person, id: &str, csr: &str) -> Answer {
    let drafted = draft(ca, by, id, csr).await.ok().json();
    let statement = by.sign(&serde_json::from_value(drafted["payload"].clone()).unwrap());
    ca.client(by).post(&format!("/api/v1/certificates/{id}/renewal"), &json!({"statement": statement, "csr": csr})).await
}

fn refused(answer: &Answer) -> (u16, String) {
    (answer.status, text(&answer.json(), "code"))
}

pub fn leaf(answer: &Value) -> Certificate {
    Certificate::parse_many(text(answer, "chain").as_bytes()).unwrap().remove(0)
}

async fn the_holder_renews_within_the_window_with_a_key_of_their_choice(family: Family) {
    let ca = TestCa::new().at("2030-01-01T00:00:00Z").start().await;
    let office = ca.office(family).await;
    let (person, holder) = member(&ca, &office, family).await;
    assert!(text(&holder.view, "renewable_from").starts_with("2030-12-02T"));
    let early = draft(&ca, &person, &holder.id, &new_csr(family)).await;
    assert_eq!(refused(&early), (409, "wrong-state".to_owned()));
    assert!(text(&early.json(), "detail").contains(&format!("renewable from {} on", text(&holder.view, "renewable_from"))));

    ca.clock.forward(Duration::days(340));
    let new: Secret = family.algorithm().generate().unwrap();
    let first = renew(&ca, &person, &holder.id, &csr(family, &new)).await.ok().json();
    let successor = leaf(&first);
    assert_eq!(successor.subject_der(), holder.certificate.subject_der());
    assert_ne!(successor.spki(), holder.certificate.spki());
    assert!(successor.not_after() > holder.certificate.not_after());
    ca.audit_finds_nothing().await;

    // When the answer was lost, the same key gets it again; another key gets nothing, for it has been renewed.
    let path = format!("/api/v1/certificates/{}/renewal", holder.id);
    let again = ca.client(&person).post(&path, &json!({"statement": "", "csr": csr(family, &new)})).await.ok().json();
    assert_eq!(leaf(&again).der(), successor.der());
    assert_ne!(again["suspension_code"], first["suspension_code"]);
    assert_eq!(refused(&draft(&ca, &person, &holder.id, &new_csr(family)).await), (409, "wrong-state".to_owned()));

    // The successor renews in its turn, and may keep its key.
    let heir = Person::keep(&ca, &person.id, &text(&first, "chain"), &new);
    ca.clock.forward(Duration::days(340));
    let second = renew(&ca, &heir, &successor.id().to_string(), &csr(family, &new)).await.ok().json();
    assert_eq!(leaf(&second).spki(), successor.spki());
    assert_eq!(ca.sql().await.number("select count(*) from statement where act = 'renew'").await, 2);
    ca.audit_finds_nothing().await;
}

async fn nobody_else_renews_and_nothing_that_is_not_good(family: Family) {
    let ca = TestCa::new().at("2030-01-01T00:00:00Z").start().await;
    let office = ca.office(family).await;
    let (person, holder) = member(&ca, &office, family).await;
    let (other, others) = member(&ca, &office, family).await;
    ca.clock.forward(Duration::days(340));
    for by in [&other, &office.registration, &office.administrator] {
        assert_eq!(refused(&draft(&ca, by, &holder.id, &new_csr(family)).await), (403, "not-permitted".to_owned()));
    }
    // A key belongs to whoever proved it first.
    assert_eq!(refused(&draft(&ca, &person, &holder.id, &csr(family, &others.secret)).await), (409, "key-used-by-another".to_owned()));
    // Another good certificate of the same person does not renew a suspended one.
    ca.decide(&office.approver, "suspend", &holder.id, None, None).await.ok();
    assert_eq!(refused(&draft(&ca, &person, &holder.id, &new_csr(family)).await), (401, "client-certificate-not-good".to_owned()));
    ca.revoke(&office.approver, &others.id, "superseded", None).await;
    assert_eq!(refused(&draft(&ca, &other, &others.id, &new_csr(family)).await), (401, "client-certificate-not-good".to_owned()));
    let missing = ca.client(&office.registration).post("/api/v1/statements/drafts", &json!({"act": "renew", "about": holder.id})).await;
    assert_eq!(refused(&missing), (400, "malformed-request".to_owned()));
    ca.audit_finds_nothing().await;
}

async fn a_statement_renews_with_the_key_that_was_shown_alone(family: Family) {
    let ca = TestCa::new().at("2030-01-01T00:00:00Z").start().await;
    let office = ca.office(family).await;
    let (person, holder) = member(&ca, &office, family).await;
    ca.clock.forward(Duration::days(340));
    let own = new_csr(family);
    let drafted = draft(&ca, &person, &holder.id, &own).await.ok().json();
    assert_eq!(drafted["shown"]["key"]["algorithm"], json!(family.algorithm().name()));
    let statement = person.sign(&serde_json::from_value(drafted["payload"].clone()).unwrap());
    let path = format!("/api/v1/certificates/{}/renewal", holder.id);
    let swapped = ca.client(&person).post(&path, &json!({"statement": statement, "csr": new_csr(family)})).await;
    assert_eq!(refused(&swapped), (409, "seen-stale".to_owned()));
    ca.client(&person).post(&path, &json!({"statement": statement, "csr": own})).await.ok();
    assert_eq!(ca.sql().await.number("select count(*) from certificate where profile = 'staff'").await, 2);
}

async fn an_officer_renews_while_they_hold_a_role(family: Family) {
    let ca = TestCa::new().at("2030-01-01T00:00:00Z").start().await;
    let office = ca.office(family).await;
    let id = office.approver.identity.certificate().id().to_string();
    let view = ca.client(&office.approver).get(&format!("/api/v1/certificates/{id}")).await.ok().json();
    let from = hufu::world::parse_rfc3339(&text(&view, "renewable_from")).unwrap();
    ca.clock.forward(from - ca.now() + Duration::hours(1));
    ca.dismiss(&office.administrator, &office.registration).await;
    let dismissed = office.registration.identity.certificate().id().to_string();
    assert_eq!(refused(&draft(&ca, &office.registration, &dismissed, &new_csr(family)).await), (409, "wrong-state".to_owned()));
    renew(&ca, &office.approver, &id, &new_csr(family)).await.ok();
    ca.audit_finds_nothing().await;
}

async fn a_list_knows_whoever_has_renewed(family: Family) {
    let short = |text: String| text.replace("lifetime = \"365 days\"", "lifetime = \"100 days\"");
    let ca = TestCa::new().with_policy("profiles/staff.toml", short).at("2030-01-01T00:00:00Z").start().await;
    let office = ca.office(family).await;
    let csv = "number,CN\n1,王芳\n";
    import(&ca, &office.registration, &office.department, csv, "").await.ok();
    let ids = in_state(&ca, &office, "submitted").await;
    approve_list(&ca, &office.approver, &ids).await;
    let codes = ca.client(&office.registration).post("/api/v1/enrolments/codes", &json!({"enrolments": ids})).await.ok().json();
    let person = ca.claim(&text(&codes["codes"][0], "code"), "wangfang", family).await;
    ca.clock.forward(Duration::days(80));
    renew(&ca, &person, &person.identity.certificate().id().to_string(), &new_csr(family)).await.ok();
    let report = async |csv: &str| {
        let report = import(&ca, &office.registration, &office.department, csv, "&dry_run=true").await.ok().json();
        ["unchanged", "different", "ended"].map(|name| report[name].as_u64().unwrap())
    };
    assert_eq!(report(csv).await, [1, 0, 0]);
    assert_eq!(report("number,CN\n1,王方\n").await, [0, 1, 0]);
    // The first has ended, the one that followed has not; then both have.
    ca.clock.forward(Duration::days(30));
    assert_eq!(report(csv).await, [1, 0, 0]);
    ca.clock.forward(Duration::days(100));
    assert_eq!(report(csv).await, [0, 0, 1]);
}

async fn a_command_that_comes_too_early_leaves_nothing(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let output = tokio::task::block_in_place(|| hufu(&ca, &office.registration).output().unwrap());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("wrong-state: the certificate is renewable from 20"), "{told}");
    let mut next = office.registration.files.clone().into_os_string();
    next.push(".key.next");
    assert!(!std::path::Path::new(&next).exists());
}

async fn a_citizen_renews_and_keeps_their_one_place(family: Family) {
    let at_once = |text: String| text.replace("cooling = \"72 hours\"", "cooling = \"0 seconds\"");
    let ca = TestCa::new().with_policy("profiles/citizen.toml", at_once).at("2030-01-01T00:00:00Z").start().await;
    let counter = Counter::open(&ca, family).await;
    let (one, _, person) = certificate(&ca, &counter, "citizen", &Citizen::new("王芳"), family).await;
    ca.clock.forward(Duration::days(1050));
    renew(&ca, &person, &text(&one, "id"), &new_csr(family)).await.ok();
    let renewed = "select count(*) from identity_slot s join enrolment e on e.id = s.enrolment where e.replaces is not null";
    assert_eq!(ca.sql().await.number(renewed).await, 1);
    assert_eq!(ca.sql().await.number("select count(*) from identity_slot").await, 1);
    ca.audit_finds_nothing().await;
}

/// Killed when dropped.
struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn hufu(ca: &Ca, person: &Person) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hufu"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HUFU_")) {
        command.env_remove(name);
    }
    command.arg("renew").arg("--identity").arg(&person.files);
    command.args(["--server", &format!("https://127.0.0.1:{}", ca.running().https.port())]);
    command.stdin(Stdio::null());
    command
}

/// Certificates that live for minutes and may be renewed from their first second on.
async fn with_short_lives(family: Family) -> (Ca, Person) {
    let short = |text: String| {
        text.replace("lifetime = \"365 days\"", "lifetime = \"300 seconds\"")
            .replace("renewal_window = \"30 days\"", "renewal_window = \"299 seconds\"")
    };
    let ca = TestCa::new().with_policy("profiles/staff.toml", short).start().await;
    let office = ca.office(family).await;
    import(&ca, &office.registration, &office.department, "number,CN\n1,王芳\n", "").await.ok();
    let ids = in_state(&ca, &office, "submitted").await;
    approve_list(&ca, &office.approver, &ids).await;
    let codes = ca.client(&office.registration).post("/api/v1/enrolments/codes", &json!({"enrolments": ids})).await.ok().json();
    let person = ca.claim(&text(&codes["codes"][0], "code"), "wangfang", family).await;
    (ca, person)
}

async fn the_command_replaces_the_files_and_tells_a_service(family: Family) {
    let (ca, person) = with_short_lives(family).await;
    tokio::time::sleep(Wait::from_secs(2)).await;
    let file = |extension: &str| std::fs::read(person.files.with_extension(extension)).unwrap();
    let (key, container) = (file("key"), file("p12"));
    // The claim's own suspension code ends with its certificate; the new one is told.
    let output = tokio::task::block_in_place(|| hufu(&ca, &person).args(["--same-key", "--json"]).output().unwrap());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let renewed = Identity::load(&person.files).unwrap();
    assert_eq!(text(&told, "id"), renewed.certificate().id().to_string());
    assert_ne!(renewed.certificate().id(), person.identity.certificate().id());
    assert_eq!((file("key") == key, file("p12") == container), (true, false));
    assert_eq!(text(&told, "suspension_code").len(), 48);

    // The watch makes a new key when the time comes, which is up to a tenth of the window after it has opened.
    let marks = ca.scratch().join("hook");
    let hook = format!("echo \"$HUFU_CERTIFICATE\" >> {}", marks.display());
    let mut command = hufu(&ca, &person);
    command.args(["--watch", "--every", "1", "--hook", &hook]).stdout(Stdio::null());
    let watch = Watch(command.spawn().unwrap());
    let deadline = Instant::now() + Wait::from_secs(120);
    while !marks.exists() && Instant::now() < deadline {
        tokio::time::sleep(Wait::from_millis(200)).await;
    }
    drop(watch);
    assert!(std::fs::read_to_string(&marks).unwrap().starts_with(&*person.files.with_extension("crt").to_string_lossy()));
    let watched = Identity::load(&person.files).unwrap();
    assert_ne!(watched.certificate().spki(), renewed.certificate().spki());
    for left in ["key.next", "crt.next", "p12.next", "renewed"] {
        let mut name = person.files.clone().into_os_string();
        name.push(format!(".{left}"));
        assert!(!std::path::Path::new(&name).exists(), "{left}");
    }
    ca.audit_finds_nothing().await;
}
