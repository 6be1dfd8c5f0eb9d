//! The rows that are committed together with leaves: what a use case wants written, as values.

use super::{departments, error::Error, journal::Position};
use crate::{
    policy::{About, Act, Cap, DepartmentId, EnrolmentId, PersonId, Refusal, cap},
    store::{
        self, Connection,
        re_reviews::{Extent, SignedSince},
    },
    world::{from_millis, millis},
};

/// One change of a table. Where it says what it expects (`from`), finding something else refuses the whole commit.
#[derive(Clone)]
pub enum Row {
    Policy(store::PolicyVersionRow),
    Person(store::PersonRow),
    /// What is proposed to do to departments.
    DepartmentChange(store::DepartmentChangeRow),
    WithdrawDepartmentChange {
        id: String,
        statement: [u8; 32],
    },
    /// It is done.
    Departments {
        change: departments::Change,
        statement: [u8; 32],
        at: i64,
    },
    /// It was not merged meanwhile.
    StandingDepartment(DepartmentId),
    /// A merged department has no officers, nobody is proposed there, and nothing asked of it is open.
    EndDepartment {
        id: DepartmentId,
        statement: [u8; 32],
        at: i64,
    },
    KeyOwner {
        key_fingerprint: [u8; 32],
        person: PersonId,
        at: i64,
    },
    UseNonce {
        nonce: String,
        at: i64,
    },
    Statement(store::StatementRow),
    /// Refuses the commit when this person has signed more of an act than one may in a day. Counted when all rows are written,
    /// by the one writer: so two statements at one moment are counted both.
    Cap {
        person: PersonId,
        act: Act,
        cap: Cap,
        at: i64,
    },
    /// What a statement about a list is about.
    List {
        root: About,
        items: Vec<About>,
    },
    Decision(store::DecisionRow, Vec<[u8; 32]>),
    /// Refuses the commit when more rests on somebody's statements than was read, or more certificates follow these.
    StillRests {
        by: SignedSince,
        extent: Extent,
        certificates: Vec<Vec<u8>>,
        successors: usize,
    },
    ReReview(Vec<store::ReReviewRow>),
    Grant(store::RoleGrantRow),
    WithdrawGrants {
        person: PersonId,
        statement: [u8; 32],
        at: i64,
    },
    /// Forgets who was proposed and never appointed.
    ForgetProposal {
        person: PersonId,
    },
    Claim(store::ClaimRow),
    UseClaim {
        code_hash: [u8; 32],
        at: i64,
    },
    Enrolment(store::EnrolmentRow, Vec<store::EnrolmentRequestRow>),
    EnrolmentState {
        id: EnrolmentId,
        from: &'static str,
        to: &'static str,
        decision: Option<[u8; 32]>,
        at: i64,
    },
    Authority(store::AuthorityRow),
    /// A promise; its leaf is the entry at `entry` of the same commit.
    Certificate {
        row: store::CertificateRow,
        entry: usize,
    },
    Signed {
        id: [u8; 32],
        signature: Vec<u8>,
        fingerprint: [u8; 32],
    },
    Status {
        id: [u8; 32],
        version: i64,
        from: &'static str,
        to: &'static str,
    },
    SystemCertificate(store::SystemCertificateRow),
    Crl(store::CrlRow),
    NewToken(store::TokenRow),
    GrantToken {
        id: String,
        secret_hash: [u8; 32],
        statement: [u8; 32],
        at: i64,
    },
    RevokeToken {
        id: String,
        statement: [u8; 32],
        at: i64,
    },
    Citizen(store::citizens::Change),
    StaffMember(store::StaffRow),
    Staff(store::staff::Change),
}

/// Writes the rows of several commits in order. What comes in crowds is written many at a time.
pub async fn write<'a>(connection: &mut Connection, commits: impl Iterator<Item = (&'a [Row], &'a [Position])>) -> Result<(), Error> {
    let mut hot = Hot::default();
    let mut caps = Vec::new();
    for (rows, positions) in commits {
        for row in rows {
            if let Row::Cap { person, act, cap, at } = row {
                caps.push((*person, *act, *cap, *at));
            } else if !hot.take(row, positions)? {
                hot.flush(connection).await?;
                write_one(connection, row).await?;
            }
        }
    }
    hot.flush(connection).await?;
    for (person, act, cap, at) in caps {
        check_cap(connection, person, act, cap, at).await?;
    }
    Ok(())
}

async fn check_cap(connection: &mut Connection, person: PersonId, act: Act, cap: Cap, at: i64) -> Result<(), Error> {
    let since = millis(from_millis(at) - cap::WINDOW);
    let signed = store::statements::signed_since(connection, &person.to_string(), act.as_str(), since).await?;
    let signed: Vec<cap::Signed> =
        signed.into_iter().map(|(at, items)| cap::Signed { at: from_millis(at), items: items.unsigned_abs().max(1) }).collect();
    cap.check(&signed).map_err(|reached| Error::DailyCap { act, reached, wait: reached.opens.map(|opens| opens - from_millis(at)) })
}

/// The states in which an enrolment ends without a certificate.
pub(super) static ENDED: &[&str] = &["rejected", "withdrawn", "expired"];

/// Rows that come in crowds, in the order in which their kinds are written: each rests on those before it alone.
#[derive(Default)]
struct Hot {
    persons: Vec<store::PersonRow>,
    decisions: Vec<store::statements::Decided>,
    enrolments: Vec<store::EnrolmentRow>,
    staff: Vec<store::StaffRow>,
    /// By the states from and to which they change; an enrolment passes them in this order.
    states: Vec<((&'static str, &'static str), Vec<store::StateChange>)>,
    promised: Vec<store::CertificateRow>,
    signed: Vec<store::SignedRow>,
    statuses: Vec<store::StatusChange>,
}

impl Hot {
    /// Answers whether the row is one of these.
    fn take(&mut self, row: &Row, positions: &[Position]) -> Result<bool, Error> {
        match row {
            Row::Person(row) => self.persons.push(row.clone()),
            Row::Decision(row, statements) => self.decisions.push((row.clone(), statements.clone())),
            Row::Enrolment(row, requests) if requests.is_empty() => self.enrolments.push(row.clone()),
            Row::StaffMember(row) => self.staff.push(row.clone()),
            Row::EnrolmentState { id, from, to, decision, at } => {
                let change = store::StateChange { id: id.to_string(), decision: decision.map(|digest| digest.to_vec()), at: *at };
                match self.states.iter_mut().find(|(states, _)| *states == (*from, *to)) {
                    Some((_, changes)) => changes.push(change),
                    None => self.states.push(((from, to), vec![change])),
                }
            }
            Row::Certificate { row, entry } => {
                let position = positions.get(*entry).ok_or_else(|| Error::Corrupt("a promise without its leaf".to_owned()))?;
                let (leaf_log, leaf_idx) = (position.log.clone(), position.index as i64);
                self.promised.push(store::CertificateRow { leaf_log, leaf_idx, ..row.clone() });
            }
            Row::Signed { id, signature, fingerprint } => {
                self.signed.push(store::SignedRow { id: id.to_vec(), signature: signature.clone(), fingerprint: fingerprint.to_vec() })
            }
            Row::Status { id, version, from, to } => self.statuses.push(store::StatusChange {
                id: id.to_vec(),
                version: *version,
                from: (*from).to_owned(),
                to: (*to).to_owned(),
            }),
            _ => return Ok(false),
        }
        Ok(true)
    }

    async fn flush(&mut self, connection: &mut Connection) -> Result<(), Error> {
        let Self { persons, decisions, enrolments, staff, states, promised, signed, statuses } = std::mem::take(self);
        store::people::insert_persons(connection, &persons).await?;
        store::statements::insert_decisions(connection, &decisions).await?;
        store::enrolments::insert_many(connection, &enrolments).await?;
        store::staff::insert_staff(connection, &staff).await?;
        for ((from, to), changes) in states {
            match store::enrolments::change_states(connection, from, to, &changes).await {
                Err(store::Error::Conflict) => {
                    return Err(Error::WrongState { what: "enrolment", found: "decided already".to_owned(), expected: from });
                }
                other => other?,
            }
            if ENDED.contains(&to) {
                store::citizens::end_contests(connection, &changes).await?;
            }
        }
        store::certificates::insert_promised(connection, &promised).await?;
        store::certificates::complete(connection, &signed).await?;
        match store::certificates::change_statuses(connection, &statuses).await {
            Err(store::Error::Conflict) => {
                Err(Error::WrongState { what: "certificate", found: "changed meanwhile".to_owned(), expected: "what it was" })
            }
            other => Ok(other?),
        }
    }
}

async fn write_one(connection: &mut Connection, row: &Row) -> Result<(), Error> {
    match row {
        Row::Policy(row) => store::statements::insert_policy_version(connection, row).await?,
        Row::DepartmentChange(row) => store::departments::insert_change(connection, row).await?,
        Row::WithdrawDepartmentChange { id, statement } => {
            expected(store::departments::withdraw_change(connection, id, statement).await, "change", "proposed")?;
        }
        Row::Departments { change, statement, at } => departments::write(connection, change, statement, *at).await?,
        Row::StandingDepartment(id) => departments::check_stands(connection, Some(&id.to_string())).await?,
        Row::EndDepartment { id, statement, at } => departments::end(connection, *id, statement, *at).await?,
        Row::KeyOwner { key_fingerprint, person, at } => {
            match store::people::claim_key(connection, key_fingerprint, &person.to_string(), *at).await? {
                owner if owner == person.to_string() => {}
                _ => return Err(Error::KeyUsedByAnother),
            }
        }
        Row::UseNonce { nonce, at } => match store::statements::use_nonce(connection, nonce, *at).await {
            Err(store::Error::Conflict) => return Err(Error::NonceReplayed),
            other => other?,
        },
        Row::Statement(row) => store::statements::insert_statement(connection, row).await?,
        Row::List { root, items } => {
            let items: Vec<String> = items.iter().map(ToString::to_string).collect();
            store::statements::insert_list(connection, &root.to_string(), &items).await?;
        }
        Row::StillRests { by, extent, certificates, successors } => {
            let same = store::re_reviews::extent(connection, by).await? == *extent;
            if !same || store::re_reviews::successors(connection, certificates).await?.len() != *successors {
                return Err(store::Error::Conflict.into());
            }
        }
        Row::ReReview(rows) => store::re_reviews::insert(connection, rows).await?,
        Row::Grant(row) => {
            departments::check_stands(connection, row.department.as_deref()).await?;
            store::people::insert_grant(connection, row).await?;
        }
        Row::WithdrawGrants { person, statement, at } => {
            store::people::withdraw_grants(connection, &person.to_string(), statement, *at).await?;
            if store::people::count_administrators(connection).await? == 0 {
                return Err(Refusal::LastAdministrator { person: *person }.into());
            }
        }
        Row::ForgetProposal { person } => store::people::forget_proposal(connection, &person.to_string()).await?,
        Row::Claim(row) => store::people::insert_claim(connection, row).await?,
        Row::UseClaim { code_hash, at } => match store::people::use_claim(connection, code_hash, *at).await {
            Err(store::Error::Conflict) => return Err(Error::ClaimRefused),
            other => other?,
        },
        Row::Enrolment(row, requests) => store::enrolments::insert(connection, row, requests).await?,
        Row::Authority(row) => store::authorities::insert(connection, row).await?,
        Row::SystemCertificate(row) => store::certificates::insert_system_certificate(connection, row).await?,
        Row::Crl(row) => store::crls::insert(connection, row).await?,
        Row::NewToken(row) => store::tokens::insert(connection, row).await?,
        Row::GrantToken { id, secret_hash, statement, at } => {
            expected(store::tokens::grant(connection, id, secret_hash, statement, *at).await, "token", "proposed")?;
        }
        Row::RevokeToken { id, statement, at } => {
            expected(store::tokens::revoke(connection, id, statement, *at).await, "token", "granted")?;
        }
        Row::Citizen(change) => store::citizens::write(connection, change).await?,
        Row::Staff(change) => store::staff::write(connection, change).await?,
        Row::Cap { .. } => unreachable!("counted when all is written"),
        Row::Person(_)
        | Row::Decision(..)
        | Row::StaffMember(_)
        | Row::EnrolmentState { .. }
        | Row::Certificate { .. }
        | Row::Signed { .. }
        | Row::Status { .. } => unreachable!("written many at a time"),
    }
    Ok(())
}

/// A change that found its row in another state than it expects: somebody else was first.
fn expected(change: Result<(), store::Error>, what: &'static str, state: &'static str) -> Result<(), Error> {
    match change {
        Err(store::Error::Conflict) => Err(Error::WrongState { what, found: "changed meanwhile".to_owned(), expected: state }),
        other => Ok(other?),
    }
}
