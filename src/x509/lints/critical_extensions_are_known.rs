//! A critical extension that verifiers do not know makes a certificate useless.

use super::{
    Check, Lint, Outcome,
    certificate::CertificateUnderLint,
    extensions::{IN_CERTIFICATES, find},
};

pub static LINT: Lint = Lint {
    name: "critical-extensions-are-known",
    clause: "RFC 5280 §4.2",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![end_entity(family).with(|c| c.extensions.push(Extension::new(ObjectIdentifier::new_unwrap("1.2.3.4"), CRITICAL, [5, 0])))]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for extension in certificate.extensions().iter().filter(|extension| extension.critical) {
        ensure!(find(IN_CERTIFICATES, extension.extn_id).is_some(), "{}", extension.extn_id);
    }
    Ok(())
}
