//! `/authorities`: public.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Page, Path};
use crate::{
    http::{App, problem::Problem},
    services::{Error, authorities::Authority, verify::rfc3339},
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(one))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Authority)]
struct View {
    name: String,
    purpose: String,
    family: &'static str,
    issuer: Option<String>,
    subject: String,
    id: String,
    not_after: String,
    crl_shards: u16,
    log: String,
    /// PEM.
    certificate: String,
}

impl View {
    fn of(app: &App, authority: &Arc<Authority>) -> Result<Self, Error> {
        let certificate = authority.certificate()?;
        Ok(Self {
            name: authority.name.to_string(),
            purpose: authority.name.purpose().to_string(),
            family: authority.name.family(),
            issuer: authority.issuer.map(|issuer| issuer.to_string()),
            subject: certificate.subject_text(),
            id: certificate.id().to_string(),
            not_after: rfc3339(certificate.not_after()),
            crl_shards: authority.crl_shards,
            log: app.services.origin(&authority.log())?,
            certificate: certificate.to_pem(),
        })
    }
}

#[utoipa::path(get, path = "/authorities", responses((status = 200, body = Page<View>)))]
async fn list(State(app): State<App>) -> Result<Json<Page<View>>, Problem> {
    let items = app.services.authorities().all().iter().map(|authority| View::of(&app, authority)).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next: None }))
}

#[utoipa::path(get, path = "/authorities/{name}", responses((status = 200, body = View)))]
async fn one(State(app): State<App>, Path(name): Path<String>) -> Result<Json<View>, Problem> {
    Ok(Json(View::of(&app, &app.services.authorities().load(&name)?)?))
}
