//! Certificates judged without asking anybody: by a trust bundle and the proofs that came along, as many as there are.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::verify::{Evidence, MAX_AGE, judge};
use crate::{
    ledger::{Entry, EventType, Receipt, StatusKey, StatusProof},
    services::trust::TrustBundle,
    validation::{Report, signature::Asked},
    x509::Certificate,
};

/// The files with proofs.
#[derive(Debug, Args)]
pub struct ProofFiles {
    /// The receipt of a certificate's issue; of several certificates (the signer's, and that of who stamped the signature), several
    #[arg(long, value_name = "FILE")]
    pub receipt: Vec<PathBuf>,
    /// A proof of a certificate's status; of several certificates, several
    #[arg(long, value_name = "FILE")]
    pub status_proof: Vec<PathBuf>,
    /// A report of the service (JSON): the receipts and proofs of status in it serve as if they were given one by one
    #[arg(long, value_name = "FILE")]
    pub evidence: Vec<PathBuf>,
    /// How old a proof of status may be, in seconds; of a signature whose time is proven it must be younger than that time
    #[arg(long, default_value_t = MAX_AGE.whole_seconds().unsigned_abs(), value_name = "SECONDS")]
    pub max_age: u64,
}

/// The bundle and the proofs, read.
pub struct Offline {
    bundle: TrustBundle,
    receipts: Vec<Receipt>,
    status_proofs: Vec<StatusProof>,
    now: OffsetDateTime,
    max_age: Duration,
}

impl ProofFiles {
    pub fn read(&self, bundle: TrustBundle, now: OffsetDateTime) -> anyhow::Result<Offline> {
        // Here, so that judging does not fail for it.
        bundle.roots()?;
        bundle.authorities()?;
        let max_age = Duration::seconds(i64::try_from(self.max_age).unwrap_or(i64::MAX));
        let mut offline = Offline { bundle, receipts: Vec::new(), status_proofs: Vec::new(), now, max_age };
        for path in &self.receipt {
            offline.receipts.push(Receipt::parse(&read(path)?).with_context(|| format!("reading {}", path.display()))?);
        }
        for path in &self.status_proof {
            offline.status_proofs.push(StatusProof::parse(&read(path)?).with_context(|| format!("reading {}", path.display()))?);
        }
        for path in &self.evidence {
            let report = serde_json::from_str(&read(path)?).with_context(|| format!("reading {}", path.display()))?;
            offline.collect(&report).with_context(|| format!("reading {}", path.display()))?;
        }
        Ok(offline)
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

impl Offline {
    pub fn judge(&self, asked: &Asked<'_>) -> anyhow::Result<Report> {
        Ok(judge(&self.bundle, &self.evidence(asked.certificate, asked))?.noted(asked.at.unwrap_or(self.now)))
    }

    /// Takes every receipt and proof of status out of a report, which has them at several depths; serde_json bounds those.
    fn collect(&mut self, report: &Value) -> anyhow::Result<()> {
        match report {
            Value::Array(list) => list.iter().try_for_each(|one| self.collect(one)),
            Value::Object(members) => members.iter().try_for_each(|(name, value)| {
                match (name.as_str(), value) {
                    ("receipt" | "revocation", Value::String(text)) => self.receipts.push(Receipt::parse(text)?),
                    ("status_proof", Value::String(text)) => self.status_proofs.push(StatusProof::parse(text)?),
                    (_, value) => self.collect(value)?,
                }
                Ok(())
            }),
            _ => Ok(()),
        }
    }

    /// What of the proofs is about this certificate. Whether they hold is looked at when it is judged.
    fn evidence(&self, certificate: &Certificate, asked: &Asked<'_>) -> Evidence {
        let key = StatusKey::from_tbs_digest(&certificate.id().0);
        let find = |change: EventType| {
            let is_it = |entry: Entry| entry.status_key == key && entry.event_type == change;
            self.receipts.iter().find(|receipt| receipt.entry().is_ok_and(is_it)).cloned()
        };
        Evidence {
            certificate: certificate.clone(),
            candidates: asked.candidates.to_vec(),
            receipt: find(EventType::ISSUE),
            revocation: find(EventType::REVOKE),
            // The youngest: an older one shows less.
            status_proof: self.status_proofs.iter().filter(|proof| proof.key == key).max_by_key(|proof| proof.head.index).cloned(),
            at: asked.at,
            now: self.now,
            purpose: asked.purpose,
            max_age: self.max_age,
        }
    }
}
