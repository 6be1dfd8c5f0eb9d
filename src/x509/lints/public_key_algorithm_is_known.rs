//! The key is of an algorithm of ours, named in the one form we emit: for SM2 id-ecPublicKey with the curve, never id-sm2.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};
use crate::crypto::ALGORITHMS;

pub static LINT: Lint = Lint {
    name: "public-key-algorithm-is-known",
    clause: "RFC 5280 §4.1.2.7, RFC 5480 §2.1, GB/T 35276 §7.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            // id-sm2 with the curve, which some tokens send, and rsaEncryption.
            end_entity(family).with(|c| {
                c.set_key(&Sm2, &generator(&Sm2));
                c.spki = spki(&hex::decode("301406082a811ccf5501822d06082a811ccf5501822d").unwrap(), &generator(&Sm2));
            }),
            end_entity(family).with(|c| {
                c.spki = spki(&hex::decode("300d06092a864886f70d0101010500").unwrap(), &generator(family));
            }),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let found = &certificate.tbs.subject_public_key_info().algorithm;
    ensure!(ALGORITHMS.iter().any(|algorithm| algorithm.spki_algorithm() == *found), "{} or its parameters", found.oid);
    Ok(())
}
