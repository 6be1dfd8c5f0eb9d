//! Identity proofing: finding out who somebody is who has no certificate yet.
//!
//! One small interface, `Proofing`, and two methods behind it: a code handed out at a counter after an in-person check
//! (`counter.rs`), and a login at an OpenID Connect provider (`oidc.rs`). What comes out is `Proofed`: how sure it is, an opaque
//! reference, and the digest of the evidence. Never a number: name, contact and number are sealed here, and an enrolment takes
//! the name from the seal, never from whoever applies.

pub mod counter;
pub mod oidc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::{
    Services,
    error::Error,
    journal::{Commit, Kind},
    rows::Row,
};
use crate::{
    crypto::digest::sha256,
    policy::{AlternativeName, Assurance, IdentityNumber, NameKind, jws::canonical},
    store::{
        self,
        citizens::{Change, ProofingRow},
    },
    world::{millis, random},
};

/// How long a proof can be used.
pub(super) const PROOF_LIFE: Duration = Duration::hours(24);
/// How long an identity check waits for its confirmation before it is forgotten.
const CHECK_PATIENCE: Duration = Duration::days(30);

/// A way to find out who somebody is.
#[async_trait]
pub trait Proofing: Sync {
    /// What the person brings: a code, or a provider's answer.
    type Presented: Send;

    /// Checks what was presented, once. Nothing is recorded yet; `rows` say what is used up when it is.
    async fn establish(&self, services: &Services, now: OffsetDateTime, presented: Self::Presented) -> Result<Established, Error>;
}

/// What a method found out. Only `Services::prove` takes it apart.
pub struct Established {
    pub method: &'static str,
    pub assurance: Assurance,
    pub reference: [u8; 32],
    pub blind_index: [u8; 32],
    /// What was checked, without personal data.
    pub evidence: Value,
    /// What its owner will show.
    pub token: ProofToken,
    pub identity_check: Option<String>,
    pub subject: ProvenSubject,
    pub number: Option<IdentityNumber>,
    pub rows: Vec<Row>,
}

/// The personal part of a proof, as it is sealed.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct ProvenSubject {
    pub name: Option<String>,
    /// A mail address or a telephone number that somebody else than the applicant has verified.
    pub contact: Option<String>,
}

/// The result of proofing, and all that leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proofed {
    pub assurance: Assurance,
    /// The only profile that it counts for: that of the code from a counter.
    pub profile: Option<String>,
    /// The same for the same subject; without the identity key it leads to nobody.
    pub reference: [u8; 32],
    pub evidence: [u8; 32],
}

impl Proofed {
    /// Refused once it was forgotten what was proven.
    fn of(row: &ProofingRow) -> Result<Self, Error> {
        let corrupt = || Error::Corrupt(format!("proofing {}", row.id));
        let evidence: Value = serde_json::from_str(&row.evidence).map_err(|_| corrupt())?;
        let reference = row.reference.as_deref().ok_or(Error::ProofingRefused)?;
        Ok(Self {
            assurance: row.assurance.parse().map_err(|_| corrupt())?,
            profile: evidence.get("profile").and_then(Value::as_str).map(str::to_owned),
            reference: reference.try_into().map_err(|_| corrupt())?,
            evidence: sha256(row.evidence.as_bytes()),
        })
    }
}

/// What its owner shows to use a proof: 64 hexadecimal digits that nobody can guess, stored hashed.
pub struct ProofToken(String);

impl ProofToken {
    fn of(secret: [u8; 32]) -> Self {
        Self(hex::encode(secret))
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Services {
    /// Finds out by one method who somebody is, and records it with a token for its owner.
    pub async fn prove<P: Proofing>(&self, method: &P, presented: P::Presented) -> Result<(Proofed, ProofToken), Error> {
        let now = self.clock.now();
        let established = method.establish(self, now, presented).await?;
        let id = hex::encode(random::<16>(&*self.entropy));
        // serde_json writes UTF-8 only.
        let evidence = String::from_utf8(canonical(&established.evidence)).expect("JSON is UTF-8");
        let row = format!("proofing/{id}");
        let (token, mut rows) = (established.token, established.rows);
        let proofing = ProofingRow {
            sealed_subject: Some(self.sealer.seal(&row, &established.subject.to_json(), &*self.entropy)),
            sealed_number: established.number.map(|number| self.vault.seal(&row, &number, &*self.entropy)),
            id,
            method: established.method.to_owned(),
            assurance: established.assurance.to_string(),
            reference: Some(established.reference.to_vec()),
            evidence,
            identity_check: established.identity_check,
            blind_index: Some(established.blind_index.to_vec()),
            token_hash: sha256(token.0.as_bytes()).to_vec(),
            created_at: millis(now),
            expires_at: millis(now + PROOF_LIFE),
            enrolment: None,
            resumed: None,
        };
        let proofed = Proofed::of(&proofing)?;
        rows.push(Row::Citizen(Change::Proofing(proofing)));
        match self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await {
            // Whatever was presented was used meanwhile.
            Err(Error::Store(store::Error::Conflict)) => Err(Error::ProofingRefused),
            other => other.map(|_| (proofed, token)),
        }
    }

    /// The proof that a token opens.
    pub(super) async fn find_proof(&self, token: &str) -> Result<ProofingRow, Error> {
        let mut connection = self.db.read().await?;
        store::citizens::find_proofing(&mut connection, &sha256(token.as_bytes())).await?.ok_or(Error::ProofingRefused)
    }

    /// Name and contact behind a proof; `Erased` once they were destroyed.
    pub(super) fn proven_subject(&self, row: &ProofingRow) -> Result<ProvenSubject, Error> {
        let sealed = row.sealed_subject.as_ref().ok_or(Error::Erased("proof"))?;
        let opened = self.sealer.open(&format!("proofing/{}", row.id), sealed)?;
        serde_json::from_slice(&opened).map_err(|_| Error::Corrupt(format!("proofing {}: its subject", row.id)))
    }

    /// Forgets logins, proofs and counter checks that nobody came back for.
    pub(super) async fn forget_unused_proofs(&self) -> Result<u64, Error> {
        let now = self.clock.now();
        let mut tx = self.db.begin_write().await?;
        let forgotten = store::citizens::forget(tx.connection(), millis(now), millis(now - CHECK_PATIENCE)).await?;
        tx.commit().await?;
        Ok(forgotten)
    }
}

impl ProvenSubject {
    pub(super) fn to_json(&self) -> zeroize::Zeroizing<Vec<u8>> {
        // Two texts always serialise.
        zeroize::Zeroizing::new(serde_json::to_vec(self).expect("a subject serialises"))
    }
}

/// A mail address or a telephone number in international form, and nothing else that whoever sends would have to understand.
pub(super) fn check_contact(text: &str) -> Result<(), Error> {
    let digits = |text: &str| (7..=15).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    let telephone = text.strip_prefix('+').is_some_and(digits);
    let mail = AlternativeName::parse(NameKind::Mail, text).is_ok();
    if telephone || mail { Ok(()) } else { Err(Error::malformed("contact", "a mail address, or a telephone number as +8613…")) }
}
