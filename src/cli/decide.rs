//! `hufu approve | reject | suspend | resume …`, and what `hufu revoke` rests on: fetches what there is to decide, shows it, signs a statement about
//! exactly that with the caller's own key, and hands the statement in.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{
    Connection, acknowledgement,
    client::{Client, Identity, Problem},
};
use crate::{
    policy::{About, Header, Payload, SignerReference, assemble, signing_input, statement, statement::list_root},
    x509::Certificate,
};

#[derive(Debug, Args)]
pub struct Decide {
    /// The id of what the command is about
    pub id: String,
    #[command(flatten)]
    pub connection: Connection,
    /// Do not ask before signing
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Approve {
    /// The enrolment (its id); several are approved by one statement
    #[arg(required_unless_present = "from")]
    pub ids: Vec<String>,
    /// A file with one enrolment a line, its id first, or `-` for standard input, which takes --yes: all by one statement
    #[arg(long, value_name = "FILE", conflicts_with = "ids")]
    pub from: Option<PathBuf>,
    #[command(flatten)]
    pub connection: Connection,
    /// Do not ask before signing
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Reject {
    #[command(flatten)]
    pub decide: Decide,
    /// Why, as a word of your own, as identity-not-proven, left-before-the-first-day or wrong-data: letters and hyphens
    #[arg(long)]
    pub reason: String,
}

/// The path that takes the statement, for each act.
fn path(act: &str, id: &str) -> anyhow::Result<String> {
    Ok(match act {
        "approve" => format!("/api/v1/enrolments/{id}/approvals"),
        "reject" => format!("/api/v1/enrolments/{id}/rejection"),
        "withdraw" => format!("/api/v1/enrolments/{id}/withdrawal"),
        "revoke" => format!("/api/v1/certificates/{id}/revocation"),
        "suspend" => format!("/api/v1/certificates/{id}/suspension"),
        "resume" => format!("/api/v1/certificates/{id}/resumption"),
        "re-review" => format!("/api/v1/certificates/{id}/re-review"),
        "grant" => format!("/api/v1/officers/{id}/grant"),
        "dismiss" => format!("/api/v1/officers/{id}/dismissal"),
        "activate-policy" => format!("/api/v1/policies/{id}/activation"),
        "define-department" | "change-department" | "merge-department" => format!("/api/v1/department-changes/{id}/decision"),
        "check-identity" => format!("/api/v1/citizens/checks/{id}/statement"),
        "confirm-identity" => format!("/api/v1/citizens/checks/{id}/confirmation"),
        "withdraw-identity" => format!("/api/v1/citizens/checks/{id}/withdrawal"),
        "uphold-contest" => format!("/api/v1/citizens/contests/{id}/upholding"),
        "dismiss-contest" => format!("/api/v1/citizens/contests/{id}/dismissal"),
        "export" => format!("/api/v1/citizens/{id}/export"),
        "erase" => format!("/api/v1/citizens/{id}/erasure"),
        "grant-token" => format!("/api/v1/tokens/{id}/grant"),
        "revoke-token" => format!("/api/v1/tokens/{id}/revocation"),
        other => bail!("there is no act {other:?}"),
    })
}

impl Approve {
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { ids, from, connection, yes } = self;
        // The answer to the question would have to come from where the list does.
        if !yes && from.as_deref() == Some(Path::new("-")) {
            bail!("--from - takes --yes, for standard input cannot hold both the list and your answer; nothing was signed");
        }
        let mut ids = match from {
            Some(file) => read_ids(&file)?,
            None => ids,
        };
        if ids.len() == 1 {
            return Decide { id: ids.remove(0), connection, yes }.run("approve", None, None).await;
        }
        let identity = connection.identity()?;
        let client = connection.client()?;
        let asked = AskedOfList { act: "approve", ids: &ids, reason: None, since: None, anew: false };
        let draft = Draft::fetch_list(&client, &asked).await?;
        eprintln!("You are about to sign: approve these {} enrolments", ids.len());
        for one in draft.shown.as_array().into_iter().flatten() {
            eprintln!("{}", one_line(one));
        }
        eprintln!("signed with: {}", identity.certificate().subject_text());
        if !yes && !confirmed()? {
            bail!("nothing was signed");
        }
        let answer = client.post("/api/v1/approvals", &json!({"list": ids, "statement": draft.sign(&identity)?})).await?;
        connection.print(&answer, |answer| {
            let count = |member: &str| answer[member].as_u64().unwrap_or_default();
            let failed = answer["failed"].as_array().map_or(0, Vec::len);
            let (issued, approved, waiting) = (count("issued"), count("approved"), count("waiting"));
            format!("{} signed for: {issued} issued, {approved} wait for their key, {waiting} for others, {failed} failed", count("items"))
        });
        Ok(())
    }
}

fn read_ids(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())?
    } else {
        std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?
    };
    Ok(first_words(&text))
}

/// The first word of each line, so that what `hufu list enrolments` prints can be handed in as it is.
pub(super) fn first_words(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// An enrolment of a list: what it is, to whom, and every name that the certificate will have beside the subject.
fn one_line(shown: &Value) -> String {
    let text = |member: &str| shown[member].as_str().unwrap_or_default();
    let mut line = format!("  {}  {}  {}", text("enrolment"), text("profile"), text("subject"));
    for (kind, names) in shown["alternative_names"].as_object().into_iter().flatten() {
        for name in names.as_array().into_iter().flatten().filter_map(Value::as_str) {
            line.push_str(&format!("  {kind}:{name}"));
        }
    }
    line
}

/// What those are called that the record names by their id: its department, and the people who may be known to whoever signs.
async fn names(client: &Client, shown: &Value) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    if let Some(id) = shown["department"].as_str() {
        names.push(format!("department: {}", name_of(client, &format!("departments/{id}")).await?.unwrap_or_default()));
    }
    if let Some(id) = shown["submitted_by"].as_str()
        && let Some(name) = name_of(client, &format!("officers/{id}")).await?
    {
        names.push(format!("submitted by: {name}"));
    }
    Ok(names)
}

/// The name of a record; `None` when the caller may not read it, or when it is no such record.
pub(super) async fn name_of(client: &Client, path: &str) -> anyhow::Result<Option<String>> {
    match client.get(&format!("/api/v1/{path}")).await {
        Ok(record) => Ok(record["name"].as_str().map(str::to_owned)),
        Err(error) if error.downcast_ref::<Problem>().is_some_and(|problem| matches!(problem.status, 403 | 404)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Decide {
    /// Shows, asks, signs, hands in, prints the answer.
    pub async fn run(self, act: &str, reason: Option<&str>, since: Option<&str>) -> anyhow::Result<()> {
        let answer = self.execute(act, reason, since).await?;
        let kept = acknowledgement::keep(&answer)?;
        self.connection.print(&answer, |answer| format!("{}{kept}", summary(act, answer)));
        Ok(())
    }

    /// The same without printing.
    pub async fn execute(&self, act: &str, reason: Option<&str>, since: Option<&str>) -> anyhow::Result<Value> {
        let identity = self.connection.identity()?;
        let client = self.connection.client()?;
        let id = self.resolve(&client, act).await?;
        let draft = Draft::fetch(&client, act, &id, reason, since).await?;
        eprintln!("{}\n{:#}", heading(act, reason, since), draft.shown);
        for line in names(&client, &draft.shown).await? {
            eprintln!("{line}");
        }
        eprintln!();
        draft.hand_in(&client, &identity, self.yes, &path(act, &id)?).await
    }

    /// The id that a statement is about; a certificate may also be named by its serial number or fingerprint.
    async fn resolve(&self, client: &Client, act: &str) -> anyhow::Result<String> {
        if !matches!(act, "revoke" | "suspend" | "resume" | "re-review") {
            return Ok(self.id.clone());
        }
        let found = client.get(&format!("/api/v1/certificates/{}", self.id.to_ascii_lowercase())).await?;
        found["id"].as_str().map(str::to_owned).context("the server's answer has no id")
    }
}

/// Signs and hands in without asking: for programs and the demonstration.
pub async fn decide(
    client: &Client,
    identity: &Identity,
    act: &str,
    id: &str,
    reason: Option<&str>,
    since: Option<&str>,
) -> anyhow::Result<Value> {
    let draft = Draft::fetch(client, act, id, reason, since).await?;
    client.post(&path(act, id)?, &json!({"statement": draft.sign(identity)?})).await
}

/// What is to be done to a list.
pub struct AskedOfList<'a> {
    pub act: &'a str,
    pub ids: &'a [String],
    pub reason: Option<&'a str>,
    pub since: Option<&'a str>,
    /// Although the same waits in other words.
    pub anew: bool,
}

/// What is to be signed, after this end has checked that it is about what was shown.
pub struct Draft {
    payload: Payload,
    pub shown: Value,
}

impl Draft {
    pub async fn fetch(client: &Client, act: &str, id: &str, reason: Option<&str>, since: Option<&str>) -> anyhow::Result<Self> {
        let answer = client.post("/api/v1/statements/drafts", &json!({"act": act, "about": id, "reason": reason, "since": since})).await?;
        Self::read(&answer, act, id, reason, since)
    }

    /// The draft of a renewal with the key of this request.
    pub async fn fetch_renewal(client: &Client, id: &str, csr: &str) -> anyhow::Result<Self> {
        let answer = client.post("/api/v1/statements/drafts", &json!({"act": "renew", "about": id, "csr": csr})).await?;
        Self::read(&answer, "renew", id, None, None)
    }

    fn read(answer: &Value, act: &str, id: &str, reason: Option<&str>, since: Option<&str>) -> anyhow::Result<Self> {
        let payload: Payload = serde_json::from_value(answer["payload"].clone()).context("the server's draft cannot be read")?;
        let salt = read_salt(answer)?;
        let shown = answer["shown"].clone();
        let asked = payload.about.to_string() == id && payload.act.as_str() == act;
        if !asked || payload.seen != statement::seen(&salt, &shown) {
            bail!("the server's draft is not about what it shows; nothing was signed");
        }
        check_words(&payload, reason, since)?;
        Ok(Self { payload, shown })
    }

    /// The draft of a statement over a list. Its `shown` is the list of what was shown of each.
    pub async fn fetch_list(client: &Client, asked: &AskedOfList<'_>) -> anyhow::Result<Self> {
        let &AskedOfList { act, ids, reason, since, anew } = asked;
        let body = json!({"act": act, "list": ids, "reason": reason, "since": since, "anew": anew});
        let answer = client.post("/api/v1/statements/drafts", &body).await?;
        let payload: Payload = serde_json::from_value(answer["payload"].clone()).context("the server's draft cannot be read")?;
        let items = answer["items"].as_array().context("the server's draft shows no items")?;
        let abouts: Vec<About> = ids.iter().map(|id| id.parse()).collect::<Result<_, _>>()?;
        let mut seen = Vec::new();
        for (id, item) in ids.iter().zip(items) {
            let salt = read_salt(item)?;
            seen.push(json!({kind(id): id, "seen": statement::seen(&salt, &item["shown"]).to_string()}));
        }
        let about_what_it_shows = items.len() == ids.len()
            && payload.act.as_str() == act
            && payload.about == list_root(&abouts)
            && payload.seen == statement::seen(&[0; 32], &json!({"list": seen}))
            && ids.iter().zip(items).all(|(id, item)| item["shown"][kind(id)] == **id);
        if !about_what_it_shows {
            bail!("the server's draft is not about what it shows; nothing was signed");
        }
        check_words(&payload, reason, since)?;
        Ok(Self { payload, shown: items.iter().map(|item| item["shown"].clone()).collect() })
    }

    /// Asks, unless that is answered already, signs and hands in. What is signed was shown before.
    pub async fn hand_in(&self, client: &Client, identity: &Identity, yes: bool, path: &str) -> anyhow::Result<Value> {
        eprintln!("signed with: {}", identity.certificate().subject_text());
        if !yes && !confirmed()? {
            bail!("nothing was signed");
        }
        client.post(path, &json!({"statement": self.sign(identity)?})).await
    }

    pub fn sign(&self, identity: &Identity) -> anyhow::Result<String> {
        let algorithm = identity.key.public_key().algorithm();
        let header = Header { algorithm, signer: SignerReference::certificate(identity.certificate().der()) };
        let input = signing_input(&header, &self.payload);
        Ok(assemble(&input, algorithm, &identity.key.sign(input.as_bytes())?)?)
    }
}

/// What an item of a list is: a digest is a certificate's, an identifier an enrolment's.
fn kind(id: &str) -> &'static str {
    if id.len() == 64 { "certificate" } else { "enrolment" }
}

fn check_words(payload: &Payload, reason: Option<&str>, since: Option<&str>) -> anyhow::Result<()> {
    let same = |signed: Option<String>, asked: Option<&str>| signed.as_deref() == asked;
    if !same(payload.reason.as_ref().map(ToString::to_string), reason) || !same(payload.since.map(|since| since.to_string()), since) {
        bail!("the server's draft has another reason or date than asked; nothing was signed");
    }
    Ok(())
}

fn read_salt(shown: &Value) -> anyhow::Result<[u8; 32]> {
    let salt = hex::decode(shown["salt"].as_str().unwrap_or_default()).ok().and_then(|salt| salt.try_into().ok());
    salt.context("the server's draft has no salt")
}

pub(super) fn heading(act: &str, reason: Option<&str>, since: Option<&str>) -> String {
    let mut heading = format!("You are about to sign: {act}");
    if let Some(reason) = reason {
        heading.push_str(&format!(", reason {reason}"));
    }
    if let Some(since) = since {
        heading.push_str(&format!(", since {since}"));
    }
    heading
}

pub(super) fn confirmed() -> anyhow::Result<bool> {
    eprint!("Sign? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn summary(act: &str, answer: &Value) -> String {
    let waits = match (answer["missing"].is_object(), answer["state"] == "one-more") {
        (true, _) => Some(missing(&answer["missing"])),
        (false, true) => Some("one more person".to_owned()),
        (false, false) => None,
    };
    let mut lines = vec![match &waits {
        Some(who) => format!("{act}: recorded; waits for {who}"),
        None => format!("{act}: done"),
    }];
    for pem in answer["certificates"].as_array().into_iter().flatten().filter_map(|certificate| certificate["pem"].as_str()) {
        if let Ok(certificates) = Certificate::parse_many(pem.as_bytes()) {
            lines.push(format!("issued {}  {}", certificates[0].id(), certificates[0].subject_text()));
        }
    }
    if let Some(code) = answer["claim"].as_str() {
        lines.push(format!("claim code (one use): {code}"));
    }
    if let (Some(code), Some(from), Some(end)) = (answer["code"].as_str(), answer["works_from"].as_str(), answer["expires_at"].as_str()) {
        lines.push(format!("code, for the person alone (one use, from {from} to {end}): {code}"));
        lines.push(format!("next: on the person's own machine  hufu claim {code}"));
    }
    if act == "resume" && waits.is_none() {
        let id = answer["id"].as_str().unwrap_or_default();
        lines
            .push(format!("next: a suspension code that was used is gone; the holder makes a new one:  hufu citizen suspension-code {id}"));
    }
    if act == "export" && waits.is_none() {
        lines.push(format!("{answer:#}"));
    }
    lines.join("\n")
}

/// Who must sign still: so many people, and what some of them must be.
pub(super) fn missing(missing: &Value) -> String {
    let count = |kind: &str| missing[kind].as_u64().unwrap_or_default();
    let kinds = [
        ("administrators", "an administrator", "administrators"),
        ("audit", "an auditor", "auditors"),
        ("outside", "from outside the department", "from outside the department"),
        ("departments", "from another department", "from other departments"),
    ];
    let people = kinds.iter().map(|(kind, ..)| count(kind)).chain([count("people")]).max().unwrap_or_default();
    let said = kinds.iter().filter(|(kind, ..)| count(kind) > 0).map(|(kind, one, more)| match count(kind) {
        _ if people == 1 => (*one).to_owned(),
        1 => format!("one of them {one}"),
        number => format!("{number} of them {more}"),
    });
    let who = if people == 1 { "one more person".to_owned() } else { format!("{people} more people") };
    std::iter::once(who).chain(said).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_must_sign_still_is_said_in_words() {
        let words = |people: u64, administrators: u64, outside: u64| {
            missing(&json!({"people": people, "administrators": administrators, "outside": outside}))
        };
        assert_eq!(words(1, 0, 0), "one more person");
        assert_eq!(words(0, 1, 0), "one more person, an administrator");
        assert_eq!(words(1, 1, 1), "one more person, an administrator, from outside the department");
        assert_eq!(words(3, 2, 1), "3 more people, 2 of them administrators, one of them from outside the department");
    }

    #[test]
    fn each_of_a_list_is_shown_with_every_name_that_it_will_have() {
        let names = json!({"dns": ["a.cn", "b.cn"], "email": ["wang@a.cn"]});
        let shown = json!({"enrolment": "e1", "profile": "staff", "subject": "CN=王芳", "alternative_names": names});
        assert_eq!(one_line(&shown), "  e1  staff  CN=王芳  dns:a.cn  dns:b.cn  email:wang@a.cn");
        assert_eq!(one_line(&json!({"enrolment": "e1", "profile": "staff", "subject": "CN=王芳"})), "  e1  staff  CN=王芳");
    }

    #[test]
    fn a_list_of_enrolments_is_read_as_it_is_printed() {
        assert_eq!(first_words("aa  submitted  staff\n\n  bb\ncc"), ["aa", "bb", "cc"]);
    }
}
