//! The algorithm inside is the one with which the issuer is about to sign.

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-signature-algorithm-is-the-issuers",
    clause: "RFC 5280 §5.1.1.2, §5.1.2.2",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.signature_algorithm = whole_crl(other(family)).signature_algorithm),
            whole_crl(&Sm2).with(|c| c.signature_algorithm = Sm2.signature_algorithm_with_null().to_der().unwrap()),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    ensure!(crl.signature_algorithm == crl.context.signature_algorithm, "{}", crl.tbs.signature.oid);
    Ok(())
}
