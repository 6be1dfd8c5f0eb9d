//! The description of the API, `/openapi.json`, against the router, against `docs/api.md`, and against what the service answers
//! to requests that other people's program makes of it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use hufu::cli::Family;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::world::{Ca, Person, TestCa};

const PREFIX: &str = "/api/v1";
/// What is judged of each answer. Left out: `positive_data_acceptance`, for a schema does not say which codes and statements
/// are genuine, and `ignored_auth`, which knows no client certificates.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance,negative_data_rejection,missing_required_header,unsupported_method,allow_header_conformance";

#[tokio::test(flavor = "multi_thread")]
async fn generated_requests_get_documented_answers() {
    judge_with_examples(3).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a quarter of an hour: ./test.sh --long"]
async fn many_generated_requests_get_documented_answers() {
    judge_with_examples(100).await;
}

/// Requests of nobody and of each role, that many for each address and kind of request beside those that probe the limits.
async fn judge_with_examples(count: usize) {
    let Some(program) = schemathesis() else { return };
    let ca = TestCa::new().start().await;
    let office = ca.office(Family::P256).await;
    let auditor = ca.auditor(Family::P256).await;
    let callers = [None, Some(&office.administrator), Some(&office.registration), Some(&office.approver), Some(auditor)];
    for caller in callers {
        judge(&program, &ca, caller, count).await;
    }
    ca.audit_finds_nothing().await;
}

/// OpenSSL shows no SM2 client certificate, so all who call here are of P-256.
async fn judge(program: &Path, ca: &Ca, caller: Option<&Person>, count: usize) {
    let server = format!("https://127.0.0.1:{}", ca.running().https.port());
    let mut command = Command::new(program);
    command.arg("run").arg(format!("{server}/openapi.json")).arg("--tls-verify").arg(ca.data().join("trust/root-p256-g1.pem"));
    command.args(["--phases", "examples,coverage,fuzzing", "--checks", CHECKS, "--max-examples", &count.to_string()]);
    // A made-up secret would count before the certificate.
    command.args(["--generation-with-security-parameters", "false"]);
    command.args(["--generation-deterministic", "--continue-on-failure", "--no-color"]);
    // Which requests are refused is what the tests of access are about.
    command.args(["--warnings", "off"]);
    if let Some(person) = caller {
        command.arg("--request-cert").arg(person.files.with_extension("crt"));
        command.arg("--request-cert-key").arg(person.files.with_extension("key"));
    }
    command.current_dir(ca.scratch());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}\n{said}\n{}",
        caller.map_or("nobody", |person| &person.id),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// In the folder that `test.sh` makes.
fn schemathesis() -> Option<PathBuf> {
    let found = std::env::var_os("HUFU_TEST_VENV").map(PathBuf::from);
    let folder = found.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/hufu-test/venv")))?;
    let program = folder.join("bin/schemathesis");
    if !program.exists() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must have schemathesis: see test.sh");
        eprintln!("SKIPPED: no {}; ./test.sh installs it", program.display());
        return None;
    }
    Some(program)
}

/// Every operation of the description, as `GET /officers/{id}`.
async fn described(ca: &Ca) -> BTreeSet<String> {
    let document = ca.anonymous().get("/openapi.json").await.ok().json();
    let operations = document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let path = path.strip_prefix(PREFIX).unwrap();
        item.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_described_address_is_one_of_the_router() {
    let ca = TestCa::new().start().await;
    let described = described(&ca).await;
    assert!(described.len() > 40, "{described:?}");
    for operation in described {
        let (method, path) = operation.split_once(' ').unwrap();
        let answer = ca.anonymous().send(method, &format!("{PREFIX}{}", path.replace(['{', '}'], "")), &[], Vec::new()).await;
        let code = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default()["code"].clone();
        assert!(code != "not-found" && code != "method-not-allowed", "{operation}: {}", answer.text());
    }
}

/// `routes!` makes the route and its description of one annotation; whatever else makes a route leaves it undescribed.
#[test]
fn no_route_of_the_api_is_made_without_its_description() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/rest");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        for way in [".route(", ".route_service(", ".nest_service(", "axum::routing", "Router::new()", "fallback"] {
            assert!(!source.contains(way), "{}: {way}", path.display());
        }
        assert!(!source.contains("extract::Path,"), "{}: `super::Path` answers with a problem", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_has_a_row_for_every_address_and_none_too_many() {
    let ca = TestCa::new().start().await;
    let described = described(&ca).await;
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md")).unwrap();
    let (api, _) = page.split_once("## The HTTP side").unwrap();
    let mut documented = BTreeSet::new();
    for line in api.lines().filter(|line| line.starts_with("| `")) {
        let cell = line.split('|').nth(1).unwrap();
        for quoted in cell.split('`').skip(1).step_by(2) {
            if let Some((method @ ("GET" | "POST" | "PUT" | "PATCH" | "DELETE"), path)) = quoted.split_once(' ') {
                documented.insert(format!("{method} {}", path.split(['?', '.']).next().unwrap()));
            }
        }
    }
    assert_eq!(documented, described);
}

/// What is described of a request's query.
struct Parameter {
    name: String,
    is_required: bool,
    schema: Value,
}

impl Parameter {
    /// Something that its schema allows.
    fn sample(&self) -> String {
        let digits = self.schema["pattern"].as_str().is_some_and(|pattern| pattern.ends_with("{32}$"));
        match (&self.schema["enum"][0], self.schema["type"].as_str().unwrap()) {
            (Value::String(word), _) => word.clone(),
            (_, "integer") => self.schema["maximum"].to_string(),
            (_, "boolean") => "true".to_owned(),
            _ if self.schema["format"] == "date-time" => "2030-01-01T00:00:00Z".to_owned(),
            _ if digits => "0".repeat(32),
            _ => "x".to_owned(),
        }
    }
}

/// Every operation, as (method, path), with what its query may hold.
async fn queries(ca: &Ca) -> Vec<(String, String, Vec<Parameter>)> {
    let document = ca.anonymous().get("/openapi.json").await.ok().json();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let described = operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "query");
            let query = described.map(|one| Parameter {
                name: one["name"].as_str().unwrap().to_owned(),
                is_required: one["required"] == true,
                schema: one["schema"].clone(),
            });
            found.push((method.to_uppercase(), path.replace(['{', '}'], ""), query.collect()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_is_not_described_is_refused_and_those_that_are_are_named() {
    let ca = TestCa::new().start().await;
    let administrator = ca.administrator(Family::P256).await;
    let client = ca.client(&administrator);
    for (method, path, query) in queries(&ca).await {
        let answer = client.send(&method, &format!("{path}?no-such-parameter=1"), &[], Vec::new()).await;
        if query.iter().any(|parameter| parameter.schema["type"] == "object") {
            // A provider may send what it likes.
            assert_eq!((path.as_str(), answer.json()["code"].as_str()), ("/api/v1/citizens/oidc/callback", Some("proofing-refused")));
            continue;
        }
        let mut names: Vec<String> = query.into_iter().map(|parameter| parameter.name).collect();
        names.sort();
        let expected = match names.as_slice() {
            [] => "this address takes no query".to_owned(),
            names => format!("a parameter of the query is not known; there are {}", names.join(", ")),
        };
        assert_eq!((answer.status, &answer.json()["detail"]), (400, &json!(expected)), "{method} {path}");
    }
}

/// What is described is understood: by itself and with what must stand beside it, with a value that its schema allows.
#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_is_described_is_taken() {
    let ca = TestCa::new().start().await;
    let administrator = ca.administrator(Family::Sm2).await;
    let client = ca.client(&administrator);
    let mut lists = 0;
    for (method, path, query) in queries(&ca).await {
        for one in query.iter().filter(|one| one.schema["type"] != "object") {
            let with = query.iter().filter(|other| other.is_required || other.name == one.name);
            let asked = with.map(|one| (one.name.as_str(), one.sample()));
            let asked = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(asked).finish();
            let csv = [("content-type", "text/csv")];
            let (headers, body) = match path.as_str() {
                "/api/v1/enrolments/import" | "/api/v1/staff/holdings" => (&csv[..], b"number\n1\n".to_vec()),
                _ => (&[][..], Vec::new()),
            };
            let answer = client.send(&method, &format!("{path}?{asked}"), headers, body).await;
            // A cursor is what a page before has said.
            let is_cursor = one.name == "cursor" && answer.text().contains("cursor is the `next` of the page before");
            assert!(answer.status != 400 || is_cursor, "{method} {path}?{asked}: {}", answer.text());
        }
        lists += usize::from(query.iter().any(|one| one.name == "limit"));
        for one in query.iter().filter(|one| one.name == "limit") {
            assert_eq!((&one.schema["minimum"], &one.schema["maximum"], &one.schema["default"]), (&json!(1), &json!(1000), &json!(100)));
            for beyond in [0, 1001] {
                let answer = client.get(&format!("{path}?limit={beyond}")).await;
                assert_eq!(answer.status, 400, "{path}?limit={beyond}: {}", answer.text());
            }
        }
    }
    assert!(lists >= 11, "{lists}");
}

/// PostgreSQL takes no NUL in a text, which must be an answer and no accident.
#[tokio::test(flavor = "multi_thread")]
async fn a_nul_is_refused_wherever_a_text_may_stand() {
    let ca = TestCa::new().start().await;
    let person = ca.administrator(Family::Sm2).await;
    let client = ca.client(&person);
    for path in ["/departments?cursor=%00", "/departments/%00", "/certificates?subject=%00", "/tokens/x%00"] {
        let answer = client.get(&format!("{PREFIX}{path}")).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("malformed-request")), "{path}");
    }
    let body = json!({"name": "x", "department": "\u{0}", "roles": ["approver"]});
    assert_eq!(client.post(&format!("{PREFIX}/officers"), &body).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_is_not_taken_for_an_object() {
    let ca = TestCa::new().start().await;
    for (path, body) in [("/claims", json!(["code", "csr"])), ("/suspensions", json!(["code"])), ("/citizens/proofs", json!(["code"]))] {
        let answer = ca.anonymous().post(&format!("{PREFIX}{path}"), &body).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("malformed-request")), "{path}: {}", answer.text());
        assert_eq!(answer.json()["detail"], "a JSON array stands where an object is wanted");
    }
}

/// A client may still be sending when it is refused, and may want to ask again.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_outlives_a_refusal_whose_body_was_still_to_come() {
    let ca = TestCa::new().start().await;
    let mut stream = TcpStream::connect(ca.running().http).await.unwrap();
    let head = "POST /ocsp HTTP/1.1\r\nhost: ca\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    stream.write_all(b"body").await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: ca\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert!(answers.starts_with("HTTP/1.1 415 ") && answers.contains("HTTP/1.1 200 OK"), "{answers}");
}
