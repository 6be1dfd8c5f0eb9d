//! Leavers: what the people of a list hold, so that it can be revoked by one statement.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::{
    super::{Services, error::Error, revoke::digest, statements::Caller},
    import::{columns, must_do_without_request},
    lines::{self, NUMBER},
};
use crate::{
    ledger::{State, StatusKey},
    policy::{Act, DepartmentId, Object, PersonId, Profile, rules},
    store::{self, StaffRow},
    world::millis,
};

/// The column of a person's name.
const NAME: &str = "CN";

/// What there is to revoke.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Holdings {
    /// People in the list.
    pub lines: usize,
    /// Those of them who hold nothing.
    pub without: usize,
    /// Certificates, and requests that are not issued yet: always in the same order.
    pub items: Vec<String>,
    pub findings: Vec<lines::Finding>,
    pub findings_total: usize,
}

impl Services {
    /// What the people of a list (their employee numbers) hold in a department, or in one that was merged into it. The list may
    /// have the columns that enrol; a name in it must be the person's, so that a number that slipped by a line ends nobody else's
    /// certificate.
    pub async fn holdings(&self, caller: &Caller, department: &str, csv: &[u8]) -> Result<Holdings, Error> {
        let department = self.known_department_id(Some(department)).await?.ok_or_else(|| Error::unknown("department", department))?;
        let certificate = rules::Certificate { department: self.path(Some(department)).await?, holder: PersonId::generate(&*self.entropy) };
        self.policy().decide(&caller.actor, Act::Revoke, &Object::Certificate(certificate))?;
        let profiles: Vec<Profile> = self.policy().profiles().filter(|profile| must_do_without_request(profile).is_ok()).cloned().collect();
        let (lines, mut findings) = lines::read(csv, &profiles.iter().flat_map(columns).collect());
        // The same number is another's in each of them.
        let departments = self.with_merged(department).await?;
        let indexes_in = |department: &DepartmentId| -> Vec<Vec<u8>> {
            lines.iter().map(|line| self.vault.index_of_employee(*department, &line.number).to_vec()).collect()
        };
        let indexes: Vec<Vec<Vec<u8>>> = departments.iter().map(indexes_in).collect();
        let (staff, certificates, enrolments) = {
            let mut connection = self.db.read().await?;
            let mut staff = Vec::new();
            for (department, indexes) in departments.iter().zip(&indexes) {
                staff.extend(store::staff::by_numbers(&mut connection, &department.to_string(), indexes).await?);
            }
            let persons: Vec<String> = staff.iter().map(|row| row.person.clone()).collect();
            let certificates = store::certificates::running_of(&mut connection, &persons, millis(self.clock.now())).await?;
            (staff, certificates, store::enrolments::open_of(&mut connection, &persons).await?)
        };
        let mut held: HashMap<&str, Vec<String>> = HashMap::new();
        for row in &certificates {
            if self.is_revocable(row)? {
                held.entry(&row.person).or_default().push(hex::encode(&row.id));
            }
        }
        for (person, enrolment) in &enrolments {
            held.entry(person).or_default().push(enrolment.clone());
        }
        let persons: HashMap<&[u8], &str> =
            staff.iter().filter_map(|row| Some((row.blind_index.as_deref()?, row.person.as_str()))).collect();
        let names =
            if lines.iter().any(|line| line.fields.contains_key(NAME)) { self.names_of(&staff, &profiles).await? } else { HashMap::new() };
        let (mut items, mut without) = (Vec::new(), 0);
        for (place, line) in lines.iter().enumerate() {
            let found: Vec<&str> = indexes.iter().filter_map(|indexes| persons.get(&indexes[place][..]).copied()).collect();
            let of_another = |person: &str| {
                let told = line.fields.get(NAME);
                told.is_some_and(|told| names.get(person).is_none_or(|names| !names.contains(told)))
            };
            match found[..] {
                [] => findings.add(line.line, NUMBER, "unknown"),
                [person] if of_another(person) => findings.add(line.line, NAME, "different"),
                [person] => match held.remove(person) {
                    None => without += 1,
                    Some(own) => items.extend(own),
                },
                _ => findings.add(line.line, NUMBER, "ambiguous"),
            }
        }
        items.sort();
        findings.told.sort_by_key(|finding| finding.line);
        Ok(Holdings { lines: lines.len(), without, items, findings: findings.told, findings_total: findings.total })
    }

    /// What these people are called in their newest enrolment of each profile.
    async fn names_of(&self, staff: &[StaffRow], profiles: &[Profile]) -> Result<HashMap<String, BTreeSet<String>>, Error> {
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

    /// The ledger says that it is good or suspended.
    pub(super) fn is_revocable(&self, row: &store::CertificateRow) -> Result<bool, Error> {
        let key = StatusKey::from_tbs_digest(&digest(&row.id)?);
        let state = self.logs.status(&row.authority, &key).and_then(|status| status.changes.last().map(|change| change.state));
        Ok(matches!(state, Some(State::Good | State::Hold)))
    }
}
