//! Other people's cases, through the harness that links the library the service runs (`examples/conformance`).

use std::{path::PathBuf, process::Command};

/// The kinds of cases, with the scorer that knows their contract.
static CHAINS: &[&str] = &["bettertls-shared", "pkits-sample", "sm2-chains-shared", "limbo-shared"];
static REVOCATION: &[&str] = &["ocsp-verify", "crl-verify", "ocsp-openssl"];

/// Cases that are judged otherwise on purpose, or not yet rightly. Each suite agrees but for these.
static DISAGREEMENTS: &[(&str, &str)] = &[
    // Rules of browsers' root programs (docs/divergences.md).
    ("limbo-shared", "webpki::"),
    // The responder's certificate has an empty subjectAltName, which RFC 5280 §4.2.1.6 forbids (docs/divergences.md).
    ("ocsp-openssl", "invalid-signature-on-the-issuer-certificate"),
];

#[test]
fn the_shared_suites_are_judged_as_they_say() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors");
    let vectors = std::env::var_os("HUFU_VECTORS").map_or_else(beside, PathBuf::from);
    if !vectors.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "CI has the public vectors");
        eprintln!("SKIPPED: no vectors in {} (set HUFU_VECTORS)", vectors.display());
        return;
    }
    assert!(harness().exists(), "build the harness first: cargo build --example conformance");
    for (folder, script, mode, suites) in
        [("limbo", "limbo_run.py", "chains", CHAINS), ("revocation", "vectors_run.py", "vectors", REVOCATION)]
    {
        for suite in suites {
            let mut command = Command::new("python3");
            command.arg(vectors.join("tools").join(script)).arg(vectors.join(folder).join(format!("{suite}.json")));
            let output = command.arg("--").arg(harness()).arg(mode).output().expect("the tests need python3");
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(told.contains("agree"), "{suite}: {told}{}", String::from_utf8_lossy(&output.stderr));
            let wrong: Vec<&str> = told.lines().filter(|line| line.contains("expected ")).collect();
            let known = |line: &&&str| !DISAGREEMENTS.iter().any(|(of, case)| of == suite && line.contains(case));
            assert_eq!(wrong.iter().filter(known).collect::<Vec<_>>(), Vec::<&&str>::new(), "{suite}");
        }
    }
}

/// `cargo test` builds the examples beside the tests; `cargo test --test it` alone does not.
fn harness() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.join("examples/conformance")
}
