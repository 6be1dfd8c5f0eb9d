//! What a replay of decisions reads: from the database, or from the directory that `hufu ledger export` wrote for a stranger.
//!
//! One file of JSON lines for each kind of record (docs/formats.md). Nothing here is sealed, and nothing says who a person is: people
//! are opaque identifiers, and the only certificates with their contents are those of people who signed a statement.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use der::Decode;
use serde::{Deserialize, Serialize};

use super::super::{
    departments::{Shown, change_commitment, load_tree},
    error::Error,
    re_review::re_review_commitment,
    register,
};
use crate::{
    files,
    policy::{Department, SignerReference, Statement},
    store::{self, CertificateFilter, Connection, Db},
    x509::{Certificate, signed::assemble},
};

const PAGE: i64 = 10_000;

/// Each kind of record with its file.
macro_rules! files {
    ($($(#[$doc:meta])* $field:ident: $record:ident in $file:literal,)*) => {
        /// Everything that a replay rests on beside the trust bundle.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Export {
            $($(#[$doc])* pub $field: Vec<$record>,)*
        }

        impl Export {
            pub const FILES: &[&str] = &[$($file,)*];

            /// The files by name, each a record a line.
            pub fn to_files(&self) -> Vec<(&'static str, String)> {
                vec![$(($file, lines(&self.$field)),)*]
            }

            /// From a directory that has them.
            pub fn read(directory: &Path) -> anyhow::Result<Self> {
                Ok(Self { $($field: read_lines(&directory.join($file))?,)* })
            }
        }
    };
}

files! {
    checkpoints: CheckpointRecord in "checkpoints.jsonl",
    /// Of each log from its first entry on, in order.
    entries: EntryRecord in "entries.jsonl",
    policies: PolicyRecord in "policies.jsonl",
    decisions: DecisionRecord in "decisions.jsonl",
    statements: StatementRecord in "statements.jsonl",
    lists: ListRecord in "lists.jsonl",
    certificates: CertificateRecord in "certificates.jsonl",
    enrolments: EnrolmentRecord in "enrolments.jsonl",
    grants: GrantRecord in "grants.jsonl",
    dismissals: DismissalRecord in "dismissals.jsonl",
    persons: PersonRecord in "persons.jsonl",
    departments: DepartmentRecord in "departments.jsonl",
    department_changes: DepartmentChangeRecord in "department-changes.jsonl",
    withdrawn_changes: WithdrawnChangeRecord in "withdrawn-changes.jsonl",
    re_reviews: ReReviewRecord in "re-reviews.jsonl",
    identity_checks: IdentityCheckRecord in "identity-checks.jsonl",
    contests: ContestRecord in "contests.jsonl",
    tokens: TokenRecord in "tokens.jsonl",
}

/// The records. A member without a value is null.
macro_rules! records {
    ($($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$note])* pub $field: $type,)*
        }
    )*};
}

records! {
    /// The newest checkpoint of a log (C2SP signed note).
    CheckpointRecord { log: String, note: String, }
    EntryRecord {
        log: String,
        /// Base64.
        entry: String,
    }
    /// The canonical text of a version.
    PolicyRecord { text: String, }
    /// The text that a decision hash is the hash of.
    DecisionRecord { text: String, }
    StatementRecord { jws: String, }
    /// The list that a statement is about the root of.
    ListRecord { root: String, items: Vec<String>, }
    CertificateRecord {
        /// The TBS digest.
        id: String,
        person: String,
        profile: String,
        department: Option<String>,
        enrolment: Option<String>,
        /// Base64 of the DER; there only when it signed a statement or was renewed.
        der: Option<String>,
    }
    EnrolmentRecord {
        id: String,
        profile: String,
        department: Option<String>,
        person: String,
        submitted_by: String,
        submitted_at: i64,
        /// The certificate that is followed.
        replaces: Option<String>,
        /// Of how many keys it asks certificates for.
        requests: usize,
        /// The level of the proof of identity that it came with, and the check at a counter behind that.
        assurance: Option<String>,
        identity_check: Option<String>,
    }
    /// What one statement granted: with the codes of the first certificates, what the leaf's body is the digest of.
    GrantRecord { statement: String, grants: Vec<RoleRecord>, claims: Vec<ClaimRecord>, }
    RoleRecord { id: String, person: String, department: Option<String>, role: String, granted_at: i64, }
    ClaimRecord { code_hash: String, person: String, profile: String, department: Option<String>, expires_at: i64, }
    DismissalRecord { statement: String, person: String, withdrawn_at: i64, }
    PersonRecord { id: String, department: Option<String>, }
    DepartmentRecord {
        id: String,
        /// The department in which it lies now; where it lay before follows from the changes.
        parent: Option<String>,
        /// What it is now.
        department: Department,
    }
    /// A change of departments that was done.
    DepartmentChangeRecord {
        id: String,
        /// The text that was shown to whoever decided on it, and that its leaf and their statements bind.
        shown: String,
        /// The statement that completed it.
        statement: String,
        decided_at: i64,
    }
    /// A proposed change of departments that was taken back, with the text that was shown to whoever did.
    WithdrawnChangeRecord { id: String, shown: String, }
    /// What the statement that completed a re-review put to it.
    ReReviewRecord { statement: String, items: Vec<ReviewedRecord>, }
    ReviewedRecord { kind: String, item: String, }
    IdentityCheckRecord { id: String, department: Option<String>, recorded_by: String, }
    /// Two enrolments for one citizen.
    ContestRecord { later: String, earlier: String, }
    TokenRecord { id: String, department: Option<String>, }
}

impl GrantRecord {
    /// The body of the leaf that grants this.
    pub(super) fn commitment(&self) -> Option<[u8; 32]> {
        let statement = hex::decode(&self.statement).ok()?;
        let grant = |role: &RoleRecord| store::RoleGrantRow {
            id: role.id.clone(),
            person: role.person.clone(),
            department: role.department.clone(),
            role: role.role.clone(),
            statement: statement.clone(),
            granted_at: role.granted_at,
            withdrawn_at: None,
            withdrawn_statement: None,
        };
        let claim = |claim: &ClaimRecord| {
            Some(store::ClaimRow {
                code_hash: hex::decode(&claim.code_hash).ok()?,
                person: claim.person.clone(),
                profile: claim.profile.clone(),
                department: claim.department.clone(),
                statement: statement.clone(),
                expires_at: claim.expires_at,
                used_at: None,
                failures: 0,
            })
        };
        let grants: Vec<_> = self.grants.iter().map(grant).collect();
        let claims: Vec<_> = self.claims.iter().map(claim).collect::<Option<_>>()?;
        Some(register::grant_commitment(&grants.iter().collect::<Vec<_>>(), &claims.iter().collect::<Vec<_>>()))
    }
}

impl DismissalRecord {
    pub(super) fn commitment(&self) -> [u8; 32] {
        register::dismissal_commitment(&self.person, self.withdrawn_at)
    }
}

impl DepartmentChangeRecord {
    /// What it changes, when that is this change.
    pub(super) fn change(&self) -> Option<Shown> {
        change(&self.id, &self.shown)
    }

    /// The body of the leaf that did this.
    pub(super) fn commitment(&self) -> Option<[u8; 32]> {
        Some(change_commitment(&self.id, &self.shown, &hex::decode(&self.statement).ok()?, self.decided_at))
    }
}

impl WithdrawnChangeRecord {
    /// What it would have changed, when that is this change.
    pub(super) fn change(&self) -> Option<Shown> {
        change(&self.id, &self.shown)
    }
}

fn change(id: &str, shown: &str) -> Option<Shown> {
    serde_json::from_str(shown).ok().filter(|shown: &Shown| shown.change.to_string() == id)
}

impl ReReviewRecord {
    pub(super) fn has(&self, kind: &str, item: &str) -> bool {
        self.items.iter().any(|one| one.kind == kind && one.item == item)
    }

    /// The body of the leaf of this re-review.
    pub(super) fn commitment(&self) -> Option<[u8; 32]> {
        let statement = hex::decode(&self.statement).ok()?;
        let row = |one: &ReviewedRecord| store::re_reviews::ReReviewRow {
            statement: statement.clone(),
            kind: one.kind.clone(),
            item: one.item.clone(),
        };
        let rows: Vec<_> = self.items.iter().map(row).collect();
        Some(re_review_commitment(&statement, &rows.iter().collect::<Vec<_>>()))
    }
}

impl Export {
    /// Writes one file a kind into a directory, which is made.
    pub fn write(&self, directory: &Path) -> anyhow::Result<()> {
        self.to_files().into_iter().try_for_each(|(name, text)| files::write(&directory.join(name), text.as_bytes()))
    }

    /// Everything in the database, as of one moment.
    pub async fn gather(db: &Db) -> Result<Self, Error> {
        let mut tx = db.begin_read().await?;
        let connection = tx.connection();
        let mut export = Self::default();
        for log in store::ledger::logs(connection).await? {
            let newest = store::ledger::checkpoints(connection, &log.name).await?.pop();
            export.checkpoints.extend(newest.map(|(_, note)| CheckpointRecord { log: log.name.clone(), note }));
            let mut after = -1;
            loop {
                let page = store::ledger::leaves_after(connection, &log.name, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.idx;
                let record = |leaf: &store::LeafRow| EntryRecord { log: log.name.clone(), entry: STANDARD.encode(&leaf.entry) };
                export.entries.extend(page.iter().map(record));
            }
        }
        export.gather_words(connection).await?;
        export.gather_departments(connection).await?;
        export.gather_people(connection).await?;
        export.gather_certificates(connection).await?;
        Ok(export)
    }

    async fn gather_words(&mut self, connection: &mut Connection) -> Result<(), Error> {
        let policies = store::statements::policy_versions(connection).await?;
        self.policies = policies.into_iter().map(|row| PolicyRecord { text: row.text }).collect();
        let decisions = store::statements::decisions(connection).await?;
        self.decisions = decisions.into_iter().map(|row| DecisionRecord { text: row.canonical }).collect();
        let statements = store::statements::statements(connection).await?;
        self.statements = statements.into_iter().map(|row| StatementRecord { jws: row.jws }).collect();
        for (root, _, item) in store::statements::lists(connection).await? {
            match self.lists.last_mut().filter(|last| last.root == root) {
                Some(last) => last.items.push(item),
                None => self.lists.push(ListRecord { root, items: vec![item] }),
            }
        }
        Ok(())
    }

    async fn gather_departments(&mut self, connection: &mut Connection) -> Result<(), Error> {
        for (id, department) in load_tree(connection).await?.iter() {
            let parent = department.successor.or(department.parent).map(|id| id.to_string());
            self.departments.push(DepartmentRecord { id: id.to_string(), parent, department: department.clone() });
        }
        for row in store::departments::all_changes(connection).await? {
            if let (Some(statement), Some(decided_at)) = (row.statement, row.decided_at) {
                let statement = hex::encode(statement);
                self.department_changes.push(DepartmentChangeRecord { id: row.id, shown: row.shown, statement, decided_at });
            } else if row.withdrawn.is_some() {
                self.withdrawn_changes.push(WithdrawnChangeRecord { id: row.id, shown: row.shown });
            }
        }
        for row in store::re_reviews::all(connection).await? {
            let statement = hex::encode(&row.statement);
            let item = ReviewedRecord { kind: row.kind, item: row.item };
            match self.re_reviews.last_mut().filter(|last| last.statement == statement) {
                Some(last) => last.items.push(item),
                None => self.re_reviews.push(ReReviewRecord { statement, items: vec![item] }),
            }
        }
        Ok(())
    }

    async fn gather_people(&mut self, connection: &mut Connection) -> Result<(), Error> {
        // A merger ends roles by itself.
        let mergers: HashSet<String> = self.department_changes.iter().map(|record| record.statement.clone()).collect();
        for row in store::people::grants(connection).await? {
            let role =
                RoleRecord { id: row.id, person: row.person, department: row.department, role: row.role, granted_at: row.granted_at };
            if let (Some(statement), Some(withdrawn_at)) = (&row.withdrawn_statement, row.withdrawn_at) {
                let dismissal = DismissalRecord { statement: hex::encode(statement), person: role.person.clone(), withdrawn_at };
                if !mergers.contains(&dismissal.statement) && !self.dismissals.contains(&dismissal) {
                    self.dismissals.push(dismissal);
                }
            }
            self.grant(&row.statement).grants.push(role);
        }
        for row in store::people::claims(connection).await? {
            let store::ClaimRow { code_hash, person, profile, department, statement, expires_at, .. } = row;
            let claim = ClaimRecord { code_hash: hex::encode(code_hash), person, profile, department, expires_at };
            self.grant(&statement).claims.push(claim);
        }
        let persons = store::people::all_persons(connection).await?;
        self.persons = persons.into_iter().map(|row| PersonRecord { id: row.id, department: row.department }).collect();
        let check = |row: store::citizens::IdentityCheckRow| IdentityCheckRecord {
            id: row.id,
            department: row.department,
            recorded_by: row.submitted_by,
        };
        self.identity_checks = store::citizens::checks(connection).await?.into_iter().map(check).collect();
        let contests = store::citizens::all_contests(connection).await?;
        self.contests = contests.into_iter().map(|row| ContestRecord { later: row.later, earlier: row.earlier }).collect();
        let tokens = store::tokens::all(connection).await?;
        self.tokens = tokens.into_iter().map(|row| TokenRecord { id: row.id, department: row.department }).collect();
        Ok(())
    }

    fn grant(&mut self, statement: &[u8]) -> &mut GrantRecord {
        let statement = hex::encode(statement);
        let found = self.grants.iter().position(|grant| grant.statement == statement).unwrap_or_else(|| {
            self.grants.push(GrantRecord { statement, grants: Vec::new(), claims: Vec::new() });
            self.grants.len() - 1
        });
        &mut self.grants[found]
    }

    async fn gather_certificates(&mut self, connection: &mut Connection) -> Result<(), Error> {
        let mut requests: HashMap<String, usize> = HashMap::new();
        for (enrolment, _) in store::enrolments::all_requests(connection).await? {
            *requests.entry(enrolment).or_default() += 1;
        }
        let mut proofs: HashMap<String, (String, Option<String>)> = HashMap::new();
        for row in store::citizens::proofings(connection).await? {
            proofs.extend(row.enrolment.map(|enrolment| (enrolment, (row.assurance, row.identity_check))));
        }
        for row in store::enrolments::all(connection).await? {
            let (assurance, identity_check) = proofs.remove(&row.id).map_or((None, None), |(level, check)| (Some(level), check));
            self.enrolments.push(EnrolmentRecord {
                requests: requests.get(&row.id).copied().unwrap_or(0),
                profile: row.profile,
                department: row.department,
                person: row.person,
                submitted_by: row.submitted_by,
                submitted_at: row.submitted_at,
                replaces: row.replaces.map(hex::encode),
                assurance,
                identity_check,
                id: row.id,
            });
        }
        let named = |record: &StatementRecord| match Statement::parse(&record.jws).ok()?.signer() {
            SignerReference::Certificate(fingerprint) => Some(fingerprint.to_vec()),
            SignerReference::Key(_) => None,
        };
        let signers: HashSet<Vec<u8>> = self.statements.iter().filter_map(named).collect();
        let renewed: HashSet<String> = self.enrolments.iter().filter_map(|record| record.replaces.clone()).collect();
        let mut filter = CertificateFilter::default();
        loop {
            let page = store::certificates::page(connection, &filter, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            filter.after = Some(last.seq);
            for row in page {
                let signed = row.fingerprint.as_ref().is_some_and(|fingerprint| signers.contains(fingerprint));
                let id = hex::encode(&row.id);
                self.certificates.push(CertificateRecord {
                    der: if signed || renewed.contains(&id) { der(&row).map(|der| STANDARD.encode(der)) } else { None },
                    person: row.person,
                    profile: row.profile,
                    department: row.department,
                    enrolment: row.enrolment,
                    id,
                });
            }
        }
    }
}

/// The certificate as its row has it. One that cannot be put together has no contents, and so signed nothing that counts.
fn der(row: &store::CertificateRow) -> Option<Vec<u8>> {
    let tbs = x509_cert::TbsCertificate::from_der(&row.tbs).ok()?;
    let der = assemble(&row.tbs, tbs.signature(), row.signature.as_deref()?, &[]).ok()?;
    Certificate::parse(&der).ok().map(|certificate| certificate.der().to_vec())
}

fn lines(records: &[impl Serialize]) -> String {
    // Records of text and numbers always serialise.
    records.iter().map(|record| serde_json::to_string(record).expect("a record serialises") + "\n").collect()
}

fn read_lines<T: for<'de> Deserialize<'de>>(file: &Path) -> anyhow::Result<Vec<T>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let read = |(line, text): (usize, &str)| serde_json::from_str(text).with_context(|| format!("{}, line {}", file.display(), line + 1));
    text.lines().enumerate().map(read).collect()
}
