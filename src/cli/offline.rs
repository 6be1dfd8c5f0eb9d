//! Certificates judged without asking anybody: by a trust bundle and the proofs that came along, as many as there are.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use time::{Duration, OffsetDateTime};

use super::verify::{Evidence, MAX_AGE, judge};
use crate::{
    ledger::{Receipt, StatusKey, StatusProof},
    services::trust::TrustBundle,
    validation::{Report, signature::Asked},
    x509::Certificate,
};

/// The files with proofs.
#[derive(Debug, Args)]
pub struct ProofFiles {
    /// The receipt of a certificate's issue; of several certificates, several
    #[arg(long, value_name = "FILE")]
    pub receipt: Vec<PathBuf>,
    /// A proof of a certificate's status; of several certificates, several
    #[arg(long, value_name = "FILE")]
    pub status_proof: Vec<PathBuf>,
    /// How old a proof of status may be, in seconds
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
        let text = |path: &PathBuf| std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
        let receipt = |path| Ok::<_, anyhow::Error>(Receipt::parse(&text(path)?)?);
        let status_proof = |path| Ok::<_, anyhow::Error>(StatusProof::parse(&text(path)?)?);
        // Here, so that judging does not fail for it.
        bundle.roots()?;
        bundle.authorities()?;
        Ok(Offline {
            bundle,
            receipts: self.receipt.iter().map(receipt).collect::<Result<_, _>>()?,
            status_proofs: self.status_proof.iter().map(status_proof).collect::<Result<_, _>>()?,
            now,
            max_age: Duration::seconds(i64::try_from(self.max_age).unwrap_or(i64::MAX)),
        })
    }
}

impl Offline {
    pub fn judge(&self, asked: &Asked<'_>) -> anyhow::Result<Report> {
        judge(&self.bundle, &self.evidence(asked.certificate, asked))
    }

    /// What of the proofs is about this certificate. Whether they hold is looked at when it is judged.
    fn evidence(&self, certificate: &Certificate, asked: &Asked<'_>) -> Evidence {
        let key = StatusKey::from_tbs_digest(&certificate.id().0);
        let is_about_it = |receipt: &&Receipt| receipt.entry().is_ok_and(|entry| entry.status_key == key);
        Evidence {
            certificate: certificate.clone(),
            candidates: asked.candidates.to_vec(),
            receipt: self.receipts.iter().find(is_about_it).cloned(),
            status_proof: self.status_proofs.iter().find(|proof| proof.key == key).cloned(),
            at: asked.at.unwrap_or(self.now),
            now: self.now,
            purpose: asked.purpose,
            max_age: self.max_age,
        }
    }
}
