//! Certificates of another PKI, RSA by openssl: whose anchors are trusted, by what their status is known, and what is fetched.

use std::{path::PathBuf, process::Command};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use base64::prelude::*;
use serde_json::{Value, json};
use time::Duration;

use crate::world::{Ca, TestCa, text};

const CERTIFICATES: &str = "/api/v1/verify/certificate";

/// A root, an authority and an end entity, whose files a server on this machine publishes.
struct Pki {
    folder: tempfile::TempDir,
}

impl Pki {
    async fn start() -> Self {
        let pki = Self { folder: tempfile::tempdir().unwrap() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/{file}", get(file)).route("/ocsp", post(answer)).with_state(pki.folder.path().to_owned());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        pki.make(&CONFIGURATION.replace("ADDRESS", &address.to_string()));
        pki
    }

    fn make(&self, configuration: &str) {
        std::fs::write(self.folder.path().join("pki.cnf"), configuration).unwrap();
        for name in ["root", "ca"] {
            std::fs::write(self.folder.path().join(format!("{name}.txt")), "").unwrap();
            std::fs::write(self.folder.path().join(format!("{name}.number")), "01").unwrap();
        }
        for name in ["root", "ca", "leaf"] {
            self.openssl(&format!(
                "req -new -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -config pki.cnf -subj /O=Other/CN={name}"
            ));
        }
        self.openssl("x509 -req -in root.csr -signkey root.key -days 3650 -extfile pki.cnf -extensions root -out root.pem");
        for (name, issuer) in [("ca", "root"), ("leaf", "ca")] {
            let serial = if name == "ca" { 16 } else { 17 };
            self.openssl(&format!(
                "x509 -req -in {name}.csr -CA {issuer}.pem -CAkey {issuer}.key -set_serial {serial} -days 365 -extfile pki.cnf -extensions {name} -out {name}.pem"
            ));
        }
        self.openssl("x509 -in ca.pem -outform DER -out ca.cer");
        self.list("root");
        // A responder knows of certificates that it has a record of.
        self.openssl("ca -config pki.cnf -name ca_lists -valid leaf.pem");
        self.list("ca");
    }

    fn list(&self, authority: &str) {
        self.openssl(&format!("ca -config pki.cnf -name {authority}_lists -gencrl -crldays 30 -out {authority}.crl.pem"));
        self.openssl(&format!("crl -in {authority}.crl.pem -outform DER -out {authority}.crl"));
    }

    fn revoke(&self) {
        self.openssl("ca -config pki.cnf -name ca_lists -revoke leaf.pem -crl_reason keyCompromise");
        self.list("ca");
    }

    /// Signs a file by the end entity, with its authority's certificate inside and without a word about the time.
    fn sign(&self) {
        self.openssl(
            "cms -sign -noattr -nodetach -binary -in pki.cnf -signer leaf.pem -inkey leaf.key -certfile ca.pem -outform DER -out signed.p7m",
        );
    }

    /// Stamps a file by an authority for it.
    fn stamp(&self) {
        self.openssl("req -new -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.csr -config pki.cnf -subj /O=Other/CN=tsa");
        self.openssl(
            "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -set_serial 18 -days 365 -extfile pki.cnf -extensions tsa -out tsa.pem",
        );
        std::fs::write(self.folder.path().join("serial"), "01").unwrap();
        self.openssl("ts -query -data pki.cnf -sha256 -cert -out question.tsq");
        self.openssl(
            "ts -reply -queryfile question.tsq -signer tsa.pem -inkey tsa.key -config pki.cnf -section tsa_config -out answer.tsr",
        );
    }

    /// The command line in the folder of the files: its exit code and what it printed.
    fn hufu(&self, arguments: &str) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_hufu"))
            .args(arguments.split_ascii_whitespace())
            .env_remove("HUFU_TRUST")
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&told).into_owned())
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(self.folder.path()).output();
        let output = output.expect("the tests need openssl");
        assert!(output.status.success(), "openssl {arguments}\n{}", String::from_utf8_lossy(&output.stderr));
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(name)).unwrap()
    }

    fn pem(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// The end entity with its authority and, if they shall come along, the lists.
    fn question(&self, lists: &[&str]) -> Value {
        let lists: Vec<String> = lists.iter().map(|list| BASE64_STANDARD.encode(self.read(list))).collect();
        json!({"certificate": self.pem("leaf.pem"), "chain": [self.pem("ca.pem")], "crls": lists})
    }

    /// Makes it an anchor of a service, with further lines of its entry.
    fn trust(&self, ca: &Ca, more: &str) {
        std::fs::write(ca.data().join("foreign.pem"), self.read("root.pem")).unwrap();
        std::fs::write(ca.data().join("anchors.toml"), format!("[[anchor]]\ncertificate = 'foreign.pem'\n{more}")).unwrap();
        ca.services().reload_anchors();
    }
}

async fn file(State(folder): State<PathBuf>, Path(name): Path<String>) -> Result<Vec<u8>, StatusCode> {
    std::fs::read(folder.join(name)).map_err(|_| StatusCode::NOT_FOUND)
}

/// Asks openssl, as a responder of the authority.
async fn answer(State(folder): State<PathBuf>, body: Bytes) -> Vec<u8> {
    std::fs::write(folder.join("question"), body).unwrap();
    let arguments = "ocsp -index ca.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -reqin question -respout answer -ndays 1";
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(folder.join("answer")).unwrap()
}

const CONFIGURATION: &str = "
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
crlDistributionPoints = URI:http://ADDRESS/root.crl
[leaf]
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
authorityKeyIdentifier = keyid
subjectAltName = DNS:www.example.com
crlDistributionPoints = URI:http://ADDRESS/ca.crl
authorityInfoAccess = caIssuers;URI:http://ADDRESS/ca.cer, OCSP;URI:http://ADDRESS/ocsp
[tsa]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
authorityKeyIdentifier = keyid
[tsa_config]
serial = serial
signer_digest = sha256
digests = sha256
default_policy = 1.2.3.4
ess_cert_id_alg = sha256
[root_lists]
database = root.txt
crlnumber = root.number
default_md = sha256
certificate = root.pem
private_key = root.key
[ca_lists]
database = ca.txt
crlnumber = ca.number
default_md = sha256
certificate = ca.pem
private_key = ca.key
policy = anything
[anything]
";

async fn check(name: &str, ca: &Ca, question: &Value, expected: (&str, &str)) -> Value {
    let report = ca.anonymous().post(CERTIFICATES, question).await.ok().json();
    assert_eq!((text(&report, "verdict").as_str(), text(&report, "reason").as_str()), expected, "{name}: {report:#}");
    report
}

#[tokio::test]
async fn a_foreign_certificate_is_judged_by_a_configured_anchor_and_its_lists() {
    let (pki, ca) = (Pki::start().await, TestCa::new().start().await);
    let both = ["root.crl", "ca.crl"];
    check("nobody trusts it", &ca, &pki.question(&both), ("INDETERMINATE", "no-trusted-path")).await;
    pki.trust(&ca, "");
    let report = check("good", &ca, &pki.question(&both), ("PASSED", "valid")).await;
    assert_eq!((report["status"]["state"].as_str(), report["chain"].as_array().map(Vec::len)), (Some("good"), Some(3)));
    check("no list", &ca, &pki.question(&[]), ("INDETERMINATE", "status-unknown")).await;
    check("no list of the root", &ca, &pki.question(&["ca.crl"]), ("INDETERMINATE", "status-unknown")).await;
    let mut broken = pki.question(&both);
    broken["crls"] = json!(["MAA="]);
    let refused = ca.anonymous().post(CERTIFICATES, &broken).await;
    assert!(refused.status == 400 && refused.text().contains("position 1"), "{}", refused.text());
    broken["crls"] = json!(["?"]);
    assert_eq!(ca.anonymous().post(CERTIFICATES, &broken).await.status, 400);

    for (name, more, expected) in [
        ("another purpose", "purposes = ['client-auth']", ("INDETERMINATE", "no-trusted-path")),
        ("its purpose", "purposes = ['any']", ("PASSED", "valid")),
        ("names that are excluded", "excluded = ['dns:example.com']", ("FAILED", "names-not-permitted")),
        ("other names", "permitted = ['dns:example.net']", ("FAILED", "names-not-permitted")),
        ("its names", "permitted = ['dns:example.com', 'dn:O=Other']", ("PASSED", "valid")),
    ] {
        pki.trust(&ca, more);
        check(name, &ca, &pki.question(&both), expected).await;
    }
    pki.trust(&ca, "revocation = 'when-known'");
    check("no list, none needed", &ca, &pki.question(&[]), ("PASSED", "valid-status-not-proven")).await;

    pki.revoke();
    check("no list, none needed, revoked since", &ca, &pki.question(&[]), ("PASSED", "valid-status-not-proven")).await;
    let report = check("revoked", &ca, &pki.question(&both), ("FAILED", "revoked")).await;
    assert_eq!(report["status"]["reason"], "keyCompromise");
}

/// A file that makes no sense keeps what was; SIGHUP and upkeep read it again.
#[tokio::test]
async fn anchors_change_while_the_service_runs() {
    let (pki, ca) = (Pki::start().await, TestCa::new().start().await);
    let question = pki.question(&["root.crl", "ca.crl"]);
    pki.trust(&ca, "");
    pki.trust(&ca, "purposes = ['everything']");
    check("the last good one", &ca, &question, ("PASSED", "valid")).await;
    std::fs::write(ca.data().join("anchors.toml"), "").unwrap();
    ca.services().upkeep().await;
    check("upkeep has looked", &ca, &question, ("INDETERMINATE", "no-trusted-path")).await;

    let file = "[[anchor]]\ncertificate = 'foreign.pem'\n";
    std::fs::write(ca.data().join("anchors.toml"), file).unwrap();
    assert!(Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status().unwrap().success());
    for _ in 0..100 {
        let report = ca.anonymous().post(CERTIFICATES, &question).await.ok().json();
        if report["verdict"] == "PASSED" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("SIGHUP was not heard");
}

#[tokio::test]
async fn what_certificates_point_to_is_fetched_when_that_is_on() {
    let pki = Pki::start().await;
    let fetching = |allow: &'static str| {
        TestCa::new().with(move |config| {
            config.fetch.enabled = true;
            config.fetch.allow = vec![allow.to_owned()];
        })
    };
    let alone = json!({"certificate": pki.pem("leaf.pem")});
    let cautious = fetching("10.0.0.0/8").start().await;
    pki.trust(&cautious, "");
    check("private addresses", &cautious, &alone, ("INDETERMINATE", "no-trusted-path")).await;

    let ca = fetching("127.0.0.0/8").start().await;
    pki.trust(&ca, "");
    // The authority, a response about the end entity, and a list about the authority.
    let report = check("good", &ca, &alone, ("PASSED", "valid")).await;
    let clauses: Vec<&str> = report["checks"].as_array().unwrap().iter().filter_map(|check| check["clause"].as_str()).collect();
    assert_eq!(clauses, ["RFC 5280 §6.1", "RFC 6960 §3.2", "RFC 5280 §6.3.3"]);
    pki.revoke();
    check("still in the cache", &ca, &alone, ("PASSED", "valid")).await;
    ca.clock.forward(Duration::minutes(6));
    check("revoked", &ca, &alone, ("FAILED", "revoked")).await;
}

/// A signature by the end entity, whose chain came in it and whose lists came along, in the request or in the signature itself.
#[tokio::test]
async fn a_foreign_signature_is_judged_by_lists_that_came_along() {
    let (pki, ca) = (Pki::start().await, TestCa::new().start().await);
    pki.sign();
    let signed = pki.read("signed.p7m");
    let lists = ["root.crl", "ca.crl"].map(|list| pki.read(list));
    let question = |signature: &[u8], crls: &[Vec<u8>]| {
        let encoded: Vec<String> = crls.iter().map(|list| BASE64_STANDARD.encode(list)).collect();
        json!({"signature": BASE64_STANDARD.encode(signature), "crls": encoded})
    };
    let judge = async |name: &str, question: Value, expected: (&str, &str)| {
        let report = ca.anonymous().post("/api/v1/verify/signature", &question).await.ok().json();
        assert_eq!((text(&report, "verdict").as_str(), text(&report, "reason").as_str()), expected, "{name}: {report:#}");
    };
    judge("nobody trusts it", question(&signed, &lists), ("INDETERMINATE", "no-trusted-path")).await;
    pki.trust(&ca, "");
    judge("no lists", question(&signed, &[]), ("INDETERMINATE", "status-unknown")).await;
    judge("in the request", question(&signed, &lists), ("PASSED", "signature-valid")).await;
    let enclosed = with_lists(&signed, &lists);
    judge("in the signature", question(&enclosed, &[]), ("PASSED", "signature-valid")).await;
    judge("one here, one there", question(&with_lists(&signed, &lists[..1]), &lists[1..]), ("PASSED", "signature-valid")).await;
    let many = vec![lists[0].clone(); 33];
    assert_eq!(ca.anonymous().post("/api/v1/verify/signature", &question(&signed, &many)).await.status, 400);
    pki.revoke();
    let newer = [pki.read("root.crl"), pki.read("ca.crl")];
    judge("revoked since", question(&enclosed, &newer), ("INDETERMINATE", "revoked-no-proof-of-time")).await;

    // The same at the command line, where nobody is asked.
    std::fs::write(pki.folder.path().join("enclosed.p7m"), &enclosed).unwrap();
    for (name, arguments, code, reason) in [
        ("in the signature", "enclosed.p7m --anchor root.pem", 0, "signature-valid"),
        ("no lists", "signed.p7m --anchor root.pem", 2, "status-unknown"),
        ("no lists, none needed", "signed.p7m --anchor root.pem --revocation when-known", 0, "valid-status-not-proven"),
        ("from files", "signed.p7m --anchor root.pem --crl root.crl --crl ca.crl.pem", 2, "revoked-no-proof-of-time"),
        ("another anchor", "enclosed.p7m --anchor leaf.pem", 2, "no-trusted-path"),
        ("a bundle beside it", "enclosed.p7m --anchor root.pem --trust bundle.json", 0, "signature-valid"),
        ("no such anchor", "enclosed.p7m --anchor missing.pem", 64, ""),
    ] {
        std::fs::copy(ca.data().join("trust/bundle.json"), pki.folder.path().join("bundle.json")).unwrap();
        let (found, told) = pki.hufu(&format!("verify signature {arguments} --json"));
        assert!(found == code && told.contains(reason), "{name}: {found} {told}");
    }
}

/// A token by an authority of another PKI.
#[tokio::test]
async fn a_foreign_time_stamp_is_judged_by_anchors_offline() {
    let pki = Pki::start().await;
    pki.stamp();
    for (name, arguments, code, reason) in [
        ("good", "--anchor root.pem --revocation when-known --chain ca.pem", 0, "\"PASSED\""),
        ("no lists", "--anchor root.pem --chain ca.pem", 2, "status-unknown"),
        ("another anchor", "--anchor leaf.pem --chain ca.pem", 2, "no-trusted-path"),
    ] {
        let (found, told) = pki.hufu(&format!("verify timestamp answer.tsr --content pki.cnf --json {arguments}"));
        assert!(found == code && told.contains(reason), "{name}: {found} {told}");
    }
}

/// The CMS with lists beside its certificates (RFC 5652 §5.1).
fn with_lists(cms: &[u8], lists: &[Vec<u8>]) -> Vec<u8> {
    let element = |tag: u8, content: &[u8]| {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x84], &length[..], content].concat()
    };
    let info = parts(cms);
    let signed = parts(&parts(&info[1])[0]);
    let (signers, before) = signed.split_last().unwrap();
    let all = [before.concat(), element(0xa1, &lists.concat()), signers.clone()].concat();
    element(0x30, &[info[0].clone(), element(0xa0, &element(0x30, &all))].concat())
}

fn parts(der: &[u8]) -> Vec<Vec<u8>> {
    let any = <der::asn1::AnyRef<'_> as der::Decode>::from_der(der).unwrap();
    let mut reader = der::SliceReader::new(any.value()).unwrap();
    let mut parts = Vec::new();
    while !der::Reader::is_finished(&reader) {
        parts.push(der::Reader::tlv_bytes(&mut reader).unwrap().to_vec());
    }
    parts
}

#[tokio::test]
async fn the_command_line_judges_by_anchors_offline() {
    let pki = Pki::start().await;
    let run = |arguments: &str| pki.hufu(&format!("verify certificate leaf.pem --chain ca.pem --json {arguments}"));
    let lists = "--anchor root.pem --crl root.crl --crl ca.crl.pem";
    for (name, arguments, code, reason) in [
        ("good", lists, 0, "\"valid\""),
        ("no lists", "--anchor root.pem", 2, "status-unknown"),
        ("no lists, none needed", "--anchor root.pem --revocation when-known", 0, "valid-status-not-proven"),
        ("another anchor", "--anchor leaf.pem", 2, "no-trusted-path"),
        ("another purpose", &format!("{lists} --purpose client-auth"), 1, "purpose-not-allowed"),
        ("no such file", "--anchor missing.pem", 64, ""),
        ("a list without an anchor", "--crl root.crl", 64, ""),
    ] {
        let (found, told) = run(arguments);
        assert!(found == code && told.contains(reason), "{name}: {found} {told}");
    }
    pki.revoke();
    let (found, told) = run(lists);
    assert!(found == 1 && told.contains("\"revoked\""), "{found} {told}");
}
