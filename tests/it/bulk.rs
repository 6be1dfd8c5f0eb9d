//! Staff by the thousand, by the real program: enrolled from one list, approved by one statement, each with a code, each with a
//! certificate; the service killed in the middle of each step and started again, with nobody lost and nobody doubled.
//!
//! CI takes some hundred people. `cargo test --release --test it bulk -- --ignored --nocapture` takes ten thousand and says how long
//! each step took without a kill, and how much memory the service had at most (`docs/performance.md`).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use futures_util::{StreamExt, stream};
use hufu::{
    cli::{
        claim::request,
        client::{Client, Identity},
        department::make,
    },
    crypto::{Algorithm, algorithms},
};
use serde_json::{Value, json};

use crate::{
    crash::installation::{Place, Running, binary, text},
    world::Sql,
};

/// How many people claim beside each other.
const AT_ONCE: usize = 32;
/// How long the driver waits for half of a step.
const PATIENCE: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn some_hundred_staff_survive_kills_in_every_step() {
    staff(300, Kills::InEveryStep).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn ten_thousand_staff_survive_kills_in_every_step() {
    staff(10_000, Kills::InEveryStep).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn ten_thousand_staff_in_one_go() {
    staff(10_000, Kills::None).await.unwrap();
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kills {
    None,
    InEveryStep,
}

/// A service with a department and its officers, and what it is asked to do.
struct Bulk {
    place: Place,
    running: Option<Running>,
    kills: Kills,
    people: PathBuf,
    department: String,
    count: usize,
}

async fn staff(count: usize, kills: Kills) -> anyhow::Result<()> {
    let mut bulk = Bulk::begin(count, kills).await?;
    let csv = bulk.people.join("staff.csv");
    let lines: String = (0..count).map(|number| format!("E-{number:05},职员{number:05},一科,e{number:05}@bulk.example\n")).collect();
    std::fs::write(&csv, format!("number,CN,OU,mail\n{lines}"))?;

    let mut took = BTreeMap::new();
    took.insert("1 dry run", bulk.cli("registrar", &bulk.enrol(&csv, &["--dry-run"])).await?);
    took.insert("2 enrol", bulk.step("select count(*) from enrolment where state = 'submitted'", Step::Enrol(&csv)).await?);
    took.insert("3 approve", bulk.step("select count(*) from enrolment where state = 'approved'", Step::Approve).await?);
    took.insert("4 codes", bulk.step("select count(*) from enrolment_code", Step::Codes).await?);
    took.insert("5 claim", bulk.step("select count(*) from certificate where profile = 'staff'", Step::Claim).await?);
    took.insert("6 again", bulk.cli("registrar", &bulk.enrol(&csv, &[])).await?);
    bulk.check().await?;

    let memory = bulk.running()?.process.peak_memory()?;
    for (step, time) in &took {
        eprintln!("{step:<10} {:>8.1} s  {:>8.0} people/s", time.as_secs_f64(), count as f64 / time.as_secs_f64());
    }
    eprintln!("peak memory of the service (since its last start): {} MiB", memory / 1024);
    let Bulk { place, running, .. } = bulk;
    running.context("it runs")?.stop().await?;
    place.remove().await
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Enrol(&'a Path),
    Approve,
    Codes,
    Claim,
}

impl Bulk {
    async fn begin(count: usize, kills: Kills) -> anyhow::Result<Self> {
        let place = Place::empty().await?;
        let people = place.data().with_file_name("people");
        let running = place.run(None).await?;
        let claims: Value = serde_json::from_slice(&std::fs::read(place.data().join("claims.json"))?)?;
        let administrator = running.claim(text(&claims, "administrator")?, &people, "administrator").await?;
        let auditor = running.claim(text(&claims, "auditor")?, &people, "auditor").await?;
        let api = running.api(Some(&administrator))?;
        let body = json!({"name": "民政局", "organizations": ["民政局"], "mail": ["bulk.example"]});
        let department = text(&make(&api, &administrator, &body).await?, "id")?.to_owned();
        for (name, role) in [("registrar", "registration-officer"), ("approver", "approver")] {
            running.appoint([&administrator, &auditor], &department, role, &people).await?;
            for extension in ["crt", "key"] {
                std::fs::rename(people.join(format!("{role}.{extension}")), people.join(format!("{name}.{extension}"))).or_else(same)?;
            }
        }
        Ok(Self { place, running: Some(running), kills, people, department, count })
    }

    fn running(&self) -> anyhow::Result<&Running> {
        self.running.as_ref().context("the service runs")
    }

    /// Does a step; with kills, kills the service when half of it is done, starts it again and does the step again.
    async fn step(&mut self, done: &str, step: Step<'_>) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        if self.kills == Kills::InEveryStep {
            let (interrupted, killed) = tokio::join!(self.carry_out(step), self.kill_at_half(done));
            killed?;
            // It may have been answered before the kill, or not.
            drop(interrupted);
            if let Some(mut running) = self.running.take() {
                running.process.kill()?;
            }
            self.running = Some(self.place.run(None).await?);
        }
        self.carry_out(step).await?;
        self.wait(done, self.count as i64).await?;
        Ok(begun.elapsed())
    }

    async fn carry_out(&self, step: Step<'_>) -> anyhow::Result<()> {
        match step {
            Step::Enrol(csv) => self.cli("registrar", &self.enrol(csv, &[])).await.map(drop),
            Step::Approve => self.approve().await,
            Step::Codes => {
                let file = self.people.join("codes.csv").display().to_string();
                // Codes that were made and never answered are made anew.
                self.cli("registrar", &["codes", "--department", &self.department, "--out", &file, "--replace"]).await.map(drop)
            }
            Step::Claim => self.claim_all().await,
        }
    }

    async fn kill_at_half(&self, done: &str) -> anyhow::Result<()> {
        self.wait(done, self.count as i64 / 2).await?;
        let killed = Command::new("kill").args(["-KILL", &self.running()?.process.id().to_string()]).status()?;
        ensure!(killed.success(), "kill -KILL failed");
        Ok(())
    }

    async fn wait(&self, done: &str, count: i64) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut sql = Sql::open(&self.place.database_url()).await;
        loop {
            let found = sql.number(done).await;
            if found >= count {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{found} of {count}: {done}\n{}", self.running()?.process.told());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn enrol<'a>(&'a self, csv: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let csv = csv.to_str().unwrap_or_default();
        [&["enrol", "--profile", "staff", "--department", &self.department, "--csv", csv], more].concat()
    }

    /// The program as an officer would run it.
    async fn cli(&self, who: &str, arguments: &[&str]) -> anyhow::Result<Duration> {
        let mut command = tokio::process::Command::new(binary());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HUFU_")) {
            command.env_remove(name);
        }
        command.args(arguments).arg("--identity").arg(self.people.join(who));
        command.args(["--server", self.running()?.https()]).stdin(Stdio::null()).kill_on_drop(true);
        let begun = Instant::now();
        let output = command.output().await?;
        if output.status.success() {
            return Ok(begun.elapsed());
        }
        bail!("hufu {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).lines().take(20).collect::<Vec<_>>().join("\n"))
    }

    async fn approve(&self) -> anyhow::Result<()> {
        let list = self.people.join("submitted.txt");
        let client = self.running()?.api(Some(&Identity::load(&self.people.join("approver"))?))?;
        let waiting = enrolments(&client, &self.department, "submitted").await?;
        if waiting.is_empty() {
            return Ok(());
        }
        std::fs::write(&list, waiting.join("\n"))?;
        self.cli("approver", &["approve", "--from", list.to_str().context("a path")?, "--yes"]).await.map(drop)
    }

    /// Everybody claims, each with a key of their own that they keep when they are not answered.
    async fn claim_all(&self) -> anyhow::Result<()> {
        let client = self.running()?.api(None)?;
        let mut reader = csv::Reader::from_path(self.people.join("codes.csv"))?;
        let codes: Vec<String> = reader.records().map(|record| Ok(record?[3].to_owned())).collect::<anyhow::Result<_>>()?;
        let keys = self.people.join("keys");
        std::fs::create_dir_all(&keys)?;
        let outcomes: Vec<anyhow::Result<()>> = stream::iter(codes.iter().enumerate())
            .map(|(index, code)| {
                let (client, keys) = (&client, &keys);
                async move {
                    let csr = kept_request(&keys.join(index.to_string()), index)?;
                    client.post("/api/v1/claims", &json!({"code": code, "csr": csr})).await.map(drop)
                }
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        outcomes.into_iter().collect()
    }

    /// Nobody lost, nobody doubled, and the ledger agrees with every row.
    async fn check(&self) -> anyhow::Result<()> {
        let mut sql = Sql::open(&self.place.database_url()).await;
        for (what, query) in [
            ("members", "select count(*) from staff"),
            ("enrolments", "select count(*) from enrolment where profile = 'staff'"),
            ("issued", "select count(*) from enrolment where profile = 'staff' and state = 'issued'"),
            (
                "persons with a certificate",
                "select count(distinct person) from certificate where profile = 'staff' and signature is not null",
            ),
            ("certificates", "select count(*) from certificate where profile = 'staff'"),
            ("used codes", "select count(*) from enrolment_code where used_at is not null"),
        ] {
            let found = sql.number(query).await;
            ensure!(found == self.count as i64, "{found} {what}, not {}", self.count);
        }
        let mut reader = csv::Reader::from_path(self.people.join("codes.csv"))?;
        let mut numbers = BTreeSet::new();
        for record in reader.records() {
            ensure!(numbers.insert(record?[0].to_owned()), "one person has two codes in the file");
        }
        ensure!(numbers.len() == self.count, "{} people have a code in the file", numbers.len());
        let mut command = tokio::process::Command::new(binary());
        command.args(["ledger", "audit", "--data"]).arg(self.place.data());
        if self.place.database_url().starts_with("postgres") {
            command.args(["--database", &self.place.database_url()]);
        }
        let audit = command.output().await?;
        ensure!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout).lines().take(20).collect::<Vec<_>>().join("\n"));
        Ok(())
    }
}

fn same(error: std::io::Error) -> std::io::Result<()> {
    // The file has that name already.
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

async fn enrolments(client: &Client, department: &str, state: &str) -> anyhow::Result<Vec<String>> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/api/v1/enrolments?state={state}&department={department}&limit=1000{cursor}")).await?;
        for item in page["items"].as_array().context("items")? {
            ids.push(text(item, "id")?.to_owned());
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(ids),
        }
    }
}

/// Half of the people take a key of each family.
fn kept_request(path: &Path, index: usize) -> anyhow::Result<String> {
    if !path.exists() {
        let algorithm: &dyn Algorithm = if index.is_multiple_of(2) { &algorithms::P256 } else { &algorithms::Sm2 };
        std::fs::write(path, request(&*algorithm.load(&algorithm.generate()?)?)?)?;
    }
    Ok(std::fs::read_to_string(path)?)
}
