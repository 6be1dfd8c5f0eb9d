//! Statements that are not what they must be, for every act that takes one and in both families: forged, of another key, another
//! certificate or another purpose, stale, backdated, re-targeted, replayed, or in another form. Each is refused with its
//! code, and changes nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hufu::{
    cli::Family,
    policy::{Act, Header, LoginPayload, Payload, SignerReference, Timestamp, assemble, signing_input, statement::Version},
};
use serde_json::{Value, json};
use time::Duration;

use crate::{
    citizens::{Citizen, Counter, certificate, contested},
    world::{Answer, Ca, Holder, Person, TestCa, in_both_families, new_csr, text},
};

in_both_families! {
    no_act_is_done_on_a_statement_that_is_not_what_it_must_be,
    whoever_was_suspended_meanwhile_decides_nothing_whatever_time_they_claim,
}

/// Something to be decided, by somebody who may, with somebody else who signs, too.
struct Deed<'a> {
    act: &'static str,
    by: &'a Person,
    other: &'a Person,
    /// What the draft is asked for beside the act.
    about: Value,
    /// Another thing of the same kind.
    another: String,
    method: &'static str,
    path: String,
    /// What is sent beside the statement.
    beside: Value,
}

impl<'a> Deed<'a> {
    fn new(act: &'static str, [by, other]: [&'a Person; 2], [about, another]: [&str; 2], path: String) -> Self {
        let about = json!({"about": about});
        Self { act, by, other, about, another: another.to_owned(), method: "POST", path, beside: json!({}) }
    }

    /// About a list.
    fn list(act: &'static str, people: [&'a Person; 2], list: &[String], another: &str, path: &str) -> Self {
        let list = json!({"list": list});
        Self { about: list.clone(), beside: list, ..Self::new(act, people, ["", another], path.to_owned()) }
    }

    async fn draft(&self, ca: &Ca, by: &Person) -> Answer {
        let mut body = self.about.clone();
        body["act"] = json!(self.act);
        ca.client(by).post("/api/v1/statements/drafts", &body).await
    }

    async fn hand_in(&self, ca: &Ca, statement: &str) -> Answer {
        let mut body = self.beside.clone();
        body["statement"] = json!(statement);
        let json = [("content-type", "application/json")];
        ca.client(self.by).send(self.method, &self.path, &json, body.to_string().into_bytes()).await
    }
}

/// The header of the signer's statements, with some of its members changed.
fn header(person: &Person, change: impl FnOnce(&mut Value)) -> String {
    let fingerprint = URL_SAFE_NO_PAD.encode(person.identity.certificate().fingerprint());
    let algorithm = person.identity.key.public_key().algorithm().jose_name();
    let mut header = json!({"alg": algorithm, "typ": "hufu-statement", "x5t#S256": fingerprint});
    change(&mut header);
    header.to_string()
}

/// A JWS of these very texts, by this person's key.
fn jws(person: &Person, header: &str, payload: &str) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    assemble(&input, person.identity.key.public_key().algorithm(), &person.identity.key.sign(input.as_bytes()).unwrap()).unwrap()
}

/// The same payload as it is sent, with a change to its JSON.
fn changed(payload: &Payload, change: impl FnOnce(&mut Value)) -> String {
    let mut value = serde_json::to_value(payload).unwrap();
    change(&mut value);
    value.to_string()
}

/// Every way in which the statement of a deed is not what it must be, with the code that refuses it.
async fn forgeries(ca: &Ca, deed: &Deed<'_>, payload: &Payload, old_policy: &str) -> Vec<(&'static str, String, (u16, &'static str))> {
    let (by, other) = (deed.by, deed.other);
    let own = header(by, |_| {});
    let plain = changed(payload, |_| {});
    let with = |change: &dyn Fn(&mut Payload)| {
        let mut payload = payload.clone();
        change(&mut payload);
        by.sign(&payload)
    };
    let genuine = by.sign(payload);
    let (input, signature) = genuine.rsplit_once('.').unwrap();
    let forged = format!("{input}.{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]);
    let (invalid, signer) = ((403, "statement-signature-invalid"), (403, "statement-signer-refused"));
    let (malformed, target) = ((400, "statement-malformed"), (409, "statement-target-mismatch"));
    let another_act = if payload.act == Act::Suspend { Act::Resume } else { Act::Suspend };
    let operations = ca.bundle().logs.into_iter().find(|log| log.name == "operations").unwrap().origin;
    let login = LoginPayload { at: payload.at, nonce: payload.nonce, origin: "https://127.0.0.1:8443".to_owned(), v: Version };
    let algorithm = by.identity.key.public_key().algorithm();
    let login = {
        let header = Header { algorithm, signer: SignerReference::certificate(by.identity.certificate().der()) };
        let input = signing_input(&header, &login);
        assemble(&input, algorithm, &by.identity.key.sign(input.as_bytes()).unwrap()).unwrap()
    };
    let foreign = if algorithm.jose_name() == "SM2" { "ES256" } else { "SM2" };
    let key = hex::encode(by.identity.key.public_key().fingerprint());
    let mut cases = vec![
        ("a forged signature", forged, invalid),
        ("signed with another's key", jws(other, &own, &plain), invalid),
        ("another's certificate", jws(by, &header(other, |_| {}), &plain), signer),
        ("another's statement", other.sign(payload), signer),
        (
            "the system key's name",
            jws(by, &format!(r#"{{"alg":"{}","kid":"{key}","typ":"hufu-statement"}}"#, algorithm.jose_name()), &plain),
            signer,
        ),
        ("another act", with(&|payload| (payload.act, payload.since) = (another_act, None)), target),
        ("about another", with(&|payload| payload.about = deed.another.parse().unwrap()), target),
        ("a nonce of nobody", with(&|payload| payload.nonce = "00112233445566778899aabbccddeeff".parse().unwrap()), (409, "nonce-unknown")),
        ("an old policy", with(&|payload| payload.policy = old_policy.parse().unwrap()), (409, "policy-stale")),
        ("something else seen", with(&|payload| payload.seen.0[0] ^= 1), (409, "seen-stale")),
        ("a state that is still to come", with(&|payload| payload.log.size += 1_000_000), (409, "log-position-unknown")),
        ("another log", with(&|payload| payload.log.origin.push('x')), (409, "log-position-unknown")),
        (
            "a state of long ago",
            with(&|payload| (payload.log.origin, payload.log.size) = (operations.clone(), 1)),
            (409, "log-position-stale"),
        ),
        ("backdated", with(&|payload| payload.at = shifted(payload.at, -3600)), (409, "statement-time-refused")),
        ("dated ahead", with(&|payload| payload.at = shifted(payload.at, 3600)), (409, "statement-time-refused")),
        ("a login", login, malformed),
        ("a member that nobody knows", jws(by, &own, &changed(payload, |value| value["admin"] = json!(true))), malformed),
        ("a member that is null", jws(by, &own, &changed(payload, |value| value["reason"] = Value::Null)), malformed),
        ("a member twice", jws(by, &own, &plain.replacen('{', r#"{"v":1,"#, 1)), malformed),
        ("space in it", jws(by, &own, &plain.replacen(':', ": ", 1)), malformed),
        (
            "a member of the header that nobody knows",
            jws(by, &header(by, |header| header["jku"] = json!("https://evil.example")), &plain),
            malformed,
        ),
        ("critical extensions", jws(by, &header(by, |header| header["crit"] = json!(["b64"])), &plain), malformed),
        (
            "no algorithm",
            format!("{}.{}.", URL_SAFE_NO_PAD.encode(header(by, |header| header["alg"] = json!("none"))), URL_SAFE_NO_PAD.encode(&plain)),
            malformed,
        ),
        ("a symmetric algorithm", jws(by, &header(by, |header| header["alg"] = json!("HS256")), &plain), malformed),
        ("another algorithm", jws(by, &header(by, |header| header["alg"] = json!(foreign)), &plain), invalid),
        ("another kind of word", jws(by, &header(by, |header| header["typ"] = json!("hufu-acknowledgement")), &plain), malformed),
        ("padding", format!("{genuine}="), malformed),
    ];
    if payload.act != Act::Revoke {
        cases.push((
            "since, of what is no revocation",
            jws(by, &own, &changed(payload, |value| value["since"] = json!(payload.at))),
            malformed,
        ));
    }
    // A nonce that was given to another, if they may do this, too.
    let theirs = deed.draft(ca, other).await;
    if theirs.status == 200 {
        let theirs: Payload = serde_json::from_value(theirs.json()["payload"].clone()).unwrap();
        cases.push(("another's nonce", by.sign(&Payload { nonce: theirs.nonce, ..payload.clone() }), (409, "nonce-unknown")));
    }
    cases
}

fn shifted(at: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::new(at.instant() + Duration::seconds(seconds))
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

async fn no_act_is_done_on_a_statement_that_is_not_what_it_must_be(family: Family) {
    let basic = |text: String| text.replace("cooling = \"24 hours\"", "cooling = \"0 seconds\"");
    let citizen = |text: String| text.replace("cooling = \"72 hours\"", "cooling = \"0 seconds\"");
    let world = TestCa::new().with_policy("profiles/citizen-basic.toml", basic).with_policy("profiles/citizen.toml", citizen);
    let ca = world.at("2030-01-01T00:00:00Z").start().await;
    let counter = Counter::open(&ca, family).await;
    let office = &counter.office;
    let renewed = ca.issue(office, "staff", family).await;
    let holder = Person::keep(&ca, &text(&renewed.view, "person"), &chain(&ca, &renewed), &renewed.secret);
    ca.clock.forward(Duration::days(340));

    let old_policy = ca.services().policy().digest().to_string();
    let auditor = ca.auditor(family).await;
    let (administrator, registration, approver) = (&office.administrator, &office.registration, &office.approver);
    let second = ca.officer(administrator, &office.department, &["approver"], family).await;
    let chief = ca.officer(administrator, &office.department, &["administrator"], family).await;
    put_in_force(&ca, [administrator, auditor]).await;

    let mut enrolments = Vec::new();
    for _ in 0..9 {
        enrolments.push(ca.enrol(office, "staff", family).await.enrolment);
    }
    let mut certificates = Vec::new();
    for _ in 0..8 {
        certificates.push(ca.issue(office, "staff", family).await.id);
    }
    for held in &certificates[3..5] {
        ca.decide(approver, "suspend", held, None, None).await.ok();
    }
    let propose = async |role: &str| {
        let body = json!({"name": "新官", "department": office.department, "roles": [role]});
        text(&ca.client(administrator).post("/api/v1/officers", &body).await.ok().json(), "id")
    };
    let proposed = [propose("approver").await, propose("approver").await];
    let dismissed = ca.officer(administrator, &office.department, &["approver"], family).await;
    let policy = propose_policy(&ca, administrator, "third").await;
    let token = async || {
        let body = json!({"name": "service", "department": office.department, "scopes": ["verify"]});
        text(&ca.client(administrator).post("/api/v1/tokens", &body).await.ok().json(), "id")
    };
    let tokens = [token().await, token().await, token().await];
    ca.decide(administrator, "grant-token", &tokens[2], None, None).await.ok();
    let mut checks = Vec::new();
    for _ in 0..4 {
        checks.push(text(&counter.record("citizen-basic", &Citizen::new("李雷")).await.ok().json(), "id"));
    }
    let statement = registration.sign(&ca.draft(registration, "check-identity", &checks[2], None, None).await);
    ca.client(registration).post(&format!("/api/v1/citizens/checks/{}/statement", checks[2]), &json!({"statement": statement})).await.ok();
    let (_, one, _) = contested(&ca, &counter, &Citizen::new("韩梅"), family).await;
    let (_, other, _) = contested(&ca, &counter, &Citizen::new("林涛"), family).await;
    let (_, _, citizen) = certificate(&ca, &counter, "citizen-basic", &Citizen::new("魏华"), family).await;
    let (_, _, neighbour) = certificate(&ca, &counter, "citizen-basic", &Citizen::new("王芳"), family).await;

    let on = |collection: &str, id: &str, name: &str| format!("/api/v1/{collection}/{id}/{name}");
    let approvers = [approver, &second];
    let administrators = [administrator, &chief];
    let (e, c) = (&enrolments, &certificates);
    let renewal = json!({"about": renewed.id, "csr": new_csr(family)});
    let deeds = [
        Deed::new("approve", approvers, [&e[0], &e[1]], on("enrolments", &e[0], "approvals")),
        Deed::new("reject", approvers, [&e[2], &e[1]], on("enrolments", &e[2], "rejection")),
        Deed::new("withdraw", [registration, approver], [&e[3], &e[1]], on("enrolments", &e[3], "withdrawal")),
        Deed::list("approve", approvers, &e[4..6], &e[1], "/api/v1/approvals"),
        Deed {
            beside: json!({"csr": renewal["csr"]}),
            about: renewal,
            ..Deed::new("renew", [&holder, approver], ["", &c[1]], on("certificates", &renewed.id, "renewal"))
        },
        Deed::new("suspend", approvers, [&c[0], &c[1]], on("certificates", &c[0], "suspension")),
        Deed::new("revoke", approvers, [&c[2], &c[1]], on("certificates", &c[2], "revocation")),
        Deed::new("resume", approvers, [&c[3], &c[4]], on("certificates", &c[3], "resumption")),
        Deed::list("revoke", administrators, &c[5..7], &c[1], "/api/v1/revocations"),
        Deed::new("grant", [administrator, auditor], [&proposed[0], &proposed[1]], on("officers", &proposed[0], "grant")),
        Deed {
            method: "DELETE",
            ..Deed::new("dismiss", administrators, [&dismissed.id, &second.id], format!("/api/v1/officers/{}", dismissed.id))
        },
        Deed::new("activate-policy", [administrator, auditor], [&policy, &old_policy], on("policies", &policy, "activation")),
        Deed::new("grant-token", administrators, [&tokens[0], &tokens[1]], on("tokens", &tokens[0], "grant")),
        Deed::new("revoke-token", administrators, [&tokens[2], &tokens[1]], on("tokens", &tokens[2], "revocation")),
        Deed::new("check-identity", [registration, approver], [&checks[0], &checks[1]], on("citizens/checks", &checks[0], "statement")),
        Deed::new("confirm-identity", approvers, [&checks[2], &checks[1]], on("citizens/checks", &checks[2], "confirmation")),
        Deed::new("withdraw-identity", approvers, [&checks[3], &checks[1]], on("citizens/checks", &checks[3], "withdrawal")),
        Deed::new("uphold-contest", [approver, administrator], [&one, &other], on("citizens/contests", &one, "upholding")),
        Deed::new("dismiss-contest", [approver, administrator], [&other, &one], on("citizens/contests", &other, "dismissal")),
        Deed::new("export", [auditor, administrator], [&citizen.id, &neighbour.id], on("citizens", &citizen.id, "export")),
        Deed::new("erase", administrators, [&citizen.id, &neighbour.id], on("citizens", &citizen.id, "erasure")),
    ];
    for deed in &deeds {
        refuses_everything_but_the_genuine(&ca, deed, &old_policy).await;
    }
    // No statement opens a session, either.
    let login = approver.sign(&ca.draft(approver, "approve", &e[8], None, None).await);
    let refused = ca.anonymous().post("/api/v1/sessions", &json!({"login": login})).await;
    assert!((400..500).contains(&refused.status), "{}", refused.text());
    ca.audit_finds_nothing().await;
}

async fn refuses_everything_but_the_genuine(ca: &Ca, deed: &Deed<'_>, old_policy: &str) {
    let name = deed.act;
    let drafted = deed.draft(ca, deed.by).await;
    assert_eq!(drafted.status, 200, "{name}: {}", drafted.text());
    let payload: Payload = serde_json::from_value(drafted.json()["payload"].clone()).unwrap();
    let spare: Payload = serde_json::from_value(deed.draft(ca, deed.by).await.ok().json()["payload"].clone()).unwrap();
    let forgeries = forgeries(ca, deed, &payload, old_policy).await;
    // What the service does by itself every minute is done, and nothing more is due.
    ca.services().upkeep().await;
    let before = (ca.sql().await.snapshot().await, ca.log_sizes());
    for (forgery, statement, expected) in &forgeries {
        let answer = deed.hand_in(ca, statement).await;
        assert_eq!(code(&answer), (expected.0, expected.1.to_owned()), "{name}, {forgery}: {}", answer.text());
    }
    let after = (ca.sql().await.snapshot().await, ca.log_sizes());
    assert_eq!((before.0.changes_to(&after.0), &before.1), (Vec::new(), &after.1), "{name}: something changed");

    // What was refused did not use the nonce up; what is used is not used again.
    let genuine = deed.by.sign(&payload);
    let done = deed.hand_in(ca, &genuine).await;
    assert!((200..300).contains(&done.status), "{name}: {}", done.text());
    ca.clock.forward(Duration::minutes(31));
    ca.services().upkeep().await;
    let before = (ca.sql().await.snapshot().await, ca.log_sizes());
    let again = deed.hand_in(ca, &genuine).await;
    // A renewal answers its own successor again, and does nothing.
    let refused = ["nonce-replayed", "wrong-state", "not-permitted", "erased"].contains(&code(&again).1.as_str());
    assert!(refused || name == "renew", "{name} again: {}", again.text());
    let late = deed.hand_in(ca, &deed.by.sign(&spare)).await;
    let refused = ["nonce-unknown", "wrong-state", "not-permitted", "seen-stale", "erased"].contains(&code(&late).1.as_str());
    assert!(refused || name == "renew", "{name}, with an expired nonce: {}", late.text());
    let after = (ca.sql().await.snapshot().await, ca.log_sizes());
    // With the successor comes a fresh suspension code.
    let mut changes = before.0.changes_to(&after.0);
    changes.retain(|change| !(name == "renew" && change.starts_with("suspension_code")));
    assert_eq!((changes, &before.1), (Vec::new(), &after.1), "{name}: something changed afterwards");
}

async fn whoever_was_suspended_meanwhile_decides_nothing_whatever_time_they_claim(family: Family) {
    let ca = TestCa::new().at("2030-01-01T00:00:00Z").start().await;
    let office = ca.office(family).await;
    let second = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let applicant = ca.enrol(&office, "staff", family).await;
    let signed = ca.draft(&second, "approve", &applicant.enrolment, None, None).await;
    let certificate = second.identity.certificate().id().to_string();
    ca.clock.forward(Duration::minutes(2));
    ca.decide(&office.administrator, "suspend", &certificate, None, None).await.ok();
    ca.clock.forward(Duration::minutes(2));
    let before = ca.sql().await.snapshot().await;
    for seconds in [0, -60, 120] {
        let statement = second.sign(&Payload { at: shifted(signed.at, seconds), ..signed.clone() });
        let refused = ca.hand_in(&second, "approve", &applicant.enrolment, &statement).await;
        assert_eq!(code(&refused), (401, "client-certificate-not-good".to_owned()), "{seconds}");
        // Nor does anybody else hand it in.
        let refused = ca.hand_in(&office.approver, "approve", &applicant.enrolment, &statement).await;
        assert_eq!(code(&refused), (403, "statement-signer-refused".to_owned()), "{seconds}");
    }
    assert_eq!(before.changes_to(&ca.sql().await.snapshot().await), Vec::<String>::new());
    ca.audit_finds_nothing().await;
}

/// The certificates above somebody's, as they keep them.
fn chain(ca: &Ca, holder: &Holder) -> String {
    let authority = ca.services().authorities().load(&holder.authority()).unwrap();
    let above = ca.services().authorities().chain(&authority).unwrap();
    std::iter::once(holder.certificate.to_pem()).chain(above.iter().map(|one| one.to_pem())).collect()
}

/// The policy in force with a comment more: its digest.
async fn propose_policy(ca: &Ca, by: &Person, word: &str) -> String {
    let path = format!("/api/v1/policies/{}", ca.services().policy().digest());
    let mut files = ca.client(by).get(&path).await.ok().json()["files"].clone();
    files["quorums.toml"] = json!(format!("# {word}\n{}", files["quorums.toml"].as_str().unwrap()));
    text(&ca.client(by).post("/api/v1/policies", &json!({"files": files})).await.ok().json(), "digest")
}

/// Another version than the one that the installation began with.
pub async fn put_in_force(ca: &Ca, by: [&Person; 2]) {
    let digest = propose_policy(ca, by[0], "another version").await;
    for person in by {
        ca.decide(person, "activate-policy", &digest, None, None).await.ok();
    }
}
