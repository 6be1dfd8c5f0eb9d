//! `/ledger/{log}/…`: checkpoints, tiles and entry bundles as C2SP tlog-tiles has them.

use axum::{
    Router,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{App, problem::Problem};

pub fn router() -> Router<App> {
    Router::new().route("/ledger/{log}/checkpoint", get(checkpoint)).route("/ledger/{log}/tile/{*path}", get(tile))
}

async fn checkpoint(State(app): State<App>, Path(log): Path<String>) -> Result<Response, Problem> {
    let signed = app.services.checkpoint(&log)?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "max-age=1")];
    Ok((headers, signed.note.to_string()).into_response())
}

async fn tile(State(app): State<App>, Path((log, path)): Path<(String, String)>) -> Result<Response, Problem> {
    let tile = app.services.tile(&log, &format!("tile/{path}")).await?;
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "max-age=31536000, immutable")];
    Ok((headers, tile).into_response())
}
