//! `/crl/{authority}.crl` and `/crl/{authority}/{shard}.crl` (RFC 5280 §4.2.1.13), in DER.

use axum::{
    Router,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{App, problem::Problem};
use crate::store::CrlRow;

pub fn router() -> Router<App> {
    Router::new().route("/crl/{file}", get(whole)).route("/crl/{authority}/{file}", get(shard))
}

async fn whole(State(app): State<App>, Path(file): Path<String>) -> Result<Response, Problem> {
    let authority = file.strip_suffix(".crl").ok_or_else(Problem::not_found)?;
    Ok(answer(app.services.latest_crl(authority, None).await?))
}

async fn shard(State(app): State<App>, Path((authority, file)): Path<(String, String)>) -> Result<Response, Problem> {
    let number = file.strip_suffix(".crl").and_then(|number| number.parse().ok()).ok_or_else(Problem::not_found)?;
    Ok(answer(app.services.latest_crl(&authority, Some(number)).await?))
}

/// A list may be replaced at any moment, so it is kept by nobody for long.
fn answer(row: CrlRow) -> Response {
    ([(header::CONTENT_TYPE, "application/pkix-crl"), (header::CACHE_CONTROL, "max-age=60")], row.der).into_response()
}
