//! `hufu revoke`: one certificate, a list of them, or what leavers hold; each by one signed statement. A list takes two
//! administrators: both run the same command, and the second of them revokes.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::{Args, builder::PossibleValuesParser};
use serde_json::{Value, json};

use super::{
    Connection, acknowledgement,
    client::{Client, Problem},
    decide::{AskedOfList, Decide, Draft, confirmed, first_words, heading, missing},
    roster::{counted, refuse_findings},
    show,
};
use crate::services::revoke::REASONS;

#[derive(Debug, Args)]
pub struct Revoke {
    /// The certificate (its id, serial number or fingerprint); several, by their ids, are revoked by one statement
    #[arg(required_unless_present_any = ["from", "csv", "filters"])]
    pub ids: Vec<String>,
    /// A file with one certificate a line, its id first, or `-` for standard input, which takes --yes
    #[arg(long, value_name = "FILE", conflicts_with = "ids")]
    pub from: Option<PathBuf>,
    /// A list of leavers (CSV with the column `number`): whatever these members of staff hold in the department
    #[arg(long, value_name = "FILE", requires = "department", conflicts_with_all = ["ids", "from", "filters"])]
    pub csv: Option<PathBuf>,
    /// The department of the leavers, by its id
    #[arg(long)]
    pub department: Option<String>,
    /// Every certificate that a list with this filter shows and that is not revoked, as signer=… or department=…; may be given
    /// several times
    #[arg(long = "where", value_name = "NAME=VALUE", conflicts_with_all = ["ids", "from"])]
    pub filters: Vec<String>,
    /// An RFC 5280 reason
    #[arg(long, default_value = "unspecified", value_parser = PossibleValuesParser::new(REASONS.iter().map(|(name, _)| *name)))]
    pub reason: String,
    /// Since when the key is not trusted, as 2030-01-01T00:00:00Z
    #[arg(long)]
    pub since: Option<String>,
    /// Begin another revocation of the same list beside one that waits with another reason or date
    #[arg(long)]
    pub anew: bool,
    #[command(flatten)]
    pub connection: Connection,
    /// Do not ask before signing
    #[arg(long)]
    pub yes: bool,
}

impl Revoke {
    pub async fn run(mut self) -> anyhow::Result<()> {
        // The answer to the question would have to come from where the list does.
        if !self.yes && self.from.as_deref() == Some(Path::new("-")) {
            bail!("--from - takes --yes, for standard input cannot hold both the list and your answer; nothing was signed");
        }
        let client = self.connection.client()?;
        if self.ids.len() == 1 {
            let found = client.get(&format!("/api/v1/certificates/{}", self.ids[0].to_ascii_lowercase())).await?;
            if let Some(warning) = of_authority(&found) {
                eprintln!("{warning}");
                let id = found["id"].as_str().context("the server's answer has no id")?.to_owned();
                return self.revoke(&client, &[id]).await;
            }
            let decide = Decide { id: self.ids.remove(0), connection: self.connection, yes: self.yes };
            return decide.run("revoke", Some(&self.reason), self.since.as_deref()).await;
        }
        let list = self.list(&client).await?;
        if list.is_empty() {
            self.connection.print(&json!({"items": 0}), |_| "nobody of these holds anything".to_owned());
            return Ok(());
        }
        self.revoke(&client, &list).await
    }

    async fn list(&self, client: &Client) -> anyhow::Result<Vec<String>> {
        if let (Some(csv), Some(department)) = (&self.csv, &self.department) {
            return holdings(client, csv, department).await;
        }
        if let Some(file) = &self.from {
            let mut text = String::new();
            match file == Path::new("-") {
                true => std::io::stdin().read_to_string(&mut text).map(drop)?,
                false => text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?,
            }
            return Ok(first_words(&text));
        }
        if self.ids.is_empty() {
            let mut items = show::all(client, show::Kind::Certificates, &self.filters).await?;
            items.retain(|item| matches!(item["status"].as_str(), Some("valid" | "suspended" | "promised")));
            return Ok(items.iter().filter_map(|item| item["id"].as_str()).map(str::to_owned).collect());
        }
        Ok(self.ids.clone())
    }

    async fn revoke(&self, client: &Client, list: &[String]) -> anyhow::Result<()> {
        let identity = self.connection.identity()?;
        let (reason, since) = (Some(self.reason.as_str()), self.since.as_deref());
        let asked = AskedOfList { act: "revoke", ids: list, reason, since, anew: self.anew };
        let draft = Draft::fetch_list(client, &asked).await.inspect_err(|error| {
            if error.downcast_ref::<Problem>().is_some_and(|problem| problem.code == "revocation-waits") {
                eprintln!("to sign the one that waits:  the same command with its --reason and --since  (hufu list revocations)");
                eprintln!("to begin another beside it:  the same command with --anew");
            }
        })?;
        eprintln!("{}: {}", heading("revoke", reason, since), kinds(list));
        for one in draft.shown.as_array().into_iter().flatten() {
            let text = |name: &str| one[name].as_str();
            let what = text("certificate").or(text("enrolment")).unwrap_or_default();
            eprintln!("  {what}  {}  {}", text("profile").unwrap_or_default(), text("subject").unwrap_or_default());
        }
        eprintln!("signed with: {}", identity.certificate().subject_text());
        if !self.yes && !confirmed()? {
            bail!("nothing was signed");
        }
        let answer = client.post("/api/v1/revocations", &json!({"list": list, "statement": draft.sign(&identity)?})).await?;
        let kept = acknowledgement::keep(&answer)?;
        self.connection.print(&answer, |answer| format!("{}{kept}", summary(answer)));
        Ok(())
    }
}

/// What is to be known before an authority is revoked; `None` of any other certificate.
fn of_authority(certificate: &Value) -> Option<String> {
    let count = certificate["depending"].as_u64()?;
    let kind = if certificate["profile"] == "root" { "a root" } else { "an issuing authority" };
    let below = counted(count, "certificate hangs", "certificates hang");
    Some(format!("this is the certificate of {kind}: {below} on it, and none is good once it is revoked; two administrators sign"))
}

/// What leavers hold, of which the list is made.
async fn holdings(client: &Client, csv: &Path, department: &str) -> anyhow::Result<Vec<String>> {
    let file = std::fs::read(csv).with_context(|| format!("reading {}", csv.display()))?;
    let path = format!("/api/v1/staff/holdings?department={department}");
    let answer: Value = serde_json::from_slice(&client.post_bytes(&path, "text/csv", file).await?)?;
    refuse_findings(&answer)?;
    let items: Vec<String> = answer["items"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let count = |name: &str| answer[name].as_u64().unwrap_or_default();
    let people = counted(count("lines"), "person holds", "people hold");
    let nothing = if count("without") == 0 || items.is_empty() { String::new() } else { format!("; {} of them nothing", count("without")) };
    eprintln!("{people} {}{nothing}", kinds(&items));
    Ok(items)
}

/// How many certificates a list has, and how many requests.
fn kinds(items: &[String]) -> String {
    // A digest is a certificate's, an identifier a request's.
    let certificates = items.iter().filter(|id| id.len() == 64).count() as u64;
    let requests = items.len() as u64 - certificates;
    let words = [counted(certificates, "certificate", "certificates"), counted(requests, "open request", "open requests")];
    let there = words.into_iter().zip([certificates, requests]).filter(|(_, count)| *count > 0).map(|(words, _)| words);
    let there: Vec<String> = there.collect();
    if there.is_empty() { "nothing".to_owned() } else { there.join(" and ") }
}

fn summary(answer: &Value) -> String {
    if answer["missing"].is_object() {
        return format!("recorded; waits for {}, who runs the same command", missing(&answer["missing"]));
    }
    let count = |name: &str| answer[name].as_u64().unwrap_or_default();
    let requests = counted(count("withdrawn"), "open request", "open requests");
    format!("{} revoked, {requests} closed", counted(count("revoked"), "certificate", "certificates"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_named_with_what_hangs_on_it() {
        let told = of_authority(&json!({"profile": "root", "depending": 12})).unwrap();
        assert!(told.contains("a root: 12 certificates hang on it"), "{told}");
        assert_eq!(of_authority(&json!({"profile": "staff"})), None);
    }

    #[test]
    fn a_list_is_counted_by_what_is_in_it() {
        let list = |certificates: usize, requests: usize| [vec!["c".repeat(64); certificates], vec!["e".repeat(32); requests]].concat();
        assert_eq!(kinds(&list(1, 0)), "1 certificate");
        assert_eq!(kinds(&[]), "nothing");
        assert_eq!(kinds(&list(2, 1)), "2 certificates and 1 open request");
        assert_eq!(summary(&json!({"revoked": 1, "withdrawn": 2})), "1 certificate revoked, 2 open requests closed");
    }
}
