//! Citizens, from the counter to the erasure, in both families: who proves what, what others learn of it, and what is left.

pub mod command_line;
mod held;
mod lost_device;

use std::time::Duration as Wait;

use hufu::{
    cli::Family,
    services::{codes::Code, limits::EVEN_TIME},
    world::{Entropy, SystemEntropy, random},
    x509::{Certificate, identity_number::resident_check},
};
use serde_json::{Value, json};
use time::Duration;

use crate::{
    notices::MailServer,
    world::{Agent, Answer, Ca, Office, Person, TestCa, csr, in_both_families, new_csr, text},
};

in_both_families! {
    a_code_from_a_counter_becomes_a_certificate,
    a_code_takes_two_officers_and_its_time,
    whoever_did_not_ask_has_the_code_taken_back,
    a_second_application_is_answered_alike_and_two_officers_decide,
    a_contest_that_is_dismissed_leaves_the_earlier_certificate,
    one_officer_does_not_end_a_contest_and_whoever_asked_does,
    the_erasure_of_the_earlier_citizen_ends_the_contest,
    upholding_means_whatever_the_earlier_citizen_holds_now,
    what_two_people_sign_is_the_same,
    a_new_name_takes_the_place_of_the_old_one,
    naming_a_certificate_is_not_holding_it,
    a_guardian_submits_for_another,
    a_citizen_is_told_by_mail_and_a_telephone_waits,
}

/// Three days, as the profile says.
const COOLING: Duration = Duration::hours(72);

/// A service whose codes work at once: TLS judges certificates by the machine's clock, which no test moves.
async fn at_once() -> Ca {
    let citizen = |text: String| text.replace("cooling = \"72 hours\"", "cooling = \"0 seconds\"");
    let basic = |text: String| text.replace("cooling = \"24 hours\"", "cooling = \"0 seconds\"");
    TestCa::new().with_policy("profiles/citizen.toml", citizen).with_policy("profiles/citizen-basic.toml", basic).start().await
}

/// Somebody at the counter.
pub struct Citizen {
    name: &'static str,
    number: String,
    contact: String,
}

impl Citizen {
    pub fn new(name: &'static str) -> Self {
        let sequence = u16::from_be_bytes(random::<2>(&SystemEntropy as &dyn Entropy)) % 1000;
        let day = 1 + random::<1>(&SystemEntropy as &dyn Entropy)[0] % 28;
        let digits = format!("1101051949{:02}{day:02}{sequence:03}", 1 + sequence % 12);
        let check = char::from(resident_check(digits.as_bytes()).unwrap());
        let contact = format!("+8613{:09}", u32::from_be_bytes(random::<4>(&SystemEntropy as &dyn Entropy)) % 1_000_000_000);
        Self { name, number: format!("{digits}{check}"), contact }
    }
}

/// The office at whose counter citizens are checked.
pub struct Counter {
    pub office: Office,
    registration: Agent,
    approver: Agent,
}

impl Counter {
    pub async fn open(ca: &Ca, family: Family) -> Self {
        let office = ca.office(family).await;
        let (registration, approver) = (ca.client(&office.registration), ca.client(&office.approver));
        Self { office, registration, approver }
    }

    pub async fn record(&self, profile: &str, citizen: &Citizen) -> Answer {
        let body = json!({
            "profile": profile, "department": self.office.department, "name": citizen.name, "number": citizen.number,
            "contact": citizen.contact, "evidence": hex::encode([9; 32]),
        });
        self.registration.post("/api/v1/citizens/checks", &body).await
    }

    /// Recorded, signed, confirmed: the code.
    async fn code(&self, profile: &str, citizen: &Citizen) -> Value {
        let id = text(&self.record(profile, citizen).await.ok().json(), "id");
        sign(&self.registration, &self.office.registration, "check-identity", &id, &format!("checks/{id}/statement")).await.ok();
        sign(&self.approver, &self.office.approver, "confirm-identity", &id, &format!("checks/{id}/confirmation")).await.ok().json()
    }
}

/// Drafts, signs and hands in under `/api/v1/citizens`.
async fn sign(agent: &Agent, person: &Person, act: &str, about: &str, path: &str) -> Answer {
    let draft = agent.post("/api/v1/statements/drafts", &json!({"act": act, "about": about})).await;
    if draft.status != 200 {
        return draft;
    }
    let payload = serde_json::from_value(draft.json()["payload"].clone()).unwrap();
    agent.post(&format!("/api/v1/citizens/{path}"), &json!({"statement": person.sign(&payload)})).await
}

async fn prove(agent: &Agent, code: &str) -> Answer {
    agent.post("/api/v1/citizens/proofs", &json!({"code": code})).await
}

/// A proof from the counter.
async fn proof(ca: &Ca, counter: &Counter, profile: &str, citizen: &Citizen) -> String {
    let code = counter.code(profile, citizen).await;
    text(&prove(&ca.anonymous(), &text(&code, "code")).await.ok().json(), "proof")
}

fn application(counter: &Counter, proof: &str, profile: &str, csr: &str) -> Value {
    json!({"proof": proof, "profile": profile, "department": counter.office.department, "requests": [csr]})
}

async fn enrol(agent: &Agent, application: &Value) -> Answer {
    agent.post("/api/v1/citizens/enrolments", application).await
}

async fn collect(agent: &Agent, proof: &str, id: &str) -> Value {
    agent.post(&format!("/api/v1/citizens/enrolments/{id}/collection"), &json!({"proof": proof})).await.ok().json()
}

/// What was issued, once it is.
async fn issued(agent: &Agent, proof: &str, id: &str) -> Value {
    for _ in 0..100 {
        let collected = collect(agent, proof, id).await;
        if collected["state"] != "submitted" {
            assert_eq!(collected["state"], "issued", "{collected}");
            return collected["certificates"][0].clone();
        }
        tokio::time::sleep(Wait::from_millis(100)).await;
    }
    panic!("{id} was not decided by its proof");
}

/// From the counter to the certificate.
pub async fn certificate(ca: &Ca, counter: &Counter, profile: &str, citizen: &Citizen, family: Family) -> (Value, Agent, Person) {
    let proof = proof(ca, counter, profile, citizen).await;
    let secret = family.algorithm().generate().unwrap();
    let anonymous = ca.anonymous();
    let id = text(&enrol(&anonymous, &application(counter, &proof, profile, &csr(family, &secret))).await.ok().json(), "enrolment");
    let one = issued(&anonymous, &proof, &id).await;
    let person = Person::keep(ca, &text(&one, "person"), &text(&one, "chain"), &secret);
    (one, ca.client(&person), person)
}

async fn verdict(ca: &Ca, chain: &Value) -> (String, String) {
    let pem = Certificate::parse_many(chain.as_str().unwrap().as_bytes()).unwrap()[0].to_pem();
    let report = ca.anonymous().post("/api/v1/verify/certificate", &json!({"certificate": pem})).await.ok().json();
    (text(&report, "verdict"), text(&report, "reason"))
}

fn is(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{}", answer.text());
}

async fn notices(ca: &Ca, kind: &str) -> i64 {
    ca.sql().await.number(&format!("select count(*) from contact_notice where kind = '{kind}'")).await
}

// ---- the counter ----

async fn a_code_from_a_counter_becomes_a_certificate(family: Family) {
    let mut ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let citizen = Citizen::new("李雷");
    let (one, client, person) = certificate(&ca, &counter, "citizen", &citizen, family).await;
    let certificate = person.identity.certificate();
    assert_eq!(certificate.subject_text(), format!("C=CN, CN=李雷, serialNumber={}", person.id));
    assert_eq!(text(&one, "authority"), format!("citizen-{}-g1", family.algorithm().name()));
    assert_eq!(verdict(&ca, &one["chain"]).await, ("PASSED".to_owned(), "valid".to_owned()));
    assert_eq!((notices(&ca, "identity-confirmed").await, notices(&ca, "certificate-issued").await), (1, 1));

    // The decision is the system key's, and rests on what both officers signed.
    let decided = "select d.canonical from enrolment e join decision d on d.digest = e.decision where e.profile = 'citizen'";
    let decision: Value = serde_json::from_str(&ca.sql().await.texts(decided).await[0]).unwrap();
    assert_eq!((decision["decision"]["act"].as_str(), decision["statements"].as_array().unwrap().len()), (Some("prove"), 3));
    // The evidence is there for whoever may read the enrolment, and holds nothing about the person.
    let enrolment = text(&client.get(&format!("/api/v1/certificates/{}", text(&one, "id"))).await.ok().json(), "enrolment");
    let evidence = counter.approver.get(&format!("/api/v1/citizens/enrolments/{enrolment}/evidence")).await.ok();
    assert_eq!(evidence.json()["assurance"], "high");
    assert!([citizen.name, &citizen.number, &citizen.contact].iter().all(|personal| !evidence.text().contains(personal)));
    is(&ca.anonymous().get(&format!("/api/v1/citizens/enrolments/{enrolment}/evidence")).await, 401, "authentication-required");
    ca.audit_finds_nothing().await;
    ca.restart().await;
}

async fn a_code_takes_two_officers_and_its_time(family: Family) {
    let ca = TestCa::new().start().await;
    let counter = Counter::open(&ca, family).await;
    let citizen = Citizen::new("李雷");
    for (field, value) in [("number", "110105194912310021"), ("number", "王"), ("contact", "call me"), ("evidence", "00"), ("name", "")] {
        let mut body = json!({
            "profile": "citizen", "department": counter.office.department, "name": citizen.name, "number": citizen.number,
            "contact": citizen.contact, "evidence": hex::encode([9; 32]),
        });
        body[field] = json!(value);
        let refused = counter.registration.post("/api/v1/citizens/checks", &body).await;
        is(&refused, 400, "malformed-request");
        assert!(value.len() < 3 || !refused.text().contains(value), "{}", refused.text());
    }
    is(&counter.record("staff", &citizen).await, 403, "not-permitted");
    // A name is as long in characters as the certificate has room for (X.520: ub-common-name is 64).
    let named = async |name: String| counter.record("citizen", &Citizen { name: name.leak(), ..Citizen::new("李雷") }).await;
    is(&named("李".repeat(65)).await, 422, "field-refused");
    named("李".repeat(64)).await.ok();
    let id = text(&counter.record("citizen", &citizen).await.ok().json(), "id");
    let (check, confirmation) = (format!("checks/{id}/statement"), format!("checks/{id}/confirmation"));
    let (registration, approver) = (&counter.office.registration, &counter.office.approver);
    is(&sign(&counter.approver, approver, "confirm-identity", &id, &confirmation).await, 409, "wrong-state");
    is(&sign(&counter.approver, approver, "check-identity", &id, &check).await, 403, "not-permitted");
    sign(&counter.registration, registration, "check-identity", &id, &check).await.ok();
    is(&sign(&counter.registration, registration, "confirm-identity", &id, &confirmation).await, 403, "own-request");
    let confirmed = sign(&counter.approver, approver, "confirm-identity", &id, &confirmation).await.ok().json();
    is(&sign(&counter.approver, approver, "confirm-identity", &id, &confirmation).await, 409, "wrong-state");
    // What officers see of the number is enough to compare it, and no more.
    let shown = counter.approver.get(&format!("/api/v1/citizens/checks/{id}")).await.ok();
    assert!(!shown.text().contains(&citizen.number) && shown.text().contains("****"));
    let listed = async |filter: &str| {
        let page = counter.approver.get(&format!("/api/v1/citizens/checks?{filter}")).await.ok().json();
        page["items"].as_array().unwrap().iter().map(|item| (text(item, "id"), text(item, "name"))).collect::<Vec<_>>()
    };
    assert_eq!(listed("state=confirmed").await, [(id.clone(), citizen.name.to_owned())]);
    assert_eq!((listed("state=signed").await, listed("limit=1").await.len()), (Vec::new(), 1));

    let (anonymous, code) = (ca.anonymous(), text(&confirmed, "code"));
    is(&prove(&anonymous, &code).await, 403, "proofing-refused");
    ca.clock.forward(COOLING - Duration::minutes(1));
    is(&prove(&anonymous, &code).await, 403, "proofing-refused");
    ca.clock.forward(Duration::minutes(1));
    is(&prove(&anonymous, &code[..47]).await, 400, "malformed-request");
    let proved = prove(&anonymous, &code).await.ok();
    assert_eq!((proved.json()["assurance"].as_str(), proved.header("cache-control")), (Some("high"), "no-store"));
    // The answer may have been lost.
    assert_eq!(prove(&anonymous, &code).await.ok().json(), proved.json());

    // A proof is for its own profile and for a day, and with it ends its code.
    let token = text(&proved.json(), "proof");
    is(&enrol(&anonymous, &application(&counter, &token, "citizen-basic", &new_csr(family))).await, 403, "proofing-refused");
    is(&enrol(&anonymous, &application(&counter, &"0".repeat(64), "citizen", &new_csr(family))).await, 403, "proofing-refused");
    is(&enrol(&anonymous, &application(&counter, &token, "staff", &new_csr(family))).await, 403, "not-permitted");
    ca.clock.forward(Duration::hours(25));
    is(&enrol(&anonymous, &application(&counter, &token, "citizen", &new_csr(family))).await, 403, "proofing-refused");

    // Nobody guesses: ten wrong codes from one address, and it waits.
    let guess = || Code::generate(&[0; 32], &SystemEntropy).reveal();
    for _ in 0..10 {
        is(&prove(&anonymous, &guess()).await, 403, "proofing-refused");
    }
    is(&prove(&anonymous, &guess()).await, 429, "too-many-attempts");
    ca.clock.forward(Duration::minutes(10));
    is(&prove(&anonymous, &guess()).await, 403, "proofing-refused");
    is(&prove(&anonymous, &code).await, 403, "proofing-refused");
    // What nobody came back for is forgotten.
    ca.clock.forward(Duration::days(40));
    ca.services().upkeep().await;
    let left = "select count(*) from proofing where sealed_number is not null or blind_index is not null";
    assert_eq!(ca.sql().await.number(left).await, 0);
    ca.audit_finds_nothing().await;
}

async fn whoever_did_not_ask_has_the_code_taken_back(family: Family) {
    let ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let code = counter.code("citizen", &Citizen::new("李雷")).await;
    let id = text(&code, "id");
    let path = format!("checks/{id}/withdrawal");
    let administrator = &counter.office.administrator;
    let auditor = ca.auditor(family).await;
    is(&sign(&ca.client(auditor), auditor, "withdraw-identity", &id, &path).await, 403, "not-permitted");
    let done = sign(&ca.client(administrator), administrator, "withdraw-identity", &id, &path).await.ok().json();
    assert_eq!(text(&done, "state"), "withdrawn");
    is(&prove(&ca.anonymous(), &text(&code, "code")).await, 403, "proofing-refused");
    is(&counter.approver.get(&format!("/api/v1/citizens/checks/{id}")).await, 410, "erased");
    // What was used is a certificate, which is revoked; the check stays.
    let used = counter.code("citizen", &Citizen::new("韩梅")).await;
    prove(&ca.anonymous(), &text(&used, "code")).await.ok();
    let (id, approver) = (text(&used, "id"), &counter.office.approver);
    is(&sign(&counter.approver, approver, "withdraw-identity", &id, &format!("checks/{id}/withdrawal")).await, 409, "wrong-state");
    ca.audit_finds_nothing().await;
}

// ---- two for one ----

/// Two applications of one citizen: the certificate of the first, and the second with its proof.
pub async fn contested(ca: &Ca, counter: &Counter, citizen: &Citizen, family: Family) -> (Value, String, String) {
    let (first, ..) = certificate(ca, counter, "citizen", citizen, family).await;
    let fresh = proof(ca, counter, "citizen", &Citizen::new("韩梅")).await;
    let began = std::time::Instant::now();
    let alone = enrol(&ca.anonymous(), &application(counter, &fresh, "citizen", &new_csr(family))).await.ok();
    let alone_took = began.elapsed();
    let code = text(&counter.code("citizen", citizen).await, "code");
    let token = text(&prove(&ca.anonymous(), &code).await.ok().json(), "proof");
    let body = application(counter, &token, "citizen", &new_csr(family));
    let began = std::time::Instant::now();
    let second = enrol(&ca.anonymous(), &body).await.ok();
    assert!(alone_took >= EVEN_TIME && began.elapsed() >= EVEN_TIME, "the clock does not tell them apart");
    // The same status, the same headers, the same members, the same length: nobody learns of the first.
    let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((second.status, second.body.len(), names(&second)), (alone.status, alone.body.len(), names(&alone)));
    assert_eq!(second.json()["state"], alone.json()["state"]);
    let again = enrol(&ca.anonymous(), &body).await.ok();
    assert_eq!(again.json(), second.json(), "a repeated request is done once");
    is(&prove(&ca.anonymous(), &code).await, 403, "proofing-refused");
    (first, text(&second.json(), "enrolment"), token)
}

async fn a_second_application_is_answered_alike_and_two_officers_decide(family: Family) {
    let ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let (first, later, token) = contested(&ca, &counter, &Citizen::new("李雷"), family).await;
    assert_eq!(notices(&ca, "second-application").await, 1, "the holder is told");
    ca.services().upkeep().await;
    assert_eq!(collect(&ca.anonymous(), &token, &later).await["state"], "submitted");
    let early = counter.approver.post("/api/v1/statements/drafts", &json!({"act": "approve", "about": later})).await;
    is(&early, 409, "contested");

    let listed = counter.approver.get("/api/v1/citizens/contests").await.ok().json();
    assert_eq!(text(&listed["items"][0], "id"), later);
    let path = format!("contests/{later}/upholding");
    let approver = &counter.office.approver;
    is(&sign(&counter.registration, &counter.office.registration, "uphold-contest", &later, &path).await, 403, "not-permitted");
    let one = sign(&counter.approver, approver, "uphold-contest", &later, &path).await.ok();
    assert_eq!((one.status, text(&one.json(), "state")), (202, "one-more".to_owned()));
    is(&sign(&counter.approver, approver, "uphold-contest", &later, &path).await, 403, "not-permitted");
    let administrator = &counter.office.administrator;
    let two = sign(&ca.client(administrator), administrator, "uphold-contest", &later, &path).await.ok();
    assert_eq!((two.status, text(&two.json(), "state")), (200, "upheld".to_owned()));

    assert_eq!(verdict(&ca, &first["chain"]).await, ("FAILED".to_owned(), "revoked".to_owned()));
    ca.services().upkeep().await;
    let second = issued(&ca.anonymous(), &token, &later).await;
    assert_eq!(verdict(&ca, &second["chain"]).await.0, "PASSED");
    assert_ne!(text(&second, "person"), text(&first, "person"), "who obtained it wrongly is another");
    ca.audit_finds_nothing().await;
}

async fn a_contest_that_is_dismissed_leaves_the_earlier_certificate(family: Family) {
    let ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let (first, later, token) = contested(&ca, &counter, &Citizen::new("李雷"), family).await;
    let path = format!("contests/{later}/dismissal");
    for person in [&counter.office.approver, &counter.office.administrator] {
        sign(&ca.client(person), person, "dismiss-contest", &later, &path).await.ok();
    }
    assert_eq!(collect(&ca.anonymous(), &token, &later).await["state"], "rejected");
    assert_eq!(verdict(&ca, &first["chain"]).await.0, "PASSED");
    let administrator = &counter.office.administrator;
    is(&sign(&ca.client(administrator), administrator, "dismiss-contest", &later, &path).await, 409, "wrong-state");

    // Once the certificate has ended, its citizen may have another.
    let holder = text(&first, "id");
    ca.revoke(&counter.office.approver, &holder, "cessationOfOperation", None).await;
    ca.audit_finds_nothing().await;
}

async fn one_officer_does_not_end_a_contest_and_whoever_asked_does(family: Family) {
    let ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let citizen = Citizen::new("李雷");
    certificate(&ca, &counter, "citizen", &citizen, family).await;
    let (_, guardian, guardian_person) = certificate(&ca, &counter, "citizen", &Citizen::new("韩梅"), family).await;
    let token = proof(&ca, &counter, "citizen", &citizen).await;
    let later = text(&enrol(&guardian, &application(&counter, &token, "citizen", &new_csr(family))).await.ok().json(), "enrolment");

    let refused = counter.approver.post("/api/v1/statements/drafts", &json!({"act": "reject", "about": later})).await;
    is(&refused, 409, "contested");
    for command in ["hufu citizen uphold", "hufu citizen dismiss"] {
        assert!(refused.text().contains(&format!("{command} {later}")), "{}", refused.text());
    }
    assert_eq!(collect(&guardian, &token, &later).await["state"], "submitted");

    ca.decide(&guardian_person, "withdraw", &later, None, None).await.ok();
    let listed = counter.approver.get("/api/v1/citizens/contests").await.ok().json();
    assert_eq!((text(&listed["items"][0], "id"), text(&listed["items"][0], "state")), (later.clone(), "moot".to_owned()));
    let path = format!("contests/{later}/upholding");
    is(&sign(&counter.approver, &counter.office.approver, "uphold-contest", &later, &path).await, 409, "wrong-state");
    ca.audit_finds_nothing().await;
}

async fn the_erasure_of_the_earlier_citizen_ends_the_contest(family: Family) {
    let ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let citizen = Citizen::new("李雷");
    let (_, client, person) = certificate(&ca, &counter, "citizen", &citizen, family).await;
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let token = proof(&ca, &counter, "citizen", &citizen).await;
        let asked = enrol(&ca.anonymous(), &application(&counter, &token, "citizen", &new_csr(family))).await.ok().json();
        waiting.push((text(&asked, "enrolment"), token));
    }
    sign(&client, &person, "erase", &person.id, &format!("{}/erasure", person.id)).await.ok();

    let [(first, first_token), (second, second_token)] = &waiting[..] else { panic!("two") };
    ca.services().upkeep().await;
    let one = issued(&ca.anonymous(), first_token, first).await;
    assert_eq!(verdict(&ca, &one["chain"]).await.0, "PASSED");
    let path = format!("contests/{first}/dismissal");
    is(&sign(&counter.approver, &counter.office.approver, "dismiss-contest", first, &path).await, 409, "wrong-state");
    ca.audit_finds_nothing().await;

    // The next contests with the first.
    let path = format!("contests/{second}/dismissal");
    for person in [&counter.office.approver, &counter.office.administrator] {
        sign(&ca.client(person), person, "dismiss-contest", second, &path).await.ok();
    }
    assert_eq!(collect(&ca.anonymous(), second_token, second).await["state"], "rejected");
    ca.audit_finds_nothing().await;
}

async fn upholding_means_whatever_the_earlier_citizen_holds_now(family: Family) {
    let ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let citizen = Citizen::new("李雷");
    let (old, client, _) = certificate(&ca, &counter, "citizen", &citizen, family).await;
    let token = proof(&ca, &counter, "citizen", &citizen).await;
    let later = text(&enrol(&ca.anonymous(), &application(&counter, &token, "citizen", &new_csr(family))).await.ok().json(), "enrolment");
    let renamed = proof(&ca, &counter, "citizen", &Citizen { name: "李磊", ..citizen }).await;
    let mut body = application(&counter, &renamed, "citizen", &new_csr(family));
    body["replaces"] = old["id"].clone();
    let replacing = text(&enrol(&client, &body).await.ok().json(), "enrolment");
    let new = issued(&ca.anonymous(), &renamed, &replacing).await;
    ca.audit_finds_nothing().await;

    let path = format!("contests/{later}/upholding");
    for person in [&counter.office.approver, &counter.office.administrator] {
        sign(&ca.client(person), person, "uphold-contest", &later, &path).await.ok();
    }
    assert_eq!(verdict(&ca, &new["chain"]).await, ("FAILED".to_owned(), "revoked".to_owned()));
    ca.services().upkeep().await;
    assert_eq!(verdict(&ca, &issued(&ca.anonymous(), &token, &later).await["chain"]).await.0, "PASSED");
    ca.audit_finds_nothing().await;
}

async fn what_two_people_sign_is_the_same(family: Family) {
    let ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let (first, later, _) = contested(&ca, &counter, &Citizen::new("李雷"), family).await;
    let path = format!("contests/{later}/dismissal");
    let (approver, administrator) = (&counter.office.approver, &counter.office.administrator);
    let dismiss = async |person: &Person| sign(&ca.client(person), person, "dismiss-contest", &later, &path).await.ok().status;
    assert_eq!(dismiss(approver).await, 202);
    // What the first was shown is true no more, so theirs does not count, and they may sign again.
    ca.decide(approver, "suspend", &text(&first, "id"), None, None).await.ok();
    assert_eq!(dismiss(administrator).await, 202);
    assert_eq!(dismiss(approver).await, 200);
    ca.audit_finds_nothing().await;
}

async fn a_new_name_takes_the_place_of_the_old_one(family: Family) {
    let ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let mut citizen = Citizen::new("李雷");
    let (old, client, person) = certificate(&ca, &counter, "citizen", &citizen, family).await;
    citizen.name = "李磊";
    let token = proof(&ca, &counter, "citizen", &citizen).await;
    let mut body = application(&counter, &token, "citizen", &new_csr(family));
    body["replaces"] = old["id"].clone();
    let id = text(&enrol(&client, &body).await.ok().json(), "enrolment");
    let new = issued(&ca.anonymous(), &token, &id).await;
    assert_eq!(text(&new, "person"), person.id, "the same person, whatever they are called");
    let subject = Certificate::parse_many(text(&new, "chain").as_bytes()).unwrap()[0].subject_text();
    assert_eq!(subject, format!("C=CN, CN=李磊, serialNumber={}", person.id));
    collect(&ca.anonymous(), &token, &id).await;
    let body = json!({"certificate": Certificate::parse_many(text(&old, "chain").as_bytes()).unwrap()[0].to_pem()});
    let report = ca.anonymous().post("/api/v1/verify/certificate", &body).await.ok().json();
    assert_eq!((text(&report, "reason"), report["status"]["reason"].as_str()), ("revoked".to_owned(), Some("superseded")));
    ca.audit_finds_nothing().await;
}

/// Its identifier is public. The holder's own connection, or their suspension, makes it theirs to replace.
async fn naming_a_certificate_is_not_holding_it(family: Family) {
    let ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let citizen = Citizen::new("李雷");
    let (old, ..) = certificate(&ca, &counter, "citizen", &citizen, family).await;
    let (_, stranger, _) = certificate(&ca, &counter, "citizen", &Citizen::new("韩梅"), family).await;
    let again = async |agent: &Agent| {
        let token = proof(&ca, &counter, "citizen", &citizen).await;
        let mut body = application(&counter, &token, "citizen", &new_csr(family));
        body["replaces"] = old["id"].clone();
        (text(&enrol(agent, &body).await.ok().json(), "enrolment"), token)
    };
    for (count, agent) in [(1, &ca.anonymous()), (2, &stranger)] {
        again(agent).await;
        assert_eq!(ca.sql().await.number("select count(*) from contest").await, count, "two officers decide");
    }
    // An officer's suspension is no word of the holder's.
    let id = text(&old, "id");
    ca.decide(&counter.office.approver, "suspend", &id, None, None).await.ok();
    again(&ca.anonymous()).await;
    ca.decide(&counter.office.approver, "resume", &id, None, None).await.ok();
    assert_eq!(ca.sql().await.number("select count(*) from contest").await, 3);

    ca.anonymous().post("/api/v1/suspensions", &json!({"code": old["suspension_code"]})).await.ok();
    let (enrolment, token) = again(&ca.anonymous()).await;
    let new = issued(&ca.anonymous(), &token, &enrolment).await;
    assert_eq!(new["person"], old["person"]);
    assert_eq!(verdict(&ca, &old["chain"]).await, ("FAILED".to_owned(), "revoked".to_owned()));
    ca.audit_finds_nothing().await;
}

async fn a_guardian_submits_for_another(family: Family) {
    let ca = at_once().await;
    let counter = Counter::open(&ca, family).await;
    let (_, guardian_client, guardian) = certificate(&ca, &counter, "citizen", &Citizen::new("李雷"), family).await;
    let token = proof(&ca, &counter, "citizen", &Citizen::new("李小雷")).await;
    let id = text(&enrol(&guardian_client, &application(&counter, &token, "citizen", &new_csr(family))).await.ok().json(), "enrolment");
    issued(&guardian_client, &token, &id).await;
    let view = counter.approver.get(&format!("/api/v1/enrolments/{id}")).await.ok().json();
    assert_eq!(text(&view, "submitted_by"), guardian.id);
    assert_ne!(text(&view, "person"), guardian.id);
    ca.audit_finds_nothing().await;
}

async fn a_citizen_is_told_by_mail_and_a_telephone_waits(family: Family) {
    let Some(server) = MailServer::start(&["--busy", "1"]) else { return };
    let ca = TestCa::new().with(|config| server.configure(&mut config.notices)).start().await;
    let counter = Counter::open(&ca, family).await;
    counter.code("citizen", &Citizen::new("韩梅梅")).await;
    counter.code("citizen", &Citizen { contact: "li@example.cn".to_owned(), ..Citizen::new("李雷") }).await;
    for _ in 0..3 {
        ca.services().deliver_notices().await;
        ca.clock.forward(Duration::seconds(30));
    }
    let said = server.mails().await;
    assert_eq!(said.len(), 2, "{said:#?}");
    assert_eq!(said[0]["busy"], said[1]["headers"]["message-id"], "the server was busy, and was asked again");
    assert_eq!(said[1]["envelope"][1], "li@example.cn");
    assert!(text(&said[1]["headers"], "subject").starts_with("已在柜台核验您的身份"), "{said:#?}");
    assert!(!said[1].to_string().contains("李雷"), "whoever reads the mailbox learns no name");
    assert_eq!(ca.sql().await.number("select count(*) from contact_notice where sent_at is null").await, 1);
}
