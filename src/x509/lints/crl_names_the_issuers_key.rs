//! The authority key identifier is there, not critical, and is the issuer's subject key identifier and nothing else.

use const_oid::db::rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER;

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-names-the-issuers-key",
    clause: "RFC 5280 §5.2.1",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.remove(ID_CE_AUTHORITY_KEY_IDENTIFIER)),
            whole_crl(family).with(|c| c.extension(ID_CE_AUTHORITY_KEY_IDENTIFIER).critical = CRITICAL.to_vec()),
            whole_crl(family).with(|c| c.set(ID_CE_AUTHORITY_KEY_IDENTIFIER, sequence(&[&tlv(0x80, &[7; 20])]))),
            whole_crl(family).with(|c| c.set(ID_CE_AUTHORITY_KEY_IDENTIFIER, sequence(&[]))),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    let extension = crl.extension(ID_CE_AUTHORITY_KEY_IDENTIFIER).ok_or("no authority key identifier")?;
    ensure!(!extension.critical, "critical");
    if let Some(found) = &crl.authority_key_identifier {
        let key = found.key_identifier.as_ref().ok_or("no keyIdentifier")?;
        ensure!(key.as_bytes() == crl.context.key_identifier, "{}", hex::encode(key.as_bytes()));
        ensure!(found.authority_cert_issuer.is_none() && found.authority_cert_serial_number.is_none(), "an issuer and serial number");
    }
    Ok(())
}
