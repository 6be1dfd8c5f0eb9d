//! Every certificate below a root says under which policy it was issued.

use const_oid::db::rfc5280::ID_CE_CERTIFICATE_POLICIES;

use super::{Check, Lint, Outcome, Role, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "policies-are-present",
    clause: "RFC 5280 §4.2.1.4, GB/T 20518 §5.2.4.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.remove(ID_CE_CERTIFICATE_POLICIES)),
            authority(family).with(|c| c.remove(ID_CE_CERTIFICATE_POLICIES)),
            end_entity(family).with(|c| c.set(ID_CE_CERTIFICATE_POLICIES, sequence(&[]))),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let found = certificate.extension(ID_CE_CERTIFICATE_POLICIES);
    ensure!(certificate.role() == Role::Root || found.is_some(), "none");
    ensure!(certificate.policies.as_ref().is_none_or(|policies| !policies.0.is_empty()), "an empty list");
    Ok(())
}
