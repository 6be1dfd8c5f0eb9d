//! The key is an uncompressed point of its curve.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};
use crate::crypto::ALGORITHMS;

pub static LINT: Lint = Lint {
    name: "public-key-is-a-point",
    clause: "RFC 5480 §2.2, GB/T 35276 §7.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| {
                let mut octets = generator(family);
                octets[64] ^= 1;
                c.set_key(family, &octets);
            }),
            end_entity(family).with(|c| {
                let mut octets = generator(family);
                octets.truncate(33);
                octets[0] = 2;
                c.set_key(family, &octets);
            }),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let spki = certificate.tbs.subject_public_key_info();
    // Another algorithm is another rule's finding.
    if let Some(algorithm) = ALGORITHMS.iter().find(|algorithm| algorithm.spki_algorithm() == spki.algorithm) {
        let octets = spki.subject_public_key.as_bytes().unwrap_or_default();
        ensure!(algorithm.check_public_key(octets).is_ok(), "not a key of {}", algorithm.name());
    }
    Ok(())
}
