//! How often one caller may ask, and what the log says of those who were refused.

use std::{
    io,
    sync::{Arc, Mutex},
};

use hufu::cli::Family;
use serde_json::{Value, json};
use time::Duration;
use tracing_subscriber::fmt::MakeWriter;

use super::tokens::token;
use crate::world::{Agent, Answer, TestCa, new_csr, text};

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, text(&answer.json(), "code"))
}

fn too_many() -> (u16, String) {
    (429, "too-many-requests".to_owned())
}

/// Asks until it is refused; answers how often it was not.
async fn until_refused(agent: &Agent) -> usize {
    for taken in 0..1000 {
        let answer = agent.get("/api/v1/authorities").await;
        if answer.status == 429 {
            assert_eq!(code(&answer), too_many());
            let wait: u64 = answer.header("retry-after").parse().unwrap();
            assert!(wait >= 1, "{wait}");
            return taken;
        }
    }
    panic!("nothing was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_has_a_limit_of_their_own() {
    // A day's limits do not come back while the test runs.
    let ca = TestCa::new().with(|config| (config.limits.caller_requests_day, config.limits.address_requests_day) = (40, 20)).start().await;
    let person = ca.administrator(Family::P256).await;
    let (_, secret) = token(&ca, &person, None, &["verify"]).await;
    let (bearer, anonymous) = (ca.anonymous().with_bearer(&secret), ca.anonymous());
    let wrong = ca.anonymous().with_bearer(&format!("hufu-token-{}", "0".repeat(64)));
    assert_eq!(until_refused(&bearer).await, 40);
    assert!(until_refused(&anonymous).await < 20, "the claim was of this address, too");
    assert_eq!(wrong.get("/api/v1/authorities").await.status, 429, "a secret that opens nothing counts for its address");
    assert!((30..40).contains(&until_refused(&ca.client(&person)).await), "less what it took to make the token");
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        anonymous.get(path).await.ok();
    }
    ca.public().get("/ca/root-p256-g1.cer").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_later_as_many_are_taken_again() {
    let ca = TestCa::new().at("2030-01-01T00:00:00Z").with(|config| config.limits.address_requests_second = 3).start().await;
    let agent = ca.anonymous();
    // A request may take part of a second in which more are let in.
    let first = until_refused(&agent).await;
    assert!((3..10).contains(&first), "{first}");
    ca.clock.forward(Duration::SECOND);
    let again = until_refused(&agent).await;
    assert!((3..10).contains(&again), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_too_often_is_refused_for_a_while() {
    let ca = TestCa::new().at("2030-01-01T00:00:00Z").start().await;
    let agent = ca.anonymous();
    let claim = json!({"code": format!("{0}-{0}", "0".repeat(32)), "csr": new_csr(Family::P256)});
    for _ in 0..10 {
        assert_eq!(code(&agent.post("/api/v1/claims", &claim).await), (403, "claim-refused".to_owned()));
    }
    let good = json!({"code": ca.first_code("administrator"), "csr": new_csr(Family::P256)});
    let refused = agent.post("/api/v1/claims", &good).await;
    let too_many = (429, "too-many-attempts".to_owned());
    assert_eq!(code(&refused), too_many);
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    assert!((50..=60).contains(&wait), "{wait}");
    assert_eq!(code(&agent.post("/api/v1/sessions", &json!({"login": "x"})).await), too_many);
    agent.get("/api/v1/authorities").await.ok();
    ca.clock.forward(Duration::seconds(wait));
    agent.post("/api/v1/claims", &good).await.ok();
}

/// What was logged, as it stands in a file of JSON lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn refusals(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["fields"].clone());
        lines.filter(|fields| fields["message"] == "refused").collect()
    }
}

/// On one thread, inside of which the subscriber is the one that is asked: other tests log elsewhere.
#[tokio::test]
async fn each_refusal_is_a_line_that_says_who_what_and_why_and_no_name() {
    let ca = TestCa::new().at("2030-01-01T00:00:00Z").start().await;
    let office = ca.office(Family::P256).await;
    let applicant = ca.enrol(&office, "staff", Family::P256).await;
    let (id, secret) = token(&ca, &office.administrator, None, &["verify"]).await;
    let lines = Lines::default();
    // A lone subscriber is asked by whichever thread comes to a line first, and that of another test has none; of two, each is asked.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let subscriber = tracing_subscriber::fmt().json().with_writer(lines.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let approvals = format!("/api/v1/enrolments/{}/approvals", applicant.enrolment);
    ca.client(&office.registration).post(&approvals, &json!({"statement": "x"})).await;
    ca.client(&office.administrator).post(&approvals, &json!({"statement": "x"})).await;
    ca.anonymous().get("/api/v1/officers").await;
    ca.anonymous().with_bearer(&secret).get("/api/v1/certificates?subject=王芳").await;
    ca.anonymous().with_bearer(&secret).get("/api/v1/officers/王芳").await;

    let (registrar, administrator) = (format!("person {}", office.registration.id), format!("person {}", office.administrator.id));
    let token = format!("token {id}");
    let expected = [
        (&*registrar, "POST", "/api/v1/enrolments/{id}/approvals", "approve", "own-request", "own-request"),
        (&*administrator, "POST", "/api/v1/enrolments/{id}/approvals", "approve", "not-permitted", "role-needed"),
        ("address 127.0.0.1", "GET", "/api/v1/officers", "", "authentication-required", "authentication-required"),
        (&*token, "GET", "/api/v1/certificates", "", "not-permitted", "scope-needed"),
        (&*token, "GET", "/api/v1/officers/{id}", "", "not-permitted", "person-needed"),
    ];
    let refusals = lines.refusals();
    assert_eq!(refusals.len(), expected.len(), "{refusals:#?}");
    for (line, (who, method, path, act, code, rule)) in refusals.iter().zip(expected) {
        let found = ["who", "method", "path", "act", "code", "rule"].map(|field| line[field].as_str().unwrap());
        assert_eq!(found, [who, method, path, act, code, rule]);
        assert!(!line["request_id"].as_str().unwrap().is_empty());
    }
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for personal in ["王芳", secret.rsplit('-').next().unwrap(), "民政局"] {
        assert!(!log.contains(personal), "{personal}");
    }
}
