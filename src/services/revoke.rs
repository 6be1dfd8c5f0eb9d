//! Revocation, suspension and its end: a signed statement becomes a leaf, and the lists that say so are published before
//! the caller is answered.

use serde_json::json;

use super::{
    Services,
    enrol::OFFICER,
    error::Error,
    journal::{Commit, Kind, Position},
    rows::Row,
    statements::{Caller, Subject, allowed, decided},
};
use crate::{
    ledger::{Digests, Entry, Event, State, StatusKey},
    policy::{About, Act, DepartmentId, Object, Payload, ReasonCode, Timestamp, rules},
    store,
    world::{millis, seconds},
    x509::{CertificateId, SerialNumber},
};

/// The reasons of RFC 5280 §5.3.1 that a revocation may have, by the names of the standard.
pub static REASONS: &[(&str, u8)] = &[
    ("unspecified", 0),
    ("keyCompromise", 1),
    ("cACompromise", 2),
    ("affiliationChanged", 3),
    ("superseded", 4),
    ("cessationOfOperation", 5),
    ("privilegeWithdrawn", 9),
    ("aACompromise", 10),
];

/// Those with which a revocation may say since when the key is not trusted: that somebody else has it, or that whoever had it is
/// there no more.
static WITH_SINCE: &[&str] = &["keyCompromise", "cACompromise", "cessationOfOperation", "aACompromise"];

/// The name of a reason in a leaf; certificateHold is a suspension's.
pub fn reason_name(reason: u8) -> &'static str {
    match REASONS.iter().find(|(_, number)| *number == reason) {
        Some((name, _)) => name,
        None if reason == 6 => "certificateHold",
        None => "unspecified",
    }
}

/// What became of a certificate, and where the ledger says so.
#[derive(Debug, Clone)]
pub struct Changed {
    pub id: CertificateId,
    pub status: &'static str,
    pub position: Position,
    /// Signed by the system key; absent when that did not answer.
    pub acknowledgement: Option<String>,
}

impl Services {
    /// Finds a certificate by TBS digest, by fingerprint or by serial number, each in hexadecimal.
    pub async fn find_certificate(&self, text: &str) -> Result<store::CertificateRow, Error> {
        let unknown = || Error::unknown("certificate", text);
        let mut connection = self.db.read().await?;
        if let Some(id) = CertificateId::from_hex(text) {
            if let Some(row) = store::certificates::find(&mut connection, &id.0).await? {
                return Ok(row);
            }
            return store::certificates::find_by_fingerprint(&mut connection, &id.0).await?.ok_or_else(unknown);
        }
        let serial = SerialNumber::from_hex(text).ok_or_else(unknown)?;
        store::certificates::find_by_serial(&mut connection, serial.as_bytes()).await?.ok_or_else(unknown)
    }

    /// Revokes, suspends or resumes on a signed statement.
    pub async fn change_certificate(&self, caller: &Caller, act: Act, id: &str, statement: &str) -> Result<Changed, Error> {
        let row = self.find_certificate(id).await?;
        self.may_change(&caller.actor, act, &row).await?;
        let subject = self.certificate_subject(&row).await?;
        let checked = self.check_statement(caller, statement, act, &subject).await?;

        let payload = checked.statement.payload().clone();
        self.check_change(&row, act, payload.reason.as_ref(), payload.since)?;
        let now = millis(self.clock.now());
        let decision = allowed(subject.about, act, Timestamp::new(self.clock.now()), payload.policy, None);
        let decided = decided(&decision, &[checked.statement.digest()], now);
        let (entry, change) = self.change_entry(&row, act, &payload, decided.hash)?;
        let mut rows = checked.rows;
        rows.extend(decided.rows);
        rows.push(change);
        let status = status_after(act);
        let positions = self.journal.commit(Commit { kind: Kind::Revoke, rows, entries: vec![(row.authority.clone(), entry)] }).await?;
        self.publish_after_change(&row).await;
        let acknowledgement = self.acknowledge(act, &checked.statement, &positions).await;
        let position = positions.into_iter().next().ok_or_else(|| Error::Corrupt("a change without its leaf".to_owned()))?;
        Ok(Changed { id: CertificateId(digest(&row.id)?), status, position, acknowledgement })
    }

    /// What somebody would sign to revoke, suspend or resume, if that can be done in these words.
    pub async fn change_subject(
        &self,
        caller: &Caller,
        act: Act,
        id: &str,
        reason: Option<&ReasonCode>,
        since: Option<Timestamp>,
    ) -> Result<Subject, Error> {
        let row = self.find_certificate(id).await?;
        self.may_change(&caller.actor, act, &row).await?;
        self.check_change(&row, act, reason, since)?;
        self.certificate_subject(&row).await
    }

    fn check_change(
        &self,
        row: &store::CertificateRow,
        act: Act,
        reason: Option<&ReasonCode>,
        since: Option<Timestamp>,
    ) -> Result<(), Error> {
        match act {
            Act::Revoke if is_authority(row) => Err(Error::AuthorityTakesTwo),
            Act::Suspend if is_authority(row) => Err(Error::AuthorityNotSuspended),
            Act::Revoke => self.check_revocation(row, reason, since),
            _ => Ok(()),
        }
    }

    /// What can be said of a certificate that is revoked. Nobody makes doubtful by a revocation what an officer decided before it.
    pub(super) fn check_revocation(
        &self,
        row: &store::CertificateRow,
        reason: Option<&ReasonCode>,
        since: Option<Timestamp>,
    ) -> Result<(), Error> {
        revocation_words(reason, since, seconds(self.clock.now()))?;
        let Some(since) = since else { return Ok(()) };
        if row.profile == OFFICER {
            return Err(Error::ReReviewNeeded);
        }
        match millis(since.instant()) < row.not_before {
            true => Err(Error::malformed("since", "lies before the certificate's beginning")),
            false => Ok(()),
        }
    }

    /// What the rules decide about.
    pub async fn certificate_object(&self, row: &store::CertificateRow) -> Result<Object<'static>, Error> {
        let corrupt = |what: &str| Error::Corrupt(format!("certificate {}: {what}", hex::encode(&row.id)));
        let department = row.department.as_deref().map(str::parse::<DepartmentId>).transpose().map_err(|_| corrupt("its department"))?;
        Ok(Object::Certificate(rules::Certificate {
            department: self.path(department).await?,
            holder: row.person.parse().map_err(|_| corrupt("its person"))?,
        }))
    }

    pub(super) fn change_entry(
        &self,
        row: &store::CertificateRow,
        act: Act,
        payload: &Payload,
        decision: [u8; 32],
    ) -> Result<(Entry, Row), Error> {
        let key = StatusKey::from_tbs_digest(&digest(&row.id)?);
        let state = self.logs.status(&row.authority, &key).and_then(|status| status.changes.last().map(|change| change.state));
        let state = state.unwrap_or(State::Absent);
        let version = row.version as u64 + 1;
        let origin = self.origin(&row.authority)?;
        let event = Event { origin: &origin, status_key: key, version, time: seconds(self.clock.now()) };
        let digests = Digests { decision, policy: self.policy().digest().0, ..Digests::default() };
        let wrong = |expected| Error::WrongState { what: "certificate", found: state_name(state).to_owned(), expected };
        let entry = match (act, state) {
            (Act::Revoke, State::Good | State::Hold) => {
                let (reason, since) = revocation_words(payload.reason.as_ref(), payload.since, event.time)?;
                Entry::revoke(&event, digests, state, reason, since)
            }
            (Act::Revoke, _) => return Err(wrong("good or suspended")),
            (Act::Suspend, State::Good) => Entry::hold(&event, digests),
            (Act::Suspend, _) => return Err(wrong("good")),
            (Act::Resume, State::Hold) => Entry::resume(&event, digests),
            (Act::Resume, _) => return Err(wrong("suspended")),
            (other, _) => return Err(Error::malformed("act", format!("{other} is not done to a certificate"))),
        };
        let from = match state {
            State::Hold => "suspended",
            _ => "valid",
        };
        let change = Row::Status { id: digest(&row.id)?, version: row.version, from, to: status_after(act) };
        Ok((entry, change))
    }

    /// A promise whose bytes are not those of its leaf: it is never signed, and the ledger says revoked.
    pub(super) async fn revoke_broken_promise(
        &self,
        authority: &super::authorities::Authority,
        row: &store::CertificateRow,
    ) -> Result<(), Error> {
        let key = StatusKey::from_tbs_digest(&digest(&row.id)?);
        let log = authority.log();
        tracing::error!(id = hex::encode(&row.id), %log, "a promised certificate is not the one its leaf names; it is revoked unsigned");
        if self.logs.status(&log, &key).is_none() {
            return Err(Error::Corrupt(format!("certificate {} was promised in a row but in no leaf", hex::encode(&row.id))));
        }
        let about = About::Digest(digest(&row.id)?);
        let shown = json!({"certificate": hex::encode(&row.id)});
        let checked = self.system_statement(Act::Complete, about, &shown, &[0; 32], &log).await?;
        let now = self.clock.now();
        let decision = allowed(about, Act::Complete, Timestamp::new(now), self.policy().digest(), None);
        let decided = decided(&decision, &[checked.statement.digest()], millis(now));
        let origin = self.origin(&log)?;
        let event = Event { origin: &origin, status_key: key, version: row.version as u64 + 1, time: seconds(now) };
        let digests = Digests { decision: decided.hash, policy: self.policy().digest().0, ..Digests::default() };
        let entry = Entry::revoke(&event, digests, State::Good, 5, None);
        let mut rows = checked.rows;
        rows.extend(decided.rows);
        rows.push(Row::Status { id: digest(&row.id)?, version: row.version, from: "promised", to: "revoked" });
        self.journal.commit(Commit { kind: Kind::Revoke, rows, entries: vec![(log, entry)] }).await?;
        Ok(())
    }

    /// What whoever revokes, suspends or resumes is shown: what the certificate itself says.
    pub async fn certificate_subject(&self, row: &store::CertificateRow) -> Result<Subject, Error> {
        let salt: Option<Vec<u8>> = match &row.enrolment {
            Some(enrolment) => {
                let mut connection = self.db.read().await?;
                store::enrolments::find(&mut connection, enrolment).await?.and_then(|enrolment| enrolment.salt)
            }
            None => None,
        };
        self.certificate_subject_with(row, salt.and_then(|salt| salt.try_into().ok()).unwrap_or([0; 32]))
    }

    /// The same with the salt of its enrolment in hand.
    pub(super) fn certificate_subject_with(&self, row: &store::CertificateRow, salt: [u8; 32]) -> Result<Subject, Error> {
        Ok(Subject {
            about: About::Digest(digest(&row.id)?),
            shown: json!({
                "certificate": hex::encode(&row.id),
                "authority": row.authority,
                "serial": hex::encode(&row.serial),
                "subject": row.subject,
                "profile": row.profile,
                "person": row.person,
                "status": self.status_name(row)?,
            }),
            salt,
            log: row.authority.clone(),
        })
    }

    /// The status of a certificate as the ledger has it: `promised`, `valid`, `suspended`, `revoked`, or `unknown` when no
    /// leaf speaks of it.
    pub fn status_name(&self, row: &store::CertificateRow) -> Result<&'static str, Error> {
        let key = StatusKey::from_tbs_digest(&digest(&row.id)?);
        let state = self.logs.status(&row.authority, &key).and_then(|status| status.changes.last().map(|change| change.state));
        Ok(match state {
            Some(State::Good) if row.signature.is_none() => "promised",
            Some(state) => state_name(state),
            None => "unknown",
        })
    }
}

/// Whether this is the certificate of an authority: all others come of an enrolment.
pub(super) fn is_authority(row: &store::CertificateRow) -> bool {
    row.enrolment.is_none()
}

/// The reason of a revocation, and since when the key is not trusted: what can be said of one at that time.
pub(super) fn revocation_words(reason: Option<&ReasonCode>, since: Option<Timestamp>, now: u64) -> Result<(u8, Option<u64>), Error> {
    let names = || REASONS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let reason = match reason {
        Some(code) => REASONS.iter().find(|(name, _)| *name == code.as_str()).map(|(_, number)| *number),
        None => Some(0),
    };
    let reason = reason.ok_or_else(|| Error::malformed("reason", format!("one of {}", names())))?;
    let since = since.map(|since| seconds(since.instant()));
    if since.is_some_and(|since| since > now) {
        return Err(Error::malformed("since", "lies in the future"));
    }
    let with_since = |(name, number): &(&str, u8)| *number == reason && WITH_SINCE.contains(name);
    if since.is_some() && !REASONS.iter().any(with_since) {
        return Err(Error::malformed("since", format!("goes with {}", WITH_SINCE.join(", "))));
    }
    Ok((reason, since))
}

pub fn state_name(state: State) -> &'static str {
    match state {
        State::Absent => "expired",
        State::Good => "valid",
        State::Hold => "suspended",
        State::Revoked => "revoked",
    }
}

fn status_after(act: Act) -> &'static str {
    match act {
        Act::Revoke => "revoked",
        Act::Suspend => "suspended",
        _ => "valid",
    }
}

/// A column that holds a SHA-256 digest.
pub fn digest(column: &[u8]) -> Result<[u8; 32], Error> {
    column.try_into().map_err(|_| Error::Corrupt("a digest that has not 32 octets".to_owned()))
}

impl Services {
    /// How many certificates that have not ended hang on this one; `None` when it is no authority's.
    pub async fn depending(&self, row: &store::CertificateRow) -> Result<Option<i64>, Error> {
        if !is_authority(row) {
            return Ok(None);
        }
        let all = self.authorities.all();
        let own = all.iter().find(|authority| authority.key.public_key().fingerprint()[..] == row.key_fingerprint[..]);
        let own = own.ok_or_else(|| Error::unknown("authority", hex::encode(&row.id)))?;
        let below = all.iter().filter(|authority| authority.name == own.name || authority.issuer == Some(own.name));
        let mut connection = self.db.read().await?;
        let mut depending = 0;
        for authority in below {
            depending += store::certificates::running(&mut connection, &authority.log(), &row.id, millis(self.clock.now())).await?;
        }
        Ok(Some(depending))
    }

    /// A page of certificates.
    pub async fn certificates(&self, filter: &store::CertificateFilter, limit: i64) -> Result<Vec<store::CertificateRow>, Error> {
        let mut connection = self.db.read().await?;
        Ok(store::certificates::page(&mut connection, filter, limit).await?)
    }
}
