//! `hufu check`: reads the configuration and the policies and says what is wrong with them; with `--production`, what a
//! trial installation must change before it serves in earnest. `hufu check policies` looks at a folder of policies alone.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, Subcommand};

use super::ledger;
use crate::{
    config::Config,
    policy::{PolicyErrors, PolicySet},
    services::{
        anchors::Anchors,
        notices::Notices,
        start::{read_or_shipped_policies, read_policies},
    },
    store,
    world::{Clock, SystemClock, millis},
};

/// For so long a notice that nobody took is worth a word.
const FAILED_NOTICES: time::Duration = time::Duration::days(30);

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Check {
    #[command(subcommand)]
    pub only: Option<Only>,
    /// A configuration file (TOML)
    #[arg(long, env = "HUFU_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// List what must change before production
    #[arg(long)]
    pub production: bool,
}

#[derive(Debug, Subcommand)]
pub enum Only {
    /// Check profiles, rules, quorums and caps, and print every fault with file and line
    Policies {
        /// A folder as policies/ is; default: that of the data directory, or what this program ships
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
        /// The data directory
        #[arg(long, value_name = "DIR", conflicts_with = "directory")]
        data: Option<PathBuf>,
        /// A configuration file (TOML)
        #[arg(long, env = "HUFU_CONFIG", value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

impl Check {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(Only::Policies { directory, data, config }) = self.only {
            return check_policies(directory, data, config);
        }
        let config = configuration(self.config, self.data)?;
        Notices::open(&config.notices).context("the notices")?;
        println!("configuration: good");
        if !config.data.exists() {
            println!("data: {} does not exist yet; the policies are those that this program ships", config.data.display());
        }
        println!("trust anchors: good, {} beside the installation's own", Anchors::open(config.anchors())?.all().len());
        print_policies(&read_or_shipped_policies(&config.data)?, &place_of_policies(&config.data));
        match failed_notices(&config).await {
            Ok(0) => {}
            Ok(failed) => println!("notices: {failed} of the last 30 days reached nobody; see `hufu list notices --where state=failed`"),
            Err(error) => println!("notices: the database was not asked: {error:#}"),
        }
        if !self.production {
            return Ok(ExitCode::SUCCESS);
        }
        let findings = production(&config)?;
        for finding in &findings {
            println!("must change: {finding}");
        }
        Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn configuration(file: Option<PathBuf>, data: Option<PathBuf>) -> anyhow::Result<Config> {
    let overrides = match data {
        Some(data) => serde_json::json!({"data": data}),
        None => serde_json::json!({}),
    };
    Ok(Config::load(file.as_deref(), overrides)?)
}

fn check_policies(directory: Option<PathBuf>, data: Option<PathBuf>, config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let (read, place) = match directory {
        Some(directory) => (read_policies(&directory).and_then(|files| Ok(PolicySet::parse(&files)?)), directory.display().to_string()),
        None => {
            let data = configuration(config, data)?.data;
            (read_or_shipped_policies(&data), place_of_policies(&data))
        }
    };
    match read {
        Ok(policies) => print_policies(&policies, &place),
        Err(error) => {
            for fault in &error.downcast::<PolicyErrors>()?.0 {
                println!("{place}/{fault}");
            }
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Which policies `read_or_shipped_policies` reads.
fn place_of_policies(data: &Path) -> String {
    let directory = data.join("policies");
    if directory.exists() { directory.display().to_string() } else { "those that this program ships".to_owned() }
}

fn print_policies(policies: &PolicySet, place: &str) {
    let names: Vec<&str> = policies.profiles().map(|profile| profile.name().as_str()).collect();
    println!("policies: good ({place}), digest {}, profiles {}", policies.digest(), names.join(", "));
}

/// Notices that were given up; none in an installation that is still to be made.
async fn failed_notices(config: &Config) -> anyhow::Result<i64> {
    if !config.data.exists() {
        return Ok(0);
    }
    let db = ledger::open(config).await?;
    let failed = store::notices::failed_since(&mut db.read().await?, millis(SystemClock.now() - FAILED_NOTICES)).await;
    db.close().await;
    Ok(failed?)
}

fn production(config: &Config) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut must = |broken: bool, what: &str| {
        if broken {
            findings.push(what.to_owned());
        }
    };
    must(
        config.data.join("keys/authority-root-p256-g1.key").exists(),
        "the roots' keys lie beside the service; a key ceremony keeps them offline",
    );
    must(
        config.data.join("keys/passphrase").exists(),
        "the passphrase lies beside the keys that it protects; hand it in by file, environment or credential",
    );
    must(config.passphrase()?.is_none(), "no passphrase is configured");
    must(config.base_url.is_none(), "base_url is not set, so certificates point to the address the service listens on");
    must(
        config.base_url.as_ref().is_some_and(|url| url.host_str().is_some_and(|host| host.parse::<std::net::IpAddr>().is_ok())),
        "base_url is an address; certificates outlive addresses",
    );
    must(config.data.join("claims.json").exists(), "claims.json is still there; remove it once both codes are used");
    must(config.database.is_none(), "the database is SQLite on one machine");
    must(
        config.notices.smtp.server.is_none() && config.notices.webhook.url.is_none(),
        "nobody is told when a certificate ends; configure notices.smtp or notices.webhook",
    );
    must(true, "no witness cosigns the ledger's checkpoints yet");
    Ok(findings)
}
