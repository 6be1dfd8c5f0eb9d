//! Certification paths: built from a bag of candidates to a trusted root and checked at a given time.
//!
//! The rules are RFC 5280 §6.1 without name constraints and policy mapping: a critical extension that this code does not
//! process ends the path (§6.1.4 (o)), so what is not supported is never waved through.

use const_oid::db::rfc5280;
use der::asn1::ObjectIdentifier;
use time::OffsetDateTime;

use crate::x509::Certificate;

/// The longest path, root and end entity included.
const MAX_LENGTH: usize = 8;
/// The most candidates looked at, so that a bag full of look-alikes costs bounded work.
const MAX_STEPS: usize = 256;

/// What a certificate is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Any,
    ServerAuth,
    ClientAuth,
    EmailProtection,
    TimeStamping,
    OcspSigning,
}

impl Purpose {
    pub const ALL: [Self; 6] =
        [Self::Any, Self::ServerAuth, Self::ClientAuth, Self::EmailProtection, Self::TimeStamping, Self::OcspSigning];

    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ServerAuth => "server-auth",
            Self::ClientAuth => "client-auth",
            Self::EmailProtection => "email-protection",
            Self::TimeStamping => "time-stamping",
            Self::OcspSigning => "ocsp-signing",
        }
    }

    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    fn oid(self) -> Option<ObjectIdentifier> {
        match self {
            Self::Any => None,
            Self::ServerAuth => Some(rfc5280::ID_KP_SERVER_AUTH),
            Self::ClientAuth => Some(rfc5280::ID_KP_CLIENT_AUTH),
            Self::EmailProtection => Some(rfc5280::ID_KP_EMAIL_PROTECTION),
            Self::TimeStamping => Some(rfc5280::ID_KP_TIME_STAMPING),
            Self::OcspSigning => Some(rfc5280::ID_KP_OCSP_SIGNING),
        }
    }
}

/// A path that was checked: the end entity first, the root last.
#[derive(Debug, Clone)]
pub struct Path(Vec<Certificate>);

impl Path {
    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// The certificate that issued the end entity, or the end entity itself when it is the root.
    pub fn issuer(&self) -> &Certificate {
        // A path holds at least the end entity.
        self.0.get(1).unwrap_or(&self.0[0])
    }
}

/// Why no path was found; of several attempts, the one that came furthest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("no chain leads to a trusted root")]
    NoPath,
    #[error("a signature in the chain does not verify")]
    Signature,
    #[error("{0} is not valid yet")]
    NotYetValid(String),
    #[error("{0} has expired")]
    Expired(String),
    #[error("{0} may not issue certificates")]
    NotAnAuthority(String),
    #[error("the chain is longer than {0} allows")]
    PathLength(String),
    #[error("{0} has a critical extension that is not known: {1}")]
    CriticalExtension(String, ObjectIdentifier),
    #[error("the certificate may not be used for {0}")]
    Purpose(&'static str),
}

/// Finds and checks a path from `leaf` over `candidates` to one of `anchors`, valid at `at` and fit for `purpose`.
pub fn validate(
    leaf: &Certificate,
    candidates: &[Certificate],
    anchors: &[Certificate],
    at: OffsetDateTime,
    purpose: Purpose,
) -> Result<Path, PathError> {
    check_purpose(leaf, purpose)?;
    let mut search = Search { candidates, anchors, at, steps: 0, failure: None };
    match search.extend(vec![leaf.clone()]) {
        Some(path) => Ok(Path(path)),
        None => Err(search.failure.unwrap_or(PathError::NoPath)),
    }
}

struct Search<'a> {
    candidates: &'a [Certificate],
    anchors: &'a [Certificate],
    at: OffsetDateTime,
    steps: usize,
    failure: Option<PathError>,
}

impl Search<'_> {
    fn extend(&mut self, path: Vec<Certificate>) -> Option<Vec<Certificate>> {
        // The caller starts with one certificate and every step adds one.
        let last = path.last().expect("a path is never empty").clone();
        if self.anchors.iter().any(|anchor| anchor.der() == last.der()) {
            return self.accept(path);
        }
        if path.len() >= MAX_LENGTH {
            return None;
        }
        let (anchors, candidates) = (self.anchors, self.candidates);
        for issuer in anchors.iter().chain(candidates) {
            if issuer.subject_der() != last.issuer_der() || path.iter().any(|seen| seen.der() == issuer.der()) {
                continue;
            }
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return None;
            }
            if last.verify_signature(issuer.public_key()).is_err() {
                self.failure.get_or_insert(PathError::Signature);
                continue;
            }
            let mut longer = path.clone();
            longer.push(issuer.clone());
            if let Some(found) = self.extend(longer) {
                return Some(found);
            }
        }
        None
    }

    fn accept(&mut self, path: Vec<Certificate>) -> Option<Vec<Certificate>> {
        match check(&path, self.at) {
            Ok(()) => Some(path),
            Err(error) => {
                // A whole chain that fails says more than a look-alike whose signature was wrong.
                self.failure = Some(error);
                None
            }
        }
    }
}

/// RFC 5280 §6.1.3 to §6.1.5 over a path whose names and signatures fit.
fn check(path: &[Certificate], at: OffsetDateTime) -> Result<(), PathError> {
    for (index, certificate) in path.iter().enumerate() {
        check_validity(certificate, at)?;
        check_critical_extensions(certificate)?;
        if index > 0 {
            check_authority(certificate, &path[1..index])?;
        }
    }
    Ok(())
}

fn check_validity(certificate: &Certificate, at: OffsetDateTime) -> Result<(), PathError> {
    if at < certificate.not_before() {
        return Err(PathError::NotYetValid(certificate.subject_text()));
    }
    // notAfter is inclusive (§4.1.2.5) and in whole seconds.
    if at.unix_timestamp() > certificate.not_after().unix_timestamp() {
        return Err(PathError::Expired(certificate.subject_text()));
    }
    Ok(())
}

/// §6.1.4 (k), (m) and (n). `below` are the authorities between this one and the end entity.
fn check_authority(certificate: &Certificate, below: &[Certificate]) -> Result<(), PathError> {
    let refused = || PathError::NotAnAuthority(certificate.subject_text());
    let constraints = certificate.basic_constraints().filter(|constraints| constraints.ca).ok_or_else(refused)?;
    if certificate.key_usage().is_some_and(|usage| !usage.key_cert_sign()) {
        return Err(refused());
    }
    let intermediates = below.iter().filter(|certificate| certificate.subject() != certificate.issuer()).count();
    match constraints.path_len_constraint {
        Some(allowed) if intermediates > usize::from(allowed) => Err(PathError::PathLength(certificate.subject_text())),
        _ => Ok(()),
    }
}

fn check_critical_extensions(certificate: &Certificate) -> Result<(), PathError> {
    const PROCESSED: [ObjectIdentifier; 5] = [
        rfc5280::ID_CE_BASIC_CONSTRAINTS,
        rfc5280::ID_CE_KEY_USAGE,
        rfc5280::ID_CE_EXT_KEY_USAGE,
        rfc5280::ID_CE_SUBJECT_ALT_NAME,
        // Without an initial policy set every policy is acceptable (§6.1.1 (c)).
        rfc5280::ID_CE_CERTIFICATE_POLICIES,
    ];
    match certificate.critical_extensions().into_iter().find(|oid| !PROCESSED.contains(oid)) {
        Some(oid) => Err(PathError::CriticalExtension(certificate.subject_text(), oid)),
        None => Ok(()),
    }
}

fn check_purpose(leaf: &Certificate, purpose: Purpose) -> Result<(), PathError> {
    let Some(wanted) = purpose.oid() else { return Ok(()) };
    match leaf.extended_key_usage() {
        Some(purposes) if !purposes.contains(&wanted) => Err(PathError::Purpose(purpose.name())),
        // RFC 5280 §4.2.1.12: without the extension the key may serve any purpose; the two that speak for others must say so.
        None if matches!(purpose, Purpose::OcspSigning | Purpose::TimeStamping) => Err(PathError::Purpose(purpose.name())),
        _ => Ok(()),
    }
}
