//! What somebody signed beyond a daily cap.

use std::collections::BTreeMap;

use hufu::policy::{SignerReference, Statement};

use super::{MINUTE, Replay, Violation, seconds, text};

/// A statement as the caps count it.
struct Counted {
    /// Seconds since 1970.
    at: u64,
    digest: String,
    statement: Statement,
    signer: [u8; 32],
}

impl Replay<'_> {
    /// What somebody signed beyond a cap, by the leaves that name it. It may have come a minute before: the day is shorter by that.
    pub(super) fn capped(&mut self) {
        let mut by_person: BTreeMap<(String, String), Vec<Counted>> = BTreeMap::new();
        for (digest, jws) in &self.statements {
            let Ok(statement) = Statement::parse(jws) else { continue };
            let SignerReference::Certificate(fingerprint) = statement.signer() else { continue };
            let Some((id, _)) = self.so_far.signers.get(&fingerprint) else { continue };
            let key = (text(&self.certificates[id], "person"), statement.payload().act.to_string());
            let claimed = || seconds(&statement.payload().at.to_string());
            let at = self.so_far.recorded.get(digest).map_or_else(claimed, |at| at.time);
            let one = Counted { at, digest: digest.clone(), statement, signer: fingerprint };
            by_person.entry(key).or_default().push(one);
        }
        for ((_, act), mut signed) in by_person {
            signed.sort_by(|one, other| (one.at, &one.digest).cmp(&(other.at, &other.digest)));
            if self.beyond(&act, &signed).is_empty() {
                continue;
            }
            let signers = &self.so_far.signers;
            signed.retain(|one| signers[&one.signer].1.public_key().is_ok_and(|key| one.statement.verify(key).is_ok()));
            for digest in self.beyond(&act, &signed) {
                let what = format!("too much was signed to {act} within a day");
                self.so_far.found.push(Violation {
                    log: None,
                    index: None,
                    decision: None,
                    statement: Some(digest),
                    code: "daily-cap",
                    what,
                });
            }
        }
    }

    fn beyond(&mut self, act: &str, signed: &[Counted]) -> Vec<String> {
        let day = 24 * 60 * 60 - MINUTE;
        let items =
            |statement: &Statement| self.lists.get(&statement.payload().about.to_string()).map_or(1, |list| list.items.len() as u64);
        let items: Vec<u64> = signed.iter().map(|one| items(&one.statement)).collect();
        let mut beyond = Vec::new();
        for (place, one) in signed.iter().enumerate() {
            let version = self.version(&one.statement.payload().policy.to_string());
            let Some(cap) = version.and_then(|version| version.cap(act)) else { continue };
            let today: Vec<usize> = (0..=place).filter(|earlier| signed[*earlier].at + day > one.at).collect();
            let things: u64 = today.iter().map(|earlier| items[*earlier]).sum();
            if today.len() as u64 > cap.statements || cap.items.is_some_and(|most| things > most) {
                beyond.push(one.digest.clone());
            }
        }
        beyond
    }
}
