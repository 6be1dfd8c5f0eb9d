//! `/ocsp`: RFC 6960 Appendix A over POST and GET.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{App, problem::Problem};
use crate::services::answer_ocsp::OcspAnswer;

pub fn router() -> Router<App> {
    Router::new().route("/ocsp", post(by_post)).route("/ocsp/", post(by_post)).route("/ocsp/{*request}", get(by_get))
}

async fn by_post(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    // Some clients send parameters after the type, and a few no type at all.
    let wrong = headers.get(header::CONTENT_TYPE).is_some_and(|value| !value.as_bytes().starts_with(b"application/ocsp-request"));
    if wrong {
        return Err(Problem::media_type("application/ocsp-request"));
    }
    Ok(answer(app.services.answer_ocsp(&body).await))
}

async fn by_get(State(app): State<App>, Path(request): Path<String>) -> Response {
    answer(app.services.answer_ocsp_path(&request).await)
}

fn answer(answer: OcspAnswer) -> Response {
    let mut response = ([(header::CONTENT_TYPE, "application/ocsp-response")], answer.der).into_response();
    // RFC 5019 §6.2 lets caches keep an answer as long as it is valid; a minute at most, so that a revocation is seen.
    let cache = match answer.max_age {
        Some(age) => format!("max-age={}, public, no-transform, must-revalidate", (age.whole_seconds() / 60).clamp(1, 60)),
        None => "no-store".to_owned(),
    };
    if let Ok(value) = HeaderValue::from_str(&cache) {
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    response
}
