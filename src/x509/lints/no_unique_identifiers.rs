//! Names are never given to somebody else, so nothing is needed to tell their owners apart.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "no-unique-identifiers",
    clause: "RFC 5280 §4.1.2.8",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.unique_identifiers = tlv(0x81, &[0, 1, 2])),
            end_entity(family).with(|c| c.unique_identifiers = tlv(0x82, &[0, 1, 2])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    ensure!(certificate.tbs.issuer_unique_id().is_none(), "an issuerUniqueID");
    ensure!(certificate.tbs.subject_unique_id().is_none(), "a subjectUniqueID");
    Ok(())
}
