//! A constraint that a verifier may ignore is none.

use const_oid::db::rfc5280::{ID_CE_INHIBIT_ANY_POLICY, ID_CE_NAME_CONSTRAINTS, ID_CE_POLICY_CONSTRAINTS};

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "constraints-are-critical",
    clause: "RFC 5280 §4.2.1.10, §4.2.1.11, §4.2.1.14",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            authority(family).with(|c| {
                let permitted = tlv(0xa0, &sequence(&[&tlv(DNS, b"gov.cn")]));
                c.extensions.push(Extension::new(ID_CE_NAME_CONSTRAINTS, NOT_CRITICAL, sequence(&[&permitted])));
            }),
            authority(family).with(|c| c.extensions.push(Extension::new(ID_CE_INHIBIT_ANY_POLICY, NOT_CRITICAL, integer(&[0])))),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    if certificate.role().is_authority() {
        for oid in [ID_CE_INHIBIT_ANY_POLICY, ID_CE_NAME_CONSTRAINTS, ID_CE_POLICY_CONSTRAINTS] {
            ensure!(certificate.extension(oid).is_none_or(|extension| extension.critical), "{oid} is not critical");
        }
    }
    Ok(())
}
