//! The replay: decides every recorded decision anew, and names each that does not follow.
//!
//! It goes through the logs in their order and asks of each decision whether it could be taken then: who signed, whether their
//! certificate was good and their roles were theirs, under which text of the policy, about what, having known which state of the
//! ledger, once or twice, and whether as many people signed as it takes. What it knows is an `Export` and the trust bundle: so
//! whoever has the directory can do the same, with this program or with `examples/replay`, which shares none of its decisions.
//!
//! Read `judge.rs` first. `timeline.rs` says what held when, `things.rs` what an act is done to, `export.rs` what is read.
//! What the database's own rows say beside all this is the audit's question (`audit.rs`). docs/audit.md has the codes.

pub mod export;
mod judge;
#[cfg(test)]
mod tests;
mod things;
mod timeline;

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;

use super::{error::Error, trust::TrustBundle};
use crate::{policy::PolicySet, store::Db};
use export::Export;

/// A decision, or a word or a record that decisions rest on, that is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Violation {
    /// Of the leaf; none where no leaf records the decision.
    pub log: Option<String>,
    pub index: Option<u64>,
    /// Digests.
    pub decision: Option<String>,
    pub statement: Option<String>,
    pub code: Code,
    /// The rule or the clause, in words.
    pub what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.log, self.index) {
            (Some(log), Some(index)) => write!(formatter, "{log}/{index}")?,
            (Some(log), None) => formatter.write_str(log)?,
            _ => formatter.write_str("-")?,
        }
        write!(formatter, " {}", self.code.as_str())?;
        for (name, digest) in [("decision", &self.decision), ("statement", &self.statement)] {
            if let Some(digest) = digest {
                write!(formatter, " {name} {digest}")?;
            }
        }
        write!(formatter, ": {}", self.what)
    }
}

/// What is wrong, as a stable word.
macro_rules! codes {
    ($($name:ident = $text:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($name,)* }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    LogUntrusted = "log-untrusted",
    DecisionMissing = "decision-missing",
    DecisionMisfit = "decision-misfit",
    DecisionOverused = "decision-overused",
    PolicyUnknown = "policy-unknown",
    PolicyNotInForce = "policy-not-in-force",
    StatementMissing = "statement-missing",
    StatementMalformed = "statement-malformed",
    StatementMisfit = "statement-misfit",
    StatementSignature = "statement-signature",
    StatementTime = "statement-time",
    StatementUnbound = "statement-unbound",
    StatementReplayed = "statement-replayed",
    NonceReused = "nonce-reused",
    ListMismatch = "list-mismatch",
    LogPositionUnknown = "log-position-unknown",
    LogPositionStale = "log-position-stale",
    SignerUnknown = "signer-unknown",
    SignerNotGood = "signer-not-good",
    NotPermitted = "not-permitted",
    QuorumMissed = "quorum-missed",
    Unfounded = "unfounded",
    GrantUnbound = "grant-unbound",
    ChangeUnbound = "change-unbound",
    ChangeImpossible = "change-impossible",
    DepartmentMerged = "department-merged",
    ReviewUnbound = "review-unbound",
    DailyCap = "daily-cap",
    NotRenewable = "not-renewable",
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Versions of the policy that were read, by digest; `None` for a text that is none. Reading one costs more than judging by it.
pub type Policies = HashMap<[u8; 32], Option<Arc<PolicySet>>>;

/// Replays what is in the database.
pub async fn replay_database(db: &Db, bundle: &TrustBundle) -> Result<Vec<Violation>, Error> {
    Ok(replay(&Export::gather(db).await?, bundle, &mut Policies::new()))
}

/// Replays every decision, in the order of the ledger. An empty list: each follows.
pub fn replay(export: &Export, bundle: &TrustBundle, policies: &mut Policies) -> Vec<Violation> {
    judge::Judge::new(export, bundle, policies).judge()
}
