//! How often somebody may ask, and how often they may fail: so many at once, which come back evenly over a period (the generic
//! cell rate algorithm of ITU-T I.371). In memory, and bounded.

use std::{collections::BTreeMap, net::IpAddr, sync::Mutex};

use time::{Duration, OffsetDateTime};

use super::{Services, error::Error};
use crate::config;

/// Whoever has many addresses fills the table; then those that wait least are forgotten, and memory stays bounded.
const MOST_KEYS: usize = 10_000;

/// Longer than it takes to look anything up, and to record it.
pub const EVEN_TIME: std::time::Duration = std::time::Duration::from_millis(300);

/// Does something and answers no sooner than after `EVEN_TIME`, so that the clock does not tell what the answer keeps back.
pub async fn in_even_time<T>(work: impl Future<Output = T>) -> T {
    tokio::join!(work, tokio::time::sleep(EVEN_TIME)).0
}

/// Whom a limit is counted for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Somebody who has said who they are: the id of their certificate, session or token.
    Caller(String),
    /// One subscriber: an IPv4 address, or the /64 of an IPv6 address.
    Network(IpAddr),
}

impl Key {
    pub fn network(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self::Network(IpAddr::V6((u128::from(address) & !0 << 64).into())),
            address => Self::Network(address),
        }
    }
}

impl Services {
    /// Takes one request of this caller, or says how long they have to wait for the next.
    pub fn take_request(&self, key: &Key) -> Result<(), Error> {
        self.limits.take_request(key, self.now())
    }
}

/// All that the service counts.
pub struct Limits {
    caller: [Allowance; 2],
    network: [Allowance; 2],
    failures: Allowance,
}

impl Limits {
    pub fn new(config: &config::Limits) -> Self {
        let two = |second, day| [Allowance::new(second, Duration::SECOND), Allowance::new(day, Duration::DAY)];
        Self {
            caller: two(config.caller_requests_second, config.caller_requests_day),
            network: two(config.address_requests_second, config.address_requests_day),
            failures: Allowance::new(config.failures, Duration::minutes(10)),
        }
    }

    fn take_request(&self, key: &Key, now: OffsetDateTime) -> Result<(), Error> {
        let allowances = if matches!(key, Key::Caller(_)) { &self.caller } else { &self.network };
        allowances.iter().try_for_each(|allowance| allowance.take(key, now)).map_err(Error::TooManyRequests)
    }

    /// Whether somebody at this address may try a code or a login now.
    pub fn may_try(&self, address: IpAddr, now: OffsetDateTime) -> Result<(), Error> {
        self.failures.left(&Key::network(address), now).map_err(Error::TooManyAttempts)
    }

    pub fn count_failure(&self, address: IpAddr, now: OffsetDateTime) {
        // Many failed at once who all could still try: the allowance is used up, and that is all there is to say.
        let _ = self.failures.take(&Key::network(address), now);
    }
}

/// So many of something in a period, for each key.
struct Allowance {
    /// How long one takes to come back.
    each: Duration,
    period: Duration,
    /// When the key has its whole allowance again. One that has it needs no entry.
    whole_at: Mutex<BTreeMap<Key, OffsetDateTime>>,
}

impl Allowance {
    fn new(most: u32, period: Duration) -> Self {
        Self { each: period / most.max(1), period, whole_at: Mutex::default() }
    }

    /// Takes one, or answers how long to wait for it.
    fn take(&self, key: &Key, now: OffsetDateTime) -> Result<(), Duration> {
        let mut whole_at = self.lock();
        let then = self.after_one_more(whole_at.get(key), now)?;
        if whole_at.len() >= MOST_KEYS && !whole_at.contains_key(key) {
            forget(&mut whole_at, now);
        }
        whole_at.insert(key.clone(), then);
        Ok(())
    }

    /// Whether there is one left to take.
    fn left(&self, key: &Key, now: OffsetDateTime) -> Result<(), Duration> {
        self.after_one_more(self.lock().get(key), now).map(drop)
    }

    fn after_one_more(&self, whole_at: Option<&OffsetDateTime>, now: OffsetDateTime) -> Result<OffsetDateTime, Duration> {
        // One that lies further ahead is of before the clock was set back, and nobody waits for that.
        let whole_at = whole_at.copied().filter(|at| *at <= now + self.period);
        let then = whole_at.unwrap_or(now).max(now) + self.each;
        match then - now - self.period {
            wait if wait.is_positive() => Err(wait),
            _ => Ok(then),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, OffsetDateTime>> {
        // A panic while counting leaves a count, which is as good as any.
        self.whole_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Makes room: for those who have their whole allowance again, or else for half of all, who took least.
fn forget(whole_at: &mut BTreeMap<Key, OffsetDateTime>, now: OffsetDateTime) {
    whole_at.retain(|_, at| *at > now);
    if whole_at.len() >= MOST_KEYS {
        let mut times: Vec<OffsetDateTime> = whole_at.values().copied().collect();
        let (_, middle, _) = times.select_nth_unstable(MOST_KEYS / 2);
        let middle = *middle;
        whole_at.retain(|_, at| *at > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn network(address: &str) -> Key {
        Key::network(address.parse().unwrap())
    }

    fn taken(allowance: &Allowance, key: &Key, now: OffsetDateTime) -> usize {
        (0..1000).take_while(|_| allowance.take(key, now).is_ok()).count()
    }

    #[test]
    fn so_many_at_once_and_then_as_they_come_back() {
        let allowance = Allowance::new(10, Duration::minutes(10));
        let (one, other) = (network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(taken(&allowance, &one, START), 10);
        assert_eq!(allowance.left(&one, START), Err(Duration::MINUTE));
        assert_eq!(taken(&allowance, &one, START + Duration::minutes(3)), 3);
        assert_eq!(taken(&allowance, &one, START + Duration::hours(3)), 10, "no more than all of them come back");
        assert_eq!(taken(&allowance, &other, START), 10, "each has an allowance of their own");
    }

    #[test]
    fn nobody_waits_for_what_a_clock_was_set_back_by() {
        let allowance = Allowance::new(10, Duration::minutes(10));
        let one = network("192.0.2.1");
        assert_eq!(taken(&allowance, &one, START), 10);
        assert_eq!(taken(&allowance, &one, START - Duration::HOUR), 10);
        assert_eq!(allowance.left(&one, START - Duration::HOUR), Err(Duration::MINUTE));
    }

    #[test]
    fn an_address_in_the_clothes_of_ipv6_is_the_same_and_a_subscriber_of_ipv6_is_one() {
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
    }

    #[test]
    fn the_table_never_grows_beyond_its_limit_and_keeps_those_who_took_most() {
        let allowance = Allowance::new(10, Duration::minutes(10));
        let greedy = network("192.0.2.1");
        assert_eq!(taken(&allowance, &greedy, START), 10);
        for index in 0..3 * MOST_KEYS {
            allowance.take(&Key::Caller(index.to_string()), START).unwrap();
            assert!(allowance.lock().len() <= MOST_KEYS);
        }
        assert!(allowance.left(&greedy, START).is_err());
    }
}
