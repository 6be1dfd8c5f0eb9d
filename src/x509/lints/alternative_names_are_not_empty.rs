//! The extension names somebody.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "alternative-names-are-not-empty",
    clause: "RFC 5280 §4.2.1.6",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![end_entity(family).with(|c| c.set_names(&[]))]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    ensure!(certificate.subject_alt_name.as_ref().is_none_or(|names| !names.0.is_empty()), "no name at all");
    Ok(())
}
