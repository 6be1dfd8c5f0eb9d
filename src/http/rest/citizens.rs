//! `/citizens`: proving who one is, enrolling oneself, contests, and what is held about a person.
//!
//! A citizen has no certificate yet, so what they show is the token of a proof; what officers do takes their certificate and a
//! statement, as everywhere.

use axum::{
    Json, Router,
    extract::{ConnectInfo, FromRequestParts, Path, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Authenticated, Body, Page, Paging, Query, officers::Signed, page};
use crate::{
    http::{App, listener::Peer, problem::Problem},
    policy::{Act, DepartmentId, Timestamp},
    services::{
        Error,
        attempts::in_even_time,
        citizens::{
            contest::Outcome,
            enrol::{CitizenApplication, Collected},
        },
        codes::Code,
        proofing::{
            ProofToken, Proofed,
            counter::{Counter, IdentityCheck, NewCheck},
            oidc::{Begun, Returned},
        },
        statements::Caller,
        verify::rfc3339,
    },
    world::from_millis,
    x509::Certificate,
};

/// Only this host, only over TLS, not for scripts; Lax, because the provider sends the browser back from another site.
const COOKIE: &str = "__Host-hufu-login";
const COOKIE_ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600";

pub fn router() -> Router<App> {
    Router::new()
        .route("/citizens/checks", post(record_check))
        .route("/citizens/checks/{id}", get(one_check))
        .route("/citizens/checks/{id}/statement", post(sign_check))
        .route("/citizens/checks/{id}/confirmation", post(confirm_check))
        .route("/citizens/checks/{id}/withdrawal", post(withdraw_check))
        .route("/citizens/proofs", post(prove_by_code))
        .route("/citizens/oidc", get(go_and_log_in).post(begin_login))
        .route("/citizens/oidc/callback", get(end_login))
        .route("/citizens/enrolments", post(enrol))
        .route("/citizens/enrolments/{id}/collection", post(collect))
        .route("/citizens/enrolments/{id}/evidence", get(evidence))
        .route("/citizens/resumptions", post(resume))
        .route("/citizens/contests", get(contests))
        .route("/citizens/contests/{id}", get(one_contest))
        .route("/citizens/contests/{id}/upholding", post(uphold))
        .route("/citizens/contests/{id}/dismissal", post(dismiss))
        .route("/citizens/self", get(export_own))
        .route("/citizens/{person}/export", post(export))
        .route("/citizens/{person}/erasure", post(erase))
}

/// The caller, when the connection has a client certificate: one that is not good is refused, never overlooked.
struct Guardian(Option<Caller>);

impl FromRequestParts<App> for Guardian {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match parts.extensions.get::<ConnectInfo<Peer>>().and_then(|ConnectInfo(peer)| peer.certificate.clone()) {
            Some(der) => Ok(Self(Some(app.services.caller(&der).await?))),
            None => Ok(Self(None)),
        }
    }
}

// Identity checks at a counter.

#[derive(Deserialize)]
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

#[derive(Serialize)]
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

#[derive(Serialize)]
struct ConfirmedView {
    id: String,
    /// Shown this once.
    code: String,
    works_from: Timestamp,
    expires_at: Timestamp,
}

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

async fn one_check(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<CheckView>, Problem> {
    let check = app.services.find_check(&id).await?;
    app.services.check_read(&caller, check.row.department.as_deref(), None)?;
    Ok(Json((&check).into()))
}

async fn sign_check(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<Json<CheckView>, Problem> {
    app.services.sign_check(&caller, &id, &body.value.statement).await?;
    Ok(Json((&app.services.find_check(&id).await?).into()))
}

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    code: String,
}

/// What its owner needs to use a proof, and nobody else may see.
fn proof_answer((proofed, token): (Proofed, ProofToken)) -> Response {
    let body = json!({
        "proof": token.reveal(),
        "assurance": proofed.assurance.as_str(),
        "profile": proofed.profile,
        "reference": hex::encode(proofed.reference),
        "evidence": hex::encode(proofed.evidence),
    });
    (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn prove_by_code(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Body { value, .. }: Body<CodeBody>,
) -> Result<Response, Problem> {
    let code = Code::parse(&value.code)?;
    let proved = in_even_time(app.services.limited(peer.address.ip(), app.services.prove(&Counter, code))).await?;
    Ok(proof_answer(proved))
}

async fn begin_login(State(app): State<App>) -> Result<Response, Problem> {
    let begun = app.services.begin_login().await?;
    let body = Json(json!({"authorization_url": begun.url}));
    Ok((StatusCode::CREATED, login_headers(&begun), body).into_response())
}

/// The same for somebody who opens the address in a browser.
async fn go_and_log_in(State(app): State<App>) -> Result<Response, Problem> {
    let begun = app.services.begin_login().await?;
    Ok((login_headers(&begun), Redirect::to(&begun.url)).into_response())
}

fn login_headers(begun: &Begun) -> [(header::HeaderName, String); 2] {
    let cookie = format!("{COOKIE}={}; {COOKIE_ATTRIBUTES}", begun.cookie);
    [(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, "no-store".to_owned())]
}

/// What the provider sends along; it may add parameters of its own.
#[derive(Deserialize)]
struct Callback {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
}

async fn end_login(State(app): State<App>, headers: HeaderMap, Query(callback): Query<Callback>) -> Result<Response, Problem> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let cookie = pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned());
    let (Some(state), Some(code), Some(cookie)) = (callback.state, callback.code, cookie) else {
        return Err(Error::ProofingRefused.into());
    };
    let returned = Returned { state, code, issuer: callback.iss, cookie };
    let provider = app.services.provider()?;
    Ok(proof_answer(app.services.prove(provider, returned).await?))
}

// Enrolments.

#[derive(Deserialize)]
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

#[derive(Serialize)]
struct Submitted {
    enrolment: String,
    state: &'static str,
}

async fn enrol(
    State(app): State<App>,
    Guardian(guardian): Guardian,
    body: Body<NewEnrolment>,
) -> Result<(StatusCode, Json<Submitted>), Problem> {
    let application = CitizenApplication {
        token: body.value.proof,
        profile: body.value.profile,
        department: body.value.department,
        requests: body.value.requests.into_iter().map(String::into_bytes).collect(),
        replaces: body.value.replaces,
        request_digest: body.digest,
    };
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofBody {
    proof: String,
}

async fn collect(State(app): State<App>, Path(id): Path<String>, body: Body<ProofBody>) -> Result<Response, Problem> {
    let Collected { state, certificates } = app.services.collect(&body.value.proof, &id).await?;
    let pem = |chain: &[Certificate]| chain.iter().map(Certificate::to_pem).collect::<String>();
    let certificates: Vec<Value> = certificates
        .iter()
        .map(|one| {
            json!({
                "id": hex::encode(&one.row.id),
                "person": one.row.person,
                "authority": one.row.authority,
                "not_after": rfc3339(from_millis(one.row.not_after)),
                "chain": pem(&one.chain),
                "suspension_code": one.suspension_code.reveal(),
            })
        })
        .collect();
    let roots: String = app.services.authorities().roots()?.iter().map(|root| root.to_pem()).collect();
    let body = json!({"enrolment": id, "state": state, "certificates": certificates, "roots": roots});
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resumption {
    /// The token of a proof that is younger than the suspension.
    proof: String,
    certificate: String,
}

async fn resume(State(app): State<App>, body: Body<Resumption>) -> Result<Response, Problem> {
    let Resumption { proof, certificate } = body.value;
    let code = in_even_time(app.services.resume_by_proof(&proof, &certificate)).await?;
    let body = json!({"id": certificate, "status": "valid", "suspension_code": code.reveal()});
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

async fn evidence(State(app): State<App>, Authenticated(caller): Authenticated, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(app.services.evidence_of(&caller, &id).await?))
}

// Contests.

#[derive(Serialize)]
struct ContestView {
    id: String,
    earlier: String,
    opened_at: String,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContestFilter {
    cursor: Option<String>,
    limit: Option<i64>,
    department: Option<DepartmentId>,
}

async fn contests(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(filter): Query<ContestFilter>,
) -> Result<Json<Page<ContestView>>, Problem> {
    let limit = Paging { cursor: None, limit: filter.limit }.limit()?;
    let department = filter.department.map(|id| id.to_string()).or_else(|| app.services.usual_department(&caller));
    app.services.check_read(&caller, department.as_deref(), None)?;
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

async fn one_contest(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<ContestView>, Problem> {
    let contest = app.services.find_contest(&id).await?;
    app.services.check_read(&caller, contest.department().as_deref(), None)?;
    let shown = Some(app.services.contest_subject(&contest)?.shown);
    let row = contest.row;
    Ok(Json(ContestView { id: row.later, earlier: row.earlier, opened_at: rfc3339(from_millis(row.opened_at)), state: row.state, shown }))
}

async fn decide(app: App, caller: Authenticated, act: Act, id: String, body: Body<Signed>) -> Result<Response, Problem> {
    let outcome = app.services.decide_contest(&caller.0, act, &id, &body.value.statement).await?;
    let state = match (outcome, act) {
        (Outcome::OneMore, _) => return Ok(one_more(&id)),
        (Outcome::Decided, Act::UpholdContest) => "upheld",
        (Outcome::Decided, _) => "dismissed",
    };
    Ok(Json(json!({"id": id, "state": state})).into_response())
}

/// The first of two statements was taken.
fn one_more(id: &str) -> Response {
    (StatusCode::ACCEPTED, Json(json!({"id": id, "state": "one-more"}))).into_response()
}

async fn uphold(State(app): State<App>, caller: Authenticated, Path(id): Path<String>, body: Body<Signed>) -> Result<Response, Problem> {
    decide(app, caller, Act::UpholdContest, id, body).await
}

async fn dismiss(State(app): State<App>, caller: Authenticated, Path(id): Path<String>, body: Body<Signed>) -> Result<Response, Problem> {
    decide(app, caller, Act::DismissContest, id, body).await
}

// What is held about a person.

async fn export_own(State(app): State<App>, Authenticated(caller): Authenticated) -> Result<Response, Problem> {
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(app.services.export_own(&caller).await?)).into_response())
}

async fn export(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(person): Path<String>,
    body: Body<Signed>,
) -> Result<Response, Problem> {
    match app.services.export(&caller, &person, &body.value.statement).await? {
        Some(held) => Ok(([(header::CACHE_CONTROL, "no-store")], Json(held)).into_response()),
        None => Ok(one_more(&person)),
    }
}

async fn erase(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(person): Path<String>,
    body: Body<Signed>,
) -> Result<Response, Problem> {
    match app.services.erase(&caller, &person, &body.value.statement).await? {
        true => Ok(Json(json!({"id": person, "state": "erased"})).into_response()),
        false => Ok(one_more(&person)),
    }
}
