//! OCSP responses: who may sign them, and what they say of a certificate (RFC 6960 §3.2, §4.2.2).

use der::asn1::ObjectIdentifier;

use super::{
    Purpose,
    revocation::{Evidence, EvidenceInputs, Kind, Obstacle, Source, Status, is_current},
};
use crate::x509::{
    Certificate, DistinguishedName,
    ocsp::{BasicResponse, CertStatus, IssuerHashes, ResponderId, SingleResponse},
};

/// The status of a certificate by responses about it.
pub(super) fn status(certificate: &Certificate, issuer: &Certificate, evidence: &Evidence<'_>, inputs: &EvidenceInputs) -> Status {
    let mut answer = Status::Unknown(Obstacle::NoEvidence);
    for response in evidence.responses() {
        answer = match (answer, by_response(certificate, issuer, response, inputs)) {
            (_, revoked @ Status::Revoked { .. }) => return revoked,
            (good @ Status::Good { .. }, _) => good,
            (Status::Unknown(_), good @ Status::Good { .. }) => good,
            (Status::Unknown(one), Status::Unknown(other)) => Status::Unknown(one.max(other)),
            (revoked @ Status::Revoked { .. }, _) => revoked,
        };
    }
    answer
}

fn by_response(certificate: &Certificate, issuer: &Certificate, response: &BasicResponse<'_>, inputs: &EvidenceInputs) -> Status {
    let Ok(key) = issuer.verifying_key() else { return Status::Unknown(Obstacle::NotAuthorized) };
    let hashes = IssuerHashes::new(issuer.subject().der(), key.octets());
    let about = |single: &&SingleResponse| single.cert_id.serial() == certificate.serial() && hashes.matches(&single.cert_id);
    let mut singles = response.data.responses.iter().filter(about);
    let Some(single) = singles.next() else { return Status::Unknown(Obstacle::OtherCertificates) };
    // Two answers about one certificate contradict each other, or one of them is of no use.
    if singles.next().is_some() || !response.critical_unknown.is_empty() {
        return Status::Unknown(Obstacle::Unsupported);
    }
    if !is_current(single.this_update, single.next_update, inputs) || !is_of_the_life_of(certificate, response) {
        return Status::Unknown(Obstacle::NotCurrent);
    }
    if responder(issuer, response, inputs).is_none() {
        return Status::Unknown(Obstacle::NotAuthorized);
    }
    let source = Source { kind: Kind::Ocsp, this_update: single.this_update };
    match single.status {
        CertStatus::Good => Status::Good { source },
        CertStatus::Revoked { at, reason } => Status::Revoked { source, at, reason, invalidity_date: None },
        CertStatus::Unknown => Status::Unknown(Obstacle::NotKnown),
    }
}

/// A responder that answered before the certificate was valid, or after it expired, need not have known it.
fn is_of_the_life_of(certificate: &Certificate, response: &BasicResponse<'_>) -> bool {
    (certificate.not_before()..=certificate.not_after()).contains(&response.data.produced_at)
}

/// The certificate whose key signed the response, if it may: that of the issuer itself, or one that the issuer gave to a responder
/// (RFC 6960 §4.2.2.2). A responder's own status is not asked: ocsp-nocheck says so, and a short life stands in for it elsewhere.
pub fn responder(issuer: &Certificate, response: &BasicResponse<'_>, inputs: &EvidenceInputs) -> Option<Certificate> {
    if is_signed_by(response, issuer, inputs) {
        return Some(issuer.clone());
    }
    let enclosed = response.certificates.iter().take(MAX_CERTIFICATES).filter_map(|der| Certificate::parse(der).ok());
    enclosed.into_iter().find(|delegate| is_delegate(delegate, issuer, inputs) && is_signed_by(response, delegate, inputs))
}

/// The most certificates of a response that are tried.
const MAX_CERTIFICATES: usize = 8;

fn is_delegate(delegate: &Certificate, issuer: &Certificate, inputs: &EvidenceInputs) -> bool {
    let known = |oid: &ObjectIdentifier| DELEGATE_EXTENSIONS.contains(oid);
    delegate.issuer() == issuer.subject()
        && Purpose::OcspSigning.check_end_entity(delegate).is_ok()
        && delegate.key_usage().is_none_or(|usage| usage.digital_signature() || usage.non_repudiation())
        && (delegate.not_before()..=delegate.not_after()).contains(&inputs.at)
        && delegate.critical_extensions().all(|oid| known(&oid))
        && delegate.verify_signature_with(issuer, inputs.strength).is_ok()
}

const DELEGATE_EXTENSIONS: &[ObjectIdentifier] = &[
    const_oid::db::rfc5280::ID_CE_BASIC_CONSTRAINTS,
    const_oid::db::rfc5280::ID_CE_KEY_USAGE,
    const_oid::db::rfc5280::ID_CE_EXT_KEY_USAGE,
    const_oid::db::rfc5280::ID_CE_SUBJECT_ALT_NAME,
    const_oid::db::rfc5280::ID_CE_CERTIFICATE_POLICIES,
];

fn is_signed_by(response: &BasicResponse<'_>, signer: &Certificate, inputs: &EvidenceInputs) -> bool {
    let Ok(key) = signer.verifying_key() else { return false };
    let named = match &response.data.responder {
        ResponderId::ByKey(_) => response.data.responder == ResponderId::by_key(key.octets()),
        ResponderId::ByName(name) => DistinguishedName::parse(name).is_ok_and(|name| name == *signer.subject()),
    };
    named && response.signed.verify_with(key, inputs.strength).is_ok()
}
