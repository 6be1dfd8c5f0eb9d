//! From a configuration to running services: passphrase, database, keys, logs, authorities; on an empty directory a trial
//! installation.

use std::{
    fs::{File, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use secrecy::ExposeSecret;
use tokio::task::JoinHandle;

use super::{
    Services,
    anchors::Anchors,
    authorities::{Authorities, Authority},
    crash,
    error::Error,
    fetch::Fetcher,
    identities::Vault,
    install::{system_person, trial_passphrase},
    journal::{Heads, Journal},
    limits::Limits,
    logs::{self, LogKeys, Logs},
    notices::Notices,
    policies::decided_by_people,
    proofing::oidc::Provider,
    publish_crl,
    sealing::Sealer,
    sessions::Logins,
    time_stamp::Pace,
};
use crate::{
    config::Config,
    crypto::{
        algorithms,
        keys::{KeyStore, SigningKey, software},
    },
    files,
    ledger::{TileId, tiles},
    policy::{PolicySet, shipped},
    store::{self, Db},
    world::{Clock, Entropy, millis, random, seconds},
};

/// The folder of a version's rules.
const RULES: &str = "rules";

/// The clock and the randomness that everything is handed.
#[derive(Clone)]
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// Running services, the writer that must end before the process does, and the lock on the directory, to be held so long.
pub struct Started {
    pub services: Arc<Services>,
    pub journal: JoinHandle<()>,
    pub lock: File,
}

impl Services {
    /// Opens an installation, makes one where there is none, and finishes what an earlier run promised.
    pub async fn start(config: &Config, base_url: String, api_origin: String, world: World) -> anyhow::Result<Started> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&config.data)
            .with_context(|| format!("making {}", config.data.display()))?;
        let lock = lock(&config.data)?;
        let passphrase = match config.passphrase()? {
            Some(passphrase) => passphrase,
            None => trial_passphrase(&config.data, &*world.entropy)?,
        };
        let keys = KeyStore::open(&config.data.join("keys"), passphrase.clone(), config.authority.key_iterations)?;
        let secret = |name| open_secret(&config.data, name, passphrase.expose_secret(), config.authority.key_iterations, &world);
        let (sealer, vault) = (Sealer::new(&*secret("data")?), Vault::new(&*secret("identity")?));
        let provider = Provider::open(&config.oidc).context("the identity provider")?;
        let anchors = Anchors::open(config.anchors()).context("the trust anchors")?;
        let fetcher = Fetcher::open(&config.fetch, world.clock.clone())?;
        let notices = Notices::open(&config.notices).context("the notices")?;
        let files = load_policies(&config.data)?;

        let options = store::Options {
            busy_timeout: std::time::Duration::from_millis(config.limits.database_wait_millis),
            max_connections: config.limits.database_connections,
        };
        let db = Db::open(&config.database_url(), options).await.context("opening the database")?;
        db.migrate().await.context("migrating the database")?;
        let installation = open_installation(&db, &world).await?;
        if installation.mode != "trial" {
            bail!("this release runs trial installations only; the key ceremony of a production installation is not part of it");
        }
        let policy = match decided_by_people(&mut db.read().await?).await? {
            Some(in_force) => {
                if in_force.digest() != files.digest() {
                    tracing::warn!("the files in policies/ are not the policy in force, which people decided; see `hufu policy propose`");
                }
                in_force
            }
            None => files,
        };
        tracing::warn!("trial installation: roots beside the service, passphrase beside the keys; see `hufu check --production`");

        let heads = Heads::open(&config.data.join("heads.json"))?;
        if heads.is_new() && !store::authorities::list(&mut db.read().await?).await?.is_empty() {
            bail!(
                "{} is missing: without it nobody can tell whether this database is the newest; put the newest one back",
                config.data.join("heads.json").display()
            );
        }
        let logs = Arc::new(open_logs(&db, &keys, &heads, &world).await?);
        crash::point("start-logs-loaded");
        let (journal, writer) = Journal::start(db.clone(), logs.clone(), heads, world.clock.clone(), config.limits.queue);
        let system_key: Arc<dyn SigningKey> = Arc::new(if keys.exists("system") {
            keys.load("system")?
        } else {
            keys.generate("system", &algorithms::P256, &*world.entropy)?
        });
        let services = Services {
            authorities: Authorities::default(),
            responders: ArcSwap::default(),
            own_keys: ArcSwap::default(),
            crl_rounds: tokio::sync::Mutex::new(()),
            system_person: system_person(&installation.incarnation),
            incarnation: installation.incarnation,
            organization: config.organization.clone(),
            crl_life: publish_crl::life(config.authority.crl_hours),
            ocsp_life: time::Duration::minutes(i64::from(config.authority.ocsp_minutes.max(1))),
            request_life: time::Duration::days(i64::from(config.limits.enrolment_days.max(1))),
            new_crl_shards: config.authority.crl_shards,
            new_policy: config.authority.policy.clone(),
            sm2_parameters: config.authority.sm2_parameters,
            db,
            keys,
            sealer,
            vault,
            provider,
            anchors,
            fetcher,
            limits: Limits::new(&config.limits),
            logins: Logins::new(&*world.entropy),
            pace: Pace::new(config.limits.time_stamps),
            notices,
            clock: world.clock,
            entropy: world.entropy,
            journal,
            logs,
            policy: ArcSwap::from_pointee(policy),
            system_key,
            base_url,
            api_origin,
        };
        services.open_authorities().await?;
        services.install(&config.data).await?;
        services.upkeep().await;
        Ok(Started { services: Arc::new(services), journal: writer, lock })
    }

    /// The authorities of the database with their keys and certificates.
    async fn open_authorities(&self) -> Result<(), Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::authorities::list(&mut connection).await?
        };
        for row in &rows {
            let corrupt = |what: &str| Error::Corrupt(format!("authority {}: {what}", row.name));
            let key: Arc<dyn SigningKey> = Arc::new(self.keys.load(&row.key_name).map_err(Error::Key)?);
            if key.public_key().fingerprint() != row.key_fingerprint[..] {
                return Err(corrupt("its key file holds another key"));
            }
            self.authorities.add(Authority::new(
                row.name.parse().map_err(|_| corrupt("its name"))?,
                row.issuer.as_deref().map(str::parse).transpose().map_err(|_| corrupt("its issuer"))?,
                row.subject_der.clone(),
                key,
                u16::try_from(row.crl_shards).map_err(|_| corrupt("its shards"))?,
                row.null_parameters != 0,
                row.policy_oid.parse().map_err(|_| corrupt("its policy"))?,
            ));
        }
        self.finish_promises(time::Duration::ZERO).await?;
        for authority in self.authorities.all() {
            let row = {
                let mut connection = self.db.read().await?;
                store::certificates::of_key(&mut connection, &authority.key.public_key().fingerprint()).await?
            };
            if let Some(row) = row {
                authority.set_certificate(self.assemble_certificate(&row)?);
            }
        }
        Ok(())
    }
}

/// Of two services on one directory the second would take the logs over, and the first would end. The lock is the open file's:
/// it ends with the process, however that ends.
fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("lock");
    let open = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = open.with_context(|| format!("opening {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another service runs on {}: stop it first, or name another directory with --data", data.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

/// A key that is no signing key (`data.key`, `identity.key`), made once, encrypted under the passphrase of the keys.
fn open_secret(data: &Path, name: &str, passphrase: &str, iterations: u32, world: &World) -> anyhow::Result<zeroize::Zeroizing<[u8; 32]>> {
    let path = data.join("keys").join(format!("{name}.key"));
    if !path.exists() {
        let key = zeroize::Zeroizing::new(random::<32>(&*world.entropy).to_vec());
        let pem = software::encrypt_pem(&key, passphrase.as_bytes(), iterations, &*world.entropy)?;
        files::write_private(&path, pem.as_bytes())?;
    }
    let pem = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let key = software::decrypt_pem(&pem, passphrase.as_bytes()).with_context(|| format!("reading {}", path.display()))?;
    let key: &[u8; 32] = key.as_slice().try_into().with_context(|| format!("{} has not 32 octets", path.display()))?;
    Ok(zeroize::Zeroizing::new(*key))
}

/// `{data}/policies`, filled from what this binary ships when it is not there. An installation from before rules were part of
/// the policy is given the shipped ones, which are those that its program had: like any change they are a new version.
pub fn load_policies(data: &Path) -> anyhow::Result<PolicySet> {
    let directory = data.join("policies");
    if !directory.exists() {
        copy_shipped("", &directory)?;
    }
    if !directory.join(RULES).exists() {
        tracing::warn!("{} has no rules yet: those that this program ships are put there", directory.display());
        copy_shipped(RULES, &directory.join(RULES))?;
    }
    Ok(PolicySet::parse(&read_policies(&directory)?)?)
}

/// The policies that an installation has, or would start with. Reads only.
pub fn read_or_shipped_policies(data: &Path) -> anyhow::Result<PolicySet> {
    let directory = data.join("policies");
    if !directory.exists() {
        return Ok(PolicySet::parse(&shipped::files())?);
    }
    let mut files = read_policies(&directory)?;
    if !directory.join(RULES).exists() {
        files.extend(shipped::rules().into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())));
    }
    Ok(PolicySet::parse(&files)?)
}

/// The files of a policy, each by its path below the folder.
pub fn read_policies(directory: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for folder in ["", "profiles", RULES] {
        let path = directory.join(folder);
        // A folder without rules is refused by `PolicySet::parse`, with a better word than this.
        if folder == RULES && !path.exists() {
            continue;
        }
        for entry in std::fs::read_dir(&path).with_context(|| format!("reading {}", path.display()))? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            // Every file of such a kind counts, so that a misspelt name is refused and not passed over.
            if path.extension().is_some_and(|extension| extension == "toml" || extension == "cedar" || extension == "cedarschema") {
                files.push((name, std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// All shipped files below a folder, or none: a crash among them would leave an installation with fewer than were shipped.
fn copy_shipped(folder: &str, target: &Path) -> anyhow::Result<()> {
    let copies = target.with_extension("new");
    if copies.exists() {
        std::fs::remove_dir_all(&copies).with_context(|| format!("removing {}", copies.display()))?;
    }
    for (path, text) in shipped::files() {
        let Ok(below) = Path::new(path).strip_prefix(folder) else { continue };
        files::write(&copies.join(below), text.as_bytes())?;
        crash::point("install-policy-copied");
    }
    std::fs::rename(&copies, target).with_context(|| format!("making {}", target.display()))
}

async fn open_installation(db: &Db, world: &World) -> Result<store::InstallationRow, Error> {
    let mut tx = db.begin_write().await?;
    if let Some(row) = store::installation::find(tx.connection()).await? {
        return Ok(row);
    }
    let row = store::InstallationRow {
        incarnation: hex::encode(random::<4>(&*world.entropy)),
        mode: "trial".to_owned(),
        created_at: millis(world.clock.now()),
    };
    store::installation::insert(tx.connection(), &row).await?;
    tx.commit().await?;
    Ok(row)
}

/// Every log with its keys, rebuilt from its leaves, compared with the heads that were published, and signed anew.
async fn open_logs(db: &Db, keys: &KeyStore, heads: &Heads, world: &World) -> Result<Logs, Error> {
    let rows = {
        let mut connection = db.read().await?;
        store::ledger::logs(&mut connection).await?
    };
    let mut logs = std::collections::BTreeMap::new();
    for row in rows {
        let key = |kind: &str| -> Result<Arc<dyn SigningKey>, Error> {
            Ok(Arc::new(keys.load(&format!("log-{}-{kind}", row.name)).map_err(Error::Key)?))
        };
        let log_keys = LogKeys { ed25519: key("ed25519")?, sm2: key("sm2")? };
        // First nobody else may write, then it is read.
        let fence = take_over(db, &row.name).await?;
        let mut log = logs::open(db, &row, log_keys).await?;
        let root = match heads.known(&row.name) {
            Some(size) if size <= log.tree.size() => root_at(db, &row.name, size).await?,
            _ => None,
        };
        heads.check(&row.name, log.tree.size(), root)?;
        log.fence = fence;
        if log.tree.size() > 0 {
            heads.advance(std::iter::once((row.name.clone(), log.tree.size(), log.tree.root())))?;
            let now = seconds(world.clock.now()).max(log.time);
            log.checkpoint = Some(logs::sign(&log.origin, &log.keys, log.tree.size(), log.tree.root(), now).await?);
        }
        logs.insert(row.name, log);
    }
    heads.check_all_are_there(|name| logs.contains_key(name))?;
    Ok(Logs::new(logs))
}

/// From now on whoever wrote this log before cannot set its head any more.
async fn take_over(db: &Db, log: &str) -> Result<i64, Error> {
    let mut tx = db.begin_write().await?;
    let fence = store::ledger::raise_fence(tx.connection(), log).await?;
    tx.commit().await?;
    Ok(fence)
}

/// The root that a log had at an earlier size, from its tiles.
async fn root_at(db: &Db, log: &str, size: u64) -> Result<Option<[u8; 32]>, Error> {
    let ids = tiles::root_tiles(size);
    let rows = {
        let mut connection = db.read().await?;
        store::ledger::tiles(&mut connection, log, &ids.iter().map(|id| (i64::from(id.level), id.n as i64)).collect::<Vec<_>>()).await?
    };
    let find = |id: TileId| rows.iter().find(|row| row.level == i64::from(id.level) && row.n == id.n as i64).map(|row| &row.hashes);
    Ok(tiles::root_at(size, &find).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_installation_has_all_that_is_shipped_and_starts_with_it_again() {
        let data = tempfile::tempdir().unwrap();
        let would_be = read_or_shipped_policies(data.path()).unwrap();
        let first = load_policies(data.path()).unwrap();
        assert_eq!(first.digest(), would_be.digest());
        assert_eq!(first.digest(), load_policies(data.path()).unwrap().digest());
        assert!(data.path().join("policies/rules/schema.cedarschema").exists() && !data.path().join("policies.new").exists());
    }

    #[test]
    fn one_service_at_a_time_runs_on_a_directory() {
        let data = tempfile::tempdir().unwrap();
        let first = lock(data.path()).unwrap();
        assert!(lock(data.path()).unwrap_err().to_string().contains("another service runs on"));
        drop(first);
        lock(data.path()).unwrap();
    }

    #[test]
    fn an_installation_from_before_rules_is_given_them_as_a_new_version() {
        let data = tempfile::tempdir().unwrap();
        let with_rules = load_policies(data.path()).unwrap();
        let rules = data.path().join("policies/rules");
        std::fs::remove_dir_all(&rules).unwrap();
        // What a start that was cut short left.
        std::fs::create_dir(data.path().join("policies/rules.new")).unwrap();
        assert_eq!(read_or_shipped_policies(data.path()).unwrap().digest(), with_rules.digest());
        assert!(!rules.exists());
        assert_eq!(load_policies(data.path()).unwrap().digest(), with_rules.digest());
        assert!(rules.join("separation.cedar").exists() && !data.path().join("policies/rules.new").exists());
    }

    #[test]
    fn files_that_are_no_part_of_a_version_are_passed_over_and_quorums_are_part_of_it() {
        let data = tempfile::tempdir().unwrap();
        let first = load_policies(data.path()).unwrap().digest();
        std::fs::write(data.path().join("policies/profiles/staff.toml~"), "half a file").unwrap();
        assert_eq!(load_policies(data.path()).unwrap().digest(), first);
        let quorums = data.path().join("policies/quorums.toml");
        let before = std::fs::read_to_string(&quorums).unwrap_or_default();
        std::fs::write(quorums, format!("{before}\n# a comment\n")).unwrap();
        assert_ne!(load_policies(data.path()).unwrap().digest(), first);
    }
}
