//! `/ca/{authority}.cer`: the certificates of authorities, where AIA points (RFC 5280 §4.2.2.1).

use axum::{
    Router,
    extract::{Path, State},
    http::header,
    response::IntoResponse,
    routing::get,
};

use super::{App, problem::Problem};
use crate::{services::Error, x509::p7c};

pub fn router() -> Router<App> {
    Router::new().route("/ca/", get(all)).route("/ca/{file}", get(one))
}

async fn one(State(app): State<App>, Path(file): Path<String>) -> Result<impl IntoResponse, Problem> {
    let name = file.strip_suffix(".cer").ok_or_else(Problem::not_found)?;
    let der = app.services.authorities().load(name)?.certificate()?.der().to_vec();
    Ok(([(header::CONTENT_TYPE, "application/pkix-cert"), (header::CACHE_CONTROL, "max-age=3600")], der))
}

/// Every authority's certificate, where SIA points: a certs-only PKCS#7.
async fn all(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let certificates =
        app.services.authorities().all().iter().map(|one| Ok(one.certificate()?.der().to_vec())).collect::<Result<Vec<_>, Error>>()?;
    let der = p7c::certs_only(&certificates).map_err(Error::from)?;
    Ok(([(header::CONTENT_TYPE, "application/pkcs7-mime"), (header::CACHE_CONTROL, "max-age=3600")], der))
}
