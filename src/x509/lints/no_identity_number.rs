//! No number of an identity card anywhere in a certificate: it is public and copied for ever, and the number cannot be changed.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};
use crate::x509::identity_number::{LENGTH, is_resident_number};

pub static LINT: Lint = Lint {
    name: "no-identity-number",
    clause: "GB 11643, PIPL art. 6 and 28",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.subject = subject(&[attribute(SERIAL_NUMBER, PRINTABLE, b"11010519491231002X")])),
            end_entity(family)
                .with(|c| c.subject = subject(&[attribute(COMMON_NAME, UTF8, "张伟１１０１０５１９４９１２３１００２Ｘ".as_bytes())])),
            end_entity(family).with(|c| c.set_names(&[tlv(MAIL, b"id11010519491231002x@example.gov.cn")])),
            end_entity(family).with(|c| c.set_names(&[tlv(URI, b"urn:id:440524188001010014")])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let text = with_plain_digits(certificate.der);
    ensure!(!text.windows(LENGTH).any(is_resident_number), "eighteen characters that are an identity number");
    Ok(())
}

/// Full-width digits and X, which look the same in a Chinese text, become ASCII.
fn with_plain_digits(der: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(der.len());
    let mut rest = der;
    while let [first, others @ ..] = rest {
        let character;
        (character, rest) = match rest {
            [0xef, 0xbc, last @ 0x90..=0x99, others @ ..] => (last - 0x90 + b'0', others),
            [0xef, 0xbc, 0xb8, others @ ..] | [0xef, 0xbd, 0x98, others @ ..] => (b'X', others),
            _ => (*first, others),
        };
        plain.push(character);
    }
    plain
}
