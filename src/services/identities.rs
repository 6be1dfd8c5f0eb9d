//! Identity numbers and employee numbers at rest, under a key of their own: sealed, or as an index that means nothing without
//! the key.
//!
//! Never a plain hash: there are so few numbers that whoever has a hash of one can find it. The key lies in a file of its own
//! beside the data key, so that those who may open names need not be those who may open numbers.

use zeroize::Zeroizing;

use super::{
    enrol::hmac_sha256,
    sealing::{Sealer, Unsealable},
};
use crate::{
    policy::{DepartmentId, EmployeeNumber, IdentityNumber},
    world::Entropy,
};

/// What can be done with identity numbers.
pub struct Vault {
    sealer: Sealer,
    index: Zeroizing<[u8; 32]>,
    references: Zeroizing<[u8; 32]>,
    employees: Zeroizing<[u8; 32]>,
}

impl Vault {
    /// One key a purpose, derived from the key in the file.
    pub fn new(key: &[u8; 32]) -> Self {
        let derive = |purpose: &str| Zeroizing::new(hmac_sha256(key, format!("hufu/identity/{purpose}/v1").as_bytes()));
        Self {
            sealer: Sealer::new(&derive("seal")),
            index: derive("index"),
            references: derive("reference"),
            employees: derive("employee"),
        }
    }

    pub fn seal(&self, row: &str, number: &IdentityNumber, entropy: &dyn Entropy) -> Vec<u8> {
        self.sealer.seal(row, number.expose(), entropy)
    }

    pub fn open(&self, row: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        self.sealer.open(row, sealed)
    }

    /// By which two proofs of one person are recognised, whatever way each came.
    pub fn index_of_number(&self, number: &IdentityNumber) -> [u8; 32] {
        keyed(&self.index, number.kind().as_str().as_bytes(), number.expose())
    }

    /// The same for a provider that tells no number: its own name for the person.
    pub fn index_of_subject(&self, issuer: &str, subject: &str) -> [u8; 32] {
        keyed(&self.index, issuer.as_bytes(), subject.as_bytes())
    }

    pub fn seal_employee(&self, row: &str, number: &EmployeeNumber, entropy: &dyn Entropy) -> Vec<u8> {
        self.sealer.seal(row, number.expose().as_bytes(), entropy)
    }

    /// By which a member of a department's staff is recognised. The same number in another department is another's.
    pub fn index_of_employee(&self, department: DepartmentId, number: &EmployeeNumber) -> [u8; 32] {
        keyed(&self.employees, department.as_bytes(), number.expose().as_bytes())
    }

    /// The opaque reference of a proof.
    pub fn reference_of_number(&self, number: &IdentityNumber) -> [u8; 32] {
        keyed(&self.references, number.kind().as_str().as_bytes(), number.expose())
    }

    pub fn reference_of_subject(&self, issuer: &str, subject: &str) -> [u8; 32] {
        keyed(&self.references, issuer.as_bytes(), subject.as_bytes())
    }
}

/// HMAC over both, the length of the first before it, so that no two pairs are one text.
fn keyed(key: &[u8; 32], domain: &[u8], name: &[u8]) -> [u8; 32] {
    let text = Zeroizing::new([&(domain.len() as u64).to_be_bytes(), domain, name].concat());
    hmac_sha256(key, &text)
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;
    use crate::{crypto::digest::sha256, world::SystemEntropy};

    fn number(text: &str) -> IdentityNumber {
        IdentityNumber::resident(text, date!(2030 - 01 - 01)).map_err(|error| error.to_string()).unwrap()
    }

    #[test]
    fn an_index_is_the_same_for_the_same_number_under_the_same_key_alone() {
        let (vault, other) = (Vault::new(&[1; 32]), Vault::new(&[2; 32]));
        let (one, two) = (number("11010519491231002X"), number("440524188001010014"));
        let index = vault.index_of_number(&one);
        assert_eq!(index, vault.index_of_number(&number("110105 19491231 002x")));
        let others = [
            vault.index_of_number(&two),
            other.index_of_number(&one),
            vault.reference_of_number(&one),
            vault.index_of_subject("gb11643", "x"),
            sha256(one.expose()),
            hmac_sha256(&[1; 32], one.expose()),
        ];
        assert!(others.iter().all(|other| *other != index));
        assert_ne!(vault.index_of_subject("https://a", "bc"), vault.index_of_subject("https://ab", "c"));
    }

    #[test]
    fn an_employee_number_is_of_its_department() {
        let (vault, other) = (Vault::new(&[1; 32]), Vault::new(&[2; 32]));
        let (here, there) = (DepartmentId::from_bytes([1; 16]), DepartmentId::from_bytes([2; 16]));
        let number = |text: &str| EmployeeNumber::parse(text).unwrap();
        let index = vault.index_of_employee(here, &number("E-1"));
        assert_eq!(index, vault.index_of_employee(here, &number(" E-1 ")));
        for other in [
            vault.index_of_employee(there, &number("E-1")),
            vault.index_of_employee(here, &number("E-2")),
            other.index_of_employee(here, &number("E-1")),
        ] {
            assert_ne!(other, index);
        }
    }

    #[test]
    fn a_sealed_number_opens_with_its_own_key_in_its_own_row() {
        let (vault, other) = (Vault::new(&[1; 32]), Vault::new(&[2; 32]));
        let sealed = vault.seal("proofing/1", &number("11010519491231002X"), &SystemEntropy);
        assert_eq!(&vault.open("proofing/1", &sealed).unwrap()[..], b"11010519491231002X");
        assert!(vault.open("proofing/2", &sealed).is_err() && other.open("proofing/1", &sealed).is_err());
    }
}
