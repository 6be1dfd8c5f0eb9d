//! A second opinion on every decision that the CA recorded: `replay DIR BUNDLE [--json]`.
//!
//! For an auditor who does not want to take `hufu ledger audit --decisions` at its word. DIR is what `hufu ledger export` wrote,
//! BUNDLE the trust bundle. This program shares no decision of the service's code. From its library it takes what reads
//! and checks octets: entries and checkpoints of the ledger, certificates, and the signatures on statements. All that decides is
//! written here once more: the order of events, what held when, who held which role, what the rules are told (they are
//! evaluated by the `cedar-policy` crate itself), how many people are enough, and what may be used once.
//!
//! It prints one line a violation, with the codes of docs/audit.md, and ends with 1 when there are any.
//!
//! Read `judge/mod.rs` first; `judge/policy.rs` has the rules and the counting, `judge/history.rs` what held when.

mod judge;

use std::{path::Path, process::ExitCode};

use anyhow::{Context, bail};

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (paths, options): (Vec<&String>, Vec<&String>) = arguments.iter().partition(|argument| !argument.starts_with("--"));
    let ([directory, bundle], true) = (&paths[..], options.iter().all(|option| *option == "--json")) else {
        bail!("usage: replay DIR BUNDLE [--json]");
    };
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
    let bundle = read(Path::new(bundle))?;
    let found = judge::replay(|file| read(&Path::new(directory).join(file)), &bundle, &mut judge::Versions::new())?;
    for violation in &found {
        match options.is_empty() {
            true => println!("{violation}"),
            false => println!("{}", violation.json()),
        }
    }
    if found.is_empty() {
        eprintln!("every decision follows");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{} violations", found.len());
    Ok(ExitCode::FAILURE)
}
