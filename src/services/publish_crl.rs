//! CRLs: made from committed leaves, numbered without gaps backwards, published at every revocation and on schedule.

use std::{collections::BTreeMap, sync::Arc};

use time::{Duration, OffsetDateTime};

use super::{
    Services,
    authorities::Authority,
    crash,
    error::Error,
    journal::{Commit, Kind},
    rows::Row,
};
use crate::{
    crypto::digest::sha256,
    ledger::{Change, Digests, Entry, Event, EventType, State, StatusKey},
    store,
    world::{from_millis, millis, seconds},
    x509::{
        SerialNumber,
        crl::{CertificateList, CrlDraft, CrlReason, RevokedEntry},
        extensions::key_identifier,
        linted::lint_crl,
        lints::Role,
        signed::assemble,
    },
};

/// The shard number under which the list of all certificates is stored.
pub const WHOLE: i64 = -1;

impl Services {
    /// After a revocation: the whole list and the shard that the certificate names. The revocation is durable already, so
    /// a failure here is logged and made good by the next round, within the minute.
    pub(super) async fn publish_after_change(&self, row: &store::CertificateRow) {
        let publish = async {
            let authority = self.authorities.load(&row.authority)?;
            let serial = SerialNumber::from_slice(&row.serial).ok_or_else(|| Error::Corrupt("a serial that is not ours".to_owned()))?;
            let shard = i64::from(serial.shard(authority.crl_shards));
            self.publish_crls(&authority, &[WHOLE, shard]).await
        };
        if let Err(error) = publish.await {
            tracing::error!(%error, authority = row.authority, "the CRL was not published after a revocation; the next round will");
        }
    }

    /// Publishes every list that is missing, half way through its life, or not what the ledger says now.
    pub async fn publish_due_crls(&self) -> Result<usize, Error> {
        let mut published = 0;
        for authority in self.authorities.all() {
            let mut due = Vec::new();
            let revoked = self.revoked_entries(&authority).await?;
            for shard in WHOLE..i64::from(authority.crl_shards) {
                if self.is_due(&authority, shard, &revoked).await? {
                    due.push(shard);
                }
            }
            published += due.len();
            self.publish_crls(&authority, &due).await?;
        }
        Ok(published)
    }

    /// Missing, past half of its life, or not what the ledger says now.
    async fn is_due(&self, authority: &Authority, shard: i64, revoked: &BTreeMap<SerialNumber, Change>) -> Result<bool, Error> {
        let latest = {
            let mut connection = self.db.read().await?;
            store::crls::latest(&mut connection, &authority.log(), shard).await?
        };
        let Some(latest) = latest else { return Ok(true) };
        let (from, until) = (from_millis(latest.this_update), from_millis(latest.next_update));
        if self.clock.now() >= from + (until - from) / 2 {
            return Ok(true);
        }
        let published = CertificateList::parse(&latest.der)?.entries;
        Ok(published != entries_of(authority, shard, revoked))
    }

    /// Makes, signs and records the lists of some shards of one authority, one round at a time.
    pub async fn publish_crls(&self, authority: &Arc<Authority>, shards: &[i64]) -> Result<(), Error> {
        if shards.is_empty() {
            return Ok(());
        }
        // Two rounds of one authority beside each other could give one number to two lists.
        let _round = self.crl_rounds.lock().await;
        let revoked = self.revoked_entries(authority).await?;
        // Read first, then dated: a list is never older than what it lists, even when the clock was set back.
        let newest = revoked.values().map(|change| change.time).max().unwrap_or(0);
        let now = from_millis(seconds(self.clock.now()).max(newest) as i64 * 1000);
        let mut number = {
            let mut connection = self.db.read().await?;
            store::crls::next_number(&mut connection, &authority.log()).await?
        };
        let mut drafts = Vec::new();
        for &shard in shards {
            drafts.push((shard, number, self.crl_draft(authority, shard, number, now, &revoked)));
            number += 1;
        }
        let role = if authority.is_root() { Role::Root } else { Role::Authority };
        let mut linted = Vec::new();
        for (_, number, draft) in &drafts {
            linted.push(lint_crl(draft, role, (*number as u64).checked_sub(1).filter(|previous| *previous > 0), now)?);
        }
        let signatures = authority.key.sign_batch(linted.iter().map(|list| list.tbs().to_vec()).collect()).await.map_err(Error::Key)?;
        crash::point("crl-signed");
        let (mut rows, mut entries) = (Vec::new(), Vec::new());
        for (((shard, number, draft), list), signature) in drafts.into_iter().zip(linted).zip(signatures) {
            let der = assemble(list.tbs(), &authority.signature_algorithm(), &signature, &[])?;
            entries.push((authority.log(), self.crl_entry(authority, number, now, &der)?));
            rows.push(Row::Crl(store::CrlRow {
                authority: authority.log(),
                shard,
                number,
                this_update: millis(draft.this_update),
                next_update: millis(draft.next_update),
                der,
            }));
        }
        self.journal.commit(Commit { kind: Kind::Crl, rows, entries }).await?;
        Ok(())
    }

    fn crl_draft(
        &self,
        authority: &Authority,
        shard: i64,
        number: i64,
        now: OffsetDateTime,
        revoked: &BTreeMap<SerialNumber, Change>,
    ) -> CrlDraft {
        CrlDraft {
            issuer: authority.subject.clone(),
            this_update: now,
            next_update: now + self.crl_life,
            number: number as u64,
            authority_key_identifier: key_identifier(authority.key.public_key()),
            distribution_point: u16::try_from(shard).ok().map(|shard| authority.shard_url(&self.base_url, shard)),
            entries: entries_of(authority, shard, revoked),
            signature_algorithm: authority.signature_algorithm(),
        }
    }

    /// The certificates that the map says are suspended or revoked, by serial number. The number is read from the very
    /// TBSCertificate that the map's key was made from, never from a column beside it.
    ///
    /// The status column only says where to look first. Where it does not lead to all of them, every certificate is looked
    /// at; one that no row has is reported, and the list of the others goes out without it.
    async fn revoked_entries(&self, authority: &Authority) -> Result<BTreeMap<SerialNumber, Change>, Error> {
        let by_key: BTreeMap<StatusKey, Change> = self.logs.held_or_revoked(&authority.log()).into_iter().collect();
        let likely = {
            let mut connection = self.db.read().await?;
            store::certificates::not_good(&mut connection, &authority.log()).await?
        };
        let mut entries = listed(&likely, &by_key);
        if entries.len() == by_key.len() {
            return Ok(entries);
        }
        let mut filter = store::CertificateFilter { authority: Some(authority.log()), ..Default::default() };
        loop {
            let page = self.certificates(&filter, 1000).await?;
            entries.extend(listed(&page, &by_key));
            match page.last() {
                Some(last) => filter.after = Some(last.seq),
                None => break,
            }
        }
        let unlisted = by_key.len().saturating_sub(entries.len());
        if unlisted > 0 {
            tracing::error!(authority = %authority.name, unlisted, "the ledger has revoked certificates that no row has");
        }
        Ok(entries)
    }

    fn crl_entry(&self, authority: &Authority, number: i64, now: OffsetDateTime, der: &[u8]) -> Result<Entry, Error> {
        let origin = self.origin(&authority.log())?;
        let event = Event { origin: &origin, status_key: StatusKey::NONE, version: number as u64, time: seconds(now) };
        let digests = Digests { policy: self.policy().digest().0, ..Digests::default() };
        Entry::notice(&event, EventType::CRL_PUBLISHED, digests, sha256(der).to_vec()).map_err(|error| Error::Ledger(error.to_string()))
    }

    /// The newest list of a shard, or of all certificates.
    pub async fn latest_crl(&self, authority: &str, shard: Option<u16>) -> Result<store::CrlRow, Error> {
        let authority = self.authorities.load(authority)?;
        let number = shard.map_or(WHOLE, i64::from);
        let mut connection = self.db.read().await?;
        let found = store::crls::latest(&mut connection, &authority.log(), number).await?;
        found.ok_or_else(|| Error::unknown("CRL", format!("{}/{number}", authority.name)))
    }
}

/// What the list of a shard says, by serial number.
fn entries_of(authority: &Authority, shard: i64, revoked: &BTreeMap<SerialNumber, Change>) -> Vec<RevokedEntry> {
    let listed = |serial: &SerialNumber| shard == WHOLE || i64::from(serial.shard(authority.crl_shards)) == shard;
    revoked.iter().filter(|(serial, _)| listed(serial)).map(|(serial, change)| revoked_entry(serial, change)).collect()
}

/// The rows that the map lists. A promise that could not be kept has no signature, so nobody can hold what it is about.
fn listed(rows: &[store::CertificateRow], by_key: &BTreeMap<StatusKey, Change>) -> BTreeMap<SerialNumber, Change> {
    let entry = |row: &store::CertificateRow| {
        let change = by_key.get(&StatusKey::of_tbs(&row.tbs)).or_else(|| {
            let id = row.id.as_slice().try_into().ok().filter(|_| row.signature.is_none())?;
            by_key.get(&StatusKey::from_tbs_digest(id))
        })?;
        Some((SerialNumber::from_slice(&row.serial)?, *change))
    };
    rows.iter().filter_map(entry).collect()
}

/// How a list says that a certificate is not to be relied upon.
pub(super) fn revoked_entry(serial: &SerialNumber, change: &Change) -> RevokedEntry {
    let instant = |seconds: u64| from_millis(seconds as i64 * 1000);
    RevokedEntry {
        serial: serial.as_bytes().to_vec(),
        revoked_at: instant(change.time),
        reason: crl_reason(change),
        invalidity_date: change.invalid_since.map(instant),
    }
}

/// RFC 5280 §5.3.1: an unspecified reason is left out.
pub fn crl_reason(change: &Change) -> Option<CrlReason> {
    match (change.state, change.reason) {
        (State::Hold, _) => Some(CrlReason::CertificateHold),
        (_, 1) => Some(CrlReason::KeyCompromise),
        (_, 2) => Some(CrlReason::CaCompromise),
        (_, 3) => Some(CrlReason::AffiliationChanged),
        (_, 4) => Some(CrlReason::Superseded),
        (_, 5) => Some(CrlReason::CessationOfOperation),
        (_, 9) => Some(CrlReason::PrivilegeWithdrawn),
        (_, 10) => Some(CrlReason::AaCompromise),
        _ => None,
    }
}

/// How long a CRL is valid, from its configuration in hours.
pub fn life(hours: u32) -> Duration {
    Duration::hours(i64::from(hours.max(1)))
}
