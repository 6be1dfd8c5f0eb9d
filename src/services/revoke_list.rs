//! Bulk revocation: one statement over a list of certificates, and of requests that were not issued yet, by as many people as
//! `quorums.toml` says. All of the list is revoked in one commit, or none of it.
//!
//! The first of several statements waits like an approval does: it is counted once somebody else signs the same list in the
//! same words, and its signer still may (`waiting.rs`).

mod waiting;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

pub use waiting::{OtherWords, WaitingRevocation, Words};

use super::{
    Services,
    approve::MOST_LISTED,
    enrol::Enrolment,
    error::Error,
    journal::{Commit, Kind},
    revoke::{digest, revocation_words, state_name},
    rows::Row,
    statements::{Caller, Subject, allowed, counted_once, decided},
};
use crate::{
    ledger::{State, StatusKey},
    policy::{
        About, Act, Actor, DepartmentId, DepartmentPath, Missing, Object, Payload, Timestamp, rules,
        statement::{self, list_root},
    },
    store,
    world::{millis, seconds},
    x509::SerialNumber,
};

/// What a statement about a list led to.
pub struct ListRevoked {
    pub certificates: usize,
    pub enrolments: usize,
    /// Who must sign still; then nothing was revoked.
    pub missing: Option<Missing>,
    pub acknowledgement: Option<String>,
}

/// What somebody holds, or will.
enum Held {
    /// With what the rules decide about.
    Certificate(Box<store::CertificateRow>, rules::Certificate),
    Enrolment(Box<Enrolment>),
}

impl Services {
    /// What whoever revokes a list in these words is shown, and of each of it.
    pub async fn revocation_subject(
        &self,
        caller: &Caller,
        ids: &[String],
        words: &Words,
        others: OtherWords,
    ) -> Result<(Subject, Vec<Subject>), Error> {
        let held = self.held(ids).await?;
        self.may_revoke(&caller.actor, &held)?;
        // Nothing else is said of what cannot be done at all.
        self.check_revocations(&held, words)?;
        let (subject, each) = self.subject_of_list(&held).await?;
        self.check_words(caller, &subject, &held, words, others).await?;
        Ok((subject, each))
    }

    async fn subject_of_list(&self, held: &[Held]) -> Result<(Subject, Vec<Subject>), Error> {
        let salts = self.salts(held).await?;
        let mut each = Vec::with_capacity(held.len());
        for one in held {
            each.push(match one {
                Held::Certificate(row, _) => {
                    let salt = row.enrolment.as_ref().and_then(|enrolment| salts.get(enrolment)).copied();
                    self.certificate_subject_with(row, salt.unwrap_or([0; 32]))?
                }
                Held::Enrolment(enrolment) => self.enrolment_subject(enrolment)?,
            });
        }
        let items: Vec<About> = each.iter().map(|subject| subject.about).collect();
        let shown = |(one, held): (&Subject, &Held)| {
            let kind = if matches!(held, Held::Certificate(..)) { "certificate" } else { "enrolment" };
            json!({kind: one.about.to_string(), "seen": statement::seen(&one.salt, &one.shown).to_string()})
        };
        let shown: Vec<Value> = each.iter().zip(held).map(shown).collect();
        let log = each.first().map(|one| one.log.clone()).unwrap_or_default();
        Ok((Subject { about: list_root(&items), shown: json!({"list": shown}), salt: [0; 32], log }, each))
    }

    async fn salts(&self, held: &[Held]) -> Result<HashMap<String, [u8; 32]>, Error> {
        let enrolments: BTreeSet<String> = held
            .iter()
            .filter_map(|one| match one {
                Held::Certificate(row, _) => row.enrolment.clone(),
                Held::Enrolment(_) => None,
            })
            .collect();
        let mut connection = self.db.read().await?;
        let rows = store::enrolments::find_many(&mut connection, &enrolments.into_iter().collect::<Vec<_>>()).await?;
        Ok(rows.into_iter().filter_map(|row| Some((row.id, row.salt?.try_into().ok()?))).collect())
    }

    /// Revokes a list once enough people have signed for it.
    pub async fn revoke_list(&self, caller: &Caller, ids: &[String], statement: &str) -> Result<ListRevoked, Error> {
        let held = self.held(ids).await?;
        self.may_revoke(&caller.actor, &held)?;
        let (subject, each) = self.subject_of_list(&held).await?;
        let checked = self.check_statement(caller, statement, Act::Revoke, &subject).await?;
        let payload = checked.statement.payload().clone();
        // The first of several signs nothing that the last could not have done.
        let words = Words::of(&checked.statement);
        self.check_revocations(&held, &words)?;
        let mut rows = checked.rows;
        rows.push(Row::List { root: subject.about, items: each.iter().map(|one| one.about).collect() });

        let earlier = self.same_words(&subject, &held, &words).await?;
        counted_once(caller, &earlier)?;
        let mut signers: Vec<Actor> = earlier.iter().map(|(signer, _)| signer.clone()).collect();
        signers.push(caller.actor.clone());
        if let Some(missing) = self.quorum_of_list(&held).missing(&signers, common_department(&held)) {
            self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await?;
            let acknowledgement = self.acknowledge(Act::Revoke, &checked.statement, &[]).await;
            return Ok(ListRevoked { certificates: 0, enrolments: 0, missing: Some(missing), acknowledgement });
        }

        let mut statements: Vec<[u8; 32]> = earlier.into_iter().map(|(_, statement)| statement).collect();
        statements.push(checked.statement.digest());
        let mut entries = Vec::new();
        for one in &held {
            entries.extend(self.end(one, &payload, &statements, &mut rows)?);
        }
        let positions = self.journal.commit(Commit { kind: Kind::Revoke, rows, entries }).await?;
        let changed = held.iter().filter_map(|one| if let Held::Certificate(row, _) = one { Some(&**row) } else { None });
        self.publish_after_changes(changed).await;
        let acknowledgement = self.acknowledge(Act::Revoke, &checked.statement, &positions).await;
        let certificates = positions.len();
        Ok(ListRevoked { certificates, enrolments: held.len() - certificates, missing: None, acknowledgement })
    }

    /// The leaf of one of the list, if it is a certificate's; its decision and its new state are added to the rows.
    fn end(
        &self,
        one: &Held,
        payload: &Payload,
        statements: &[[u8; 32]],
        rows: &mut Vec<Row>,
    ) -> Result<Option<(String, crate::ledger::Entry)>, Error> {
        let now = self.clock.now();
        let decision = allowed(one.about()?, Act::Revoke, Timestamp::new(now), payload.policy, None);
        let decided = decided(&decision, statements, millis(now));
        rows.extend(decided.rows);
        match one {
            Held::Certificate(row, _) => {
                let (entry, change) = self.change_entry(row, Act::Revoke, payload, decided.hash)?;
                rows.push(change);
                Ok(Some((row.authority.clone(), entry)))
            }
            Held::Enrolment(enrolment) => {
                let from = if enrolment.state == "approved" { "approved" } else { "submitted" };
                let at = millis(now);
                rows.push(Row::EnrolmentState { id: enrolment.id, from, to: "withdrawn", decision: Some(decided.hash), at });
                Ok(None)
            }
        }
    }

    /// What these are, in their order. Each is revoked from what it is now: a certificate that has ended, or a request that
    /// was decided, is an error of that item.
    async fn held(&self, ids: &[String]) -> Result<Vec<Held>, Error> {
        if ids.is_empty() || ids.len() > MOST_LISTED {
            return Err(Error::malformed("list", format!("1 to {MOST_LISTED} certificates and requests")));
        }
        if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() {
            return Err(Error::malformed("list", "something is in it twice"));
        }
        let (certificates, enrolments): (Vec<&String>, Vec<&String>) = ids.iter().partition(|id| id.len() == 64);
        let digests: Vec<Vec<u8>> = certificates.iter().filter_map(|id| hex::decode(id).ok()).collect();
        let rows = {
            let mut connection = self.db.read().await?;
            store::certificates::find_many(&mut connection, &digests).await?
        };
        let enrolments: Vec<String> = enrolments.into_iter().cloned().collect();
        let mut held: HashMap<String, Held> = HashMap::new();
        let mut paths: HashMap<Option<String>, DepartmentPath> = HashMap::new();
        for row in rows {
            let corrupt = || Error::Corrupt(format!("certificate {}", hex::encode(&row.id)));
            if !paths.contains_key(&row.department) {
                let department = row.department.as_deref().map(str::parse).transpose().map_err(|_| corrupt())?;
                paths.insert(row.department.clone(), self.path(department).await?);
            }
            let department = paths[&row.department].clone();
            let object = rules::Certificate { department, holder: row.person.parse().map_err(|_| corrupt())? };
            held.insert(hex::encode(&row.id), Held::Certificate(Box::new(row), object));
        }
        for enrolment in self.find_enrolments(&enrolments).await? {
            held.insert(enrolment.id.to_string(), Held::Enrolment(Box::new(enrolment)));
        }
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let one = held.remove(id).ok_or_else(|| Error::unknown("certificate", id).of_item(id))?;
            self.check_live(&one).map_err(|error| error.of_item(id))?;
            found.push(one);
        }
        Ok(found)
    }

    fn check_live(&self, one: &Held) -> Result<(), Error> {
        match one {
            Held::Certificate(row, _) => {
                let key = StatusKey::from_tbs_digest(&digest(&row.id)?);
                let state = self.logs.status(&row.authority, &key).and_then(|status| status.changes.last().map(|change| change.state));
                match state.unwrap_or(State::Absent) {
                    State::Good | State::Hold => Ok(()),
                    other => {
                        Err(Error::WrongState { what: "certificate", found: state_name(other).to_owned(), expected: "good or suspended" })
                    }
                }
            }
            Held::Enrolment(enrolment) if matches!(enrolment.state.as_str(), "submitted" | "approved") => Ok(()),
            Held::Enrolment(enrolment) => {
                Err(Error::WrongState { what: "enrolment", found: enrolment.state.clone(), expected: "not issued yet" })
            }
        }
    }

    fn may_revoke(&self, actor: &Actor, held: &[Held]) -> Result<(), Error> {
        let policy = self.policy();
        for one in held {
            policy.decide(actor, Act::Revoke, &Object::Certificate(one.object()))?;
        }
        Ok(())
    }

    fn check_revocations(&self, held: &[Held], words: &Words) -> Result<(), Error> {
        revocation_words(words.reason.as_ref(), words.since, seconds(self.clock.now()))?;
        for one in held {
            if let Held::Certificate(row, _) = one {
                let checked = self.check_revocation(row, words.reason.as_ref(), words.since);
                checked.map_err(|error| error.of_item(&hex::encode(&row.id)))?;
            }
        }
        Ok(())
    }

    /// The lists of every shard that one of these certificates names.
    pub(super) async fn publish_after_changes<'a>(&self, changed: impl Iterator<Item = &'a store::CertificateRow>) {
        let mut shards: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
        for row in changed {
            let (Ok(authority), Some(serial)) = (self.authorities.load(&row.authority), SerialNumber::from_slice(&row.serial)) else {
                continue;
            };
            let of = shards.entry(&row.authority).or_insert_with(|| BTreeSet::from([super::publish_crl::WHOLE]));
            of.insert(i64::from(serial.shard(authority.crl_shards)));
        }
        for (authority, shards) in shards {
            let publish = async { self.publish_crls(&self.authorities.load(authority)?, &shards.into_iter().collect::<Vec<_>>()).await };
            if let Err(error) = publish.await {
                tracing::error!(%error, authority, "the CRLs were not published after a revocation; the next round will");
            }
        }
    }
}

impl Held {
    fn about(&self) -> Result<About, Error> {
        match self {
            Self::Certificate(row, _) => Ok(About::Digest(digest(&row.id)?)),
            Self::Enrolment(enrolment) => Ok(About::from(enrolment.id)),
        }
    }

    /// What the rules decide about: a request as the certificate that it would become.
    fn object(&self) -> rules::Certificate {
        match self {
            Self::Certificate(_, object) => object.clone(),
            Self::Enrolment(enrolment) => rules::Certificate { department: enrolment.place.path.clone(), holder: enrolment.person },
        }
    }
}

/// The department of all of them; `None` when they are of several, or of none.
fn common_department(held: &[Held]) -> Option<DepartmentId> {
    let mut departments: BTreeSet<Option<DepartmentId>> = held.iter().map(|one| one.object().department.department()).collect();
    if departments.len() == 1 { departments.pop_first().flatten() } else { None }
}
