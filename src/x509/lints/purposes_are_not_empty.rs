//! An extended key usage states at least one purpose.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "purposes-are-not-empty",
    clause: "RFC 5280 §4.2.1.12",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![end_entity(family).with(|c| c.set(ID_CE_EXT_KEY_USAGE, sequence(&[])))]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    ensure!(certificate.extended_key_usage.as_ref().is_none_or(|usage| !usage.0.is_empty()), "no purpose at all");
    Ok(())
}
