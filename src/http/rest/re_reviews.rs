//! `/certificates/{id}/re-review`: stops whatever rests on a stolen key; `/re-reviews`: what became of it.

use std::collections::BTreeMap;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Authenticated, Body, Page, Paging, Path, Query, WaitsView, officers::Signed, page};
use crate::{
    http::{
        App,
        openapi::{Caller, Refused},
        problem::Problem,
    },
    policy::Missing,
    services::{
        re_review::{Listed, ReReview},
        verify::rfc3339,
    },
    world::from_millis,
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(review)).routes(routes!(list))
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReReview)]
struct Answer {
    /// How much of each kind waits for others to look at it again, or was ended.
    items: BTreeMap<&'static str, usize>,
    /// Who must sign still; then nothing was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Missing>,
    /// Signed by the system key.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledgement: Option<String>,
}

/// Revokes the certificate of a stolen key and stops whatever rests on what it signed, on signed statements (`re-review`, with `since`).
#[utoipa::path(
    post, path = "/certificates/{id}/re-review", request_body = Signed,
    responses(
        (status = 200, description = "stopped", body = Answer),
        (status = 202, description = "others must sign as well", body = Answer),
        Caller, Refused<409>,
    ),
)]
async fn review(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<(StatusCode, Json<Answer>), Problem> {
    let (status, items, missing, acknowledgement) = match app.services.re_review(&caller, &id, &body.value.statement).await? {
        ReReview::Done(items, acknowledgement) => (StatusCode::OK, items, None, acknowledgement),
        ReReview::Waiting(missing) => (StatusCode::ACCEPTED, BTreeMap::new(), Some(missing), None),
    };
    Ok((status, Json(Answer { items, missing, acknowledgement })))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
    /// Because of which certificate, by its id, fingerprint or serial number.
    certificate: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReReviewItem)]
struct View {
    /// The id of the certificate, enrolment, officer, token or identity check, or the digest of the policy; of a `re-review` that
    /// somebody signed, the certificate.
    item: String,
    kind: String,
    /// `open` until somebody has decided on it; a certificate that was resumed is `kept`; what needs no decision is `ended`. A
    /// `re-review` is `waiting` until others have signed it, too; one that does not count any more is `ended`.
    state: String,
    /// The certificate of the stolen key.
    certificate: String,
    since: Option<String>,
    recorded_at: String,
    /// Of a `re-review` with this `since`.
    #[serde(flatten)]
    waits: WaitsView,
}

impl From<Listed> for View {
    fn from(listed: Listed) -> Self {
        Self {
            item: listed.row.row.item,
            kind: listed.row.row.kind,
            state: listed.state,
            certificate: listed.row.certificate,
            since: listed.since.map(|since| since.to_string()),
            recorded_at: rfc3339(from_millis(listed.row.recorded_at)),
            waits: listed.waits.map(WaitsView::from).unwrap_or_default(),
        }
    }
}

/// What was put to re-review, and re-reviews that wait for others, oldest first.
#[utoipa::path(get, path = "/re-reviews", params(Filter), responses((status = 200, body = Page<View>), Caller, Refused<404>))]
async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<View>>, Problem> {
    let limit = Paging { cursor: None, limit: filter.limit }.limit()?;
    let after = filter.cursor.as_deref().map(|cursor| place(cursor).ok_or_else(Problem::bad_cursor)).transpose()?;
    let listed = app.services.re_reviews(&caller, filter.certificate.as_deref(), after.as_ref(), limit).await?;
    let last = listed.last().map(|one| format!("{}-{}", one.row.recorded_at, one.row.place));
    Ok(page(listed.into_iter().map(View::from).collect(), limit, last))
}

/// When something was recorded, and its place there.
fn place(cursor: &str) -> Option<(i64, String)> {
    let (at, place) = cursor.split_once('-')?;
    Some((at.parse().ok()?, place.to_owned()))
}
