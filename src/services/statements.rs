//! Statements: what a person is asked to sign, and whether what came back is that.

use std::collections::BTreeSet;

use serde_json::Value;
use time::Duration;

use super::{Services, error::Error, rows::Row};
use crate::{
    ledger::Entry,
    policy::{
        self, About, Act, Actor, Decision, DepartmentId, Digest32, EnrolmentId, Header, Missing, Nonce, Outcome, Payload, PersonId,
        ProfileName, Quorum, ReasonCode, SignerReference, Statement, Timestamp, jws::Content, statement,
    },
    store,
    world::{from_millis, millis, seconds},
    x509::{Certificate, CertificateId},
};

/// How long a nonce lives: long enough to read ten pages, short enough that a stolen draft is worthless.
pub(super) const NONCE_LIFE: Duration = Duration::minutes(30);
/// How far a signer's clock may be off.
pub(super) const CLOCK_SKEW: Duration = Duration::minutes(5);

/// Who is calling: a person whose certificate the ledger calls good.
#[derive(Debug, Clone)]
pub struct Caller {
    pub actor: Actor,
    pub certificate: Certificate,
    /// The session that stands for the certificate; `None` when the certificate itself was shown.
    pub session: Option<String>,
}

impl Caller {
    pub fn person(&self) -> PersonId {
        self.actor.person
    }
}

/// What there is to sign, and what it is about.
pub struct Drafted {
    pub payload: Payload,
    pub shown: Value,
    pub salt: [u8; 32],
}

/// The record that an act is about, as the signer sees it.
pub struct Subject {
    pub about: About,
    pub shown: Value,
    pub salt: [u8; 32],
    /// The log whose state the signer is told.
    pub log: String,
}

/// A statement that is genuine, unused and about what is true now. The rows record it; writing them uses its nonce up.
pub struct Checked {
    pub statement: Statement,
    pub rows: Vec<Row>,
}

impl Services {
    /// Makes a draft with a fresh nonce that only this caller can use, for this act on this subject.
    pub async fn draft_statement(
        &self,
        caller: &Caller,
        act: Act,
        subject: Subject,
        reason: Option<ReasonCode>,
        since: Option<Timestamp>,
    ) -> Result<Drafted, Error> {
        let now = self.clock.now();
        let nonce = Nonce::generate(&*self.entropy);
        let payload = Payload {
            about: subject.about,
            act,
            at: Timestamp::new(now),
            log: self.position(&subject.log)?,
            nonce,
            policy: self.policy().digest(),
            reason,
            seen: statement::seen(&subject.salt, &subject.shown),
            since,
            v: statement::Version,
        };
        if act == Act::Revoke {
            // Before anybody signs what cannot be done.
            super::revoke::revocation_words(payload.reason.as_ref(), payload.since, seconds(now))?;
        }
        let row = store::NonceRow {
            nonce: payload.nonce.to_string(),
            person: caller.person().to_string(),
            act: act.to_string(),
            about: payload.about.to_string(),
            issued_at: millis(now),
            expires_at: millis(now + NONCE_LIFE),
            used_at: None,
        };
        let mut tx = self.db.begin_write().await?;
        store::statements::insert_nonce(tx.connection(), &row).await?;
        tx.commit().await?;
        Ok(Drafted { payload, shown: subject.shown, salt: subject.salt })
    }

    /// Checks everything about a statement but whether its signer may do this: form, signer, signature, target, nonce, what
    /// was seen, policy, ledger position, time. How much this person may sign in a day is counted when the rows are written.
    pub async fn check_statement(&self, caller: &Caller, compact: &str, act: Act, subject: &Subject) -> Result<Checked, Error> {
        let statement = Statement::parse(compact)?;
        let expected = SignerReference::certificate(caller.certificate.der());
        if statement.signer() != expected {
            return Err(Error::StatementSigner("another certificate than the caller's"));
        }
        let key = caller.certificate.public_key().map_err(|_| Error::StatementSignature)?;
        statement.verify(key).map_err(|_| Error::StatementSignature)?;

        let payload = statement.payload();
        if payload.act != act {
            return Err(Error::StatementTarget { field: "act" });
        }
        if payload.about != subject.about {
            return Err(Error::StatementTarget { field: "about" });
        }
        let drafted_at = self.check_nonce(caller, payload).await?;
        if payload.policy != self.policy().digest() {
            return Err(Error::PolicyStale);
        }
        if payload.seen != statement::seen(&subject.salt, &subject.shown) {
            return Err(Error::SeenStale);
        }
        self.check_position(payload, drafted_at).await?;

        let now = millis(self.clock.now());
        let row = statement_row(&statement, Some((caller.person(), caller.certificate.id())), now);
        let mut rows = vec![Row::UseNonce { nonce: payload.nonce.to_string(), at: now }, Row::Statement(row)];
        rows.extend(self.policy().cap(act).map(|cap| Row::Cap { person: caller.person(), act, cap, at: now }));
        Ok(Checked { statement, rows })
    }

    /// Answers when the draft was made.
    async fn check_nonce(&self, caller: &Caller, payload: &Payload) -> Result<i64, Error> {
        let mut connection = self.db.read().await?;
        let row = store::statements::find_nonce(&mut connection, &payload.nonce.to_string()).await?.ok_or(Error::NonceUnknown)?;
        let own = row.person == caller.person().to_string() && row.act == payload.act.as_str() && row.about == payload.about.to_string();
        if !own {
            return Err(Error::NonceUnknown);
        }
        if row.used_at.is_some() {
            return Err(Error::NonceReplayed);
        }
        if row.expires_at <= millis(self.clock.now()) {
            return Err(Error::NonceUnknown);
        }
        // The claimed time decides nothing; one outside the life of the nonce is a lie or a broken clock.
        let at = payload.at.instant();
        if at < from_millis(row.issued_at) - CLOCK_SKEW || at > self.clock.now() + CLOCK_SKEW {
            return Err(Error::StatementTime);
        }
        Ok(row.issued_at)
    }

    /// The state of the ledger that the signer knew is one that there was, was the newest when the draft was made or became so
    /// later, and is not younger than the time that they claim.
    async fn check_position(&self, payload: &Payload, drafted_at: i64) -> Result<(), Error> {
        let size = payload.log.size;
        let log = self.logs.with_size(&payload.log.origin, size).ok_or(Error::LogPosition)?;
        let leaves = {
            let mut connection = self.db.read().await?;
            store::ledger::leaves(&mut connection, &log, size.saturating_sub(1) as i64, size as i64 + 1).await?
        };
        for leaf in leaves {
            let entry = Entry::decode(&leaf.entry).map_err(|error| Error::Corrupt(format!("leaf {} of {log}: {error}", leaf.idx)))?;
            let (at, known) = (from_millis(entry.time as i64 * 1000), leaf.idx < size as i64);
            if known && payload.at.instant() + CLOCK_SKEW < at.min(self.clock.now()) {
                return Err(Error::StatementTime);
            }
            if !known && at + CLOCK_SKEW < from_millis(drafted_at) {
                return Err(Error::LogPositionStale);
            }
        }
        Ok(())
    }

    /// Who signed these statements and may act now: their certificate is good, and they knew the policy in force.
    pub(super) async fn signers(&self, rows: &[store::StatementRow]) -> Result<Vec<(Actor, [u8; 32])>, Error> {
        let mut signers = Vec::new();
        for row in rows {
            let Some(certificate) = &row.signer_certificate else { continue };
            if Statement::parse(&row.jws)?.payload().policy != self.policy().digest() {
                continue;
            }
            let found = {
                let mut connection = self.db.read().await?;
                store::certificates::find(&mut connection, certificate).await?
            };
            let found = found.ok_or_else(|| Error::Corrupt("a statement of a certificate that is not there".to_owned()))?;
            match self.caller(self.assemble_certificate(&found)?.der()).await {
                Ok(caller) => signers.push((caller.actor, super::revoke::digest(&row.digest)?)),
                Err(Error::CallerNotGood(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(signers)
    }

    /// A statement of the service's own, by the system key, about what no person decides.
    pub async fn system_statement(&self, act: Act, about: About, shown: &Value, salt: &[u8; 32], log: &str) -> Result<Checked, Error> {
        self.system_statement_because(act, about, shown, salt, log, None).await
    }

    /// The same, with a reason.
    pub async fn system_statement_because(
        &self,
        act: Act,
        about: About,
        shown: &Value,
        salt: &[u8; 32],
        log: &str,
        reason: Option<ReasonCode>,
    ) -> Result<Checked, Error> {
        let now = self.clock.now();
        let payload = Payload {
            about,
            act,
            at: Timestamp::new(now),
            log: self.position(log)?,
            nonce: Nonce::generate(&*self.entropy),
            policy: self.policy().digest(),
            reason,
            seen: statement::seen(salt, shown),
            since: None,
            v: statement::Version,
        };
        let compact = self.sign_by_system_key(&payload).await?;
        let statement = Statement::parse(&compact)?;
        let row = statement_row(&statement, None, millis(now));
        Ok(Checked { statement, rows: vec![Row::Statement(row)] })
    }

    /// A signed word of the service's own (RFC 7515, compact).
    pub(super) async fn sign_by_system_key<P: Content>(&self, payload: &P) -> Result<String, Error> {
        let key = self.system_key.public_key();
        let input = policy::signing_input(&Header { algorithm: key.algorithm(), signer: SignerReference::key(key) }, payload);
        let signature = self.system_key.sign(input.clone().into_bytes()).await.map_err(Error::Key)?;
        policy::assemble(&input, key.algorithm(), &signature).map_err(Error::Key)
    }

    fn position(&self, log: &str) -> Result<statement::LogPosition, Error> {
        let logs = self.logs.read();
        let found = logs.get(log).ok_or_else(|| Error::unknown("log", log))?;
        Ok(statement::LogPosition { origin: found.origin.clone(), size: found.tree.size() })
    }
}

/// Nobody is counted twice: who has signed the same before learns so, instead of wondering why nothing happens.
pub fn counted_once(caller: &Caller, earlier: &[(Actor, [u8; 32])]) -> Result<(), Error> {
    match earlier.iter().any(|(signer, _)| signer.person == caller.person()) {
        true => Err(policy::Refusal::AlreadyDecided { person: caller.person() }.into()),
        false => Ok(()),
    }
}

/// Who has signed what waits for others, and who must still.
#[derive(Debug, Clone)]
pub struct Waits {
    pub signed_by: BTreeSet<PersonId>,
    /// `None`: enough have signed.
    pub missing: Option<Missing>,
}

impl Waits {
    pub fn of(signers: &[Actor], quorum: Quorum, department: Option<DepartmentId>) -> Self {
        Self { signed_by: signers.iter().map(|signer| signer.person).collect(), missing: quorum.missing(signers, department) }
    }
}

/// What was decided on which statements, ready to be recorded and to be named by leaves.
pub struct Decided {
    pub hash: [u8; 32],
    pub rows: Vec<Row>,
}

/// The decision that these statements led to, under the policy in force.
pub fn decided(decision: &Decision, statements: &[[u8; 32]], now: i64) -> Decided {
    let hash = policy::decision_hash(statements, &decision.value());
    let mut sorted: Vec<[u8; 32]> = statements.to_vec();
    sorted.sort_unstable();
    let row = store::DecisionRow {
        digest: hash.to_vec(),
        canonical: policy::decision::hashed_text(statements, &decision.value()),
        recorded_at: now,
    };
    Decided { hash, rows: vec![Row::Decision(row, sorted)] }
}

pub fn allowed(about: About, act: Act, at: Timestamp, policy: Digest32, profile: Option<ProfileName>) -> Decision {
    Decision { about, act, at, outcome: Outcome::Allowed, policy, profile }
}

fn statement_row(statement: &Statement, signer: Option<(PersonId, CertificateId)>, now: i64) -> store::StatementRow {
    let payload = statement.payload();
    store::StatementRow {
        digest: statement.digest().to_vec(),
        jws: statement.as_str().to_owned(),
        act: payload.act.to_string(),
        about: payload.about.to_string(),
        signer_person: signer.map(|(person, _)| person.to_string()),
        signer_certificate: signer.map(|(_, certificate)| certificate.0.to_vec()),
        nonce: payload.nonce.to_string(),
        recorded_at: now,
    }
}

/// What an enrolment's statements are about.
pub fn about_enrolment(id: EnrolmentId) -> About {
    About::from(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fixture::Installation;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_was_stopped_after_they_called_decides_nothing_any_more() {
        let installation = Installation::start().await;
        let department = installation.department("民政局").await;
        let (enrolment, _) = installation.enrol(&department, "王芳").await;
        let services = installation.services();
        let caller = installation.caller(&department.approver).await;
        let subject = services.enrolment_subject(&enrolment).unwrap();
        let statement = installation.sign(&department.approver, Act::Approve, subject, None).await;
        for (act, why) in [(Act::Suspend, "it is suspended"), (Act::Revoke, "it is revoked")] {
            installation.change(&installation.administrator, act, &department.approver.certificate).await;
            let late = services.approve(&caller, &enrolment.id.to_string(), &statement).await;
            assert!(matches!(late, Err(Error::CallerNotGood(found)) if found == why), "{act}");
        }
    }
}
