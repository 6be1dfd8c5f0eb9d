//! Somebody is named: an authority by its subject, anybody else by subject or alternative name.

use const_oid::db::rfc5280::ID_CE_SUBJECT_ALT_NAME;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "subject-is-present",
    clause: "RFC 5280 §4.1.2.6",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![encryption(family).with(|c| c.subject = name(&[])), authority(family).with(|c| c.subject = name(&[]))]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let named_otherwise = !certificate.role().is_authority() && certificate.extension(ID_CE_SUBJECT_ALT_NAME).is_some();
    ensure!(!certificate.subject_name().is_empty() || named_otherwise, "an empty name");
    Ok(())
}
