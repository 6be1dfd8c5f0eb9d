//! Cryptographic Message Syntax, the SignedData of it (RFC 5652 §5, CAdES: ETSI EN 319 122-1), and its national twin
//! (GM/T 0010, GB/T 35275): read from foreign bytes, and made.
//!
//! Read `layout.rs` first, then `signed_data.rs` and `signer_info.rs`. Types of our own, because what was signed must come
//! out as it came in: real producers write BER, sets out of order and certificates that nobody needs, none of which the
//! ready types can keep. Kept out on purpose: keys, whether a signature holds (`validation/`), files.

mod attributes;
mod ber;
mod build;
mod layout;
mod revocation;
mod signed_data;
mod signer_info;

use der::asn1::ObjectIdentifier;

pub use attributes::{Attribute, Attributes, EssCertId, is_attribute_set};
pub use build::{Draft, Envelope, attribute, text_attribute};
pub use layout::{Layout, MAX_REST, MAX_SEGMENTS};
pub use revocation::RevocationValues;
pub use signed_data::SignedData;
pub use signer_info::{SignerIdentifier, SignerInfo};

use super::{Error, instant};

/// Whose standard's object identifiers a SignedData bears. The octets that are signed are the same in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 5652.
    Cms,
    /// GM/T 0010.
    Gm,
}

impl Dialect {
    pub const fn signed_data(self) -> ObjectIdentifier {
        match self {
            Self::Cms => ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2"),
            Self::Gm => ObjectIdentifier::new_unwrap("1.2.156.10197.6.1.4.2.2"),
        }
    }

    /// The content type of plain octets.
    pub const fn data(self) -> ObjectIdentifier {
        match self {
            Self::Cms => ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1"),
            Self::Gm => ObjectIdentifier::new_unwrap("1.2.156.10197.6.1.4.2.1"),
        }
    }

    pub fn find(signed_data: ObjectIdentifier) -> Option<Self> {
        [Self::Cms, Self::Gm].into_iter().find(|dialect| dialect.signed_data() == signed_data)
    }
}

/// A signature value where GM/T 0010 has SM2 as the algorithm (GB/T 35275): the same signature as 1.2.156.10197.1.501.
pub const SM2_SIGN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301.1");

// RFC 5652 §11, RFC 5035 §5, RFC 6211, RFC 3161 Appendix A.
pub const ID_CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
pub const ID_MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
pub const ID_SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
pub const ID_COUNTER_SIGNATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.6");
pub const ID_ALGORITHM_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.52");
pub const ID_SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
pub const ID_SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
/// RFC 5126 §6.3.4.
pub const ID_REVOCATION_VALUES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.24");
/// Of ours, unsigned: a UTF8String of JSON with the receipt of the signer's certificate and a proof of its status
/// (docs/formats.md). Nobody has assigned it: X.667 makes it unique.
pub const ID_LEDGER_PROOFS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.25.23651.7210.19811.16894.38210.15377.50931.4127");
pub const ID_SIGNATURE_TIME_STAMP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.14");
