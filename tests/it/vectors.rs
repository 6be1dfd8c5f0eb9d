//! Other people's cases once more, through the service: the same questions as `conformance.rs` asks the harness, as far as the API can
//! be asked them, by anchors that a file names.

use std::{
    collections::{BTreeMap, HashSet},
    process::Command,
};

use base64::prelude::*;
use hufu::x509::Certificate;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SubjectPublicKeyInfo};
use serde_json::{Value, json};

use crate::{
    conformance::{example, vectors},
    world::{Answer, Ca, TestCa, text},
};

/// The anchors of the service are these, with what they ask of the status below them.
fn trust(ca: &Ca, anchors: &[String], revocation: &str) {
    let mut file = String::new();
    // What is no certificate of an authority is refused as an anchor, so nothing leads to it.
    let legible = anchors.iter().filter(|pem| Certificate::parse_many(pem.as_bytes()).is_ok_and(|found| found[0].is_authority()));
    for (index, pem) in legible.collect::<HashSet<_>>().into_iter().enumerate() {
        std::fs::write(ca.data().join(format!("anchor-{index}.pem")), pem).unwrap();
        file += &format!("[[anchor]]\ncertificate = 'anchor-{index}.pem'\nrevocation = '{revocation}'\n");
    }
    std::fs::write(ca.data().join("anchors.toml"), file).unwrap();
    ca.services().reload_anchors();
}

fn read(path: &str) -> Option<Value> {
    Some(serde_json::from_slice(&std::fs::read(vectors()?.join(path)).unwrap()).unwrap())
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Whether the service says that it passed. What it cannot read is no answer of that kind.
fn passed(answer: Answer, name: &str) -> bool {
    assert!(answer.status == 200 || answer.status == 400, "{name}: {}", answer.text());
    answer.status == 200 && text(&answer.json(), "verdict") == "PASSED"
}

/// `POST /verify/certificate`, where every case is about its own anchors.
#[tokio::test(flavor = "multi_thread")]
async fn chains_of_others_are_judged_by_the_service_as_they_say() {
    let ca = TestCa::new().start().await;
    let mut asked = BTreeMap::new();
    for (suite, every) in [("pkits-sample", 1), ("sm2-chains-shared", 1), ("limbo-shared", 1), ("bettertls-shared", 4)] {
        let path = format!("limbo/{suite}.json");
        let Some(file) = read(&path) else { return };
        let about_the_peer = about_the_peer(&path);
        let is_asked = |case: &&Value| can_be_asked(case) && !about_the_peer.contains(&text(case, "id"));
        let cases = file["testcases"].as_array().unwrap().iter().filter(is_asked);
        for case in cases.step_by(every) {
            let name = text(case, "id");
            let crls = texts(&case["crls"]);
            trust(&ca, &texts(&case["trusted_certs"]), if crls.is_empty() { "when-known" } else { "required" });
            let answer = ca.anonymous().post("/api/v1/verify/certificate", &question(case, &crls)).await;
            let expected = case["expected_result"] == "SUCCESS";
            // BetterTLS calls some outcomes a warning.
            let found = passed(answer, &name);
            assert!(found == expected || case["x_warning_only"] == true, "{name}: {found}");
            *asked.entry(suite).or_insert(0) += 1;
        }
    }
    assert!(asked["sm2-chains-shared"] == 124 && asked["pkits-sample"] >= 6 && asked.values().sum::<i32>() > 250, "{asked:?}");
}

/// The API asks about no peer, no length and no policies; the rules of browsers' root programs are not ours
/// (docs/divergences.md), and some good paths are longer than a request.
fn can_be_asked(case: &Value) -> bool {
    let is_usual = |(name, value): (&String, &Value)| match name.as_str() {
        "x_initial_policy_set" => *value == json!(["2.5.29.32.0"]),
        name => !name.starts_with("x_initial") || *value == false,
    };
    let more = case["max_chain_depth"].is_u64() || !case.as_object().unwrap().iter().all(is_usual);
    let is_long = case["untrusted_intermediates"].as_array().is_some_and(|chain| chain.len() > 16);
    let is_too_long = is_long && case["expected_result"] == "SUCCESS";
    !text(case, "id").starts_with("webpki::") && !more && !is_too_long
}

/// Cases that are bad because the certificate is not for whom it should be, as the harness says.
fn about_the_peer(path: &str) -> HashSet<String> {
    let file = vectors().unwrap().join(path);
    let output = Command::new(example("conformance")).arg("chains").arg(file).output().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers = answers.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_it = |answer: &Value| text(answer, "context").starts_with("the certificate is not for");
    answers.filter(is_it).map(|answer| text(&answer, "id")).collect()
}

fn question(case: &Value, crls: &[String]) -> Value {
    let purpose = match (texts(&case["extended_key_usage"]).first().map(String::as_str), case["validation_kind"].as_str()) {
        (Some("clientAuth"), _) => "client-auth",
        (Some("serverAuth"), _) | (None, Some("SERVER")) => "server-auth",
        (None, _) => "any",
        (Some(other), _) => panic!("{other}"),
    };
    let der = |pem: &String| BASE64_STANDARD.encode(der::pem::decode_vec(pem.as_bytes()).unwrap().1);
    let at = case["validation_time"].as_str().unwrap_or("2026-09-21T00:00:00Z");
    json!({
        "certificate": case["peer_certificate"], "chain": case["untrusted_intermediates"], "purpose": purpose, "at": at,
        "crls": crls.iter().map(der).collect::<Vec<_>>(),
    })
}

/// `POST /verify/signature` of CMS: every signer holds and leads to who is trusted.
#[tokio::test(flavor = "multi_thread")]
async fn cms_of_others_is_judged_by_the_service_as_it_says() {
    let ca = TestCa::new().start().await;
    for suite in ["cms", "cms-gm"] {
        let Some(cases) = read(&format!("cms/{suite}.json")) else { return };
        for case in cases.as_array().unwrap().iter().filter(|case| case["expected"] != "policy") {
            let name = text(case, "id");
            let anchors: Vec<String> = case["trusted"].as_str().map(str::to_owned).into_iter().collect();
            trust(&ca, &anchors, "when-known");
            let mut question = json!({"signature": case["cms"]});
            if case["detached_content"].is_string() {
                question["content"] = case["detached_content"].clone();
            }
            if case["extra_certs"].is_string() {
                question["certificates"] = json!([case["extra_certs"]]);
            }
            let answer = ca.anonymous().post("/api/v1/verify/signature", &question).await;
            if anchors.is_empty() {
                // Of a signer whom nobody trusts, the signature is judged all the same.
                let report = answer.ok().json();
                let reason = if case["expected"] == "valid" { "no-trusted-path" } else { "content-changed" };
                let reasons = [reason, "signature-broken"];
                assert!(reasons.contains(&text(&report, "reason").as_str()) && report["verdict"] != "PASSED", "{name}: {report:#}");
                continue;
            }
            assert_eq!(passed(answer, &name), case["expected"] == "valid", "{name}");
        }
    }
}

/// `POST /verify/signature` of bare values, by certificates for Wycheproof's keys.
#[tokio::test(flavor = "multi_thread")]
async fn bare_signatures_of_wycheproof_are_judged_by_the_service_as_it_says() {
    let ca = TestCa::new().start().await;
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, "Wycheproof");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let root = parameters.self_signed(&key).unwrap();
    let issuer = Issuer::new(parameters, key);
    trust(&ca, &[root.pem()], "when-known");
    let mut asked = 0;
    for (file, algorithm, encoding) in [
        ("ecdsa_secp256r1_sha256_test", "ES256", "der"),
        ("ecdsa_secp256r1_sha256_p1363_test", "ES256", "fixed"),
        ("ecdsa_secp384r1_sha384_test", "ES384", "der"),
        ("ecdsa_secp384r1_sha384_p1363_test", "ES384", "fixed"),
        ("ed25519_test", "EdDSA", "der"),
        ("rsa_signature_2048_sha256_test", "RS256", "der"),
        ("rsa_pss_2048_sha256_mgf1_32_test", "PS256", "der"),
    ] {
        let Some(document) = read(&format!("wycheproof/{file}.json")) else { return };
        for group in document["testGroups"].as_array().unwrap().iter().take(3) {
            let spki = SubjectPublicKeyInfo::from_der(&octets(group, "publicKeyDer")).unwrap();
            let mut parameters = CertificateParams::new(Vec::new()).unwrap();
            parameters.distinguished_name.push(DnType::CommonName, "signer");
            parameters.use_authority_key_identifier_extension = true;
            let certificate = parameters.signed_by(&spki, &issuer).unwrap().pem();
            for case in group["tests"].as_array().unwrap().iter().filter(|case| case["result"] != "acceptable").take(24) {
                let question = json!({
                    "format": "raw", "signature": BASE64_STANDARD.encode(octets(case, "sig")), "algorithm": algorithm,
                    "encoding": encoding, "content": BASE64_STANDARD.encode(octets(case, "msg")), "certificates": [certificate],
                });
                let name = format!("{file} {}", case["tcId"]);
                let answer = ca.anonymous().post("/api/v1/verify/signature", &question).await;
                assert_eq!(passed(answer, &name), case["result"] == "valid", "{name}");
                asked += 1;
            }
        }
    }
    assert!(asked > 200, "{asked}");
}

fn octets(value: &Value, member: &str) -> Vec<u8> {
    hex::decode(text(value, member)).unwrap()
}
