//! `hufu token`: an administrator gives a service that relies on the CA a token, and ends it.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Connection, decide};

#[derive(Debug, Subcommand)]
pub enum Token {
    /// Ask for a token, sign its grant, and print its secret, which is shown this once
    Add(AddToken),
    /// End a token with a signed statement
    Revoke(decide::Decide),
}

#[derive(Debug, Args)]
pub struct AddToken {
    /// What the service is called
    pub name: String,
    /// Whose records it may read (the department's id); without it, those of all
    #[arg(long)]
    pub department: Option<String>,
    /// verify, certificates:read or departments:read; may be given several times
    #[arg(long = "scope", required = true)]
    pub scopes: Vec<String>,
    /// How long it works, 1 to 400 [default: 90]
    #[arg(long)]
    pub days: Option<i64>,
    #[command(flatten)]
    pub connection: Connection,
}

impl Token {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.run().await,
            Self::Revoke(revoke) => revoke.run("revoke-token", None, None).await,
        }
    }
}

impl AddToken {
    async fn run(self) -> anyhow::Result<()> {
        let identity = self.connection.identity()?;
        let client = self.connection.client()?;
        let body = json!({"name": self.name, "department": self.department, "scopes": self.scopes, "days": self.days});
        let proposed = client.post("/api/v1/tokens", &body).await?;
        let granted = decide::decide(&client, &identity, "grant-token", text(&proposed, "id"), None, None).await?;
        self.connection
            .print(&granted, |token| format!("token {} until {}\n{}", text(token, "id"), text(token, "expires_at"), text(token, "secret")));
        Ok(())
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
