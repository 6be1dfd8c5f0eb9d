//! The time-stamping authority (RFC 3161; nationally GM/T 0033): signs that something existed at a time, and records each token
//! before it is given out.
//!
//! Each family has its own key and its own policy. Concurrent tokens share a transaction of the journal; the log keeps the
//! hash of every token for ever, so how many there may be in a second is a limit of the configuration.

use std::sync::{Mutex, PoisonError};

use der::asn1::ObjectIdentifier;
use time::{Duration, OffsetDateTime};

use super::{
    Services,
    error::Error,
    journal::{Commit, Kind},
    own_keys::OwnKey,
};
use crate::{
    crypto::{Digest, digest::sha256},
    ledger::{
        Digests, Entry, EventType, Hash, Receipt, StatusKey,
        entry::{event_id, version_of},
    },
    store,
    world::{Clock, from_millis, millis, seconds},
    x509::{
        SerialNumber,
        cms::Dialect,
        tsp::{self, Accuracy, Failure, ID_CT_TST_INFO, Number, TimeStampRequest, TstInfo},
    },
};

/// How far our clock may be off. Operators keep it closer (docs/operations.md).
const ACCURACY: Accuracy = Accuracy(Duration::seconds(1));

/// The arc under an authority's policy that its time stamps are issued under.
const POLICY_ARC: u32 = 1;

impl Services {
    /// Answers a DER TimeStampReq. Whatever comes in, a TimeStampResp goes out (RFC 3161 §2.4.2).
    ///
    /// Errors: only when not even a refusal can be encoded.
    pub async fn time_stamp(&self, request: &[u8]) -> Result<Vec<u8>, Error> {
        let refused = match TimeStampRequest::parse(request) {
            Ok(request) => match self.stamp(&request).await {
                Ok(token) => return Ok(tsp::granted(&token)?),
                Err(refused) => refused,
            },
            Err(_) => Refused(Failure::BadDataFormat, "not a TimeStampReq of version 1 in DER, of 8 KiB at most"),
        };
        Ok(tsp::rejection(refused.0, refused.1)?)
    }

    async fn stamp(&self, request: &TimeStampRequest) -> Result<Vec<u8>, Refused> {
        let digest = digest_of(request)?;
        if !request.extensions.is_empty() {
            return Err(Refused(Failure::UnacceptedExtension, "no extension is known here; ask without"));
        }
        let (stamper, policy) = self.stamper(request, digest)?;
        let time = self.pace.next(&*self.clock, self.newest_leaf(&stamper)?)?;
        let info = TstInfo {
            policy,
            imprint: request.imprint.clone(),
            serial: Number::positive(SerialNumber::generate(&*self.entropy, time).as_bytes()),
            time,
            accuracy: Some(ACCURACY),
            // Times may be equal: the order of two tokens is that of their leaves.
            ordering: false,
            nonce: request.nonce.clone(),
            critical_unknown: Vec::new(),
        };
        let token = self.sign_token(&stamper, &info, request.wants_certificate).await?;

        // Given out only once the ledger has it: a token that nobody recorded was made with a stolen key.
        self.record_token(&stamper, &token).await?;
        Ok(token)
    }

    /// Who stamps, and under which policy: that of the policy asked for, where one is; for the rest, national hashes are stamped
    /// with the national algorithm and all others with the international one.
    fn stamper(&self, request: &TimeStampRequest, digest: Digest) -> Result<(OwnKey, ObjectIdentifier), Refused> {
        let family = if digest == Digest::Sm3 { "sm2" } else { "p256" };
        let mut stampers = Vec::new();
        for key in self.own_keys_for("time-stamping") {
            let policy = policy_under(key.authority.policy)?;
            let is_own = key.authority.name.family() == family;
            if request.policy.map_or(is_own, |asked| asked == policy) {
                stampers.push((is_own, key, policy));
            }
        }
        // Authorities may have been configured with one policy for both families.
        let chosen = stampers.into_iter().max_by_key(|(is_own, ..)| *is_own).map(|(_, key, policy)| (key, policy));
        chosen.ok_or(match request.policy {
            Some(_) => Refused(Failure::UnacceptedPolicy, "nothing is stamped here under this policy; ask without one"),
            None => Refused(Failure::SystemFailure, "there is no key for time stamps of such hashes now"),
        })
    }

    /// The time of the newest leaf or checkpoint of the log that records what this key stamps.
    fn newest_leaf(&self, stamper: &OwnKey) -> Result<OffsetDateTime, Error> {
        let log = stamper.authority.log();
        let seconds = self.logs.read().get(&log).map(|log| log.time).ok_or_else(|| Error::unknown("log", &log))?;
        Ok(from_millis(i64::try_from(seconds).unwrap_or_default().saturating_mul(1000)))
    }

    async fn sign_token(&self, stamper: &OwnKey, info: &TstInfo, with_certificate: bool) -> Result<Vec<u8>, Error> {
        let content = info.to_der()?;
        let certificates = if with_certificate { stamper.certificates() } else { Vec::new() };
        stamper.sign_cms(Dialect::Cms, ID_CT_TST_INFO, &content, info.time, &certificates, &[]).await
    }

    /// In the log of the authority that certified the key. Many tokens share a transaction there.
    async fn record_token(&self, stamper: &OwnKey, token: &[u8]) -> Result<(), Error> {
        let log = stamper.authority.log();
        let digests = Digests { policy: self.policy().digest().0, ..Digests::default() };
        let entry = Entry::time_stamp(&self.origin(&log)?, seconds(self.clock.now()), digests, &sha256(token));
        self.journal.commit(Commit { kind: Kind::Other, rows: Vec::new(), entries: vec![(log, entry)] }).await.map(drop)
    }

    /// The proof that a token is in the ledger. It is named by the SHA-256 of its DER.
    pub async fn token_receipt(&self, token: &Hash) -> Result<Receipt, Error> {
        for authority in self.authorities.all().iter().filter(|authority| !authority.is_root()) {
            let (log, origin) = (authority.log(), self.origin(&authority.log())?);
            let event = event_id(&origin, EventType::TIME_STAMP, &StatusKey::NONE, version_of(token));
            let index = {
                let mut connection = self.db.read().await?;
                store::ledger::find_event(&mut connection, &log, &event).await?
            };
            let Some(index) = index.and_then(|index| u64::try_from(index).ok()) else { continue };
            let receipt = self.receipt(&log, index).await?;
            // The event is named by a part of the hash; the leaf has all of it.
            if receipt.entry().is_ok_and(|entry| entry.token(&origin) == Ok(*token)) {
                return Ok(receipt);
            }
        }
        Err(Error::unknown("time stamp", hex::encode(token)))
    }
}

/// Why there is no token, for programs and for people.
#[derive(Debug, PartialEq, Eq)]
struct Refused(Failure, &'static str);

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy => tracing::warn!("a time stamp was not issued: too many requests are waiting"),
            error => tracing::error!(%error, "a time stamp was not issued"),
        }
        Self(Failure::SystemFailure, "not possible now; try again later")
    }
}

/// The hash function, if it is one that is stamped.
fn digest_of(request: &TimeStampRequest) -> Result<Digest, Refused> {
    let digest = request.imprint.digest().filter(|digest| *digest != Digest::Sha1);
    let digest = digest.ok_or(Refused(Failure::BadAlgorithm, "the hash must be by SHA-256, SHA-384, SHA-512 or SM3"))?;
    if request.imprint.hash.len() != digest.hash(&[]).len() {
        return Err(Refused(Failure::BadDataFormat, "the hash has not the length of its function"));
    }
    Ok(digest)
}

fn policy_under(authority: ObjectIdentifier) -> Result<ObjectIdentifier, Error> {
    authority.push_arc(POLICY_ARC).map_err(|error| Error::Corrupt(format!("the policy of the authority: {error}")))
}

/// What is remembered from one stamp to the next: time does not go back, and a second has room for so many.
pub struct Pace {
    most_in_a_second: u32,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    /// Milliseconds since 1970.
    newest: i64,
    in_that_second: u32,
}

impl Pace {
    pub fn new(most_in_a_second: u32) -> Self {
        Self { most_in_a_second, taken: Mutex::default() }
    }

    /// The time of the next stamp, to the millisecond: never before that of an earlier one, nor before `floor`, which is what
    /// the ledger remembers of those of an earlier run.
    fn next(&self, clock: &dyn Clock, floor: OffsetDateTime) -> Result<OffsetDateTime, Refused> {
        // A panic in here leaves numbers that are as good as any.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock, so that times are taken in the order in which they passed.
        let now = millis(clock.now());
        if now < taken.newest.max(millis(floor)) {
            tracing::error!("the clock is behind what was stamped already; nothing is stamped until it has caught up");
            return Err(Refused(Failure::TimeNotAvailable, "the clock is behind what was stamped already"));
        }
        if now / 1000 != taken.newest / 1000 {
            taken.in_that_second = 0;
        }
        if taken.in_that_second >= self.most_in_a_second {
            return Err(Refused(Failure::SystemFailure, "as much was stamped in this second as may be; try again later"));
        }
        *taken = Taken { newest: now, in_that_second: taken.in_that_second + 1 };
        Ok(from_millis(now))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> OffsetDateTime {
            from_millis(self.0.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn time_never_goes_back_and_a_second_has_room_for_so_many() {
        let (pace, clock) = (Pace::new(2), Hand(AtomicI64::new(0)));
        let (granted, back, full) = (None, Some(Failure::TimeNotAvailable), Some(Failure::SystemFailure));
        for (now, floor, expected) in [
            (10_500, 10_000, granted),
            (10_499, 10_000, back),
            (10_500, 10_000, granted),
            (10_999, 10_000, full),
            (11_000, 11_000, granted),
            (11_500, 12_000, back),
            (12_000, 12_000, granted),
            (5_000, 0, back),
        ] {
            clock.0.store(now, Ordering::SeqCst);
            let answer = pace.next(&clock, from_millis(floor));
            assert_eq!(answer.as_ref().err().map(|refused| refused.0), expected, "{now}");
            assert!(answer.is_err() || answer == Ok(from_millis(now)));
        }
    }
}
