//! Departments and their names against the changes that people signed, played again in the order of the ledger.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, IN_FLIGHT, Records, people::bodies};
use crate::{
    ledger::EventType,
    policy::{Act, Department, DepartmentId, Namespace, Statement, Tree, statement::seen},
    services::{
        departments::{Shown, change_commitment, department},
        logs::OPERATIONS,
        register::department_commitment,
    },
    store,
};

pub(super) fn check(records: &Records, findings: &mut Findings) {
    let mut recorded = bodies(records, EventType::CA_EVENT);
    let found = read(records, findings);
    let changes = done(records, &mut recorded, findings);

    // A department that no change made was made before changes were signed: its leaf binds what it was then.
    let made: BTreeSet<DepartmentId> =
        changes.iter().filter(|change| change.shown.act == Act::DefineDepartment).map(|change| change.shown.department).collect();
    let mut before = Vec::new();
    for (id, now) in found.iter().filter(|(id, _)| !made.contains(id)) {
        let steps = changes.iter().flat_map(|change| &change.shown.departments);
        let first = steps.filter(|step| step.department == *id).find_map(|step| step.before.clone());
        let then = first.unwrap_or_else(|| now.clone());
        let row = &records.departments[&id.to_string()];
        if recorded.remove(&made_before_changes(row, &then)[..]).is_none() {
            // One digest binds the row and the names: nothing says which of them was changed.
            findings.disagree(("department", &row.id, "name"), ("department_namespace", &row.id, "value"));
        }
        before.push((*id, then));
    }
    let mut tree: Tree = before.into_iter().collect();
    for change in &changes {
        if let Err(error) = tree.apply(&change.shown.departments).and_then(|()| tree.check()) {
            findings.row("department_change", &change.row.id).add("shown", format!("it could not be done: {error}"));
        }
        if change.shown.act == Act::DefineDepartment {
            check_maker(change, records, findings);
        }
    }
    compare(&tree, &found, findings);
    for row in records.departments.values() {
        records.check_person(findings, "department", &row.id, "created_by", &row.created_by);
    }

    let mut others: BTreeSet<[u8; 32]> = super::access::commitments(&records.tokens).collect();
    others.extend(records.citizens.code_commitments());
    others.extend(records.staff.code_commitments());
    others.extend(records.re_reviews.commitments(records));
    recorded.retain(|body, _| !others.iter().any(|other| other[..] == **body));
    for (_, index) in recorded {
        let what =
            format!("missing or changed: leaf {index} of {OPERATIONS} made a department, a token, codes or a re-review that no row is");
        findings.row("department", "?").add("id", what.clone());
        findings.row("department_namespace", "?").add("value", what.clone());
        findings.row("department_change", "?").add("shown", what.clone());
        findings.row("identity_check", "?").add("code_hash", what.clone());
        findings.row("enrolment_code", "?").add("code_hash", what.clone());
        findings.row("re_review", "?").add("item", what.clone());
        findings.row("token", "?").add("id", what);
    }
}

/// The O values that each department could certify, and since when (in milliseconds).
pub(super) struct Organizations(BTreeMap<String, Vec<(i64, BTreeSet<String>)>>);

impl Organizations {
    pub fn new(changes: &[store::DepartmentChangeRow], namespaces: &[(String, String, String)]) -> Self {
        let mut done: Vec<(i64, Shown)> =
            changes.iter().filter_map(|row| Some((row.decided_at?, serde_json::from_str(&row.shown).ok()?))).collect();
        done.sort_by_key(|(at, _)| *at);
        let mut since: BTreeMap<String, Vec<(i64, BTreeSet<String>)>> = BTreeMap::new();
        for (at, step) in done.into_iter().flat_map(|(at, shown)| shown.departments.into_iter().map(move |step| (at, step))) {
            let own = since.entry(step.department.to_string()).or_default();
            if let (true, Some(before)) = (own.is_empty(), step.before) {
                own.push((i64::MIN, before.organizations));
            }
            own.push((at, step.after.organizations));
        }
        let mut now: BTreeMap<&String, BTreeSet<String>> = BTreeMap::new();
        for (_, value, department) in namespaces.iter().filter(|(kind, ..)| kind == Namespace::Organization.as_str()) {
            now.entry(department).or_default().insert(value.clone());
        }
        // Those of which no change was ever made.
        for (department, values) in now {
            since.entry(department.clone()).or_insert_with(|| vec![(i64::MIN, values)]);
        }
        Self(since)
    }

    /// Whether it could certify this when a certificate was made: what a request read first may have been changed until its commit,
    /// and the clock may have been set back a little.
    pub fn had(&self, department: &str, organization: &str, at: i64) -> bool {
        let own = self.0.get(department).map(Vec::as_slice).unwrap_or_default();
        let flight = IN_FLIGHT as i64 * 1000;
        let until = |index: usize| own.get(index + 1).map_or(i64::MAX, |(at, _)| at.saturating_add(flight));
        own.iter()
            .enumerate()
            .any(|(index, (from, values))| from.saturating_sub(flight) <= at && at <= until(index) && values.contains(organization))
    }
}

/// The departments as their rows and names say.
fn read(records: &Records, findings: &mut Findings) -> BTreeMap<DepartmentId, Department> {
    let mut names: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
    for (kind, value, of) in &records.namespaces {
        if !records.departments.contains_key(of) {
            findings.row("department_namespace", format!("{kind}/{value}")).add("department", "there is no such department");
        } else if Namespace::ALL.iter().any(|known| known.as_str() == kind) {
            names.entry(of).or_default().push((kind.clone(), value.clone()));
        } else {
            findings.row("department_namespace", format!("{kind}/{value}")).add("kind", "not a kind of name");
        }
    }
    let mut found = BTreeMap::new();
    for (id, row) in &records.departments {
        for (column, other) in [("parent", &row.parent), ("successor", &row.successor)] {
            records.check_department(findings, "department", id, column, other.as_deref());
        }
        match (id.parse(), department(row, names.remove(id.as_str()).unwrap_or_default().into_iter())) {
            (Ok(parsed), Ok(department)) => drop(found.insert(parsed, department)),
            _ => findings.row("department", id).add("id", "it, the one above it or its successor is no identifier"),
        }
    }
    found
}

/// A change that was done.
struct Done<'a> {
    row: &'a store::DepartmentChangeRow,
    shown: Shown,
    /// Of its leaf.
    index: u64,
}

/// The changes that the ledger says were done, in its order. Each has its leaf, which rests on statements of people who were
/// shown exactly this.
fn done<'a>(records: &'a Records, recorded: &mut BTreeMap<&[u8], u64>, findings: &mut Findings) -> Vec<Done<'a>> {
    let mut changes = Vec::new();
    let withdrawals = withdrawals(records);
    for (id, row) in &records.department_changes {
        records.check_person(findings, "department_change", id, "proposed_by", &row.proposed_by);
        let shown: Option<Shown> = serde_json::from_str(&row.shown).ok();
        let Some(shown) = shown else {
            findings.row("department_change", id).add("shown", "not a change of departments");
            continue;
        };
        let mut finding = findings.row("department_change", id);
        let other = || "what was shown has another".to_owned();
        finding.check("id", shown.change.to_string() == *id, other);
        finding.check("act", shown.act.as_str() == row.act, other);
        finding.check("department", shown.department.to_string() == row.department, other);
        finding.check("proposed_by", shown.proposed_by == row.proposed_by, other);
        finding.check("decided_at", row.statement.is_some() == row.decided_at.is_some(), || "not with its statement".to_owned());
        finding.check("withdrawn", row.withdrawn.as_deref() == withdrawals.get(id.as_str()).copied(), || {
            "the statements about it say otherwise".to_owned()
        });
        finding.check("withdrawn", row.withdrawn.is_none() || row.statement.is_none(), || "it was done".to_owned());
        let (Some(statement), Some(at)) = (&row.statement, row.decided_at) else { continue };
        let Some(index) = recorded.remove(&change_commitment(&row.id, &row.shown, statement, at)[..]) else {
            finding.add("statement", "the ledger has no such change");
            continue;
        };
        check_statements(row, &shown, index, records, findings);
        changes.push(Done { row, shown, index });
    }
    changes.sort_by_key(|change| change.index);
    changes
}

/// The statements that took proposals back, each of whoever was shown that change, by the change.
fn withdrawals(records: &Records) -> BTreeMap<&str, &[u8]> {
    let withdraws = |row: &&store::StatementRow| row.act == Act::Withdraw.as_str();
    let about = |row: &store::StatementRow| records.department_changes.get(&row.about);
    let was_shown = |row: &&store::StatementRow| about(row).is_some_and(|change| was_shown(row, &change.shown));
    let withdrawals = records.statements.values().filter(withdraws).filter(was_shown);
    withdrawals.map(|row| (row.about.as_str(), row.digest.as_slice())).collect()
}

fn was_shown(statement: &store::StatementRow, shown: &str) -> bool {
    let shown = serde_json::from_str(shown).map(|shown| seen(&[0; 32], &shown));
    Statement::parse(&statement.jws).is_ok_and(|statement| shown.is_ok_and(|shown| statement.payload().seen == shown))
}

/// Everybody whose statement the decision rests on was shown this, and the last of them is the one that the row names.
fn check_statements(row: &store::DepartmentChangeRow, shown: &Shown, index: u64, records: &Records, findings: &mut Findings) {
    let mut notices = records.books.get(OPERATIONS).into_iter().flat_map(|book| book.notices(EventType::CA_EVENT));
    let decision = notices.find(|notice| notice.index == index).and_then(|notice| records.decisions.get(&notice.digests.decision[..]));
    let Some(decision) = decision.and_then(|decision| decision.parsed.as_ref()) else {
        return findings.row("department_change", &row.id).add("statement", "its leaf rests on no decision");
    };
    let statements: Vec<Vec<u8>> = decision.statements.iter().filter_map(|digest| hex::decode(digest).ok()).collect();
    let own = row.statement.as_ref().is_some_and(|statement| statements.contains(statement));
    let mut finding = findings.row("department_change", &row.id);
    finding.check("statement", own, || "the decision does not rest on it".to_owned());
    for statement in statements.iter().filter_map(|digest| records.statements.get(digest)) {
        let about = statement.act == shown.act.as_str() && statement.about == row.id;
        finding.check("id", about, || "a statement of its decision is about something else".to_owned());
        finding.check("shown", was_shown(statement, &row.shown), || "whoever signed was shown something else".to_owned());
    }
}

/// Whoever proposed a department is who made it, when it was decided.
fn check_maker(change: &Done<'_>, records: &Records, findings: &mut Findings) {
    let Some(row) = records.departments.get(&change.shown.department.to_string()) else { return };
    let (id, by) = (row.id.as_str(), change.row.id.as_str());
    findings.compare(("department", id, "created_by", &row.created_by), ("department_change", by, "proposed_by", &change.row.proposed_by));
    let mut finding = findings.row("department", id);
    finding.check("created_at", Some(row.created_at) == change.row.decided_at, || "it was made at another time".to_owned());
    let repeatable = row.idempotency_key.is_none() && row.request_digest.is_none();
    finding.check("idempotency_key", repeatable, || "the change that made it has the key".to_owned());
    finding.check("request_digest", repeatable, || "the change that made it has the digest".to_owned());
}

/// Every department is what the changes made of it.
fn compare(tree: &Tree, found: &BTreeMap<DepartmentId, Department>, findings: &mut Findings) {
    for (id, expected) in tree.iter() {
        let row = id.to_string();
        let Some(now) = found.get(&id) else {
            findings.row("department", &row).add("id", "missing: a change made it");
            continue;
        };
        let other = || "the changes that were signed made it another".to_owned();
        let mut finding = findings.row("department", &row);
        finding.check("name", now.name == expected.name, other);
        finding.check("parent", now.parent == expected.parent, other);
        finding.check("successor", now.successor == expected.successor, other);
        let mut finding = findings.row("department_namespace", &row);
        for kind in Namespace::ALL {
            finding.check("value", kind.of(now) == kind.of(expected), other);
        }
    }
}

/// The body of the leaf that made a department when nobody signed for it.
fn made_before_changes(row: &store::DepartmentRow, then: &Department) -> [u8; 32] {
    let names = |kind: Namespace| kind.of(then).iter().map(move |name| (kind.as_str(), name.clone()));
    let names: Vec<(&str, String)> = Namespace::ALL.into_iter().flat_map(names).collect();
    department_commitment(&store::DepartmentRow { name: then.name.clone(), ..row.clone() }, &names)
}
