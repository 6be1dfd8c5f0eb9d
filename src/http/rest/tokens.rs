//! `/tokens`: how services that rely on us say who they are. Asked for and granted by an administrator.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Authenticated, Body, Page, Paging, Path, Query, officers::Signed, page};
use crate::{
    http::{
        App,
        openapi::{Caller, Refused},
        problem::Problem,
    },
    policy::DepartmentId,
    services::{
        tokens::{NewToken, Token},
        verify::rfc3339,
    },
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list, propose)).routes(routes!(one)).routes(routes!(grant)).routes(routes!(revoke))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewToken)]
#[serde(deny_unknown_fields)]
struct New {
    /// What the service is called.
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// Whose records it may read; absent: those of all departments.
    department: Option<String>,
    /// Of `verify`, `certificates:read`, `departments:read`.
    #[schema(min_items = 1)]
    scopes: Vec<String>,
    /// How long it works; 90 unless said.
    #[schema(minimum = 1, maximum = 400)]
    days: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
struct View {
    id: String,
    name: String,
    department: Option<String>,
    scopes: Vec<String>,
    /// `proposed`, `granted`, `revoked` or `expired`.
    state: &'static str,
    expires_at: String,
}

#[derive(Serialize, ToSchema)]
struct GrantedToken {
    #[serde(flatten)]
    token: View,
    /// Shown this once: what `Authorization: Bearer` takes.
    secret: String,
}

impl View {
    fn of(app: &App, token: &Token) -> Self {
        Self {
            id: token.id.clone(),
            name: token.name.clone(),
            department: token.department.map(|department| department.to_string()),
            scopes: token.scopes.iter().map(ToString::to_string).collect(),
            state: token.state(app.services.now()),
            expires_at: rfc3339(token.expires_at),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
    /// Its id; absent: the department that the caller works for, where it is one.
    #[param(value_type = Option<String>, pattern = "^[0-9a-f]{32}$")]
    department: Option<DepartmentId>,
}

/// Asks for a token; it works once a signed statement grants it.
#[utoipa::path(post, path = "/tokens", request_body = New, responses((status = 201, body = View), Caller, Refused<404>))]
async fn propose(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    body: Body<New>,
) -> Result<(StatusCode, Json<View>), Problem> {
    let New { name, department, scopes, days } = body.value;
    let token = app.services.propose_token(&caller, NewToken { name, department, scopes, days }).await?;
    Ok((StatusCode::CREATED, Json(View::of(&app, &token))))
}

/// Grants a token on a signed statement (`grant-token`), and answers its secret.
#[utoipa::path(
    post, path = "/tokens/{id}/grant", request_body = Signed,
    responses((status = 201, body = GrantedToken), Caller, Refused<409>),
)]
async fn grant(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<Response, Problem> {
    let (token, secret) = app.services.grant_token(&caller, &id, &body.value.statement).await?;
    let view = GrantedToken { token: View::of(&app, &token), secret: secret.reveal().to_string() };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

/// Ends a token on a signed statement (`revoke-token`).
#[utoipa::path(
    post, path = "/tokens/{id}/revocation", request_body = Signed,
    responses((status = 200, body = View), Caller, Refused<409>),
)]
async fn revoke(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<Json<View>, Problem> {
    let token = app.services.revoke_token(&caller, &id, &body.value.statement).await?;
    Ok(Json(View::of(&app, &token)))
}

#[utoipa::path(get, path = "/tokens", params(Filter), responses((status = 200, body = Page<View>), Caller))]
async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<View>>, Problem> {
    let limit = Paging { cursor: None, limit: filter.limit }.limit()?;
    let department = filter.department.map(|id| id.to_string()).or_else(|| app.services.usual_department(&caller));
    app.services.check_read(&caller, department.as_deref(), None).await?;
    let tokens = app.services.tokens(department.as_deref(), filter.cursor.as_deref(), limit).await?;
    let last = tokens.last().map(|token| token.id.clone());
    Ok(page(tokens.iter().map(|token| View::of(&app, token)).collect(), limit, last))
}

#[utoipa::path(get, path = "/tokens/{id}", responses((status = 200, body = View), Caller))]
async fn one(State(app): State<App>, Authenticated(caller): Authenticated, Path(id): Path<String>) -> Result<Json<View>, Problem> {
    let token = app.services.find_token(&id).await?;
    let department = token.department.map(|department| department.to_string());
    app.services.check_read(&caller, department.as_deref(), None).await?;
    Ok(Json(View::of(&app, &token)))
}
