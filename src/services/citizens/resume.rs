//! Resumption: whoever suspended their certificate proves anew who they are, and it is good again.
//!
//! Only a suspension that the holder brought about ends so: by the code, or by their own statement. What an officer suspended,
//! an officer resumes. The suspended certificate says nothing here: whoever has the device could use it, and so could whoever
//! took it. The proof is of the same person, who was seen after the suspension, and of a level at which it would decide on an
//! issue; a code from a counter has waited its time, too.

use serde_json::Value;
use time::Duration;

use super::super::{
    Services,
    codes::Code,
    error::Error,
    journal::{Commit, Kind},
    revoke::digest,
    rows::Row,
    statements::{allowed, decided},
};
use crate::{
    policy::{Act, ReasonCode, Statement, Timestamp},
    store::{
        self, CertificateRow, StatementRow,
        citizens::{Change, ProofingRow},
    },
    world::{millis, parse_rfc3339},
};

/// Why the system key suspended: somebody typed the code.
pub const BY_CODE: &str = "suspension-code";
/// Why the system key resumed.
pub const BY_PROOF: &str = "identity-proved";

impl Services {
    /// Ends a suspension by a proof of who its holder is; answers a fresh suspension code. Whatever does not fit is one refusal.
    pub async fn resume_by_proof(&self, token: &str, certificate: &str) -> Result<Code, Error> {
        match self.resume_if_proven(token, certificate).await {
            Err(Error::ProofingRefused) => Err(Error::ResumptionRefused),
            other => other,
        }
    }

    async fn resume_if_proven(&self, token: &str, certificate: &str) -> Result<Code, Error> {
        let proof = self.find_proof(token).await?;
        let row = match self.find_certificate(certificate).await {
            Err(Error::Unknown { .. }) => return Err(Error::ProofingRefused),
            other => other?,
        };
        self.check_resumption(&proof, &row).await?;

        let subject = self.certificate_subject(&row).await?;
        let reason = BY_PROOF.parse().ok();
        let own = self.system_statement_because(Act::Resume, subject.about, &subject.shown, &subject.salt, &subject.log, reason).await?;
        let now = self.clock.now();
        let decision = allowed(subject.about, Act::Resume, Timestamp::new(now), self.policy().digest(), None);
        let mut statements = vec![own.statement.digest()];
        statements.extend(self.statements_of_check(&proof).await?);
        let decided = decided(&decision, &statements, millis(now));
        let (entry, change) = self.change_entry(&row, Act::Resume, own.statement.payload(), decided.hash)?;
        let mut rows = own.rows;
        rows.extend(decided.rows);
        rows.push(change);
        rows.push(Row::Citizen(Change::UseProofingToResume { id: proof.id, certificate: digest(&row.id)?, at: millis(now) }));
        if let Some(enrolment) = &row.enrolment {
            rows.extend(self.notice("certificate-resumed", &row.person, self.contact_of(enrolment).await?.as_deref()));
        }
        match self.journal.commit(Commit { kind: Kind::Revoke, rows, entries: vec![(row.authority.clone(), entry)] }).await {
            // The proof was used, or the certificate changed, in this very moment.
            Err(Error::Store(store::Error::Conflict)) => return Err(Error::ProofingRefused),
            other => other?,
        };
        self.publish_after_change(&row).await;
        self.new_suspension_code(&row).await
    }

    async fn check_resumption(&self, proof: &ProofingRow, row: &CertificateRow) -> Result<(), Error> {
        let profile = self.profile(&row.profile)?;
        self.check_proof(proof, &profile)?;
        // What anybody may ask the responder is no secret to whoever has proven who they are.
        let status = self.status_name(row)?;
        if status != "suspended" {
            return Err(Error::WrongState { what: "certificate", found: status.to_owned(), expected: "suspended" });
        }
        if !self.proofing_rules(&row.profile)?.decides(super::enrol::assurance(proof)?) {
            return Err(Error::AssuranceTooLow);
        }
        let index = proof.blind_index.as_deref().ok_or(Error::ProofingRefused)?;
        let holder = {
            let mut connection = self.db.read().await?;
            match store::citizens::find_slot(&mut connection, &row.profile, index).await? {
                Some(slot) => store::enrolments::find(&mut connection, &slot.enrolment).await?.map(|enrolment| enrolment.person),
                None => None,
            }
        };
        let suspension = self.suspension_by_holder(row).await?.ok_or(Error::ProofingRefused)?;
        let theirs = holder.as_ref() == Some(&row.person) && suspension.recorded_at <= self.seen_at(proof).await?;
        if theirs { Ok(()) } else { Err(Error::ProofingRefused) }
    }

    /// When the person was seen whom a proof is about: at the counter, or by the provider. The proof itself is made when the code
    /// is typed, which may be weeks later.
    async fn seen_at(&self, proof: &ProofingRow) -> Result<i64, Error> {
        if let Some(check) = &proof.identity_check {
            let mut connection = self.db.read().await?;
            let check =
                store::citizens::find_check(&mut connection, check).await?.ok_or_else(|| Error::unknown("identity check", check))?;
            return Ok(check.submitted_at);
        }
        let evidence: Value = serde_json::from_str(&proof.evidence).map_err(|_| Error::Corrupt(format!("proofing {}", proof.id)))?;
        // A login of which that was not recorded yet says too little.
        let login = evidence["auth_time"].as_str().and_then(parse_rfc3339).ok_or(Error::ProofingRefused)?;
        // The provider tells whole seconds: at the end of this one at the latest.
        Ok(millis(login + Duration::SECOND) - 1)
    }

    /// The statement by which a certificate is suspended now, if its holder brought that about.
    pub(super) async fn suspension_by_holder(&self, row: &CertificateRow) -> Result<Option<StatementRow>, Error> {
        if self.status_name(row)? != "suspended" {
            return Ok(None);
        }
        let id = hex::encode(&row.id);
        let (suspensions, reviews) = {
            let mut connection = self.db.read().await?;
            let suspensions = store::statements::about(&mut connection, Act::Suspend.as_str(), &id).await?;
            (suspensions, store::re_reviews::of_item(&mut connection, &id).await?)
        };
        // The newest, for each ends before another begins.
        let Some(newest) = suspensions.into_iter().next_back() else { return Ok(None) };
        // What was put to re-review since then waits for an officer.
        if reviews.iter().any(|(_, at)| *at >= newest.recorded_at) {
            return Ok(None);
        }
        let by_holder = match &newest.signer_person {
            Some(signer) => *signer == row.person,
            None => Statement::parse(&newest.jws)?.payload().reason.as_ref().map(ReasonCode::as_str) == Some(BY_CODE),
        };
        Ok(by_holder.then_some(newest))
    }
}
