//! `hufu renew`: makes a key, has a certificate issued that follows the identity's own, by the identity's own signature, and
//! puts the new files in the place of the old. With `--watch` it stays and does so whenever the time comes.
//!
//! Whatever interrupts it, the next run goes on: a key is on disk before it is used, the new files are whole beside the old ones
//! before the first of them takes its place, and a mark says that this has begun.

use std::{
    path::{Path, PathBuf},
    time::Duration as Wait,
};

use anyhow::{Context, bail};
use clap::Args;
use secrecy::ExposeSecret;
use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::{
    Connection,
    claim::{PKCS12_ITERATIONS, key_pem, request},
    client::{Client, Identity, Problem},
    decide::Draft,
};
use crate::{
    config::read_passphrase,
    crypto::{PrivateKey, Secret, algorithms, digest::sha256, keys::software},
    files,
    world::{Clock, SystemClock, SystemEntropy, parse_rfc3339, random},
    x509::{Certificate, pkcs12::Pkcs12},
};

/// The shortest and the longest wait after a failure.
const SHORTEST_WAIT: Wait = Wait::from_secs(60);
const LONGEST_WAIT: Wait = Wait::from_secs(3600);
/// The work factor over a key that was encrypted before.
const KEY_ITERATIONS: u32 = 600_000;

#[derive(Debug, Args)]
pub struct Renew {
    #[command(flatten)]
    pub connection: Connection,
    /// Keep the key; otherwise a new one of the same family is made
    #[arg(long)]
    pub same_key: bool,
    /// Stay, and renew whenever the certificate's renewal window has opened
    #[arg(long)]
    pub watch: bool,
    /// The longest time between two looks of the watch, in seconds
    #[arg(long, default_value_t = 6 * 3600, value_name = "SECONDS", requires = "watch")]
    pub every: u64,
    /// A command for the shell, run after the files were replaced, as "systemctl reload nginx"
    #[arg(long, value_name = "COMMAND")]
    pub hook: Option<String>,
    /// A file with the passphrase of NAME.p12; default: NAME.p12.passphrase
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// What a look of the watch led to.
enum Look {
    Renewed,
    /// Nothing to do before then.
    Until(OffsetDateTime),
}

impl Renew {
    pub async fn run(self) -> anyhow::Result<()> {
        if self.watch {
            return self.watch().await;
        }
        let files = self.files()?;
        files.finish()?;
        let (certificate, code) = self.renew(&files).await?;
        self.run_hook(&files)?;
        let result = json!({
            "id": certificate.id().to_string(), "certificate": files.path("crt"), "key": files.path("key"),
            "not_after": crate::world::rfc3339(certificate.not_after()), "suspension_code": code,
        });
        self.connection.print(&result, |result| {
            let text = |name: &str| result[name].as_str().unwrap_or_default();
            format!(
                "{}\n  certificate  {}  until {}\n  suspension code, to be kept on paper: {code}",
                certificate.subject_text(),
                text("certificate"),
                text("not_after")
            )
        });
        Ok(())
    }

    /// Looks, renews, waits. Ends only when the certificate has ended: then there is nothing left to sign with.
    async fn watch(self) -> anyhow::Result<()> {
        let files = self.files()?;
        let (mut failures, mut hook_is_due, mut told) = (0, false, None);
        loop {
            let looked = match self.look(&files).await {
                Ok(Look::Renewed) => {
                    eprintln!("hufu: {} was renewed", files.name.display());
                    hook_is_due = self.hook.is_some();
                    Ok(Wait::ZERO)
                }
                Ok(Look::Until(due)) => {
                    if told.replace(due) != Some(due) {
                        eprintln!("hufu: {} is watched and will be renewed at {}", files.name.display(), crate::world::rfc3339(due));
                    }
                    Ok(until(due).min(Wait::from_secs(self.every)))
                }
                Err(error) => Err(error),
            };
            // A service that was not told goes on with the old certificate until it ends.
            let hook = if hook_is_due { self.run_hook(&files) } else { Ok(()) };
            hook_is_due = hook.is_err();
            let wait = match hook.and(looked) {
                Ok(wait) => {
                    failures = 0;
                    wait
                }
                Err(error) => {
                    failures += 1;
                    eprintln!("hufu: {error:#}");
                    backoff(failures).min(Wait::from_secs(self.every))
                }
            };
            if let Some(ended) = files.ended() {
                bail!("{} ended at {}; claim a new certificate", files.name.display(), crate::world::rfc3339(ended));
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn look(&self, files: &Files) -> anyhow::Result<Look> {
        files.finish()?;
        let identity = Identity::load(&files.name)?;
        let view = self.connection.client()?.get(&format!("/api/v1/certificates/{}", identity.certificate().id())).await?;
        let from = view["renewable_from"].as_str().and_then(parse_rfc3339);
        let from = from.context("the server does not say from when the certificate may be renewed")?;
        let due = from + jitter(identity.certificate(), from);
        if SystemClock.now() < due {
            return Ok(Look::Until(due));
        }
        self.renew(files).await?;
        Ok(Look::Renewed)
    }

    fn files(&self) -> anyhow::Result<Files> {
        let name = self.connection.identity.clone().context("this command needs --identity NAME, the name of NAME.crt and NAME.key")?;
        Ok(Files { name })
    }

    /// Answers the certificate and the suspension code that came with it.
    async fn renew(&self, files: &Files) -> anyhow::Result<(Certificate, String)> {
        let identity = Identity::load(&files.name)?;
        let client = self.connection.client()?;
        let is_new = !self.same_key && !files.path("key.next").exists();
        let secret = if self.same_key { files.secret("key")? } else { files.next_secret(&identity)? };
        let key = algorithms::load_any(&secret)?;
        let id = identity.certificate().id().to_string();
        let csr = request(&*key)?;
        // An earlier run may have been answered and not have lived to keep it: then there is nothing left to sign.
        let statement = match ask(&client, &identity, &id, &csr, &*key).await {
            Ok(Some(draft)) => draft.sign(&identity)?,
            Ok(None) => String::new(),
            Err(error) => {
                // Nothing was issued for a key that was made a moment ago.
                if is_new && error.is::<Problem>() {
                    let next = files.path("key.next");
                    std::fs::remove_file(&next).with_context(|| format!("removing {}", next.display()))?;
                }
                return Err(error);
            }
        };
        let body = json!({"statement": statement, "csr": csr});
        let answer = client.post(&format!("/api/v1/certificates/{id}/renewal"), &body).await?;
        let text = |field: &str| answer[field].as_str().with_context(|| format!("the server's answer has no {field}"));
        let chain = Certificate::parse_many(text("chain")?.as_bytes())?;
        if chain[0].public_key() != Ok(key.public_key()) || chain[0].subject_der() != identity.certificate().subject_der() {
            bail!("the server's certificate is not for this key and this subject");
        }
        self.keep(files, &secret, &chain, text("chain")?)?;
        Ok((chain[0].clone(), text("suspension_code")?.to_owned()))
    }

    /// The new files, whole, beside the old ones; then each takes its place.
    fn keep(&self, files: &Files, secret: &Secret, chain: &[Certificate], pem: &str) -> anyhow::Result<()> {
        files::write(&files.path("crt.next"), pem.as_bytes())?;
        if files.path("p12").exists() {
            let passphrase = self.passphrase_file.clone().unwrap_or_else(|| files.path("p12.passphrase"));
            let passphrase =
                read_passphrase(&passphrase).context("NAME.p12 is renewed, too: name its passphrase with --passphrase-file")?;
            let certificates: Vec<Vec<u8>> = chain.iter().map(|certificate| certificate.der().to_vec()).collect();
            let name = files.name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let container = Pkcs12 { key: secret, certificates: &certificates, friendly_name: &name };
            files::write_private(&files.path("p12.next"), &container.seal(passphrase.expose_secret(), PKCS12_ITERATIONS, &SystemEntropy)?)?;
        }
        files.mark()?;
        files.finish()
    }

    fn run_hook(&self, files: &Files) -> anyhow::Result<()> {
        let Some(hook) = &self.hook else { return Ok(()) };
        let status = std::process::Command::new("sh")
            .args(["-c", hook])
            .env("HUFU_CERTIFICATE", files.path("crt"))
            .env("HUFU_KEY", files.path("key"))
            .status()
            .context("the hook could not be run")?;
        if status.success() { Ok(()) } else { bail!("the files were replaced, but the hook ended with {status}") }
    }
}

/// The draft of what there is to sign, after this end has checked that it is about this certificate and this key; `None` when
/// the certificate was renewed before.
async fn ask(client: &Client, identity: &Identity, id: &str, csr: &str, key: &dyn PrivateKey) -> anyhow::Result<Option<Draft>> {
    let draft = match Draft::fetch_renewal(client, id, csr).await {
        Ok(draft) => draft,
        Err(error) => {
            let problem = error.downcast_ref::<Problem>();
            let renewed = problem.is_some_and(|problem| problem.code == "wrong-state" && problem.detail.contains("is renewed"));
            return if renewed { Ok(None) } else { Err(error) };
        }
    };
    let own = hex::encode(key.public_key().fingerprint());
    if draft.shown["key"]["fingerprint"] != own || draft.shown["subject"] != identity.certificate().subject_text() {
        bail!("the server's draft is about another key or another subject; nothing was signed");
    }
    Ok(Some(draft))
}

/// `NAME.crt`, `NAME.key`, `NAME.p12`, and what is to take their place.
struct Files {
    name: PathBuf,
}

/// In the order in which they take their place.
static REPLACED: [&str; 3] = ["key", "crt", "p12"];

impl Files {
    fn path(&self, extension: &str) -> PathBuf {
        let mut name = self.name.as_os_str().to_owned();
        name.push(".");
        name.push(extension);
        PathBuf::from(name)
    }

    /// Says that the new files are whole.
    fn mark(&self) -> anyhow::Result<()> {
        files::write(&self.path("renewed"), b"the files that end in .next take the place of those without it\n")
    }

    /// Puts the new files in the place of the old, if they are whole; a run that was interrupted here is finished by the next.
    fn finish(&self) -> anyhow::Result<()> {
        if !self.path("renewed").exists() {
            return Ok(());
        }
        for extension in REPLACED {
            let next = self.path(&format!("{extension}.next"));
            if next.exists() {
                std::fs::rename(&next, self.path(extension)).with_context(|| format!("replacing {}", self.path(extension).display()))?;
            }
        }
        let directory = self.name.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(directory).and_then(|directory| directory.sync_all()).context("writing the directory")?;
        std::fs::remove_file(self.path("renewed")).context("removing the mark of a renewal")
    }

    fn secret(&self, extension: &str) -> anyhow::Result<Secret> {
        let path = self.path(extension);
        let pem = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let passphrase = std::env::var("HUFU_KEY_PASSPHRASE").unwrap_or_default();
        software::decrypt_pem(&pem, passphrase.as_bytes()).with_context(|| format!("reading {}", path.display()))
    }

    /// The key of an earlier run that was not answered, or a new one of the same family, kept as the old one is.
    fn next_secret(&self, identity: &Identity) -> anyhow::Result<Secret> {
        if self.path("key.next").exists() {
            return self.secret("key.next");
        }
        let secret = identity.key.public_key().algorithm().generate()?;
        let old = std::fs::read_to_string(self.path("key")).context("reading the key")?;
        let pem = match old.contains("BEGIN ENCRYPTED PRIVATE KEY") {
            true => {
                let passphrase = std::env::var("HUFU_KEY_PASSPHRASE").unwrap_or_default();
                software::encrypt_pem(&secret, passphrase.as_bytes(), KEY_ITERATIONS, &SystemEntropy)?.into()
            }
            false => key_pem(&secret)?,
        };
        files::write_private(&self.path("key.next"), pem.as_bytes())?;
        Ok(secret)
    }

    /// When the certificate ended, if it did.
    fn ended(&self) -> Option<OffsetDateTime> {
        let file = std::fs::read(self.path("crt")).ok()?;
        let not_after = Certificate::parse_many(&file).ok()?[0].not_after();
        (not_after < SystemClock.now()).then_some(not_after)
    }
}

/// How long after the window has opened: up to a tenth of it, other for each certificate and always the same for one, so that
/// ten thousand that were issued together do not come together.
fn jitter(certificate: &Certificate, from: OffsetDateTime) -> Duration {
    let window = (certificate.not_after() - from).whole_seconds().max(0).unsigned_abs();
    let digest = sha256(&certificate.id().0);
    let place = u64::from(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]));
    // At most a tenth of some years, in seconds.
    Duration::seconds((window / 10 * place / (1 << 32)) as i64)
}

fn until(due: OffsetDateTime) -> Wait {
    Wait::try_from(due - SystemClock.now()).unwrap_or(Wait::ZERO)
}

/// Twice as long after each failure, from one minute to one hour, and half of it more or less at random.
fn backoff(failures: u32) -> Wait {
    let longest = SHORTEST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(6)).min(LONGEST_WAIT);
    let share = f64::from(u16::from_be_bytes(random::<2>(&SystemEntropy))) / f64::from(u16::MAX);
    longest.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_that_was_interrupted_is_finished_and_what_is_not_whole_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files { name: directory.path().join("me") };
        let write = |extension: &str, text: &str| std::fs::write(files.path(extension), text).unwrap();
        let read = |extension: &str| std::fs::read_to_string(files.path(extension)).unwrap();
        for extension in REPLACED {
            write(extension, "old");
        }
        write("key.next", "new");
        files.finish().unwrap();
        assert_eq!((read("key"), read("key.next")), ("old".to_owned(), "new".to_owned()), "without a mark nothing is replaced");

        // Interrupted after the key took its place.
        files.mark().unwrap();
        std::fs::rename(files.path("key.next"), files.path("key")).unwrap();
        write("crt.next", "new");
        files.finish().unwrap();
        assert_eq!(["key", "crt", "p12"].map(read), ["new", "new", "old"]);
        assert!(!files.path("renewed").exists() && !files.path("crt.next").exists());
        files.finish().unwrap();
    }

    #[test]
    fn waits_grow_to_an_hour_and_are_never_the_same_for_all() {
        for failures in 1..50 {
            let wait = backoff(failures);
            assert!(wait >= SHORTEST_WAIT / 2 && wait <= LONGEST_WAIT, "{failures}: {wait:?}");
        }
        assert!(backoff(40) >= LONGEST_WAIT / 2);
    }
}
