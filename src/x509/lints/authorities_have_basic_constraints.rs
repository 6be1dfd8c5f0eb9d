//! An authority says that it is one.

use const_oid::db::rfc5280::ID_CE_BASIC_CONSTRAINTS;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "authorities-have-basic-constraints",
    clause: "RFC 5280 §4.2.1.9",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            authority(family).with(|c| c.remove(ID_CE_BASIC_CONSTRAINTS)),
            root(family).with(|c| c.set(ID_CE_BASIC_CONSTRAINTS, [0x30, 0])),
            authority(family).with(|c| c.set(ID_CE_BASIC_CONSTRAINTS, [0x30, 3, 2, 1, 0])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    if certificate.role().is_authority() {
        ensure!(certificate.extension(ID_CE_BASIC_CONSTRAINTS).is_some(), "no basicConstraints");
        ensure!(certificate.basic_constraints.as_ref().is_none_or(|constraints| constraints.ca), "cA is FALSE");
    }
    Ok(())
}
