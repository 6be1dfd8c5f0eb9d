//! Departments: where each lies and what it may certify, and how people make, change and merge them.
//!
//! An administrator proposes a change, which says of every department what it is and what it becomes. As many people as
//! `quorums.toml` says sign it as they are shown it, and the one who makes them enough has it done, all in one commit with its
//! leaf. What holds of all departments is checked in that transaction (`write`), whatever was proposed beside it.
//!
//! A merged department stays what people, certificates and requests belong to, and lies in its successor from then on: so the
//! officers of the successor decide about all of it. The roles in it end, proposed ones too, and so does whatever was asked of it
//! and is not issued.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    Services,
    error::Error,
    journal::{Commit, Kind},
    logs::OPERATIONS,
    register::check_text,
    rows::Row,
    statements::{Caller, Subject, Waits, allowed, decided},
};
use crate::{
    crypto::digest::{sha256, sha256_concat},
    ledger::EventType,
    policy::{
        About, Act, Actor, AlternativeName, Department, DepartmentFacts, DepartmentId, DepartmentPath, Missing, NameKind, Namespace,
        Object, Step, Timestamp, Tree, jws::canonical,
    },
    store::{self, Connection, DepartmentChangeRow, DepartmentRow, departments::LONGEST_PATH},
    world::{from_millis, millis},
};

/// Where a department lies, and what it may certify.
#[derive(Debug, Clone)]
pub struct Place {
    pub path: DepartmentPath,
    /// Of one that was merged, what its successor may certify.
    pub facts: DepartmentFacts,
    /// Of one that was merged, the department that stands in its place.
    pub successor: Option<DepartmentId>,
}

/// A department to be made.
#[derive(Debug, Clone)]
pub struct NewDepartment {
    pub name: String,
    pub parent: Option<String>,
    pub organizations: Vec<String>,
    pub dns: Vec<String>,
    pub mail: Vec<String>,
}

/// What a department is to become; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct Amendment {
    pub name: Option<String>,
    /// `Some(None)`: to the top.
    pub parent: Option<Option<String>>,
    pub organizations: Option<Vec<String>>,
    pub dns: Option<Vec<String>>,
    pub mail: Option<Vec<String>>,
}

/// By what a request that comes again is known.
#[derive(Debug, Clone)]
pub struct Repeatable {
    pub idempotency_key: Option<String>,
    pub request_digest: [u8; 32],
}

impl Repeatable {
    /// The same body sent about another department, or for something else, is another request.
    fn about(self, act: Act, department: &str) -> Self {
        let request_digest = sha256_concat(&[act.as_str().as_bytes(), department.as_bytes(), &self.request_digest]);
        Self { request_digest, ..self }
    }
}

/// A change of departments: proposed, done, or withdrawn.
#[derive(Debug, Clone)]
pub struct Change {
    pub id: DepartmentId,
    pub act: Act,
    pub department: DepartmentId,
    pub steps: Vec<Step>,
    shown: Value,
    row: DepartmentChangeRow,
}

/// What ends with a department that is merged: the roles in it, each with who holds it; the proposed ones, each with who was to
/// hold it; and its open requests.
pub struct Ends {
    pub roles: Vec<(String, String)>,
    pub proposed: Vec<(String, String)>,
    pub enrolments: usize,
}

/// What a statement about a change led to.
pub enum Reorganized {
    Done(Change),
    /// Recorded; more people must sign.
    Waiting(Change, Missing),
}

/// What whoever signs a change is shown, and what the ledger binds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shown {
    pub act: Act,
    pub change: DepartmentId,
    pub department: DepartmentId,
    pub departments: Vec<Step>,
    pub proposed_by: String,
}

// Where departments lie.

impl Services {
    /// A department with all above it, as they are now; none is the whole installation.
    pub async fn path(&self, department: Option<DepartmentId>) -> Result<DepartmentPath, Error> {
        let Some(department) = department else { return Ok(DepartmentPath::INSTALLATION) };
        let mut connection = self.db.read().await?;
        let path = path_rows(&mut connection, department).await?;
        // Nobody has a role in one that there is not.
        Ok(if path.is_empty() { Some(department).into() } else { path_of(&path) })
    }

    /// Where a department lies, and what it may certify there.
    pub async fn place(&self, department: Option<DepartmentId>) -> Result<Place, Error> {
        let Some(department) = department else {
            // Who belongs to no department is of the installation itself.
            let facts = DepartmentFacts { organizations: vec![self.organization.clone()], ..DepartmentFacts::default() };
            return Ok(Place { path: DepartmentPath::INSTALLATION, facts, successor: None });
        };
        let mut connection = self.db.read().await?;
        let path = path_rows(&mut connection, department).await?;
        let mut standing = Vec::new();
        for (id, _) in path.iter().filter(|(_, successor)| successor.is_none()) {
            standing.push((*id, facts_of(store::departments::namespaces(&mut connection, &id.to_string()).await?)));
        }
        let mut standing = standing.into_iter();
        let (first, mut facts) = standing.next().ok_or_else(|| Error::unknown("department", department))?;
        // Who names none gets the first O value: after a merger that is still the department's own name.
        let own = store::departments::find(&mut connection, &first.to_string()).await?.map(|row| row.name);
        facts.organizations.sort_by_key(|value| Some(value) != own.as_ref());
        facts.above = standing.map(|(_, facts)| facts).collect();
        Ok(Place { path: path_of(&path), facts, successor: (first != department).then_some(first) })
    }

    /// The department that a request names: there is such a one, and it was not merged into another.
    pub(super) async fn department_id(&self, id: Option<&str>) -> Result<Option<DepartmentId>, Error> {
        let Some(id) = self.known_department_id(id).await? else { return Ok(None) };
        match self.place(Some(id)).await?.successor {
            None => Ok(Some(id)),
            Some(successor) => Err(Error::DepartmentMerged { department: id, successor }),
        }
    }

    /// The same of one that may have been merged: what belongs to it is still decided about.
    pub(super) async fn known_department_id(&self, id: Option<&str>) -> Result<Option<DepartmentId>, Error> {
        let Some(id) = id else { return Ok(None) };
        let row = self.find_department(id).await?;
        row.id.parse().map(Some).map_err(|_| Error::Corrupt(format!("department {}", row.id)))
    }

    /// A page of all, or of one and those that lie in it.
    pub async fn departments(&self, top: Option<&str>, after: Option<&str>, limit: i64) -> Result<Vec<DepartmentRow>, Error> {
        let mut connection = self.db.read().await?;
        Ok(store::departments::page(&mut connection, top, after, limit).await?)
    }

    pub async fn find_department(&self, id: &str) -> Result<DepartmentRow, Error> {
        let mut connection = self.db.read().await?;
        store::departments::find(&mut connection, id).await?.ok_or_else(|| Error::unknown("department", id))
    }

    /// A department with the names that it may certify.
    pub async fn describe_department(&self, row: &DepartmentRow) -> Result<Department, Error> {
        let names = {
            let mut connection = self.db.read().await?;
            store::departments::namespaces(&mut connection, &row.id).await?
        };
        department(row, names.into_iter())
    }
}

async fn path_rows(connection: &mut Connection, department: DepartmentId) -> Result<Vec<(DepartmentId, Option<String>)>, Error> {
    let corrupt = || Error::Corrupt(format!("the departments above {department}"));
    let rows = store::departments::path(connection, &department.to_string()).await?;
    if rows.len() == LONGEST_PATH {
        return Err(corrupt());
    }
    rows.into_iter().map(|(id, successor)| Ok((id.parse().map_err(|_| corrupt())?, successor))).collect()
}

fn path_of(rows: &[(DepartmentId, Option<String>)]) -> DepartmentPath {
    DepartmentPath::new(rows.iter().map(|(id, _)| *id).collect())
}

fn facts_of(names: Vec<(String, String)>) -> DepartmentFacts {
    let of = |kind: Namespace| names.iter().filter(|(found, _)| found == kind.as_str()).map(|(_, value)| value.clone()).collect();
    DepartmentFacts {
        organizations: of(Namespace::Organization),
        dns_suffixes: of(Namespace::Dns),
        mail_domains: of(Namespace::Mail),
        ..DepartmentFacts::default()
    }
}

/// A department as people define it, from its row and its names.
pub(super) fn department(row: &DepartmentRow, names: impl Iterator<Item = (String, String)>) -> Result<Department, Error> {
    let corrupt = || Error::Corrupt(format!("department {}", row.id));
    let id = |text: &Option<String>| text.as_deref().map(str::parse).transpose().map_err(|_| corrupt());
    let mut found = Department {
        name: row.name.clone(),
        parent: id(&row.parent)?,
        organizations: BTreeSet::new(),
        dns: BTreeSet::new(),
        mail: BTreeSet::new(),
        successor: id(&row.successor)?,
    };
    for (kind, value) in names {
        let kind = Namespace::ALL.into_iter().find(|known| known.as_str() == kind).ok_or_else(corrupt)?;
        kind.of_mut(&mut found).insert(value);
    }
    Ok(found)
}

/// All departments, as this connection sees them.
pub(super) async fn load_tree(connection: &mut Connection) -> Result<Tree, Error> {
    let mut names: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (kind, value, department) in store::departments::all_namespaces(connection).await? {
        names.entry(department).or_default().push((kind, value));
    }
    let rows = store::departments::all(connection).await?;
    rows.iter()
        .map(|row| {
            let id = row.id.parse().map_err(|_| Error::Corrupt(format!("department {}", row.id)))?;
            Ok((id, department(row, names.remove(&row.id).unwrap_or_default().into_iter())?))
        })
        .collect()
}

// What people decide about them.

impl Services {
    /// Proposes a department; it is one once `decide_department` has a signed statement.
    pub async fn propose_department(&self, caller: &Caller, new: NewDepartment, again: Repeatable) -> Result<Change, Error> {
        if let Some(earlier) = self.repeated_change(caller, &again).await? {
            return Ok(earlier);
        }
        let parent = self.department_id(new.parent.as_deref()).await?;
        self.may_reorganize(&caller.actor, Act::Submit, parent, parent).await?;
        let id = DepartmentId::generate(&*self.entropy);
        let after = Department {
            name: checked_name(new.name)?,
            parent,
            organizations: checked_names(Namespace::Organization, new.organizations)?,
            dns: checked_names(Namespace::Dns, new.dns)?,
            mail: checked_names(Namespace::Mail, new.mail)?,
            successor: None,
        };
        let steps = self.tree().await?.make(id, after);
        self.propose(caller, id, Act::DefineDepartment, steps, again).await
    }

    /// Proposes another name, other names to certify or another place.
    pub async fn propose_amendment(&self, caller: &Caller, id: &str, amendment: Amendment, again: Repeatable) -> Result<Change, Error> {
        let again = again.about(Act::ChangeDepartment, id);
        if let Some(earlier) = self.repeated_change(caller, &again).await? {
            return Ok(earlier);
        }
        let id = self.standing(id).await?;
        let tree = self.tree().await?;
        let mut after = tree.standing(id)?.clone();
        let from = after.parent;
        if let Some(parent) = amendment.parent {
            after.parent = self.department_id(parent.as_deref()).await?;
        }
        self.may_reorganize(&caller.actor, Act::Submit, from, after.parent).await?;
        if let Some(name) = amendment.name {
            after.name = checked_name(name)?;
        }
        let amended =
            [(Namespace::Organization, amendment.organizations), (Namespace::Dns, amendment.dns), (Namespace::Mail, amendment.mail)];
        for (kind, values) in amended {
            if let Some(values) = values {
                *kind.of_mut(&mut after) = checked_names(kind, values)?;
            }
        }
        self.propose(caller, DepartmentId::generate(&*self.entropy), Act::ChangeDepartment, tree.change(id, after)?, again).await
    }

    /// Proposes that a department is merged into another.
    pub async fn propose_merger(&self, caller: &Caller, id: &str, successor: &str, again: Repeatable) -> Result<Change, Error> {
        let again = again.about(Act::MergeDepartment, id);
        if let Some(earlier) = self.repeated_change(caller, &again).await? {
            return Ok(earlier);
        }
        let (merged, into) = (self.standing(id).await?, self.standing(successor).await?);
        let tree = self.tree().await?;
        self.may_reorganize(&caller.actor, Act::Submit, tree.standing(merged)?.parent, Some(into)).await?;
        self.propose(caller, DepartmentId::generate(&*self.entropy), Act::MergeDepartment, tree.merge(merged, into)?, again).await
    }

    async fn standing(&self, id: &str) -> Result<DepartmentId, Error> {
        self.department_id(Some(id)).await?.ok_or_else(|| Error::unknown("department", id))
    }

    /// The same request again, under its Idempotency-Key: its first answer.
    async fn repeated_change(&self, caller: &Caller, again: &Repeatable) -> Result<Option<Change>, Error> {
        let Some(key) = &again.idempotency_key else { return Ok(None) };
        let found = {
            let mut connection = self.db.read().await?;
            store::departments::find_change_by_idempotency_key(&mut connection, &caller.person().to_string(), key).await?
        };
        match found {
            Some(row) if row.request_digest != again.request_digest => Err(Error::IdempotencyKeyReused),
            found => found.map(Change::from_row).transpose(),
        }
    }

    /// Records a proposal that could be done as things are.
    async fn propose(&self, caller: &Caller, id: DepartmentId, act: Act, steps: Vec<Step>, again: Repeatable) -> Result<Change, Error> {
        let mut tree = self.tree().await?;
        tree.apply(&steps)?;
        tree.check()?;
        let department = steps.first().map(|step| step.department).ok_or_else(|| Error::Corrupt("a change of nothing".to_owned()))?;
        let shown = Shown { act, change: id, department, departments: steps, proposed_by: caller.person().to_string() };
        let row = DepartmentChangeRow {
            id: id.to_string(),
            act: act.to_string(),
            department: department.to_string(),
            proposed_by: caller.person().to_string(),
            proposed_at: millis(self.clock.now()),
            idempotency_key: again.idempotency_key.clone(),
            request_digest: again.request_digest.to_vec(),
            shown: canonical_text(&shown),
            statement: None,
            decided_at: None,
            withdrawn: None,
        };
        let commit = Commit { kind: Kind::Other, rows: vec![Row::DepartmentChange(row.clone())], entries: Vec::new() };
        match self.journal.commit(commit).await {
            Ok(_) => Change::from_row(row),
            // The same request may have come twice at one time, and the other was first.
            Err(error) => self.repeated_change(caller, &again).await?.ok_or(error),
        }
    }

    async fn tree(&self) -> Result<Tree, Error> {
        let mut tx = self.db.begin_read().await?;
        load_tree(tx.connection()).await
    }

    async fn may_reorganize(&self, actor: &Actor, act: Act, from: Option<DepartmentId>, to: Option<DepartmentId>) -> Result<(), Error> {
        let object = Object::DepartmentChange { from: self.path(from).await?, to: self.path(to).await? };
        Ok(self.policy().decide(actor, act, &object)?)
    }

    async fn may_decide(&self, actor: &Actor, act: Act, change: &Change) -> Result<(), Error> {
        // The department that it is about comes first.
        let step = change.steps.first().ok_or_else(|| Error::Corrupt(format!("change {}", change.id)))?;
        let from = step.before.as_ref().unwrap_or(&step.after).parent;
        self.may_reorganize(actor, act, from, step.after.successor.or(step.after.parent)).await
    }

    pub async fn find_department_change(&self, id: &str) -> Result<Change, Error> {
        self.department_change(id).await?.ok_or_else(|| Error::unknown("change", id))
    }

    /// The change that has this id, if one has.
    pub async fn department_change(&self, id: &str) -> Result<Option<Change>, Error> {
        let mut connection = self.db.read().await?;
        store::departments::find_change(&mut connection, id).await?.map(Change::from_row).transpose()
    }

    /// Who has signed a change that waits, and who must still; `None` of one that is done or withdrawn.
    pub async fn waits_for_decision(&self, change: &Change) -> Result<Option<Waits>, Error> {
        if change.must_be_proposed().is_err() {
            return Ok(None);
        }
        let signed = self.open_decisions(change, &About::from(change.id)).await?;
        let signers: Vec<Actor> = signed.into_iter().map(|(signer, _)| signer).collect();
        Ok(Some(Waits::of(&signers, self.policy().quorum(change.act), Some(change.department))))
    }

    /// What a merger that waits would end if it were done now; `None` of any other change.
    pub async fn ends_with(&self, change: &Change) -> Result<Option<Ends>, Error> {
        if change.act != Act::MergeDepartment || change.must_be_proposed().is_err() {
            return Ok(None);
        }
        let department = change.department.to_string();
        let (roles, proposed, enrolments) = {
            let mut connection = self.db.read().await?;
            let roles = store::people::roles_in(&mut connection, &department).await?;
            let proposed = store::people::proposed_in(&mut connection, &department).await?;
            (roles, proposed, store::enrolments::open_in(&mut connection, &department).await?.len())
        };
        let roles = roles.into_iter().map(|row| (row.person, row.role)).collect();
        let mut ends = Ends { roles, proposed: Vec::new(), enrolments };
        for row in proposed {
            let officer = self.load_officer(&row).await?.ok_or_else(|| Error::unknown("officer", &row.id))?;
            ends.proposed.extend(officer.proposed.iter().map(|role| (row.id.clone(), role.to_string())));
        }
        Ok(Some(ends))
    }

    /// A page of the changes, of one department if it is named.
    pub async fn department_changes(&self, department: Option<&str>, after: Option<&str>, limit: i64) -> Result<Vec<Change>, Error> {
        let mut connection = self.db.read().await?;
        store::departments::changes(&mut connection, department, after, limit).await?.into_iter().map(Change::from_row).collect()
    }

    /// What whoever decides on a change, or takes it back, is shown. Whoever may not is shown nothing.
    pub async fn department_subject(&self, caller: &Caller, act: Act, change: &Change) -> Result<Subject, Error> {
        if ![change.act, Act::Withdraw].contains(&act) {
            return Err(Error::malformed("act", format!("the change is to {}", change.act)));
        }
        self.may_decide(&caller.actor, act, change).await?;
        // Departments are no secret.
        Ok(Subject { about: About::from(change.id), shown: change.shown.clone(), salt: [0; 32], log: OPERATIONS.to_owned() })
    }

    /// The same before anybody signs, while there is something to sign.
    pub async fn department_draft(&self, caller: &Caller, act: Act, change: &Change) -> Result<Subject, Error> {
        let subject = self.department_subject(caller, act, change).await?;
        change.must_be_proposed()?;
        Ok(subject)
    }

    /// Records a signed statement about a change. The one that makes enough people has it done.
    pub async fn decide_department(&self, caller: &Caller, id: &str, statement: &str) -> Result<Reorganized, Error> {
        let change = self.find_department_change(id).await?;
        let subject = self.department_subject(caller, change.act, &change).await?;
        let checked = self.check_statement(caller, statement, change.act, &subject).await?;
        change.must_be_proposed()?;
        // Nobody signs what cannot be done any more.
        let mut tree = self.tree().await?;
        tree.apply(&change.steps)?;
        tree.check()?;
        let earlier = self.open_decisions(&change, &subject.about).await?;
        let signers: Vec<Actor> = earlier.iter().map(|(signer, _)| signer.clone()).chain([caller.actor.clone()]).collect();
        if let Some(missing) = self.policy().quorum(change.act).missing(&signers, Some(change.department)) {
            self.journal.commit(Commit { kind: Kind::Other, rows: checked.rows, entries: Vec::new() }).await?;
            return Ok(Reorganized::Waiting(change, missing));
        }

        let (now, own) = (self.clock.now(), checked.statement.digest());
        let statements: Vec<[u8; 32]> = earlier.into_iter().map(|(_, statement)| statement).chain([own]).collect();
        let decision = allowed(subject.about, change.act, Timestamp::new(now), self.policy().digest(), None);
        let decided = decided(&decision, &statements, millis(now));
        let entry = self.operation(
            EventType::CA_EVENT,
            &own,
            decided.hash,
            change_commitment(&change.row.id, &change.row.shown, &own, millis(now)).to_vec(),
        )?;
        let mut rows = checked.rows;
        rows.extend(decided.rows);
        if change.act == Act::MergeDepartment {
            rows.extend(self.ended_by_merger(&change, &statements, own, now).await?);
        }
        rows.push(Row::Departments { change: change.clone(), statement: own, at: millis(now) });
        self.journal.commit(Commit { kind: Kind::Other, rows, entries: vec![(OPERATIONS.to_owned(), entry)] }).await?;
        Ok(Reorganized::Done(self.find_department_change(id).await?))
    }

    /// Takes a proposal back on a signed statement. What others signed for it counts no more.
    pub async fn withdraw_department_change(&self, caller: &Caller, id: &str, statement: &str) -> Result<Change, Error> {
        let change = self.find_department_change(id).await?;
        let subject = self.department_subject(caller, Act::Withdraw, &change).await?;
        let checked = self.check_statement(caller, statement, Act::Withdraw, &subject).await?;
        change.must_be_proposed()?;
        let (now, own) = (self.clock.now(), checked.statement.digest());
        let decision = allowed(subject.about, Act::Withdraw, Timestamp::new(now), self.policy().digest(), None);
        let mut rows = checked.rows;
        rows.extend(decided(&decision, &[own], millis(now)).rows);
        rows.push(Row::WithdrawDepartmentChange { id: change.row.id, statement: own });
        self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await?;
        self.find_department_change(id).await
    }

    /// Who has signed this change before, and still may.
    async fn open_decisions(&self, change: &Change, about: &About) -> Result<Vec<(Actor, [u8; 32])>, Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::statements::open(&mut connection, change.act.as_str(), &about.to_string()).await?
        };
        let mut decisions = Vec::new();
        for (signer, statement) in self.signers(&rows).await? {
            match self.may_decide(&signer, change.act, change).await {
                Ok(()) => decisions.push((signer, statement)),
                Err(Error::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(decisions)
    }

    /// The requests of a department that nobody has issued yet end with it: whoever approved them was shown its names.
    async fn ended_by_merger(
        &self,
        change: &Change,
        statements: &[[u8; 32]],
        statement: [u8; 32],
        now: OffsetDateTime,
    ) -> Result<Vec<Row>, Error> {
        let open = {
            let mut connection = self.db.read().await?;
            store::enrolments::open_in(&mut connection, &change.department.to_string()).await?
        };
        let mut rows = Vec::new();
        for enrolment in open {
            let id = enrolment.id.parse().map_err(|_| Error::Corrupt(format!("enrolment {}", enrolment.id)))?;
            let decision = allowed(About::from(id), change.act, Timestamp::new(now), self.policy().digest(), None);
            let decided = decided(&decision, statements, millis(now));
            rows.extend(decided.rows);
            let from = if enrolment.state == "approved" { "approved" } else { "submitted" };
            rows.push(Row::EnrolmentState { id, from, to: "expired", decision: Some(decided.hash), at: millis(now) });
        }
        rows.push(Row::EndDepartment { id: change.department, statement, at: millis(now) });
        Ok(rows)
    }
}

impl Change {
    pub fn proposed_by(&self) -> &str {
        &self.row.proposed_by
    }

    pub fn proposed_at(&self) -> Timestamp {
        Timestamp::new(from_millis(self.row.proposed_at))
    }

    fn from_row(row: DepartmentChangeRow) -> Result<Self, Error> {
        let corrupt = || Error::Corrupt(format!("change {}", row.id));
        let shown: Value = serde_json::from_str(&row.shown).map_err(|_| corrupt())?;
        let Shown { act, change, department, departments, .. } = serde_json::from_value(shown.clone()).map_err(|_| corrupt())?;
        Ok(Self { id: change, act, department, steps: departments, shown, row })
    }

    pub fn state(&self) -> &'static str {
        match (&self.row.statement, &self.row.withdrawn) {
            (Some(_), _) => "done",
            (None, Some(_)) => "withdrawn",
            (None, None) => "proposed",
        }
    }

    fn must_be_proposed(&self) -> Result<(), Error> {
        match self.state() {
            "proposed" => Ok(()),
            found => Err(Error::WrongState { what: "change", found: found.to_owned(), expected: "proposed" }),
        }
    }
}

/// Does what a change says, in the transaction of its leaf: every department is what the change says it is, and all of them
/// are afterwards as they must be.
pub(super) async fn write(connection: &mut Connection, change: &Change, statement: &[u8], at: i64) -> Result<(), Error> {
    match store::departments::decide_change(connection, &change.row.id, statement, at).await {
        Err(store::Error::Conflict) => {
            return Err(Error::WrongState { what: "change", found: "done or withdrawn".to_owned(), expected: "proposed" });
        }
        other => other?,
    }
    let mut tree = load_tree(connection).await?;
    tree.apply(&change.steps)?;
    tree.check()?;
    for Step { department, before, after } in &change.steps {
        let id = department.to_string();
        let (parent, successor) = (after.parent.map(|id| id.to_string()), after.successor.map(|id| id.to_string()));
        match before {
            Some(_) => store::departments::update(connection, &id, &after.name, parent.as_deref(), successor.as_deref()).await?,
            None => {
                let row = DepartmentRow {
                    id: id.clone(),
                    name: after.name.clone(),
                    created_by: change.row.proposed_by.clone(),
                    created_at: at,
                    idempotency_key: None,
                    request_digest: None,
                    successor,
                    parent,
                };
                store::departments::insert(connection, &row).await?;
            }
        }
        store::departments::delete_namespaces(connection, &id).await?;
        for kind in Namespace::ALL {
            for value in kind.of(after) {
                store::departments::insert_namespace(connection, &id, kind.as_str(), value).await?;
            }
        }
    }
    Ok(())
}

/// Ends the roles in a department that was merged, and forgets whoever was proposed for one. What was asked of it meanwhile would
/// be left: then nothing is done.
pub(super) async fn end(connection: &mut Connection, id: DepartmentId, statement: &[u8], at: i64) -> Result<(), Error> {
    store::people::withdraw_grants_in(connection, &id.to_string(), statement, at).await?;
    store::people::forget_proposals_in(connection, &id.to_string()).await?;
    if store::enrolments::open_in(connection, &id.to_string()).await?.is_empty() { Ok(()) } else { Err(Error::SeenStale) }
}

/// Nobody works in a department that was merged: a role, or the proposal of one, that was on its way to one comes too late.
pub(super) async fn check_stands(connection: &mut Connection, id: Option<&str>) -> Result<(), Error> {
    let Some(id) = id else { return Ok(()) };
    let row = store::departments::find(connection, id).await?.ok_or_else(|| Error::unknown("department", id))?;
    let corrupt = |_| Error::Corrupt(format!("department {id}"));
    match row.successor {
        None => Ok(()),
        Some(successor) => {
            Err(Error::DepartmentMerged { department: id.parse().map_err(corrupt)?, successor: successor.parse().map_err(corrupt)? })
        }
    }
}

/// The body of a change's leaf: binds all that was shown to those who decided, and when it was done. Each of their statements
/// is about the change and has the digest of the same text (`seen`).
pub(super) fn change_commitment(change: &str, shown: &str, statement: &[u8], at: i64) -> [u8; 32] {
    sha256(&canonical(&json!({
        "change": change,
        "decided_at": at.to_string(),
        "shown": hex::encode(sha256(shown.as_bytes())),
        "statement": hex::encode(statement),
    })))
}

fn canonical_text(shown: &Shown) -> String {
    // Identifiers and text always serialise, and canonical JSON is UTF-8.
    let value = serde_json::to_value(shown).expect("a change serialises");
    String::from_utf8(canonical(&value)).expect("JSON is text")
}

fn checked_name(name: String) -> Result<String, Error> {
    check_text("name", &name)?;
    Ok(name)
}

fn checked_names(kind: Namespace, values: Vec<String>) -> Result<BTreeSet<String>, Error> {
    let field = match kind {
        Namespace::Organization => "organizations",
        Namespace::Dns => "dns",
        Namespace::Mail => "mail",
    };
    if kind == Namespace::Organization && values.is_empty() {
        return Err(Error::malformed(field, "a department certifies at least one O value"));
    }
    values
        .into_iter()
        .map(|value| {
            check_text(field, &value)?;
            match kind {
                Namespace::Organization => Ok(value),
                Namespace::Dns | Namespace::Mail => match AlternativeName::parse(NameKind::Dns, &value) {
                    Ok(AlternativeName::Dns(domain)) => Ok(domain),
                    _ => Err(Error::malformed(field, "a domain, such as example.cn")),
                },
            }
        })
        .collect()
}
