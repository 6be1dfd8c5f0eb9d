//! `/certificates/{id}/renewal`: the holder's own signature, and a request, become the certificate that follows.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};

use super::{Authenticated, Body};
use crate::http::{App, problem::Problem};

pub fn router() -> Router<App> {
    Router::new().route("/certificates/{id}/renewal", post(renew))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    statement: String,
    /// PEM: the request that was drafted with.
    csr: String,
}

#[derive(Serialize)]
struct Answer {
    id: String,
    /// PEM: the certificate and its authorities, the root last.
    chain: String,
    /// Shown this once.
    suspension_code: String,
}

async fn renew(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    Body { value, .. }: Body<Request>,
) -> Result<Response, Problem> {
    let renewed = app.services.renew(&caller, &id, value.csr.as_bytes(), &value.statement).await?;
    let answer = Answer {
        id: hex::encode(&renewed.row.id),
        chain: renewed.chain.iter().map(|certificate| certificate.to_pem()).collect(),
        suspension_code: app.services.new_suspension_code(&renewed.row).await?.reveal(),
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}
