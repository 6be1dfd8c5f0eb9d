//! The time-stamping authority from outside: tokens that other programs verify, refusals in RFC 3161's own words, a leaf for each
//! token, and a clock that does not go back.

use std::{path::Path, process::Command};

use der::asn1::ObjectIdentifier;
use hufu::{
    cli::Family,
    crypto::{Digest, digest::sha256},
    ledger::{Entry, EventType, Hash},
    validation::signature::time_stamp::Token,
    world::{SystemEntropy, random},
    x509::{
        Certificate,
        cms::{Layout, SignedData},
        tsp::{Accuracy, Failure, MessageImprint, Number, TimeStampRequest, TimeStampResponse, TstInfo},
    },
};
use serde_json::json;
use time::Duration;

use crate::world::{Answer, Ca, Sql, TestCa, in_both_families};

in_both_families! {
    a_token_says_what_was_asked_and_is_verified,
    the_policy_chooses_the_family_where_it_is_asked_for,
    what_is_not_stamped_is_refused_in_the_protocols_own_words,
    tokens_share_commits_and_each_is_in_the_ledger,
    time_does_not_go_back,
    a_second_has_room_for_so_many,
    a_revoked_stamper_stamps_no_more_and_another_takes_its_place,
}

const DOCUMENT: &[u8] = b"what must have existed";

/// What a careful client asks.
fn asked(digest: Digest) -> TimeStampRequest {
    let nonce = random::<8>(&SystemEntropy);
    TimeStampRequest {
        imprint: MessageImprint::of(digest, DOCUMENT),
        policy: None,
        nonce: Some(Number::positive(&nonce)),
        wants_certificate: true,
        extensions: Vec::new(),
    }
}

fn own_digest(family: Family) -> Digest {
    family.algorithm().digest()
}

async fn post(ca: &Ca, request: &[u8]) -> Answer {
    let query = [("content-type", "application/timestamp-query")];
    let answer = ca.public().send("POST", "/tsa", &query, request.to_vec()).await.ok();
    assert_eq!(answer.header("content-type"), "application/timestamp-reply");
    assert_eq!(answer.header("cache-control"), "no-store");
    answer
}

async fn granted(ca: &Ca, request: &TimeStampRequest) -> Vec<u8> {
    let answer = post(ca, &request.to_der().unwrap()).await;
    match TimeStampResponse::parse(&answer.body).unwrap() {
        TimeStampResponse::Granted(token) => token.to_vec(),
        TimeStampResponse::Rejected(rejection) => panic!("{rejection}"),
    }
}

async fn refused(ca: &Ca, request: &[u8]) -> Failure {
    let answer = post(ca, request).await;
    match TimeStampResponse::parse(&answer.body).unwrap() {
        TimeStampResponse::Granted(_) => panic!("granted"),
        TimeStampResponse::Rejected(rejection) => {
            assert!(!rejection.text.is_empty());
            rejection.failure.unwrap()
        }
    }
}

fn info(token: &[u8]) -> TstInfo {
    Token::parse(token).unwrap().info().clone()
}

fn log_of(family: Family) -> String {
    format!("department-{}-g1", family.algorithm().name())
}

async fn a_token_says_what_was_asked_and_is_verified(family: Family) {
    let ca = TestCa::new().start().await;
    let digests: &[Digest] = if family == Family::Sm2 { &[Digest::Sm3] } else { &[Digest::Sha256, Digest::Sha384, Digest::Sha512] };
    let mut serials = Vec::new();
    for digest in digests {
        let (before, request) = (ca.now(), asked(*digest));
        let token = granted(&ca, &request).await;
        let said = info(&token);
        assert_eq!((&said.imprint, &said.nonce, said.ordering), (&request.imprint, &request.nonce, false));
        assert_eq!(said.accuracy, Some(Accuracy(Duration::seconds(1))));
        assert!(before - Duration::SECOND <= said.time && said.time <= ca.now());
        assert!((1..=20).contains(&said.serial.as_bytes().len()) && !serials.contains(&said.serial));
        serials.push(said.serial);

        let layout = Layout::of(&token).unwrap();
        let signed = SignedData::parse(&layout).unwrap();
        assert_eq!(signed.certificates.len(), 2, "its own and its authority's");
        let report = verify(&ca, &token, DOCUMENT).await;
        assert_eq!((&report["verdict"], &report["reason"]), (&json!("PASSED"), &json!("time-stamp-valid")), "{report:#}");
        let report = verify(&ca, &token, b"another").await;
        assert_eq!((&report["verdict"], &report["reason"]), (&json!("FAILED"), &json!("time-stamp-of-other-content")), "{report:#}");
    }
    let bare = granted(&ca, &TimeStampRequest { wants_certificate: false, nonce: None, ..asked(digests[0]) }).await;
    let layout = Layout::of(&bare).unwrap();
    assert!(SignedData::parse(&layout).unwrap().certificates.is_empty() && info(&bare).nonce.is_none());
    if family == Family::P256 {
        check_openssl(&ca);
    }
    ca.audit_finds_nothing().await;
}

async fn verify(ca: &Ca, token: &[u8], content: &[u8]) -> serde_json::Value {
    use base64::prelude::*;
    let body = json!({"format": "time-stamp", "signature": BASE64_STANDARD.encode(token), "content": BASE64_STANDARD.encode(content)});
    ca.anonymous().post("/api/v1/verify/signature", &body).await.ok().json()
}

/// As the documents have it: openssl asks, curl carries, openssl judges.
fn check_openssl(ca: &Ca) {
    let directory = ca.scratch();
    std::fs::write(directory.join("document"), DOCUMENT).unwrap();
    std::fs::write(directory.join("other"), b"another").unwrap();
    let root = ca.data().join("trust/root-p256-g1.pem").display().to_string();
    let url = format!("http://{}/tsa", ca.running().http);
    for hash in ["-sha256", "-sha384", "-sha512"] {
        run(directory, &format!("openssl ts -query -data document {hash} -cert -out request.tsq"));
        let carry = "curl --silent --show-error --fail --noproxy * -H content-type:application/timestamp-query --data-binary @request.tsq";
        run(directory, &format!("{carry} -o reply.tsr {url}"));
        let verify = format!("openssl ts -verify -in reply.tsr -CAfile {root}");
        for what in ["-queryfile request.tsq", "-data document"] {
            assert!(run(directory, &format!("{verify} {what}")).contains("Verification: OK"));
        }
        let other = command(directory, &format!("{verify} -data other"));
        assert!(!other.status.success());
    }
}

fn run(directory: &Path, line: &str) -> String {
    let output = command(directory, line);
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}: {told}");
    told
}

fn command(directory: &Path, line: &str) -> std::process::Output {
    let mut words = line.split(' ');
    Command::new(words.next().unwrap()).args(words).current_dir(directory).output().expect("the tests need openssl and curl")
}

async fn the_policy_chooses_the_family_where_it_is_asked_for(family: Family) {
    let ca = TestCa::new().start().await;
    let own = info(&granted(&ca, &asked(own_digest(family))).await).policy;
    let other = match family {
        Family::P256 => Digest::Sm3,
        Family::Sm2 => Digest::Sha256,
    };
    let token = granted(&ca, &TimeStampRequest { policy: Some(own), ..asked(other) }).await;
    let layout = Layout::of(&token).unwrap();
    let signer = &SignedData::parse(&layout).unwrap().signers[0];
    assert_eq!((info(&token).policy, signer.digest()), (own, own_digest(family).oid()));
    assert_eq!(verify(&ca, &token, DOCUMENT).await["verdict"], "PASSED");
    assert_ne!(info(&granted(&ca, &asked(other)).await).policy, own, "each family has its own");
}

async fn what_is_not_stamped_is_refused_in_the_protocols_own_words(family: Family) {
    let ca = TestCa::new().start().await;
    let before = ca.log_sizes();
    let request = || asked(own_digest(family));
    let unknown: ObjectIdentifier = "1.2.3.4".parse().unwrap();
    let of = |algorithm, hash: &[u8]| TimeStampRequest { imprint: MessageImprint { algorithm, hash: hash.to_vec() }, ..request() };
    let own = own_digest(family).oid();
    let mut version = request().to_der().unwrap();
    version[4] = 2;
    let cases = [
        ("a hash that nobody trusts", of(Digest::Sha1.oid(), &[7; 20]).to_der().unwrap(), Failure::BadAlgorithm),
        ("a hash that nobody knows", of(unknown, &[7; 32]).to_der().unwrap(), Failure::BadAlgorithm),
        ("a hash too short", of(own, &[7; 31]).to_der().unwrap(), Failure::BadDataFormat),
        ("a hash too long", of(own, &[7; 33]).to_der().unwrap(), Failure::BadDataFormat),
        ("another policy", TimeStampRequest { policy: Some(unknown), ..request() }.to_der().unwrap(), Failure::UnacceptedPolicy),
        ("an extension", with_extension(&request().to_der().unwrap()), Failure::UnacceptedExtension),
        ("another version", version, Failure::BadDataFormat),
        ("nothing", Vec::new(), Failure::BadDataFormat),
        ("no DER", b"stamp this".to_vec(), Failure::BadDataFormat),
        ("more behind it", [request().to_der().unwrap(), vec![0]].concat(), Failure::BadDataFormat),
        ("too much", vec![0x30; 9000], Failure::BadDataFormat),
    ];
    for (name, der, expected) in cases {
        assert_eq!(refused(&ca, &der).await, expected, "{name}");
    }
    assert_eq!(ca.log_sizes(), before, "a refusal leaves nothing in the ledger");

    let public = ca.public();
    let got = public.get("/tsa").await;
    assert_eq!((got.status, got.json()["code"].as_str(), got.header("allow")), (405, Some("method-not-allowed"), "POST"));
    let text = public.send("POST", "/tsa", &[("content-type", "text/plain")], request().to_der().unwrap()).await;
    assert_eq!((text.status, text.json()["code"].as_str()), (415, Some("unsupported-media-type")));
    let huge = public.send("POST", "/tsa", &[], vec![0x30; ca.config.limits.body + 1]).await;
    assert_eq!((huge.status, huge.json()["code"].as_str()), (413, Some("body-too-large")));
}

/// The request with one extension, which is not critical (`[0] IMPLICIT Extensions` at its end).
fn with_extension(der: &[u8]) -> Vec<u8> {
    let extension = hex::decode("a00b3009060329010404020500").unwrap();
    let mut longer = [der, &extension].concat();
    longer[1] += u8::try_from(extension.len()).unwrap();
    longer
}

async fn tokens_share_commits_and_each_is_in_the_ledger(family: Family) {
    let ca = TestCa::new().start().await;
    let log = log_of(family);
    let before = entries(&ca, &log).await;
    let tokens = futures_util::future::join_all((0..200).map(|_| {
        let (ca, request) = (&ca, asked(own_digest(family)));
        async move { granted(ca, &request).await }
    }));
    let tokens = tokens.await;
    let after = entries(&ca, &log).await;
    let origin = ca.services().origin(&log).unwrap();
    let new = &after[before.len()..];
    let stamped: Vec<Hash> = new.iter().filter_map(|entry| entry.token(&origin).ok()).collect();
    let commits = new.iter().filter(|entry| entry.event_type == EventType::MAP_HEAD).count();
    assert_eq!((stamped.len(), stamped.len() + commits), (200, new.len()));
    assert!(tokens.iter().all(|token| stamped.contains(&sha256(token))));
    assert!(commits <= 100, "{commits} commits for 200 tokens");
    let times: Vec<u64> = new.iter().map(|entry| entry.time).collect();
    assert!(times.is_sorted());
    ca.audit_finds_nothing().await;

    // What the ledger has is what was given out: nothing more after a restart.
    let mut ca = ca;
    ca.restart().await;
    assert_eq!(entries(&ca, &log).await.len(), after.len());
    granted(&ca, &asked(own_digest(family))).await;
}

/// Every leaf of a log.
async fn entries(ca: &Ca, log: &str) -> Vec<Entry> {
    let column = match ca.sql().await {
        Sql::Lite(_) => "hex(entry)",
        Sql::Pg(_) => "encode(entry, 'hex')",
    };
    let rows = ca.sql().await.texts(&format!("select {column} from ledger_leaf where log = '{log}' order by idx")).await;
    rows.iter().map(|row| Entry::decode(&hex::decode(row).unwrap()).unwrap()).collect()
}

async fn time_does_not_go_back(family: Family) {
    let mut ca = TestCa::new().start().await;
    let request = asked(own_digest(family));
    let first = info(&granted(&ca, &request).await).time;
    ca.clock.forward(Duration::minutes(-1));
    assert_eq!(refused(&ca, &request.to_der().unwrap()).await, Failure::TimeNotAvailable);
    // The ledger remembers what this run has forgotten.
    ca.restart().await;
    assert_eq!(refused(&ca, &request.to_der().unwrap()).await, Failure::TimeNotAvailable);
    ca.clock.forward(Duration::minutes(1));
    let second = info(&granted(&ca, &request).await).time;
    assert!(first < second);
    ca.clock.forward(Duration::hours(1));
    assert!(second + Duration::hours(1) <= info(&granted(&ca, &request).await).time);
}

async fn a_second_has_room_for_so_many(family: Family) {
    let ca = TestCa::new().with(|config| config.limits.time_stamps = 3).start().await;
    let request = asked(own_digest(family)).to_der().unwrap();
    let answers = futures_util::future::join_all((0..30).map(|_| post(&ca, &request))).await;
    let failures: Vec<Failure> = (answers.iter())
        .filter_map(|answer| match TimeStampResponse::parse(&answer.body).unwrap() {
            TimeStampResponse::Granted(_) => None,
            TimeStampResponse::Rejected(rejection) => rejection.failure,
        })
        .collect();
    // They may have come in two seconds, or in three.
    assert!((21..=27).contains(&failures.len()), "{} were refused", failures.len());
    assert!(failures.iter().all(|failure| *failure == Failure::SystemFailure));
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    granted(&ca, &asked(own_digest(family))).await;
}

async fn a_revoked_stamper_stamps_no_more_and_another_takes_its_place(family: Family) {
    let ca = TestCa::new().start().await;
    let administrator = ca.administrator(family).await;
    let request = asked(own_digest(family));
    let token = granted(&ca, &request).await;
    let stamper = |token: &[u8]| {
        let layout = Layout::of(token).unwrap();
        let signed = SignedData::parse(&layout).unwrap();
        let mut certificates = signed.certificates.iter().map(|der| Certificate::parse(der).unwrap());
        certificates.find(|certificate| signed.signers[0].identifier.names(certificate)).unwrap().id()
    };
    let first = stamper(&token);
    // Judged by whole seconds: revoked in a later one.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    ca.revoke(&administrator, &first.to_string(), "keyCompromise", None).await;
    assert_eq!(refused(&ca, &request.to_der().unwrap()).await, Failure::SystemFailure);
    let report = verify(&ca, &token, DOCUMENT).await;
    assert_eq!((&report["verdict"], &report["reason"]), (&json!("FAILED"), &json!("revoked")), "whoever has the key makes any time");

    ca.services().upkeep().await;
    let token = granted(&ca, &request).await;
    assert_ne!(stamper(&token), first);
    assert_eq!(verify(&ca, &token, DOCUMENT).await["verdict"], "PASSED");
    ca.audit_finds_nothing().await;
}
