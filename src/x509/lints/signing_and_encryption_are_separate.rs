//! A key signs or encrypts, never both: encryption keys are recoverable, signing keys are not.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "signing-and-encryption-are-separate",
    clause: "GB/T 20518 §5.2.4, GM/T 0015 Tables C.3 and C.4",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.set(ID_CE_KEY_USAGE, [3, 2, 5, 0xa0])),
            service(family).with(|c| c.set(ID_CE_KEY_USAGE, [3, 2, 5, 0xa0])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    if let Some(usage) = certificate.key_usage {
        let signs = usage.digital_signature() || usage.non_repudiation();
        let encrypts = usage.key_encipherment() || usage.data_encipherment() || usage.encipher_only() || usage.decipher_only();
        ensure!(!(signs && encrypts), "{:?}", usage.0);
    }
    Ok(())
}
