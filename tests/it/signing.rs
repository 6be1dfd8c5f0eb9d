//! `hufu sign` and `hufu verify timestamp` as people use them: with the files that `hufu claim` left, or keys of others, judged
//! by the service, by openssl, and offline from a trust bundle.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use base64::prelude::*;
use hufu::{
    cli::{
        Family,
        sign::{Format, Sign},
    },
    crypto::{
        Secret,
        keys::software::{decrypt_pem, encrypt_pem},
    },
    validation::signature::time_stamp::Token,
    world::SystemEntropy,
    x509::cms::{Layout, SignedData},
};
use serde_json::{Value, json};
use time::Duration;

use crate::world::{Ca, Person, TestCa, in_both_families, text};

in_both_families! {
    whatever_claim_left_signs_and_the_service_agrees,
    what_cannot_become_a_good_signature_is_not_made,
    a_stamp_that_does_not_answer_what_was_asked_is_not_taken,
    a_time_stamp_is_verified_offline_and_by_the_service,
}

const CONTENT: &[u8] = b"\x00 content of any kind \xff\r\n";

/// A file in a directory of its own, and a signature of it to be.
fn sign(ca: &Ca, person: &Person) -> Sign {
    let file = ca.scratch().join("content");
    std::fs::write(&file, CONTENT).unwrap();
    Sign {
        file,
        key: person.files.with_extension("key"),
        certificate: Some(person.files.with_extension("crt")),
        passphrase_file: None,
        detached: false,
        attached: false,
        timestamp: None,
        format: None,
        out: None,
        json: false,
    }
}

fn tsa(ca: &Ca) -> Option<url::Url> {
    Some(format!("http://{}/tsa", ca.running().http).parse().unwrap())
}

async fn whatever_claim_left_signs_and_the_service_agrees(family: Family) {
    let ca = TestCa::new().start().await;
    let person = ca.administrator(family).await;
    let formats: &[Format] = if family == Family::Sm2 { &[Format::Cades, Format::Gmt0010] } else { &[Format::Cades] };
    for key in [plain(&person), encrypted(&ca, &person), pkcs12(&person)] {
        for format in formats {
            for (attached, stamped) in [(false, false), (true, false), (false, true), (true, true)] {
                let timestamp = stamped.then(|| tsa(&ca)).flatten();
                let (passphrase_file, certificate) = (key.passphrase.clone(), key.certificate.clone());
                let sign = Sign {
                    key: key.file.clone(),
                    passphrase_file,
                    certificate,
                    timestamp,
                    format: Some(*format),
                    attached,
                    out: Some(ca.scratch().join("signature")),
                    ..sign(&ca, &person)
                };
                let made = sign.execute().await.unwrap();
                let level = match (made["format"] == "gm-t-0010", stamped) {
                    (false, false) => "CAdES-B-B",
                    (false, true) => "CAdES-B-T",
                    (true, false) => "GM/T 0010",
                    (true, true) => "GM/T 0010-T",
                };
                assert_eq!((&made["level"], made["time"].is_string()), (&json!(level), stamped), "{made}");
                let signature = std::fs::read(text(&made, "signature")).unwrap();
                let report = verify(&ca, &signature, (!attached).then_some(CONTENT)).await;
                assert_eq!((&report["verdict"], &report["format"]), (&json!("PASSED"), &made["format"]), "{report:#}");
                let signer = &report["signatures"][0];
                assert_eq!((&signer["level"], &signer["signer"]["id"]), (&json!(level), &made["certificate"]));
                assert_eq!(signer["best_signature_time"]["source"], if stamped { "time-stamp" } else { "now" });
                if !attached {
                    assert_eq!(verify(&ca, &signature, Some(b"another")).await["reason"], "content-changed");
                }
                if family == Family::P256 {
                    check_openssl(&ca, &text(&made, "signature"), attached);
                }
            }
        }
    }
    let made = sign(&ca, &person).execute().await.unwrap();
    let expected = if family == Family::Sm2 { "gm-t-0010" } else { "cms" };
    assert_eq!((text(&made, "format").as_str(), text(&made, "signature").ends_with("content.p7s")), (expected, true));
    // What is there is replaced only when it is named.
    assert!(sign(&ca, &person).execute().await.unwrap_err().to_string().contains("is there already"));
}

/// A key as it may lie on a disk.
struct KeyFile {
    file: PathBuf,
    certificate: Option<PathBuf>,
    passphrase: Option<PathBuf>,
}

fn plain(person: &Person) -> KeyFile {
    KeyFile { file: person.files.with_extension("key"), certificate: Some(person.files.with_extension("crt")), passphrase: None }
}

fn encrypted(ca: &Ca, person: &Person) -> KeyFile {
    let secret = decrypt_pem(&std::fs::read_to_string(person.files.with_extension("key")).unwrap(), b"").unwrap();
    let (file, passphrase) = (ca.scratch().join("encrypted.key"), ca.scratch().join("passphrase"));
    std::fs::write(&file, encrypt_pem(&secret, "口令".as_bytes(), 1000, &SystemEntropy).unwrap()).unwrap();
    std::fs::write(&passphrase, "口令\n").unwrap();
    KeyFile { file, passphrase: Some(passphrase), certificate: Some(person.files.with_extension("crt")) }
}

/// With its certificates in it, and its passphrase beside it, where it is found.
fn pkcs12(person: &Person) -> KeyFile {
    assert!(person.files.with_extension("p12.passphrase").exists());
    KeyFile { file: person.files.with_extension("p12"), certificate: None, passphrase: None }
}

async fn verify(ca: &Ca, signature: &[u8], content: Option<&[u8]>) -> Value {
    let body = json!({"signature": BASE64_STANDARD.encode(signature), "content": content.map(|content| BASE64_STANDARD.encode(content))});
    ca.anonymous().post("/api/v1/verify/signature", &body).await.ok().json()
}

fn check_openssl(ca: &Ca, signature: &str, attached: bool) {
    let root = ca.data().join("trust/root-p256-g1.pem");
    let mut command = Command::new("openssl");
    command.args(["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-purpose", "any", "-in", signature, "-CAfile"]).arg(root);
    if !attached {
        command.arg("-content").arg(ca.scratch().join("content"));
    }
    let output = command.output().expect("the tests need openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, CONTENT);
}

async fn what_cannot_become_a_good_signature_is_not_made(family: Family) {
    let ca = TestCa::new().start().await;
    let (person, auditor) = (ca.administrator(family).await, ca.auditor(family).await);
    let wrong = ca.scratch().join("wrong");
    std::fs::write(&wrong, "wrong\n").unwrap();
    let base = || sign(&ca, &person);
    let locked = encrypted(&ca, &person);
    let rsa = ca.scratch().join("rsa.key");
    let made = Command::new("openssl").args(["genpkey", "-quiet", "-algorithm", "RSA", "-out"]).arg(&rsa).status().unwrap();
    assert!(made.success());
    // One wrong passphrase in 256 fits the padding: this file opens like that.
    let chance = ca.scratch().join("chance.key");
    std::fs::write(&chance, encrypt_pem(&Secret::new(vec![7; 100]), b"wrong", 1000, &SystemEntropy).unwrap()).unwrap();
    let (with, missing) = (|passphrase: &Path| Some(passphrase.to_owned()), ca.scratch().join("missing"));
    let mut cases = vec![
        ("another's certificate", Sign { certificate: Some(auditor.files.with_extension("crt")), ..base() }, "no certificate of this key"),
        ("no certificate", Sign { certificate: None, ..base() }, "no certificate of this key"),
        ("a wrong passphrase", Sign { key: locked.file.clone(), passphrase_file: with(&wrong), ..base() }, "is the passphrase right"),
        (
            "a wrong passphrase that fits the padding",
            Sign { key: chance, passphrase_file: with(&wrong), ..base() },
            "is the passphrase right",
        ),
        ("no passphrase", Sign { key: locked.file, ..base() }, "is the passphrase right"),
        (
            "another's passphrase",
            Sign { key: person.files.with_extension("p12"), passphrase_file: with(&wrong), ..base() },
            "passphrase is wrong",
        ),
        ("a key that is none", Sign { key: wrong.clone(), ..base() }, "reading"),
        ("a key of another kind", Sign { key: rsa, ..base() }, "is not a key of p256, p384, sm2, ed25519"),
        ("no key", Sign { key: missing.clone(), ..base() }, "missing"),
        ("no file", Sign { file: missing.clone(), ..base() }, "missing"),
        ("itself", Sign { out: Some(ca.scratch().join("content")), ..base() }, "would replace"),
        ("a directory", Sign { file: ca.scratch().to_owned(), ..base() }, "not a file"),
    ];
    if family == Family::P256 {
        cases.push(("the national form with another key", Sign { format: Some(Format::Gmt0010), ..base() }, "takes an SM2 key"));
    }
    for (name, sign, expected) in cases {
        let out = sign.out.clone().unwrap_or_else(|| ca.scratch().join("never"));
        let error = format!("{:#}", Sign { out: Some(out), ..sign }.execute().await.unwrap_err());
        assert!(error.contains(expected) && !ca.scratch().join("never").exists(), "{name}: {error}");
        assert_eq!(std::fs::read(ca.scratch().join("content")).unwrap(), CONTENT);
    }

    // A certificate whose time is over, or whose key does not sign.
    let key = rcgen::KeyPair::generate().unwrap();
    for (year, usage, expected) in [
        (2020, rcgen::KeyUsagePurpose::DigitalSignature, "was valid until"),
        (2040, rcgen::KeyUsagePurpose::KeyAgreement, "key usage does not allow"),
    ] {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        parameters.key_usages = vec![usage];
        let sign = foreign(&ca, &key, &parameters.self_signed(&key).unwrap());
        let error = sign.execute().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// A signature with a key that others made and certified.
fn foreign(ca: &Ca, key: &rcgen::KeyPair, certificate: &rcgen::Certificate) -> Sign {
    let (file, key_file, certificate_file) = (ca.scratch().join("content"), ca.scratch().join("x.key"), ca.scratch().join("x.crt"));
    std::fs::write(&file, CONTENT).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    Sign {
        file,
        key: key_file,
        certificate: Some(certificate_file),
        passphrase_file: None,
        detached: true,
        attached: false,
        timestamp: None,
        format: None,
        out: None,
        json: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_others_sign_as_well() {
    let ca = TestCa::new().start().await;
    for algorithm in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "stranger");
        let sign = Sign {
            timestamp: tsa(&ca),
            out: Some(ca.scratch().join("signature")),
            ..foreign(&ca, &key, &parameters.self_signed(&key).unwrap())
        };
        let made = sign.execute().await.unwrap();
        let report = verify(&ca, &std::fs::read(text(&made, "signature")).unwrap(), Some(CONTENT)).await;
        let checks = report["signatures"][0]["checks"].as_array().unwrap();
        let holds = |name: &str| checks.iter().any(|check| check["name"] == name && check["outcome"] == "passed");
        assert!(holds("signature") && holds("content"), "{report:#}");
        assert_eq!(report["verdict"], "INDETERMINATE", "nobody trusts the stranger");
        if std::ptr::eq(algorithm, &rcgen::PKCS_ECDSA_P384_SHA384) {
            let mut openssl = Command::new("openssl");
            openssl.args(["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-purpose", "any", "-in", &text(&made, "signature")]);
            openssl.arg("-CAfile").arg(ca.scratch().join("x.crt")).arg("-content").arg(ca.scratch().join("content"));
            let output = openssl.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_into_its_signature_piece_by_piece() {
    let ca = TestCa::new().start().await;
    let person = ca.administrator(Family::P256).await;
    let sign = Sign { attached: true, ..sign(&ca, &person) };
    let content: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(&sign.file, &content).unwrap();
    let made = sign.execute().await.unwrap();
    let file = std::fs::read(text(&made, "signature")).unwrap();
    let layout = Layout::of(&file).unwrap();
    assert_eq!(layout.segments(&file).collect::<Vec<_>>(), [&content[..]]);
    assert!(file.len() < content.len() + 8192 && !PathBuf::from(text(&made, "signature") + ".new").exists());
}

/// Authorities that answer with somebody else's token, with a refusal, with nonsense or with too much.
async fn a_stamp_that_does_not_answer_what_was_asked_is_not_taken(family: Family) {
    let ca = TestCa::new().start().await;
    let person = ca.administrator(family).await;
    let digest = family.algorithm().digest();
    let token = hufu::cli::time_stamp::fetch(&tsa(&ca).unwrap(), digest, &digest.hash(b"another signature")).await.unwrap();
    let other = hufu::x509::tsp::granted(token.der()).unwrap();
    let refusal = hufu::x509::tsp::rejection(hufu::x509::tsp::Failure::BadAlgorithm, "no \u{1b}[2J").unwrap();
    for (name, status, answer, expected) in [
        ("somebody else's token", 200, other, "of something else"),
        ("a refusal", 200, refusal, "gives no time stamp: badAlg: no \\u{1b}[2J"),
        ("nonsense", 200, b"stamped".to_vec(), "TimeStampResp"),
        ("an error", 500, Vec::new(), "it answered 500"),
        ("too much", 200, vec![0x30; 3 << 20], "more than a megabyte"),
    ] {
        let url = serve(status, answer).await;
        let error = format!("{:#}", Sign { timestamp: Some(url), ..sign(&ca, &person) }.execute().await.unwrap_err());
        assert!(error.contains(expected), "{name}: {error}");
    }
    for (url, expected) in [("https://127.0.0.1:1/tsa", "over http://"), ("http://127.0.0.1:1/tsa", "asking http://127.0.0.1:1/tsa")] {
        let error = format!("{:#}", Sign { timestamp: Some(url.parse().unwrap()), ..sign(&ca, &person) }.execute().await.unwrap_err());
        assert!(error.contains(expected), "{error}");
    }
}

/// A server that answers everything so.
async fn serve(status: u16, answer: Vec<u8>) -> url::Url {
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    let router = axum::Router::new().fallback(async move || (status, answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/tsa", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url.parse().unwrap()
}

async fn a_time_stamp_is_verified_offline_and_by_the_service(family: Family) {
    let ca = TestCa::new().start().await;
    let file = |name: &str, contents: &[u8]| {
        let path = ca.scratch().join(name);
        std::fs::write(&path, contents).unwrap();
        path.display().to_string()
    };
    let digest = family.algorithm().digest();
    let stamp = hufu::cli::time_stamp::fetch(&tsa(&ca).unwrap(), digest, &digest.hash(CONTENT)).await.unwrap();
    let (token, response) = (file("token", stamp.der()), file("response", &hufu::x509::tsp::granted(stamp.der()).unwrap()));
    let (content, other, nonsense) = (file("content", CONTENT), file("other", b"another"), file("nonsense", b"nonsense"));
    let own = file("own", ca.roots()[0].der());
    let refusal = file("refusal", &hufu::x509::tsp::rejection(hufu::x509::tsp::Failure::BadAlgorithm, "no such function").unwrap());
    let cut = file("cut", &stamp.der()[..stamp.der().len() - 1]);

    let mut altered = stamp.der().to_vec();
    *altered.last_mut().unwrap() ^= 1;
    let altered = file("altered", &altered);
    let id = stamp_authority(stamp.der());
    let api = ca.anonymous();
    // A proof of status shows what was at the time of the stamp once that second is over.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let receipt = file("receipt", &api.get(&format!("/api/v1/certificates/{id}/receipt")).await.ok().body);
    let proof = file("proof", &api.get(&format!("/api/v1/certificates/{id}/status-proof")).await.ok().body);
    let recorded = hex::encode(hufu::crypto::digest::sha256(stamp.der()));
    let token_receipt = file("token-receipt", &api.get(&format!("/api/v1/time-stamps/{recorded}/receipt")).await.ok().body);
    for unknown in ["00".repeat(32), "token".to_owned()] {
        assert_eq!(api.get(&format!("/api/v1/time-stamps/{unknown}/receipt")).await.json()["code"], "unknown-record");
    }
    let bundle = ca.data().join("trust/bundle.json").display().to_string();
    let roots = file("roots.pem", ca.roots().iter().map(hufu::x509::Certificate::to_pem).collect::<String>().as_bytes());
    let server = format!("https://127.0.0.1:{}", ca.running().https.port());

    let offline = ["--trust", &bundle];
    let proven = ["--trust", &bundle, "--receipt", &receipt, "--status-proof", &proof];
    let logged = [&proven[..], &["--token-receipt", &token_receipt]].concat();
    let another = [&proven[..], &["--token-receipt", &receipt]].concat();
    let unheard = ["--trust", &roots, "--server", &server, "--token-receipt", &token_receipt];
    let issued = ["--trust", &bundle, "--receipt", &receipt];
    let online = ["--trust", &roots, "--server", &server];
    let nobody = ["--trust", &roots, "--server", "https://127.0.0.1:1"];
    for (name, token, content, how, code, reason) in [
        ("offline with proofs", &token, &content, &proven[..], 0, "time-stamp-valid"),
        ("the ledger has it", &token, &content, &logged[..], 0, "time-stamp-valid"),
        ("a receipt of something else", &token, &content, &another[..], 1, "ledger-proof-invalid"),
        ("a receipt without a bundle", &token, &content, &unheard[..], 64, ""),
        ("a whole response", &response, &content, &proven[..], 0, "time-stamp-valid"),
        ("offline, issue proven", &token, &content, &issued[..], 0, "valid-status-not-proven"),
        ("offline without proofs", &token, &content, &offline[..], 2, "status-unknown"),
        ("offline, of something else", &token, &other, &proven[..], 1, "time-stamp-of-other-content"),
        ("offline, altered", &altered, &content, &proven[..], 1, "signature-broken"),
        ("offline, cut short", &cut, &content, &proven[..], 1, "format-error"),
        ("offline, no token", &nonsense, &content, &proven[..], 1, "format-error"),
        ("offline, a certificate", &own, &content, &proven[..], 2, "unsupported-format"),
        ("offline, refused", &refusal, &content, &proven[..], 2, "unsupported-format"),
        ("by the service", &token, &content, &online[..], 0, "time-stamp-valid"),
        ("by the service, of something else", &token, &other, &online[..], 1, "time-stamp-of-other-content"),
        ("nobody answers", &token, &content, &nobody[..], 69, ""),
    ] {
        let output = hufu(&[&["verify", "timestamp", token, "--content", content, "--json"], how].concat());
        assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        assert_eq!(report["reason"].as_str().unwrap_or_default(), reason, "{name}: {report:#}");
    }
    for arguments in
        [&["verify", "timestamp", "missing", "--content", &content][..], &["verify", "timestamp", &token], &["verify", "timestamp"]]
    {
        assert_eq!(hufu(&[arguments, &offline].concat()).status.code(), Some(64), "{arguments:?}");
    }
    let told = hufu(&[&["verify", "timestamp", &token, "--content", &content], &proven[..]].concat());
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.starts_with("PASSED  time-stamp-valid\n  时间戳有效:") && told.contains("± 1000 ms") && told.contains("TSA department"),
        "{told}"
    );
    let ahead = ca.now() + Duration::SECOND;
    assert!(Token::parse(stamp.der()).unwrap().time() <= ahead);
}

/// The id of the certificate that signed a token.
fn stamp_authority(token: &[u8]) -> String {
    let layout = Layout::of(token).unwrap();
    let signed = SignedData::parse(&layout).unwrap();
    let mut certificates = signed.certificates.iter().map(|der| hufu::x509::Certificate::parse(der).unwrap());
    certificates.find(|certificate| signed.signers[0].identifier.names(certificate)).unwrap().id().to_string()
}

fn hufu(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hufu"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HUFU_")) {
        command.env_remove(name);
    }
    command.args(arguments).output().unwrap()
}
