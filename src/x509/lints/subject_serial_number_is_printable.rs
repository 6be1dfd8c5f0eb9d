//! The attribute serialNumber, which holds a pseudonym of a person, is a PrintableString.

use const_oid::db::rfc4519::SERIAL_NUMBER;
use der::{Tag, Tagged};

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "subject-serial-number-is-printable",
    clause: "RFC 5280 Appendix A.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![end_entity(family).with(|c| c.subject = subject(&[attribute(SERIAL_NUMBER, UTF8, b"P-4711")]))]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for attribute in certificate.subject_name().iter().filter(|attribute| attribute.oid == SERIAL_NUMBER) {
        ensure!(attribute.value.tag() == Tag::PrintableString, "a {}", attribute.value.tag());
    }
    Ok(())
}
