//! Leavers: what the people of a list hold, so that it can be revoked by one statement.

use std::collections::HashMap;

use serde::Serialize;

use super::{
    super::{Services, error::Error, revoke::digest, statements::Caller},
    import::{columns, must_do_without_request},
    lines::{self, NUMBER},
    numbers::NAME,
};
use crate::{
    ledger::{State, StatusKey},
    policy::{Act, Object, PersonId, Profile, rules},
    store::{self, StaffRow},
    world::millis,
};

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
        let with_numbers = self.with_numbers(department, &lines).await?;
        let staff: Vec<StaffRow> = with_numbers.iter().flatten().cloned().collect();
        let (certificates, enrolments) = {
            let mut connection = self.db.read().await?;
            let persons: Vec<String> = staff.iter().map(|row| row.person.clone()).collect();
            let certificates = store::certificates::running_of(&mut connection, &persons, millis(self.clock.now())).await?;
            (certificates, store::enrolments::open_of(&mut connection, &persons).await?)
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
        let names =
            if lines.iter().any(|line| line.fields.contains_key(NAME)) { self.names_of(&staff, &profiles).await? } else { HashMap::new() };
        let (mut items, mut without) = (Vec::new(), 0);
        for (line, found) in lines.iter().zip(&with_numbers) {
            let found: Vec<&str> = found.iter().map(|row| row.person.as_str()).collect();
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

    /// The ledger says that it is good or suspended.
    pub(super) fn is_revocable(&self, row: &store::CertificateRow) -> Result<bool, Error> {
        let key = StatusKey::from_tbs_digest(&digest(&row.id)?);
        let state = self.logs.status(&row.authority, &key).and_then(|status| status.changes.last().map(|change| change.state));
        Ok(matches!(state, Some(State::Good | State::Hold)))
    }
}
