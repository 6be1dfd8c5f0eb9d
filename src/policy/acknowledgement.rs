//! What whoever asks for a revocation is answered: that it was done, on which statement, and where the ledger says so, signed by
//! the system key. It is a word of its own (`jws.rs` has the envelope), so that it passes for no statement and none for it.
//!
//! ```text
//! header   {"alg":"ES256"|"SM2","kid":hex,"typ":"hufu-acknowledgement"}
//! payload  {"about":hex,"act":word,"at":time,"leaves":[{"count":number,"first":number,"origin":text}…],"statement":hex,"v":1}
//! ```

use serde::{Deserialize, Serialize};

use super::{
    jws::{Content, Jws},
    statement::{About, Act, Digest32, Timestamp, Version},
};

pub type Acknowledgement = Jws<AcknowledgementPayload>;

/// The most logs that one act can reach.
const MOST_LOGS: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgementPayload {
    /// What the statement is about.
    pub about: About,
    pub act: Act,
    /// When it was acknowledged, after it was durable.
    pub at: Timestamp,
    /// None while more people must sign.
    pub leaves: Vec<Leaves>,
    /// SHA-256 of the statement.
    pub statement: Digest32,
    pub v: Version,
}

/// Leaves of one log that stand beside each other, in the order of what the statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaves {
    pub count: u64,
    pub first: u64,
    pub origin: String,
}

impl Content for AcknowledgementPayload {
    const TYPE: &'static str = "hufu-acknowledgement";

    fn check(&self) -> Result<(), &'static str> {
        if !matches!(self.act, Act::Revoke | Act::Suspend | Act::Resume | Act::ReReview) {
            return Err("a revocation, a suspension, its end or a re-review is acknowledged");
        }
        let plain = |leaves: &Leaves| {
            let last = leaves.first.checked_add(leaves.count);
            (1..=255).contains(&leaves.origin.len()) && leaves.count > 0 && last.is_some_and(|last| last <= 1 << 53)
        };
        if self.leaves.len() <= MOST_LOGS && self.leaves.iter().all(plain) { Ok(()) } else { Err("not places in a log") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::{Algorithm, algorithms},
        policy::{Header, SignerReference, Statement, assemble, signing_input},
    };

    fn payload(leaves: Vec<Leaves>) -> AcknowledgementPayload {
        AcknowledgementPayload {
            about: About::Digest([1; 32]),
            act: Act::Revoke,
            at: "2030-01-01T00:00:00Z".parse().unwrap(),
            leaves,
            statement: Digest32([2; 32]),
            v: Version,
        }
    }

    #[test]
    fn it_is_read_as_it_was_signed_and_is_no_statement() {
        for algorithm in [&algorithms::P256 as &'static dyn Algorithm, &algorithms::Sm2] {
            let key = algorithm.load(&algorithm.generate().unwrap()).unwrap();
            let header = Header { algorithm, signer: SignerReference::key(key.public_key()) };
            let payload = payload(vec![Leaves { count: 2, first: 7, origin: "ca.example/ledger/a/1".to_owned() }]);
            let input = signing_input(&header, &payload);
            let compact = assemble(&input, algorithm, &key.sign(input.as_bytes()).unwrap()).unwrap();
            let read = Acknowledgement::parse(&compact).unwrap();
            read.verify(key.public_key()).unwrap();
            assert_eq!(read.payload(), &payload);
            assert!(Statement::parse(&compact).is_err());
        }
    }

    #[test]
    fn places_that_no_log_has_are_refused() {
        let leaves = |count, first, origin: &str| payload(vec![Leaves { count, first, origin: origin.to_owned() }]).check();
        leaves(1, 0, "a").unwrap();
        for (count, first, origin) in [(0, 1, "a"), (1, 1 << 53, "a"), (u64::MAX, 1, "a"), (1, 1, "")] {
            assert!(leaves(count, first, origin).is_err(), "{count} {first} {origin}");
        }
        assert!(AcknowledgementPayload { act: Act::Approve, ..payload(Vec::new()) }.check().is_err());
    }
}
