//! Constraints and mappings are about certificates below, and there are none.

use const_oid::db::rfc5280::{ID_CE_INHIBIT_ANY_POLICY, ID_CE_NAME_CONSTRAINTS, ID_CE_POLICY_CONSTRAINTS, ID_CE_POLICY_MAPPINGS};

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "end-entities-constrain-nothing",
    clause: "RFC 5280 §4.2.1.5, §4.2.1.10, §4.2.1.11, §4.2.1.14",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| {
                let permitted = tlv(0xa0, &sequence(&[&tlv(DNS, b"gov.cn")]));
                c.extensions.push(Extension::new(ID_CE_NAME_CONSTRAINTS, CRITICAL, sequence(&[&permitted])));
            }),
            end_entity(family).with(|c| c.extensions.push(Extension::new(ID_CE_INHIBIT_ANY_POLICY, CRITICAL, integer(&[0])))),
            responder(family).with(|c| {
                c.extensions.push(Extension::new(ID_CE_POLICY_CONSTRAINTS, CRITICAL, sequence(&[&tlv(0x80, &[0])])));
            }),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    if !certificate.role().is_authority() {
        for oid in [ID_CE_INHIBIT_ANY_POLICY, ID_CE_NAME_CONSTRAINTS, ID_CE_POLICY_CONSTRAINTS, ID_CE_POLICY_MAPPINGS] {
            ensure!(certificate.extension(oid).is_none(), "{oid}");
        }
    }
    Ok(())
}
