//! In which form a report is answered: as JSON, as a page for people, or as a CMS of the service's own over the JSON.

use axum::{
    extract::{FromRequestParts, Query},
    http::{HeaderMap, HeaderName, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::words;
use crate::{
    http::{App, problem::Problem},
    services::Error,
    validation::page::{Section, page},
};

/// What the caller asks for.
pub enum Form {
    Json,
    /// `Accept: text/html`.
    Page,
    /// `?signed=p256` or `?signed=sm2`.
    Signed(String),
}

/// The query that asks for a signed report.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// By the service's key of this family.
    #[param(inline, value_type = Option<Families>)]
    signed: Option<String>,
}

words! { Families of ["p256", "sm2"]; }

impl<S: Send + Sync> FromRequestParts<S> for Form {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(asked): Query<Signed> =
            Query::try_from_uri(&parts.uri).map_err(|_| Problem::malformed("the query has signed=p256 or signed=sm2 and nothing else"))?;
        match (asked.signed, prefers_page(&parts.headers)) {
            (Some(_), true) => Err(Problem::malformed("a page is not signed; ask for application/json")),
            (Some(family), false) => Ok(Self::Signed(family)),
            (None, true) => Ok(Self::Page),
            (None, false) => Ok(Self::Json),
        }
    }
}

/// Whether the page weighs more (RFC 9110 §12.5.1), or as much and is named first: browsers put it first, programs do not name it.
fn prefers_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (mut page, mut json) = (None, None);
    for (place, range) in accept.split(',').enumerate() {
        let mut parts = range.split(';').map(str::trim);
        let named: &mut Option<(f32, usize)> = match parts.next() {
            Some(name) if name.eq_ignore_ascii_case("text/html") => &mut page,
            Some(name) if name.eq_ignore_ascii_case("application/json") => &mut json,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        named.get_or_insert((weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)), place));
    }
    match (page, json) {
        (Some((weight, place)), Some((other, at))) => weight > other || (weight == other && weight > 0.0 && place < at),
        (Some((weight, _)), None) => weight > 0.0,
        (None, _) => false,
    }
}

impl Form {
    pub async fn answer<R>(self, app: &App, report: &R) -> Result<Response, Problem>
    where
        R: Serialize,
        for<'a> &'a R: Into<Section>,
    {
        let json = || serde_json::to_vec(report).map_err(|_| Problem::panicked());
        let section: Section = report.into();
        let verdict = [(VERDICT, section.verdict().to_owned())];
        Ok(match self {
            Self::Json => (JSON, verdict, json()?).into_response(),
            Self::Page => (PAGE, verdict, page(section, app.services.now())).into_response(),
            Self::Signed(family) => {
                let signed = app.services.sign_report(&family, &json()?).await?;
                let signed = signed.ok_or_else(|| Error::malformed("signed", "the service has no such key; one of p256, sm2"))?;
                (SIGNED, verdict, signed).into_response()
            }
        })
    }
}

/// The verdict, for whoever does not look into the body.
const VERDICT: HeaderName = HeaderName::from_static("hufu-verdict");
const VARY: (HeaderName, &str) = (header::VARY, "accept");
const JSON: [(HeaderName, &str); 2] = [(header::CONTENT_TYPE, "application/json"), VARY];
const SIGNED: [(HeaderName, &str); 2] = [(header::CONTENT_TYPE, "application/pkcs7-mime; smime-type=signed-data"), VARY];

/// Nothing of a page may run or load, whatever a name in it is.
const PAGE: [(HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    VARY,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_for_whoever_asks_for_it_first() {
        for (accept, is_page) in [
            ("", false),
            ("*/*", false),
            ("application/json", false),
            ("text/html", true),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("text/html; charset=utf-8", true),
            ("application/json, text/html", false),
            ("text/html;q=0.1, application/json", false),
            ("application/json;q=0.5, text/html;q=0.9", true),
            ("text/html;q=0", false),
            ("text/html; level=1; q=0.2, application/json; q=0.2", true),
            ("text/plain", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(prefers_page(&headers), is_page, "{accept}");
        }
    }
}
