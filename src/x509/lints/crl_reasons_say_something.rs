//! An unspecified reason is left out, and only a delta CRL removes.

use x509_cert::ext::pkix::CrlReason;

use super::{
    Check, Lint, Outcome,
    crl::{CrlUnderLint, entry_extension, entry_name},
};

pub static LINT: Lint = Lint {
    name: "crl-reasons-say-something",
    clause: "RFC 5280 §5.3.1",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.entry().extensions[0] = reason(0)),
            whole_crl(family).with(|c| c.entry().extensions[0] = reason(8)),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    for entry in crl.entries() {
        let reason = entry_extension::<CrlReason>(entry);
        let says_nothing = matches!(reason, Some(CrlReason::Unspecified | CrlReason::RemoveFromCRL));
        ensure!(!says_nothing, "{} with {reason:?}", entry_name(entry));
    }
    Ok(())
}
