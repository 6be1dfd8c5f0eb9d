//! anyPolicy is a permission to issue under any policy, which somebody who issues nothing cannot use.

use const_oid::db::rfc5280::ANY_POLICY;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "end-entities-have-specific-policies",
    clause: "RFC 5280 §4.2.1.4",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.set(ID_CE_CERTIFICATE_POLICIES, sequence(&[&policy(ANY_POLICY)]))),
            responder(family).with(|c| c.set(ID_CE_CERTIFICATE_POLICIES, sequence(&[&policy(ANY_POLICY)]))),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let policies = certificate.policies.as_ref().map_or(&[][..], |policies| &policies.0);
    let any = policies.iter().any(|policy| policy.policy_identifier == ANY_POLICY);
    ensure!(certificate.role().is_authority() || !any, "anyPolicy");
    Ok(())
}
