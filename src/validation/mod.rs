//! Whether a certificate holds: path validation (RFC 5280 §6) and the verdict with its reasons.
//!
//! `path.rs` answers "is there a chain to a root we trust", `report.rs` words the answer for people and programs. Kept out
//! on purpose: where certificates and status come from, and the clock; both are arguments.

pub mod path;
pub mod report;

pub use path::{Path, PathError, Purpose, validate};
pub use report::{Check, Outcome, Reason, Report, StatusReport, Verdict};
