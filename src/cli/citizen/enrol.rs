//! `hufu citizen enrol`, and `hufu claim` with a code from a counter: makes a key on this machine, enrols with what proves who
//! its owner is, and fetches the certificate.
//!
//! Key and application are on disk before they are sent, so the same command again goes on where the last one ended: after a
//! lost answer, or once an officer has decided.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::proof::Presented;
use crate::{
    cli::{
        Connection,
        claim::{Claim, request},
        client::Client,
    },
    crypto::{PrivateKey, algorithms},
    files,
};

/// How often, and how long apart, the answer is asked for: where the proof decides, it is there at once.
const ASKED: u32 = 6;
const APART: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct Enrol {
    #[command(flatten)]
    pub claim: Claim,
    /// The profile [default: the one that the code is for]
    #[arg(long)]
    pub profile: Option<String>,
    /// After a login: the department (its id) whose officers decide, where the proof does not
    #[arg(long)]
    pub department: Option<String>,
    /// A certificate (its id) of one's own that the new one takes the place of: acted with, or suspended
    #[arg(long, value_name = "ID")]
    pub replaces: Option<String>,
    /// Certificate and key to act with: as guardian, or as holder of the certificate that is replaced
    #[arg(long, value_name = "NAME")]
    pub identity: Option<PathBuf>,
    /// With a proof: the roots (PEM) or the trust bundle to trust; a code names its root itself
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
}

impl Enrol {
    /// With nothing but what `hufu claim` takes.
    pub fn of(claim: Claim) -> Self {
        Self { claim, profile: None, department: None, replaces: None, identity: None, trust: None }
    }

    pub async fn run(self) -> anyhow::Result<()> {
        let presented = Presented::read(&self.claim.code)?;
        let (server, json) = (self.claim.server.clone(), self.claim.json);
        let connection = Connection { server, identity: self.identity.clone(), trust: self.trust.clone(), json };
        let client = presented.client(&connection)?;
        let (key_file, application_file) = (self.claim.unnamed("key"), self.claim.unnamed("application"));
        let secret = self.claim.secret(&key_file)?;
        let key = algorithms::load_any(&secret)?;

        let application = self.application(&client, &presented, &*key, &application_file).await?;
        let submitted = client.post("/api/v1/citizens/enrolments", &application).await?;
        let enrolment = submitted["enrolment"].as_str().context("the server's answer has no enrolment")?;
        let collected = collect(&client, &application["proof"], enrolment).await?;
        let state = collected["state"].as_str().context("the server's answer has no state")?;
        match state {
            "submitted" => {
                let next = "run the same command again to collect the certificate";
                let mut waiting = submitted.clone();
                waiting["next"] = json!(next);
                connection.print(&waiting, |_| format!("enrolment {enrolment} waits for a decision; {next}"));
                return Ok(());
            }
            "issued" => self.claim.print(&self.claim.keep(&as_claimed(&collected), &secret, &*key)?),
            _ => {}
        }
        // It is decided, so nothing of it is sent again.
        for file in [key_file, application_file] {
            std::fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))?;
        }
        if state == "issued" { Ok(()) } else { bail!("the enrolment {enrolment} is {state}") }
    }

    /// The application of an earlier try, to be sent again octet for octet, or a new one. Its proof is used once, so that it is
    /// kept whatever else is asked for now.
    async fn application(
        &self,
        client: &Client,
        presented: &Presented,
        key: &dyn PrivateKey,
        file: &std::path::Path,
    ) -> anyhow::Result<Value> {
        let earlier: Option<Value> = match std::fs::read(file) {
            Ok(kept) => Some(serde_json::from_slice(&kept).with_context(|| format!("reading {}", file.display()))?),
            Err(_) => None,
        };
        let (proof, profile) = match &earlier {
            Some(earlier) if self.asks_for(earlier) => return Ok(earlier.clone()),
            Some(earlier) => {
                let text = |member: &str| earlier[member].as_str().map(str::to_owned);
                (text("proof").with_context(|| format!("{} holds no proof", file.display()))?, text("profile"))
            }
            None => presented.proof(client).await?,
        };
        let profile = self.profile.clone().or(profile).context("name the profile with --profile")?;
        let application = json!({
            "proof": proof, "profile": profile, "department": self.department, "replaces": self.replaces, "requests": [request(key)?],
        });
        files::write_private(file, application.to_string().as_bytes())?;
        Ok(application)
    }

    fn asks_for(&self, earlier: &Value) -> bool {
        let same = |member: &str, now: &Option<String>| earlier[member].as_str() == now.as_deref();
        let profile = self.profile.is_none() || same("profile", &self.profile);
        profile && same("department", &self.department) && same("replaces", &self.replaces)
    }
}

async fn collect(client: &Client, proof: &Value, enrolment: &str) -> anyhow::Result<Value> {
    let path = format!("/api/v1/citizens/enrolments/{enrolment}/collection");
    for _ in 1..ASKED {
        let collected = client.post(&path, &json!({"proof": proof})).await?;
        if collected["state"] != "submitted" {
            return Ok(collected);
        }
        tokio::time::sleep(APART).await;
    }
    client.post(&path, &json!({"proof": proof})).await
}

/// In the form of the answer to a claim.
fn as_claimed(collected: &Value) -> Value {
    let mut answer = collected["certificates"][0].clone();
    answer["name"] = json!("citizen");
    answer["roots"] = collected["roots"].clone();
    answer
}
