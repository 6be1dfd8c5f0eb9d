//! The value of each extension is the one DER encoding of its type.

use super::{
    Check, Lint, Outcome,
    certificate::CertificateUnderLint,
    extensions::{IN_CERTIFICATES, find},
};

pub static LINT: Lint = Lint {
    name: "extension-values-are-der",
    clause: "RFC 5280 §4.2, X.690 §10 and §11",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.extension(ID_CE_SUBJECT_KEY_IDENTIFIER).value.push(0)),
            end_entity(family).with(|c| c.set(ID_CE_EXT_KEY_USAGE, [4, 0])),
            // A named bit list ends with a bit that is set.
            end_entity(family).with(|c| c.set(ID_CE_KEY_USAGE, [3, 2, 0, 0xc0])),
            // FALSE is the default and so is not encoded; GM/T 0015 Annex D.2 shows it nevertheless.
            authority(family).with(|c| c.set(ID_CE_BASIC_CONSTRAINTS, [0x30, 4, 1, 1, 0xff, 0])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for extension in certificate.extensions() {
        if let Some(known) = find(IN_CERTIFICATES, extension.extn_id) {
            ensure!((known.is_der)(extension.extn_value.as_bytes()), "{} is not DER of its type", extension.extn_id);
        }
    }
    Ok(())
}
