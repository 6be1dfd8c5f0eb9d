//! A responder carries id-pkix-ocsp-nocheck; otherwise a verifier would ask it about itself.

use const_oid::db::rfc6960::ID_PKIX_OCSP_NOCHECK;

use super::{Check, Lint, Outcome, Role, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "responders-are-not-checked",
    clause: "RFC 6960 §4.2.2.2.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![responder(family).with(|c| c.remove(ID_PKIX_OCSP_NOCHECK))]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let found = certificate.extension(ID_PKIX_OCSP_NOCHECK);
    ensure!(certificate.role() != Role::OcspResponder || found.is_some(), "no id-pkix-ocsp-nocheck");
    Ok(())
}
