//! An authority says in which country it is, which organisation runs it, and what it is called.

use const_oid::db::rfc4519::{COMMON_NAME, COUNTRY_NAME, ORGANIZATION_NAME};

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "authorities-are-fully-named",
    clause: "CABF BR §7.1.2.10.2, GB/T 20518 Annex B",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            authority(family).with(|c| c.subject = subject(&[])),
            authority(family).with(|c| c.subject = name(&[attribute(COUNTRY, PRINTABLE, b"CN"), attribute(COMMON_NAME, UTF8, b"g1")])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let subject = certificate.subject_name();
    if !certificate.role().is_authority() || subject.is_empty() {
        return Ok(());
    }
    for (oid, attribute) in [(COUNTRY_NAME, "country"), (ORGANIZATION_NAME, "organization"), (COMMON_NAME, "commonName")] {
        ensure!(subject.iter().any(|found| found.oid == oid), "no {attribute}");
    }
    Ok(())
}
