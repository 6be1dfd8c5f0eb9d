//! How the C2SP texts write octets and numbers: padded base64 (RFC 4648 §4) and decimals without sign or leading zero.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::Hash;

pub(super) fn encode(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// Padding must be there and unused bits must be zero, so one value has one text.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

pub(super) fn decode_hash(text: &str) -> Option<Hash> {
    decode(text)?.try_into().ok()
}

pub(super) fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = text.bytes().all(|octet| octet.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_text() {
        for (text, expected) in [("0", Some(0)), ("15", Some(15)), ("18446744073709551615", Some(u64::MAX))] {
            assert_eq!(parse_decimal(text), expected);
        }
        for text in ["", "00", "015", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616", "１"] {
            assert_eq!(parse_decimal(text), None, "{text}");
        }
    }

    #[test]
    fn octets_have_one_text() {
        assert_eq!(decode("AQ=="), Some(vec![1]));
        for text in ["AQ", "AR==", "AQ==\n", "AQ===", "A Q==", "_w=="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
