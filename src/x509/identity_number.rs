//! What identity numbers look like: the resident identity number (GB 11643) and the unified social credit code (GB 32100), as
//! checks on characters.
//!
//! The lint and the name rule that keep such a number out of every certificate ask here, and so does
//! `policy::identity_number`, which reads one on purpose: what the one accepts, the others refuse.

use time::{Date, Month};

/// GB 11643 and GB 32100 both have eighteen characters, of which the last is the check character.
pub const LENGTH: usize = 18;

/// The alphabet of GB 32100: no I, O, S, V and Z, which are mistaken for others.
const CREDIT_CODE_ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// Whether a resident identity number stands anywhere in the text, also in full-width digits or with spaces or hyphens inside.
pub fn holds_resident_number(text: &str) -> bool {
    let characters: Vec<u8> = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').map(narrow).collect();
    characters.windows(LENGTH).any(is_resident_number)
}

/// Whether eighteen characters are a resident identity number: a first digit that is not zero, a date that the calendar has,
/// and the right check character. Whether there is such a region is not asked, so that nothing that looks like a number
/// passes for none.
pub fn is_resident_number(text: &[u8]) -> bool {
    let Some((check, digits)) = text.split_last() else { return false };
    digits.first() != Some(&b'0') && date_of_birth(digits).is_some() && resident_check(digits) == Some(check.to_ascii_uppercase())
}

/// The date of birth in the digits 7 to 14, when the calendar has it.
pub fn date_of_birth(digits: &[u8]) -> Option<Date> {
    let number = |range: std::ops::Range<usize>| {
        let digits = digits.get(range)?;
        digits.iter().try_fold(0u16, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u16::from(digit - b'0')))
    };
    let year = number(6..10).filter(|year| (1800..2200).contains(year))?;
    let month = Month::try_from(u8::try_from(number(10..12)?).ok()?).ok()?;
    Date::from_calendar_date(i32::from(year), month, u8::try_from(number(12..14)?).ok()?).ok()
}

/// The check character over seventeen digits (ISO 7064 MOD 11-2, GB 11643 §4.2.4).
pub fn resident_check(digits: &[u8]) -> Option<u8> {
    const WEIGHTS: [u32; LENGTH - 1] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    if digits.len() != WEIGHTS.len() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    Some(b"10X98765432"[(sum % 11) as usize])
}

/// The check character over the first seventeen of a credit code (GB 32100 §5: weights 3^i mod 31, modulus 31); `None` when a
/// character is not of its alphabet.
pub fn credit_code_check(characters: &[u8]) -> Option<u8> {
    if characters.len() != LENGTH - 1 {
        return None;
    }
    let mut weight = 1;
    let mut sum = 0;
    for character in characters {
        let value = CREDIT_CODE_ALPHABET.iter().position(|known| known == character)?;
        sum += value * weight;
        weight = weight * 3 % 31;
    }
    Some(CREDIT_CODE_ALPHABET[(31 - sum % 31) % 31])
}

/// A full-width character (U+FF01 to U+FF5E) as the ASCII one that it looks like, in upper case; others that are not ASCII
/// become a question mark.
pub fn narrow(letter: char) -> u8 {
    let code = u32::from(letter);
    let code = if (0xff01..=0xff5e).contains(&code) { code - 0xfee0 } else { code };
    u8::try_from(code).ok().filter(u8::is_ascii).unwrap_or(b'?').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_numbers_are_found_in_every_disguise_and_other_numbers_pass() {
        for hidden in [
            "11010519491231002X",
            "11010519491231002x",
            "no.11010519491231002X.",
            "１１０１０５１９４９１２３１００２Ｘ",
            "110105 19491231 002X",
            "110105-19491231-002X",
            "999911010519491231002X",
            "440524188001010014",
        ] {
            assert!(holds_resident_number(hidden), "{hidden}");
        }
        // A wrong check character, a month and a day that are none, a credit code, an opaque identifier, a name.
        for other in [
            "110105194912310021",
            "110105194913310024",
            "110105190002290022",
            "91350100M000100Y43",
            "07070707070707070707070707070707",
            "王小明",
        ] {
            assert!(!holds_resident_number(other), "{other}");
        }
    }

    #[test]
    fn check_characters_are_those_of_the_standards() {
        assert_eq!(resident_check(b"11010519491231002"), Some(b'X'));
        assert_eq!(resident_check(b"44052418800101001"), Some(b'4'));
        assert_eq!(credit_code_check(b"91350100M000100Y4"), Some(b'3'));
        // I is not in the alphabet.
        assert_eq!(credit_code_check(b"91350100I000100Y4"), None);
        assert_eq!((resident_check(b"1101051949123100"), credit_code_check(b"9135")), (None, None));
    }
}
