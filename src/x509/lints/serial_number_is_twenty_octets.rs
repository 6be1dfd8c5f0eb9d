//! Twenty octets are the most that the standard allows. Hufu's are all of that length, so that sixteen of them can be random
//! and all serial numbers of an authority sort as octets.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "serial-number-is-twenty-octets",
    clause: "RFC 5280 §4.1.2.2, CABF BR §7.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.serial = integer(&[0x41; 8])),
            end_entity(family).with(|c| c.serial = integer(&[0x41; 21])),
            authority(family).with(|c| c.serial = integer(&[0])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    ensure!(certificate.serial.len() == 20, "{} octets", certificate.serial.len());
    Ok(())
}
