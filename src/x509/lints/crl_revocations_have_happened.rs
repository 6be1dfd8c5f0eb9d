//! Nothing was revoked after the CRL was issued.

use super::{
    Check, Lint, Outcome,
    certificate::instant,
    crl::{CrlUnderLint, entry_name},
};

pub static LINT: Lint = Lint {
    name: "crl-revocations-have-happened",
    clause: "RFC 5280 §5.1.2.6",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![whole_crl(family).with(|c| c.entry().date = utc_time("270101000001Z"))]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    for entry in crl.entries() {
        ensure!(instant(&entry.revocation_date) <= crl.this_update(), "{} is of {}", entry_name(entry), entry.revocation_date);
    }
    Ok(())
}
