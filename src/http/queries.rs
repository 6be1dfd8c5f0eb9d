//! The query of a request of the API holds what its description has and nothing else, so that a misspelt filter never lists more
//! than was meant, and nothing is taken that is not described.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, Uri},
    middleware::Next,
    response::Response,
};
use utoipa::openapi::{
    OpenApi, RefOr, Schema, Type,
    path::{Operation, Parameter, ParameterIn},
    schema::SchemaType,
};

use super::problem::Problem;

/// What each address takes in its query, by method and path. An address that takes whatever comes is not in it.
#[derive(Clone)]
pub struct Queries(Arc<HashMap<(Method, String), BTreeSet<String>>>);

impl Queries {
    pub fn of(api: &OpenApi) -> Self {
        let operations = api.paths.paths.iter().flat_map(|(path, item)| {
            let all = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::DELETE, &item.delete),
                (Method::PATCH, &item.patch),
            ];
            all.into_iter().filter_map(move |(method, operation)| Some(((method, path.clone()), names(operation.as_ref()?)?)))
        });
        Self(Arc::new(operations.collect()))
    }
}

/// The names of its parameters; none where one of them stands for all others.
fn names(operation: &Operation) -> Option<BTreeSet<String>> {
    let written = operation.parameters.iter().flatten().filter_map(|one| if let RefOr::T(one) = one { Some(one) } else { None });
    let in_query = written.filter(|one| one.parameter_in == ParameterIn::Query);
    in_query.map(|one| if takes_any(one) { None } else { Some(one.name.clone()) }).collect()
}

/// An object in a query is its members (OpenAPI 3.1, `style: form` with `explode`).
fn takes_any(parameter: &Parameter) -> bool {
    matches!(&parameter.schema, Some(RefOr::T(Schema::Object(object))) if object.schema_type == SchemaType::Type(Type::Object))
}

/// Refuses a parameter that is not described.
pub async fn check(
    State(queries): State<Queries>,
    path: MatchedPath,
    method: Method,
    uri: Uri,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let method = if method == Method::HEAD { Method::GET } else { method };
    if let (Some(query), Some(known)) = (uri.query(), queries.0.get(&(method, path.as_str().to_owned())))
        && url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| !known.contains(&*name))
    {
        return Err(unknown(known));
    }
    Ok(next.run(request).await)
}

/// What was sent is not repeated; what there is, is named.
fn unknown(known: &BTreeSet<String>) -> Problem {
    if known.is_empty() {
        return Problem::malformed("this address takes no query");
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Problem::malformed(format!("a parameter of the query is not known; there are {}", known.join(", ")))
}
