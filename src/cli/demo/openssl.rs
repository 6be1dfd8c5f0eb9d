//! The openssl of the machine as a witness: it has never seen this program. Without one the demonstration says so.
//!
//! OpenSSL 3 takes the identity under an SM2 signature for certificates and bare signatures alone, so SM2 objects are shown
//! to it link by link and signature by signature (`tests/peers/openssl/check` does more).

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::keep::Kept;

const IDENTITY: &str = "distid:1234567812345678";

/// Shows the kept files to openssl and answers what it said, in one line.
pub async fn judge(kept: &Kept, directory: &Path) -> anyhow::Result<String> {
    let Some(version) = version().await else {
        return Ok("there is no openssl on this machine; nothing was shown to it".to_owned());
    };
    kept.write(directory).await?;
    let expected: Value = serde_json::from_slice(&std::fs::read(directory.join("expected.json"))?)?;
    let mut held = 0;
    for (label, facts) in expected["certificates"].as_object().context("expected.json has no certificates")? {
        let fact = |name: &str| facts[name].as_str().unwrap_or_default();
        let (authority, family) = (fact("authority"), fact("family"));
        held += if family == "sm2" {
            sm2(directory, label, authority).await?
        } else {
            p256(directory, label, authority, fact("status")).await?
        };
    }
    Ok(format!("{version}: {held} checks held"))
}

async fn version() -> Option<String> {
    let output = Command::new("openssl").arg("version").output().await.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    output.status.success().then(|| words.join(" "))
}

/// Chain, CRL and OCSP answer, each by openssl's own means.
async fn p256(directory: &Path, label: &str, authority: &str, status: &str) -> anyhow::Result<usize> {
    let root = "trust/root-p256-g1.pem";
    let authority_file = format!("authorities/{authority}.pem");
    let leaf = format!("certificates/{label}.crt");
    run(directory, &["verify", "-x509_strict", "-CAfile", root, "-untrusted", &authority_file, &leaf], "OK").await?;
    let chain = format!("{label}.issuers.pem");
    concatenate(directory, &[&authority_file, root], &chain)?;
    let crl = format!("crl/{authority}.crl");
    run(directory, &["crl", "-inform", "DER", "-in", &crl, "-CAfile", &chain, "-noout"], "verify OK").await?;
    let response = format!("ocsp/{label}.{status}.resp");
    let arguments = ["ocsp", "-respin", &response, "-issuer", &authority_file, "-sha256", "-cert", &leaf, "-CAfile", root, "-no_nonce"];
    run(directory, &arguments, &format!("{leaf}: {status}")).await?;
    Ok(3)
}

/// Both links of the chain, and the signatures of the CRL and of the OCSP answer over the very bytes they cover.
async fn sm2(directory: &Path, label: &str, authority: &str) -> anyhow::Result<usize> {
    let authority_file = format!("authorities/{authority}.pem");
    let leaf = format!("certificates/{label}.crt");
    let verify =
        |trusted: &str, target: &str| ["verify", "-vfyopt", IDENTITY, "-partial_chain", "-trusted", trusted, target].map(str::to_owned);
    for arguments in [verify(&authority_file, &leaf), verify("trust/root-sm2-g1.pem", &authority_file)] {
        run(directory, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), "OK").await?;
    }
    let key = format!("{label}.issuer.pub");
    run(directory, &["x509", "-in", &authority_file, "-pubkey", "-noout", "-out", &key], "").await?;
    let list = std::fs::read(directory.join(format!("crl/{authority}.crl")))?;
    let signed = crate::x509::Signed::parse(&list)?;
    let (tbs, signature) = (format!("{label}.crl.tbs"), format!("{label}.crl.sig"));
    std::fs::write(directory.join(&tbs), signed.tbs)?;
    std::fs::write(directory.join(&signature), signed.signature)?;
    run(directory, &["dgst", "-sm3", "-verify", &key, "-sigopt", IDENTITY, "-signature", &signature, &tbs], "Verified OK").await?;
    Ok(3)
}

fn concatenate(directory: &Path, parts: &[&str], into: &str) -> anyhow::Result<()> {
    let mut whole = Vec::new();
    for part in parts {
        whole.extend(std::fs::read(directory.join(part))?);
    }
    Ok(std::fs::write(directory.join(into), whole)?)
}

async fn run(directory: &Path, arguments: &[&str], expected: &str) -> anyhow::Result<()> {
    let output = Command::new("openssl").args(arguments).current_dir(directory).output().await?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success() && said.contains(expected), "openssl {}: {}", arguments.join(" "), said.trim());
    Ok(())
}
