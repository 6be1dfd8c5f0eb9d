//! `/statements`: what somebody signed; `/statements/drafts`: what there is to sign for an act, with a nonce for it.

use axum::{
    Json,
    extract::{DefaultBodyLimit, State},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

use super::{Authenticated, Body, LIST_BODY, Page, Paging, Query, Time, page, words};
use crate::{
    http::{
        App,
        openapi::{Caller, Refused},
        problem::Problem,
    },
    policy::{Act, Payload, ReasonCode, Statement, Timestamp, statement::LogPosition},
    services::{Error, Services, signed::Signer, statements::Subject, verify::rfc3339},
    store::{ListedStatementRow, StatementFilter},
    world::{from_millis, millis},
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(draft).layer(DefaultBodyLimit::max(LIST_BODY)))
}

words! { ActWord of Act::ALL.iter().map(|act| act.as_str()); }

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
    /// A person, or a certificate by id, fingerprint or serial number; absent: the caller.
    signer: Option<String>,
    /// Those with this act alone.
    #[param(inline, value_type = Option<ActWord>)]
    act: Option<String>,
    /// Recorded then or later: a time in UTC with whole seconds, such as `2030-01-01T00:00:00Z`.
    #[param(inline, value_type = Option<Time>)]
    since: Option<String>,
}

/// A statement that was recorded.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordedStatement)]
struct View {
    /// SHA-256 of the JWS: decisions name it.
    digest: String,
    act: String,
    about: String,
    /// How many things it is about, when it is about a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    recorded_at: String,
    /// The state of the ledger that its signer knew.
    #[schema(value_type = Object)]
    log: LogPosition,
    policy: String,
    person: Option<String>,
    certificate: Option<String>,
    /// How many decisions rest on it: none while it waits for others, one for each of a list.
    decisions: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
}

impl TryFrom<ListedStatementRow> for View {
    type Error = Error;

    fn try_from(listed: ListedStatementRow) -> Result<Self, Error> {
        let row = listed.statement;
        let statement = Statement::parse(&row.jws)?;
        let payload = statement.payload();
        Ok(Self {
            digest: hex::encode(&row.digest),
            items: (listed.items > 0).then_some(listed.items),
            reason: payload.reason.as_ref().map(ToString::to_string),
            since: payload.since.map(|since| since.to_string()),
            recorded_at: rfc3339(from_millis(row.recorded_at)),
            log: payload.log.clone(),
            policy: payload.policy.to_string(),
            act: row.act,
            about: row.about,
            person: row.signer_person,
            certificate: row.signer_certificate.map(hex::encode),
            decisions: listed.decisions,
            decision: listed.decision.map(hex::encode),
        })
    }
}

/// What somebody signed, oldest first.
#[utoipa::path(get, path = "/statements", params(Filter), responses((status = 200, body = Page<View>), Caller, Refused<404>))]
async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<View>>, Problem> {
    let limit = Paging { cursor: None, limit: filter.limit }.limit()?;
    let act = filter.act.as_deref().map(str::parse::<Act>).transpose().map_err(|error| Error::malformed("act", error))?;
    let since = filter.since.as_deref().map(str::parse::<Timestamp>).transpose().map_err(|error| Error::malformed("since", error))?;
    let after = filter.cursor.as_deref().map(|cursor| place(cursor).ok_or_else(Problem::bad_cursor)).transpose()?;
    let signer = match &filter.signer {
        Some(signer) => app.services.find_signer(signer).await?,
        None => Signer::Person(caller.person()),
    };
    let filter = StatementFilter {
        act: act.map(|act| act.to_string()),
        since: since.map(|since| millis(since.instant())),
        after,
        ..StatementFilter::default()
    };
    let rows = app.services.signed_statements(&caller, &signer, filter, limit).await?;
    let last = rows.last().map(|row| format!("{}-{}", row.statement.recorded_at, hex::encode(&row.statement.digest)));
    let items = rows.into_iter().map(View::try_from).collect::<Result<_, _>>()?;
    Ok(page(items, limit, last))
}

/// When a statement was recorded, and its digest.
fn place(cursor: &str) -> Option<(i64, Vec<u8>)> {
    let (at, digest) = cursor.split_once('-')?;
    Some((at.parse().ok()?, hex::decode(digest).ok()?))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = DraftRequest)]
#[serde(deny_unknown_fields)]
struct Request {
    act: String,
    /// The id of the enrolment, certificate, officer or change of departments, or the digest of the policy.
    about: Option<String>,
    /// Instead: enrolments that are approved, or certificates that are revoked, together.
    list: Option<Vec<String>>,
    reason: Option<String>,
    since: Option<String>,
    /// With `renew`: the request (PEM) whose key the successor will have.
    csr: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Draft)]
struct Answer {
    /// What there is to sign: the payload of a statement v1.
    #[schema(value_type = Object)]
    payload: Payload,
    shown: Value,
    salt: String,
    /// For a list: what is shown of each, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<Item>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DraftItem)]
struct Item {
    shown: Value,
    salt: String,
}

impl From<Subject> for Item {
    fn from(subject: Subject) -> Self {
        Self { shown: subject.shown, salt: hex::encode(subject.salt) }
    }
}

#[utoipa::path(
    post, path = "/statements/drafts", request_body = Request,
    responses((status = 200, body = Answer), Caller, Refused<404>, Refused<409>, Refused<410>),
)]
async fn draft(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Body { value: request, .. }: Body<Request>,
) -> Result<Json<Answer>, Problem> {
    let act: Act = request.act.parse().map_err(|error| Error::malformed("act", error))?;
    let reason = request.reason.as_deref().map(str::parse::<ReasonCode>).transpose().map_err(|error| Error::malformed("reason", error))?;
    let since = request.since.as_deref().map(str::parse::<Timestamp>).transpose().map_err(|error| Error::malformed("since", error))?;
    let (subject, each) = match (act, request.about, request.list) {
        (Act::Renew, Some(about), None) => {
            let csr = request.csr.ok_or_else(|| Error::malformed("csr", "a renewal is drafted with the request of the new certificate"))?;
            (app.services.renewal_subject(&caller, &about, csr.as_bytes()).await?, Vec::new())
        }
        (_, Some(about), None) => (subject(&app, &caller, act, &about).await?, Vec::new()),
        (Act::Approve, None, Some(list)) => app.services.list_subject(&caller, &list).await?,
        (Act::Revoke, None, Some(list)) => app.services.revocation_subject(&caller, &list).await?,
        _ => return Err(Error::malformed("about", "one record, or a list to approve or to revoke").into()),
    };
    let drafted = app.services.draft_statement(&caller, act, subject, reason, since).await?;
    let items = each.into_iter().map(Item::from).collect();
    Ok(Json(Answer { payload: drafted.payload, shown: drafted.shown, salt: hex::encode(drafted.salt), items }))
}

async fn enrolment_subject(
    services: &Services,
    caller: &crate::services::statements::Caller,
    act: Act,
    about: &str,
) -> Result<Subject, Error> {
    let enrolment = services.find_enrolment(about).await?;
    services.policy().decide(&caller.actor, act, &enrolment.object(services.approved_by(&enrolment).await?))?;
    // One officer neither approves nor rejects what two decide. Whoever asked for it may still take it back.
    if matches!(act, Act::Approve | Act::Reject) {
        services.check_uncontested(&enrolment).await?;
    }
    services.enrolment_subject(&enrolment)
}

/// The record that an act is about. Whoever may not do the act is not shown what it is about.
async fn subject(app: &App, caller: &crate::services::statements::Caller, act: Act, about: &str) -> Result<Subject, Error> {
    let services = &app.services;
    match act {
        Act::Withdraw => match services.department_change(about).await? {
            Some(change) => services.department_subject(caller, act, &change).await,
            None => enrolment_subject(services, caller, act, about).await,
        },
        Act::Approve | Act::Reject => enrolment_subject(services, caller, act, about).await,
        Act::Revoke | Act::Suspend | Act::Resume => {
            let row = services.find_certificate(about).await?;
            services.may_change(&caller.actor, act, &row).await?;
            services.certificate_subject(&row).await
        }
        Act::ReReview => services.re_review_subject(caller, about).await,
        Act::Grant => {
            let officer = services.find_officer(about).await?;
            services.check_grants(&caller.actor, act, &officer).await?;
            Ok(services.officer_subject(&officer))
        }
        Act::GrantToken | Act::RevokeToken => services.token_subject(caller, act, &services.find_token(about).await?).await,
        Act::DefineDepartment | Act::ChangeDepartment | Act::MergeDepartment => {
            services.department_subject(caller, act, &services.find_department_change(about).await?).await
        }
        Act::ActivatePolicy => services.policy_subject(caller, &services.find_policy(about).await?),
        Act::Dismiss => {
            let officer = services.find_officer(about).await?;
            services.check_dismissal(&caller.actor, &officer).await?;
            Ok(services.officer_subject(&officer))
        }
        Act::CheckIdentity
        | Act::ConfirmIdentity
        | Act::WithdrawIdentity
        | Act::UpholdContest
        | Act::DismissContest
        | Act::Export
        | Act::Erase => services.citizen_subject(caller, act, about).await,
        other => Err(Error::malformed("act", format!("{other} is not drafted here"))),
    }
}
