//! What must hold of an installation after whatever happened to it, seen through its public interfaces.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use hufu::{
    cli::client::{Client, Identity},
    crypto::{Digest, digest::sha256},
    ledger::{
        Depth, Entry, EventType, Hash, Note, Receipt, State, StatusKey, StatusMap, StatusProof, Tree, TrustedLog, merkle, proof, tiles,
    },
    world::{Clock, SystemClock, seconds},
    x509::{
        Certificate, CertificateId,
        crl::CertificateList,
        ocsp::{self, CertStatus, OcspResponse},
    },
};
use serde_json::Value;

use super::installation::{Place, Running, text};

/// How old a status proof may be, in seconds: as old as the copied installation.
const MAX_AGE: u64 = 3600;

/// The depth of an installation's maps (`ledger.md`).
const DEPTH: u8 = 16;

/// Sizes and roots of logs that somebody has seen.
#[derive(Debug, Clone, Default)]
pub struct Seen(BTreeMap<String, Vec<(u64, Hash)>>);

impl Seen {
    /// The heads that an installation says it has published. None before its first.
    pub fn published(place: &Place) -> anyhow::Result<Self> {
        let mut seen = Self::default();
        let Ok(file) = std::fs::read(place.data().join("heads.json")) else { return Ok(seen) };
        let heads: BTreeMap<String, (u64, String)> = serde_json::from_slice(&file)?;
        for (log, (size, root)) in heads {
            let root = hex::decode(root)?.try_into().ok().context("a root has 32 octets")?;
            seen.0.entry(log).or_default().push((size, root));
        }
        Ok(seen)
    }

    pub fn and(mut self, other: &Self) -> Self {
        for (log, heads) in &other.0 {
            self.0.entry(log.clone()).or_default().extend(heads);
        }
        self
    }
}

/// Every log of an installation, read as a monitor reads it, and every certificate.
pub struct Books {
    pub logs: BTreeMap<String, Vec<Entry>>,
    pub seen: Seen,
    pub certificates: Vec<Value>,
}

/// Reads everything and holds it against everything else.
pub async fn books(running: &Running, auditor: &Identity, before: &Seen) -> anyhow::Result<Books> {
    let public = running.public()?;
    let api = running.api(Some(auditor))?;
    let mut books = Books { logs: BTreeMap::new(), seen: Seen::default(), certificates: Vec::new() };
    for log in &running.bundle.logs {
        let trusted = trusted(running, &log.name)?;
        let seen = before.0.get(&log.name).map_or(&[][..], Vec::as_slice);
        let (entries, head) = read_log(&public, &log.name, &trusted, seen).await.with_context(|| format!("log {}", log.name))?;
        books.seen.0.insert(log.name.clone(), vec![head]);
        books.logs.insert(log.name.clone(), entries);
    }
    for name in before.0.keys() {
        ensure!(books.logs.contains_key(name), "log {name} is gone");
    }
    books.certificates = list(&api, "/api/v1/certificates").await?;
    for view in &books.certificates {
        certificate(running, &books, &api, view).await.with_context(|| format!("certificate {view}"))?;
    }
    books.nothing_is_doubled()?;
    Ok(books)
}

fn trusted(running: &Running, log: &str) -> anyhow::Result<TrustedLog> {
    let origin = &running.bundle.logs.iter().find(|one| one.name == log).with_context(|| format!("no log {log}"))?.origin;
    running.bundle.trusted_logs().into_iter().find(|one| one.origin == *origin).with_context(|| format!("no keys of {log}"))
}

/// Tree, map and checkpoint fit together, and the log is still the one that was seen.
async fn read_log(public: &Client, name: &str, log: &TrustedLog, seen: &[(u64, Hash)]) -> anyhow::Result<(Vec<Entry>, (u64, Hash))> {
    let note = public.get_bytes(&format!("/ledger/{name}/checkpoint")).await?;
    let checkpoint = log.verify(&Note::parse(&String::from_utf8(note)?)?)?.checkpoint;
    let mut tree = Tree::new();
    let mut map = StatusMap::new(Depth::new(DEPTH).context("a depth")?);
    let (mut entries, mut events): (Vec<Entry>, BTreeSet<Hash>) = Default::default();
    while tree.size() < checkpoint.size {
        let n = tree.size() / 256;
        let path = match checkpoint.size - n * 256 {
            width @ 1..256 => format!("{n:03}.p/{width}"),
            _ => format!("{n:03}"),
        };
        let bundle = public.get_bytes(&format!("/ledger/{name}/tile/entries/{path}")).await?;
        for octets in tiles::decode_bundle(&bundle)? {
            let (index, entry) = (tree.size(), Entry::decode(octets)?);
            if entry.event_type == EventType::MAP_HEAD {
                map.check_map_head(&entry.to_map_head()?).with_context(|| format!("leaf {index}"))?;
            }
            map.apply(&entry, index).with_context(|| format!("leaf {index}"))?;
            ensure!(events.insert(entry.event_id), "leaf {index} records an event that an earlier leaf records");
            tree.append(merkle::leaf_hash(octets));
            entries.push(entry);
            for (size, root) in seen {
                ensure!(*size != tree.size() || *root == tree.root(), "another root than was seen at {size} leaves");
            }
        }
    }
    ensure!(tree.root() == checkpoint.root, "the entries do not make the root");
    ensure!(seen.iter().all(|(size, _)| *size <= checkpoint.size), "shrank to {} leaves; seen were {seen:?}", checkpoint.size);
    ensure!(entries.last().is_none_or(|entry| entry.event_type == EventType::MAP_HEAD), "the last leaf is no map head");
    Ok((entries, (checkpoint.size, checkpoint.root)))
}

pub async fn list(api: &Client, path: &str) -> anyhow::Result<Vec<Value>> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}?limit=1000{cursor}")).await?;
        items.extend(page["items"].as_array().context("no items")?.iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(items),
        }
    }
}

/// A certificate is signed, its leaf is there, and the proofs say what the service says.
async fn certificate(running: &Running, books: &Books, api: &Client, view: &Value) -> anyhow::Result<()> {
    let id = CertificateId::from_hex(text(view, "id")?).context("an id")?;
    let log = text(&view["ledger"], "log")?;
    let index = view["ledger"]["index"].as_u64().context("an index")?;
    let leaf = books.logs.get(log).and_then(|log| log.get(index as usize)).context("its leaf is not in the log")?;
    ensure!(leaf.event_type == EventType::ISSUE && leaf.status_key == StatusKey::from_tbs_digest(&id.0), "its leaf is about another");

    let certificate = Certificate::parse_many(view["pem"].as_str().context("it was not signed")?.as_bytes())?.remove(0);
    ensure!(certificate.id().0 == id.0 && hex::encode(certificate.fingerprint()) == text(view, "fingerprint")?, "other bytes");
    certificate.verify_signature(&issuer_of(running, &certificate)?)?;

    let trusted = trusted(running, log)?;
    let receipt = api.get_bytes(&format!("/api/v1/certificates/{id}/receipt")).await?;
    proof::verify_issue_receipt(&Receipt::parse(&String::from_utf8(receipt)?)?, &id.0, &trusted)?;
    let status = api.get_bytes(&format!("/api/v1/certificates/{id}/status-proof")).await?;
    let status = StatusProof::parse(&String::from_utf8(status)?)?;
    let proven = proof::verify_status_proof(&status, &id.0, &trusted, seconds(SystemClock.now()), MAX_AGE)?;
    let expected = match text(view, "status")? {
        "valid" => State::Good,
        "suspended" => State::Hold,
        "revoked" => State::Revoked,
        other => anyhow::bail!("it is {other}"),
    };
    ensure!(proven.state == expected, "the proof says {:?}", proven.state);
    Ok(())
}

fn issuer_of(running: &Running, certificate: &Certificate) -> anyhow::Result<Certificate> {
    let mut authorities = running.bundle.authorities()?;
    authorities.extend(running.bundle.roots()?);
    authorities.into_iter().find(|authority| authority.subject_der() == certificate.issuer_der()).context("no such issuer")
}

impl Books {
    /// One certificate a leaf and a key, one leaf a certificate, and no number of a CRL twice.
    fn nothing_is_doubled(&self) -> anyhow::Result<()> {
        let issued = self.logs.values().flatten().filter(|entry| entry.event_type == EventType::ISSUE).count();
        ensure!(issued == self.certificates.len(), "{issued} leaves issue {} certificates", self.certificates.len());
        let mut keys = BTreeSet::new();
        for view in &self.certificates {
            let certificate = Certificate::parse_many(text(view, "pem")?.as_bytes())?.remove(0);
            ensure!(keys.insert(certificate.public_key()?.fingerprint()), "two certificates for one key: {view}");
        }
        let enrolled: Vec<&str> = self.certificates.iter().filter_map(|view| view["enrolment"].as_str()).collect();
        for enrolment in enrolled.iter().collect::<BTreeSet<_>>() {
            let count = enrolled.iter().filter(|other| other == &enrolment).count();
            ensure!(count <= 2, "{count} certificates of enrolment {enrolment}, which has two requests at most");
        }
        Ok(())
    }

    pub fn view(&self, id: &str) -> anyhow::Result<&Value> {
        self.certificates.iter().find(|view| view["id"] == id).with_context(|| format!("certificate {id} is lost"))
    }

    pub fn of_enrolment(&self, enrolment: &str) -> Vec<&Value> {
        self.certificates.iter().filter(|view| view["enrolment"] == enrolment).collect()
    }

    /// The hash of every token that was given out, or was about to be.
    pub fn tokens(&self) -> Vec<Hash> {
        let stamps = self.logs.values().flatten().filter(|entry| entry.event_type == EventType::TIME_STAMP);
        stamps.filter_map(|entry| entry.body().try_into().ok()).collect()
    }

    /// How many leaves of that type speak of a certificate.
    pub fn leaves_about(&self, id: &str, event: EventType) -> anyhow::Result<usize> {
        let key = StatusKey::from_tbs_digest(&CertificateId::from_hex(id).context("an id")?.0);
        Ok(self.logs.values().flatten().filter(|entry| entry.event_type == event && entry.status_key == key).count())
    }
}

/// The lists of one authority: the whole one, then the shards.
pub struct Crls(Vec<(String, Vec<u8>)>);

impl Crls {
    pub async fn fetch(running: &Running, authority: &str) -> anyhow::Result<Self> {
        let public = running.public()?;
        let mut lists = Vec::new();
        for path in [format!("/crl/{authority}.crl"), format!("/crl/{authority}/0.crl"), format!("/crl/{authority}/1.crl")] {
            lists.push((path.clone(), public.get_bytes(&path).await?));
        }
        Ok(Self(lists))
    }

    /// Each list has a number of its own and its leaf, and where a number is one of `older`, so are the bytes.
    pub fn follow(&self, older: &Self, log: &[Entry]) -> anyhow::Result<()> {
        for (path, der) in &self.0 {
            let number = CertificateList::parse(der)?.number().context("a CRL without its number")?;
            let published = |entry: &&Entry| entry.event_type == EventType::CRL_PUBLISHED && entry.body() == sha256(der);
            ensure!(log.iter().filter(published).count() == 1, "{path}: number {number} is not in the ledger once");
            for (other_path, other) in older.0.iter().chain(&self.0) {
                let other_number = CertificateList::parse(other)?.number().context("a CRL without its number")?;
                ensure!(other_number != number || other == der, "{path} and {other_path} share the number {number}");
                ensure!(path != other_path || other_number <= number, "{path} went back from {other_number} to {number}");
            }
        }
        Ok(())
    }

    /// How many of the lists name the certificate; all that should is two, the whole one and its shard.
    pub fn naming(&self, certificate: &Certificate) -> anyhow::Result<usize> {
        let mut found = 0;
        for (_, der) in &self.0 {
            found += usize::from(CertificateList::parse(der)?.find(certificate.serial()).is_some());
        }
        Ok(found)
    }
}

/// CRLs, OCSP, status proof and ledger agree that a certificate is good, or that it is revoked.
pub async fn agree(running: &Running, books: &Books, view: &Value, state: State) -> anyhow::Result<()> {
    let certificate = Certificate::parse_many(text(view, "pem")?.as_bytes())?.remove(0);
    let revoked = usize::from(state == State::Revoked);
    let id = text(view, "id")?;
    ensure!(text(view, "status")? == ["valid", "revoked"][revoked], "the service says {}", view["status"]);
    ensure!(books.leaves_about(id, EventType::REVOKE)? == revoked, "not revoked exactly {revoked} times in the ledger");
    let lists = Crls::fetch(running, text(view, "authority")?).await?;
    ensure!(lists.naming(&certificate)? == 2 * revoked, "{} CRLs name it", lists.naming(&certificate)?);

    let issuer = issuer_of(running, &certificate)?;
    let request = ocsp::request(Digest::Sha256, &issuer.subject_der(), issuer.public_key()?.octets(), &[certificate.serial()], None)?;
    let answer = running.public()?.post_bytes("/ocsp", "application/ocsp-request", request).await?;
    let OcspResponse::Basic(response) = OcspResponse::parse(&answer)? else { anyhow::bail!("OCSP answers with an error") };
    let single = response.data.responses.first().context("OCSP answers nothing")?;
    let fits = match &single.status {
        CertStatus::Good => state == State::Good,
        CertStatus::Revoked { .. } => state == State::Revoked,
        CertStatus::Unknown => false,
    };
    ensure!(fits, "OCSP says {:?}", single.status);
    Ok(())
}
