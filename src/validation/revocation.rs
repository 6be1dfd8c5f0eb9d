//! What follows for one certificate from revocation lists and OCSP responses (RFC 5280 §6.3, RFC 6960 §3.2).
//!
//! `crl_status.rs` and `ocsp_status.rs` judge one kind of evidence each; here they are put together, for a certificate and for a path.
//! Evidence that may not be relied upon says nothing: it neither helps nor harms.

use time::{Duration, OffsetDateTime};

use super::{Path, PathError, TrustStore, crl_status, ocsp_status};
use crate::{
    crypto::Strength,
    x509::{
        Certificate,
        crl::{CertificateList, CrlReason},
        ocsp::BasicResponse,
    },
};

/// What there is to judge by.
#[derive(Default)]
pub struct Evidence<'a> {
    pub lists: Vec<CertificateList<'a>>,
    pub responses: Vec<BasicResponse<'a>>,
}

/// How evidence is judged.
#[derive(Debug, Clone, Copy)]
pub struct EvidenceInputs {
    /// The status at this time is what is asked.
    pub at: OffsetDateTime,
    /// The oldest thisUpdate that will do; `None` for evidence that says itself how long it holds, and then it must.
    pub max_age: Option<Duration>,
    pub strength: Strength,
}

/// What is known of a certificate's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    Good {
        source: Source,
    },
    Revoked {
        source: Source,
        at: OffsetDateTime,
        reason: Option<CrlReason>,
        invalidity_date: Option<OffsetDateTime>,
    },
    /// Nothing that may be relied upon says so; the last reason why a piece of evidence was passed over.
    Unknown(Obstacle),
}

/// Where a status comes from, and as of when it was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    pub kind: Kind,
    pub this_update: OffsetDateTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Crl,
    Ocsp,
}

/// Why a piece of evidence says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Obstacle {
    #[error("there is none")]
    NoEvidence,
    #[error("it is about other certificates")]
    OtherCertificates,
    #[error("it is of a form that is not supported, or has a critical extension that is not known")]
    Unsupported,
    #[error("it is from the future, outdated or too old")]
    NotCurrent,
    #[error("nobody who may do so has signed it")]
    NotAuthorized,
    #[error("it does not cover every reason for revocation")]
    SomeReasonsOnly,
    #[error("the responder does not know the certificate")]
    NotKnown,
}

/// The status of a certificate of its issuer. `signers` are certificates that may have signed a list in the issuer's name: each is
/// believed only if it leads to `anchor` itself.
pub fn status(
    certificate: &Certificate,
    issuer: &Certificate,
    signers: &Signers<'_>,
    evidence: &Evidence<'_>,
    inputs: &EvidenceInputs,
) -> Status {
    let by_ocsp = ocsp_status::status(certificate, issuer, &evidence.responses, inputs);
    if matches!(by_ocsp, Status::Revoked { .. }) {
        return by_ocsp;
    }
    let by_crl = crl_status::status(certificate, issuer, signers, &evidence.lists, inputs);
    match (by_ocsp, by_crl) {
        // One that says revoked outweighs one that says good.
        (_, revoked @ Status::Revoked { .. }) => revoked,
        (good @ Status::Good { .. }, _) | (_, good @ Status::Good { .. }) => good,
        (Status::Unknown(ocsp), Status::Unknown(crl)) => Status::Unknown(ocsp.max(crl)),
        (Status::Revoked { .. }, _) => unreachable!("returned above"),
    }
}

/// Where the certificates of those who sign lists for an authority are looked for.
pub struct Signers<'a> {
    pub bag: &'a [Certificate],
    pub trust: &'a TrustStore,
    /// The one that the path of the certificate in question ends in; a signer's must end there too (RFC 5280 §6.3.3 (f)).
    pub anchor: &'a Certificate,
}

/// Every certificate of a path but the anchor must be good.
pub fn check_path(
    path: &Path,
    bag: &[Certificate],
    trust: &TrustStore,
    evidence: &Evidence<'_>,
    inputs: &EvidenceInputs,
) -> Result<(), PathError> {
    let signers = Signers { bag, trust, anchor: path.anchor() };
    for (certificate, issuer) in path.links() {
        match status(certificate, issuer, &signers, evidence, inputs) {
            Status::Good { .. } => {}
            revoked @ Status::Revoked { .. } if counts(&revoked, inputs.at) => return Err(PathError::Revoked(certificate.subject_text())),
            Status::Revoked { .. } => {}
            Status::Unknown(obstacle) => return Err(PathError::StatusUnknown(certificate.subject_text(), obstacle)),
        }
    }
    Ok(())
}

/// Whether a revocation counts at a time: from its date on, or from the date since when the key is not trusted (RFC 5280 §5.3.2).
pub fn counts(status: &Status, at: OffsetDateTime) -> bool {
    match status {
        Status::Revoked { at: since, invalidity_date, .. } => invalidity_date.map_or(*since, |invalid| invalid.min(*since)) <= at,
        Status::Good { .. } | Status::Unknown(_) => false,
    }
}

/// Whether something that was right at `this_update` and will be replaced by `next_update` may be used.
pub(super) fn is_current(this_update: OffsetDateTime, next_update: Option<OffsetDateTime>, inputs: &EvidenceInputs) -> bool {
    let young = inputs.max_age.is_none_or(|age| inputs.at - this_update <= age);
    let holds = match next_update {
        Some(next_update) => inputs.at <= next_update,
        // Newer information is always there (RFC 6960 §4.2.2.1), so only an age that the caller sets makes this usable.
        None => inputs.max_age.is_some(),
    };
    this_update <= inputs.at && young && holds
}
