//! Who may do what: the people and things that rules speak of, and the one question that is asked of them.
//!
//! The rules themselves are text, `policies/rules/*.cedar`, and nowhere else. `PolicySet::decide` is a function of who acts, what
//! they do and to what: principal, action and resource. It counts people, never certificates: an officer with a P-256 and an
//! SM2 certificate is one `PersonId`.

use super::{
    identity::{DepartmentId, PersonId},
    profile::Profile,
    rulebook::{READ, Verdict},
    set::PolicySet,
    statement::Act,
};

impl PolicySet {
    /// Answers whether this person may do this now. How many approvals are enough is the profile's (`Profile::approvals`).
    pub fn decide(&self, actor: &Actor, act: Act, object: &Object<'_>) -> Result<(), Refusal> {
        self.ask(actor, Some(act), object)
    }

    /// Answers whether this person may read what belongs to a department, or is about `subject`.
    pub fn may_read(&self, actor: &Actor, department: DepartmentPath, subject: Option<PersonId>) -> Result<(), Refusal> {
        self.ask(actor, None, &Object::Record { department, subject })
    }

    fn ask(&self, actor: &Actor, act: Option<Act>, object: &Object<'_>) -> Result<(), Refusal> {
        match (self.evaluate(actor, act, object), act) {
            (Verdict::Permitted(_), _) => Ok(()),
            (Verdict::Forbidden(rules), _) => Err(Refusal::by_rules(&rules, actor, act, object)),
            (Verdict::NotPermitted, _) => Err(self.what_is_missing(actor, act, object)),
            (Verdict::NotApplicable, Some(act)) => Err(Refusal::NotApplicable { act }),
            (Verdict::Unknown, Some(act)) => Err(Refusal::NotForRoles { act }),
            (Verdict::Failed(_, error), _) => Err(Refusal::RulesFailed { error }),
            (Verdict::NotApplicable | Verdict::Unknown, None) => {
                Err(Refusal::RulesFailed { error: "the schema of the rules does not say who may read".to_owned() })
            }
        }
    }

    fn evaluate(&self, actor: &Actor, act: Option<Act>, object: &Object<'_>) -> Verdict {
        self.rulebook().evaluate(act.map_or(READ, Act::as_str), actor, object)
    }

    /// Which roles would do, tried one by one in the object's own department, and where it will lie.
    fn what_is_missing(&self, actor: &Actor, act: Option<Act>, object: &Object<'_>) -> Refusal {
        let (person, department) = (actor.person, object.department());
        let places = match object {
            Object::DepartmentChange { to, .. } => vec![department, to.department()],
            _ => vec![department],
        };
        let would_do = |role: &Role| {
            let hopeful = Actor { person, roles: places.iter().map(|&department| RoleGrant { role: *role, department }).collect() };
            matches!(self.evaluate(&hopeful, act, object), Verdict::Permitted(_))
        };
        let roles: Vec<Role> = Role::ALL.iter().copied().filter(would_do).collect();
        match act {
            Some(act) if roles.is_empty() => Refusal::NotTheirs { person, act },
            _ => Refusal::RoleNeeded { person, act, roles, department },
        }
    }
}

/// What officers may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Grants roles, makes, changes and merges departments, activates policy.
    Administrator,
    /// Enrols people and services of a department.
    RegistrationOfficer,
    /// Approves what another submitted.
    Approver,
    /// Reads everything and changes nothing.
    Auditor,
    /// Has a lost encryption key recovered, never a signing key (GM/T 0034 §12).
    KeyRecoveryOfficer,
}

/// The line that operates and the line that audits: one person is of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Operating,
    Audit,
}

impl Role {
    pub const ALL: &[Self] = &[Self::Administrator, Self::RegistrationOfficer, Self::Approver, Self::Auditor, Self::KeyRecoveryOfficer];
    pub const OPERATING: &[Self] = &[Self::Administrator, Self::RegistrationOfficer, Self::Approver, Self::KeyRecoveryOfficer];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::RegistrationOfficer => "registration-officer",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::KeyRecoveryOfficer => "key-recovery-officer",
        }
    }

    pub const fn line(self) -> Line {
        match self {
            Self::Administrator | Self::RegistrationOfficer | Self::Approver | Self::KeyRecoveryOfficer => Line::Operating,
            Self::Auditor => Line::Audit,
        }
    }
}

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.iter().copied().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a role; the roles are {}", names(Role::ALL))]
pub struct UnknownRole;

impl std::fmt::Display for Role {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A role in one department, or in the whole installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoleGrant {
    pub role: Role,
    pub department: Option<DepartmentId>,
}

/// Who acts, with every role they hold now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub person: PersonId,
    pub roles: Vec<RoleGrant>,
}

/// A department and those above it, itself first. The empty path is the whole installation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DepartmentPath(Vec<DepartmentId>);

impl DepartmentPath {
    pub const INSTALLATION: Self = Self(Vec::new());

    /// From the department itself up to one that has none above it.
    pub const fn new(path: Vec<DepartmentId>) -> Self {
        Self(path)
    }

    /// The department itself; none is the whole installation.
    pub fn department(&self) -> Option<DepartmentId> {
        self.0.first().copied()
    }

    /// Whether it is this department or lies in it.
    pub fn lies_in(&self, department: DepartmentId) -> bool {
        self.0.contains(&department)
    }

    pub(super) fn top_down(&self) -> impl Iterator<Item = DepartmentId> {
        self.0.iter().rev().copied()
    }
}

/// A department that has none above it, or the whole installation.
impl From<Option<DepartmentId>> for DepartmentPath {
    fn from(department: Option<DepartmentId>) -> Self {
        Self(department.into_iter().collect())
    }
}

/// What is acted upon.
#[derive(Debug, Clone)]
pub enum Object<'a> {
    Enrolment(Enrolment<'a>),
    Certificate(Certificate),
    /// A role in a department that `of`, with the roles they hold now, receives or loses.
    Role {
        of: &'a Actor,
        role: Role,
        department: DepartmentPath,
    },
    /// A department that is made, changed or merged: in which it lies, and in which it will lie, or its successor.
    DepartmentChange {
        from: DepartmentPath,
        to: DepartmentPath,
    },
    /// What is only read, or what a token lets a service read.
    Record {
        department: DepartmentPath,
        subject: Option<PersonId>,
    },
    IdentityCheck(IdentityCheck),
    Citizen(CitizenCase),
    /// Policy.
    Installation,
}

/// An in-person check of who somebody is.
#[derive(Debug, Clone)]
pub struct IdentityCheck {
    pub department: DepartmentPath,
    pub recorded_by: PersonId,
}

/// A contest about citizens' certificates, or the data of one citizen.
#[derive(Debug, Clone)]
pub struct CitizenCase {
    pub department: DepartmentPath,
    pub concerns: Vec<PersonId>,
    /// Who has signed the same already, of the two that it takes.
    pub decided_by: Vec<PersonId>,
}

impl Object<'_> {
    /// Where it belongs; none is the whole installation.
    pub fn department(&self) -> Option<DepartmentId> {
        match self {
            Self::Enrolment(enrolment) => enrolment.department.department(),
            Self::Certificate(certificate) => certificate.department.department(),
            Self::Role { department, .. } | Self::Record { department, .. } => department.department(),
            Self::DepartmentChange { from, .. } => from.department(),
            Self::IdentityCheck(check) => check.department.department(),
            Self::Citizen(case) => case.department.department(),
            Self::Installation => None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Enrolment<'a> {
    pub profile: &'a Profile,
    pub department: DepartmentPath,
    pub submitted_by: PersonId,
    pub subject: PersonId,
    pub approved_by: Vec<PersonId>,
}

#[derive(Debug, Clone)]
pub struct Certificate {
    pub department: DepartmentPath,
    pub holder: PersonId,
}

/// Why not: who, what, and the rule that says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("one of these roles is needed {}: {}", if department.is_some() { "in this department" } else { "in the whole installation" }, names(roles))]
    RoleNeeded {
        person: PersonId,
        /// `None` when it was only to be read.
        act: Option<Act>,
        roles: Vec<Role>,
        department: Option<DepartmentId>,
    },
    #[error("nobody decides on their own request")]
    OwnRequest { person: PersonId, act: Act },
    #[error("nobody decides about themselves")]
    AboutThemselves { person: PersonId, act: Act },
    #[error("only whoever asked for it or holds it may do this")]
    NotTheirs { person: PersonId, act: Act },
    #[error("one person is counted once, and you have signed this before: another person must")]
    AlreadyDecided { person: PersonId },
    #[error("one person does not operate and audit: {} and {}", roles[0], roles[1])]
    LinesMeet { person: PersonId, roles: [Role; 2] },
    #[error("somebody must remain who administers the installation")]
    LastAdministrator { person: PersonId },
    #[error("the role {role} is held in a department")]
    DepartmentNeeded { role: Role },
    #[error("{act} is no act of an officer")]
    NotForRoles { act: Act },
    #[error("{act} is not done to this")]
    NotApplicable { act: Act },
    #[error("the rule {rule} forbids it")]
    Rule { person: PersonId, rule: String },
    #[error("the rules could not be evaluated: {error}")]
    RulesFailed { error: String },
}

impl Refusal {
    /// What the rules that forbid it mean, by the names that separation of duties has in them. What no role changes comes first.
    fn by_rules(rules: &[String], actor: &Actor, act: Option<Act>, object: &Object<'_>) -> Self {
        let person = actor.person;
        let known = [
            "lines-meet",
            "grant-makes-lines-meet",
            "own-request",
            "about-themselves",
            "about-themselves-proposed",
            "already-decided",
            "not-theirs",
            "department-needed",
        ];
        let meaning = |rule: &str| match (rule, act, object) {
            ("lines-meet", ..) => actor.both_lines().map(|roles| Self::LinesMeet { person, roles }),
            ("grant-makes-lines-meet", _, Object::Role { of, role, .. }) => {
                of.holds_of_another_line(*role).map(|held| Self::LinesMeet { person: of.person, roles: [held, *role] })
            }
            ("own-request", Some(act), _) => Some(Self::OwnRequest { person, act }),
            ("about-themselves" | "about-themselves-proposed", Some(act), _) => Some(Self::AboutThemselves { person, act }),
            ("not-theirs", Some(act), _) => Some(Self::NotTheirs { person, act }),
            ("already-decided", ..) => Some(Self::AlreadyDecided { person }),
            ("department-needed", _, Object::Role { role, .. }) => Some(Self::DepartmentNeeded { role: *role }),
            _ => None,
        };
        let found = known.iter().filter(|name| rules.iter().any(|rule| rule == *name)).find_map(|name| meaning(name));
        found.unwrap_or_else(|| Self::Rule { person, rule: rules.first().cloned().unwrap_or_default() })
    }

    /// Whether it was refused because one would decide for oneself, which no role changes.
    pub const fn is_about_own_request(&self) -> bool {
        matches!(self, Self::OwnRequest { .. } | Self::AboutThemselves { .. })
    }

    /// What was not to be done; `None` when it was only to be read.
    pub const fn act(&self) -> Option<Act> {
        match self {
            Self::RoleNeeded { act, .. } => *act,
            Self::OwnRequest { act, .. }
            | Self::AboutThemselves { act, .. }
            | Self::NotTheirs { act, .. }
            | Self::NotForRoles { act }
            | Self::NotApplicable { act } => Some(*act),
            Self::AlreadyDecided { .. }
            | Self::LinesMeet { .. }
            | Self::LastAdministrator { .. }
            | Self::DepartmentNeeded { .. }
            | Self::Rule { .. }
            | Self::RulesFailed { .. } => None,
        }
    }

    /// The rule that refused, as a stable word for logs and answers.
    pub fn rule(&self) -> &str {
        match self {
            Self::RoleNeeded { .. } => "role-needed",
            Self::OwnRequest { .. } => "own-request",
            Self::AboutThemselves { .. } => "about-themselves",
            Self::NotTheirs { .. } => "not-theirs",
            Self::AlreadyDecided { .. } => "already-decided",
            Self::LinesMeet { .. } => "lines-meet",
            Self::LastAdministrator { .. } => "last-administrator",
            Self::DepartmentNeeded { .. } => "department-needed",
            Self::NotForRoles { .. } => "not-for-roles",
            Self::NotApplicable { .. } => "not-applicable",
            Self::Rule { rule, .. } => rule,
            Self::RulesFailed { .. } => "rules-failed",
        }
    }
}

impl Actor {
    fn both_lines(&self) -> Option<[Role; 2]> {
        let of = |line| self.roles.iter().map(|grant| grant.role).find(|role| role.line() == line);
        Some([of(Line::Operating)?, of(Line::Audit)?])
    }

    fn holds_of_another_line(&self, role: Role) -> Option<Role> {
        self.roles.iter().map(|grant| grant.role).find(|held| held.line() != role.line())
    }
}

fn names(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::policy::set::tests::{shipped, shipped_with};

    const HERE: Option<DepartmentId> = Some(DepartmentId::from_bytes([1; 16]));
    const THERE: Option<DepartmentId> = Some(DepartmentId::from_bytes([2; 16]));
    const SUBMITTER: PersonId = PersonId::from_bytes([3; 16]);
    const SUBJECT: PersonId = PersonId::from_bytes([4; 16]);
    const OFFICER: PersonId = PersonId::from_bytes([5; 16]);

    fn with(person: PersonId, roles: &[(Role, Option<DepartmentId>)]) -> Actor {
        Actor { person, roles: roles.iter().map(|&(role, department)| RoleGrant { role, department }).collect() }
    }

    fn enrolment(profile: &Profile) -> Object<'_> {
        let approved_by = vec![PersonId::from_bytes([6; 16])];
        Object::Enrolment(Enrolment { profile, department: HERE.into(), submitted_by: SUBMITTER, subject: SUBJECT, approved_by })
    }

    fn certificate() -> Object<'static> {
        Object::Certificate(Certificate { department: HERE.into(), holder: SUBJECT })
    }

    fn decide(actor: &Actor, act: Act, object: &Object<'_>) -> Result<(), Refusal> {
        SHIPPED.decide(actor, act, object)
    }

    fn may_read(actor: &Actor, department: Option<DepartmentId>, subject: Option<PersonId>) -> Result<(), Refusal> {
        SHIPPED.may_read(actor, department.into(), subject)
    }

    static SHIPPED: LazyLock<PolicySet> = LazyLock::new(shipped);

    /// Which roles, held in the department, in another and in the whole installation, may do each act.
    #[test]
    fn each_role_may_do_what_the_table_says_in_its_own_department_only() {
        use Role::{Administrator, Approver, RegistrationOfficer};
        let set = &SHIPPED;
        let profile = |name: &str| set.profile(&name.parse().unwrap()).unwrap();
        let other = with(SUBJECT, &[]);
        let approver_here = Object::Role { of: &other, role: Approver, department: HERE.into() };
        let record = || Object::Record { department: HERE.into(), subject: None };
        let cases: [(&str, Act, Object<'_>, &[Role]); 12] = [
            ("submit staff", Act::Submit, enrolment(profile("staff")), &[RegistrationOfficer]),
            ("approve staff", Act::Approve, enrolment(profile("staff")), &[Approver]),
            ("reject staff", Act::Reject, enrolment(profile("staff")), &[Approver]),
            ("approve an officer", Act::Approve, enrolment(profile("officer")), &[Administrator]),
            ("revoke", Act::Revoke, certificate(), &[Administrator, RegistrationOfficer, Approver]),
            ("suspend", Act::Suspend, certificate(), &[Administrator, RegistrationOfficer, Approver]),
            ("resume", Act::Resume, certificate(), &[Administrator, RegistrationOfficer, Approver]),
            ("renew", Act::Renew, certificate(), &[]),
            ("propose", Act::Submit, approver_here.clone(), &[Administrator]),
            ("dismiss", Act::Dismiss, approver_here.clone(), &[Administrator]),
            ("grant a token", Act::GrantToken, record(), &[Administrator]),
            ("revoke a token", Act::RevokeToken, record(), &[Administrator]),
        ];
        for (case, act, object, allowed) in &cases {
            for role in Role::ALL.iter().copied() {
                let may = |department| decide(&with(OFFICER, &[(role, department)]), *act, object).is_ok();
                assert_eq!(may(HERE), allowed.contains(&role), "{case} by {role} here");
                assert!(!may(THERE), "{case} by {role} of another department");
                assert_eq!(may(None), allowed.contains(&role), "{case} by {role} of the installation");
            }
            assert!(decide(&with(OFFICER, &[]), *act, object).is_err(), "{case} by nobody");
        }
    }

    #[test]
    fn a_citizens_case_takes_two_people_of_the_right_role_and_never_the_citizen() {
        use Role::{Administrator, Approver, Auditor, RegistrationOfficer};
        let check = |recorded_by| Object::IdentityCheck(IdentityCheck { department: HERE.into(), recorded_by });
        let case = |decided_by: &[PersonId]| {
            Object::Citizen(CitizenCase { department: HERE.into(), concerns: vec![SUBJECT], decided_by: decided_by.to_vec() })
        };
        let cases: [(Act, Object<'_>, &[Role]); 7] = [
            (Act::WithdrawIdentity, check(SUBMITTER), &[Administrator, RegistrationOfficer, Approver]),
            (Act::CheckIdentity, check(OFFICER), &[RegistrationOfficer]),
            (Act::ConfirmIdentity, check(SUBMITTER), &[RegistrationOfficer, Approver]),
            (Act::UpholdContest, case(&[]), &[Administrator, Approver]),
            (Act::DismissContest, case(&[SUBMITTER]), &[Administrator, Approver]),
            (Act::Export, case(&[]), &[Auditor]),
            (Act::Erase, case(&[]), &[Administrator]),
        ];
        for (act, object, allowed) in &cases {
            for role in Role::ALL.iter().copied() {
                let may = |department| decide(&with(OFFICER, &[(role, department)]), *act, object).is_ok();
                assert_eq!(may(HERE), allowed.contains(&role), "{act} by {role}");
                assert!(!may(THERE), "{act} by {role} of another department");
            }
        }
        let refused = |person, act, object: &Object<'_>| {
            let roles = [RoleGrant { role: Approver, department: HERE }, RoleGrant { role: RegistrationOfficer, department: HERE }];
            decide(&Actor { person, roles: roles.to_vec() }, act, object).unwrap_err().rule().to_owned()
        };
        assert_eq!(refused(OFFICER, Act::ConfirmIdentity, &check(OFFICER)), "own-request");
        assert_eq!(refused(OFFICER, Act::CheckIdentity, &check(SUBMITTER)), "not-theirs");
        assert_eq!(refused(OFFICER, Act::UpholdContest, &case(&[OFFICER])), "already-decided");
        assert_eq!(refused(SUBJECT, Act::UpholdContest, &case(&[])), "about-themselves");
        // One's own data: destroyed on one's own word.
        decide(&with(SUBJECT, &[]), Act::Erase, &case(&[])).unwrap();
    }

    #[test]
    fn policy_belongs_to_administrators_of_the_whole_installation() {
        decide(&with(OFFICER, &[(Role::Auditor, None)]), Act::ActivatePolicy, &Object::Installation).unwrap();
        assert!(decide(&with(OFFICER, &[(Role::Auditor, HERE)]), Act::ActivatePolicy, &Object::Installation).is_err());
        for act in [Act::ActivatePolicy, Act::Submit] {
            decide(&with(OFFICER, &[(Role::Administrator, None)]), act, &Object::Installation).unwrap();
            assert!(decide(&with(OFFICER, &[(Role::Administrator, HERE)]), act, &Object::Installation).is_err());
        }
        for role in Role::ALL.iter().copied().filter(|role| *role != Role::Administrator) {
            assert!(decide(&with(OFFICER, &[(role, None)]), Act::Submit, &Object::Installation).is_err(), "{role}");
        }
    }

    #[test]
    fn departments_are_made_changed_and_merged_by_administrators_above_both_places() {
        use Act::{ChangeDepartment, DefineDepartment, MergeDepartment, Submit, Withdraw};
        let above = Some(DepartmentId::from_bytes([7; 16]));
        let path = |ids: &[Option<DepartmentId>]| DepartmentPath::new(ids.iter().flatten().copied().collect());
        let within = Object::DepartmentChange { from: path(&[HERE, above]), to: path(&[HERE, above]) };
        let across = Object::DepartmentChange { from: path(&[HERE, above]), to: path(&[THERE, above]) };
        let at_the_top = Object::DepartmentChange { from: DepartmentPath::INSTALLATION, to: DepartmentPath::INSTALLATION };
        let may = |roles: &[(Role, Option<DepartmentId>)], act, object: &Object<'_>| decide(&with(OFFICER, roles), act, object).is_ok();
        for act in [Submit, Withdraw, DefineDepartment, ChangeDepartment, MergeDepartment] {
            for (place, inside, between, top) in
                [(HERE, true, false, false), (THERE, false, false, false), (above, true, true, false), (None, true, true, true)]
            {
                let administrator = [(Role::Administrator, place)];
                assert_eq!(may(&administrator, act, &within), inside, "{act} in {place:?}");
                assert_eq!(may(&administrator, act, &across), between, "{act} from {place:?}");
                assert_eq!(may(&administrator, act, &at_the_top), top, "{act} at the top by {place:?}");
            }
            assert!(may(&[(Role::Administrator, HERE), (Role::Administrator, THERE)], act, &across), "{act} by one of both");
            for role in [Role::RegistrationOfficer, Role::Approver, Role::KeyRecoveryOfficer] {
                assert!(!may(&[(role, None)], act, &within), "{act} by {role}");
            }
        }
        // An auditor is a second person, and makes no department.
        let auditor = [(Role::Auditor, THERE)];
        assert!(may(&auditor, ChangeDepartment, &within) && may(&auditor, MergeDepartment, &across));
        assert!([Submit, Withdraw, DefineDepartment].iter().all(|act| !may(&auditor, *act, &within)));
        let refused = decide(&with(OFFICER, &[(Role::Administrator, HERE)]), ChangeDepartment, &across).unwrap_err();
        let roles = vec![Role::Administrator, Role::Auditor];
        assert_eq!(refused, Refusal::RoleNeeded { person: OFFICER, act: Some(ChangeDepartment), roles, department: HERE });
    }

    #[test]
    fn nobody_decides_on_their_own_request_nor_about_themselves_nor_twice() {
        let set = &SHIPPED;
        let staff = enrolment(set.profile(&"staff".parse().unwrap()).unwrap());
        let every_role = [(Role::Approver, HERE), (Role::RegistrationOfficer, HERE), (Role::Administrator, None)];
        for act in [Act::Approve, Act::Reject] {
            let refused = decide(&with(SUBMITTER, &every_role), act, &staff);
            assert_eq!(refused, Err(Refusal::OwnRequest { person: SUBMITTER, act }));
            let refused = decide(&with(SUBJECT, &every_role), act, &staff);
            assert_eq!(refused, Err(Refusal::AboutThemselves { person: SUBJECT, act }));
        }
        let again = PersonId::from_bytes([6; 16]);
        assert_eq!(decide(&with(again, &every_role), Act::Approve, &staff), Err(Refusal::AlreadyDecided { person: again }));
        decide(&with(again, &every_role), Act::Reject, &staff).unwrap();
    }

    #[test]
    fn administrators_of_the_department_grant_and_auditors_anywhere_may_be_the_second() {
        let of = with(SUBJECT, &[]);
        let object = Object::Role { of: &of, role: Role::Approver, department: HERE.into() };
        let may = |role, department| decide(&with(OFFICER, &[(role, department)]), Act::Grant, &object).is_ok();
        assert!(may(Role::Administrator, HERE) && may(Role::Administrator, None) && !may(Role::Administrator, THERE));
        assert!(may(Role::Auditor, HERE) && may(Role::Auditor, None) && may(Role::Auditor, THERE));
        assert!(!may(Role::Approver, HERE) && !may(Role::RegistrationOfficer, HERE));
        let auditor = with(SUBJECT, &[(Role::Auditor, None)]);
        assert!(decide(&auditor, Act::Grant, &object).is_err(), "nobody grants to themselves");
        assert!(decide(&with(OFFICER, &[(Role::Auditor, None)]), Act::Submit, &object).is_err(), "an auditor proposes nobody");
    }

    #[test]
    fn nobody_grants_to_or_takes_from_themselves() {
        let administrator = with(OFFICER, &[(Role::Administrator, None)]);
        for act in [Act::Submit, Act::Grant, Act::Dismiss] {
            let own = Object::Role { of: &administrator, role: Role::Approver, department: HERE.into() };
            let refused = decide(&administrator, act, &own);
            assert_eq!(refused, Err(Refusal::AboutThemselves { person: OFFICER, act }));
        }
    }

    #[test]
    fn the_operating_line_and_the_audit_line_never_meet_in_one_person() {
        let administrator = with(OFFICER, &[(Role::Administrator, None)]);
        for operating in Role::OPERATING {
            for (held, granted) in [(*operating, Role::Auditor), (Role::Auditor, *operating)] {
                let of = with(SUBJECT, &[(held, THERE)]);
                let refused = decide(&administrator, Act::Grant, &Object::Role { of: &of, role: granted, department: HERE.into() });
                assert_eq!(refused, Err(Refusal::LinesMeet { person: SUBJECT, roles: [held, granted] }));
            }
            let both = with(OFFICER, &[(*operating, HERE), (Role::Auditor, HERE)]);
            assert!(matches!(decide(&both, Act::Revoke, &certificate()), Err(Refusal::LinesMeet { .. })));
        }
        let of = with(SUBJECT, &[(Role::Approver, HERE)]);
        let grant = Object::Role { of: &of, role: Role::RegistrationOfficer, department: HERE.into() };
        decide(&administrator, Act::Grant, &grant).unwrap();
    }

    #[test]
    fn who_enrols_or_approves_does_so_for_a_department_and_an_administrator_of_one_makes_none_of_the_whole() {
        let of = with(SUBJECT, &[]);
        let grant = |role| Object::Role { of: &of, role, department: DepartmentPath::INSTALLATION };
        let everywhere = with(OFFICER, &[(Role::Administrator, None)]);
        for role in [Role::RegistrationOfficer, Role::Approver, Role::KeyRecoveryOfficer] {
            assert_eq!(decide(&everywhere, Act::Grant, &grant(role)), Err(Refusal::DepartmentNeeded { role }));
        }
        for role in [Role::Administrator, Role::Auditor] {
            decide(&everywhere, Act::Grant, &grant(role)).unwrap();
            assert!(decide(&with(OFFICER, &[(Role::Administrator, HERE)]), Act::Grant, &grant(role)).is_err());
        }
    }

    #[test]
    fn the_holder_stops_and_renews_their_own_certificate_but_does_not_resume_it() {
        let holder = with(SUBJECT, &[(Role::Administrator, None)]);
        for act in [Act::Revoke, Act::Suspend, Act::Renew] {
            decide(&with(SUBJECT, &[]), act, &certificate()).unwrap();
        }
        assert_eq!(decide(&holder, Act::Resume, &certificate()), Err(Refusal::AboutThemselves { person: SUBJECT, act: Act::Resume }));
    }

    #[test]
    fn a_request_is_withdrawn_by_whoever_made_it_or_is_its_subject() {
        let set = &SHIPPED;
        let staff = enrolment(set.profile(&"staff".parse().unwrap()).unwrap());
        decide(&with(SUBMITTER, &[]), Act::Withdraw, &staff).unwrap();
        decide(&with(SUBJECT, &[]), Act::Withdraw, &staff).unwrap();
        let officer = with(OFFICER, &[(Role::Approver, HERE)]);
        assert_eq!(decide(&officer, Act::Withdraw, &staff), Err(Refusal::NotTheirs { person: OFFICER, act: Act::Withdraw }));
    }

    #[test]
    fn what_the_system_key_does_is_no_act_of_an_officer_and_no_act_fits_everything() {
        let administrator = with(OFFICER, &[(Role::Administrator, None)]);
        for act in [Act::Claim, Act::Issue, Act::Complete, Act::PublishCrl, Act::Expire, Act::Prove] {
            assert_eq!(decide(&administrator, act, &certificate()), Err(Refusal::NotForRoles { act }));
        }
        assert_eq!(decide(&administrator, Act::Approve, &certificate()), Err(Refusal::NotApplicable { act: Act::Approve }));
    }

    #[test]
    fn auditors_read_what_they_audit_and_everyone_reads_what_is_about_them() {
        may_read(&with(OFFICER, &[(Role::Auditor, None)]), HERE, None).unwrap();
        may_read(&with(OFFICER, &[(Role::Approver, HERE)]), HERE, None).unwrap();
        may_read(&with(SUBJECT, &[]), HERE, Some(SUBJECT)).unwrap();
        assert!(may_read(&with(OFFICER, &[(Role::Auditor, THERE)]), HERE, None).is_err());
        assert!(may_read(&with(OFFICER, &[(Role::Auditor, HERE)]), None, None).is_err());
        assert!(may_read(&with(OFFICER, &[]), HERE, Some(SUBJECT)).is_err());
    }

    #[test]
    fn a_role_reaches_the_departments_below_its_own_and_never_those_above_or_beside() {
        let path = |ids: &[Option<DepartmentId>]| DepartmentPath::new(ids.iter().flatten().copied().collect());
        let below = Some(DepartmentId::from_bytes([7; 16]));
        let deep = Object::Certificate(Certificate { department: path(&[below, HERE]), holder: SUBJECT });
        let beside = Object::Certificate(Certificate { department: path(&[THERE]), holder: SUBJECT });
        let approver = with(OFFICER, &[(Role::Approver, HERE)]);
        decide(&approver, Act::Revoke, &certificate()).unwrap();
        decide(&approver, Act::Revoke, &deep).unwrap();
        assert!(decide(&approver, Act::Revoke, &beside).is_err());
        assert!(decide(&with(OFFICER, &[(Role::Approver, below)]), Act::Revoke, &certificate()).is_err());
        SHIPPED.may_read(&with(OFFICER, &[(Role::Auditor, HERE)]), path(&[below, HERE]), None).unwrap();
        let circle = Object::Certificate(Certificate { department: path(&[HERE, THERE, HERE]), holder: SUBJECT });
        assert!(matches!(decide(&with(OFFICER, &[(Role::Approver, THERE)]), Act::Revoke, &circle), Err(Refusal::RulesFailed { .. })));
    }

    #[test]
    fn a_refusal_says_which_roles_would_do_or_which_rule_forbids() {
        let nobody = with(OFFICER, &[]);
        let staff = SHIPPED.profile(&"staff".parse().unwrap()).unwrap();
        let needed = |act, roles: &[Role]| Refusal::RoleNeeded { person: OFFICER, act, roles: roles.to_vec(), department: HERE };
        assert_eq!(decide(&nobody, Act::Approve, &enrolment(staff)), Err(needed(Some(Act::Approve), &[Role::Approver])));
        let stopping = [Role::Administrator, Role::RegistrationOfficer, Role::Approver];
        assert_eq!(decide(&nobody, Act::Suspend, &certificate()), Err(needed(Some(Act::Suspend), &stopping)));
        assert_eq!(decide(&nobody, Act::Renew, &certificate()), Err(Refusal::NotTheirs { person: OFFICER, act: Act::Renew }));
        assert_eq!(may_read(&nobody, HERE, None), Err(needed(None, Role::ALL)));

        let set = shipped_with("rules/local.cedar", "@id(\"frozen\")\nforbid (principal, action == Action::\"revoke\", resource);\n");
        let refused = set.unwrap().decide(&with(SUBJECT, &[]), Act::Revoke, &certificate()).unwrap_err();
        assert_eq!(refused, Refusal::Rule { person: SUBJECT, rule: "frozen".to_owned() });
        assert_eq!(refused.rule(), "frozen");
    }

    #[test]
    fn where_several_departments_must_agree_approvers_of_others_have_a_say() {
        let text = std::fs::read_to_string("policies/profiles/staff.toml").unwrap();
        let text = text.replace("count = 1, roles = [\"approver\"]", "count = 2, roles = [\"approver\"], departments = 2");
        let set = shipped_with("profiles/staff.toml", &text).unwrap();
        let joint = enrolment(set.profile(&"staff".parse().unwrap()).unwrap());
        set.decide(&with(OFFICER, &[(Role::Approver, THERE)]), Act::Approve, &joint).unwrap();
        assert!(set.decide(&with(OFFICER, &[(Role::RegistrationOfficer, THERE)]), Act::Approve, &joint).is_err());
        let own = set.decide(&with(SUBJECT, &[(Role::Approver, THERE)]), Act::Approve, &joint);
        assert!(matches!(own, Err(Refusal::AboutThemselves { .. })));
    }

    /// Cedar passes over a forbid that errs; here nothing is allowed then.
    #[test]
    fn a_rule_that_cannot_be_evaluated_denies() {
        let overflow = "@id(\"broken\")\nforbid (principal, action == Action::\"read\", resource) when { 9223372036854775807 + 1 == 0 };";
        let set = shipped_with("rules/local.cedar", overflow).unwrap();
        let refused = set.may_read(&with(OFFICER, &[(Role::Auditor, HERE)]), HERE.into(), None);
        assert!(matches!(&refused, Err(Refusal::RulesFailed { error }) if error.contains("broken")), "{refused:?}");
    }
}
