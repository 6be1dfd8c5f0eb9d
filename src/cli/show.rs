//! `hufu list | show`: reads records.

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::{Connection, client::Client, decide::missing};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Certificates,
    Enrolments,
    Departments,
    DepartmentChanges,
    Officers,
    Authorities,
    Policies,
    Notices,
    Tokens,
    Statements,
    ReReviews,
    /// Revocations of lists that wait for others
    Revocations,
    /// Identity checks at a counter
    Checks,
}

#[derive(Debug, Args)]
pub struct List {
    #[arg(value_enum, default_value = "certificates")]
    pub kind: Kind,
    /// A filter, as status=revoked or department=…; may be given several times
    #[arg(long = "where", value_name = "NAME=VALUE")]
    pub filters: Vec<String>,
    /// Whose signature: a person's, or that of one certificate; of statements, or of the decisions on certificates
    #[arg(long, value_name = "PERSON|CERTIFICATE")]
    pub signer: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub struct Show {
    #[arg(value_enum)]
    pub kind: Kind,
    /// Its id; a certificate also by fingerprint or serial number
    pub id: String,
    #[command(flatten)]
    pub connection: Connection,
}

/// A kind of record: where it is listed, by what, and which of its members make a line. The first is the one that other commands take,
/// and stands there whole.
pub struct Listing {
    pub path: &'static str,
    pub filters: &'static [&'static str],
    columns: &'static [&'static str],
}

impl Kind {
    pub fn listing(self) -> Listing {
        let (path, filters, columns): (_, &[_], &[_]) = match self {
            Self::Certificates => (
                "certificates",
                &["serial", "fingerprint", "authority", "profile", "department", "person", "subject", "status", "expires_before", "signer"],
                &["id", "status", "profile", "not_after", "subject"],
            ),
            Self::Enrolments => ("enrolments", &["state", "department"], &["id", "state", "submitted_at", "profile", "person", "name"]),
            Self::Departments => ("departments", &[], &["id", "name", "organizations"]),
            Self::DepartmentChanges => (
                "department-changes",
                &["department"],
                &["id", "state", "proposed_at", "act", "department", "name", "signed_by", "missing"],
            ),
            Self::Officers => ("officers", &[], &["id", "state", "roles", "department", "department_name", "name", "signed_by", "missing"]),
            Self::Authorities => ("authorities", &[], &["name", "purpose", "not_after", "subject"]),
            Self::Policies => ("policies", &[], &["digest", "state", "recorded_at", "signed_by", "missing"]),
            Self::Notices => ("notices", &["state"], &["id", "state", "certificate", "days", "channel"]),
            Self::Tokens => ("tokens", &["department"], &["id", "state", "scopes", "name"]),
            Self::Statements => (
                "statements",
                &["signer", "act", "since"],
                &["about", "act", "items", "recorded_at", "log", "decisions", "certificate", "digest"],
            ),
            Self::Checks => ("citizens/checks", &["department", "state"], &["id", "state", "profile", "name"]),
            Self::ReReviews => ("re-reviews", &["certificate"], &["item", "state", "kind", "certificate", "since", "signed_by", "missing"]),
            Self::Revocations => ("revocations", &[], &["list", "items", "reason", "since", "signed_by", "missing", "ends_at"]),
        };
        Listing { path, filters, columns }
    }
}

impl List {
    pub async fn run(mut self) -> anyhow::Result<()> {
        self.filters.extend(self.signer.iter().map(|signer| format!("signer={signer}")));
        let items = all(&self.connection.client()?, self.kind, &self.filters).await?;
        if self.connection.json {
            println!("{:#}", Value::from(items));
            return Ok(());
        }
        let table = table(self.kind, &items);
        // Whatever takes a list takes its lines alone.
        eprintln!("{}", table.heading);
        table.lines.iter().for_each(|line| println!("{line}"));
        Ok(())
    }
}

/// Every record of a kind, page by page.
pub(super) async fn all(client: &Client, kind: Kind, filters: &[String]) -> anyhow::Result<Vec<Value>> {
    let listing = kind.listing();
    let filters: Vec<(&str, &str)> = filters.iter().map(|filter| listing.filter(filter)).collect::<anyhow::Result<_>>()?;
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&filters);
        if let Some(cursor) = &cursor {
            query.append_pair("cursor", cursor);
        }
        let mut page = client.get(&format!("/api/v1/{}?{}", listing.path, query.finish())).await?;
        items.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(items);
        }
    }
}

impl Listing {
    fn filter<'a>(&self, filter: &'a str) -> anyhow::Result<(&'a str, &'a str)> {
        let (name, value) = filter.split_once('=').context("write a filter as NAME=VALUE")?;
        // Not a filter, but how much comes at once.
        if self.filters.contains(&name) || name == "limit" {
            return Ok((name, value));
        }
        let known = if self.filters.is_empty() { "none".to_owned() } else { self.filters.join(", ") };
        bail!("{} have no filter {name:?}; those that there are: {known}", self.path)
    }
}

impl Show {
    pub async fn run(self) -> anyhow::Result<()> {
        let path = self.kind.listing().path;
        if matches!(self.kind, Kind::Statements | Kind::ReReviews | Kind::Revocations) {
            bail!("{path} have no address of their own: list them");
        }
        let answer = self.connection.client()?.get(&format!("/api/v1/{path}/{}", self.id)).await?;
        self.connection.print(&answer, |answer| format!("{answer:#}"));
        Ok(())
    }
}

/// Records as they are printed: one line each, its columns below each other and below their names, which are those of the members.
pub(super) struct Table {
    pub heading: String,
    pub lines: Vec<String>,
}

pub(super) fn table(kind: Kind, items: &[Value]) -> Table {
    let columns = kind.listing().columns;
    let names = columns.iter().map(|column| (*column).to_owned()).collect();
    let row = |item: &Value| {
        columns
            .iter()
            .enumerate()
            .map(|(place, column)| if place == 0 { cell(&item[column]) } else { short(cell(&item[column])) })
            .collect()
    };
    let rows: Vec<Vec<String>> = std::iter::once(names).chain(items.iter().map(row)).collect();
    let widths: Vec<usize> = (0..columns.len()).map(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = rows.iter().map(line);
    Table { heading: lines.next().unwrap_or_default(), lines: lines.collect() }
}

/// Of a digest its beginning, which tells it from others.
fn short(cell: String) -> String {
    match cell.len() == 64 && cell.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        true => format!("{}…", &cell[..16]),
        false => cell,
    }
}

/// A member in a line: what is absent is a hyphen, a list has commas in it, a state of a log its size; who must sign still is said in
/// words.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Object(people) if people.contains_key("people") => missing(value),
        Value::Object(log) => log.get("size").map(|size| format!("@{size}")).unwrap_or_default(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_filter_is_told_which_there_are() {
        let error = Kind::Enrolments.listing().filter("status=open").unwrap_err().to_string();
        assert_eq!(error, "enrolments have no filter \"status\"; those that there are: state, department");
        assert_eq!(Kind::Enrolments.listing().filter("state=a=b").unwrap(), ("state", "a=b"));
    }

    #[test]
    fn a_line_has_its_columns_below_those_of_the_others_and_below_their_names() {
        let items = [json!({"id": "a", "name": "民政局", "organizations": ["民政局", "老龄办"]}), json!({"id": "bbb", "name": "x"})];
        let Table { heading, lines } = table(Kind::Departments, &items);
        // A Chinese character is two columns wide.
        assert_eq!(heading, "id   name    organizations");
        assert_eq!(lines, ["a    民政局  民政局,老龄办", "bbb  x       -"]);
        assert_eq!(table(Kind::Tokens, &[]).heading, "id  state  scopes  name");
    }

    #[test]
    fn a_digest_is_whole_where_other_commands_take_it_and_short_elsewhere() {
        let digest = "ab".repeat(32);
        let items = [json!({"item": digest, "state": "open", "kind": "certificate", "certificate": digest})];
        let lines = table(Kind::ReReviews, &items).lines;
        assert_eq!(lines, [format!("{digest}  open   certificate  abababababababab…  -      -          -")]);
    }
}
