//! The audit: recomputes tree and map from the entries and compares them with every row that claims to come from them.
//!
//! It reads the database in one transaction and writes nothing, needs no private key and opens nothing that is sealed. Where
//! the chain of evidence starts is the trust bundle, which the caller should have from elsewhere than the machine under
//! audit. `docs/audit.md` lists what is compared with what, and the columns that nothing protects, with the reasons; a test
//! changes every column of a real installation and holds that list to the truth.

mod access;
mod books;
mod certificates;
mod citizens;
mod crls;
mod departments;
mod enrolments;
mod people;
mod re_reviews;
mod staff;
mod statements;

#[cfg(test)]
pub mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::{error::Error, install::system_person, trust::TrustBundle};
use crate::{
    policy::{Act, AuthorityName, PolicySet, decision::HashedText},
    store::{self, Connection, Db},
    x509::Certificate,
};
use books::Book;

/// How long a request may take from what it reads first to its commit (seconds).
const IN_FLIGHT: u64 = 60;

/// A row that is not what the ledger, a signature or another row says it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub table: &'static str,
    /// The row's key.
    pub row: String,
    pub column: &'static str,
    /// What is wrong with it. Repeats no personal data.
    pub what: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{} [{}]: {}", self.table, self.column, self.row, self.what)
    }
}

/// Compares every row with what it claims to come from. An empty list: nothing was found.
pub async fn audit(db: &Db, bundle: &TrustBundle) -> Result<Vec<Finding>, Error> {
    let mut tx = db.begin_read().await?;
    let connection = tx.connection();
    let mut findings = Findings::default();
    let system_person = check_installation(connection, &mut findings).await?;
    let books = books::check(connection, bundle, &mut findings).await?;
    let records = Records::load(connection, bundle, books, system_person).await?;

    let facts = certificates::check(connection, &records, &mut findings).await?;
    crls::check(connection, &records, &facts, &mut findings).await?;
    statements::check(connection, &records, &facts, &mut findings).await?;
    enrolments::check(&records, &facts, &mut findings);
    people::check(&records, &mut findings);
    departments::check(&records, &mut findings);
    staff::check(&records, &mut findings);
    re_reviews::check(&records, &mut findings);
    citizens::check(connection, &records, &facts, &mut findings).await?;
    access::check(connection, &records, &mut findings).await?;
    check_notices(connection, &mut findings).await?;
    Ok(findings.0)
}

/// Answers the identity of the service as a person, which follows from the incarnation.
async fn check_installation(connection: &mut Connection, findings: &mut Findings) -> Result<String, Error> {
    let rows = store::installation::all(connection).await?;
    let logs = store::ledger::logs(connection).await?;
    let mut row = findings.row("installation", "1");
    row.check("id", rows.len() == 1 && rows[0].0 == 1, || "there must be one row, 1".to_owned());
    let Some((_, incarnation, mode)) = rows.into_iter().next() else { return Ok(String::new()) };
    let own = |log: &store::LogRow| log.origin.rsplit_once('/').is_some_and(|(_, last)| last == incarnation);
    row.check("incarnation", logs.iter().all(own), || "the origins of the logs end in another".to_owned());
    row.check("mode", mode == "trial", || "this release makes trial installations only".to_owned());
    Ok(system_person(&incarnation).to_string())
}

/// A notice is about a certificate that there is; the rest of its row is a log of what was sent, and decides nothing.
async fn check_notices(connection: &mut Connection, findings: &mut Findings) -> Result<(), Error> {
    for (seq, certificate) in store::notices::about_nothing(connection).await? {
        findings.disagree(("notice", &seq.to_string(), "certificate"), ("certificate", &hex::encode(certificate), "id"));
    }
    Ok(())
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn row(&mut self, table: &'static str, row: impl Into<String>) -> Row<'_> {
        Row { findings: self, table, row: row.into() }
    }

    /// Two columns that must agree do not, and nothing says which of them was changed.
    fn disagree(&mut self, one: (&'static str, &str, &'static str), other: (&'static str, &str, &'static str)) {
        for ((table, row, column), (other_table, other_row, other_column)) in [(one, other), (other, one)] {
            let what = format!("does not agree with {other_table}.{other_column} of {other_row}");
            self.0.push(Finding { table, row: row.to_owned(), column, what });
        }
    }

    /// The same, only when they differ.
    fn compare<T: PartialEq>(&mut self, one: (&'static str, &str, &'static str, T), other: (&'static str, &str, &'static str, T)) {
        if one.3 != other.3 {
            self.disagree((one.0, one.1, one.2), (other.0, other.1, other.2));
        }
    }
}

/// One row under audit.
struct Row<'a> {
    findings: &'a mut Findings,
    table: &'static str,
    row: String,
}

impl Row<'_> {
    fn add(&mut self, column: &'static str, what: impl Into<String>) {
        self.findings.0.push(Finding { table: self.table, row: self.row.clone(), column, what: what.into() });
    }

    /// Adds a finding unless the condition holds.
    fn check(&mut self, column: &'static str, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.add(column, what());
        }
    }
}

/// Everything but the rows that come in millions and are read page by page.
struct Records {
    books: BTreeMap<String, Book>,
    system_person: String,
    system_key: Option<crate::crypto::PublicKey>,
    authorities: BTreeMap<String, AuthorityRecord>,
    /// Certificates of authorities in the bundle that no row claims.
    unclaimed: Vec<String>,
    policies: BTreeMap<Vec<u8>, store::PolicyVersionRow>,
    statements: HashMap<Vec<u8>, store::StatementRow>,
    /// By root, in the order of the list.
    lists: BTreeMap<String, Vec<(i64, String)>>,
    decisions: HashMap<Vec<u8>, DecisionRecord>,
    enrolments: Vec<store::EnrolmentRow>,
    /// By enrolment.
    requests: BTreeMap<String, Vec<store::EnrolmentRequestRow>>,
    persons: BTreeMap<String, store::PersonRow>,
    departments: BTreeMap<String, store::DepartmentRow>,
    namespaces: Vec<(String, String, String)>,
    department_changes: BTreeMap<String, store::DepartmentChangeRow>,
    organizations: departments::Organizations,
    key_owners: BTreeMap<Vec<u8>, (String, i64)>,
    grants: Vec<store::RoleGrantRow>,
    claims: Vec<store::ClaimRow>,
    tokens: Vec<store::TokenRow>,
    citizens: citizens::Citizens,
    staff: staff::Staff,
    re_reviews: re_reviews::ReReviews,
}

/// An authority with its own certificate, as the bundle has it.
struct AuthorityRecord {
    row: store::AuthorityRow,
    name: Option<AuthorityName>,
    certificate: Option<Certificate>,
}

/// A decision as its canonical text has it.
struct DecisionRecord {
    row: store::DecisionRow,
    parsed: Option<HashedText>,
}

impl Records {
    async fn load(
        connection: &mut Connection,
        bundle: &TrustBundle,
        books: BTreeMap<String, Book>,
        system_person: String,
    ) -> Result<Self, Error> {
        let mut certificates = bundle.roots()?;
        certificates.extend(bundle.authorities()?);
        let mut unclaimed: BTreeMap<[u8; 32], Certificate> =
            certificates.into_iter().filter_map(|certificate| Some((certificate.public_key().ok()?.fingerprint(), certificate))).collect();
        let mut authorities = BTreeMap::new();
        for row in store::authorities::list(connection).await? {
            let certificate = <[u8; 32]>::try_from(row.key_fingerprint.as_slice()).ok().and_then(|key| unclaimed.remove(&key));
            authorities.insert(row.name.clone(), AuthorityRecord { name: row.name.parse().ok(), certificate, row });
        }
        let mut requests: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (enrolment, request) in store::enrolments::all_requests(connection).await? {
            requests.entry(enrolment).or_default().push(request);
        }
        let mut lists: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (root, ordinal, item) in store::statements::lists(connection).await? {
            lists.entry(root).or_default().push((ordinal, item));
        }
        let namespaces = store::departments::all_namespaces(connection).await?;
        let department_changes = store::departments::all_changes(connection).await?;
        let organizations = departments::Organizations::new(&department_changes, &namespaces);
        let decision = |row: store::DecisionRow| (row.digest.clone(), DecisionRecord { parsed: HashedText::parse(&row.canonical), row });
        Ok(Self {
            books,
            system_person,
            system_key: bundle.system_key(),
            authorities,
            unclaimed: unclaimed.into_values().map(|certificate| certificate.subject_text()).collect(),
            policies: store::statements::policy_versions(connection).await?.into_iter().map(|row| (row.digest.clone(), row)).collect(),
            statements: store::statements::statements(connection).await?.into_iter().map(|row| (row.digest.clone(), row)).collect(),
            lists,
            decisions: store::statements::decisions(connection).await?.into_iter().map(decision).collect(),
            enrolments: store::enrolments::all(connection).await?,
            requests,
            persons: store::people::all_persons(connection).await?.into_iter().map(|row| (row.id.clone(), row)).collect(),
            departments: store::departments::all(connection).await?.into_iter().map(|row| (row.id.clone(), row)).collect(),
            namespaces,
            department_changes: department_changes.into_iter().map(|row| (row.id.clone(), row)).collect(),
            organizations,
            key_owners: store::people::key_owners(connection).await?.into_iter().map(|(key, person, at)| (key, (person, at))).collect(),
            grants: store::people::grants(connection).await?,
            claims: store::people::claims(connection).await?,
            tokens: store::tokens::all(connection).await?,
            citizens: citizens::Citizens::load(connection).await?,
            staff: staff::Staff::load(connection).await?,
            re_reviews: re_reviews::ReReviews::load(connection).await?,
        })
    }

    /// Whether a statement is about this, alone or in a list.
    fn is_about(&self, statement: &store::StatementRow, about: &str) -> bool {
        let listed = |items: &Vec<(i64, String)>| items.iter().any(|(_, item)| item == about);
        statement.about == about || self.lists.get(&statement.about).is_some_and(listed)
    }

    /// The versions of the policy by digest, as far as they can be read: `check_policies` reports the others.
    fn policy_sets(&self) -> BTreeMap<&[u8], PolicySet> {
        let read = |text: &str| PolicySet::from_canonical_text(text).ok();
        self.policies.iter().filter_map(|(digest, row)| Some((digest.as_slice(), read(&row.text)?))).collect()
    }

    /// A column that names a person names one that there is.
    fn check_person(&self, findings: &mut Findings, table: &'static str, row: &str, column: &'static str, person: &str) {
        if !self.persons.contains_key(person) {
            findings.disagree((table, row, column), ("person", person, "id"));
        }
    }

    fn check_department(&self, findings: &mut Findings, table: &'static str, row: &str, column: &'static str, department: Option<&str>) {
        if let Some(department) = department.filter(|department| !self.departments.contains_key(*department)) {
            findings.disagree((table, row, column), ("department", department, "id"));
        }
    }

    /// The change by which a department was merged on this statement.
    fn merger_by(&self, statement: &[u8]) -> Option<&store::DepartmentChangeRow> {
        let merges = |row: &&store::DepartmentChangeRow| row.act == Act::MergeDepartment.as_str();
        self.department_changes.values().filter(merges).find(|row| row.statement.as_deref() == Some(statement))
    }

    fn check_policy(&self, findings: &mut Findings, table: &'static str, row: &str, column: &'static str, policy: &[u8]) {
        if !self.policies.contains_key(policy) {
            findings.disagree((table, row, column), ("policy_version", &hex::encode(policy), "digest"));
        }
    }
}

/// What is learnt from the certificates and asked by the checks that follow.
#[derive(Default)]
struct Facts {
    /// By SHA-256 of the DER, for certificates that signed a statement.
    signers: HashMap<[u8; 32], Signer>,
    /// By enrolment.
    issued: HashMap<String, Vec<Issued>>,
    /// Certificates that were ever suspended or revoked.
    stopped: Vec<Stopped>,
    /// Decisions that an enrolment, a leaf or a certificate rests on.
    decisions: HashSet<Vec<u8>>,
}

struct Signer {
    id: [u8; 32],
    person: String,
    authority: String,
    key: crate::crypto::PublicKey,
}

/// A certificate that answers an enrolment.
struct Issued {
    id: String,
    profile: String,
    person: String,
    department: Option<String>,
    decision: Vec<u8>,
    key_fingerprint: Vec<u8>,
    subject_der: Vec<u8>,
    commitment: [u8; 32],
    not_after: i64,
    /// By the ledger.
    revoked: bool,
}

struct Stopped {
    authority: String,
    serial: crate::x509::SerialNumber,
    key: crate::ledger::StatusKey,
}
