//! Each policy is named once.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "policies-appear-once",
    clause: "RFC 5280 §4.2.1.4",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![end_entity(family).with(|c| {
            let policy = policy(ObjectIdentifier::new_unwrap("2.25.7.1"));
            c.set(ID_CE_CERTIFICATE_POLICIES, sequence(&[&policy, &policy]));
        })]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let policies = certificate.policies.as_ref().map_or(&[][..], |policies| &policies.0);
    for (index, policy) in policies.iter().enumerate() {
        let oid = policy.policy_identifier;
        ensure!(policies[..index].iter().all(|earlier| earlier.policy_identifier != oid), "{oid} twice");
    }
    Ok(())
}
