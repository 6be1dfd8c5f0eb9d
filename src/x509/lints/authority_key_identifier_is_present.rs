//! Every certificate except a root names the key that signed it.

use const_oid::db::rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER;

use super::{Check, Lint, Outcome, Role, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "authority-key-identifier-is-present",
    clause: "RFC 5280 §4.2.1.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.remove(ID_CE_AUTHORITY_KEY_IDENTIFIER)),
            authority(family).with(|c| c.remove(ID_CE_AUTHORITY_KEY_IDENTIFIER)),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    ensure!(certificate.role() == Role::Root || certificate.extension(ID_CE_AUTHORITY_KEY_IDENTIFIER).is_some(), "none");
    Ok(())
}
