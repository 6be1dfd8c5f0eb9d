//! A number has at most twenty octets.

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-number-is-within-bounds",
    clause: "RFC 5280 §5.2.3",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.set(ID_CE_CRL_NUMBER, integer(&[0x41; 21]))),
            whole_crl(family).with(|c| c.set(ID_CE_CRL_NUMBER, integer(&[&[0][..], &[0x91; 20]].concat()))),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    if let Some(number) = &crl.number {
        let octets = number.0.as_bytes();
        // A first bit that is set costs one more octet, because the INTEGER must stay positive.
        let length = octets.len() + usize::from(octets.first().is_some_and(|first| *first >= 0x80));
        ensure!(length <= 20, "{length} octets");
    }
    Ok(())
}
