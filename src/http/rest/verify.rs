//! `/verify/certificate` and `/verify/signature`: public.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use base64::prelude::*;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Anybody, Body};
use crate::{
    http::{App, openapi::Caller, problem::Problem},
    policy::Timestamp,
    services::{
        Error,
        tokens::Scope,
        verify::Question,
        verify_signature::{Content, Kind, SignatureQuestion, Verified},
    },
    validation::{Purpose, Report, signature::raw::Encoding},
    x509::Certificate,
};

/// The most certificates that may come with the one in question.
const MOST_CERTIFICATES: usize = 16;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(certificate)).routes(routes!(signature))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = CertificateQuestion)]
#[serde(deny_unknown_fields)]
struct Request {
    /// PEM.
    certificate: String,
    #[serde(default)]
    chain: Vec<String>,
    at: Option<String>,
    purpose: Option<String>,
}

#[utoipa::path(post, path = "/verify/certificate", request_body = Request, security(()), responses((status = 200, body = Report), Caller))]
async fn certificate(State(app): State<App>, caller: Anybody, Body { value: request, .. }: Body<Request>) -> Result<Json<Report>, Problem> {
    caller.within(Scope::Verify)?;
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

/// What a signature is and what it is over. Octets are in base64.
#[derive(Deserialize, ToSchema)]
#[schema(as = SignatureQuestion)]
#[serde(deny_unknown_fields)]
struct SignatureRequest {
    signature: String,
    #[serde(default)]
    #[schema(inline)]
    format: FormatName,
    content: Option<String>,
    digest: Option<String>,
    #[serde(default)]
    certificates: Vec<String>,
    /// Of a bare signature, as JOSE names it.
    algorithm: Option<String>,
    /// Of a bare ECDSA or SM2 signature.
    #[serde(default)]
    #[schema(inline)]
    encoding: EncodingName,
    at: Option<String>,
    /// Sign the report with the service's key of this family.
    sign_report: Option<String>,
}

#[derive(Deserialize, Default, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum FormatName {
    /// A CMS or JWS.
    #[default]
    Document,
    Raw,
    TimeStamp,
}

#[derive(Deserialize, Default, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum EncodingName {
    #[default]
    Der,
    Fixed,
}

/// A report; with `sign_report` it is the content of a CMS that the service has signed.
#[utoipa::path(
    post, path = "/verify/signature", request_body = SignatureRequest, security(()),
    responses((status = 200, content((Value = "application/json"), ("application/pkcs7-mime"))), Caller),
)]
async fn signature(
    State(app): State<App>,
    caller: Anybody,
    Body { value: request, .. }: Body<SignatureRequest>,
) -> Result<Response, Problem> {
    caller.within(Scope::Verify)?;
    let family = request.sign_report.clone();
    let question = request.question()?;
    let services = app.services.clone();
    let verified = tokio::task::spawn_blocking(move || services.verify_signature(question)).await.map_err(|_| Problem::panicked())??;
    let json = match verified {
        Verified::Signature(report) => serde_json::to_vec(&report),
        Verified::TimeStamp(report) => serde_json::to_vec(&report),
    };
    // A report is text, numbers and lists of them.
    let json = json.map_err(|_| Problem::panicked())?;
    match family {
        None => Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response()),
        Some(family) => {
            let signed = app.services.sign_report(&family, &json).await?;
            let signed = signed.ok_or_else(|| Error::malformed("sign_report", "the service has no such key; one of p256, sm2"))?;
            Ok(([(header::CONTENT_TYPE, "application/pkcs7-mime; smime-type=signed-data")], signed).into_response())
        }
    }
}

impl SignatureRequest {
    fn question(self) -> Result<SignatureQuestion, Error> {
        let octets = |field: &'static str, text: &str| BASE64_STANDARD.decode(text).map_err(|error| Error::malformed(field, error));
        if self.certificates.len() > MOST_CERTIFICATES {
            return Err(Error::malformed("certificates", format!("at most {MOST_CERTIFICATES}")));
        }
        let mut certificates = Vec::new();
        for pem in &self.certificates {
            certificates.extend(Certificate::parse_many(pem.as_bytes()).map_err(|error| Error::malformed("certificates", error))?);
        }
        let content = match (&self.content, &self.digest) {
            (Some(_), Some(_)) => return Err(Error::malformed("digest", "the content or its digest, not both")),
            (Some(content), None) => Some(Content::Whole(octets("content", content)?)),
            (None, Some(digest)) => Some(Content::Digest(octets("digest", digest)?)),
            (None, None) => None,
        };
        let kind = match (self.format, content) {
            (FormatName::Document, Some(Content::Digest(_))) => {
                return Err(Error::malformed("digest", "a CMS or JWS is verified over its content"));
            }
            (FormatName::Document, Some(Content::Whole(content))) => Kind::Document { content: Some(content) },
            (FormatName::Document, None) => Kind::Document { content: None },
            (FormatName::Raw, Some(signed)) => {
                let encoding = match self.encoding {
                    EncodingName::Der => Encoding::Der,
                    EncodingName::Fixed => Encoding::Fixed,
                };
                Kind::Raw { signed, algorithm: self.algorithm, encoding }
            }
            (FormatName::Raw, None) => return Err(Error::malformed("content", "a bare signature needs the content or its digest")),
            (FormatName::TimeStamp, stamped) => Kind::TimeStamp { stamped },
        };
        let at = self.at.as_deref().map(str::parse::<Timestamp>).transpose().map_err(|error| Error::malformed("at", error))?;
        Ok(SignatureQuestion { signature: signature_octets(&self.signature, &kind)?, kind, certificates, at: at.map(Timestamp::instant) })
    }
}

/// A JWS is text and may come as it is; everything else is in base64.
fn signature_octets(text: &str, kind: &Kind) -> Result<Vec<u8>, Error> {
    if matches!(kind, Kind::Document { .. }) && (text.contains('.') || text.trim_start().starts_with('{')) {
        return Ok(text.as_bytes().to_vec());
    }
    BASE64_STANDARD.decode(text).map_err(|error| Error::malformed("signature", error))
}
