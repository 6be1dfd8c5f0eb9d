//! A directory string is a UTF8String or a PrintableString; the older types are for names that already exist.

use const_oid::db::rfc4519::{COUNTRY_NAME, SERIAL_NUMBER};
use der::{Tag, Tagged};

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "directory-strings-have-modern-types",
    clause: "RFC 5280 §4.1.2.4, §4.1.2.6",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.subject = subject(&[attribute(COMMON_NAME, TELETEX, b"Li")])),
            end_entity(family).with(|c| c.subject = subject(&[attribute(COMMON_NAME, BMP, &[0, b'L', 0, b'i'])])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for attribute in certificate.subject_name().iter() {
        // Country and serialNumber have rules of their own; an IA5String is right for a mail address and a domain component.
        let own_rule = [COUNTRY_NAME, SERIAL_NUMBER].contains(&attribute.oid);
        let tag = attribute.value.tag();
        let modern = matches!(tag, Tag::Utf8String | Tag::PrintableString | Tag::Ia5String);
        ensure!(own_rule || modern, "{} as {tag}", attribute.oid);
    }
    Ok(())
}
