//! Codes that people type from paper: found by one part, proved by another, and telling the client which root to trust.
//!
//! ```text
//! locator (5 octets) ‖ secret (10) ‖ pin (10) as 40 characters of Crockford's base32, two characters of SHA-256 over them,
//! in seven groups of six: 7G3KQ0-…
//! ```
//! The database keeps the locator and the SHA-256 of the secret. Failures are counted by locator, so guessing the secret of one
//! code does not slow anybody else's; the last two characters notice a slip of the pen without asking the database.

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::error::Error;
use crate::{
    crypto::digest::{sha256, sha256_concat},
    world::{Entropy, random},
};

const LOCATOR: usize = 5;
const SECRET: usize = 10;
/// How much of the fingerprint of the listener's root a code carries.
pub const PIN: usize = 10;
const OCTETS: usize = LOCATOR + SECRET + PIN;
const CHARACTERS: usize = OCTETS * 8 / 5 + 2;
const GROUP: usize = 6;

/// Without I, L, O and U; those three letters that look like digits are read as digits.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code, shown once.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Code([u8; OCTETS]);

impl Code {
    pub fn generate(root_fingerprint: &[u8; 32], entropy: &dyn Entropy) -> Self {
        let mut octets: [u8; OCTETS] = random(entropy);
        octets[LOCATOR + SECRET..].copy_from_slice(&root_fingerprint[..PIN]);
        Self(octets)
    }

    pub fn locator(&self) -> &[u8] {
        &self.0[..LOCATOR]
    }

    /// SHA-256 of the secret part, which has 80 random bits.
    pub fn hash(&self) -> [u8; 32] {
        sha256(&self.0[LOCATOR..LOCATOR + SECRET])
    }

    /// A secret of another use that whoever has the code can have again.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        sha256_concat(&[label.as_bytes(), &[0], &self.0[..LOCATOR + SECRET]])
    }

    /// The first octets of the fingerprint of the root above the listener.
    pub fn pin(&self) -> &[u8] {
        &self.0[LOCATOR + SECRET..]
    }

    /// Whether this code's secret is the one that was stored; takes the same time wherever they differ.
    pub fn matches(&self, hash: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.hash(), hash).is_ok()
    }

    /// As it is printed: seven groups of six.
    pub fn reveal(&self) -> String {
        let mut characters = base32(&self.0);
        characters.extend(check(&characters));
        let groups: Vec<&str> = characters.chunks(GROUP).map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
        groups.join("-")
    }

    /// Whether this is meant to be such a code: groups, or about as many characters, where a claim code has two halves.
    pub fn is_meant(text: &str) -> bool {
        let (parts, characters) = text.bytes().fold((1, 0), |(parts, characters), octet| match octet {
            b'-' | b' ' => (parts + 1, characters),
            _ => (parts, characters + 1),
        });
        parts > 2 || (CHARACTERS - GROUP..=CHARACTERS + GROUP).contains(&characters)
    }

    /// Reads what somebody typed: any case, with or without hyphens and spaces.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || Error::malformed("code", "seven groups of six letters and digits, as printed");
        let mistyped = || Error::malformed("code", "mistyped: compare each character with the paper");
        if text.len() > 4 * CHARACTERS {
            return Err(wrong());
        }
        let typed: Vec<u8> = text.bytes().filter(|octet| !octet.is_ascii_whitespace() && *octet != b'-').map(as_printed).collect();
        let (characters, checked) = typed.split_last_chunk::<2>().ok_or_else(wrong)?;
        if typed.len() != CHARACTERS {
            return Err(wrong());
        }
        if *checked != check(characters) {
            return Err(mistyped());
        }
        let mut octets = [0; OCTETS];
        for (five, eight) in octets.chunks_mut(5).zip(characters.chunks(8)) {
            let mut bits: u64 = 0;
            for character in eight {
                let value = ALPHABET.iter().position(|known| known == character).ok_or_else(mistyped)?;
                bits = bits << 5 | value as u64;
            }
            five.copy_from_slice(&bits.to_be_bytes()[3..]);
        }
        Ok(Self(octets))
    }
}

fn base32(octets: &[u8; OCTETS]) -> Vec<u8> {
    let mut characters = Vec::with_capacity(CHARACTERS);
    for five in octets.chunks(5) {
        let bits = five.iter().fold(0u64, |bits, octet| bits << 8 | u64::from(*octet));
        characters.extend((0..8).rev().map(|index| ALPHABET[(bits >> (5 * index) & 31) as usize]));
    }
    characters
}

fn check(characters: &[u8]) -> [u8; 2] {
    let digest = sha256(characters);
    [ALPHABET[usize::from(digest[0] & 31)], ALPHABET[usize::from(digest[1] & 31)]]
}

fn as_printed(octet: u8) -> u8 {
    match octet.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::SystemEntropy;

    #[test]
    fn a_code_is_read_as_people_type_it_and_a_slip_is_noticed() {
        let code = Code::generate(&[7; 32], &SystemEntropy);
        let printed = code.reveal();
        assert_eq!((printed.len(), printed.matches('-').count(), code.pin()), (48, 6, &[7; PIN][..]));
        for typed in
            [printed.clone(), printed.to_lowercase(), printed.replace('-', " "), printed.replace('-', ""), printed.replace('0', "o")]
        {
            let read = Code::parse(&typed).unwrap();
            assert!(read.locator() == code.locator() && read.matches(&code.hash()), "{typed}");
        }
        let mut noticed = 0;
        for index in 0..printed.len() {
            let mut slip = printed.clone().into_bytes();
            slip[index] = if slip[index] == b'7' { b'8' } else { b'7' };
            noticed += usize::from(Code::parse(std::str::from_utf8(&slip).unwrap()).is_err());
        }
        // One slip in 1024 goes unnoticed here, and then finds no code or another secret.
        assert!(noticed > 44, "{noticed}");
        for wrong in ["", "-", "U", &printed[..41], &format!("{printed}0"), &"7".repeat(10_000)] {
            assert!(Code::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Code::parse(&printed[..41]).err().unwrap().to_string().contains("seven groups"));
        let slip = format!("{}{}", &printed[..47], if printed.ends_with('7') { "8" } else { "7" });
        assert!(Code::parse(&slip).err().unwrap().to_string().contains("mistyped"));
        for meant in [&printed[..], &printed[..40], &printed.replace('-', ""), "K-1-2"] {
            assert!(Code::is_meant(meant), "{meant}");
        }
        for other in ["", "1234", &format!("{0}-{0}", "0".repeat(32)), &"0".repeat(64)] {
            assert!(!Code::is_meant(other), "{other}");
        }
        let other = Code::generate(&[7; 32], &SystemEntropy);
        assert!(!other.matches(&code.hash()) && other.locator() != code.locator());
    }
}
