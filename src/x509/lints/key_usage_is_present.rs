//! Every certificate says what its key is for; the national dual certificates differ in nothing else.

use const_oid::db::rfc5280::ID_CE_KEY_USAGE;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "key-usage-is-present",
    clause: "RFC 5280 §4.2.1.3, GB/T 20518 §5.2.4",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![end_entity(family).with(|c| c.remove(ID_CE_KEY_USAGE)), authority(family).with(|c| c.remove(ID_CE_KEY_USAGE))]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    ensure!(certificate.extension(ID_CE_KEY_USAGE).is_some(), "none");
    Ok(())
}
