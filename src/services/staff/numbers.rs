//! Whose the employee numbers of a list are: the same number is another's in each department, also after one was merged into another.

use std::collections::{BTreeSet, HashMap};

use super::{
    super::{Services, error::Error},
    lines::Line,
};
use crate::{
    policy::{DepartmentId, Profile},
    store::{self, StaffRow},
};

/// The column of a person's name.
pub(super) const NAME: &str = "CN";

/// Whom a list of a department means by a number.
pub(super) enum Holder<'a> {
    Nobody,
    /// One of the department's own; whoever came with a merged one under the same number is not meant.
    Own(&'a StaffRow),
    /// Who came with a department that was merged into it.
    Merged(&'a StaffRow),
    /// People of several merged ones.
    Several,
}

impl<'a> Holder<'a> {
    /// Among those who have the number, the department's own first.
    pub fn of(found: &'a [StaffRow], department: DepartmentId) -> Self {
        match found {
            [] => Self::Nobody,
            [first, ..] if first.department == department.to_string() => Self::Own(first),
            [only] => Self::Merged(only),
            _ => Self::Several,
        }
    }
}

impl Services {
    /// For each line whoever has its number, in the department itself first, then in those that were merged into it.
    pub(super) async fn with_numbers(&self, department: DepartmentId, lines: &[Line]) -> Result<Vec<Vec<StaffRow>>, Error> {
        let mut found: Vec<Vec<StaffRow>> = lines.iter().map(|_| Vec::new()).collect();
        for department in self.with_merged(department).await? {
            let indexes: Vec<Vec<u8>> = lines.iter().map(|line| self.vault.index_of_employee(department, &line.number).to_vec()).collect();
            let rows = {
                let mut connection = self.db.read().await?;
                store::staff::by_numbers(&mut connection, &department.to_string(), &indexes).await?
            };
            let rows: HashMap<Vec<u8>, StaffRow> = rows.into_iter().filter_map(|row| Some((row.blind_index.clone()?, row))).collect();
            for (found, index) in found.iter_mut().zip(&indexes) {
                found.extend(rows.get(index).cloned());
            }
        }
        Ok(found)
    }

    /// What these people are called in their newest enrolment of each profile.
    pub(super) async fn names_of(&self, staff: &[StaffRow], profiles: &[Profile]) -> Result<HashMap<String, BTreeSet<String>>, Error> {
        let persons: Vec<String> = staff.iter().map(|row| row.person.clone()).collect();
        let mut names: HashMap<String, BTreeSet<String>> = HashMap::new();
        for profile in profiles {
            let enrolments = {
                let mut connection = self.db.read().await?;
                store::enrolments::newest_of_persons(&mut connection, profile.name().as_str(), &persons).await?
            };
            for row in enrolments {
                let name = self.open_record(&row)?.subject.remove(NAME);
                names.entry(row.person).or_default().extend(name);
            }
        }
        Ok(names)
    }

    /// A department, and those that were merged into it.
    async fn with_merged(&self, department: DepartmentId) -> Result<Vec<DepartmentId>, Error> {
        let mut connection = self.db.read().await?;
        let mut departments = vec![department];
        for id in store::departments::merged_into(&mut connection, &department.to_string()).await? {
            departments.push(id.parse().map_err(|_| Error::Corrupt(format!("department {id}")))?);
        }
        Ok(departments)
    }
}
