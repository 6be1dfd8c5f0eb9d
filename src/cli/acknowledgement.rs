//! Acknowledgements of revocations: kept in a file, and verified with the trust bundle.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use super::read_bundle;
use crate::{crypto::digest::sha256, files, policy::Acknowledgement};

/// Writes the acknowledgement in an answer to `{act}-{beginning of its digest}.jws` in the current directory, and says so.
pub fn keep(answer: &Value) -> anyhow::Result<String> {
    let Some(compact) = answer["acknowledgement"].as_str() else { return Ok(String::new()) };
    let read = Acknowledgement::parse(compact).context("the server's acknowledgement cannot be read")?;
    let name = format!("{}-{}.jws", read.payload().act, &hex::encode(sha256(compact.as_bytes()))[..16]);
    files::write(&PathBuf::from(&name), compact.as_bytes())?;
    Ok(format!("\nacknowledgement in {name}"))
}

#[derive(Debug, Args)]
pub struct VerifyAcknowledgement {
    /// The acknowledgement, as `hufu revoke` kept it
    pub file: PathBuf,
    /// The trust bundle (bundle.json)
    #[arg(long, env = "HUFU_TRUST", value_name = "FILE")]
    pub trust: PathBuf,
    /// Print what it says as JSON
    #[arg(long)]
    pub json: bool,
}

impl VerifyAcknowledgement {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let text = std::fs::read_to_string(&self.file).with_context(|| format!("reading {}", self.file.display()))?;
        let key = read_bundle(&self.trust)?.system_key().context("the trust bundle has no system key")?;
        let read = match Acknowledgement::parse(text.trim()).and_then(|read| read.verify(&key).map(|()| read)) {
            Ok(read) => read,
            Err(error) => {
                eprintln!("hufu: FAILED: {error}");
                return Ok(ExitCode::FAILURE);
            }
        };
        let payload = read.payload();
        if self.json {
            println!("{:#}", serde_json::to_value(payload)?);
            return Ok(ExitCode::SUCCESS);
        }
        println!("PASSED  {} {} at {}", payload.act, payload.about, payload.at);
        println!("  statement  {}", payload.statement);
        for leaves in &payload.leaves {
            println!("  {}  leaves {} to {}", leaves.origin, leaves.first, leaves.first + leaves.count - 1);
        }
        if payload.leaves.is_empty() {
            println!("  recorded; nothing was done yet, for more people must sign");
        }
        Ok(ExitCode::SUCCESS)
    }
}
