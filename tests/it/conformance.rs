//! Other people's cases, through the harness that links the library the service runs (`examples/conformance`).

use std::{collections::BTreeSet, path::PathBuf, process::Command};

/// The kinds of cases, with the scorer that knows their contract.
static CHAINS: &[&str] = &["bettertls-shared", "pkits-sample", "sm2-chains-shared", "limbo-shared"];
static REVOCATION: &[&str] = &["ocsp-verify", "crl-verify", "ocsp-openssl"];
static SIGNATURES: &[&str] = &[
    "ecdsa_secp256r1_sha256_p1363_test",
    "ecdsa_secp256r1_sha256_test",
    "ecdsa_secp384r1_sha384_p1363_test",
    "ecdsa_secp384r1_sha384_test",
    "ed25519_test",
    "json_web_signature_test",
    "rsa_pss_2048_sha256_mgf1_32_test",
    "rsa_signature_2048_sha256_test",
    "rsa_signature_4096_sha256_test",
];
static SM2: &[&str] = &["sm2_signature"];
static CMS: &[&str] = &["cms", "cms-gm"];

/// Objects that a parser must survive; where three peers agree whether they can be read, so do we.
static MALFORMED: &[&str] = &["cert.jsonl", "cmp.jsonl", "cms.jsonl", "crl.jsonl", "csr.jsonl", "ocsp-req.jsonl", "ocsp-resp.jsonl"];

/// Cases that are judged otherwise on purpose, or not yet rightly. Each suite agrees but for these.
static DISAGREEMENTS: &[(&str, &str)] = &[
    // Rules of browsers' root programs (docs/divergences.md).
    ("limbo-shared", "webpki::"),
    // BoringSSL leaves indirect lists out; this one is by the issuer of the certificate and does not list it.
    ("crl-verify", "bad_idp_indirectcrl"),
    // A key whose `alg` is PS256 verifies a PS384 signature there, and in #340 a key for PS512 must not (RFC 7517 §4.4: the
    // algorithm intended for use with the key).
    ("json_web_signature_test", "#346:"),
    ("json_web_signature_test", "#350:"),
    // Said to be bad, with the text of the good case #357.
    ("json_web_signature_test", "#367:"),
    ("json_web_signature_test", "#370:"),
    // A question mark amid base64url is said to be good (RFC 7515 §2: without any additional characters).
    ("json_web_signature_test", "#372:"),
    ("json_web_signature_test", "#373:"),
    // Object identifiers and tags that are no DER (X.690 §8.19, §8.1.2), where the peers do not look.
    ("cert.jsonl", "parse_certificate_fuzzer_corpus/"),
    // Extensions in version 2 (RFC 5280 §4.1.2.9), and extensions with an empty list (SIZE (1..MAX)).
    ("cert.jsonl", "zlint/certVersion2WithExtension"),
    ("cert.jsonl", "zlint/empty_seq_of_"),
    // Of what is encrypted or digested, only that it is whole; of SignedData, versions that do not exist and cut ends.
    ("cms.jsonl", "openssl-fuzz/cms/"),
    // The same, and one whose content is no OCTET STRING (RFC 5652 §5.2.1, docs/divergences.md).
    ("cms.jsonl", "rustcrypto/cms/"),
];

#[test]
fn the_shared_suites_are_judged_as_they_say() {
    let Some(vectors) = vectors() else { return };
    let mut met: BTreeSet<&(&str, &str)> = BTreeSet::new();
    for (folder, script, mode, suites) in [
        ("limbo", "limbo_run.py", "chains", CHAINS),
        ("revocation", "vectors_run.py", "vectors", REVOCATION),
        ("wycheproof", "vectors_run.py", "vectors", SIGNATURES),
        ("sm2", "vectors_run.py", "vectors", SM2),
        ("cms", "vectors_run.py", "vectors", CMS),
        ("malformed", "vectors_run.py", "vectors", MALFORMED),
    ] {
        for suite in suites {
            let mut command = Command::new("python3");
            let file = if suite.ends_with(".jsonl") { (*suite).to_owned() } else { format!("{suite}.json") };
            command.arg(vectors.join("tools").join(script)).arg(vectors.join(folder).join(file));
            if mode == "vectors" {
                // Every disagreement is listed, not the first few.
                command.args(["--list", "0"]);
            }
            let output = command.arg("--").arg(example("conformance")).arg(mode).output().expect("the tests need python3");
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(told.contains("agree") || told.contains("free"), "{suite}: {told}{}", String::from_utf8_lossy(&output.stderr));
            // What is skipped or not answered is no agreement.
            assert!(mode == "chains" || !(told.contains("skipped") || told.contains("missing")), "{suite}: {told}");
            let wrong: Vec<&str> = told.lines().filter(|line| line.contains("expected ")).collect();
            let known = |line: &str| DISAGREEMENTS.iter().find(|(of, case)| of == suite && line.contains(case));
            let unknown: Vec<&str> = wrong.iter().copied().filter(|line| known(line).is_none()).collect();
            assert_eq!(unknown, Vec::<&str>::new(), "{suite}");
            met.extend(wrong.iter().filter_map(|line| known(line)));
        }
    }
    assert_eq!(
        met.len(),
        DISAGREEMENTS.len(),
        "those that agree by now: {:?}",
        DISAGREEMENTS.iter().filter(|known| !met.contains(known)).collect::<Vec<_>>()
    );
}

/// Where the suites are; `None`, with a word about it, where they are not installed.
pub fn vectors() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors");
    let vectors = std::env::var_os("HUFU_VECTORS").map_or_else(beside, PathBuf::from);
    if !vectors.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "CI has the public vectors");
        eprintln!("SKIPPED: no vectors in {} (set HUFU_VECTORS)", vectors.display());
        return None;
    }
    Some(vectors)
}

/// `cargo test` builds the examples beside the tests; `cargo test --test it` alone does not.
pub fn example(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(path.exists(), "build it first: cargo build --example {name}");
    path
}
