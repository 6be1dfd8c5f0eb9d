//! The time-stamping authority (RFC 3161): signs that something existed at a time, and records each token before it is given out.

use der::asn1::ObjectIdentifier;
use time::Duration;

use super::{
    Services,
    error::Error,
    journal::{Commit, Kind},
    own_keys::OwnKey,
};
use crate::{
    crypto::{Digest, digest::sha256},
    ledger::{Digests, Entry, Event, EventType, StatusKey},
    world::{from_millis, millis, seconds},
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
    /// Answers a DER TimeStampReq. Whatever comes in, a TimeStampResp goes out.
    ///
    /// Errors: only when not even a refusal can be encoded.
    pub async fn time_stamp(&self, request: &[u8]) -> Result<Vec<u8>, Error> {
        let failure = match TimeStampRequest::parse(request) {
            Ok(request) => match self.stamp(&request).await {
                Ok(token) => return Ok(tsp::granted(&token)?),
                Err(Refused(failure)) => failure,
            },
            Err(_) => Failure::BadDataFormat,
        };
        Ok(tsp::rejection(failure)?)
    }

    async fn stamp(&self, request: &TimeStampRequest) -> Result<Vec<u8>, Refused> {
        let family = family_of(request)?;
        let stamper = self.own_key("time-stamping", family).ok_or(Refused(Failure::TimeNotAvailable))?;
        let policy = policy_under(stamper.authority.policy)?;
        if request.policy.is_some_and(|asked| asked != policy) {
            return Err(Refused(Failure::UnacceptedPolicy));
        }
        if !request.extensions.is_empty() {
            return Err(Refused(Failure::UnacceptedExtension));
        }
        let now = self.clock.now();
        let info = TstInfo {
            policy,
            imprint: request.imprint.clone(),
            serial: Number::positive(SerialNumber::generate(&*self.entropy, now).as_bytes()),
            time: from_millis(millis(now)),
            accuracy: Some(ACCURACY),
            // Times may be equal or, when the clock is set back, fall: two tokens are ordered by the ledger.
            ordering: false,
            nonce: request.nonce.clone(),
            critical_unknown: Vec::new(),
        };
        let token = self.sign_token(&stamper, &info, request.wants_certificate).await?;

        // Given out only once the ledger has it: a token that nobody recorded was made with a stolen key.
        self.record_token(&stamper, &token).await?;
        Ok(token)
    }

    async fn sign_token(&self, stamper: &OwnKey, info: &TstInfo, with_certificate: bool) -> Result<Vec<u8>, Error> {
        let content = info.to_der()?;
        let certificates = if with_certificate { stamper.certificates() } else { Vec::new() };
        stamper.sign_cms(Dialect::Cms, ID_CT_TST_INFO, &content, info.time, &certificates).await
    }

    /// In the log of the authority that certified the key. Many tokens share a transaction there.
    async fn record_token(&self, stamper: &OwnKey, token: &[u8]) -> Result<(), Error> {
        let log = stamper.authority.log();
        let digest = sha256(token);
        let mut version = [0; 8];
        version.copy_from_slice(&digest[..8]);
        let origin = self.origin(&log)?;
        let time = seconds(self.clock.now());
        let event = Event { origin: &origin, status_key: StatusKey::NONE, version: u64::from_be_bytes(version), time };
        let digests = Digests { policy: self.policy().digest().0, ..Digests::default() };
        let entry =
            Entry::notice(&event, EventType::TIME_STAMP, digests, digest.to_vec()).map_err(|error| Error::Ledger(error.to_string()))?;
        self.journal.commit(Commit { kind: Kind::Other, rows: Vec::new(), entries: vec![(log, entry)] }).await.map(drop)
    }
}

/// Why there is no token.
struct Refused(Failure);

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        tracing::error!(%error, "a time stamp was not issued");
        Self(Failure::SystemFailure)
    }
}

/// National hashes are stamped with the national algorithm, all others with the international one.
fn family_of(request: &TimeStampRequest) -> Result<&'static str, Refused> {
    let digest = request.imprint.digest().filter(|digest| *digest != Digest::Sha1).ok_or(Refused(Failure::BadAlgorithm))?;
    if request.imprint.hash.len() != digest.hash(&[]).len() {
        return Err(Refused(Failure::BadDataFormat));
    }
    Ok(match digest {
        Digest::Sm3 => "sm2",
        Digest::Sha1 | Digest::Sha256 | Digest::Sha384 | Digest::Sha512 => "p256",
    })
}

fn policy_under(authority: ObjectIdentifier) -> Result<ObjectIdentifier, Error> {
    authority.push_arc(POLICY_ARC).map_err(|error| Error::Corrupt(format!("the policy of the authority: {error}")))
}
