//! The signature algorithm is one of ours, with parameters that its standard allows: for SM2 absent or NULL.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};
use crate::crypto::ALGORITHMS;

pub static LINT: Lint = Lint {
    name: "signature-algorithm-is-known",
    clause: "RFC 5280 §4.1.2.3, GM/T 0015 §5.2.2",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            // sha1WithRSAEncryption, and sm2sign-with-sm3 with an INTEGER as parameters.
            end_entity(family).with(|c| c.signature_algorithm = hex::decode("300d06092a864886f70d0101050500").unwrap()),
            end_entity(family).with(|c| c.signature_algorithm = hex::decode("300d06082a811ccf55018375020101").unwrap()),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let found = certificate.tbs.signature();
    ensure!(ALGORITHMS.iter().any(|algorithm| algorithm.accepts_signature_algorithm(found)), "{} or its parameters", found.oid);
    Ok(())
}
