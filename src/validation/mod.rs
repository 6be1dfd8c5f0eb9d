//! Whether a certificate holds: path validation (RFC 5280 §6), revocation evidence, and the verdict with its reasons.
//!
//! Read `path.rs` first: what is asked and how a path is found; `processing.rs` judges one path, with names in
//! `name_constraints.rs` and `peer_name.rs` and policies in `policy_graph.rs`. `report.rs` words the answer for people and programs,
//! `page.rs` makes a page of it.
//! Kept out on purpose: where certificates, lists and answers come from, and the clock; all are arguments.

pub mod anchor;
mod crl_status;
pub mod foreign;
mod name_constraints;
pub mod ocsp_status;
pub mod page;
pub mod path;
pub mod peer_name;
pub mod policy_graph;
mod processing;
pub mod purpose;
pub mod report;
pub mod revocation;
pub mod signature;
#[cfg(test)]
mod testing;

pub use anchor::{Anchor, TrustStore};
pub use path::{Inputs, Path, PathError, validate, validate_if};
pub use peer_name::PeerName;
pub use policy_graph::{ANY_POLICY, Policies, PolicyInputs};
pub use purpose::Purpose;
pub use report::{Check, CheckName, Judgement, Outcome, Reason, Report, StatusReport, Verdict};
pub use signature::{SignatureReason, SignatureReport, SignerReport, TimeStampReport};
