//! Evidence: one file for whoever must decide whether a certificate was issued, held and revoked as it should have been, and
//! has nothing but the file and the trust bundle.
//!
//! It holds the certificate, every change of its status with its receipt, the proof of the status, and behind each change the
//! decision, the statements with the certificates of those who signed them, what each of these was appointed to, and the text of
//! the policy. Nothing in it is personal beyond what the certificates show. Everything is named by its digest, so that `judge.rs`
//! can say what was altered.

pub mod judge;
pub mod offices;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::offices::{Appointment, Definition};
use super::{Services, error::Error, logs::SignedCheckpoint, revoke::digest, statements::CLOCK_SKEW};
use crate::{
    ledger::{Entry, StatusKey},
    policy::{Act, Payload, SignerReference, Statement},
    store::{self, CertificateRow, StatementRow},
    world::seconds,
};

pub const FORMAT: &str = "hufu/evidence@v2";
/// The largest file that is read.
pub const MOST_OCTETS: usize = 16 * 1024 * 1024;

/// The file, `hufu/evidence@v2`. All digests are in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub format: String,
    /// The id of the certificate that all this is about.
    pub about: String,
    /// By id: that certificate, and those of everybody who signed a statement.
    pub certificates: BTreeMap<String, Exhibit>,
    /// By decision hash: the text that it is the hash of.
    pub decisions: BTreeMap<String, String>,
    /// By digest.
    pub statements: BTreeMap<String, Signed>,
    /// By the statement that completed it: what those were appointed to who signed about the certificate.
    pub appointments: BTreeMap<String, Appointment>,
    /// By the change that said so: what their departments were called.
    pub departments: BTreeMap<String, Definition>,
    /// By digest: the canonical text of a version of the policy.
    pub policies: BTreeMap<String, String>,
    /// By log: the checkpoint under which all receipts of that log are.
    pub checkpoints: BTreeMap<String, String>,
}

/// A certificate with what its log says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exhibit {
    pub pem: String,
    /// Receipts of every change of its status, the issue first.
    pub history: Vec<String>,
    pub status_proof: String,
}

/// A statement (JWS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    pub jws: String,
    /// The list that it is about, when it approves one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Vec<String>>,
}

/// Why a file is no evidence that can be judged.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("larger than {MOST_OCTETS} octets")]
    TooLarge,
    #[error("no evidence")]
    Json(#[from] serde_json::Error),
    #[error("in the format {0}, and this program reads {FORMAT}: ask for the evidence again")]
    Format(String),
}

impl Evidence {
    /// Reads a file of this format; what it says is to be judged.
    pub fn parse(file: &[u8]) -> Result<Self, ReadError> {
        #[derive(Deserialize)]
        struct AnyFormat {
            format: String,
        }
        if file.len() > MOST_OCTETS {
            return Err(ReadError::TooLarge);
        }
        match serde_json::from_slice::<AnyFormat>(file)?.format {
            format if format == FORMAT => Ok(serde_json::from_slice(file)?),
            format => Err(ReadError::Format(format)),
        }
    }
}

/// The latest moment at which a statement can have been begun on which a leaf rests. Its draft was given to whoever had the key, and
/// one that names a time earlier than its draft, by more than clocks may differ, is refused. The leaf comes last of all.
fn begun_at_the_latest(payload: &Payload, leaf: &Entry) -> u64 {
    let claimed = seconds(payload.at.instant()).saturating_add(CLOCK_SKEW.whole_seconds().unsigned_abs());
    claimed.min(leaf.time)
}

/// What holders do to their own certificates, without an office.
fn is_for_holders(act: Act) -> bool {
    matches!(act, Act::Renew | Act::Suspend | Act::Revoke | Act::Erase)
}

impl Services {
    /// Everything about one certificate, as of the newest checkpoints.
    pub async fn evidence(&self, row: &CertificateRow) -> Result<Evidence, Error> {
        let mut gathering =
            Gathering { services: self, signed: BTreeMap::new(), distrusted: Vec::new(), evidence: self.empty_evidence(row) };
        for entry in gathering.exhibit(row).await? {
            let statements = gathering.decision(&entry.digests.decision).await?;
            gathering.policy(&entry.digests.policy).await?;
            for statement in &statements {
                match Statement::parse(&statement.jws)?.payload().act {
                    // An officer's certificate comes of their own appointment.
                    Act::Grant => gathering.own_appointment(statement, &row.person).await?,
                    _ => gathering.office(statement, &entry, &row.person).await?,
                }
            }
        }
        // Who said of a signer's key since when it is not trusted; and of theirs.
        while let Some(revocation) = gathering.distrusted.pop() {
            gathering.decision(&revocation.digests.decision).await?;
            gathering.policy(&revocation.digests.policy).await?;
        }
        Ok(gathering.evidence)
    }

    fn empty_evidence(&self, row: &CertificateRow) -> Evidence {
        Evidence {
            format: FORMAT.to_owned(),
            about: hex::encode(&row.id),
            certificates: BTreeMap::new(),
            decisions: BTreeMap::new(),
            statements: BTreeMap::new(),
            appointments: BTreeMap::new(),
            departments: BTreeMap::new(),
            policies: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
        }
    }
}

struct Gathering<'a> {
    services: &'a Services,
    /// One checkpoint a log, the same for every receipt.
    signed: BTreeMap<String, SignedCheckpoint>,
    /// Revocations of signers' certificates that say since when the key is not trusted, whose decision is not in the file yet.
    distrusted: Vec<Entry>,
    evidence: Evidence,
}

impl Gathering<'_> {
    fn checkpoint(&mut self, log: &str) -> Result<SignedCheckpoint, Error> {
        if let Some(signed) = self.signed.get(log) {
            return Ok(signed.clone());
        }
        let signed = self.services.checkpoint(log)?;
        self.signed.insert(log.to_owned(), signed.clone());
        self.evidence.checkpoints.insert(log.to_owned(), signed.note.to_string());
        Ok(signed)
    }

    /// Adds a certificate with its history, and answers the leaves of that.
    async fn exhibit(&mut self, row: &CertificateRow) -> Result<Vec<Entry>, Error> {
        let (services, log) = (self.services, &row.authority);
        let signed = self.checkpoint(log)?;

        let key = StatusKey::from_tbs_digest(&digest(&row.id)?);
        let status = services.logs.status(log, &key).ok_or_else(|| Error::unknown("receipt", hex::encode(&row.id)))?;
        let (mut history, mut entries) = (Vec::new(), Vec::new());
        // The map may have run ahead of the checkpoint.
        for change in status.changes.iter().take_while(|change| change.index < signed.checkpoint.size) {
            let receipt = services.receipt_at(log, change.index, &signed).await?;
            entries.push(receipt.entry().map_err(|error| Error::Ledger(error.to_string()))?);
            history.push(receipt.to_string());
        }
        let status_proof = services.status_proof_at(log, &key, &signed).await?.to_string();
        let pem = services.assemble_certificate(row)?.to_pem();
        self.evidence.certificates.insert(hex::encode(&row.id), Exhibit { pem, history, status_proof });
        Ok(entries)
    }

    /// Adds a decision with the statements that it rests on, and answers those.
    async fn decision(&mut self, hash: &[u8; 32]) -> Result<Vec<StatementRow>, Error> {
        let missing = || Error::Corrupt(format!("decision {} is not there", hex::encode(hash)));
        let (row, statements) = {
            let mut connection = self.services.db.read().await?;
            let row = store::statements::find_decision(&mut connection, hash).await?.ok_or_else(missing)?;
            let digests = store::statements::of_decision(&mut connection, hash).await?;
            (row, store::statements::find_many(&mut connection, &digests).await?)
        };
        self.evidence.decisions.insert(hex::encode(hash), row.canonical);
        for statement in &statements {
            self.statement(statement).await?;
        }
        Ok(statements)
    }

    async fn statement(&mut self, row: &StatementRow) -> Result<(), Error> {
        let (list, signer) = {
            let mut connection = self.services.db.read().await?;
            let list = store::statements::list(&mut connection, &row.about).await?;
            let signer = match (&row.signer_certificate, Statement::parse(&row.jws)?.signer()) {
                (Some(id), SignerReference::Certificate(_)) => store::certificates::find(&mut connection, id).await?,
                _ => None,
            };
            (list, signer)
        };
        let list = (!list.is_empty()).then_some(list);
        self.evidence.statements.insert(hex::encode(&row.digest), Signed { jws: row.jws.clone(), list });
        match signer {
            Some(signer) if !self.evidence.certificates.contains_key(&hex::encode(&signer.id)) => {
                let history = self.exhibit(&signer).await?;
                self.distrusted.extend(history.into_iter().filter(|leaf| matches!(leaf.invalid_since(), Ok(Some(_)))));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn policy(&mut self, digest: &[u8; 32]) -> Result<(), Error> {
        let row = {
            let mut connection = self.services.db.read().await?;
            store::statements::find_policy_version(&mut connection, digest).await?
        };
        let row = row.ok_or_else(|| Error::Corrupt(format!("policy {} is not there", hex::encode(digest))))?;
        self.evidence.policies.insert(hex::encode(digest), row.text);
        Ok(())
    }
}
