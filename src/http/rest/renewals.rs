//! `/certificates/{id}/renewal`: the holder's own signature, and a request, become the certificate that follows.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Authenticated, Body, Path};
use crate::http::{
    App,
    openapi::{Caller, Refused},
    problem::Problem,
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(renew))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = Renewal)]
#[serde(deny_unknown_fields)]
struct Request {
    statement: String,
    /// PEM: the request that was drafted with.
    csr: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Renewed)]
struct Answer {
    id: String,
    /// PEM: the certificate and its authorities, the root last.
    chain: String,
    /// Shown this once.
    suspension_code: String,
}

#[utoipa::path(
    post, path = "/certificates/{id}/renewal", request_body = Request,
    responses((status = 201, body = Answer), Caller, Refused<409>, Refused<422>),
)]
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
