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
        Evidence, MOST_OCTETS,
        judge::{Judgement, judge},
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
        let evidence: Evidence = serde_json::from_slice(&file).context("the server's answer is no evidence")?;
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
        if judged.holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn judge(&self) -> anyhow::Result<Judgement> {
        let bundle = read_bundle(&self.trust)?;
        let file = std::fs::read(&self.file).with_context(|| format!("reading {}", self.file.display()))?;
        if file.len() > MOST_OCTETS {
            bail!("{} is larger than {MOST_OCTETS} octets", self.file.display());
        }
        let evidence: Evidence = serde_json::from_slice(&file).with_context(|| format!("{} is no evidence", self.file.display()))?;
        Ok(judge(&bundle, &evidence, seconds(SystemClock.now())))
    }
}

fn message(judged: &Judgement) -> [&'static str; 2] {
    match judged.holds {
        true => ["证据完整且真实:每一部分都与账本相符。", "The evidence is whole and genuine: every part is what the ledger says."],
        false => {
            ["证据有误:下列部分与账本不符或已被改动。", "The evidence does not hold: the parts named below are not what the ledger says."]
        }
    }
}

fn view(judged: &Judgement) -> Value {
    let [zh, en] = message(judged);
    let verdict = if judged.holds { "PASSED" } else { "FAILED" };
    let status = judged.status.as_ref().map(|(state, as_of)| json!({"state": state, "as_of": as_of}));
    json!({
        "verdict": verdict, "message": {"zh": zh, "en": en}, "subject": judged.subject, "status": status,
        "events": judged.events, "parts": judged.parts,
    })
}

/// For people: what was found, then the story of the certificate, then every part.
fn text(judged: &Judgement) -> String {
    let [zh, en] = message(judged);
    let mut lines = vec![format!("{}\n  {zh}\n  {en}", if judged.holds { "PASSED" } else { "FAILED" })];
    lines.extend(judged.subject.iter().map(|subject| format!("  certificate  {subject}")));
    lines.extend(judged.status.iter().map(|(state, as_of)| format!("  status       {state}, as of {as_of}")));
    for event in &judged.events {
        let reason = event.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let since = event.since.as_ref().map(|since| format!(", not trusted since {since}")).unwrap_or_default();
        lines.push(format!("  {:<12} {}{reason}{since}", event.event, event.at));
        lines.extend(event.signed_by.iter().map(|signer| format!("                 {signer}")));
    }
    for part in &judged.parts {
        lines.push(match &part.fault {
            None => format!("  passed  {}", part.part),
            Some(fault) => format!("  FAILED  {}: {fault}", part.part),
        });
    }
    lines.join("\n")
}
