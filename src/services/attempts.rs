//! Against whoever tries to learn by asking: failures counted by address, in memory, for the addresses where codes are typed,
//! and answers that take the same time whatever was found.
//!
//! What is counted against one code is in the database, with the code. This is against whoever tries many codes.

use std::{collections::BTreeMap, net::IpAddr, sync::Mutex};

use time::{Duration, OffsetDateTime};

/// Ten wrong codes in ten minutes, then the address waits until the ten minutes are over.
const MOST: u32 = 10;
const WINDOW: Duration = Duration::minutes(10);
/// Whoever has many addresses fills the table; then the oldest are forgotten, and memory stays bounded.
const MOST_ADDRESSES: usize = 10_000;

/// Longer than it takes to look anything up, and to record it.
pub const EVEN_TIME: std::time::Duration = std::time::Duration::from_millis(300);

/// Does something and answers no sooner than after `EVEN_TIME`, so that the clock does not tell what the answer keeps back.
pub async fn in_even_time<T>(work: impl Future<Output = T>) -> T {
    tokio::join!(work, tokio::time::sleep(EVEN_TIME)).0
}

/// Failures of each address since its window began.
#[derive(Default)]
pub struct Attempts(Mutex<BTreeMap<IpAddr, (OffsetDateTime, u32)>>);

impl Attempts {
    /// Whether this address may try now.
    pub fn may_try(&self, address: IpAddr, now: OffsetDateTime) -> bool {
        let failures = self.lock();
        failures.get(&network(address)).is_none_or(|(began, count)| *count < MOST || now - *began >= WINDOW)
    }

    pub fn count_failure(&self, address: IpAddr, now: OffsetDateTime) {
        let mut failures = self.lock();
        if failures.len() >= MOST_ADDRESSES {
            failures.retain(|_, (began, _)| now - *began < WINDOW);
        }
        if failures.len() >= MOST_ADDRESSES {
            let oldest = failures.iter().min_by_key(|(_, (began, _))| *began).map(|(address, _)| *address);
            oldest.and_then(|oldest| failures.remove(&oldest));
        }
        let entry = failures.entry(network(address)).or_insert((now, 0));
        if now - entry.0 >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<IpAddr, (OffsetDateTime, u32)>> {
        // A panic while counting leaves a count, which is as good as any.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One subscriber: an IPv4 address, or the /64 of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !0 << 64).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_waits_after_ten_failures_and_others_do_not() {
        let attempts = Attempts::default();
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let start = OffsetDateTime::UNIX_EPOCH;
        for _ in 0..MOST {
            assert!(attempts.may_try(one, start));
            attempts.count_failure(one, start);
        }
        assert!(!attempts.may_try(one, start) && attempts.may_try(other, start));
        assert!(!attempts.may_try("::ffff:192.0.2.1".parse().unwrap(), start), "the same address in the clothes of IPv6");
        assert!(attempts.may_try(one, start + WINDOW));
        let (near, far): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8:0:1::1".parse().unwrap());
        (0..MOST).for_each(|_| attempts.count_failure(near, start));
        assert!(!attempts.may_try("2001:db8::2".parse().unwrap(), start) && attempts.may_try(far, start));
    }

    #[test]
    fn the_table_never_grows_beyond_its_limit() {
        let attempts = Attempts::default();
        for index in 0..(MOST_ADDRESSES as u32 + 100) {
            attempts.count_failure(IpAddr::V4(index.into()), OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(i64::from(index)));
        }
        assert_eq!(attempts.lock().len(), MOST_ADDRESSES);
    }
}
