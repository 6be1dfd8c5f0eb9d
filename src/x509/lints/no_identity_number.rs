//! No number of an identity card anywhere in a certificate: it is public and copied for ever, and the number cannot be changed.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

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
    ensure!(!text.windows(18).any(is_identity_number), "eighteen characters that are an identity number");
    Ok(())
}

/// Area, date of birth, sequence and check character of GB 11643.
fn is_identity_number(text: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    if !text[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let digit = |index: usize| u32::from(text[index] - b'0');
    let (month, day) = (10 * digit(10) + digit(11), 10 * digit(12) + digit(13));
    let born = matches!((digit(6), digit(7)), (1, 8 | 9) | (2, 0)) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let sum: u32 = WEIGHTS.iter().enumerate().map(|(index, weight)| weight * digit(index)).sum();
    born && (1..=9).contains(&digit(0)) && text[17].to_ascii_uppercase() == b"10X98765432"[(sum % 11) as usize]
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
