//! `hufu enrol`: hands in a request for a certificate, with certification requests made elsewhere, or a list of people.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{Connection, roster::Roster};

#[derive(Debug, Args)]
pub struct Enrol {
    /// The profile: staff, citizen, service …
    #[arg(long)]
    pub profile: String,
    /// The department's id
    #[arg(long)]
    pub department: Option<String>,
    /// An existing person (their id), of this department or of one that was merged into it; default: a new one
    #[arg(long)]
    pub person: Option<String>,
    /// A field of the subject, as CN=王芳; may be given several times
    #[arg(long = "field", value_name = "NAME=VALUE", value_parser = field)]
    pub fields: Vec<(String, String)>,
    /// An alternative name, as dns=www.example.gov or mail=a@example.gov or ip=192.0.2.1
    #[arg(long = "alternative-name", value_name = "KIND=VALUE", value_parser = field)]
    pub alternative_names: Vec<(String, String)>,
    /// A certification request (PEM or DER); one a family
    #[arg(long = "csr", value_name = "FILE", required_unless_present = "csv")]
    pub requests: Vec<PathBuf>,
    /// SHA-256 of the evidence of identity proofing, in hexadecimal
    #[arg(long)]
    pub evidence: Option<String>,
    /// A list of people (CSV): the column `number`, their employee number, and those that the profile takes from a request
    #[arg(long, value_name = "FILE", requires = "department", conflicts_with_all = ["person", "fields", "alternative_names", "requests", "evidence"])]
    pub csv: Option<PathBuf>,
    /// Say what is wrong with the list and what would be done, and do nothing
    #[arg(long, requires = "csv")]
    pub dry_run: bool,
    /// Enrol anew, with the data of the list, also those whose enrolment was rejected, withdrawn or expired, or whose certificates
    /// are all revoked or over; person and employee number stay
    #[arg(long, requires = "csv")]
    pub again: bool,
    #[command(flatten)]
    pub connection: Connection,
}

fn field(text: &str) -> Result<(String, String), String> {
    text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| "write it as NAME=VALUE".to_owned())
}

impl Enrol {
    pub async fn run(self) -> anyhow::Result<()> {
        if let (Some(csv), Some(department)) = (&self.csv, &self.department) {
            let roster = Roster { csv, profile: &self.profile, department, again: self.again };
            return if self.dry_run { roster.check(&self.connection).await } else { roster.enrol(&self.connection).await };
        }
        let mut requests = Vec::new();
        for path in &self.requests {
            let file = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            requests.push(pem(&file)?);
        }
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (kind, value) in &self.alternative_names {
            names.entry(kind).or_default().push(value);
        }
        let body = json!({
            "profile": self.profile, "department": self.department, "person": self.person,
            "subject": self.fields.iter().cloned().collect::<BTreeMap<_, _>>(),
            "alternative_names": names, "requests": requests, "evidence": self.evidence,
        });
        let answer = self.connection.client()?.post("/api/v1/enrolments", &body).await?;
        self.connection.print(&answer, |answer| {
            let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
            format!("enrolment {}  {}\nnext: another officer runs  hufu approve {}", text("id"), text("state"), text("id"))
        });
        Ok(())
    }
}

fn pem(file: &[u8]) -> anyhow::Result<String> {
    if file.first() == Some(&0x30) {
        return der::pem::encode_string("CERTIFICATE REQUEST", der::pem::LineEnding::LF, file).map_err(|error| anyhow::anyhow!("{error}"));
    }
    Ok(String::from_utf8(file.to_vec())?)
}
