//! Revocations of lists that wait for others: who has signed them, in which words, and until when they count.
//!
//! A waiting one counts as long as each of its list is as it was shown, the policy is the one that its signers knew, they still may,
//! and no longer than a request waits for its decision. Whoever would sign the same list in other words is told of it first.

use std::collections::{BTreeMap, BTreeSet};

use super::{Held, common_department};
use crate::{
    policy::{About, Act, Actor, DepartmentId, Missing, PersonId, Quorum, ReasonCode, Statement, Timestamp, statement},
    services::{
        Services,
        error::Error,
        revoke::is_authority,
        statements::{Caller, Subject, Waits, counted_once},
    },
    store::{self, StatementRow},
    world::{from_millis, millis},
};

/// Why a list is revoked, and since when its keys are not trusted: the second person says the same as the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    pub reason: Option<ReasonCode>,
    pub since: Option<Timestamp>,
}

impl std::fmt::Display for Words {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.reason {
            Some(reason) => write!(formatter, "reason {reason}")?,
            None => write!(formatter, "no reason")?,
        }
        self.since.map_or(Ok(()), |since| write!(formatter, ", since {since}"))
    }
}

/// What to do about a revocation of the same list that waits in other words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherWords {
    Refused,
    /// Another is begun beside it.
    Beside,
}

/// A revocation of a list that waits for others.
#[derive(Debug)]
pub struct WaitingRevocation {
    /// The root of the list: what the statements are about.
    pub list: About,
    pub items: usize,
    /// Of all of it, when it is one.
    pub department: Option<DepartmentId>,
    pub words: Words,
    pub signed_by: BTreeSet<PersonId>,
    pub missing: Missing,
    /// When the first of them was recorded, and until when that counts.
    pub recorded_at: Timestamp,
    pub ends_at: Timestamp,
}

/// Who has signed a list in the same words, and when the first of them did.
pub(super) struct Signed {
    words: Words,
    recorded_at: i64,
    signers: Vec<(Actor, [u8; 32])>,
}

impl Services {
    /// Those that wait now, as far as the caller may read all that is in them, oldest first.
    pub async fn waiting_revocations(&self, caller: &Caller) -> Result<Vec<WaitingRevocation>, Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::statements::open_revocations(&mut connection, self.oldest_that_counts()).await?
        };
        let mut lists: BTreeMap<String, Vec<StatementRow>> = BTreeMap::new();
        for row in rows {
            lists.entry(row.about.clone()).or_default().push(row);
        }
        let mut waiting = Vec::new();
        for (list, rows) in lists {
            let items = {
                let mut connection = self.db.read().await?;
                store::statements::list(&mut connection, &list).await?
            };
            let held = match self.held(&items).await {
                // What has ended since can not be revoked with the others: the statements count no more.
                Err(Error::OfItem { .. }) => continue,
                held => held?,
            };
            if self.may_read_all(caller, &held).await? {
                let (subject, _) = self.subject_of_list(&held).await?;
                waiting.extend(self.waiting(&subject, &held, rows).await?);
            }
        }
        waiting.sort_by_key(|one| one.recorded_at);
        Ok(waiting)
    }

    async fn may_read_all(&self, caller: &Caller, held: &[Held]) -> Result<bool, Error> {
        let departments: BTreeSet<Option<DepartmentId>> = held.iter().map(|one| one.object().department.department()).collect();
        for department in departments {
            match self.check_read(caller, department.map(|id| id.to_string()).as_deref(), None).await {
                Ok(()) => {}
                Err(Error::Refused(_)) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Nobody signs a second time, or begins another revocation of the same list without having been told of the one that waits.
    pub(super) async fn check_words(
        &self,
        caller: &Caller,
        subject: &Subject,
        held: &[Held],
        words: &Words,
        others: OtherWords,
    ) -> Result<(), Error> {
        let rows = self.open_about(&subject.about).await?;
        for signed in self.by_words(subject, held, rows.clone()).await? {
            if signed.words == *words {
                return counted_once(caller, &signed.signers);
            }
        }
        match self.waiting(subject, held, rows).await?.into_iter().next() {
            Some(waiting) if others == OtherWords::Refused => Err(Error::RevocationWaits(Box::new(waiting))),
            _ => Ok(()),
        }
    }

    /// Who has signed for this very list before in the same words, having seen the same of it, and still may.
    pub(super) async fn same_words(&self, subject: &Subject, held: &[Held], words: &Words) -> Result<Vec<(Actor, [u8; 32])>, Error> {
        let rows = self.open_about(&subject.about).await?;
        let signed = self.by_words(subject, held, rows).await?;
        Ok(signed.into_iter().find(|signed| signed.words == *words).map(|signed| signed.signers).unwrap_or_default())
    }

    async fn open_about(&self, list: &About) -> Result<Vec<StatementRow>, Error> {
        let mut rows = {
            let mut connection = self.db.read().await?;
            store::statements::open(&mut connection, Act::Revoke.as_str(), &list.to_string()).await?
        };
        rows.retain(|row| row.recorded_at > self.oldest_that_counts());
        Ok(rows)
    }

    async fn waiting(&self, subject: &Subject, held: &[Held], rows: Vec<StatementRow>) -> Result<Vec<WaitingRevocation>, Error> {
        let (quorum, department) = (self.quorum_of_list(held), common_department(held));
        let signed = self.by_words(subject, held, rows).await?;
        let waiting = signed.into_iter().filter_map(|signed| {
            let signers: Vec<Actor> = signed.signers.into_iter().map(|(signer, _)| signer).collect();
            let Waits { signed_by, missing } = Waits::of(&signers, quorum, department);
            let at = |millis| Timestamp::new(from_millis(millis));
            Some(WaitingRevocation {
                list: subject.about,
                items: held.len(),
                department,
                words: signed.words,
                signed_by,
                missing: missing?,
                recorded_at: at(signed.recorded_at),
                ends_at: Timestamp::new(from_millis(signed.recorded_at) + self.request_life),
            })
        });
        Ok(waiting.collect())
    }

    /// These statements by their words, as far as their signers saw of the list what there is and still may revoke it.
    async fn by_words(&self, subject: &Subject, held: &[Held], rows: Vec<StatementRow>) -> Result<Vec<Signed>, Error> {
        let seen = statement::seen(&subject.salt, &subject.shown);
        let mut by_words: Vec<(Words, Vec<StatementRow>)> = Vec::new();
        for row in rows {
            let statement = Statement::parse(&row.jws)?;
            if statement.payload().seen != seen {
                continue;
            }
            let words = Words::of(&statement);
            match by_words.iter_mut().find(|(known, _)| *known == words) {
                Some((_, same)) => same.push(row),
                None => by_words.push((words, vec![row])),
            }
        }
        let mut found = Vec::new();
        for (words, rows) in by_words {
            let mut signers = self.signers(&rows).await?;
            signers.retain(|(signer, _)| self.may_revoke(signer, held).is_ok());
            let counted = rows.iter().filter(|row| signers.iter().any(|(_, digest)| digest[..] == row.digest[..]));
            if let Some(recorded_at) = counted.map(|row| row.recorded_at).min() {
                found.push(Signed { words, recorded_at, signers });
            }
        }
        Ok(found)
    }

    pub(super) fn quorum_of_list(&self, held: &[Held]) -> Quorum {
        let authority = held.iter().any(|one| matches!(one, Held::Certificate(row, _) if is_authority(row)));
        if held.len() > 1 || authority { self.policy().quorum(Act::Revoke) } else { Quorum::ONE }
    }

    /// What was recorded then or before has waited too long.
    fn oldest_that_counts(&self) -> i64 {
        millis(self.clock.now() - self.request_life)
    }
}

impl Words {
    pub(super) fn of(statement: &Statement) -> Self {
        let payload = statement.payload();
        Self { reason: payload.reason.clone(), since: payload.since }
    }
}
