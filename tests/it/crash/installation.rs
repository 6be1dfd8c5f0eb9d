//! A data directory with its database, and the real program that serves from it.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use hufu::{
    cli::{
        Family,
        claim::Claim,
        client::{Client, Identity, Trust},
        decide::decide,
    },
    services::trust::TrustBundle,
};
use serde_json::{Value, json};
use sqlx::{Connection, Executor};

/// Long enough for a loaded machine; reached only when something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

const CONFIGURATION: &str = "base_url = 'http://127.0.0.1:8080'\n[authority]\nkey_iterations = 1000\ncrl_shards = 2\n";

/// Where one installation lives. Removed when dropped, the PostgreSQL database by `remove`.
pub struct Place {
    root: tempfile::TempDir,
    postgres: Option<Postgres>,
}

pub struct Postgres {
    superuser: url::Url,
    name: String,
}

impl Place {
    /// An empty one, on the database that `HUFU_TEST_DATABASE` names.
    pub async fn empty() -> anyhow::Result<Self> {
        Self::make(None).await
    }

    /// A copy of one where nothing runs.
    pub async fn copy_of(other: &Self) -> anyhow::Result<Self> {
        let place = Self::make(other.postgres.as_ref()).await?;
        copy_directory(&other.data(), &place.data())?;
        Ok(place)
    }

    async fn make(template: Option<&Postgres>) -> anyhow::Result<Self> {
        let root = tempfile::tempdir()?;
        std::fs::write(root.path().join("hufu.toml"), CONFIGURATION)?;
        let postgres = match std::env::var("HUFU_TEST_DATABASE").as_deref() {
            Ok("postgres") => Some(Postgres::create(template).await?),
            _ => None,
        };
        Ok(Self { root, postgres })
    }

    pub async fn remove(self) -> anyhow::Result<()> {
        match &self.postgres {
            Some(postgres) => postgres.execute(format!("drop database {} with (force)", postgres.name)).await,
            None => Ok(()),
        }
    }

    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// A copy of the database alone; `restore` puts it back. To be called when nothing runs.
    pub async fn backup(&self) -> anyhow::Result<Backup> {
        match &self.postgres {
            Some(postgres) => Ok(Backup::Postgres(Postgres::create(Some(postgres)).await?)),
            None => Ok(Backup::Sqlite(std::fs::read(self.data().join("hufu.db"))?)),
        }
    }

    pub async fn restore(&mut self, backup: Backup) -> anyhow::Result<()> {
        match backup {
            Backup::Postgres(older) => {
                let newer = self.postgres.replace(older).context("another kind of database")?;
                newer.execute(format!("drop database {} with (force)", newer.name)).await
            }
            Backup::Sqlite(older) => {
                for extension in ["db-wal", "db-shm"] {
                    let _ = std::fs::remove_file(self.data().join(format!("hufu.{extension}")));
                }
                Ok(std::fs::write(self.data().join("hufu.db"), older)?)
            }
        }
    }

    pub fn bundle(&self) -> anyhow::Result<TrustBundle> {
        Ok(serde_json::from_slice(&std::fs::read(self.data().join("trust/bundle.json"))?)?)
    }

    pub fn database_url(&self) -> String {
        match &self.postgres {
            Some(postgres) => postgres.url().into(),
            None => format!("sqlite://{}", self.data().join("hufu.db").display()),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HUFU_")) {
            command.env_remove(name);
        }
        command.arg("serve").args(["--https", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        command.arg("--config").arg(self.root.path().join("hufu.toml")).arg("--data").arg(self.data());
        if let Some(postgres) = &self.postgres {
            command.args(["--database", postgres.url().as_str()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Starts the program; with a crash point armed if one is named.
    pub fn start(&self, crash_at: Option<&str>) -> anyhow::Result<Process> {
        let stderr = self.root.path().join(format!("stderr-{}", std::fs::read_dir(self.root.path())?.count()));
        let mut command = self.command();
        if let Some(point) = crash_at {
            command.env("HUFU_CRASH_AT", point);
        }
        let child = command.stderr(std::fs::File::create(&stderr)?).spawn()?;
        Ok(Process { child, stderr })
    }

    /// Starts the program and waits until it is ready.
    pub async fn run(&self, crash_at: Option<&str>) -> anyhow::Result<Running> {
        self.start(crash_at)?.ready(self).await
    }
}

/// The program; `HUFU_TEST_BINARY` names another build of it, to be measured.
pub fn binary() -> PathBuf {
    std::env::var_os("HUFU_TEST_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_hufu").into(), PathBuf::from)
}

pub enum Backup {
    Sqlite(Vec<u8>),
    Postgres(Postgres),
}

impl Postgres {
    async fn create(template: Option<&Self>) -> anyhow::Result<Self> {
        let superuser = std::env::var("HUFU_TEST_POSTGRES").context("HUFU_TEST_DATABASE=postgres needs HUFU_TEST_POSTGRES")?.parse()?;
        let postgres = Self { superuser, name: format!("hufu_crash_{:016x}", rand()) };
        let from = template.map(|template| format!(" template {}", template.name)).unwrap_or_default();
        postgres.execute(format!("create database {}{from}", postgres.name)).await?;
        Ok(postgres)
    }

    fn url(&self) -> url::Url {
        let mut url = self.superuser.clone();
        url.set_path(&self.name);
        url
    }

    async fn execute(&self, sql: String) -> anyhow::Result<()> {
        let mut connection = sqlx::PgConnection::connect(self.superuser.as_str()).await?;
        connection.execute(sqlx::AssertSqlSafe(sql)).await?;
        Ok(connection.close().await?)
    }
}

/// A number that no other test has: for names, and for moments.
pub fn rand() -> u64 {
    u64::from_be_bytes(hufu::world::random::<8>(&hufu::world::SystemEntropy))
}

fn copy_directory(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &to.join(entry.file_name()))?;
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The program, perhaps not ready yet. Killed when dropped.
pub struct Process {
    child: Child,
    stderr: PathBuf,
}

impl Process {
    pub async fn ready(mut self, place: &Place) -> anyhow::Result<Running> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the service ended with {status} instead of getting ready:\n{}", self.told());
            }
            if let Some((https, http)) = addresses(&self.told()) {
                let bundle = place.bundle()?;
                let running = Running { process: self, https, http, bundle };
                running.public()?.get_bytes("/readyz").await?;
                return Ok(running);
            }
            ensure!(Instant::now() < deadline, "not ready in time:\n{}", self.told());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What it wrote to standard error.
    pub fn told(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }

    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("the service did not end:\n{}", self.told())
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has had, in KiB (proc(5), VmHWM).
    pub fn peak_memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        Ok(line.trim_end_matches("kB").trim().parse()?)
    }

    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// `hufu: API on https://127.0.0.1:1  public on http://127.0.0.1:2  data in …`, once it was written to its end.
fn addresses(told: &str) -> Option<(String, String)> {
    let line = told.split_inclusive('\n').find_map(|line| line.strip_prefix("hufu: API on ")?.strip_suffix('\n'))?;
    let mut words = line.split_whitespace().filter(|word| word.starts_with("http"));
    Some((words.next()?.to_owned(), words.next()?.to_owned()))
}

/// The program when it is ready.
pub struct Running {
    pub process: Process,
    https: String,
    http: String,
    pub bundle: TrustBundle,
}

impl Running {
    pub fn https(&self) -> &str {
        &self.https
    }

    pub fn public(&self) -> anyhow::Result<Client> {
        Client::new(&self.http, Trust::Roots(self.bundle.roots()?), None)
    }

    pub fn api(&self, identity: Option<&Identity>) -> anyhow::Result<Client> {
        Client::new(&self.https, Trust::Roots(self.bundle.roots()?), identity)
    }

    pub async fn claim(&self, code: &str, out: &Path, name: &str) -> anyhow::Result<Identity> {
        let claim = Claim {
            code: code.to_owned(),
            server: self.https.clone(),
            family: Family::P256,
            out: out.to_owned(),
            name: Some(name.to_owned()),
            passphrase_file: None,
            json: false,
        };
        claim.execute().await.with_context(|| format!("claiming {name}"))?;
        Identity::load(&out.join(name))
    }

    /// A new officer with a certificate.
    pub async fn appoint(&self, by: [&Identity; 2], department: &str, role: &str, out: &Path) -> anyhow::Result<Identity> {
        let apis = [self.api(Some(by[0]))?, self.api(Some(by[1]))?];
        let officer = apis[0].post("/api/v1/officers", &json!({"name": role, "department": department, "roles": [role]})).await?;
        decide(&apis[0], by[0], "grant", text(&officer, "id")?, None, None).await?;
        let granted = decide(&apis[1], by[1], "grant", text(&officer, "id")?, None, None).await?;
        self.claim(text(&granted, "claim")?, out, role).await
    }

    /// Asks it to end and sees that it ends well.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &self.process.child.id().to_string()]).status()?;
        ensure!(asked.success(), "kill -TERM failed");
        let status = self.process.ended().await?;
        ensure!(status.success(), "it ended with {status}:\n{}", self.process.told());
        Ok(())
    }
}

pub fn text<'a>(value: &'a Value, field: &str) -> anyhow::Result<&'a str> {
    value[field].as_str().with_context(|| format!("no {field} in {value}"))
}
