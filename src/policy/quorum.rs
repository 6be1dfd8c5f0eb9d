//! How many different people an act takes, beside what each of them may do: `quorums.toml`, and the approvals of a profile.
//!
//! People are counted, never statements or certificates: one who signs twice is one.

use std::{collections::BTreeMap, ops::Range};

use serde::Deserialize;
use toml::Spanned;

use super::{
    identity::DepartmentId,
    profile::Fault,
    rules::{Actor, Line, Role},
    statement::Act,
};

/// The most people that one act may take.
const MOST_PEOPLE: usize = 9;

/// The acts whose number of people `quorums.toml` says. Approvals are the profile's own.
static COUNTED: &[Act] =
    &[Act::Grant, Act::ActivatePolicy, Act::Revoke, Act::DefineDepartment, Act::ChangeDepartment, Act::MergeDepartment, Act::ReReview];

/// What no version may ask less of: nobody gives roles, other rules or a mass revocation alone.
static LEAST: &[(Act, Quorum)] = &[
    (Act::Grant, Quorum { people: 2, outside: 1, ..Quorum::ONE }),
    (Act::ActivatePolicy, Quorum { people: 2, audit: 1, ..Quorum::ONE }),
    (Act::Revoke, Quorum { people: 2, administrators: 2, ..Quorum::ONE }),
];

/// Who must have signed before an act is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// Different people.
    pub people: usize,
    /// Different departments that they act for; the installation itself counts as one.
    #[serde(default)]
    pub departments: usize,
    /// People who hold no role in the department that it is about. Where it is about none, nobody is outside and none is asked for.
    #[serde(default)]
    pub outside: usize,
    /// Administrators.
    #[serde(default)]
    pub administrators: usize,
    /// People of the line that audits.
    #[serde(default)]
    pub audit: usize,
}

/// What is missing still, kind by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Missing {
    pub people: usize,
    pub departments: usize,
    pub outside: usize,
    pub administrators: usize,
    pub audit: usize,
}

impl Quorum {
    /// One person is enough.
    pub const ONE: Self = Self { people: 1, departments: 0, outside: 0, administrators: 0, audit: 0 };

    /// What is missing after these people signed about something of that department; `None` when they are enough.
    pub fn missing(&self, signers: &[Actor], department: Option<DepartmentId>) -> Option<Missing> {
        let mut people: BTreeMap<_, &Actor> = BTreeMap::new();
        for signer in signers {
            people.insert(signer.person, signer);
        }
        let count = |counts: &dyn Fn(&Actor) -> bool| people.values().filter(|person| counts(person)).count();
        let outside = match department {
            Some(_) => self.outside.saturating_sub(count(&|person| person.roles.iter().all(|grant| grant.department != department))),
            None => 0,
        };
        let missing = Missing {
            people: self.people.saturating_sub(people.len()),
            departments: self.departments.saturating_sub(different_departments(people.values().copied())),
            outside,
            administrators: self.administrators.saturating_sub(count(&|person| holds(person, |role| role == Role::Administrator))),
            audit: self.audit.saturating_sub(count(&|person| holds(person, |role| role.line() == Line::Audit))),
        };
        (missing != Missing::default()).then_some(missing)
    }
}

fn holds(person: &Actor, wanted: impl Fn(Role) -> bool) -> bool {
    person.roles.iter().any(|grant| wanted(grant.role))
}

/// For how many different departments these people can stand, each of them for one: a largest matching.
fn different_departments<'a>(people: impl Iterator<Item = &'a Actor>) -> usize {
    let people: Vec<Vec<Option<DepartmentId>>> = people.map(|person| person.roles.iter().map(|grant| grant.department).collect()).collect();
    let mut stands: BTreeMap<Option<DepartmentId>, usize> = BTreeMap::new();
    (0..people.len()).filter(|&person| find_place(person, &people, &mut stands, &mut Vec::new())).count()
}

/// Finds this person a department of their own, moving others on where they have another.
fn find_place(
    person: usize,
    people: &[Vec<Option<DepartmentId>>],
    stands: &mut BTreeMap<Option<DepartmentId>, usize>,
    tried: &mut Vec<Option<DepartmentId>>,
) -> bool {
    for department in &people[person] {
        if tried.contains(department) {
            continue;
        }
        tried.push(*department);
        let free = match stands.get(department) {
            None => true,
            Some(&other) => find_place(other, people, stands, tried),
        };
        if free {
            stands.insert(*department, person);
            return true;
        }
    }
    false
}

/// `quorums.toml`: one table an act.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quorums(BTreeMap<&'static str, Quorum>);

impl Quorums {
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let fault = |at: Range<usize>, message: String| Fault { at, message };
        let raw: BTreeMap<Spanned<String>, Spanned<Quorum>> =
            toml::from_str(text).map_err(|error| fault(error.span().unwrap_or_default(), error.message().to_owned()))?;
        let mut quorums = BTreeMap::new();
        for (act, quorum) in raw {
            let known = COUNTED.iter().find(|known| known.as_str() == act.get_ref());
            let Some(known) = known else {
                let names: Vec<&str> = COUNTED.iter().map(|act| act.as_str()).collect();
                return Err(fault(act.span(), format!("\"{}\" is no act that is counted: {}", act.get_ref(), names.join(", "))));
            };
            let Quorum { people, departments, outside, administrators, audit } = *quorum.get_ref();
            if !(1..=MOST_PEOPLE).contains(&people) {
                return Err(fault(quorum.span(), format!("an act takes 1 to {MOST_PEOPLE} people")));
            }
            if [departments, outside, administrators, audit].into_iter().any(|part| part > people) {
                return Err(fault(quorum.span(), "no part of the people is more than all of them".to_owned()));
            }
            quorums.insert(known.as_str(), *quorum.get_ref());
        }
        Ok(Self(quorums))
    }

    /// The acts that take fewer people than any version must ask for, each with that.
    pub(super) fn too_few(&self) -> impl Iterator<Item = (Act, String)> + '_ {
        LEAST.iter().filter_map(|(act, least)| {
            let own = self.of(*act);
            let parts = [
                ("people", own.people, least.people),
                ("outside", own.outside, least.outside),
                ("administrators", own.administrators, least.administrators),
                ("audit", own.audit, least.audit),
            ];
            let less = parts.iter().any(|(_, own, least)| own < least);
            let asked: Vec<String> =
                parts.iter().filter(|(.., least)| *least > 0).map(|(name, _, least)| format!("{name} = {least}")).collect();
            less.then(|| (*act, format!("[{act}] takes at least {}", asked.join(", "))))
        })
    }

    /// What an act takes. One that the file does not name takes one person.
    pub fn of(&self, act: Act) -> Quorum {
        self.0.get(act.as_str()).copied().unwrap_or(Quorum::ONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{identity::PersonId, rules::RoleGrant};

    const HERE: Option<DepartmentId> = Some(DepartmentId::from_bytes([1; 16]));
    const THERE: Option<DepartmentId> = Some(DepartmentId::from_bytes([2; 16]));
    const ELSEWHERE: Option<DepartmentId> = Some(DepartmentId::from_bytes([3; 16]));

    fn who(person: u8, roles: &[(Role, Option<DepartmentId>)]) -> Actor {
        let roles = roles.iter().map(|&(role, department)| RoleGrant { role, department }).collect();
        Actor { person: PersonId::from_bytes([person; 16]), roles }
    }

    const NONE: Missing = Missing { people: 0, departments: 0, outside: 0, administrators: 0, audit: 0 };

    #[test]
    fn one_person_who_signs_twice_is_one() {
        let two = Quorum { people: 2, ..Quorum::ONE };
        let one = who(1, &[(Role::Approver, HERE)]);
        assert_eq!(two.missing(&[], HERE), Some(Missing { people: 2, ..NONE }));
        assert_eq!(two.missing(&[one.clone(), one.clone()], HERE), Some(Missing { people: 1, ..NONE }));
        assert_eq!(two.missing(&[one, who(2, &[(Role::Approver, HERE)])], HERE), None);
    }

    #[test]
    fn each_part_of_a_quorum_is_asked_for_by_itself() {
        let grant = Quorum { people: 2, outside: 1, administrators: 1, ..Quorum::ONE };
        let inside = who(1, &[(Role::Administrator, HERE)]);
        let also_inside = who(2, &[(Role::Administrator, HERE), (Role::Administrator, THERE)]);
        assert_eq!(grant.missing(&[inside.clone(), also_inside.clone()], HERE), Some(Missing { outside: 1, ..NONE }));
        let auditor = who(3, &[(Role::Auditor, None)]);
        assert_eq!(grant.missing(&[inside.clone(), auditor.clone()], HERE), None);
        assert_eq!(grant.missing(&[auditor.clone(), who(4, &[(Role::Auditor, THERE)])], HERE), Some(Missing { administrators: 1, ..NONE }));
        // What is of no department has no outside.
        assert_eq!(grant.missing(&[inside, also_inside], None), None);

        let policy = Quorum { people: 2, audit: 1, ..Quorum::ONE };
        let administrators = [who(5, &[(Role::Administrator, None)]), who(6, &[(Role::Administrator, None)])];
        assert_eq!(policy.missing(&administrators, None), Some(Missing { audit: 1, ..NONE }));
        assert_eq!(policy.missing(&[administrators[0].clone(), auditor], None), None);
    }

    #[test]
    fn a_person_stands_for_one_department_however_many_they_work_in() {
        let three = Quorum { people: 3, departments: 3, ..Quorum::ONE };
        let everywhere = who(1, &[(Role::Approver, HERE), (Role::Approver, THERE), (Role::Approver, ELSEWHERE)]);
        let here = [2, 3].map(|person| who(person, &[(Role::Approver, HERE)]));
        let there = who(4, &[(Role::Approver, THERE)]);
        let missing = three.missing(&[here[0].clone(), here[1].clone(), everywhere.clone()], HERE);
        assert_eq!(missing, Some(Missing { departments: 1, ..NONE }));
        // The one who can stand anywhere stands where nobody else does, whatever the order.
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let all = [everywhere.clone(), here[0].clone(), there.clone()];
            assert_eq!(three.missing(&order.map(|index: usize| all[index].clone()), HERE), None);
        }
    }

    #[test]
    fn quorums_that_are_wrong_are_refused_where_they_are_wrong() {
        let good = "[grant]\npeople = 2\noutside = 1\n\n[activate-policy]\npeople = 2\naudit = 1\n";
        let quorums = Quorums::parse(good).unwrap();
        assert_eq!(quorums.of(Act::Grant), Quorum { people: 2, outside: 1, ..Quorum::ONE });
        assert_eq!(quorums.of(Act::Suspend), Quorum::ONE);
        for (from, to, said) in [
            ("[grant]", "[approve]", "no act that is counted"),
            ("[grant]", "[bless]", "no act that is counted"),
            ("[grant]", "[dismiss]", "no act that is counted"),
            ("people = 2\noutside", "people = 0\noutside", "1 to 9 people"),
            ("people = 2\noutside", "people = 10\noutside", "1 to 9 people"),
            ("outside = 1", "outside = 3", "more than all"),
            ("outside = 1", "inside = 1", "unknown field"),
            ("people = 2\noutside = 1", "outside = 1", "missing field"),
            ("people = 2\noutside", "people = -1\noutside", "invalid value"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let fault = Quorums::parse(&text).expect_err(to);
            assert!(fault.message.contains(said), "{to}: {}", fault.message);
        }
    }
}
