//! An entry names a certificate that can exist: its serial number is positive and has at most twenty octets.

use super::{
    Check, Lint, Outcome,
    crl::{CrlUnderLint, entry_name},
};

pub static LINT: Lint = Lint {
    name: "crl-serial-numbers-are-positive",
    clause: "RFC 5280 §5.1.2.6, §4.1.2.2",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.entry().serial = integer(&[0x91; 20])),
            whole_crl(family).with(|c| c.entry().serial = integer(&[0])),
            whole_crl(family).with(|c| c.entry().serial = integer(&[0x41; 21])),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    for entry in crl.entries() {
        let octets = entry.serial_number.as_bytes();
        let positive = octets.first().is_some_and(|first| *first < 0x80) && octets != [0];
        ensure!(positive && octets.len() <= 20, "{}", entry_name(entry));
    }
    Ok(())
}
