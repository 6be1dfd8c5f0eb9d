//! The authority key identifier is the issuer's subject key identifier; in a root, its own.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "authority-key-identifier-is-the-issuers",
    clause: "RFC 5280 §4.2.1.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.set(ID_CE_AUTHORITY_KEY_IDENTIFIER, sequence(&[&tlv(0x80, &[7; 20])]))),
            root(family).with(|c| {
                c.extensions.push(Extension::new(ID_CE_AUTHORITY_KEY_IDENTIFIER, NOT_CRITICAL, sequence(&[&tlv(0x80, &[7; 20])])));
            }),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let own = certificate.subject_key_identifier.as_ref().map(|identifier| identifier.0.as_bytes());
    let above = certificate.context.issuer.map(|issuer| issuer.key_identifier).or(own);
    let found = certificate.authority_key_identifier.as_ref().and_then(|identifier| identifier.key_identifier.as_ref());
    if let (Some(found), Some(above)) = (found, above) {
        ensure!(found.as_bytes() == above, "{}, the issuer's is {}", hex::encode(found.as_bytes()), hex::encode(above));
    }
    Ok(())
}
