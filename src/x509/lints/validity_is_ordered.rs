//! A certificate begins before it ends.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "validity-is-ordered",
    clause: "RFC 5280 §4.1.2.5",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.not_after = utc_time("261231000000Z")),
            end_entity(family).with(|c| c.not_after = c.not_before.clone()),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    ensure!(not_before < not_after, "from {not_before} to {not_after}");
    Ok(())
}
