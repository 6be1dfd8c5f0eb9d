//! At least one bit is set.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "key-usage-is-not-empty",
    clause: "RFC 5280 §4.2.1.3",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![end_entity(family).with(|c| c.set(ID_CE_KEY_USAGE, [3, 1, 0])), authority(family).with(|c| c.set(ID_CE_KEY_USAGE, [3, 1, 0]))]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    ensure!(certificate.key_usage.is_none_or(|usage| !usage.0.is_empty()), "no usage at all");
    Ok(())
}
