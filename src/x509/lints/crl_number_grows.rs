//! The number is greater than that of the CRL before, so that a verifier knows which of two is the newer.

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-number-grows",
    clause: "RFC 5280 §5.2.3",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![whole_crl(family).with(|c| c.set(ID_CE_CRL_NUMBER, integer(&[7]))), whole_crl(family).with(|c| c.previous_number = Some(1000))]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    if let (Some(number), Some(previous)) = (&crl.number, crl.context.previous_number) {
        // More than eight octets are more than any number we remember.
        let octets = number.0.as_bytes();
        let value = octets.iter().fold(0_u64, |value, octet| value << 8 | u64::from(*octet));
        ensure!(octets.len() > 8 || value > previous, "{value} after {previous}");
    }
    Ok(())
}
