//! `/revocations`: a list revoked by one statement; `/staff/holdings`: what leavers hold.

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    routing::post,
};
use serde::{Deserialize, Serialize};

use super::{Authenticated, Body, LIST_BODY, Query, staff::Csv};
use crate::{
    http::{App, problem::Problem},
    policy::Missing,
    services::staff::{leavers::Holdings, lines::LARGEST_FILE},
};

pub fn router() -> Router<App> {
    Router::new()
        .route("/revocations", post(revoke).layer(DefaultBodyLimit::max(LIST_BODY)))
        .route("/staff/holdings", post(holdings).layer(DefaultBodyLimit::max(LARGEST_FILE)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    /// Certificates and requests, in the order of the draft.
    list: Vec<String>,
    statement: String,
}

#[derive(Serialize)]
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    department: String,
}

async fn holdings(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(of): Query<Of>,
    Csv(csv): Csv,
) -> Result<Json<Holdings>, Problem> {
    Ok(Json(app.services.holdings(&caller, &of.department, &csv).await?))
}
