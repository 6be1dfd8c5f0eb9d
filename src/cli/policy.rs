//! `hufu policy`: hands in another version of the policy, and signs that it is put in force.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Connection, decide::Decide};
use crate::services::start::read_policies;

#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Hand in the policy of a folder; nothing changes until two people have signed it
    Propose(Propose),
    /// Sign that a version is put in force, by its digest
    Activate(Decide),
}

#[derive(Debug, Args)]
pub struct Propose {
    /// The folder: profiles/*.toml, rules/*.cedar with their schema, quorums.toml, caps.toml
    pub folder: PathBuf,
    #[command(flatten)]
    pub connection: Connection,
}

impl Policy {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Propose(propose) => propose.run().await,
            Self::Activate(decide) => decide.run("activate-policy", None, None).await,
        }
    }
}

impl Propose {
    async fn run(self) -> anyhow::Result<()> {
        let files: BTreeMap<String, String> = read_policies(&self.folder)?.into_iter().collect();
        let answer = self.connection.client()?.post("/api/v1/policies", &json!({"files": files})).await?;
        self.connection.print(&answer, |answer| {
            let digest = answer["digest"].as_str().unwrap_or_default();
            format!(
                "{}  {digest}\nnext, two people, one of whom audits:  hufu policy activate {digest}",
                answer["state"].as_str().unwrap_or_default()
            )
        });
        Ok(())
    }
}
