//! The lost device: suspended by the code that was printed at issue, and good again for whoever proves who they are.

use std::process::Stdio;

use hufu::{cli::Family, services::codes::Code, world::SystemEntropy};
use serde_json::json;
use time::Duration;

use super::{Citizen, Counter, at_once, certificate, is, notices, proof, prove, verdict};
use crate::world::{in_both_families, text};

in_both_families! {
    a_lost_device_is_suspended_by_its_code,
    whoever_suspended_proves_anew_who_they_are_and_resumes,
}

async fn a_lost_device_is_suspended_by_its_code(family: Family) {
    let ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let (one, client, _) = certificate(&ca, &counter, "citizen", &Citizen::new("李雷"), family).await;
    let (id, code) = (text(&one, "id"), text(&one, "suspension_code"));
    let suspend = async |code: &str| ca.anonymous().post("/api/v1/suspensions", &json!({"code": code})).await;
    let status =
        async || ca.client(&counter.office.approver).get(&format!("/api/v1/certificates/{id}")).await.ok().json()["status"].clone();

    // A slip of the pen is said so; what is no code and what is one are answered alike.
    let slip = if code.starts_with('7') { code.replacen('7', "8", 1) } else { format!("7{}", &code[1..]) };
    let malformed = suspend(&slip).await;
    assert!(malformed.status == 400 || malformed.status == 202, "{}", malformed.text());
    is(&suspend("no code").await, 400, "malformed-request");
    let unknown = suspend(&Code::generate(&[0; 32], &SystemEntropy).reveal()).await.ok();
    let renewed = client.post(&format!("/api/v1/certificates/{id}/suspension-code"), &json!({})).await.ok().json();
    let replaced = suspend(&code).await.ok();
    assert_eq!(status().await, "valid", "the paper that was replaced suspends nothing");
    let right = suspend(&text(&renewed, "suspension_code").to_lowercase()).await.ok();
    for other in [&unknown, &replaced] {
        assert_eq!((other.status, &other.body), (right.status, &right.body));
    }
    assert_eq!(status().await, "suspended");
    assert_eq!(verdict(&ca, &one["chain"]).await, ("INDETERMINATE".to_owned(), "suspended".to_owned()));
    assert_eq!(notices(&ca, "certificate-suspended").await, 1);
    is(&client.get("/api/v1/citizens/self").await, 401, "client-certificate-not-good");
    let statement = "select jws from statement where act = 'suspend' and signer_person is null";
    assert_eq!(ca.sql().await.texts(statement).await.len(), 1);

    // It works once; to resume takes an officer.
    ca.decide(&counter.office.approver, "resume", &id, None, None).await.ok();
    assert_eq!(suspend(&text(&renewed, "suspension_code")).await.ok().body, right.body);
    assert_eq!(status().await, "valid");

    // Officers and staff have codes as well; `hufu suspend` needs nothing but the code.
    let path = format!("/api/v1/certificates/{}/suspension-code", counter.office.registration.identity.certificate().id());
    is(&counter.approver.post(&path, &json!({})).await, 403, "not-permitted");
    let paper = text(&counter.registration.post(&path, &json!({})).await.ok().json(), "suspension_code");
    let server = format!("https://127.0.0.1:{}", ca.running().https.port());
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_hufu"));
    let done = command.args(["suspend", "--code", &paper, "--server", &server]).stdin(Stdio::null()).output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    is(&counter.registration.get("/api/v1/departments").await, 401, "client-certificate-not-good");

    // The secret of one code is guessed at ten times, and then nothing suspends by it, but the certificate's own key still does.
    let fresh = client.post(&format!("/api/v1/certificates/{id}/suspension-code"), &json!({})).await.ok().json();
    ca.sql().await.run("update suspension_code set failures = 10").await;
    suspend(&text(&fresh, "suspension_code")).await.ok();
    assert_eq!(status().await, "valid");
    // Whatever others at this address have mistyped, the right code suspends.
    let guess = || Code::generate(&[0; 32], &SystemEntropy).reveal();
    for _ in 0..10 {
        suspend(&guess()).await.ok();
        prove(&ca.anonymous(), &guess()).await;
    }
    is(&prove(&ca.anonymous(), &guess()).await, 429, "too-many-attempts");
    let working = client.post(&format!("/api/v1/certificates/{id}/suspension-code"), &json!({})).await.ok().json();
    suspend(&text(&working, "suspension_code")).await.ok();
    assert_eq!(status().await, "suspended");
    ca.audit_finds_nothing().await;
}

async fn whoever_suspended_proves_anew_who_they_are_and_resumes(family: Family) {
    let ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let (citizen, other) = (Citizen::new("李雷"), Citizen::new("韩梅"));
    let (one, client, person) = certificate(&ca, &counter, "citizen", &citizen, family).await;
    certificate(&ca, &counter, "citizen", &other, family).await;
    let id = text(&one, "id");
    let anonymous = ca.anonymous();
    let resume = async |proof: &str| anonymous.post("/api/v1/citizens/resumptions", &json!({"proof": proof, "certificate": id})).await;

    let older = proof(&ca, &counter, "citizen", &citizen).await;
    let valid = resume(&older).await;
    is(&valid, 409, "wrong-state");
    assert!(text(&valid.json(), "detail").contains("is valid, not suspended"));
    let unused = text(&counter.code("citizen", &citizen).await, "code");
    anonymous.post("/api/v1/suspensions", &json!({"code": one["suspension_code"]})).await.ok();
    is(&resume(&older).await, 403, "proofing-refused");
    // Who was seen before the suspension says nothing about who has the device now, whenever the code is typed.
    let typed_later = text(&prove(&anonymous, &unused).await.ok().json(), "proof");
    is(&resume(&typed_later).await, 403, "proofing-refused");
    is(&resume(&"0".repeat(64)).await, 403, "proofing-refused");
    is(&resume(&proof(&ca, &counter, "citizen", &other).await).await, 403, "proofing-refused");
    is(&resume(&proof(&ca, &counter, "citizen-basic", &citizen).await).await, 403, "proofing-refused");
    // Whoever has the device has the certificate, which says nothing while it is suspended.
    let draft = client.post("/api/v1/statements/drafts", &json!({"act": "resume", "about": id})).await;
    is(&draft, 401, "client-certificate-not-good");

    let fresh = proof(&ca, &counter, "citizen", &citizen).await;
    let resumed = resume(&fresh).await.ok();
    assert_eq!((text(&resumed.json(), "status"), resumed.header("cache-control")), ("valid".to_owned(), "no-store"));
    assert_eq!(verdict(&ca, &one["chain"]).await, ("PASSED".to_owned(), "valid".to_owned()));
    assert_eq!(notices(&ca, "certificate-resumed").await, 1, "the holder is told");
    client.get("/api/v1/citizens/self").await.ok();
    is(&resume(&fresh).await, 409, "wrong-state");

    // The code that came with it suspends once more; what an officer suspends, an officer resumes.
    anonymous.post("/api/v1/suspensions", &json!({"code": resumed.json()["suspension_code"]})).await.ok();
    resume(&proof(&ca, &counter, "citizen", &citizen).await).await.ok();
    ca.decide(&person, "suspend", &id, None, None).await.ok();
    resume(&proof(&ca, &counter, "citizen", &citizen).await).await.ok();
    ca.decide(&counter.office.approver, "suspend", &id, None, None).await.ok();
    is(&resume(&proof(&ca, &counter, "citizen", &citizen).await).await, 403, "proofing-refused");
    ca.decide(&counter.office.approver, "resume", &id, None, None).await.ok();

    // What a resumption rested on is forgotten with the proof.
    ca.clock.forward(Duration::hours(25));
    ca.services().upkeep().await;
    let kept = "select count(*) from proofing where enrolment is null and (sealed_number is not null or blind_index is not null)";
    let checks = "select count(*) from identity_check where sealed_number is not null";
    let mut sql = ca.sql().await;
    assert_eq!((sql.number(kept).await, sql.number(checks).await), (0, 2), "those of the two who hold certificates");
    ca.audit_finds_nothing().await;
}
