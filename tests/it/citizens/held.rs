//! What is held about a person: shown to them, destroyed when they say so, and never where it does not belong.

use std::{process::Stdio, time::Duration as Wait};

use hufu::cli::Family;
use serde_json::json;

use super::{Citizen, Counter, application, at_once, certificate, collect, enrol, is, proof, prove, sign, verdict};
use crate::world::{Agent, Ca, TLS_VERSIONS, in_both_families, new_csr, text};

in_both_families! {
    what_is_held_about_a_person_is_exported_and_erased,
    a_rejected_application_of_the_same_person_is_held_and_erased_too,
    nothing_personal_is_in_logs_database_or_ledger,
}

async fn what_is_held_about_a_person_is_exported_and_erased(family: Family) {
    let mut ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let citizen = Citizen::new("李雷");
    let (one, client, person) = certificate(&ca, &counter, "citizen", &citizen, family).await;
    let held = client.get("/api/v1/citizens/self").await.ok().json();
    let proof = &held["proofs"][0];
    assert_eq!((proof["name"].as_str(), proof["number"].as_str()), (Some("李雷"), Some(citizen.number.as_str())));
    assert_eq!(proof["contact"], citizen.contact);
    assert_eq!(held["certificates"][0]["id"], one["id"]);
    assert_eq!(held["enrolments"][0]["request"]["fields"]["CN"], "李雷");

    // Two auditors; nobody else, and neither alone.
    let export = format!("{}/export", person.id);
    let administrator = &counter.office.administrator;
    is(&sign(&ca.client(administrator), administrator, "export", &person.id, &export).await, 403, "not-permitted");
    let auditor = ca.auditor(family).await;
    assert_eq!(sign(&ca.client(auditor), auditor, "export", &person.id, &export).await.ok().status, 202);
    is(&sign(&ca.client(auditor), auditor, "export", &person.id, &export).await, 403, "not-permitted");
    let second = ca.officer(administrator, &counter.office.department, &["auditor"], family).await;
    let theirs = sign(&ca.client(&second), &second, "export", &person.id, &export).await.ok().json();
    assert_eq!((&theirs["proofs"], &theirs["certificates"]), (&held["proofs"], &held["certificates"]));

    // Erased on one's own word: nothing that was sealed is left, and the ledger is what it was.
    let erasure = format!("{}/erasure", person.id);
    is(&sign(&counter.approver, &counter.office.approver, "erase", &person.id, &erasure).await, 403, "not-permitted");
    assert_eq!(text(&sign(&client, &person, "erase", &person.id, &erasure).await.ok().json(), "state"), "erased");
    assert_eq!(verdict(&ca, &one["chain"]).await, ("FAILED".to_owned(), "revoked".to_owned()));
    let administrator_client = ca.client(administrator);
    is(&sign(&administrator_client, administrator, "erase", &person.id, &erasure).await, 410, "erased");
    let enrolment = text(&held["enrolments"][0]["request"], "enrolment");
    is(&counter.approver.get(&format!("/api/v1/enrolments/{enrolment}")).await, 410, "erased");
    let mut sql = ca.sql().await;
    for left in [
        "select count(*) from enrolment where profile = 'citizen' and (sealed_subject is not null or salt is not null)",
        "select count(*) from proofing where sealed_subject is not null or sealed_number is not null or blind_index is not null",
        "select count(*) from identity_check where sealed_subject is not null or sealed_number is not null or salt is not null",
        "select count(*) from contact_notice",
        "select count(*) from identity_slot",
    ] {
        assert_eq!(sql.number(left).await, 0, "{left}");
    }
    ca.audit_finds_nothing().await;
    ca.restart().await;
    ca.audit_finds_nothing().await;

    // The same person begins anew, as somebody who was never here; two administrators erase that, too.
    let counter =
        Counter { registration: ca.client(&counter.office.registration), approver: ca.client(&counter.office.approver), ..counter };
    let (_, _, again) = certificate(&ca, &counter, "citizen", &citizen, family).await;
    assert_ne!(again.id, person.id);
    let erasure = format!("{}/erasure", again.id);
    let administrator = &counter.office.administrator;
    assert_eq!(sign(&ca.client(administrator), administrator, "erase", &again.id, &erasure).await.ok().status, 202);
    let other = ca.officer(administrator, &counter.office.department, &["administrator"], family).await;
    is(&sign(&ca.client(&other), &other, "erase", &other.id, &format!("{}/erasure", other.id)).await, 409, "wrong-state");
    let done = sign(&ca.client(&other), &other, "erase", &again.id, &erasure).await.ok().json();
    assert_eq!(text(&done, "state"), "erased");
    ca.audit_finds_nothing().await;
}

async fn a_rejected_application_of_the_same_person_is_held_and_erased_too(family: Family) {
    let ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let citizen = Citizen::new("李雷");
    let (_, client, person) = certificate(&ca, &counter, "citizen", &citizen, family).await;
    let (_, stranger, _) = certificate(&ca, &counter, "citizen", &Citizen::new("韩梅"), family).await;
    let token = proof(&ca, &counter, "citizen", &citizen).await;
    let later = text(&enrol(&ca.anonymous(), &application(&counter, &token, "citizen", &new_csr(family))).await.ok().json(), "enrolment");
    let proofs = async |agent: &Agent| {
        let held = agent.get("/api/v1/citizens/self").await.ok().json();
        held["proofs"].as_array().unwrap().iter().filter(|proof| proof["number"] == citizen.number).count()
    };
    assert_eq!(proofs(&client).await, 1, "what still waits may be another's");
    for officer in [&counter.office.approver, &counter.office.administrator] {
        sign(&ca.client(officer), officer, "dismiss-contest", &later, &format!("contests/{later}/dismissal")).await.ok();
    }
    assert_eq!((proofs(&client).await, proofs(&stranger).await), (2, 0));

    sign(&client, &person, "erase", &person.id, &format!("{}/erasure", person.id)).await.ok();
    let mut sql = ca.sql().await;
    let kept = "select count(*) from proofing where sealed_subject is not null or sealed_number is not null or blind_index is not null";
    assert_eq!(sql.number(kept).await, 1, "the stranger's");
    let checks = "select count(*) from identity_check where sealed_subject is not null or sealed_number is not null or salt is not null";
    assert_eq!(sql.number(checks).await, 1, "the stranger's");
    is(&counter.approver.get(&format!("/api/v1/enrolments/{later}")).await, 410, "erased");
    ca.audit_finds_nothing().await;
}

/// The real program, its log as talkative as it gets, and afterwards every file and every row.
async fn nothing_personal_is_in_logs_database_or_ledger(family: Family) {
    let mut ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let anonymous = ca.over_tls(None, TLS_VERSIONS);
    ca.stop().await;
    let log = ca.scratch().join("log");
    let program = Program::start(&ca, &log).await;
    let at = |agent: &Agent| match agent {
        Agent::Net { http, .. } => Agent::Net { http: http.clone(), server: program.server.clone(), bearer: None },
        Agent::Inside { .. } => panic!("this test is over TLS"),
    };
    let (registration, approver, anonymous) = (at(&counter.registration), at(&counter.approver), at(&anonymous));
    let counter = Counter { office: counter.office, registration, approver };

    // One who obtains a certificate, asks twice, is refused, suspends; one who is only recorded.
    let citizen = Citizen::new("司马相如");
    for _ in 0..2 {
        let code = counter.code("citizen-basic", &citizen).await;
        let token = text(&prove(&anonymous, &text(&code, "code")).await.ok().json(), "proof");
        let body = application(&counter, &token, "citizen-basic", &new_csr(family));
        let id = text(&enrol(&anonymous, &body).await.ok().json(), "enrolment");
        tokio::time::sleep(Wait::from_secs(1)).await;
        let collected = collect(&anonymous, &token, &id).await;
        let one = &collected["certificates"][0];
        if let Some(code) = one["suspension_code"].as_str() {
            anonymous.post("/api/v1/suspensions", &json!({"code": code})).await.ok();
            let code = counter.code("citizen-basic", &citizen).await;
            let token = text(&prove(&anonymous, &text(&code, "code")).await.ok().json(), "proof");
            anonymous.post("/api/v1/citizens/resumptions", &json!({"proof": token, "certificate": one["id"]})).await.ok();
        }
    }
    let wrong = Citizen { number: format!("{}0", &citizen.number[..17]), ..Citizen::new(citizen.name) };
    assert!(matches!(counter.record("citizen-basic", &wrong).await.status, 201 | 400));
    counter.record("citizen-basic", &citizen).await.ok();
    program.stop().await;

    let log = std::fs::read(&log).unwrap();
    assert!(log.len() > 10_000, "the log says hardly anything: {}", String::from_utf8_lossy(&log));
    let mut places = vec![("log".to_owned(), log)];
    let mut folders = vec![ca.data().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    places.push(("rows".to_owned(), ca.sql().await.everything().await.into_bytes()));
    let contact = citizen.contact.trim_start_matches('+');
    for personal in [citizen.name, &citizen.number, &citizen.number[..14], contact] {
        for form in [personal.as_bytes().to_vec(), hex::encode(personal).into_bytes(), hex::encode_upper(personal).into_bytes()] {
            for (place, octets) in &places {
                assert!(!octets.windows(form.len()).any(|window| window == form), "{personal} is in {place}");
            }
        }
    }
    ca.start_again().await;
    ca.audit_finds_nothing().await;
}

struct Program {
    child: tokio::process::Child,
    server: String,
}

impl Program {
    async fn start(ca: &Ca, log: &std::path::Path) -> Self {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_hufu"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HUFU_")) {
            command.env_remove(name);
        }
        command.env("HUFU_LOG", "trace").arg("serve").arg("--data").arg(ca.data());
        command.args(["--https", "127.0.0.1:0", "--http", "127.0.0.1:0", "--base-url", &ca.config.base_url()]);
        command.args(["--database", &ca.config.database_url()]);
        let child = command.stderr(std::fs::File::create(log).unwrap()).stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        for _ in 0..600 {
            tokio::time::sleep(Wait::from_millis(100)).await;
            let said = std::fs::read_to_string(log).unwrap_or_default();
            if let Some((_, rest)) = said.split_once("hufu: API on ") {
                let server = rest.split_whitespace().next().unwrap().to_owned();
                return Self { child, server };
            }
        }
        panic!("{}", std::fs::read_to_string(log).unwrap());
    }

    /// As a service manager stops it.
    async fn stop(mut self) {
        let id = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.child.wait().await.unwrap().success());
    }
}
