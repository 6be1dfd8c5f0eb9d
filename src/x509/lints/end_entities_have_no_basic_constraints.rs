//! Without the extension nobody is an authority; its empty form is refused by some national verifiers.

use const_oid::db::rfc5280::ID_CE_BASIC_CONSTRAINTS;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "end-entities-have-no-basic-constraints",
    clause: "RFC 5280 §4.2.1.9",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.extensions.push(Extension::new(ID_CE_BASIC_CONSTRAINTS, CRITICAL, [0x30, 0]))),
            end_entity(family).with(|c| c.extensions.push(Extension::new(ID_CE_BASIC_CONSTRAINTS, CRITICAL, [0x30, 3, 1, 1, 0xff]))),
            responder(family).with(|c| c.extensions.push(Extension::new(ID_CE_BASIC_CONSTRAINTS, NOT_CRITICAL, [0x30, 3, 2, 1, 0]))),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let found = certificate.extension(ID_CE_BASIC_CONSTRAINTS);
    ensure!(certificate.role().is_authority() || found.is_none(), "basicConstraints");
    Ok(())
}
