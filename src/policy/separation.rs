//! What no rule may ever allow, tried on the rules of a version before it is put in force: that somebody decides on their own
//! request, about themselves or twice, and that the line that operates and the line that audits meet in one person.
//!
//! What a rule can look at is finite: roles, profiles, departments, and whether two people are the same, never who they are
//! (`rulebook.rs` refuses a rule that names somebody). So each case is tried with every set of roles of one line, for every
//! profile, in each department that a rule names and in one that none does. Whatever permits it is named with its line.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    identity::{DepartmentId, PersonId},
    profile::{Profile, ProfileName},
    rulebook::{READ, Rulebook, Verdict},
    rules::{Actor, Certificate, CitizenCase, DepartmentPath, Enrolment, IdentityCheck, Line, Object, Role, RoleGrant},
    set::PolicyError,
    statement::Act,
};

const ONE: PersonId = PersonId::from_bytes([1; 16]);
const OTHER: PersonId = PersonId::from_bytes([2; 16]);
const THIRD: PersonId = PersonId::from_bytes([3; 16]);

/// Nobody names these: identifiers are random.
const SOMEWHERE: DepartmentId = DepartmentId::from_bytes([4; 16]);
const ABOVE: DepartmentId = DepartmentId::from_bytes([5; 16]);

/// Every way in which these rules let separation of duties be broken.
pub(super) fn check(book: &Rulebook, profiles: &BTreeMap<ProfileName, Profile>) -> Vec<PolicyError> {
    let mut trial = Trial { book, faults: BTreeMap::new() };
    trial.the_facts_fit_the_schema(profiles);
    if trial.faults.is_empty() {
        for place in places(book) {
            for roles in sets_of_roles() {
                let one = Actor { person: ONE, roles: grants(&roles, &place) };
                for profile in profiles.values() {
                    trial.nobody_judges_their_own(&one, profile, &place);
                }
                trial.nobody_decides_about_themselves(&one, &place);
                trial.nobody_confirms_what_they_recorded(&one, &place);
                trial.no_grant_makes_the_lines_meet(&one, &place);
            }
            trial.nobody_of_both_lines_acts(profiles, &place);
        }
    }
    trial.faults.into_values().collect()
}

struct Trial<'a> {
    book: &'a Rulebook,
    /// One for each rule, or failure, and what it breaks.
    faults: BTreeMap<(String, &'static str, String), PolicyError>,
}

impl Trial<'_> {
    fn the_facts_fit_the_schema(&mut self, profiles: &BTreeMap<ProfileName, Profile>) {
        let one = Actor { person: ONE, roles: grants(Role::ALL, &here()) };
        let other = Actor { person: OTHER, roles: Vec::new() };
        let enrolments = profiles.values().map(|profile| enrolment(profile, &here(), [OTHER, THIRD, THIRD]));
        for object in enrolments.chain(other_objects(&other, &here())) {
            if let Err(error) = self.book.check_facts(&one, &object) {
                self.add("", "schema", error.clone(), format!("this is not what the service tells the rules: {error}"));
            }
        }
    }

    fn nobody_judges_their_own(&mut self, one: &Actor, profile: &Profile, place: &DepartmentPath) {
        for (people, what) in [([ONE, OTHER, THIRD], "on their own request"), ([OTHER, ONE, THIRD], "about themselves")] {
            for act in [Act::Approve, Act::Reject] {
                self.never(one, act.as_str(), &enrolment(profile, place, people), what);
            }
        }
        self.never(one, Act::Approve.as_str(), &enrolment(profile, place, [OTHER, THIRD, ONE]), "twice");
    }

    fn nobody_decides_about_themselves(&mut self, one: &Actor, place: &DepartmentPath) {
        let own = Object::Certificate(Certificate { department: place.clone(), holder: ONE });
        for act in [Act::Resume, Act::ReReview] {
            self.never(one, act.as_str(), &own, "about themselves");
        }
        for role in Role::ALL {
            for act in [Act::Submit, Act::Grant, Act::Dismiss] {
                let object = Object::Role { of: one, role: *role, department: place.clone() };
                self.never(one, act.as_str(), &object, "about themselves");
            }
        }
        for act in [Act::UpholdContest, Act::DismissContest, Act::Export] {
            self.never(one, act.as_str(), &case(place, ONE, OTHER), "about themselves");
            self.never(one, act.as_str(), &case(place, OTHER, ONE), "twice");
        }
        self.never(one, Act::Erase.as_str(), &case(place, OTHER, ONE), "twice");
    }

    /// Who looked at the documents says so, and is not the one who confirms it.
    fn nobody_confirms_what_they_recorded(&mut self, one: &Actor, place: &DepartmentPath) {
        let check = |recorded_by| Object::IdentityCheck(IdentityCheck { department: place.clone(), recorded_by });
        self.never(one, Act::ConfirmIdentity.as_str(), &check(ONE), "on their own request");
        self.never(one, Act::CheckIdentity.as_str(), &check(OTHER), "for what another has seen");
    }

    fn no_grant_makes_the_lines_meet(&mut self, one: &Actor, place: &DepartmentPath) {
        for held in Role::ALL {
            let of = Actor { person: OTHER, roles: grants(&[*held], &here()) };
            for role in Role::ALL.iter().filter(|role| role.line() != held.line()) {
                let object = Object::Role { of: &of, role: *role, department: place.clone() };
                for act in [Act::Submit, Act::Grant] {
                    self.never(one, act.as_str(), &object, "so that the lines meet in one person");
                }
            }
        }
    }

    fn nobody_of_both_lines_acts(&mut self, profiles: &BTreeMap<ProfileName, Profile>, place: &DepartmentPath) {
        let other = Actor { person: OTHER, roles: Vec::new() };
        for operating in Role::OPERATING {
            let both = Actor { person: ONE, roles: grants(&[*operating, Role::Auditor], place) };
            let enrolments = profiles.values().map(|profile| enrolment(profile, place, [OTHER, THIRD, THIRD]));
            for object in enrolments.chain(other_objects(&other, place)) {
                let book = self.book;
                for action in book.actions_on(&object).filter(|action| *action != READ) {
                    self.never(&both, action, &object, "while they operate and audit");
                }
            }
        }
    }

    /// Notes whatever permits this, and whatever could not be evaluated.
    fn never(&mut self, actor: &Actor, action: &str, object: &Object<'_>, what: &'static str) {
        match self.book.evaluate(action, actor, object) {
            Verdict::Permitted(rules) => {
                for rule in rules {
                    let message = format!("\"{rule}\" lets somebody {action} {what}, and no rule forbids it{}", context(object));
                    self.add(&rule, what, action.to_owned(), message);
                }
            }
            Verdict::Failed(rule, error) => self.add(&rule.unwrap_or_default(), "failure", action.to_owned(), error),
            Verdict::Forbidden(_) | Verdict::NotPermitted | Verdict::NotApplicable | Verdict::Unknown => {}
        }
    }

    fn add(&mut self, rule: &str, what: &'static str, which: String, message: String) {
        let book = self.book;
        self.faults.entry((rule.to_owned(), what, which)).or_insert_with(|| book.fault(rule, message));
    }
}

fn context(object: &Object<'_>) -> String {
    match object {
        Object::Enrolment(enrolment) => format!(" (profile {})", enrolment.profile.name()),
        _ => String::new(),
    }
}

/// Who submitted it, whom it is about, and who approved it already.
fn enrolment<'a>(profile: &'a Profile, place: &DepartmentPath, [submitted_by, subject, approved_by]: [PersonId; 3]) -> Object<'a> {
    Object::Enrolment(Enrolment { profile, department: place.clone(), submitted_by, subject, approved_by: vec![approved_by] })
}

/// A case about one person, which another has decided already.
fn case(place: &DepartmentPath, concerned: PersonId, decided_by: PersonId) -> Object<'static> {
    Object::Citizen(CitizenCase { department: place.clone(), concerns: vec![concerned], decided_by: vec![decided_by] })
}

/// One object of each kind but enrolments.
fn other_objects<'a>(of: &'a Actor, place: &DepartmentPath) -> [Object<'a>; 7] {
    [
        Object::Certificate(Certificate { department: place.clone(), holder: OTHER }),
        Object::Role { of, role: Role::Approver, department: place.clone() },
        Object::DepartmentChange { from: place.clone(), to: place.clone() },
        Object::Record { department: place.clone(), subject: Some(OTHER) },
        Object::IdentityCheck(IdentityCheck { department: place.clone(), recorded_by: ONE }),
        case(place, OTHER, THIRD),
        Object::Installation,
    ]
}

fn here() -> DepartmentPath {
    DepartmentPath::new(vec![SOMEWHERE, ABOVE])
}

/// A department that no rule names, the whole installation, each that a rule names, and one below each of those.
fn places(book: &Rulebook) -> Vec<DepartmentPath> {
    let named: BTreeSet<DepartmentId> = book.departments().collect();
    let mut places = vec![here(), DepartmentPath::INSTALLATION];
    for department in named {
        places.extend([DepartmentPath::new(vec![department]), DepartmentPath::new(vec![SOMEWHERE, department])]);
    }
    places
}

/// Every set of operating roles, and the auditor alone.
fn sets_of_roles() -> Vec<Vec<Role>> {
    let operating = Role::OPERATING;
    let subset = |bits: usize| operating.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1).map(|(_, role)| *role).collect();
    let mut sets: Vec<Vec<Role>> = (0..1 << operating.len()).map(subset).collect();
    sets.extend(Role::ALL.iter().filter(|role| role.line() == Line::Audit).map(|role| vec![*role]));
    sets
}

/// The roles, each in this department and in the whole installation.
fn grants(roles: &[Role], place: &DepartmentPath) -> Vec<RoleGrant> {
    let places = [place.department(), None];
    roles.iter().flat_map(|role| places.map(|department| RoleGrant { role: *role, department })).collect()
}

#[cfg(test)]
mod tests {
    use crate::policy::set::{
        PolicyErrors, PolicySet,
        tests::{files, shipped_with},
    };

    const FILE: &str = "rules/separation.cedar";

    /// Without each of the forbids there is a way, and the permit that opens it is named with its line.
    #[test]
    fn rules_without_one_of_the_forbids_are_refused() {
        let shipped = std::fs::read_to_string(format!("policies/{FILE}")).unwrap();
        for (forbid, permit, act, what) in [
            ("own-request", "officer-judges", "approve", "on their own request"),
            ("about-themselves", "officer-judges", "reject", "about themselves"),
            ("about-themselves", "officer-stops-and-resumes", "resume", "about themselves"),
            ("about-themselves", "whoever-looks-after-a-stolen-key", "re-review", "about themselves"),
            ("about-themselves", "administrator-appoints", "grant", "about themselves"),
            ("about-themselves", "administrator-appoints", "dismiss", "about themselves"),
            ("about-themselves", "officer-decides-a-contest", "uphold-contest", "about themselves"),
            ("about-themselves", "auditor-exports", "export", "about themselves"),
            ("about-themselves-proposed", "administrator-proposes", "submit", "about themselves"),
            ("own-request", "officer-confirms-identity", "confirm-identity", "on their own request"),
            ("not-theirs", "recorder-checks-identity", "check-identity", "what another has seen"),
            ("already-decided", "officer-judges", "approve", "twice"),
            ("already-decided", "administrator-erases", "erase", "twice"),
            ("grant-makes-lines-meet", "administrator-appoints", "grant", "lines meet"),
            ("grant-makes-lines-meet", "administrator-proposes", "submit", "lines meet"),
            ("lines-meet", "administrator-governs", "activate-policy", "operate and audit"),
            ("lines-meet", "administrator-reorganizes", "merge-department", "operate and audit"),
        ] {
            let errors = shipped_with(FILE, &without(&shipped, forbid)).map(drop).unwrap_err();
            assert_named(&errors, permit, act, what);
        }
    }

    /// The text without one of its rules.
    fn without(text: &str, rule: &str) -> String {
        let from = text.find(&format!("@id(\"{rule}\")")).unwrap();
        let to = from + text[from..].find("};").unwrap() + 2;
        format!("{}{}", &text[..from], &text[to..])
    }

    fn assert_named(errors: &PolicyErrors, permit: &str, act: &str, what: &str) {
        let (path, line) = place(permit);
        let quoted = format!("\"{permit}\" lets somebody {act} ");
        let found = errors.0.iter().find(|error| error.message.starts_with(&quoted) && error.message.contains(what));
        let found = found.unwrap_or_else(|| panic!("{quoted}… {what}:\n{errors}"));
        assert_eq!((found.file.as_str(), found.line), (path.as_str(), line), "{errors}");
    }

    fn place(rule: &str) -> (String, usize) {
        let name = format!("@id(\"{rule}\")");
        let found = files().into_iter().find_map(|(path, text)| text.find(&name).map(|at| (path, crate::policy::set::line(&text, at))));
        found.unwrap()
    }

    #[test]
    fn a_forbid_with_a_way_around_it_is_found_wherever_the_way_is() {
        let shipped = std::fs::read_to_string(format!("policies/{FILE}")).unwrap();
        let own = "(resource is Enrolment && principal == resource.submitted_by)";
        for way in [
            "resource.profile == Profile::\"officer\"",
            "resource.profile.assurance == Assurance::\"high\"",
            "principal.roles == [Role::\"administrator\", Role::\"approver\"]",
            "principal.roles.contains(Role::\"approver\") && !principal.roles.contains(Role::\"administrator\")",
            "resource.department == Department::\"0000000000000000000000000000000a\"",
            "resource.department in Department::\"0000000000000000000000000000000a\"",
            "resource.profile.approvals > 1",
        ] {
            let text = shipped.replace(own, &format!("(resource is Enrolment && principal == resource.submitted_by && !({way}))"));
            assert_ne!(text, shipped);
            let errors = shipped_with(FILE, &text).map(drop).expect_err(way);
            assert!(errors.to_string().contains("on their own request"), "{way}: {errors}");
        }
    }

    #[test]
    fn what_permits_and_what_always_fails_is_named_and_other_rules_are_left_alone() {
        let own = "@id(\"generous\")\npermit (principal, action, resource);\n";
        let text = std::fs::read_to_string(format!("policies/{FILE}")).unwrap();
        let mut files = files();
        files.retain(|(path, _)| path != FILE);
        files.push(("rules/local.cedar".to_owned(), own.to_owned()));
        files.push((FILE.to_owned(), without(&text, "own-request")));
        let errors = PolicySet::parse(&files).unwrap_err();
        assert!(errors.0.iter().any(|error| error.file == "rules/local.cedar" && error.line == 1), "{errors}");

        let fails = "@id(\"local\")\nforbid (principal, action == Action::\"grant\", resource) when { 9223372036854775807 + 1 == 0 };";
        let errors = shipped_with("rules/local.cedar", fails).unwrap_err();
        assert!(errors.0.iter().all(|error| error.file == "rules/local.cedar" && error.line == 1), "{errors}");
        // With the forbids in place even this breaks nothing.
        shipped_with("rules/local.cedar", own).unwrap();
    }
}
