//! `hufu department`, `hufu officer`: an administrator makes a department and appoints its officers.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Connection, decide::Decide};

#[derive(Debug, Subcommand)]
pub enum Department {
    /// Make a department with the names it may certify
    Add(AddDepartment),
}

#[derive(Debug, Args)]
pub struct AddDepartment {
    /// The department's name
    pub name: String,
    /// An O value it may certify; default: its name
    #[arg(long = "organization")]
    pub organizations: Vec<String>,
    /// A DNS suffix it may certify
    #[arg(long = "dns")]
    pub dns: Vec<String>,
    /// A mail domain it may certify
    #[arg(long = "mail")]
    pub mail: Vec<String>,
    #[command(flatten)]
    pub connection: Connection,
}

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

impl Department {
    pub async fn run(self) -> anyhow::Result<()> {
        let Self::Add(add) = self;
        let organizations = if add.organizations.is_empty() { vec![add.name.clone()] } else { add.organizations };
        let body = json!({"name": add.name, "organizations": organizations, "dns": add.dns, "mail": add.mail});
        let answer = add.connection.client()?.post("/api/v1/departments", &body).await?;
        add.connection.print(&answer, |answer| format!("department {}  {}", id(answer), answer["name"].as_str().unwrap_or_default()));
        Ok(())
    }
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
