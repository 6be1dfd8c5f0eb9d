//! Whether a signature holds: over content, as CMS, JWS or bare, and when it was made.
//!
//! Read `cms.rs`, then `signer.rs`, which checks one signer, and `conclusion.rs`, which joins that with the time and with
//! the certificate's verdict (ETSI EN 319 102-1 §5). Content is pushed in parts, so it may be larger than memory. Kept out
//! on purpose: files, and where certificates and their status come from: whoever asks brings a judge of certificates.

pub mod cms;
mod conclusion;
pub mod document;
pub mod format;
pub mod jws;
pub mod raw;
pub mod report;
mod signer;
#[cfg(test)]
mod tests;
pub mod time_stamp;

use time::OffsetDateTime;

use super::{Purpose, Report, revocation::Evidence};
use crate::x509::Certificate;

pub use report::{SignatureReason, SignatureReport, SignerReport, TimeStampReport};

/// What is asked about the certificate behind a signature.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub certificate: &'a Certificate,
    /// Certificates that came along and may belong to its path.
    pub candidates: &'a [Certificate],
    /// Lists and responses that came along.
    pub evidence: &'a Evidence<'a>,
    /// `None`: now.
    pub at: Option<OffsetDateTime>,
    pub purpose: Purpose,
}

/// Judges certificates: by a ledger, by proofs, by a list of roots.
pub type Judge<'a> = dyn Fn(&Asked<'_>) -> Report + 'a;
