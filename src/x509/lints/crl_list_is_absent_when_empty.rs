//! With nothing revoked, the list is absent rather than empty.

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-list-is-absent-when-empty",
    clause: "RFC 5280 §5.1.2.6",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![whole_crl(family).with(|c| c.entries = Some(vec![]))]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    ensure!(crl.tbs.revoked_certificates.as_ref().is_none_or(|entries| !entries.is_empty()), "an empty list");
    Ok(())
}
