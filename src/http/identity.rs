//! Who calls: found out once for each request of the API, before anything is done for it. By the secret in the `Authorization`
//! header, the client certificate of the connection, or the cookie of a session, in this order.
//!
//! What is shown and is not good counts for nobody, and is refused wherever it matters who calls (`rest::Authenticated`). Here
//! each request is counted for its caller, and each refusal becomes a line in the log that says who, what and why.

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{App, limits::REQUEST_ID, listener::Peer, problem::Problem};
use crate::services::{
    Error,
    bearer::{Bearer, Kind},
    callers::Identity,
    limits::Key,
};

/// The cookie of a session: only this host, only over TLS, not for scripts, and not from other sites.
pub const SESSION_COOKIE: &str = "__Host-hufu-session";

/// What was found out, for the handlers: nobody, somebody, or why what was shown is not good.
#[derive(Clone)]
pub struct Identified(pub Result<Option<Identity>, Problem>);

pub async fn identify(State(app): State<App>, ConnectInfo(peer): ConnectInfo<Peer>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let found = find(&app, &peer, &parts).await;
    let caller = Caller::of(&found, &peer);
    let line = Line::of(&parts);
    let response = match app.services.take_request(&caller.key) {
        Ok(()) => {
            parts.extensions.insert(Identified(found));
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => Problem::from(error).into_response(),
    };
    if let Some(problem) = response.extensions().get::<Problem>().filter(|problem| problem.is_refusal()) {
        line.write(&caller.who, problem);
    }
    response
}

async fn find(app: &App, peer: &Peer, request: &Parts) -> Result<Option<Identity>, Problem> {
    let (services, headers) = (&app.services, &request.headers);
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let secret = bearer(value).ok_or(Error::TokenNotGood)?;
        return Ok(Some(services.bearer(&secret).await?));
    }
    let origin = headers.get(header::ORIGIN);
    let caller = match (&peer.certificate, cookie(headers, SESSION_COOKIE)) {
        (Some(certificate), _) => {
            check_origin(&request.method, origin.is_none_or(|origin| *origin == services.api_origin))?;
            services.caller(certificate).await?
        }
        (None, Some(value)) => {
            check_origin(&request.method, origin.is_some_and(|origin| *origin == services.api_origin))?;
            let secret = Bearer::parse(&value).filter(|secret| secret.kind() == Kind::Session).ok_or(Error::SessionNotGood)?;
            services.session_caller(&secret).await?
        }
        (None, None) => return Ok(None),
    };
    Ok(Some(Identity::Person(caller)))
}

/// RFC 6750 §2.1.
fn bearer(value: &HeaderValue) -> Option<Bearer> {
    let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Bearer::parse(secret.trim())).flatten()
}

/// A browser sends cookies and certificates by itself, whichever page makes it ask. A secret in a header it does not, so no
/// origin is looked at there.
fn check_origin(method: &Method, is_ours: bool) -> Result<(), Problem> {
    if method.is_safe() || is_ours { Ok(()) } else { Err(Problem::other_origin()) }
}

/// The value of the first cookie of that name.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}

/// A caller as limits and log know them: by what they showed, or by the address.
struct Caller {
    key: Key,
    who: String,
}

impl Caller {
    fn of(found: &Result<Option<Identity>, Problem>, peer: &Peer) -> Self {
        match found {
            Ok(Some(Identity::Person(caller))) => {
                let shown = caller.session.clone().unwrap_or_else(|| caller.certificate.id().to_string());
                Self { key: Key::Caller(shown), who: format!("person {}", caller.person()) }
            }
            Ok(Some(Identity::Service(token))) => Self { key: Key::Caller(token.id.clone()), who: format!("token {}", token.id) },
            Ok(None) | Err(_) => {
                let address = peer.address.ip();
                Self { key: Key::network(address), who: format!("address {}", address.to_canonical()) }
            }
        }
    }
}

/// What a line of the log says of the request: the address as it is described, for what stands in it may be a name.
struct Line {
    method: Method,
    path: String,
    request_id: String,
}

impl Line {
    fn of(request: &Parts) -> Self {
        Self {
            method: request.method.clone(),
            path: request.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned(),
            request_id: request.headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned(),
        }
    }

    fn write(&self, who: &str, problem: &Problem) {
        let Self { method, path, request_id } = self;
        let (act, code, rule) = (problem.act(), problem.code(), problem.rule());
        tracing::info!(who, %method, path, act, code, rule, request_id, "refused");
    }
}
