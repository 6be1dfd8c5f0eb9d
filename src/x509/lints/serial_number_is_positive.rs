//! A serial number is a positive INTEGER.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "serial-number-is-positive",
    clause: "RFC 5280 §4.1.2.2",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![end_entity(family).with(|c| c.serial = integer(&[0x91; 20]))]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    ensure!(certificate.serial.first().is_some_and(|first| *first < 0x80), "a negative number");
    Ok(())
}
