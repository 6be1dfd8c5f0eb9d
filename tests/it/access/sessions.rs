//! Sessions: opened by a signature, used in place of the certificate, over with it.

use hufu::{
    cli::Family,
    policy::{Header, LoginPayload, Payload, SignerReference, Timestamp, assemble, jws::Content, signing_input, statement::Version},
};
use serde_json::{Value, json};
use time::Duration;

use crate::world::{Agent, Answer, Ca, Person, TestCa, in_both_families, text};

in_both_families! {
    a_session_stands_for_its_certificate,
    a_session_ends_with_its_certificate,
    logins_that_are_not_what_they_must_be_are_refused,
    a_cookie_needs_our_own_pages,
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// A login for a fresh challenge, changed by `change`.
async fn login(ca: &Ca, person: &Person, change: impl FnOnce(&mut LoginPayload)) -> String {
    let challenge = ca.anonymous().post("/api/v1/sessions/challenge", &json!({})).await.ok().json();
    let mut payload = LoginPayload {
        at: Timestamp::new(ca.now()),
        nonce: text(&challenge, "nonce").parse().unwrap(),
        origin: text(&challenge, "origin"),
        v: Version,
    };
    change(&mut payload);
    signed(person, &payload)
}

fn signed(person: &Person, payload: &impl Content) -> String {
    let algorithm = person.identity.key.public_key().algorithm();
    let header = Header { algorithm, signer: SignerReference::certificate(person.identity.certificate().der()) };
    let input = signing_input(&header, payload);
    assemble(&input, algorithm, &person.identity.key.sign(input.as_bytes()).unwrap()).unwrap()
}

async fn open(ca: &Ca, login: &str) -> Answer {
    ca.anonymous().post("/api/v1/sessions", &json!({"login": login})).await
}

async fn session(ca: &Ca, person: &Person) -> Agent {
    let opened = open(ca, &login(ca, person, |_| {}).await).await.ok().json();
    ca.anonymous().with_bearer(&text(&opened, "secret"))
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, text(&answer.json(), "code"))
}

async fn a_session_stands_for_its_certificate(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let applicant = ca.enrol(&office, "staff", family).await;
    let approver = session(&ca, &office.approver).await;

    // The whole of an approval, by the session; the statement is signed by the certificate.
    let body = json!({"act": "approve", "about": applicant.enrolment});
    let draft = approver.post("/api/v1/statements/drafts", &body).await.ok().json();
    let payload: Payload = serde_json::from_value(draft["payload"].clone()).unwrap();
    let statement = office.approver.sign(&payload);
    let path = format!("/api/v1/enrolments/{}/approvals", applicant.enrolment);
    assert_eq!(approver.post(&path, &json!({"statement": statement})).await.status, 201);

    // A session hands in the statements of its own certificate alone.
    let waiting = ca.enrol(&office, "staff", family).await.enrolment;
    let payload = ca.draft(&office.approver, "approve", &waiting, None, None).await;
    let statement = office.registration.sign(&payload);
    let answer = approver.post(&format!("/api/v1/enrolments/{waiting}/approvals"), &json!({"statement": statement})).await;
    assert_eq!(code(&answer), (403, "statement-signer-refused".to_owned()));
}

async fn a_session_ends_with_its_certificate(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let person = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let (suspended, given_back) = (session(&ca, &person).await, session(&ca, &person).await);
    let path = "/api/v1/sessions";
    let listed = given_back.get(path).await.ok().json();
    let current: Vec<&Value> = listed["items"].as_array().unwrap().iter().filter(|item| item["current"] == true).collect();
    assert_eq!((listed["items"].as_array().unwrap().len(), current.len()), (2, 1));

    // Nobody ends another's.
    let id = text(current[0], "id");
    let other = ca.client(&office.registration).send("DELETE", &format!("{path}/{id}"), &[], Vec::new()).await;
    assert_eq!(code(&other), (404, "unknown-record".to_owned()));
    assert_eq!(given_back.send("DELETE", "/api/v1/sessions/current", &[], Vec::new()).await.status, 204);
    assert_eq!(code(&given_back.get(path).await), (401, "session-not-good".to_owned()));
    suspended.get(path).await.ok();

    let certificate = person.identity.certificate().id().to_string();
    ca.decide(&office.approver, "suspend", &certificate, None, None).await.ok();
    assert_eq!(code(&suspended.get(path).await), (401, "client-certificate-not-good".to_owned()));
    ca.decide(&office.approver, "resume", &certificate, None, None).await.ok();
    suspended.get(path).await.ok();
    ca.revoke(&office.approver, &certificate, "keyCompromise", None).await;
    assert_eq!(code(&suspended.get(path).await), (401, "client-certificate-not-good".to_owned()));
    assert_eq!(code(&open(&ca, &login(&ca, &person, |_| {}).await).await), (401, "client-certificate-not-good".to_owned()));
    ca.audit_finds_nothing().await;
}

async fn logins_that_are_not_what_they_must_be_are_refused(family: Family) {
    let ca = TestCa::new().with(|config| config.limits.failures = 100).start().await;
    let person = ca.administrator(family).await;
    let auditor = ca.auditor(family).await;
    let refused = (403, "login-refused".to_owned());
    let good = login(&ca, &person, |_| {}).await;
    let forged = {
        let (head, _) = good.rsplit_once('.').unwrap();
        let other = login(&ca, auditor, |_| {}).await;
        format!("{head}.{}", other.rsplit_once('.').unwrap().1)
    };
    let cases = [
        ("of another site", login(&ca, &person, |login| login.origin = "https://evil.example".to_owned()).await),
        ("with a nonce of its own", login(&ca, &person, |login| login.nonce = "00112233445566778899aabbccddeeff".parse().unwrap()).await),
        ("from yesterday", login(&ca, &person, |login| login.at = Timestamp::new(login.at.instant() - Duration::DAY)).await),
        ("from tomorrow", login(&ca, &person, |login| login.at = Timestamp::new(login.at.instant() + Duration::DAY)).await),
        ("with another's signature", forged),
    ];
    for (case, login) in &cases {
        assert_eq!(code(&open(&ca, login).await), refused, "{case}");
    }
    open(&ca, &good).await.ok();
    assert_eq!(code(&open(&ca, &good).await), refused, "answered before");
    let foreigner = TestCa::new().start().await.administrator(family).await;
    assert_eq!(code(&open(&ca, &login(&ca, &foreigner, |_| {}).await).await), refused, "of a certificate of another installation");

    // A statement is no login, and a login no statement: each has a type of its own.
    let own = person.identity.certificate().id().to_string();
    let statement = person.sign(&ca.draft(&person, "suspend", &own, None, None).await);
    assert_eq!(code(&open(&ca, &statement).await), (400, "statement-malformed".to_owned()));
    let path = format!("/api/v1/policies/{}/activation", ca.services().policy().digest());
    let answer = ca.client(&person).post(&path, &json!({"statement": login(&ca, &person, |_| {}).await})).await;
    assert_eq!(code(&answer), (400, "statement-malformed".to_owned()));
}

async fn a_cookie_needs_our_own_pages(family: Family) {
    let ca = TestCa::new().start().await;
    let person = ca.administrator(family).await;
    let body = json!({"login": login(&ca, &person, |_| {}).await, "keep": "cookie"});
    let opened = ca.anonymous().post("/api/v1/sessions", &body).await.ok();
    assert_eq!(opened.json()["secret"], Value::Null, "the browser keeps it");
    let set = opened.header("set-cookie").to_owned();
    let (pair, attributes) = set.split_once("; ").unwrap();
    assert!(pair.starts_with("__Host-hufu-session=hufu-session-"), "{set}");
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict", "Max-Age=43200"] {
        assert!(attributes.split("; ").any(|found| found == attribute), "{set} has no {attribute}");
    }

    let origin = ca.services().api_origin.clone();
    let anonymous = ca.anonymous();
    let department = json!({"name": "税务局", "organizations": ["税务局"]}).to_string().into_bytes();
    let add = async |agent: &Agent, headers: &[(&str, &str)]| {
        agent.send("POST", "/api/v1/departments", &[&[JSON], headers].concat(), department.clone()).await
    };
    let refused = (403, "origin-refused".to_owned());
    let cookie = ("cookie", pair);
    assert_eq!(code(&add(&anonymous, &[cookie]).await), refused, "no page says that it was one of ours");
    for foreign in ["https://evil.example", "null", "http://127.0.0.1", &format!("{origin}.evil.example")] {
        assert_eq!(code(&add(&anonymous, &[cookie, ("origin", foreign)]).await), refused, "{foreign}");
        assert_eq!(code(&add(&ca.client(&person), &[("origin", foreign)]).await), refused, "a certificate goes along by itself, too");
    }
    assert_eq!(anonymous.send("GET", "/api/v1/sessions", &[cookie, ("origin", "https://evil.example")], Vec::new()).await.status, 200);
    add(&anonymous, &[cookie, ("origin", &origin)]).await.ok();

    // A cookie that is left over hides no certificate, and alone opens nothing.
    let stale = ("cookie", "__Host-hufu-session=hufu-session-00");
    ca.client(&person).send("GET", "/api/v1/sessions", &[stale], Vec::new()).await.ok();
    assert_eq!(code(&anonymous.send("GET", "/api/v1/sessions", &[stale], Vec::new()).await), (401, "session-not-good".to_owned()));
    let ended = anonymous.send("DELETE", "/api/v1/sessions/current", &[cookie, ("origin", &origin)], Vec::new()).await;
    assert!(ended.status == 204 && ended.header("set-cookie").contains("Max-Age=0"), "{}", ended.header("set-cookie"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_it_is_idle_and_when_it_is_over() {
    let ca = TestCa::new().at("2030-01-01T00:00:00Z").start().await;
    let person = ca.administrator(Family::P256).await;
    let (used, idle) = (session(&ca, &person).await, session(&ca, &person).await);
    let path = "/api/v1/sessions";
    for _ in 0..2 {
        ca.clock.forward(Duration::minutes(29));
        used.get(path).await.ok();
    }
    assert_eq!(code(&idle.get(path).await), (401, "session-not-good".to_owned()));
    for _ in 0..22 {
        ca.clock.forward(Duration::minutes(29));
        used.get(path).await.ok();
    }
    ca.clock.forward(Duration::minutes(25));
    assert_eq!(code(&used.get(path).await), (401, "session-not-good".to_owned()), "twelve hours are over");
    assert_eq!(ca.services().upkeep().await.sessions_ended, 2);
    assert_eq!(ca.sql().await.number("select count(*) from session").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_certificate_has_no_more_than_sixteen() {
    let ca = TestCa::new().start().await;
    let person = ca.administrator(Family::Sm2).await;
    let first = session(&ca, &person).await;
    for _ in 0..16 {
        session(&ca, &person).await;
    }
    assert_eq!(code(&first.get("/api/v1/sessions").await), (401, "session-not-good".to_owned()));
    assert_eq!(ca.sql().await.number("select count(*) from session").await, 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_over_after_five_minutes_and_after_a_restart() {
    let mut ca = TestCa::new().at("2030-01-01T00:00:00Z").start().await;
    let person = ca.administrator(Family::P256).await;
    let late = login(&ca, &person, |_| {}).await;
    ca.clock.forward(Duration::minutes(6));
    assert_eq!(code(&open(&ca, &late).await), (403, "login-refused".to_owned()));
    let agent = session(&ca, &person).await;
    let before = login(&ca, &person, |_| {}).await;
    let Agent::Inside { bearer, .. } = agent else { panic!("a world at another time has no TLS") };
    ca.restart().await;
    assert_eq!(code(&open(&ca, &before).await), (403, "login-refused".to_owned()));
    ca.anonymous().with_bearer(&bearer.unwrap()).get("/api/v1/sessions").await.ok();
}
