//! Certification paths: built from a bag of candidates to a trusted anchor and checked at a given time (RFC 5280 §6).
//!
//! Here is what the caller asks and gets, and the search; `processing.rs` judges one path. All work is bounded, whatever the bag.

use std::collections::{BTreeSet, HashMap};

use der::asn1::ObjectIdentifier;
use time::OffsetDateTime;

use super::{Anchor, PeerName, Policies, PolicyInputs, Purpose, TrustStore, name_constraints::NameWork, processing, revocation::Obstacle};
use crate::{crypto::Strength, x509::Certificate};

/// What is asked of a path, beside its end entity (RFC 5280 §6.1.1).
#[derive(Debug, Clone)]
pub struct Inputs {
    pub at: OffsetDateTime,
    pub purpose: Purpose,
    /// The end entity must be for every one of them.
    pub peers: Vec<PeerName>,
    pub policies: PolicyInputs,
    /// The most authorities between anchor and end entity.
    pub max_intermediates: usize,
    pub strength: Strength,
}

impl Inputs {
    /// Any policy, any name, at modern strength.
    pub fn new(at: OffsetDateTime, purpose: Purpose) -> Self {
        Self {
            at,
            purpose,
            peers: Vec::new(),
            policies: PolicyInputs::default(),
            max_intermediates: Search::MAX_LENGTH,
            strength: Strength::Modern,
        }
    }
}

/// A path that was checked: the end entity first, the certificate of the anchor last.
#[derive(Debug, Clone)]
pub struct Path {
    certificates: Vec<Certificate>,
    policies: Policies,
}

impl Path {
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The certificate that issued the end entity, or the end entity itself when it is the root.
    pub fn issuer(&self) -> &Certificate {
        // A path holds at least the end entity.
        self.certificates.get(1).unwrap_or(&self.certificates[0])
    }

    pub fn anchor(&self) -> &Certificate {
        // A path holds at least the end entity.
        &self.certificates[self.certificates.len() - 1]
    }

    /// Each certificate below the anchor with the one that issued it.
    pub fn links(&self) -> impl Iterator<Item = (&Certificate, &Certificate)> {
        self.certificates.windows(2).map(|pair| (&pair[0], &pair[1]))
    }

    pub fn policies(&self) -> &Policies {
        &self.policies
    }
}

/// Why no path was found; of several attempts, the first of those that came furthest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("no chain leads to a trusted root")]
    NoPath,
    #[error("the search for a chain was given up after too much work")]
    TooMuchWork,
    #[error("{0} is an anchor, but is not trusted for {1}")]
    AnchorPurpose(String, &'static str),
    #[error("a signature in the chain does not verify")]
    Signature,
    #[error("the signature of {0} is of an algorithm that is not accepted: {1}")]
    Algorithm(String, String),
    #[error("{0} is not valid yet")]
    NotYetValid(String),
    #[error("{0} has expired")]
    Expired(String),
    #[error("{0} may not issue certificates")]
    NotAnAuthority(String),
    #[error("{0} breaks RFC 5280 {1}")]
    NotConforming(String, &'static str),
    #[error("the chain is longer than allowed at {0}")]
    PathLength(String),
    #[error("{0} has a critical extension that is not known: {1}")]
    CriticalExtension(String, ObjectIdentifier),
    #[error("an authority does not permit the names of {0}: {1}")]
    NameConstraints(String, String),
    #[error("the policies of {0} are not acceptable")]
    Policy(String),
    #[error("the certificate may not be used for {0}")]
    Purpose(&'static str),
    #[error("the certificate is not for {0}")]
    PeerName(String),
    #[error("{0} is revoked")]
    Revoked(String),
    #[error("whether {0} is revoked cannot be known: of the evidence, {1}")]
    StatusUnknown(String, Obstacle),
}

/// Finds and checks a path from `leaf` over the authorities of `trust` and the certificates of `bag` to an anchor of `trust`.
pub fn validate(leaf: &Certificate, bag: &[Certificate], trust: &TrustStore, inputs: &Inputs) -> Result<Path, PathError> {
    validate_if(leaf, bag, trust, inputs, &mut |_| Ok(()))
}

/// The same, passing over paths that `accept` refuses: one of several may have a revoked certificate.
pub fn validate_if(
    leaf: &Certificate,
    bag: &[Certificate],
    trust: &TrustStore,
    inputs: &Inputs,
    accept: &mut dyn FnMut(&Path) -> Result<(), PathError>,
) -> Result<Path, PathError> {
    let mut search = Search {
        bag,
        trust,
        inputs,
        accept,
        checks: 0,
        steps: 0,
        paths: 0,
        names: NameWork::default(),
        authorities: HashMap::new(),
        refused: HashMap::new(),
        failure: None,
    };
    match search.begin(leaf) {
        Some(path) => Ok(path),
        None => Err(search.failure.map_or(PathError::NoPath, |(_, error)| error)),
    }
}

struct Search<'a> {
    bag: &'a [Certificate],
    trust: &'a TrustStore,
    inputs: &'a Inputs,
    accept: &'a mut dyn FnMut(&Path) -> Result<(), PathError>,
    /// Signatures that were computed.
    checks: usize,
    /// Certificates that were tried in some place of some path.
    steps: usize,
    /// Paths that reached an anchor.
    paths: usize,
    names: NameWork,
    /// What was found out about those that may stand above others.
    authorities: HashMap<*const u8, Result<(), PathError>>,
    /// Pairs of certificate and issuer whose signature did not verify.
    refused: HashMap<(*const u8, *const u8), PathError>,
    failure: Option<(Progress, PathError)>,
}

/// How far an attempt came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    Candidate,
    Signature,
    WholePath,
    /// Nothing after it was looked at, so it says more than all else.
    GivenUp,
}

impl<'a> Search<'a> {
    /// The longest path, anchor and end entity included.
    const MAX_LENGTH: usize = 16;
    /// The most signatures that are computed, so that a bag full of look-alikes costs a fraction of a second.
    const MAX_CHECKS: usize = 128;
    const MAX_STEPS: usize = 4096;
    /// The most whole paths that are judged: each costs the names, policies and evidence of its certificates.
    const MAX_PATHS: usize = 64;

    fn begin(&mut self, leaf: &Certificate) -> Option<Path> {
        // A root may be asked about itself. Of another anchor nobody has said that it is good, only what it issues.
        let itself = self.trust.anchors_named(leaf.subject()).iter().find(|anchor| anchor.certificate() == leaf);
        if let Some(anchor) = itself
            && leaf.is_self_issued()
            && self.is_signed_by(leaf, leaf)
        {
            return self.finish(std::slice::from_ref(leaf), anchor);
        }
        self.extend(&mut vec![leaf.clone()])
    }

    /// Completes a path that leads up to its last certificate.
    fn extend(&mut self, path: &mut Vec<Certificate>) -> Option<Path> {
        // `begin` starts with one certificate and every step adds one.
        let last = path.last().expect("a path is never empty").clone();
        for anchor in self.trust.anchors_named(last.issuer()) {
            if !self.is_candidate(path, &last, anchor.certificate()) {
                continue;
            }
            path.push(anchor.certificate().clone());
            let found = self.finish(path, anchor);
            path.pop();
            if found.is_some() {
                return found;
            }
        }
        if path.len() + 1 >= Self::MAX_LENGTH {
            self.fail(Progress::Candidate, PathError::PathLength(last.subject_text()));
            return None;
        }
        for issuer in self.issuers(&last) {
            if !self.is_candidate(path, &last, issuer) {
                continue;
            }
            path.push(issuer.clone());
            let found = self.extend(path);
            path.pop();
            if found.is_some() || self.is_exhausted() {
                return found;
            }
        }
        None
    }

    /// Those whose name fits, the ones whose key identifier fits too first (a hint, RFC 4158 §3.5.12).
    fn issuers(&self, certificate: &Certificate) -> Vec<&'a Certificate> {
        let named = self.bag.iter().filter(|issuer| issuer.subject() == certificate.issuer());
        let mut issuers: Vec<&'a Certificate> = self.trust.authorities_named(certificate.issuer()).iter().chain(named).collect();
        let wanted = certificate.extensions().authority_key_identifier.as_ref().and_then(|identifier| identifier.key_identifier.as_ref());
        issuers.sort_by_key(|issuer| {
            let found = issuer.extensions().subject_key_identifier.as_ref();
            !(wanted.is_some() && found == wanted)
        });
        issuers
    }

    /// Whether the issuer may stand above `last`. The cheap reasons against it come before the signature.
    fn is_candidate(&mut self, path: &[Certificate], last: &Certificate, issuer: &Certificate) -> bool {
        self.steps += 1;
        if self.is_exhausted() {
            return false;
        }
        // The same authority with the same key leads in a circle, whichever of its certificates it is (RFC 4158 §2.4.2).
        if path.iter().any(|seen| seen.spki() == issuer.spki() && seen.subject() == issuer.subject()) {
            return false;
        }
        let at = self.inputs.at;
        let fit = self.authorities.entry(issuer.der().as_ptr()).or_insert_with(|| processing::check_authority(issuer, at));
        if let Err(error) = fit.clone() {
            self.fail(Progress::Candidate, error);
            return false;
        }
        self.is_signed_by(last, issuer)
    }

    fn is_signed_by(&mut self, certificate: &Certificate, issuer: &Certificate) -> bool {
        let pair = (certificate.der().as_ptr(), issuer.der().as_ptr());
        if let Some(error) = self.refused.get(&pair) {
            let error = error.clone();
            self.fail(Progress::Signature, error);
            return false;
        }
        if !certificate.is_known_to_be_signed_by(issuer, self.inputs.strength) {
            self.checks += 1;
        }
        let Err(error) = certificate.verify_signature_with(issuer, self.inputs.strength) else { return true };
        let error = match error {
            crate::x509::Error::Crypto(crate::crypto::Error::UnknownAlgorithm(what)) => {
                PathError::Algorithm(certificate.subject_text(), what)
            }
            _ => PathError::Signature,
        };
        self.refused.insert(pair, error.clone());
        self.fail(Progress::Signature, error);
        false
    }

    fn finish(&mut self, path: &[Certificate], anchor: &Anchor) -> Option<Path> {
        self.paths += 1;
        // For a question that it does not serve it is no anchor.
        if !anchor.serves(self.inputs.purpose) {
            let subject = anchor.certificate().subject_text();
            self.fail(Progress::Candidate, PathError::AnchorPurpose(subject, self.inputs.purpose.name()));
            return None;
        }
        let checked = processing::process(path, anchor, self.inputs, &mut self.names);
        let accepted = checked.and_then(|policies| {
            let path = Path { certificates: path.to_vec(), policies };
            (self.accept)(&path).map(|()| path)
        });
        accepted.map_err(|error| self.fail(Progress::WholePath, error)).ok()
    }

    fn is_exhausted(&mut self) -> bool {
        let exhausted = self.checks > Self::MAX_CHECKS || self.steps > Self::MAX_STEPS || self.paths > Self::MAX_PATHS;
        if exhausted {
            self.fail(Progress::GivenUp, PathError::TooMuchWork);
        }
        exhausted
    }

    fn fail(&mut self, progress: Progress, error: PathError) {
        if self.failure.as_ref().is_none_or(|(best, _)| progress > *best) {
            self.failure = Some((progress, error));
        }
    }
}

/// The object identifiers, as text, of a set of policies.
impl Policies {
    pub fn names(&self) -> BTreeSet<String> {
        match self {
            Self::Any => BTreeSet::from(["any".to_owned()]),
            Self::These(policies) => policies.iter().map(ToString::to_string).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
