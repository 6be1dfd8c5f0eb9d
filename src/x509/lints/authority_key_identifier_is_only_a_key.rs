//! The authority key identifier holds the identifier of a key; with the issuer's name and serial number, no authority could
//! renew its certificate.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "authority-key-identifier-is-only-a-key",
    clause: "RFC 5280 §4.2.1.1, CABF BR §7.1.2.11.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.set(ID_CE_AUTHORITY_KEY_IDENTIFIER, sequence(&[]))),
            end_entity(family).with(|c| {
                let directory_name = tlv(0xa1, &tlv(0xa4, &c.issuer));
                let identifier = tlv(0x80, &c.issuer_key_identifier);
                c.set(ID_CE_AUTHORITY_KEY_IDENTIFIER, sequence(&[&identifier, &directory_name, &tlv(0x82, &[0x41; 20])]));
            }),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    if let Some(found) = &certificate.authority_key_identifier {
        let issuer = found.authority_cert_issuer.is_some() || found.authority_cert_serial_number.is_some();
        ensure!(found.key_identifier.is_some(), "no keyIdentifier");
        ensure!(!issuer, "an issuer and serial number");
    }
    Ok(())
}
