//! Who may do what. The only place that knows: separation of duties is here and nowhere else.
//!
//! `decide` is a function of who acts, what they do and to what, and of nothing else: what a policy engine takes as principal,
//! action and resource. It counts people, never certificates: an officer with a P-256 and an SM2 certificate is one `PersonId`.

use super::{
    identity::{DepartmentId, PersonId},
    profile::{Profile, Requester},
    statement::Act,
};

/// Answers whether this person may do this now. How many approvals are enough is the profile's (`Profile::approvals`).
pub fn decide(actor: &Actor, act: Act, object: &Object<'_>) -> Result<(), Refusal> {
    actor.is_of_one_line()?;
    match (act, object) {
        (Act::Submit, Object::Enrolment(enrolment)) => submit(actor, enrolment),
        (Act::Approve | Act::Reject, Object::Enrolment(enrolment)) => judge(actor, act, enrolment),
        (Act::Withdraw, Object::Enrolment(enrolment)) => withdraw(actor, enrolment),
        (Act::Renew, Object::Certificate(certificate)) => renew(actor, certificate),
        (Act::Revoke | Act::Suspend, Object::Certificate(certificate)) => stop(actor, act, certificate),
        (Act::Resume, Object::Certificate(certificate)) => resume(actor, certificate),
        (Act::Submit, Object::Role { of, grant }) => propose_role(actor, of, *grant),
        (Act::Grant, Object::Role { of, grant }) => grant_role(actor, of, *grant),
        (Act::Dismiss, Object::Role { of, grant }) => administer(actor, Act::Dismiss, of, *grant),
        (Act::DefineDepartment | Act::Submit, Object::Installation) => actor.needs(act, &[Role::Administrator], None),
        (Act::ActivatePolicy, Object::Installation) => actor.needs(act, &[Role::Administrator, Role::Auditor], None),
        (Act::CheckIdentity | Act::ConfirmIdentity, Object::IdentityCheck(check)) => check_identity(actor, act, check),
        (Act::WithdrawIdentity, Object::IdentityCheck(check)) => actor.needs(act, Role::OPERATING, check.department),
        (Act::UpholdContest | Act::DismissContest | Act::Export | Act::Erase, Object::Citizen(case)) => decide_case(actor, act, case),
        (Act::Claim | Act::Issue | Act::Complete | Act::PublishCrl | Act::Expire | Act::Prove, _) => Err(Refusal::NotForRoles { act }),
        _ => Err(Refusal::NotApplicable { act }),
    }
}

/// Answers whether this person may read what belongs to a department, or is about `subject`. `None` is the whole installation.
pub fn may_read(actor: &Actor, department: Option<DepartmentId>, subject: Option<PersonId>) -> Result<(), Refusal> {
    if subject == Some(actor.person) || Role::ALL.iter().any(|role| actor.holds(*role, department)) {
        return Ok(());
    }
    Err(Refusal::RoleNeeded { person: actor.person, act: None, roles: Role::ALL.to_vec(), department })
}

fn submit(actor: &Actor, enrolment: &Enrolment<'_>) -> Result<(), Refusal> {
    let requesters = enrolment.profile.requesters();
    if actor.person == enrolment.subject && requesters.contains(&Requester::Subject) {
        return Ok(());
    }
    let roles: Vec<Role> = requesters.iter().filter_map(|requester| requester.role()).collect();
    actor.needs(Act::Submit, &roles, enrolment.department)
}

fn judge(actor: &Actor, act: Act, enrolment: &Enrolment<'_>) -> Result<(), Refusal> {
    let person = actor.person;
    if person == enrolment.submitted_by {
        return Err(Refusal::OwnRequest { person, act });
    }
    if person == enrolment.subject {
        return Err(Refusal::AboutThemselves { person, act });
    }
    if enrolment.approved_by.contains(&person) && act == Act::Approve {
        return Err(Refusal::AlreadyDecided { person });
    }
    actor.needs(act, &enrolment.profile.approvals().roles, enrolment.department)
}

fn withdraw(actor: &Actor, enrolment: &Enrolment<'_>) -> Result<(), Refusal> {
    let person = actor.person;
    let own = person == enrolment.submitted_by || person == enrolment.subject;
    if own { Ok(()) } else { Err(Refusal::NotTheirs { person, act: Act::Withdraw }) }
}

fn renew(actor: &Actor, certificate: &Certificate) -> Result<(), Refusal> {
    let person = actor.person;
    if person == certificate.holder { Ok(()) } else { Err(Refusal::NotTheirs { person, act: Act::Renew }) }
}

/// Stopping is made easy: the holder at any hour, and whoever works for the department.
fn stop(actor: &Actor, act: Act, certificate: &Certificate) -> Result<(), Refusal> {
    if actor.person == certificate.holder {
        return Ok(());
    }
    actor.needs(act, Role::OPERATING, certificate.department)
}

/// Starting again is a decision, so the holder does not take it.
fn resume(actor: &Actor, certificate: &Certificate) -> Result<(), Refusal> {
    if actor.person == certificate.holder {
        return Err(Refusal::AboutThemselves { person: actor.person, act: Act::Resume });
    }
    actor.needs(Act::Resume, Role::OPERATING, certificate.department)
}

fn propose_role(actor: &Actor, of: &Actor, grant: RoleGrant) -> Result<(), Refusal> {
    administer(actor, Act::Submit, of, grant)?;
    may_be_held(of, grant)
}

/// An administrator grants; an auditor may be the second person whom it takes (`quorums.toml`), and never grants alone.
fn grant_role(actor: &Actor, of: &Actor, grant: RoleGrant) -> Result<(), Refusal> {
    let witness = actor.person != of.person && actor.roles.iter().any(|held| held.role == Role::Auditor);
    if !witness {
        administer(actor, Act::Grant, of, grant)?;
    }
    may_be_held(of, grant)
}

/// Whether somebody with these roles may hold this one, too.
fn may_be_held(of: &Actor, grant: RoleGrant) -> Result<(), Refusal> {
    if grant.role.needs_department() && grant.department.is_none() {
        return Err(Refusal::DepartmentNeeded { role: grant.role });
    }
    match of.roles.iter().find(|held| held.role.line() != grant.role.line()) {
        Some(held) => Err(Refusal::LinesMeet { person: of.person, roles: [held.role, grant.role] }),
        None => Ok(()),
    }
}

fn administer(actor: &Actor, act: Act, of: &Actor, grant: RoleGrant) -> Result<(), Refusal> {
    if actor.person == of.person {
        return Err(Refusal::AboutThemselves { person: actor.person, act });
    }
    actor.needs(act, &[Role::Administrator], grant.department)
}

/// Whoever looked at the documents says so, and somebody else confirms it.
fn check_identity(actor: &Actor, act: Act, check: &IdentityCheck) -> Result<(), Refusal> {
    let (person, recorder) = (actor.person, check.recorded_by);
    match (act, person == recorder) {
        (Act::CheckIdentity, false) => return Err(Refusal::NotTheirs { person, act }),
        (Act::ConfirmIdentity, true) => return Err(Refusal::OwnRequest { person, act }),
        _ => {}
    }
    let roles = if act == Act::CheckIdentity { &[Role::RegistrationOfficer][..] } else { &[Role::RegistrationOfficer, Role::Approver] };
    actor.needs(act, roles, check.department)
}

/// What two people decide about a citizen: neither is the citizen, who decides alone on nothing but their own erasure.
fn decide_case(actor: &Actor, act: Act, case: &CitizenCase) -> Result<(), Refusal> {
    let person = actor.person;
    if case.concerns.contains(&person) {
        return if act == Act::Erase { Ok(()) } else { Err(Refusal::AboutThemselves { person, act }) };
    }
    if case.decided_by.contains(&person) {
        return Err(Refusal::AlreadyDecided { person });
    }
    let roles: &[Role] = match act {
        Act::Export => &[Role::Auditor],
        Act::Erase => &[Role::Administrator],
        _ => &[Role::Administrator, Role::Approver],
    };
    actor.needs(act, roles, case.department)
}

/// What officers may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Grants roles, defines departments, activates policy.
    Administrator,
    /// Enrols people and services of a department.
    RegistrationOfficer,
    /// Approves what another submitted.
    Approver,
    /// Reads everything and changes nothing.
    Auditor,
}

/// The line that operates and the line that audits: one person is of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Operating,
    Audit,
}

impl Role {
    pub const ALL: &[Self] = &[Self::Administrator, Self::RegistrationOfficer, Self::Approver, Self::Auditor];
    pub const OPERATING: &[Self] = &[Self::Administrator, Self::RegistrationOfficer, Self::Approver];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::RegistrationOfficer => "registration-officer",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
        }
    }

    pub const fn line(self) -> Line {
        match self {
            Self::Administrator | Self::RegistrationOfficer | Self::Approver => Line::Operating,
            Self::Auditor => Line::Audit,
        }
    }

    const fn needs_department(self) -> bool {
        match self {
            Self::RegistrationOfficer | Self::Approver => true,
            Self::Administrator | Self::Auditor => false,
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
#[error("not a role")]
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

impl Actor {
    /// A role in the whole installation is a role in each department, never the reverse.
    fn holds(&self, role: Role, department: Option<DepartmentId>) -> bool {
        self.roles.iter().any(|grant| grant.role == role && (grant.department.is_none() || grant.department == department))
    }

    fn needs(&self, act: Act, roles: &[Role], department: Option<DepartmentId>) -> Result<(), Refusal> {
        if roles.iter().any(|role| self.holds(*role, department)) {
            return Ok(());
        }
        Err(Refusal::RoleNeeded { person: self.person, act: Some(act), roles: roles.to_vec(), department })
    }

    /// `grant_role` never lets the lines meet. Should a row say otherwise, nobody acts on it.
    fn is_of_one_line(&self) -> Result<(), Refusal> {
        let of = |line| self.roles.iter().map(|grant| grant.role).find(|role| role.line() == line);
        match (of(Line::Operating), of(Line::Audit)) {
            (Some(operating), Some(audit)) => Err(Refusal::LinesMeet { person: self.person, roles: [operating, audit] }),
            _ => Ok(()),
        }
    }
}

/// What is acted upon.
#[derive(Debug, Clone)]
pub enum Object<'a> {
    Enrolment(Enrolment<'a>),
    Certificate(Certificate),
    /// A role that `of`, with the roles they hold now, receives or loses.
    Role {
        of: &'a Actor,
        grant: RoleGrant,
    },
    IdentityCheck(IdentityCheck),
    Citizen(CitizenCase),
    /// Departments and policy.
    Installation,
}

/// An in-person check of who somebody is.
#[derive(Debug, Clone)]
pub struct IdentityCheck {
    pub department: Option<DepartmentId>,
    pub recorded_by: PersonId,
}

/// A contest about citizens' certificates, or the data of one citizen.
#[derive(Debug, Clone)]
pub struct CitizenCase {
    pub department: Option<DepartmentId>,
    pub concerns: Vec<PersonId>,
    /// Who has signed the same already, of the two that it takes.
    pub decided_by: Vec<PersonId>,
}

#[derive(Debug, Clone)]
pub struct Enrolment<'a> {
    pub profile: &'a Profile,
    pub department: Option<DepartmentId>,
    pub submitted_by: PersonId,
    pub subject: PersonId,
    pub approved_by: Vec<PersonId>,
}

#[derive(Debug, Clone)]
pub struct Certificate {
    pub department: Option<DepartmentId>,
    pub holder: PersonId,
}

/// Why not: who, what, and the rule that says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("one of these roles is needed: {}", names(roles))]
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
    #[error("one person is counted once")]
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
}

impl Refusal {
    /// Whether it was refused because one would decide for oneself, which no role changes.
    pub const fn is_about_own_request(&self) -> bool {
        matches!(self, Self::OwnRequest { .. } | Self::AboutThemselves { .. })
    }

    /// The rule that refused, as a stable word for logs and answers.
    pub const fn rule(&self) -> &'static str {
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
        }
    }
}

fn names(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::set::tests::shipped;

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
        Object::Enrolment(Enrolment { profile, department: HERE, submitted_by: SUBMITTER, subject: SUBJECT, approved_by })
    }

    const CERTIFICATE: Object<'static> = Object::Certificate(Certificate { department: HERE, holder: SUBJECT });

    /// Which roles, held in the department, in another and in the whole installation, may do each act.
    #[test]
    fn each_role_may_do_what_the_table_says_in_its_own_department_only() {
        use Role::{Administrator, Approver, Auditor, RegistrationOfficer};
        let set = shipped();
        let profile = |name: &str| set.profile(&name.parse().unwrap()).unwrap();
        let other = with(SUBJECT, &[]);
        let approver_here = RoleGrant { role: Approver, department: HERE };
        let cases: [(&str, Act, Object<'_>, &[Role]); 10] = [
            ("submit staff", Act::Submit, enrolment(profile("staff")), &[RegistrationOfficer]),
            ("approve staff", Act::Approve, enrolment(profile("staff")), &[Approver]),
            ("reject staff", Act::Reject, enrolment(profile("staff")), &[Approver]),
            ("approve an officer", Act::Approve, enrolment(profile("officer")), &[Administrator]),
            ("revoke", Act::Revoke, CERTIFICATE, &[Administrator, RegistrationOfficer, Approver]),
            ("suspend", Act::Suspend, CERTIFICATE, &[Administrator, RegistrationOfficer, Approver]),
            ("resume", Act::Resume, CERTIFICATE, &[Administrator, RegistrationOfficer, Approver]),
            ("renew", Act::Renew, CERTIFICATE, &[]),
            ("propose", Act::Submit, Object::Role { of: &other, grant: approver_here }, &[Administrator]),
            ("dismiss", Act::Dismiss, Object::Role { of: &other, grant: approver_here }, &[Administrator]),
        ];
        for (case, act, object, allowed) in &cases {
            for role in [Administrator, RegistrationOfficer, Approver, Auditor] {
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
        let check = |recorded_by| Object::IdentityCheck(IdentityCheck { department: HERE, recorded_by });
        let case = |decided_by: &[PersonId]| {
            Object::Citizen(CitizenCase { department: HERE, concerns: vec![SUBJECT], decided_by: decided_by.to_vec() })
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
            for role in [Administrator, RegistrationOfficer, Approver, Auditor] {
                let may = |department| decide(&with(OFFICER, &[(role, department)]), *act, object).is_ok();
                assert_eq!(may(HERE), allowed.contains(&role), "{act} by {role}");
                assert!(!may(THERE), "{act} by {role} of another department");
            }
        }
        let refused = |person, act, object: &Object<'_>| {
            let roles = [RoleGrant { role: Approver, department: HERE }, RoleGrant { role: RegistrationOfficer, department: HERE }];
            decide(&Actor { person, roles: roles.to_vec() }, act, object).unwrap_err().rule()
        };
        assert_eq!(refused(OFFICER, Act::ConfirmIdentity, &check(OFFICER)), "own-request");
        assert_eq!(refused(OFFICER, Act::CheckIdentity, &check(SUBMITTER)), "not-theirs");
        assert_eq!(refused(OFFICER, Act::UpholdContest, &case(&[OFFICER])), "already-decided");
        assert_eq!(refused(SUBJECT, Act::UpholdContest, &case(&[])), "about-themselves");
        // One's own data: destroyed on one's own word.
        decide(&with(SUBJECT, &[]), Act::Erase, &case(&[])).unwrap();
    }

    #[test]
    fn departments_and_policy_belong_to_administrators_of_the_whole_installation() {
        decide(&with(OFFICER, &[(Role::Auditor, None)]), Act::ActivatePolicy, &Object::Installation).unwrap();
        assert!(decide(&with(OFFICER, &[(Role::Auditor, HERE)]), Act::ActivatePolicy, &Object::Installation).is_err());
        for act in [Act::DefineDepartment, Act::Submit] {
            decide(&with(OFFICER, &[(Role::Administrator, None)]), act, &Object::Installation).unwrap();
            assert!(decide(&with(OFFICER, &[(Role::Administrator, HERE)]), act, &Object::Installation).is_err());
            for role in [Role::RegistrationOfficer, Role::Approver, Role::Auditor] {
                assert!(decide(&with(OFFICER, &[(role, None)]), act, &Object::Installation).is_err(), "{role}");
            }
        }
    }

    #[test]
    fn nobody_decides_on_their_own_request_nor_about_themselves_nor_twice() {
        let set = shipped();
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
        let object = Object::Role { of: &of, grant: RoleGrant { role: Role::Approver, department: HERE } };
        let may = |role, department| decide(&with(OFFICER, &[(role, department)]), Act::Grant, &object).is_ok();
        assert!(may(Role::Administrator, HERE) && may(Role::Administrator, None) && !may(Role::Administrator, THERE));
        assert!(may(Role::Auditor, HERE) && may(Role::Auditor, None) && may(Role::Auditor, THERE));
        assert!(!may(Role::Approver, HERE) && !may(Role::RegistrationOfficer, HERE));
        let auditor = with(SUBJECT, &[(Role::Auditor, None)]);
        assert!(decide(&auditor, Act::Grant, &object).is_err(), "nobody grants to themselves");
    }

    #[test]
    fn nobody_grants_to_or_takes_from_themselves() {
        let administrator = with(OFFICER, &[(Role::Administrator, None)]);
        for act in [Act::Grant, Act::Dismiss] {
            let grant = RoleGrant { role: Role::Approver, department: HERE };
            let refused = decide(&administrator, act, &Object::Role { of: &administrator, grant });
            assert_eq!(refused, Err(Refusal::AboutThemselves { person: OFFICER, act }));
        }
    }

    #[test]
    fn the_operating_line_and_the_audit_line_never_meet_in_one_person() {
        let administrator = with(OFFICER, &[(Role::Administrator, None)]);
        for operating in Role::OPERATING {
            for (held, granted) in [(*operating, Role::Auditor), (Role::Auditor, *operating)] {
                let of = with(SUBJECT, &[(held, THERE)]);
                let grant = RoleGrant { role: granted, department: HERE };
                let refused = decide(&administrator, Act::Grant, &Object::Role { of: &of, grant });
                assert_eq!(refused, Err(Refusal::LinesMeet { person: SUBJECT, roles: [held, granted] }));
            }
            let both = with(OFFICER, &[(*operating, HERE), (Role::Auditor, HERE)]);
            assert!(matches!(decide(&both, Act::Revoke, &CERTIFICATE), Err(Refusal::LinesMeet { .. })));
        }
        let of = with(SUBJECT, &[(Role::Approver, HERE)]);
        let grant = RoleGrant { role: Role::RegistrationOfficer, department: HERE };
        decide(&administrator, Act::Grant, &Object::Role { of: &of, grant }).unwrap();
    }

    #[test]
    fn who_enrols_or_approves_does_so_for_a_department_and_an_administrator_of_one_makes_none_of_the_whole() {
        let of = with(SUBJECT, &[]);
        let grant = |role| Object::Role { of: &of, grant: RoleGrant { role, department: None } };
        let everywhere = with(OFFICER, &[(Role::Administrator, None)]);
        for role in [Role::RegistrationOfficer, Role::Approver] {
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
            decide(&with(SUBJECT, &[]), act, &CERTIFICATE).unwrap();
        }
        assert_eq!(decide(&holder, Act::Resume, &CERTIFICATE), Err(Refusal::AboutThemselves { person: SUBJECT, act: Act::Resume }));
    }

    #[test]
    fn a_request_is_withdrawn_by_whoever_made_it_or_is_its_subject() {
        let set = shipped();
        let staff = enrolment(set.profile(&"staff".parse().unwrap()).unwrap());
        decide(&with(SUBMITTER, &[]), Act::Withdraw, &staff).unwrap();
        decide(&with(SUBJECT, &[]), Act::Withdraw, &staff).unwrap();
        let officer = with(OFFICER, &[(Role::Approver, HERE)]);
        assert_eq!(decide(&officer, Act::Withdraw, &staff), Err(Refusal::NotTheirs { person: OFFICER, act: Act::Withdraw }));
    }

    #[test]
    fn what_the_system_key_does_is_no_act_of_an_officer_and_no_act_fits_everything() {
        let administrator = with(OFFICER, &[(Role::Administrator, None)]);
        for act in [Act::Claim, Act::Issue, Act::Complete, Act::PublishCrl] {
            assert_eq!(decide(&administrator, act, &CERTIFICATE), Err(Refusal::NotForRoles { act }));
        }
        assert_eq!(decide(&administrator, Act::Approve, &CERTIFICATE), Err(Refusal::NotApplicable { act: Act::Approve }));
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
}
