//! The outside world as values: the clock and the source of randomness that everything else is handed.
//!
//! Pure functions take `now` and octets as arguments; services hold these two traits. Nothing else in the crate
//! reads the ambient clock or the operating system's random source, so a test can move time and repeat a run.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Tells the time in UTC. Two calls may return the same instant; a later call never returns an earlier one
/// except when the operator sets the machine's clock back.
pub trait Clock: Send + Sync {
    fn now(&self) -> OffsetDateTime;
}

/// Fills buffers with octets that nobody can predict.
pub trait Entropy: Send + Sync {
    fn fill(&self, buffer: &mut [u8]);
}

/// `N` fresh octets.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut octets = [0; N];
    entropy.fill(&mut octets);
    octets
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// The operating system's random source.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the operating system for randomness")]
    fn fill(&self, buffer: &mut [u8]) {
        // A machine without randomness must not go on: every key and serial number would be guessable.
        getrandom::fill(buffer).expect("the operating system has no random source");
    }
}

/// Whole milliseconds since 1970, the form in which the store keeps instants.
pub fn millis(instant: OffsetDateTime) -> i64 {
    (instant.unix_timestamp_nanos() / 1_000_000) as i64
}

/// The instant `millis` stands for; instants outside the years 1 to 9999 are clamped to the epoch.
pub fn from_millis(millis: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Whole seconds since 1970; instants before 1970 count as 0. The form the ledger keeps.
pub fn seconds(instant: OffsetDateTime) -> u64 {
    instant.unix_timestamp().max(0) as u64
}

/// RFC 3339, UTC, whole seconds.
pub fn rfc3339(instant: OffsetDateTime) -> String {
    let whole = instant.replace_nanosecond(0).unwrap_or(instant);
    // Years 1 to 9999, which is all that `from_millis` and X.509 times give, have a form in RFC 3339.
    whole.format(&Rfc3339).unwrap_or_else(|_| "1970-01-01T00:00:00Z".to_owned())
}

/// The same of seconds since 1970.
pub fn rfc3339_seconds(seconds: u64) -> String {
    rfc3339(from_millis(i64::try_from(seconds).unwrap_or_default().saturating_mul(1000)))
}

/// The instant that a text of RFC 3339 stands for.
pub fn parse_rfc3339(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}
