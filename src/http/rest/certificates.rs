//! `/certificates`: found by TBS digest, fingerprint or serial number; listed; revoked, suspended, resumed; proved.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Admitted, Authenticated, Body, Page, Paging, Path, Query, Time, check_word, officers::Signed, page, words};
use crate::{
    http::{
        App,
        openapi::{Caller, Refused},
        problem::Problem,
    },
    ledger::StatusKey,
    policy::{Act, DepartmentId, PersonId, Timestamp},
    services::{Error, court::Evidence, revoke::Changed, tokens::Scope, verify::rfc3339},
    store::{self, CertificateFilter, CertificateRow},
    world::{from_millis, millis},
    x509::p7c,
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(receipt))
        .routes(routes!(status_proof))
        .routes(routes!(evidence))
        .routes(routes!(revoke))
        .routes(routes!(suspend))
        .routes(routes!(resume))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Certificate)]
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
    /// From when on its holder may renew it.
    #[serde(skip_serializing_if = "Option::is_none")]
    renewable_from: Option<String>,
    /// `promised`, `valid`, `suspended`, `revoked`, as the ledger says now.
    status: &'static str,
    /// Of an authority, asked for by itself: how many certificates hang on it that have not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    depending: Option<i64>,
    ledger: Leaf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pem: Option<String>,
}

/// Where in the ledger something stands.
#[derive(Serialize, ToSchema)]
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
            renewable_from: app.services.renewable_from(row).map(rfc3339),
            status: app.services.status_name(row)?,
            depending: None,
            ledger: Leaf { log: row.leaf_log.clone(), index: row.leaf_idx },
            pem,
        })
    }
}

words! { Status of store::certificates::STATUSES.iter().copied(); }

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
    /// In hexadecimal. It finds one certificate, beside which the other filters do not count.
    serial: Option<String>,
    /// The same by the SHA-256 of its DER.
    fingerprint: Option<String>,
    /// The name of an authority.
    authority: Option<String>,
    /// The name of a profile.
    profile: Option<String>,
    /// Its id; absent: the department that the caller works for, where it is one.
    #[param(value_type = Option<String>, pattern = "^[0-9a-f]{32}$")]
    department: Option<DepartmentId>,
    /// The holder's id.
    #[param(value_type = Option<String>, pattern = "^[0-9a-f]{32}$")]
    person: Option<PersonId>,
    /// A part of the subject's text.
    subject: Option<String>,
    /// Those with this status alone, as it was recorded last.
    #[param(inline, value_type = Option<Status>)]
    status: Option<String>,
    /// A time in UTC with whole seconds, such as `2030-01-01T00:00:00Z`.
    #[param(inline, value_type = Option<Time>)]
    expires_before: Option<String>,
    /// The id of a person who signed the decision.
    signer: Option<String>,
}

#[utoipa::path(get, path = "/certificates", params(Filter), responses((status = 200, body = Page<View>), Caller, Refused<404>))]
async fn list(State(app): State<App>, reader: Admitted, Query(filter): Query<Filter>) -> Result<Json<Page<View>>, Problem> {
    let reader = reader.within(Scope::CertificatesRead)?;
    let paging = Paging { cursor: filter.cursor.clone(), limit: filter.limit };
    let department = filter.department.map(|id| id.to_string()).or_else(|| app.services.readers_department(&reader));
    let person = filter.person.map(|id| id.to_string());
    app.services.check_reader(&reader, department.as_deref(), person.as_deref()).await?;
    check_word("status", filter.status.as_deref(), store::certificates::STATUSES)?;
    let expires_before = filter.expires_before.as_deref().map(str::parse::<Timestamp>).transpose();
    let expires_before = expires_before.map_err(|error| Error::malformed("expires_before", error))?.map(|time| millis(time.instant()));
    let limit = paging.limit()?;
    let after = paging.after()?;
    if let Some(exact) = filter.serial.as_deref().or(filter.fingerprint.as_deref()) {
        let row = app.services.find_certificate(exact).await?;
        app.services.check_reader(&reader, row.department.as_deref(), Some(&row.person)).await?;
        return Ok(Json(Page { items: vec![View::of(&app, &row)?], next: None }));
    }
    let query = CertificateFilter {
        authority: filter.authority,
        profile: filter.profile,
        department,
        person,
        subject: filter.subject,
        status: filter.status,
        expires_before,
        signer: filter.signer,
        after,
    };
    let rows = app.services.certificates(&query, limit).await?;
    let last = rows.last().map(|row| row.seq.to_string());
    let items = rows.iter().map(|row| View::of(&app, row)).collect::<Result<_, _>>()?;
    Ok(page(items, limit, last))
}

/// `{id}` for those who may read the record; `{id}.pem`, `.der` and `.p7c` for everyone: a certificate is public.
#[utoipa::path(get, path = "/certificates/{id}", responses(
    (status = 200, content(
        (View = "application/json"), ("application/x-pem-file"), ("application/pkix-cert"), ("application/pkcs7-mime"),
    )),
    Caller,
))]
async fn one(State(app): State<App>, reader: Result<Admitted, Problem>, Path(id): Path<String>) -> Result<Response, Problem> {
    if let Some((id, form)) = id.rsplit_once('.') {
        return file(&app, id, form).await;
    }
    let reader = reader?.within(Scope::CertificatesRead)?;
    let row = app.services.find_certificate(&id).await?;
    app.services.check_reader(&reader, row.department.as_deref(), Some(&row.person)).await?;
    Ok(Json(View { depending: app.services.depending(&row).await?, ..View::of(&app, &row)? }).into_response())
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
#[utoipa::path(get, path = "/certificates/{id}/receipt", responses((status = 200, content_type = "text/plain", body = String)))]
async fn receipt(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let row = app.services.find_certificate(&id).await?;
    let receipt = app.services.certificate_receipt(&row).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], receipt.to_string()).into_response())
}

/// Everything about the certificate as one file, for those who may read the record.
#[utoipa::path(get, path = "/certificates/{id}/evidence", responses((status = 200, body = serde_json::Value), Caller))]
async fn evidence(State(app): State<App>, Authenticated(caller): Authenticated, Path(id): Path<String>) -> Result<Json<Evidence>, Problem> {
    let row = app.services.find_certificate(&id).await?;
    app.services.check_read(&caller, row.department.as_deref(), Some(&row.person)).await?;
    Ok(Json(app.services.evidence(&row).await?))
}

/// What the ledger says of the certificate as of now, with the proof.
#[utoipa::path(get, path = "/certificates/{id}/status-proof", responses((status = 200, content_type = "text/plain", body = String)))]
async fn status_proof(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let row = app.services.find_certificate(&id).await?;
    let key = StatusKey::of_tbs(&row.tbs);
    let proof = app.services.status_proof_now(&row.authority, &key).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], proof.to_string()).into_response())
}

#[derive(Serialize, ToSchema)]
#[schema(as = ChangedCertificate)]
struct ChangedView {
    id: String,
    status: &'static str,
    ledger: Leaf,
    /// Signed by the system key.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledgement: Option<String>,
}

impl From<Changed> for ChangedView {
    fn from(changed: Changed) -> Self {
        let ledger = Leaf { log: changed.position.log, index: changed.position.index as i64 };
        Self { id: changed.id.to_string(), status: changed.status, ledger, acknowledgement: changed.acknowledgement }
    }
}

async fn change(app: App, caller: Authenticated, act: Act, id: String, body: Body<Signed>) -> Result<Json<ChangedView>, Problem> {
    let changed = app.services.change_certificate(&caller.0, act, &id, &body.value.statement).await?;
    Ok(Json(changed.into()))
}

#[utoipa::path(
    post, path = "/certificates/{id}/revocation", request_body = Signed,
    responses((status = 200, body = ChangedView), Caller, Refused<409>),
)]
async fn revoke(
    State(app): State<App>,
    caller: Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<Json<ChangedView>, Problem> {
    change(app, caller, Act::Revoke, id, body).await
}

#[utoipa::path(
    post, path = "/certificates/{id}/suspension", request_body = Signed,
    responses((status = 200, body = ChangedView), Caller, Refused<409>),
)]
async fn suspend(
    State(app): State<App>,
    caller: Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<Json<ChangedView>, Problem> {
    change(app, caller, Act::Suspend, id, body).await
}

#[utoipa::path(
    post, path = "/certificates/{id}/resumption", request_body = Signed,
    responses((status = 200, body = ChangedView), Caller, Refused<409>),
)]
async fn resume(
    State(app): State<App>,
    caller: Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<Json<ChangedView>, Problem> {
    change(app, caller, Act::Resume, id, body).await
}
