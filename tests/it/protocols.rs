//! The outside of the service: TLS in its versions and families, content types and caches, addresses that are not there,
//! and a stop that finishes what it began.

use std::{io::Write, process::Command, time::Duration};

use hufu::{cli::Family, crypto::tls};
use rustls::{SupportedProtocolVersion, pki_types::CertificateDer};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::world::{Agent, Answer, Ca, Person, TLS_VERSIONS, TestCa, in_both_families, new_csr};

in_both_families! {
    tls_works_in_both_versions_with_a_certificate_and_without,
    a_client_certificate_of_a_stranger_is_refused,
    what_is_published_has_its_type_and_its_life,
    addresses_and_methods_that_are_not_there_are_problems,
    a_stop_finishes_what_is_in_flight,
    a_client_that_says_nothing_is_cut_off,
    connections_above_the_limit_wait_for_their_turn,
}

static TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
const DEPARTMENTS: &str = "/api/v1/departments";
const AUTHORITIES: &str = "/api/v1/authorities";

async fn tls_works_in_both_versions_with_a_certificate_and_without(family: Family) {
    let ca = TestCa::new().start().await;
    let administrator = ca.administrator(family).await;
    for versions in [TLS13, TLS12, TLS_VERSIONS] {
        let anonymous = ca.over_tls(None, versions);
        anonymous.get(AUTHORITIES).await.ok();
        assert_eq!(anonymous.get(DEPARTMENTS).await.status, 401);

        let known = ca.over_tls(Some(administrator.certified_key()), versions);
        // TLS 1.2 has no way to sign with SM2 (RFC 8998 is of TLS 1.3), so there the client shows nothing.
        let expected = if family == Family::Sm2 && std::ptr::eq(versions, TLS12) { 401 } else { 200 };
        assert_eq!(known.get(DEPARTMENTS).await.status, expected, "{versions:?}");
    }
    // The same for programs that are not ours.
    check_openssl(&ca, "-tls1_3", None);
    check_openssl(&ca, "-tls1_2", None);
    assert!(!s_client(&ca, "-tls1_1", None).contains("HTTP/1.1 200"));
    if family == Family::P256 {
        check_openssl(&ca, "-tls1_3", Some(&administrator));
        check_openssl(&ca, "-tls1_2", Some(&administrator));
        check_curl(&ca, &administrator);
    }
}

/// A public address, or with a certificate one that asks for it.
fn check_openssl(ca: &Ca, version: &str, shown: Option<&Person>) {
    let told = s_client(ca, version, shown);
    assert!(told.contains("HTTP/1.1 200") && told.contains("Verify return code: 0 (ok)"), "{version}: {told}");
}

fn s_client(ca: &Ca, version: &str, shown: Option<&Person>) -> String {
    let address = format!("127.0.0.1:{}", ca.running().https.port());
    let root = ca.data().join("trust/root-p256-g1.pem");
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address, "-verify_ip", "127.0.0.1", version, "-ign_eof", "-CAfile"]).arg(root);
    let path = match shown {
        Some(person) => {
            let certificates = person.files.with_extension("crt");
            command.arg("-cert").arg(&certificates).arg("-cert_chain").arg(&certificates);
            command.arg("-key").arg(person.files.with_extension("key"));
            DEPARTMENTS
        }
        None => AUTHORITIES,
    };
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("the tests need openssl");
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    // A handshake that failed has closed the pipe already.
    let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
    let output = child.wait_with_output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn check_curl(ca: &Ca, person: &Person) {
    let url = format!("https://127.0.0.1:{}{DEPARTMENTS}", ca.running().https.port());
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert"]).arg(ca.data().join("trust/root-p256-g1.pem"));
    command.arg("--cert").arg(person.files.with_extension("crt")).arg("--key").arg(person.files.with_extension("key"));
    let output = command.arg(url).output().expect("the tests need curl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("items"));
}

/// Names do not help: a chain must end in our roots, and the handshake says so.
async fn a_client_certificate_of_a_stranger_is_refused(family: Family) {
    let ca = TestCa::new().start().await;
    let administrator = ca.administrator(family).await;
    // A stranger's authority with the name of ours, and a certificate with the name of our administrator.
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "Hufu Trial Department CA P256 G1");
    let root = authority.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);
    let leaf_key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = rcgen::CertificateParams::new(Vec::new()).unwrap();
    leaf.distinguished_name.push(rcgen::DnType::CommonName, "administrator");
    leaf.extended_key_usages.push(rcgen::ExtendedKeyUsagePurpose::ClientAuth);
    let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
    let chain = [leaf.der(), root.der()].map(|der| CertificateDer::from(der.to_vec())).to_vec();
    let foreign = tls::certified_key(chain, leaf_key.serialized_der()).unwrap();
    for versions in [TLS13, TLS12] {
        let refused = ca.over_tls(Some(foreign.clone()), versions).try_send("GET", AUTHORITIES, &[], Vec::new()).await;
        assert!(refused.is_err(), "{versions:?}");
    }

    // Our own certificate, without its key.
    let mut stolen = administrator.certified_key();
    stolen.key = foreign.key;
    let refused = ca.over_tls(Some(stolen), TLS13).try_send("GET", DEPARTMENTS, &[], Vec::new()).await;
    assert!(refused.is_err());
    ca.client(&administrator).get(DEPARTMENTS).await.ok();
}

async fn what_is_published_has_its_type_and_its_life(family: Family) {
    let ca = TestCa::new().start().await;
    let name = format!("department-{}-g1", family.algorithm().name());
    let public = ca.public();
    let cases = [
        (format!("/ca/{name}.cer"), "application/pkix-cert", "max-age=3600"),
        ("/ca/".to_owned(), "application/pkcs7-mime", "max-age=3600"),
        (format!("/crl/{name}.crl"), "application/pkix-crl", "max-age=60"),
        (format!("/crl/{name}/1.crl"), "application/pkix-crl", "max-age=60"),
        (format!("/ledger/{name}/checkpoint"), "text/plain; charset=utf-8", "max-age=1"),
        (format!("/ledger/{name}/tile/0/000.p/1"), "application/octet-stream", "max-age=31536000, immutable"),
        (format!("/ledger/{name}/tile/entries/000.p/1"), "application/octet-stream", "max-age=31536000, immutable"),
    ];
    for (path, kind, cache) in &cases {
        let answer = public.get(path).await.ok();
        assert_eq!((answer.header("content-type"), answer.header("cache-control")), (*kind, *cache), "{path}");
        assert_eq!(answer.header("x-request-id").len(), 16, "{path}");
        assert!(!answer.body.is_empty());
        let head = public.send("HEAD", path, &[], Vec::new()).await.ok();
        assert!(head.body.is_empty() && head.header("content-type") == *kind, "HEAD {path}");
    }
    let authority = ca.services().authorities().load(&name).unwrap().certificate().unwrap();
    assert_eq!(public.get(&format!("/ca/{name}.cer")).await.body, authority.der());
    for (path, agent) in [("/healthz", &public), ("/readyz", &public), ("/healthz", &ca.anonymous()), ("/readyz", &ca.anonymous())] {
        agent.get(path).await.ok();
    }
}

async fn addresses_and_methods_that_are_not_there_are_problems(family: Family) {
    let ca = TestCa::new().start().await;
    let (api, public) = (ca.anonymous(), ca.public());
    let name = format!("department-{}-g1", family.algorithm().name());
    let cases: [(&Agent, &str, String, u16, &str); 12] = [
        (&api, "GET", "/".to_owned(), 404, "not-found"),
        (&api, "GET", "/api/v2/certificates".to_owned(), 404, "not-found"),
        (&api, "GET", format!("/crl/{name}.crl"), 404, "not-found"),
        (&api, "GET", "/api/v1/certificates/../../../etc/passwd".to_owned(), 404, "not-found"),
        (&api, "PUT", DEPARTMENTS.to_owned(), 405, "method-not-allowed"),
        (&api, "DELETE", "/api/v1/certificates".to_owned(), 405, "method-not-allowed"),
        (&public, "GET", "/api/v1/authorities".to_owned(), 404, "not-found"),
        (&public, "GET", format!("/ca/{name}.pem"), 404, "not-found"),
        (&public, "GET", format!("/crl/{name}"), 404, "not-found"),
        (&public, "GET", format!("/crl/{name}/first.crl"), 404, "not-found"),
        (&public, "POST", format!("/ledger/{name}/checkpoint"), 405, "method-not-allowed"),
        (&public, "PUT", "/ocsp".to_owned(), 405, "method-not-allowed"),
    ];
    for (agent, method, path, status, code) in cases {
        check_problem(&agent.send(method, &path, &[], Vec::new()).await, status, code, &path);
    }
    let wrong = [("content-type", "text/plain")];
    check_problem(&public.send("POST", "/ocsp", &wrong, b"x".to_vec()).await, 415, "unsupported-media-type", "/ocsp");
}

fn check_problem(answer: &Answer, status: u16, code: &str, path: &str) {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{path}: {}", answer.text());
    let problem = answer.json();
    assert_eq!((answer.status, problem["code"].as_str()), (status, Some(code)), "{path}");
    assert_eq!(problem["instance"], answer.header("x-request-id"));
    if status == 405 {
        assert!(!answer.header("allow").is_empty(), "{path} does not say what it takes");
    }
}

async fn a_stop_finishes_what_is_in_flight(family: Family) {
    let mut ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let client = ca.client(&office.registration);
    let body = ca.application(&office, "staff", &[new_csr(family)]);
    // The request is in the journal and waits for the database when the stop comes.
    let lock = ca.lock().await;
    let request = tokio::spawn(async move { client.post("/api/v1/enrolments", &body).await });
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!request.is_finished());
    let release = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        lock.release().await;
    };
    tokio::join!(ca.stop(), release);
    let answer = request.await.unwrap().ok();
    assert_eq!(answer.status, 201);

    ca.start_again().await;
    let id = crate::world::text(&answer.json(), "id");
    let view = ca.client(&office.registration).get(&format!("/api/v1/enrolments/{id}")).await.ok().json();
    assert_eq!(view["state"], "submitted");
    assert_eq!(ca.client(&office.administrator).post(DEPARTMENTS, &json!({"name": "局", "organizations": ["局"]})).await.status, 201);
}

async fn a_client_that_says_nothing_is_cut_off(_: Family) {
    let ca = TestCa::new().with(|config| config.limits.header_seconds = 1).start().await;
    let (http, https) = (ca.running().http, ca.running().https);
    let whole = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n".as_slice();
    for (case, address, said) in [
        ("nothing", http, b"".as_slice()),
        ("half of a head", http, b"GET /healthz HT"),
        ("no handshake", https, b""),
        ("half of a handshake", https, &[0x16, 3, 1, 2]),
        ("nothing after an answer", http, whole),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(8), stream.read_to_end(&mut answer)).await;
        // Cut off with or without a word; what matters is that it is over.
        assert!(read.is_ok(), "{case} is waited for");
        assert_eq!(said == whole, String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200"), "{case}");
    }
}

async fn connections_above_the_limit_wait_for_their_turn(_: Family) {
    let ca = TestCa::new().with(|config| config.limits.connections = 1).start().await;
    let first = TcpStream::connect(ca.running().http).await.unwrap();
    let mut second = TcpStream::connect(ca.running().http).await.unwrap();
    second.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let early = tokio::time::timeout(Duration::from_millis(500), second.read_to_end(&mut answer)).await;
    assert!(early.is_err() && answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    drop(first);
    second.read_to_end(&mut answer).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200"));
}
