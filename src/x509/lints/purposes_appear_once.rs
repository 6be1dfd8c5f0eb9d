//! Each purpose is stated once.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "purposes-appear-once",
    clause: "RFC 5280 §4.2.1.12",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![end_entity(family).with(|c| c.set(ID_CE_EXT_KEY_USAGE, purposes(&[ID_KP_CLIENT_AUTH, ID_KP_CLIENT_AUTH])))]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for (index, purpose) in certificate.purposes().iter().enumerate() {
        ensure!(!certificate.purposes()[..index].contains(purpose), "{purpose} twice");
    }
    Ok(())
}
