//! `/api/v1`: the interface that officers, machines and the command line use. JSON in, JSON out, lists by cursor.

mod authorities;
mod certificates;
mod citizens;
mod claims;
mod departments;
mod enrolments;
mod notices;
mod officers;
mod policies;
mod re_reviews;
mod renewals;
mod report;
mod revocations;
mod sessions;
mod staff;
mod statements;
mod suspensions;
mod time_stamps;
mod tokens;
mod verify;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, header, request::Parts},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};
use utoipa_axum::router::OpenApiRouter;

use super::{App, identity::Identified, openapi::PREFIX, problem::Problem};
use crate::{
    config::Limits,
    policy::Missing,
    services::{
        Error,
        callers::Identity,
        enrol::request_digest,
        statements::{Caller, Waits},
        tokens::Scope,
    },
};

/// The whole API with its description.
pub fn nested(limits: &Limits) -> OpenApiRouter<App> {
    let all = routers(limits).into_iter().fold(OpenApiRouter::default(), |all, (_, router)| all.merge(router));
    OpenApiRouter::default().nest(PREFIX, all)
}

/// Each file's addresses.
pub fn routers(limits: &Limits) -> Vec<(&'static str, OpenApiRouter<App>)> {
    vec![
        ("authorities", authorities::router()),
        ("certificates", certificates::router()),
        ("citizens", citizens::router()),
        ("claims", claims::router()),
        ("departments", departments::router()),
        ("enrolments", enrolments::router()),
        ("notices", notices::router()),
        ("officers", officers::router()),
        ("policies", policies::router()),
        ("re_reviews", re_reviews::router()),
        ("renewals", renewals::router()),
        ("revocations", revocations::router()),
        ("sessions", sessions::router()),
        ("staff", staff::router()),
        ("statements", statements::router()),
        ("suspensions", suspensions::router()),
        ("time_stamps", time_stamps::router()),
        ("tokens", tokens::router()),
        ("verify", verify::router(limits)),
    ]
}

/// The largest body that carries a list of identifiers: 20 000 digests and a statement.
const LIST_BODY: usize = 2 * 1024 * 1024;

/// The largest page.
const MOST_ITEMS: i64 = 1000;
const USUAL_ITEMS: i64 = 100;

/// A person, by their certificate or by a session; nobody else gets beyond this.
pub struct Authenticated(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match identified(parts)? {
            Some(Identity::Person(caller)) => Ok(Self(caller)),
            Some(Identity::Service(_)) => Err(Error::PersonNeeded.into()),
            None => Err(Error::Unauthenticated.into()),
        }
    }
}

/// A person, or a service whose token is for what is asked.
pub struct Admitted(Identity);

impl Admitted {
    /// Who reads, once it is said which scope a token must have here.
    pub fn within(self, scope: Scope) -> Result<Identity, Problem> {
        within(&self.0, scope)?;
        Ok(self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(identified(parts)?.ok_or(Error::Unauthenticated)?))
    }
}

/// Anybody. Who shows something all the same must show what is good here, so that nobody takes an answer for theirs.
pub struct Anybody(Option<Identity>);

impl Anybody {
    pub fn within(self, scope: Scope) -> Result<(), Problem> {
        self.0.map_or(Ok(()), |identity| within(&identity, scope))
    }

    /// The person, where it is one.
    pub fn person(self) -> Result<Option<Caller>, Problem> {
        match self.0 {
            Some(Identity::Service(_)) => Err(Error::PersonNeeded.into()),
            Some(Identity::Person(caller)) => Ok(Some(caller)),
            None => Ok(None),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Anybody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(identified(parts)?))
    }
}

fn within(identity: &Identity, scope: Scope) -> Result<(), Problem> {
    match identity {
        Identity::Person(_) => Ok(()),
        Identity::Service(token) => Ok(token.check_scope(scope)?),
    }
}

/// What `identify` found out. A router without it knows nobody.
fn identified(parts: &Parts) -> Result<Option<Identity>, Problem> {
    parts.extensions.get::<Identified>().map_or(Ok(None), |found| found.0.clone())
}

/// What stands in the path at a place like `{id}`.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        check_escapes(parts.uri.path())?;
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|_| Problem::malformed("the path is not UTF-8 text"))
    }
}

/// The query of a request, whose names were checked (`queries.rs`).
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        check_escapes(parts.uri.query().unwrap_or_default())?;
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        query
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|_| Problem::malformed("a parameter of the query is missing, is there twice or has the wrong form"))
    }
}

/// No text here has a NUL in it, and PostgreSQL takes none that has.
fn check_escapes(escaped: &str) -> Result<(), Problem> {
    if escaped.contains("%00") { Err(Problem::malformed("a NUL character")) } else { Ok(()) }
}

/// A JSON body, with the digest that ties a repeated request to its first and the key that says it is one.
pub struct Body<T> {
    pub value: T,
    pub digest: [u8; 32],
    pub idempotency_key: Option<String>,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::media_type("application/json"));
        }
        let idempotency_key = idempotency_key(request.headers())?;
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
                Problem::too_large()
            } else {
                Problem::malformed("the body was cut short")
            }
        })?;
        if has_nul(&bytes) {
            return Err(Problem::malformed("a NUL character"));
        }
        // The parser would take the elements for the members of the object, in the order of the source.
        if bytes.trim_ascii_start().starts_with(b"[") {
            return Err(Problem::malformed("a JSON array stands where an object is wanted"));
        }
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| Problem::malformed(describe(&error)))?;
        json.end().map_err(|_| Problem::malformed("not JSON: more follows the end"))?;
        Ok(Self { value, digest: request_digest(&bytes), idempotency_key })
    }
}

/// Whether a text of this JSON has a NUL in it, which can only be written as an escape (RFC 8259 §7).
fn has_nul(json: &[u8]) -> bool {
    let is_escape = |at: usize| json[..at].iter().rev().take_while(|octet| **octet == b'\\').count() % 2 == 0;
    json.windows(6).enumerate().any(|(at, octets)| octets == b"\\u0000" && is_escape(at))
}

/// The header that makes a request repeatable, as the description has it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "`idempotency_key` reads it; this describes it")]
pub struct IdempotencyKey {
    /// The same caller, key and body get the first answer.
    #[param(rename = "Idempotency-Key", pattern = "^[!-~]{1,64}$")]
    idempotency_key: Option<String>,
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// At most 64 visible ASCII characters.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=64).contains(&key.len()) && key.bytes().all(|octet| octet.is_ascii_graphic()) => Ok(Some(key.to_owned())),
        _ => Err(Problem::malformed("Idempotency-Key has 1 to 64 visible ASCII characters")),
    }
}

/// What is wrong with a body, without repeating what is in it: a field is named where the program knows it.
fn describe(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let at: String = error.path().to_string().chars().filter(|character| !character.is_control()).take(100).collect();
    let error = error.inner();
    let place = format!("line {}, column {}", error.line(), error.column());
    if error.classify() != serde_json::error::Category::Data {
        return format!("not JSON ({place})");
    }
    // The words of serde: only the names of fields that there are in the program are passed on.
    let text = error.to_string();
    let quoted = |start: &str| text.strip_prefix(start).and_then(|rest| rest.split_once('`')).map(|(name, _)| name.to_owned());
    let known = |text: &str| text.split_once("expected ").map(|(_, known)| known.split(" at line").next().unwrap_or_default().to_owned());
    if let Some(field) = quoted("missing field `") {
        format!("the field {field} is missing ({place})")
    } else if text.starts_with("unknown field") {
        format!("a field is not known; there are {} ({place})", known(&text).unwrap_or_default().trim_start_matches("one of "))
    } else if text.starts_with("unknown variant") {
        format!("{at} is not one of {} ({place})", known(&text).unwrap_or_default().trim_start_matches("one of "))
    } else if at == "." {
        format!("a field is missing, unknown or of the wrong type ({place})")
    } else {
        format!("{at} is of the wrong type ({place})")
    }
}

/// The query of a list without filters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<i64>,
}

impl Paging {
    fn limit(&self) -> Result<i64, Problem> {
        match self.limit.unwrap_or(USUAL_ITEMS) {
            limit if (1..=MOST_ITEMS).contains(&limit) => Ok(limit),
            _ => Err(Problem::malformed(format!("limit is between 1 and {MOST_ITEMS}"))),
        }
    }

    fn after(&self) -> Result<Option<i64>, Problem> {
        self.cursor.as_deref().map(|cursor| cursor.parse().map_err(|_| Problem::bad_cursor())).transpose()
    }
}

/// A filter by a word that no record has is refused: an empty list would say that there are none.
fn check_word(field: &'static str, word: Option<&str>, words: &[&str]) -> Result<(), Error> {
    match word {
        Some(word) if !words.contains(&word) => Err(Error::malformed(field, format!("one of {}", words.join(", ")))),
        _ => Ok(()),
    }
}

/// Schemas of parameters that take a word of a list, which is the one that they are checked against.
macro_rules! words {
    ($($name:ident of $words:expr;)*) => {$(
        struct $name;

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String).enum_values(Some($words)).into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )*};
}
use words;

/// The schema of a `Timestamp` in a query.
struct Time;

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let pattern = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$";
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).pattern(Some(pattern)).into()
    }
}

impl ToSchema for Time {}

/// Who has signed what waits for others, and who must still.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = Waits)]
struct WaitsView {
    /// Whoever has signed it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signed_by: Vec<String>,
    /// Who must sign it still.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Missing>,
}

impl WaitsView {
    /// The answer to somebody whose signature was recorded and does not do alone.
    fn still(missing: Option<Missing>) -> Self {
        Self { missing, ..Self::default() }
    }
}

impl From<Waits> for WaitsView {
    fn from(waits: Waits) -> Self {
        Self { signed_by: waits.signed_by.iter().map(ToString::to_string).collect(), missing: waits.missing }
    }
}

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The page of `items`, whose last one has the cursor `last`, when at most `limit` were asked for.
fn page<T>(items: Vec<T>, limit: i64, last: Option<String>) -> Json<Page<T>> {
    let next = if items.len() as i64 == limit { last } else { None };
    Json(Page { items, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_seen_however_it_is_written_and_nothing_else_is_taken_for_one() {
        for (json, expected) in [
            (r#"{"a":"\u0000"}"#, true),
            (r#"{"a":"x\\\u0000"}"#, true),
            (r#"{"\u0000":1}"#, true),
            (r#"{"a":"\\u0000"}"#, false),
            (r#"{"a":"\u0001 0000"}"#, false),
            ("", false),
        ] {
            assert_eq!(has_nul(json.as_bytes()), expected, "{json}");
        }
        assert!(check_escapes("/departments/%00").is_err() && check_escapes("/departments/%2500").is_ok());
    }
}
