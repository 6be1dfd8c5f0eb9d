//! The CRL of an authority is replaced within ten days, that of a root, whose key is in a safe, within a year.

use time::Duration;

use super::{Check, Lint, Outcome, Role, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-is-replaced-in-time",
    clause: "CABF BR §4.9.7",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.next_update = utc_time("270112000000Z")),
            whole_crl(family).with(|c| {
                c.role = Role::Root;
                c.next_update = utc_time("280201000000Z");
            }),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    let days = if crl.context.role == Role::Root { 366 } else { 10 };
    if let Some(next) = crl.next_update() {
        let found = next - crl.this_update();
        ensure!(found <= Duration::days(days), "{} days, at most {days} are allowed", found.whole_days());
    }
    Ok(())
}
