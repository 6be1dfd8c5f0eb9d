//! Decisions on enrolments: approval by as many people as the profile asks for, rejection, withdrawal, expiry.
//!
//! An approval is a statement, and counts from its record on. The one that makes them enough settles the enrolment: the
//! decision names all of them and is committed together with the promises. Two who come last at one moment may each find the
//! other missing; so whoever was not enough looks again, and upkeep looks for what a crash left between.
//!
//! One statement may approve a list: it is about the Merkle root of the list, and what was seen of each is in what was seen
//! of all. An enrolment without a key is approved and waits for its code (`staff/`); every other is issued at once.

use std::collections::{BTreeSet, HashMap};

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{
    Services,
    enrol::Enrolment,
    error::Error,
    issue::Issued,
    journal::{Commit, Kind, Position},
    revoke::digest,
    rows::Row,
    statements::{Caller, Checked, Decided, Subject, allowed, decided},
};
use crate::{
    policy::{
        About, Act, Actor, Missing, PersonId, Timestamp,
        statement::{self, list_root},
    },
    store,
    world::millis,
};

/// The most enrolments that one statement approves.
pub const MOST_LISTED: usize = 20_000;
/// How many of a list are issued beside each other; they share commits.
const SETTLED_AT_ONCE: usize = 64;

/// How many of a list are looked at and recorded together.
const SETTLED_TOGETHER: usize = 500;

/// What an approval led to.
pub enum Approval {
    Issued(Vec<Issued>),
    /// There is no key yet: a code brings it.
    Approved,
    /// Recorded; more people must approve.
    Waiting(Missing),
}

/// An approval that was recorded, by somebody who may still approve.
struct Vote {
    signer: Actor,
    statement: [u8; 32],
}

impl Services {
    /// Approves on a signed statement, and issues when the profile asks for nobody else.
    pub async fn approve(&self, caller: &Caller, id: &str, statement: &str) -> Result<Approval, Error> {
        let enrolment = self.find_enrolment(id).await?;
        self.check_slot(&enrolment).await?;
        let mut votes = self.votes(&enrolment).await?;
        let checked = self.check_decision(caller, &enrolment, Act::Approve, &votes, statement).await?;
        votes.push(Vote { signer: caller.actor.clone(), statement: checked.statement.digest() });
        if self.missing(&enrolment, &votes).is_none() {
            return self.carry_out(&enrolment, checked.rows, &votes).await;
        }
        self.journal.commit(Commit { kind: Kind::Other, rows: checked.rows, entries: Vec::new() }).await?;
        self.settle(enrolment).await
    }

    /// What whoever approves a list is shown, and what of each of it binds the statement: `seen` of the one is in `shown` of all.
    pub async fn list_subject(&self, caller: &Caller, ids: &[String]) -> Result<(Subject, Vec<Subject>), Error> {
        if ids.is_empty() || ids.len() > MOST_LISTED {
            return Err(Error::malformed("list", format!("1 to {MOST_LISTED} enrolments")));
        }
        if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() {
            return Err(Error::malformed("list", "an enrolment is in it twice"));
        }
        let enrolments = self.find_enrolments(ids).await?;
        self.check_slots(&enrolments).await?;
        let votes = self.votes_of(&enrolments).await?;
        let mut each = Vec::with_capacity(ids.len());
        for (enrolment, votes) in enrolments.iter().zip(&votes) {
            let listed = self.listed(caller, enrolment, votes);
            each.push(listed.map_err(|error| error.of_item(&enrolment.id.to_string()))?);
        }
        let items: Vec<About> = each.iter().map(|subject| subject.about).collect();
        let shown: Vec<Value> = (each.iter())
            .map(|one| json!({"enrolment": one.about.to_string(), "seen": statement::seen(&one.salt, &one.shown).to_string()}))
            .collect();
        let log = each[0].log.clone();
        // Each item is salted by itself; nothing of the list can be guessed from its digest.
        Ok((Subject { about: list_root(&items), shown: json!({"list": shown}), salt: [0; 32], log }, each))
    }

    fn listed(&self, caller: &Caller, enrolment: &Enrolment, votes: &[Vote]) -> Result<Subject, Error> {
        must_be_submitted(enrolment)?;
        self.policy().decide(&caller.actor, Act::Approve, &enrolment.object(people(votes)))?;
        self.enrolment_subject(enrolment)
    }

    /// Records the approval of a list. Each of it is settled by `settle_list`, or by upkeep.
    pub async fn approve_list(&self, caller: &Caller, ids: &[String], statement: &str) -> Result<(), Error> {
        let (subject, each) = self.list_subject(caller, ids).await?;
        let checked = self.check_statement(caller, statement, Act::Approve, &subject).await?;
        let mut rows = checked.rows;
        rows.push(Row::List { root: subject.about, items: each.iter().map(|one| one.about).collect() });
        self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await?;
        Ok(())
    }

    /// Issues whatever of these was approved by enough people, many at a time. Answers for each, in their order.
    pub async fn settle_list(&self, ids: &[String]) -> Vec<Result<Approval, Error>> {
        let mut outcomes = Vec::with_capacity(ids.len());
        for together in ids.chunks(SETTLED_TOGETHER) {
            match self.settle_together(together).await {
                Ok(settled) => outcomes.extend(settled),
                // One that cannot be settled keeps no other from it: each by itself.
                Err(_) => {
                    let settle = async |id: &String| self.settle(self.find_enrolment(id).await?).await;
                    outcomes.extend(stream::iter(together).map(settle).buffered(SETTLED_AT_ONCE).collect::<Vec<_>>().await);
                }
            }
        }
        outcomes
    }

    /// Records in one commit those that have no key, and issues the others beside each other.
    async fn settle_together(&self, ids: &[String]) -> Result<Vec<Result<Approval, Error>>, Error> {
        let enrolments = self.find_enrolments(ids).await?;
        let votes = self.votes_of(&enrolments).await?;
        let is_keyless = |enrolment: &Enrolment, votes: &[Vote]| {
            enrolment.requests.is_empty() && enrolment.state == "submitted" && self.missing(enrolment, votes).is_none()
        };
        let mut rows = Vec::new();
        for (enrolment, votes) in enrolments.iter().zip(&votes).filter(|(enrolment, votes)| is_keyless(enrolment, votes)) {
            rows.extend(self.approved_rows(enrolment, &statements(votes)));
        }
        if !rows.is_empty() {
            self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await?;
        }
        let settle = async |(enrolment, votes): (Enrolment, Vec<Vote>)| {
            if is_keyless(&enrolment, &votes) { Ok(Approval::Approved) } else { self.settle_votes(enrolment, votes).await }
        };
        Ok(stream::iter(enrolments.into_iter().zip(votes)).map(settle).buffered(SETTLED_AT_ONCE).collect().await)
    }

    /// Issues an enrolment whose recorded approvals are enough.
    pub(super) async fn settle(&self, enrolment: Enrolment) -> Result<Approval, Error> {
        let votes = self.votes(&enrolment).await?;
        self.settle_votes(enrolment, votes).await
    }

    async fn settle_votes(&self, enrolment: Enrolment, votes: Vec<Vote>) -> Result<Approval, Error> {
        if let Some(missing) = self.missing(&enrolment, &votes) {
            return Ok(Approval::Waiting(missing));
        }
        match self.carry_out(&enrolment, Vec::new(), &votes).await {
            // Somebody else was enough at the same moment, and what they did is the answer.
            Err(Error::WrongState { what: "enrolment", .. }) if enrolment.requests.is_empty() => Ok(Approval::Approved),
            Err(Error::WrongState { what: "enrolment", .. }) => self.issued_for(&enrolment).await.map(Approval::Issued),
            other => other,
        }
    }

    /// Settles what a crash, or the end of a request, left approved and not issued.
    pub async fn settle_approved(&self) -> Result<usize, Error> {
        let waiting = {
            let mut connection = self.db.read().await?;
            store::enrolments::with_approvals(&mut connection, Act::Approve.as_str()).await?
        };
        let mut settled = 0;
        for (id, outcome) in waiting.iter().zip(self.settle_list(&waiting).await) {
            match outcome {
                Ok(Approval::Issued(_) | Approval::Approved) => settled += 1,
                Ok(Approval::Waiting(_)) => {}
                // One that cannot be issued keeps no other from it.
                Err(error) => tracing::warn!(enrolment = id, %error, "an approved request could not be issued"),
            }
        }
        Ok(settled)
    }

    /// Rejects on a signed statement.
    pub async fn reject(&self, caller: &Caller, id: &str, statement: &str) -> Result<(), Error> {
        self.close(caller, id, Act::Reject, "rejected", statement).await
    }

    /// Takes a request back, on a statement of whoever made it.
    pub async fn withdraw(&self, caller: &Caller, id: &str, statement: &str) -> Result<(), Error> {
        self.close(caller, id, Act::Withdraw, "withdrawn", statement).await
    }

    /// Closes the requests that nobody decided on in time, or that were approved and nobody claimed, by the system key. Answers how many.
    pub async fn expire_requests(&self) -> Result<usize, Error> {
        let before = millis(self.clock.now() - self.request_life);
        let stale = {
            let mut connection = self.db.read().await?;
            store::enrolments::waiting_since(&mut connection, before).await?
        };
        for id in &stale {
            let enrolment = self.find_enrolment(id).await?;
            let subject = self.enrolment_subject(&enrolment)?;
            let own = self.system_statement(Act::Expire, subject.about, &subject.shown, &subject.salt, &subject.log).await?;
            let approvals = self.approvals_until_now(&enrolment).await?;
            self.record_end(&enrolment, Act::Expire, "expired", approvals, own).await?;
        }
        Ok(stale.len())
    }

    async fn close(&self, caller: &Caller, id: &str, act: Act, state: &'static str, statement: &str) -> Result<(), Error> {
        let enrolment = self.find_enrolment(id).await?;
        let votes = self.votes(&enrolment).await?;
        let checked = self.check_decision(caller, &enrolment, act, &votes, statement).await?;
        if act == Act::Reject {
            self.check_uncontested(&enrolment).await?;
        }
        let approvals = self.approvals_until_now(&enrolment).await?;
        self.record_end(&enrolment, act, state, approvals, checked).await
    }

    /// The decision names the approvals that it overrules.
    async fn record_end(
        &self,
        enrolment: &Enrolment,
        act: Act,
        state: &'static str,
        mut approvals: Vec<[u8; 32]>,
        own: Checked,
    ) -> Result<(), Error> {
        approvals.push(own.statement.digest());
        let decided = self.decide_on(enrolment, act, &approvals);
        let mut rows = own.rows;
        rows.extend(decided.rows);
        let at = millis(self.clock.now());
        let from = if enrolment.state == "approved" { "approved" } else { "submitted" };
        rows.push(Row::EnrolmentState { id: enrolment.id, from, to: state, decision: Some(decided.hash), at });
        self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await?;
        Ok(())
    }

    /// The approvals that whatever ends it overrules.
    async fn approvals_until_now(&self, enrolment: &Enrolment) -> Result<Vec<[u8; 32]>, Error> {
        match enrolment.state.as_str() {
            "approved" => self.approvals_of(enrolment).await,
            _ => Ok(statements(&self.votes(enrolment).await?)),
        }
    }

    /// The statements by which an enrolment was approved that waits for its key.
    pub(super) async fn approvals_of(&self, enrolment: &Enrolment) -> Result<Vec<[u8; 32]>, Error> {
        let decision = enrolment.row.decision.as_deref().unwrap_or_default();
        let mut connection = self.db.read().await?;
        store::statements::of_decision(&mut connection, decision).await?.iter().map(|statement| digest(statement)).collect()
    }

    async fn check_decision(
        &self,
        caller: &Caller,
        enrolment: &Enrolment,
        act: Act,
        votes: &[Vote],
        statement: &str,
    ) -> Result<Checked, Error> {
        self.policy().decide(&caller.actor, act, &enrolment.object(people(votes)))?;
        let checked = self.check_statement(caller, statement, act, &self.enrolment_subject(enrolment)?).await?;
        must_be_open_to(enrolment, act)?;
        Ok(checked)
    }

    /// What whoever decides on an enrolment is shown, while there is something to decide.
    pub async fn decision_subject(&self, caller: &Caller, act: Act, id: &str) -> Result<Subject, Error> {
        let enrolment = self.find_enrolment(id).await?;
        self.policy().decide(&caller.actor, act, &enrolment.object(self.approved_by(&enrolment).await?))?;
        must_be_open_to(&enrolment, act)?;
        // One officer neither approves nor rejects what two decide. Whoever asked for it may still take it back.
        if matches!(act, Act::Approve | Act::Reject) {
            self.check_uncontested(&enrolment).await?;
        }
        self.enrolment_subject(&enrolment)
    }

    /// Who approved an enrolment before.
    async fn approved_by(&self, enrolment: &Enrolment) -> Result<Vec<PersonId>, Error> {
        Ok(people(&self.votes(enrolment).await?))
    }

    async fn votes(&self, enrolment: &Enrolment) -> Result<Vec<Vote>, Error> {
        Ok(self.votes_of(std::slice::from_ref(enrolment)).await?.pop().unwrap_or_default())
    }

    /// The recorded approvals of each that count now: under the policy in force, by people whose certificate is good and who
    /// may approve this. An officer who was dismissed meanwhile no longer counts.
    async fn votes_of(&self, enrolments: &[Enrolment]) -> Result<Vec<Vec<Vote>>, Error> {
        let ids: Vec<String> = enrolments.iter().filter(|one| one.state == "submitted").map(|one| one.id.to_string()).collect();
        let (about, rows) = {
            let mut connection = self.db.read().await?;
            let about = store::statements::about_each(&mut connection, Act::Approve.as_str(), &ids).await?;
            let digests: BTreeSet<Vec<u8>> = about.iter().map(|(_, digest)| digest.clone()).collect();
            let rows = store::statements::find_many(&mut connection, &digests.into_iter().collect::<Vec<_>>()).await?;
            (about, rows)
        };
        let signers: HashMap<[u8; 32], Actor> =
            self.signers(&rows).await?.into_iter().map(|(signer, statement)| (statement, signer)).collect();
        let mut of: HashMap<String, Vec<[u8; 32]>> = HashMap::new();
        for (item, statement) in about {
            of.entry(item).or_default().push(digest(&statement)?);
        }
        let policy = self.policy();
        let votes = |enrolment: &Enrolment| {
            let mut votes: Vec<Vote> = Vec::new();
            for statement in of.get(&enrolment.id.to_string()).into_iter().flatten() {
                let Some(signer) = signers.get(statement) else { continue };
                let may = policy.decide(signer, Act::Approve, &enrolment.object(people(&votes))).is_ok();
                votes.extend(may.then(|| Vote { signer: signer.clone(), statement: *statement }));
            }
            votes
        };
        Ok(enrolments.iter().map(votes).collect())
    }

    fn missing(&self, enrolment: &Enrolment, votes: &[Vote]) -> Option<Missing> {
        let signers: Vec<Actor> = votes.iter().map(|vote| vote.signer.clone()).collect();
        enrolment.profile.approvals().quorum().missing(&signers, enrolment.department)
    }

    /// Issues one certificate for each certification request, on all these approvals; without a request, the enrolment is
    /// approved and waits for its code.
    async fn carry_out(&self, enrolment: &Enrolment, mut rows: Vec<Row>, votes: &[Vote]) -> Result<Approval, Error> {
        self.check_slot(enrolment).await?;
        if enrolment.requests.is_empty() {
            rows.extend(self.approved_rows(enrolment, &statements(votes)));
            self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await?;
            return Ok(Approval::Approved);
        }
        let (approval, decision) = self.approval_rows(enrolment, Act::Approve, &statements(votes));
        rows.extend(approval);
        let order = |request| self.order(enrolment, request, decision);
        let orders = enrolment.requests.iter().map(order).collect::<Result<_, _>>()?;
        let issued = self.issue(rows, orders).await?;
        if enrolment.row.replaces.is_some() {
            self.revoke_replaced(&enrolment.id.to_string()).await?;
        }
        Ok(Approval::Issued(issued))
    }

    /// What records that an enrolment was approved and waits for its key.
    fn approved_rows(&self, enrolment: &Enrolment, statements: &[[u8; 32]]) -> Vec<Row> {
        let decided = self.decide_on(enrolment, Act::Approve, statements);
        let at = millis(self.clock.now());
        let mut rows = decided.rows;
        rows.push(Row::EnrolmentState { id: enrolment.id, from: "submitted", to: "approved", decision: Some(decided.hash), at });
        rows
    }

    /// What was issued for an enrolment before.
    async fn issued_for(&self, enrolment: &Enrolment) -> Result<Vec<Issued>, Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::certificates::of_enrolment(&mut connection, &enrolment.id.to_string()).await?
        };
        rows.iter().filter(|row| row.signature.is_some()).map(|row| self.issued_before(row)).collect()
    }

    /// A certificate that was issued before, as its issue answered it.
    pub(super) fn issued_before(&self, row: &store::CertificateRow) -> Result<Issued, Error> {
        Ok(Issued {
            certificate: self.assemble_certificate(row)?,
            authority: row.authority.as_str().into(),
            position: Position { log: row.leaf_log.clone(), index: row.leaf_idx as u64 },
        })
    }

    /// What records that an enrolment was decided and will be issued, and the decision's hash.
    pub(super) fn approval_rows(&self, enrolment: &Enrolment, act: Act, statements: &[[u8; 32]]) -> (Vec<Row>, [u8; 32]) {
        let decided = self.decide_on(enrolment, act, statements);
        let at = millis(self.clock.now());
        let state = |from, to| Row::EnrolmentState { id: enrolment.id, from, to, decision: Some(decided.hash), at };
        let states = [state("submitted", "approved"), state("approved", "issued")];
        (decided.rows.into_iter().chain(states).collect(), decided.hash)
    }

    fn decide_on(&self, enrolment: &Enrolment, act: Act, statements: &[[u8; 32]]) -> Decided {
        let now = self.clock.now();
        let profile = Some(enrolment.profile.name().clone());
        let decision = allowed(About::from(enrolment.id), act, Timestamp::new(now), self.policy().digest(), profile);
        decided(&decision, statements, millis(now))
    }
}

/// What was approved and has no key yet can still be taken back or rejected.
fn must_be_open_to(enrolment: &Enrolment, act: Act) -> Result<(), Error> {
    let waits_for_key = enrolment.state == "approved" && enrolment.requests.is_empty();
    if act != Act::Approve && waits_for_key { Ok(()) } else { must_be_submitted(enrolment) }
}

fn must_be_submitted(enrolment: &Enrolment) -> Result<(), Error> {
    if enrolment.state == "submitted" {
        return Ok(());
    }
    Err(Error::WrongState { what: "enrolment", found: enrolment.state.clone(), expected: "submitted" })
}

fn people(votes: &[Vote]) -> Vec<PersonId> {
    votes.iter().map(|vote| vote.signer.person).collect()
}

fn statements(votes: &[Vote]) -> Vec<[u8; 32]> {
    votes.iter().map(|vote| vote.statement).collect()
}
