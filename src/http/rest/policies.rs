//! `/policies`: every version that was handed in, and which of them is in force.

use std::collections::BTreeMap;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Authenticated, Body, Page, Path, WaitsView, officers::Signed, page};
use crate::{
    http::{
        App,
        openapi::{Caller, Refused},
        problem::Problem,
    },
    policy::{Missing, Timestamp},
    services::{Error, policies::Activation},
    store,
    world::from_millis,
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list, propose)).routes(routes!(one)).routes(routes!(activate))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewPolicy)]
#[serde(deny_unknown_fields)]
struct New {
    /// The text of each file, by its path below the folder of the policy.
    files: BTreeMap<String, String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Policy)]
struct View {
    digest: String,
    /// `in-force`, `proposed` or, when it was in force before, `replaced`.
    state: &'static str,
    recorded_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    activated_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<BTreeMap<String, String>>,
    /// Of one that waits to be put in force.
    #[serde(flatten)]
    waits: WaitsView,
}

impl View {
    async fn of(app: &App, row: &store::PolicyVersionRow) -> Result<Self, Error> {
        let time = |millis| Timestamp::new(from_millis(millis)).to_string();
        let digest = hex::encode(&row.digest);
        let state = match row.activated_at {
            _ if app.services.policy().digest().to_string() == digest => "in-force",
            None => "proposed",
            Some(_) => "replaced",
        };
        let waits = app.services.waits_for_activation(row).await?.map(WaitsView::from).unwrap_or_default();
        Ok(Self { digest, state, recorded_at: time(row.recorded_at), activated_at: row.activated_at.map(time), files: None, waits })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ActivatedPolicy)]
struct Answer {
    digest: String,
    state: &'static str,
    /// Who must sign still.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Missing>,
}

#[utoipa::path(
    post, path = "/policies", request_body = New,
    responses((status = 201, body = View), Caller, Refused<409>, Refused<422>),
)]
async fn propose(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    body: Body<New>,
) -> Result<(StatusCode, Json<View>), Problem> {
    let version = app.services.propose_policy(&caller, body.value.files).await?;
    Ok((StatusCode::CREATED, Json(View::of(&app, &version).await?)))
}

#[utoipa::path(get, path = "/policies", responses((status = 200, body = Page<View>), Caller))]
async fn list(State(app): State<App>, _: Authenticated) -> Result<Json<Page<View>>, Problem> {
    let mut items = Vec::new();
    for version in app.services.policy_versions().await? {
        items.push(View::of(&app, &version).await?);
    }
    Ok(page(items, i64::MAX, None))
}

#[utoipa::path(get, path = "/policies/{digest}", responses((status = 200, body = View), Caller))]
async fn one(State(app): State<App>, _: Authenticated, Path(digest): Path<String>) -> Result<Json<View>, Problem> {
    let version = app.services.find_policy(&digest).await?;
    let files = serde_json::from_str(&version.text).map_err(|_| Error::Corrupt(format!("policy {digest}")))?;
    Ok(Json(View { files: Some(files), ..View::of(&app, &version).await? }))
}

#[utoipa::path(
    post, path = "/policies/{digest}/activation", request_body = Signed,
    responses(
        (status = 200, description = "in force", body = Answer),
        (status = 202, description = "others must sign as well", body = Answer),
        Caller, Refused<409>, Refused<422>,
    ),
)]
async fn activate(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(digest): Path<String>,
    body: Body<Signed>,
) -> Result<(StatusCode, Json<Answer>), Problem> {
    let (status, state, missing) = match app.services.activate(&caller, &digest, &body.value.statement).await? {
        Activation::InForce => (StatusCode::OK, "in-force", None),
        Activation::Waiting(missing) => (StatusCode::ACCEPTED, "proposed", Some(missing)),
    };
    Ok((status, Json(Answer { digest, state, missing })))
}
