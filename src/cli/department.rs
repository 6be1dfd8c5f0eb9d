//! `hufu department`: an administrator proposes what becomes of departments, and signs it.
//!
//! What takes a second person waits for them: `hufu department sign` shows the change and signs it, too. Until then
//! `hufu department withdraw` takes it back.

use std::collections::BTreeMap;

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
    /// Move a department under another, or to the top
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
}

#[derive(Debug, Args)]
pub struct Rename {
    /// The department's id
    pub id: String,
    pub name: String,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub struct Names {
    /// The department's id
    pub id: String,
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
    #[command(flatten)]
    pub connection: Connection,
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
    pub connection: Connection,
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
                let (client, identity) = (add.connection.client()?, add.connection.identity()?);
                add.connection.print(&make(&client, &identity, &body).await?, summary);
                Ok(())
            }
            Self::Rename(rename) => rename.run().await,
            Self::Names(names) => names.run().await,
            Self::Move(moved) => amend(&moved.connection, &moved.id, &json!({"parent": moved.under})).await,
            Self::Merge(merge) => {
                let path = format!("/api/v1/departments/{}/merger", merge.id);
                let proposed = merge.connection.client()?.post(&path, &json!({"successor": merge.into})).await?;
                sign(&merge.connection, &proposed).await
            }
            Self::Sign(decide) => {
                let change = decide.connection.client()?.get(&format!("/api/v1/department-changes/{}", decide.id)).await?;
                let act = change["act"].as_str().context("the server's answer has no act")?;
                let answer = decide.execute(act, None, None).await?;
                decide.connection.print(&answer, summary);
                Ok(())
            }
            Self::Withdraw(Decide { id, connection, yes }) => {
                let (client, identity) = (connection.client()?, connection.identity()?);
                let draft = Draft::fetch(&client, "withdraw", &id, None, None).await?;
                eprintln!("{}\n{:#}\n", heading("withdraw", None, None), draft.shown);
                let answer = draft.hand_in(&client, &identity, yes, &format!("/api/v1/department-changes/{id}/withdrawal")).await?;
                connection.print(&answer, |answer| format!("withdraw: done  {}", answer["id"].as_str().unwrap_or_default()));
                Ok(())
            }
            Self::Show(department) => {
                let answer = department.connection.client()?.get(&format!("/api/v1/departments/{}", department.id)).await?;
                department.connection.print(&answer, |answer| format!("{answer:#}"));
                Ok(())
            }
            Self::List(list) => {
                let items = show::all(&list.connection.client()?, show::Kind::Departments, &[]).await?;
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
        amend(&self.connection, &self.id, &json!({"name": self.name, "organizations": organizations})).await
    }
}

impl Names {
    async fn run(self) -> anyhow::Result<()> {
        let now = self.connection.client()?.get(&format!("/api/v1/departments/{}", self.id)).await?;
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
        amend(&self.connection, &self.id, &body.into()).await
    }
}

/// Proposes a department and signs for it.
pub async fn make(client: &Client, identity: &Identity, body: &Value) -> anyhow::Result<Value> {
    let proposed = client.post("/api/v1/departments", body).await?;
    let id = proposed["id"].as_str().context("the server's answer has no id")?;
    decide::decide(client, identity, "define-department", id, None, None).await
}

async fn amend(connection: &Connection, id: &str, body: &Value) -> anyhow::Result<()> {
    let proposed = connection.client()?.patch(&format!("/api/v1/departments/{id}"), body).await?;
    sign(connection, &proposed).await
}

/// Signs what was proposed just now.
async fn sign(connection: &Connection, proposed: &Value) -> anyhow::Result<()> {
    let text = |member: &str| proposed[member].as_str().with_context(|| format!("the server's answer has no {member}"));
    let answer = decide::decide(&connection.client()?, &connection.identity()?, text("act")?, text("id")?, None, None).await?;
    connection.print(&answer, summary);
    Ok(())
}

fn summary(answer: &Value) -> String {
    let text = |member: &str| answer[member].as_str().unwrap_or_default();
    let name = answer["departments"][0]["after"]["name"].as_str().unwrap_or_default();
    if text("state") == "done" {
        return format!("{}: department {}  {name}", text("act"), text("department"));
    }
    let id = text("id");
    format!("{}: {name}: signed by you; it takes others, too:  hufu department sign {id}", text("act"))
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
