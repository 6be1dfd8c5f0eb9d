//! `/officers`: appointed by an administrator's signed grant.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Authenticated, Body, Page, Paging, Path, Query, WaitsView, page};
use crate::{
    http::{
        App,
        openapi::{Caller, Refused},
        problem::Problem,
    },
    services::{
        Error,
        register::{Granted, Officer},
    },
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list, propose)).routes(routes!(one, delete)).routes(routes!(grant)).routes(routes!(dismiss))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewOfficer)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    department: Option<String>,
    roles: Vec<String>,
}

/// How people decide: a statement v1 over what was drafted for them.
#[derive(Deserialize, ToSchema)]
#[schema(as = SignedStatement)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// A JWS in its compact form.
    pub statement: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Officer)]
struct View {
    id: String,
    name: String,
    department: Option<String>,
    department_name: Option<String>,
    /// `proposed` until a signed grant says otherwise, then `appointed`, and `dismissed` once a statement has ended the roles.
    state: &'static str,
    roles: Vec<String>,
    /// Of one whose grant waits.
    #[serde(flatten)]
    waits: WaitsView,
}

#[derive(Serialize, ToSchema)]
#[schema(as = GrantedOfficer)]
struct Answer {
    #[serde(flatten)]
    officer: View,
    /// Shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<String>,
}

impl From<Officer> for View {
    fn from(officer: Officer) -> Self {
        let (state, roles) = if !officer.roles.is_empty() {
            ("appointed", officer.roles.iter().map(|grant| grant.role.to_string()).collect())
        } else if officer.dismissed {
            ("dismissed", Vec::new())
        } else {
            ("proposed", officer.proposed.iter().map(ToString::to_string).collect())
        };
        let department = officer.department.map(|id| id.to_string());
        let (id, name) = (officer.id.to_string(), officer.name);
        Self { id, name, department, department_name: None, state, roles, waits: WaitsView::default() }
    }
}

impl View {
    /// With what the department is called, and who has granted what is proposed.
    async fn of(app: &App, officer: Officer) -> Result<Self, Error> {
        let department_name = match officer.department {
            Some(id) => Some(app.services.find_department(&id.to_string()).await?.name),
            None => None,
        };
        let waits = app.services.waits_for_grant(&officer).await?.map(WaitsView::from).unwrap_or_default();
        Ok(Self { department_name, waits, ..officer.into() })
    }
}

#[utoipa::path(
    post, path = "/officers", request_body = New,
    responses((status = 201, body = View), Caller, Refused<404>),
)]
async fn propose(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    body: Body<New>,
) -> Result<(StatusCode, Json<View>), Problem> {
    let New { name, department, roles } = body.value;
    let officer = app.services.propose_officer(&caller, &name, department.as_deref(), &roles).await?;
    Ok((StatusCode::CREATED, Json(officer.into())))
}

#[utoipa::path(
    post, path = "/officers/{id}/grant", request_body = Signed,
    responses(
        (status = 201, description = "appointed", body = Answer),
        (status = 202, description = "others must grant as well", body = Answer),
        Caller, Refused<409>, Refused<410>,
    ),
)]
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
    Ok((status, Json(Answer { officer: View { waits: WaitsView::still(missing), ..officer.into() }, claim })))
}

#[utoipa::path(get, path = "/officers", params(Paging), responses((status = 200, body = Page<View>), Caller))]
async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<View>>, Problem> {
    let limit = paging.limit()?;
    app.services.check_read(&caller, None, None).await?;
    let officers = app.services.officers(paging.cursor.as_deref(), limit).await?;
    let last = officers.last().map(|officer| officer.id.to_string());
    let mut items = Vec::new();
    for officer in officers {
        items.push(View::of(&app, officer).await?);
    }
    Ok(page(items, limit, last))
}

#[utoipa::path(get, path = "/officers/{id}", responses((status = 200, body = View), Caller))]
async fn one(State(app): State<App>, Authenticated(caller): Authenticated, Path(id): Path<String>) -> Result<Json<View>, Problem> {
    let officer = app.services.find_officer(&id).await?;
    let department = officer.department.map(|department| department.to_string());
    app.services.check_read(&caller, department.as_deref(), Some(&officer.id.to_string())).await?;
    Ok(Json(View::of(&app, officer).await?))
}

/// Ends an officer's roles on a signed statement.
#[utoipa::path(
    post, path = "/officers/{id}/dismissal", request_body = Signed,
    responses((status = 204), Caller, Refused<409>),
)]
async fn dismiss(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<StatusCode, Problem> {
    app.services.dismiss(&caller, &id, &body.value.statement).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same by its other name; not every client sends a body with DELETE.
#[utoipa::path(
    delete, path = "/officers/{id}", request_body = Signed,
    responses((status = 204), Caller, Refused<409>),
)]
async fn delete(app: State<App>, caller: Authenticated, id: Path<String>, body: Body<Signed>) -> Result<StatusCode, Problem> {
    dismiss(app, caller, id, body).await
}
