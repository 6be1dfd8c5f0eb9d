//! No extension stands in a certificate twice.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "extensions-appear-once",
    clause: "RFC 5280 §4.2",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.extensions.push(c.extensions[0].clone())),
            authority(family).with(|c| c.extensions.insert(0, c.extensions[1].clone())),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for (index, extension) in certificate.extensions().iter().enumerate() {
        let earlier = &certificate.extensions()[..index];
        ensure!(earlier.iter().all(|earlier| earlier.extn_id != extension.extn_id), "{} twice", extension.extn_id);
    }
    Ok(())
}
