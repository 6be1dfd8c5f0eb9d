//! The subject key identifier is the SHA-1 of the content of the key's BIT STRING.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};
use crate::crypto::Digest;

pub static LINT: Lint = Lint {
    name: "subject-key-identifier-is-the-keys",
    clause: "RFC 5280 §4.2.1.2 (1), GB/T 20518 §5.2.4.2",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.set(ID_CE_SUBJECT_KEY_IDENTIFIER, tlv(4, &[7; 20]))),
            // The SHA-256 or SM3 of the key, as some national products write it.
            end_entity(family).with(|c| c.set(ID_CE_SUBJECT_KEY_IDENTIFIER, tlv(4, &family.digest().hash(&generator(family))))),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    if let Some(found) = &certificate.subject_key_identifier {
        let key = certificate.tbs.subject_public_key_info().subject_public_key.as_bytes().unwrap_or_default();
        ensure!(found.0.as_bytes() == Digest::Sha1.hash(key), "{}", hex::encode(found.0.as_bytes()));
    }
    Ok(())
}
