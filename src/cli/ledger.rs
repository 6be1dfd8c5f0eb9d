//! `hufu ledger audit | export | tail | prove`: the ledger for people who would rather check than believe.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Connection, client::over_http, read_bundle, report::exit_code, verify};
use crate::{
    config::Config,
    files,
    ledger::{
        Checkpoint, Entry, EventType, Note, StatusKey, TileId, TileRequest, Tree, TrustedLog, merkle,
        proof::{Receipt, StatusProof},
        tiles::{TILE_WIDTH, TileTarget, decode_bundle},
    },
    services::{audit, replay, revoke::reason_name, trust::log_name, verify::rfc3339},
    store::{Db, Options},
    validation::Purpose,
    world::{Clock, SystemClock, from_millis},
    x509::Certificate,
};

/// How often a followed log is asked for a new checkpoint: it may be kept for a second.
const POLL: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Recompute tree and map from the entries and compare them with every row of the database
    Audit(Audit),
    /// Write all that decisions rest on into a directory, for a replay by whoever has the trust bundle
    Export(Export),
    /// Print the entries of a log and check that it only ever grows
    Tail(Tail),
    /// Fetch a certificate's receipt and status proof, verify them and keep them as files
    Prove(Prove),
}

/// Which installation is looked at, by its database alone.
#[derive(Debug, Args)]
pub struct Place {
    /// A configuration file (TOML)
    #[arg(long, env = "HUFU_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data directory; its keys are not needed
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The database: sqlite://PATH or postgres://…; default: DIR/hufu.db
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
}

#[derive(Debug, Args)]
pub struct Export {
    /// The directory; it is made
    #[arg(value_name = "OUT")]
    pub directory: PathBuf,
    /// Write over an export that is there already
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub struct Audit {
    /// Replay the decisions instead: who was allowed what, when, under which text of the policy
    #[arg(long)]
    pub decisions: bool,
    /// Replay what `hufu ledger export` wrote into this directory; neither a database nor the service is asked
    #[arg(long, value_name = "DIR", requires_all = ["decisions", "trust"], conflicts_with_all = ["data", "database"])]
    pub from: Option<PathBuf>,
    #[command(flatten)]
    pub place: Place,
    /// The trust bundle, best from another machine; default: DIR/trust/bundle.json
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Tail {
    /// The log: the name of an authority, or operations
    pub log: String,
    /// Where the ledger is served
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// The trust bundle whose keys must have signed every checkpoint; without it only growth is checked
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// The first entry to print
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub from: u64,
    /// Go on when all is printed, and print what comes
    #[arg(long)]
    pub follow: bool,
    /// Print each entry as a line of JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Prove {
    /// The certificate: its id, fingerprint or serial number
    pub id: String,
    #[command(flatten)]
    pub connection: Connection,
    /// The certificate itself; default: it is fetched
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// Where to put ID.receipt and ID.status
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub out: PathBuf,
}

impl Ledger {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Audit(audit) => audit.run().await,
            Self::Export(export) => export.run().await.map(|()| ExitCode::SUCCESS),
            Self::Tail(tail) => tail.run().await.map(|()| ExitCode::SUCCESS),
            Self::Prove(prove) => prove.run().await,
        }
    }
}

impl Place {
    fn config(&self) -> anyhow::Result<Config> {
        let mut overrides = serde_json::Map::new();
        overrides.extend(self.data.as_ref().map(|data| ("data".to_owned(), json!(data))));
        overrides.extend(self.database.as_ref().map(|database| ("database".to_owned(), json!(database))));
        Ok(Config::load(self.config.as_deref(), overrides)?)
    }
}

impl Audit {
    /// Exits with 1 when there are findings.
    async fn run(self) -> anyhow::Result<ExitCode> {
        if let (Some(directory), Some(bundle)) = (&self.from, &self.trust) {
            let export = replay::export::Export::read(directory)?;
            let violations = replay::replay(&export, &read_bundle(bundle)?, &mut replay::Policies::new());
            return Ok(self.report("violation", &violations, "every decision follows"));
        }
        let config = self.place.config()?;
        let path = self.trust.clone().unwrap_or_else(|| config.data.join("trust").join("bundle.json"));
        if !path.exists() {
            bail!("there is no {}: name the data directory with --data, or the trust bundle with --trust", path.display());
        }
        let bundle = read_bundle(&path)?;
        let db = open(&config).await?;
        if self.decisions {
            let violations = replay::replay_database(&db, &bundle).await?;
            return Ok(self.report("violation", &violations, "every decision follows"));
        }
        let findings = audit::audit(&db, &bundle).await?;
        Ok(self.report("finding", &findings, "every row agrees with the ledger"))
    }

    fn report<T: Serialize + Display>(&self, name: &str, found: &[T], nothing: &str) -> ExitCode {
        if self.json {
            println!("{:#}", json!({format!("{name}s"): found}));
        } else {
            found.iter().for_each(|one| println!("{one}"));
            eprintln!(
                "{}",
                match found.len() {
                    0 => nothing.to_owned(),
                    1 => format!("1 {name}"),
                    count => format!("{count} {name}s"),
                }
            );
        }
        if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Export {
    async fn run(self) -> anyhow::Result<()> {
        let mut files = replay::export::Export::FILES.iter().map(|name| self.directory.join(name));
        if let (Some(there), false) = (files.find(|file| file.exists()), self.force) {
            bail!("{} is there already; name another directory, or write over it with --force", there.display());
        }
        let export = replay::export::Export::gather(&open(&self.place.config()?).await?).await?;
        export.write(&self.directory)?;
        eprintln!("{} decisions and {} leaves in {}", export.decisions.len(), export.entries.len(), self.directory.display());
        Ok(())
    }
}

/// The database as it is: a file that is not there is not made, and the schema is not changed.
pub(super) async fn open(config: &Config) -> anyhow::Result<Db> {
    let url = config.database_url();
    let file = url.strip_prefix("sqlite://").map(|path| Path::new(path.split('?').next().unwrap_or(path)));
    if let Some(file) = file.filter(|file| !file.exists()) {
        bail!("there is no database {}", file.display());
    }
    let options = Options {
        busy_timeout: Duration::from_millis(config.limits.database_wait_millis),
        max_connections: config.limits.database_connections,
    };
    Db::open(&url, options).await.context("opening the database")
}

impl Tail {
    async fn run(self) -> anyhow::Result<()> {
        let trusted = match &self.trust {
            Some(path) => Some(read_bundle(path)?.trusted_log(&self.log).with_context(|| format!("the bundle has no log {}", self.log))?),
            None => None,
        };
        let source = Source { http: over_http(PATIENCE)?, base: format!("{}/ledger/{}", self.url.trim_end_matches('/'), self.log) };
        let mut follower = Follower::start(&source, trusted, self.from).await?;
        loop {
            for (index, entry) in follower.advance(&source).await? {
                println!("{}", if self.json { entry_json(index, &entry).to_string() } else { entry_line(index, &entry) });
            }
            if !self.follow {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Where checkpoints, tiles and entries come from.
trait Fetch {
    /// What is served under a path of the log.
    async fn fetch(&self, path: &str) -> anyhow::Result<Vec<u8>>;
}

struct Source {
    http: reqwest::Client,
    base: String,
}

impl Fetch for Source {
    async fn fetch(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let url = format!("{}/{path}", self.base);
        let answer = self.http.get(&url).send().await.with_context(|| format!("asking {url}"))?;
        if !answer.status().is_success() {
            bail!("{url} answered {}", answer.status().as_u16());
        }
        Ok(answer.bytes().await?.to_vec())
    }
}

/// A log whose tree is recomputed here from every entry that is read: a checkpoint with another root than that of what was
/// read before and of what was added since is a log that was rewritten.
struct Follower {
    trusted: Option<TrustedLog>,
    tree: Tree,
    origin: Option<String>,
}

impl Follower {
    /// Begins at an entry: the tree before it is taken from the log's tiles, and the first checkpoint proves them right.
    async fn start(source: &impl Fetch, trusted: Option<TrustedLog>, from: u64) -> anyhow::Result<Self> {
        let mut tiles = Vec::new();
        for level in (0_u8..8).take_while(|level| from >> (8 * level) != 0) {
            let hashes = from >> (8 * level);
            let (n, width) = (hashes / TILE_WIDTH as u64, (hashes % TILE_WIDTH as u64) as usize);
            if width > 0 {
                let id = TileId { level, n };
                tiles.push((id, source.fetch(&id.path(width)).await?));
            }
        }
        let tile = |id: TileId| tiles.iter().find(|(found, _)| *found == id).map(|(_, hashes)| hashes.clone());
        Ok(Self { trusted, tree: Tree::resume(from, tile)?, origin: None })
    }

    /// The entries that the newest checkpoint adds, after the checkpoint was found to be over them.
    async fn advance(&mut self, source: &impl Fetch) -> anyhow::Result<Vec<(u64, Entry)>> {
        let note = Note::parse(std::str::from_utf8(&source.fetch("checkpoint").await?)?)?;
        let checkpoint = match &self.trusted {
            Some(trusted) => trusted.verify(&note)?.checkpoint,
            None => Checkpoint::parse(note.text())?,
        };
        if self.origin.get_or_insert_with(|| checkpoint.origin.clone()) != &checkpoint.origin {
            bail!("the log is another one now: {}", checkpoint.origin);
        }
        if checkpoint.size < self.tree.size() {
            bail!("the log has {} entries, and {} were read from it: it was rewound", checkpoint.size, self.tree.size());
        }
        let (mut tree, mut entries) = (self.tree.clone(), Vec::new());
        while tree.size() < checkpoint.size {
            let n = tree.size() / TILE_WIDTH as u64;
            let width = (checkpoint.size - n * TILE_WIDTH as u64).min(TILE_WIDTH as u64) as usize;
            let bundle = source.fetch(&TileRequest { target: TileTarget::Entries(n), width }.to_string()).await?;
            let octets = decode_bundle(&bundle)?;
            if octets.len() != width {
                bail!("a bundle of {width} entries has {}", octets.len());
            }
            for octets in octets.into_iter().skip((tree.size() % TILE_WIDTH as u64) as usize) {
                let index = tree.size();
                tree.append(merkle::leaf_hash(octets));
                entries.push((index, Entry::decode(octets).with_context(|| format!("entry {index}"))?));
            }
        }
        if tree.root() != checkpoint.root {
            bail!("the checkpoint of {} entries is not over what was read: the log was rewritten", checkpoint.size);
        }
        // What was completed is not stored here.
        tree.take_changed();
        self.tree = tree;
        Ok(entries)
    }
}

fn entry_line(index: u64, entry: &Entry) -> String {
    let key = if entry.status_key == StatusKey::NONE { "-".repeat(16) } else { hex::encode(&entry.status_key.as_bytes()[..8]) };
    let line =
        format!("{index:>8}  {}  {:<14} {key}  {}", time(entry.time), entry.event_type.to_string(), reason(entry).unwrap_or_default());
    line.trim_end().to_owned()
}

fn entry_json(index: u64, entry: &Entry) -> Value {
    let key = (entry.status_key != StatusKey::NONE).then(|| entry.status_key.to_string());
    let digest = |digest: [u8; 32]| (digest != [0; 32]).then(|| hex::encode(digest));
    json!({
        "index": index, "time": time(entry.time), "type": entry.event_type.to_string(), "status_key": key, "reason": reason(entry),
        "decision": digest(entry.digests.decision), "policy": digest(entry.digests.policy), "body": hex::encode(entry.body()),
    })
}

fn reason(entry: &Entry) -> Option<&'static str> {
    matches!(entry.event_type, EventType::REVOKE | EventType::HOLD).then(|| reason_name(entry.reason))
}

fn time(seconds: u64) -> String {
    rfc3339(from_millis(i64::try_from(seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000)))
}

impl Prove {
    /// Exits like `verify certificate` with what was fetched.
    async fn run(self) -> anyhow::Result<ExitCode> {
        let bundle = self.connection.bundle()?.context("a proof is verified with a trust bundle: name it with --trust bundle.json")?;
        let client = self.connection.client()?;
        let path = format!("/api/v1/certificates/{}", self.id);
        let file = match &self.certificate {
            Some(path) => std::fs::read(path).with_context(|| format!("reading {}", path.display()))?,
            None => client.get_bytes(&format!("{path}.der")).await?,
        };
        let certificate = Certificate::parse_many(&file)?.swap_remove(0);
        if ![certificate.id().to_string(), hex::encode(certificate.fingerprint()), hex::encode(certificate.serial())].contains(&self.id) {
            bail!("the certificate is not {}", self.id);
        }
        log_name(&certificate).context("the certificate names no log that records it")?;
        let receipt = Receipt::parse(std::str::from_utf8(&client.get_bytes(&format!("{path}/receipt")).await?)?)?;
        let proof = StatusProof::parse(std::str::from_utf8(&client.get_bytes(&format!("{path}/status-proof")).await?)?)?;
        let now = SystemClock.now();
        let mut evidence = verify::Evidence {
            certificate,
            candidates: Vec::new(),
            receipt: Some(receipt),
            status_proof: Some(proof),
            revocation: None,
            at: None,
            now,
            purpose: Purpose::Any,
            max_age: verify::MAX_AGE,
        };
        let mut report = verify::judge(&bundle, &evidence)?;
        if report.status.state == "revoked" {
            evidence.revocation = revocation(&client, &evidence.certificate).await?;
            report = verify::judge(&bundle, &evidence)?;
        }
        let name = evidence.certificate.id();
        for (extension, text) in
            [("receipt", evidence.receipt.map(|text| text.to_string())), ("status", evidence.status_proof.map(|text| text.to_string()))]
        {
            files::write(&self.out.join(format!("{name}.{extension}")), text.unwrap_or_default().as_bytes())?;
        }
        let mut value = serde_json::to_value(report)?;
        let code = exit_code(value["verdict"].as_str());
        value["files"] = json!([self.out.join(format!("{name}.receipt")), self.out.join(format!("{name}.status"))]);
        self.connection.print(&value, verify::text);
        Ok(code)
    }
}

/// The receipt of its revocation, which says since when the key is not trusted: the service's report has it.
async fn revocation(client: &super::client::Client, certificate: &Certificate) -> anyhow::Result<Option<Receipt>> {
    let report = client.post("/api/v1/verify/certificate", &json!({"certificate": certificate.to_pem()})).await?;
    for text in ["receipt", "revocation"].iter().filter_map(|name| report["ledger"][name].as_str()) {
        let receipt = Receipt::parse(text)?;
        if receipt.entry()?.event_type == EventType::REVOKE {
            return Ok(Some(receipt));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::services::fixture::Installation;

    /// A log as the service serves it, or as a liar would.
    struct Served<'a> {
        installation: &'a Installation,
        log: &'static str,
        /// Served instead of the newest checkpoint.
        checkpoint: Mutex<Option<String>>,
    }

    impl Fetch for Served<'_> {
        async fn fetch(&self, path: &str) -> anyhow::Result<Vec<u8>> {
            let services = self.installation.services();
            if path == "checkpoint" {
                let kept = self.checkpoint.lock().unwrap().clone();
                return Ok(kept.unwrap_or(services.checkpoint(self.log)?.note.to_string()).into_bytes());
            }
            Ok(services.tile(self.log, path).await?)
        }
    }

    #[tokio::test]
    async fn a_log_is_followed_from_any_entry_and_one_that_goes_back_is_refused() {
        let installation = Installation::start().await;
        let log = "operations";
        let served = Served { installation: &installation, log, checkpoint: Mutex::default() };
        let trusted = installation.bundle().trusted_log(log);
        let mut all = Follower::start(&served, trusted.clone(), 0).await.unwrap();
        let first = all.advance(&served).await.unwrap();
        assert_eq!(first.iter().map(|(index, _)| *index).collect::<Vec<_>>(), (0..first.len() as u64).collect::<Vec<_>>());
        let old = installation.services().checkpoint(log).unwrap().note.to_string();
        let mut late = Follower::start(&served, None, 3).await.unwrap();
        assert_eq!(late.advance(&served).await.unwrap(), first[3..]);

        installation.department("民政局").await;
        let added = all.advance(&served).await.unwrap();
        assert_eq!(added[0].0, first.len() as u64);
        assert!(added.iter().any(|(_, entry)| entry.event_type == EventType::ROLE));
        assert_eq!(late.advance(&served).await.unwrap(), added);
        assert!(all.advance(&served).await.unwrap().is_empty());
        assert!(entry_line(added[0].0, &added[0].1).contains("ca-event"));
        assert_eq!(entry_json(added[0].0, &added[0].1)["type"], "ca-event");

        *served.checkpoint.lock().unwrap() = Some(old);
        assert!(all.advance(&served).await.unwrap_err().to_string().contains("rewound"));
        let other = Served { installation: &installation, log: "department-p256-g1", checkpoint: Mutex::default() };
        assert!(all.advance(&other).await.is_err(), "another log");
        let mut unanchored = Follower::start(&served, None, 3).await.unwrap();
        unanchored.tree.append([0; 32]);
        *served.checkpoint.lock().unwrap() = None;
        assert!(unanchored.advance(&served).await.unwrap_err().to_string().contains("rewritten"));
    }
}
