//! `hufu suspend`: by a signed statement as holder or officer, or by the code that was printed at issue, from any machine.

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{
    Connection,
    client::{Client, Trust},
    decide::Decide,
};
use crate::services::codes::Code;

#[derive(Debug, Args)]
pub struct Suspend {
    /// The certificate (its id), to be suspended with a signed statement
    pub id: Option<String>,
    /// The suspension code that was printed when the certificate was issued: needs neither key nor certificate
    #[arg(long, conflicts_with = "id", env = "HUFU_SUSPENSION_CODE", hide_env_values = true)]
    pub code: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
    /// Do not ask before signing
    #[arg(long)]
    pub yes: bool,
}

impl Suspend {
    pub async fn run(self) -> anyhow::Result<()> {
        if let Some(code) = &self.code {
            return self.by_code(code).await;
        }
        let id = self.id.context("which certificate? Name its id, or type the suspension code with --code")?;
        Decide { id, connection: self.connection, yes: self.yes }.run("suspend", None, None).await
    }

    /// The code itself says which root the server must show, so that it is given to nobody else.
    async fn by_code(&self, code: &str) -> anyhow::Result<()> {
        let parsed = Code::parse(code).context("this is no suspension code")?;
        let client = Client::new(&self.connection.server, Trust::Pin(parsed.pin().to_vec()), None)?;
        let answer = client.post("/api/v1/suspensions", &json!({"code": parsed.reveal()})).await?;
        self.connection.print(&answer, |answer| answer["message"]["en"].as_str().unwrap_or_default().to_owned());
        Ok(())
    }
}
