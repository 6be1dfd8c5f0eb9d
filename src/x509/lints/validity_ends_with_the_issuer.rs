//! A certificate does not outlive the one above it: after that, nobody could verify it.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "validity-ends-with-the-issuer",
    clause: "RFC 5280 §6.1.3 (a)(2)",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.issuer_not_after = time::macros::datetime!(2028-12-31 23:59:59 UTC)),
            authority(family).with(|c| c.issuer_not_after = time::macros::datetime!(2036-12-31 23:59:59 UTC)),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    if let Some(issuer) = certificate.context.issuer {
        ensure!(certificate.not_after() <= issuer.not_after, "{}, the issuer ends at {}", certificate.not_after(), issuer.not_after);
    }
    Ok(())
}
