//! Every certificate that can be revoked says where its CRL is. A root cannot be; a responder is not checked (RFC 6960 §4.2.2.2.1).

use const_oid::db::rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS;

use super::{Check, Lint, Outcome, Role, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "distribution-points-are-present",
    clause: "RFC 5280 §4.2.1.13, GM/T 0015 Tables C.2 to C.4",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.remove(ID_CE_CRL_DISTRIBUTION_POINTS)),
            authority(family).with(|c| c.remove(ID_CE_CRL_DISTRIBUTION_POINTS)),
            end_entity(family).with(|c| c.set(ID_CE_CRL_DISTRIBUTION_POINTS, sequence(&[]))),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let revocable = matches!(certificate.role(), Role::Authority | Role::EndEntity);
    ensure!(!revocable || certificate.extension(ID_CE_CRL_DISTRIBUTION_POINTS).is_some(), "none");
    ensure!(certificate.distribution_points.as_ref().is_none_or(|points| !points.0.is_empty()), "an empty list");
    Ok(())
}
