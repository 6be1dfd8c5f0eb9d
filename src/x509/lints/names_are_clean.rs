//! No blanks at either end, no control characters, no characters that show nothing: two names that look alike are alike.

use der::{Tag, Tagged};

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "names-are-clean",
    clause: "RFC 5280 §7.1, RFC 4518 §2.2 and §2.6.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.subject = subject(&[attribute(COMMON_NAME, UTF8, b" Li")])),
            end_entity(family).with(|c| c.subject = subject(&[attribute(COMMON_NAME, UTF8, b"Li\tWei")])),
            end_entity(family).with(|c| c.subject = subject(&[attribute(COMMON_NAME, UTF8, "李\u{3000}".as_bytes())])),
            end_entity(family).with(|c| c.subject = subject(&[attribute(COMMON_NAME, UTF8, "Li\u{202e}ieW".as_bytes())])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for attribute in certificate.subject_name().iter() {
        // Strings of the older types are another rule's finding.
        if !matches!(attribute.value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String) {
            continue;
        }
        let text = String::from_utf8_lossy(attribute.value.value());
        let padded = text.trim() != text;
        let hidden = text.chars().any(|character| character.is_control() || shows_nothing(character));
        ensure!(!padded && !hidden, "{} has a blank at an end, a control character or one that shows nothing", attribute.oid);
    }
    Ok(())
}

/// Zero width, direction marks and the byte order mark.
fn shows_nothing(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
