//! A key was lost before it was revoked, not after.

use super::{
    Check, Lint, Outcome,
    certificate::instant,
    crl::{CrlUnderLint, entry_name, invalidity_date},
};

pub static LINT: Lint = Lint {
    name: "crl-invalidity-dates-come-first",
    clause: "RFC 5280 §5.3.2",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![whole_crl(family).with(|c| c.entry().extensions[1].value = general_time("20261220000001Z"))]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    for entry in crl.entries() {
        if let Some(lost) = invalidity_date(entry) {
            ensure!(lost <= instant(&entry.revocation_date), "{} is not trusted since {lost}", entry_name(entry));
        }
    }
    Ok(())
}
