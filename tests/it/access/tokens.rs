//! Tokens of relying services.

use hufu::cli::Family;
use serde_json::{Value, json};
use time::Duration;

use crate::world::{Ca, Person, TestCa, in_both_families, text};

in_both_families! {
    a_token_lives_until_it_is_over_or_taken_back,
    a_token_of_a_department_sees_that_department_alone,
}

/// A granted token: its id and its secret.
pub async fn token(ca: &Ca, administrator: &Person, department: Option<&String>, scopes: &[&str]) -> (String, String) {
    let body = json!({"name": "service", "department": department, "scopes": scopes});
    let proposed = ca.client(administrator).post("/api/v1/tokens", &body).await.ok().json();
    assert_eq!(text(&proposed, "state"), "proposed");
    let granted = ca.decide(administrator, "grant-token", &text(&proposed, "id"), None, None).await.ok().json();
    assert_eq!(text(&granted, "state"), "granted");
    (text(&granted, "id"), text(&granted, "secret"))
}

async fn a_token_lives_until_it_is_over_or_taken_back(family: Family) {
    let ca = TestCa::new().start().await;
    let administrator = ca.administrator(family).await;
    let client = ca.client(&administrator);
    let size = ca.log_sizes()["operations"];
    let (id, secret) = token(&ca, &administrator, None, &["departments:read"]).await;
    assert!(ca.log_sizes()["operations"] > size, "the grant is on the ledger");
    let bearer = ca.anonymous().with_bearer(&secret);
    bearer.get("/api/v1/departments").await.ok();

    // Nobody is shown the secret again, and the database does not have it.
    for path in ["/api/v1/tokens".to_owned(), format!("/api/v1/tokens/{id}")] {
        assert!(!client.get(&path).await.ok().text().contains(&secret));
    }
    let octets = secret.rsplit('-').next().unwrap();
    assert!(!ca.sql().await.everything().await.contains(octets));
    let code = |answer: crate::world::Answer| (answer.status, text(&answer.json(), "code"));
    let again = ca.decide(&administrator, "grant-token", &id, None, None).await;
    assert_eq!(code(again), (409, "wrong-state".to_owned()));

    let size = ca.log_sizes()["operations"];
    ca.decide(&administrator, "revoke-token", &id, None, None).await.ok();
    assert!(ca.log_sizes()["operations"] > size, "the revocation is on the ledger");
    assert_eq!(code(bearer.get("/api/v1/departments").await), (401, "token-not-good".to_owned()));
    let again = ca.decide(&administrator, "revoke-token", &id, None, None).await;
    assert_eq!(code(again), (409, "wrong-state".to_owned()));

    let body = |days: Value, scopes: Value| json!({"name": "service", "scopes": scopes, "days": days});
    for refused in [
        body(json!(0), json!(["verify"])),
        body(json!(401), json!(["verify"])),
        body(Value::Null, json!([])),
        body(Value::Null, json!(["all"])),
    ] {
        assert_eq!(code(client.post("/api/v1/tokens", &refused).await), (400, "malformed-request".to_owned()), "{refused}");
    }
    ca.audit_finds_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_over_after_its_days() {
    let ca = TestCa::new().at("2030-01-01T00:00:00Z").start().await;
    let administrator = ca.administrator(Family::P256).await;
    let (id, secret) = token(&ca, &administrator, None, &["departments:read"]).await;
    let bearer = ca.anonymous().with_bearer(&secret);
    ca.clock.forward(Duration::days(89));
    bearer.get("/api/v1/departments").await.ok();
    ca.clock.forward(Duration::days(1));
    let answer = bearer.get("/api/v1/departments").await;
    assert_eq!((answer.status, text(&answer.json(), "code")), (401, "token-not-good".to_owned()));
    assert_eq!(text(&ca.client(&administrator).get(&format!("/api/v1/tokens/{id}")).await.ok().json(), "state"), "expired");
}

async fn a_token_of_a_department_sees_that_department_alone(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let other = ca.department(&office.administrator, "水务局", "swj.example.cn").await;
    let holder = ca.issue(&office, "staff", family).await;
    let scopes = ["certificates:read", "departments:read"];
    let of = async |department| ca.anonymous().with_bearer(&token(&ca, &office.administrator, Some(department), &scopes).await.1);
    let (own, others) = (of(&office.department).await, of(&other).await);

    let listed = |answer: crate::world::Answer| answer.ok().json()["items"].as_array().unwrap().len();
    assert_eq!(listed(own.get("/api/v1/departments").await), 1);
    assert!(listed(own.get("/api/v1/certificates").await) >= 1, "without a filter it is its own department");
    assert_eq!(listed(others.get("/api/v1/certificates").await), 0);
    let serial = text(&holder.view, "serial");
    for path in [
        format!("/api/v1/certificates?department={}", office.department),
        format!("/api/v1/certificates?serial={serial}"),
        format!("/api/v1/certificates/{}", holder.id),
        format!("/api/v1/departments/{}", office.department),
    ] {
        own.get(&path).await.ok();
        let answer = others.get(&path).await;
        assert_eq!((answer.status, text(&answer.json(), "code")), (403, "not-permitted".to_owned()), "{path}");
    }
}
