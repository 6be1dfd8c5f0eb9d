//! The bits keyCertSign and cRLSign are for authorities.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "only-authorities-sign-certificates",
    clause: "RFC 5280 §4.2.1.3, §4.2.1.9",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.set(ID_CE_KEY_USAGE, [3, 2, 2, 0x84])),
            responder(family).with(|c| c.set(ID_CE_KEY_USAGE, [3, 2, 1, 0x82])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    if let Some(usage) = certificate.key_usage.filter(|_| !certificate.role().is_authority()) {
        ensure!(!usage.key_cert_sign(), "keyCertSign");
        ensure!(!usage.crl_sign(), "cRLSign");
    }
    Ok(())
}
