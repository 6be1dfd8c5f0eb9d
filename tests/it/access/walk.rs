//! Every address × every caller × own and another's department, against a table, which has every address that is described.
//!
//! The statements that are handed in cannot be read: whoever may do the act is told so (400), everybody else that they may not.

use std::collections::{BTreeMap, BTreeSet};

use hufu::cli::Family;
use serde_json::{Value, json};

use super::tokens::token;
use crate::world::{Agent, Ca, TestCa, in_both_families, new_csr, text};

in_both_families! { every_address_answers_every_caller_as_the_table_says, }

/// Who calls. Two departments, each with its own people, and one above the first; `Other` is of the department that the records are not of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Anonymous,
    /// Of the staff, with a certificate that carries no roles.
    Holder,
    Registrar,
    Approver,
    OtherRegistrar,
    OtherApprover,
    /// Administrators of the whole installation and of each department.
    Administrator,
    OwnAdministrator,
    OtherAdministrator,
    /// Of the department above that one.
    MinistryRegistrar,
    MinistryApprover,
    MinistryAdministrator,
    Auditor,
    OtherAuditor,
    /// Tokens with every scope: of the installation, of the department, of the other; and one with another scope.
    Token,
    OwnToken,
    OtherToken,
    PoorToken,
    /// A secret that opened something once.
    DeadToken,
}

use Who::*;

const ALL: [Who; 19] = [
    Anonymous,
    Holder,
    Registrar,
    Approver,
    OtherRegistrar,
    OtherApprover,
    Administrator,
    OwnAdministrator,
    OtherAdministrator,
    MinistryRegistrar,
    MinistryApprover,
    MinistryAdministrator,
    Auditor,
    OtherAuditor,
    Token,
    OwnToken,
    OtherToken,
    PoorToken,
    DeadToken,
];
const PEOPLE: [Who; 13] = [
    Holder,
    Registrar,
    Approver,
    OtherRegistrar,
    OtherApprover,
    Administrator,
    OwnAdministrator,
    OtherAdministrator,
    MinistryRegistrar,
    MinistryApprover,
    MinistryAdministrator,
    Auditor,
    OtherAuditor,
];
/// Whoever works for the department, for the one above it or for the whole installation.
const OFFICERS: [Who; 8] =
    [Registrar, Approver, Administrator, OwnAdministrator, MinistryRegistrar, MinistryApprover, MinistryAdministrator, Auditor];
/// Those of them who operate.
const OPERATING: [Who; 7] =
    [Registrar, Approver, Administrator, OwnAdministrator, MinistryRegistrar, MinistryApprover, MinistryAdministrator];
const REGISTRARS: [Who; 2] = [Registrar, MinistryRegistrar];
const APPROVERS: [Who; 2] = [Approver, MinistryApprover];
const ADMINISTRATORS: [Who; 3] = [Administrator, OwnAdministrator, MinistryAdministrator];

/// One address, and whom it answers how. Who is not named is refused: 401 without anything, 403 otherwise.
struct Row {
    method: &'static str,
    /// As the description has it.
    address: &'static str,
    path: String,
    /// JSON; a text is CSV.
    body: Option<Value>,
    answers: Vec<(Vec<Who>, u16)>,
}

impl Row {
    fn expected(&self, who: Who) -> u16 {
        let named = self.answers.iter().find(|(group, _)| group.contains(&who)).map(|(_, status)| *status);
        named.unwrap_or(if matches!(who, Anonymous | DeadToken) { 401 } else { 403 })
    }
}

/// The records that the table is about: all of one department.
struct Records {
    department: String,
    /// Proposed of it.
    change: String,
    enrolment: String,
    certificate: String,
    officer: String,
    token: String,
    policy: String,
    /// An identity check that the registration officer recorded.
    check: String,
    /// Whose certificate it is.
    person: String,
}

fn table(records: &Records, family: Family, application: Value) -> Vec<Row> {
    let Records { department, change, enrolment, certificate, officer, token, policy, check, person } = records;
    let nothing = "0".repeat(32);
    let unreadable = || Some(json!({"statement": "x"}));
    let get = |address, path: String, answers| Row { method: "GET", address, path, body: None, answers };
    let post = |address, path: String, body, answers| Row { method: "POST", address, path, body, answers };
    let to = |groups: &[&[Who]], status| (groups.concat(), status);
    let everybody = |status| vec![(ALL.to_vec(), status)];
    let decides = |who: &[Who]| vec![to(&[who], 400)];
    let granting: &[Who] = &[Administrator, OwnAdministrator, MinistryAdministrator, Auditor, OtherAuditor];
    let draft = |act: &str, about: &str| json!({"act": act, "about": about});
    vec![
        get("/authorities", "/authorities".into(), everybody(200)),
        get("/authorities/{name}", "/authorities/root-p256-g1".into(), everybody(200)),
        post("/claims", "/claims".into(), Some(json!({"code": "x", "csr": new_csr(family)})), everybody(403)),
        post("/verify/certificate", "/verify/certificate".into(), Some(json!({"certificate": "x"})), {
            vec![(vec![PoorToken], 403), (vec![DeadToken], 401), (ALL.to_vec(), 400)]
        }),
        post("/verify/signature", "/verify/signature".into(), Some(json!({"signature": "x"})), {
            vec![(vec![PoorToken], 403), (vec![DeadToken], 401), (ALL.to_vec(), 400)]
        }),
        post("/suspensions", "/suspensions".into(), Some(json!({"code": "x"})), everybody(400)),
        // Departments.
        get("/departments", "/departments".into(), vec![to(&[&PEOPLE, &[Token, OwnToken, OtherToken, PoorToken]], 200)]),
        get("/departments/{id}", format!("/departments/{department}"), vec![to(&[&PEOPLE, &[Token, OwnToken, PoorToken]], 200)]),
        post("/departments", "/departments".into(), Some(json!({"name": "x", "organizations": []})), vec![(vec![Administrator], 400)]),
        post("/departments", "/departments".into(), Some(json!({"name": "x", "parent": department, "organizations": []})), {
            vec![to(&[&ADMINISTRATORS], 400)]
        }),
        Row {
            method: "PATCH",
            address: "/departments/{id}",
            path: format!("/departments/{department}"),
            body: Some(json!({"organizations": []})),
            answers: vec![(vec![Administrator, MinistryAdministrator], 400)],
        },
        post("/departments/{id}/merger", format!("/departments/{department}/merger"), Some(json!({"successor": department})), {
            vec![(vec![Administrator, MinistryAdministrator], 409)]
        }),
        get("/department-changes", "/department-changes".into(), vec![to(&[&PEOPLE], 200)]),
        get("/department-changes/{id}", format!("/department-changes/{change}"), vec![to(&[&PEOPLE], 200)]),
        post("/department-changes/{id}/decision", format!("/department-changes/{change}/decision"), unreadable(), {
            decides(&[Administrator, MinistryAdministrator, Auditor, OtherAuditor])
        }),
        post("/department-changes/{id}/withdrawal", format!("/department-changes/{change}/withdrawal"), unreadable(), {
            decides(&[Administrator, MinistryAdministrator])
        }),
        // Officers.
        get("/officers", "/officers".into(), vec![(vec![Administrator, Auditor], 200)]),
        get("/officers/{id}", format!("/officers/{officer}"), vec![to(&[&OFFICERS], 200)]),
        post("/officers", "/officers".into(), Some(json!({"name": "x", "department": department, "roles": ["approver"]})), {
            vec![to(&[&ADMINISTRATORS], 201)]
        }),
        post("/officers/{id}/grant", format!("/officers/{officer}/grant"), unreadable(), decides(granting)),
        post("/officers/{id}/dismissal", format!("/officers/{officer}/dismissal"), unreadable(), decides(&ADMINISTRATORS)),
        Row {
            method: "DELETE",
            address: "/officers/{id}",
            path: format!("/officers/{officer}"),
            body: unreadable(),
            answers: decides(&ADMINISTRATORS),
        },
        // Enrolments.
        get("/enrolments", format!("/enrolments?department={department}"), vec![to(&[&OFFICERS], 200)]),
        get("/enrolments/{id}", format!("/enrolments/{enrolment}"), vec![to(&[&OFFICERS], 200)]),
        post("/enrolments", "/enrolments".into(), Some(application), vec![to(&[&REGISTRARS], 422)]),
        post("/enrolments/{id}/approvals", format!("/enrolments/{enrolment}/approvals"), unreadable(), decides(&APPROVERS)),
        post("/enrolments/{id}/rejection", format!("/enrolments/{enrolment}/rejection"), unreadable(), decides(&APPROVERS)),
        post("/enrolments/{id}/withdrawal", format!("/enrolments/{enrolment}/withdrawal"), unreadable(), decides(&[Registrar])),
        post("/approvals", "/approvals".into(), Some(json!({"list": [enrolment], "statement": "x"})), decides(&APPROVERS)),
        // Certificates.
        get("/certificates", format!("/certificates?department={department}"), vec![to(&[&OFFICERS, &[Token, OwnToken]], 200)]),
        get("/certificates/{id}", format!("/certificates/{certificate}"), vec![to(&[&OFFICERS, &[Holder, Token, OwnToken]], 200)]),
        get("/certificates/{id}", format!("/certificates/{certificate}.pem"), everybody(200)),
        get("/certificates/{id}/receipt", format!("/certificates/{certificate}/receipt"), everybody(200)),
        get("/certificates/{id}/status-proof", format!("/certificates/{certificate}/status-proof"), everybody(200)),
        get("/certificates/{id}/evidence", format!("/certificates/{certificate}/evidence"), vec![to(&[&OFFICERS, &[Holder]], 200)]),
        post("/certificates/{id}/revocation", format!("/certificates/{certificate}/revocation"), unreadable(), {
            vec![to(&[&[Holder], &OPERATING], 400)]
        }),
        post("/certificates/{id}/suspension", format!("/certificates/{certificate}/suspension"), unreadable(), {
            vec![to(&[&[Holder], &OPERATING], 400)]
        }),
        post("/certificates/{id}/re-review", format!("/certificates/{certificate}/re-review"), unreadable(), {
            decides(&[Administrator, OwnAdministrator, MinistryAdministrator, Auditor])
        }),
        get("/re-reviews", "/re-reviews".into(), vec![(vec![Administrator, Auditor], 200)]),
        get("/re-reviews", format!("/re-reviews?certificate={certificate}"), vec![to(&[&OFFICERS, &[Holder]], 200)]),
        post("/certificates/{id}/resumption", format!("/certificates/{certificate}/resumption"), unreadable(), decides(&OPERATING)),
        post("/certificates/{id}/suspension-code", format!("/certificates/{certificate}/suspension-code"), Some(json!({})), {
            vec![(vec![Holder], 201)]
        }),
        // Citizens.
        get("/citizens/checks", format!("/citizens/checks?department={department}"), vec![to(&[&OFFICERS], 200)]),
        post("/citizens/checks", "/citizens/checks".into(), Some(new_check(department)), vec![to(&[&REGISTRARS], 201)]),
        get("/citizens/checks/{id}", format!("/citizens/checks/{check}"), vec![to(&[&OFFICERS], 200)]),
        post("/citizens/checks/{id}/statement", format!("/citizens/checks/{check}/statement"), unreadable(), decides(&[Registrar])),
        post(
            "/citizens/checks/{id}/confirmation",
            format!("/citizens/checks/{check}/confirmation"),
            unreadable(),
            decides(&[Approver, MinistryRegistrar, MinistryApprover]),
        ),
        post("/citizens/checks/{id}/withdrawal", format!("/citizens/checks/{check}/withdrawal"), unreadable(), decides(&OPERATING)),
        post("/citizens/proofs", "/citizens/proofs".into(), Some(json!({"code": "x"})), everybody(400)),
        post("/citizens/oidc", "/citizens/oidc".into(), Some(json!({})), everybody(404)),
        get("/citizens/oidc", "/citizens/oidc".into(), everybody(404)),
        post(
            "/citizens/resumptions",
            "/citizens/resumptions".into(),
            Some(json!({"proof": "x", "certificate": certificate})),
            everybody(403),
        ),
        get("/citizens/oidc/callback", "/citizens/oidc/callback".into(), everybody(403)),
        post(
            "/citizens/enrolments",
            "/citizens/enrolments".into(),
            Some(json!({"proof": "x", "profile": "citizen", "requests": []})),
            vec![(vec![Anonymous], 403)],
        ),
        post(
            "/citizens/enrolments/{id}/collection",
            format!("/citizens/enrolments/{enrolment}/collection"),
            Some(json!({"proof": "x"})),
            everybody(403),
        ),
        get("/citizens/enrolments/{id}/evidence", format!("/citizens/enrolments/{enrolment}/evidence"), vec![to(&[&OFFICERS], 404)]),
        get("/citizens/contests", format!("/citizens/contests?department={department}"), vec![to(&[&OFFICERS], 200)]),
        get("/citizens/contests/{id}", format!("/citizens/contests/{nothing}"), vec![to(&[&PEOPLE], 404)]),
        post("/citizens/contests/{id}/upholding", format!("/citizens/contests/{nothing}/upholding"), unreadable(), {
            vec![to(&[&PEOPLE], 404)]
        }),
        post("/citizens/contests/{id}/dismissal", format!("/citizens/contests/{nothing}/dismissal"), unreadable(), {
            vec![to(&[&PEOPLE], 404)]
        }),
        get("/citizens/self", "/citizens/self".into(), vec![to(&[&PEOPLE], 200)]),
        post("/citizens/{person}/export", format!("/citizens/{person}/export"), unreadable(), decides(&[Auditor])),
        post("/citizens/{person}/erasure", format!("/citizens/{person}/erasure"), unreadable(), {
            vec![to(&[&[Holder], &ADMINISTRATORS], 400)]
        }),
        // Notices and time stamps.
        get("/notices", "/notices".into(), vec![(vec![Administrator, Auditor], 200)]),
        get("/notices/{id}", "/notices/1000000".into(), vec![(vec![Administrator, Auditor], 404)]),
        get("/time-stamps/{token}/receipt", "/time-stamps/x/receipt".into(), everybody(404)),
        // Staff.
        post(
            "/enrolments/import",
            format!("/enrolments/import?profile=staff&department={department}&dry_run=true"),
            Some(json!("number\n")),
            vec![to(&[&REGISTRARS], 200)],
        ),
        post("/enrolments/codes", "/enrolments/codes".into(), Some(json!({"enrolments": [enrolment]})), vec![to(&[&REGISTRARS], 409)]),
        post("/staff/holdings", format!("/staff/holdings?department={department}"), Some(json!("number\n")), {
            vec![to(&[&OPERATING], 200)]
        }),
        get("/revocations", "/revocations".into(), vec![to(&[&PEOPLE], 200)]),
        post("/revocations", "/revocations".into(), Some(json!({"list": [certificate], "statement": "x"})), {
            vec![to(&[&[Holder], &OPERATING], 400)]
        }),
        post(
            "/certificates/{id}/renewal",
            format!("/certificates/{certificate}/renewal"),
            Some(json!({"statement": "x", "csr": new_csr(family)})),
            vec![(vec![Holder], 409)],
        ),
        // Policies.
        get("/policies", "/policies".into(), vec![to(&[&PEOPLE], 200)]),
        get("/policies/{digest}", format!("/policies/{policy}"), vec![to(&[&PEOPLE], 200)]),
        post("/policies", "/policies".into(), Some(json!({"files": {}})), vec![(vec![Administrator], 422)]),
        post("/policies/{digest}/activation", format!("/policies/{policy}/activation"), unreadable(), decides(&[Administrator, Auditor])),
        // Sessions.
        post("/sessions/challenge", "/sessions/challenge".into(), Some(json!({})), everybody(200)),
        post("/sessions", "/sessions".into(), Some(json!({"login": "x"})), everybody(400)),
        get("/sessions", "/sessions".into(), vec![to(&[&PEOPLE], 200)]),
        Row {
            method: "DELETE",
            address: "/sessions/{id}",
            path: "/sessions/current".into(),
            body: None,
            answers: vec![to(&[&PEOPLE], 404)],
        },
        // Tokens.
        get("/tokens", format!("/tokens?department={department}"), vec![to(&[&OFFICERS], 200)]),
        get("/tokens/{id}", format!("/tokens/{token}"), vec![to(&[&OFFICERS], 200)]),
        post("/tokens", "/tokens".into(), Some(json!({"name": "x", "department": department, "scopes": ["verify"]})), {
            vec![to(&[&ADMINISTRATORS], 201)]
        }),
        post("/tokens/{id}/grant", format!("/tokens/{token}/grant"), unreadable(), decides(&ADMINISTRATORS)),
        post("/tokens/{id}/revocation", format!("/tokens/{token}/revocation"), unreadable(), decides(&ADMINISTRATORS)),
        // What somebody signed, and drafts, by what they are about.
        get("/statements", format!("/statements?signer={certificate}"), vec![to(&[&OFFICERS, &[Holder]], 200)]),
        get("/statements", "/statements".into(), vec![to(&[&PEOPLE], 200)]),
        post("/statements/drafts", "/statements/drafts".into(), Some(draft("approve", enrolment)), vec![to(&[&APPROVERS], 200)]),
        post("/statements/drafts", "/statements/drafts".into(), Some(draft("withdraw", enrolment)), vec![(vec![Registrar], 200)]),
        post("/statements/drafts", "/statements/drafts".into(), Some(draft("grant", officer)), vec![to(&[granting], 200)]),
        post("/statements/drafts", "/statements/drafts".into(), Some(draft("dismiss", officer)), vec![to(&[&ADMINISTRATORS], 200)]),
        post("/statements/drafts", "/statements/drafts".into(), Some(draft("re-review", certificate)), {
            vec![to(&[&ADMINISTRATORS, &[Auditor]], 200)]
        }),
        post("/statements/drafts", "/statements/drafts".into(), Some(draft("change-department", change)), {
            vec![(vec![Administrator, MinistryAdministrator, Auditor, OtherAuditor], 200)]
        }),
        post("/statements/drafts", "/statements/drafts".into(), Some(draft("grant-token", token)), vec![to(&[&ADMINISTRATORS], 200)]),
        post("/statements/drafts", "/statements/drafts".into(), Some(draft("revoke-token", token)), vec![to(&[&ADMINISTRATORS], 200)]),
        post("/statements/drafts", "/statements/drafts".into(), Some(draft("check-identity", check)), vec![(vec![Registrar], 200)]),
        post("/statements/drafts", "/statements/drafts".into(), Some(draft("confirm-identity", check)), {
            vec![(vec![Approver, MinistryRegistrar, MinistryApprover], 200)]
        }),
        // It is in force.
        post("/statements/drafts", "/statements/drafts".into(), Some(draft("activate-policy", policy)), {
            vec![(vec![Administrator, Auditor], 409)]
        }),
        post("/statements/drafts", "/statements/drafts".into(), Some(draft("revoke", certificate)), {
            vec![to(&[&[Holder], &OPERATING], 200)]
        }),
    ]
}

fn new_check(department: &str) -> Value {
    json!({
        "profile": "citizen", "department": department, "name": "韩梅", "number": "11010519491231002X",
        "contact": "han@example.cn", "evidence": "00".repeat(32),
    })
}

async fn every_address_answers_every_caller_as_the_table_says(family: Family) {
    // The table has failing claims and logins enough to be locked out for.
    let ca = TestCa::new().with(|config| config.limits.failures = 1000).start().await;
    let (agents, records, application) = settle(&ca, family).await;
    let rows = table(&records, family, application);
    let mut wrong = Vec::new();
    for row in &rows {
        for who in ALL {
            let agent = &agents[&who];
            let path = format!("/api/v1{}", row.path);
            let (kind, body) = match &row.body {
                None => (None, Vec::new()),
                Some(Value::String(csv)) => (Some("text/csv"), csv.clone().into_bytes()),
                Some(json) => (Some("application/json"), json.to_string().into_bytes()),
            };
            let headers: Vec<(&str, &str)> = kind.map(|kind| ("content-type", kind)).into_iter().collect();
            let answer = agent.send(row.method, &path, &headers, body).await;
            if answer.status != row.expected(who) {
                wrong.push(format!(
                    "{} {} by {who:?}: {}, not {}: {}",
                    row.method,
                    row.path,
                    answer.status,
                    row.expected(who),
                    answer.text()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    ca.audit_finds_nothing().await;

    // The table walks every address that is described, and nothing else.
    let walked: BTreeSet<String> = rows.iter().map(|row| format!("{} {}", row.method, row.address)).collect();
    let described = described(&ca.anonymous().get("/openapi.json").await.ok().json());
    assert_eq!(walked, described);
}

/// Every operation of the description, as `GET /officers/{id}`.
fn described(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (path, method)));
    operations.map(|(path, method)| format!("{} {}", method.to_uppercase(), path.strip_prefix("/api/v1").unwrap())).collect()
}

/// Both departments with their people and records.
async fn settle(ca: &Ca, family: Family) -> (BTreeMap<Who, Agent>, Records, Value) {
    let office = ca.office(family).await;
    let (administrator, department) = (&office.administrator, office.department.clone());
    let other = ca.department(administrator, "水务局", "swj.example.cn").await;
    let ministry = ca.department(administrator, "市政府", "example.cn").await;
    let amend = async |amendment: Value| {
        let (path, body) = (format!("/api/v1/departments/{department}"), amendment.to_string().into_bytes());
        text(&ca.client(administrator).send("PATCH", &path, &[("content-type", "application/json")], body).await.ok().json(), "id")
    };
    let moved = amend(json!({"parent": ministry, "organizations": ["市政府"]})).await;
    for person in [administrator, ca.auditor(family).await] {
        ca.decide(person, "change-department", &moved, None, None).await.ok();
    }
    let mut agents = BTreeMap::from([(Anonymous, ca.anonymous()), (Administrator, ca.client(administrator))]);
    agents.insert(Registrar, ca.client(&office.registration));
    agents.insert(Approver, ca.client(&office.approver));
    agents.insert(Auditor, ca.client(ca.auditor(family).await));
    for (who, department, role) in [
        (OtherRegistrar, &other, "registration-officer"),
        (OtherApprover, &other, "approver"),
        (OwnAdministrator, &department, "administrator"),
        (OtherAdministrator, &other, "administrator"),
        (OtherAuditor, &other, "auditor"),
        (MinistryRegistrar, &ministry, "registration-officer"),
        (MinistryApprover, &ministry, "approver"),
        (MinistryAdministrator, &ministry, "administrator"),
    ] {
        let person = ca.officer(administrator, department, &[role], family).await;
        agents.insert(who, ca.client(&person));
    }
    let holder = ca.issue(&office, "staff", family).await;
    agents.insert(Holder, ca.over_tls(Some(holder.certified_key(ca)), crate::world::TLS_VERSIONS));

    let every = ["certificates:read", "departments:read", "verify"];
    for (who, department, scopes) in
        [(Token, None, &every[..]), (OwnToken, Some(&department), &every[..]), (OtherToken, Some(&other), &every[..])]
    {
        agents.insert(who, ca.anonymous().with_bearer(&token(ca, administrator, department, scopes).await.1));
    }
    // It has a scope for one address and is shown at all of them; `verify` and the rest are not among it.
    let poor = token(ca, administrator, None, &["departments:read"]).await;
    agents.insert(PoorToken, ca.anonymous().with_bearer(&poor.1));
    let (dead, secret) = token(ca, administrator, None, &every).await;
    ca.decide(administrator, "revoke-token", &dead, None, None).await.ok();
    agents.insert(DeadToken, ca.anonymous().with_bearer(&secret));

    let proposal = json!({"name": "somebody", "department": department, "roles": ["approver"]});
    let officer = text(&ca.client(administrator).post("/api/v1/officers", &proposal).await.ok().json(), "id");
    let proposal = json!({"name": "service", "department": department, "scopes": ["verify"]});
    let proposed = text(&ca.client(administrator).post("/api/v1/tokens", &proposal).await.ok().json(), "id");
    let check = text(&ca.client(&office.registration).post("/api/v1/citizens/checks", &new_check(&department)).await.ok().json(), "id");
    let records = Records {
        change: amend(json!({"name": "另一个"})).await,
        check,
        person: text(&holder.view, "person"),
        enrolment: ca.enrol(&office, "staff", family).await.enrolment,
        certificate: holder.id,
        officer,
        token: proposed,
        policy: ca.services().policy().digest().to_string(),
        department,
    };
    // It lacks a field, so that nothing is made by walking.
    let mut application = ca.application(&office, "staff", &[new_csr(family)]);
    application["subject"] = json!({});
    (agents, records, application)
}
