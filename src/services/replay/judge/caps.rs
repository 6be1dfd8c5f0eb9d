//! What somebody signed beyond the daily cap of its version.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use super::Judge;
use crate::{
    policy::{SignerReference, Statement, cap},
    services::replay::{Code, Violation, timeline::IN_FLIGHT},
    world::from_millis,
};

/// A statement as it is counted by the caps.
struct Signed {
    digest: String,
    at: OffsetDateTime,
    statement: Statement,
    signer: [u8; 32],
}

impl<'a> Judge<'a> {
    /// Statements beyond the cap of their version, counted where they stand in the ledger. The service counts them when they
    /// come, up to a minute before their leaf: the day is so much shorter here.
    pub(super) fn caps(&mut self) {
        let mut signed: BTreeMap<(String, &str), Vec<Signed>> = BTreeMap::new();
        for (digest, jws) in &self.statements {
            let Ok(statement) = Statement::parse(jws) else { continue };
            let SignerReference::Certificate(fingerprint) = statement.signer() else { continue };
            let Some(signer) = self.signers.get(&fingerprint) else { continue };
            let own = signed.entry((signer.record.person.clone(), statement.payload().act.as_str())).or_default();
            let recorded = self.recorded.get(digest).map(|at| from_millis(at.time as i64 * 1000));
            let at = recorded.unwrap_or(statement.payload().at.instant());
            own.push(Signed { digest: digest.clone(), at, statement, signer: fingerprint });
        }
        for mut own in signed.into_values() {
            own.sort_by_cached_key(|one| (one.at, one.digest.clone()));
            if self.beyond_caps(&own).is_empty() {
                continue;
            }
            // Only what they really signed is held against anybody.
            own.retain(|one| self.signers[&one.signer].certificate.public_key().is_ok_and(|key| one.statement.verify(key).is_ok()));
            let beyond = self.beyond_caps(&own);
            self.violations.extend(beyond);
        }
    }

    /// Which of somebody's statements of one act, in their order, are beyond its cap.
    fn beyond_caps(&mut self, signed: &[Signed]) -> Vec<Violation> {
        let day = cap::WINDOW - Duration::seconds(IN_FLIGHT as i64);
        let count = |one: &Signed| {
            let list = self.lists.get(one.statement.payload().about.to_string().as_str());
            cap::Signed { at: one.at, items: list.map_or(1, |list| list.items.len() as u64) }
        };
        let counted: Vec<cap::Signed> = signed.iter().map(count).collect();
        let mut beyond = Vec::new();
        for (place, one) in signed.iter().enumerate() {
            let payload = one.statement.payload();
            let Some(cap) = self.policy(&payload.policy.0).and_then(|set| set.cap(payload.act)) else { continue };
            let from = counted.partition_point(|earlier| earlier.at <= counted[place].at - day);
            if let Err(reached) = cap.check(&counted[from..=place]) {
                beyond.push(Violation {
                    log: None,
                    index: None,
                    decision: None,
                    statement: Some(one.digest.clone()),
                    code: Code::DailyCap,
                    what: format!("{} within a day: the cap is {} {}", payload.act, reached.most, reached.of),
                });
            }
        }
        beyond
    }
}
