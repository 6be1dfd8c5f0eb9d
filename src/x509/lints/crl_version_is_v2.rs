//! Extensions exist in version 2 only, whose number is 1.

use x509_cert::certificate::Version;

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-version-is-v2",
    clause: "RFC 5280 §5.1.2.1, GB/T 20518 §5.3",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![whole_crl(family).with(|c| c.version = integer(&[0])), whole_crl(family).with(|c| c.version = integer(&[2]))]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    ensure!(crl.tbs.version == Version::V2, "the number of {:?}", crl.tbs.version);
    Ok(())
}
