//! Crashes: the real program is killed at every named point and at no particular one, started again, and must have lost
//! nothing, doubled nothing and kept every promise.

#[path = "crash/checks.rs"]
mod checks;
#[path = "crash/installation.rs"]
pub mod installation;

use std::{os::unix::process::ExitStatusExt, path::PathBuf, sync::Mutex, time::Duration};

use anyhow::{Context, ensure};
use futures_util::{StreamExt, future::try_join_all, stream};
use hufu::{
    cli::{
        claim::request,
        client::{Identity, Problem},
        decide::decide,
        department::make,
    },
    crypto::{Algorithm, Digest, algorithms, digest::sha256},
    ledger::{Hash, State},
    services::crash::POINTS,
    x509::tsp::{MessageImprint, TimeStampRequest, TimeStampResponse},
};
use serde_json::{Value, json};

use checks::{Books, Crls, Seen, agree, books, list};
use installation::{Place, Process, Running, text};

const SIGABRT: i32 = 6;

/// Where the process is when it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The first start, on an empty directory.
    Install,
    /// The start of an installation where nothing is left to do.
    Start,
    /// The approval of an enrolment with two requests.
    Approve,
    /// The start after a crash between a promise and its signature.
    Finish,
    /// The revocation of a certificate, with the CRLs that follow from it.
    Revoke,
    /// A time stamp.
    Stamp,
}

/// What the crash leaves of the step, once the program runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    NotDone,
    Done,
}

use Outcome::{Done, NotDone};

/// Every point, in each step that reaches it; `:N` is the n-th time.
static CASES: &[(Step, &str, Outcome)] = &[
    (Step::Install, "install-policy-copied", Done),
    (Step::Install, "install-policy-copied:3", Done),
    (Step::Install, "install-log-keys-made", Done),
    (Step::Install, "install-log-keys-made:5", Done),
    (Step::Install, "install-authority-keys-made", Done),
    (Step::Install, "install-claims-written", Done),
    (Step::Install, "record-before-commit", Done),
    (Step::Install, "record-committed", Done),
    (Step::Install, "record-before-commit:2", Done),
    (Step::Install, "record-committed:2", Done),
    (Step::Install, "promise-before-commit", Done),
    (Step::Install, "promise-committed", Done),
    (Step::Install, "promise-committed:4", Done),
    (Step::Install, "promise-committed:9", Done),
    (Step::Install, "promise-committed:13", Done),
    (Step::Install, "journal-checkpoint-signed:3", Done),
    (Step::Install, "issue-signed:6", Done),
    (Step::Install, "complete-before-commit:2", Done),
    (Step::Install, "complete-committed:9", Done),
    (Step::Install, "complete-committed:13", Done),
    (Step::Install, "crl-before-commit:2", Done),
    (Step::Install, "crl-committed:3", Done),
    (Step::Start, "start-logs-loaded", Done),
    (Step::Approve, "promise-before-commit", NotDone),
    (Step::Approve, "promise-committed", Done),
    (Step::Approve, "journal-heads-written", Done),
    (Step::Approve, "journal-checkpoint-signed", Done),
    (Step::Approve, "journal-checkpoint-signed:2", Done),
    (Step::Approve, "issue-signed", Done),
    (Step::Approve, "complete-before-commit", Done),
    (Step::Approve, "complete-committed", Done),
    (Step::Finish, "start-promises-signed", Done),
    (Step::Finish, "start-promises-signed:2", Done),
    (Step::Finish, "complete-before-commit", Done),
    (Step::Finish, "complete-committed", Done),
    (Step::Revoke, "revoke-before-commit", NotDone),
    (Step::Revoke, "revoke-committed", Done),
    (Step::Revoke, "journal-heads-written", Done),
    (Step::Revoke, "journal-checkpoint-signed", Done),
    (Step::Revoke, "crl-signed", Done),
    (Step::Revoke, "crl-before-commit", Done),
    (Step::Revoke, "crl-committed", Done),
    (Step::Revoke, "journal-heads-written:2", Done),
    (Step::Stamp, "record-before-commit", NotDone),
    (Step::Stamp, "record-committed", Done),
    (Step::Stamp, "journal-heads-written", Done),
    (Step::Stamp, "journal-checkpoint-signed", Done),
];

#[test]
fn every_point_has_its_case() {
    let reached = |point: &&&str| CASES.iter().any(|(_, case, _)| case.split(':').next() == Some(**point));
    assert_eq!(POINTS.iter().filter(|point| !reached(point)).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[tokio::test]
async fn a_crash_at_any_point_loses_nothing_and_doubles_nothing() {
    let base = Base::prepare().await.unwrap();
    // The work is done by the child processes, so a few at a time suit two cores.
    let outcomes: Vec<_> = stream::iter(CASES)
        .map(|(step, point, outcome)| {
            let base = &base;
            async move { base.crash(*step, point, *outcome).await.with_context(|| format!("{step:?} at {point}")) }
        })
        .buffer_unordered(3)
        .collect()
        .await;
    base.place.remove().await.unwrap();
    let failures: Vec<String> = outcomes.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    assert!(failures.is_empty(), "{} of {} cases failed\n\n{}", failures.len(), CASES.len(), failures.join("\n\n"));
}

#[tokio::test]
async fn kill_at_any_moment_under_load_loses_nothing_and_doubles_nothing() {
    kill_under_load(4).await.unwrap();
}

#[tokio::test]
#[ignore = "long: several minutes"]
async fn kill_at_many_moments_under_load_loses_nothing_and_doubles_nothing() {
    // A new installation now and then: each round looks at everything that was ever issued.
    for _ in 0..12 {
        kill_under_load(5).await.unwrap();
    }
}

#[tokio::test]
async fn kill_at_any_moments_of_the_first_start_and_the_next_one_finishes_it() {
    for _ in 0..2 {
        let place = Place::empty().await.unwrap();
        for _ in 0..8 {
            let mut process = place.start(None).unwrap();
            tokio::time::sleep(Duration::from_millis(installation::rand() % 1000)).await;
            process.kill().unwrap();
        }
        finish_install(place).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_older_than_what_was_published_is_refused() {
    let mut place = Place::empty().await.unwrap();
    place.run(None).await.unwrap().stop().await.unwrap();
    let older = place.backup().await.unwrap();

    let running = place.run(None).await.unwrap();
    let people = tempfile::tempdir().unwrap();
    running.claim(&claim_code(&place, "auditor").unwrap(), people.path(), "auditor").await.unwrap();
    running.stop().await.unwrap();

    place.restore(older).await.unwrap();
    let told = refused(&place).await;
    assert!(told.contains("this database is older than what others have seen"), "{told}");
    assert!(told.contains("refusing to fork the ledger"), "{told}");
    place.remove().await.unwrap();
}

#[tokio::test]
async fn an_empty_database_beside_a_published_ledger_is_refused() {
    let mut place = Place::empty().await.unwrap();
    let nothing = Place::empty().await.unwrap();
    std::fs::create_dir_all(nothing.data()).unwrap();
    std::fs::write(nothing.data().join("hufu.db"), b"").unwrap();
    let empty = nothing.backup().await.unwrap();
    nothing.remove().await.unwrap();

    place.run(None).await.unwrap().stop().await.unwrap();
    place.restore(empty).await.unwrap();
    let told = refused(&place).await;
    assert!(told.contains("refusing to fork the ledger"), "{told}");
    place.remove().await.unwrap();
}

async fn refused(place: &Place) -> String {
    let mut process = place.start(None).unwrap();
    let status = process.ended().await.unwrap();
    assert!(!status.success(), "{status}");
    process.told()
}

fn claim_code(place: &Place, who: &str) -> anyhow::Result<String> {
    let claims: Value = serde_json::from_slice(&std::fs::read(place.data().join("claims.json"))?)?;
    Ok(text(&claims, who)?.to_owned())
}

/// An installation with people, one certificate to revoke and one enrolment to approve. Nothing runs in it.
struct Base {
    place: Place,
    _people: tempfile::TempDir,
    auditor: Identity,
    registrar: Identity,
    approver: Identity,
    department: String,
    /// The enrolment that waits.
    waiting: String,
    /// The certificate that can be revoked.
    revocable: String,
    seen: Seen,
}

impl Base {
    async fn prepare() -> anyhow::Result<Self> {
        let place = Place::empty().await?;
        let people = tempfile::tempdir()?;
        let out: PathBuf = people.path().to_owned();
        let running = place.run(None).await?;
        let administrator = running.claim(&claim_code(&place, "administrator")?, &out, "administrator").await?;
        let auditor = running.claim(&claim_code(&place, "auditor")?, &out, "auditor").await?;
        let body = json!({"name": "民政局", "organizations": ["民政局"], "dns": ["mzj.example.cn"], "mail": ["mzj.example.cn"]});
        let department = make(&running.api(Some(&administrator))?, &administrator, &body).await?;
        let department = text(&department, "id")?.to_owned();
        let registrar = running.appoint([&administrator, &auditor], &department, "registration-officer", &out).await?;
        let approver = running.appoint([&administrator, &auditor], &department, "approver", &out).await?;

        let mut base = Self {
            place,
            _people: people,
            auditor,
            registrar,
            approver,
            department,
            waiting: String::new(),
            revocable: String::new(),
            seen: Seen::default(),
        };
        let first = base.enrol(&running, "王芳").await?;
        let approved = base.approve(&running, &first).await?;
        base.revocable = text(&approved["certificates"][0], "id")?.to_owned();
        base.waiting = base.enrol(&running, "李明").await?;
        base.seen = base.books(&running, &Seen::default()).await.context("before any crash")?.seen;
        running.stop().await?;
        Ok(base)
    }

    async fn enrol(&self, running: &Running, name: &str) -> anyhow::Result<String> {
        let families: [&dyn Algorithm; 2] = [&algorithms::P256, &algorithms::Sm2];
        let csr = |family: &&'static dyn Algorithm| request(&*family.load(&family.generate()?)?);
        let requests = families.iter().map(csr).collect::<anyhow::Result<Vec<_>>>()?;
        let body = json!({"profile": "staff", "department": self.department, "subject": {"CN": name}, "requests": requests});
        let enrolment = running.api(Some(&self.registrar))?.post("/api/v1/enrolments", &body).await?;
        Ok(text(&enrolment, "id")?.to_owned())
    }

    async fn approve(&self, running: &Running, enrolment: &str) -> anyhow::Result<Value> {
        decide(&running.api(Some(&self.approver))?, &self.approver, "approve", enrolment, None, None).await
    }

    async fn revoke(&self, running: &Running, certificate: &str) -> anyhow::Result<Value> {
        decide(&running.api(Some(&self.approver))?, &self.approver, "revoke", certificate, Some("keyCompromise"), None).await
    }

    async fn books(&self, running: &Running, before: &Seen) -> anyhow::Result<Books> {
        books(running, &self.auditor, before).await
    }

    async fn crash(&self, step: Step, point: &str, outcome: Outcome) -> anyhow::Result<()> {
        match step {
            Step::Install => crash_of_install(point).await,
            Step::Start => self.crash_of_start(Place::copy_of(&self.place).await?, point, NotDone).await,
            Step::Finish => {
                let place = Place::copy_of(&self.place).await?;
                let running = place.run(Some("promise-committed")).await?;
                self.die(running, "promise-committed", Step::Approve).await?;
                self.crash_of_start(place, point, outcome).await
            }
            Step::Approve | Step::Revoke => self.crash_of_request(step, point, outcome).await,
            Step::Stamp => self.crash_of_stamp(point, outcome).await,
        }
    }

    /// Dies at its start. `approved` says whether the waiting enrolment was approved in an earlier life.
    async fn crash_of_start(&self, place: Place, point: &str, approved: Outcome) -> anyhow::Result<()> {
        let seen = Seen::published(&place)?.and(&self.seen);
        died(&mut place.start(Some(point))?, point).await?;
        let running = place.run(None).await.context("after the crash")?;
        let books = self.books(&running, &seen).await?;
        self.check_approval(&running, &books, approved).await?;
        self.check_revocation(&running, &books, NotDone).await?;
        running.stop().await?;
        place.remove().await
    }

    async fn crash_of_request(&self, step: Step, point: &str, outcome: Outcome) -> anyhow::Result<()> {
        let place = Place::copy_of(&self.place).await?;
        let running = place.run(Some(point)).await?;
        let authority = authority_of(&running, &self.auditor, &self.revocable).await?;
        let older = Crls::fetch(&running, &authority).await?;
        self.die(running, point, step).await?;

        let seen = Seen::published(&place)?.and(&self.seen);
        let running = place.run(None).await.context("after the crash")?;
        let books = self.books(&running, &seen).await?;
        Crls::fetch(&running, &authority).await?.follow(&older, &books.logs[&authority])?;
        let done = |this| if step == this { outcome } else { NotDone };
        self.check_approval(&running, &books, done(Step::Approve)).await.context("the approval")?;
        self.check_revocation(&running, &books, done(Step::Revoke)).await.context("the revocation")?;

        // Whatever happened, the installation goes on and stays in order.
        let books = self.books(&running, &books.seen).await.context("after both were done")?;
        Crls::fetch(&running, &authority).await?.follow(&older, &books.logs[&authority])?;
        running.stop().await?;
        place.remove().await
    }

    /// Nobody has the token; the ledger may have its hash all the same, once, and goes on stamping.
    async fn crash_of_stamp(&self, point: &str, outcome: Outcome) -> anyhow::Result<()> {
        let place = Place::copy_of(&self.place).await?;
        self.die(place.run(Some(point)).await?, point, Step::Stamp).await?;
        let seen = Seen::published(&place)?.and(&self.seen);
        let running = place.run(None).await.context("after the crash")?;
        let books = self.books(&running, &seen).await?;
        ensure!(books.tokens().len() == usize::from(outcome == Done), "{} tokens in the ledger", books.tokens().len());
        let tokens = [stamp(&running, Digest::Sm3).await?, stamp(&running, Digest::Sha256).await?];
        let after = self.books(&running, &books.seen).await?.tokens();
        ensure!(after.len() == books.tokens().len() + 2, "{} tokens in the ledger", after.len());
        ensure!(tokens.iter().all(|token| after.contains(&sha256(token))), "a token was given out that the ledger has not");
        running.stop().await?;
        place.remove().await
    }

    /// Asks for what reaches the point; nobody gets an answer.
    async fn die(&self, mut running: Running, point: &str, step: Step) -> anyhow::Result<()> {
        let answer = match step {
            Step::Approve => self.approve(&running, &self.waiting).await.map(drop),
            Step::Stamp => stamp(&running, Digest::Sm3).await.map(drop),
            _ => self.revoke(&running, &self.revocable).await.map(drop),
        };
        ensure!(answer.is_err(), "answered although it was to die at {point}");
        died(&mut running.process, point).await
    }

    /// Approved exactly once and signed, or not at all and still to be approved.
    async fn check_approval(&self, running: &Running, books: &Books, outcome: Outcome) -> anyhow::Result<()> {
        let state = self.state_of(running, &self.waiting).await?;
        match outcome {
            Done => {
                ensure!(state == "issued" && books.of_enrolment(&self.waiting).len() == 2, "{state}");
                let again = self.approve(running, &self.waiting).await;
                ensure!(is_refused(&again, "wrong-state"), "approved twice: {again:?}");
            }
            NotDone => {
                ensure!(state == "submitted" && books.of_enrolment(&self.waiting).is_empty(), "{state}");
                let approved = self.approve(running, &self.waiting).await?;
                ensure!(approved["certificates"].as_array().is_some_and(|list| list.len() == 2), "{approved}");
            }
        }
        Ok(())
    }

    /// Revoked exactly once and known everywhere, or not at all and still to be revoked.
    async fn check_revocation(&self, running: &Running, books: &Books, outcome: Outcome) -> anyhow::Result<()> {
        if outcome == NotDone {
            agree(running, books, books.view(&self.revocable)?, State::Good).await?;
            self.revoke(running, &self.revocable).await?;
        }
        let books = self.books(running, &books.seen).await?;
        agree(running, &books, books.view(&self.revocable)?, State::Revoked).await?;
        let again = self.revoke(running, &self.revocable).await;
        ensure!(is_refused(&again, "wrong-state"), "revoked twice: {again:?}");
        Ok(())
    }

    async fn state_of(&self, running: &Running, enrolment: &str) -> anyhow::Result<String> {
        let view = running.api(Some(&self.auditor))?.get(&format!("/api/v1/enrolments/{enrolment}")).await?;
        Ok(text(&view, "state")?.to_owned())
    }
}

/// A time-stamp token over nothing in particular.
async fn stamp(running: &Running, digest: Digest) -> anyhow::Result<Vec<u8>> {
    let imprint = MessageImprint::of(digest, b"document");
    let request = TimeStampRequest { imprint, policy: None, nonce: None, wants_certificate: false, extensions: Vec::new() };
    let answer = running.public()?.post_bytes("/tsa", "application/timestamp-query", request.to_der()?).await?;
    match TimeStampResponse::parse(&answer)? {
        TimeStampResponse::Granted(token) => Ok(token.to_vec()),
        TimeStampResponse::Rejected(rejection) => anyhow::bail!("{rejection}"),
    }
}

fn is_refused(answer: &anyhow::Result<Value>, code: &str) -> bool {
    answer.as_ref().is_err_and(|error| error.downcast_ref::<Problem>().is_some_and(|problem| problem.code.ends_with(code)))
}

async fn authority_of(running: &Running, auditor: &Identity, certificate: &str) -> anyhow::Result<String> {
    let view = running.api(Some(auditor))?.get(&format!("/api/v1/certificates/{certificate}")).await?;
    Ok(text(&view, "authority")?.to_owned())
}

/// It reached the point and ended there, by its own hand.
async fn died(process: &mut Process, point: &str) -> anyhow::Result<()> {
    let status = process.ended().await?;
    let told = process.told();
    let name = point.split(':').next().unwrap_or(point);
    ensure!(told.lines().any(|line| line == format!("crash point reached: {name}")), "{point} was not reached ({status}):\n{told}");
    ensure!(status.signal() == Some(SIGABRT), "ended with {status}");
    Ok(())
}

/// A first start that dies leaves nothing that a second one cannot finish.
async fn crash_of_install(point: &str) -> anyhow::Result<()> {
    let place = Place::empty().await?;
    died(&mut place.start(Some(point))?, point).await?;
    finish_install(place).await
}

async fn finish_install(place: Place) -> anyhow::Result<()> {
    let seen = Seen::published(&place)?;
    let running = place.run(None).await.context("after the crash")?;
    let people = tempfile::tempdir()?;
    running.claim(&claim_code(&place, "administrator")?, people.path(), "administrator").await?;
    let auditor = running.claim(&claim_code(&place, "auditor")?, people.path(), "auditor").await?;
    let books = books(&running, &auditor, &seen).await?;
    let officers = list(&running.api(Some(&auditor))?, "/api/v1/officers").await?;
    ensure!(officers.len() == 2, "{} first officers", officers.len());
    for profile in ["root", "authority", "ocsp", "timestamping", "report", "service"] {
        let count = books.certificates.iter().filter(|view| view["profile"] == profile).count();
        let expected = match profile {
            "root" => 2,
            "authority" => 4,
            "ocsp" => 6,
            "timestamping" | "report" => 2,
            _ => 1,
        };
        ensure!(count == expected, "{count} certificates of profile {profile}, not {expected}");
    }
    running.stop().await?;
    place.remove().await
}

/// Enrols, approves and revokes at once, kills the process at a moment nobody chose, and looks; `rounds` times.
async fn kill_under_load(rounds: u32) -> anyhow::Result<()> {
    let base = Base::prepare().await?;
    let mut promised: Vec<Value> = Vec::new();
    let given_out = Mutex::new(Vec::new());
    for round in 0..rounds {
        let mut running = base.place.run(None).await.with_context(|| format!("round {round}"))?;
        let moment = Duration::from_millis(200 + installation::rand() % 1500);
        let answered = tokio::time::timeout(moment, load(&base, &running, &given_out)).await;
        running.process.kill()?;
        if let Ok(ended) = answered {
            ended.context("under load, before the kill")?;
        }

        let seen = Seen::published(&base.place)?.and(&base.seen);
        let running = base.place.run(None).await.with_context(|| format!("after the kill of round {round}, {moment:?} in"))?;
        let books = base.books(&running, &seen).await.with_context(|| format!("after the kill of round {round}, {moment:?} in"))?;
        for view in &promised {
            let now = books.view(text(view, "id")?)?;
            ensure!(now["fingerprint"] == view["fingerprint"], "a certificate was signed again as another: {now}");
        }
        for view in &books.certificates {
            if let Some(enrolment) = view["enrolment"].as_str().filter(|_| view["profile"] == "staff") {
                ensure!(base.state_of(&running, enrolment).await? == "issued", "certificates of an undecided enrolment");
                ensure!(books.of_enrolment(enrolment).len() == 2, "half an enrolment was issued");
            }
            let state = if view["status"] == "revoked" { State::Revoked } else { State::Good };
            agree(&running, &books, view, state).await.with_context(|| format!("{view}"))?;
        }
        let tokens = books.tokens();
        let all_there = given_out.lock().unwrap().iter().all(|token| tokens.contains(token));
        ensure!(all_there, "a token was given out that the ledger has not");
        promised = books.certificates;
        running.stop().await?;
    }
    ensure!(given_out.lock().unwrap().len() > 20, "the load did next to nothing: {} tokens", given_out.lock().unwrap().len());
    ensure!(promised.len() > 20, "the load did next to nothing: {} certificates", promised.len());
    base.place.remove().await
}

/// Four officers' worth of work and somebody who has things stamped, until one of them is refused.
async fn load(base: &Base, running: &Running, given_out: &Mutex<Vec<Hash>>) -> anyhow::Result<()> {
    let one = async |number: usize| -> anyhow::Result<()> {
        loop {
            let enrolment = base.enrol(running, "赵六").await?;
            let approved = base.approve(running, &enrolment).await?;
            if number.is_multiple_of(2) {
                base.revoke(running, text(&approved["certificates"][0], "id")?).await?;
            }
        }
    };
    let stamps = async {
        loop {
            for digest in [Digest::Sha256, Digest::Sm3] {
                let token = stamp(running, digest).await?;
                given_out.lock().unwrap().push(sha256(&token));
            }
        }
    };
    futures_util::future::try_join(try_join_all((0..4).map(one)), stamps).await.map(|_: (Vec<()>, ())| ())
}
