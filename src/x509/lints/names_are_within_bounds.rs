//! An attribute is neither empty nor longer than its upper bound.

use const_oid::db::rfc4519::{
    COMMON_NAME, COUNTRY_NAME, LOCALITY_NAME, ORGANIZATION_NAME, ORGANIZATIONAL_UNIT_NAME, SERIAL_NUMBER, ST, TITLE,
};

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "names-are-within-bounds",
    clause: "RFC 5280 Appendix A.1 (upper bounds), X.520",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.subject = subject(&[attribute(COMMON_NAME, UTF8, "长".repeat(65).as_bytes())])),
            end_entity(family).with(|c| c.subject = subject(&[attribute(COMMON_NAME, UTF8, b"")])),
            end_entity(family).with(|c| c.subject = subject(&[attribute(SERIAL_NUMBER, PRINTABLE, &[b'7'; 65])])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for attribute in certificate.subject_name().iter().filter(|attribute| attribute.oid != COUNTRY_NAME) {
        // The bounds count characters. Octets that are not UTF-8 are another rule's finding.
        let length = String::from_utf8_lossy(attribute.value.value()).chars().count();
        let bound = match attribute.oid {
            COMMON_NAME | ORGANIZATION_NAME | ORGANIZATIONAL_UNIT_NAME | SERIAL_NUMBER | TITLE => 64,
            LOCALITY_NAME | ST => 128,
            _ => 255,
        };
        ensure!((1..=bound).contains(&length), "{} has {length} characters, at most {bound} are allowed", attribute.oid);
    }
    Ok(())
}
