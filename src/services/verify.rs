//! The verdict on a certificate, from path, validity, use and what the ledger says.

use time::OffsetDateTime;

use super::{
    Services,
    error::Error,
    revoke::{reason_name, state_name},
};
pub use crate::world::rfc3339;
use crate::{
    ledger::{Change, State, StatusKey},
    validation::{
        Anchor, Check, CheckName, Inputs, Outcome, Purpose, Reason, Report, StatusReport, TrustStore,
        report::{Judged, LedgerReport},
        revocation::Evidence,
        validate,
    },
    world::{from_millis, seconds},
    x509::Certificate,
};

/// What is to be verified.
pub struct Question {
    pub certificate: Certificate,
    /// Further certificates that may belong to the chain.
    pub chain: Vec<Certificate>,
    /// Absent: now.
    pub at: Option<OffsetDateTime>,
    pub purpose: Purpose,
}

/// The time a question is about.
#[derive(Clone, Copy)]
struct Moment {
    at: OffsetDateTime,
    is_now: bool,
}

impl Services {
    /// Judges a certificate at a time: by this installation's roots and ledger, or by another anchor and its lists and responses.
    /// `evidence` is about certificates of other PKIs. Blocks: up to hundreds of signature checks, and what is fetched.
    pub fn verify_certificate(&self, question: &Question, evidence: &Evidence<'_>) -> Result<Report, Error> {
        let now = self.clock.now();
        let report = self.judge_certificate(question, evidence, now)?;
        let judged = Judged::new(question.at, now).file(question.certificate.der());
        Ok(Report { judged: Some(judged), ..report })
    }

    /// The same as a part of another report, without a word of what was judged.
    pub(super) fn judge_certificate(&self, question: &Question, evidence: &Evidence<'_>, now: OffsetDateTime) -> Result<Report, Error> {
        Ok(self.judge_unnoted(question, evidence, now)?.noted(question.at.unwrap_or(now)))
    }

    fn judge_unnoted(&self, question: &Question, evidence: &Evidence<'_>, now: OffsetDateTime) -> Result<Report, Error> {
        let moment = Moment { at: question.at.unwrap_or(now), is_now: question.at.is_none_or(|at| at >= now) };
        let at = moment.at;
        let anchors: Vec<Anchor> = self.authorities.roots()?.iter().map(|root| Anchor::new((**root).clone())).collect();
        let mut candidates = question.chain.clone();
        for authority in self.authorities.all() {
            candidates.push((*authority.certificate()?).clone());
        }
        let trust = TrustStore::new(anchors, []);
        let inputs = Inputs::new(at, question.purpose);
        let others = TrustStore::new(self.anchors.all().into_iter().map(|foreign| foreign.anchor), []);
        if let Some(report) = [&trust, &others].into_iter().find_map(|trust| trust.judge_itself(&question.certificate, &inputs)) {
            return Ok(report);
        }
        let path = match validate(&question.certificate, &candidates, &trust, &inputs) {
            Ok(path) => path,
            Err(error) => {
                if let Some(report) = self.verify_foreign(question, evidence, &candidates, &inputs) {
                    return Ok(report);
                }
                let check = Check::new(CheckName::Path, "RFC 5280 §6.1", Outcome::Failed, error.to_string());
                let status = self.status_at(&question.certificate, moment).0;
                return Ok(Report::new(Reason::from(&error), status, vec![question.certificate.subject_text()], vec![check], None));
            }
        };
        let chain: Vec<String> = path.certificates().iter().map(Certificate::subject_text).collect();
        let mut checks = vec![Check::new(CheckName::Path, "RFC 5280 §6.1", Outcome::Passed, format!("{} certificates", chain.len()))];

        // Every certificate of the path but the root must be good: a revoked authority takes what it issued with it.
        for (depth, certificate) in path.certificates()[..path.certificates().len().saturating_sub(1)].iter().enumerate() {
            let (status, change, ledger) = self.status_at(certificate, moment);
            let reason = match (depth, reason_for(change.as_ref())) {
                (1.., Reason::Revoked) => Reason::AuthorityRevoked,
                (_, reason) => reason,
            };
            let outcome = if reason == Reason::Valid { Outcome::Passed } else { Outcome::Failed };
            let detail = format!("{}: {}", certificate.subject_text(), status.state);
            checks.push(Check::new(CheckName::Status, "ledger, certificate policy §4.9", outcome, detail));
            if reason != Reason::Valid {
                return Ok(Report::new(reason, status, chain, checks, ledger));
            }
        }
        let (status, _, ledger) = self.status_at(&question.certificate, moment);
        let later = self.later(&question.certificate, moment, now);
        Ok(Report { later, ..Report::new(Reason::Valid, status, chain, checks, ledger) })
    }

    /// What became of a certificate after the time in question.
    fn later(&self, certificate: &Certificate, moment: Moment, now: OffsetDateTime) -> Option<StatusReport> {
        let key = StatusKey::from_tbs_digest(&certificate.id().0);
        let status = self.authorities.all().iter().find_map(|authority| self.logs.status(&authority.log(), &key))?;
        let last = status.changes.last().filter(|last| !moment.is_now && last.time > seconds(moment.at))?;
        matches!(last.state, State::Hold | State::Revoked).then(|| status_report(Some(last), now))
    }

    /// What the ledger said of a certificate at a time.
    fn status_at(&self, certificate: &Certificate, moment: Moment) -> (StatusReport, Option<Change>, Option<LedgerReport>) {
        let key = StatusKey::from_tbs_digest(&certificate.id().0);
        let status = self.authorities.all().iter().find_map(|authority| self.logs.status(&authority.log(), &key));
        // "Now" is what the ledger says last: a clock that was set back must not bring a revoked certificate to life.
        let Moment { at, is_now } = moment;
        let counts = |change: &&Change| is_now || change.time <= seconds(at);
        let change = status.as_ref().and_then(|status| status.changes.iter().rfind(counts).copied());
        // A revocation after `at` may still say that the key was not trusted then.
        let revoked_since = status.as_ref().and_then(|status| {
            status
                .changes
                .iter()
                .find(|change| change.state == State::Revoked && change.invalid_since.is_some_and(|since| since <= seconds(at)))
        });
        let change = revoked_since.copied().or(change);
        let ledger = status.zip(change.as_ref()).map(|(status, change)| LedgerReport::at(status.origin, change.index, status.size));
        (status_report(change.as_ref(), at), change, ledger)
    }
}

fn reason_for(change: Option<&Change>) -> Reason {
    match change.map(|change| change.state) {
        Some(State::Good) => Reason::Valid,
        Some(State::Hold) => Reason::Suspended,
        Some(State::Revoked) => Reason::Revoked,
        Some(State::Absent) | None => Reason::NotIssued,
    }
}

/// A status in the words of a report.
pub fn status_report(change: Option<&Change>, at: OffsetDateTime) -> StatusReport {
    let text = |seconds: u64| rfc3339(from_millis(seconds as i64 * 1000));
    let state = match change.map(|change| change.state) {
        Some(State::Good) => "good",
        Some(State::Absent) | None => "not-issued",
        Some(other) => state_name(other),
    };
    let not_good = change.filter(|change| matches!(change.state, State::Hold | State::Revoked));
    StatusReport {
        state,
        reason: not_good.map(|change| reason_name(change.reason)),
        since: change.map(|change| text(change.time)),
        invalid_since: change.and_then(|change| change.invalid_since).map(text),
        as_of: rfc3339(at),
    }
}
