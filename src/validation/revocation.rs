//! What follows for one certificate from revocation lists and OCSP responses (RFC 5280 §6.3, RFC 6960 §3.2).
//!
//! `crl_status.rs` and `ocsp_status.rs` judge one kind of evidence each; here they are put together, for a certificate and for a path.
//! Evidence that may not be relied upon says nothing: it neither helps nor harms.

use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use super::{Inputs, Path, PathError, Purpose, TrustStore, crl_status, ocsp_status, validate_if};
use crate::{
    crypto::Strength,
    x509::{
        Certificate, DistinguishedName,
        crl::{CertificateList, CrlReason},
        ocsp::{BasicResponse, OcspResponse},
    },
};

/// What there is to judge by.
#[derive(Debug, Clone, Default)]
pub struct Evidence<'a> {
    lists: Vec<Arc<CertificateList<'a>>>,
    responses: Vec<Arc<BasicResponse<'a>>>,
    /// For whoever knows a ledger; nothing here looks into them.
    proofs: Vec<&'a [u8]>,
}

impl<'a> Evidence<'a> {
    /// What can be read of the DER of lists and of OCSP responses, or of their BasicOCSPResponse alone; the rest says nothing.
    pub fn read(lists: impl IntoIterator<Item = &'a [u8]>, responses: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let basic = |der: &'a [u8]| match OcspResponse::parse(der) {
            Ok(OcspResponse::Basic(basic)) => Some(*basic),
            Ok(OcspResponse::Error(_)) => None,
            Err(_) => BasicResponse::parse(der).ok(),
        };
        Self {
            lists: lists.into_iter().filter_map(|der| CertificateList::parse(der).ok()).map(Arc::new).collect(),
            responses: responses.into_iter().filter_map(basic).map(Arc::new).collect(),
            proofs: Vec::new(),
        }
    }

    /// With receipts and proofs of status, as JSON.
    pub fn with_proofs(self, proofs: Vec<&'a [u8]>) -> Self {
        Self { proofs, ..self }
    }

    /// All that is in either. Copies nothing.
    pub fn and(&self, other: &Self) -> Self {
        let mut joined = self.clone();
        joined.lists.extend(other.lists.iter().cloned());
        joined.responses.extend(other.responses.iter().cloned());
        joined.proofs.extend(&other.proofs);
        joined
    }

    pub fn lists(&self) -> impl Iterator<Item = &CertificateList<'a>> {
        self.lists.iter().map(|list| &**list)
    }

    pub fn responses(&self) -> impl Iterator<Item = &BasicResponse<'a>> {
        self.responses.iter().map(|response| &**response)
    }

    pub fn proofs(&self) -> &[&'a [u8]] {
        &self.proofs
    }
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
    signers: Signers<'_>,
    evidence: &Evidence<'_>,
    inputs: &EvidenceInputs,
) -> Status {
    let by_ocsp = ocsp_status::status(certificate, issuer, evidence, inputs);
    if matches!(by_ocsp, Status::Revoked { .. }) {
        return by_ocsp;
    }
    let by_crl = crl_status::status(certificate, issuer, signers, evidence, inputs);
    match (by_ocsp, by_crl) {
        // One that says revoked outweighs one that says good.
        (_, revoked @ Status::Revoked { .. }) => revoked,
        (good @ Status::Good { .. }, _) | (_, good @ Status::Good { .. }) => good,
        (Status::Unknown(ocsp), Status::Unknown(crl)) => Status::Unknown(ocsp.max(crl)),
        (Status::Revoked { .. }, _) => unreachable!("returned above"),
    }
}

/// Where the certificates of those who sign lists for an authority are looked for.
#[derive(Clone, Copy)]
pub struct Signers<'a> {
    bag: &'a [Certificate],
    trust: &'a TrustStore,
    /// The one that the path of the certificate in question ends in; a signer's must end there too (RFC 5280 §6.3.3 (f)).
    anchor: &'a Certificate,
    /// How many signers stand between the certificate in question and this one, each good by a list of the next.
    depth: u8,
}

impl<'a> Signers<'a> {
    /// A signer of a list may be good by a list that somebody else has signed, and that is all.
    const MAX_DEPTH: u8 = 2;

    pub fn new(bag: &'a [Certificate], trust: &'a TrustStore, anchor: &'a Certificate) -> Self {
        Self { bag, trust, anchor, depth: 0 }
    }

    /// Certificates of that name: of an authority with another key for its lists, or of somebody who signs lists for others.
    pub(super) fn named(self, name: &DistinguishedName) -> impl Iterator<Item = &'a Certificate> + use<'a, '_> {
        self.bag.iter().chain(Some(self.anchor)).filter(move |other| other.subject() == name)
    }

    /// Whether a signer leads to the anchor and is good itself.
    pub(super) fn is_good(self, signer: &Certificate, evidence: &Evidence<'_>, inputs: &EvidenceInputs) -> bool {
        if self.depth >= Self::MAX_DEPTH {
            return false;
        }
        let mut path_inputs = Inputs::new(inputs.at, Purpose::Any);
        path_inputs.strength = inputs.strength;
        let deeper = Self { depth: self.depth + 1, ..self };
        let mut accept = |path: &Path| {
            if path.anchor() == self.anchor { check_links(path, deeper, evidence, inputs) } else { Err(PathError::NoPath) }
        };
        validate_if(signer, self.bag, self.trust, &path_inputs, &mut accept).is_ok()
    }
}

/// Every certificate of a path but the anchor must be good.
pub fn check_path(
    path: &Path,
    bag: &[Certificate],
    trust: &TrustStore,
    evidence: &Evidence<'_>,
    inputs: &EvidenceInputs,
) -> Result<(), PathError> {
    check_links(path, Signers::new(bag, trust, path.anchor()), evidence, inputs)
}

fn check_links(path: &Path, signers: Signers<'_>, evidence: &Evidence<'_>, inputs: &EvidenceInputs) -> Result<(), PathError> {
    for (certificate, issuer) in path.links() {
        match status(certificate, issuer, signers, evidence, inputs) {
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
