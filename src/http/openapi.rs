//! `/openapi.json`: what the API takes and answers, made of the annotation above each handler.
//!
//! An annotation says what only its address has: path, body, answers, `Caller` where it matters who calls, and `Refused` for
//! what else can be refused there. `describe` adds what follows from these, and what every address may answer. A handler
//! comes into the router by `routes!` alone, so there is no address without its description.

use std::collections::BTreeMap;

use axum::{Router, body::Bytes, http::header, routing::get};
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{
        Components, Content, Info, OpenApi, Ref, RefOr, Response, ResponseBuilder,
        path::{Operation, ParameterIn, PathItem},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    App,
    identity::SESSION_COOKIE,
    problem::{CODES, ProblemDocument},
};

/// Where the API begins.
pub const PREFIX: &str = "/api/v1";
/// The ways to say who one is.
const CERTIFICATE: &str = "certificate";
const BEARER: &str = "bearer";
const COOKIE: &str = "cookie";

/// Serves the description of `api`.
pub fn router(api: OpenApi) -> Router<App> {
    // A tree of text and lists always serialises.
    let document = Bytes::from(describe(api).to_json().expect("a description serialises"));
    let answer = async move || ([(header::CONTENT_TYPE, "application/json")], document.clone());
    Router::new().route("/openapi.json", get(answer))
}

/// What can be refused with this status, for an annotation: the problem documents that have it.
pub struct Refused<const STATUS: u16>;

impl<const STATUS: u16> IntoResponses for Refused<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::from([refusal(STATUS)])
    }
}

/// It matters who calls: nobody is refused with 401, somebody who may not with 403.
pub struct Caller;

impl IntoResponses for Caller {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::from([refusal(401), refusal(403)])
    }
}

/// A status with the codes that it can come with.
fn refusal(status: u16) -> (String, RefOr<Response>) {
    let codes: Vec<&str> = CODES.iter().filter(|code| code.status.as_u16() == status).map(|code| code.name).collect();
    let document = Content::new(Some(Ref::from_schema_name(ProblemDocument::name())));
    let response = ResponseBuilder::new().description(codes.join(", ")).content("application/problem+json", document);
    (status.to_string(), response.build().into())
}

/// Completes what the annotations say.
fn describe(mut api: OpenApi) -> OpenApi {
    api.info = Info::new("Hufu", env!("CARGO_PKG_VERSION"));
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            complete(path, method, operation);
        }
    }
    let components = api.components.get_or_insert_with(Components::new);
    components.schemas.insert(ProblemDocument::name().into_owned(), ProblemDocument::schema());
    for (name, scheme) in schemes() {
        components.add_security_scheme(name, scheme);
    }
    api
}

fn schemes() -> [(&'static str, SecurityScheme); 3] {
    let certificate = Some("a client certificate of this installation".to_owned());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("the secret of a session or of a token"));
    [
        (CERTIFICATE, SecurityScheme::MutualTls { description: certificate, deprecated: None, extensions: None }),
        (BEARER, SecurityScheme::Http(bearer.build())),
        (COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIE)))),
    ]
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
        ("patch", &mut item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn complete(path: &str, method: &str, operation: &mut Operation) {
    let words = || path.trim_start_matches(PREFIX).split(['/', '{', '}']).filter(|word| !word.is_empty());
    operation.operation_id = Some([method].into_iter().chain(words()).collect::<Vec<_>>().join("_").replace('-', "_"));
    operation.tags = words().next().map(|first| vec![first.to_owned()]);
    if operation.responses.responses.contains_key("401") {
        // One of them is enough; where an annotation says `security(())`, none is needed.
        let ways = [CERTIFICATE, BEARER, COOKIE].map(|name| SecurityRequirement::new(name, [] as [&str; 0]));
        operation.security.get_or_insert_default().extend(ways);
    }
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.parameter_in == ParameterIn::Path
        {
            parameter.description = Some(place(path, &parameter.name).to_owned());
        }
    }
    // Whatever has a query may have one that is not known.
    let mut statuses = vec![400, 429, 500, 503];
    if operation.request_body.is_some() {
        statuses.extend([413, 415]);
    }
    if path.contains('{') {
        statuses.push(404);
    }
    if method != "get" {
        statuses.push(507);
    }
    for (status, response) in statuses.into_iter().map(refusal) {
        operation.responses.responses.entry(status).or_insert(response);
    }
}

/// What stands at a place of a path.
fn place(path: &str, name: &str) -> &'static str {
    match (path.trim_start_matches(PREFIX).split('/').nth(1), name) {
        (Some("certificates"), "id") => "Its id (the TBS digest), its fingerprint or its serial number, in hexadecimal.",
        (Some("authorities"), "name") => "Its name, as `department-p256-g1`.",
        (Some("policies"), "digest") => "SHA-256 of the version, in hexadecimal.",
        (Some("sessions"), "id") => "Its id, or `current` for the one that the request is made in.",
        (Some("time-stamps"), "token") => "SHA-256 of the token's DER, in hexadecimal.",
        (_, "person") => "The id of a person.",
        _ => "Its id.",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::{config::Limits, http::rest};

    fn document() -> Value {
        serde_json::to_value(describe(rest::nested(&Limits::default()).into_openapi())).unwrap()
    }

    #[test]
    fn every_operation_has_an_id_of_its_own_and_an_answer_that_is_a_success_or_leads_on() {
        let document = document();
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            assert!(path.starts_with(PREFIX), "{path}");
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{method} {path}: {id}");
                let answers = operation["responses"].as_object().unwrap();
                assert!(answers.keys().any(|status| status.starts_with(['2', '3'])), "{method} {path}");
                assert!(answers.contains_key("429") && answers.contains_key("500"), "{method} {path}");
                let placed = path.matches('{').count();
                let in_path = operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "path").count();
                assert_eq!(placed, in_path, "{method} {path}");
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    assert!(parameter["schema"]["type"].is_string() || parameter["in"] == "header", "{method} {path}: {parameter}");
                    assert!(parameter["description"].is_string(), "{method} {path}: {parameter}");
                }
            }
        }
        assert!(ids.len() > 30, "{ids:?}");
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        fn references(value: &Value, found: &mut BTreeSet<String>) {
            match value {
                Value::Object(members) => members.iter().for_each(|(name, member)| match member {
                    Value::String(target) if name == "$ref" => drop(found.insert(target.clone())),
                    other => references(other, found),
                }),
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 20, "{found:?}");
        for target in found {
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
        }
    }

    #[test]
    fn no_two_schemas_of_different_files_share_a_name() {
        let mut seen: BTreeMap<String, (&str, Value)> = BTreeMap::new();
        for (file, router) in rest::routers(&Limits::default()) {
            for (name, schema) in router.into_openapi().components.unwrap_or_default().schemas {
                let schema = serde_json::to_value(schema).unwrap();
                let (other, first) = seen.entry(name.clone()).or_insert((file, schema.clone()));
                assert_eq!(*first, schema, "{name} is one thing in {other} and another in {file}");
            }
        }
    }
}
