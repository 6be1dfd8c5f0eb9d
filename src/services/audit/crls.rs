//! Published lists against their DER, their signature, their leaves and what the map said when they were made.

use std::collections::{BTreeSet, HashMap};

use super::{AuthorityRecord, Error, Facts, Findings, IN_FLIGHT, Records, Stopped, books::Book};
use crate::{
    crypto::digest::sha256,
    ledger::{Change, EventType, State, StatusKey, entry::event_id},
    services::publish_crl::{WHOLE, revoked_entry},
    store::{self, Connection},
    world::{millis, seconds},
    x509::crl::{CertificateList, RevokedEntry},
};

pub(super) async fn check(connection: &mut Connection, records: &Records, facts: &Facts, findings: &mut Findings) -> Result<(), Error> {
    for (name, authority) in &records.authorities {
        let rows = store::crls::of_authority(connection, name).await?;
        let Some(book) = records.books.get(name) else { continue };
        let stopped: Vec<&Stopped> = facts.stopped.iter().filter(|stopped| stopped.authority == *name).collect();
        let mut leaves: HashMap<&[u8], (u64, [u8; 32])> =
            book.notices(EventType::CRL_PUBLISHED).map(|notice| (notice.body.as_slice(), (notice.index, notice.event_id))).collect();
        for row in &rows {
            let leaf = leaves.remove(&sha256(&row.der)[..]);
            check_list(row, authority, book, leaf, &stopped, findings);
        }
        for (digest, (index, _)) in leaves {
            let what = format!("missing: leaf {index} of {name} published a list that no row has");
            findings.row("crl", hex::encode(digest)).add("der", what);
        }
        let shards: BTreeSet<i64> = rows.iter().map(|row| row.shard).collect();
        let complete = shards.is_empty() || shards.iter().copied().eq(WHOLE..authority.row.crl_shards);
        findings.row("authority", name).check("crl_shards", complete, || "there are lists of other shards than these".to_owned());
    }
    for name in store::crls::strays(connection).await? {
        findings.row("crl", &name).add("authority", "there is no such authority");
    }
    Ok(())
}

fn check_list(
    row: &store::CrlRow,
    authority: &AuthorityRecord,
    book: &Book,
    leaf: Option<(u64, [u8; 32])>,
    stopped: &[&Stopped],
    findings: &mut Findings,
) {
    let mut finding = findings.row("crl", format!("{}/{}/{}", row.authority, row.shard, row.number));
    let list = match CertificateList::parse(&row.der) {
        Ok(list) => list,
        Err(error) => return finding.add("der", error.to_string()),
    };
    let verified = authority.certificate.as_ref().is_some_and(|issuer| {
        list.signed.verify(issuer.public_key()).is_ok() && list.issuer == issuer.subject_der() && list.obstacles.is_empty()
    });
    finding.check("der", verified, || format!("not a list that {} signed", row.authority));
    finding.check("number", list.number() == u64::try_from(row.number).ok(), || "the list has another".to_owned());
    finding.check("this_update", row.this_update == millis(list.this_update), || "the list has another".to_owned());
    finding.check("next_update", Some(row.next_update) == list.next_update.map(millis), || "the list has another".to_owned());
    let shard = match list.distribution_point() {
        None => row.shard == WHOLE,
        Some(url) => url.ends_with(&format!("/crl/{}/{}.crl", row.authority, row.shard)),
    };
    finding.check("shard", shard, || "the list is of another".to_owned());
    let Some((index, id)) = leaf else { return finding.add("der", "the ledger has no publication of this list") };
    let number = list.number().unwrap_or_default();
    let expected = event_id(&book.origin, EventType::CRL_PUBLISHED, &StatusKey::NONE, number);
    finding.check("number", id == expected, || "the ledger published it under another".to_owned());

    let shards = u16::try_from(authority.row.crl_shards).unwrap_or_default();
    let mut listed: HashMap<&[u8], &RevokedEntry> = list.entries.iter().map(|entry| (entry.serial.as_slice(), entry)).collect();
    for certificate in stopped.iter().filter(|stopped| row.shard == WHOLE || i64::from(stopped.serial.shard(shards)) == row.shard) {
        let entry = listed.remove(certificate.serial.as_bytes());
        let history = book.map.history(&certificate.key);
        if !was_so(entry, certificate, history, index, seconds(list.this_update)) {
            finding.add("der", format!("what it says of {} is not what the ledger said", certificate.serial));
        }
    }
    for serial in listed.keys() {
        finding.add("der", format!("it lists {}, which the ledger never stopped", hex::encode(serial)));
    }
}

/// Whether a list made at a time, and published by that leaf, may say this of a certificate: what the last change before it
/// made so, or one of those that were being made at the time.
fn was_so(entry: Option<&RevokedEntry>, certificate: &Stopped, history: &[Change], leaf: u64, at: u64) -> bool {
    let before: Vec<&Change> = history.iter().filter(|change| change.index < leaf).collect();
    let settled = before.iter().rposition(|change| change.time + IN_FLIGHT < at);
    let possible = &before[settled.unwrap_or(0)..];
    let says = |change: &&Change| match change.state {
        State::Hold | State::Revoked => entry == Some(&revoked_entry(&certificate.serial, change)),
        State::Good | State::Absent => entry.is_none(),
    };
    possible.iter().any(says) || (settled.is_none() && entry.is_none())
}
