//! `/notices`: the log of what was sent about certificates that end. It names certificates and no addresses.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Authenticated, Page, Paging, Path, Query, check_word, page, words};
use crate::{
    http::{App, openapi::Caller, problem::Problem},
    store::{self, NoticeRow},
    world::{from_millis, rfc3339},
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(one))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Notice)]
struct View {
    id: String,
    certificate: String,
    /// The threshold: so many days before its end.
    days: i64,
    channel: String,
    /// `waiting`, `delivered`, `failed` or `withdrawn`.
    state: String,
    attempts: i64,
    queued_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    /// The class of the last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_at: Option<String>,
}

impl From<NoticeRow> for View {
    fn from(row: NoticeRow) -> Self {
        let time = |millis| rfc3339(from_millis(millis));
        Self {
            id: row.seq.to_string(),
            certificate: hex::encode(&row.certificate),
            days: row.days,
            queued_at: time(row.queued_at),
            next_attempt_at: (row.state == "waiting").then(|| time(row.next_attempt_at)),
            channel: row.channel,
            state: row.state,
            attempts: row.attempts,
            last_error: row.last_error,
            delivered_at: row.delivered_at.map(time),
        }
    }
}

words! { StateWord of store::notices::STATES.iter().copied(); }

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
    /// Those in this state alone.
    #[param(inline, value_type = Option<StateWord>)]
    state: Option<String>,
}

#[utoipa::path(get, path = "/notices", params(Filter), responses((status = 200, body = Page<View>), Caller))]
async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<View>>, Problem> {
    app.services.check_read(&caller, None, None).await?;
    check_word("state", filter.state.as_deref(), store::notices::STATES)?;
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let limit = paging.limit()?;
    let rows = app.services.notices(filter.state.as_deref(), paging.after()?, limit).await?;
    let last = rows.last().map(|row| row.seq.to_string());
    Ok(page(rows.into_iter().map(View::from).collect(), limit, last))
}

#[utoipa::path(get, path = "/notices/{id}", responses((status = 200, body = View), Caller))]
async fn one(State(app): State<App>, Authenticated(caller): Authenticated, Path(id): Path<String>) -> Result<Json<View>, Problem> {
    app.services.check_read(&caller, None, None).await?;
    Ok(Json(app.services.find_notice(&id).await?.into()))
}
