//! The number by which a department knows a member of its staff.
//!
//! It is a secret like an identity number: wiped when it is dropped, without `Debug`, `Display` or `Serialize`, and no error
//! repeats it.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::x509::identity_number::holds_resident_number;

const LONGEST: usize = 32;

/// 1 to 32 ASCII letters, digits and `-_./`, as the department writes it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Zeroize, ZeroizeOnDrop)]
pub struct EmployeeNumber(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmployeeNumberError {
    #[error("an employee number is missing")]
    Missing,
    #[error("an employee number has 1 to 32 letters, digits and -_./")]
    Syntax,
    /// It would be easy to import a list of residents by mistake.
    #[error("an employee number is not an identity number")]
    IdentityNumber,
}

impl EmployeeNumber {
    /// Space around it is not part of it.
    pub fn parse(text: &str) -> Result<Self, EmployeeNumberError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EmployeeNumberError::Missing);
        }
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_./".contains(&octet);
        if text.len() > LONGEST || !text.bytes().all(plain) {
            return Err(EmployeeNumberError::Syntax);
        }
        if holds_resident_number(text) { Err(EmployeeNumberError::IdentityNumber) } else { Ok(Self(text.to_owned())) }
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_what_departments_write_and_never_a_residents() {
        for good in ["1", "E-0042", "a.b/c_d", &"9".repeat(LONGEST)] {
            assert_eq!(EmployeeNumber::parse(&format!(" {good} ")).map(|number| number.expose().to_owned()).as_deref(), Ok(good));
        }
        for (bad, error) in [
            ("", EmployeeNumberError::Missing),
            (" \t", EmployeeNumberError::Missing),
            (&"9".repeat(LONGEST + 1), EmployeeNumberError::Syntax),
            ("工号1", EmployeeNumberError::Syntax),
            ("a b", EmployeeNumberError::Syntax),
            ("11010519491231002X", EmployeeNumberError::IdentityNumber),
            ("staff-11010519491231002x", EmployeeNumberError::IdentityNumber),
        ] {
            assert_eq!(EmployeeNumber::parse(bad).err(), Some(error), "{bad}");
        }
    }
}
