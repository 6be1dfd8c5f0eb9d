//! `/revocations`: a list revoked by one statement; `/staff/holdings`: what leavers hold.

use axum::{
    Json,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

use super::{Authenticated, Body, LIST_BODY, Query, staff::Csv};
use crate::{
    http::{
        App,
        openapi::{Caller, Refused},
        problem::Problem,
    },
    policy::Missing,
    services::staff::{leavers::Holdings, lines::LARGEST_FILE},
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(revoke).layer(DefaultBodyLimit::max(LIST_BODY)))
        .routes(routes!(holdings).layer(DefaultBodyLimit::max(LARGEST_FILE)))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = RevokedList)]
#[serde(deny_unknown_fields)]
struct List {
    /// Certificates and requests, in the order of the draft.
    list: Vec<String>,
    statement: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ListRevocation)]
struct Revoked {
    items: usize,
    /// Certificates that were revoked.
    revoked: usize,
    /// Requests that were closed before anything was issued.
    withdrawn: usize,
    /// Who must sign still.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Missing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledgement: Option<String>,
}

#[utoipa::path(
    post, path = "/revocations", request_body = List,
    responses((status = 200, body = Revoked), (status = 202, body = Revoked), Caller, Refused<404>, Refused<409>, Refused<422>),
)]
async fn revoke(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    body: Body<List>,
) -> Result<(StatusCode, Json<Revoked>), Problem> {
    let List { list, statement } = body.value;
    let done = app.services.revoke_list(&caller, &list, &statement).await?;
    let status = if done.missing.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    let answer = Revoked {
        items: list.len(),
        revoked: done.certificates,
        withdrawn: done.enrolments,
        missing: done.missing,
        acknowledgement: done.acknowledgement,
    };
    Ok((status, Json(answer)))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Of {
    /// Its id: whose leavers they are.
    department: String,
}

#[utoipa::path(
    post, path = "/staff/holdings", params(Of), request_body(content_type = "text/csv"),
    responses((status = 200, body = Holdings), Caller, Refused<404>, Refused<422>),
)]
async fn holdings(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(of): Query<Of>,
    Csv(csv): Csv,
) -> Result<Json<Holdings>, Problem> {
    Ok(Json(app.services.holdings(&caller, &of.department, &csv).await?))
}
