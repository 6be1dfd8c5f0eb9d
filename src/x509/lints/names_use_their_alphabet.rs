//! A PrintableString holds its few characters, a UTF8String is UTF-8, an IA5String is ASCII.

use der::{Tag, Tagged};

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "names-use-their-alphabet",
    clause: "X.680 §41.4, RFC 3629 §4",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.subject = subject(&[attribute(COMMON_NAME, PRINTABLE, b"Li & Co")])),
            end_entity(family).with(|c| c.subject = subject(&[attribute(COMMON_NAME, UTF8, b"Li \xff")])),
            end_entity(family).with(|c| c.subject = subject(&[attribute(COMMON_NAME, 0x16, "李".as_bytes())])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for attribute in certificate.subject_name().iter() {
        let value = attribute.value.value();
        let right = match attribute.value.tag() {
            Tag::PrintableString => value.iter().all(|octet| octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(octet)),
            Tag::Utf8String => std::str::from_utf8(value).is_ok(),
            Tag::Ia5String => value.is_ascii(),
            _ => true,
        };
        ensure!(right, "{} has a character that a {} cannot have", attribute.oid, attribute.value.tag());
    }
    Ok(())
}
