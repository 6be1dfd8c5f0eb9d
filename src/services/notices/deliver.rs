//! From the queue to the receiver: every attempt is counted before it is made, failures are tried again ever more seldom, and
//! in the end it is said that nobody could be told. The certificate path never waits for any of it.

use std::time::Duration as Wait;

use futures_util::future::join_all;
use time::Duration;

use super::{Channel, Expiry, Failure, Services};
use crate::{
    services::error::Error,
    store::{self, NoticeRow},
    world::{from_millis, millis},
};

/// How often the queue is looked at.
pub const INTERVAL: Wait = Wait::from_secs(5);
/// Notices of a channel that are taken from the queue at once.
const BATCH: i64 = 100;
/// The longest attempt; and until when nobody else makes one, whatever becomes of this process.
const ATTEMPT: Wait = Wait::from_secs(30);
const LEASE: Duration = Duration::minutes(2);
/// The wait after the first failure. It doubles with each, up to the longest.
const FIRST_WAIT: Duration = Duration::seconds(10);
const LONGEST_WAIT: Duration = Duration::hours(1);
/// With those waits, three days.
const MOST_ATTEMPTS: i64 = 80;

impl Services {
    /// Sends what is due, by all channels side by side, then what citizens are told. Answers how many were taken.
    pub async fn deliver_notices(&self) -> usize {
        let channels = self.notices.channels();
        let outcomes = join_all(channels.iter().map(|channel| self.deliver_by(*channel))).await;
        let report = |error: &Error| tracing::error!(%error, "notices cannot be delivered now");
        let citizens = match &self.notices.mailer {
            Some(mailer) => self.write_to_citizens(mailer).await,
            None => Ok(0),
        };
        outcomes.into_iter().chain([citizens]).filter_map(|outcome| outcome.inspect_err(report).ok()).sum()
    }

    async fn deliver_by(&self, channel: &dyn Channel) -> Result<usize, Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::notices::due(&mut connection, channel.name(), millis(self.clock.now()), BATCH).await?
        };
        let mut delivered = 0;
        for row in rows {
            match self.deliver(channel, &row).await? {
                Outcome::Taken => delivered += 1,
                Outcome::NothingToTell | Outcome::AnothersAttempt => {}
                // Whoever does not answer is not asked for each notice that waits.
                Outcome::Failed(failure) if failure.is_silence() => break,
                Outcome::Failed(_) => {}
            }
        }
        Ok(delivered)
    }

    /// One attempt at one notice.
    async fn deliver(&self, channel: &dyn Channel, row: &NoticeRow) -> Result<Outcome, Error> {
        let mut tx = self.db.begin_write().await?;
        let is_ours = store::notices::claim(tx.connection(), row, millis(self.clock.now() + LEASE)).await?;
        tx.commit().await?;
        if !is_ours {
            return Ok(Outcome::AnothersAttempt);
        }
        let attempt = async {
            match self.expiry(row).await? {
                Some(expiry) => channel.send(self, &expiry).await.map(|()| Outcome::Taken),
                None => Ok(Outcome::NothingToTell),
            }
        };
        let outcome = tokio::time::timeout(ATTEMPT, attempt).await.unwrap_or(Err(Failure::Timeout)).unwrap_or_else(Outcome::Failed);
        self.record(row, &outcome).await?;
        Ok(outcome)
    }

    async fn record(&self, row: &NoticeRow, outcome: &Outcome) -> Result<(), Error> {
        let (now, attempts) = (self.clock.now(), row.attempts + 1);
        let mut tx = self.db.begin_write().await?;
        let connection = tx.connection();
        match outcome {
            Outcome::Taken => store::notices::delivered(connection, row.seq, millis(now)).await?,
            Outcome::NothingToTell => store::notices::end(connection, row.seq, "withdrawn", None).await?,
            Outcome::AnothersAttempt => {}
            Outcome::Failed(failure) if failure.is_final() || attempts >= MOST_ATTEMPTS => {
                tracing::error!(notice = row.seq, channel = row.channel, attempts, error = cause(failure), "a notice is given up");
                store::notices::end(connection, row.seq, "failed", Some(&failure.to_string())).await?;
            }
            Outcome::Failed(failure) => {
                tracing::warn!(notice = row.seq, channel = row.channel, attempts, error = cause(failure), "a notice was not taken");
                store::notices::retry(connection, row.seq, attempts, &failure.to_string(), millis(now + wait(attempts))).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    /// What a notice tells; `None` when the certificate needs nobody's attention any more.
    async fn expiry(&self, notice: &NoticeRow) -> Result<Option<Expiry>, Error> {
        let row = self.find_certificate(&hex::encode(&notice.certificate)).await?;
        if !self.needs_attention(&row).await? {
            return Ok(None);
        }
        let (certificate, serves) = (self.assemble_certificate(&row)?, self.own_purpose(&row).await?);
        let own = self.known_department_id(row.department.as_deref()).await?;
        let department = self.place(own).await?.successor.or(own);
        Ok(Some(Expiry { row, certificate, department, days: notice.days, serves, queued_at: from_millis(notice.queued_at) }))
    }

    /// A page of the delivery log, oldest first.
    pub async fn notices(&self, state: Option<&str>, after: Option<i64>, limit: i64) -> Result<Vec<NoticeRow>, Error> {
        let mut connection = self.db.read().await?;
        Ok(store::notices::page(&mut connection, state, after, limit).await?)
    }

    pub async fn find_notice(&self, id: &str) -> Result<NoticeRow, Error> {
        let seq = id.parse().map_err(|_| Error::unknown("notice", id))?;
        let mut connection = self.db.read().await?;
        store::notices::find(&mut connection, seq).await?.ok_or_else(|| Error::unknown("notice", id))
    }
}

/// What became of an attempt.
enum Outcome {
    Taken,
    /// The certificate needs nobody's attention any more.
    NothingToTell,
    /// Somebody else makes it.
    AnothersAttempt,
    Failed(Failure),
}

/// How long to wait after that many failures.
pub(super) fn wait(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(16);
    (FIRST_WAIT * 2_i32.pow(doublings)).min(LONGEST_WAIT)
}

/// The word for a failure; for one of our own, what it was. Neither names anybody.
pub(super) fn cause(failure: &Failure) -> String {
    match failure {
        Failure::Internal(error) => error.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_end_after_three_days() {
        let waits: Vec<i64> = (1..MOST_ATTEMPTS).map(|attempts| wait(attempts).whole_seconds()).collect();
        assert_eq!(waits[..4], [10, 20, 40, 80]);
        assert_eq!((waits[8], waits[9], waits.last()), (2560, 3600, Some(&3600)));
        let total = Duration::seconds(waits.iter().sum());
        assert!((2..=4).contains(&total.whole_days()), "{total}");
    }
}
