//! `/claims`: a one-time code and a certification request become a certificate. Needs no client certificate: this is how
//! the first one is had.

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Body;
use crate::http::{App, listener::Peer, openapi::Refused, problem::Problem};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(claim))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = Claim)]
#[serde(deny_unknown_fields)]
struct Request {
    code: String,
    /// PEM.
    csr: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Claimed)]
struct Answer {
    /// What the files are called.
    name: String,
    person: String,
    id: String,
    /// PEM: the certificate and its authorities, the root last.
    chain: String,
    /// PEM.
    roots: String,
    /// Shown this once: it suspends the certificate, for whoever has lost the key.
    suspension_code: String,
}

#[utoipa::path(
    post, path = "/claims", request_body = Request,
    responses((status = 201, body = Answer), Refused<403>, Refused<409>, Refused<422>),
)]
async fn claim(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Body { value: request, .. }: Body<Request>,
) -> Result<(StatusCode, Json<Answer>), Problem> {
    let claim = app.services.claim(&request.code, request.csr.as_bytes());
    let claimed = app.services.limited(peer.address.ip(), claim).await?;
    let row = app.services.find_certificate(&claimed.issued.certificate.id().to_string()).await?;
    let suspension_code = app.services.new_suspension_code(&row).await?.reveal();
    let pem = |certificates: &[crate::x509::Certificate]| certificates.iter().map(|certificate| certificate.to_pem()).collect();
    let answer = Answer {
        name: file_name(&claimed.name),
        person: claimed.person.to_string(),
        id: claimed.issued.certificate.id().to_string(),
        chain: pem(&claimed.chain),
        roots: pem(&claimed.roots),
        suspension_code,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// What a name is called as a file: whatever is not a letter or a digit becomes a hyphen.
fn file_name(name: &str) -> String {
    name.chars().map(|letter| if letter.is_alphanumeric() || letter == '_' { letter } else { '-' }).collect()
}
