//! Life after issue: who stops a certificate and who lets it go on, lists that two administrators revoke, leavers, and what whoever
//! asked has in hand afterwards.

use hufu::{
    cli::Family,
    ledger::{Entry, EventType, State},
    policy::{Acknowledgement, Act, Timestamp},
    store::Options,
    x509::Certificate,
};
use serde_json::{Value, json};
use time::Duration;

use crate::{
    staff::{approve_list, import, in_state},
    world::{Answer, Ca, Holder, Office, Person, TestCa, in_both_families, new_csr, text},
};

in_both_families! {
    the_holder_suspends_at_once_and_an_officer_lets_it_go_on,
    holder_officer_and_administrator_revoke_with_reason_and_date,
    a_time_before_goes_with_some_reasons_and_lies_within_the_certificate_s_life,
    nobody_alone_says_since_when_an_officer_s_key_is_not_trusted,
    two_administrators_end_an_authority_and_nobody_suspends_it,
    whoever_asks_for_a_revocation_has_it_in_writing,
    a_list_takes_two_administrators_who_say_the_same,
    a_list_that_waits_is_listed_and_no_second_one_begins_unnoticed,
    a_list_with_one_that_has_ended_is_refused_whole,
    leavers_lose_what_they_hold_by_their_numbers,
}

/// A member of staff who acts with their own certificate.
async fn member(ca: &Ca, office: &Office, family: Family) -> (Person, Holder) {
    let holder = ca.issue(office, "staff", family).await;
    let person = text(&holder.view, "person");
    let authority = ca.services().authorities().load(&holder.authority()).unwrap();
    let above = ca.services().authorities().chain(&authority).unwrap();
    let chain: String = std::iter::once(holder.certificate.to_pem()).chain(above.iter().map(|one| one.to_pem())).collect();
    (Person::keep(ca, &person, &chain, &holder.secret), holder)
}

async fn status(ca: &Ca, office: &Office, id: &str) -> String {
    text(&ca.client(&office.registration).get(&format!("/api/v1/certificates/{id}")).await.ok().json(), "status")
}

async fn the_holder_suspends_at_once_and_an_officer_lets_it_go_on(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let (person, holder) = member(&ca, &office, family).await;
    let done = ca.decide(&person, "suspend", &holder.id, None, None).await.ok().json();
    assert_eq!(text(&done, "status"), "suspended");
    // The certificate opens no door any more, so its holder cannot undo it with it.
    let refused = ca.client(&person).post("/api/v1/statements/drafts", &json!({"act": "resume", "about": holder.id})).await;
    assert_eq!((refused.status, text(&refused.json(), "code")), (401, "client-certificate-not-good".to_owned()));
    // An officer, who has seen who it is, does.
    let done = ca.decide(&office.registration, "resume", &holder.id, None, None).await.ok().json();
    assert_eq!(text(&done, "status"), "valid");
    ca.client(&person).get(&format!("/api/v1/certificates/{}", holder.id)).await.ok();
    ca.audit_finds_nothing().await;
}

async fn holder_officer_and_administrator_revoke_with_reason_and_date(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    for (by, reason, number, says_since) in [
        (None, "keyCompromise", 1, true),
        (Some(&office.approver), "cessationOfOperation", 5, true),
        (Some(&office.administrator), "privilegeWithdrawn", 9, false),
    ] {
        let (person, holder) = member(&ca, &office, family).await;
        let since = says_since.then(|| Timestamp::new(ca.now()));
        let said = since.map(|since| since.to_string());
        let done = ca.decide(by.unwrap_or(&person), "revoke", &holder.id, Some(reason), said.as_deref()).await.ok().json();
        let entry = entry_at(&ca, &text(&done["ledger"], "log"), done["ledger"]["index"].as_u64().unwrap()).await;
        assert_eq!((entry.event_type, entry.new_state, entry.reason), (EventType::REVOKE, State::Revoked, number));
        assert_eq!(entry.invalid_since().unwrap(), since.map(|since| since.instant().unix_timestamp() as u64));
        assert_eq!(status(&ca, &office, &holder.id).await, "revoked");
    }
    // Another member of staff is nobody here.
    let ((stranger, _), (_, holder)) = (member(&ca, &office, family).await, member(&ca, &office, family).await);
    let refused = ca.client(&stranger).post("/api/v1/statements/drafts", &json!({"act": "revoke", "about": holder.id})).await;
    assert_eq!((refused.status, text(&refused.json(), "code")), (403, "not-permitted".to_owned()));
    ca.audit_finds_nothing().await;
}

fn refused(answer: &Answer) -> (u16, String) {
    (answer.status, text(&answer.json(), "code"))
}

async fn a_time_before_goes_with_some_reasons_and_lies_within_the_certificate_s_life(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let now = Timestamp::new(ca.now()).to_string();
    let malformed = (400, "malformed-request".to_owned());
    for (reason, since, about) in [
        ("superseded", now.as_str(), "goes with keyCompromise"),
        ("unspecified", now.as_str(), "goes with keyCompromise"),
        ("keyCompromise", "2020-01-01T00:00:00Z", "before the certificate's beginning"),
        ("keyCompromise", "2100-01-01T00:00:00Z", "in the future"),
    ] {
        let asked = [json!({"about": holder.id}), json!({"list": [holder.id]})];
        for mut body in asked {
            (body["act"], body["reason"], body["since"]) = (json!("revoke"), json!(reason), json!(since));
            let answer = ca.client(&office.approver).post("/api/v1/statements/drafts", &body).await;
            assert_eq!(refused(&answer), malformed, "{body}");
            assert!(text(&answer.json(), "detail").contains(about), "{}", answer.json());
        }
        // Whoever signs it all the same is refused, too.
        let mut payload = ca.draft(&office.approver, "revoke", &holder.id, Some(reason), None).await;
        payload.since = Some(since.parse().unwrap());
        let statement = json!({"statement": office.approver.sign(&payload)});
        let answer = ca.client(&office.approver).post(&format!("/api/v1/certificates/{}/revocation", holder.id), &statement).await;
        assert_eq!(refused(&answer), malformed, "{reason} {since}");
    }
    assert_eq!(status(&ca, &office, &holder.id).await, "valid");
    ca.audit_finds_nothing().await;
}

async fn nobody_alone_says_since_when_an_officer_s_key_is_not_trusted(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let second = ca.officer(&office.administrator, &office.department, &["administrator"], family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let officer = office.approver.identity.certificate().id().to_string();
    let now = Timestamp::new(ca.now());
    let needed = (403, "re-review-needed".to_owned());
    // An administrator, the officer themselves, and two administrators by a list.
    for by in [&office.administrator, &office.approver] {
        let body = json!({"act": "revoke", "about": officer, "reason": "keyCompromise", "since": now.to_string()});
        let answer = ca.client(by).post("/api/v1/statements/drafts", &body).await;
        assert_eq!(refused(&answer), needed);
        assert!(text(&answer.json(), "detail").contains("hufu rereview"), "{}", answer.json());
        let mut payload = ca.draft(by, "revoke", &officer, Some("keyCompromise"), None).await;
        payload.since = Some(now);
        let statement = json!({"statement": by.sign(&payload)});
        let answer = ca.client(by).post(&format!("/api/v1/certificates/{officer}/revocation"), &statement).await;
        assert_eq!(refused(&answer), needed);
    }
    let list = json!([holder.id, officer]);
    let body = json!({"act": "revoke", "list": list, "reason": "keyCompromise", "since": now.to_string()});
    assert_eq!(refused(&ca.client(&second).post("/api/v1/statements/drafts", &body).await), needed);
    // At once, without a time before, one is enough; and what the officer decided stands.
    ca.revoke(&second, &officer, "keyCompromise", None).await;
    let evidence = ca.client(&second).get(&format!("/api/v1/certificates/{}/evidence", holder.id)).await.ok();
    let evidence = hufu::services::court::Evidence::parse(evidence.json().to_string().as_bytes()).unwrap();
    let judged = hufu::services::court::judge::judge(&ca.bundle(), &evidence, ca.now().unix_timestamp() as u64);
    assert!(judged.holds(), "{:?} {:?}", judged.parts, judged.distrusted);
    ca.audit_finds_nothing().await;
}

/// Another administrator of the whole installation.
async fn second_administrator(ca: &Ca, office: &Office, family: Family) -> Person {
    let proposal = json!({"name": "second", "department": null, "roles": ["administrator"]});
    let person = text(&ca.client(&office.administrator).post("/api/v1/officers", &proposal).await.ok().json(), "id");
    ca.decide(&office.administrator, "grant", &person, None, None).await.ok();
    let granted = ca.decide(ca.auditor(family).await, "grant", &person, None, None).await.ok().json();
    ca.claim(&text(&granted, "claim"), "second", family).await
}

async fn two_administrators_end_an_authority_and_nobody_suspends_it(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let administrator = ca.client(&office.administrator);
    let authority = ca.services().authorities().load(&holder.authority()).unwrap().certificate().unwrap().id().to_string();
    let record = administrator.get(&format!("/api/v1/certificates/{authority}")).await.ok().json();
    assert!(record["depending"].as_i64().unwrap() >= 4, "three officers and a member of staff: {record}");
    assert_eq!(administrator.get(&format!("/api/v1/certificates/{}", holder.id)).await.ok().json()["depending"], Value::Null);
    for (act, code) in [("revoke", "authority-takes-two"), ("re-review", "authority-takes-two"), ("suspend", "authority-not-suspended")] {
        let answer = administrator.post("/api/v1/statements/drafts", &json!({"act": act, "about": authority})).await;
        assert_eq!(refused(&answer), (403, code.to_owned()), "{act}");
    }
    // A draft about another, signed as if it were about this.
    let mut payload = ca.draft(&office.administrator, "suspend", &holder.id, None, None).await;
    payload.about = authority.parse().unwrap();
    let statement = json!({"statement": office.administrator.sign(&payload)});
    let answer = administrator.post(&format!("/api/v1/certificates/{authority}/suspension"), &statement).await;
    assert_eq!(answer.status / 100, 4);
    // By a list of it alone, the first waits.
    let list = [authority.clone()];
    let first = revoke_list(&ca, &office.administrator, &list, "cACompromise").await.ok();
    assert_eq!((first.status, &first.json()["missing"]["administrators"]), (202, &json!(1)));
    let again = draft_list(&ca, &office.administrator, &list, "cACompromise").await;
    assert_eq!(refused(&again), (403, "not-permitted".to_owned()));
    let record = administrator.get(&format!("/api/v1/certificates/{authority}")).await.ok().json();
    assert_eq!(text(&record, "status"), "valid");
    let second = second_administrator(&ca, &office, family).await;
    let done = revoke_list(&ca, &second, &list, "cACompromise").await.ok().json();
    assert_eq!(done["revoked"], 1);
    ca.audit_finds_nothing().await;
}

/// A leaf, as the database has it.
async fn entry_at(ca: &Ca, log: &str, index: u64) -> Entry {
    let options = Options { busy_timeout: std::time::Duration::from_secs(5), max_connections: 2 };
    let db = hufu::store::Db::open(&ca.config.database_url(), options).await.unwrap();
    let leaf = hufu::store::ledger::leaves(&mut db.read().await.unwrap(), log, index as i64, index as i64 + 1).await.unwrap().remove(0);
    db.close().await;
    Entry::decode(&leaf.entry).unwrap()
}

/// An acknowledgement that the trust bundle vouches for.
fn acknowledged(ca: &Ca, answer: &Value) -> Acknowledgement {
    let read = Acknowledgement::parse(&text(answer, "acknowledgement")).unwrap();
    read.verify(&ca.bundle().system_key().unwrap()).unwrap();
    read
}

async fn whoever_asks_for_a_revocation_has_it_in_writing(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    for (act, word) in [("suspend", Act::Suspend), ("resume", Act::Resume), ("revoke", Act::Revoke)] {
        let done = ca.decide(&office.approver, act, &holder.id, None, None).await.ok().json();
        let read = acknowledged(&ca, &done);
        let payload = read.payload();
        assert_eq!((payload.act, payload.about.to_string(), payload.leaves.len()), (word, holder.id.clone(), 1));
        let leaves = &payload.leaves[0];
        assert_eq!((leaves.count, Some(leaves.first)), (1, done["ledger"]["index"].as_u64()));
        assert_eq!(leaves.origin, ca.log(&holder.authority()).origin);
        let statements = ca.sql().await.texts(&format!("select jws from statement where act = '{act}'")).await;
        assert_eq!(payload.statement.0, hufu::crypto::digest::sha256(statements[0].as_bytes()));
    }
}

async fn draft_list(ca: &Ca, by: &Person, list: &[String], reason: &str) -> Answer {
    ca.client(by).post("/api/v1/statements/drafts", &json!({"act": "revoke", "list": list, "reason": reason})).await
}

async fn revoke_list(ca: &Ca, by: &Person, list: &[String], reason: &str) -> Answer {
    let draft = draft_list(ca, by, list, reason).await.ok().json();
    let statement = by.sign(&serde_json::from_value(draft["payload"].clone()).unwrap());
    ca.client(by).post("/api/v1/revocations", &json!({"list": list, "statement": statement})).await
}

async fn a_list_takes_two_administrators_who_say_the_same(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let second = ca.officer(&office.administrator, &office.department, &["administrator"], family).await;
    let mut list = Vec::new();
    for _ in 0..4 {
        list.push(ca.issue(&office, "staff", family).await.id);
    }
    // Officers of the department may say so, and are not counted as administrators.
    for by in [&office.approver, &office.registration, &office.administrator] {
        let waits = revoke_list(&ca, by, &list, "keyCompromise").await;
        assert_eq!(waits.status, 202, "{}", waits.text());
        assert!(acknowledged(&ca, &waits.json()).payload().leaves.is_empty());
    }
    // Whoever signs the same once more brings nobody nearer, and what nobody can do is not drafted.
    let again = draft_list(&ca, &office.administrator, &list, "keyCompromise").await;
    assert_eq!((again.status, text(&again.json(), "code")), (403, "not-permitted".to_owned()));
    assert!(text(&again.json(), "detail").contains("another person must"), "{}", again.text());
    for reason in ["left", "keycompromise"] {
        let refused = draft_list(&ca, &second, &list, reason).await;
        assert_eq!((refused.status, text(&refused.json(), "code")), (400, "malformed-request".to_owned()));
        assert!(text(&refused.json(), "detail").contains("one of unspecified, keyCompromise"), "{}", refused.text());
    }
    // The second administrator means another list: the same in another order.
    let other: Vec<String> = list.iter().rev().cloned().collect();
    let waits = revoke_list(&ca, &second, &other, "keyCompromise").await;
    assert_eq!((waits.status, &waits.json()["missing"]["administrators"]), (202, &json!(1)));
    assert_eq!(ca.sql().await.number("select count(*) from certificate where status = 'revoked'").await, 0);
    ca.audit_finds_nothing().await;

    let done = revoke_list(&ca, &second, &list, "keyCompromise").await.ok().json();
    assert_eq!((&done["items"], &done["revoked"], &done["withdrawn"]), (&json!(4), &json!(4), &json!(0)));
    for id in &list {
        assert_eq!(status(&ca, &office, id).await, "revoked");
    }
    let read = acknowledged(&ca, &done);
    let leaves = &read.payload().leaves[0];
    assert_eq!((read.payload().leaves.len(), leaves.count), (1, 4));
    for (place, id) in list.iter().enumerate() {
        let authority = text(&ca.client(&second).get(&format!("/api/v1/certificates/{id}")).await.ok().json(), "authority");
        let entry = entry_at(&ca, &authority, leaves.first + place as u64).await;
        assert_eq!((entry.event_type, entry.reason), (EventType::REVOKE, 1));
    }
    // Published at once, in the whole list and in the shards.
    let crl = ca.public().get(&format!("/crl/department-{}-g1.crl", if family == Family::P256 { "p256" } else { "sm2" })).await.ok();
    let listed = hufu::x509::crl::CertificateList::parse(&crl.body).unwrap().entries.len();
    assert_eq!(listed, 4);
    ca.audit_finds_nothing().await;
}

/// The lists that wait, as somebody sees them.
async fn waiting(ca: &Ca, by: &Person) -> Vec<Value> {
    ca.client(by).get("/api/v1/revocations").await.ok().json()["items"].as_array().unwrap().clone()
}

async fn a_list_that_waits_is_listed_and_no_second_one_begins_unnoticed(family: Family) {
    let ca = TestCa::new().at("2030-01-01T00:00:00Z").start().await;
    let office = ca.office(family).await;
    let second = ca.officer(&office.administrator, &office.department, &["administrator"], family).await;
    let elsewhere = ca.department(&office.administrator, "税务局", "swj.example.cn").await;
    let stranger = ca.officer(&office.administrator, &elsewhere, &["administrator"], family).await;
    let list = [ca.issue(&office, "staff", family).await.id, ca.issue(&office, "staff", family).await.id];
    assert_eq!(waiting(&ca, &second).await, [] as [Value; 0]);

    let begun = Timestamp::new(ca.now());
    revoke_list(&ca, &office.administrator, &list, "keyCompromise").await.ok();
    let found = waiting(&ca, &second).await;
    assert_eq!((found.len(), &found[0]["items"], &found[0]["department"]), (1, &json!(2), &json!(office.department)));
    assert_eq!((&found[0]["reason"], &found[0]["since"]), (&json!("keyCompromise"), &Value::Null));
    assert_eq!((&found[0]["signed_by"], &found[0]["missing"]["administrators"]), (&json!([office.administrator.id]), &json!(1)));
    let time = |member: &str| serde_json::from_value::<Timestamp>(found[0][member].clone()).unwrap();
    let recorded = time("recorded_at");
    assert!(begun <= recorded && recorded <= Timestamp::new(ca.now()), "{recorded}");
    assert_eq!(time("ends_at"), Timestamp::new(recorded.instant() + Duration::days(30)));
    // Of another department nobody is told, and whoever audits is.
    assert_eq!(waiting(&ca, &stranger).await.len(), 0);
    assert_eq!(waiting(&ca, ca.auditor(family).await).await.len(), 1);

    // In other words: whoever would begin another is told of this one, and may all the same.
    let told = draft_list(&ca, &second, &list, "superseded").await;
    assert_eq!((told.status, text(&told.json(), "code")), (409, "revocation-waits".to_owned()));
    let detail = text(&told.json(), "detail");
    assert!(detail.contains("reason keyCompromise") && detail.contains(&office.administrator.id), "{detail}");
    let anew = json!({"act": "revoke", "list": list, "reason": "superseded", "anew": true});
    let draft = ca.client(&second).post("/api/v1/statements/drafts", &anew).await.ok().json();
    let statement = second.sign(&serde_json::from_value(draft["payload"].clone()).unwrap());
    let beside = ca.client(&second).post("/api/v1/revocations", &json!({"list": list, "statement": statement})).await.ok();
    assert_eq!((beside.status, waiting(&ca, &second).await.len()), (202, 2));

    // One that waits too long counts no more, and neither does one whose list has changed.
    ca.clock.forward(Duration::days(30));
    assert_eq!(waiting(&ca, &second).await.len(), 0);
    assert_eq!(revoke_list(&ca, &second, &list, "keyCompromise").await.ok().status, 202);
    assert_eq!(waiting(&ca, &second).await[0]["signed_by"], json!([second.id]));
    ca.decide(&office.approver, "suspend", &list[0], None, None).await.ok();
    assert_eq!(waiting(&ca, &second).await.len(), 0);
    assert_eq!(revoke_list(&ca, &office.administrator, &list, "superseded").await.ok().status, 202);
    assert_eq!(revoke_list(&ca, &second, &list, "superseded").await.ok().status, 200);
    assert_eq!(waiting(&ca, &second).await.len(), 0);
    ca.audit_finds_nothing().await;
}

async fn a_list_with_one_that_has_ended_is_refused_whole(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let first = ca.issue(&office, "staff", family).await.id;
    let second = ca.issue(&office, "staff", family).await.id;
    ca.revoke(&office.approver, &second, "superseded", None).await;
    let list = |items: &[&String]| items.iter().map(|item| (*item).clone()).collect::<Vec<_>>();
    for (items, expected) in [
        (list(&[&first, &second]), (409, "wrong-state")),
        (list(&[&first, &first]), (400, "malformed-request")),
        (list(&[&first, &"0".repeat(64)]), (404, "unknown-certificate")),
        (list(&[&first, &"0".repeat(32)]), (404, "unknown-record")),
        (Vec::new(), (400, "malformed-request")),
    ] {
        let refused = draft_list(&ca, &office.administrator, &items, "superseded").await;
        assert_eq!((refused.status, text(&refused.json(), "code").as_str()), expected, "{items:?}");
    }
    let elsewhere = ca.department(&office.administrator, "交通局", "jtj.example.cn").await;
    let other = ca.officer(&office.administrator, &elsewhere, &["administrator"], family).await;
    let refused = draft_list(&ca, &other, std::slice::from_ref(&first), "superseded").await;
    assert_eq!((refused.status, text(&refused.json(), "code")), (403, "not-permitted".to_owned()));
    assert_eq!(status(&ca, &office, &first).await, "valid");
}

async fn leavers_lose_what_they_hold_by_their_numbers(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let second = ca.officer(&office.administrator, &office.department, &["administrator"], family).await;
    import(&ca, &office.registration, &office.department, "number,CN\n1,甲\n2,乙\n3,丙\n4,丁\n", "").await.ok();
    let ids = in_state(&ca, &office, "submitted").await;
    // One stays, one has claimed, one was approved and holds a code, one was never decided on.
    approve_list(&ca, &office.approver, &ids[..3]).await;
    let wanted = json!({"enrolments": &ids[..3]});
    let codes = ca.client(&office.registration).post("/api/v1/enrolments/codes", &wanted).await.ok().json();
    let code = |index: usize| text(&codes["codes"][index], "code");
    let claim = async |index: usize| ca.anonymous().post("/api/v1/claims", &json!({"code": code(index), "csr": new_csr(family)})).await;
    let claimed: Vec<Certificate> = Certificate::parse_many(text(&claim(1).await.ok().json(), "chain").as_bytes()).unwrap();
    claim(0).await.ok();

    let holdings = async |csv: &str| {
        let path = format!("/api/v1/staff/holdings?department={}", office.department);
        ca.client(&office.administrator).send("POST", &path, &[("content-type", "text/csv")], csv.into()).await.ok().json()
    };
    let unknown = holdings("number\n2\n9\n").await;
    assert_eq!(unknown["findings"], json!([{"line": 3, "column": "number", "code": "unknown"}]));
    // A number that slipped by a line is noticed by the name beside it, and a column that nothing is done with is not passed over.
    let slipped = holdings("工号,姓名\n2,乙\n3,丁\n").await;
    assert_eq!(slipped["findings"], json!([{"line": 3, "column": "CN", "code": "different", "heading": "姓名"}]));
    let unknown = holdings("number,since\n2,2026-01-01\n").await;
    assert_eq!((&unknown["findings"][0]["column"], &unknown["findings"][0]["code"]), (&json!("since"), &json!("not-asked-for")));
    let held = holdings("number,name\n2,乙\n3,丙\n4,丁\n").await;
    let list: Vec<String> = serde_json::from_value(held["items"].clone()).unwrap();
    assert_eq!((&held["lines"], &held["without"], list.len()), (&json!(3), &json!(0), 3));
    assert!(list.contains(&claimed[0].id().to_string()));

    assert_eq!(revoke_list(&ca, &office.administrator, &list, "cessationOfOperation").await.status, 202);
    ca.audit_finds_nothing().await;
    let done = revoke_list(&ca, &second, &list, "cessationOfOperation").await.ok().json();
    assert_eq!((&done["revoked"], &done["withdrawn"]), (&json!(1), &json!(2)));
    assert_eq!(claim(2).await.status, 403, "the code of a leaver");
    assert_eq!(in_state(&ca, &office, "withdrawn").await.len(), 2);
    assert_eq!(ca.sql().await.number("select count(*) from certificate where profile = 'staff' and status = 'valid'").await, 1);
    let again = holdings("number\n2\n3\n4\n").await;
    assert_eq!((&again["without"], &again["items"]), (&json!(3), &json!([])));
    ca.audit_finds_nothing().await;
}
