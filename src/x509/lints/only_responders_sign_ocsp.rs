//! Whoever may sign OCSP responses can make any certificate of the authority good again.

use const_oid::db::{rfc5280::ID_KP_OCSP_SIGNING, rfc6960::ID_PKIX_OCSP_NOCHECK};

use super::{Check, Lint, Outcome, Role, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "only-responders-sign-ocsp",
    clause: "RFC 6960 §4.2.2.2",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.set(ID_CE_EXT_KEY_USAGE, purposes(&[ID_KP_CLIENT_AUTH, ID_KP_OCSP_SIGNING]))),
            end_entity(family).with(|c| c.extensions.push(Extension::new(ID_PKIX_OCSP_NOCHECK, NOT_CRITICAL, [5, 0]))),
            authority(family).with(|c| c.extensions.push(Extension::new(ID_PKIX_OCSP_NOCHECK, NOT_CRITICAL, [5, 0]))),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    if certificate.role() != Role::OcspResponder {
        ensure!(!certificate.purposes().contains(&ID_KP_OCSP_SIGNING), "OCSP signing");
        ensure!(certificate.extension(ID_PKIX_OCSP_NOCHECK).is_none(), "id-pkix-ocsp-nocheck");
    }
    Ok(())
}
