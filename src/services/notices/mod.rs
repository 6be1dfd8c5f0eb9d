//! Notices of expiry: whoever must do something about a certificate that will end is told in time, by mail and by webhook.
//!
//! `queue.rs` finds at each round of upkeep what has come within a threshold of its end, and queues it once for each
//! certificate, threshold and channel. `deliver.rs` takes it from there, beside everything else that the service does, and tries
//! until it was taken or is given up. `mail.rs` and `webhook.rs` are the channels; `contacts.rs` writes to citizens by the first. Personal data are in the mail alone: a row
//! names a certificate, and whom it is about is looked up when it is sent.

pub mod contacts;
pub mod deliver;
pub mod mail;
pub mod queue;
pub mod webhook;

use anyhow::ensure;
use async_trait::async_trait;
use time::OffsetDateTime;

use super::{Services, error::Error};
use crate::{config::NoticesConfig, policy::DepartmentId, store::CertificateRow, x509::Certificate};
use contacts::Postponed;
use mail::Mailer;
use webhook::Webhook;

/// The most thresholds, and the longest: each costs a look at every certificate.
const MOST_THRESHOLDS: usize = 16;
const MOST_DAYS: u16 = 3660;

/// When and how notices are sent.
pub struct Notices {
    /// The thresholds, the longest first.
    days: Vec<i64>,
    mailer: Option<Mailer>,
    webhook: Option<Webhook>,
    postponed: Postponed,
}

impl Notices {
    pub fn open(config: &NoticesConfig) -> anyhow::Result<Self> {
        let mut days = config.days.clone();
        days.sort_unstable_by(|a, b| b.cmp(a));
        days.dedup();
        let in_bounds = days.len() <= MOST_THRESHOLDS && days.iter().all(|days| (1..=MOST_DAYS).contains(days));
        ensure!(in_bounds, "notices.days are at most {MOST_THRESHOLDS} numbers from 1 to {MOST_DAYS}");
        let days = days.into_iter().map(i64::from).collect();
        Ok(Self { days, mailer: Mailer::open(config)?, webhook: Webhook::open(&config.webhook)?, postponed: Postponed::default() })
    }

    fn channels(&self) -> Vec<&dyn Channel> {
        let mailer = self.mailer.as_ref().map(|mailer| mailer as &dyn Channel);
        let webhook = self.webhook.as_ref().map(|webhook| webhook as &dyn Channel);
        [mailer, webhook].into_iter().flatten().collect()
    }
}

/// A way to tell somebody.
#[async_trait]
trait Channel: Send + Sync {
    /// As the delivery log has it.
    fn name(&self) -> &'static str;

    /// Makes one attempt. The receiver has taken it when this returns; it may be made again, and is then recognised by its id.
    async fn send(&self, services: &Services, expiry: &Expiry) -> Result<(), Failure>;
}

/// What is told: a certificate that will end.
pub struct Expiry {
    pub row: CertificateRow,
    pub certificate: Certificate,
    /// That of the certificate, or the one that stands in its place since it was merged.
    pub department: Option<DepartmentId>,
    /// The threshold that was passed.
    pub days: i64,
    /// What the certificate serves the installation as; `None` for everybody else's.
    pub serves: Option<String>,
    pub queued_at: OffsetDateTime,
}

impl Expiry {
    /// The same for each attempt and each channel.
    fn id(&self) -> String {
        format!("{}.{}", self.certificate.id(), self.days)
    }
}

/// Why an attempt came to nothing, in a word that names nobody.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("timeout")]
    Timeout,
    #[error("connection")]
    Connection,
    #[error("tls")]
    Tls,
    /// The receiver's code, of SMTP or HTTP, that may be another the next time.
    #[error("answer-{0}")]
    Answer(u16),
    /// The mail server will never take it (RFC 5321 §4.2.1): there is no such mailbox, or it may not be written to.
    #[error("refused-{0}")]
    Refused(u16),
    /// A telephone number.
    #[error("no-mail-address")]
    NoMailAddress,
    #[error("internal")]
    Internal(#[from] Error),
}

impl Failure {
    /// Whether nobody answered, so that another notice would fare no better now.
    fn is_silence(&self) -> bool {
        matches!(self, Self::Timeout | Self::Connection | Self::Tls)
    }

    /// Whether another attempt would be for nothing.
    fn is_final(&self) -> bool {
        match self {
            Self::Refused(_) | Self::NoMailAddress => true,
            Self::Timeout | Self::Connection | Self::Tls | Self::Answer(_) | Self::Internal(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_put_in_order_and_bounded() {
        let open = |days: &[u16]| Notices::open(&NoticesConfig { days: days.to_vec(), ..NoticesConfig::default() });
        assert_eq!(open(&[1, 30, 7, 30]).unwrap().days, [30, 7, 1]);
        assert!(open(&[]).unwrap().days.is_empty());
        for refused in [&[0][..], &[3661], &(1..=17).collect::<Vec<_>>()] {
            assert!(open(refused).is_err(), "{refused:?}");
        }
    }
}
