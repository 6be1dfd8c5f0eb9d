//! `/verify/certificate` and `/verify/signature`: public.

use std::borrow::Cow;

use axum::{
    extract::{DefaultBodyLimit, State},
    response::Response,
};
use base64::prelude::*;
use serde::Deserialize;
use time::{OffsetDateTime, UtcOffset};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema, schema::AnyOfBuilder},
};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

use super::{
    Anybody, Body,
    report::{Form, Signed},
};
use crate::{
    config::Limits,
    crypto::Digest,
    http::{App, openapi::Caller, problem::Problem},
    services::{
        Error,
        tokens::Scope,
        verify::Question,
        verify_signature::{Content, Kind, SignatureQuestion, Verified},
    },
    validation::{
        Purpose, Report, SignatureReport, TimeStampReport,
        foreign::Files,
        signature::{format::no_certificate, raw::Encoding},
    },
    world::parse_rfc3339,
    x509::Certificate,
};

/// The most certificates that may come with the one in question.
const MOST_CERTIFICATES: usize = 16;

/// The most lists that may come with it, and the most responses.
const MOST_FILES: usize = 32;

pub fn router(limits: &Limits) -> OpenApiRouter<App> {
    let largest = DefaultBodyLimit::max(limits.signature_body);
    OpenApiRouter::default().routes(routes!(certificate)).routes(routes!(signature).layer(largest))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = CertificateQuestion)]
#[serde(deny_unknown_fields)]
struct Request {
    /// PEM, or DER in base64.
    certificate: String,
    #[serde(default)]
    chain: Vec<String>,
    at: Option<String>,
    purpose: Option<String>,
    /// Revocation lists and OCSP responses about certificates of other PKIs, DER in base64.
    #[serde(default)]
    crls: Vec<String>,
    #[serde(default)]
    ocsp: Vec<String>,
}

/// A report on a certificate, as JSON, as a page, or signed.
#[utoipa::path(
    post, path = "/verify/certificate", request_body = Request, params(Signed), security(()),
    responses((status = 200, content((Report = "application/json"), ("text/html"), ("application/pkcs7-mime"))), Caller),
)]
async fn certificate(
    State(app): State<App>,
    caller: Anybody,
    form: Form,
    Body { value: request, .. }: Body<Request>,
) -> Result<Response, Problem> {
    caller.within(Scope::Verify)?;
    if request.chain.len() > MOST_CERTIFICATES {
        return Err(Error::malformed("chain", format!("at most {MOST_CERTIFICATES}")).into());
    }
    let purpose = match &request.purpose {
        None => Purpose::Any,
        Some(name) => Purpose::find(name)
            .ok_or_else(|| Error::malformed("purpose", format!("one of {}", Purpose::ALL.map(Purpose::name).join(", "))))?,
    };
    let evidence = evidence(&request.crls, &request.ocsp)?;
    let question = Question {
        certificate: read_certificate("certificate", &request.certificate)?,
        chain: request.chain.iter().map(|pem| read_certificate("chain", pem)).collect::<Result<_, _>>()?,
        at: time(request.at.as_deref())?,
        purpose,
    };
    // Up to hundreds of signature checks: not on a thread that serves connections.
    let services = app.services.clone();
    let (id, about) = (question.certificate.id(), question.at);
    let verdict = tokio::task::spawn_blocking(move || services.verify_certificate(&question, &evidence.read())).await;
    let mut report = verdict.map_err(|_| Problem::panicked())??;
    app.services.add_evidence(&id, &mut report, about).await?;
    form.answer(&app, &report).await
}

/// Other people's times are in other zones and finer than a second.
fn time(at: Option<&str>) -> Result<Option<OffsetDateTime>, Error> {
    let read = |text| parse_rfc3339(text).and_then(|at| at.checked_to_offset(UtcOffset::UTC));
    at.map(|text| read(text).ok_or_else(|| Error::malformed("at", "a time of RFC 3339, as 2030-01-01T00:00:00Z"))).transpose()
}

/// Lists and responses that come with a question.
fn evidence(crls: &[String], ocsp: &[String]) -> Result<Files, Error> {
    let files = |field: &'static str, files: &[String]| {
        if files.len() > MOST_FILES {
            return Err(Error::malformed(field, format!("at most {MOST_FILES}")));
        }
        files.iter().map(|file| octets(field, file)).collect()
    };
    readable(Files { lists: files("crls", crls)?, responses: files("ocsp", ocsp)? })
}

/// One certificate in PEM, or its DER in base64.
fn read_certificate(field: &'static str, text: &str) -> Result<Certificate, Error> {
    let file = match BASE64_STANDARD.decode(text.split_ascii_whitespace().collect::<String>()) {
        Ok(der) if !der.is_empty() => der,
        Ok(_) | Err(_) => text.as_bytes().to_vec(),
    };
    let certificates = Certificate::parse_many(&file).map_err(|_| Error::malformed(field, no_certificate(&file)))?;
    certificates.into_iter().next().ok_or_else(|| Error::malformed(field, no_certificate(&file)))
}

/// Evidence that cannot be read would be passed over without a word.
fn readable(files: Files) -> Result<Files, Error> {
    let (lists, responses) = files.unreadable();
    match (lists.first(), responses.first()) {
        (Some(place), _) => Err(Error::malformed("crls", format!("the list at position {place} is no CRL in DER (a PEM file is not DER)"))),
        (None, Some(place)) => Err(Error::malformed("ocsp", format!("the response at position {place} is no OCSP response in DER"))),
        (None, None) => Ok(files),
    }
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
    /// By which function the digest is, where the signature may be by several.
    digest_algorithm: Option<String>,
    #[serde(default)]
    certificates: Vec<String>,
    /// Of a bare signature, as JOSE names it.
    algorithm: Option<String>,
    /// Of a bare ECDSA or SM2 signature.
    #[serde(default)]
    #[schema(inline)]
    encoding: EncodingName,
    /// Revocation lists and OCSP responses about certificates of other PKIs, DER in base64, beside those in the signature.
    #[serde(default)]
    crls: Vec<String>,
    #[serde(default)]
    ocsp: Vec<String>,
    at: Option<String>,
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

/// What is answered: on a signature, or for the format `time-stamp` on a token.
struct VerifiedBody;

impl PartialSchema for VerifiedBody {
    fn schema() -> RefOr<Schema> {
        let [signature, time_stamp] = [SignatureReport::name(), TimeStampReport::name()].map(Ref::from_schema_name);
        AnyOfBuilder::new().item(signature).item(time_stamp).into()
    }
}

impl ToSchema for VerifiedBody {
    fn name() -> Cow<'static, str> {
        "VerifiedSignature".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((SignatureReport::name().into(), SignatureReport::schema()));
        schemas.push((TimeStampReport::name().into(), TimeStampReport::schema()));
        SignatureReport::schemas(schemas);
        TimeStampReport::schemas(schemas);
    }
}

/// A report on each signer, as JSON, as a page, or signed.
#[utoipa::path(
    post, path = "/verify/signature", request_body = SignatureRequest, params(Signed), security(()),
    responses((status = 200, content((VerifiedBody = "application/json"), ("text/html"), ("application/pkcs7-mime"))), Caller),
)]
async fn signature(
    State(app): State<App>,
    caller: Anybody,
    form: Form,
    body: Result<Body<SignatureRequest>, Problem>,
) -> Result<Response, Problem> {
    let Body { value: request, .. } = body.map_err(Problem::by_signature_limit)?;
    caller.within(Scope::Verify)?;
    let question = request.question()?;
    let services = app.services.clone();
    let verified = tokio::task::spawn_blocking(move || services.verify_signature(question)).await.map_err(|_| Problem::panicked())??;
    match verified {
        Verified::Signature(mut report) => {
            app.services.add_evidence_to_signatures(&mut report.signatures).await?;
            form.answer(&app, &*report).await
        }
        Verified::TimeStamp(mut report) => {
            app.services.add_evidence_to_time_stamp(&mut report).await?;
            form.answer(&app, &*report).await
        }
    }
}

impl SignatureRequest {
    fn question(self) -> Result<SignatureQuestion, Error> {
        let mut certificates = Vec::new();
        for pem in &self.certificates {
            certificates.extend(Certificate::parse_many(pem.as_bytes()).map_err(|error| Error::malformed("certificates", error))?);
            if certificates.len() > MOST_CERTIFICATES {
                return Err(Error::malformed("certificates", format!("at most {MOST_CERTIFICATES}")));
            }
        }
        let content = match (&self.content, &self.digest) {
            (Some(_), Some(_)) => return Err(Error::malformed("digest", "the content or its digest, not both")),
            (Some(content), None) => Some(Content::Whole(octets("content", content)?)),
            (None, Some(digest)) => Some(Content::Digest(octets("digest", digest)?, self.digest_algorithm()?)),
            (None, None) => None,
        };
        let kind = match (self.format, content) {
            (FormatName::Document, content) => Kind::Document { content },
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
        let signature = signature_octets(&self.signature, &kind)?;
        let evidence = evidence(&self.crls, &self.ocsp)?;
        Ok(SignatureQuestion { signature, kind, certificates, evidence, at: time(self.at.as_deref())? })
    }

    fn digest_algorithm(&self) -> Result<Option<Digest>, Error> {
        let find =
            |name: &String| Digest::named(name).ok_or_else(|| Error::malformed("digest_algorithm", format!("one of {}", Digest::names())));
        self.digest_algorithm.as_ref().map(find).transpose()
    }
}

/// A JWS is text and may come as it is, and so may PEM; everything else is in base64.
fn signature_octets(text: &str, kind: &Kind) -> Result<Vec<u8>, Error> {
    let start = text.trim_start();
    let is_jws = matches!(kind, Kind::Document { .. }) && (text.contains('.') || start.starts_with('{'));
    if is_jws || start.starts_with("-----BEGIN ") {
        return Ok(text.as_bytes().to_vec());
    }
    octets("signature", text)
}

/// Base64, in lines or in one.
fn octets(field: &'static str, text: &str) -> Result<Vec<u8>, Error> {
    let digits: String = text.split_ascii_whitespace().collect();
    BASE64_STANDARD.decode(digits).map_err(|error| Error::malformed(field, error))
}
