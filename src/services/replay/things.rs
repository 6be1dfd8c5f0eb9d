//! What acts are done to: the records of an export by their identifiers, and as the rules see them.

use std::collections::{BTreeSet, HashMap};

use super::super::departments::Shown;
use super::export::{
    CertificateRecord, ContestRecord, DepartmentChangeRecord, EnrolmentRecord, Export, GrantRecord, IdentityCheckRecord, PersonRecord,
    TokenRecord, WithdrawnChangeRecord,
};
use crate::{
    ledger::StatusKey,
    policy::{About, Act, Actor, DepartmentId, DepartmentPath, IdentityError, Object, PersonId, PolicySet, Quorum, RoleGrant, rules},
};

/// What a decision is about.
#[derive(Clone, Copy)]
pub enum Thing<'a> {
    Enrolment(&'a EnrolmentRecord),
    /// The key of an authority, which gets its own certificate.
    Authority,
    Certificate(&'a CertificateRecord),
    Person(&'a PersonRecord),
    /// The policy.
    Installation,
    /// A change of departments.
    Departments(&'a DepartmentChangeRecord),
    /// A change that was taken back.
    WithdrawnChange(&'a WithdrawnChangeRecord),
    Token(&'a TokenRecord),
    IdentityCheck(&'a IdentityCheckRecord),
    Contest {
        later: &'a EnrolmentRecord,
        earlier: &'a EnrolmentRecord,
    },
}

/// The records by identifier.
pub struct Things<'a> {
    enrolments: HashMap<&'a str, &'a EnrolmentRecord>,
    certificates: HashMap<&'a str, &'a CertificateRecord>,
    by_key: HashMap<StatusKey, &'a CertificateRecord>,
    persons: HashMap<&'a str, &'a PersonRecord>,
    changes: HashMap<&'a str, &'a DepartmentChangeRecord>,
    withdrawn: HashMap<&'a str, &'a WithdrawnChangeRecord>,
    tokens: HashMap<&'a str, &'a TokenRecord>,
    checks: HashMap<&'a str, &'a IdentityCheckRecord>,
    contests: HashMap<&'a str, &'a ContestRecord>,
}

/// Where each department lies: in the one above it, or in the one that it was merged into.
pub type Tree = HashMap<String, Option<String>>;

/// The most departments that stand above each other.
const DEEPEST: usize = 64;

impl<'a> Things<'a> {
    pub fn of(export: &'a Export) -> Self {
        let key = |record: &'a CertificateRecord| {
            let digest = hex::decode(&record.id).ok()?.try_into().ok()?;
            Some((StatusKey::from_tbs_digest(&digest), record))
        };
        Self {
            enrolments: export.enrolments.iter().map(|record| (record.id.as_str(), record)).collect(),
            certificates: export.certificates.iter().map(|record| (record.id.as_str(), record)).collect(),
            by_key: export.certificates.iter().filter_map(key).collect(),
            persons: export.persons.iter().map(|record| (record.id.as_str(), record)).collect(),
            changes: export.department_changes.iter().map(|record| (record.id.as_str(), record)).collect(),
            withdrawn: export.withdrawn_changes.iter().map(|record| (record.id.as_str(), record)).collect(),
            tokens: export.tokens.iter().map(|record| (record.id.as_str(), record)).collect(),
            checks: export.identity_checks.iter().map(|record| (record.id.as_str(), record)).collect(),
            contests: export.contests.iter().map(|record| (record.later.as_str(), record)).collect(),
        }
    }

    /// What an act about this is done to, if there is such a thing.
    pub fn find(&self, act: Act, about: &About) -> Option<Thing<'a>> {
        let id = about.to_string();
        let enrolment = |id: &str| self.enrolments.get(id).copied();
        match act {
            Act::Withdraw if self.withdrawn.contains_key(id.as_str()) => Some(Thing::WithdrawnChange(self.withdrawn[id.as_str()])),
            Act::Approve | Act::Reject | Act::Withdraw | Act::Expire | Act::Claim | Act::Prove | Act::Renew => {
                enrolment(&id).map(Thing::Enrolment)
            }
            Act::Issue => match about {
                About::Identifier(_) => enrolment(&id).map(Thing::Enrolment),
                About::Digest(_) => Some(Thing::Authority),
            },
            Act::Revoke | Act::Suspend | Act::Resume | Act::Complete => match about {
                About::Identifier(_) if act == Act::Revoke => enrolment(&id).map(Thing::Enrolment),
                _ => self.certificates.get(id.as_str()).copied().map(Thing::Certificate),
            },
            Act::Grant | Act::Dismiss | Act::Export | Act::Erase => self.persons.get(id.as_str()).copied().map(Thing::Person),
            Act::ActivatePolicy => Some(Thing::Installation),
            Act::DefineDepartment | Act::ChangeDepartment => self.changes.get(id.as_str()).copied().map(Thing::Departments),
            // What was asked of a department ends when that is merged; an approval is taken away when it is put to re-review.
            Act::MergeDepartment => match self.changes.get(id.as_str()) {
                Some(record) => Some(Thing::Departments(record)),
                None => enrolment(&id).map(Thing::Enrolment),
            },
            Act::ReReview => match about {
                About::Identifier(_) => enrolment(&id).map(Thing::Enrolment),
                About::Digest(_) => self.certificates.get(id.as_str()).copied().map(Thing::Certificate),
            },
            Act::GrantToken | Act::RevokeToken => self.tokens.get(id.as_str()).copied().map(Thing::Token),
            Act::CheckIdentity | Act::ConfirmIdentity | Act::WithdrawIdentity => {
                self.checks.get(id.as_str()).copied().map(Thing::IdentityCheck)
            }
            Act::UpholdContest | Act::DismissContest => {
                let contest = self.contests.get(id.as_str())?;
                Some(Thing::Contest { later: enrolment(&contest.later)?, earlier: enrolment(&contest.earlier)? })
            }
            Act::Submit | Act::PublishCrl => None,
        }
    }

    pub fn certificate(&self, id: &str) -> Option<&'a CertificateRecord> {
        self.certificates.get(id).copied()
    }

    pub fn enrolment(&self, id: &str) -> Option<&'a EnrolmentRecord> {
        self.enrolments.get(id).copied()
    }

    pub fn certificate_of(&self, key: &StatusKey) -> Option<&'a CertificateRecord> {
        self.by_key.get(key).copied()
    }

    /// The department of everything in a list of certificates and enrolments; `None` when they are of several, or of none.
    pub fn common_department(&self, items: &[String]) -> Option<&'a str> {
        let department = |item: &String| match self.certificates.get(item.as_str()) {
            Some(record) => record.department.as_deref(),
            None => self.enrolments.get(item.as_str()).and_then(|record| record.department.as_deref()),
        };
        let mut found: BTreeSet<Option<&str>> = items.iter().map(department).collect();
        if found.len() == 1 { found.pop_first().flatten() } else { None }
    }

    pub fn change(&self, id: &str) -> Option<&'a DepartmentChangeRecord> {
        self.changes.get(id).copied()
    }

    /// Whether somebody may do this, as the rules of that version say, where departments lie so; `before` are those who signed the
    /// same already.
    pub fn decide(&self, set: &PolicySet, actor: &Actor, deed: &Deed<'_>, tree: &Tree, before: &[PersonId]) -> Result<(), String> {
        let path_of = |department: Option<&str>| path(tree, department);
        let decide = |object: &Object<'_>| set.decide(actor, deed.act, object).map_err(|refusal| format!("{}: {refusal}", refusal.rule()));
        let unreadable = |error: IdentityError| error.to_string();
        let person = |id: &str| id.parse::<PersonId>().map_err(unreadable);
        let certificate = |department: Option<&str>, holder: &str| {
            let department = path_of(department).map_err(unreadable)?;
            decide(&Object::Certificate(rules::Certificate { department, holder: person(holder)? }))
        };
        match deed.thing {
            Thing::Enrolment(record) if deed.act == Act::Revoke => certificate(record.department.as_deref(), &record.person),
            Thing::Enrolment(record) if deed.act == Act::Renew => {
                let followed = record.replaces.as_deref().and_then(|id| self.certificate(id)).ok_or("it follows no certificate")?;
                certificate(followed.department.as_deref(), &followed.person)
            }
            Thing::Enrolment(record) => {
                let submitted_by = if deed.act == Act::Submit { actor.person } else { person(&record.submitted_by)? };
                // Whose approval was taken away does not approve it once more.
                let approved_by = before.iter().copied().chain(deed.questioned.iter().copied()).collect();
                let profile = record.profile.parse().ok().and_then(|name| set.profile(&name)).ok_or("the policy has no such profile")?;
                decide(&Object::Enrolment(rules::Enrolment {
                    profile,
                    department: path_of(record.department.as_deref()).map_err(unreadable)?,
                    submitted_by,
                    subject: person(&record.person)?,
                    approved_by,
                }))
            }
            Thing::Certificate(record) if deed.act == Act::Suspend && record.is_of_authority() => {
                Err("an authority is not suspended".to_owned())
            }
            Thing::Certificate(record) => {
                certificate(record.department.as_deref(), &record.person)?;
                // Whose stolen key it rested on is asked about as its holder, and so is who asked for it.
                let questioned: &[PersonId] = if deed.act == Act::Resume { &deed.questioned } else { &[] };
                questioned.iter().try_for_each(|holder| certificate(record.department.as_deref(), &holder.to_string()))
            }
            Thing::Departments(_) | Thing::WithdrawnChange(_) => {
                let change = deed.reorganization().ok_or("nothing can be read of the change")?;
                let step = change.departments.first().ok_or("it changes nothing")?;
                let from = step.before.as_ref().unwrap_or(&step.after).parent;
                let place = |id: Option<DepartmentId>| path_of(id.map(|id| id.to_string()).as_deref()).map_err(unreadable);
                decide(&Object::DepartmentChange { from: place(from)?, to: place(step.after.successor.or(step.after.parent))? })
            }
            Thing::Person(record) if matches!(deed.act, Act::Grant | Act::Dismiss) => {
                let mut of = Actor { person: person(&record.id)?, roles: deed.roles.clone() };
                for role in &deed.changes {
                    let department = path_of(role.department.map(|id| id.to_string()).as_deref()).map_err(unreadable)?;
                    decide(&Object::Role { of: &of, role: role.role, department })?;
                    if deed.act == Act::Grant {
                        of.roles.push(*role);
                    }
                }
                Ok(())
            }
            Thing::Person(record) => {
                let department = path_of(record.department.as_deref()).map_err(unreadable)?;
                let concerns = vec![person(&record.id)?];
                decide(&Object::Citizen(rules::CitizenCase { department, concerns, decided_by: before.to_vec() }))
            }
            Thing::Contest { later, earlier } => {
                let department = path_of(later.department.as_deref()).map_err(unreadable)?;
                let people = [&later.person, &later.submitted_by, &earlier.person, &earlier.submitted_by];
                let concerns = people.into_iter().map(|id| person(id)).collect::<Result<_, _>>()?;
                decide(&Object::Citizen(rules::CitizenCase { department, concerns, decided_by: before.to_vec() }))
            }
            Thing::Token(record) => {
                let department = path_of(record.department.as_deref()).map_err(unreadable)?;
                decide(&Object::Record { department, subject: None })
            }
            Thing::IdentityCheck(record) => {
                let department = path_of(record.department.as_deref()).map_err(unreadable)?;
                decide(&Object::IdentityCheck(rules::IdentityCheck { department, recorded_by: person(&record.recorded_by)? }))
            }
            Thing::Installation | Thing::Authority => decide(&Object::Installation),
        }
    }
}

/// Whether a department lies in another, or is it.
pub fn lies_in(tree: &Tree, department: Option<&str>, above: Option<&str>) -> bool {
    let above_it = |id: &str| tree.get(id).and_then(Option::as_deref);
    department == above || std::iter::successors(department, |id| above_it(id)).take(DEEPEST).any(|id| Some(id) == above)
}

/// A department and those above it, itself first.
fn path(tree: &Tree, department: Option<&str>) -> Result<DepartmentPath, IdentityError> {
    let mut path = Vec::new();
    let mut next = department;
    while let Some(id) = next.filter(|_| path.len() < DEEPEST) {
        path.push(id.parse::<DepartmentId>()?);
        next = tree.get(id).and_then(Option::as_deref);
    }
    Ok(DepartmentPath::new(path))
}

impl CertificateRecord {
    /// All others come of an enrolment, which the leaf of their issue proves.
    fn is_of_authority(&self) -> bool {
        self.enrolment.is_none()
    }
}

/// What was done to what.
pub struct Deed<'a> {
    pub act: Act,
    pub thing: Thing<'a>,
    /// The roles that are granted or ended, and those that the person had before.
    pub changes: Vec<RoleGrant>,
    pub roles: Vec<RoleGrant>,
    /// Whose stolen keys it rested on, for each re-review that it was put to.
    pub questioned: Vec<PersonId>,
}

impl Deed<'_> {
    /// The change of departments that it is done to.
    fn reorganization(&self) -> Option<Shown> {
        match self.thing {
            Thing::Departments(record) => record.change(),
            Thing::WithdrawnChange(record) => record.change(),
            _ => None,
        }
    }

    /// How many people it takes, and of which department that is counted. `list`: the department of the list that it is done to.
    pub fn quorum(&self, set: &PolicySet, list: Option<Option<&str>>) -> (Quorum, Option<DepartmentId>) {
        let parse = |department: Option<&str>| department.and_then(|id| id.parse().ok());
        match (self.act, self.thing) {
            (Act::Approve, Thing::Enrolment(record)) => {
                let profile = record.profile.parse().ok().and_then(|name| set.profile(&name));
                (profile.map_or(Quorum::ONE, |profile| profile.approvals().quorum()), parse(record.department.as_deref()))
            }
            (Act::Grant, Thing::Person(record)) => (set.quorum(Act::Grant), parse(record.department.as_deref())),
            // An authority is revoked by as many as a list, whatever it is done by.
            (Act::Revoke | Act::ReReview, Thing::Certificate(record)) if record.is_of_authority() => (set.quorum(Act::Revoke), None),
            (Act::Revoke, _) => match list {
                Some(department) => (set.quorum(Act::Revoke), parse(department)),
                None => (Quorum::ONE, None),
            },
            (Act::ReReview, Thing::Certificate(record)) => (set.quorum(Act::ReReview), parse(record.department.as_deref())),
            (act, Thing::Departments(record)) => (set.quorum(act), record.change().map(|change| change.department)),
            (Act::ActivatePolicy, _) => (set.quorum(Act::ActivatePolicy), None),
            (Act::UpholdContest | Act::DismissContest | Act::Export | Act::Erase, _) => (Quorum { people: 2, ..Quorum::ONE }, None),
            _ => (Quorum::ONE, None),
        }
    }
}

/// The roles of a record of grants; one that is none is left out.
pub fn roles_of(record: &GrantRecord) -> Vec<RoleGrant> {
    let role = |record: &super::export::RoleRecord| {
        let department = record.department.as_deref().map(str::parse).transpose().ok()?;
        Some(RoleGrant { role: record.role.parse().ok()?, department })
    };
    record.grants.iter().filter_map(role).collect()
}
