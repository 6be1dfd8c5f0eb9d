//! A responder's certificate is for signing OCSP responses and for nothing else.

use const_oid::db::rfc5280::{ID_CE_EXT_KEY_USAGE, ID_KP_OCSP_SIGNING};

use super::{Check, Lint, Outcome, Role, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "responders-only-sign-ocsp",
    clause: "RFC 6960 §4.2.2.2",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            responder(family).with(|c| c.remove(ID_CE_EXT_KEY_USAGE)),
            responder(family).with(|c| c.set(ID_CE_EXT_KEY_USAGE, purposes(&[ID_KP_OCSP_SIGNING, ID_KP_CLIENT_AUTH]))),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    if certificate.role() == Role::OcspResponder {
        ensure!(certificate.extension(ID_CE_EXT_KEY_USAGE).is_some(), "no extended key usage");
        let others = certificate.purposes().iter().find(|purpose| **purpose != ID_KP_OCSP_SIGNING);
        ensure!(others.is_none(), "{others:?} beside OCSP signing");
    }
    Ok(())
}
