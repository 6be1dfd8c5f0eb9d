//! What certificates of other PKIs point to: their revocation lists, OCSP responders and issuers' certificates (RFC 5280 §4.2.1.13,
//! §4.2.2.1).
//!
//! The addresses stand in certificates that strangers may have made, so a caller could aim them at whatever only this machine
//! reaches. So: plain http alone (what is fetched is signed; RFC 5280 §8 warns of https here), each host is resolved once and the
//! connection goes to the address that was looked at, private addresses are refused unless they are configured, and size, time,
//! redirections, numbers and the cache are bounded. Off unless it is configured.

pub mod network;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration as Wait,
};

use anyhow::Context;
use der::asn1::ObjectIdentifier;
use futures_util::future::join_all;
use time::{Duration, OffsetDateTime};
use tokio::sync::Semaphore;
use url::{Host, Url};

use self::network::{Network, is_public};
use crate::{
    config::FetchConfig,
    crypto::{Digest, digest::sha256, tls},
    validation::{Path, foreign::Files},
    world::Clock,
    x509::{Certificate, ocsp::request::request, p7c},
};

const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
const CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");

/// How many times an answer may send us elsewhere.
const MAX_REDIRECTIONS: usize = 3;
/// The most addresses that are asked about one certificate, of each kind.
const MAX_ADDRESSES: usize = 2;
/// The most that is fetched at once.
const MAX_AT_ONCE: usize = 16;
/// How often issuers are looked for, one level a time.
pub const MAX_LEVELS: usize = 3;
const CACHE_ENTRIES: usize = 256;
const CACHE_OCTETS: usize = 64 << 20;
/// How long an answer is kept, and how long it is remembered that there was none.
const CACHE_TIME: Duration = Duration::minutes(5);
const CACHE_FAILURE: Duration = Duration::minutes(1);

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{0} is not an address of plain http")]
    Scheme(String),
    #[error("{0} has no address that may be asked")]
    Address(String),
    #[error("more than {MAX_REDIRECTIONS} redirections")]
    Redirections,
    #[error("larger than {0} octets")]
    TooLarge(usize),
    #[error("not within {0:?}")]
    TooLate(Wait),
    #[error("answered with {0}")]
    Status(u16),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

pub struct Fetcher {
    clock: Arc<dyn Clock>,
    allowed: Vec<Network>,
    octets: usize,
    time: Wait,
    at_once: Semaphore,
    cache: Mutex<Cache>,
}

impl Fetcher {
    /// `None` when it is off.
    pub fn open(config: &FetchConfig, clock: Arc<dyn Clock>) -> anyhow::Result<Option<Self>> {
        if !config.enabled {
            return Ok(None);
        }
        let allowed = config.allow.iter().map(|network| network.parse()).collect::<Result<_, _>>().context("fetch.allow")?;
        Ok(Some(Self {
            clock,
            allowed,
            octets: config.octets,
            time: Wait::from_secs(config.seconds.max(1)),
            at_once: Semaphore::new(MAX_AT_ONCE),
            cache: Mutex::default(),
        }))
    }

    /// Responses about the certificates of a path, and lists about those that name no responder.
    pub async fn responses(&self, path: &Path) -> Files {
        let responses = join_all(path.links().map(|(certificate, issuer)| self.response(certificate, issuer))).await;
        let silent = path.links().filter(|(certificate, _)| certificate.authority_information(OCSP).next().is_none());
        let lists = join_all(silent.map(|(certificate, _)| self.lists_of(certificate))).await;
        Files { lists: lists.concat(), responses: responses.concat() }
    }

    /// Lists about the certificates of a path.
    pub async fn lists(&self, path: &Path) -> Vec<Vec<u8>> {
        join_all(path.links().map(|(certificate, _)| self.lists_of(certificate))).await.concat()
    }

    /// Certificates that a certificate calls its issuer's. Nobody has checked them.
    pub async fn issuers(&self, certificate: &Certificate) -> Vec<Certificate> {
        let urls = certificate.authority_information(CA_ISSUERS);
        self.fetch_each(urls.map(|url| (url.to_owned(), None))).await.iter().flat_map(|file| certificates(file)).collect()
    }

    async fn response(&self, certificate: &Certificate, issuer: &Certificate) -> Vec<Vec<u8>> {
        let Ok(key) = issuer.verifying_key() else { return Vec::new() };
        // Responders look certificates up by SHA-1 (RFC 5019 §2.1.1); it names and secures nothing.
        let question = request(Digest::Sha1, issuer.subject().der(), key.octets(), &[certificate.serial()], None);
        let Ok(question) = question else { return Vec::new() };
        let urls = certificate.authority_information(OCSP).map(|url| (url.to_owned(), Some(question.clone())));
        self.fetch_each(urls).await
    }

    async fn lists_of(&self, certificate: &Certificate) -> Vec<Vec<u8>> {
        let urls = certificate.crl_distribution_points().into_iter().filter(|url| url.starts_with("http:"));
        self.fetch_each(urls.map(|url| (url, None))).await
    }

    /// What the first few of these addresses answer; of those that fail, the log has the reason.
    async fn fetch_each(&self, urls: impl Iterator<Item = (String, Option<Vec<u8>>)>) -> Vec<Vec<u8>> {
        let fetch = |(url, question): (String, Option<Vec<u8>>)| async move {
            match self.fetch(&url, question).await {
                Ok(file) => file.map(|file| file.to_vec()),
                Err(error) => {
                    tracing::info!(url, %error, "nothing was fetched");
                    None
                }
            }
        };
        join_all(urls.take(MAX_ADDRESSES).map(fetch)).await.into_iter().flatten().collect()
    }

    /// The answer of an address, to a POST when there is a question; `None`: it failed a moment ago.
    async fn fetch(&self, url: &str, question: Option<Vec<u8>>) -> Result<Option<Arc<[u8]>>, FetchError> {
        let key = Key { url: url.to_owned(), question: question.as_deref().map(sha256) };
        if let Some(known) = self.cache().find(&key, self.clock.now()) {
            return Ok(known);
        }
        // It is never closed.
        let _permit = self.at_once.acquire().await.expect("the semaphore is open");
        let asked = tokio::time::timeout(self.time, self.ask(url, question)).await;
        let answer = asked.map_err(|_| FetchError::TooLate(self.time)).flatten().map(Arc::<[u8]>::from);
        self.cache().keep(key, answer.as_ref().ok().cloned(), self.clock.now());
        answer.map(Some)
    }

    async fn ask(&self, url: &str, question: Option<Vec<u8>>) -> Result<Vec<u8>, FetchError> {
        let mut url = Url::parse(url).map_err(|_| FetchError::Scheme(url.to_owned()))?;
        for _ in 0..=MAX_REDIRECTIONS {
            let client = self.client(&url).await?;
            let request = match &question {
                Some(question) => client.post(url.clone()).header("content-type", "application/ocsp-request").body(question.clone()),
                None => client.get(url.clone()),
            };
            let answer = request.send().await?;
            let location = answer.headers().get("location").and_then(|location| location.to_str().ok());
            match (answer.status().as_u16(), location) {
                (200, _) => return self.read(answer).await,
                // A question is not repeated elsewhere.
                (301 | 302 | 303 | 307 | 308, Some(location)) if question.is_none() => {
                    url = url.join(location).map_err(|_| FetchError::Scheme(location.to_owned()))?;
                }
                (status, _) => return Err(FetchError::Status(status)),
            }
        }
        Err(FetchError::Redirections)
    }

    /// A client that reaches this host and nobody else, at an address that may be asked.
    async fn client(&self, url: &Url) -> Result<reqwest::Client, FetchError> {
        let Some(host) = url.host().filter(|_| url.scheme() == "http") else { return Err(FetchError::Scheme(url.to_string())) };
        let port = url.port_or_known_default().unwrap_or(80);
        let found: Vec<SocketAddr> = match host {
            Host::Domain(name) => tokio::net::lookup_host((name, port)).await?.collect(),
            Host::Ipv4(address) => vec![(address, port).into()],
            Host::Ipv6(address) => vec![(address, port).into()],
        };
        let good: Vec<SocketAddr> = found.into_iter().filter(|address| self.may_ask(address.ip())).collect();
        if good.is_empty() {
            return Err(FetchError::Address(url.to_string()));
        }
        // Without roots: nothing here speaks TLS.
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(tls::provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().redirect(reqwest::redirect::Policy::none());
        Ok(builder.resolve_to_addrs(url.host_str().unwrap_or_default(), &good).build()?)
    }

    fn may_ask(&self, address: IpAddr) -> bool {
        is_public(address) || self.allowed.iter().any(|network| network.contains(address))
    }

    async fn read(&self, mut answer: reqwest::Response) -> Result<Vec<u8>, FetchError> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > self.octets {
                return Err(FetchError::TooLarge(self.octets));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        // Nobody panics while holding the lock: it is only ever looked at and replaced.
        self.cache.lock().expect("the cache is not poisoned")
    }
}

/// The certificates of a file, of which it is not said whether it is one certificate or a certs-only PKCS#7 (RFC 5280 §4.2.2.1).
fn certificates(file: &[u8]) -> Vec<Certificate> {
    const MOST: usize = 16;
    if let Ok(certificates) = Certificate::parse_many(file) {
        return certificates.into_iter().take(MOST).collect();
    }
    let listed = p7c::parse(file).unwrap_or_default();
    listed.iter().take(MOST).filter_map(|der| Certificate::parse(der).ok()).collect()
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    url: String,
    question: Option<[u8; 32]>,
}

/// Answers of a while ago, and failures.
#[derive(Default)]
struct Cache {
    entries: HashMap<Key, Entry>,
    octets: usize,
}

struct Entry {
    at: OffsetDateTime,
    answer: Option<Arc<[u8]>>,
}

impl Cache {
    fn find(&self, key: &Key, now: OffsetDateTime) -> Option<Option<Arc<[u8]>>> {
        let entry = self.entries.get(key)?;
        let life = if entry.answer.is_some() { CACHE_TIME } else { CACHE_FAILURE };
        // A clock that was set back makes nothing young.
        (Duration::ZERO..life).contains(&(now - entry.at)).then(|| entry.answer.clone())
    }

    fn keep(&mut self, key: Key, answer: Option<Arc<[u8]>>, now: OffsetDateTime) {
        self.remove(&key);
        self.octets += answer.as_ref().map_or(0, |answer| answer.len());
        self.entries.insert(key, Entry { at: now, answer });
        while self.entries.len() > CACHE_ENTRIES || self.octets > CACHE_OCTETS {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.at).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { return };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.octets -= entry.answer.map_or(0, |answer| answer.len());
        }
    }
}

#[cfg(test)]
mod tests;
