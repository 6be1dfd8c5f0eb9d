//! Extensions exist in version 3 only.

use x509_cert::certificate::Version;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "version-is-v3",
    clause: "RFC 5280 §4.1.2.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![end_entity(family).with(|c| c.version = tlv(0xa0, &integer(&[1]))), root(family).with(|c| c.version = vec![])]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let version = certificate.tbs.version();
    ensure!(version == Version::V3, "{version:?}");
    Ok(())
}
