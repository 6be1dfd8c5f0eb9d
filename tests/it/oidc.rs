//! Proofing by OpenID Connect, against a provider program of other people: its own login form, its own tokens, and what it
//! would take to be somebody else.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use hufu::{cli::Family, crypto::tls, http::listener::Peer, world::Clock};
use serde_json::{Value, json};
use time::Duration;

use crate::world::{Agent, Answer, Ca, TestCa, csr, in_both_families, new_csr, text};

in_both_families! {
    a_login_becomes_a_certificate,
    a_login_is_used_once_by_the_browser_that_began_it,
    tokens_that_are_not_what_they_must_be_are_refused,
}

const CALLBACK: &str = "https://ca.example/api/v1/citizens/oidc/callback";

/// The provider, for as long as a test runs.
struct Provider {
    child: Child,
    issuer: String,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `HUFU_TEST_OIDC` is a folder with `node_modules`; `test.sh` makes it.
fn modules() -> Option<PathBuf> {
    let found = std::env::var_os("HUFU_TEST_OIDC").map(PathBuf::from);
    let folder = found.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/hufu-test/oidc")))?;
    let there = folder.join("node_modules/oidc-provider/package.json").exists();
    if !there {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must have the provider: see test.sh");
        eprintln!("SKIPPED: no oidc-provider in {}; ./test.sh installs it", folder.display());
    }
    there.then_some(folder)
}

impl Provider {
    fn start() -> Option<Self> {
        let folder = modules()?;
        let program = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/oidc/provider.mjs")).unwrap();
        let account = |acr: &str, name: &str, mail: &str| json!({"acr": acr, "name": name, "email": mail, "email_verified": true});
        let mut numbered = account("urn:example:high", "韩梅梅", "han@example.cn");
        numbered["resident_number"] = json!("11010519491231002X");
        let accounts = json!({
            "li": account("urn:example:high", "李雷", "li@example.cn"),
            "wang": account("urn:example:substantial", "王芳", "wang@example.cn"),
            "nobody": account("urn:example:nothing", "无名", "nobody@example.cn"),
            "han": numbered,
        });
        let mut command = Command::new("node");
        // A program on standard input finds its packages where it is run.
        command.args(["--input-type=module", "-", CALLBACK, &accounts.to_string()]).current_dir(folder).stdin(program);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let issuer = lines.find_map(|line| line.ok().filter(|line| line.starts_with("http://"))).unwrap();
        Some(Self { child, issuer })
    }

    async fn ca(&self, change: impl FnOnce(&mut hufu::config::OidcConfig)) -> Ca {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "a secret of both\n").unwrap();
        let ca = TestCa::new().with(|config| {
            config.oidc.issuer = Some(self.issuer.parse().unwrap());
            config.oidc.client_id = Some("hufu".to_owned());
            config.oidc.client_secret_file = Some(secret.path().to_owned());
            config.oidc.redirect_uri = Some(CALLBACK.parse().unwrap());
            config.oidc.assurance = vec!["urn:example:high = high".to_owned(), "urn:example:substantial = substantial".to_owned()];
            change(&mut config.oidc);
        });
        ca.start().await
    }

    /// The next ID token is forged like this.
    async fn mischief(&self, how: &Value) {
        http().post(format!("{}/mischief", self.issuer)).body(how.to_string()).send().await.unwrap();
    }
}

/// Over plain HTTP to this machine, and nowhere that it is sent.
fn http() -> reqwest::Client {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(tls::provider())).with_safe_default_protocol_versions().unwrap();
    let tls = builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).redirect(reqwest::redirect::Policy::none());
    builder.no_proxy().timeout(std::time::Duration::from_secs(30)).build().unwrap()
}

/// What a person does in a browser: follows redirections, keeps cookies, fills in the form.
#[derive(Default)]
struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    async fn send(&mut self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let answer = request.header("cookie", cookies).send().await.unwrap();
        for value in answer.headers().get_all("set-cookie") {
            let pair = value.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            match value.is_empty() {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    /// Logs in, and answers the query with which the provider sends the browser back.
    async fn login(&mut self, url: &str, account: &str) -> String {
        let http = http();
        let base: url::Url = url.parse().unwrap();
        let mut answer = self.send(http.get(url)).await;
        for _ in 0..10 {
            if let Some(location) = answer.headers().get("location") {
                let next = base.join(location.to_str().unwrap()).unwrap();
                if next.as_str().starts_with(CALLBACK) {
                    return next.query().unwrap().to_owned();
                }
                answer = self.send(http.get(next)).await;
                continue;
            }
            let page = answer.text().await.unwrap();
            let (_, action) = page.split_once("action=\"").unwrap_or_else(|| panic!("{page}"));
            let action = base.join(action.split('"').next().unwrap()).unwrap();
            let form = format!("account={account}");
            let form = http.post(action).header("content-type", "application/x-www-form-urlencoded").body(form);
            answer = self.send(form).await;
        }
        panic!("the provider does not come to an end");
    }
}

/// A login that was begun: where to go, and the cookie that this browser got.
async fn begin(agent: &Agent) -> (String, String) {
    let begun = agent.post("/api/v1/citizens/oidc", &json!({})).await.ok();
    let cookie = begun.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-") && ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"].iter().all(|part| cookie.contains(part)));
    (text(&begun.json(), "authorization_url"), cookie.split(';').next().unwrap().to_owned())
}

async fn come_back(agent: &Agent, query: &str, cookie: &str) -> Answer {
    agent.send("GET", &format!("/api/v1/citizens/oidc/callback?{query}"), &[("cookie", cookie)], Vec::new()).await
}

async fn login(agent: &Agent, account: &str) -> Answer {
    let (url, cookie) = begin(agent).await;
    come_back(agent, &Browser::default().login(&url, account).await, &cookie).await
}

async fn enrol(agent: &Agent, proof: &Answer, profile: &str, csr: &str) -> Answer {
    let body = json!({"proof": text(&proof.json(), "proof"), "profile": profile, "requests": [csr]});
    agent.post("/api/v1/citizens/enrolments", &body).await
}

fn refused(answer: &Answer, case: &str) {
    assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("proofing-refused")), "{case}: {}", answer.text());
}

async fn a_login_becomes_a_certificate(family: Family) {
    let Some(provider) = Provider::start() else { return };
    let ca = provider.ca(|config| config.number_claim = Some("resident_number".to_owned())).await;
    let agent = ca.anonymous();
    let (url, _) = begin(&agent).await;
    for parameter in [
        "code_challenge_method=S256",
        "code_challenge=",
        "state=",
        "nonce=",
        "acr_values=",
        "response_type=code",
        "prompt=login",
        "max_age=600",
    ] {
        assert!(url.contains(parameter), "{url} has no {parameter}");
    }
    // Whoever opens the address in a browser is sent there at once.
    let peer = Peer { address: ([127, 0, 0, 1], 0).into(), certificate: None };
    let inside = Agent::Inside { router: hufu::http::api(ca.running().services.clone(), &ca.config.limits), peer, bearer: None };
    let opened = inside.get("/api/v1/citizens/oidc").await;
    assert_eq!((opened.status, opened.header("location").split('?').next()), (303, url.split('?').next()));
    assert!(opened.header("set-cookie").starts_with("__Host-"));

    let proof = login(&agent, "li").await.ok();
    assert_eq!(proof.json()["assurance"], "high");
    let secret = family.algorithm().generate().unwrap();
    let id = text(&enrol(&agent, &proof, "citizen", &csr(family, &secret)).await.ok().json(), "enrolment");
    ca.services().upkeep().await;
    let body = json!({"proof": text(&proof.json(), "proof")});
    let collected = agent.post(&format!("/api/v1/citizens/enrolments/{id}/collection"), &body).await.ok().json();
    let chain = text(&collected["certificates"][0], "chain");
    let subject = hufu::x509::Certificate::parse_many(chain.as_bytes()).unwrap()[0].subject_text();
    assert!(subject.starts_with("C=CN, CN=李雷, serialNumber="), "{subject}");
    assert!(!subject.contains("li@"), "the provider's own name for the person is in no certificate");

    // The same person is recognised, and others are not.
    let again = login(&agent, "li").await.ok();
    assert_eq!(again.json()["reference"], proof.json()["reference"]);
    assert_ne!(login(&agent, "wang").await.ok().json()["reference"], proof.json()["reference"]);
    enrol(&agent, &again, "citizen", &new_csr(family)).await.ok();
    let mut sql = ca.sql().await;
    assert_eq!(sql.number("select count(*) from contest").await, 1);
    assert_eq!(sql.number("select count(*) from contact_notice where kind = 'second-application'").await, 1);

    // What the configuration calls substantial waits for an approver; what it does not name is worth nothing.
    let substantial = login(&agent, "wang").await.ok();
    let waiting = text(&enrol(&agent, &substantial, "citizen", &new_csr(family)).await.ok().json(), "enrolment");
    ca.services().upkeep().await;
    assert_eq!(sql.texts(&format!("select state from enrolment where id = '{waiting}'")).await, ["submitted"]);
    let nothing = login(&agent, "nobody").await;
    assert_eq!((nothing.status, text(&nothing.json(), "code")), (403, "assurance-too-low".to_owned()));

    // A number that the provider tells is an index and sealed, and in no answer.
    let numbered = login(&agent, "han").await.ok();
    assert!(!numbered.text().contains("1101051949"));
    assert_eq!(sql.number("select count(*) from proofing where sealed_number is not null").await, 1);
    ca.audit_finds_nothing().await;
}

async fn a_login_is_used_once_by_the_browser_that_began_it(_: Family) {
    let Some(provider) = Provider::start() else { return };
    let ca = provider.ca(|_| {}).await;
    let agent = ca.anonymous();
    let (url, cookie) = begin(&agent).await;
    let query = Browser::default().login(&url, "li").await;
    let (_, others) = begin(&agent).await;
    refused(&come_back(&agent, &query, &others).await, "another browser");
    refused(&come_back(&agent, &query, "").await, "no browser");
    let other_state: String =
        query.split('&').map(|part| if part.starts_with("state=") { "state=00" } else { part }).collect::<Vec<_>>().join("&");
    refused(&come_back(&agent, &other_state, &cookie).await, "another state");
    let other_issuer =
        query.split('&').filter(|part| !part.starts_with("iss=")).collect::<Vec<_>>().join("&") + "&iss=http%3A%2F%2Fevil.example";
    refused(&come_back(&agent, &other_issuer, &cookie).await, "another issuer (RFC 9207)");
    refused(&come_back(&agent, "error=access_denied&state=00", &cookie).await, "the person declined");
    come_back(&agent, &query, &cookie).await.ok();
    refused(&come_back(&agent, &query, &cookie).await, "a second time");

    let (url, cookie) = begin(&agent).await;
    let query = Browser::default().login(&url, "li").await;
    let other_code = query.split('&').map(|part| if part.starts_with("code=") { "code=00" } else { part }).collect::<Vec<_>>().join("&");
    refused(&come_back(&agent, &other_code, &cookie).await, "a code that the provider did not give");
    refused(&come_back(&agent, &query, &cookie).await, "the login was used by the wrong code");

    let (url, cookie) = begin(&agent).await;
    let query = Browser::default().login(&url, "li").await;
    ca.clock.forward(Duration::minutes(11));
    refused(&come_back(&agent, &query, &cookie).await, "too late");
    assert_eq!(ca.sql().await.number("select count(*) from proofing").await, 1);

    drop(provider);
    let away = agent.post("/api/v1/citizens/oidc", &json!({})).await;
    assert_eq!((away.status, text(&away.json(), "code")), (502, "identity-provider-unavailable".to_owned()));
    let none = TestCa::new().start().await;
    assert_eq!(none.anonymous().post("/api/v1/citizens/oidc", &json!({})).await.status, 404);
}

async fn tokens_that_are_not_what_they_must_be_are_refused(_: Family) {
    let Some(provider) = Provider::start() else { return };
    let ca = provider.ca(|_| {}).await;
    let agent = ca.anonymous();
    let now = ca.clock.now().unix_timestamp();
    let cases = [
        ("its signature is damaged", json!({"signature": "flip"})),
        ("a stranger signed it", json!({"key": "other"})),
        ("nobody signed it", json!({"alg": "none"})),
        ("another issuer", json!({"claims": {"iss": "http://127.0.0.1:1"}})),
        ("another audience", json!({"claims": {"aud": "another"}})),
        ("one more audience", json!({"claims": {"aud": ["hufu", "another"]}})),
        ("another login's nonce", json!({"claims": {"nonce": "00"}})),
        ("no nonce", json!({"claims": {"nonce": null}})),
        ("expired", json!({"claims": {"exp": now - 10}})),
        ("issued long ago", json!({"claims": {"iat": now - 3600}})),
        ("issued in the future", json!({"claims": {"iat": now + 3600}})),
        ("nobody says when the person logged in", json!({"claims": {"auth_time": null}})),
        ("the person logged in long ago", json!({"claims": {"auth_time": now - 3600}})),
        ("another's access token", json!({"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}})),
    ];
    for (case, how) in cases {
        let (url, cookie) = begin(&agent).await;
        let query = Browser::default().login(&url, "li").await;
        provider.mischief(&how).await;
        refused(&come_back(&agent, &query, &cookie).await, case);
    }
    // Signed again with nothing changed it is accepted: it was the changes that were refused.
    let (url, cookie) = begin(&agent).await;
    let query = Browser::default().login(&url, "li").await;
    provider.mischief(&json!({"claims": {}})).await;
    come_back(&agent, &query, &cookie).await.ok();
    assert_eq!(ca.sql().await.number("select count(*) from proofing").await, 1);
}
