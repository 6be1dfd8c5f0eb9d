//! What was put to re-review against the statement that did so and the leaf that binds all of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, Findings, Records};
use crate::{
    ledger::EventType,
    policy::Act,
    services::re_review::re_review_commitment,
    store::{self, Connection, ReReviewRow},
};

/// The rows, by the statement that completed each re-review.
pub(super) struct ReReviews(BTreeMap<Vec<u8>, Vec<ReReviewRow>>);

impl ReReviews {
    pub async fn load(connection: &mut Connection) -> Result<Self, Error> {
        let mut reviews: BTreeMap<Vec<u8>, Vec<ReReviewRow>> = BTreeMap::new();
        for row in store::re_reviews::all(connection).await? {
            reviews.entry(row.statement.clone()).or_default().push(row);
        }
        Ok(Self(reviews))
    }

    /// Whether this statement put that to re-review.
    pub fn holds(&self, statement: &[u8], kind: &str, item: &str) -> bool {
        self.0.get(statement).into_iter().flatten().any(|row| row.kind == kind && row.item == item)
    }

    /// The body of the leaf of each. One to which nothing was put has its leaf, too, and no rows.
    pub fn commitments(&self, records: &Records) -> BTreeSet<[u8; 32]> {
        let statements = records.statements.iter().filter(|(_, row)| row.act == Act::ReReview.as_str()).map(|(digest, _)| digest);
        statements.map(|statement| self.commitment(statement)).collect()
    }

    fn commitment(&self, statement: &[u8]) -> [u8; 32] {
        let rows: Vec<&ReReviewRow> = self.0.get(statement).into_iter().flatten().collect();
        re_review_commitment(statement, &rows)
    }
}

pub(super) fn check(records: &Records, findings: &mut Findings) {
    let bodies = super::people::bodies(records, EventType::CA_EVENT);
    for statement in records.re_reviews.0.keys() {
        let mut finding = findings.row("re_review", hex::encode(statement));
        let signed = records.statements.get(statement).is_some_and(|row| row.act == Act::ReReview.as_str());
        finding.check("statement", signed, || "no statement about a re-review".to_owned());
        let bound = bodies.contains_key(&records.re_reviews.commitment(statement)[..]);
        finding.check("item", bound, || "the ledger has no such re-review".to_owned());
    }
}
