//! Bad input is an answer, not an accident (promise 10): each has its stable code as a problem document with words in Chinese
//! and English, and changes nothing, which is checked row by row over the whole database.

use std::time::Duration as Wait;

use hufu::{
    cli::Family,
    policy::Payload,
    world::Clock,
    x509::{name, request::CertificationRequest, signed::assemble},
};
use serde_json::{Value, json};
use time::Duration;

use crate::world::{
    Agent, Answer, Applicant, Ca, Lock, Person, PostgresDatabase, Sql, TestCa, csr, in_both_families, new_csr, new_key, on_postgres,
    statement_path, text,
};

in_both_families! {
    enrolments_that_break_a_rule_are_refused,
    whoever_may_not_is_told_so,
    statements_that_are_not_what_they_must_be_are_refused,
    records_that_changed_after_they_were_shown_are_not_decided_on,
    requests_that_cannot_be_read_are_refused,
    a_repeated_request_is_done_once,
    what_is_not_there_is_not_found,
    certificates_that_are_not_good_open_no_door,
    a_locked_database_is_an_answer,
    a_request_that_takes_too_long_is_an_answer,
    a_full_queue_says_when_to_come_back,
    a_full_disk_is_an_answer,
    a_commit_that_is_durable_is_not_called_a_failure,
    postgres_that_goes_away_is_an_answer_and_comes_back,
}

/// One request and the code that it must be answered with.
struct Case {
    name: &'static str,
    agent: Agent,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    expected: (u16, &'static str),
}

impl Case {
    fn post(name: &'static str, agent: &Agent, path: impl Into<String>, body: &Value, expected: (u16, &'static str)) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { name, agent: agent.clone(), method: "POST", path: path.into(), headers, body: body.to_string().into_bytes(), expected }
    }

    fn get(name: &'static str, agent: &Agent, path: impl Into<String>, expected: (u16, &'static str)) -> Self {
        Self { name, agent: agent.clone(), method: "GET", path: path.into(), headers: Vec::new(), body: Vec::new(), expected }
    }

    async fn send(&self) -> Answer {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.agent.send(self.method, &self.path, &headers, self.body.clone()).await
    }
}

/// Each is answered as expected, and afterwards every row and every log is what it was.
async fn check(ca: &Ca, cases: Vec<Case>) {
    let mut sql = ca.sql().await;
    for case in cases {
        let before = (sql.snapshot().await, ca.log_sizes());
        let answer = case.send().await;
        check_problem(case.name, &answer, case.expected);
        let after = (sql.snapshot().await, ca.log_sizes());
        assert_eq!(before.0.changes_to(&after.0), Vec::<String>::new(), "{}: rows changed", case.name);
        assert_eq!(before.1, after.1, "{}: a log grew", case.name);
    }
}

/// RFC 9457, with our code and words beside its members.
fn check_problem(name: &str, answer: &Answer, (status, code): (u16, &str)) {
    let said = answer.text();
    assert_eq!(answer.header("content-type"), "application/problem+json", "{name}: {} {said}", answer.status);
    let problem = answer.json();
    assert_eq!((answer.status, problem["code"].as_str()), (status, Some(code)), "{name}: {said}");
    assert_eq!(problem["status"], status, "{name}: {said}");
    assert_eq!(problem["type"], format!("urn:hufu:problem:{code}"), "{name}: {said}");
    assert_eq!(problem["instance"], answer.header("x-request-id"), "{name}: {said}");
    for words in [&problem["title"], &problem["detail"], &problem["message"]["zh"], &problem["message"]["en"], &problem["instance"]] {
        assert!(words.as_str().is_some_and(|words| !words.is_empty()), "{name}: {said}");
    }
    assert!(!text(&problem["message"], "zh").is_ascii(), "{name}: {said}");
    if status == 503 {
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{name} does not say when to come back");
    }
}

// ---- enrolment ----

async fn enrolments_that_break_a_rule_are_refused(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    ca.department(&office.administrator, "税务局", "swj.example.cn").await;
    let taken = ca.enrol(&office, "staff", family).await;
    let good = ca.application(&office, "staff", &[new_csr(family)]);
    let client = ca.client(&office.registration);
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let request = |csr: String| with("requests", json!([csr]));
    let field = (422, "field-refused");
    let service = |host: &str| {
        let mut body = ca.application(&office, "service", &[new_csr(family)]);
        body["alternative_names"]["dns"] = json!([host]);
        body
    };
    let mut citizen = ca.application(&office, "citizen", &[new_csr(family)]);
    citizen["evidence"] = Value::Null;
    let rsa = foreign_csr(&rcgen::PKCS_RSA_SHA256);
    let (p384, ed25519) = (foreign_csr(&rcgen::PKCS_ECDSA_P384_SHA384), foreign_csr(&rcgen::PKCS_ED25519));

    let table: Vec<(&'static str, Value, (u16, &'static str))> = vec![
        ("no PEM", request("PEM".to_owned()), (400, "csr-malformed")),
        ("not base64", request(new_csr(family).replacen("MI", "!!", 1)), (400, "csr-malformed")),
        ("cut short", request(cut_short(&new_csr(family))), (400, "csr-malformed")),
        ("no request", with("requests", json!([])), (422, "csr-missing")),
        ("two of a family", with("requests", json!([new_csr(family), new_csr(family)])), (400, "malformed-request")),
        ("an RSA key", request(rsa), (422, "key-algorithm-not-allowed")),
        ("a P-384 key", request(p384), (422, "key-algorithm-not-allowed")),
        ("an Ed25519 key", request(ed25519), (422, "key-algorithm-not-allowed")),
        ("no proof of possession", request(without_possession(family)), (422, "proof-of-possession-failed")),
        ("somebody else's key", request(csr(family, &taken.secret)), (409, "key-used-by-another")),
        ("an unknown profile", with("profile", json!("minister")), (422, "unknown-profile")),
        ("a profile that is no name", with("profile", json!("../staff")), (422, "unknown-profile")),
        ("the system's profile", with("profile", json!("ocsp")), (403, "not-permitted")),
        ("a field that is not asked for", with("subject", json!({"CN": "王芳", "L": "北京"})), field),
        ("the department's own field", with("subject", json!({"CN": "王芳", "O": "国务院"})), field),
        ("a missing field", with("subject", json!({})), field),
        ("a field too long", with("subject", json!({"CN": "芳".repeat(65)})), field),
        ("an invisible character", with("subject", json!({"CN": "王\u{202e}芳"})), field),
        ("an identity number", with("subject", json!({"CN": "王芳 11010519491231002X"})), field),
        ("a full-width identity number", with("subject", json!({"CN": "11010519491231002Ｘ"})), field),
        ("another department's mail", with("alternative_names", json!({"mail": ["wang@swj.example.cn"]})), field),
        ("another department's host", service("www.swj.example.cn"), field),
        ("a host that only ends alike", service("wwwmzj.example.cn"), field),
        ("no evidence of identity", citizen, field),
        ("evidence that is no digest", with("evidence", json!("seen")), (400, "malformed-request")),
        ("an unknown department", with("department", json!("0".repeat(32))), (404, "unknown-record")),
        ("an unknown person", with("person", json!("0".repeat(32))), (404, "unknown-record")),
        ("a person that is no identifier", with("person", json!("wang")), (400, "malformed-request")),
        ("an unknown member", with("approved", json!(true)), (400, "malformed-request")),
        ("an unknown kind of name", with("alternative_names", json!({"uri": ["urn:x"]})), (400, "malformed-request")),
    ];
    let cases = table.iter().map(|(name, body, expected)| Case::post(name, &client, "/api/v1/enrolments", body, *expected));
    check(&ca, cases.collect()).await;
    client.post("/api/v1/enrolments", &good).await.ok();
}

/// A request of a key that no profile takes, by rcgen.
fn foreign_csr(algorithm: &'static rcgen::SignatureAlgorithm) -> String {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    rcgen::CertificateParams::new(Vec::new()).unwrap().serialize_request(&key).unwrap().pem().unwrap()
}

/// One key asked for, signed by another.
fn without_possession(family: Family) -> String {
    let (asked, other) = (new_key(family), new_key(family));
    let info = CertificationRequest::to_be_signed(&name::build(&[]).unwrap(), asked.public_key()).unwrap();
    let signature = other.sign(&info).unwrap();
    let der = assemble(&info, &family.algorithm().signature_algorithm(), &signature, &[]).unwrap();
    der::pem::encode_string("CERTIFICATE REQUEST", der::pem::LineEnding::LF, &der).unwrap()
}

fn cut_short(pem: &str) -> String {
    let (_, der) = der::pem::decode_vec(pem.as_bytes()).unwrap();
    der::pem::encode_string("CERTIFICATE REQUEST", der::pem::LineEnding::LF, &der[..der.len() - 8]).unwrap()
}

// ---- who may ----

async fn whoever_may_not_is_told_so(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let auditor = ca.auditor(family).await;
    let elsewhere = ca.department(&office.administrator, "税务局", "swj.example.cn").await;
    let foreign_registration = ca.officer(&office.administrator, &elsewhere, &["registration-officer"], family).await;
    let foreign_approver = ca.officer(&office.administrator, &elsewhere, &["approver"], family).await;
    let both = ca.officer(&office.administrator, &office.department, &["registration-officer", "approver"], family).await;
    let applicant = ca.enrol(&office, "staff", family).await;
    let application = ca.application(&office, "staff", &[new_csr(family)]);
    let own = ca.client(&both).post("/api/v1/enrolments", &application).await.ok().json();
    let holder = ca.issue(&office, "staff", family).await;
    let statement = json!({"statement": "x"});
    let drafts = "/api/v1/statements/drafts";
    let approve = |id: &str| json!({"act": "approve", "about": id});
    let revoke = json!({"act": "revoke", "about": holder.id, "reason": "keyCompromise"});
    let department = json!({"name": "假局", "organizations": ["假局"]});
    let officer = json!({"name": "假", "department": office.department, "roles": ["approver"]});
    let both_lines = json!({"name": "假", "department": null, "roles": ["administrator", "auditor"]});
    let everywhere = json!({"name": "假", "department": null, "roles": ["approver"]});
    let (no, own_request) = ((403, "not-permitted"), (403, "own-request"));
    let enrolments = "/api/v1/enrolments";
    let other = &applicant.enrolment;
    let own = text(&own, "id");
    let of = |person: &Person| ca.client(person);

    let cases = vec![
        Case::post("an approver enrols", &of(&office.approver), enrolments, &application, no),
        Case::post("an auditor enrols", &of(auditor), enrolments, &application, no),
        Case::post("another department's officer enrols", &of(&foreign_registration), enrolments, &application, no),
        Case::post("a registration officer approves", &of(&both), statement_path("approve", &own), &statement, own_request),
        Case::post("a draft for one's own request", &of(&both), drafts, &approve(&own), own_request),
        Case::post("another's approver approves", &of(&foreign_approver), statement_path("approve", other), &statement, no),
        Case::post("another's approver drafts", &of(&foreign_approver), drafts, &approve(other), no),
        Case::post("an approver without the role", &of(&foreign_registration), drafts, &approve(other), no),
        Case::post("a registration officer alone", &of(&office.registration), drafts, &approve(&own), no),
        Case::post("whoever asked rejects", &of(&office.registration), drafts, &json!({"act": "reject", "about": other}), own_request),
        Case::post("another withdraws", &of(&office.approver), drafts, &json!({"act": "withdraw", "about": other}), no),
        Case::post("an auditor revokes", &of(auditor), drafts, &revoke, no),
        Case::post("another department revokes", &of(&foreign_approver), drafts, &revoke, no),
        Case::post("an approver makes a department", &of(&office.approver), "/api/v1/departments", &department, no),
        Case::post("an approver appoints", &of(&office.approver), "/api/v1/officers", &officer, no),
        Case::post("both lines in one person", &of(&office.administrator), "/api/v1/officers", &both_lines, no),
        Case::post("an approver of everything", &of(&office.administrator), "/api/v1/officers", &everywhere, no),
        Case::post(
            "an act that nobody drafts",
            &of(&office.administrator),
            drafts,
            &json!({"act": "issue", "about": own}),
            (400, "malformed-request"),
        ),
        Case::post(
            "an act that is none",
            &of(&office.administrator),
            drafts,
            &json!({"act": "forgive", "about": own}),
            (400, "malformed-request"),
        ),
        Case::get("another's enrolment", &of(&foreign_approver), format!("{enrolments}/{other}"), no),
        Case::get("another's certificate", &of(&foreign_approver), format!("/api/v1/certificates/{}", holder.id), no),
        Case::get("another department's", &of(&office.approver), format!("/api/v1/certificates?department={elsewhere}"), no),
    ];
    check(&ca, cases).await;
}

// ---- statements ----

async fn statements_that_are_not_what_they_must_be_are_refused(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let second = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let (approver, applicant) = (&office.approver, ca.enrol(&office, "staff", family).await);
    let (other, about) = (ca.enrol(&office, "staff", family).await, applicant.enrolment.clone());
    let hand_in = |name: &'static str, statement: &str, expected: (u16, &'static str)| {
        Case::post(name, &ca.client(approver), statement_path("approve", &about), &json!({"statement": statement}), expected)
    };
    let draft = async || ca.draft(approver, "approve", &about, None, None).await;
    let changed = async |change: &dyn Fn(&mut Payload)| {
        let mut payload = draft().await;
        change(&mut payload);
        approver.sign(&payload)
    };
    let genuine = approver.sign(&draft().await);
    let (input, signature) = genuine.rsplit_once('.').unwrap();
    let forged = format!("{input}.{}", flip(signature));
    let (header, rest) = genuine.split_once('.').unwrap();
    let (payload, _) = rest.split_once('.').unwrap();
    let malformed = (400, "statement-malformed");
    let unknown = (409, "nonce-unknown");

    let mut cases = vec![
        hand_in("no statement", "", malformed),
        hand_in("two parts", input, malformed),
        hand_in("not base64url", &genuine.replace('.', "+."), malformed),
        hand_in("another header", &format!("{}.{payload}.{signature}", flip(header)), malformed),
        hand_in("too long", &"a".repeat(20_000), malformed),
        hand_in("a forged signature", &forged, (403, "statement-signature-invalid")),
        hand_in("signed by another", &second.sign(&draft().await), (403, "statement-signer-refused")),
        hand_in("another act", &changed(&|payload| payload.act = "reject".parse().unwrap()).await, (409, "statement-target-mismatch")),
        hand_in(
            "about another enrolment",
            &changed(&|payload| payload.about = other.enrolment.parse().unwrap()).await,
            (409, "statement-target-mismatch"),
        ),
        hand_in(
            "a nonce that nobody gave",
            &changed(&|payload| payload.nonce = "00112233445566778899aabbccddeeff".parse().unwrap()).await,
            unknown,
        ),
        hand_in("another policy", &changed(&|payload| payload.policy.0[0] ^= 1).await, (409, "policy-stale")),
        hand_in("something else seen", &changed(&|payload| payload.seen.0[31] ^= 1).await, (409, "seen-stale")),
        hand_in("a log that is not so long", &changed(&|payload| payload.log.size += 1_000_000).await, (409, "log-position-unknown")),
        hand_in("another log", &changed(&|payload| payload.log.origin.push('x')).await, (409, "log-position-unknown")),
        hand_in("backdated", &changed(&|payload| shift(payload, -Duration::hours(1))).await, (409, "statement-time-refused")),
        hand_in("dated ahead", &changed(&|payload| shift(payload, Duration::hours(1))).await, (409, "statement-time-refused")),
    ];
    // The nonce of another person, act or enrolment.
    let theirs = ca.draft(&second, "approve", &about, None, None).await;
    cases.push(hand_in("somebody else's nonce", &approver.sign(&theirs), unknown));
    let mut rejecting = ca.draft(approver, "reject", &about, None, None).await;
    rejecting.act = "approve".parse().unwrap();
    cases.push(hand_in("a nonce for another act", &approver.sign(&rejecting), unknown));
    let mut elsewhere = ca.draft(approver, "approve", &other.enrolment, None, None).await;
    elsewhere.about = about.parse().unwrap();
    cases.push(hand_in("a nonce for another enrolment", &approver.sign(&elsewhere), unknown));
    check(&ca, cases).await;

    // What was refused did not use its nonce up, and what is used cannot be used again.
    ca.hand_in(approver, "approve", &about, &genuine).await.ok();
    check(&ca, vec![hand_in("a statement again", &genuine, (409, "nonce-replayed"))]).await;

    let late = approver.sign(&ca.draft(approver, "approve", &other.enrolment, None, None).await);
    ca.clock.forward(Duration::minutes(31));
    let path = statement_path("approve", &other.enrolment);
    check(&ca, vec![Case::post("an expired nonce", &ca.client(approver), path, &json!({"statement": late}), unknown)]).await;
}

/// The same base64url but for one letter in the middle.
fn flip(base64: &str) -> String {
    let mut octets = base64.as_bytes().to_vec();
    let middle = octets.len() / 2;
    octets[middle] = if octets[middle] == b'A' { b'B' } else { b'A' };
    String::from_utf8(octets).unwrap()
}

fn shift(payload: &mut Payload, by: Duration) {
    payload.at = hufu::policy::Timestamp::new(payload.at.instant() + by);
}

async fn records_that_changed_after_they_were_shown_are_not_decided_on(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let second = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let approver = &office.approver;
    let client = ca.client(approver);
    let hand_in = |name: &'static str, act: &str, about: &str, payload: &Payload, expected: (u16, &'static str)| {
        Case::post(name, &client, statement_path(act, about), &json!({"statement": approver.sign(payload)}), expected)
    };

    let shown = ca.draft(approver, "revoke", &holder.id, Some("superseded"), None).await;
    ca.decide(&second, "suspend", &holder.id, None, None).await.ok();
    check(&ca, vec![hand_in("suspended meanwhile", "revoke", &holder.id, &shown, (409, "seen-stale"))]).await;

    let suspended_twice = ca.draft(approver, "suspend", &holder.id, None, None).await;
    // What cannot be done is not drafted, and whoever signs it all the same is refused.
    let tomorrow = hufu::policy::Timestamp::new(ca.clock.now() + Duration::days(1));
    let draft = |reason: &str, since: Option<String>| json!({"act": "revoke", "about": holder.id, "reason": reason, "since": since});
    let drafts = |name, body: Value| Case::post(name, &client, "/api/v1/statements/drafts", &body, (400, "malformed-request"));
    let mut reason = ca.draft(approver, "revoke", &holder.id, None, None).await;
    reason.reason = Some("because".parse().unwrap());
    let mut future = ca.draft(approver, "revoke", &holder.id, Some("keyCompromise"), None).await;
    future.since = Some(tomorrow);
    check(
        &ca,
        vec![
            drafts("a draft with a reason that is none", draft("because", None)),
            drafts("a draft since tomorrow", draft("keyCompromise", Some(tomorrow.to_string()))),
            hand_in("suspended twice", "suspend", &holder.id, &suspended_twice, (409, "wrong-state")),
            hand_in("a reason that is none", "revoke", &holder.id, &reason, (400, "malformed-request")),
            hand_in("since tomorrow", "revoke", &holder.id, &future, (400, "malformed-request")),
        ],
    )
    .await;

    ca.revoke(approver, &holder.id, "superseded", None).await;
    let again = ca.draft(approver, "revoke", &holder.id, Some("superseded"), None).await;
    let resume = ca.draft(approver, "resume", &holder.id, None, None).await;
    check(
        &ca,
        vec![
            hand_in("revoked twice", "revoke", &holder.id, &again, (409, "wrong-state")),
            hand_in("resumed from revoked", "resume", &holder.id, &resume, (409, "wrong-state")),
        ],
    )
    .await;

    let applicant: Applicant = ca.enrol(&office, "staff", family).await;
    let first = ca.draft(approver, "approve", &applicant.enrolment, None, None).await;
    let late = ca.draft(approver, "approve", &applicant.enrolment, None, None).await;
    ca.hand_in(approver, "approve", &applicant.enrolment, &approver.sign(&first)).await.ok();
    check(&ca, vec![hand_in("approved twice", "approve", &applicant.enrolment, &late, (409, "wrong-state"))]).await;
}

// ---- requests ----

async fn requests_that_cannot_be_read_are_refused(family: Family) {
    let ca = TestCa::new().with(|config| config.limits.body = 64 * 1024).start().await;
    let office = ca.office(family).await;
    let application = ca.application(&office, "staff", &[new_csr(family)]);
    let client = ca.client(&office.registration);
    let path = "/api/v1/enrolments";
    let (media, malformed) = ((415, "unsupported-media-type"), (400, "malformed-request"));
    let raw = |name: &'static str, kind: Option<&str>, body: &[u8], expected: (u16, &'static str)| {
        let mut case = Case::post(name, &client, path, &application, expected);
        case.headers = kind.iter().map(|kind| ("content-type", (*kind).to_owned())).collect();
        case.body = body.to_vec();
        case
    };
    let json = Some("application/json");
    let whole = application.to_string().into_bytes();
    let mut huge = application.clone();
    huge["subject"]["CN"] = json!("芳".repeat(64 * 1024));
    let mut key = Case::post("an Idempotency-Key too long", &client, path, &application, malformed);
    key.headers.push(("idempotency-key", "k".repeat(65)));
    let cases = vec![
        raw("a huge body", json, huge.to_string().as_bytes(), (413, "body-too-large")),
        raw("no content type", None, &whole, media),
        raw("a form", Some("application/x-www-form-urlencoded"), &whole, media),
        raw("a type that begins alike", Some("application/jsonp"), &whole, media),
        raw("an empty body", json, b"", malformed),
        raw("half of a body", json, &whole[..whole.len() / 2], malformed),
        raw("no JSON", json, b"\xff\xfe{}", malformed),
        raw("a list", json, b"[]", malformed),
        raw("a field of another type", json, br#"{"profile": 1, "requests": []}"#, malformed),
        raw("a field missing", json, br#"{"requests": []}"#, malformed),
        key,
    ];
    check(&ca, cases).await;
    // Parameters of the type are nobody's business.
    let kind = [("content-type", "application/json; charset=utf-8")];
    assert_eq!(client.send("POST", path, &kind, whole).await.status, 201);
}

async fn a_repeated_request_is_done_once(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let client = ca.client(&office.registration);
    let path = "/api/v1/enrolments";
    let body = ca.application(&office, "staff", &[new_csr(family)]);
    let other = ca.application(&office, "staff", &[new_csr(family)]);
    let headers = [("content-type", "application/json"), ("idempotency-key", "import-7/line-1")];
    let send = async |body: &Value| client.send("POST", path, &headers, body.to_string().into_bytes()).await;

    let first = send(&body).await.ok();
    let before = ca.sql().await.snapshot().await;
    let second = send(&body).await.ok();
    assert_eq!((first.status, first.json()), (second.status, second.json()));
    assert_eq!(before.changes_to(&ca.sql().await.snapshot().await), Vec::<String>::new());
    let mut case = Case::post("another body under the same key", &client, path, &other, (409, "idempotency-key-reused"));
    case.headers.push(("idempotency-key", "import-7/line-1".to_owned()));
    check(&ca, vec![case]).await;

    // At one time: one of them is first, and no second enrolment comes of it.
    let racing = ca.application(&office, "staff", &[new_csr(family)]);
    let headers = [("content-type", "application/json"), ("idempotency-key", "race")];
    let race = || client.send("POST", path, &headers, racing.to_string().into_bytes());
    let lock = ca.lock().await;
    let release = async {
        tokio::time::sleep(Wait::from_secs(1)).await;
        lock.release().await;
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all((0..8).map(|_| race())), release);
    let mut ids: Vec<String> = answers.into_iter().map(|answer| text(&answer.ok().json(), "id")).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(ca.sql().await.number("select count(*) from enrolment where idempotency_key = 'race'").await, 1);

    // The same for departments.
    let administrator = ca.client(&office.administrator);
    let department = json!({"name": "税务局", "organizations": ["税务局"]});
    let made = administrator.send("POST", "/api/v1/departments", &headers, department.to_string().into_bytes()).await.ok().json();
    let again = administrator.send("POST", "/api/v1/departments", &headers, department.to_string().into_bytes()).await.ok().json();
    assert_eq!(made, again);
    ca.decide(&office.administrator, "define-department", &text(&made, "id"), None, None).await.ok();
    let taken = json!({"name": "假税务局", "organizations": ["税务局"]});
    let refused = (409, "departments-refused");
    check(&ca, vec![Case::post("a name that is taken", &administrator, "/api/v1/departments", &taken, refused)]).await;
}

async fn what_is_not_there_is_not_found(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let (client, anonymous, public) = (ca.client(&office.approver), ca.anonymous(), ca.public());
    let (certificate, record) = ((404, "unknown-certificate"), (404, "unknown-record"));
    let digest = "ab".repeat(32);
    let serial = "41".repeat(20);
    let id = "0".repeat(32);
    let revoke = json!({"act": "revoke", "about": digest, "reason": "keyCompromise"});
    let statement = json!({"statement": "x"});
    let log = format!("/ledger/department-{}-g1", family.algorithm().name());
    let cases = vec![
        Case::get("a status that none has", &client, "/api/v1/certificates?status=good", (400, "malformed-request")),
        Case::get("a state that none has", &client, "/api/v1/enrolments?state=submited", (400, "malformed-request")),
        Case::get("a check in a state that none has", &client, "/api/v1/citizens/checks?state=open", (400, "malformed-request")),
        Case::get(
            "a notice in a state that none has",
            &ca.client(&office.administrator),
            "/api/v1/notices?state=sent",
            (400, "malformed-request"),
        ),
        Case::get("an unknown digest", &client, format!("/api/v1/certificates/{digest}"), certificate),
        Case::get("an unknown serial", &client, format!("/api/v1/certificates/{serial}"), certificate),
        Case::get("no name of a certificate", &client, "/api/v1/certificates/wang", certificate),
        Case::get("an unknown file", &anonymous, format!("/api/v1/certificates/{digest}.pem"), certificate),
        Case::get("an unknown receipt", &anonymous, format!("/api/v1/certificates/{digest}/receipt"), certificate),
        Case::get("an unknown status", &anonymous, format!("/api/v1/certificates/{serial}/status-proof"), certificate),
        Case::get(
            "an unknown serial in a list",
            &ca.client(&office.administrator),
            format!("/api/v1/certificates?serial={serial}"),
            certificate,
        ),
        Case::post("revoking what is not there", &client, statement_path("revoke", &digest), &statement, certificate),
        Case::post("drafting what is not there", &client, "/api/v1/statements/drafts", &revoke, certificate),
        Case::get("an unknown enrolment", &client, format!("/api/v1/enrolments/{id}"), record),
        Case::post("approving what is not there", &client, statement_path("approve", &id), &statement, record),
        Case::get("an unknown department", &client, format!("/api/v1/departments/{id}"), record),
        Case::get("an unknown officer", &client, format!("/api/v1/officers/{id}"), record),
        Case::get("an unknown authority", &anonymous, "/api/v1/authorities/department-p256-g9", record),
        Case::get("an unknown authority's file", &public, "/ca/nobody.cer", record),
        Case::get("an unknown list", &public, "/crl/nobody.crl", record),
        Case::get("an unknown shard", &public, format!("/crl/department-{}-g1/9.crl", family.algorithm().name()), record),
        Case::get("an unknown log", &public, "/ledger/nobody/checkpoint", record),
        Case::get("a tile beyond the tree", &public, format!("{log}/tile/0/999"), record),
        Case::get("a tile that has no such name", &public, format!("{log}/tile/0/0"), record),
    ];
    check(&ca, cases).await;
}

async fn certificates_that_are_not_good_open_no_door(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let leaver = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let away = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let staff = ca.over_tls(Some(holder.certified_key(&ca)), crate::world::TLS_VERSIONS);
    let id = |person: &Person| person.identity.certificate().id().to_string();
    let departments = "/api/v1/departments";
    ca.client(&leaver).get(departments).await.ok();
    ca.revoke(&office.approver, &id(&leaver), "cessationOfOperation", None).await;
    ca.decide(&office.approver, "suspend", &id(&away), None, None).await.ok();

    let anonymous = ca.anonymous();
    let (needed, not_good, claim) = ((401, "authentication-required"), (401, "client-certificate-not-good"), (403, "claim-refused"));
    let application = ca.application(&office, "staff", &[new_csr(family)]);
    let code = |code: String| json!({"code": code, "csr": new_csr(family)});
    let pin = ca.first_code("administrator").split_once('-').unwrap().1.to_owned();
    let cases = vec![
        Case::get("no certificate", &anonymous, departments, needed),
        Case::post("no certificate, and a body", &anonymous, "/api/v1/enrolments", &application, needed),
        Case::get("no certificate, a list", &anonymous, "/api/v1/certificates", needed),
        Case::get("no certificate, a record", &anonymous, format!("/api/v1/certificates/{}", holder.id), needed),
        Case::get("a revoked certificate", &ca.client(&leaver), departments, not_good),
        Case::post("a revoked certificate, and a body", &ca.client(&leaver), "/api/v1/enrolments", &application, not_good),
        Case::get("a suspended certificate", &ca.client(&away), departments, not_good),
        Case::post("a certificate without a role", &staff, "/api/v1/enrolments", &application, (403, "not-permitted")),
        Case::post("a code that is none", &anonymous, "/api/v1/claims", &code("x".to_owned()), claim),
        Case::post("an unknown code", &anonymous, "/api/v1/claims", &code(format!("{}-{pin}", "00".repeat(16))), claim),
        Case::post("a used code", &anonymous, "/api/v1/claims", &code(ca.first_code("administrator")), claim),
    ];
    check(&ca, cases).await;
    ca.clock.forward(Duration::days(366));
    check(&ca, vec![Case::get("an expired certificate", &ca.client(&office.approver), departments, not_good)]).await;
}

// ---- what goes wrong here ----

async fn a_locked_database_is_an_answer(family: Family) {
    let ca = TestCa::new().with(|config| config.limits.database_wait_millis = 300).start().await;
    let office = ca.office(family).await;
    let waiting = ca.enrol(&office, "staff", family).await;
    let approver = &office.approver;
    let statement = approver.sign(&ca.draft(approver, "approve", &waiting.enrolment, None, None).await);
    let application = ca.application(&office, "staff", &[new_csr(family)]);
    let busy = (503, "storage-busy");
    let statement = json!({"statement": statement});
    let cases = [
        Case::post("enrolling", &ca.client(&office.registration), "/api/v1/enrolments", &application, busy),
        Case::post("approving", &ca.client(approver), statement_path("approve", &waiting.enrolment), &statement, busy),
        Case::post(
            "drafting",
            &ca.client(approver),
            "/api/v1/statements/drafts",
            &json!({"act": "reject", "about": waiting.enrolment}),
            busy,
        ),
    ];
    let before = (ca.sql().await.snapshot().await, ca.log_sizes());
    let lock: Lock = ca.lock().await;
    for case in &cases {
        check_problem(case.name, &case.send().await, case.expected);
    }
    // Reading goes on meanwhile.
    ca.client(approver).get(&format!("/api/v1/enrolments/{}", waiting.enrolment)).await.ok();
    lock.release().await;
    assert_eq!(before.0.changes_to(&ca.sql().await.snapshot().await), Vec::<String>::new());
    assert_eq!(before.1, ca.log_sizes());
    for case in &cases[..2] {
        case.send().await.ok();
    }
}

async fn a_request_that_takes_too_long_is_an_answer(family: Family) {
    let ca = TestCa::new().with(|config| config.limits.request_seconds = 1).start().await;
    let office = ca.office(family).await;
    let client = ca.client(&office.registration);
    let body = ca.application(&office, "staff", &[new_csr(family)]);
    let headers = [("content-type", "application/json"), ("idempotency-key", "slow")];
    let send = || client.send("POST", "/api/v1/enrolments", &headers, body.to_string().into_bytes());
    let lock = ca.lock().await;
    check_problem("behind a lock", &send().await, (503, "timeout"));
    lock.release().await;
    // As the answer says: a request that is repeated under its key is done once.
    send().await.ok();
    assert_eq!(ca.sql().await.number("select count(*) from enrolment where idempotency_key = 'slow'").await, 1);
}

async fn a_full_queue_says_when_to_come_back(family: Family) {
    let ca = TestCa::new().with(|config| config.limits.queue = 1).start().await;
    let office = ca.office(family).await;
    let client = ca.client(&office.registration);
    let lock = ca.lock().await;
    // The journal works on the first and holds the second in its queue: there is no place for the others.
    let requests: Vec<_> = (0..6).map(|_| ca.application(&office, "staff", &[new_csr(family)])).collect();
    let send = |body: &Value| {
        let (client, body) = (client.clone(), body.clone());
        tokio::spawn(async move { client.post("/api/v1/enrolments", &body).await })
    };
    let sent: Vec<_> = requests.iter().map(send).collect();
    tokio::time::sleep(Wait::from_secs(2)).await;
    lock.release().await;
    let mut done = 0;
    for answer in sent {
        let answer = answer.await.unwrap();
        if answer.status == 201 {
            done += 1;
        } else {
            check_problem("a full queue", &answer, (503, "busy"));
        }
    }
    assert!((1..=2).contains(&done), "{done} were taken");
    assert_eq!(ca.sql().await.number("select count(*) from enrolment where profile = 'staff'").await, done);
    client.post("/api/v1/enrolments", &ca.application(&office, "staff", &[new_csr(family)])).await.ok();
}

/// SQLite is on a file system of its own that is filled to the last octet. PostgreSQL's disk is not ours to fill, so there the
/// database itself raises what it raises then (disk_full, 53100).
async fn a_full_disk_is_an_answer(family: Family) {
    if on_postgres() {
        let ca = TestCa::new().start().await;
        let mut sql = ca.sql().await;
        sql.run("create function full_disk() returns trigger language plpgsql as $$ begin raise exception using errcode = '53100'; end $$")
            .await;
        let fill = "create trigger full_disk before insert on enrolment for each row execute function full_disk()";
        return a_full_disk(
            &ca,
            family,
            async || ca.sql().await.run(fill).await,
            async || {
                ca.sql().await.run("drop trigger full_disk on enrolment").await;
            },
        )
        .await;
    }
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED a_full_disk_is_an_answer: only root may mount a small file system");
        return;
    };
    // Everything is on it: the database, and what lies beside it.
    let path = disk.0.path().to_owned();
    let ca = TestCa::new().with(|config| config.data = path.join("data")).start().await;
    let filler = path.join("filler");
    a_full_disk(&ca, family, async || fill(&filler), async || std::fs::remove_file(&filler).unwrap()).await;
    drop(ca);
}

async fn a_full_disk(ca: &Ca, family: Family, fill: impl AsyncFn(), free: impl AsyncFn()) {
    let office = ca.office(family).await;
    let client = ca.client(&office.registration);
    let before = (ca.sql().await.snapshot().await, ca.log_sizes());
    fill().await;
    let mut refused = 0;
    let mut taken = 0;
    // What SQLite has room for in files it has already is still taken; then it says so.
    let bodies: Vec<Value> = (0..200).map(|_| ca.application(&office, "staff", &[new_csr(family)])).collect();
    for body in &bodies {
        let answer = client.post("/api/v1/enrolments", body).await;
        if answer.status == 201 {
            taken += 1;
            continue;
        }
        check_problem("a full disk", &answer, (507, "storage-full"));
        refused += 1;
        if refused == 3 {
            break;
        }
    }
    assert_eq!(refused, 3, "{taken} enrolments fitted on a full disk");
    free().await;
    let rows = ca.sql().await.number("select count(*) from enrolment where profile = 'staff'").await;
    assert_eq!(rows, taken, "what was refused left nothing");
    assert_eq!(before.1, ca.log_sizes());
    if taken == 0 {
        assert_eq!(before.0.changes_to(&ca.sql().await.snapshot().await), Vec::<String>::new());
    }
    ca.issue(&office, "staff", family).await;
}

/// After the commit the heads file is written and the checkpoint signed. When that fails the commit stands all the same,
/// the service goes on, and the next commit makes it good.
async fn a_commit_that_is_durable_is_not_called_a_failure(family: Family) {
    let mut ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let log = format!("department-{}-g1", family.algorithm().name());
    let size = ca.log_sizes()[&log];
    // Where the new file would be written first, there is something in the way.
    let obstacle = ca.data().join("heads.json.new");
    std::fs::create_dir(&obstacle).unwrap();
    let first = ca.issue(&office, "staff", family).await;
    let second = ca.issue(&office, "staff", family).await;
    assert_eq!(ca.log_sizes()[&log], size, "no checkpoint is published that the heads file does not know");
    std::fs::remove_dir(&obstacle).unwrap();
    ca.issue(&office, "staff", family).await;
    assert!(ca.log_sizes()[&log] > size + 3);
    ca.restart().await;
    for holder in [first, second] {
        ca.anonymous().get(&format!("/api/v1/certificates/{}/receipt", holder.id)).await.ok();
        assert_eq!(ca.client(&office.approver).get(&format!("/api/v1/certificates/{}", holder.id)).await.ok().json()["status"], "valid");
    }
}

/// A file system of some megabytes.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::Builder::new().prefix("hufu-small-").tempdir().unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=8m", "none"];
        let done = std::process::Command::new("mount").args(mount).arg(directory.path()).output().ok()?;
        done.status.success().then_some(Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the service of a test that failed may still hold files there.
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Writes until nothing more fits.
fn fill(filler: &std::path::Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(filler).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
}

/// SQLite is a file that this process has open, and does not go away.
async fn postgres_that_goes_away_is_an_answer_and_comes_back(family: Family) {
    if !on_postgres() {
        eprintln!("SKIPPED postgres_that_goes_away_is_an_answer_and_comes_back: this run is on SQLite");
        return;
    }
    let database = PostgresDatabase::create().await;
    let mut url: url::Url = database.url.parse().unwrap();
    let line = Line::to((url.host_str().unwrap().to_owned(), url.port().unwrap_or(5432))).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(line.port)).unwrap();
    let ca = TestCa::new()
        .with(|config| {
            config.database = Some(url.to_string());
            config.limits.database_wait_millis = 1000;
        })
        .start()
        .await;
    let office = ca.office(family).await;
    let (client, public) = (ca.client(&office.registration), ca.public());
    let application = ca.application(&office, "staff", &[new_csr(family)]);
    let mut sql = Sql::open(&database.url).await;
    let before = (sql.snapshot().await, ca.log_sizes());

    line.cut();
    let away = (503, "storage-unavailable");
    check_problem("enrolling", &client.post("/api/v1/enrolments", &application).await, away);
    check_problem("reading", &client.get("/api/v1/departments").await, away);
    assert_eq!(public.get("/readyz").await.status, 503);
    // What needs no database is still there.
    public.get(&format!("/ledger/department-{}-g1/checkpoint", family.algorithm().name())).await.ok();
    assert_eq!(before.0.changes_to(&sql.snapshot().await), Vec::<String>::new());
    assert_eq!(before.1, ca.log_sizes());

    line.mend();
    client.post("/api/v1/enrolments", &application).await.ok();
    ca.issue(&office, "staff", family).await;
}

/// A line to a server that can be cut and mended.
struct Line {
    port: u16,
    whole: tokio::sync::watch::Sender<bool>,
}

impl Line {
    async fn to(server: (String, u16)) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (whole, state) = tokio::sync::watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (server, mut state) = (server.clone(), state.clone());
                tokio::spawn(async move {
                    if !*state.borrow() {
                        return;
                    }
                    let mut far = tokio::net::TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = state.wait_for(|whole| !whole) => {}
                    }
                });
            }
        });
        Self { port, whole }
    }

    fn cut(&self) {
        self.whole.send_replace(false);
    }

    fn mend(&self) {
        self.whole.send_replace(true);
    }
}
