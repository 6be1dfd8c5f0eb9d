//! Every CRL has a number, which is not critical.

use const_oid::db::rfc5280::ID_CE_CRL_NUMBER;

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-number-is-present",
    clause: "RFC 5280 §5.2.3, GB/T 20518 §5.3",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.remove(ID_CE_CRL_NUMBER)),
            whole_crl(family).with(|c| c.extension(ID_CE_CRL_NUMBER).critical = CRITICAL.to_vec()),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    let number = crl.extension(ID_CE_CRL_NUMBER).ok_or("none")?;
    ensure!(!number.critical, "critical");
    Ok(())
}
