//! Staff in bulk: a department hands in a list of its people, two officers decide on it as on any other requests, and each
//! person comes to their certificate with a code.
//!
//! ```text
//! list (CSV) → enrolments without a key → approved by one statement → codes → `hufu claim`: key, request, certificate
//! ```
//! Read `import.rs` first. Who signs an approval is shown the subject and the profile, and no key, for there is none yet; what
//! is decided is that this person may have such a certificate. The key is bound when the code is used: the request proves
//! possession, and the system key signs a statement about the enrolment as it is then, with the key in it.

pub mod codes;
pub mod import;
pub mod leavers;
pub mod lines;
mod numbers;
#[cfg(test)]
pub(super) mod tests;

use super::{Services, error::Error};
use crate::{
    policy::{DepartmentId, EmployeeNumber},
    store::StaffRow,
};

impl Services {
    /// The number of a member of staff. One that lies in another's row is not opened.
    pub(super) fn employee_number(&self, row: &StaffRow) -> Result<EmployeeNumber, Error> {
        let corrupt = || Error::Corrupt(format!("the employee number of person {}", row.person));
        let sealed = row.sealed_number.as_deref().ok_or(Error::Erased("employee number"))?;
        let opened = self.vault.open(&sealed_in(&row.person), sealed)?;
        let number = std::str::from_utf8(&opened).ok().and_then(|text| EmployeeNumber::parse(text).ok()).ok_or_else(corrupt)?;
        let department: DepartmentId = row.department.parse().map_err(|_| corrupt())?;
        let own = row.blind_index.as_deref() == Some(&self.vault.index_of_employee(department, &number)[..]);
        if own { Ok(number) } else { Err(corrupt()) }
    }
}

/// The row that a sealed number is bound to.
fn sealed_in(person: &str) -> String {
    format!("staff/{person}")
}
