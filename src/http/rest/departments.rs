//! `/departments`, and `/department-changes`: how they are made, changed and merged.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Admitted, Authenticated, Body, IdempotencyKey, Page, Paging, Path, Query, WaitsView, officers::Signed, page};
use crate::{
    http::{
        App,
        openapi::{Caller, Refused},
        problem::Problem,
    },
    policy::{Department, DepartmentId, Step},
    services::{
        Error,
        callers::Identity,
        departments::{Amendment, Change, Ends, NewDepartment, Reorganized, Repeatable},
        tokens::{Scope, Token},
    },
    store::DepartmentRow,
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list, propose))
        .routes(routes!(one, amend))
        .routes(routes!(merge))
        .routes(routes!(changes))
        .routes(routes!(change))
        .routes(routes!(decide))
        .routes(routes!(withdraw))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewDepartment)]
#[serde(deny_unknown_fields)]
struct New {
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// The department above it; none at the top.
    parent: Option<String>,
    #[serde(default)]
    #[schema(min_items = 1, required)]
    organizations: Vec<String>,
    #[serde(default)]
    dns: Vec<String>,
    #[serde(default)]
    mail: Vec<String>,
}

/// What is to be another; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = DepartmentAmendment)]
#[serde(deny_unknown_fields)]
struct Amend {
    #[schema(min_length = 1, max_length = 128)]
    name: Option<String>,
    /// The department above it; null for the top.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    parent: Option<Option<String>>,
    #[schema(min_items = 1)]
    organizations: Option<Vec<String>>,
    dns: Option<Vec<String>>,
    mail: Option<Vec<String>>,
}

/// A member that is there says something, even null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[derive(Deserialize, ToSchema)]
#[schema(as = DepartmentMerger)]
#[serde(deny_unknown_fields)]
struct Merge {
    /// The department that it is merged into.
    successor: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Department)]
struct View {
    id: String,
    name: String,
    /// The department above it; none at the top.
    parent: Option<String>,
    organizations: Vec<String>,
    dns: Vec<String>,
    mail: Vec<String>,
    /// The department that it was merged into.
    successor: Option<String>,
}

impl View {
    fn new(id: DepartmentId, department: Department) -> Self {
        Self {
            id: id.to_string(),
            name: department.name,
            parent: department.parent.map(|id| id.to_string()),
            organizations: department.organizations.into_iter().collect(),
            dns: department.dns.into_iter().collect(),
            mail: department.mail.into_iter().collect(),
            successor: department.successor.map(|id| id.to_string()),
        }
    }

    async fn of(app: &App, row: DepartmentRow) -> Result<Self, Error> {
        let id = row.id.parse().map_err(|_| Error::Corrupt(format!("department {}", row.id)))?;
        Ok(Self::new(id, app.services.describe_department(&row).await?))
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = DepartmentStep)]
struct StepView {
    /// None where it is made.
    before: Option<View>,
    after: View,
}

impl From<Step> for StepView {
    fn from(step: Step) -> Self {
        Self { before: step.before.map(|before| View::new(step.department, before)), after: View::new(step.department, step.after) }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = DepartmentChange)]
struct ChangeView {
    /// What the statements are about; of a change that makes a department, the department's own.
    id: String,
    act: String,
    department: String,
    /// What that is called afterwards.
    name: Option<String>,
    proposed_by: String,
    proposed_at: String,
    /// `proposed`, `done` or `withdrawn`.
    state: &'static str,
    departments: Vec<StepView>,
    /// Of one that waits.
    #[serde(flatten)]
    waits: WaitsView,
    /// Of one merger that waits, read by itself: what ends with the department as things are now.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends: Option<EndsView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EndsWithDepartment)]
struct EndsView {
    roles: Vec<RoleView>,
    /// Roles that were proposed, and that nobody holds yet.
    proposed: Vec<RoleView>,
    /// How many requests are open.
    enrolments: usize,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RoleInDepartment)]
struct RoleView {
    person: String,
    role: String,
}

impl From<Ends> for EndsView {
    fn from(ends: Ends) -> Self {
        let views = |roles: Vec<(String, String)>| roles.into_iter().map(|(person, role)| RoleView { person, role }).collect();
        Self { roles: views(ends.roles), proposed: views(ends.proposed), enrolments: ends.enrolments }
    }
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> Self {
        Self {
            id: change.id.to_string(),
            act: change.act.to_string(),
            department: change.department.to_string(),
            name: change.steps.first().map(|step| step.after.name.clone()),
            proposed_by: change.proposed_by().to_owned(),
            proposed_at: change.proposed_at().to_string(),
            state: change.state(),
            departments: change.steps.into_iter().map(StepView::from).collect(),
            waits: WaitsView::default(),
            ends: None,
        }
    }
}

impl ChangeView {
    /// With who has signed it.
    async fn of(app: &App, change: Change) -> Result<Self, Error> {
        let waits = app.services.waits_for_decision(&change).await?.map(WaitsView::from).unwrap_or_default();
        Ok(Self { waits, ..change.into() })
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
    /// The department that is made, changed or merged.
    #[param(value_type = Option<String>, pattern = "^[0-9a-f]{32}$")]
    department: Option<DepartmentId>,
}

/// Proposes a department.
#[utoipa::path(
    post, path = "/departments", request_body = New, params(IdempotencyKey),
    responses((status = 201, body = ChangeView), Caller, Refused<404>, Refused<409>),
)]
async fn propose(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    body: Body<New>,
) -> Result<(StatusCode, Json<ChangeView>), Problem> {
    let again = Repeatable { idempotency_key: body.idempotency_key, request_digest: body.digest };
    let New { name, parent, organizations, dns, mail } = body.value;
    let new = NewDepartment { name, parent, organizations, dns, mail };
    Ok((StatusCode::CREATED, Json(app.services.propose_department(&caller, new, again).await?.into())))
}

/// Proposes another name, other names to certify or another place.
#[utoipa::path(
    patch, path = "/departments/{id}", request_body = Amend, params(IdempotencyKey),
    responses((status = 201, body = ChangeView), Caller, Refused<409>),
)]
async fn amend(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Amend>,
) -> Result<(StatusCode, Json<ChangeView>), Problem> {
    let again = Repeatable { idempotency_key: body.idempotency_key, request_digest: body.digest };
    let Amend { name, parent, organizations, dns, mail } = body.value;
    let amendment = Amendment { name, parent, organizations, dns, mail };
    Ok((StatusCode::CREATED, Json(app.services.propose_amendment(&caller, &id, amendment, again).await?.into())))
}

/// Proposes that it is merged into another.
#[utoipa::path(
    post, path = "/departments/{id}/merger", request_body = Merge, params(IdempotencyKey),
    responses((status = 201, body = ChangeView), Caller, Refused<409>),
)]
async fn merge(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Merge>,
) -> Result<(StatusCode, Json<ChangeView>), Problem> {
    let again = Repeatable { idempotency_key: body.idempotency_key, request_digest: body.digest };
    Ok((StatusCode::CREATED, Json(app.services.propose_merger(&caller, &id, &body.value.successor, again).await?.into())))
}

#[utoipa::path(get, path = "/departments", params(Paging), responses((status = 200, body = Page<View>), Caller))]
async fn list(State(app): State<App>, reader: Admitted, Query(paging): Query<Paging>) -> Result<Json<Page<View>>, Problem> {
    let limit = paging.limit()?;
    // A service sees the department of its token, and those in it.
    let top = match reader.within(Scope::DepartmentsRead)? {
        Identity::Service(Token { department: Some(own), .. }) => Some(own.to_string()),
        Identity::Service(_) | Identity::Person(_) => None,
    };
    let rows = app.services.departments(top.as_deref(), paging.cursor.as_deref(), limit).await?;
    let last = rows.last().map(|row| row.id.clone());
    let mut items = Vec::new();
    for row in rows {
        items.push(View::of(&app, row).await?);
    }
    Ok(page(items, limit, last))
}

#[utoipa::path(get, path = "/departments/{id}", responses((status = 200, body = View), Caller))]
async fn one(State(app): State<App>, reader: Admitted, Path(id): Path<String>) -> Result<Json<View>, Problem> {
    let reader = reader.within(Scope::DepartmentsRead)?;
    let row = app.services.find_department(&id).await?;
    if let Identity::Service(token) = &reader {
        app.services.check_token(token, Some(&row.id)).await?;
    }
    Ok(Json(View::of(&app, row).await?))
}

#[utoipa::path(get, path = "/department-changes", params(Filter), responses((status = 200, body = Page<ChangeView>), Caller))]
async fn changes(State(app): State<App>, _: Authenticated, Query(filter): Query<Filter>) -> Result<Json<Page<ChangeView>>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let limit = paging.limit()?;
    let department = filter.department.map(|id| id.to_string());
    let changes = app.services.department_changes(department.as_deref(), paging.cursor.as_deref(), limit).await?;
    let last = changes.last().map(|change| change.id.to_string());
    let mut items = Vec::new();
    for change in changes {
        items.push(ChangeView::of(&app, change).await?);
    }
    Ok(page(items, limit, last))
}

#[utoipa::path(get, path = "/department-changes/{id}", responses((status = 200, body = ChangeView), Caller))]
async fn change(State(app): State<App>, _: Authenticated, Path(id): Path<String>) -> Result<Json<ChangeView>, Problem> {
    let change = app.services.find_department_change(&id).await?;
    let ends = app.services.ends_with(&change).await?.map(EndsView::from);
    Ok(Json(ChangeView { ends, ..ChangeView::of(&app, change).await? }))
}

/// Takes a signed statement about a change; the one that makes enough people has it done.
#[utoipa::path(
    post, path = "/department-changes/{id}/decision", request_body = Signed,
    responses(
        (status = 200, description = "done", body = ChangeView),
        (status = 202, description = "others must sign as well", body = ChangeView),
        Caller, Refused<409>,
    ),
)]
async fn decide(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<(StatusCode, Json<ChangeView>), Problem> {
    let (status, change, missing) = match app.services.decide_department(&caller, &id, &body.value.statement).await? {
        Reorganized::Done(change) => (StatusCode::OK, change, None),
        Reorganized::Waiting(change, missing) => (StatusCode::ACCEPTED, change, Some(missing)),
    };
    Ok((status, Json(ChangeView { waits: WaitsView::still(missing), ..change.into() })))
}

/// Takes a proposal back on a signed statement.
#[utoipa::path(
    post, path = "/department-changes/{id}/withdrawal", request_body = Signed,
    responses((status = 200, body = ChangeView), Caller, Refused<409>),
)]
async fn withdraw(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<Signed>,
) -> Result<Json<ChangeView>, Problem> {
    Ok(Json(app.services.withdraw_department_change(&caller, &id, &body.value.statement).await?.into()))
}
