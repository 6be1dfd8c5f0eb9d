//! Around every request: an id, limits on body and time, problem documents for what no handler answers, one log line.

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    http::{HeaderName, HeaderValue, StatusCode},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
};

use super::{problem::Problem, unread::read_what_is_left};
use crate::{
    config::Limits,
    world::{SystemEntropy, random},
};

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(Clone, Copy)]
struct RandomId;

impl MakeRequestId for RandomId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&hex::encode(random::<8>(&SystemEntropy))).ok().map(RequestId::new)
    }
}

pub fn with_limits(router: Router, limits: &Limits) -> Router {
    let time = Duration::from_secs(limits.request_seconds);
    router
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(from_fn(move |request: Request, next: Next| in_time(time, request, next)))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(DefaultBodyLimit::max(limits.body))
        .layer(from_fn(read_what_is_left))
        .layer(from_fn(log_and_name))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, RandomId))
}

async fn in_time(limit: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::timeout().into_response(),
    }
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Problem::panicked().into_response()
}

/// Logs the request without its query or body, and puts its id into a problem document's `instance`.
async fn log_and_name(request: Request, next: Next) -> Response {
    let id = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    // The route where there is one: what stands in a path may be a name.
    let path = request.extensions().get::<MatchedPath>().map_or(request.uri().path(), MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let mut response = next.run(request).await;
    let status = response.status();
    if status.is_server_error() {
        tracing::warn!(%method, path, %status, request_id = id, "request failed");
    } else {
        tracing::debug!(%method, path, %status, request_id = id, "request");
    }
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem.into_response_for(&id),
        None if status == StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large().into_response_for(&id),
        None => response,
    }
}
