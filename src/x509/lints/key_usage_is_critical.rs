//! The key usage binds every verifier.

use const_oid::db::rfc5280::ID_CE_KEY_USAGE;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "key-usage-is-critical",
    clause: "RFC 5280 §4.2.1.3, GB/T 20518 Table A.3",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.extension(ID_CE_KEY_USAGE).critical = NOT_CRITICAL.to_vec()),
            root(family).with(|c| c.extension(ID_CE_KEY_USAGE).critical = NOT_CRITICAL.to_vec()),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    ensure!(certificate.extension(ID_CE_KEY_USAGE).is_none_or(|extension| extension.critical), "not critical");
    Ok(())
}
