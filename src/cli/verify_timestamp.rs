//! `hufu verify timestamp`: offline with a trust bundle and proofs about the authority's certificate, or by asking a server.
//!
//! Exit codes are those of `verify certificate`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, ensure};
use base64::prelude::*;
use clap::Args;
use serde_json::{Value, json};
use time::Duration;

use super::{
    Connection,
    sign::Content,
    verify::{self, Evidence, INDETERMINATE, MAX_AGE, USAGE},
};
use crate::{
    crypto::digest::sha256,
    ledger::{Receipt, StatusProof, VerifyError, proof::verify_token_receipt},
    services::{trust::TrustBundle, verify_signature::token_of},
    validation::{
        Check, CheckName, Outcome, Reason, Report, TimeStampReport, Verdict,
        signature::{
            Asked, SignatureReason,
            format::unarmoured,
            time_stamp::{Token, unreadable},
        },
    },
    world::{Clock, SystemClock},
    x509::Certificate,
};

#[derive(Debug, Args)]
pub struct VerifyTimestamp {
    /// The token, or the response that it came in (DER or PEM)
    pub file: PathBuf,
    /// What is said to have been stamped
    #[arg(long, value_name = "FILE")]
    pub content: PathBuf,
    #[command(flatten)]
    pub connection: Connection,
    /// More certificates: that of the authority where the token has none, or those above it (PEM)
    #[arg(long, value_name = "FILE")]
    pub chain: Option<PathBuf>,
    /// The receipt of the token itself, which shows that the ledger has it
    #[arg(long, value_name = "FILE")]
    pub token_receipt: Option<PathBuf>,
    /// The receipt of the issue of the authority's certificate
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
    /// A proof of the status of the authority's certificate
    #[arg(long, value_name = "FILE")]
    pub status_proof: Option<PathBuf>,
    /// How old a proof of status may be, in seconds
    #[arg(long, default_value_t = MAX_AGE.whole_seconds().unsigned_abs(), value_name = "SECONDS")]
    pub max_age: u64,
}

/// What there is to judge.
struct Files {
    /// Or why it cannot be read.
    token: Result<Token, String>,
    token_der: Vec<u8>,
    /// Of the content, by the hash function of the token; `None` where that is not known.
    hash: Option<Vec<u8>>,
    more: Vec<Certificate>,
    token_receipt: Option<Receipt>,
    receipt: Option<Receipt>,
    status_proof: Option<StatusProof>,
    bundle: Option<TrustBundle>,
}

impl VerifyTimestamp {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let files = match self.read() {
            Ok(files) => files,
            Err(error) => {
                eprintln!("hufu: {error:#}");
                return Ok(ExitCode::from(USAGE));
            }
        };
        let report = match (&files.token, &files.bundle) {
            (Err(why), _) => serde_json::to_value(unreadable(why))?,
            (Ok(token), Some(bundle)) => serde_json::to_value(self.judge(token, bundle, &files))?,
            // A server that does not answer has not said that anything failed.
            (Ok(_), None) => match self.ask(&files).await {
                Ok(answer) => answer,
                Err(error) => {
                    eprintln!("hufu: {error:#}");
                    return Ok(ExitCode::from(INDETERMINATE));
                }
            },
        };
        self.connection.print(&report, text);
        Ok(verify::exit_code_of(&report))
    }

    fn read(&self) -> anyhow::Result<Files> {
        let file = |path: &Path| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
        let receipt = |path: &PathBuf| anyhow::Ok(Receipt::parse(&String::from_utf8(file(path)?)?)?);
        let status_proof = |path: &PathBuf| anyhow::Ok(StatusProof::parse(&String::from_utf8(file(path)?)?)?);
        let token_der = token_of(unarmoured(file(&self.file)?));
        let token = Token::parse(&token_der).map_err(|error| error.to_string());
        let bundle = self.connection.bundle()?;
        let proofs = [&self.token_receipt, &self.receipt, &self.status_proof];
        ensure!(bundle.is_some() || proofs.iter().all(|proof| proof.is_none()), "proofs are judged with --trust bundle.json");
        let content = Content::open(&self.content)?;
        let hash = match token.as_ref().ok().and_then(Token::digest) {
            Some(digest) => Some(content.hash(digest)?.1),
            None => None,
        };
        Ok(Files {
            token,
            token_der,
            hash,
            more: match &self.chain {
                Some(path) => Certificate::parse_many(&file(path)?)?,
                None => Vec::new(),
            },
            token_receipt: self.token_receipt.as_ref().map(receipt).transpose()?,
            receipt: self.receipt.as_ref().map(receipt).transpose()?,
            status_proof: self.status_proof.as_ref().map(status_proof).transpose()?,
            bundle,
        })
    }

    /// By the bundle alone.
    fn judge(&self, token: &Token, bundle: &TrustBundle, files: &Files) -> TimeStampReport {
        let now = SystemClock.now();
        let judge = |asked: &Asked<'_>| {
            let evidence = Evidence {
                certificate: asked.certificate.clone(),
                candidates: asked.candidates.to_vec(),
                receipt: files.receipt.clone(),
                status_proof: files.status_proof.clone(),
                at: asked.at.unwrap_or(now),
                now,
                purpose: asked.purpose,
                max_age: Duration::seconds(i64::try_from(self.max_age).unwrap_or(i64::MAX)),
            };
            // The certificates of the bundle were read when it was.
            verify::judge(bundle, &evidence).unwrap_or_else(|_| Report::unknown(evidence.at))
        };
        let mut report = token.judge(files.hash.as_deref(), &files.more, &judge);
        if let Some(receipt) = &files.token_receipt {
            check_recorded(&mut report, receipt, &files.token_der, bundle);
        }
        report
    }

    async fn ask(&self, files: &Files) -> anyhow::Result<Value> {
        let body = json!({
            "format": "time-stamp", "signature": BASE64_STANDARD.encode(&files.token_der),
            "digest": files.hash.as_ref().map(|hash| BASE64_STANDARD.encode(hash)),
            "certificates": files.more.iter().map(Certificate::to_pem).collect::<Vec<_>>(),
        });
        self.connection.client()?.post("/api/v1/verify/signature", &body).await
    }
}

/// Whether one of the logs in the bundle has the token. A receipt that shows nothing speaks against it.
fn check_recorded(report: &mut TimeStampReport, receipt: &Receipt, token: &[u8], bundle: &TrustBundle) {
    let mut recorded = Err(VerifyError::OtherToken);
    for log in bundle.trusted_logs() {
        recorded = verify_token_receipt(receipt, &sha256(token), &log).map(|_| log.origin);
        if recorded.is_ok() {
            break;
        }
    }
    let (outcome, detail) = match recorded {
        Ok(origin) => (Outcome::Passed, format!("entry {} of {origin}", receipt.index)),
        Err(error) => (Outcome::Failed, error.to_string()),
    };
    report.checks.push(Check::new(CheckName::Receipt, "C2SP tlog-proof", outcome, detail));
    if outcome == Outcome::Failed && report.verdict() != Verdict::Failed {
        report.judgement = SignatureReason::Certificate(Reason::LedgerProofInvalid).into();
    }
}

/// A report for people.
fn text(report: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![format!("{}  {}", text(&report["verdict"]), text(&report["reason"]))];
    lines.extend([format!("  {}", text(&report["message"]["zh"])), format!("  {}", text(&report["message"]["en"]))]);
    let token = &report["token"];
    if token.is_object() {
        let accuracy = token["accuracy_millis"].as_i64().map(|millis| format!(" ± {millis} ms")).unwrap_or_default();
        lines.push(format!("  time    {}{accuracy}", text(&token["time"])));
        lines.push(format!("  serial  {}, policy {}", text(&token["serial"]), text(&token["policy"])));
    }
    lines.extend(report["authority"]["subject"].as_str().map(|subject| format!("  by      {subject}")));
    for check in report["checks"].as_array().into_iter().flatten() {
        let [outcome, name, clause, detail] = ["outcome", "name", "clause", "detail"].map(|field| text(&check[field]));
        lines.push(format!("  {outcome:<7} {name}{}{detail}  [{clause}]", if detail.is_empty() { "" } else { ": " }));
    }
    if report["certificate"].is_object() {
        lines.push("  the authority's certificate".to_owned());
        lines.extend(verify::text(&report["certificate"]).lines().map(|line| format!("    {line}")));
    }
    lines.join("\n")
}
