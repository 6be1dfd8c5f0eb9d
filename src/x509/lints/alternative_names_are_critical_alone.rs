//! Alternative names are critical exactly when there is no subject beside them.

use const_oid::db::rfc5280::ID_CE_SUBJECT_ALT_NAME;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "alternative-names-are-critical-alone",
    clause: "RFC 5280 §4.2.1.6",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.extension(ID_CE_SUBJECT_ALT_NAME).critical = CRITICAL.to_vec()),
            end_entity(family).with(|c| c.subject = name(&[])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    if let Some(names) = certificate.extension(ID_CE_SUBJECT_ALT_NAME) {
        ensure!(!names.critical || certificate.subject_name().is_empty(), "critical beside a subject");
        ensure!(names.critical || !certificate.subject_name().is_empty(), "not critical without a subject");
    }
    Ok(())
}
