//! Evidence from the ledger in a report: the receipt of the leaf that a status comes from, and the status as of the newest
//! checkpoint, so that the report can be checked by whoever has the trust bundle and not this service.

use time::OffsetDateTime;

use super::{Services, error::Error};
use crate::{
    ledger::{Change, State, StatusKey, StatusProof},
    validation::{Report, SignerReport, TimeStampReport},
    world::{parse_rfc3339, seconds},
    x509::CertificateId,
};

/// The longest that a report waits for a second that has not passed.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

impl Services {
    /// Puts the proofs into the report on the certificate of that id, if the ledger knows it. `about`: the time that the report is about,
    /// if it is not now: a proof of status shows what was then if it is younger.
    pub async fn add_evidence(&self, certificate: &CertificateId, report: &mut Report, about: Option<OffsetDateTime>) -> Result<(), Error> {
        let Some(place) = &mut report.ledger else { return Ok(()) };
        let key = StatusKey::from_tbs_digest(&certificate.0);
        let log = self.logs.read().iter().find(|(_, log)| log.origin == place.origin).map(|(name, _)| name.clone());
        let log = log.ok_or_else(|| Error::unknown("log", &place.origin))?;
        // A leaf is committed a moment before the checkpoint above it is signed.
        if place.index < self.checkpoint(&log)?.checkpoint.size {
            place.receipt = Some(self.receipt(&log, place.index).await?.to_string());
        }
        // Where an authority above is what speaks against the certificate, the place is in another log than the certificate's own.
        let Some(last) = self.changes(&log, &key).last().copied() else { return Ok(()) };
        let proof = match about {
            Some(about) => self.status_proof_after(&log, &key, about).await?,
            None => self.status_proof(&log, &key).await?,
        };
        place.status_proof = Some(proof.to_string());
        // What was good then and is revoked now: since when, only the leaf of the revocation says.
        if last.state == State::Revoked && last.index != place.index {
            place.revocation = Some(self.receipt(&log, last.index).await?.to_string());
        }
        Ok(())
    }

    /// A proof as of a second that is over when that instant is, where it can be had soon.
    async fn status_proof_after(&self, log: &str, key: &StatusKey, instant: OffsetDateTime) -> Result<StatusProof, Error> {
        let after = seconds(instant) + 1;
        if self.checkpoint(log)?.time >= after {
            return self.status_proof(log, key).await;
        }
        let whole = OffsetDateTime::from_unix_timestamp(after as i64).unwrap_or(instant);
        let wait = std::time::Duration::try_from(whole - self.clock.now()).unwrap_or_default();
        if wait <= PATIENCE {
            tokio::time::sleep(wait).await;
        }
        self.status_proof_now(log, key).await
    }

    /// What a log says became of a certificate, in order; nothing of one that its authority did not issue.
    pub fn changes(&self, log: &str, key: &StatusKey) -> Vec<Change> {
        self.logs.status(log, key).map(|status| status.changes).unwrap_or_default()
    }

    /// The same for every certificate that a report on signatures is about.
    pub async fn add_evidence_to_signatures(&self, signatures: &mut [SignerReport]) -> Result<(), Error> {
        // Counter-signatures are signatures too, a few levels of them.
        let mut waiting: Vec<&mut SignerReport> = signatures.iter_mut().collect();
        while let Some(signature) = waiting.pop() {
            let about = signature.best_signature_time.proven_or_asked();
            if let (Some(signer), Some(report)) = (&signature.signer, &mut signature.certificate) {
                self.add_evidence_named(&signer.id, report, about).await?;
            }
            for time_stamp in &mut signature.time_stamps {
                self.add_evidence_to_time_stamp(time_stamp).await?;
            }
            waiting.extend(&mut signature.counter_signatures);
        }
        Ok(())
    }

    /// The same for the certificate of a time-stamping authority.
    pub async fn add_evidence_to_time_stamp(&self, time_stamp: &mut TimeStampReport) -> Result<(), Error> {
        let about = time_stamp.token.as_ref().and_then(|token| parse_rfc3339(&token.time));
        match (&time_stamp.authority, &mut time_stamp.certificate) {
            (Some(authority), Some(report)) => self.add_evidence_named(&authority.id, report, about).await,
            (None, _) | (_, None) => Ok(()),
        }
    }

    async fn add_evidence_named(&self, id: &str, report: &mut Report, about: Option<OffsetDateTime>) -> Result<(), Error> {
        match CertificateId::from_hex(id) {
            Some(id) => self.add_evidence(&id, report, about).await,
            None => Ok(()),
        }
    }
}
