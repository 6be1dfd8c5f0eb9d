//! Certificates, requests, CRLs, OCSP, CMS, time stamps, names, extensions and lints, as values (RFC 5280, RFC 2986, RFC 6960,
//! RFC 5652, RFC 3161, GB/T 20518, GM/T 0010).
//!
//! Read `signed.rs` first: every object is "bytes to be signed, algorithm, signature", and its bytes are kept as received.
//! Kept out on purpose: keys that sign, the clock, the database, and who may have what.

pub mod certificate;
pub mod certificate_extensions;
pub mod cms;
pub mod constraints;
pub mod crl;
pub mod distinguished_name;
pub mod distribution_point;
pub mod draft;
mod extension_list;
pub mod extensions;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod general_name;
pub mod identity_number;
mod instant;
pub mod linted;
pub mod lints;
pub mod name;
pub mod ocsp;
pub mod p7c;
pub mod pkcs12;
pub mod request;
pub mod serial;
pub mod signed;
mod tlv;
pub mod tsp;

pub use certificate::{Certificate, CertificateId};
pub use certificate_extensions::CertificateExtensions;
pub use distinguished_name::DistinguishedName;
pub use draft::Draft;
pub use general_name::GeneralName;
pub use serial::SerialNumber;
pub use signed::Signed;

/// Why bytes are not the object they were taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not a DER {what}: {why}")]
    Malformed { what: &'static str, why: String },
    /// A CMS that is something else than SignedData: encrypted, a digest, a receipt.
    #[error("a CMS with content of the type {0}")]
    OtherContent(const_oid::ObjectIdentifier),
    #[error(transparent)]
    Crypto(#[from] crate::crypto::Error),
}

impl Error {
    pub(crate) fn malformed(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Malformed { what, why: why.to_string() }
    }
}
