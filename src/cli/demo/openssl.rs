//! The openssl of the machine as a witness: it has never seen this program. Without one the demonstration says so.
//!
//! OpenSSL 3 takes the identity under an SM2 signature for certificates, requests and bare signatures alone, so SM2 chains
//! are shown to it link by link, and SM2 CRLs and OCSP answers as a signature over the very bytes it covers.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::keep::Kept;
use crate::x509::{Signed, ocsp::OcspResponse};

const IDENTITY: &str = "distid:1234567812345678";

/// Shows the kept files to openssl and answers what it said, in one line.
pub async fn judge(kept: &Kept, directory: &Path) -> anyhow::Result<String> {
    let Some(version) = version().await else {
        return Ok("there is no openssl on this machine; nothing was shown to it".to_owned());
    };
    kept.write(directory).await?;
    let mut judge = Judge { directory: directory.to_owned(), held: 0 };
    judge.authorities().await?;
    let expected: Value = serde_json::from_slice(&std::fs::read(directory.join("expected.json"))?)?;
    for (label, facts) in expected["certificates"].as_object().context("expected.json has no certificates")? {
        let fact = |name: &str| facts[name].as_str().unwrap_or_default();
        judge.certificate(label, fact("authority"), fact("status")).await?;
    }
    for family in ["p256", "sm2"] {
        judge.never_issued(family).await?;
    }
    judge.documents().await?;
    Ok(format!("{version}: {} checks held", judge.held))
}

async fn version() -> Option<String> {
    let output = Command::new("openssl").arg("version").output().await.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    output.status.success().then(|| words.join(" "))
}

struct Judge {
    directory: PathBuf,
    held: usize,
}

impl Judge {
    /// Roots, authorities, responders and the listener, and every CRL, whole and by shard.
    async fn authorities(&mut self) -> anyhow::Result<()> {
        for authority in names(&self.directory.join("responders"), "pem")? {
            let certificate = file_of(&authority);
            self.link(&certificate, &root_of(&authority)).await?;
            self.link(&format!("responders/{authority}.pem"), &authority).await?;
            self.crl(&format!("crl/{authority}.crl"), &authority).await?;
            for shard in names(&self.directory.join("crl").join(&authority), "crl")? {
                self.crl(&format!("crl/{authority}/{shard}.crl"), &authority).await?;
            }
        }
        self.link("listener.pem", "department-p256-g1").await
    }

    /// A person's certificate, the request it answers, and what OCSP says of it.
    async fn certificate(&mut self, label: &str, authority: &str, status: &str) -> anyhow::Result<()> {
        let certificate = format!("certificates/{label}.crt");
        self.link(&certificate, authority).await?;
        let request = format!("requests/{label}.csr");
        let mut arguments = vec!["req", "-in", &request, "-noout", "-verify"];
        if is_sm2(authority) {
            arguments.extend(["-sm3", "-vfyopt", IDENTITY]);
        }
        self.run(&arguments, "verify OK").await?;

        let response = format!("ocsp/{label}.{status}.resp");
        if is_sm2(authority) {
            return self.sm2_response(&response, authority).await;
        }
        let issuer = file_of(authority);
        let arguments = ["ocsp", "-respin", &response, "-issuer", &issuer, "-sha256", "-cert", &certificate];
        self.response(&arguments, authority, &format!("{certificate}: {status}")).await
    }

    /// The answer about a serial number that no authority issued.
    async fn never_issued(&mut self, family: &str) -> anyhow::Result<()> {
        let (response, authority) = (format!("ocsp/{family}.unknown.resp"), format!("department-{family}-g1"));
        if is_sm2(&authority) {
            return self.sm2_response(&response, &authority).await;
        }
        self.response(&["ocsp", "-respin", &response, "-resp_text"], &authority, "Cert Status: unknown").await
    }

    /// What was signed and stamped with P-256. OpenSSL 3.0 has no CMS and no time stamps of SM2; `tests/peers` shows those to others.
    async fn documents(&mut self) -> anyhow::Result<()> {
        let verify = ["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-CAfile", "trust/root-p256-g1.pem", "-out", "out", "-in"];
        for file in ["p256.p7s", "p256.unstamped.p7s"] {
            let signature = format!("signatures/{file}");
            self.run(&[&verify[..], &[&signature, "-content", "signatures/document.txt"]].concat(), "erification successful").await?;
        }
        self.run(&[&verify[..], &["signatures/p256.p7m"]].concat(), "erification successful").await?;
        let stamp = ["ts", "-verify", "-token_in", "-in", "signatures/p256.tst", "-data", "signatures/document.txt"];
        self.run(&[&stamp[..], &["-CAfile", "trust/root-p256-g1.pem"]].concat(), "Verification: OK").await
    }

    /// One certificate under its issuer. For SM2 the identity reaches the certificate in question alone.
    async fn link(&mut self, certificate: &str, issuer: &str) -> anyhow::Result<()> {
        let (issuer_file, root) = (file_of(issuer), file_of(&root_of(issuer)));
        let arguments = match (is_sm2(issuer), issuer_file == root) {
            (true, _) => vec!["verify", "-vfyopt", IDENTITY, "-partial_chain", "-trusted", &issuer_file, certificate],
            (false, true) => vec!["verify", "-x509_strict", "-CAfile", &root, certificate],
            (false, false) => vec!["verify", "-x509_strict", "-CAfile", &root, "-untrusted", &issuer_file, certificate],
        };
        self.run(&arguments, "OK").await
    }

    async fn crl(&mut self, list: &str, authority: &str) -> anyhow::Result<()> {
        if is_sm2(authority) {
            let der = std::fs::read(self.directory.join(list))?;
            return self.sm2_signature(list, &Signed::parse(&der)?, &file_of(authority)).await;
        }
        self.run(&["crl", "-inform", "DER", "-in", list, "-CAfile", &file_of(authority), "-noout"], "verify OK").await
    }

    async fn response(&mut self, arguments: &[&str], authority: &str, expected: &str) -> anyhow::Result<()> {
        let issuer = file_of(authority);
        let chain = ["-CAfile", "trust/root-p256-g1.pem", "-verify_other", &issuer, "-no_nonce"];
        let arguments = [arguments, &chain].concat();
        self.run(&arguments, expected).await?;
        self.run(&arguments, "Response verify OK").await
    }

    async fn sm2_response(&mut self, response: &str, authority: &str) -> anyhow::Result<()> {
        let der = std::fs::read(self.directory.join(response))?;
        let OcspResponse::Basic(basic) = OcspResponse::parse(&der)? else { bail!("{response} answers nothing") };
        self.sm2_signature(response, &basic.signed, &format!("responders/{authority}.pem")).await
    }

    async fn sm2_signature(&mut self, object: &str, signed: &Signed<'_>, signer: &str) -> anyhow::Result<()> {
        let [key, tbs, signature] = ["pub", "tbs", "sig"].map(|kind| format!("{object}.{kind}"));
        self.run(&["x509", "-in", signer, "-pubkey", "-noout", "-out", &key], "").await?;
        std::fs::write(self.directory.join(&tbs), signed.tbs)?;
        std::fs::write(self.directory.join(&signature), signed.signature)?;
        self.run(&["dgst", "-sm3", "-verify", &key, "-sigopt", IDENTITY, "-signature", &signature, &tbs], "Verified OK").await
    }

    async fn run(&mut self, arguments: &[&str], expected: &str) -> anyhow::Result<()> {
        let output = Command::new("openssl").args(arguments).current_dir(&self.directory).output().await?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success() && said.contains(expected), "openssl {}: {}", arguments.join(" "), said.trim());
        self.held += usize::from(!expected.is_empty());
        Ok(())
    }
}

fn is_sm2(authority: &str) -> bool {
    authority.contains("-sm2-")
}

fn root_of(authority: &str) -> String {
    format!("root-{}-g1", if is_sm2(authority) { "sm2" } else { "p256" })
}

fn file_of(authority: &str) -> String {
    format!("{}/{authority}.pem", if authority.starts_with("root-") { "trust" } else { "authorities" })
}

/// The files of a folder, without their ending.
fn names(folder: &Path, ending: &str) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == ending) {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}
