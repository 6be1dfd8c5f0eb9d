//! `/enrolments`: asked for by one person, decided by another.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

use super::{
    Authenticated, Body, IdempotencyKey, LIST_BODY, Page, Paging, Path, Query, certificates, check_word, officers::Signed, page, words,
};
use crate::{
    http::{
        App,
        openapi::{Caller, Refused},
        problem::Problem,
    },
    policy::{DepartmentId, Missing, NameKind, Timestamp},
    services::{
        Error,
        approve::Approval,
        enrol::{Application, Enrolment, ListedEnrolment},
    },
    store,
    world::from_millis,
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list, submit))
        .routes(routes!(one))
        .routes(routes!(approve))
        .routes(routes!(approve_list).layer(DefaultBodyLimit::max(LIST_BODY)))
        .routes(routes!(reject))
        .routes(routes!(withdraw))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewEnrolment)]
#[serde(deny_unknown_fields)]
struct New {
    profile: String,
    department: Option<String>,
    /// An existing person; absent: a new one.
    person: Option<String>,
    #[serde(default)]
    subject: BTreeMap<String, String>,
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    alternative_names: BTreeMap<NameKind, Vec<String>>,
    /// PEM certification requests, one a family.
    requests: Vec<String>,
    /// SHA-256 of the evidence of identity proofing, in hexadecimal.
    evidence: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Enrolment)]
struct View {
    id: String,
    profile: String,
    department: Option<String>,
    person: String,
    submitted_by: String,
    submitted_at: String,
    state: String,
    /// The name that was asked for; none where there is none, or where it was erased.
    name: Option<String>,
    /// What whoever decides is shown; only for those who may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<Value>,
}

impl View {
    fn of(enrolment: &Enrolment) -> Result<Self, Error> {
        Ok(Self {
            id: enrolment.id.to_string(),
            profile: enrolment.profile.name().to_string(),
            department: enrolment.department.map(|department| department.to_string()),
            person: enrolment.person.to_string(),
            submitted_by: enrolment.submitted_by.to_string(),
            submitted_at: enrolment.submitted_at().to_string(),
            name: enrolment.name().map(str::to_owned),
            state: enrolment.state.clone(),
            shown: Some(enrolment.shown()?),
        })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = DecidedEnrolment)]
struct Decided {
    id: String,
    state: &'static str,
    certificates: Vec<certificates::View>,
    /// Who must approve still.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Missing>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = SignedList)]
#[serde(deny_unknown_fields)]
struct List {
    /// Enrolments, in the order of the draft.
    list: Vec<String>,
    statement: String,
}

/// What became of a list so far. What is neither is being issued.
#[derive(Serialize, ToSchema)]
#[schema(as = SettledList)]
struct Settled {
    items: usize,
    issued: usize,
    /// Without a key yet: each waits for its code.
    approved: usize,
    waiting: usize,
    failed: Vec<Failed>,
}

/// One that was approved and not issued; it is tried again by upkeep.
#[derive(Serialize, ToSchema)]
#[schema(as = FailedEnrolment)]
struct Failed {
    id: String,
    code: &'static str,
}

words! { StateWord of store::enrolments::STATES.iter().copied(); }

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
    /// Its id; absent: the department that the caller works for, where it is one.
    #[param(value_type = Option<String>, pattern = "^[0-9a-f]{32}$")]
    department: Option<DepartmentId>,
}

#[utoipa::path(
    post, path = "/enrolments", request_body = New, params(IdempotencyKey),
    responses((status = 201, body = View), Caller, Refused<404>, Refused<409>, Refused<422>),
)]
async fn submit(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    body: Body<New>,
) -> Result<(StatusCode, Json<View>), Problem> {
    let evidence = body.value.evidence.as_deref().map(|text| {
        let digest = hex::decode(text).ok().and_then(|octets| <[u8; 32]>::try_from(octets).ok());
        digest.ok_or_else(|| Error::malformed("evidence", "64 hexadecimal digits"))
    });
    let application = Application {
        profile: body.value.profile,
        department: body.value.department,
        person: body.value.person,
        subject: body.value.subject,
        alternative_names: body.value.alternative_names,
        requests: body.value.requests.into_iter().map(String::into_bytes).collect(),
        evidence: evidence.transpose()?,
        idempotency_key: body.idempotency_key,
        request_digest: body.digest,
    };
    let enrolment = app.services.enrol(&caller, application).await?;
    Ok((StatusCode::CREATED, Json(View::of(&enrolment)?)))
}

#[utoipa::path(get, path = "/enrolments/{id}", responses((status = 200, body = View), Caller, Refused<410>))]
async fn one(State(app): State<App>, Authenticated(caller): Authenticated, Path(id): Path<String>) -> Result<Json<View>, Problem> {
    let enrolment = app.services.find_enrolment(&id).await?;
    let department = enrolment.department.map(|department| department.to_string());
    app.services.check_read(&caller, department.as_deref(), Some(&enrolment.person.to_string())).await?;
    Ok(Json(View::of(&enrolment)?))
}

#[utoipa::path(get, path = "/enrolments", params(Filter), responses((status = 200, body = Page<View>), Caller))]
async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<View>>, Problem> {
    let paging = Paging { cursor: filter.cursor.clone(), limit: filter.limit };
    let department = filter.department.map(|id| id.to_string()).or_else(|| app.services.usual_department(&caller));
    app.services.check_read(&caller, department.as_deref(), None).await?;
    check_word("state", filter.state.as_deref(), store::enrolments::STATES)?;
    let limit = paging.limit()?;
    let rows = app.services.list_enrolments(filter.state.as_deref(), department.as_deref(), paging.after()?, limit).await?;
    let last = rows.last().map(|listed| listed.row.seq.to_string());
    let items = rows
        .into_iter()
        .map(|ListedEnrolment { row, name }| View {
            id: row.id,
            profile: row.profile,
            department: row.department,
            person: row.person,
            submitted_by: row.submitted_by,
            submitted_at: Timestamp::new(from_millis(row.submitted_at)).to_string(),
            state: row.state,
            name,
            shown: None,
        })
        .collect();
    Ok(page(items, limit, last))
}

#[utoipa::path(
    post, path = "/enrolments/{id}/approvals", request_body = Signed,
    responses(
        (status = 201, description = "issued", body = Decided),
        (status = 202, description = "others must approve as well", body = Decided),
        Caller, Refused<409>, Refused<410>, Refused<422>,
    ),
)]
async fn approve(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<(StatusCode, Json<Decided>), Problem> {
    let issued = match app.services.approve(&caller, &id, &body.value.statement).await? {
        Approval::Issued(issued) => issued,
        Approval::Waiting(missing) => {
            let answer = Decided { id, state: "submitted", certificates: Vec::new(), missing: Some(missing) };
            return Ok((StatusCode::ACCEPTED, Json(answer)));
        }
        Approval::Approved => {
            return Ok((StatusCode::OK, Json(Decided { id, state: "approved", certificates: Vec::new(), missing: None })));
        }
    };
    let mut views = Vec::new();
    for one in issued {
        let row = app.services.find_certificate(&one.certificate.id().to_string()).await?;
        views.push(certificates::View::of(&app, &row)?);
    }
    Ok((StatusCode::CREATED, Json(Decided { id, state: "issued", certificates: views, missing: None })))
}

/// One statement over a list. What takes longer than a request may goes on without it.
#[utoipa::path(
    post, path = "/approvals", request_body = List,
    responses(
        (status = 200, description = "settled", body = Settled),
        (status = 202, description = "being settled", body = Settled),
        Caller, Refused<404>, Refused<409>, Refused<410>, Refused<422>,
    ),
)]
async fn approve_list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    body: Body<List>,
) -> Result<(StatusCode, Json<Settled>), Problem> {
    let List { list, statement } = body.value;
    app.services.approve_list(&caller, &list, &statement).await?;
    let items = list.len();
    let services = app.services.clone();
    let settling = tokio::spawn(async move {
        let outcomes = services.settle_list(&list).await;
        list.into_iter().zip(outcomes).collect::<Vec<_>>()
    });
    let mut settled = Settled { items, issued: 0, approved: 0, waiting: 0, failed: Vec::new() };
    let Ok(outcomes) = tokio::time::timeout(app.patience, settling).await else {
        return Ok((StatusCode::ACCEPTED, Json(settled)));
    };
    for (id, outcome) in outcomes.map_err(|_| Problem::panicked())? {
        match outcome {
            Ok(Approval::Issued(_)) => settled.issued += 1,
            Ok(Approval::Approved) => settled.approved += 1,
            Ok(Approval::Waiting(_)) => settled.waiting += 1,
            Err(error) => settled.failed.push(Failed { id, code: Problem::from(error).code() }),
        }
    }
    Ok((StatusCode::OK, Json(settled)))
}

#[utoipa::path(
    post, path = "/enrolments/{id}/rejection", request_body = Signed,
    responses((status = 200, body = Decided), Caller, Refused<409>, Refused<410>),
)]
async fn reject(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<Json<Decided>, Problem> {
    app.services.reject(&caller, &id, &body.value.statement).await?;
    Ok(Json(Decided { id, state: "rejected", certificates: Vec::new(), missing: None }))
}

#[utoipa::path(
    post, path = "/enrolments/{id}/withdrawal", request_body = Signed,
    responses((status = 200, body = Decided), Caller, Refused<409>, Refused<410>),
)]
async fn withdraw(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<Json<Decided>, Problem> {
    app.services.withdraw(&caller, &id, &body.value.statement).await?;
    Ok(Json(Decided { id, state: "withdrawn", certificates: Vec::new(), missing: None }))
}
