//! A certificate is listed once.

use std::collections::HashSet;

use super::{
    Check, Lint, Outcome,
    crl::{CrlUnderLint, entry_name},
};

pub static LINT: Lint = Lint {
    name: "crl-entries-appear-once",
    clause: "RFC 5280 §5.1.2.6, §5.3",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![whole_crl(family).with(|c| {
            let again = c.entry().clone();
            c.entries.as_mut().unwrap().push(again);
        })]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    let mut seen = HashSet::new();
    for entry in crl.entries() {
        ensure!(seen.insert(entry.serial_number.as_bytes()), "{} twice", entry_name(entry));
    }
    Ok(())
}
