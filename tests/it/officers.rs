//! Limits on officers: how much one person signs in a day, what somebody signed, and what becomes of it when their key is stolen.

use clap::ValueEnum;
use hufu::{
    cli::{Family, claim::Claim, client::Identity, decide::decide, department::make, show::Kind},
    policy::Timestamp,
    services::court::judge::judge,
    world::seconds,
};
use serde_json::{Value, json};
use time::Duration;

use crate::{
    crash::installation::{Place, Running, binary},
    renewal::{member, renew},
    staff::{approve_list, import, in_state},
    world::{Answer, Ca, Office, Person, TestCa, csr, in_both_families, new_csr, text},
};

in_both_families! {
    one_person_signs_no_more_of_an_act_than_the_cap_until_a_day_is_over,
    two_certificates_of_one_person_are_capped_as_one,
    two_statements_at_one_moment_do_not_exceed_the_cap,
    a_list_counts_by_what_is_in_it,
    what_somebody_signed_is_listed_with_what_came_of_it,
    the_command_line_lists_what_a_certificate_signed,
    a_stolen_key_takes_with_it_what_rests_on_it,
    what_was_put_to_re_review_is_decided_by_others,
    a_re_review_takes_two_people_and_is_not_one_s_own,
    a_re_review_that_waits_is_listed_with_whoever_has_signed_it,
    a_re_review_again_stops_nothing_that_was_kept,
    a_vote_of_a_stolen_key_is_not_counted,
    what_is_signed_at_the_same_moment_is_stopped_or_refused,
    a_stolen_key_takes_identity_checks_with_it_and_shows_policies,
    the_command_line_puts_to_re_review,
    what_follows_a_certificate_is_stopped_with_it,
    what_was_approved_and_nobody_claims_expires,
    a_proposal_is_taken_back_by_whoever_may_dismiss_and_nobody_else,
    a_refused_claim_leaves_no_key_behind,
    codes_are_announced_until_they_are_used,
    an_officer_is_granted_once_it_was_shown_and_asked,
    a_service_whose_ledger_another_has_taken_over_is_stopping,
    a_crash_leaves_a_re_review_whole_or_undone,
}

const BEGIN: &str = "2030-01-01T00:00:00Z";

fn refused(answer: &Answer) -> (u16, String) {
    (answer.status, text(&answer.json(), "code"))
}

fn cap_of_two(_: String) -> String {
    "[approve]\nstatements = 2\nitems = 5\n".to_owned()
}

/// Approves what a registration officer just asked for.
async fn approve_another(ca: &Ca, office: &Office, by: &Person, family: Family) -> Answer {
    let applicant = ca.enrol(office, "staff", family).await;
    ca.decide(by, "approve", &applicant.enrolment, None, None).await
}

async fn one_person_signs_no_more_of_an_act_than_the_cap_until_a_day_is_over(family: Family) {
    let ca = TestCa::new().at(BEGIN).with_policy("caps.toml", cap_of_two).start().await;
    let office = ca.office(family).await;
    let other = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    approve_another(&ca, &office, &office.approver, family).await.ok();
    ca.clock.forward(Duration::hours(10));
    approve_another(&ca, &office, &office.approver, family).await.ok();

    let applicant = ca.enrol(&office, "staff", family).await;
    let payload = ca.draft(&office.approver, "approve", &applicant.enrolment, None, None).await;
    let statement = office.approver.sign(&payload);
    let before = (ca.sql().await.snapshot().await, ca.log_sizes());
    let third = ca.hand_in(&office.approver, "approve", &applicant.enrolment, &statement).await;
    assert_eq!(refused(&third), (429, "daily-cap".to_owned()));
    let wait: i64 = third.header("retry-after").parse().unwrap();
    assert!((13 * 3600..=14 * 3600 + 1).contains(&wait), "{wait}");
    assert!(text(&third.json(), "detail").contains("at most 2 statements of approve in 24 hours"), "{}", third.text());
    let after = (ca.sql().await.snapshot().await, ca.log_sizes());
    assert_eq!(before.0.changes_to(&after.0), Vec::<String>::new());
    assert_eq!(before.1, after.1);

    // It is this act alone, and this person alone.
    ca.decide(&office.approver, "reject", &ca.enrol(&office, "staff", family).await.enrolment, Some("mistaken"), None).await.ok();
    ca.decide(&other, "approve", &applicant.enrolment, None, None).await.ok();
    // The first leaves the day, and makes room for one.
    ca.clock.forward(Duration::seconds(wait));
    approve_another(&ca, &office, &office.approver, family).await.ok();
    assert_eq!(refused(&approve_another(&ca, &office, &office.approver, family).await), (429, "daily-cap".to_owned()));
    ca.audit_finds_nothing().await;
}

/// Another certificate for somebody who is an officer already.
pub async fn second_certificate(ca: &Ca, office: &Office, officer: &Person, family: Family) -> Person {
    let secret = family.algorithm().generate().unwrap();
    let mut body = ca.application(office, "officer", &[csr(family, &secret)]);
    body["person"] = json!(officer.id);
    let enrolment = text(&ca.client(&office.registration).post("/api/v1/enrolments", &body).await.ok().json(), "id");
    let answer = ca.decide(&office.administrator, "approve", &enrolment, None, None).await.ok().json();
    let own = text(&answer["certificates"][0], "pem");
    let chain: String = std::iter::once(own).chain(officer.identity.chain[1..].iter().map(|above| above.to_pem())).collect();
    Person::keep(ca, &officer.id, &chain, &secret)
}

async fn two_certificates_of_one_person_are_capped_as_one(family: Family) {
    let ca = TestCa::new().with_policy("caps.toml", cap_of_two).start().await;
    let office = ca.office(family).await;
    let again = second_certificate(&ca, &office, &office.approver, family).await;
    approve_another(&ca, &office, &office.approver, family).await.ok();
    approve_another(&ca, &office, &again, family).await.ok();
    for by in [&office.approver, &again] {
        assert_eq!(refused(&approve_another(&ca, &office, by, family).await), (429, "daily-cap".to_owned()));
    }
}

async fn two_statements_at_one_moment_do_not_exceed_the_cap(family: Family) {
    let ca = TestCa::new().with_policy("caps.toml", cap_of_two).start().await;
    let office = ca.office(family).await;
    let mut signed = Vec::new();
    for _ in 0..6 {
        let enrolment = ca.enrol(&office, "staff", family).await.enrolment;
        let payload = ca.draft(&office.approver, "approve", &enrolment, None, None).await;
        signed.push((enrolment, office.approver.sign(&payload)));
    }
    let answers = futures_util::future::join_all(
        signed.iter().map(|(enrolment, statement)| ca.hand_in(&office.approver, "approve", enrolment, statement)),
    )
    .await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 201, 429, 429, 429, 429]);
    ca.audit_finds_nothing().await;
}

async fn a_list_counts_by_what_is_in_it(family: Family) {
    let ca = TestCa::new().with_policy("caps.toml", cap_of_two).start().await;
    let office = ca.office(family).await;
    let client = ca.client(&office.approver);
    let sign_list = async |count: usize| {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(ca.enrol(&office, "staff", family).await.enrolment);
        }
        let draft = client.post("/api/v1/statements/drafts", &json!({"act": "approve", "list": ids})).await.ok().json();
        let statement = office.approver.sign(&serde_json::from_value(draft["payload"].clone()).unwrap());
        client.post("/api/v1/approvals", &json!({"list": ids, "statement": statement})).await
    };
    // More than a whole day's in one list: no waiting helps.
    let alone = sign_list(6).await;
    assert_eq!((refused(&alone), alone.header("retry-after")), ((429, "daily-cap".to_owned()), ""));
    assert!(text(&alone.json(), "detail").contains("5 items of approve"), "{}", alone.text());
    sign_list(4).await.ok();
    assert_eq!(refused(&sign_list(2).await), (429, "daily-cap".to_owned()));
    sign_list(1).await.ok();
    ca.audit_finds_nothing().await;
}

async fn statements(ca: &Ca, by: &Person, query: &str) -> Vec<Value> {
    let page = ca.client(by).get(&format!("/api/v1/statements{query}")).await.ok().json();
    page["items"].as_array().unwrap().clone()
}

async fn what_somebody_signed_is_listed_with_what_came_of_it(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let approver = &office.approver;
    let holder = ca.issue(&office, "staff", family).await;
    ca.decide(approver, "suspend", &holder.id, None, None).await.ok();
    let again = second_certificate(&ca, &office, approver, family).await;
    let ids = [ca.enrol(&office, "staff", family).await.enrolment, ca.enrol(&office, "staff", family).await.enrolment];
    approve_list(&ca, &again, &ids).await;

    let auditor = ca.auditor(family).await;
    let all = statements(&ca, auditor, &format!("?signer={}", approver.id)).await;
    let acts: Vec<(String, i64)> = all.iter().map(|one| (text(one, "act"), one["decisions"].as_i64().unwrap())).collect();
    assert_eq!(acts, [("approve".to_owned(), 1), ("suspend".to_owned(), 1), ("approve".to_owned(), 2)]);
    assert_eq!((&all[1]["about"], &all[1]["items"], &all[2]["items"]), (&json!(holder.id), &Value::Null, &json!(2)));
    for one in &all {
        assert_eq!((text(one, "person"), text(one, "policy")), (approver.id.clone(), ca.services().policy().digest().to_string()));
        assert!(one["log"]["size"].as_u64().unwrap() > 0 && text(one, "decision").len() == 64, "{one}");
    }

    // One certificate, one act, since a time, page by page.
    let own = again.identity.certificate().id().to_string();
    assert_eq!(statements(&ca, auditor, &format!("?signer={own}")).await, all[2..]);
    assert_eq!(statements(&ca, auditor, &format!("?signer={}&act=suspend", approver.id)).await, all[1..2]);
    assert_eq!(statements(&ca, auditor, &format!("?signer={}&since=2100-01-01T00:00:00Z", approver.id)).await, Vec::<Value>::new());
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ca.client(auditor).get(&format!("/api/v1/statements?signer={}&limit=2{cursor}", approver.id)).await.ok().json();
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, all);

    // Of oneself one reads all; of others whoever works for their department does.
    assert_eq!(statements(&ca, approver, "").await, all);
    let elsewhere = ca.department(&office.administrator, "水务局", "swj.example.cn").await;
    let other = ca.officer(&office.administrator, &elsewhere, &["administrator"], family).await;
    let path = format!("/api/v1/statements?signer={}", approver.id);
    assert_eq!(refused(&ca.client(&other).get(&path).await), (403, "not-permitted".to_owned()));
    for (query, expected) in [
        ("signer=00", (404, "unknown-certificate")),
        ("act=bless", (400, "malformed-request")),
        ("since=yesterday", (400, "malformed-request")),
        ("cursor=x", (400, "malformed-request")),
    ] {
        let answer = ca.client(auditor).get(&format!("/api/v1/statements?{query}")).await;
        assert_eq!(refused(&answer), (expected.0, expected.1.to_owned()), "{query}");
    }
}

async fn hufu(arguments: &[&str]) -> (bool, String, String) {
    let output = tokio::process::Command::new(binary()).args(arguments).stdin(std::process::Stdio::null()).output().await.unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

async fn the_command_line_lists_what_a_certificate_signed(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let server = format!("https://127.0.0.1:{}", ca.running().https.port());
    let identity = ca.auditor(family).await.files.display().to_string();
    let run = async |arguments: &[&str]| hufu(&[arguments, &["--server", &server, "--identity", &identity]].concat()).await;
    let signer = office.approver.identity.certificate().id().to_string();
    let (_, listed, told) = run(&["list", "statements", "--signer", &signer]).await;
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines.len() == 1 && lines[0].contains("  approve  ") && lines[0].contains(&signer[..16]), "{listed}{told}");
    // Each name stands above its column, on the other stream: whatever takes the list takes its lines alone.
    let heading = told.lines().find(|line| line.starts_with("about ")).unwrap();
    let begins = |name: &str| heading.find(name).unwrap();
    assert_eq!((begins("act"), begins("certificate")), (lines[0].find("approve").unwrap(), lines[0].find(&signer[..16]).unwrap()));
    let (_, listed, _) = run(&["list", "certificates", "--signer", &office.approver.id]).await;
    assert!(listed.starts_with(&holder.id) && listed.contains("staff") && listed.contains("CN=王芳"), "{listed}");
    let (_, listed, _) = run(&["list", "officers"]).await;
    assert!(listed.lines().any(|line| line.starts_with(&office.approver.id) && line.contains("appointed  approver")), "{listed}");
    for kind in Kind::value_variants() {
        for filter in kind.listing().filters {
            let path = format!("/api/v1/{}?{filter}={}", kind.listing().path, "0".repeat(32));
            let answer = ca.client(&office.administrator).get(&path).await.text();
            assert!(!answer.contains("a parameter of the query is not known"), "{path}: {answer}");
        }
    }
    let (done, _, told) = run(&["list", "enrolments", "--where", "status=open"]).await;
    assert!(!done && told.contains("those that there are: state, department"), "{told}");
}

/// An officer whose key will be stolen, and what they did before and after.
struct Theft {
    office: Office,
    thief: Person,
    since: String,
    /// Issued on their word: before, after.
    before: String,
    after: String,
    /// Resumed, revoked, on their word after.
    resumed: String,
    revoked: String,
    /// Approved on their word, without a key.
    keyless: String,
    token: (String, String),
    /// Appointed on their word as the first of two: one who has claimed, the code of another.
    appointed: Person,
    unclaimed: (String, String),
}

async fn theft(ca: &Ca, family: Family) -> Theft {
    let office = ca.office(family).await;
    let auditor = ca.auditor(family).await;
    let thief = ca.officer(&office.administrator, &office.department, &["administrator", "approver"], family).await;
    let issue = async |by: &Person| {
        let applicant = ca.enrol(&office, "staff", family).await;
        ca.approve(by, applicant).await.id
    };
    let before = issue(&thief).await;
    let (resumed, revoked) = (issue(&office.approver).await, issue(&office.approver).await);
    ca.decide(&office.approver, "suspend", &resumed, None, None).await.ok();
    ca.clock.forward(Duration::hours(1));
    let since = Timestamp::new(ca.now()).to_string();
    ca.clock.forward(Duration::minutes(1));

    let after = issue(&thief).await;
    ca.decide(&thief, "resume", &resumed, None, None).await.ok();
    ca.decide(&thief, "revoke", &revoked, Some("unspecified"), None).await.ok();
    import(ca, &office.registration, &office.department, "number,CN\nE-1,李雷\n", "").await.ok();
    let keyless = in_state(ca, &office, "submitted").await;
    approve_list(ca, &thief, &keyless).await;
    let proposal = json!({"name": "service", "department": office.department, "scopes": ["departments:read"]});
    let token = text(&ca.client(&thief).post("/api/v1/tokens", &proposal).await.ok().json(), "id");
    let secret = text(&ca.decide(&thief, "grant-token", &token, None, None).await.ok().json(), "secret");
    let appoint = async || {
        let body = json!({"name": "somebody", "department": office.department, "roles": ["approver"]});
        let id = text(&ca.client(&thief).post("/api/v1/officers", &body).await.ok().json(), "id");
        ca.decide(&thief, "grant", &id, None, None).await.ok();
        let code = text(&ca.decide(auditor, "grant", &id, None, None).await.ok().json(), "claim");
        (id, code)
    };
    let (_, code) = appoint().await;
    let appointed = ca.claim(&code, "appointed", family).await;
    let unclaimed = appoint().await;
    Theft {
        thief,
        since,
        before,
        after,
        resumed,
        revoked,
        keyless: keyless[0].clone(),
        token: (token, secret),
        appointed,
        unclaimed,
        office,
    }
}

impl Theft {
    fn certificate(&self) -> String {
        self.thief.identity.certificate().id().to_string()
    }

    /// Drafts and signs; what refuses either is the answer.
    async fn sign(&self, ca: &Ca, by: &Person, since: &str) -> Answer {
        let certificate = self.certificate();
        let body = json!({"act": "re-review", "about": certificate, "since": since});
        let draft = ca.client(by).post("/api/v1/statements/drafts", &body).await;
        if draft.status != 200 {
            return draft;
        }
        let statement = by.sign(&serde_json::from_value(draft.json()["payload"].clone()).unwrap());
        ca.hand_in(by, "re-review", &certificate, &statement).await
    }

    async fn re_review(&self, ca: &Ca, family: Family, since: &str) -> Answer {
        assert_eq!(self.sign(ca, &self.office.administrator, since).await.ok().status, 202);
        self.sign(ca, ca.auditor(family).await, since).await
    }

    async fn status(&self, ca: &Ca, certificate: &str) -> String {
        text(&ca.client(&self.office.administrator).get(&format!("/api/v1/certificates/{certificate}")).await.ok().json(), "status")
    }

    async fn items(&self, ca: &Ca) -> Vec<(String, String, String)> {
        let path = format!("/api/v1/re-reviews?certificate={}", self.certificate());
        let page = ca.client(&self.office.administrator).get(&path).await.ok().json();
        let item = |one: &Value| (text(one, "kind"), text(one, "item"), text(one, "state"));
        let mut items: Vec<_> = page["items"].as_array().unwrap().iter().map(item).collect();
        items.sort();
        items
    }
}

async fn a_stolen_key_takes_with_it_what_rests_on_it(family: Family) {
    let ca = TestCa::new().at(BEGIN).start().await;
    let theft = theft(&ca, family).await;
    let done = theft.re_review(&ca, family, &theft.since).await.ok();
    assert_eq!((done.status, &done.json()["items"]), (200, &json!({"certificate": 3, "enrolment": 1, "roles": 1, "token": 1})));

    let appointed = theft.appointed.identity.certificate().id().to_string();
    let mut expected: Vec<(String, String, String)> = [
        ("certificate", &theft.after, "open"),
        ("certificate", &theft.resumed, "open"),
        ("certificate", &appointed, "open"),
        ("enrolment", &theft.keyless, "open"),
        ("roles", &theft.unclaimed.0, "ended"),
        ("token", &theft.token.0, "ended"),
    ]
    .map(|(kind, item, state)| (kind.to_owned(), item.clone(), state.to_owned()))
    .into();
    expected.sort();
    assert_eq!(theft.items(&ca).await, expected);
    for (certificate, status) in [
        (theft.certificate(), "revoked"),
        (theft.before.clone(), "valid"),
        (theft.after.clone(), "suspended"),
        (theft.resumed.clone(), "suspended"),
        (theft.revoked.clone(), "revoked"),
        (appointed, "suspended"),
    ] {
        assert_eq!(theft.status(&ca, &certificate).await, status, "{certificate}");
    }
    assert_eq!(in_state(&ca, &theft.office, "submitted").await, std::slice::from_ref(&theft.keyless));
    let bearer = ca.anonymous().with_bearer(&theft.token.1);
    assert_eq!(refused(&bearer.get("/api/v1/departments").await), (401, "token-not-good".to_owned()));
    let claim = json!({"code": theft.unclaimed.1, "csr": new_csr(family)});
    assert_eq!(refused(&ca.anonymous().post("/api/v1/claims", &claim).await), (403, "claim-refused".to_owned()));
    let thief = ca.client(&theft.thief).get("/api/v1/departments").await;
    assert_eq!(refused(&thief), (401, "client-certificate-not-good".to_owned()));
    let appointed = ca.client(&theft.appointed).get("/api/v1/departments").await;
    assert_eq!(refused(&appointed), (401, "client-certificate-not-good".to_owned()));
    ca.audit_finds_nothing().await;

    // The ledger alone shows a court why each was stopped.
    for certificate in [theft.certificate(), theft.after.clone()] {
        let path = format!("/api/v1/certificates/{certificate}/evidence");
        let evidence = serde_json::from_slice(&ca.client(&theft.office.administrator).get(&path).await.ok().body).unwrap();
        let judgement = judge(&ca.bundle(), &evidence, seconds(ca.now()));
        assert!(judgement.is_genuine(), "{:#?}", judgement.parts);
        let last = judgement.events.last().unwrap();
        let since = (certificate == theft.certificate()).then(|| theft.since.clone());
        // What the stolen key approved is not proven to be well decided; the theft itself is.
        assert_eq!(judgement.holds(), since.is_some(), "{:?}", judgement.distrusted);
        assert_eq!((last.signed_by.len(), &last.since), (2, &since));
    }
}

async fn a_re_review_that_waits_is_listed_with_whoever_has_signed_it(family: Family) {
    let ca = TestCa::new().at(BEGIN).start().await;
    let theft = theft(&ca, family).await;
    let (administrator, auditor) = (&theft.office.administrator, ca.auditor(family).await);
    let later = Timestamp::new(ca.now()).to_string();
    let all = format!("/api/v1/re-reviews?certificate={}", theft.certificate());
    let states = async || {
        let page = ca.client(auditor).get(&all).await.ok().json();
        let waiting = page["items"].as_array().unwrap().iter().filter(|one| one["kind"] == "re-review");
        waiting.map(|one| (text(one, "since"), text(one, "state"))).collect::<Vec<_>>()
    };
    assert_eq!(states().await, []);

    for since in [&theft.since, &later, &BEGIN.to_owned()] {
        assert_eq!(theft.sign(&ca, administrator, since).await.ok().status, 202);
        ca.clock.forward(Duration::seconds(1));
    }
    let page = ca.client(auditor).get(&format!("{all}&limit=1")).await.ok().json();
    let first = &page["items"][0];
    assert_eq!((text(first, "item"), text(first, "since")), (theft.certificate(), theft.since.clone()));
    assert_eq!(
        (&first["state"], &first["signed_by"], &first["missing"]["people"]),
        (&json!("waiting"), &json!([administrator.id]), &json!(1))
    );
    let next = ca.client(auditor).get(&format!("{all}&limit=1&cursor={}", text(&page, "next"))).await.ok().json();
    assert_eq!(text(&next["items"][0], "since"), later);

    // What was completed is there by what it stopped; a later `since` would stop nothing more, an earlier one would.
    theft.sign(&ca, auditor, &theft.since).await.ok();
    assert_eq!(states().await, [(later, "ended".to_owned()), (BEGIN.to_owned(), "waiting".to_owned())]);
    assert!(theft.items(&ca).await.iter().any(|(kind, _, state)| (kind.as_str(), state.as_str()) == ("certificate", "open")));
}

async fn what_was_put_to_re_review_is_decided_by_others(family: Family) {
    let ca = TestCa::new().at(BEGIN).start().await;
    let theft = theft(&ca, family).await;
    let office = &theft.office;
    // The officer has another certificate, whose key nobody stole.
    let again = second_certificate(&ca, office, &theft.thief, family).await;
    theft.re_review(&ca, family, &theft.since).await.ok();

    for (act, about) in [("resume", &theft.after), ("resume", &theft.resumed), ("approve", &theft.keyless)] {
        let answer = ca.client(&again).post("/api/v1/statements/drafts", &json!({"act": act, "about": about})).await;
        let code = if act == "resume" { "own-request" } else { "not-permitted" };
        assert_eq!(refused(&answer), (403, code.to_owned()), "{act}");
    }
    // Nor does whoever asked for it decide alone that it stands.
    let draft = json!({"act": "resume", "about": theft.after});
    let answer = ca.client(&office.registration).post("/api/v1/statements/drafts", &draft).await;
    assert_eq!(refused(&answer), (403, "own-request".to_owned()));
    ca.decide(&office.approver, "resume", &theft.after, None, None).await.ok();
    ca.decide(&office.approver, "revoke", &theft.resumed, Some("privilegeWithdrawn"), None).await.ok();
    let approved = ca.decide(&office.approver, "approve", &theft.keyless, None, None).await.ok().json();
    assert_eq!(approved["state"], "approved");
    let states: Vec<String> = theft.items(&ca).await.into_iter().map(|(_, _, state)| state).collect();
    for state in ["kept", "revoked", "approved", "open", "ended"] {
        assert!(states.iter().any(|found| found == state), "{state}: {states:?}");
    }
    // What was approved once more is claimed as ever.
    let body = json!({"enrolments": [theft.keyless]});
    let codes = ca.client(&office.registration).post("/api/v1/enrolments/codes", &body).await.ok().json();
    ca.claim(&text(&codes["codes"][0], "code"), "lilei", family).await;
    ca.audit_finds_nothing().await;
}

async fn a_re_review_takes_two_people_and_is_not_one_s_own(family: Family) {
    let ca = TestCa::new().at(BEGIN).start().await;
    let theft = theft(&ca, family).await;
    let office = &theft.office;
    let again = second_certificate(&ca, office, &theft.thief, family).await;
    for by in [&again, &office.approver, &office.registration] {
        let code = if by.id == theft.thief.id { "own-request" } else { "not-permitted" };
        assert_eq!(refused(&theft.sign(&ca, by, &theft.since).await), (403, code.to_owned()));
    }
    let first = theft.sign(&ca, &office.administrator, &theft.since).await.ok();
    assert_eq!((first.status, &first.json()["missing"]["people"]), (202, &json!(1)));
    assert_eq!(theft.status(&ca, &theft.after).await, "valid");
    assert_eq!(refused(&theft.sign(&ca, &office.administrator, &theft.since).await), (403, "not-permitted".to_owned()));
    // Another time is another word, and so is none, or one to come.
    let auditor = ca.auditor(family).await;
    assert_eq!(theft.sign(&ca, auditor, BEGIN).await.ok().status, 202);
    for since in [json!(null), json!("2031-01-01T00:00:00Z")] {
        let body = json!({"act": "re-review", "about": theft.certificate(), "since": since});
        let draft = ca.client(auditor).post("/api/v1/statements/drafts", &body).await.ok().json();
        let statement = auditor.sign(&serde_json::from_value(draft["payload"].clone()).unwrap());
        let answer = ca.hand_in(auditor, "re-review", &theft.certificate(), &statement).await;
        assert_eq!(refused(&answer), (400, "malformed-request".to_owned()), "{since}");
    }
    assert_eq!(theft.status(&ca, &theft.after).await, "valid");
    ca.audit_finds_nothing().await;
    // What the key signs until the second has signed is stopped as well.
    let late = ca.approve(&theft.thief, ca.enrol(office, "staff", family).await).await.id;
    assert_eq!(theft.sign(&ca, auditor, &theft.since).await.ok().status, 200);
    assert_eq!(theft.status(&ca, &late).await, "suspended");
    ca.audit_finds_nothing().await;
}

async fn a_re_review_again_stops_nothing_that_was_kept(family: Family) {
    let ca = TestCa::new().at(BEGIN).start().await;
    let theft = theft(&ca, family).await;
    theft.re_review(&ca, family, &theft.since).await.ok();
    ca.decide(&theft.office.approver, "resume", &theft.after, None, None).await.ok();
    let nothing = theft.sign(&ca, &theft.office.administrator, &theft.since).await;
    assert_eq!(refused(&nothing), (409, "wrong-state".to_owned()));
    // An earlier time takes what is new, and leaves what was kept.
    let earlier = theft.re_review(&ca, family, BEGIN).await.ok();
    assert_eq!(earlier.json()["items"], json!({"certificate": 1}));
    assert_eq!(theft.status(&ca, &theft.before).await, "suspended");
    assert_eq!(theft.status(&ca, &theft.after).await, "valid");
    ca.audit_finds_nothing().await;
}

async fn a_vote_of_a_stolen_key_is_not_counted(family: Family) {
    let two = |text: String| text.replace("count = 1", "count = 2");
    let ca = TestCa::new().at(BEGIN).with_policy("profiles/staff.toml", two).start().await;
    let office = ca.office(family).await;
    let thief = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let applicant = ca.enrol(&office, "staff", family).await;
    assert_eq!(ca.decide(&thief, "approve", &applicant.enrolment, None, None).await.ok().status, 202);
    let certificate = thief.identity.certificate().id().to_string();
    let since = Some(BEGIN);
    ca.decide(&office.administrator, "re-review", &certificate, None, since).await.ok();
    assert_eq!(ca.decide(ca.auditor(family).await, "re-review", &certificate, None, since).await.ok().status, 200);
    let second = ca.decide(&office.approver, "approve", &applicant.enrolment, None, None).await.ok();
    assert_eq!((second.status, &second.json()["missing"]["people"]), (202, &json!(1)));
    ca.audit_finds_nothing().await;
}

async fn what_was_approved_and_nobody_claims_expires(family: Family) {
    let ca = TestCa::new().at(BEGIN).start().await;
    let office = ca.office(family).await;
    import(&ca, &office.registration, &office.department, "number,CN\nE-1,王芳\nE-2,李雷\n", "").await.ok();
    let ids = in_state(&ca, &office, "submitted").await;
    ca.clock.forward(Duration::days(20));
    approve_list(&ca, &office.approver, &ids).await;
    let body = json!({"enrolments": ids[1..]});
    let codes = ca.client(&office.registration).post("/api/v1/enrolments/codes", &body).await.ok().json();
    // The time counts from the approval.
    ca.clock.forward(Duration::days(20));
    assert_eq!(ca.services().upkeep().await.requests_expired, 0);
    ca.clock.forward(Duration::days(11));
    assert_eq!(ca.services().upkeep().await.requests_expired, 2);
    assert_eq!(in_state(&ca, &office, "expired").await, ids);
    let claim = json!({"code": text(&codes["codes"][0], "code"), "csr": new_csr(family)});
    assert_eq!(refused(&ca.anonymous().post("/api/v1/claims", &claim).await), (403, "claim-refused".to_owned()));
    ca.audit_finds_nothing().await;
}

async fn a_proposal_is_taken_back_by_whoever_may_dismiss_and_nobody_else(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let own = ca.officer(&office.administrator, &office.department, &["administrator"], family).await;
    let elsewhere = ca.department(&office.administrator, "水务局", "swj.example.cn").await;
    let other = ca.officer(&office.administrator, &elsewhere, &["administrator"], family).await;
    let body = json!({"name": "误提", "department": office.department, "roles": ["approver"]});
    let id = text(&ca.client(&office.administrator).post("/api/v1/officers", &body).await.ok().json(), "id");
    ca.decide(&office.administrator, "grant", &id, None, None).await.ok();
    for by in [&office.approver, &other, ca.auditor(family).await] {
        let draft = ca.client(by).post("/api/v1/statements/drafts", &json!({"act": "dismiss", "about": id})).await;
        assert_eq!(refused(&draft), (403, "not-permitted".to_owned()));
        let answer = ca.client(by).post(&format!("/api/v1/officers/{id}/dismissal"), &json!({"statement": "x"})).await;
        assert_eq!(refused(&answer), (403, "not-permitted".to_owned()));
    }
    let statement = own.sign(&ca.draft(&own, "dismiss", &id, None, None).await);
    let path = format!("/api/v1/officers/{id}/dismissal");
    assert_eq!(ca.client(&own).post(&path, &json!({"statement": statement})).await.status, 204);
    // There is nobody to grant that to any more, and nobody's name is kept.
    assert_eq!(ca.client(&own).get(&format!("/api/v1/officers/{id}")).await.status, 404);
    let draft = ca.client(ca.auditor(family).await).post("/api/v1/statements/drafts", &json!({"act": "grant", "about": id})).await;
    assert_eq!(refused(&draft), (404, "unknown-record".to_owned()));
    ca.audit_finds_nothing().await;
}

async fn a_refused_claim_leaves_no_key_behind(family: Family) {
    let ca = TestCa::new().start().await;
    let code = ca.first_code("administrator");
    let (secret, pin) = code.split_once('-').unwrap();
    let wrong = format!("{}-{pin}", secret.chars().rev().collect::<String>());
    let server = format!("https://127.0.0.1:{}", ca.running().https.port());
    let out = ca.scratch().join("claims");
    std::fs::create_dir_all(&out).unwrap();
    let family = if family == Family::Sm2 { "sm2" } else { "p256" };
    let claim = async |code: &str, server: &str| {
        hufu(&["claim", code, "--family", family, "--server", server, "--out", out.to_str().unwrap()]).await
    };
    let left = || std::fs::read_dir(&out).unwrap().count();
    let (done, _, told) = claim(&wrong, &server).await;
    assert!(!done && told.contains("claim-refused"), "{told}");
    assert_eq!(left(), 0);
    // Where nobody answers, it may have been done: the key is kept, and said to be.
    let (done, _, told) = claim(&code, "https://127.0.0.1:1").await;
    assert!(!done && told.contains("the key is kept in") && told.contains(".key"), "{told}");
    assert_eq!(left(), 1);
    let (done, _, told) = claim(&code, &server).await;
    assert!(done, "{told}");
    assert!(!std::fs::read_dir(&out).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("claim-")));
}

async fn codes_are_announced_until_they_are_used(family: Family) {
    let place = Place::empty().await.unwrap();
    let running = place.run(None).await.unwrap();
    let both = "one-time codes of the first administrator and auditor: ";
    assert!(running.process.told().contains(both), "{}", running.process.told());
    let claims: Value = serde_json::from_slice(&std::fs::read(place.data().join("claims.json")).unwrap()).unwrap();
    let people = place.data().with_file_name("people");
    let claim = async |running: &Running, who: &str| {
        let claim = Claim {
            code: text(&claims, who),
            server: running.https().to_owned(),
            family,
            out: people.clone(),
            name: Some(who.to_owned()),
            passphrase_file: None,
            json: false,
        };
        claim.execute().await.unwrap();
    };
    claim(&running, "administrator").await;
    running.stop().await.unwrap();
    let running = place.run(None).await.unwrap();
    assert!(running.process.told().contains("one-time codes of the first auditor: "), "{}", running.process.told());
    claim(&running, "auditor").await;
    running.stop().await.unwrap();
    let running = place.run(None).await.unwrap();
    assert!(!running.process.told().contains("one-time codes"), "{}", running.process.told());
    running.stop().await.unwrap();
    place.remove().await.unwrap();
}

async fn an_officer_is_granted_once_it_was_shown_and_asked(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let server = format!("https://127.0.0.1:{}", ca.running().https.port());
    let identity = office.administrator.files.display().to_string();
    let add =
        ["officer", "add", "新官", "--department", &office.department, "--role", "approver", "--server", &server, "--identity", &identity];
    let grants = "select count(*) from statement where act = 'grant' and signer_person is not null";
    let before = ca.sql().await.number(grants).await;
    // Standard input is at its end: nobody said yes.
    let (done, _, told) = hufu(&add).await;
    assert!(!done && told.contains("You are about to sign: grant") && told.contains("新官") && told.contains("hufu dismiss "), "{told}");
    assert_eq!(ca.sql().await.number(grants).await, before);
    let (done, answer, told) = hufu(&[&add[..], &["--yes"]].concat()).await;
    assert!(done && told.contains("You are about to sign: grant") && answer.contains("proposed and granted by you"), "{answer}{told}");
    assert_eq!(ca.sql().await.number(grants).await, before + 1);
}

async fn a_service_whose_ledger_another_has_taken_over_is_stopping(family: Family) {
    let ca = TestCa::new().start().await;
    let administrator = ca.administrator(family).await;
    ca.sql().await.run("update ledger_head set fence = fence + 1").await;
    let body = json!({"name": "民政局", "organizations": ["民政局"], "dns": [], "mail": []});
    let proposed = text(&ca.client(&administrator).post("/api/v1/departments", &body).await.ok().json(), "id");
    for _ in 0..2 {
        let answer = ca.decide(&administrator, "define-department", &proposed, None, None).await;
        assert_eq!(refused(&answer), (503, "stopping".to_owned()));
        assert!(!answer.header("retry-after").is_empty());
    }
    assert_eq!(ca.sql().await.number("select count(*) from department").await, 0);
}

/// The second signature, and a crash before or after the commit that stops everything.
async fn a_crash_leaves_a_re_review_whole_or_undone(family: Family) {
    let place = Place::empty().await.unwrap();
    let people = place.data().with_file_name("people");
    let running = place.run(None).await.unwrap();
    let claims: Value = serde_json::from_slice(&std::fs::read(place.data().join("claims.json")).unwrap()).unwrap();
    let administrator = running.claim(&text(&claims, "administrator"), &people, "administrator").await.unwrap();
    let auditor = running.claim(&text(&claims, "auditor"), &people, "auditor").await.unwrap();
    let body = json!({"name": "民政局", "organizations": ["民政局"]});
    let department = text(&make(&running.api(Some(&administrator)).unwrap(), &administrator, &body).await.unwrap(), "id");
    let appoint = async |role: &str| running.appoint([&administrator, &auditor], &department, role, &people).await.unwrap();
    let (registrar, thief) = (appoint("registration-officer").await, appoint("approver").await);
    let mut issued = Vec::new();
    for _ in 0..3 {
        let body = json!({"profile": "staff", "department": department, "subject": {"CN": "王芳"}, "requests": [new_csr(family)]});
        let enrolment = text(&running.api(Some(&registrar)).unwrap().post("/api/v1/enrolments", &body).await.unwrap(), "id");
        let approved = decide(&running.api(Some(&thief)).unwrap(), &thief, "approve", &enrolment, None, None).await.unwrap();
        issued.push(text(&approved["certificates"][0], "id"));
    }
    let id = thief.certificate().id().to_string();
    let sign = async |running: &Running, by: &Identity| {
        decide(&running.api(Some(by)).unwrap(), by, "re-review", &id, None, Some("2020-01-01T00:00:00Z")).await
    };
    sign(&running, &administrator).await.unwrap();
    running.stop().await.unwrap();

    for (point, done) in [("revoke-before-commit", false), ("revoke-committed", true)] {
        let copy = Place::copy_of(&place).await.unwrap();
        let mut running = copy.run(Some(point)).await.unwrap();
        sign(&running, &auditor).await.unwrap_err();
        running.process.ended().await.unwrap();
        let running = copy.run(None).await.unwrap();
        let api = running.api(Some(&administrator)).unwrap();
        let statuses = async || {
            let mut statuses = Vec::new();
            for certificate in issued.iter().chain([&id]) {
                statuses.push(text(&api.get(&format!("/api/v1/certificates/{certificate}")).await.unwrap(), "status"));
            }
            statuses
        };
        let all_stopped = ["suspended", "suspended", "suspended", "revoked"];
        assert_eq!(statuses().await, if done { all_stopped } else { ["valid"; 4] }, "{point}");
        let again = sign(&running, &auditor).await;
        assert_eq!(again.is_ok(), !done, "{point}: {again:?}");
        assert_eq!(statuses().await, all_stopped, "{point}");
        running.stop().await.unwrap();
        let mut audit = tokio::process::Command::new(binary());
        audit.args(["ledger", "audit", "--data"]).arg(copy.data());
        if copy.database_url().starts_with("postgres") {
            audit.args(["--database", &copy.database_url()]);
        }
        let audit = audit.output().await.unwrap();
        assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
        copy.remove().await.unwrap();
    }
    place.remove().await.unwrap();
}

/// The thief signs as fast as they can while the second of two people signs.
async fn what_is_signed_at_the_same_moment_is_stopped_or_refused(family: Family) {
    let ca = TestCa::new().at(BEGIN).start().await;
    let office = ca.office(family).await;
    let thief = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let id = thief.identity.certificate().id().to_string();
    ca.decide(&office.administrator, "re-review", &id, None, Some(BEGIN)).await.ok();
    let mut signed = Vec::new();
    for _ in 0..24 {
        let enrolment = ca.enrol(&office, "staff", family).await.enrolment;
        let payload = ca.draft(&thief, "approve", &enrolment, None, None).await;
        signed.push((enrolment, thief.sign(&payload)));
    }
    let auditor = ca.auditor(family).await;
    let last = auditor.sign(&ca.draft(auditor, "re-review", &id, None, Some(BEGIN)).await);
    let approvals = signed.iter().enumerate().map(|(index, (enrolment, statement))| {
        let ca = &ca;
        let thief = &thief;
        async move {
            tokio::time::sleep(std::time::Duration::from_millis(2 * index as u64)).await;
            ca.hand_in(thief, "approve", enrolment, statement).await
        }
    });
    let review = async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        ca.hand_in(auditor, "re-review", &id, &last).await
    };
    let (answers, reviewed) = tokio::join!(futures_util::future::join_all(approvals), review);
    assert_eq!(reviewed.ok().status, 200);
    for answer in &answers {
        if answer.status == 201 {
            let certificate = text(&answer.json()["certificates"][0], "id");
            let path = format!("/api/v1/certificates/{certificate}");
            let status = text(&ca.client(&office.administrator).get(&path).await.ok().json(), "status");
            assert_eq!(status, "suspended", "{certificate} was issued on the word of a stolen key");
        } else {
            assert_eq!(refused(answer), (401, "client-certificate-not-good".to_owned()));
        }
    }
    // Nothing was issued behind its answer, either.
    let good = "select count(*) from certificate c where c.status = 'valid' and exists (select 1 from decision_statement d \
         join statement s on s.digest = d.statement where d.decision = c.decision and s.act = 'approve')";
    assert_eq!(ca.sql().await.number(good).await, 0);
    ca.audit_finds_nothing().await;
}

async fn a_stolen_key_takes_identity_checks_with_it_and_shows_policies(family: Family) {
    let ca = TestCa::new().at(BEGIN).start().await;
    let office = ca.office(family).await;
    let auditor = ca.auditor(family).await;
    let check = json!({
        "profile": "citizen", "department": office.department, "name": "韩梅", "number": "11010519491231002X",
        "contact": "han@example.cn", "evidence": "00".repeat(32),
    });
    let id = text(&ca.client(&office.registration).post("/api/v1/citizens/checks", &check).await.ok().json(), "id");
    let sign = async |by: &Person, act: &str, name: &str| {
        let statement = by.sign(&ca.draft(by, act, &id, None, None).await);
        let path = format!("/api/v1/citizens/checks/{id}/{name}");
        ca.client(by).post(&path, &json!({"statement": statement})).await.ok().json()
    };
    sign(&office.registration, "check-identity", "statement").await;
    let code = text(&sign(&office.approver, "confirm-identity", "confirmation").await, "code");
    let second = text(&ca.client(&office.registration).post("/api/v1/citizens/checks", &check).await.ok().json(), "id");

    let review = async |certificate: &str, since: &str, by: [&Person; 2]| {
        ca.decide(by[0], "re-review", certificate, None, Some(since)).await.ok();
        ca.decide(by[1], "re-review", certificate, None, Some(since)).await
    };
    let confirmed_by = office.approver.identity.certificate().id().to_string();
    let items = review(&confirmed_by, BEGIN, [&office.administrator, auditor]).await.ok().json()["items"].clone();
    assert_eq!(items, json!({"identity-check": 1}));
    let proof = ca.anonymous().post("/api/v1/citizens/proofs", &json!({"code": code})).await;
    assert_eq!(refused(&proof), (403, "proofing-refused".to_owned()));
    let client = ca.client(&office.administrator);
    assert_eq!(client.get(&format!("/api/v1/citizens/checks/{id}")).await.status, 410, "whom it was about is forgotten");
    assert_eq!(client.get(&format!("/api/v1/citizens/checks/{second}")).await.status, 200);
    ca.audit_finds_nothing().await;

    // The key of the administrator of the installation is stolen, too: after a second one was appointed.
    let proposal = json!({"name": "second", "department": null, "roles": ["administrator"]});
    let person = text(&client.post("/api/v1/officers", &proposal).await.ok().json(), "id");
    ca.decide(&office.administrator, "grant", &person, None, None).await.ok();
    let code = text(&ca.decide(auditor, "grant", &person, None, None).await.ok().json(), "claim");
    let successor = ca.claim(&code, "second", family).await;
    ca.clock.forward(Duration::hours(1));
    let since = Timestamp::new(ca.now()).to_string();
    let in_force = ca.services().policy().digest().to_string();
    let mut files = client.get(&format!("/api/v1/policies/{in_force}")).await.ok().json()["files"].clone();
    files["caps.toml"] = json!("[approve]\nstatements = 1000\n");
    let policy = text(&client.post("/api/v1/policies", &json!({"files": files})).await.ok().json(), "digest");
    for by in [&office.administrator, auditor] {
        ca.decide(by, "activate-policy", &policy, None, None).await.ok();
    }
    // Only whoever is of the whole installation puts that to re-review, and never so that nobody is left to decide on it.
    let chief = office.administrator.identity.certificate().id().to_string();
    let own = json!({"act": "re-review", "about": chief, "since": since});
    let draft = ca.client(&office.registration).post("/api/v1/statements/drafts", &own).await;
    assert_eq!(refused(&draft), (403, "not-permitted".to_owned()));
    let nobody_left = review(&chief, BEGIN, [&successor, auditor]).await;
    assert_eq!(refused(&nobody_left), (403, "not-permitted".to_owned()));
    assert!(text(&nobody_left.json(), "detail").contains("somebody must remain"), "{}", nobody_left.text());
    let items = review(&chief, &since, [&successor, auditor]).await.ok().json()["items"].clone();
    assert_eq!(items, json!({"policy": 1}));
    let listed = ca.client(auditor).get("/api/v1/re-reviews").await.ok().json();
    let states: Vec<(String, String)> =
        listed["items"].as_array().unwrap().iter().map(|one| (text(one, "kind"), text(one, "state"))).collect();
    // The one that was refused still waits for another second person.
    let expected = [("identity-check", "ended"), ("re-review", "waiting"), ("policy", "open")];
    assert_eq!(states, expected.map(|(kind, state)| (kind.to_owned(), state.to_owned())));
    ca.audit_finds_nothing().await;
}

async fn the_command_line_puts_to_re_review(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let server = format!("https://127.0.0.1:{}", ca.running().https.port());
    let serial = hex::encode(office.approver.identity.certificate().serial());
    let acknowledged = ca.scratch().join("acknowledged");
    std::fs::create_dir_all(&acknowledged).unwrap();
    let run = async |by: &Person, arguments: &[&str]| {
        let mut command = tokio::process::Command::new(binary());
        command.args(arguments).args(["--server", &server, "--identity"]).arg(&by.files);
        let output = command.stdin(std::process::Stdio::null()).current_dir(&acknowledged).output().await.unwrap();
        let (said, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{said}{told}");
        (said, told)
    };
    let command = ["rereview", &serial, "--since", "2020-01-01T00:00:00Z", "--yes"];
    let (said, told) = run(&office.administrator, &command).await;
    assert!(said.contains("recorded; waits for one more person"), "{said}");
    assert!(told.contains("1 statement:") && told.contains("approve") && told.contains("since 2020-01-01T00:00:00Z"), "{told}");
    let auditor = ca.auditor(family).await;
    let filter = format!("certificate={serial}");
    let (said, _) = run(auditor, &["list", "re-reviews", "--where", &filter]).await;
    let signed = format!("{}  one more person", office.administrator.id);
    assert!(said.contains("  waiting  re-review  ") && said.trim_end().ends_with(&signed), "{said}");
    let (said, _) = run(auditor, &command).await;
    assert!(said.contains("put to re-review: 1 certificate") && said.contains("re-review-"), "{said}");
    assert_eq!(std::fs::read_dir(&acknowledged).unwrap().count(), 1);
    let (said, _) = run(auditor, &["list", "re-reviews", "--where", &filter]).await;
    assert!(
        said.starts_with(&format!("{}  open   certificate", holder.id)) || said.starts_with(&format!("{}  open  certificate", holder.id)),
        "{said}"
    );
}

async fn what_follows_a_certificate_is_stopped_with_it(family: Family) {
    let ca = TestCa::new().at(BEGIN).start().await;
    let office = ca.office(family).await;
    let auditor = ca.auditor(family).await;
    let (person, holder) = member(&ca, &office, family).await;
    // One who waits for the second person, and never signed anything, is no finding of the audit.
    ca.decide(&office.administrator, "re-review", &holder.id, None, Some(BEGIN)).await.ok();
    ca.audit_finds_nothing().await;
    ca.clock.forward(Duration::days(340));
    let successor = text(&renew(&ca, &person, &holder.id, &new_csr(family)).await.ok().json(), "id");
    let thief = office.approver.identity.certificate().id().to_string();
    ca.decide(&office.administrator, "re-review", &thief, None, Some(BEGIN)).await.ok();
    let done = ca.decide(auditor, "re-review", &thief, None, Some(BEGIN)).await.ok();
    assert_eq!(done.json()["items"], json!({"certificate": 2}));
    for certificate in [&holder.id, &successor] {
        let view = ca.client(&office.administrator).get(&format!("/api/v1/certificates/{certificate}")).await.ok().json();
        assert_eq!(view["status"], "suspended", "{view}");
    }
    ca.audit_finds_nothing().await;
}
