//! A verifier that stumbles over an entry would have to refuse the whole CRL.

use super::{
    Check, Lint, Outcome,
    crl::{CrlUnderLint, entry_extensions, entry_name},
};

pub static LINT: Lint = Lint {
    name: "crl-entry-extensions-are-not-critical",
    clause: "RFC 5280 §5.3, GB/T 20518 §5.3",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.entry().extensions[0].critical = CRITICAL.to_vec()),
            whole_crl(family).with(|c| c.entry().extensions[1].critical = CRITICAL.to_vec()),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    for entry in crl.entries() {
        ensure!(entry_extensions(entry).iter().all(|extension| !extension.critical), "{} has a critical one", entry_name(entry));
    }
    Ok(())
}
