//! `hufu verify timestamp`: offline with a trust bundle and proofs about the authority's certificate or with anchors, or by asking
//! a server.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, ensure};
use base64::prelude::*;
use clap::Args;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    Connection,
    offline::ProofFiles,
    report::{ReportForm, usage},
    verify::{EXIT_CODES, status_line},
    verify_foreign::{Foreign, ForeignTrust},
    verify_signature::{beside, push_checks, push_judged, push_judgement, word},
};
use crate::{
    crypto::{Digest, digest::sha256},
    ledger::{Receipt, VerifyError, proof::verify_token_receipt},
    services::{trust::TrustBundle, verify_signature::token_of},
    validation::{
        Check, CheckName, Outcome, Reason, Report, TimeStampReport, Verdict,
        report::{Hashed, Judged},
        signature::{
            Asked, SignatureReason,
            format::unarmoured,
            time_stamp::{Token, not_a_token},
        },
    },
    world::{Clock, SystemClock},
    x509::Certificate,
};

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct VerifyTimestamp {
    /// The token, or the response that it came in (DER or PEM)
    pub file: PathBuf,
    /// What is said to have been stamped
    #[arg(long, value_name = "FILE")]
    pub content: PathBuf,
    #[command(flatten)]
    pub connection: Connection,
    /// Certificates (PEM or DER): that of the authority where the token has none, or those above it
    #[arg(long, visible_alias = "chain", value_name = "FILE")]
    pub certificate: Vec<PathBuf>,
    /// The receipt of the token itself, which shows that the ledger has it
    #[arg(long, value_name = "FILE")]
    pub token_receipt: Option<PathBuf>,
    #[command(flatten)]
    pub proofs: ProofFiles,
    #[command(flatten)]
    pub foreign: ForeignTrust,
    #[command(flatten)]
    pub form: ReportForm,
}

/// A token with what is said to be stamped.
struct Stamped {
    judged: Judged,
    der: Vec<u8>,
    /// Or why it cannot be read.
    token: Result<Token, String>,
    /// Of the content, by the hash function of the token; `None` where that is not known.
    hash: Option<Vec<u8>>,
    more: Vec<Certificate>,
}

impl VerifyTimestamp {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let now = SystemClock.now();
        let (stamped, bundle, foreign) = match self.read(now) {
            Ok(read) => read,
            Err(error) => return Ok(usage(&error)),
        };
        let token = match &stamped.token {
            Ok(token) => token,
            Err(why) => {
                let report = not_a_token(&stamped.der, why);
                return self.form.print(&self.connection, &TimeStampReport { judged: Some(stamped.judged), ..report }, now, text);
            }
        };
        if bundle.is_none() && foreign.is_none() {
            return Ok(self.form.ask(&self.connection, "/api/v1/verify/signature", &stamped.question(), text).await);
        }
        match self.judge(token, &stamped, bundle, foreign, now) {
            Ok(report) => self.form.print(&self.connection, &report, now, text),
            Err(error) => Ok(usage(&error)),
        }
    }

    fn read(&self, now: OffsetDateTime) -> anyhow::Result<(Stamped, Option<TrustBundle>, Option<Foreign>)> {
        let (bundle, foreign) = (self.connection.bundle()?, self.foreign.read()?);
        ensure!(bundle.is_some() || self.token_receipt.is_none(), "a receipt is judged with --trust bundle.json");
        let file = read(&self.file)?;
        let mut judged = Judged::new(None, now).file(&file);
        let der = token_of(unarmoured(file));
        let token = Token::parse(&der).map_err(|error| error.to_string());
        let mut hasher = token.as_ref().ok().and_then(Token::digest).map(|digest| digest.hasher());
        let mut content = Digest::Sha256.hasher();
        beside(&self.content, &mut |part| {
            content.update(part);
            hasher.iter_mut().for_each(|hasher| hasher.update(part));
        })?;
        judged.content = Some(Hashed::new(Digest::Sha256, &content.finish()));
        let mut more = Vec::new();
        for path in &self.certificate {
            more.extend(Certificate::parse_many(&read(path)?).with_context(|| format!("reading {}", path.display()))?);
        }
        Ok((Stamped { judged, der, token, hash: hasher.map(|hasher| hasher.finish()), more }, bundle, foreign))
    }

    /// By the bundle or the anchors alone.
    fn judge(
        &self,
        token: &Token,
        stamped: &Stamped,
        bundle: Option<TrustBundle>,
        foreign: Option<Foreign>,
        now: OffsetDateTime,
    ) -> anyhow::Result<TimeStampReport> {
        let logs = bundle.as_ref().map(TrustBundle::trusted_logs).unwrap_or_default();
        let offline = self.proofs.read(bundle, foreign, now)?;
        // What could fail was read before.
        let judge = |asked: &Asked<'_>| offline.judge(asked).unwrap_or_else(|_| Report::unknown(asked.at.unwrap_or(now)));
        let mut report = token.judge(stamped.hash.as_deref(), &stamped.more, now, &judge);
        report.judged = Some(stamped.judged.clone());
        if let Some(path) = &self.token_receipt {
            let receipt = String::from_utf8(read(path)?).map_err(anyhow::Error::from);
            let receipt = receipt.and_then(|text| Ok(Receipt::parse(&text)?)).with_context(|| format!("reading {}", path.display()))?;
            let digest = sha256(&stamped.der);
            let proofs = logs.iter().map(|log| verify_token_receipt(&receipt, &digest, log).map(|_| &log.origin));
            let recorded = proofs.reduce(Result::or).unwrap_or(Err(VerifyError::OtherToken));
            check_recorded(&mut report, recorded.map(|origin| format!("entry {} of {origin}", receipt.index)));
        }
        Ok(report)
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}

impl Stamped {
    /// What a server is asked. The content stays here.
    fn question(&self) -> Value {
        json!({
            "format": "time-stamp", "signature": BASE64_STANDARD.encode(&self.der),
            "digest": self.hash.as_ref().map(|hash| BASE64_STANDARD.encode(hash)),
            "certificates": self.more.iter().map(Certificate::to_pem).collect::<Vec<_>>(),
        })
    }
}

/// Whether a log of the bundle has the token. A receipt that does not show it speaks against it.
fn check_recorded(report: &mut TimeStampReport, recorded: Result<String, VerifyError>) {
    let (outcome, detail) = match recorded {
        Ok(place) => (Outcome::Passed, place),
        Err(error) => (Outcome::Failed, error.to_string()),
    };
    report.checks.push(Check::new(CheckName::Receipt, "C2SP tlog-proof", outcome, detail));
    if outcome == Outcome::Failed && report.verdict() != Verdict::Failed {
        report.judgement = SignatureReason::Certificate(Reason::LedgerProofInvalid).into();
    }
}

/// A report for people, from the JSON that a server answers or that was made here.
fn text(report: &Value) -> String {
    let mut lines = Vec::new();
    push_judgement(&mut lines, report, 0);
    push_judged(&mut lines, report);
    let token = &report["token"];
    if token.is_object() {
        let accuracy = token["accuracy_millis"].as_i64().map(|millis| format!(" ± {millis} ms")).unwrap_or_default();
        lines.push(format!("  time    {}{accuracy}", word(&token["time"])));
        lines.push(format!("  serial  {}, policy {}", word(&token["serial"]), word(&token["policy"])));
    }
    if report["authority"].is_object() {
        lines.push(format!("  by      {}", word(&report["authority"]["subject"])));
    }
    push_checks(&mut lines, report, 1);
    if report["certificate"].is_object() {
        lines.push("  certificate".to_owned());
        push_judgement(&mut lines, &report["certificate"], 2);
        lines.extend(status_line(&report["certificate"]["status"]).map(|line| format!("    status  {line}")));
        push_checks(&mut lines, &report["certificate"], 2);
    }
    lines.join("\n")
}
