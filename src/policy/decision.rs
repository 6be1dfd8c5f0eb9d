//! What policy decided and from what: kept off the ledger, bound to it by the leaf's `decision_hash` (`ledger.md` §6.1).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    jws::canonical,
    profile::ProfileName,
    statement::{About, Act, Digest32, Timestamp},
};
use crate::crypto::digest::sha256;

/// One decision, as an auditor replays it: given the statements and the policy of that digest, the outcome must follow.
/// Names nobody: who decided is in the statements, which are served to whoever may see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    pub about: About,
    pub act: Act,
    pub at: Timestamp,
    pub outcome: Outcome,
    /// The digest of the policy set in force.
    pub policy: Digest32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Allowed,
    Refused,
}

impl Decision {
    pub fn value(&self) -> Value {
        // Every member is text; there is nothing in it that JSON cannot say.
        serde_json::to_value(self).expect("a decision is a JSON value")
    }

    /// The canonical JSON, to be stored.
    pub fn canonical_text(&self) -> String {
        // serde_json writes UTF-8 only.
        String::from_utf8(canonical(self)).expect("JSON is UTF-8")
    }
}

/// SHA-256 of the canonical JSON `{"decision":…,"statements":[hex…]}`. The digests are sorted, so that a set of statements
/// has one hash whatever order a database returns them in; which came first is in their `at` and `log`.
pub fn decision_hash(statements: &[[u8; 32]], decision: &Value) -> [u8; 32] {
    sha256(hashed_text(statements, decision).as_bytes())
}

/// The very text that `decision_hash` is the hash of, to be stored.
pub fn hashed_text(statements: &[[u8; 32]], decision: &Value) -> String {
    let mut statements: Vec<String> = statements.iter().map(hex::encode).collect();
    statements.sort_unstable();
    // serde_json writes UTF-8 only.
    String::from_utf8(canonical(&json!({"decision": decision, "statements": statements}))).expect("JSON is UTF-8")
}

/// That text, read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashedText {
    pub decision: Decision,
    /// Digests in hexadecimal, sorted.
    pub statements: Vec<String>,
}

impl HashedText {
    /// `None` for text that is not the canonical form of a decision.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed: Self = serde_json::from_str(text).ok()?;
        let again = canonical(&json!({"decision": parsed.decision, "statements": parsed.statements}));
        (again == text.as_bytes()).then_some(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision() -> Decision {
        Decision {
            about: About::Identifier([1; 16]),
            act: Act::Approve,
            at: "2030-01-01T00:00:00Z".parse().unwrap(),
            outcome: Outcome::Allowed,
            policy: Digest32([2; 32]),
            profile: Some("staff".parse().unwrap()),
        }
    }

    #[test]
    fn a_decision_has_the_bytes_of_its_golden_file() {
        let golden = std::fs::read_to_string("tests/golden/statement/decision.json").unwrap();
        assert_eq!(decision().canonical_text(), golden.trim_end());
        assert_eq!(serde_json::from_str::<Decision>(&golden).unwrap(), decision());
    }

    #[test]
    fn the_hash_is_over_the_decision_and_all_its_statements_in_any_order() {
        let hash = decision_hash(&[[1; 32], [2; 32]], &decision().value());
        let text = format!(
            r#"{{"decision":{},"statements":["{}","{}"]}}"#,
            decision().canonical_text(),
            hex::encode([1; 32]),
            hex::encode([2; 32])
        );
        assert_eq!(hash, sha256(text.as_bytes()));
        assert_eq!(hash, decision_hash(&[[2; 32], [1; 32]], &decision().value()));
        assert_ne!(hash, decision_hash(&[[1; 32]], &decision().value()));
        let refused = Decision { outcome: Outcome::Refused, ..decision() };
        assert_ne!(hash, decision_hash(&[[1; 32], [2; 32]], &refused.value()));
    }
}
