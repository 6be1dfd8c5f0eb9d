//! Sessions: a login that the holder of a certificate has signed stands for that certificate until it ends.
//!
//! What is signed is a challenge with a type of its own (`hufu-login`) and the origin that the signer sees, so that no other site
//! can pass it on and no login is ever a statement. A session only says who calls: it is as good as its certificate, whose
//! status is read for each request, and what is decided in it is signed by the certificate as everywhere.

use std::{collections::BTreeMap, sync::Mutex};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use time::{Duration, OffsetDateTime};

use super::{
    Services,
    bearer::{Bearer, Kind},
    enrol::hmac_sha256,
    error::Error,
    statements::Caller,
};
use crate::{
    policy::{Login, Nonce, SignerReference},
    store::{self, SessionRow},
    world::{Entropy, from_millis, millis, random},
};

/// How long a challenge can be answered.
const CHALLENGE_LIFE: Duration = Duration::minutes(5);
/// How far a signer's clock may be off.
const CLOCK_SKEW: Duration = Duration::minutes(5);
/// A working day, and a break in it.
pub const SESSION_LIFE: Duration = Duration::hours(12);
const IDLE_LIFE: Duration = Duration::minutes(30);
/// How exactly it is known when a session was used last: not each request writes.
const TOUCH_AFTER: Duration = Duration::minutes(1);
/// Of one certificate; one more ends the oldest.
const MOST_SESSIONS: i64 = 16;

/// What there is to sign for a login.
pub struct Challenge {
    pub nonce: Nonce,
    pub origin: String,
    pub expires_at: OffsetDateTime,
}

/// A session with its secret, shown this once.
pub struct Opened {
    pub row: SessionRow,
    pub secret: Bearer,
    pub caller: Caller,
}

impl Services {
    pub fn login_challenge(&self) -> Challenge {
        let now = self.clock.now();
        Challenge { nonce: self.logins.challenge(now, &*self.entropy), origin: self.api_origin.clone(), expires_at: now + CHALLENGE_LIFE }
    }

    /// Opens a session for whoever signed this answer to a challenge.
    pub async fn open_session(&self, login: &str) -> Result<Opened, Error> {
        let login = Login::parse(login)?;
        let now = self.clock.now();
        let caller = self.login_signer(&login).await?;
        let payload = login.payload();
        let in_time = (payload.at.instant() - now).abs() <= CHALLENGE_LIFE + CLOCK_SKEW;
        if payload.origin != self.api_origin || !in_time || !self.logins.take(payload.nonce, now) {
            return Err(Error::LoginRefused);
        }

        let secret = Bearer::generate(Kind::Session, &*self.entropy);
        let mut row = SessionRow {
            id: secret.id().to_owned(),
            sealed_hash: Vec::new(),
            certificate: caller.certificate.id().0.to_vec(),
            opened_at: millis(now),
            used_at: millis(now),
            expires_at: millis(now + SESSION_LIFE),
        };
        row.sealed_hash = self.sealer.seal(&sealed_as(&row), &secret.hash(), &*self.entropy);
        let mut tx = self.db.begin_write().await?;
        store::sessions::insert(tx.connection(), &row, MOST_SESSIONS).await?;
        tx.commit().await?;
        Ok(Opened { row, secret, caller })
    }

    /// The holder of the certificate that a login names and is signed by.
    async fn login_signer(&self, login: &Login) -> Result<Caller, Error> {
        let SignerReference::Certificate(fingerprint) = login.signer() else { return Err(Error::LoginRefused) };
        let row = {
            let mut connection = self.db.read().await?;
            store::certificates::find_by_fingerprint(&mut connection, &fingerprint).await?.ok_or(Error::LoginRefused)?
        };
        let certificate = self.assemble_certificate(&row)?;
        let key = certificate.public_key().map_err(|_| Error::LoginRefused)?;
        login.verify(key).map_err(|_| Error::LoginRefused)?;
        self.caller(certificate.der()).await
    }

    /// The person that a session stands for.
    pub async fn session_caller(&self, secret: &Bearer) -> Result<Caller, Error> {
        let now = self.clock.now();
        let row = {
            let mut connection = self.db.read().await?;
            store::sessions::find(&mut connection, secret.id()).await?.ok_or(Error::SessionNotGood)?
        };
        // A row that somebody wrote into the database does not open.
        let hash = self.sealer.open(&sealed_as(&row), &row.sealed_hash).map_err(|_| Error::SessionNotGood)?;
        let live = row.expires_at > millis(now) && row.used_at > millis(now - IDLE_LIFE);
        if !live || verify_slices_are_equal(&hash, &secret.hash()).is_err() {
            return Err(Error::SessionNotGood);
        }
        let certificate = {
            let mut connection = self.db.read().await?;
            store::certificates::find(&mut connection, &row.certificate).await?.ok_or(Error::SessionNotGood)?
        };
        let caller = self.caller(self.assemble_certificate(&certificate)?.der()).await?;
        if row.used_at < millis(now - TOUCH_AFTER) {
            let mut tx = self.db.begin_write().await?;
            store::sessions::touch(tx.connection(), &row.id, millis(now)).await?;
            tx.commit().await?;
        }
        Ok(Caller { session: Some(row.id), ..caller })
    }

    /// The caller's own sessions, the newest first.
    pub async fn sessions(&self, caller: &Caller) -> Result<Vec<SessionRow>, Error> {
        let mut connection = self.db.read().await?;
        let mut rows = store::sessions::of_person(&mut connection, &caller.person().to_string()).await?;
        let now = self.clock.now();
        rows.retain(|row| row.expires_at > millis(now) && row.used_at > millis(now - IDLE_LIFE));
        Ok(rows)
    }

    /// Ends a session of the caller's own.
    pub async fn end_session(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        if !self.sessions(caller).await?.iter().any(|row| row.id == id) {
            return Err(Error::unknown("session", id));
        }
        let mut tx = self.db.begin_write().await?;
        store::sessions::delete(tx.connection(), id).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets what is over.
    pub(super) async fn end_sessions(&self) -> Result<u64, Error> {
        let now = self.clock.now();
        let mut tx = self.db.begin_write().await?;
        let ended = store::sessions::delete_over(tx.connection(), millis(now), millis(now - IDLE_LIFE)).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// When a session that is not used again is over.
    pub fn session_ends_at(&self, row: &SessionRow) -> OffsetDateTime {
        from_millis(row.expires_at).min(from_millis(row.used_at) + IDLE_LIFE)
    }
}

/// What the hash of the secret is sealed to: all of the row that matters.
fn sealed_as(row: &SessionRow) -> String {
    format!("session/{}/{}/{}/{}", row.id, hex::encode(&row.certificate), row.opened_at, row.expires_at)
}

/// Challenges and the answers to them. A challenge is made of its time, of chance, and of a MAC under a key of this process, so
/// whoever asks for many fills no memory; an answer that was taken is remembered until its challenge is over.
pub struct Logins {
    key: [u8; 32],
    taken: Mutex<BTreeMap<Nonce, OffsetDateTime>>,
}

impl Logins {
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self { key: random(entropy), taken: Mutex::default() }
    }

    fn challenge(&self, now: OffsetDateTime, entropy: &dyn Entropy) -> Nonce {
        let mut octets = [0; 16];
        octets[..4].copy_from_slice(&seconds(now).to_be_bytes());
        octets[4..8].copy_from_slice(&random::<4>(entropy));
        let tag = self.tag(&octets[..8]);
        octets[8..].copy_from_slice(&tag);
        Nonce::from_bytes(octets)
    }

    /// Whether this is a challenge of ours that is still open; from then on it is taken.
    fn take(&self, nonce: Nonce, now: OffsetDateTime) -> bool {
        let (said, tag) = nonce.as_bytes().split_at(8);
        // Four octets of seconds, which may have gone round once.
        let age = seconds(now).wrapping_sub(u32::from_be_bytes([said[0], said[1], said[2], said[3]]));
        if verify_slices_are_equal(&self.tag(said), tag).is_err() || i64::from(age) > CHALLENGE_LIFE.whole_seconds() {
            return false;
        }
        // A panic while this was held leaves a list of nonces, which is as good as any.
        let mut taken = self.taken.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        taken.retain(|_, at| now - *at <= CHALLENGE_LIFE);
        taken.insert(nonce, now).is_none()
    }

    fn tag(&self, said: &[u8]) -> [u8; 8] {
        let mut tag = [0; 8];
        tag.copy_from_slice(&hmac_sha256(&self.key, said)[..8]);
        tag
    }
}

fn seconds(now: OffsetDateTime) -> u32 {
    now.unix_timestamp() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::SystemEntropy;

    #[test]
    fn a_challenge_is_answered_once_and_in_time_and_is_one_of_ours() {
        let (logins, now) = (Logins::new(&SystemEntropy), OffsetDateTime::UNIX_EPOCH + Duration::days(20_000));
        let challenge = || logins.challenge(now, &SystemEntropy);
        let (first, second) = (challenge(), challenge());
        assert_ne!(first, second);
        assert!(logins.take(first, now + CHALLENGE_LIFE) && !logins.take(first, now + CHALLENGE_LIFE));
        assert!(!logins.take(second, now + CHALLENGE_LIFE + Duration::SECOND), "too late");
        assert!(!logins.take(second, now - Duration::SECOND), "before it was made");
        for octet in 0..16 {
            let mut other = *second.as_bytes();
            other[octet] ^= 1;
            assert!(!logins.take(Nonce::from_bytes(other), now), "octet {octet}");
        }
        assert!(!Logins::new(&SystemEntropy).take(second, now), "of another process");
        assert!(logins.take(second, now));
    }

    #[test]
    fn answers_that_were_taken_are_forgotten_with_their_challenge() {
        let (logins, start) = (Logins::new(&SystemEntropy), OffsetDateTime::UNIX_EPOCH + Duration::days(20_000));
        for minute in 0..60 {
            let now = start + Duration::minutes(minute);
            assert!(logins.take(logins.challenge(now, &SystemEntropy), now));
        }
        assert!(logins.taken.lock().unwrap().len() <= 6);
    }
}
