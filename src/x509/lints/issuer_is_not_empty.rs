//! The issuer is a non-empty name.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "issuer-is-not-empty",
    clause: "RFC 5280 §4.1.2.4",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![end_entity(family).with(|c| {
            c.issuer = name(&[]);
            c.issuer_subject = name(&[]);
        })]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    ensure!(!certificate.tbs.issuer().is_empty(), "an empty name");
    Ok(())
}
