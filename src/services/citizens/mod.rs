//! Citizens: enrolling oneself with a proof of identity, one valid certificate of a profile for each, contests about that, and
//! what is held about a person.
//!
//! Read `enrol.rs` first, then `resume.rs`. Who somebody is comes from `proofing/`, as a name under seal and an index under a key; nothing here
//! sees a number but the export to the person it belongs to.

pub mod contest;
pub mod data;
pub mod enrol;
mod pair;
pub mod resume;
#[cfg(test)]
pub(super) mod tests;

use super::{
    Services,
    error::Error,
    revoke,
    rows::Row,
    statements::{Caller, Subject},
};
use crate::{
    ledger::{Digests, Entry, Event, State, StatusKey},
    policy::{Act, PersonId},
    store::{self, CertificateFilter, CertificateRow},
    world::{millis, seconds},
};

/// How many certificates or enrolments of one person are looked at.
const MOST_RECORDS: i64 = 1000;

/// By which a live certificate is revoked.
struct Revocation {
    /// With the log that it goes to.
    leaf: (String, Entry),
    row: Row,
}

impl Services {
    /// The record that an act about citizens is about; whoever may not do the act is not shown it.
    pub async fn citizen_subject(&self, caller: &Caller, act: Act, about: &str) -> Result<Subject, Error> {
        match act {
            Act::CheckIdentity | Act::ConfirmIdentity | Act::WithdrawIdentity => {
                let check = self.find_check(about).await?;
                self.policy().decide(&caller.actor, act, &self.check_object(&check).await?)?;
                check.subject_of_statement()
            }
            Act::UpholdContest | Act::DismissContest => {
                let contest = self.find_waiting_contest(about).await?;
                self.policy().decide(&caller.actor, act, &contest.object(Vec::new()))?;
                self.contest_subject(&contest)
            }
            _ => {
                let (person, subject) = self.person_subject(about).await?;
                let object = self.person_object(person).await?;
                self.policy().decide(&caller.actor, act, &object(Vec::new()))?;
                if act == Act::Erase {
                    self.check_something_is_held(about).await?;
                }
                Ok(subject)
            }
        }
    }

    /// What the ledger says of a certificate now.
    fn state_of(&self, row: &CertificateRow) -> Result<State, Error> {
        let key = StatusKey::from_tbs_digest(&revoke::digest(&row.id)?);
        let status = self.logs.status(&row.authority, &key);
        Ok(status.and_then(|status| status.changes.last().map(|change| change.state)).unwrap_or(State::Absent))
    }

    /// Whether a certificate can still be used, or will be once it is resumed.
    fn is_live(&self, row: &CertificateRow) -> Result<bool, Error> {
        Ok(matches!(self.state_of(row)?, State::Good | State::Hold) && row.not_after > millis(self.clock.now()))
    }

    /// The leaf and the row by which a live certificate is revoked; `None` for one that has ended.
    fn revocation(&self, row: &CertificateRow, reason: u8, since: Option<u64>, decision: [u8; 32]) -> Result<Option<Revocation>, Error> {
        let state = self.state_of(row)?;
        let from = match row.status.as_str() {
            "promised" => "promised",
            "suspended" => "suspended",
            _ => "valid",
        };
        if !self.is_live(row)? {
            return Ok(None);
        }
        let id = revoke::digest(&row.id)?;
        let (log, key, version) = (&row.authority, StatusKey::from_tbs_digest(&id), row.version as u64 + 1);
        let origin = self.origin(log)?;
        let event = Event { origin: &origin, status_key: key, version, time: seconds(self.clock.now()) };
        let digests = Digests { decision, policy: self.policy().digest().0, ..Digests::default() };
        let entry = Entry::revoke(&event, digests, state, reason, since);
        Ok(Some(Revocation { leaf: (log.clone(), entry), row: Row::Status { id, version: row.version, from, to: "revoked" } }))
    }

    /// Every certificate of one profile that a person was ever issued, renewed ones among them.
    async fn certificates_of_profile(&self, person: PersonId, profile: &str) -> Result<Vec<CertificateRow>, Error> {
        let filter =
            CertificateFilter { person: Some(person.to_string()), profile: Some(profile.to_owned()), ..CertificateFilter::default() };
        self.certificates(&filter, MOST_RECORDS).await
    }

    async fn certificates_of_enrolment(&self, enrolment: &str) -> Result<Vec<CertificateRow>, Error> {
        let mut connection = self.db.read().await?;
        Ok(store::certificates::of_enrolment(&mut connection, enrolment).await?)
    }

    /// The contact that came with the proof of an enrolment, while it is kept.
    pub(super) async fn contact_of(&self, enrolment: &str) -> Result<Option<String>, Error> {
        let proof = {
            let mut connection = self.db.read().await?;
            match store::citizens::proofing_of(&mut connection, enrolment).await? {
                Some(proof) => Some(proof),
                // A renewal has no proof of its own, but that of what it follows.
                None => match store::enrolments::find(&mut connection, enrolment).await?.filter(|row| row.replaces.is_some()) {
                    Some(row) => store::citizens::proofings_of_person(&mut connection, &row.person).await?.pop(),
                    None => None,
                },
            }
        };
        match proof.map(|proof| self.proven_subject(&proof)).transpose() {
            Err(Error::Erased(_)) => Ok(None),
            other => Ok(other?.and_then(|subject| subject.contact)),
        }
    }
}
