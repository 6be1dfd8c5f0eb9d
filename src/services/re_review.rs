//! Re-review after a stolen key: in one step, whatever rests on what its certificate signed since then is stopped, and others
//! look at it again.
//!
//! ```text
//! the certificate itself         revoked as keyCompromise, with `since`
//! certificates                   issued, resumed or appointed on its word, and those that followed them: suspended, until somebody
//!                                resumes or revokes each
//! enrolments without a key       approved on its word: submitted again, without that approval
//! roles whose code is unused     ended, and the code with them
//! tokens                         revoked
//! identity checks, unused        taken back
//! versions of the policy         listed, no more: what is in force was signed by two
//! ```
//! What the certificate stopped stays stopped, and approvals of it that wait count no more, as its certificate is no longer good.
//! Whose key it was decides on none of it, with whichever certificate: it is about them.
//!
//! All of it is one commit. It counts once more in that very transaction how much rests on the certificate, so that what came to
//! rest on it meanwhile is not passed over; after it the journal takes no statement of the certificate any more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{
    Services,
    error::Error,
    journal::{Commit, Kind},
    logs::OPERATIONS,
    proofing::counter::withdrawal_commitment,
    register::dismissal_commitment,
    revoke::{digest, is_authority},
    rows::Row,
    statements::{Caller, Checked, Decided, Subject, Waits, allowed, counted_once, decided},
    tokens::revocation_commitment,
};
use crate::{
    crypto::digest::sha256,
    ledger::{Entry, EventType, State, StatusKey},
    policy::{
        About, Act, Actor, Decision, EnrolmentId, Missing, Object, Payload, PersonId, Refusal, Statement, Timestamp, jws::canonical, rules,
    },
    store::{
        self, CertificateRow, ReReviewRow,
        citizens::Change,
        re_reviews::{Extent, ListedReReviewRow, OPEN, SignedSince},
    },
    world::millis,
};

/// How often it is begun anew when something changed under it.
const ATTEMPTS: u32 = 5;
/// How long to wait before that, for a certificate that is being signed.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// What a statement about a re-review led to.
pub enum ReReview {
    /// How much of each kind is put to re-review.
    Done(BTreeMap<&'static str, usize>, Option<String>),
    /// Recorded; more people must sign.
    Waiting(Missing),
}

/// One thing that is put to re-review, and what there is to stop about it.
enum Item {
    Certificate(Box<CertificateRow>, State),
    Enrolment(Box<store::EnrolmentRow>),
    Roles(PersonId),
    Token(String),
    IdentityCheck(String),
    Policy(String),
}

/// What rests on a certificate, and what there was when it was read.
struct Found {
    extent: Extent,
    /// Whatever was issued on its word, ended or not.
    certificates: Vec<Vec<u8>>,
    /// How many certificates followed one of those.
    successors: usize,
    items: Vec<Item>,
}

/// A re-review that is being carried out.
struct Review<'a> {
    payload: &'a Payload,
    decision: Decision,
    /// All that it rests on, and the one that completed it.
    statements: &'a [[u8; 32]],
    statement: [u8; 32],
    hash: [u8; 32],
}

/// What was put to re-review, and what became of it; or a re-review that somebody signed.
pub struct Listed {
    pub row: ListedReReviewRow,
    pub since: Option<Timestamp>,
    pub state: String,
    /// Of a re-review that waits for others.
    pub waits: Option<Waits>,
}

impl Services {
    /// What whoever puts a certificate's statements to re-review is shown. Nothing that may change: what else is signed before the
    /// second signature must not undo the first.
    pub async fn re_review_subject(&self, caller: &Caller, id: &str) -> Result<Subject, Error> {
        let row = self.find_certificate(id).await?;
        self.policy().decide(&caller.actor, Act::ReReview, &self.certificate_object(&row).await?)?;
        self.subject_of_re_review(&row)
    }

    fn subject_of_re_review(&self, row: &CertificateRow) -> Result<Subject, Error> {
        // It signs no statements, and is not revoked by an auditor.
        if is_authority(row) {
            return Err(Error::AuthorityTakesTwo);
        }
        Ok(Subject {
            about: About::Digest(digest(&row.id)?),
            shown: json!({
                "certificate": hex::encode(&row.id),
                "authority": row.authority,
                "serial": hex::encode(&row.serial),
                "subject": row.subject,
                "profile": row.profile,
                "person": row.person,
            }),
            // All of it stands in the certificate, which is public.
            salt: [0; 32],
            log: row.authority.clone(),
        })
    }

    /// Records a signed statement; the one that makes enough people stops everything.
    pub async fn re_review(&self, caller: &Caller, id: &str, statement: &str) -> Result<ReReview, Error> {
        let row = self.find_certificate(id).await?;
        let object = self.certificate_object(&row).await?;
        self.policy().decide(&caller.actor, Act::ReReview, &object)?;
        let checked = self.check_statement(caller, statement, Act::ReReview, &self.subject_of_re_review(&row)?).await?;
        let payload = checked.statement.payload().clone();
        let since = payload.since.ok_or_else(|| Error::malformed("since", "a re-review says since when the key is not trusted"))?;
        if since.instant() > self.clock.now() {
            return Err(Error::malformed("since", "lies in the future"));
        }
        let by = SignedSince { person: row.person.clone(), certificate: row.id.clone(), since: millis(since.instant()) };
        let earlier = self.open_re_reviews(&payload, &object).await?;
        counted_once(caller, &earlier)?;
        if self.is_stopped(&row)? && self.items(&row, &by).await?.items.is_empty() {
            return Err(Error::WrongState {
                what: "certificate",
                found: "revoked, and all that rests on it reviewed".to_owned(),
                expected: "one with something to review",
            });
        }
        let mut signers: Vec<Actor> = earlier.iter().map(|(signer, _)| signer.clone()).collect();
        signers.push(caller.actor.clone());
        if let Some(missing) = self.policy().quorum(Act::ReReview).missing(&signers, object.department()) {
            self.journal.commit(Commit { kind: Kind::Other, rows: checked.rows, entries: Vec::new() }).await?;
            return Ok(ReReview::Waiting(missing));
        }
        let statements: Vec<[u8; 32]> = earlier.into_iter().map(|(_, earlier)| earlier).chain([checked.statement.digest()]).collect();
        self.stop_all(&row, &by, &checked, &statements).await
    }

    async fn stop_all(
        &self,
        row: &CertificateRow,
        by: &SignedSince,
        checked: &Checked,
        statements: &[[u8; 32]],
    ) -> Result<ReReview, Error> {
        for attempt in 0..ATTEMPTS {
            let found = self.items(row, by).await?;
            self.check_somebody_remains(row, &found.items).await?;
            let commit = self.commit_of(row, by, &found, checked, statements)?;
            match self.journal.commit(commit).await {
                // Something has changed since it was read: a statement more, a claim, a promise that was just kept.
                Err(Error::Store(store::Error::Conflict) | Error::WrongState { .. }) => tokio::time::sleep(PAUSE * attempt).await,
                Err(error) => return Err(error),
                Ok(positions) => {
                    let held = found.items.iter().filter_map(|item| if let Item::Certificate(row, _) = item { Some(&**row) } else { None });
                    self.publish_after_changes(held.chain([row])).await;
                    let acknowledgement = self.acknowledge(Act::ReReview, &checked.statement, &positions).await;
                    return Ok(ReReview::Done(count(&found.items), acknowledgement));
                }
            }
        }
        Err(Error::Busy)
    }

    /// What rests on the certificate's statements and was not put to re-review because of it before.
    async fn items(&self, row: &CertificateRow, by: &SignedSince) -> Result<Found, Error> {
        let mut tx = self.db.begin_read().await?;
        let touched = store::re_reviews::touched(tx.connection(), by).await?;
        let reviewed: BTreeSet<String> =
            store::re_reviews::of_certificate(tx.connection(), &hex::encode(&row.id)).await?.into_iter().collect();
        let ids: BTreeSet<Vec<u8>> = (touched.certificates.iter().cloned())
            .chain(touched.resumed.iter().filter_map(|id| hex::decode(id).ok()))
            .chain(touched.resumed_by_proof.iter().cloned())
            .filter(|id| *id != row.id)
            .collect();
        let mut ids: Vec<Vec<u8>> = ids.into_iter().collect();
        let successors = self.with_successors(tx.connection(), &mut ids).await?;
        let certificates = store::certificates::find_many(tx.connection(), &ids).await?;
        let enrolments = store::enrolments::find_many(tx.connection(), &touched.enrolments).await?;
        drop(tx);

        let mut items = Vec::new();
        for certificate in certificates {
            // One that has ended is stopped for good.
            let state = self.state(&certificate)?;
            if matches!(state, State::Good | State::Hold) {
                items.push(Item::Certificate(Box::new(certificate), state));
            }
        }
        items.extend(enrolments.into_iter().map(|enrolment| Item::Enrolment(Box::new(enrolment))));
        for person in &touched.unclaimed {
            items.push(Item::Roles(person.parse().map_err(|_| Error::Corrupt("a person of a claim".to_owned()))?));
        }
        items.extend(touched.tokens.iter().cloned().map(Item::Token));
        items.extend(touched.identity_checks.iter().cloned().map(Item::IdentityCheck));
        items.extend(touched.policies.iter().cloned().map(Item::Policy));
        items.retain(|item| !reviewed.contains(&item.id()));
        Ok(Found { extent: touched.extent, certificates: ids, successors, items })
    }

    /// Adds the certificates that followed these, and those that followed them; answers how many there were.
    async fn with_successors(&self, connection: &mut store::Connection, ids: &mut Vec<Vec<u8>>) -> Result<usize, Error> {
        let mut newest = ids.clone();
        let mut followed = 0;
        while !newest.is_empty() {
            let found = store::re_reviews::successors(connection, &newest).await?;
            followed += found.len();
            newest = found.into_iter().filter(|id| !ids.contains(id)).collect();
            ids.extend(newest.iter().cloned());
        }
        Ok(followed)
    }

    fn commit_of(
        &self,
        row: &CertificateRow,
        by: &SignedSince,
        found: &Found,
        checked: &Checked,
        statements: &[[u8; 32]],
    ) -> Result<Commit, Error> {
        let now = self.clock.now();
        let (statement, payload) = (checked.statement.digest(), checked.statement.payload());
        let decision = allowed(payload.about, Act::ReReview, Timestamp::new(now), payload.policy, None);
        let Decided { hash, rows } = decided(&decision, statements, millis(now));
        let mut commit = Commit { kind: Kind::Revoke, rows: checked.rows.clone(), entries: Vec::new() };
        commit.rows.push(Row::StillRests {
            by: by.clone(),
            extent: found.extent,
            certificates: found.certificates.clone(),
            successors: found.successors,
        });
        commit.rows.extend(rows);
        if !self.is_stopped(row)? {
            let stolen = Payload { reason: "keyCompromise".parse().ok(), ..payload.clone() };
            let (entry, change) = self.change_entry(row, Act::Revoke, &stolen, hash)?;
            commit.rows.push(change);
            commit.entries.push((row.authority.clone(), entry));
        }
        let review = Review { payload, decision, statements, statement, hash };
        for item in &found.items {
            self.stop(item, &review, &mut commit)?;
        }
        let listed: Vec<ReReviewRow> = found.items.iter().map(|item| item.row(&statement)).collect();
        let commitment = re_review_commitment(&statement, &listed.iter().collect::<Vec<_>>());
        commit.entries.push(self.operation_entry(EventType::CA_EVENT, &commitment, hash)?);
        commit.rows.push(Row::ReReview(listed));
        Ok(commit)
    }

    /// Adds the rows and the leaf that stop one item.
    fn stop(&self, item: &Item, review: &Review<'_>, Commit { rows, entries, .. }: &mut Commit) -> Result<(), Error> {
        let at = millis(self.clock.now());
        let &Review { statement, hash, .. } = review;
        match item {
            Item::Certificate(row, State::Good) => {
                let (entry, change) = self.change_entry(row, Act::Suspend, review.payload, hash)?;
                rows.push(change);
                entries.push((row.authority.clone(), entry));
            }
            Item::Enrolment(row) => {
                let id: EnrolmentId = row.id.parse().map_err(|_| Error::Corrupt(format!("enrolment {}", row.id)))?;
                let own = Decision { about: About::from(id), profile: row.profile.parse().ok(), ..review.decision.clone() };
                let own = decided(&own, review.statements, at);
                rows.extend(own.rows);
                rows.push(Row::EnrolmentState { id, from: "approved", to: "submitted", decision: Some(own.hash), at });
            }
            Item::Roles(person) => {
                rows.push(Row::WithdrawGrants { person: *person, statement, at });
                entries.push(self.operation_entry(EventType::ROLE, &dismissal_commitment(&person.to_string(), at), hash)?);
            }
            Item::Token(id) => {
                rows.push(Row::RevokeToken { id: id.clone(), statement, at });
                entries.push(self.operation_entry(EventType::CA_EVENT, &revocation_commitment(id, at), hash)?);
            }
            Item::IdentityCheck(id) => {
                rows.push(Row::Citizen(Change::WithdrawCheck { id: id.clone(), statement }));
                entries.push(self.operation_entry(EventType::CA_EVENT, &withdrawal_commitment(id, &statement), hash)?);
            }
            // Suspended already, and looked at again all the same; or in force by the word of another as well.
            Item::Certificate(..) | Item::Policy(_) => {}
        }
        Ok(())
    }

    /// Somebody must remain who can decide on it all: an administrator of the installation whose certificate is not stopped by it.
    async fn check_somebody_remains(&self, stolen: &CertificateRow, items: &[Item]) -> Result<(), Error> {
        let administrators = {
            let mut connection = self.db.read().await?;
            store::certificates::of_administrators(&mut connection, millis(self.clock.now())).await?
        };
        for row in administrators {
            let held = row.id == stolen.id || items.iter().any(|item| matches!(item, Item::Certificate(held, _) if held.id == row.id));
            if !held && self.state(&row)? == State::Good {
                return Ok(());
            }
        }
        let person = stolen.person.parse().map_err(|_| Error::Corrupt("a certificate's person".to_owned()))?;
        Err(Refusal::LastAdministrator { person }.into())
    }

    /// A leaf of the operations log that is known by its body.
    fn operation_entry(&self, kind: EventType, body: &[u8; 32], decision: [u8; 32]) -> Result<(String, Entry), Error> {
        Ok((OPERATIONS.to_owned(), self.operation(kind, body, decision, body.to_vec())?))
    }

    /// Who signed the same for the same certificate before, and still may.
    async fn open_re_reviews(&self, payload: &Payload, object: &Object<'_>) -> Result<Vec<(Actor, [u8; 32])>, Error> {
        let mut rows = {
            let mut connection = self.db.read().await?;
            store::statements::open(&mut connection, Act::ReReview.as_str(), &payload.about.to_string()).await?
        };
        rows.retain(|row| Statement::parse(&row.jws).is_ok_and(|earlier| earlier.payload().since == payload.since));
        let mut signers = self.signers(&rows).await?;
        signers.retain(|(signer, _)| self.policy().decide(signer, Act::ReReview, object).is_ok());
        Ok(signers)
    }

    fn state(&self, row: &CertificateRow) -> Result<State, Error> {
        let key = StatusKey::from_tbs_digest(&digest(&row.id)?);
        let status = self.logs.status(&row.authority, &key);
        Ok(status.and_then(|status| status.changes.last().map(|change| change.state)).unwrap_or(State::Absent))
    }

    fn is_stopped(&self, row: &CertificateRow) -> Result<bool, Error> {
        Ok(!matches!(self.state(row)?, State::Good | State::Hold))
    }

    /// Whose key it was, for each re-review that something was put to: it is about them, too.
    pub(super) async fn questioned(&self, item: &str) -> Result<Vec<PersonId>, Error> {
        let mut connection = self.db.read().await?;
        let reviews = store::re_reviews::of_item(&mut connection, item).await?;
        let ids: Vec<Vec<u8>> = reviews.iter().filter_map(|(certificate, _)| hex::decode(certificate).ok()).collect();
        let rows = store::certificates::find_many(&mut connection, &ids).await?;
        rows.iter().map(|row| row.person.parse().map_err(|_| Error::Corrupt("a certificate's person".to_owned()))).collect()
    }

    /// Whether this person may do this to a certificate. Where it was put to re-review, whose key it was that something rests on
    /// is asked about as its holder, and so is who asked for the certificate: nobody is left then who approved that.
    pub async fn may_change(&self, actor: &Actor, act: Act, row: &CertificateRow) -> Result<(), Error> {
        let object = self.certificate_object(row).await?;
        self.policy().decide(actor, act, &object)?;
        if let (Act::Resume, Object::Certificate(certificate)) = (act, object) {
            for holder in self.concerned_by_review(row).await? {
                let own = Object::Certificate(rules::Certificate { holder, department: certificate.department.clone() });
                self.policy().decide(actor, act, &own)?;
            }
        }
        Ok(())
    }

    async fn concerned_by_review(&self, row: &CertificateRow) -> Result<Vec<PersonId>, Error> {
        let mut people = self.questioned(&hex::encode(&row.id)).await?;
        let (false, Some(enrolment)) = (people.is_empty(), &row.enrolment) else { return Ok(people) };
        let mut connection = self.db.read().await?;
        if let Some(asked) = store::enrolments::find(&mut connection, enrolment).await? {
            people.push(asked.submitted_by.parse().map_err(|_| Error::Corrupt(format!("enrolment {enrolment}: who submitted it")))?);
        }
        Ok(people)
    }

    /// A page of what was put to re-review, because of one certificate or of any.
    pub async fn re_reviews(
        &self,
        caller: &Caller,
        certificate: Option<&str>,
        after: Option<&(i64, String)>,
        limit: i64,
    ) -> Result<Vec<Listed>, Error> {
        let certificate = match certificate {
            Some(id) => {
                let row = self.find_certificate(id).await?;
                self.check_read(caller, row.department.as_deref(), Some(&row.person)).await?;
                Some(hex::encode(&row.id))
            }
            None => {
                self.check_read(caller, None, None).await?;
                None
            }
        };
        let rows = {
            let mut connection = self.db.read().await?;
            store::re_reviews::page(&mut connection, certificate.as_deref(), after, limit).await?
        };
        let mut listed = Vec::with_capacity(rows.len());
        for row in rows {
            let statement = Statement::parse(&row.jws)?;
            let since = statement.payload().since;
            let (state, waits) = match row.row.kind.as_str() {
                OPEN => match self.waits(&row.certificate, &statement).await? {
                    Some(waits) => ("waiting".to_owned(), Some(waits)),
                    None => ("ended".to_owned(), None),
                },
                _ => (self.state_of_item(&row.row).await?, None),
            };
            listed.push(Listed { row, since, state, waits });
        }
        Ok(listed)
    }

    /// Who has signed a re-review with the same `since` as this statement, while that counts and there is something that it would stop.
    async fn waits(&self, certificate: &str, statement: &Statement) -> Result<Option<Waits>, Error> {
        let payload = statement.payload();
        let row = self.find_certificate(certificate).await?;
        let object = self.certificate_object(&row).await?;
        let open = self.open_re_reviews(payload, &object).await?;
        if open.iter().all(|(_, digest)| *digest != statement.digest()) {
            return Ok(None);
        }
        let signers: Vec<Actor> = open.into_iter().map(|(signer, _)| signer).collect();
        let waits = Waits::of(&signers, self.policy().quorum(Act::ReReview), object.department());
        if waits.missing.is_none() {
            return Ok(None);
        }
        let since = payload.since.ok_or_else(|| Error::Corrupt("a re-review without its time".to_owned()))?;
        let by = SignedSince { person: row.person.clone(), certificate: row.id.clone(), since: millis(since.instant()) };
        if self.is_stopped(&row)? && self.items(&row, &by).await?.items.is_empty() {
            return Ok(None);
        }
        Ok(Some(waits))
    }

    /// `open` while nobody has decided on it.
    async fn state_of_item(&self, row: &ReReviewRow) -> Result<String, Error> {
        Ok(match row.kind.as_str() {
            "certificate" => match self.status_name(&self.find_certificate(&row.item).await?)? {
                "suspended" => "open".to_owned(),
                "valid" => "kept".to_owned(),
                other => other.to_owned(),
            },
            "enrolment" => {
                let mut connection = self.db.read().await?;
                match store::enrolments::find(&mut connection, &row.item).await?.map(|row| row.state) {
                    Some(state) if state != "submitted" => state,
                    _ => "open".to_owned(),
                }
            }
            "policy" if self.policy().digest().to_string() == row.item => "open".to_owned(),
            _ => "ended".to_owned(),
        })
    }
}

impl Item {
    fn kind(&self) -> &'static str {
        match self {
            Self::Certificate(..) => "certificate",
            Self::Enrolment(_) => "enrolment",
            Self::Roles(_) => "roles",
            Self::Token(_) => "token",
            Self::IdentityCheck(_) => "identity-check",
            Self::Policy(_) => "policy",
        }
    }

    fn id(&self) -> String {
        match self {
            Self::Certificate(row, _) => hex::encode(&row.id),
            Self::Enrolment(row) => row.id.clone(),
            Self::Roles(person) => person.to_string(),
            Self::Token(id) | Self::IdentityCheck(id) | Self::Policy(id) => id.clone(),
        }
    }

    fn row(&self, statement: &[u8; 32]) -> ReReviewRow {
        ReReviewRow { statement: statement.to_vec(), kind: self.kind().to_owned(), item: self.id() }
    }
}

fn count(items: &[Item]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for item in items {
        *kinds.entry(item.kind()).or_default() += 1;
    }
    kinds
}

/// The body of a re-review's leaf: binds all that was put to it.
pub(super) fn re_review_commitment(statement: &[u8], rows: &[&ReReviewRow]) -> [u8; 32] {
    let mut items: Vec<(&str, &str)> = rows.iter().map(|row| (row.item.as_str(), row.kind.as_str())).collect();
    items.sort_unstable();
    sha256(&canonical(&json!({"items": items, "re_review": hex::encode(statement)})))
}
