//! Notices of expiry, at a mail server program of other people and at a webhook that fails: as many as there must be, each told
//! apart and signed, whatever the clock does, and none about what needs nobody's attention.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{body::Bytes, http::HeaderMap};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hufu::{
    cli::Family,
    config::{NoticesConfig, SmtpTls},
    policy::jws::Jws,
    services::notices::webhook::Event,
};
use serde_json::{Value, json};
use time::Duration;

use crate::world::{Ca, Holder, Office, TestCa, csr, in_both_families, new_csr, text};

in_both_families! {
    a_clock_that_moves_seventy_days_a_day_at_a_time_makes_four_mails,
    a_clock_that_jumps_seventy_days_makes_the_same_four,
    a_webhook_that_fails_three_times_gets_each_once_more,
    what_was_renewed_revoked_or_suspended_is_not_written_about,
}

/// aiosmtpd, for as long as a test runs.
pub struct MailServer {
    child: Child,
    port: u16,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The interpreter of `HUFU_TEST_VENV`, where `test.sh` installs aiosmtpd.
fn python() -> Option<PathBuf> {
    let found = std::env::var_os("HUFU_TEST_VENV").map(PathBuf::from);
    let folder = found.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/hufu-test/venv")))?;
    let python = folder.join("bin/python");
    let there = Command::new(&python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !there {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must have the mail server: see test.sh");
        eprintln!("SKIPPED: no aiosmtpd in {}; ./test.sh installs it", folder.display());
    }
    there.then_some(python)
}

impl MailServer {
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/smtp/server.py");
        let mut command = Command::new(python()?);
        command.arg(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = output.next().unwrap().unwrap().parse().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let read = lines.clone();
        std::thread::spawn(move || {
            for line in output.map_while(Result::ok) {
                read.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Some(Self { child, port, lines })
    }

    /// Everything it has said so far. It says so before it answers, so only the pipe is waited for.
    pub async fn mails(&self) -> Vec<Value> {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        self.lines.lock().unwrap().clone()
    }

    /// How a service that writes to it is configured.
    pub fn configure(&self, notices: &mut NoticesConfig) {
        notices.operators = vec!["pki@ca.example".to_owned()];
        notices.smtp.server = Some("127.0.0.1".to_owned());
        notices.smtp.port = Some(self.port);
        notices.smtp.tls = SmtpTls::None;
        notices.smtp.from = Some("数字证书中心 <hufu@ca.example>".to_owned());
    }
}

/// An HTTP server that refuses as often as it is told to.
struct Receiver {
    url: String,
    failures: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Receiver {
    async fn start(failures: usize) -> Self {
        let (failures, requests) = (Arc::new(AtomicUsize::new(failures)), Arc::new(Mutex::new(Vec::new())));
        let (left, seen) = (failures.clone(), requests.clone());
        let take = async move |headers: HeaderMap, body: Bytes| {
            seen.lock().unwrap().push((headers, body));
            let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            if fails { axum::http::StatusCode::SERVICE_UNAVAILABLE } else { axum::http::StatusCode::NO_CONTENT }
        };
        let moved = async || axum::response::Redirect::temporary("/hook");
        let router = axum::Router::new().route("/hook", axum::routing::post(take)).route("/moved", axum::routing::post(moved));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, failures, requests }
    }

    fn requests(&self) -> Vec<(HeaderMap, Bytes)> {
        self.requests.lock().unwrap().clone()
    }

    /// The events that it got, each with its signature checked by the trust bundle alone.
    fn events(&self, ca: &Ca) -> Vec<Event> {
        self.requests().iter().map(|(headers, body)| verified(ca, headers, body)).collect()
    }
}

/// What a receiver does: puts the body back between header and signature, and verifies (RFC 7515 appendix F).
fn verified(ca: &Ca, headers: &HeaderMap, body: &[u8]) -> Event {
    let signature = headers["hufu-signature"].to_str().unwrap();
    let compact = signature.replacen("..", &format!(".{}.", URL_SAFE_NO_PAD.encode(body)), 1);
    let jws = Jws::<Event>::parse(&compact).unwrap();
    jws.verify(&ca.bundle().system_key().unwrap()).unwrap();
    assert_eq!(headers["idempotency-key"].to_str().unwrap(), jws.payload().id);
    jws.payload().clone()
}

/// A service whose staff have certificates of seventy days and twelve hours.
async fn ca(change: impl FnOnce(&mut NoticesConfig)) -> Ca {
    let short = |text: String| text.replace("lifetime = \"365 days\"", "lifetime = \"1692 hours\"");
    TestCa::new().with(|config| change(&mut config.notices)).with_policy("profiles/staff.toml", short).start().await
}

/// A round of upkeep, and the delivery of what it queued.
async fn round(ca: &Ca) {
    ca.services().upkeep().await;
    ca.services().deliver_notices().await;
}

async fn log(ca: &Ca, office: &Office, query: &str) -> Vec<Value> {
    let page = ca.client(&office.administrator).get(&format!("/api/v1/notices{query}")).await.ok().json();
    page["items"].as_array().unwrap().clone()
}

fn is_told(mails: &[Value], holder: &Holder) {
    assert_eq!(mails.len(), 4, "{mails:#?}");
    let ids: BTreeSet<String> = mails.iter().map(|mail| text(&mail["headers"], "message-id")).collect();
    assert_eq!(ids, BTreeSet::from([60, 30, 7, 1].map(|days| format!("<{}.{days}@ca.example>", holder.certificate.id()))));
    for mail in mails {
        assert_eq!(mail["envelope"], json!(["hufu@ca.example", "wangfang@mzj.example.cn"]));
        assert_eq!((&mail["is_ascii"], &mail["helo"]), (&json!(true), &json!("ca.example")), "safe for every server on the way");
        assert_eq!(text(&mail["headers"], "from"), "数字证书中心 <hufu@ca.example>");
        assert_eq!(text(&mail["headers"], "auto-submitted"), "auto-generated");
        assert!(text(mail, "text").contains("CN=王芳"), "{mail}");
    }
}

async fn a_clock_that_moves_seventy_days_a_day_at_a_time_makes_four_mails(family: Family) {
    let Some(server) = MailServer::start(&[]) else { return };
    let mut ca = ca(|notices| server.configure(notices)).await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    round(&ca).await;
    assert_eq!(server.mails().await, [] as [Value; 0]);
    for (days, mails) in [(10, 0), (1, 1), (29, 1), (1, 2), (22, 2), (1, 3), (5, 3), (1, 4)] {
        for _ in 0..days {
            ca.clock.forward(Duration::days(1));
            ca.services().upkeep().await;
        }
        ca.services().deliver_notices().await;
        assert_eq!(server.mails().await.len(), mails);
        if mails == 2 {
            ca.restart().await;
            round(&ca).await;
        }
    }
    let mails = server.mails().await;
    is_told(&mails, &holder);
    let end = holder.certificate.not_after().date();
    for (mail, (zh, en)) in mails.iter().zip([("剩余 60 天", "60 days left"), ("剩余 30 天", "30 days left"), ("剩余 7 天", "7 days left")])
    {
        let subject = text(&mail["headers"], "subject");
        assert!(subject.starts_with("证书将于") && [zh, en, &end.to_string()].iter().all(|part| subject.contains(part)), "{subject}");
    }
    ca.audit_finds_nothing().await;
}

async fn a_clock_that_jumps_seventy_days_makes_the_same_four(family: Family) {
    let Some(server) = MailServer::start(&[]) else { return };
    let ca = ca(|notices| server.configure(notices)).await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    ca.clock.forward(Duration::days(70));
    // Two that look and two that send at once, as two nodes would.
    tokio::join!(ca.services().upkeep(), ca.services().upkeep());
    tokio::join!(ca.services().deliver_notices(), ca.services().deliver_notices());
    round(&ca).await;
    is_told(&server.mails().await, &holder);
    let log = log(&ca, &office, "?state=delivered").await;
    assert_eq!(log.len(), 4);
    assert!(
        log.iter().all(|notice| notice["attempts"] == 1 && notice["delivered_at"].is_string() && notice["channel"] == "mail"),
        "{log:#?}"
    );
}

async fn a_webhook_that_fails_three_times_gets_each_once_more(family: Family) {
    let receiver = Receiver::start(3).await;
    let ca = ca(|notices| notices.webhook.url = Some(receiver.url.parse().unwrap())).await;
    let office = ca.office(family).await;
    let holder = ca.issue(&office, "staff", family).await;
    ca.clock.forward(Duration::days(70));
    round(&ca).await;
    assert_eq!(receiver.requests().len(), 4);
    let waiting = log(&ca, &office, "?state=waiting").await;
    let failed: Vec<_> = waiting.iter().map(|notice| (text(notice, "last_error"), notice["attempts"].as_i64())).collect();
    assert_eq!(failed, vec![("answer-503".to_owned(), Some(1)); 3]);
    ca.services().deliver_notices().await;
    assert_eq!(receiver.requests().len(), 4, "not before their time");
    ca.clock.forward(Duration::seconds(11));
    round(&ca).await;
    ca.clock.forward(Duration::days(1));
    round(&ca).await;

    let events = receiver.events(&ca);
    assert_eq!(events.iter().map(|event| event.days).collect::<Vec<_>>(), [60, 30, 7, 1, 60, 30, 7]);
    assert_eq!(events[..3], events[4..], "once more, and the same");
    let event = &events[0];
    assert_eq!((event.certificate.as_str(), event.event.as_str()), (holder.id.as_str(), "certificate-expires"));
    assert_eq!(event.department.as_deref(), Some(office.department.as_str()));
    let body = String::from_utf8(receiver.requests()[0].1.to_vec()).unwrap();
    assert!(!body.contains("王芳") && !body.contains("wangfang"), "{body}");
    let log = log(&ca, &office, "").await;
    assert_eq!(log.iter().map(|notice| text(notice, "state")).collect::<Vec<_>>(), ["delivered"; 4]);
    assert_eq!(log.iter().map(|notice| notice["attempts"].as_i64().unwrap()).collect::<Vec<_>>(), [2, 2, 2, 1]);
}

async fn what_was_renewed_revoked_or_suspended_is_not_written_about(family: Family) {
    let receiver = Receiver::start(0).await;
    let ca = ca(|notices| notices.webhook.url = Some(receiver.url.parse().unwrap())).await;
    let office = ca.office(family).await;
    let [renewed, revoked, suspended, late] = [(); 4].map(|()| ca.issue(&office, "staff", family));
    let (renewed, revoked, suspended, late) = tokio::join!(renewed, revoked, suspended, late);
    // A later certificate of the same person.
    ca.clock.forward(Duration::hours(1));
    let secret = family.algorithm().generate().unwrap();
    let mut body = ca.application(&office, "staff", &[csr(family, &secret)]);
    body["person"] = renewed.view["person"].clone();
    let enrolment = text(&ca.client(&office.registration).post("/api/v1/enrolments", &body).await.ok().json(), "id");
    ca.decide(&office.approver, "approve", &enrolment, None, None).await.ok();
    ca.revoke(&office.approver, &revoked.id, "superseded", None).await;
    ca.decide(&office.approver, "suspend", &suspended.id, None, None).await.ok();

    // One more is revoked between the queue and the receiver, who does not answer at first.
    receiver.failures.store(1, Ordering::SeqCst);
    ca.clock.forward(Duration::days(11) - Duration::minutes(30));
    round(&ca).await;
    let told: Vec<String> = receiver.events(&ca).into_iter().map(|event| event.certificate).collect();
    assert!(!told.iter().any(|id| [&renewed.id, &revoked.id, &suspended.id].contains(&id)), "{told:?}");
    assert!(told.contains(&late.id), "{told:?}");
    ca.revoke(&office.approver, &late.id, "superseded", None).await;
    ca.clock.forward(Duration::seconds(11));
    ca.services().deliver_notices().await;
    let states: Vec<String> = log(&ca, &office, "").await.iter().map(|notice| text(notice, "state")).collect();
    assert!(states.contains(&"withdrawn".to_owned()), "{states:?}");
    assert!(receiver.events(&ca).iter().filter(|event| event.certificate == late.id).count() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_own_certificates_are_told_of_only_when_it_could_not_renew_them() {
    let receiver = Receiver::start(0).await;
    let ca = TestCa::new().with(|config| config.notices.webhook.url = Some(receiver.url.parse().unwrap())).start().await;
    let office = ca.office(Family::P256).await;
    for _ in 0..4 {
        ca.clock.forward(Duration::days(25));
        round(&ca).await;
    }
    assert_eq!(receiver.events(&ca), [], "they were renewed in time");

    // No new key can be made where the keys should be.
    let (keys, aside) = (ca.data().join("keys"), ca.data().join("keys.aside"));
    std::fs::rename(&keys, &aside).unwrap();
    std::fs::write(&keys, "").unwrap();
    ca.clock.forward(Duration::days(61));
    round(&ca).await;
    let events = receiver.events(&ca);
    let of =
        |purpose: &str| events.iter().filter(|event| event.serves.as_deref() == Some(purpose)).map(|event| event.days).collect::<Vec<_>>();
    assert!(!of("responder").is_empty() && of("responder").iter().all(|days| [7, 1].contains(days)), "{events:#?}");
    assert_eq!(of("listener"), [60, 30, 7], "{events:#?}");
    assert!(events.iter().all(|event| event.serves.is_some()), "{events:#?}");

    std::fs::remove_file(&keys).unwrap();
    std::fs::rename(&aside, &keys).unwrap();
    let before = receiver.requests().len();
    ca.clock.forward(Duration::days(25));
    round(&ca).await;
    assert_eq!(receiver.requests().len(), before, "they were renewed at last");
    log(&ca, &office, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_ends_is_the_operators_concern() {
    let Some(server) = MailServer::start(&[]) else { return };
    let receiver = Receiver::start(0).await;
    let ca = TestCa::new().with(|config| {
        server.configure(&mut config.notices);
        config.notices.webhook.url = Some(receiver.url.parse().unwrap());
    });
    let ca = ca.start().await;
    let authorities = ca.services().authorities().all();
    let beneath: Vec<_> = authorities.iter().filter(|authority| !authority.is_root()).map(|one| one.certificate().unwrap()).collect();
    ca.clock.forward(beneath[0].not_after() - ca.now() - Duration::days(40));
    round(&ca).await;
    let told: Vec<Event> = receiver.events(&ca).into_iter().filter(|event| event.serves.as_deref() == Some("authority")).collect();
    let ids: BTreeSet<String> = told.iter().map(|event| event.certificate.clone()).collect();
    assert_eq!((told.len(), ids), (beneath.len(), beneath.iter().map(|one| one.id().to_string()).collect()), "once each, and no root");
    assert!(told.iter().all(|event| event.days == 60), "{told:#?}");
    let mails = server.mails().await;
    let about: Vec<_> = mails.iter().filter(|mail| text(mail, "text").contains("这是颁发机构的证书")).collect();
    assert_eq!(about.len(), beneath.len());
    assert!(about.iter().all(|mail| mail["envelope"][1] == "pki@ca.example"), "{about:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_sends_us_elsewhere_has_not_taken_it() {
    let receiver = Receiver::start(0).await;
    let ca = ca(|notices| notices.webhook.url = Some(receiver.url.replace("/hook", "/moved").parse().unwrap())).await;
    let office = ca.office(Family::Sm2).await;
    ca.issue(&office, "staff", Family::Sm2).await;
    ca.clock.forward(Duration::days(11));
    round(&ca).await;
    let notice = log(&ca, &office, "").await.remove(0);
    assert_eq!((&notice["state"], &notice["last_error"]), (&json!("waiting"), &json!("answer-307")));
    assert_eq!(receiver.requests().len(), 0);
}

/// A mail server, how we come to it, and what comes of it.
struct Meeting {
    server: Vec<String>,
    tls: SmtpTls,
    root: PathBuf,
    password: Option<&'static str>,
    expected: &'static [&'static str],
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_go_only_to_a_server_that_proves_itself_and_with_the_login_it_wants() {
    let Some(_) = python() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let [good, other] = ["good", "other"].map(|name| certificate(&scratch.path().join(name)));
    let password = scratch.path().join("password");
    std::fs::write(&password, "wrong\n").unwrap();
    let shows = |mode: &str| vec![mode.to_owned(), good.0.display().to_string(), good.1.display().to_string()];
    let with_login = || [shows("--starttls"), ["--login", "u", "right"].map(str::to_owned).to_vec()].concat();
    let meeting = |server, tls, password, expected| Meeting { server, tls, root: good.0.clone(), password, expected };
    let cases = [
        meeting(shows("--tls"), SmtpTls::Implicit, None, &["delivered"]),
        meeting(shows("--starttls"), SmtpTls::StartTls, None, &["delivered"]),
        meeting(with_login(), SmtpTls::StartTls, Some("right"), &["delivered"]),
        meeting(with_login(), SmtpTls::StartTls, Some("wrong"), &["answer-535"]),
        Meeting { root: other.0, ..meeting(shows("--tls"), SmtpTls::Implicit, None, &["connection", "tls"]) },
        // Nothing is sent in the clear to a server that does not offer STARTTLS.
        meeting(Vec::new(), SmtpTls::StartTls, None, &["connection", "tls"]),
    ];
    for Meeting { server: arguments, tls, root, password: login, expected } in cases {
        let server = MailServer::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        std::fs::write(&password, login.unwrap_or_default()).unwrap();
        let ca = ca(|notices| {
            server.configure(notices);
            notices.smtp.tls = tls;
            notices.smtp.ca_file = root;
            notices.smtp.user = login.map(|_| "u".to_owned());
            notices.smtp.password_file = Some(password.clone());
            notices.days = vec![7];
        });
        let ca = ca.await;
        let office = ca.office(Family::P256).await;
        ca.issue(&office, "staff", Family::P256).await;
        ca.clock.forward(Duration::days(64));
        round(&ca).await;
        let notice = log(&ca, &office, "").await.remove(0);
        let mails = server.mails().await;
        if expected == ["delivered"] {
            assert_eq!((&notice["state"], mails.len()), (&json!("delivered"), 1), "{arguments:?}: {notice}");
            assert_eq!((mails[0]["encrypted"] == true, mails[0]["login"] == true), (true, login.is_some()), "{arguments:?}");
        } else {
            let error = text(&notice, "last_error");
            assert!(expected.contains(&error.as_str()), "{arguments:?}: {notice}");
            assert_eq!((&notice["state"], mails.len()), (&json!("waiting"), 0), "{arguments:?}: {notice}");
        }
    }
}

/// A certificate that a mail server at 127.0.0.1 shows, and its key: files.
fn certificate(path: &Path) -> (PathBuf, PathBuf) {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (path.with_extension("crt"), path.with_extension("key"));
    std::fs::write(&certificate, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_asked_again_with_the_same_message_and_a_mailbox_that_is_none_is_given_up() {
    let Some(server) = MailServer::start(&["--busy", "2", "--refuse", "pki@ca.example"]) else { return };
    let ca = ca(|notices| {
        server.configure(notices);
        notices.days = vec![7];
    });
    let ca = ca.await;
    let office = ca.office(Family::P256).await;
    ca.issue(&office, "staff", Family::P256).await;
    // For the operators: its department has no address either.
    issue_without_address(&ca, &office).await;
    ca.clock.forward(Duration::days(64));
    round(&ca).await;
    for _ in 0..2 {
        ca.clock.forward(Duration::minutes(1));
        ca.services().deliver_notices().await;
    }
    let said = server.mails().await;
    assert_eq!(said.len(), 3, "{said:#?}");
    let id = text(&said[2]["headers"], "message-id");
    assert_eq!((text(&said[0], "busy"), text(&said[1], "busy")), (id.clone(), id));

    let log = log(&ca, &office, "").await;
    let states: Vec<_> = log.iter().map(|notice| (text(notice, "state"), notice["attempts"].as_i64().unwrap())).collect();
    assert_eq!(states, [("delivered".to_owned(), 3), ("failed".to_owned(), 1)]);
    assert_eq!(log[1]["last_error"], "refused-550");
    let one = ca.client(&office.administrator).get(&format!("/api/v1/notices/{}", text(&log[1], "id"))).await.ok().json();
    assert_eq!(one, log[1]);
    // Whoever works for one department does not read about all of them.
    for path in ["/api/v1/notices".to_owned(), format!("/api/v1/notices/{}", text(&log[1], "id"))] {
        assert_eq!(ca.client(&office.registration).get(&path).await.status, 403, "{path}");
        assert_eq!(ca.anonymous().get(&path).await.status, 401, "{path}");
    }
    assert_eq!(ca.client(&office.administrator).get("/api/v1/notices/0").await.status, 404);

    // Operators see it on the command line.
    let server = format!("https://127.0.0.1:{}", ca.running().https.port());
    let identity = office.administrator.files.display().to_string();
    let listed = hufu(&["list", "notices", "--where", "state=failed", "--json", "--server", &server, "--identity", &identity]).await;
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap(), json!([log[1]]));
    let config = ca.scratch().join("check.toml");
    std::fs::write(&config, format!("data = {:?}\ndatabase = {:?}\n", ca.data(), ca.config.database_url())).unwrap();
    let checked = hufu(&["check", "--config", &config.display().to_string()]).await;
    assert!(checked.contains("notices: 1 of the last 30 days reached nobody"), "{checked}");
}

/// A certificate with no mail address in it.
async fn issue_without_address(ca: &Ca, office: &Office) {
    let mut body = ca.application(office, "staff", &[new_csr(Family::P256)]);
    body["alternative_names"] = json!({});
    let enrolment = text(&ca.client(&office.registration).post("/api/v1/enrolments", &body).await.ok().json(), "id");
    ca.decide(&office.approver, "approve", &enrolment, None, None).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_is_told_of_certificates_without_an_address() {
    let Some(server) = MailServer::start(&[]) else { return };
    let mut ca = ca(|notices| {
        server.configure(notices);
        notices.days = vec![7];
    })
    .await;
    let office = ca.office(Family::P256).await;
    issue_without_address(&ca, &office).await;
    ca.config.notices.departments = vec![format!("{} = it@mzj.example.cn", office.department)];
    ca.restart().await;
    ca.clock.forward(Duration::days(64));
    round(&ca).await;
    let mails = server.mails().await;
    assert_eq!((mails.len(), &mails[0]["envelope"][1]), (1, &json!("it@mzj.example.cn")), "{mails:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_successor_of_a_merged_department_is_told_of_its_certificates() {
    let Some(server) = MailServer::start(&[]) else { return };
    let mut ca = ca(|notices| {
        server.configure(notices);
        notices.days = vec![7];
    })
    .await;
    let office = ca.office(Family::P256).await;
    issue_without_address(&ca, &office).await;
    let successor = ca.department(&office.administrator, "社会局", "shj.example.cn").await;
    ca.config.notices.departments = vec![format!("{} = it@mzj.example.cn", office.department), format!("{successor} = it@shj.example.cn")];
    crate::departments::done(
        &ca,
        &office,
        Family::P256,
        "POST",
        &format!("/{}/merger", office.department),
        json!({"successor": successor}),
    )
    .await;
    ca.restart().await;
    ca.clock.forward(Duration::days(64));
    round(&ca).await;
    let mails = server.mails().await;
    assert_eq!((mails.len(), &mails[0]["envelope"][1]), (1, &json!("it@shj.example.cn")), "{mails:#?}");
}

/// What a command prints.
async fn hufu(arguments: &[&str]) -> String {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_hufu"));
    let done = command.args(arguments).stdin(Stdio::null()).output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// How a good configuration is spoilt.
type Spoil = fn(&mut NoticesConfig);

/// What a configuration must say before anything starts.
#[test]
fn a_configuration_that_could_not_tell_anybody_is_refused() {
    let complete = || {
        let mut notices = NoticesConfig { operators: vec!["pki@ca.example".to_owned()], ..NoticesConfig::default() };
        notices.smtp.server = Some("localhost".to_owned());
        notices.smtp.tls = SmtpTls::None;
        notices.smtp.from = Some("hufu@ca.example".to_owned());
        notices
    };
    let open = |notices: &NoticesConfig| hufu::services::notices::Notices::open(notices).map(drop);
    open(&complete()).unwrap();
    let cases: [(&str, Spoil); 8] = [
        ("notices.operators", |notices| notices.operators.clear()),
        ("notices.operators", |notices| notices.operators.push("nobody".to_owned())),
        ("notices.smtp.from", |notices| notices.smtp.from = None),
        ("this machine", |notices| notices.smtp.server = Some("mail.example".to_owned())),
        ("password_file", |notices| notices.smtp.user = Some("u".to_owned())),
        ("notices.departments", |notices| notices.departments = vec!["mzj@ca.example".to_owned()]),
        ("notices.days", |notices| notices.days = vec![0]),
        ("https", |notices| notices.webhook.url = Some("http://hooks.example/".parse().unwrap())),
    ];
    for (named, change) in cases {
        let mut notices = complete();
        change(&mut notices);
        let error = format!("{:#}", open(&notices).unwrap_err());
        assert!(error.contains(named), "{named}: {error}");
    }
}
