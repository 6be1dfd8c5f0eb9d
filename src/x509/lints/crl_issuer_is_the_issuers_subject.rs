//! The issuer is, byte for byte, the subject of the authority's certificate.

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-issuer-is-the-issuers-subject",
    clause: "RFC 5280 §5.1.2.3",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.issuer = subject(&[attribute(COMMON_NAME, UTF8, b"another g1")])),
            whole_crl(family).with(|c| c.issuer = name(&[])),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    ensure!(crl.issuer == crl.context.issuer, "not the bytes of the issuer's subject");
    Ok(())
}
