//! What people do from the first request to the last proof, in both families: what they are given agrees with itself, with
//! the ledger, and with other people's programs.

use std::collections::{BTreeSet, HashMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use hufu::{
    cli::Family,
    crypto::Digest,
    ledger::{
        EventType, Note, Receipt, State, StatusProof, TileId, Tree, TrustedLog, VerifyError,
        entry::Entry,
        merkle, proof,
        status_map::StatusMap,
        tiles::{consistency_proof, consistency_tiles, decode_bundle},
    },
    policy::{Role, profile::Requester},
    world::{SystemEntropy, seconds},
    x509::{
        Certificate,
        crl::{CertificateList, CrlReason},
        ocsp::{self, BasicResponse, CertStatus, Nonce, OcspResponse, OcspStatus},
    },
};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::world::{Agent, Answer, Ca, Holder, Office, Person, TestCa, in_both_families, text};

in_both_families! {
    an_identity_lives_from_enrolment_to_proof,
    a_certificate_is_found_in_every_form_and_by_every_name,
    a_suspension_holds_until_it_is_lifted,
    an_enrolment_that_is_rejected_or_withdrawn_is_never_issued,
    ocsp_answers_every_form_of_question,
    crls_follow_revocations_schedules_and_restarts,
    lists_are_filtered_and_paged,
    every_profile_is_issued_and_openssl_reads_it,
    responders_and_the_listener_are_renewed_in_time,
    a_claim_code_works_once_and_for_a_week,
    approvals_at_one_time_share_commits,
    a_restart_loses_nothing_and_the_checkpoint_grows,
    the_ledger_is_what_other_programs_read,
    dates_from_2050_on_are_generalized_times,
}

/// How old a status proof may be, in seconds.
const MAX_AGE: u64 = 60;

fn department(family: Family) -> String {
    format!("department-{}-g1", family.algorithm().name())
}

fn rfc3339(instant: OffsetDateTime) -> String {
    instant.replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap()
}

// ---- from enrolment to proof ----

async fn an_identity_lives_from_enrolment_to_proof(family: Family) {
    let ca = TestCa::new().with_crl_shards(2).start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let issued = ca.now();
    assert_eq!(holder.authority(), department(family));
    assert_eq!(holder.view["status"], "valid");

    let enrolment = text(&holder.view, "enrolment");
    let view = ca.client(&office.registration).get(&format!("/api/v1/enrolments/{enrolment}")).await.ok().json();
    assert_eq!(view["state"], "issued");

    let receipt = receipt(&ca, &holder).await;
    let log = ca.log(&holder.authority());
    let (entry, _) = proof::verify_issue_receipt(&receipt, &holder.certificate.id().0, &log).unwrap();
    let ends = entry.not_after().unwrap() - seconds(holder.certificate.not_after());
    assert!(ends < 86_400, "the leaf rounds the end up to the day");
    let other = ca.issue(&office, "staff", family).await;
    let wrong = proof::verify_issue_receipt(&receipt, &other.certificate.id().0, &log);
    assert_eq!(wrong.unwrap_err(), VerifyError::OtherCertificate);
    assert_eq!(proven(&ca, &holder).await.state, State::Good);
    check_verdict(&ca, &holder, None, "PASSED", "valid").await;

    // The key was lost an hour after the issue, and somebody noticed an hour later.
    let since = issued + Duration::hours(1);
    ca.clock.forward(Duration::hours(2));
    let changed = ca.revoke(&office.approver, &holder.id, "keyCompromise", Some(&rfc3339(since))).await;
    assert_eq!(changed["status"], "revoked");

    let report = check_verdict(&ca, &holder, None, "FAILED", "revoked").await;
    assert_eq!(report["status"]["reason"], "keyCompromise");
    assert_eq!(report["status"]["invalid_since"], rfc3339(since));
    check_verdict(&ca, &holder, Some(issued + Duration::minutes(30)), "PASSED", "valid").await;
    check_verdict(&ca, &holder, Some(issued + Duration::minutes(90)), "FAILED", "revoked").await;
    check_verdict(&ca, &holder, Some(holder.certificate.not_before() - Duration::hours(1)), "FAILED", "not-yet-valid").await;
    check_verdict(&ca, &holder, Some(holder.certificate.not_after() + Duration::hours(1)), "FAILED", "expired").await;
    check_verdict(&ca, &other, None, "PASSED", "valid").await;

    let status = proven(&ca, &holder).await;
    assert_eq!((status.state, status.reason), (State::Revoked, 1));
    // The receipt proves the issue, which a revocation does not undo.
    proof::verify_issue_receipt(&receipt, &holder.certificate.id().0, &log).unwrap();
    let view = ca.client(&office.approver).get(&format!("/api/v1/certificates/{}", holder.id)).await.ok().json();
    assert_eq!(view["status"], "revoked");
}

/// The proof of issue as anybody fetches it.
async fn receipt(ca: &Ca, holder: &Holder) -> Receipt {
    Receipt::parse(&ca.anonymous().get(&format!("/api/v1/certificates/{}/receipt", holder.id)).await.ok().text()).unwrap()
}

/// The status as an offline verifier proves it from the trust bundle.
async fn proven(ca: &Ca, holder: &Holder) -> proof::ProvenStatus {
    let proof = ca.anonymous().get(&format!("/api/v1/certificates/{}/status-proof", holder.id)).await.ok().text();
    let proof = StatusProof::parse(&proof).unwrap();
    proof::verify_status_proof(&proof, &holder.certificate.id().0, &ca.log(&holder.authority()), seconds(ca.now()), MAX_AGE).unwrap()
}

async fn check_verdict(ca: &Ca, holder: &Holder, at: Option<OffsetDateTime>, verdict: &str, reason: &str) -> Value {
    let body = json!({"certificate": holder.certificate.to_pem(), "at": at.map(rfc3339)});
    let report = ca.anonymous().post("/api/v1/verify/certificate", &body).await.ok().json();
    assert_eq!((text(&report, "verdict").as_str(), text(&report, "reason").as_str()), (verdict, reason), "at {at:?}: {report:#}");
    for language in ["zh", "en"] {
        assert!(!text(&report["message"], language).is_empty());
    }
    report
}

async fn a_certificate_is_found_in_every_form_and_by_every_name(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let (client, anonymous) = (ca.client(&office.registration), ca.anonymous());
    let der = holder.certificate.der();
    let authority = ca.services().authorities().load(&holder.authority()).unwrap().certificate().unwrap();
    let names = [holder.id.clone(), hex::encode(holder.certificate.fingerprint()), hex::encode(holder.certificate.serial())];
    for name in names {
        let view = client.get(&format!("/api/v1/certificates/{name}")).await.ok().json();
        assert_eq!(text(&view, "id"), holder.id);
        assert_eq!(text(&view, "fingerprint"), hex::encode(holder.certificate.fingerprint()));
        let file = async |form: &str| anonymous.get(&format!("/api/v1/certificates/{name}.{form}")).await.ok();
        let pem = file("pem").await;
        assert_eq!((pem.header("content-type"), pem.text()), ("application/x-pem-file", holder.certificate.to_pem()));
        let whole = file("der").await;
        assert_eq!((whole.header("content-type"), &whole.body[..]), ("application/pkix-cert", der));
        let bag = file("p7c").await;
        assert_eq!(bag.header("content-type"), "application/pkcs7-mime; smime-type=certs-only");
        let path = ca.scratch().join("bag.p7c");
        std::fs::write(&path, &bag.body).unwrap();
        let told = openssl(&["pkcs7", "-inform", "DER", "-in", path.to_str().unwrap(), "-print_certs"]);
        let found = Certificate::parse_many(told.as_bytes()).unwrap();
        assert!([&holder.certificate, &*authority].iter().all(|wanted| found.iter().any(|one| one.der() == wanted.der())));
    }
}

async fn a_suspension_holds_until_it_is_lifted(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    ca.clock.forward(Duration::hours(1));
    assert_eq!(ca.decide(&office.approver, "suspend", &holder.id, None, None).await.ok().json()["status"], "suspended");
    let suspended = ca.now();
    check_verdict(&ca, &holder, None, "INDETERMINATE", "suspended").await;
    assert_eq!(proven(&ca, &holder).await.state, State::Hold);
    let status = ask(&ca, &holder.authority(), Digest::Sha256, &[holder.certificate.serial()]).await.statuses.remove(0);
    assert!(matches!(status, CertStatus::Revoked { reason: Some(CrlReason::CertificateHold), .. }), "{status:?}");
    assert_eq!(listed(&ca, &holder).await, Some(Some(CrlReason::CertificateHold)));

    ca.clock.forward(Duration::hours(1));
    assert_eq!(ca.decide(&office.approver, "resume", &holder.id, None, None).await.ok().json()["status"], "valid");
    check_verdict(&ca, &holder, None, "PASSED", "valid").await;
    check_verdict(&ca, &holder, Some(suspended + Duration::minutes(30)), "INDETERMINATE", "suspended").await;
    assert_eq!(proven(&ca, &holder).await.state, State::Good);
    let status = ask(&ca, &holder.authority(), Digest::Sha256, &[holder.certificate.serial()]).await.statuses.remove(0);
    assert_eq!(status, CertStatus::Good);
    assert_eq!(listed(&ca, &holder).await, None);

    // From suspended straight to revoked.
    ca.decide(&office.approver, "suspend", &holder.id, None, None).await.ok();
    ca.revoke(&office.approver, &holder.id, "affiliationChanged", None).await;
    check_verdict(&ca, &holder, None, "FAILED", "revoked").await;
    assert_eq!(listed(&ca, &holder).await, Some(Some(CrlReason::AffiliationChanged)));
}

/// The reason in the whole CRL, which the shard repeats; `None` when the certificate is not listed.
async fn listed(ca: &Ca, holder: &Holder) -> Option<Option<CrlReason>> {
    let (whole, shard) = (crl(ca, &holder.authority(), None).await, crl(ca, &holder.authority(), Some(shard(holder))).await);
    let find = |der: &[u8]| CertificateList::parse(der).unwrap().find(holder.certificate.serial()).map(|entry| entry.reason);
    assert_eq!(find(&whole), find(&shard));
    find(&whole)
}

async fn an_enrolment_that_is_rejected_or_withdrawn_is_never_issued(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    for (act, state, officer) in [("reject", "rejected", &office.approver), ("withdraw", "withdrawn", &office.registration)] {
        let applicant = ca.enrol(&office, "staff", family).await;
        assert_eq!(ca.decide(officer, act, &applicant.enrolment, None, None).await.ok().json()["state"], state);
        let view = ca.client(&office.approver).get(&format!("/api/v1/enrolments/{}", applicant.enrolment)).await.ok().json();
        assert_eq!(view["state"], state);
        let late = json!({"act": "approve", "about": applicant.enrolment});
        let late = ca.client(&office.approver).post("/api/v1/statements/drafts", &late).await;
        assert_eq!((late.status, late.json()["code"].as_str()), (409, Some("wrong-state")));
    }
    let issued = ca.sql().await.number("select count(*) from certificate where profile = 'staff'").await;
    assert_eq!(issued, 0);
}

// ---- status ----

/// What a responder said, after everything about how it said it was checked.
struct Said {
    statuses: Vec<CertStatus>,
    answer: Answer,
    responder: Certificate,
}

async fn ask(ca: &Ca, authority: &str, digest: Digest, serials: &[&[u8]]) -> Said {
    let nonce = Nonce::generate(&SystemEntropy);
    let request = question(ca, authority, digest, serials, Some(&nonce));
    let answer = post_ocsp(ca, request).await;
    check_ocsp(ca, authority, serials, Some(&nonce), answer)
}

fn question(ca: &Ca, authority: &str, digest: Digest, serials: &[&[u8]], nonce: Option<&Nonce>) -> Vec<u8> {
    let issuer = ca.services().authorities().load(authority).unwrap().certificate().unwrap();
    ocsp::request(digest, &issuer.subject_der(), issuer.public_key().unwrap().octets(), serials, nonce).unwrap()
}

async fn post_ocsp(ca: &Ca, request: Vec<u8>) -> Answer {
    ca.public().send("POST", "/ocsp", &[("content-type", "application/ocsp-request")], request).await.ok()
}

fn check_ocsp(ca: &Ca, authority: &str, serials: &[&[u8]], nonce: Option<&Nonce>, answer: Answer) -> Said {
    assert_eq!(answer.header("content-type"), "application/ocsp-response");
    let response = basic(&answer.body);
    let issuer = ca.services().authorities().load(authority).unwrap().certificate().unwrap();
    let responder = Certificate::parse(response.certificates[0]).unwrap();
    responder.verify_signature(&issuer).unwrap();
    assert_eq!(responder.extended_key_usage().unwrap(), [const_oid::db::rfc5280::ID_KP_OCSP_SIGNING]);
    response.signed.verify(responder.public_key().unwrap()).unwrap();
    assert_eq!(response.data.nonce.as_ref(), nonce);
    let about: Vec<&[u8]> = response.data.responses.iter().map(|single| single.cert_id.serial()).collect();
    assert_eq!(about, serials);
    for single in &response.data.responses {
        assert!(single.this_update <= ca.now() && single.next_update.unwrap() > ca.now());
    }
    let statuses = response.data.responses.iter().map(|single| single.status).collect();
    Said { statuses, responder, answer }
}

fn basic(der: &[u8]) -> Box<BasicResponse<'_>> {
    match OcspResponse::parse(der).unwrap() {
        OcspResponse::Basic(response) => response,
        OcspResponse::Error(status) => panic!("OCSP answers {status:?}"),
    }
}

fn refusal(answer: &Answer) -> OcspStatus {
    match OcspResponse::parse(&answer.body).unwrap() {
        OcspResponse::Error(status) => status,
        OcspResponse::Basic(_) => panic!("OCSP answers"),
    }
}

async fn ocsp_answers_every_form_of_question(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let good = ca.issue(&office, "staff", family).await;
    let revoked = ca.issue(&office, "staff", family).await;
    ca.revoke(&office.approver, &revoked.id, "superseded", None).await;
    let authority = department(family);
    let never: &[u8] = &[0x41; 20];
    let serials = [good.certificate.serial(), revoked.certificate.serial(), never];

    for digest in [Digest::Sha1, Digest::Sha256, Digest::Sm3] {
        let said = ask(&ca, &authority, digest, &serials).await;
        let [CertStatus::Good, CertStatus::Revoked { reason: Some(CrlReason::Superseded), at }, CertStatus::Unknown] = said.statuses[..]
        else {
            panic!("{digest:?}: {:?}", said.statuses)
        };
        assert!(at <= ca.now() && ca.now() - at < Duration::minutes(1));
        assert_eq!(said.answer.header("cache-control"), "no-store");

        // Without a nonce, by GET, which caches may keep.
        let request = question(&ca, &authority, digest, &serials[..1], None);
        let path = STANDARD.encode(request).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let said = check_ocsp(&ca, &authority, &serials[..1], None, ca.public().get(&format!("/ocsp/{path}")).await.ok());
        assert_eq!(said.statuses, [CertStatus::Good]);
        assert_eq!(said.answer.header("cache-control"), "max-age=60, public, no-transform, must-revalidate");
    }

    // The same serial under the citizens' authority was never issued there.
    let other = format!("citizen-{}-g1", family.algorithm().name());
    assert_eq!(ask(&ca, &other, Digest::Sha256, &serials[..1]).await.statuses, [CertStatus::Unknown]);

    let foreign = ocsp::request(Digest::Sha256, &good.certificate.subject_der(), &[4; 65], &serials[..1], None).unwrap();
    assert_eq!(refusal(&post_ocsp(&ca, foreign).await), OcspStatus::Unauthorized);
    for malformed in [&b""[..], b"\x30\x03\x02\x01\x01", &[0x30; 4096]] {
        let answer = post_ocsp(&ca, malformed.to_vec()).await;
        assert_eq!((refusal(&answer), answer.header("cache-control")), (OcspStatus::MalformedRequest, "no-store"));
    }
    assert_eq!(refusal(&ca.public().get("/ocsp/%21%21").await.ok()), OcspStatus::MalformedRequest);
}

async fn crl(ca: &Ca, authority: &str, shard: Option<u16>) -> Vec<u8> {
    let path = shard.map_or(format!("/crl/{authority}.crl"), |shard| format!("/crl/{authority}/{shard}.crl"));
    let answer = ca.public().get(&path).await.ok();
    assert_eq!(answer.header("content-type"), "application/pkix-crl");
    let list = CertificateList::parse(&answer.body).unwrap();
    let issuer = ca.services().authorities().load(authority).unwrap().certificate().unwrap();
    list.signed.verify(issuer.public_key().unwrap()).unwrap();
    assert_eq!((&list.issuer, &list.authority_key_identifier), (&issuer.subject_der(), &issuer.subject_key_identifier()));
    assert!(list.obstacles.is_empty() && list.this_update <= ca.now() && list.next_update.unwrap() > ca.now());
    answer.body
}

const SHARDS: u16 = 2;

fn shard(holder: &Holder) -> u16 {
    holder.certificate.our_serial().unwrap().shard(SHARDS)
}

/// The number of every list of an authority, the whole one first.
async fn numbers(ca: &Ca, authority: &str) -> Vec<u64> {
    let mut numbers = Vec::new();
    for which in [None].into_iter().chain((0..SHARDS).map(Some)) {
        let der = crl(ca, authority, which).await;
        let list = CertificateList::parse(&der).unwrap();
        match which {
            None => assert!(list.scope.is_none(), "the whole list has no scope"),
            Some(shard) => {
                let point = format!("{}/crl/{authority}/{shard}.crl", ca.services().base_url);
                assert_eq!(list.distribution_point(), Some(point.as_str()));
            }
        }
        numbers.push(list.number().unwrap());
    }
    numbers
}

async fn crls_follow_revocations_schedules_and_restarts(family: Family) {
    let mut ca = TestCa::new().with_crl_shards(SHARDS).start().await;
    let office = ca.office(family).await;
    let authority = department(family);
    let holder = ca.issue(&office, "staff", family).await;
    let point = format!("{}/crl/{authority}/{}.crl", ca.services().base_url, shard(&holder));
    assert!(holder.certificate.der().windows(point.len()).any(|window| window == point.as_bytes()), "the certificate names {point}");
    let first = numbers(&ca, &authority).await;

    ca.clock.forward(Duration::hours(3));
    let since = ca.now() - Duration::hours(1);
    ca.revoke(&office.approver, &holder.id, "keyCompromise", Some(&rfc3339(since))).await;
    let second = numbers(&ca, &authority).await;
    let (own, other) = (1 + usize::from(shard(&holder)), 2 - usize::from(shard(&holder)));
    let newest = *first.iter().max().unwrap();
    assert!(second[0] > newest && second[own] > newest && second[other] == first[other], "{first:?} {second:?}");
    for which in [None, Some(shard(&holder))] {
        let der = crl(&ca, &authority, which).await;
        let list = CertificateList::parse(&der).unwrap();
        let entry = list.find(holder.certificate.serial()).unwrap();
        assert_eq!(entry.reason, Some(CrlReason::KeyCompromise));
        assert_eq!(entry.invalidity_date, Some(since.replace_nanosecond(0).unwrap()));
        assert!(ca.now() - entry.revoked_at < Duration::minutes(1));
    }

    // The other shard is older than the newest revocation, so the next round says anew that it lists nothing.
    ca.services().upkeep().await;
    ca.restart().await;
    let third = numbers(&ca, &authority).await;
    assert_eq!((third[0], third[own]), (second[0], second[own]), "a restart publishes nothing that is not due");
    let another = ca.issue(&office, "staff", family).await;
    ca.revoke(&office.approver, &another.id, "unspecified", None).await;
    let fourth = numbers(&ca, &authority).await;
    assert!(fourth[0] > *third.iter().max().unwrap(), "{third:?} {fourth:?}");
    // RFC 5280 §5.3.1: an unspecified reason is left out.
    assert_eq!(listed(&ca, &another).await, Some(None));

    ca.services().upkeep().await;
    assert_eq!(ca.services().upkeep().await.crls_published, 0, "nothing is due");
    let fifth = numbers(&ca, &authority).await;
    ca.clock.forward(Duration::hours(13));
    let lists = ca.services().authorities().all().len() * usize::from(1 + SHARDS);
    assert_eq!(ca.services().upkeep().await.crls_published, lists, "every list is past half of its life");
    let sixth = numbers(&ca, &authority).await;
    let newest = *fifth.iter().max().unwrap();
    assert!(sixth.iter().all(|number| *number > newest), "{fifth:?} {sixth:?}");
    assert_eq!(sixth.iter().collect::<BTreeSet<_>>().len(), sixth.len(), "a number is in one list only");
}

// ---- lists ----

async fn lists_are_filtered_and_paged(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let mut staff = Vec::new();
    for _ in 0..5 {
        staff.push(ca.issue(&office, "staff", family).await);
    }
    let service = ca.issue(&office, "service", family).await;
    ca.revoke(&office.approver, &staff[0].id, "cessationOfOperation", None).await;
    let client = ca.client(&office.administrator);

    let all: Vec<&str> = staff.iter().map(|holder| holder.id.as_str()).collect();
    let department = &office.department;
    let soon = rfc3339(ca.now() + Duration::days(100));
    let cases = [
        ("profile=staff".to_owned(), all.clone()),
        ("profile=staff&status=revoked".to_owned(), all[..1].to_vec()),
        ("profile=staff&status=valid".to_owned(), all[1..].to_vec()),
        (format!("profile=service&department={department}&authority={}", service.authority()), vec![&service.id[..]]),
        (format!("profile=staff&department={department}"), all.clone()),
        (format!("person={}", text(&staff[3].view, "person")), all[3..4].to_vec()),
        (format!("serial={}", hex::encode(staff[2].certificate.serial())), all[2..3].to_vec()),
        (format!("fingerprint={}", hex::encode(staff[4].certificate.fingerprint())), all[4..].to_vec()),
        (format!("subject={}&profile=service", office.domain), vec![&service.id[..]]),
        ("subject=%25&profile=staff".to_owned(), vec![]),
        (format!("profile=service&department={department}&expires_before={soon}"), vec![&service.id[..]]),
        (format!("profile=staff&expires_before={soon}"), vec![]),
        (format!("profile=staff&signer={}", office.approver.id), all.clone()),
        (format!("profile=staff&signer={}", office.registration.id), vec![]),
    ];
    for (query, expected) in &cases {
        let page = client.get(&format!("/api/v1/certificates?{query}")).await.ok().json();
        assert_eq!(ids(&page), *expected, "{query}");
        assert_eq!(page.get("next"), None, "{query}");
    }

    // Two by two, each once, in order.
    for limit in [1, 2, 5, 7] {
        let pages = all_pages(&client, "/api/v1/certificates?profile=staff", limit).await;
        assert!(pages.iter().all(|page| page.len() <= limit));
        assert_eq!(pages.concat(), all, "limit {limit}");
    }
    let enrolments = all_pages(&client, "/api/v1/enrolments?state=issued", 4).await.concat();
    assert!(staff.iter().all(|holder| enrolments.contains(&text(&holder.view, "enrolment"))));
    let officers = all_pages(&client, "/api/v1/officers", 1).await.concat();
    assert!([&office.administrator, &office.registration, &office.approver].iter().all(|person| officers.contains(&person.id)));
    for query in ["limit=0", "limit=1001", "limit=many", "cursor=x", "expires_before=tomorrow", "departement=x"] {
        assert_eq!(client.get(&format!("/api/v1/certificates?{query}")).await.status, 400, "{query}");
    }
}

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| text(item, "id")).collect()
}

async fn all_pages(client: &Agent, path: &str, limit: usize) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    let separator = if path.contains('?') { '&' } else { '?' };
    loop {
        let page = client.get(&format!("{path}{separator}limit={limit}{cursor}")).await.ok().json();
        pages.push(ids(&page));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

// ---- every profile ----

async fn every_profile_is_issued_and_openssl_reads_it(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let mut profiles: Vec<_> = ca.services().policy().profiles().cloned().collect();
    profiles.retain(|profile| profile.algorithms().iter().any(|algorithm| algorithm.name() == family.algorithm().name()));
    assert!(profiles.len() >= 9);
    for profile in &profiles {
        let name = profile.name().as_str();
        let asked_by_people = profile.requesters().contains(&Requester::Role(Role::RegistrationOfficer));
        let (certificate, authority) = if asked_by_people {
            let decides = if profile.approvals().roles.contains(&Role::Approver) { &office.approver } else { &office.administrator };
            let applicant = ca.enrol(&office, name, family).await;
            if profile.approvals().count > 1 {
                ca.decide(&office.administrator, "approve", &applicant.enrolment, None, None).await.ok();
            }
            let holder = ca.approve(decides, applicant).await;
            (holder.certificate.clone(), holder.authority())
        } else {
            // Of the service's own profiles, the responders'.
            let authority = department(family);
            (ask(&ca, &authority, Digest::Sha256, &[&[0x41; 20]]).await.responder, authority)
        };
        check_with_openssl(&ca, family, name, &certificate, &authority);
    }
    // An officer's comes from a claim code as well.
    check_with_openssl(&ca, family, "officer-claimed", office.approver.identity.certificate(), &department(family));
    let listener = ca.services().listener_identity().await.unwrap();
    check_with_openssl(&ca, Family::P256, "listener", &Certificate::parse(&listener.chain[0]).unwrap(), &department(Family::P256));
}

/// Each link of the chain by itself: OpenSSL 3.0 takes the identity under an SM2 signature for the last certificate only.
fn check_with_openssl(ca: &Ca, family: Family, name: &str, certificate: &Certificate, authority: &str) {
    let authority = ca.services().authorities().load(authority).unwrap();
    let mut chain = vec![certificate.clone()];
    chain.extend(ca.services().authorities().chain(&authority).unwrap().iter().map(|one| (**one).clone()));
    let files: Vec<String> = (chain.iter().enumerate())
        .map(|(depth, one)| {
            let path = ca.scratch().join(format!("{name}-{depth}.pem"));
            std::fs::write(&path, one.to_pem()).unwrap();
            path.to_str().unwrap().to_owned()
        })
        .collect();
    let identity: &[&str] = if family == Family::Sm2 { &["-vfyopt", "distid:1234567812345678"] } else { &["-x509_strict"] };
    for link in files.windows(2) {
        let told = openssl(&[&["verify"], identity, &["-partial_chain", "-trusted", &link[1], &link[0]]].concat());
        assert!(told.contains("OK"), "{name}: {told}");
    }
    let told = openssl(&["x509", "-in", &files[0], "-noout", "-text"]);
    for part in ["Key Usage: critical", "Authority Key Identifier", "Subject Key Identifier", "CRL Distribution Points", "OCSP - URI:"] {
        assert!(told.contains(part), "{name} has no {part}:\n{told}");
    }
    assert!(!told.contains("CA:TRUE") && !told.contains("Unable to load Public Key"), "{name}:\n{told}");
}

fn openssl(arguments: &[&str]) -> String {
    let output = std::process::Command::new("openssl").args(arguments).output().expect("the tests need openssl");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "openssl {}: {said}", arguments.join(" "));
    said
}

// ---- the service's own certificates, and claims ----

async fn responders_and_the_listener_are_renewed_in_time(family: Family) {
    let ca = TestCa::new().start().await;
    let authority = department(family);
    let serial: &[&[u8]] = &[&[0x41; 20]];
    let first = ask(&ca, &authority, Digest::Sha256, serial).await.responder;
    let listener = ca.services().listener_identity().await.unwrap().chain.remove(0);
    assert!(!ca.services().upkeep().await.listener_is_new);
    assert_eq!(ask(&ca, &authority, Digest::Sha256, serial).await.responder.id(), first.id(), "nothing is due yet");

    // A responder lives 30 days and is renewed in its last ten; a listener 90 and 30.
    ca.clock.forward(Duration::days(21));
    assert!(!ca.services().upkeep().await.listener_is_new);
    let second = ask(&ca, &authority, Digest::Sha256, serial).await.responder;
    assert!(second.not_after() > first.not_after() && second.public_key() != first.public_key());
    assert_eq!(ca.services().listener_identity().await.unwrap().chain[0], listener);

    ca.clock.forward(Duration::days(40));
    assert!(ca.services().upkeep().await.listener_is_new);
    let renewed = ca.services().listener_identity().await.unwrap();
    let (old, new) = (Certificate::parse(&listener).unwrap(), Certificate::parse(&renewed.chain[0]).unwrap());
    assert!(new.not_after() > old.not_after() && new.public_key() != old.public_key());
    assert!(ask(&ca, &authority, Digest::Sha256, serial).await.responder.not_after() > second.not_after());
    assert!(!ca.services().upkeep().await.listener_is_new, "once is enough");
}

async fn a_claim_code_works_once_and_for_a_week(family: Family) {
    let ca = TestCa::new().start().await;
    let (code, late) = (ca.first_code("administrator"), ca.first_code("auditor"));
    let claim = async |code: &str| {
        let body = json!({"code": code, "csr": crate::world::new_csr(family)});
        ca.anonymous().post("/api/v1/claims", &body).await
    };
    assert_eq!(claim(&code).await.status, 201);
    ca.clock.forward(Duration::days(8));
    for used in [&code, &late] {
        let answer = claim(used).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("claim-refused")));
    }
    let officers = ca.sql().await.number("select count(*) from certificate where profile = 'officer'").await;
    assert_eq!(officers, 1);
}

// ---- the ledger ----

async fn approvals_at_one_time_share_commits(family: Family) {
    const APPROVALS: usize = 32;
    let mut ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let mut applicants = Vec::new();
    for _ in 0..APPROVALS {
        applicants.push(ca.enrol(&office, "staff", family).await);
    }
    let mut statements = Vec::new();
    for applicant in &applicants {
        let payload = ca.draft(&office.approver, "approve", &applicant.enrolment, None, None).await;
        statements.push(office.approver.sign(&payload));
    }
    let log = department(family);
    let before = ca.log_sizes()[&log];

    // Somebody else holds the database until all of them wait for the journal.
    let lock = ca.lock().await;
    let release = async {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        lock.release().await;
    };
    let approve = |(applicant, statement): (&crate::world::Applicant, &String)| {
        let (about, statement) = (applicant.enrolment.clone(), statement.clone());
        let (ca, approver) = (&ca, &office.approver);
        async move { ca.hand_in(approver, "approve", &about, &statement).await.ok().json() }
    };
    let (answers, ()) = tokio::join!(join_all(applicants.iter().zip(&statements).map(approve)), release);
    let ids: BTreeSet<String> = answers.iter().map(|answer| text(&answer["certificates"][0], "id")).collect();
    assert_eq!(ids.len(), APPROVALS);

    // Each batch ends with a map head; alone they would have made as many as there are approvals.
    let grown = (ca.log_sizes()[&log] - before) as usize;
    assert!((APPROVALS..APPROVALS + 8).contains(&(grown - 1)), "{grown} leaves for {APPROVALS} certificates");
    let (entries, map) = read_log(&ca, &log).await;
    assert!(entries.iter().filter(|entry| entry.event_type == EventType::ISSUE).count() >= APPROVALS);
    assert!(map.counts().good >= APPROVALS as u64);
    // A start rebuilds tree and map from the leaves and refuses what does not fit.
    ca.restart().await;
    for id in ids {
        let view = ca.client(&office.approver).get(&format!("/api/v1/certificates/{id}")).await.ok().json();
        assert_eq!(view["status"], "valid");
    }
}

/// Every entry of a log and the map they make, from what is served over HTTP, against the signed checkpoint.
async fn read_log(ca: &Ca, name: &str) -> (Vec<Entry>, StatusMap) {
    let trusted = checkpoint(ca, name).await;
    let (mut tree, mut entries) = (Tree::new(), Vec::new());
    let mut map = StatusMap::new(hufu::ledger::Depth::DEFAULT);
    while tree.size() < trusted.size {
        let n = tree.size() / 256;
        let width = (trusted.size - n * 256).min(256);
        let part = if width < 256 { format!(".p/{width}") } else { String::new() };
        let bundle = ca.public().get(&format!("/ledger/{name}/tile/entries/{n:03}{part}")).await.ok().body;
        for octets in decode_bundle(&bundle).unwrap() {
            let entry = Entry::decode(octets).unwrap();
            if entry.event_type == EventType::MAP_HEAD {
                assert_eq!(map.check_map_head(&entry.to_map_head().unwrap()), Ok(()));
            }
            map.apply(&entry, tree.size()).unwrap();
            tree.append(merkle::leaf_hash(octets));
            entries.push(entry);
        }
    }
    assert_eq!(tree.root(), trusted.root, "{name}: the entries make the root");
    assert_eq!(entries.last().unwrap().event_type, EventType::MAP_HEAD, "a checkpoint ends with the head of the map");
    (entries, map)
}

async fn checkpoint(ca: &Ca, name: &str) -> hufu::ledger::Checkpoint {
    let note = ca.public().get(&format!("/ledger/{name}/checkpoint")).await.ok().text();
    let log: TrustedLog = ca.log(name);
    assert_eq!(log.keys.len(), 2, "Ed25519 and SM2");
    log.verify(&Note::parse(&note).unwrap()).unwrap().checkpoint
}

async fn a_restart_loses_nothing_and_the_checkpoint_grows(family: Family) {
    let mut ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let (kept, revoked) = (ca.issue(&office, "staff", family).await, ca.issue(&office, "staff", family).await);
    ca.revoke(&office.approver, &revoked.id, "superseded", None).await;
    ca.services().upkeep().await;
    let log = department(family);
    let old = checkpoint(&ca, &log).await;
    let old_receipt = receipt(&ca, &kept).await;

    ca.stop().await;
    let rows = ca.sql().await.snapshot().await;
    ca.start_again().await;
    // A start takes the logs over by raising the fence in their heads; nothing is issued or published twice.
    let changes = rows.changes_to(&ca.sql().await.snapshot().await);
    let expected = |row: &String| row.starts_with("ledger_checkpoint") || row.starts_with("ledger_head");
    assert!(changes.iter().all(expected), "{changes:#?}");
    assert_eq!(checkpoint(&ca, &log).await, old);
    check_verdict(&ca, &kept, None, "PASSED", "valid").await;
    check_verdict(&ca, &revoked, None, "FAILED", "revoked").await;
    proof::verify_issue_receipt(&old_receipt, &kept.certificate.id().0, &ca.log(&log)).unwrap();

    ca.issue(&office, "staff", family).await;
    let new = checkpoint(&ca, &log).await;
    assert!(new.size > old.size && new.origin == old.origin);
    let mut tiles: HashMap<TileId, Vec<u8>> = HashMap::new();
    for id in consistency_tiles(old.size, new.size).unwrap() {
        tiles.insert(id, fetch_tile(&ca, &log, id, new.size).await);
    }
    let path = consistency_proof(old.size, new.size, &|id| tiles.get(&id)).unwrap();
    assert_eq!(merkle::verify_consistency(old.size, new.size, &old.root, &new.root, &path), Ok(()));
    assert_ne!(merkle::verify_consistency(old.size, new.size, &[0; 32], &new.root, &path), Ok(()));
    for name in ca.log_sizes().keys() {
        read_log(&ca, name).await;
    }
}

async fn fetch_tile(ca: &Ca, log: &str, id: TileId, size: u64) -> Vec<u8> {
    let width = ((size >> (8 * u32::from(id.level))) - id.n * 256).min(256) as usize;
    let answer = ca.public().get(&format!("/ledger/{log}/{}", id.path(width))).await.ok();
    assert_eq!(answer.body.len(), width * 32);
    answer.body
}

/// The crate `tlog_tiles`, which others wrote after the same texts, reads checkpoint, tiles and bundles, and proves with them.
async fn the_ledger_is_what_other_programs_read(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    ca.issue(&office, "staff", family).await;
    let name = department(family);
    let note = ca.public().get(&format!("/ledger/{name}/checkpoint")).await.ok().text();
    let (body, _) = note.split_once("\n\n").unwrap();
    let old = tlog_tiles::Checkpoint::from_bytes(format!("{body}\n").as_bytes()).unwrap();
    ca.issue(&office, "staff", family).await;
    let note = ca.public().get(&format!("/ledger/{name}/checkpoint")).await.ok().text();
    let (body, _) = note.split_once("\n\n").unwrap();
    let new = tlog_tiles::Checkpoint::from_bytes(format!("{body}\n").as_bytes()).unwrap();
    assert_eq!(new.origin(), ca.services().origin(&name).unwrap());

    let tiles = Tiles::fetch(&ca, &name, new.size()).await;
    let reader = tlog_tiles::TileHashReader::new(new.size(), *new.hash(), &tiles);
    assert_eq!(tlog_tiles::tree_hash(new.size(), &reader).unwrap(), *new.hash());
    let proof = tlog_tiles::prove_tree(new.size(), old.size(), &reader).unwrap();
    tlog_tiles::check_tree(&proof, new.size(), *new.hash(), old.size(), *old.hash()).unwrap();
    for (index, entry) in tiles.entries.iter().enumerate() {
        let (index, hash) = (index as u64, tlog_tiles::record_hash(entry));
        let proof = tlog_tiles::prove_record(new.size(), index, &reader).unwrap();
        tlog_tiles::check_record(&proof, new.size(), *new.hash(), index, hash).unwrap();
    }
}

/// What was fetched over HTTP, at the paths that `tlog_tiles` asks for.
struct Tiles {
    by_path: HashMap<String, Vec<u8>>,
    entries: Vec<Vec<u8>>,
}

impl Tiles {
    async fn fetch(ca: &Ca, log: &str, size: u64) -> Self {
        let mut by_path = HashMap::new();
        for tile in tlog_tiles::Tile::new_tiles(8, 0, size) {
            // tlog_tiles writes the height of the tiles (Go's tlog), which C2SP tlog-tiles leaves out because it is always 8.
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            let body = ca.public().get(&format!("/ledger/{log}/{path}")).await.ok().body;
            by_path.insert(tile.path(), body);
        }
        let mut entries = Vec::new();
        while (entries.len() as u64) < size {
            let n = entries.len() / 256;
            let width = (size as usize - n * 256).min(256);
            let part = if width < 256 { format!(".p/{width}") } else { String::new() };
            let bundle = ca.public().get(&format!("/ledger/{log}/tile/entries/{n:03}{part}")).await.ok().body;
            entries.extend(decode_bundle(&bundle).unwrap().into_iter().map(<[u8]>::to_vec));
        }
        Self { by_path, entries }
    }
}

impl tlog_tiles::TileReader for Tiles {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        Ok(tiles.iter().map(|tile| self.by_path[&tile.path()].clone()).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

// ---- another time ----

/// RFC 5280 §4.1.2.5: dates through 2049 are UTCTime, later ones GeneralizedTime, in certificates and in CRLs.
async fn dates_from_2050_on_are_generalized_times(family: Family) {
    let ca = TestCa::new().at("2049-11-30T12:00:00Z").start().await;
    let office: Office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    let (utc, generalized) = (b"\x17\x0d491130", b"\x18\x0f20501130");
    for wanted in [&utc[..], &generalized[..]] {
        assert!(holder.certificate.der().windows(wanted.len()).any(|window| window == wanted), "{}", hex::encode(wanted));
    }
    ca.clock.forward(Duration::days(40));
    ca.services().upkeep().await;
    let approver: &Person = &office.approver;
    ca.revoke(approver, &holder.id, "keyCompromise", None).await;
    let der = crl(&ca, &holder.authority(), None).await;
    assert!(der.windows(10).any(|window| window == b"\x18\x0f20500109"), "thisUpdate is in 2050");
    assert_eq!(listed(&ca, &holder).await, Some(Some(CrlReason::KeyCompromise)));
    let status = ask(&ca, &holder.authority(), Digest::Sm3, &[holder.certificate.serial()]).await.statuses.remove(0);
    assert!(matches!(status, CertStatus::Revoked { .. }));
}
