//! `/tsa`: RFC 3161 §3.4 over POST.

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::post,
};

use super::{App, problem::Problem};

const QUERY: &str = "application/timestamp-query";

pub fn router() -> Router<App> {
    Router::new().route("/tsa", post(stamp))
}

async fn stamp(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    if headers.get(header::CONTENT_TYPE).is_some_and(|value| !value.as_bytes().starts_with(QUERY.as_bytes())) {
        return Err(Problem::media_type(QUERY));
    }
    let reply = app.services.time_stamp(&body).await?;
    let headers = [(header::CONTENT_TYPE, "application/timestamp-reply"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, reply).into_response())
}
