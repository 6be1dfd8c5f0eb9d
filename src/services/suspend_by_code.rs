//! Suspension by a code: whoever has lost the device that holds the key types what was printed when the certificate was issued.
//!
//! A code can suspend one certificate, and nothing else; to resume takes a new proof of identity, or an officer. Every well-formed code is answered alike,
//! whether there is such a code, was, or never was one, so that nobody learns by trying. Failures are counted by code and not by
//! address: an office behind one address must be able to suspend whatever others there have mistyped, and a secret has 80 random bits.

use std::net::IpAddr;

use super::{
    Services,
    citizens::resume::BY_CODE,
    codes::Code,
    error::Error,
    journal::{Commit, Kind},
    revoke::digest,
    rows::Row,
    statements::{Caller, allowed, decided},
};
use crate::{
    policy::{self, Act, Timestamp},
    store::{
        self, CertificateRow,
        citizens::{Change, SuspensionCodeRow},
    },
    world::millis,
};

/// How often the locator of a code may come with a wrong secret.
const MOST_FAILURES: i64 = 10;

impl Services {
    /// Does something that tries a code, unless its address has tried too many; a refused code counts.
    pub async fn limited<T>(&self, address: IpAddr, attempt: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let now = self.clock.now();
        self.limits.may_try(address, now)?;
        let outcome = attempt.await;
        if matches!(outcome, Err(Error::ProofingRefused | Error::ClaimRefused | Error::LoginRefused)) {
            self.limits.count_failure(address, now);
        }
        outcome
    }

    /// A fresh code for a certificate, in place of the one before.
    pub async fn new_suspension_code(&self, row: &CertificateRow) -> Result<Code, Error> {
        let code = self.new_code()?;
        let stored = SuspensionCodeRow {
            certificate: row.id.clone(),
            locator: code.locator().to_vec(),
            code_hash: code.hash().to_vec(),
            created_at: millis(self.clock.now()),
            failures: 0,
            used_at: None,
        };
        let mut tx = self.db.begin_write().await?;
        store::citizens::replace_suspension_code(tx.connection(), &stored).await?;
        tx.commit().await?;
        Ok(code)
    }

    /// The same, for the holder of a certificate: at its issue, or when the paper was lost.
    pub async fn renew_suspension_code(&self, caller: &Caller, id: &str) -> Result<Code, Error> {
        let row = self.find_certificate(id).await?;
        let person = caller.person();
        if row.person != person.to_string() {
            return Err(policy::Refusal::NotTheirs { person, act: Act::Suspend }.into());
        }
        self.new_suspension_code(&row).await
    }

    /// Suspends the certificate that the code is for. The answer says only that the code was taken.
    pub async fn suspend_by_code(&self, code: &str) -> Result<(), Error> {
        let code = Code::parse(code)?;
        let found = {
            let mut connection = self.db.read().await?;
            store::citizens::find_suspension_code(&mut connection, code.locator()).await?
        };
        let Some(found) = found else { return Ok(()) };
        if found.failures >= MOST_FAILURES || !code.matches(&found.code_hash) {
            let mut tx = self.db.begin_write().await?;
            store::citizens::count_suspension_failure(tx.connection(), &found.certificate).await?;
            return Ok(tx.commit().await?);
        }
        match found.used_at {
            None => self.suspend_found(&found).await,
            Some(_) => Ok(()),
        }
    }

    async fn suspend_found(&self, code: &SuspensionCodeRow) -> Result<(), Error> {
        let row = self.find_certificate(&hex::encode(&code.certificate)).await?;
        match self.suspend_certificate_by_code(&row).await {
            // Suspended, revoked or expired before: what the code is for is done.
            Err(Error::WrongState { .. }) => Ok(()),
            other => other,
        }
    }

    /// The system key signs that the code was used; no person did more than type it.
    async fn suspend_certificate_by_code(&self, row: &CertificateRow) -> Result<(), Error> {
        let subject = self.certificate_subject(row).await?;
        let reason = BY_CODE.parse().ok();
        let own = self.system_statement_because(Act::Suspend, subject.about, &subject.shown, &subject.salt, &subject.log, reason).await?;
        let now = self.clock.now();
        let decision = allowed(subject.about, Act::Suspend, Timestamp::new(now), self.policy().digest(), None);
        let decided = decided(&decision, &[own.statement.digest()], millis(now));
        let (entry, change) = self.change_entry(row, Act::Suspend, own.statement.payload(), decided.hash)?;
        let mut rows = own.rows;
        rows.extend(decided.rows);
        rows.push(change);
        rows.push(Row::Citizen(Change::UseSuspensionCode { certificate: digest(&row.id)?, at: millis(now) }));
        if let Some(enrolment) = &row.enrolment {
            rows.extend(self.notice("certificate-suspended", &row.person, self.contact_of(enrolment).await?.as_deref()));
        }
        match self.journal.commit(Commit { kind: Kind::Revoke, rows, entries: vec![(row.authority.clone(), entry)] }).await {
            // The same code twice at one moment.
            Err(Error::Store(store::Error::Conflict)) => return Ok(()),
            other => other?,
        };
        self.publish_after_change(row).await;
        Ok(())
    }
}
