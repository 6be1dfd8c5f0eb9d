//! Every certificate names its key.

use const_oid::db::rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "subject-key-identifier-is-present",
    clause: "RFC 5280 §4.2.1.2, GB/T 20518 §5.2.4.2",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.remove(ID_CE_SUBJECT_KEY_IDENTIFIER)),
            root(family).with(|c| c.remove(ID_CE_SUBJECT_KEY_IDENTIFIER)),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    ensure!(certificate.extension(ID_CE_SUBJECT_KEY_IDENTIFIER).is_some(), "none");
    Ok(())
}
