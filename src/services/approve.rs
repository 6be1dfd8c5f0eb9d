//! Decisions on enrolments: approval by as many people as the profile asks for, rejection, withdrawal, expiry.
//!
//! An approval is a statement, and counts from its record on. The one that makes them enough settles the enrolment: the
//! decision names all of them and is committed together with the promises. Two who come last at one moment may each find the
//! other missing; so whoever was not enough looks again, and upkeep looks for what a crash left between.
//!
//! One statement may approve a list: it is about the Merkle root of the list, and what was seen of each is in what was seen
//! of all.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{
    Services,
    enrol::Enrolment,
    error::Error,
    issue::Issued,
    journal::{Commit, Kind, Position},
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

/// What an approval led to.
pub enum Approval {
    Issued(Vec<Issued>),
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
            return self.issue_approved(&enrolment, checked.rows, &votes).await.map(Approval::Issued);
        }
        self.journal.commit(Commit { kind: Kind::Other, rows: checked.rows, entries: Vec::new() }).await?;
        self.settle(enrolment).await
    }

    /// What whoever approves a list is shown, and what of each of it binds the statement: `seen` of the one is in `shown` of all.
    pub async fn list_subject(&self, caller: &Caller, ids: &[String]) -> Result<(Subject, Vec<Subject>), Error> {
        if ids.is_empty() || ids.len() > MOST_LISTED {
            return Err(Error::malformed("list", format!("1 to {MOST_LISTED} enrolments")));
        }
        let mut each = Vec::with_capacity(ids.len());
        for id in ids {
            each.push(self.listed(caller, id).await.map_err(|error| error.of_item(id))?);
        }
        let items: Vec<About> = each.iter().map(|subject| subject.about).collect();
        if items.iter().collect::<BTreeSet<_>>().len() < items.len() {
            return Err(Error::malformed("list", "an enrolment is in it twice"));
        }
        let shown: Vec<Value> = (each.iter())
            .map(|one| json!({"enrolment": one.about.to_string(), "seen": statement::seen(&one.salt, &one.shown).to_string()}))
            .collect();
        let log = each[0].log.clone();
        // Each item is salted by itself; nothing of the list can be guessed from its digest.
        Ok((Subject { about: list_root(&items), shown: json!({"list": shown}), salt: [0; 32], log }, each))
    }

    async fn listed(&self, caller: &Caller, id: &str) -> Result<Subject, Error> {
        let enrolment = self.find_enrolment(id).await?;
        must_be_submitted(&enrolment)?;
        self.check_slot(&enrolment).await?;
        self.policy().decide(&caller.actor, Act::Approve, &enrolment.object(self.approved_by(&enrolment).await?))?;
        self.enrolment_subject(&enrolment)
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
        let settle = async |id: &String| self.settle(self.find_enrolment(id).await?).await;
        stream::iter(ids).map(settle).buffered(SETTLED_AT_ONCE).collect().await
    }

    /// Issues an enrolment whose recorded approvals are enough.
    pub(super) async fn settle(&self, enrolment: Enrolment) -> Result<Approval, Error> {
        let votes = self.votes(&enrolment).await?;
        if let Some(missing) = self.missing(&enrolment, &votes) {
            return Ok(Approval::Waiting(missing));
        }
        match self.issue_approved(&enrolment, Vec::new(), &votes).await {
            // Somebody else was enough at the same moment, and what they issued is the answer.
            Err(Error::WrongState { what: "enrolment", .. }) => self.issued_for(&enrolment).await.map(Approval::Issued),
            other => other.map(Approval::Issued),
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
                Ok(Approval::Issued(_)) => settled += 1,
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

    /// Closes the requests that nobody decided on in time, by the system key. Answers how many.
    pub async fn expire_requests(&self) -> Result<usize, Error> {
        let before = millis(self.clock.now() - self.request_life);
        let stale = {
            let mut connection = self.db.read().await?;
            store::enrolments::submitted_before(&mut connection, before).await?
        };
        for id in &stale {
            let enrolment = self.find_enrolment(id).await?;
            let subject = self.enrolment_subject(&enrolment)?;
            let own = self.system_statement(Act::Expire, subject.about, &subject.shown, &subject.salt, &subject.log).await?;
            let votes = self.votes(&enrolment).await?;
            self.record_end(&enrolment, Act::Expire, "expired", &votes, own).await?;
        }
        Ok(stale.len())
    }

    async fn close(&self, caller: &Caller, id: &str, act: Act, state: &'static str, statement: &str) -> Result<(), Error> {
        let enrolment = self.find_enrolment(id).await?;
        let votes = self.votes(&enrolment).await?;
        let checked = self.check_decision(caller, &enrolment, act, &votes, statement).await?;
        self.record_end(&enrolment, act, state, &votes, checked).await
    }

    /// The decision names the approvals that it overrules.
    async fn record_end(&self, enrolment: &Enrolment, act: Act, state: &'static str, votes: &[Vote], own: Checked) -> Result<(), Error> {
        let mut statements = statements(votes);
        statements.push(own.statement.digest());
        let decided = self.decide_on(enrolment, act, &statements);
        let mut rows = own.rows;
        rows.extend(decided.rows);
        let at = millis(self.clock.now());
        rows.push(Row::EnrolmentState { id: enrolment.id, from: "submitted", to: state, decision: Some(decided.hash), at });
        self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await?;
        Ok(())
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
        must_be_submitted(enrolment)?;
        Ok(checked)
    }

    /// Who approved an enrolment before.
    pub async fn approved_by(&self, enrolment: &Enrolment) -> Result<Vec<PersonId>, Error> {
        Ok(people(&self.votes(enrolment).await?))
    }

    /// The recorded approvals that count now: under the policy in force, by people whose certificate is good and who may
    /// approve this. An officer who was dismissed meanwhile no longer counts.
    async fn votes(&self, enrolment: &Enrolment) -> Result<Vec<Vote>, Error> {
        if enrolment.state != "submitted" {
            return Ok(Vec::new());
        }
        let rows = {
            let mut connection = self.db.read().await?;
            store::statements::about(&mut connection, Act::Approve.as_str(), &About::from(enrolment.id).to_string()).await?
        };
        let mut votes: Vec<Vote> = Vec::new();
        for (signer, statement) in self.signers(&rows).await? {
            let may = self.policy().decide(&signer, Act::Approve, &enrolment.object(people(&votes))).is_ok();
            votes.extend(may.then_some(Vote { signer, statement }));
        }
        Ok(votes)
    }

    fn missing(&self, enrolment: &Enrolment, votes: &[Vote]) -> Option<Missing> {
        let signers: Vec<Actor> = votes.iter().map(|vote| vote.signer.clone()).collect();
        enrolment.profile.approvals().quorum().missing(&signers, enrolment.department)
    }

    /// Issues one certificate for each certification request, on all these approvals.
    async fn issue_approved(&self, enrolment: &Enrolment, mut rows: Vec<Row>, votes: &[Vote]) -> Result<Vec<Issued>, Error> {
        self.check_slot(enrolment).await?;
        let (approval, decision) = self.approval_rows(enrolment, Act::Approve, &statements(votes));
        rows.extend(approval);
        let order = |request| self.order(enrolment, request, decision);
        let orders = enrolment.requests.iter().map(order).collect::<Result<_, _>>()?;
        let issued = self.issue(rows, orders).await?;
        self.revoke_replaced(&enrolment.id.to_string()).await?;
        Ok(issued)
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
