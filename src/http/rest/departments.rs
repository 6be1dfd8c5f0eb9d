//! `/departments`.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Admitted, Authenticated, Body, IdempotencyKey, Page, Paging, Path, Query, page};
use crate::{
    http::{
        App,
        openapi::{Caller, Refused},
        problem::Problem,
    },
    services::{
        Error,
        callers::Identity,
        register::NewDepartment,
        tokens::{Scope, Token},
    },
    store::DepartmentRow,
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list, add)).routes(routes!(one))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewDepartment)]
#[serde(deny_unknown_fields)]
struct New {
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    #[serde(default)]
    #[schema(min_items = 1, required)]
    organizations: Vec<String>,
    #[serde(default)]
    dns: Vec<String>,
    #[serde(default)]
    mail: Vec<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Department)]
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

#[utoipa::path(
    post, path = "/departments", request_body = New, params(IdempotencyKey),
    responses((status = 201, body = View), Caller, Refused<409>),
)]
async fn add(State(app): State<App>, Authenticated(caller): Authenticated, body: Body<New>) -> Result<(StatusCode, Json<View>), Problem> {
    let New { name, organizations, dns, mail } = body.value;
    let new = NewDepartment { name, organizations, dns, mail, idempotency_key: body.idempotency_key, request_digest: body.digest };
    let row = app.services.add_department(&caller, new).await?;
    Ok((StatusCode::CREATED, Json(View::of(&app, row).await?)))
}

#[utoipa::path(get, path = "/departments", responses((status = 200, body = Page<View>), Caller))]
async fn list(State(app): State<App>, reader: Admitted, Query(paging): Query<Paging>) -> Result<Json<Page<View>>, Problem> {
    let limit = paging.limit()?;
    if let Identity::Service(Token { department: Some(own), .. }) = reader.within(Scope::DepartmentsRead)? {
        // Of one department there is one to list.
        let row = app.services.find_department(&own.to_string()).await?;
        return Ok(Json(Page { items: vec![View::of(&app, row).await?], next: None }));
    }
    let rows = app.services.departments(paging.cursor.as_deref(), limit).await?;
    let last = rows.last().map(|row| row.id.clone());
    let mut items = Vec::new();
    for row in rows {
        items.push(View::of(&app, row).await?);
    }
    Ok(page(items, limit, last))
}

#[utoipa::path(get, path = "/departments/{id}", responses((status = 200, body = View), Caller))]
async fn one(State(app): State<App>, reader: Admitted, Path(id): Path<String>) -> Result<Json<View>, Problem> {
    if let Identity::Service(token) = reader.within(Scope::DepartmentsRead)? {
        token.check_department(Some(&id))?;
    }
    let row = app.services.find_department(&id).await?;
    Ok(Json(View::of(&app, row).await?))
}
