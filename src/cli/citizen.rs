//! `hufu citizen`: what an office does about citizens, and what citizens do for themselves.
//!
//! At the counter: `check`, `confirm`, `withdraw`. The citizen: `enrol` (or `hufu claim` with the code), `resume`,
//! `suspension-code`, `held`. Two for one: `contests`, `uphold`, `dismiss`. What is held: `export`, `erase`.

mod enrol;
mod proof;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

pub use enrol::Enrol;

use super::{Connection, decide::Decide};
use crate::crypto::digest::sha256;
use proof::Resume;

#[derive(Debug, Subcommand)]
pub enum Citizen {
    /// Record who somebody at the counter is, and sign that they were there
    Check(Check),
    /// Confirm what another officer recorded, with a signed statement; prints the code to hand out
    Confirm(Decide),
    /// Take back a record whose code was not used, with a signed statement
    Withdraw(Decide),
    /// Enrol oneself with the code from a counter, or with the proof that a login gave
    Enrol(Enrol),
    /// End the suspension of one's own certificate with a new proof of who one is
    Resume(Resume),
    /// Get a new suspension code for one's own certificate; the one before ends
    SuspensionCode(NewCode),
    /// Show everything that is held about oneself
    Held(Connection),
    /// List the contests of two enrolments for one citizen
    Contests(Connection),
    /// Find that the earlier certificate was obtained wrongly; two sign
    Uphold(Decide),
    /// Find that the earlier certificate stands; two sign
    Dismiss(Decide),
    /// Show two auditors, who sign, everything that is held about a person
    Export(Decide),
    /// Destroy what is held about a person, on their own statement or on those of two administrators
    Erase(Decide),
}

#[derive(Debug, Args)]
pub struct Check {
    /// The profile that the code will be for
    #[arg(long, default_value = "citizen")]
    pub profile: String,
    /// The id of the department whose counter it is
    #[arg(long)]
    pub department: Option<String>,
    /// The person's name, as it will stand in the certificate
    #[arg(long)]
    pub name: String,
    /// A mail address or telephone number (+86…) of the person that was verified elsewhere
    #[arg(long)]
    pub contact: String,
    /// A file of what was seen (a scan, a form): its SHA-256 is recorded, the file stays here
    #[arg(long, value_name = "FILE")]
    pub evidence: PathBuf,
    /// A file with the identity number; without one it is read from standard input, for arguments are seen by others
    #[arg(long, value_name = "FILE")]
    pub number_file: Option<PathBuf>,
    #[command(flatten)]
    pub connection: Connection,
    /// Do not ask before signing
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct NewCode {
    /// The certificate (its id)
    pub id: String,
    #[command(flatten)]
    pub connection: Connection,
}

impl Citizen {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Check(command) => command.run().await,
            Self::Confirm(command) => command.run("confirm-identity", None, None).await,
            Self::Withdraw(command) => command.run("withdraw-identity", None, None).await,
            Self::Enrol(command) => command.run().await,
            Self::Resume(command) => command.run().await,
            Self::SuspensionCode(command) => command.run().await,
            Self::Held(connection) => show(&connection, "/api/v1/citizens/self").await,
            Self::Contests(connection) => show(&connection, "/api/v1/citizens/contests").await,
            Self::Uphold(command) => command.run("uphold-contest", None, None).await,
            Self::Dismiss(command) => command.run("dismiss-contest", None, None).await,
            Self::Export(command) => command.run("export", None, None).await,
            Self::Erase(command) => command.run("erase", None, None).await,
        }
    }
}

impl Check {
    async fn run(self) -> anyhow::Result<()> {
        let evidence = std::fs::read(&self.evidence).with_context(|| format!("reading {}", self.evidence.display()))?;
        let number = read_number(self.number_file.as_deref())?;
        let body = json!({
            "profile": self.profile, "department": self.department, "name": self.name, "number": number.trim(),
            "contact": self.contact, "evidence": hex::encode(sha256(&evidence)),
        });
        let recorded = self.connection.client()?.post("/api/v1/citizens/checks", &body).await?;
        let id = recorded["id"].as_str().context("the server's answer has no id")?.to_owned();
        let decide = Decide { id, connection: self.connection, yes: self.yes };
        let answer = decide.execute("check-identity", None, None).await?;
        decide.connection.print(&answer, |_| {
            let id = &decide.id;
            format!("identity check {id}: recorded and signed by you\nnext: another officer runs  hufu citizen confirm {id}")
        });
        Ok(())
    }
}

/// Wiped once it was sent.
fn read_number(file: Option<&Path>) -> anyhow::Result<zeroize::Zeroizing<String>> {
    let mut number = zeroize::Zeroizing::new(String::new());
    match file {
        Some(file) => *number = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?,
        None => {
            eprint!("Identity number: ");
            std::io::stdin().read_line(&mut number)?;
        }
    }
    Ok(number)
}

impl NewCode {
    async fn run(self) -> anyhow::Result<()> {
        let answer = self.connection.client()?.post(&format!("/api/v1/certificates/{}/suspension-code", self.id), &json!({})).await?;
        self.connection.print(&answer, |answer| suspension_code(answer["suspension_code"].as_str().unwrap_or_default()));
        Ok(())
    }
}

async fn show(connection: &Connection, path: &str) -> anyhow::Result<()> {
    let answer: Value = connection.client()?.get(path).await?;
    connection.print(&answer, |answer| format!("{answer:#}"));
    Ok(())
}

/// How a code is shown whose only other copy will be on paper.
fn suspension_code(code: &str) -> String {
    format!("suspension code, to be kept on paper: {code}")
}
