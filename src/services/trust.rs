//! The trust bundle: what a verifier needs to judge this installation's certificates and proofs offline.

use serde::{Deserialize, Serialize};

use super::{Services, error::Error};
use crate::{
    crypto::PublicKey,
    ledger::{NoteKey, TrustedLog},
    x509::{self, Certificate},
};

/// The label of a public key in PEM (RFC 7468 §13).
const SYSTEM_KEY: &str = "PUBLIC KEY";

/// `trust/bundle.json`. Fields are added, never changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrustBundle {
    pub version: u8,
    /// PEM, self-signed.
    pub roots: Vec<String>,
    /// PEM certificates of the authorities beneath them, so that a leaf alone can be verified.
    pub authorities: Vec<String>,
    pub logs: Vec<BundledLog>,
    /// Whose signatures on a checkpoint are needed: `log` is the log's own two keys.
    pub quorum: Vec<String>,
    /// PEM SubjectPublicKeyInfo of the key that signs what no person decides; `None` in a bundle of an older release.
    #[serde(default)]
    pub system_key: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BundledLog {
    /// The authority whose certificates it records, or `operations`.
    pub name: String,
    pub origin: String,
    /// Verifier keys in the form of C2SP signed-note: Ed25519 and SM2.
    pub keys: Vec<String>,
}

impl Services {
    pub fn trust_bundle(&self) -> Result<TrustBundle, Error> {
        let (mut roots, mut authorities) = (Vec::new(), Vec::new());
        for authority in self.authorities.all() {
            let list = if authority.is_root() { &mut roots } else { &mut authorities };
            list.push(authority.certificate()?.to_pem());
        }
        let mut logs = Vec::new();
        for (name, log) in self.logs.read().iter() {
            let keys = log.note_keys()?.iter().map(NoteKey::vkey).collect();
            logs.push(BundledLog { name: name.clone(), origin: log.origin.clone(), keys });
        }
        let system_key = der::pem::encode_string(SYSTEM_KEY, der::pem::LineEnding::LF, self.system_key.public_key().spki())
            .map_err(|error| Error::Corrupt(format!("the system key: {error}")))?;
        Ok(TrustBundle { version: 1, roots, authorities, logs, quorum: vec!["log".to_owned()], system_key: Some(system_key) })
    }
}

impl TrustBundle {
    pub fn roots(&self) -> Result<Vec<Certificate>, x509::Error> {
        read(&self.roots)
    }

    pub fn authorities(&self) -> Result<Vec<Certificate>, x509::Error> {
        read(&self.authorities)
    }

    /// The key whose statements are the service's own; `None` when the bundle has none that can be read.
    pub fn system_key(&self) -> Option<PublicKey> {
        let (label, spki) = der::pem::decode_vec(self.system_key.as_deref()?.as_bytes()).ok()?;
        if label == SYSTEM_KEY { PublicKey::from_spki(&spki).ok() } else { None }
    }

    /// The logs that a verifier trusts; one with a key that cannot be read is left out and so trusted by nobody.
    pub fn trusted_logs(&self) -> Vec<TrustedLog> {
        self.logs.iter().filter_map(BundledLog::trusted).collect()
    }

    /// A bundle from its file.
    pub fn parse(file: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(file)
    }

    /// The log of that authority, or `operations`, under the same condition.
    pub fn trusted_log(&self, name: &str) -> Option<TrustedLog> {
        self.logs.iter().find(|log| log.name == name)?.trusted()
    }
}

/// The name of the authority that issued a certificate, and of the log that records it: it stands in the address of the
/// CRL. `None` for a root, and for a certificate that is not of such an installation.
pub fn log_name(certificate: &Certificate) -> Option<String> {
    let points = certificate.crl_distribution_points();
    let (path, _) = points.first()?.rsplit_once('/')?;
    let (rest, name) = path.rsplit_once('/')?;
    rest.ends_with("/crl").then(|| name.to_owned())
}

impl BundledLog {
    fn trusted(&self) -> Option<TrustedLog> {
        let keys = self.keys.iter().map(|key| NoteKey::parse_vkey(key)).collect::<Result<Vec<_>, _>>().ok()?;
        Some(TrustedLog { origin: self.origin.clone(), keys })
    }
}

fn read(pems: &[String]) -> Result<Vec<Certificate>, x509::Error> {
    let mut certificates = Vec::new();
    for pem in pems {
        certificates.extend(Certificate::parse_many(pem.as_bytes())?);
    }
    Ok(certificates)
}
