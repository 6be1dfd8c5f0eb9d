//! `/officers`: appointed by an administrator's signed grant.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

use super::{Authenticated, Body, Page, Paging, Query, page};
use crate::{
    http::{App, problem::Problem},
    policy::Missing,
    services::register::{Granted, Officer},
};

pub fn router() -> Router<App> {
    Router::new()
        .route("/officers", get(list).post(propose))
        .route("/officers/{id}", get(one).delete(dismiss))
        .route("/officers/{id}/grant", post(grant))
        .route("/officers/{id}/dismissal", post(dismiss))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    department: Option<String>,
    roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    pub statement: String,
}

#[derive(Serialize)]
struct View {
    id: String,
    name: String,
    department: Option<String>,
    /// `proposed` until a signed grant says otherwise.
    state: &'static str,
    roles: Vec<String>,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    officer: View,
    /// Shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<String>,
    /// Who must grant still.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Missing>,
}

impl From<Officer> for View {
    fn from(officer: Officer) -> Self {
        let (state, roles) = if officer.roles.is_empty() {
            ("proposed", officer.proposed.iter().map(ToString::to_string).collect())
        } else {
            ("appointed", officer.roles.iter().map(|grant| grant.role.to_string()).collect())
        };
        Self { id: officer.id.to_string(), name: officer.name, department: officer.department.map(|id| id.to_string()), state, roles }
    }
}

async fn propose(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    body: Body<New>,
) -> Result<(StatusCode, Json<View>), Problem> {
    let New { name, department, roles } = body.value;
    let officer = app.services.propose_officer(&caller, &name, department.as_deref(), &roles).await?;
    Ok((StatusCode::CREATED, Json(officer.into())))
}

async fn grant(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<(StatusCode, Json<Answer>), Problem> {
    let (status, officer, claim, missing) = match app.services.grant(&caller, &id, &body.value.statement).await? {
        Granted::Appointed(officer, code) => (StatusCode::CREATED, officer, Some(code.to_string()), None),
        Granted::Waiting(officer, missing) => (StatusCode::ACCEPTED, officer, None, Some(missing)),
    };
    Ok((status, Json(Answer { officer: officer.into(), claim, missing })))
}

async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<View>>, Problem> {
    let limit = paging.limit()?;
    app.services.check_read(&caller, None, None)?;
    let officers = app.services.officers(paging.cursor.as_deref(), limit).await?;
    let last = officers.last().map(|officer| officer.id.to_string());
    Ok(page(officers.into_iter().map(View::from).collect(), limit, last))
}

async fn one(State(app): State<App>, Authenticated(caller): Authenticated, Path(id): Path<String>) -> Result<Json<View>, Problem> {
    let officer = app.services.find_officer(&id).await?;
    let department = officer.department.map(|department| department.to_string());
    app.services.check_read(&caller, department.as_deref(), Some(&officer.id.to_string()))?;
    Ok(Json(officer.into()))
}

/// Ends an officer's roles on a signed statement.
async fn dismiss(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<StatusCode, Problem> {
    app.services.dismiss(&caller, &id, &body.value.statement).await?;
    Ok(StatusCode::NO_CONTENT)
}
