//! What is to be told: at each round of upkeep, the certificates that have come within a threshold of their end since the last.
//!
//! Certificates are looked at in the order in which they end, each once for a threshold, whoever looks and however often the
//! service was started; how far that went is a row of `notice_progress`, which moves in the transaction of what it queues. So
//! each threshold that a certificate passes is told once, also when the service did not run while several were passed: how many
//! notices there are does not depend on how the clock went on.

use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use super::Services;
use crate::{
    services::{authorities::Authority, error::Error},
    store::{self, CertificateRow, NoticeProgressRow, NoticeRow},
    world::{from_millis, millis},
};

/// Certificates looked at in one transaction, and transactions in one round for a threshold: what is left waits for the next.
const PAGE: i64 = 200;
const MOST_PAGES: usize = 100;
/// The most later certificates of a person that are looked at for one that is good.
const MOST_SUCCESSORS: i64 = 16;

impl Services {
    /// Queues what is to be told, and answers how many notices that are.
    pub(in crate::services) async fn queue_notices(&self) -> Result<usize, Error> {
        let mut queued = 0;
        for days in &self.notices.days {
            for _ in 0..MOST_PAGES {
                let Some(more) = self.queue_page(*days).await? else { break };
                queued += more;
            }
        }
        Ok(queued)
    }

    /// The next certificates for a threshold; `None` when all were looked at. Without a channel nothing is queued, and what
    /// passes its threshold then is not made up for later.
    async fn queue_page(&self, days: i64) -> Result<Option<usize>, Error> {
        let now = self.clock.now();
        let until = millis(now + Duration::days(days));
        let Some((progress, rows)) = self.next_expiring(days, until).await? else { return Ok(None) };
        let Some(last) = rows.last() else { return Ok(None) };
        let mut told = Vec::new();
        for row in &rows {
            if is_old_enough(row, days) && self.needs_attention(row).await? {
                told.push(row);
            }
        }
        let channels = self.notices.channels();
        let mut tx = self.db.begin_write().await?;
        for row in &told {
            for channel in &channels {
                store::notices::insert(tx.connection(), &waiting(row, days, channel.name(), now)).await?;
            }
        }
        match store::notices::advance_progress(tx.connection(), progress, last).await {
            Ok(()) => tx.commit().await?,
            // Another node looks as well and was faster.
            Err(store::Error::Conflict) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        Ok(Some(told.len() * channels.len()))
    }

    /// Where the last look at a threshold ended, and what comes after it. The first look begins with what passes from now on.
    async fn next_expiring(&self, days: i64, until: i64) -> Result<Option<(NoticeProgressRow, Vec<CertificateRow>)>, Error> {
        let progress = {
            let mut connection = self.db.read().await?;
            store::notices::find_progress(&mut connection, days).await?
        };
        let Some(progress) = progress else {
            let mut tx = self.db.begin_write().await?;
            store::notices::begin_progress(tx.connection(), NoticeProgressRow { days, not_after: until, seq: 0 }).await?;
            tx.commit().await?;
            return Ok(None);
        };
        let mut connection = self.db.read().await?;
        let rows = store::certificates::expiring(&mut connection, progress, until, PAGE).await?;
        Ok(Some((progress, rows)))
    }

    /// Whether anybody must still do something about a certificate that ends: it is good, and none has taken its place.
    pub(super) async fn needs_attention(&self, row: &CertificateRow) -> Result<bool, Error> {
        if self.status_name(row)? != "valid" {
            return Ok(false);
        }
        if let Some(authority) = self.certified_authority(row)? {
            let newest = self.authorities.newest(authority.name.purpose(), authority.name.family());
            return Ok(newest.is_none_or(|newest| newest.name.generation() == authority.name.generation()));
        }
        let mut connection = self.db.read().await?;
        if let Some(own) = store::certificates::find_system_certificate(&mut connection, &row.id).await? {
            return Ok(own.active != 0 && self.is_due_for_renewal(row));
        }
        let successors = store::certificates::successors(&mut connection, row, MOST_SUCCESSORS).await?;
        let mut states = successors.iter().map(|successor| self.status_name(successor));
        Ok(!states.any(|state| state.is_ok_and(|state| state == "valid")))
    }

    /// What a certificate serves the installation as.
    pub(super) async fn own_purpose(&self, row: &CertificateRow) -> Result<Option<String>, Error> {
        if self.certified_authority(row)?.is_some() {
            return Ok(Some("authority".to_owned()));
        }
        let mut connection = self.db.read().await?;
        let own = store::certificates::find_system_certificate(&mut connection, &row.id).await?;
        Ok(own.map(|own| own.purpose))
    }

    /// The authority whose own certificate this is.
    fn certified_authority(&self, row: &CertificateRow) -> Result<Option<Arc<Authority>>, Error> {
        for authority in self.authorities.all() {
            if authority.certificate()?.id().0[..] == row.id[..] {
                return Ok(Some(authority));
            }
        }
        Ok(None)
    }

    /// Whether the service should have renewed a certificate of its own by now. By a profile that is gone it never will.
    fn is_due_for_renewal(&self, row: &CertificateRow) -> bool {
        match self.profile(&row.profile) {
            Ok(profile) => self.clock.now() >= from_millis(row.not_after) - profile.validity().renewal_window,
            Err(_) => true,
        }
    }
}

/// Whether it was there before the threshold: what lives a month is not told when it is issued that a month is left.
fn is_old_enough(row: &CertificateRow, days: i64) -> bool {
    row.created_at < row.not_after - Duration::days(days).whole_milliseconds() as i64
}

fn waiting(row: &CertificateRow, days: i64, channel: &str, now: OffsetDateTime) -> NoticeRow {
    NoticeRow {
        seq: 0,
        certificate: row.id.clone(),
        days,
        channel: channel.to_owned(),
        state: "waiting".to_owned(),
        attempts: 0,
        next_attempt_at: millis(now),
        last_error: None,
        queued_at: millis(now),
        delivered_at: None,
    }
}
