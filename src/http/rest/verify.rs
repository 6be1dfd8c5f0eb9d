//! `/verify/certificate`: public.

use axum::{Json, Router, extract::State, routing::post};
use serde::Deserialize;

use super::Body;
use crate::{
    http::{App, problem::Problem},
    policy::Timestamp,
    services::{Error, verify::Question},
    validation::{Purpose, Report},
    x509::Certificate,
};

/// The most certificates that may come with the one in question.
const MOST_CERTIFICATES: usize = 16;

pub fn router() -> Router<App> {
    Router::new().route("/verify/certificate", post(certificate))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// PEM.
    certificate: String,
    #[serde(default)]
    chain: Vec<String>,
    at: Option<String>,
    purpose: Option<String>,
}

async fn certificate(State(app): State<App>, Body { value: request, .. }: Body<Request>) -> Result<Json<Report>, Problem> {
    let read = |field: &'static str, pem: &str| {
        let certificates = Certificate::parse_many(pem.as_bytes()).map_err(|error| Error::malformed(field, error))?;
        certificates.into_iter().next().ok_or_else(|| Error::malformed(field, "no certificate"))
    };
    if request.chain.len() > MOST_CERTIFICATES {
        return Err(Error::malformed("chain", format!("at most {MOST_CERTIFICATES}")).into());
    }
    let purpose = match &request.purpose {
        None => Purpose::Any,
        Some(name) => Purpose::find(name)
            .ok_or_else(|| Error::malformed("purpose", format!("one of {}", Purpose::ALL.map(Purpose::name).join(", "))))?,
    };
    let at = request.at.as_deref().map(str::parse::<Timestamp>).transpose().map_err(|error| Error::malformed("at", error))?;
    let question = Question {
        certificate: read("certificate", &request.certificate)?,
        chain: request.chain.iter().map(|pem| read("chain", pem)).collect::<Result<_, _>>()?,
        at: at.map(Timestamp::instant),
        purpose,
    };
    // Up to hundreds of signature checks: not on a thread that serves connections.
    let verdict = tokio::task::spawn_blocking(move || app.services.verify_certificate(&question)).await;
    Ok(Json(verdict.map_err(|_| Problem::panicked())??))
}
