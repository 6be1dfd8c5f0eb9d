//! The one builder of a world to test in: a real service on real files, with a real database and a clock that the test holds.
//!
//! `TestCa::new().with_crl_shards(2).start().await` answers a running `Ca`. It is SQLite in the data directory, or with
//! `HUFU_TEST_DATABASE=postgres` a fresh database on the server `HUFU_TEST_POSTGRES`, which is dropped at the end.
//! TLS judges certificates by the machine's clock, so a world that begins at another time is spoken to without TLS.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use axum::{body::Body, extract::ConnectInfo, http::HeaderMap};
use der::pem::LineEnding;
use hufu::{
    cli::{
        Family,
        claim::{Claim, request},
        client::Identity,
        serve::Running,
    },
    config::Config,
    crypto::{PrivateKey, Secret, digest::sha256, keys::software::decrypt_pem, tls},
    http::listener::Peer,
    ledger::TrustedLog,
    policy::{
        Header, NameKind, Payload, SignerReference, assemble,
        profile::{Evidence, NameSource, Source},
        signing_input,
    },
    services::{
        audit::{Finding, audit},
        start::World,
        trust::TrustBundle,
    },
    store::{Db, Options},
    world::{Clock, Entropy, SystemClock, SystemEntropy, millis, random},
    x509::Certificate,
};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::CertificateDer,
    sign::{CertifiedKey, SingleCertAndKey},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use time::{Duration, OffsetDateTime};
use tower::ServiceExt;

/// The service must be given a free port, for other tests run beside this one.
const ANY_PORT: ([u8; 4], u16) = ([127, 0, 0, 1], 0);
/// Every version of TLS that the service speaks.
pub static TLS_VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// Runs each of these as a test for P-256 and for SM2: national algorithms are equals (promise 9).
macro_rules! in_both_families {
    ($($name:ident,)*) => {
        mod p256 {
            $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name(hufu::cli::Family::P256).await })*
        }
        mod sm2 {
            $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name(hufu::cli::Family::Sm2).await })*
        }
    };
}
pub(crate) use in_both_families;

/// A clock that runs with the machine's, ahead or behind it by as much as a test says. No two readings of it are the same, so
/// that what must be of one moment and is read twice never agrees by luck.
pub struct TestClock(AtomicI64);

/// Milliseconds that pass between two readings.
const TICK: i64 = 3;

impl TestClock {
    pub fn forward(&self, by: Duration) {
        self.0.fetch_add(by.whole_milliseconds() as i64, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> OffsetDateTime {
        SystemClock.now() + Duration::milliseconds(self.0.fetch_add(TICK, Ordering::SeqCst))
    }
}

/// A file of the shipped policies, and what a test makes of its text.
type PolicyChange = (&'static str, fn(String) -> String);

/// What a test says about its world before it begins.
pub struct TestCa {
    config: Config,
    policies: Vec<PolicyChange>,
    begins: Option<OffsetDateTime>,
}

impl TestCa {
    pub fn new() -> Self {
        let mut config = Config { https: ANY_PORT.into(), http: ANY_PORT.into(), ..Config::default() };
        // The work factor protects keys of value; these live for seconds.
        config.authority.key_iterations = 1000;
        config.authority.crl_shards = 2;
        config.limits.database_connections = 8;
        // Tests ask faster than people do, all of them from one address.
        (config.limits.caller_requests_second, config.limits.address_requests_second) = (100_000, 100_000);
        Self { config, policies: Vec::new(), begins: None }
    }

    pub fn with_crl_shards(self, shards: u16) -> Self {
        self.with(|config| config.authority.crl_shards = shards)
    }

    pub fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Starts with one file of the shipped policies changed.
    pub fn with_policy(mut self, file: &'static str, change: fn(String) -> String) -> Self {
        self.policies.push((file, change));
        self
    }

    /// Begins at that time instead of now. There is no TLS then.
    pub fn at(mut self, time: &str) -> Self {
        self.begins = Some(OffsetDateTime::parse(time, &time::format_description::well_known::Rfc3339).unwrap());
        self
    }

    pub async fn start(mut self) -> Ca {
        // What the service logs is for whoever looks for the cause of a failure, and asks for it.
        if std::env::var_os("HUFU_LOG").is_some() {
            hufu::cli::log_to_stderr();
        }
        let directory = tempfile::Builder::new().prefix("hufu-test-").tempdir().unwrap();
        if self.config.data == Config::default().data {
            self.config.data = directory.path().join("data");
        }
        if !self.policies.is_empty() {
            write_policies(&self.config.data.join("policies"), &self.policies);
        }
        let server = match (&self.config.database, std::env::var("HUFU_TEST_DATABASE").as_deref()) {
            (None, Ok("postgres")) => Some(PostgresDatabase::create().await),
            _ => None,
        };
        if let Some(server) = &server {
            self.config.database = Some(server.url.clone());
        }
        let ahead = self.begins.map_or(0, |begins| millis(begins) - millis(SystemClock.now()));
        let clock = Arc::new(TestClock(AtomicI64::new(ahead)));
        let world = World { clock: clock.clone(), entropy: Arc::new(SystemEntropy) };
        let running = Running::start(self.config.clone(), world).await.unwrap();
        // A restart takes other ports, and the addresses in certificates must stay what they were.
        self.config.base_url = Some(format!("http://{}", running.http).parse().unwrap());
        let reach = if self.begins.is_some() { Reach::Inside } else { Reach::Tls };
        Ca { clock, config: self.config, reach, directory, running: Some(running), auditor: tokio::sync::OnceCell::new(), _server: server }
    }
}

/// The shipped policies with some of their files changed.
fn write_policies(directory: &Path, changes: &[PolicyChange]) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut folders = vec![shipped.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&shipped).unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let changed = (changes.iter().filter(|(file, _)| Path::new(file) == name)).fold(text.clone(), |text, (_, change)| change(text));
            assert_eq!(changed != text, changes.iter().any(|(file, _)| Path::new(file) == name), "{} did not change", name.display());
            std::fs::create_dir_all(directory.join(&name).parent().unwrap()).unwrap();
            std::fs::write(directory.join(&name), changed).unwrap();
        }
    }
}

/// Whether this run is on PostgreSQL.
pub fn on_postgres() -> bool {
    std::env::var("HUFU_TEST_DATABASE").as_deref() == Ok("postgres")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Tls,
    Inside,
}

/// A service that runs.
pub struct Ca {
    pub clock: Arc<TestClock>,
    pub config: Config,
    reach: Reach,
    directory: tempfile::TempDir,
    running: Option<Running>,
    auditor: tokio::sync::OnceCell<Person>,
    _server: Option<PostgresDatabase>,
}

/// Someone who acts: a certificate with its private key, and where their files are.
pub struct Person {
    pub id: String,
    pub identity: Identity,
    /// What `NAME.crt` and `NAME.key` share.
    pub files: PathBuf,
}

/// A department with those who work for it.
pub struct Office {
    pub administrator: Person,
    pub department: String,
    /// The namespace of its hosts and mail addresses.
    pub domain: String,
    pub registration: Person,
    pub approver: Person,
}

/// A request that waits for its decision.
pub struct Applicant {
    pub enrolment: String,
    pub secret: Secret,
}

/// Whom a certificate was issued to.
pub struct Holder {
    pub id: String,
    pub certificate: Certificate,
    /// What the API says of it.
    pub view: Value,
    pub secret: Secret,
}

impl Ca {
    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn services(&self) -> &hufu::services::Services {
        &self.running().services
    }

    pub fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    pub fn data(&self) -> &Path {
        &self.config.data
    }

    /// A directory for whatever a test keeps.
    pub fn scratch(&self) -> &Path {
        self.directory.path()
    }

    pub async fn stop(&mut self) {
        self.running.take().unwrap().stop().await.unwrap();
    }

    /// Starts again on the same data and the same clock.
    pub async fn start_again(&mut self) {
        let world = World { clock: self.clock.clone(), entropy: Arc::new(SystemEntropy) };
        self.running = Some(Running::start(self.config.clone(), world).await.unwrap());
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }

    pub fn roots(&self) -> Vec<Certificate> {
        self.services().authorities().roots().unwrap().iter().map(|root| (**root).clone()).collect()
    }

    pub fn bundle(&self) -> TrustBundle {
        serde_json::from_slice(&std::fs::read(self.data().join("trust/bundle.json")).unwrap()).unwrap()
    }

    /// A log as a verifier knows it, from the trust bundle alone.
    pub fn log(&self, name: &str) -> TrustedLog {
        let bundle = self.bundle();
        let origin = &bundle.logs.iter().find(|log| log.name == name).unwrap().origin;
        bundle.trusted_logs().into_iter().find(|log| log.origin == *origin).unwrap()
    }

    /// The size of every log: what nobody changes who changes nothing.
    pub fn log_sizes(&self) -> BTreeMap<String, u64> {
        let size = |name: &String| self.services().checkpoint(name).unwrap().checkpoint.size;
        self.bundle().logs.iter().map(|log| (log.name.clone(), size(&log.name))).collect()
    }

    pub async fn sql(&self) -> Sql {
        Sql::open(&self.config.database_url()).await
    }

    /// Holds back everybody else's writes until it is released. Reads go on.
    pub async fn lock(&self) -> Lock {
        let mut sql = self.sql().await;
        match &sql {
            Sql::Lite(_) => sql.run("begin immediate").await,
            Sql::Pg(_) => {
                sql.run("begin").await;
                sql.run("lock table ledger_head, ledger_leaf, nonce, enrolment, department, person in exclusive mode").await;
            }
        }
        Lock(sql)
    }
}

// Who speaks to it, and how.

/// One end of the API or of the public side, with a certificate or without.
#[derive(Clone)]
pub enum Agent {
    Net {
        http: reqwest::Client,
        server: String,
        bearer: Option<String>,
    },
    /// The same router without TLS before it.
    Inside {
        router: axum::Router,
        peer: Peer,
        bearer: Option<String>,
    },
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Ca {
    pub fn anonymous(&self) -> Agent {
        self.agent(None)
    }

    pub fn client(&self, person: &Person) -> Agent {
        self.agent(Some(person))
    }

    /// The HTTP side.
    pub fn public(&self) -> Agent {
        let http = browser(self.tls(None, TLS_VERSIONS));
        Agent::Net { http, server: format!("http://{}", self.running().http), bearer: None }
    }

    fn agent(&self, person: Option<&Person>) -> Agent {
        match self.reach {
            Reach::Tls => self.over_tls(person.map(Person::certified_key), TLS_VERSIONS),
            Reach::Inside => Agent::Inside {
                router: hufu::http::api(self.running().services.clone(), &self.config.limits),
                peer: Peer {
                    address: ANY_PORT.into(),
                    certificate: person.map(|person| Arc::new(person.identity.certificate().der().to_vec())),
                },
                bearer: None,
            },
        }
    }

    /// HTTPS in these versions of TLS, with this client certificate.
    pub fn over_tls(&self, shown: Option<CertifiedKey>, versions: &[&'static SupportedProtocolVersion]) -> Agent {
        let server = format!("https://127.0.0.1:{}", self.running().https.port());
        Agent::Net { http: browser(self.tls(shown, versions)), server, bearer: None }
    }

    fn tls(&self, shown: Option<CertifiedKey>, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let mut store = RootCertStore::empty();
        for root in self.roots() {
            store.add(CertificateDer::from(root.der().to_vec())).unwrap();
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(tls::provider()));
        let builder = builder.with_protocol_versions(versions).unwrap().with_root_certificates(store);
        match shown {
            Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
            None => builder.with_no_client_auth(),
        }
    }
}

fn browser(config: ClientConfig) -> reqwest::Client {
    let builder = reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy();
    builder.timeout(std::time::Duration::from_secs(60)).build().unwrap()
}

impl Agent {
    /// The same with the secret of a session or a token.
    pub fn with_bearer(mut self, secret: &str) -> Self {
        let (Self::Net { bearer, .. } | Self::Inside { bearer, .. }) = &mut self;
        *bearer = Some(secret.to_owned());
        self
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Vec::new()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().into_bytes()).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// The same, for connections that may not come about.
    pub async fn try_send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Answer, reqwest::Error> {
        match self {
            Self::Net { http, server, bearer } => {
                let mut request = http.request(method.parse().unwrap(), format!("{server}{path}")).body(body);
                if let Some(bearer) = bearer {
                    request = request.bearer_auth(bearer);
                }
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let answer = request.send().await?;
                let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
                Ok(Answer { status, headers, body: answer.bytes().await?.to_vec() })
            }
            Self::Inside { router, peer, bearer } => {
                let mut request = axum::http::Request::builder().method(method).uri(path);
                if let Some(bearer) = bearer {
                    request = request.header("authorization", format!("Bearer {bearer}"));
                }
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let mut request = request.body(Body::from(body)).unwrap();
                request.extensions_mut().insert(ConnectInfo(peer.clone()));
                let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
                Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
            }
        }
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of an answer that is a success.
    pub fn ok(self) -> Self {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text());
        self
    }
}

/// A field of an answer.
pub fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

// People, and what they do.

impl Ca {
    pub async fn administrator(&self, family: Family) -> Person {
        self.claim(&self.first_code("administrator"), "administrator", family).await
    }

    /// The first auditor, who claims their certificate when they are first needed.
    pub async fn auditor(&self, family: Family) -> &Person {
        self.auditor.get_or_init(async || self.claim(&self.first_code("auditor"), "auditor", family).await).await
    }

    pub fn first_code(&self, who: &str) -> String {
        text(&serde_json::from_slice(&std::fs::read(self.data().join("claims.json")).unwrap()).unwrap(), who)
    }

    /// What `hufu claim` does, by its own code where there is TLS.
    pub async fn claim(&self, code: &str, name: &str, family: Family) -> Person {
        let out = self.scratch().join("people");
        if self.reach == Reach::Tls {
            let server = format!("https://127.0.0.1:{}", self.running().https.port());
            let (code, named) = (code.to_owned(), Some(name.to_owned()));
            let claim = Claim { code, server, family, out: out.clone(), name: named, passphrase_file: None, json: false };
            let id = claim.execute().await.unwrap().person;
            return Person::load(id, out.join(name));
        }
        let secret = family.algorithm().generate().unwrap();
        let csr = request(&*family.algorithm().load(&secret).unwrap()).unwrap();
        let answer = self.anonymous().post("/api/v1/claims", &json!({"code": code, "csr": csr})).await.ok().json();
        std::fs::create_dir_all(&out).unwrap();
        std::fs::write(out.join(format!("{name}.crt")), text(&answer, "chain")).unwrap();
        std::fs::write(out.join(format!("{name}.key")), key_pem(&secret)).unwrap();
        Person::load(text(&answer, "person"), out.join(name))
    }

    /// A department of that name, certifying `{domain}` and what is below it.
    pub async fn department(&self, administrator: &Person, name: &str, domain: &str) -> String {
        let body = json!({"name": name, "organizations": [name], "dns": [domain], "mail": [domain]});
        let id = text(&self.client(administrator).post("/api/v1/departments", &body).await.ok().json(), "id");
        let made = self.decide(administrator, "define-department", &id, None, None).await.ok();
        assert_eq!((made.status, text(&made.json(), "department")), (200, id.clone()));
        id
    }

    /// Proposes an officer, signs the grant, and claims the certificate with its code.
    pub async fn officer(&self, administrator: &Person, department: &str, roles: &[&str], family: Family) -> Person {
        let name = format!("officer-{}", hex::encode(random::<4>(&SystemEntropy as &dyn Entropy)));
        let client = self.client(administrator);
        let body = json!({"name": name, "department": department, "roles": roles});
        let id = text(&client.post("/api/v1/officers", &body).await.ok().json(), "id");
        let alone = self.decide(administrator, "grant", &id, None, None).await.ok();
        assert_eq!((alone.status, &alone.json()["missing"]["people"]), (202, &json!(1)));
        let auditor = self.auditor(family).await;
        let granted = self.decide(auditor, "grant", &id, None, None).await.ok().json();
        self.claim(&text(&granted, "claim"), &name, family).await
    }

    /// A department with a registration officer and an approver.
    pub async fn office(&self, family: Family) -> Office {
        let administrator = self.administrator(family).await;
        let domain = "mzj.example.cn".to_owned();
        let department = self.department(&administrator, "民政局", &domain).await;
        let registration = self.officer(&administrator, &department, &["registration-officer"], family).await;
        let approver = self.officer(&administrator, &department, &["approver"], family).await;
        Office { administrator, department, domain, registration, approver }
    }

    /// A registration officer asks for one certificate of that profile for somebody new.
    pub async fn enrol(&self, office: &Office, profile: &str, family: Family) -> Applicant {
        let secret = family.algorithm().generate().unwrap();
        let body = self.application(office, profile, &[csr(family, &secret)]);
        let answer = self.client(&office.registration).post("/api/v1/enrolments", &body).await.ok().json();
        Applicant { enrolment: text(&answer, "id"), secret }
    }

    pub async fn approve(&self, officer: &Person, applicant: Applicant) -> Holder {
        let answer = self.decide(officer, "approve", &applicant.enrolment, None, None).await.ok().json();
        Holder::of(&answer["certificates"][0], applicant.secret)
    }

    /// Enrolled and approved.
    pub async fn issue(&self, office: &Office, profile: &str, family: Family) -> Holder {
        let applicant = self.enrol(office, profile, family).await;
        self.approve(&office.approver, applicant).await
    }

    pub async fn revoke(&self, officer: &Person, id: &str, reason: &str, since: Option<&str>) -> Value {
        self.decide(officer, "revoke", id, Some(reason), since).await.ok().json()
    }

    /// Fetches what there is to sign, signs it, hands it in.
    pub async fn decide(&self, person: &Person, act: &str, about: &str, reason: Option<&str>, since: Option<&str>) -> Answer {
        let payload = self.draft(person, act, about, reason, since).await;
        self.hand_in(person, act, about, &person.sign(&payload)).await
    }

    /// Ends all roles of an officer.
    pub async fn dismiss(&self, by: &Person, officer: &Person) {
        let statement = by.sign(&self.draft(by, "dismiss", &officer.id, None, None).await);
        let body = json!({"statement": statement}).to_string().into_bytes();
        let json = [("content-type", "application/json")];
        self.client(by).send("DELETE", &format!("/api/v1/officers/{}", officer.id), &json, body).await.ok();
    }

    /// The audit of the database agrees with it, and every decision follows, while the service runs.
    pub async fn audit_finds_nothing(&self) {
        assert_eq!(self.audit().await, []);
        let db = self.db().await;
        crate::replay::finds_nothing(&db, &self.services().trust_bundle().unwrap()).await;
        db.close().await;
    }

    /// What the audit of the rows finds.
    pub async fn audit(&self) -> Vec<Finding> {
        let db = self.db().await;
        let findings = audit(&db, &self.services().trust_bundle().unwrap()).await.unwrap();
        db.close().await;
        findings
    }

    async fn db(&self) -> Db {
        let options = Options { busy_timeout: std::time::Duration::from_secs(5), max_connections: 2 };
        Db::open(&self.config.database_url(), options).await.unwrap()
    }

    pub async fn draft(&self, person: &Person, act: &str, about: &str, reason: Option<&str>, since: Option<&str>) -> Payload {
        let body = json!({"act": act, "about": about, "reason": reason, "since": since});
        let answer = self.client(person).post("/api/v1/statements/drafts", &body).await.ok().json();
        serde_json::from_value(answer["payload"].clone()).unwrap()
    }

    pub async fn hand_in(&self, person: &Person, act: &str, about: &str, statement: &str) -> Answer {
        self.client(person).post(&statement_path(act, about), &json!({"statement": statement})).await
    }
}

/// Where the statement of an act is handed in.
pub fn statement_path(act: &str, about: &str) -> String {
    let (collection, name) = match act {
        "approve" => ("enrolments", "approvals"),
        "reject" => ("enrolments", "rejection"),
        "withdraw" => ("enrolments", "withdrawal"),
        "revoke" => ("certificates", "revocation"),
        "suspend" => ("certificates", "suspension"),
        "resume" => ("certificates", "resumption"),
        "re-review" => ("certificates", "re-review"),
        "grant" => ("officers", "grant"),
        "activate-policy" => ("policies", "activation"),
        "grant-token" => ("tokens", "grant"),
        "revoke-token" => ("tokens", "revocation"),
        "define-department" | "change-department" | "merge-department" => ("department-changes", "decision"),
        other => panic!("no act {other}"),
    };
    format!("/api/v1/{collection}/{about}/{name}")
}

impl Person {
    /// Somebody who made their key by themself: keeps it, with the chain that they were answered.
    pub fn keep(ca: &Ca, id: &str, chain: &str, secret: &Secret) -> Self {
        let (out, name) = (ca.scratch().join("people"), hex::encode(random::<4>(&SystemEntropy as &dyn Entropy)));
        std::fs::create_dir_all(&out).unwrap();
        std::fs::write(out.join(format!("{name}.crt")), chain).unwrap();
        std::fs::write(out.join(format!("{name}.key")), key_pem(secret)).unwrap();
        Self::load(id.to_owned(), out.join(name))
    }

    fn load(id: String, files: PathBuf) -> Self {
        Self { id, identity: Identity::load(&files).unwrap(), files }
    }

    pub fn certified_key(&self) -> CertifiedKey {
        let pem = std::fs::read_to_string(self.files.with_extension("key")).unwrap();
        let chain = self.identity.chain.iter().map(|certificate| CertificateDer::from(certificate.der().to_vec())).collect();
        tls::certified_key(chain, &decrypt_pem(&pem, b"").unwrap()).unwrap()
    }

    /// The key by itself, for whoever signs without the person.
    pub fn copy_of_key(&self) -> Box<dyn PrivateKey> {
        let pem = std::fs::read_to_string(self.files.with_extension("key")).unwrap();
        self.identity.key.public_key().algorithm().load(&decrypt_pem(&pem, b"").unwrap()).unwrap()
    }

    /// A statement with this payload, as it is.
    pub fn sign(&self, payload: &Payload) -> String {
        let algorithm = self.identity.key.public_key().algorithm();
        let header = Header { algorithm, signer: SignerReference::certificate(self.identity.certificate().der()) };
        let input = signing_input(&header, payload);
        assemble(&input, algorithm, &self.identity.key.sign(input.as_bytes()).unwrap()).unwrap()
    }
}

impl Ca {
    /// A request that a profile accepts: every field that it takes from requests has a value.
    pub fn application(&self, office: &Office, profile: &str, requests: &[String]) -> Value {
        let policy = self.services().policy();
        let profile = policy.profile(&profile.parse().unwrap()).unwrap();
        let host = format!("h{}.{}", hex::encode(random::<4>(&SystemEntropy as &dyn Entropy)), office.domain);
        let names: BTreeMap<String, [String; 1]> = (profile.name_fields().iter().filter(|field| field.source == NameSource::Request))
            .filter_map(|field| match field.kind {
                NameKind::Dns => Some((field.kind.to_string(), [host.clone()])),
                NameKind::Mail => Some((field.kind.to_string(), [format!("wangfang@{}", office.domain)])),
                NameKind::Ip => None,
            })
            .collect();
        let value = |attribute: &str| match attribute {
            "CN" if names.contains_key("dns") => host.clone(),
            "CN" => "王芳".to_owned(),
            _ => "一科".to_owned(),
        };
        let subject: BTreeMap<&str, String> = (profile.subject_fields().iter().filter(|field| matches!(field.source, Source::Request)))
            .map(|field| (field.attribute.name, value(field.attribute.name)))
            .collect();
        let evidence = (profile.evidence() == Evidence::Required).then(|| hex::encode([7; 32]));
        json!({
            "profile": profile.name().as_str(), "department": office.department, "subject": subject, "alternative_names": names,
            "evidence": evidence, "requests": requests,
        })
    }
}

impl Holder {
    pub fn of(view: &Value, secret: Secret) -> Self {
        let certificate = Certificate::parse_many(text(view, "pem").as_bytes()).unwrap().remove(0);
        Self { id: text(view, "id"), certificate, view: view.clone(), secret }
    }

    pub fn authority(&self) -> String {
        text(&self.view, "authority")
    }

    pub fn certified_key(&self, ca: &Ca) -> CertifiedKey {
        let mut chain = vec![CertificateDer::from(self.certificate.der().to_vec())];
        let authority = ca.services().authorities().load(&self.authority()).unwrap();
        let above = ca.services().authorities().chain(&authority).unwrap();
        chain.extend(above.iter().map(|certificate| CertificateDer::from(certificate.der().to_vec())));
        tls::certified_key(chain, &self.secret).unwrap()
    }
}

/// A certification request that proves possession of a key.
pub fn csr(family: Family, secret: &Secret) -> String {
    request(&*family.algorithm().load(secret).unwrap()).unwrap()
}

pub fn new_csr(family: Family) -> String {
    csr(family, &family.algorithm().generate().unwrap())
}

pub fn new_key(family: Family) -> Box<dyn PrivateKey> {
    family.algorithm().load(&family.algorithm().generate().unwrap()).unwrap()
}

fn key_pem(secret: &Secret) -> String {
    der::pem::encode_string("PRIVATE KEY", LineEnding::LF, secret).unwrap()
}

// The database from beside.

/// A connection of the test's own.
pub enum Sql {
    Lite(SqliteConnection),
    Pg(PgConnection),
}

/// Locks that another program holds.
pub struct Lock(Sql);

impl Lock {
    pub async fn release(mut self) {
        self.0.run("rollback").await;
    }
}

/// Every row of every table, as text.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<String, BTreeSet<String>>);

impl Snapshot {
    /// What there is now and was not before, or the reverse: nothing when nothing changed.
    pub fn changes_to(&self, later: &Self) -> Vec<String> {
        let rows = |snapshot: &Self| -> BTreeSet<String> {
            snapshot.0.iter().flat_map(|(table, rows)| rows.iter().map(move |row| format!("{table}: {row}"))).collect()
        };
        rows(self).symmetric_difference(&rows(later)).cloned().collect()
    }
}

impl Sql {
    pub async fn open(url: &str) -> Self {
        if url.starts_with("postgres") {
            return Self::Pg(PgConnection::connect(url).await.unwrap());
        }
        Self::Lite(SqliteConnectOptions::from_str(url).unwrap().connect().await.unwrap())
    }

    pub async fn run(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Lite(connection) => drop(sqlx::raw_sql(sql).execute(connection).await.unwrap()),
            Self::Pg(connection) => drop(sqlx::raw_sql(sql).execute(connection).await.unwrap()),
        }
    }

    pub async fn number(&mut self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Lite(connection) => sqlx::query_scalar(sql).fetch_one(connection).await.unwrap(),
            Self::Pg(connection) => sqlx::query_scalar(sql).fetch_one(connection).await.unwrap(),
        }
    }

    pub async fn texts(&mut self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Lite(connection) => sqlx::query_scalar(sql).fetch_all(connection).await.unwrap(),
            Self::Pg(connection) => sqlx::query_scalar(sql).fetch_all(connection).await.unwrap(),
        }
    }

    /// Every row of every table with all that is in it, octets in hexadecimal.
    pub async fn everything(&mut self) -> String {
        let tables = match self {
            Self::Lite(_) => "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'",
            Self::Pg(_) => "select tablename::text from pg_tables where schemaname = 'public'",
        };
        let mut rows = Vec::new();
        for table in self.texts(tables).await {
            rows.extend(match self {
                Self::Lite(_) => {
                    let columns = self.texts(&format!("select name from pragma_table_info('{table}')")).await;
                    let quoted: Vec<String> = columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
                    self.texts(&format!("select {} from \"{table}\"", quoted.join(" || ' ' || "))).await
                }
                Self::Pg(_) => self.texts(&format!("select one::text from \"{table}\" as one")).await,
            });
        }
        rows.join("\n")
    }

    pub async fn snapshot(&mut self) -> Snapshot {
        let tables = match self {
            Self::Lite(_) => {
                "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and name not like '\\_%' escape '\\'"
            }
            Self::Pg(_) => "select tablename::text from pg_tables where schemaname = 'public' and tablename not like '\\_%'",
        };
        let mut snapshot = BTreeMap::new();
        for table in self.texts(tables).await {
            let rows = match self {
                Self::Lite(_) => {
                    let columns = self.texts(&format!("select name from pragma_table_info('{table}')")).await;
                    let quoted: Vec<String> = columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
                    self.texts(&format!("select {} from \"{table}\"", quoted.join(" || ' ' || "))).await
                }
                Self::Pg(_) => self.texts(&format!("select one::text from \"{table}\" as one")).await,
            };
            // Long rows are told apart by their digest and recognised by their beginning.
            let short =
                |row: String| format!("{} {}", row.chars().take(120).collect::<String>(), hex::encode(&sha256(row.as_bytes())[..8]));
            snapshot.insert(table, rows.into_iter().map(short).collect());
        }
        Snapshot(snapshot)
    }
}

/// A database of its own on the server of the tests, dropped at the end.
pub struct PostgresDatabase {
    server: String,
    name: String,
    pub url: String,
}

impl PostgresDatabase {
    pub async fn create() -> Self {
        let server = std::env::var("HUFU_TEST_POSTGRES").expect("HUFU_TEST_POSTGRES is the URL of a PostgreSQL superuser");
        let name = format!("hufu_test_{}", hex::encode(random::<8>(&SystemEntropy as &dyn Entropy)));
        Sql::open(&server).await.run(&format!("create database {name}")).await;
        let mut url: url::Url = server.parse().unwrap();
        url.set_path(&name);
        Self { server, name, url: url.into() }
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { Sql::open(&server).await.run(&format!("drop database {name} with (force)")).await });
        });
        // A test that fails already must not fail twice.
        let _ = dropped.join();
    }
}
