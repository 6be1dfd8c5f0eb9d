//! `/departments`.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use serde::{Deserialize, Serialize};

use super::{Authenticated, Body, Page, Paging, Query, page};
use crate::{
    http::{App, problem::Problem},
    services::{Error, register::NewDepartment},
    store::DepartmentRow,
};

pub fn router() -> Router<App> {
    Router::new().route("/departments", get(list).post(add)).route("/departments/{id}", get(one))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    #[serde(default)]
    organizations: Vec<String>,
    #[serde(default)]
    dns: Vec<String>,
    #[serde(default)]
    mail: Vec<String>,
}

#[derive(Serialize)]
struct View {
    id: String,
    name: String,
    organizations: Vec<String>,
    dns: Vec<String>,
    mail: Vec<String>,
}

impl View {
    async fn of(app: &App, row: DepartmentRow) -> Result<Self, Error> {
        let id = row.id.parse().map_err(|_| Error::Corrupt(format!("department {}", row.id)))?;
        let facts = app.services.department_facts(Some(id)).await?;
        Ok(Self { id: row.id, name: row.name, organizations: facts.organizations, dns: facts.dns_suffixes, mail: facts.mail_domains })
    }
}

async fn add(State(app): State<App>, Authenticated(caller): Authenticated, body: Body<New>) -> Result<(StatusCode, Json<View>), Problem> {
    let New { name, organizations, dns, mail } = body.value;
    let new = NewDepartment { name, organizations, dns, mail, idempotency_key: body.idempotency_key, request_digest: body.digest };
    let row = app.services.add_department(&caller, new).await?;
    Ok((StatusCode::CREATED, Json(View::of(&app, row).await?)))
}

async fn list(State(app): State<App>, Authenticated(_): Authenticated, Query(paging): Query<Paging>) -> Result<Json<Page<View>>, Problem> {
    let limit = paging.limit()?;
    let rows = app.services.departments(paging.cursor.as_deref(), limit).await?;
    let last = rows.last().map(|row| row.id.clone());
    let mut items = Vec::new();
    for row in rows {
        items.push(View::of(&app, row).await?);
    }
    Ok(page(items, limit, last))
}

async fn one(State(app): State<App>, Authenticated(_): Authenticated, Path(id): Path<String>) -> Result<Json<View>, Problem> {
    let row = app.services.find_department(&id).await?;
    Ok(Json(View::of(&app, row).await?))
}
