//! Reports on their way out: printed as text, JSON or a page, made here or asked of a server, with the exit code of their verdict.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::{Connection, client::Problem};
use crate::validation::page::{Section, page};

const FAILED: u8 = 1;
const INDETERMINATE: u8 = 2;
/// BSD sysexits.h EX_USAGE and EX_UNAVAILABLE.
const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 69;
/// Servers usually take no more: a connection that breaks while so much is sent was often ended for it.
const MUCH: usize = 512 * 1024;

/// How a report is printed, beside `--json`.
#[derive(Debug, Args)]
pub struct ReportForm {
    /// Print the report as a page (HTML)
    #[arg(long, conflicts_with = "json")]
    pub html: bool,
}

/// How a kind of report is said in text.
type Words = fn(&Value) -> String;

impl ReportForm {
    /// Prints a report that was made here.
    pub fn print<R>(&self, connection: &Connection, report: &R, now: OffsetDateTime, words: Words) -> anyhow::Result<ExitCode>
    where
        R: Serialize,
        for<'a> &'a R: Into<Section>,
    {
        let value = serde_json::to_value(report)?;
        if self.html {
            print!("{}", page(report, now))
        } else {
            connection.print(&value, words)
        }
        Ok(exit_code(value["verdict"].as_str()))
    }

    /// Prints what a server answers. One that gives no report has not said that anything failed, nor that it cannot be known.
    pub async fn ask(&self, connection: &Connection, path: &str, question: &Value, words: Words) -> ExitCode {
        let client = match connection.client_for_anybody() {
            Ok(client) => client,
            Err(error) => return usage(&error),
        };
        let answered = if self.html {
            client.post_for_page(path, question).await.map(|(page, verdict)| {
                print!("{page}");
                exit_code(verdict.as_deref())
            })
        } else {
            client.post(path, question).await.map(|answer| {
                connection.print(&answer, words);
                exit_code(answer["verdict"].as_str())
            })
        };
        answered.unwrap_or_else(|error| {
            eprintln!("hufu: {error:#}");
            if was_too_large(&error, question) {
                eprintln!(
                    "hufu: a server takes so much and no more (limits.signature_body); a bundle asks none (--trust bundle.json), \
                     and of a detached signature with --content only the digest is sent"
                );
            }
            ExitCode::from(UNAVAILABLE)
        })
    }
}

/// A server says so, or hangs up while it is sent.
fn was_too_large(error: &anyhow::Error, question: &Value) -> bool {
    match error.downcast_ref::<Problem>() {
        Some(problem) => problem.code == "body-too-large",
        None => question["signature"].as_str().is_some_and(|signature| signature.len() > MUCH),
    }
}

/// The exit code for a command that makes no sense or names what cannot be read.
pub fn usage(error: &anyhow::Error) -> ExitCode {
    eprintln!("hufu: {error:#}");
    ExitCode::from(USAGE)
}

/// A verdict that is not known says nothing.
pub fn exit_code(verdict: Option<&str>) -> ExitCode {
    match verdict {
        Some("PASSED") => ExitCode::SUCCESS,
        Some("FAILED") => ExitCode::from(FAILED),
        _ => ExitCode::from(INDETERMINATE),
    }
}
