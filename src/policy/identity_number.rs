//! Identity numbers as values: the resident identity number of a person (GB 11643) and the unified social credit code of an
//! organisation (GB 32100).
//!
//! A number is a secret: it is wiped when it is dropped, has no `Debug`, `Display` or `Serialize`, and errors never repeat it.
//! Whoever must see it asks for `expose`; everything else gets along with `redacted`.

use time::Date;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::x509::identity_number::{LENGTH, credit_code_check, date_of_birth, narrow, resident_check};

/// How many characters name the region, and how many follow the date of birth.
const REGION: usize = 6;
const LAST: usize = 4;

/// The longest text that is looked at: eighteen characters with as many spaces or hyphens between them.
const LONGEST: usize = 4 * LENGTH;

/// An identity number in its normal form: eighteen ASCII characters, X in upper case.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct IdentityNumber {
    #[zeroize(skip)]
    kind: NumberKind,
    characters: [u8; LENGTH],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// 公民身份号码, GB 11643.
    Resident,
    /// 统一社会信用代码, GB 32100.
    CreditCode,
}

impl NumberKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resident => "gb11643",
            Self::CreditCode => "gb32100",
        }
    }
}

/// Why text is not an identity number. Does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    #[error("an identity number has eighteen characters")]
    Length,
    #[error("a character that an identity number does not have")]
    Character,
    #[error("no region has this code")]
    Region,
    #[error("not a date of birth")]
    Date,
    #[error("the check character is another")]
    Check,
}

impl IdentityNumber {
    /// A resident identity number (GB 11643): the region, a date of birth that is not after `today`, and the check character
    /// (ISO 7064 MOD 11-2). Full-width digits, lower case, spaces and hyphens are taken for what they stand for.
    pub fn resident(text: &str, today: Date) -> Result<Self, NumberError> {
        let number = Self { kind: NumberKind::Resident, characters: normalise(text)? };
        let (digits, check) = number.characters.split_at(LENGTH - 1);
        let expected = resident_check(digits).ok_or(NumberError::Character)?;
        if !is_region(digits) {
            return Err(NumberError::Region);
        }
        date_of_birth(digits).filter(|born| *born <= today).ok_or(NumberError::Date)?;
        if check == [expected] { Ok(number) } else { Err(NumberError::Check) }
    }

    /// A unified social credit code (GB 32100): its alphabet, the region of registration, and the check character (modulus 31).
    pub fn credit_code(text: &str) -> Result<Self, NumberError> {
        let number = Self { kind: NumberKind::CreditCode, characters: normalise(text)? };
        let (characters, check) = number.characters.split_at(LENGTH - 1);
        let expected = credit_code_check(characters).ok_or(NumberError::Character)?;
        if !characters[2..8].iter().all(u8::is_ascii_digit) {
            return Err(NumberError::Region);
        }
        if check == [expected] { Ok(number) } else { Err(NumberError::Check) }
    }

    pub fn kind(&self) -> NumberKind {
        self.kind
    }

    /// The number itself, for whoever seals it or looks it up under a key.
    pub fn expose(&self) -> &[u8] {
        &self.characters
    }

    /// Without the date of birth, as forms of offices print it: the region and the last four characters, which two officers compare
    /// with a card.
    pub fn redacted(&self) -> String {
        let shown = |index: usize| if (REGION..LENGTH - LAST).contains(&index) { '*' } else { char::from(self.characters[index]) };
        (0..LENGTH).map(shown).collect()
    }
}

fn normalise(text: &str) -> Result<[u8; LENGTH], NumberError> {
    let mut characters = [0; LENGTH];
    let mut count = 0;
    for (index, letter) in text.chars().enumerate() {
        if index >= LONGEST {
            return Err(NumberError::Length);
        }
        if letter.is_whitespace() || letter == '-' {
            continue;
        }
        *characters.get_mut(count).ok_or(NumberError::Length)? = narrow(letter);
        count += 1;
    }
    if count == LENGTH { Ok(characters) } else { Err(NumberError::Length) }
}

/// The first level of GB/T 2260, with 81 to 83 for residents of Hong Kong, Macao and Taiwan. A foreigner's permanent residence
/// card has a 9 before it.
fn is_region(digits: &[u8]) -> bool {
    const PROVINCES: &[&[u8; 2]] = &[
        b"11", b"12", b"13", b"14", b"15", b"21", b"22", b"23", b"31", b"32", b"33", b"34", b"35", b"36", b"37", b"41", b"42", b"43",
        b"44", b"45", b"46", b"50", b"51", b"52", b"53", b"54", b"61", b"62", b"63", b"64", b"65", b"71", b"81", b"82", b"83",
    ];
    let province = if digits[0] == b'9' { &digits[1..3] } else { &digits[..2] };
    PROVINCES.iter().any(|known| known[..] == *province)
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    const TODAY: Date = date!(2030 - 01 - 01);

    fn check(digits: &str) -> String {
        format!("{digits}{}", char::from(resident_check(digits.as_bytes()).unwrap()))
    }

    #[test]
    fn a_number_is_read_in_every_way_it_is_written_and_has_one_form() {
        for written in [
            "11010519491231002X",
            "11010519491231002x",
            " 110105 19491231 002X ",
            "110105-19491231-002X",
            "１１０１０５１９４９１２３１００２Ｘ",
        ] {
            let number = IdentityNumber::resident(written, TODAY).map_err(|error| error.to_string()).unwrap();
            assert_eq!((number.expose(), number.kind()), (&b"11010519491231002X"[..], NumberKind::Resident), "{written}");
            assert_eq!(number.redacted(), "110105********002X");
        }
        let code = IdentityNumber::credit_code("91350100m000100y43").map_err(|error| error.to_string()).unwrap();
        assert_eq!((code.expose(), code.kind()), (&b"91350100M000100Y43"[..], NumberKind::CreditCode));
    }

    #[test]
    fn a_number_that_is_none_is_refused_by_the_rule_it_breaks() {
        let (foreigner, leap) = (check("91112419900615001"), check("11010520000229001"));
        for good in [foreigner, leap] {
            assert!(IdentityNumber::resident(&good, TODAY).is_ok(), "{good}");
        }
        for (case, text, error) in [
            ("nothing", String::new(), NumberError::Length),
            ("the old fifteen digits", "110105491231002".to_owned(), NumberError::Length),
            ("too long", format!("{}0", check("11010519491231002")), NumberError::Length),
            ("nothing but spaces", " ".repeat(10_000), NumberError::Length),
            ("a letter", "1101051949123100AX".to_owned(), NumberError::Character),
            ("an X before the end", "11010519491231X02X".to_owned(), NumberError::Character),
            ("no such province", check("16010519491231002"), NumberError::Region),
            ("a thirteenth month", check("11010519491331002"), NumberError::Date),
            ("no leap year", check("11010519000229002"), NumberError::Date),
            ("born tomorrow", check("11010520300102002"), NumberError::Date),
            ("another check character", "110105194912310021".to_owned(), NumberError::Check),
        ] {
            assert_eq!(IdentityNumber::resident(&text, TODAY).err(), Some(error), "{case}");
        }
        for (case, text, error) in [
            ("an I", "91350100I000100Y43", NumberError::Character),
            ("letters for the region", "9135A100M000100Y43", NumberError::Region),
            ("another check character", "91350100M000100Y44", NumberError::Check),
            ("too short", "91350100M000100Y4", NumberError::Length),
        ] {
            assert_eq!(IdentityNumber::credit_code(text).err(), Some(error), "{case}");
        }
    }

    #[test]
    fn each_change_of_one_digit_and_each_exchange_of_two_neighbours_is_noticed() {
        let good = *b"110105194912310029";
        let good = check(std::str::from_utf8(&good[..17]).unwrap()).into_bytes();
        let accepted = |text: &[u8]| IdentityNumber::resident(std::str::from_utf8(text).unwrap(), TODAY).is_ok();
        assert!(accepted(&good));
        for index in 0..17 {
            for digit in b'0'..=b'9' {
                let mut changed = good.clone();
                changed[index] = digit;
                assert_eq!(accepted(&changed), changed == good, "{index} {digit}");
            }
            let mut exchanged = good.clone();
            exchanged.swap(index, index + 1);
            assert_eq!(accepted(&exchanged), exchanged == good, "{index}");
        }
    }
}
