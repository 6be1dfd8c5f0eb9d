//! One path, from its anchor down to its end entity (RFC 5280 §6.1), and what RFC 5280 §4 demands of each certificate in it.

use const_oid::db::rfc5280;
use der::asn1::ObjectIdentifier;
use time::OffsetDateTime;

use super::{
    Anchor, Inputs, PathError, Policies,
    name_constraints::{NameState, NameWork},
    policy_graph::PolicyState,
};
use crate::x509::Certificate;

/// §6.1.2 to §6.1.5 over a path whose names and signatures fit: the end entity first, the certificate of the anchor last.
/// Answers the policies that hold for the end entity.
/// `work` grows by what was compared, over all paths of a search.
pub(super) fn process<'a>(
    path: &'a [Certificate],
    anchor: &'a Anchor,
    inputs: &Inputs,
    work: &'a mut NameWork,
) -> Result<Policies, PathError> {
    // The caller's path ends in the certificate of the anchor.
    let (root, below) = path.split_last().expect("a path is never empty");
    check_anchor(root, inputs.at)?;
    let mut names = NameState::new(work);
    names_of(&mut names, root);
    anchor.names().into_iter().for_each(|constraints| names.add(constraints));
    let mut lengths = PathLength::new(inputs.max_intermediates, root);
    // A path is shorter than `Search::MAX_LENGTH`. An anchor that is asked about itself is a path of one.
    let mut policies = PolicyState::new(&inputs.policies, below.len().max(1) as u32);

    let Some((end_entity, authorities)) = below.split_first() else {
        check_end_entity(root, inputs)?;
        return policies.end_entity(root);
    };
    for authority in authorities.iter().rev() {
        check_authority(authority, inputs.at)?;
        check_identity(authority)?;
        inputs.purpose.check_authority(authority)?;
        if !authority.is_self_issued() {
            names.check(authority)?;
        }
        policies.authority(authority)?;
        lengths.descend(authority)?;
        names_of(&mut names, authority);
    }
    check_end_entity(end_entity, inputs)?;
    check_identity(end_entity)?;
    names.check(end_entity)?;
    policies.end_entity(end_entity)
}

fn names_of<'a>(names: &mut NameState<'a>, authority: &'a Certificate) {
    authority.extensions().name_constraints.iter().for_each(|constraints| names.add(constraints));
}

/// What was chosen to be trusted could be chosen with care, so it is held to what conforming authorities must do.
fn check_anchor(root: &Certificate, at: OffsetDateTime) -> Result<(), PathError> {
    check_authority(root, at)?;
    // National roots in operation do it (docs/divergences.md).
    let national = root.verifying_key().is_ok_and(|key| key.is_sm2());
    if !national && !root.extensions().is_critical(rfc5280::ID_CE_BASIC_CONSTRAINTS) {
        return Err(PathError::NotConforming(root.subject_text(), "§4.2.1.9: basicConstraints of an authority are critical"));
    }
    Ok(())
}

/// What a certificate must be to issue others: checked in the whole path, and before while it is built. §6.1.4 (k) and (n).
pub(super) fn check_authority(certificate: &Certificate, at: OffsetDateTime) -> Result<(), PathError> {
    check_certificate(certificate, at)?;
    let extensions = certificate.extensions();
    let refused = || PathError::NotAnAuthority(certificate.subject_text());
    if !certificate.is_authority() || extensions.key_usage.as_ref().is_some_and(|usage| !usage.key_cert_sign()) {
        return Err(refused());
    }
    let breaks = |rule| Err(PathError::NotConforming(certificate.subject_text(), rule));
    if certificate.subject().is_empty() {
        return breaks("§4.1.2.6: an authority has a subject");
    }
    // National authorities in operation leave it out (docs/divergences.md).
    let national = certificate.verifying_key().is_ok_and(|key| key.is_sm2());
    if !national && extensions.subject_key_identifier.is_none() {
        return breaks("§4.2.1.2: an authority has a subjectKeyIdentifier");
    }
    if extensions.name_constraints.is_some() && !extensions.is_critical(rfc5280::ID_CE_NAME_CONSTRAINTS) {
        return breaks("§4.2.1.10: nameConstraints are critical");
    }
    Ok(())
}

fn check_end_entity(certificate: &Certificate, inputs: &Inputs) -> Result<(), PathError> {
    check_certificate(certificate, inputs.at)?;
    let extensions = certificate.extensions();
    let breaks = |rule| Err(PathError::NotConforming(certificate.subject_text(), rule));
    if !certificate.is_authority() {
        if extensions.name_constraints.is_some() {
            return breaks("§4.2.1.10: only authorities constrain names");
        }
        if extensions.key_usage.as_ref().is_some_and(|usage| usage.key_cert_sign()) {
            return breaks("§4.2.1.3: only authorities sign certificates");
        }
    }
    let named_elsewhere = extensions.subject_alt_names.as_ref().is_some_and(|names| !names.is_empty());
    if certificate.subject().is_empty() && !(named_elsewhere && extensions.is_critical(rfc5280::ID_CE_SUBJECT_ALT_NAME)) {
        return breaks("§4.2.1.6: without a subject subjectAltName is critical");
    }
    inputs.purpose.check_end_entity(certificate)?;
    inputs.peers.iter().try_for_each(|peer| peer.check(certificate))
}

/// What holds for every certificate of a path. §6.1.3 (a) (2), §6.1.4 (o), and the forms of §4 that leave doubt who is meant.
fn check_certificate(certificate: &Certificate, at: OffsetDateTime) -> Result<(), PathError> {
    check_validity(certificate, at)?;
    if let Some(oid) = certificate.critical_extensions().find(|oid| !PROCESSED.contains(oid)) {
        return Err(PathError::CriticalExtension(certificate.subject_text(), oid));
    }
    if certificate.issuer().is_empty() {
        return Err(PathError::NotConforming(certificate.subject_text(), "§4.1.2.4: the issuer has a name"));
    }
    Ok(())
}

/// What tells a certificate apart from others of its issuer. Of anchors, which somebody has chosen by hand, it is not asked.
fn check_identity(certificate: &Certificate) -> Result<(), PathError> {
    let breaks = |rule| Err(PathError::NotConforming(certificate.subject_text(), rule));
    // Negative numbers exist, and readers are asked to bear with them.
    let serial = certificate.serial().strip_prefix(&[0]).unwrap_or(certificate.serial());
    if serial.is_empty() || serial.len() > 20 {
        return breaks("§4.1.2.2: the serial number is not zero and has at most 20 octets");
    }
    let extensions = certificate.extensions();
    let key_identifier = extensions.authority_key_identifier.as_ref().and_then(|identifier| identifier.key_identifier.as_ref());
    // National tools leave it out (docs/divergences.md).
    let national = certificate.verifying_key().is_ok_and(|key| key.is_sm2());
    if certificate.version() == 3 && key_identifier.is_none() && !certificate.is_self_issued() && !national {
        return breaks("§4.2.1.1: the authorityKeyIdentifier names a key");
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

/// The critical extensions that are processed, here or where revocation is looked at.
const PROCESSED: &[ObjectIdentifier] = &[
    rfc5280::ID_CE_BASIC_CONSTRAINTS,
    rfc5280::ID_CE_KEY_USAGE,
    rfc5280::ID_CE_EXT_KEY_USAGE,
    rfc5280::ID_CE_SUBJECT_ALT_NAME,
    rfc5280::ID_CE_CERTIFICATE_POLICIES,
    rfc5280::ID_CE_POLICY_MAPPINGS,
    rfc5280::ID_CE_POLICY_CONSTRAINTS,
    rfc5280::ID_CE_INHIBIT_ANY_POLICY,
    rfc5280::ID_CE_NAME_CONSTRAINTS,
    rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS,
];

/// How many authorities may still follow. §6.1.4 (l) and (m), and the caller's own limit, which counts every one of them.
struct PathLength {
    /// `None`: nobody has limited it.
    left: Option<u32>,
    callers: usize,
}

impl PathLength {
    fn new(callers: usize, root: &Certificate) -> Self {
        Self { left: root.basic_constraints().and_then(|constraints| constraints.path_len_constraint), callers }
    }

    fn descend(&mut self, authority: &Certificate) -> Result<(), PathError> {
        let too_long = || PathError::PathLength(authority.subject_text());
        self.callers = self.callers.checked_sub(1).ok_or_else(too_long)?;
        if !authority.is_self_issued() {
            self.left = self.left.map(|left| left.checked_sub(1).ok_or_else(too_long)).transpose()?;
        }
        if let Some(constraint) = authority.basic_constraints().and_then(|constraints| constraints.path_len_constraint) {
            self.left = Some(self.left.map_or(constraint, |left| left.min(constraint)));
        }
        Ok(())
    }
}
