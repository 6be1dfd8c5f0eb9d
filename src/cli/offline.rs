//! Certificates judged without asking anybody: by a trust bundle and the proofs that came along, as many as there are, or by anchors
//! of other PKIs.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::{
    verify::{Evidence, MAX_AGE, judge},
    verify_foreign::Foreign,
};
use crate::{
    ledger::{Entry, EventType, Receipt, StatusKey, StatusProof},
    services::trust::TrustBundle,
    validation::{Reason, Report, signature::Asked},
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

/// Whom whoever asks trusts, and the proofs, read.
pub struct Offline {
    bundle: Option<TrustBundle>,
    foreign: Option<Foreign>,
    proofs: Proofs,
    now: OffsetDateTime,
    max_age: Duration,
}

#[derive(Default)]
struct Proofs {
    receipts: Vec<Receipt>,
    status_proofs: Vec<StatusProof>,
}

impl ProofFiles {
    pub fn read(&self, bundle: Option<TrustBundle>, foreign: Option<Foreign>, now: OffsetDateTime) -> anyhow::Result<Offline> {
        // Here, so that judging does not fail for it.
        if let Some(bundle) = &bundle {
            bundle.roots()?;
            bundle.authorities()?;
        }
        let max_age = Duration::seconds(i64::try_from(self.max_age).unwrap_or(i64::MAX));
        let mut proofs = Proofs::default();
        for path in &self.receipt {
            proofs.receipts.push(Receipt::parse(&read(path)?).with_context(|| format!("reading {}", path.display()))?);
        }
        for path in &self.status_proof {
            proofs.status_proofs.push(StatusProof::parse(&read(path)?).with_context(|| format!("reading {}", path.display()))?);
        }
        for path in &self.evidence {
            let report = serde_json::from_str(&read(path)?).with_context(|| format!("reading {}", path.display()))?;
            proofs.collect(&report).with_context(|| format!("reading {}", path.display()))?;
        }
        Ok(Offline { bundle, foreign, proofs, now, max_age })
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

impl Offline {
    /// By the anchors, or, where it leads to none of them, by the bundle.
    pub fn judge(&self, asked: &Asked<'_>) -> anyhow::Result<Report> {
        let foreign = self.foreign.as_ref().map(|foreign| foreign.judge(asked, self.now));
        match (foreign, &self.bundle) {
            (Some(report), bundle) if bundle.is_none() || report.reason() != Reason::NoTrustedPath => {
                Ok(report.noted(asked.at.unwrap_or(self.now)))
            }
            (_, Some(bundle)) => Ok(judge(bundle, &self.evidence(asked.certificate, asked))?.noted(asked.at.unwrap_or(self.now))),
            (_, None) => Ok(Report::without_status(Reason::NoTrustedPath, asked.at.unwrap_or(self.now))),
        }
    }

    /// What of the proofs is about this certificate. Whether they hold is looked at when it is judged.
    fn evidence(&self, certificate: &Certificate, asked: &Asked<'_>) -> Evidence {
        let key = StatusKey::from_tbs_digest(&certificate.id().0);
        let enclosed = Proofs::enclosed(asked);
        let find = |change: EventType| {
            let is_it = |entry: Entry| entry.status_key == key && entry.event_type == change;
            let mut receipts = self.proofs.receipts.iter().chain(&enclosed.receipts);
            receipts.find(|receipt| receipt.entry().is_ok_and(is_it)).cloned()
        };
        let status_proofs = self.proofs.status_proofs.iter().chain(&enclosed.status_proofs);
        Evidence {
            certificate: certificate.clone(),
            candidates: asked.candidates.to_vec(),
            receipt: find(EventType::ISSUE),
            revocation: find(EventType::REVOKE),
            // The youngest: an older one shows less.
            status_proof: status_proofs.filter(|proof| proof.key == key).max_by_key(|proof| proof.head.index).cloned(),
            at: asked.at,
            now: self.now,
            purpose: asked.purpose,
            max_age: self.max_age,
        }
    }
}

impl Proofs {
    /// Those that came in the signature. What cannot be read there proves nothing, as if it were not there.
    fn enclosed(asked: &Asked<'_>) -> Self {
        let read = |json: &&[u8]| {
            let mut proofs = Self::default();
            proofs.collect(&serde_json::from_slice(json)?).map(|()| proofs)
        };
        let mut all = Self::default();
        for proofs in asked.evidence.proofs().iter().filter_map(|json| read(json).ok()) {
            all.receipts.extend(proofs.receipts);
            all.status_proofs.extend(proofs.status_proofs);
        }
        all
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
}
