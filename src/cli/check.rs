//! `hufu check`: reads the configuration and the policies and says what is wrong with them; with `--production`, what a
//! trial installation must change before it serves in earnest.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use crate::{
    config::Config,
    services::{anchors::Anchors, start::read_or_shipped_policies},
};

#[derive(Debug, Args)]
pub struct Check {
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

impl Check {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let overrides = match &self.data {
            Some(data) => serde_json::json!({"data": data}),
            None => serde_json::json!({}),
        };
        let config = Config::load(self.config.as_deref(), overrides)?;
        println!("configuration: good");
        if !config.data.exists() {
            println!("data: {} does not exist yet; the policies are those that this program ships", config.data.display());
        }
        let policies = read_or_shipped_policies(&config.data)?;
        let names: Vec<&str> = policies.profiles().map(|profile| profile.name().as_str()).collect();
        println!("policies: good, digest {}, profiles {}", policies.digest(), names.join(", "));
        println!("trust anchors: good, {} beside the installation's own", Anchors::open(config.anchors())?.all().len());
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
    must(true, "no witness cosigns the ledger's checkpoints yet");
    Ok(findings)
}
