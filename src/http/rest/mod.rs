//! `/api/v1`: the interface that officers, machines and the command line use. JSON in, JSON out, lists by cursor.

mod authorities;
mod certificates;
mod citizens;
mod claims;
mod departments;
mod enrolments;
mod notices;
mod officers;
mod policies;
mod report;
mod statements;
mod suspensions;
mod time_stamps;
mod verify;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, FromRef, FromRequest, FromRequestParts, Request},
    http::{HeaderMap, header, request::Parts},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{App, listener::Peer, problem::Problem};
use crate::{
    config::Limits,
    services::{Error, enrol::request_digest, statements::Caller},
};

pub fn router(limits: &Limits) -> Router<App> {
    Router::new()
        .merge(authorities::router())
        .merge(certificates::router())
        .merge(citizens::router())
        .merge(claims::router())
        .merge(departments::router())
        .merge(enrolments::router())
        .merge(notices::router())
        .merge(officers::router())
        .merge(policies::router())
        .merge(statements::router())
        .merge(suspensions::router())
        .merge(time_stamps::router())
        .merge(verify::router(limits))
}

/// The largest body that carries a list of identifiers: 20 000 of them and a statement.
const LIST_BODY: usize = 1024 * 1024;

/// The largest page.
const MOST_ITEMS: i64 = 1000;
const USUAL_ITEMS: i64 = 100;

/// The person behind the client certificate; without one the request ends here.
pub struct Authenticated(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Authenticated
where
    App: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let app = App::from_ref(state);
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().and_then(|ConnectInfo(peer)| peer.certificate.clone());
        let der = peer.ok_or(Error::Unauthenticated)?;
        Ok(Self(app.services.caller(&der).await?))
    }
}

/// The query of a list; what it does not know, it refuses, so that a misspelt filter never lists more than was meant.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        query
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|_| Problem::malformed("a parameter of the query is unknown or has the wrong form"))
    }
}

/// A JSON body, with the digest that ties a repeated request to its first and the key that says it is one.
pub struct Body<T> {
    pub value: T,
    pub digest: [u8; 32],
    pub idempotency_key: Option<String>,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::media_type("application/json"));
        }
        let idempotency_key = idempotency_key(request.headers())?;
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
                Problem::too_large()
            } else {
                Problem::malformed("the body was cut short")
            }
        })?;
        let value = serde_json::from_slice(&bytes).map_err(|error| Problem::malformed(describe(&error)))?;
        Ok(Self { value, digest: request_digest(&bytes), idempotency_key })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// At most 64 visible ASCII characters.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=64).contains(&key.len()) && key.bytes().all(|octet| octet.is_ascii_graphic()) => Ok(Some(key.to_owned())),
        _ => Err(Problem::malformed("Idempotency-Key has 1 to 64 visible ASCII characters")),
    }
}

/// What is wrong with a body, without repeating what is in it.
fn describe(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "a field is missing, unknown or of the wrong type",
        _ => "not JSON",
    };
    format!("{kind} (line {}, column {})", error.line(), error.column())
}

/// The query of a list without filters.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    pub cursor: Option<String>,
    pub limit: Option<i64>,
}

impl Paging {
    fn limit(&self) -> Result<i64, Problem> {
        match self.limit.unwrap_or(USUAL_ITEMS) {
            limit if (1..=MOST_ITEMS).contains(&limit) => Ok(limit),
            _ => Err(Problem::malformed(format!("limit is between 1 and {MOST_ITEMS}"))),
        }
    }

    fn after(&self) -> Result<Option<i64>, Problem> {
        self.cursor
            .as_deref()
            .map(|cursor| cursor.parse().map_err(|_| Problem::malformed("cursor is the `next` of the page before")))
            .transpose()
    }
}

/// One page of a list.
#[derive(Serialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The page of `items`, whose last one has the cursor `last`, when at most `limit` were asked for.
fn page<T>(items: Vec<T>, limit: i64, last: Option<String>) -> Json<Page<T>> {
    let next = if items.len() as i64 == limit { last } else { None };
    Json(Page { items, next })
}
