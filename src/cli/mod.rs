//! The command line: one file a command. Reads arguments and files, asks the service or the pure folders, prints.
//!
//! Results go to standard output (as JSON with `--json`), everything else to standard error.

/// The files of this folder print with this one: whoever reads may have read enough, as `head` has, and then there is nothing left
/// to do.
macro_rules! println {
    ($($arguments:tt)*) => { $crate::cli::print_line(format_args!($($arguments)*)) };
}

pub mod acknowledgement;
pub mod bench;
pub mod check;
pub mod citizen;
pub mod claim;
pub mod client;
pub mod decide;
pub mod demo;
pub mod department;
pub mod enrol;
pub mod evidence;
pub mod ledger;
pub mod offline;
pub mod policy;
pub mod register;
pub mod renew;
pub mod report;
pub mod rereview;
pub mod revoke;
pub mod roster;
pub mod serve;
pub mod show;
pub mod sign;
pub mod source;
pub mod suspend;
pub mod time_stamp;
pub mod token;
pub mod verify;
pub mod verify_foreign;
pub mod verify_signature;
pub mod verify_timestamp;

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::{
    crypto::{Algorithm, algorithms},
    services::trust::TrustBundle,
    x509::Certificate,
};
use client::{Client, Identity, Trust};

/// The family of a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Family {
    P256,
    Sm2,
}

impl Family {
    pub fn algorithm(self) -> &'static dyn Algorithm {
        match self {
            Self::P256 => &algorithms::P256,
            Self::Sm2 => &algorithms::Sm2,
        }
    }
}

/// Which server, and as whom.
#[derive(Debug, Clone, Args)]
pub struct Connection {
    /// The address of the API, https://…
    #[arg(long, env = "HUFU_SERVER", default_value = "https://127.0.0.1:8443")]
    pub server: String,
    /// Certificate and key to act with: the name that NAME.crt and NAME.key share
    #[arg(long, env = "HUFU_IDENTITY", value_name = "NAME")]
    pub identity: Option<PathBuf>,
    /// What to trust: root certificates (PEM) or a trust bundle (bundle.json); default: trust.pem beside the identity
    #[arg(long, env = "HUFU_TRUST", value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

impl Connection {
    pub fn identity(&self) -> anyhow::Result<Identity> {
        Identity::load(self.identity.as_deref().context("this command needs --identity NAME, the name of NAME.crt and NAME.key")?)
    }

    /// The same for what anybody may ask. An identity that only the environment names and that cannot be read is then not needed; one
    /// that the command line names is.
    pub fn client_for_anybody(&self) -> anyhow::Result<Client> {
        let of_environment = std::env::var_os("HUFU_IDENTITY").map(PathBuf::from);
        match self.client() {
            Err(_) if self.identity.is_some() && self.identity == of_environment => {
                let without = Self { identity: None, trust: self.trust.clone().or_else(|| self.trust_beside()), ..self.clone() };
                without.client()
            }
            other => other,
        }
    }

    fn trust_beside(&self) -> Option<PathBuf> {
        self.identity.as_deref().map(|identity| identity.parent().unwrap_or(Path::new("")).join("trust.pem"))
    }

    /// A client that shows the identity's certificate, if one is named.
    pub fn client(&self) -> anyhow::Result<Client> {
        // A verdict over plain HTTP would be whoever's is on the way.
        if !self.server.starts_with("https://") {
            anyhow::bail!("{} is not the address of the API, which starts with https:// (--server, HUFU_SERVER)", self.server);
        }
        let identity = self.identity.as_deref().map(Identity::load).transpose()?;
        Client::new(&self.server, Trust::Roots(self.roots()?), identity.as_ref())
    }

    fn roots(&self) -> anyhow::Result<Vec<Certificate>> {
        let path = self
            .trust
            .clone()
            .or_else(|| self.trust_beside())
            .context("which roots to trust? Name them with --trust FILE, or act with --identity")?;
        let file = std::fs::read(&path).with_context(|| format!("reading {}, the roots to trust (--trust FILE)", path.display()))?;
        if is_bundle(&file) {
            return Ok(TrustBundle::parse(&file).with_context(|| format!("reading {}", path.display()))?.roots()?);
        }
        Ok(Certificate::parse_many(&file)?)
    }

    /// The trust bundle, when it is one that is trusted: what it takes to verify without asking anybody.
    pub fn bundle(&self) -> anyhow::Result<Option<TrustBundle>> {
        let Some(path) = &self.trust else { return Ok(None) };
        let file = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        if is_bundle(&file) { Ok(Some(read_bundle(path)?)) } else { Ok(None) }
    }

    /// Prints `value` as JSON, or what `text` makes of it.
    pub fn print(&self, value: &Value, text: impl FnOnce(&Value) -> String) {
        if self.json { println!("{value:#}") } else { println!("{}", text(value)) }
    }
}

/// What a shell says of a program that a closed pipe has ended: 128 and SIGPIPE.
const PIPE_CLOSED: i32 = 128 + 13;

fn print_line(line: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    match out.write_fmt(line).and_then(|()| out.write_all(b"\n")) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(PIPE_CLOSED),
        Err(error) => {
            eprintln!("hufu: writing the result: {error}");
            std::process::exit(1);
        }
    }
}

/// A bundle is JSON, certificates are PEM or DER.
fn is_bundle(file: &[u8]) -> bool {
    file.trim_ascii_start().first() == Some(&b'{')
}

/// A trust bundle from its file.
pub fn read_bundle(path: &Path) -> anyhow::Result<TrustBundle> {
    let file = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    if !is_bundle(&file) {
        anyhow::bail!("{} is not a trust bundle (bundle.json); certificates alone say nothing about logs", path.display());
    }
    TrustBundle::parse(&file).with_context(|| format!("{} is not a trust bundle", path.display()))
}

/// Logs go to standard error: a sentence and fields, as JSON with `HUFU_LOG_FORMAT=json`; `HUFU_LOG` filters them.
pub fn log_to_stderr() {
    use tracing_subscriber::{EnvFilter, fmt};
    let filter = EnvFilter::try_from_env("HUFU_LOG").unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let builder = fmt().with_env_filter(filter).with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
    // A second call, as in tests, keeps the first subscriber.
    let _ =
        if std::env::var("HUFU_LOG_FORMAT").is_ok_and(|format| format == "json") { builder.json().try_init() } else { builder.try_init() };
}
