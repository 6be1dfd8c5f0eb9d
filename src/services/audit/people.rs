//! Persons, roles and claim codes against the leaves that bind them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Findings, Records};
use crate::{
    ledger::EventType,
    policy::{Act, PersonId, PolicySet, Role, profile::SubjectKind},
    services::{
        logs::OPERATIONS,
        register::{dismissal_commitment, grant_commitment},
    },
    store,
};

pub(super) fn check(records: &Records, findings: &mut Findings) {
    check_persons(records, findings);
    check_grants(records, findings);
    check_claims(records, findings);
}

fn check_persons(records: &Records, findings: &mut Findings) {
    let policies = records.policy_sets();
    let mut first: HashMap<&str, &store::EnrolmentRow> = HashMap::new();
    for enrolment in &records.enrolments {
        first.entry(&enrolment.person).or_insert(enrolment);
    }
    let appointed: BTreeSet<&str> = records.grants.iter().map(|grant| grant.person.as_str()).collect();
    for (id, person) in &records.persons {
        records.check_department(findings, "person", id, "department", person.department.as_deref());
        let mut finding = findings.row("person", id);
        finding.check("id", id.parse::<PersonId>().is_ok(), || "not the identifier of a person".to_owned());
        let department = person.department.as_ref().and_then(|department| records.departments.get(department));
        let proposed = person.sealed_profile.is_some() && !appointed.contains(id.as_str());
        let merged = department.is_some_and(|department| department.successor.is_some());
        finding.check("sealed_profile", !(proposed && merged), || "proposed in a department that was merged".to_owned());
        let enrolment = first.get(id.as_str()).copied();
        let kind = match enrolment {
            _ if *id == records.system_person => "system",
            // An officer was proposed as a person before anything was asked for.
            Some(enrolment) if person.sealed_profile.is_none() => kind_of(enrolment, &policies),
            _ => "person",
        };
        finding.check("kind", person.kind == kind, || format!("it is a {kind}"));
        match enrolment {
            _ if *id == records.system_person => {
                finding.check("department", person.department.is_none(), || "the service belongs to no department".to_owned());
            }
            // An officer's department stands in the grant.
            Some(enrolment) if person.sealed_profile.is_none() => {
                let (person, row) = (&person.department, enrolment.id.as_str());
                findings.compare(("person", id, "department", person), ("enrolment", row, "department", &enrolment.department));
            }
            _ => {}
        }
    }
    if !records.persons.contains_key(&records.system_person) {
        findings.row("person", &records.system_person).add("id", "missing: the service itself");
    }
}

/// The kind of person that an enrolment makes when its subject is new.
fn kind_of(enrolment: &store::EnrolmentRow, policies: &BTreeMap<&[u8], PolicySet>) -> &'static str {
    let name = enrolment.profile.parse().ok();
    match policies
        .get(&enrolment.policy[..])
        .zip(name)
        .and_then(|(policy, name)| policy.profile(&name))
        .map(|profile| profile.subject_kind())
    {
        Some(SubjectKind::Service) => "service",
        _ => "person",
    }
}

/// The leaf of each body of that type in the operations log.
pub(super) fn bodies(records: &Records, event_type: EventType) -> BTreeMap<&[u8], u64> {
    let notices = records.books.get(OPERATIONS).into_iter().flat_map(|book| book.notices(event_type));
    notices.map(|notice| (notice.body.as_slice(), notice.index)).collect()
}

fn check_grants(records: &Records, findings: &mut Findings) {
    let mut by_statement: BTreeMap<&[u8], (Vec<&store::RoleGrantRow>, Vec<&store::ClaimRow>)> = BTreeMap::new();
    for row in &records.grants {
        by_statement.entry(&row.statement).or_default().0.push(row);
    }
    for row in &records.claims {
        by_statement.entry(&row.statement).or_default().1.push(row);
    }
    // Each leaf names its decision, and the decision its statement: a body counts for its own statement only.
    let mut recorded = recorded_roles(records);
    let withdrawn: BTreeSet<&Vec<u8>> = records.grants.iter().filter_map(|row| row.withdrawn_statement.as_ref()).collect();
    let dismissals: Vec<RoleLeaf<'_>> = recorded.extract_if(.., |leaf| leaf.statements.iter().any(|one| withdrawn.contains(one))).collect();
    for row in &records.grants {
        let merger = row.withdrawn_statement.as_deref().and_then(|statement| records.merger_by(statement));
        if let Some(merger) = merger {
            let ended = row.department.as_ref() == Some(&merger.department) && row.withdrawn_at == merger.decided_at;
            findings.row("role_grant", &row.id).check("withdrawn_at", ended, || "the department was merged at another time".to_owned());
        } else if let (Some(statement), Some(at)) = (&row.withdrawn_statement, row.withdrawn_at) {
            let body = dismissal_commitment(&row.person, at);
            let bound = dismissals.iter().any(|leaf| leaf.statements.contains(statement) && leaf.body == body);
            findings.row("role_grant", &row.id).check("withdrawn_at", bound, || "the ledger has no such dismissal".to_owned());
        }
    }
    for (statement, (grants, claims)) in &by_statement {
        let commitment = grant_commitment(grants, claims);
        // A grant that took several people is kept under the statement that completed it.
        let leaf = recorded.iter().position(|leaf| leaf.statements.iter().any(|one| one == statement));
        if leaf.is_none_or(|leaf| recorded.swap_remove(leaf).body != commitment) {
            let id = hex::encode(statement);
            // One digest binds the roles and the claim code: nothing says which of them was changed.
            findings.disagree(("role_grant", &id, "role"), ("claim", &id, "code_hash"));
        }
    }
    for statement in recorded.iter().filter_map(|leaf| leaf.statements.first()) {
        let what = "missing or changed: the ledger has a grant or a dismissal on this statement";
        findings.row("role_grant", hex::encode(statement)).add("statement", what);
        findings.row("claim", hex::encode(statement)).add("statement", what);
    }
    for row in &records.grants {
        check_grant(row, records, findings);
    }
}

/// A leaf about roles, with the statements of its decision.
struct RoleLeaf<'a> {
    statements: Vec<Vec<u8>>,
    body: &'a [u8],
}

fn recorded_roles(records: &Records) -> Vec<RoleLeaf<'_>> {
    let notices = records.books.get(OPERATIONS).into_iter().flat_map(|book| book.notices(EventType::ROLE));
    let leaf = |notice: &'_ super::books::Notice| {
        let decision = records.decisions.get(&notice.digests.decision[..]).and_then(|decision| decision.parsed.as_ref())?;
        Some(decision.statements.iter().filter_map(|digest| hex::decode(digest).ok()).collect())
    };
    notices.filter_map(|notice| leaf(notice).map(|statements| RoleLeaf { statements, body: notice.body.as_slice() })).collect()
}

fn check_grant(row: &store::RoleGrantRow, records: &Records, findings: &mut Findings) {
    records.check_person(findings, "role_grant", &row.id, "person", &row.person);
    records.check_department(findings, "role_grant", &row.id, "department", row.department.as_deref());
    if let Some(person) = records.persons.get(&row.person) {
        findings.compare(("role_grant", &row.id, "department", &row.department), ("person", &person.id, "department", &person.department));
    }
    let about = |statement: &[u8], act: Act| {
        records.statements.get(statement).is_some_and(|found| found.act == act.as_str() && found.about == row.person)
    };
    let mut finding = findings.row("role_grant", &row.id);
    finding.check("role", row.role.parse::<Role>().is_ok(), || "not a role".to_owned());
    finding.check("statement", about(&row.statement, Act::Grant), || "no statement grants this person a role".to_owned());
    let ended = |statement: &Vec<u8>| {
        records.merger_by(statement).is_some_and(|merger| ends(merger, row))
            || about(statement, Act::Dismiss)
            || records.re_reviews.holds(statement, "roles", &row.person)
    };
    let withdrawn = row.withdrawn_statement.as_ref().map(ended);
    let merged = records.department_changes.values().any(|change| change.act == Act::MergeDepartment.as_str() && ends(change, row));
    finding.check("withdrawn_statement", withdrawn != Some(false), || "no statement dismisses this person".to_owned());
    finding.check("withdrawn_at", row.withdrawn_at.is_some() == withdrawn.is_some(), || "not with its statement".to_owned());
    let dismissed = records
        .statements
        .values()
        .any(|found| found.act == Act::Dismiss.as_str() && found.about == row.person && found.recorded_at >= row.granted_at);
    finding.check("withdrawn_at", row.withdrawn_at.is_some() || !dismissed, || "a statement dismissed this person".to_owned());
    finding.check("withdrawn_at", row.withdrawn_at.is_some() || !merged, || "its department was merged".to_owned());
}

/// Whether a change that was done ended the roles in the department of this grant.
fn ends(change: &store::DepartmentChangeRow, grant: &store::RoleGrantRow) -> bool {
    change.statement.is_some() && grant.department.as_ref() == Some(&change.department)
}

fn check_claims(records: &Records, findings: &mut Findings) {
    // A claim was used when an enrolment was decided on its grant.
    let mut used: BTreeMap<Vec<u8>, &store::EnrolmentRow> = BTreeMap::new();
    for enrolment in &records.enrolments {
        let decision = enrolment.decision.as_ref().and_then(|digest| records.decisions.get(digest)?.parsed.as_ref());
        let claimed = decision.filter(|decision| decision.decision.act == Act::Claim);
        for statement in claimed.into_iter().flat_map(|decision| &decision.statements) {
            used.extend(hex::decode(statement).ok().map(|statement| (statement, enrolment)));
        }
    }
    let mut persons = BTreeSet::new();
    for row in &records.claims {
        let id = hex::encode(&row.code_hash);
        records.check_person(findings, "claim", &id, "person", &row.person);
        records.check_department(findings, "claim", &id, "department", row.department.as_deref());
        let mut finding = findings.row("claim", &id);
        finding.check("person", persons.insert((&row.person, &row.statement)), || "a second claim on one grant".to_owned());
        let enrolment = used.get(&row.statement);
        let at = enrolment.map(|enrolment| enrolment.updated_at);
        finding.check("used_at", row.used_at == at, || "the enrolment that it made says otherwise".to_owned());
        let own = enrolment.is_none_or(|enrolment| enrolment.person == row.person && enrolment.profile == row.profile);
        finding.check("person", own, || "the enrolment that it made is another's".to_owned());
    }
}
