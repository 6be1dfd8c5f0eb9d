//! Signatures of people with certificates of this installation, judged by the service and by the command line: now, after a
//! revocation, with a time stamp, as JSON, as a page and as a signed report.

use std::{
    io::{Seek, Write},
    path::{Path, PathBuf},
    process::Command,
};

use base64::prelude::*;
use hufu::{
    cli::Family,
    crypto::PrivateKey,
    ledger::{
        Receipt, StatusProof,
        proof::{verify_issue_receipt, verify_status_proof},
    },
    world::{millis, rfc3339, seconds},
    x509::{
        cms::{self, Dialect, Draft, Envelope},
        tsp::{MessageImprint, TimeStampRequest, TimeStampResponse},
    },
};
use serde_json::{Value, json};
use time::Duration;

use crate::world::{Ca, Holder, TestCa, in_both_families, text};

in_both_families! {
    a_signature_is_judged_with_what_the_ledger_says,
    a_signature_that_is_provably_older_stays_good_after_a_revocation,
    a_proof_from_before_the_signature_does_not_pass_it,
    what_is_not_understood_is_said_in_a_sentence,
    a_report_comes_as_a_page_and_as_a_signed_file,
    the_command_line_judges_offline_and_asks_a_server,
    content_larger_than_the_memory_is_verified,
}

const SIGNATURES: &str = "/api/v1/verify/signature";
const CONTENT: &[u8] = "关于表彰先进工作者的决定".as_bytes();

/// In the words of the family: GM/T 0010 for SM2.
fn level(family: Family, is_stamped: bool) -> String {
    let level = if family == Family::Sm2 { ["GM/T 0010", "GM/T 0010-T"] } else { ["CAdES-B-B", "CAdES-B-T"] };
    level[usize::from(is_stamped)].to_owned()
}

fn dialect(family: Family) -> Dialect {
    if family == Family::Sm2 { Dialect::Gm } else { Dialect::Cms }
}

fn key(holder: &Holder, family: Family) -> Box<dyn PrivateKey> {
    family.algorithm().load(&holder.secret).unwrap()
}

/// A CAdES-B signature, with the content in it or without, and with a time stamp of the service if `ca` is asked for one.
async fn sign(holder: &Holder, family: Family, content: Option<&[u8]>, stamped_by: Option<&Ca>, now: time::OffsetDateTime) -> Vec<u8> {
    let digest = family.algorithm().digest();
    let dialect = dialect(family);
    let draft = Draft {
        content_type: dialect.data(),
        digest,
        content_digest: &digest.hash(CONTENT),
        certificate: &holder.certificate,
        signing_time: now,
        signature_algorithm: family.algorithm().signature_algorithm(),
    };
    let tbs = draft.to_be_signed().unwrap();
    let signature = key(holder, family).sign(&tbs).unwrap();
    let mut unsigned = Vec::new();
    if let Some(ca) = stamped_by {
        let imprint = MessageImprint::of(digest, &signature);
        let request = TimeStampRequest { imprint, policy: None, nonce: None, wants_certificate: true, extensions: Vec::new() };
        let answer = ca.services().time_stamp(&request.to_der().unwrap()).await.unwrap();
        let TimeStampResponse::Granted(token) = TimeStampResponse::parse(&answer).unwrap() else { panic!("no token") };
        unsigned.push(cms::attribute(cms::ID_SIGNATURE_TIME_STAMP, token).unwrap());
    }
    let signer = draft.signer_info(&tbs, &signature, &unsigned).unwrap();
    let length = content.map(|content| content.len() as u64);
    let certificates = [holder.certificate.der().to_vec()];
    Envelope::new(dialect, dialect.data(), length, digest, &certificates, &signer).unwrap().around(content.unwrap_or_default())
}

async fn judge(ca: &Ca, question: Value) -> Value {
    ca.anonymous().post(SIGNATURES, &question).await.ok().json()
}

fn base64(octets: &[u8]) -> String {
    BASE64_STANDARD.encode(octets)
}

fn check(report: &Value, verdict: &str, reason: &str) {
    assert_eq!((text(report, "verdict").as_str(), text(report, "reason").as_str()), (verdict, reason), "{report:#}");
}

async fn a_signature_is_judged_with_what_the_ledger_says(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let attached = sign(&holder, family, Some(CONTENT), None, ca.now()).await;
    let detached = sign(&holder, family, None, None, ca.now()).await;

    let report = judge(&ca, json!({"signature": base64(&attached)})).await;
    check(&report, "PASSED", "signature-valid");
    let signer = &report["signatures"][0];
    assert_eq!((text(&signer["signer"], "id"), text(signer, "level")), (holder.id.clone(), level(family, false)));
    assert_eq!(text(&signer["best_signature_time"], "source"), "now");
    for check in signer["checks"].as_array().unwrap() {
        assert!(!text(check, "clause").is_empty() && !text(check, "detail").is_empty(), "{check}");
    }
    // The proofs convince whoever has the bundle alone.
    let ledger = &signer["certificate"]["ledger"];
    let (log, digest) = (ca.log(&holder.authority()), holder.certificate.id().0);
    verify_issue_receipt(&Receipt::parse(&text(ledger, "receipt")).unwrap(), &digest, &log).unwrap();
    verify_status_proof(&StatusProof::parse(&text(ledger, "status_proof")).unwrap(), &digest, &log, seconds(ca.now()), 600).unwrap();

    let digest = family.algorithm().digest();
    let with = |more: Value| {
        let mut question = json!({"signature": base64(&detached)});
        more.as_object().unwrap().iter().for_each(|(name, value)| question[name] = value.clone());
        question
    };
    check(&judge(&ca, with(json!({"content": base64(CONTENT)}))).await, "PASSED", "signature-valid");
    let hash = json!({"digest": base64(&digest.hash(CONTENT)), "digest_algorithm": digest.name()});
    check(&judge(&ca, with(hash)).await, "PASSED", "signature-valid");
    check(&judge(&ca, with(json!({}))).await, "INDETERMINATE", "content-missing");
    check(&judge(&ca, with(json!({"content": base64(b"other")}))).await, "FAILED", "content-changed");
    let beside = json!({"signature": base64(&attached), "content": base64(b"other")});
    check(&judge(&ca, beside).await, "FAILED", "content-changed");

    // The same key over the same content, bare and as a JWS.
    let key = key(&holder, family);
    let raw = |signature: &[u8], encoding: &str| {
        let certificates = [holder.certificate.to_pem()];
        json!({"format": "raw", "signature": base64(signature), "encoding": encoding, "content": base64(CONTENT), "certificates": certificates})
    };
    let der = key.sign(CONTENT).unwrap();
    check(&judge(&ca, raw(&der, "der")).await, "PASSED", "signature-valid");
    let fixed = family.algorithm().signature_to_jose(&der).unwrap();
    check(&judge(&ca, raw(&fixed, "fixed")).await, "PASSED", "signature-valid");
    check(&judge(&ca, raw(&key.sign(b"other").unwrap(), "der")).await, "FAILED", "signature-broken");
    let header = json!({"alg": family.algorithm().jose_name(), "x5c": [base64(holder.certificate.der())]});
    let input = format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header.to_string()), BASE64_URL_SAFE_NO_PAD.encode(CONTENT));
    let signature = family.algorithm().signature_to_jose(&key.sign(input.as_bytes()).unwrap()).unwrap();
    let jws = format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature));
    check(&judge(&ca, json!({"signature": jws})).await, "PASSED", "signature-valid");
    check(&judge(&ca, json!({"signature": jws, "content": base64(b"other")})).await, "FAILED", "content-changed");

    check(&judge(&ca, json!({"signature": base64(b"%PDF-1.7")})).await, "INDETERMINATE", "unsupported-format");
    check(&judge(&ca, json!({"signature": base64(b"\x30\x80\x06")})).await, "FAILED", "format-error");
}

async fn a_signature_that_is_provably_older_stays_good_after_a_revocation(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let before = ca.now();
    let stamped = sign(&holder, family, Some(CONTENT), Some(&ca), before).await;
    let alone = sign(&holder, family, Some(CONTENT), None, before).await;
    let report = judge(&ca, json!({"signature": base64(&stamped)})).await;
    check(&report, "PASSED", "signature-valid");
    let signer = &report["signatures"][0];
    assert_eq!((text(signer, "level"), text(&signer["best_signature_time"], "source").as_str()), (level(family, true), "time-stamp"));
    check(&signer["time_stamps"][0], "PASSED", "time-stamp-valid");
    assert!(signer["time_stamps"][0]["certificate"]["ledger"]["receipt"].is_string());

    ca.clock.forward(Duration::seconds(5));
    ca.revoke(&office.approver, &holder.id, "superseded", None).await;
    ca.clock.forward(Duration::seconds(5));
    let report = judge(&ca, json!({"signature": base64(&stamped)})).await;
    check(&report, "PASSED", "signature-valid");
    let code = |report: &Value| report["remarks"][0]["code"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (code(&report), text(&report["signatures"][0]["certificate"]["later"], "reason")),
        ("not-good-later".into(), "superseded".into())
    );
    check_offline(&ca, &stamped, &report);
    let report = judge(&ca, json!({"signature": base64(&alone)})).await;
    check(&report, "INDETERMINATE", "revoked-no-proof-of-time");
    assert_eq!(text(&report, "sub_indication"), "REVOKED_NO_POE");
    // Who says to have signed after the revocation is believed.
    let late = sign(&holder, family, Some(CONTENT), None, ca.now()).await;
    check(&judge(&ca, json!({"signature": base64(&late)})).await, "FAILED", "revoked");
    // Stamped after the revocation is no better than not stamped.
    let late = sign(&holder, family, Some(CONTENT), Some(&ca), before).await;
    check(&judge(&ca, json!({"signature": base64(&late)})).await, "INDETERMINATE", "revoked-no-proof-of-time");

    // A revocation that says since when the key was not trusted takes signatures from before itself.
    let other = ca.issue(&office, "staff", family).await;
    let (early, since) = (sign(&other, family, Some(CONTENT), Some(&ca), ca.now()).await, ca.now() + Duration::hours(1));
    ca.clock.forward(Duration::hours(2));
    let between = sign(&other, family, Some(CONTENT), Some(&ca), ca.now()).await;
    check(&judge(&ca, json!({"signature": base64(&between)})).await, "PASSED", "signature-valid");
    ca.clock.forward(Duration::hours(1));
    ca.revoke(&office.approver, &other.id, "keyCompromise", Some(&rfc3339(since))).await;
    check(&judge(&ca, json!({"signature": base64(&early)})).await, "PASSED", "signature-valid");
    check(&judge(&ca, json!({"signature": base64(&between)})).await, "FAILED", "revoked");
}

/// Whoever signs after a revocation keeps the proof of status from before it; it does not help.
async fn a_proof_from_before_the_signature_does_not_pass_it(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let fetch = async |what: &str| {
        let path = ca.scratch().join(what);
        std::fs::write(&path, ca.anonymous().get(&format!("/api/v1/certificates/{}/{what}", holder.id)).await.ok().body).unwrap();
        shown_path(&path)
    };
    let (receipt, old) = (fetch("receipt").await, fetch("status-proof").await);
    ca.clock.forward(Duration::seconds(30));
    ca.revoke(&office.approver, &holder.id, "keyCompromise", None).await;
    ca.clock.forward(Duration::seconds(30));
    let signed = sign(&holder, family, Some(CONTENT), Some(&ca), ca.now() - Duration::seconds(40)).await;
    let online = judge(&ca, json!({"signature": base64(&signed)})).await;
    check(&online, "INDETERMINATE", "revoked-no-proof-of-time");

    let file = |name: &str, octets: &[u8]| {
        let path = ca.scratch().join(name);
        std::fs::write(&path, octets).unwrap();
        shown_path(&path)
    };
    let signature = file("late.p7m", &signed);
    // Everything about who stamped it, and nothing about the signer but what the signer gives.
    let mut stamper = online.clone();
    stamper["signatures"][0]["certificate"] = Value::Null;
    let stamper = file("stamper.json", stamper.to_string().as_bytes());
    let offline = |more: &[&str]| {
        let bundle = bundle(&ca);
        let (code, told) =
            hufu(&[&["verify", "signature", &signature, "--trust", &bundle, "--receipt", &receipt, "--json"], more].concat());
        let report: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
        (code, text(&report, "reason"), report)
    };
    let (code, reason, report) = offline(&["--status-proof", &old, "--evidence", &stamper]);
    assert_eq!((code, reason.as_str()), (2, "status-proof-too-old"), "{report:#}");
    assert_eq!(report["signatures"][0]["best_signature_time"]["source"], "time-stamp");
    // With what the server knows the verdict is the server's, whichever proof comes with it.
    let whole = file("whole.json", online.to_string().as_bytes());
    for proofs in [&["--evidence", &whole][..], &["--status-proof", &old, "--evidence", &whole]] {
        let (code, reason, report) = offline(proofs);
        assert_eq!((code, reason.as_str()), (2, "revoked-no-proof-of-time"), "{report:#}");
    }
    // A time before the signer's own is not answered, here or there.
    let late = sign(&holder, family, Some(CONTENT), None, ca.now()).await;
    let at = rfc3339(ca.now() - Duration::seconds(50));
    check(&judge(&ca, json!({"signature": base64(&late), "at": at})).await, "INDETERMINATE", "signed-after-asked-time");
}

/// The evidence of a report and the bundle lead to the same verdict without the service.
fn check_offline(ca: &Ca, signature: &[u8], report: &Value) {
    let (file, evidence) = (ca.scratch().join("kept.p7m"), ca.scratch().join("kept.json"));
    std::fs::write(&file, signature).unwrap();
    std::fs::write(&evidence, report.to_string()).unwrap();
    let file = shown_path(&file);
    let arguments = ["verify", "signature", &file, "--trust", &bundle(ca), "--evidence", &shown_path(&evidence), "--json"];
    let (code, told) = hufu(&arguments);
    assert_eq!(code, 0, "{told}");
}

async fn what_is_not_understood_is_said_in_a_sentence(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let detached = base64(&sign(&holder, family, None, None, ca.now()).await);
    let anonymous = ca.anonymous();
    let digest = family.algorithm().digest();
    let hash = digest.hash(CONTENT);
    let hexadecimal = hex::encode(&hash);
    for (name, question, word) in [
        (
            "hexadecimal",
            json!({"signature": detached, "digest": hexadecimal, "digest_algorithm": digest.name()}),
            "32 octets, and here are 48",
        ),
        ("too weak", json!({"signature": detached, "digest": base64(&hash), "digest_algorithm": "SHA-1"}), "SHA-512, SM3"),
        ("no signature", json!({"content": "AA=="}), "the field signature is missing"),
        ("no such field", json!({"signature": detached, "contents": "AA=="}), "`content`"),
        ("of another type", json!({"signature": 7}), "signature is of the wrong type"),
        ("no such format", json!({"signature": detached, "format": "pdf"}), "`time-stamp`"),
    ] {
        let answer = anonymous.post(SIGNATURES, &question).await;
        assert_eq!((answer.status, text(&answer.json(), "code").as_str()), (400, "malformed-request"), "{name}");
        assert!(text(&answer.json(), "detail").contains(word), "{name}: {}", answer.text());
    }
    let other = hufu::crypto::Digest::Sha384;
    let question = json!({"signature": detached, "digest": base64(&other.hash(CONTENT)), "digest_algorithm": other.name()});
    let report = judge(&ca, question).await;
    check(&report, "INDETERMINATE", "content-missing");
    assert!(
        report.to_string().contains(&format!("the signature is by {}, the digest that was given by SHA-384", digest.name())),
        "{report:#}"
    );

    let certificate = async |text: &str| anonymous.post("/api/v1/verify/certificate", &json!({"certificate": text})).await;
    check(&certificate(&base64(holder.certificate.der())).await.ok().json(), "PASSED", "valid");
    let refused = certificate(&detached).await;
    assert!(refused.status == 400 && refused.text().contains("it is a signature"), "{}", refused.text());
    for root in ca.roots() {
        let report = certificate(&root.to_pem()).await.ok().json();
        check(&report, "PASSED", "trusted-root");
        assert_eq!(report["judged"]["file"]["digest"], hex::encode(hufu::crypto::digest::sha256(root.der())));
    }
    // A little more than the limit, or the service hangs up before all of it was sent.
    let large = json!({"signature": "A".repeat((1 << 20) + 100)});
    let answer = anonymous.post(SIGNATURES, &large).await;
    assert!(answer.status == 413 && answer.text().contains("limits.signature_body"), "{}", answer.text());
}

async fn a_report_comes_as_a_page_and_as_a_signed_file(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let signed = sign(&holder, family, Some(CONTENT), None, ca.now()).await;
    let signature = json!({"signature": base64(&signed)}).to_string().into_bytes();
    let certificate = json!({"certificate": holder.certificate.to_pem()}).to_string().into_bytes();
    let anonymous = ca.anonymous();
    for (path, body) in [(SIGNATURES, &signature), ("/api/v1/verify/certificate", &certificate)] {
        let send = async |path: &str, accept: &str| {
            anonymous.send("POST", path, &[("content-type", "application/json"), ("accept", accept)], body.clone()).await
        };
        let page = send(path, "text/html,*/*;q=0.8").await.ok();
        assert_eq!((page.header("content-type"), page.header("hufu-verdict")), ("text/html; charset=utf-8", "PASSED"));
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
        let shown = page.text();
        assert!(shown.contains("通过") && shown.contains("王芳") && shown.contains("RFC 5280") && !shown.contains("<script"), "{shown}");

        let name = if family == Family::Sm2 { "sm2" } else { "p256" };
        let report = send(&format!("{path}?signed={name}"), "*/*").await.ok();
        assert_eq!(report.header("content-type"), "application/pkcs7-mime; smime-type=signed-data");
        // The service judges its own signature on the report, and so does the command line.
        check(&judge(&ca, json!({"signature": base64(&report.body)})).await, "PASSED", "signature-valid");
        let file = ca.scratch().join("report.p7m");
        std::fs::write(&file, &report.body).unwrap();
        // Whoever has the bundle needs nothing else: the proofs of its signer are in it.
        let (code, told) = hufu(&["verify", "signature", &shown_path(&file), "--trust", &bundle(&ca), "--json"]);
        let judged: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((code, text(&judged["signatures"][0]["certificate"], "reason").as_str()), (0, "valid"), "{told}");
        let of_another = ca.scratch().join("other.json");
        std::fs::write(&of_another, judge(&ca, json!({"signature": base64(&signed)})).await.to_string()).unwrap();
        let with_others = ["verify", "signature", &shown_path(&file), "--trust", &bundle(&ca), "--evidence", &shown_path(&of_another)];
        assert_eq!(hufu(&with_others).0, 0, "proofs of others are beside the point");
        if family == Family::P256 {
            let root = ca.data().join("trust/root-p256-g1.pem");
            let mut openssl = Command::new("openssl");
            openssl.args(["cms", "-verify", "-inform", "DER", "-in"]).arg(&file).arg("-CAfile").arg(root);
            let output = openssl.output().expect("the tests need openssl");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(text(&report, "verdict"), "PASSED");
        }
        assert_eq!(send(&format!("{path}?signed=rsa"), "*/*").await.status, 400);
        assert_eq!(send(&format!("{path}?signed={name}"), "text/html").await.status, 400);
        assert_eq!(send(&format!("{path}?sign=yes"), "*/*").await.status, 400);
    }
}

async fn the_command_line_judges_offline_and_asks_a_server(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let file = |name: &str, octets: &[u8]| {
        let path = ca.scratch().join(name);
        std::fs::write(&path, octets).unwrap();
        shown_path(&path)
    };
    let attached = file("attached.p7m", &sign(&holder, family, Some(CONTENT), None, ca.now()).await);
    let detached = file("detached.p7s", &sign(&holder, family, None, None, ca.now()).await);
    let (content, other) = (file("content", CONTENT), file("other", b"other"));
    let fetch = async |what: &str| ca.anonymous().get(&format!("/api/v1/certificates/{}/{what}", holder.id)).await.ok().body;
    let receipt = file("receipt", &fetch("receipt").await);
    let proof = file("status-proof", &fetch("status-proof").await);
    let raw = file("raw", &key(&holder, family).sign(CONTENT).unwrap());
    let certificate = file("certificate.pem", holder.certificate.to_pem().as_bytes());
    let pdf = file("some.pdf", b"%PDF-1.7");

    let bundle = bundle(&ca);
    let proofs = ["--trust", &bundle, "--receipt", &receipt, "--status-proof", &proof];
    let server = format!("https://127.0.0.1:{}", ca.running().https.port());
    let root = shown_path(&ca.data().join("trust/root-p256-g1.pem"));
    let online = ["--trust", &root, "--server", &server];
    for (how, trust) in [("offline", &proofs[..]), ("online", &online[..])] {
        for (arguments, code, reason) in [
            (vec![attached.as_str()], 0, "signature-valid"),
            (vec![&detached, "--content", &content], 0, "signature-valid"),
            (vec![&detached, "--content", &other], 1, "content-changed"),
            (vec![&attached, "--content", &other], 1, "content-changed"),
            (vec![&attached, "--content", &content], 0, "signature-valid"),
            (vec![&detached], 2, "content-missing"),
            (vec![&raw, "--raw", "--content", &content, "--certificate", &certificate], 0, "signature-valid"),
            (vec![&raw, "--raw", "--content", &other, "--certificate", &certificate], 1, "signature-broken"),
            (vec![&pdf], 2, "unsupported-format"),
            (vec![&content], 2, "unsupported-format"),
        ] {
            let all = [&["verify", "signature", "--json"], &arguments[..], trust].concat();
            let (found, told) = hufu(&all);
            assert_eq!(found, code, "{how} {arguments:?}: {told}");
            assert_eq!(
                text(&serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}")), "reason"),
                reason,
                "{how} {arguments:?}"
            );
        }
        let (code, told) = hufu(&[&["verify", "signature", &attached], trust].concat());
        assert!(code == 0 && told.starts_with("PASSED  signature-valid\n  签名有效。\n") && told.contains("王芳"), "{how}: {told}");
        let (code, told) = hufu(&[&["verify", "signature", &attached, "--html"], trust].concat());
        assert!(code == 0 && told.starts_with("<!doctype html>") && told.contains("王芳"), "{how}: {told}");
        let missing = [&["verify", "signature", "nowhere"], trust].concat();
        assert_eq!(hufu(&missing).0, 64);
    }
    // Without the proof of status nothing is said against it, and nothing of what came after the issue.
    let (code, told) = hufu(&["verify", "signature", &attached, "--trust", &bundle, "--receipt", &receipt, "--json"]);
    let report: Value = serde_json::from_str(&told).unwrap();
    check(&report, "PASSED", "valid-status-not-proven");
    assert_eq!((code, text(&report["remarks"][0], "code").as_str()), (0, "proof-missing"));
    // Nobody answers: that is no verdict, and nothing is on standard output.
    let nobody = ["verify", "signature", &attached, "--trust", &root, "--server", "https://127.0.0.1:1", "--json"];
    let output = Command::new(env!("CARGO_BIN_EXE_hufu")).args(nobody).env("HUFU_IDENTITY", "/nowhere/at/all").output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(69), 0), "{output:?}");
    // An identity that is only in the environment is not needed to verify.
    let asked = [&["verify", "signature", &attached], &online[..]].concat();
    let output = Command::new(env!("CARGO_BIN_EXE_hufu")).args(&asked).env("HUFU_IDENTITY", "/nowhere/at/all").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(hufu(&[&asked[..], &["--identity", "/nowhere/at/all"]].concat()).0, 64);
    // A bare signature without its signer, and a time that is none.
    assert_eq!(hufu(&["verify", "signature", &raw, "--raw", "--content", &content, "--trust", &bundle]).0, 64);
    assert_eq!(hufu(&["verify", "signature", &attached, "--at", "yesterday", "--trust", &bundle]).0, 64);
}

/// With less memory than the content has octets (512 MiB, which the file system need not hold).
async fn content_larger_than_the_memory_is_verified(family: Family) {
    const LENGTH: u64 = 512 << 20;
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let digest = family.algorithm().digest();
    let mut hasher = digest.hasher();
    let zeros = vec![0; 1 << 20];
    for _ in 0..LENGTH >> 20 {
        hasher.update(&zeros);
    }
    let content_digest = hasher.finish();
    let dialect = dialect(family);
    let draft = Draft {
        content_type: dialect.data(),
        digest,
        content_digest: &content_digest,
        certificate: &holder.certificate,
        signing_time: ca.now(),
        signature_algorithm: family.algorithm().signature_algorithm(),
    };
    let tbs = draft.to_be_signed().unwrap();
    let signer = draft.signer_info(&tbs, &key(&holder, family).sign(&tbs).unwrap(), &[]).unwrap();
    let certificates = [holder.certificate.der().to_vec()];
    let envelope = Envelope::new(dialect, dialect.data(), Some(LENGTH), digest, &certificates, &signer).unwrap();
    let path = ca.scratch().join(format!("large-{}.p7m", millis(ca.now())));
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&envelope.before).unwrap();
    file.seek(std::io::SeekFrom::Current(LENGTH as i64)).unwrap();
    file.write_all(&envelope.after).unwrap();
    drop(file);
    // The limit is on addresses, of which a process with threads reserves more than it uses.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 400000 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_hufu"), "verify", "signature"]).arg(&path);
    let output = command.args(["--trust", &bundle(&ca)]).env("MALLOC_ARENA_MAX", "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(2) && told.contains("status-unknown"), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("passed  signature"), "{told}");
}

fn bundle(ca: &Ca) -> String {
    shown_path(&ca.data().join("trust/bundle.json"))
}

fn shown_path(path: &Path) -> String {
    PathBuf::from(path).to_str().unwrap().to_owned()
}

fn hufu(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hufu")).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = if told.is_empty() { String::from_utf8_lossy(&output.stderr).into_owned() } else { told };
    (output.status.code().unwrap(), told)
}
