//! `/suspensions`: a code suspends the certificate that it was printed for. Needs no certificate: this is for whoever has lost
//! the device that holds it.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Authenticated, Body, Path};
use crate::{
    http::{App, openapi::Caller, problem::Problem},
    services::limits::in_even_time,
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(suspend)).routes(routes!(new_code))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = SuspensionRequest)]
#[serde(deny_unknown_fields)]
struct Request {
    code: String,
}

/// What is answered to every code that is well formed.
#[derive(Serialize, ToSchema)]
struct SuspensionTaken {
    state: &'static str,
    #[schema(inline)]
    message: Message,
}

#[derive(Serialize, ToSchema)]
struct Message {
    zh: &'static str,
    en: &'static str,
}

#[derive(Serialize, ToSchema)]
struct SuspensionCode {
    id: String,
    /// Shown this once.
    suspension_code: String,
}

/// The same for every code that is well formed.
#[utoipa::path(post, path = "/suspensions", request_body = Request, responses((status = 202, body = SuspensionTaken)))]
async fn suspend(State(app): State<App>, Body { value, .. }: Body<Request>) -> Result<(StatusCode, Json<SuspensionTaken>), Problem> {
    in_even_time(app.services.suspend_by_code(&value.code)).await?;
    let message = Message {
        zh: "挂失码已受理。若该码有效,对应证书现已暂停使用。",
        en: "The code was taken. If it is a valid one, its certificate is suspended now.",
    };
    Ok((StatusCode::ACCEPTED, Json(SuspensionTaken { state: "taken", message })))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// A fresh code, to the holder; the one before stops working.
#[utoipa::path(
    post, path = "/certificates/{id}/suspension-code", request_body = Nothing,
    responses((status = 201, body = SuspensionCode), Caller),
)]
async fn new_code(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    _: Body<Nothing>,
) -> Result<Response, Problem> {
    let code = app.services.renew_suspension_code(&caller, &id).await?;
    let body = SuspensionCode { id, suspension_code: code.reveal() };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}
