//! The signature algorithm belongs to the key that will sign: the issuer's, or the certificate's own in a root.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};
use crate::crypto::{ALGORITHMS, PublicKey};

pub static LINT: Lint = Lint {
    name: "signature-algorithm-fits-the-issuer",
    clause: "RFC 5280 §4.1.1.2, GB/T 35276 §7",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.signature_algorithm = service(other(family)).signature_algorithm),
            root(family).with(|c| c.signature_algorithm = service(other(family)).signature_algorithm),
            authority(family).with(|c| c.issuer_algorithm = other(family)),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let found = certificate.tbs.signature();
    if !ALGORITHMS.iter().any(|algorithm| algorithm.accepts_signature_algorithm(found)) {
        return Ok(());
    }
    let signer = match certificate.context.issuer {
        Some(issuer) => issuer.algorithm,
        // A key that cannot be read is another rule's finding.
        None => match PublicKey::from_spki(certificate.spki) {
            Ok(key) => key.algorithm(),
            Err(_) => return Ok(()),
        },
    };
    ensure!(signer.accepts_signature_algorithm(found), "{} under a key of {}", found.oid, signer.name());
    Ok(())
}
