//! `hufu evidence` fetches the evidence about a certificate as one file; `hufu verify evidence` judges the file by the trust
//! bundle alone.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{Connection, read_bundle};
use crate::{
    files,
    services::court::{
        Evidence,
        judge::{Capacity, Happened, Judgement, SignedBy, judge},
    },
    world::{Clock, SystemClock, seconds},
};

/// BSD sysexits.h EX_USAGE.
const USAGE: u8 = 64;

#[derive(Debug, Args)]
pub struct Fetch {
    /// The certificate (its id, fingerprint or serial number)
    pub id: String,
    /// Where to write the file, in the place of what is there; default: ID.evidence.json, if nothing is there
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub struct VerifyEvidence {
    /// The file that `hufu evidence` wrote
    pub file: PathBuf,
    /// The trust bundle (bundle.json), from the operator by a way that you trust
    #[arg(long, env = "HUFU_TRUST", value_name = "FILE")]
    pub trust: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

impl Fetch {
    pub async fn run(self) -> anyhow::Result<()> {
        let file = self.connection.client()?.get_bytes(&format!("/api/v1/certificates/{}/evidence", self.id.to_ascii_lowercase())).await?;
        let evidence = Evidence::parse(&file).context("the server's answer")?;
        let usual = PathBuf::from(format!("{}.evidence.json", evidence.about));
        if self.out.is_none() && usual.exists() {
            bail!("{} is there already; name a file with --out", usual.display());
        }
        let out = self.out.unwrap_or(usual);
        files::write(&out, &file)?;
        let answer = json!({"certificate": evidence.about, "file": out, "statements": evidence.statements.len()});
        self.connection.print(&answer, |_| {
            let out = out.display();
            format!("evidence about {}: {out}\nnext: hufu verify evidence {out} --trust bundle.json", evidence.about)
        });
        Ok(())
    }
}

impl VerifyEvidence {
    /// Exit codes: 0 everything holds, 1 something does not, 64 a file that cannot be read.
    pub fn run(self) -> ExitCode {
        let judged = match self.judge() {
            Ok(judged) => judged,
            Err(error) => {
                eprintln!("hufu: {error:#}");
                return ExitCode::from(USAGE);
            }
        };
        let value = view(&judged);
        println!("{}", if self.json { format!("{value:#}") } else { text(&judged) });
        if judged.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn judge(&self) -> anyhow::Result<Judgement> {
        let bundle = read_bundle(&self.trust)?;
        let file = std::fs::read(&self.file).with_context(|| format!("reading {}", self.file.display()))?;
        let evidence = Evidence::parse(&file).with_context(|| self.file.display().to_string())?;
        Ok(judge(&bundle, &evidence, seconds(SystemClock.now())))
    }
}

/// In one word, in Chinese and in English.
fn conclusion(judged: &Judgement) -> [&'static str; 3] {
    match (judged.is_genuine(), judged.holds()) {
        (true, true) => {
            ["genuine", "证据完整且真实:每一部分都与账本相符。", "The evidence is whole and genuine: every part is what the ledger says."]
        }
        (true, false) => [
            "key-not-trusted",
            "证据完整且真实,但有决定所依据的私钥在签署时已不可信:不能据此认定该证书系依规定决定。",
            "The evidence is whole and genuine, but a decision rests on a key that was not trusted when it signed: it is not proven that the certificate was well decided on.",
        ],
        (false, _) => [
            "altered",
            "证据有误:下列部分与账本不符或已被改动。",
            "The evidence does not hold: the parts named below are not what the ledger says.",
        ],
    }
}

fn view(judged: &Judgement) -> Value {
    let [reason, zh, en] = conclusion(judged);
    let verdict = if judged.holds() { "PASSED" } else { "FAILED" };
    let status = judged.status.as_ref().map(|(state, as_of)| json!({"state": state, "as_of": as_of}));
    json!({
        "verdict": verdict, "reason": reason, "message": {"zh": zh, "en": en}, "subject": judged.subject, "status": status,
        "distrusted": judged.distrusted, "remarks": judged.remarks, "events": judged.events, "signers": judged.signers,
        "parts": judged.parts,
    })
}

/// For people: what was found, then the story of the certificate and of whoever signed, then every part.
fn text(judged: &Judgement) -> String {
    let [_, zh, en] = conclusion(judged);
    let mut lines = vec![format!("{}\n  {zh}\n  {en}", if judged.holds() { "PASSED" } else { "FAILED" })];
    let remarks = judged.distrusted.iter().map(|remark| ("FAILED", remark)).chain(judged.remarks.iter().map(|remark| ("remark", remark)));
    lines.extend(remarks.map(|(kind, remark)| format!("  {kind:<12} {}\n               {}", remark.zh, remark.en)));
    lines.extend(judged.subject.iter().map(|subject| format!("  certificate  {subject}")));
    lines.extend(judged.status.iter().map(|(state, as_of)| format!("  status       {state}, as of {as_of}")));
    for event in &judged.events {
        lines.push(format!("  {}", happened(event)));
        lines.extend(event.signed_by.iter().map(|signed| format!("                 {}", signed_by(signed))));
    }
    for signer in &judged.signers {
        lines.push(format!("  signer       {}", signer.subject));
        lines.extend(signer.history.iter().map(|event| format!("                 {}", happened(event))));
    }
    for part in &judged.parts {
        lines.push(match &part.fault {
            None => format!("  passed  {}", part.part),
            Some(fault) => format!("  FAILED  {}: {fault}", part.part),
        });
    }
    lines.join("\n")
}

fn happened(event: &Happened) -> String {
    let reason = event.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let since = event.since.as_ref().map(|since| format!(", not trusted since {since}")).unwrap_or_default();
    format!("{:<12} {}{reason}{since}", event.event, event.at)
}

fn signed_by(signed: &SignedBy) -> String {
    let capacity = match &signed.capacity {
        Capacity::SystemKey => String::new(),
        Capacity::Holder => ", the holder".to_owned(),
        Capacity::Unproven => ", in an office that the file does not prove".to_owned(),
        Capacity::Officer(office) => {
            let of = office.department.as_deref().unwrap_or("the whole installation");
            let (roles, by) = (office.roles.join(" and "), office.appointed_by.join(" and "));
            format!(", {roles} of {of}, appointed {} by {by}", office.appointed)
        }
    };
    format!("{}: {}{capacity}", signed.act, signed.signer)
}
