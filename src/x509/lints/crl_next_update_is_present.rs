//! A CRL says when it will be replaced.

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-next-update-is-present",
    clause: "RFC 5280 §5.1.2.5, GB/T 20518 §5.3",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![whole_crl(family).with(|c| c.next_update = vec![])]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    ensure!(crl.tbs.next_update.is_some(), "no nextUpdate");
    Ok(())
}
