//! `/revocations`: a list revoked by one statement, and those that wait for others; `/staff/holdings`: what leavers hold.

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

use super::{Authenticated, Body, LIST_BODY, Page, Query, page, staff::Csv};
use crate::{
    http::{
        App,
        openapi::{Caller, Refused},
        problem::Problem,
    },
    policy::Missing,
    services::{
        revoke_list::{WaitingRevocation, Words},
        staff::{leavers::Holdings, lines::LARGEST_FILE},
    },
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(waiting))
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

/// A revocation of a list that waits for others.
#[derive(Serialize, ToSchema)]
#[schema(as = WaitingRevocation)]
struct Waiting {
    /// The root of the list: what its statements are about.
    list: String,
    items: usize,
    /// Of all of it, when it is one.
    department: Option<String>,
    reason: Option<String>,
    since: Option<String>,
    signed_by: Vec<String>,
    missing: Missing,
    /// When the first of them signed.
    recorded_at: String,
    /// Until when that counts, if nothing ends it before.
    ends_at: String,
}

impl From<WaitingRevocation> for Waiting {
    fn from(waiting: WaitingRevocation) -> Self {
        let Words { reason, since } = waiting.words;
        Self {
            list: waiting.list.to_string(),
            items: waiting.items,
            department: waiting.department.map(|id| id.to_string()),
            reason: reason.map(|reason| reason.to_string()),
            since: since.map(|since| since.to_string()),
            signed_by: waiting.signed_by.iter().map(ToString::to_string).collect(),
            missing: waiting.missing,
            recorded_at: waiting.recorded_at.to_string(),
            ends_at: waiting.ends_at.to_string(),
        }
    }
}

/// Those of which the caller may read all that is in them, oldest first, on one page.
#[utoipa::path(get, path = "/revocations", responses((status = 200, body = Page<Waiting>), Caller))]
async fn waiting(State(app): State<App>, Authenticated(caller): Authenticated) -> Result<Json<Page<Waiting>>, Problem> {
    let waiting = app.services.waiting_revocations(&caller).await?;
    Ok(page(waiting.into_iter().map(Waiting::from).collect(), i64::MAX, None))
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
