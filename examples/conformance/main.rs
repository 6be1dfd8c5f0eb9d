//! Runs conformance cases through the library that the service uses, and prints one line of JSON a case.
//!
//! `conformance chains FILE` reads a document of x509-limbo's form, `conformance vectors FILE` lines of JSON, each with its `kind`.
//! `conformance limits FILE…` shows every parser the objects of these files and many more, and measures time and memory.

mod chains;
mod ledger;
mod limits;
mod parse;
mod revocation;
mod seeds;
mod signatures;

use std::io::Write;

use anyhow::{Context, bail};
use base64::prelude::*;
use serde_json::{Value, json};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, files @ ..] = &arguments[..]
        && command == "limits"
    {
        return limits::run(files);
    }
    let [command, file] = &arguments[..] else { bail!("usage: conformance chains|vectors FILE, conformance limits FILE…") };
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
    let mut out = std::io::stdout().lock();
    let mut print = |id: &Value, answer: Answer| writeln!(out, "{}", json!({"id": id, "actual": answer.actual, "context": answer.context}));
    match command.as_str() {
        "chains" => {
            let document: Value = serde_json::from_str(&text)?;
            for case in document["testcases"].as_array().context("no testcases")? {
                print(&case["id"], chains::judge(case))?;
            }
        }
        "vectors" => {
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let case: Value = serde_json::from_str(line)?;
                print(&case["id"], judge(&case))?;
            }
        }
        other => bail!("there is no command {other}"),
    }
    Ok(())
}

/// One case of whichever kind.
fn judge(case: &Value) -> Answer {
    match case["kind"].as_str().unwrap_or_default() {
        "ocsp" => revocation::ocsp(case),
        "ocsp-chain" => revocation::ocsp_chain(case),
        "crl" => revocation::crl(case),
        "inclusion" => ledger::inclusion(case),
        "consistency" => ledger::consistency(case),
        "checkpoint" | "note" => ledger::note(case),
        "ecdsa" | "eddsa" | "rsa" | "rsa-pss" => signatures::bare(case),
        "sm2" => signatures::sm2(case),
        "jws" => signatures::jws(case),
        "cms" => signatures::cms(case),
        "parse" => parse::judge(case),
        other => Answer::new("SKIPPED", format!("no such kind here: {other}")),
    }
}

/// A word of the contract, and why.
pub struct Answer {
    pub actual: &'static str,
    pub context: String,
}

impl Answer {
    pub fn new(actual: &'static str, context: impl std::fmt::Display) -> Self {
        Self { actual, context: context.to_string() }
    }

    /// `valid`, or `invalid` with the reason.
    pub fn valid<T, E: std::fmt::Display>(judged: Result<T, E>) -> Self {
        match judged {
            Ok(_) => Self::new("valid", ""),
            Err(error) => Self::new("invalid", error),
        }
    }
}

/// A member that is text.
pub fn text<'a>(case: &'a Value, member: &str) -> anyhow::Result<&'a str> {
    case[member].as_str().with_context(|| format!("no {member}"))
}

/// A member in base64.
pub fn octets(case: &Value, member: &str) -> anyhow::Result<Vec<u8>> {
    BASE64_STANDARD.decode(text(case, member)?).with_context(|| format!("{member} is not base64"))
}
