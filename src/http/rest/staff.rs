//! `/enrolments/import` and `/enrolments/codes`: a department's people as a list, and the codes that they come to their
//! certificates with.

use std::collections::BTreeMap;

use axum::{
    Json,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

use super::{Authenticated, Body, LIST_BODY, Query};
use crate::{
    http::{
        App,
        openapi::{Caller, Refused},
        problem::Problem,
    },
    services::{
        staff::{
            codes::{Earlier, HandedOut},
            import::{Ended, Report, Roster},
            lines::LARGEST_FILE,
        },
        verify::rfc3339,
    },
    world::from_millis,
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(import).layer(DefaultBodyLimit::max(LARGEST_FILE)))
        .routes(routes!(codes).layer(DefaultBodyLimit::max(LIST_BODY)))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Import {
    /// The name of the profile that they are enrolled for.
    profile: String,
    /// Its id.
    department: String,
    /// Say what is wrong and what would be done, and do nothing.
    #[serde(default)]
    dry_run: bool,
    /// Enrol again, with the data of the list, those whose enrolment was rejected, withdrawn or expired, or whose certificates are
    /// all revoked or over.
    #[serde(default)]
    again: bool,
}

#[utoipa::path(
    post, path = "/enrolments/import", params(Import), request_body(content_type = "text/csv"),
    responses((status = 200, body = Report), Caller, Refused<404>, Refused<409>, Refused<422>),
)]
async fn import(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(import): Query<Import>,
    Csv(csv): Csv,
) -> Result<Json<Report>, Problem> {
    let ended = if import.again { Ended::EnrolAgain } else { Ended::Stay };
    let roster = Roster { profile: &import.profile, department: &import.department, csv: &csv, ended };
    let report = match import.dry_run {
        true => app.services.check_roster(&caller, &roster).await?,
        false => app.services.record_roster(&caller, &roster).await?,
    };
    Ok(Json(report))
}

/// A body of CSV (RFC 7111).
pub struct Csv(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Csv {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_csv(request.headers()) {
            return Err(Problem::media_type("text/csv"));
        }
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
            _ => Problem::malformed("the body was cut short"),
        })
    }
}

fn is_csv(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/csv"))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = WantedCodes)]
#[serde(deny_unknown_fields)]
struct Wanted {
    enrolments: Vec<String>,
    /// Make a new code also where there is one that works, which then ends.
    #[serde(default)]
    replace: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = HandedOutCodes)]
struct Codes {
    codes: Vec<Code>,
    /// Those that have a code that works, and kept it.
    skipped: Vec<String>,
    /// The codes of those: SHA-256 of its first half, in hexadecimal, by enrolment.
    working: BTreeMap<String, String>,
    expires_at: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = HandedOutCode)]
struct Code {
    enrolment: String,
    number: String,
    name: String,
    /// Shown this once.
    code: String,
}

impl From<HandedOut> for Code {
    fn from(handed_out: HandedOut) -> Self {
        let HandedOut { enrolment, number, name, code } = handed_out;
        Self { enrolment, number, name, code: code.to_string() }
    }
}

#[utoipa::path(
    post, path = "/enrolments/codes", request_body = Wanted,
    responses((status = 201, body = Codes), Caller, Refused<404>, Refused<409>, Refused<422>),
)]
async fn codes(State(app): State<App>, Authenticated(caller): Authenticated, body: Body<Wanted>) -> Result<Response, Problem> {
    let earlier = if body.value.replace { Earlier::Replace } else { Earlier::Keep };
    let codes = app.services.hand_out_codes(&caller, &body.value.enrolments, earlier).await?;
    let answer = Codes {
        codes: codes.handed_out.into_iter().map(Code::from).collect(),
        skipped: codes.skipped.keys().cloned().collect(),
        working: codes.skipped.into_iter().map(|(enrolment, hash)| (enrolment, hex::encode(hash))).collect(),
        expires_at: rfc3339(from_millis(codes.expires_at)),
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}
