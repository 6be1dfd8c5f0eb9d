//! The logs, and what held when.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow};
use base64::prelude::*;
use hufu::{
    ledger::{Entry, Note, NoteKey, Tree, TrustedLog, merkle::leaf_hash},
    x509::Certificate,
};
use serde_json::Value;

/// Whoever was let in may have been on the way for so long (seconds).
pub const MINUTE: u64 = 60;

/// Where something happened: events of one log are ordered by it, all others by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    pub time: u64,
    /// Log and index.
    pub leaf: Option<(String, u64)>,
}

/// What changed, one after the other in one log.
pub struct History<T>(Vec<(Moment, T)>);

impl<T> Default for History<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> History<T> {
    pub fn add(&mut self, at: &Moment, value: T) {
        self.0.push((at.clone(), value));
    }

    pub fn last(&self) -> Option<&T> {
        self.0.last().map(|(_, value)| value)
    }

    /// What came before this, last.
    pub fn before(&self, at: &Moment) -> Option<&T> {
        self.0.iter().filter(|(moment, _)| moment < at).map(|(_, value)| value).next_back()
    }

    /// The same, and when it was.
    pub fn last_before(&self, at: &Moment) -> Option<&(Moment, T)> {
        self.0.iter().rev().find(|(moment, _)| moment < at)
    }

    /// What held in the very second of this moment; in its own log, just before it.
    pub fn there(&self, at: &Moment) -> Vec<&T> {
        let own_log = |moment: &Moment| moment.leaf.as_ref().zip(at.leaf.as_ref()).is_some_and(|((one, _), (other, _))| one == other);
        let mut found = Vec::new();
        for (moment, value) in
            self.0.iter().rev().filter(|(moment, _)| if own_log(moment) { moment.leaf < at.leaf } else { moment.time <= at.time })
        {
            found.push(value);
            if own_log(moment) || moment.time < at.time {
                break;
            }
        }
        found
    }

    /// Everything that held for some part of the minute before this moment, the newest first.
    pub fn around(&self, at: &Moment) -> Vec<&T> {
        let visible = |moment: &Moment| match (&moment.leaf, &at.leaf) {
            (Some((log, index)), Some((own, limit))) if log == own => index < limit,
            _ => moment.time <= at.time,
        };
        let seen: Vec<&(Moment, T)> = self.0.iter().take_while(|(moment, _)| visible(moment)).collect();
        let lasted = |place: usize| seen.get(place + 1).is_none_or(|(next, _)| next.time + MINUTE >= at.time);
        (0..seen.len()).rev().filter(|place| lasted(*place)).map(|place| &seen[place].1).collect()
    }
}

/// The trust bundle, as far as it is needed.
pub struct Bundle {
    pub logs: Vec<(String, TrustedLog)>,
    pub authorities: Vec<Certificate>,
    pub system_key: Option<hufu::crypto::PublicKey>,
}

impl Bundle {
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let bundle: Value = serde_json::from_str(text).context("the trust bundle")?;
        let list = |field: &str| bundle[field].as_array().cloned().unwrap_or_default();
        let mut logs = Vec::new();
        for log in list("logs") {
            let text = |field: &str| log[field].as_str().map(str::to_owned).ok_or_else(|| anyhow!("a log without {field}"));
            let keys = log["keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let keys = keys.map(NoteKey::parse_vkey).collect::<Result<Vec<_>, _>>()?;
            logs.push((text("name")?, TrustedLog { origin: text("origin")?, keys }));
        }
        let mut authorities = Vec::new();
        for pem in list("authorities").iter().filter_map(Value::as_str) {
            authorities.extend(Certificate::parse_many(pem.as_bytes())?);
        }
        let system_key = match bundle["system_key"].as_str() {
            Some(pem) => {
                let (_, spki) = der::pem::decode_vec(pem.as_bytes()).map_err(|error| anyhow!("the system key: {error}"))?;
                Some(hufu::crypto::PublicKey::from_spki(&spki)?)
            }
            None => None,
        };
        Ok(Self { logs, authorities, system_key })
    }
}

/// The leaves of every log of the bundle.
#[derive(Default)]
pub struct Logs {
    pub leaves: Vec<(Moment, Entry)>,
    /// By name: the origin, and the time of each leaf.
    pub times: BTreeMap<String, (String, Vec<u64>)>,
    /// Logs that their checkpoint does not vouch for, and why.
    pub untrusted: Vec<(String, String)>,
}

impl Logs {
    pub fn read(entries: &[Value], checkpoints: &[Value], bundle: &Bundle) -> Self {
        let mut logs = Self::default();
        for (name, trusted) in &bundle.logs {
            let octets: Vec<Vec<u8>> = (entries.iter().filter(|entry| entry["log"] == **name))
                .map(|entry| BASE64_STANDARD.decode(entry["entry"].as_str().unwrap_or_default()).unwrap_or_default())
                .collect();
            let note = checkpoints.iter().find(|record| record["log"] == **name).and_then(|record| record["note"].as_str());
            if let Err(error) = vouched(&octets, note, trusted) {
                logs.untrusted.push((name.clone(), error.to_string()));
            }
            let mut times = Vec::new();
            for entry in octets.iter().map_while(|octets| Entry::decode(octets).ok()) {
                logs.leaves.push((Moment { time: entry.time, leaf: Some((name.clone(), times.len() as u64)) }, entry.clone()));
                times.push(entry.time);
            }
            if !times.is_empty() {
                logs.times.insert(name.clone(), (trusted.origin.clone(), times));
            }
        }
        logs.leaves.sort_by(|(one, _), (other, _)| one.cmp(other));
        logs
    }

    /// The statements that a leaf says were recorded with it.
    pub fn recorded(&self, at: &Moment, entry: &Entry) -> Vec<String> {
        let in_operations = at.leaf.as_ref().is_some_and(|(log, _)| log == "operations");
        let origin = self.times.get("operations").filter(|_| in_operations).map(|(origin, _)| origin);
        let digests = origin.and_then(|origin| entry.recorded_statements(origin).ok()).unwrap_or_default();
        digests.iter().map(hex::encode).collect()
    }
}

/// The log's own keys signed a tree of the first of these leaves.
fn vouched(octets: &[Vec<u8>], note: Option<&str>, trusted: &TrustedLog) -> anyhow::Result<()> {
    let Some(note) = note else {
        anyhow::ensure!(octets.is_empty(), "it has leaves and no checkpoint");
        return Ok(());
    };
    let checkpoint = trusted.verify(&Note::parse(note)?)?.checkpoint;
    let mut tree = Tree::new();
    octets.iter().take(checkpoint.size as usize).for_each(|octets| tree.append(leaf_hash(octets)));
    anyhow::ensure!(tree.size() == checkpoint.size && tree.root() == checkpoint.root, "its leaves are not those of its checkpoint");
    Ok(())
}
