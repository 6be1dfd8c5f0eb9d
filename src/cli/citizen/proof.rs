//! What a citizen shows who cannot act with a certificate: the code from a counter, or the proof that a login gave.

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::suspension_code;
use crate::{
    cli::{
        Connection,
        client::{Client, Identity, Trust},
    },
    services::codes::Code,
};

/// A code names the root to trust; with a proof the roots come from a file.
pub enum Presented {
    Code(Code),
    Proof(String),
}

impl Presented {
    pub fn read(text: &str) -> anyhow::Result<Self> {
        let hexadecimal = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        match Code::parse(text) {
            Ok(code) => Ok(Self::Code(code)),
            Err(_) if hexadecimal => Ok(Self::Proof(text.to_ascii_lowercase())),
            Err(error) if Code::is_meant(text) => Err(error.into()),
            Err(_) => bail!("this is neither a code, seven groups of six letters and digits, nor a proof, 64 hexadecimal digits"),
        }
    }

    pub fn client(&self, connection: &Connection) -> anyhow::Result<Client> {
        match self {
            Self::Proof(_) => connection.client(),
            Self::Code(code) => {
                let identity = connection.identity.as_deref().map(Identity::load).transpose()?;
                Client::new(&connection.server, Trust::Pin(code.pin().to_vec()), identity.as_ref())
            }
        }
    }

    /// The proof, and the only profile that it counts for, if there is one. A code is used up by this.
    pub async fn proof(&self, client: &Client) -> anyhow::Result<(String, Option<String>)> {
        let code = match self {
            Self::Proof(proof) => return Ok((proof.clone(), None)),
            Self::Code(code) => code,
        };
        let answer = client.post("/api/v1/citizens/proofs", &json!({"code": code.reveal()})).await?;
        let proof = answer["proof"].as_str().context("the server's answer has no proof")?;
        Ok((proof.to_owned(), answer["profile"].as_str().map(str::to_owned)))
    }
}

#[derive(Debug, Args)]
pub struct Resume {
    /// The suspended certificate (its id)
    pub id: String,
    /// A code from a counter that is younger than the suspension, or the proof that a login gave
    pub code: String,
    /// The address of the API, https://…
    #[arg(long, env = "HUFU_SERVER", default_value = "https://127.0.0.1:8443")]
    pub server: String,
    /// With a proof: the roots (PEM) or the trust bundle to trust; a code names its root itself
    #[arg(long, env = "HUFU_TRUST", value_name = "FILE")]
    pub trust: Option<std::path::PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

impl Resume {
    pub async fn run(self) -> anyhow::Result<()> {
        let presented = Presented::read(&self.code)?;
        let connection = Connection { server: self.server, identity: None, trust: self.trust, json: self.json };
        let client = presented.client(&connection)?;
        let (proof, _) = presented.proof(&client).await?;
        let answer = client.post("/api/v1/citizens/resumptions", &json!({"proof": proof, "certificate": self.id})).await?;
        connection.print(&answer, |answer: &Value| {
            format!("resume: done\n{}", suspension_code(answer["suspension_code"].as_str().unwrap_or_default()))
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::SystemEntropy;

    #[test]
    fn a_code_and_a_proof_are_told_apart_and_nothing_else_is_sent() {
        let code = Code::generate(&[7; 32], &SystemEntropy).reveal();
        assert!(matches!(Presented::read(&code), Ok(Presented::Code(_))));
        assert!(matches!(Presented::read(&"0A".repeat(32)), Ok(Presented::Proof(proof)) if proof == "0a".repeat(32)));
        for wrong in ["", "00", &code[1..], &"0g".repeat(32)] {
            assert!(Presented::read(wrong).is_err(), "{wrong}");
        }
    }
}
