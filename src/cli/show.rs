//! `hufu list | show`: reads records.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{Connection, client::Client};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Certificates,
    Enrolments,
    Departments,
    Officers,
    Authorities,
    Policies,
    Notices,
    Tokens,
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

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Self::Certificates => "/api/v1/certificates",
            Self::Enrolments => "/api/v1/enrolments",
            Self::Departments => "/api/v1/departments",
            Self::Officers => "/api/v1/officers",
            Self::Authorities => "/api/v1/authorities",
            Self::Policies => "/api/v1/policies",
            Self::Notices => "/api/v1/notices",
            Self::Tokens => "/api/v1/tokens",
            Self::Checks => "/api/v1/citizens/checks",
        }
    }
}

impl List {
    pub async fn run(self) -> anyhow::Result<()> {
        let items = all(&self.connection.client()?, self.kind.path(), &self.filters).await?;
        self.connection.print(&Value::from(items), |items| items.as_array().into_iter().flatten().map(line).collect::<Vec<_>>().join("\n"));
        Ok(())
    }
}

/// Every record of a list, page by page.
pub(super) async fn all(client: &Client, path: &str, filters: &[String]) -> anyhow::Result<Vec<Value>> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for filter in filters {
            let (name, value) = filter.split_once('=').ok_or_else(|| anyhow::anyhow!("write a filter as NAME=VALUE"))?;
            query.append_pair(name, value);
        }
        if let Some(cursor) = &cursor {
            query.append_pair("cursor", cursor);
        }
        let mut page = client.get(&format!("{path}?{}", query.finish())).await?;
        items.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(items);
        }
    }
}

impl Show {
    pub async fn run(self) -> anyhow::Result<()> {
        let answer = self.connection.client()?.get(&format!("{}/{}", self.kind.path(), self.id)).await?;
        self.connection.print(&answer, |answer| format!("{answer:#}"));
        Ok(())
    }
}

fn line(item: &Value) -> String {
    let text = |field: &str| item[field].as_str();
    let name = text("subject").or(text("name")).or(text("profile")).or(text("certificate")).or(text("recorded_at")).unwrap_or_default();
    let state = text("status").or(text("state")).unwrap_or_default();
    format!("{}  {:<10} {}", text("id").or(text("digest")).or(text("name")).unwrap_or_default(), state, name)
}
