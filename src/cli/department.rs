//! `hufu department`: an administrator proposes what becomes of departments, and signs it.
//!
//! Each command shows what becomes of every department, asks, and signs that. What takes a second person waits for them:
//! `hufu department sign` shows the change and signs it, too. Until then `hufu department withdraw` takes it back.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    Connection,
    client::{Client, Identity},
    decide::{self, Decide, Draft, heading},
    show,
};

#[derive(Debug, Subcommand)]
pub enum Department {
    /// Make a department with the names it may certify
    Add(Add),
    /// Give a department another name; an O value that is its old name becomes the new one
    Rename(Rename),
    /// Give a department other names to certify, or take some from it
    Names(Names),
    /// Move a department under another, or to the top, with other names if those there are others
    Move(Move),
    /// Merge a department into another, which takes over its names, people and departments
    Merge(Merge),
    /// Sign a change that another proposed
    Sign(Decide),
    /// Take a change back that waits for others
    Withdraw(Decide),
    /// Show a department
    Show(Show),
    /// List all departments, each below the one that it lies in
    List(List),
}

#[derive(Debug, Args)]
pub struct Add {
    /// The department's name
    pub name: String,
    /// The department above it (its id); default: none
    #[arg(long, value_name = "DEPARTMENT")]
    pub parent: Option<String>,
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
    /// Do not ask before signing
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Rename {
    /// The department's id
    pub id: String,
    pub name: String,
    #[command(flatten)]
    pub connection: Connection,
    /// Do not ask before signing
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Names {
    /// The department's id
    pub id: String,
    #[command(flatten)]
    pub names: OtherNames,
    #[command(flatten)]
    pub connection: Connection,
    /// Do not ask before signing
    #[arg(long)]
    pub yes: bool,
}

/// What becomes of the names that a department may certify.
#[derive(Debug, Args)]
pub struct OtherNames {
    /// An O value that it may certify, too
    #[arg(long = "organization")]
    pub organizations: Vec<String>,
    /// A DNS suffix that it may certify, too
    #[arg(long = "dns")]
    pub dns: Vec<String>,
    /// A mail domain that it may certify, too
    #[arg(long = "mail")]
    pub mail: Vec<String>,
    /// An O value that it may not certify any more
    #[arg(long)]
    pub without_organization: Vec<String>,
    /// A DNS suffix that it may not certify any more
    #[arg(long)]
    pub without_dns: Vec<String>,
    /// A mail domain that it may not certify any more
    #[arg(long)]
    pub without_mail: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Move {
    /// The department's id
    pub id: String,
    /// The department above it afterwards (its id)
    #[arg(long, value_name = "DEPARTMENT", required_unless_present = "to_the_top", conflicts_with = "to_the_top")]
    pub under: Option<String>,
    /// No department is above it afterwards
    #[arg(long)]
    pub to_the_top: bool,
    #[command(flatten)]
    pub names: OtherNames,
    #[command(flatten)]
    pub connection: Connection,
    /// Do not ask before signing
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Merge {
    /// The department's id
    pub id: String,
    /// The department that it is merged into (its id)
    #[arg(long, value_name = "DEPARTMENT")]
    pub into: String,
    #[command(flatten)]
    pub connection: Connection,
    /// Do not ask before signing
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Show {
    /// The department's id
    pub id: String,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    pub connection: Connection,
}

impl Department {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => {
                let organizations = if add.organizations.is_empty() { vec![add.name.clone()] } else { add.organizations };
                let (name, parent, dns, mail) = (add.name, add.parent, add.dns, add.mail);
                let body = json!({"name": name, "parent": parent, "organizations": organizations, "dns": dns, "mail": mail});
                let proposed = add.connection.client()?.post("/api/v1/departments", &body).await?;
                sign_own(&add.connection, add.yes, &proposed).await
            }
            Self::Rename(rename) => rename.run().await,
            Self::Names(Names { id, names, connection, yes }) => {
                let body = names.amendment(&connection, &id).await?;
                amend(&connection, yes, &id, &body.into()).await
            }
            Self::Move(Move { id, under, names, connection, yes, .. }) => {
                let mut body = names.amendment(&connection, &id).await?;
                body.insert("parent".to_owned(), under.into());
                amend(&connection, yes, &id, &body.into()).await
            }
            Self::Merge(merge) => {
                let path = format!("/api/v1/departments/{}/merger", merge.id);
                let proposed = merge.connection.client()?.post(&path, &json!({"successor": merge.into})).await?;
                sign_own(&merge.connection, merge.yes, &proposed).await
            }
            Self::Sign(Decide { id, connection, yes }) => {
                let change = connection.client()?.get(&change_path(&id)).await?;
                let answer = sign(&connection, yes, &id, text(&change, "act")?).await?;
                connection.print(&answer, summary);
                Ok(())
            }
            Self::Withdraw(Decide { id, connection, yes }) => {
                let answer = sign(&connection, yes, &id, WITHDRAW).await?;
                connection.print(&answer, summary);
                Ok(())
            }
            Self::Show(department) => {
                let answer = department.connection.client()?.get(&format!("/api/v1/departments/{}", department.id)).await?;
                department.connection.print(&answer, |answer| format!("{answer:#}"));
                Ok(())
            }
            Self::List(list) => {
                let items = show::all(&list.connection.client()?, show::Kind::Departments, &[]).await?;
                if !list.connection.json {
                    eprintln!("{:<32}  name", "id");
                }
                list.connection.print(&Value::from(items), |items| tree(items).join("\n"));
                Ok(())
            }
        }
    }
}

impl Rename {
    async fn run(self) -> anyhow::Result<()> {
        let now = self.connection.client()?.get(&format!("/api/v1/departments/{}", self.id)).await?;
        let renamed = |value: &Value| if *value == now["name"] { Value::from(self.name.as_str()) } else { value.clone() };
        let organizations: Vec<Value> = now["organizations"].as_array().into_iter().flatten().map(renamed).collect();
        amend(&self.connection, self.yes, &self.id, &json!({"name": self.name, "organizations": organizations})).await
    }
}

impl OtherNames {
    /// The names of each kind that becomes another.
    async fn amendment(&self, connection: &Connection, id: &str) -> anyhow::Result<Map<String, Value>> {
        let now = connection.client()?.get(&format!("/api/v1/departments/{id}")).await?;
        let mut body = Map::new();
        for (member, more, fewer) in [
            ("organizations", &self.organizations, &self.without_organization),
            ("dns", &self.dns, &self.without_dns),
            ("mail", &self.mail, &self.without_mail),
        ] {
            let own: Vec<&str> = now[member].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            if let Some(missing) = fewer.iter().find(|name| !own.contains(&name.as_str())) {
                bail!("the department does not have the name {missing}");
            }
            let kept = own.into_iter().filter(|name| !fewer.iter().any(|gone| gone == name));
            let names: Vec<&str> = kept.chain(more.iter().map(String::as_str)).collect();
            if !more.is_empty() || !fewer.is_empty() {
                body.insert(member.to_owned(), names.into());
            }
        }
        Ok(body)
    }
}

/// Proposes a department and signs for it without asking: for programs and the demonstration.
pub async fn make(client: &Client, identity: &Identity, body: &Value) -> anyhow::Result<Value> {
    let proposed = client.post("/api/v1/departments", body).await?;
    decide::decide(client, identity, "define-department", text(&proposed, "id")?, None, None).await
}

async fn amend(connection: &Connection, yes: bool, id: &str, body: &Value) -> anyhow::Result<()> {
    let proposed = connection.client()?.patch(&format!("/api/v1/departments/{id}"), body).await?;
    sign_own(connection, yes, &proposed).await
}

/// Signs what was proposed just now.
async fn sign_own(connection: &Connection, yes: bool, proposed: &Value) -> anyhow::Result<()> {
    let id = text(proposed, "id")?;
    let signed = sign(connection, yes, id, text(proposed, "act")?).await;
    let answer = signed.inspect_err(|_| {
        eprintln!("proposed, and not signed; to sign it:  hufu department sign {id}  to take it back:  hufu department withdraw {id}");
    })?;
    connection.print(&answer, summary);
    Ok(())
}

const WITHDRAW: &str = "withdraw";
const MERGE: &str = "merge-department";

/// Shows a change, asks, and signs that it is done, or taken back.
async fn sign(connection: &Connection, yes: bool, id: &str, act: &str) -> anyhow::Result<Value> {
    let (client, identity) = (connection.client()?, connection.identity()?);
    let draft = Draft::fetch(&client, act, id, None, None).await?;
    let names = names(&client, &draft.shown).await?;
    let what = if act == WITHDRAW { ": what was proposed is not done" } else { "" };
    eprintln!("{}{what}\n{}", heading(act, None, None), lines(&draft.shown, &names).join("\n"));
    if act == MERGE {
        eprintln!("{}", ending(&client, id).await?.join("\n"));
    }
    eprintln!();
    let path = if act == WITHDRAW { "withdrawal" } else { "decision" };
    draft.hand_in(&client, &identity, yes, &format!("{}/{path}", change_path(id))).await
}

fn change_path(id: &str) -> String {
    format!("/api/v1/department-changes/{id}")
}

fn text<'a>(answer: &'a Value, member: &str) -> anyhow::Result<&'a str> {
    answer[member].as_str().with_context(|| format!("the server's answer has no {member}"))
}

/// What a change shows of a department, and what that is called. Two of them are departments by their id.
const MEMBERS: [(&str, &str); 6] =
    [("name", "name"), ("parent", "lies in"), ("organizations", "O"), ("dns", "DNS"), ("mail", "mail"), ("successor", "merged into")];

/// The names of the departments that a change speaks of by their id alone.
async fn names(client: &Client, shown: &Value) -> anyhow::Result<BTreeMap<String, String>> {
    let steps = shown["departments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let places = steps.iter().flat_map(|step| [&step["before"], &step["after"]]).flat_map(|one| [&one["parent"], &one["successor"]]);
    let places: BTreeSet<&str> = places.filter_map(Value::as_str).collect();
    let mut names = BTreeMap::new();
    for id in places {
        let department = client.get(&format!("/api/v1/departments/{id}")).await?;
        names.insert(id.to_owned(), text(&department, "name")?.to_owned());
    }
    Ok(names)
}

/// Each department with what becomes of it.
fn lines(shown: &Value, names: &BTreeMap<String, String>) -> Vec<String> {
    let word = |value: &Value| match value {
        Value::String(one) => names.get(one).map_or_else(|| one.clone(), |name| format!("{one} {name}")),
        Value::Array(many) if !many.is_empty() => many.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        _ => "-".to_owned(),
    };
    let mut lines = Vec::new();
    for step in shown["departments"].as_array().into_iter().flatten() {
        let (before, after) = (&step["before"], &step["after"]);
        let known = if before.is_null() { "a new one" } else { before["name"].as_str().unwrap_or_default() };
        lines.push(format!("department {}  {known}", step["department"].as_str().unwrap_or_default()));
        for (member, label) in MEMBERS {
            let (was, becomes) = (word(&before[member]), word(&after[member]));
            if before.is_null() && becomes != "-" {
                lines.push(format!("    {label}: {becomes}"));
            } else if was != becomes {
                lines.push(format!("    {label}: {was} → {becomes}"));
            }
        }
    }
    lines
}

/// What ends with the department that is merged, as things are now.
async fn ending(client: &Client, id: &str) -> anyhow::Result<Vec<String>> {
    let change = client.get(&change_path(id)).await?;
    let mut lines = Vec::new();
    let listed = |member: &str| change["ends"][member].as_array().cloned().unwrap_or_default();
    let roles = listed("roles").into_iter().map(|role| ("role", role));
    for (what, role) in roles.chain(listed("proposed").into_iter().map(|role| ("proposed role", role))) {
        let person = text(&role, "person")?;
        // Whoever signs need not know the officers of every department.
        let name = decide::name_of(client, &format!("officers/{person}")).await?.map(|name| format!("  {name}")).unwrap_or_default();
        lines.push(format!("ends: {what} {} of {person}{name}", text(&role, "role")?));
    }
    match change["ends"]["enrolments"].as_u64() {
        Some(0) | None => {}
        Some(1) => lines.push("ends: one open request".to_owned()),
        Some(open) => lines.push(format!("ends: {open} open requests")),
    }
    if lines.is_empty() {
        lines.push("nobody has a role in it or was proposed for one, and no request is open".to_owned());
    }
    Ok(lines)
}

fn summary(answer: &Value) -> String {
    let text = |member: &str| answer[member].as_str().unwrap_or_default();
    let name = answer["departments"][0]["after"]["name"].as_str().unwrap_or_default();
    let (act, id) = (text("act"), text("id"));
    match text("state") {
        "done" => format!("{act}: department {}  {name}", text("department")),
        "withdrawn" => format!("{act}: {name}: withdrawn; nobody signs it any more"),
        _ => format!("{act}: {name}: signed by you; it takes others, too:  hufu department sign {id}"),
    }
}

/// Each department on a line of its own, below the one that it lies in.
fn tree(items: &Value) -> Vec<String> {
    let mut below: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for item in items.as_array().into_iter().flatten() {
        let above = item["successor"].as_str().or(item["parent"].as_str()).unwrap_or_default();
        below.entry(above).or_default().push(item);
    }
    let mut lines = Vec::new();
    let mut waiting: Vec<(usize, &Value)> = below.remove("").unwrap_or_default().into_iter().rev().map(|top| (0, top)).collect();
    while let Some((depth, item)) = waiting.pop() {
        let id = item["id"].as_str().unwrap_or_default();
        let merged = if item["successor"].is_null() { "" } else { "  (merged)" };
        lines.push(format!("{id}  {}{}{merged}", "  ".repeat(depth), item["name"].as_str().unwrap_or_default()));
        waiting.extend(below.remove(id).unwrap_or_default().into_iter().rev().map(|item| (depth + 1, item)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_by_what_is_another_afterwards() {
        let department = |name: &str, parent: Option<&str>, dns: &[&str]| json!({"name": name, "parent": parent, "organizations": ["局"], "dns": dns, "mail": [], "successor": null});
        let shown = json!({"departments": [
            {"department": "a", "before": department("局", None, &["a.cn"]), "after": department("厅", Some("p"), &["a.cn", "b.cn"])},
            {"department": "b", "before": null, "after": department("处", Some("p"), &[])},
            {"department": "c", "before": department("科", Some("p"), &["c.cn"]), "after": department("科", Some("p"), &[])},
        ]});
        let names = BTreeMap::from([("p".to_owned(), "省".to_owned())]);
        let expected = [
            "department a  局",
            "    name: 局 → 厅",
            "    lies in: - → p 省",
            "    DNS: a.cn → a.cn, b.cn",
            "department b  a new one",
            "    name: 处",
            "    lies in: p 省",
            "    O: 局",
            "department c  科",
            "    DNS: c.cn → -",
        ];
        assert_eq!(lines(&shown, &names), expected);
    }

    #[test]
    fn departments_are_listed_each_below_the_one_that_it_lies_in() {
        let item = |id: &str, parent: Option<&str>, successor: Option<&str>| json!({"id": id, "name": id.to_uppercase(), "parent": parent, "successor": successor});
        let items = [
            item("a", Some("c"), None),
            item("b", None, Some("a")),
            item("c", None, None),
            item("d", Some("c"), None),
            item("e", None, None),
        ];
        let lines = tree(&Value::from(items.to_vec()));
        assert_eq!(lines, ["c  C", "a    A", "b      B  (merged)", "d    D", "e  E"]);
    }
}
