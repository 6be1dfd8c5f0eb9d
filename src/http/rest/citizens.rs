//! `/citizens`: proving who one is, enrolling oneself, contests, and what is held about a person.
//!
//! A citizen has no certificate yet, so what they show is the token of a proof; what officers do takes their certificate and a
//! statement, as everywhere.

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Anybody, Authenticated, Body, Page, Paging, Path, Query, check_word, officers::Signed, page, words};
use crate::{
    http::{
        App,
        identity::cookie,
        listener::Peer,
        openapi::{self, Refused},
        problem::Problem,
    },
    policy::{Act, DepartmentId, Timestamp},
    services::{
        Error,
        citizens::{
            contest::Outcome,
            enrol::{CitizenApplication, Collected},
        },
        codes::Code,
        limits::in_even_time,
        proofing::{
            ProofToken, Proofed,
            counter::{IdentityCheck, NewCheck, STATES},
            oidc::{Begun, Returned},
        },
        verify::rfc3339,
    },
    world::from_millis,
    x509::Certificate,
};

/// Only this host, only over TLS, not for scripts; Lax, because the provider sends the browser back from another site.
const COOKIE: &str = "__Host-hufu-login";
const COOKIE_ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600";

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(checks, record_check))
        .routes(routes!(one_check))
        .routes(routes!(sign_check))
        .routes(routes!(confirm_check))
        .routes(routes!(withdraw_check))
        .routes(routes!(prove_by_code))
        .routes(routes!(begin_login, go_and_log_in))
        .routes(routes!(end_login))
        .routes(routes!(enrol))
        .routes(routes!(collect))
        .routes(routes!(resume))
        .routes(routes!(evidence))
        .routes(routes!(contests))
        .routes(routes!(one_contest))
        .routes(routes!(uphold))
        .routes(routes!(dismiss))
        .routes(routes!(export_own))
        .routes(routes!(export))
        .routes(routes!(erase))
}

// Identity checks at a counter.

#[derive(Deserialize, ToSchema)]
#[schema(as = NewIdentityCheck)]
#[serde(deny_unknown_fields)]
struct NewCheckBody {
    profile: String,
    department: Option<String>,
    name: String,
    number: String,
    contact: String,
    /// SHA-256 of what was seen, in hexadecimal.
    evidence: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = IdentityCheck)]
struct CheckView {
    id: String,
    state: &'static str,
    shown: Value,
}

impl From<&IdentityCheck> for CheckView {
    fn from(check: &IdentityCheck) -> Self {
        Self { id: check.row.id.clone(), state: check.state(), shown: check.shown() }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ConfirmedCheck)]
struct ConfirmedView {
    id: String,
    /// Shown this once.
    code: String,
    #[schema(value_type = String)]
    works_from: Timestamp,
    #[schema(value_type = String)]
    expires_at: Timestamp,
}

#[utoipa::path(
    post, path = "/citizens/checks", request_body = NewCheckBody,
    responses((status = 201, body = CheckView), openapi::Caller, Refused<404>, Refused<422>),
)]
async fn record_check(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Body { value: body, .. }: Body<NewCheckBody>,
) -> Result<(StatusCode, Json<CheckView>), Problem> {
    let evidence = hex::decode(&body.evidence).ok().and_then(|octets| octets.try_into().ok());
    let new = NewCheck {
        profile: body.profile,
        department: body.department,
        name: body.name,
        number: body.number,
        contact: body.contact,
        evidence: evidence.ok_or_else(|| Error::malformed("evidence", "64 hexadecimal digits"))?,
    };
    let check = app.services.record_check(&caller, new).await?;
    Ok((StatusCode::CREATED, Json((&check).into())))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CheckFilter {
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
    /// Its id; absent: the department that the caller works for, where it is one.
    #[param(value_type = Option<String>, pattern = "^[0-9a-f]{32}$")]
    department: Option<DepartmentId>,
    /// Those in this state alone.
    #[param(inline, value_type = Option<CheckState>)]
    state: Option<String>,
}

words! { CheckState of STATES.iter().copied(); }

/// What tells one check from another; the rest is in each.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedIdentityCheck)]
struct ListedCheck {
    id: String,
    state: &'static str,
    profile: String,
    department: Option<String>,
    submitted_by: String,
    submitted_at: String,
    name: Option<String>,
}

#[utoipa::path(get, path = "/citizens/checks", params(CheckFilter), responses((status = 200, body = Page<ListedCheck>), openapi::Caller))]
async fn checks(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(filter): Query<CheckFilter>,
) -> Result<Json<Page<ListedCheck>>, Problem> {
    let limit = Paging { cursor: None, limit: filter.limit }.limit()?;
    let department = filter.department.map(|id| id.to_string()).or_else(|| app.services.usual_department(&caller));
    app.services.check_read(&caller, department.as_deref(), None).await?;
    check_word("state", filter.state.as_deref(), STATES)?;
    let checks = app.services.checks(department.as_deref(), filter.state.as_deref(), filter.cursor.as_deref(), limit).await?;
    let last = checks.last().map(|check| check.row.id.clone());
    let view = |check: IdentityCheck| ListedCheck {
        state: check.state(),
        name: check.name().map(str::to_owned),
        submitted_at: rfc3339(from_millis(check.row.submitted_at)),
        id: check.row.id,
        profile: check.row.profile,
        department: check.row.department,
        submitted_by: check.row.submitted_by,
    };
    Ok(page(checks.into_iter().map(view).collect(), limit, last))
}

#[utoipa::path(get, path = "/citizens/checks/{id}", responses((status = 200, body = CheckView), openapi::Caller, Refused<410>))]
async fn one_check(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<CheckView>, Problem> {
    let check = app.services.find_check(&id).await?;
    app.services.check_read(&caller, check.row.department.as_deref(), None).await?;
    Ok(Json((&check).into()))
}

#[utoipa::path(
    post, path = "/citizens/checks/{id}/statement", request_body = Signed,
    responses((status = 200, body = CheckView), openapi::Caller, Refused<409>, Refused<410>),
)]
async fn sign_check(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<Json<CheckView>, Problem> {
    app.services.sign_check(&caller, &id, &body.value.statement).await?;
    Ok(Json((&app.services.find_check(&id).await?).into()))
}

#[utoipa::path(
    post, path = "/citizens/checks/{id}/confirmation", request_body = Signed,
    responses((status = 201, body = ConfirmedView), openapi::Caller, Refused<409>, Refused<410>),
)]
async fn confirm_check(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<(StatusCode, Json<ConfirmedView>), Problem> {
    let confirmed = app.services.confirm_check(&caller, &id, &body.value.statement).await?;
    let view = ConfirmedView { id, code: confirmed.code.reveal(), works_from: confirmed.works_from, expires_at: confirmed.expires_at };
    Ok((StatusCode::CREATED, Json(view)))
}

#[utoipa::path(
    post, path = "/citizens/checks/{id}/withdrawal", request_body = Signed,
    responses((status = 200, body = Value), openapi::Caller, Refused<409>, Refused<410>),
)]
async fn withdraw_check(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<Json<Value>, Problem> {
    app.services.withdraw_check(&caller, &id, &body.value.statement).await?;
    Ok(Json(json!({"id": id, "state": "withdrawn"})))
}

// Proofs.

#[derive(Deserialize, ToSchema)]
#[schema(as = CounterCode)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    code: String,
}

/// What its owner needs to use a proof, and nobody else may see.
#[derive(Serialize, ToSchema)]
struct Proof {
    proof: String,
    assurance: &'static str,
    /// The only profile that it counts for; null for every one.
    profile: Option<String>,
    reference: String,
    evidence: String,
}

fn proof_answer((proofed, token): (Proofed, ProofToken)) -> Response {
    let body = Proof {
        proof: token.reveal().to_owned(),
        assurance: proofed.assurance.as_str(),
        profile: proofed.profile,
        reference: hex::encode(proofed.reference),
        evidence: hex::encode(proofed.evidence),
    };
    (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

#[utoipa::path(
    post, path = "/citizens/proofs", request_body = CodeBody,
    responses((status = 201, body = Proof), Refused<403>),
)]
async fn prove_by_code(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Body { value, .. }: Body<CodeBody>,
) -> Result<Response, Problem> {
    let code = Code::parse(&value.code)?;
    let proved = in_even_time(app.services.limited(peer.address.ip(), app.services.prove_by_code(code))).await?;
    Ok(proof_answer(proved))
}

#[derive(Serialize, ToSchema)]
struct BegunLogin {
    /// Where the browser goes next.
    authorization_url: String,
}

#[utoipa::path(post, path = "/citizens/oidc", responses((status = 201, body = BegunLogin), Refused<404>, Refused<502>))]
async fn begin_login(State(app): State<App>) -> Result<Response, Problem> {
    let begun = app.services.begin_login().await?;
    Ok((StatusCode::CREATED, login_headers(&begun), Json(BegunLogin { authorization_url: begun.url })).into_response())
}

/// The same for somebody who opens the address in a browser.
#[utoipa::path(
    get, path = "/citizens/oidc",
    responses((status = 303, description = "to the provider"), Refused<404>, Refused<502>),
)]
async fn go_and_log_in(State(app): State<App>) -> Result<Response, Problem> {
    let begun = app.services.begin_login().await?;
    Ok((login_headers(&begun), Redirect::to(&begun.url)).into_response())
}

fn login_headers(begun: &Begun) -> [(header::HeaderName, String); 2] {
    let cookie = format!("{COOKIE}={}; {COOKIE_ATTRIBUTES}", begun.cookie);
    [(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, "no-store".to_owned())]
}

/// What the provider sends along; it may add parameters of its own.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Callback {
    /// What the login was begun with.
    state: Option<String>,
    /// What the provider gives the identity for.
    code: Option<String>,
    /// Who the provider says it is (RFC 9207).
    iss: Option<String>,
}

/// The same, as the description has it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is described, and not read")]
struct Others {
    /// Whatever else the provider sends; it is not read.
    #[param(style = Form, explode, value_type = Object, required = false)]
    others: (),
}

#[utoipa::path(
    get, path = "/citizens/oidc/callback",
    params(Callback, Others),
    responses((status = 201, body = Proof), Refused<403>, Refused<404>, Refused<502>),
)]
async fn end_login(State(app): State<App>, headers: HeaderMap, Query(callback): Query<Callback>) -> Result<Response, Problem> {
    let (Some(state), Some(code), Some(cookie)) = (callback.state, callback.code, cookie(&headers, COOKIE)) else {
        return Err(Error::ProofingRefused.into());
    };
    let returned = Returned { state, code, issuer: callback.iss, cookie };
    let provider = app.services.provider()?;
    Ok(proof_answer(app.services.prove(provider, returned).await?))
}

// Enrolments.

#[derive(Deserialize, ToSchema)]
#[schema(as = NewCitizenEnrolment)]
#[serde(deny_unknown_fields)]
struct NewEnrolment {
    /// The token of a proof.
    proof: String,
    profile: String,
    department: Option<String>,
    /// PEM certification requests, one a family.
    requests: Vec<String>,
    replaces: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SubmittedEnrolment)]
struct Submitted {
    enrolment: String,
    state: &'static str,
}

#[utoipa::path(
    post, path = "/citizens/enrolments", request_body = NewEnrolment, security(()),
    responses((status = 202, body = Submitted), openapi::Caller, Refused<404>, Refused<409>, Refused<422>),
)]
async fn enrol(State(app): State<App>, guardian: Anybody, body: Body<NewEnrolment>) -> Result<(StatusCode, Json<Submitted>), Problem> {
    let application = CitizenApplication {
        token: body.value.proof,
        profile: body.value.profile,
        department: body.value.department,
        requests: body.value.requests.into_iter().map(String::into_bytes).collect(),
        replaces: body.value.replaces,
        request_digest: body.digest,
    };
    let guardian = guardian.person()?;
    let id = in_even_time(app.services.enrol_citizen(guardian.as_ref(), application)).await?.to_string();
    // Decided after the answer, which so is the same, and as fast, whatever is decided; upkeep does it if this does not.
    let (services, enrolment) = (app.services.clone(), id.clone());
    tokio::spawn(async move {
        if let Err(error) = services.decide_by_proof(&enrolment).await {
            tracing::warn!(%error, enrolment, "an enrolment could not be decided by its proof; upkeep tries again");
        }
    });
    Ok((StatusCode::ACCEPTED, Json(Submitted { enrolment: id, state: "submitted" })))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ProofShown)]
#[serde(deny_unknown_fields)]
struct ProofBody {
    proof: String,
}

#[derive(Serialize, ToSchema)]
struct CollectedEnrolment {
    enrolment: String,
    state: String,
    certificates: Vec<CollectedCertificate>,
    /// PEM.
    roots: String,
}

#[derive(Serialize, ToSchema)]
struct CollectedCertificate {
    id: String,
    person: String,
    authority: String,
    not_after: String,
    /// PEM: the certificate and its authorities.
    chain: String,
    suspension_code: String,
}

#[utoipa::path(
    post, path = "/citizens/enrolments/{id}/collection", request_body = ProofBody,
    responses((status = 200, body = CollectedEnrolment), Refused<403>, Refused<409>, Refused<410>),
)]
async fn collect(State(app): State<App>, Path(id): Path<String>, body: Body<ProofBody>) -> Result<Response, Problem> {
    let Collected { state, certificates } = app.services.collect(&body.value.proof, &id).await?;
    let pem = |chain: &[Certificate]| chain.iter().map(Certificate::to_pem).collect::<String>();
    let certificates = certificates
        .into_iter()
        .map(|one| CollectedCertificate {
            id: hex::encode(&one.row.id),
            not_after: rfc3339(from_millis(one.row.not_after)),
            chain: pem(&one.chain),
            suspension_code: one.suspension_code.reveal(),
            person: one.row.person,
            authority: one.row.authority,
        })
        .collect();
    let roots = app.services.authorities().roots()?.iter().map(|root| root.to_pem()).collect();
    let body = CollectedEnrolment { enrolment: id, state, certificates, roots };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Resumption {
    /// The token of a proof that is younger than the suspension.
    proof: String,
    certificate: String,
}

#[derive(Serialize, ToSchema)]
struct ResumedCertificate {
    id: String,
    status: &'static str,
    /// Shown this once.
    suspension_code: String,
}

#[utoipa::path(
    post, path = "/citizens/resumptions", request_body = Resumption,
    responses((status = 200, body = ResumedCertificate), Refused<403>, Refused<409>, Refused<422>),
)]
async fn resume(State(app): State<App>, body: Body<Resumption>) -> Result<Response, Problem> {
    let Resumption { proof, certificate: id } = body.value;
    let code = in_even_time(app.services.resume_by_proof(&proof, &id)).await?;
    let body = ResumedCertificate { id, status: "valid", suspension_code: code.reveal() };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

#[utoipa::path(
    get, path = "/citizens/enrolments/{id}/evidence",
    responses((status = 200, body = Value), openapi::Caller, Refused<409>, Refused<410>),
)]
async fn evidence(State(app): State<App>, Authenticated(caller): Authenticated, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(app.services.evidence_of(&caller, &id).await?))
}

// Contests.

#[derive(Serialize, ToSchema)]
#[schema(as = Contest)]
struct ContestView {
    id: String,
    earlier: String,
    opened_at: String,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<Value>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ContestFilter {
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
    /// Its id; absent: the department that the caller works for, where it is one.
    #[param(value_type = Option<String>, pattern = "^[0-9a-f]{32}$")]
    department: Option<DepartmentId>,
}

#[utoipa::path(get, path = "/citizens/contests", params(ContestFilter), responses((status = 200, body = Page<ContestView>), openapi::Caller))]
async fn contests(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(filter): Query<ContestFilter>,
) -> Result<Json<Page<ContestView>>, Problem> {
    let limit = Paging { cursor: None, limit: filter.limit }.limit()?;
    let department = filter.department.map(|id| id.to_string()).or_else(|| app.services.usual_department(&caller));
    app.services.check_read(&caller, department.as_deref(), None).await?;
    let rows = app.services.contests(department.as_deref(), filter.cursor.as_deref(), limit).await?;
    let last = rows.last().map(|row| row.later.clone());
    let view = |row: crate::store::citizens::ContestRow| ContestView {
        id: row.later,
        earlier: row.earlier,
        opened_at: rfc3339(from_millis(row.opened_at)),
        state: row.state,
        shown: None,
    };
    Ok(page(rows.into_iter().map(view).collect(), limit, last))
}

#[utoipa::path(
    get, path = "/citizens/contests/{id}",
    responses((status = 200, body = ContestView), openapi::Caller, Refused<410>),
)]
async fn one_contest(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<ContestView>, Problem> {
    let contest = app.services.find_contest(&id).await?;
    app.services.check_read(&caller, contest.department().as_deref(), None).await?;
    let shown = Some(app.services.contest_subject(&contest)?.shown);
    let row = contest.row;
    Ok(Json(ContestView { id: row.later, earlier: row.earlier, opened_at: rfc3339(from_millis(row.opened_at)), state: row.state, shown }))
}

async fn decide(app: App, caller: Authenticated, act: Act, id: String, body: Body<Signed>) -> Result<Response, Problem> {
    let outcome = app.services.decide_contest(&caller.0, act, &id, &body.value.statement).await?;
    let state = match (outcome, act) {
        (Outcome::OneMore, _) => return Ok(one_more(id)),
        (Outcome::Decided, Act::UpholdContest) => "upheld",
        (Outcome::Decided, _) => "dismissed",
    };
    Ok(Json(DecidedCase { id, state }).into_response())
}

/// What became of what two people decide.
#[derive(Serialize, ToSchema)]
struct DecidedCase {
    id: String,
    state: &'static str,
}

/// The first of two statements was taken.
fn one_more(id: String) -> Response {
    (StatusCode::ACCEPTED, Json(DecidedCase { id, state: "one-more" })).into_response()
}

#[utoipa::path(
    post, path = "/citizens/contests/{id}/upholding", request_body = Signed,
    responses(
        (status = 200, description = "decided", body = DecidedCase),
        (status = 202, description = "one more must sign", body = DecidedCase),
        openapi::Caller, Refused<409>, Refused<410>,
    ),
)]
async fn uphold(State(app): State<App>, caller: Authenticated, Path(id): Path<String>, body: Body<Signed>) -> Result<Response, Problem> {
    decide(app, caller, Act::UpholdContest, id, body).await
}

#[utoipa::path(
    post, path = "/citizens/contests/{id}/dismissal", request_body = Signed,
    responses(
        (status = 200, description = "decided", body = DecidedCase),
        (status = 202, description = "one more must sign", body = DecidedCase),
        openapi::Caller, Refused<409>, Refused<410>,
    ),
)]
async fn dismiss(State(app): State<App>, caller: Authenticated, Path(id): Path<String>, body: Body<Signed>) -> Result<Response, Problem> {
    decide(app, caller, Act::DismissContest, id, body).await
}

// What is held about a person.

#[utoipa::path(get, path = "/citizens/self", responses((status = 200, body = Value), openapi::Caller, Refused<404>, Refused<410>))]
async fn export_own(State(app): State<App>, Authenticated(caller): Authenticated) -> Result<Response, Problem> {
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(app.services.export_own(&caller).await?)).into_response())
}

#[utoipa::path(
    post, path = "/citizens/{person}/export", request_body = Signed,
    responses(
        (status = 200, description = "everything that is held", body = Value),
        (status = 202, description = "one more must sign", body = DecidedCase),
        openapi::Caller, Refused<409>, Refused<410>,
    ),
)]
async fn export(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(person): Path<String>,
    body: Body<Signed>,
) -> Result<Response, Problem> {
    match app.services.export(&caller, &person, &body.value.statement).await? {
        Some(held) => Ok(([(header::CACHE_CONTROL, "no-store")], Json(held)).into_response()),
        None => Ok(one_more(person)),
    }
}

#[utoipa::path(
    post, path = "/citizens/{person}/erasure", request_body = Signed,
    responses(
        (status = 200, description = "erased", body = DecidedCase),
        (status = 202, description = "one more must sign", body = DecidedCase),
        openapi::Caller, Refused<409>, Refused<410>,
    ),
)]
async fn erase(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(person): Path<String>,
    body: Body<Signed>,
) -> Result<Response, Problem> {
    match app.services.erase(&caller, &person, &body.value.statement).await? {
        true => Ok(Json(DecidedCase { id: person, state: "erased" }).into_response()),
        false => Ok(one_more(person)),
    }
}
