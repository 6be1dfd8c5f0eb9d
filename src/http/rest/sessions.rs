//! `/sessions`: a login that the holder of a certificate signs, so that a browser need not show the certificate each time.

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Authenticated, Body, Page, Path, page};
use crate::{
    http::{
        App,
        identity::{SESSION_COOKIE, cookie},
        listener::Peer,
        openapi::Caller,
        problem::Problem,
    },
    services::{Error, sessions::SESSION_LIFE, verify::rfc3339},
    store::SessionRow,
    world::from_millis,
};

/// Strict: it is sent with no request that another site makes.
const COOKIE_ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(challenge)).routes(routes!(list, open)).routes(routes!(end))
}

#[derive(Serialize, ToSchema)]
#[schema(as = LoginChallenge)]
struct ChallengeView {
    nonce: String,
    /// What the payload of the login names as its origin.
    origin: String,
    expires_at: String,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewSession)]
#[serde(deny_unknown_fields)]
struct New {
    /// A JWS of the type `hufu-login` in its compact form, over `{"at","nonce","origin","v":1}`.
    login: String,
    #[serde(default)]
    #[schema(inline)]
    keep: Keep,
}

/// Who keeps the secret.
#[derive(Deserialize, ToSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Keep {
    /// The caller, for the `Authorization` header.
    #[default]
    Secret,
    /// The browser.
    Cookie,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct View {
    id: String,
    /// The certificate that it stands for.
    certificate: String,
    opened_at: String,
    used_at: String,
    /// When it ends, if it is not used again before.
    ends_at: String,
    /// When it ends, however it is used.
    expires_at: String,
    /// Whether it is the one that this request was made in.
    current: bool,
}

#[derive(Serialize, ToSchema)]
struct OpenedSession {
    #[serde(flatten)]
    session: View,
    person: String,
    /// Shown this once: what `Authorization: Bearer` takes. Absent when the browser keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl View {
    fn of(app: &App, row: &SessionRow, current: Option<&str>) -> Self {
        let time = |millis| rfc3339(from_millis(millis));
        Self {
            id: row.id.clone(),
            certificate: hex::encode(&row.certificate),
            opened_at: time(row.opened_at),
            used_at: time(row.used_at),
            ends_at: rfc3339(app.services.session_ends_at(row)),
            expires_at: time(row.expires_at),
            current: current == Some(&row.id),
        }
    }
}

/// What there is to sign for a login. It can be answered once, within five minutes.
#[utoipa::path(post, path = "/sessions/challenge", responses((status = 200, body = ChallengeView)))]
async fn challenge(State(app): State<App>) -> Response {
    let challenge = app.services.login_challenge();
    let view = ChallengeView { nonce: challenge.nonce.to_string(), origin: challenge.origin, expires_at: rfc3339(challenge.expires_at) };
    ([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response()
}

/// Opens a session for the holder of the certificate that signed the login.
#[utoipa::path(post, path = "/sessions", request_body = New, security(()), responses((status = 201, body = OpenedSession), Caller))]
async fn open(State(app): State<App>, ConnectInfo(peer): ConnectInfo<Peer>, body: Body<New>) -> Result<Response, Problem> {
    let New { login, keep } = body.value;
    let opened = app.services.limited(peer.address.ip(), app.services.open_session(&login)).await?;
    let secret = opened.secret.reveal();
    let kept_by_caller = (keep == Keep::Secret).then(|| secret.to_string());
    let session = View::of(&app, &opened.row, Some(&opened.row.id));
    let view = OpenedSession { session, person: opened.caller.person().to_string(), secret: kept_by_caller };
    let mut response = (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(view)).into_response();
    if keep == Keep::Cookie {
        set_cookie(&mut response, &secret, SESSION_LIFE)?;
    }
    Ok(response)
}

/// The caller's own sessions, the newest first.
#[utoipa::path(get, path = "/sessions", responses((status = 200, body = Page<View>), Caller))]
async fn list(State(app): State<App>, Authenticated(caller): Authenticated) -> Result<Json<Page<View>>, Problem> {
    let rows = app.services.sessions(&caller).await?;
    Ok(page(rows.iter().map(|row| View::of(&app, row, caller.session.as_deref())).collect(), i64::MAX, None))
}

/// Ends one of the caller's own sessions; `current` is the one that this request is made in.
#[utoipa::path(delete, path = "/sessions/{id}", responses((status = 204), Caller))]
async fn end(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = match &caller.session {
        Some(current) if id == "current" => current,
        _ => &id,
    };
    app.services.end_session(&caller, id).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if cookie(&headers, SESSION_COOKIE).is_some() {
        set_cookie(&mut response, "", time::Duration::ZERO)?;
    }
    Ok(response)
}

fn set_cookie(response: &mut Response, value: &str, life: time::Duration) -> Result<(), Problem> {
    let cookie = format!("{SESSION_COOKIE}={value}; {COOKIE_ATTRIBUTES}; Max-Age={}", life.whole_seconds());
    let cookie = cookie.parse().map_err(|_| Error::Corrupt("a cookie that is no header".to_owned()))?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(())
}
