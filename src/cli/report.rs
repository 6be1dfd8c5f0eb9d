//! Reports on their way out: printed as text, JSON or a page, made here or asked of a server, with the exit code of their verdict.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::Connection;
use crate::validation::page::{Section, page};

const FAILED: u8 = 1;
const INDETERMINATE: u8 = 2;
/// BSD sysexits.h EX_USAGE.
const USAGE: u8 = 64;

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

    /// Prints what a server answers. One that does not answer has not said that anything failed.
    pub async fn ask(&self, connection: &Connection, path: &str, question: &Value, words: Words) -> ExitCode {
        let client = match connection.client() {
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
            ExitCode::from(INDETERMINATE)
        })
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
