//! HTTP: one module a protocol. Parses what comes in, calls one service, words the answer. The only place with status codes.
//!
//! `api` is the HTTPS side, for people and machines with certificates; `public` is the HTTP side, for whoever verifies.

pub mod ca;
pub mod crl;
pub mod health;
pub mod identity;
pub mod ledger;
pub mod limits;
pub mod listener;
pub mod ocsp;
pub mod openapi;
pub mod problem;
pub mod queries;
pub mod rest;
pub mod tls;
pub mod tsa;
pub mod unread;

use std::{sync::Arc, time::Duration};

use axum::{Router, middleware::from_fn_with_state, routing::get};

use crate::{config::Limits, services::Services};

use limits::with_limits;

/// What every handler is given.
#[derive(Clone)]
pub struct App {
    pub services: Arc<Services>,
    /// How long an answer may be waited for that does not depend on the caller's staying.
    pub patience: Duration,
}

impl App {
    fn new(services: Arc<Services>, limits: &Limits) -> Self {
        Self { services, patience: Duration::from_secs(limits.request_seconds) / 2 }
    }
}

/// The HTTPS side.
pub fn api(services: Arc<Services>, limits: &Limits) -> Router {
    let app = App::new(services, limits);
    let (rest, description) = rest::nested(limits).split_for_parts();
    let rest = rest.route_layer(from_fn_with_state(queries::Queries::of(&description), queries::check));
    let rest = rest.layer(from_fn_with_state(app.clone(), identity::identify));
    let router = Router::new().merge(rest).merge(openapi::router(description)).merge(health::router());
    with_limits(router.with_state(app), limits)
}

/// The HTTP side: what certificates point to, and the ledger.
pub fn public(services: Arc<Services>, limits: &Limits) -> Router {
    let router = Router::new()
        .merge(ca::router())
        .merge(crl::router())
        .merge(ocsp::router())
        .merge(tsa::router())
        .merge(ledger::router())
        .merge(health::router())
        .route("/", get(index));
    with_limits(router.with_state(App::new(services, limits)), limits)
}

async fn index() -> &'static str {
    "Hufu\n\n/ca/{authority}.cer\n/crl/{authority}.crl\n/crl/{authority}/{shard}.crl\n/ocsp\n/tsa\n/ledger/{log}/checkpoint\n"
}
