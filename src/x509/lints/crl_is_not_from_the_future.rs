//! A CRL is issued now or before, never later: its entries are what is known now.

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-is-not-from-the-future",
    clause: "RFC 5280 §5.1.2.4",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![whole_crl(family).with(|c| c.this_update = utc_time("270101000001Z"))]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    ensure!(crl.this_update() <= crl.context.now, "{}, and now it is {}", crl.this_update(), crl.context.now);
    Ok(())
}
