//! A country is a PrintableString of two capital letters.

use const_oid::db::rfc4519::COUNTRY_NAME;
use der::{Tag, Tagged};

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "country-is-two-capitals",
    clause: "RFC 5280 Appendix A.1, ISO 3166-1, GB/T 20518 §5.2.3",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.subject = name(&[attribute(COUNTRY, UTF8, b"CN"), attribute(COMMON_NAME, UTF8, b"Li")])),
            end_entity(family).with(|c| c.subject = name(&[attribute(COUNTRY, PRINTABLE, b"cn"), attribute(COMMON_NAME, UTF8, b"Li")])),
            end_entity(family).with(|c| c.subject = name(&[attribute(COUNTRY, PRINTABLE, b"CHN"), attribute(COMMON_NAME, UTF8, b"Li")])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for attribute in certificate.subject_name().iter().filter(|attribute| attribute.oid == COUNTRY_NAME) {
        let value = &attribute.value;
        ensure!(value.tag() == Tag::PrintableString, "a {}", value.tag());
        ensure!(value.value().len() == 2 && value.value().iter().all(u8::is_ascii_uppercase), "not two capital letters");
    }
    Ok(())
}
