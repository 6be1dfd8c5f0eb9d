//! `/authorities`: public.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use serde::Serialize;

use super::Page;
use crate::{
    http::{App, problem::Problem},
    services::{Error, authorities::Authority, verify::rfc3339},
};

pub fn router() -> Router<App> {
    Router::new().route("/authorities", get(list)).route("/authorities/{name}", get(one))
}

#[derive(Serialize)]
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

async fn list(State(app): State<App>) -> Result<Json<Page<View>>, Problem> {
    let items = app.services.authorities().all().iter().map(|authority| View::of(&app, authority)).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next: None }))
}

async fn one(State(app): State<App>, Path(name): Path<String>) -> Result<Json<View>, Problem> {
    Ok(Json(View::of(&app, &app.services.authorities().load(&name)?)?))
}
