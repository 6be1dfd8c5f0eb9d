//! `hufu officer`: an administrator appoints officers.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Connection, decide::Decide};

#[derive(Debug, Subcommand)]
pub enum Officer {
    /// Propose an officer and sign the grant; it takes a second person, who signs with `hufu grant`
    Add(AddOfficer),
}

#[derive(Debug, Args)]
pub struct AddOfficer {
    /// The officer's name, as it will stand in the certificate
    pub name: String,
    /// The department's id
    #[arg(long)]
    pub department: Option<String>,
    /// administrator, registration-officer, approver or auditor
    #[arg(long = "role", required = true)]
    pub roles: Vec<String>,
    #[command(flatten)]
    pub connection: Connection,
    /// Do not ask before signing
    #[arg(long)]
    pub yes: bool,
}

impl Officer {
    pub async fn run(self) -> anyhow::Result<()> {
        let Self::Add(add) = self;
        let body = json!({"name": add.name, "department": add.department, "roles": add.roles});
        let officer = add.connection.client()?.post("/api/v1/officers", &body).await?;
        let decide = Decide { id: id(&officer), connection: add.connection.clone(), yes: add.yes };
        let granted = decide.execute("grant", None, None).await;
        let answer = granted.inspect_err(|_| eprintln!("proposed, and not granted; to take it back:  hufu dismiss {}", id(&officer)))?;
        add.connection.print(&answer, |answer| match answer["claim"].as_str() {
            Some(code) => {
                format!("officer {}\nclaim code (one use): {code}\nnext: on the officer's own machine  hufu claim {code}", id(&officer))
            }
            None => {
                let id = id(&officer);
                format!("officer {id}: proposed and granted by you; another person grants, too:  hufu grant {id}")
            }
        });
        Ok(())
    }
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_default().to_owned()
}
