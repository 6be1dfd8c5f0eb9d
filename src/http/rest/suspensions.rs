//! `/suspensions`: a code suspends the certificate that it was printed for. Needs no certificate: this is for whoever has lost
//! the device that holds it.

use axum::{
    Json, Router,
    extract::{ConnectInfo, Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Authenticated, Body};
use crate::{
    http::{App, listener::Peer, problem::Problem},
    services::attempts::in_even_time,
};

pub fn router() -> Router<App> {
    Router::new().route("/suspensions", post(suspend)).route("/certificates/{id}/suspension-code", post(new_code))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    code: String,
}

/// The same for every code that is well formed.
async fn suspend(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Body { value, .. }: Body<Request>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    in_even_time(app.services.suspend_by_code(peer.address.ip(), &value.code)).await?;
    let message = json!({
        "zh": "挂失码已受理。若该码有效,对应证书现已暂停使用。",
        "en": "The code was taken. If it is a valid one, its certificate is suspended now.",
    });
    Ok((StatusCode::ACCEPTED, Json(json!({"state": "taken", "message": message}))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// A fresh code, to the holder; the one before stops working.
async fn new_code(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    _: Body<Nothing>,
) -> Result<Response, Problem> {
    let code = app.services.renew_suspension_code(&caller, &id).await?;
    let body = json!({"id": id, "suspension_code": code.reveal()});
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}
