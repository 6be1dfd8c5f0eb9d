//! The next update comes after this one.

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-updates-are-ordered",
    clause: "RFC 5280 §5.1.2.5",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.next_update = c.this_update.clone()),
            whole_crl(family).with(|c| c.next_update = utc_time("261231000000Z")),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    let this = crl.this_update();
    ensure!(crl.next_update().is_none_or(|next| this < next), "not after {this}");
    Ok(())
}
