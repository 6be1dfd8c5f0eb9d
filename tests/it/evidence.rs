//! Evidence for a court: who may have it, and what whoever has nothing but the file and the bundle finds.

use std::{path::Path, process::Output};

use hufu::cli::Family;
use serde_json::Value;

use crate::world::{TestCa, in_both_families, text};

in_both_families! {
    a_court_is_shown_how_a_certificate_came_about,
}

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
    let signers = events.iter().all(|event| event["signed_by"][0].as_str().unwrap().contains(&office.approver.id));
    assert!(signers, "{events:?}");

    // Somebody would rather have been approved by nobody.
    let whole: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let statement = whole["statements"].as_object().unwrap().keys().next().unwrap().clone();
    let mut altered = whole.clone();
    altered["statements"].as_object_mut().unwrap().remove(&statement);
    std::fs::write(&file, altered.to_string()).unwrap();
    let (code, judged) = verify(&file, &bundle).await;
    let named = judged["parts"].as_array().unwrap().iter().filter(|part| !part["fault"].is_null()).collect::<Vec<_>>();
    assert_eq!((code, &judged["verdict"]), (1, &Value::from("FAILED")));
    assert!(named.iter().any(|part| part["part"] == format!("statement {statement}").as_str()), "{named:?}");
    std::fs::write(&file, "{}").unwrap();
    assert_eq!(verify(&file, &bundle).await.0, 64);
}
