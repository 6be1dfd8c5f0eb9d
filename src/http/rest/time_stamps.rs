//! `/time-stamps`: proofs that the tokens of `/tsa` are in the ledger. Public.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Path;
use crate::{
    http::{App, problem::Problem},
    services::Error,
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(receipt))
}

/// By the SHA-256 of the token's DER, in hexadecimal: a C2SP tlog-proof.
#[utoipa::path(get, path = "/time-stamps/{token}/receipt", responses((status = 200, content_type = "text/plain", body = String)))]
async fn receipt(State(app): State<App>, Path(token): Path<String>) -> Result<Response, Problem> {
    let digest = hex::decode(&token).ok().and_then(|digest| digest.try_into().ok());
    let receipt = app.services.token_receipt(&digest.ok_or_else(|| Error::unknown("time stamp", &token))?).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], receipt.to_string()).into_response())
}
