//! The key of an authority signs certificates and CRLs, and nothing else: OCSP responses have responders.

use x509_cert::ext::pkix::KeyUsages;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "authorities-sign-certificates-and-crls",
    clause: "RFC 5280 §4.2.1.3, GM/T 0015 Tables C.1 and C.2",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            root(family).with(|c| c.set(ID_CE_KEY_USAGE, [3, 2, 2, 4])),
            authority(family).with(|c| c.set(ID_CE_KEY_USAGE, [3, 2, 1, 0x86])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    if let Some(usage) = certificate.key_usage.filter(|usage| certificate.role().is_authority() && !usage.0.is_empty()) {
        ensure!(usage.0 == KeyUsages::KeyCertSign | KeyUsages::CRLSign, "{:?}", usage.0);
    }
    Ok(())
}
