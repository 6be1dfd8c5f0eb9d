//! `/certificates`: found by TBS digest, fingerprint or serial number; listed; revoked, suspended, resumed; proved.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

use super::{Authenticated, Body, Page, Paging, Query, officers::Signed, page};
use crate::{
    http::{App, problem::Problem},
    ledger::StatusKey,
    policy::{Act, DepartmentId, PersonId, Timestamp},
    services::{Error, court::Evidence, revoke::Changed, verify::rfc3339},
    store::{CertificateFilter, CertificateRow},
    world::{from_millis, millis},
    x509::p7c,
};

pub fn router() -> Router<App> {
    Router::new()
        .route("/certificates", get(list))
        .route("/certificates/{id}", get(one))
        .route("/certificates/{id}/receipt", get(receipt))
        .route("/certificates/{id}/status-proof", get(status_proof))
        .route("/certificates/{id}/evidence", get(evidence))
        .route("/certificates/{id}/revocation", post(revoke))
        .route("/certificates/{id}/suspension", post(suspend))
        .route("/certificates/{id}/resumption", post(resume))
}

#[derive(Serialize)]
pub struct View {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    serial: String,
    authority: String,
    profile: String,
    subject: String,
    person: String,
    department: Option<String>,
    enrolment: Option<String>,
    not_before: String,
    not_after: String,
    /// `promised`, `valid`, `suspended`, `revoked`, as the ledger says now.
    status: &'static str,
    ledger: Leaf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pem: Option<String>,
}

#[derive(Serialize)]
struct Leaf {
    log: String,
    index: i64,
}

impl View {
    pub fn of(app: &App, row: &CertificateRow) -> Result<Self, Error> {
        let pem = match &row.signature {
            Some(_) => Some(app.services.assemble_certificate(row)?.to_pem()),
            None => None,
        };
        Ok(Self {
            id: hex::encode(&row.id),
            fingerprint: row.fingerprint.as_ref().map(hex::encode),
            serial: hex::encode(&row.serial),
            authority: row.authority.clone(),
            profile: row.profile.clone(),
            subject: row.subject.clone(),
            person: row.person.clone(),
            department: row.department.clone(),
            enrolment: row.enrolment.clone(),
            not_before: rfc3339(from_millis(row.not_before)),
            not_after: rfc3339(from_millis(row.not_after)),
            status: app.services.status_name(row)?,
            ledger: Leaf { log: row.leaf_log.clone(), index: row.leaf_idx },
            pem,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    cursor: Option<String>,
    limit: Option<i64>,
    serial: Option<String>,
    fingerprint: Option<String>,
    authority: Option<String>,
    profile: Option<String>,
    department: Option<DepartmentId>,
    person: Option<PersonId>,
    subject: Option<String>,
    status: Option<String>,
    expires_before: Option<String>,
    signer: Option<String>,
}

async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<View>>, Problem> {
    let paging = Paging { cursor: filter.cursor.clone(), limit: filter.limit };
    let department = filter.department.map(|id| id.to_string()).or_else(|| app.services.usual_department(&caller));
    let person = filter.person.map(|id| id.to_string());
    app.services.check_read(&caller, department.as_deref(), person.as_deref())?;
    if let Some(exact) = filter.serial.as_deref().or(filter.fingerprint.as_deref()) {
        let row = app.services.find_certificate(exact).await?;
        app.services.check_read(&caller, row.department.as_deref(), Some(&row.person))?;
        return Ok(Json(Page { items: vec![View::of(&app, &row)?], next: None }));
    }
    let expires_before = filter.expires_before.as_deref().map(str::parse::<Timestamp>).transpose();
    let expires_before = expires_before.map_err(|error| Error::malformed("expires_before", error))?.map(|time| millis(time.instant()));
    let limit = paging.limit()?;
    let query = CertificateFilter {
        authority: filter.authority,
        profile: filter.profile,
        department,
        person,
        subject: filter.subject,
        status: filter.status,
        expires_before,
        signer: filter.signer,
        after: paging.after()?,
    };
    let rows = app.services.certificates(&query, limit).await?;
    let last = rows.last().map(|row| row.seq.to_string());
    let items = rows.iter().map(|row| View::of(&app, row)).collect::<Result<_, _>>()?;
    Ok(page(items, limit, last))
}

/// `{id}` for those who may read the record; `{id}.pem`, `.der` and `.p7c` for everyone: a certificate is public.
async fn one(State(app): State<App>, caller: Result<Authenticated, Problem>, Path(id): Path<String>) -> Result<Response, Problem> {
    if let Some((id, form)) = id.rsplit_once('.') {
        return file(&app, id, form).await;
    }
    let Authenticated(caller) = caller?;
    let row = app.services.find_certificate(&id).await?;
    app.services.check_read(&caller, row.department.as_deref(), Some(&row.person))?;
    Ok(Json(View::of(&app, &row)?).into_response())
}

async fn file(app: &App, id: &str, form: &str) -> Result<Response, Problem> {
    let row = app.services.find_certificate(id).await?;
    let certificate = app.services.assemble_certificate(&row)?;
    let (kind, bytes) = match form {
        "pem" => ("application/x-pem-file", certificate.to_pem().into_bytes()),
        "der" => ("application/pkix-cert", certificate.der().to_vec()),
        "p7c" => {
            let authority = app.services.authorities().load(&row.authority)?.certificate()?;
            let list = [certificate.der().to_vec(), authority.der().to_vec()];
            ("application/pkcs7-mime; smime-type=certs-only", p7c::certs_only(&list).map_err(Error::from)?)
        }
        _ => return Err(Problem::not_found()),
    };
    Ok(([(header::CONTENT_TYPE, kind)], bytes).into_response())
}

/// The proof that the issue is in the ledger: a C2SP tlog-proof.
async fn receipt(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let row = app.services.find_certificate(&id).await?;
    let receipt = app.services.certificate_receipt(&row).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], receipt.to_string()).into_response())
}

/// Everything about the certificate as one file, for those who may read the record.
async fn evidence(State(app): State<App>, Authenticated(caller): Authenticated, Path(id): Path<String>) -> Result<Json<Evidence>, Problem> {
    let row = app.services.find_certificate(&id).await?;
    app.services.check_read(&caller, row.department.as_deref(), Some(&row.person))?;
    Ok(Json(app.services.evidence(&row).await?))
}

/// What the ledger says of the certificate as of its newest checkpoint, with the proof.
async fn status_proof(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let row = app.services.find_certificate(&id).await?;
    let key = StatusKey::of_tbs(&row.tbs);
    let proof = app.services.status_proof(&row.authority, &key).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], proof.to_string()).into_response())
}

#[derive(Serialize)]
struct ChangedView {
    id: String,
    status: &'static str,
    ledger: Leaf,
}

impl From<Changed> for ChangedView {
    fn from(changed: Changed) -> Self {
        let ledger = Leaf { log: changed.position.log, index: changed.position.index as i64 };
        Self { id: changed.id.to_string(), status: changed.status, ledger }
    }
}

async fn change(app: App, caller: Authenticated, act: Act, id: String, body: Body<Signed>) -> Result<Json<ChangedView>, Problem> {
    let changed = app.services.change_certificate(&caller.0, act, &id, &body.value.statement).await?;
    Ok(Json(changed.into()))
}

async fn revoke(
    State(app): State<App>,
    caller: Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<Json<ChangedView>, Problem> {
    change(app, caller, Act::Revoke, id, body).await
}

async fn suspend(
    State(app): State<App>,
    caller: Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<Json<ChangedView>, Problem> {
    change(app, caller, Act::Suspend, id, body).await
}

async fn resume(
    State(app): State<App>,
    caller: Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<Json<ChangedView>, Problem> {
    change(app, caller, Act::Resume, id, body).await
}
