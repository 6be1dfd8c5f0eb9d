//! The Time-Stamp Protocol (RFC 3161, RFC 5816; nationally GM/T 0033): requests, tokens, responses.
//!
//! Read `request.rs`, `token.rs`, `response.rs`. Kept out on purpose: the clock, keys, and whether a token holds.

mod request;
mod response;
mod token;

use der::{
    Tag,
    asn1::{AnyRef, Int, ObjectIdentifier, OctetStringRef},
};
use spki::AlgorithmIdentifierOwned;

pub use request::TimeStampRequest;
pub use response::{Failure, Rejection, TimeStampResponse, granted, rejection};
pub use token::{Accuracy, TstInfo};

use super::Error;
use crate::crypto::Digest;

/// The content type of a token (RFC 3161 §2.4.2).
pub const ID_CT_TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// What is stamped: the hash of something, never the thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageImprint {
    pub algorithm: ObjectIdentifier,
    pub hash: Vec<u8>,
}

impl MessageImprint {
    pub fn of(digest: Digest, message: &[u8]) -> Self {
        Self { algorithm: digest.oid(), hash: digest.hash(message) }
    }

    /// `None` for a hash function that is not known here.
    pub fn digest(&self) -> Option<Digest> {
        Digest::find(self.algorithm)
    }

    fn encode(&self) -> der::Result<MessageImprintFields<'_>> {
        Ok(MessageImprintFields {
            algorithm: AlgorithmIdentifierOwned { oid: self.algorithm, parameters: None },
            hash: OctetStringRef::new(&self.hash)?,
        })
    }

    fn decode(fields: &MessageImprintFields<'_>) -> der::Result<Self> {
        // A hash function has no parameters; some write that as NULL (RFC 5754 §2).
        if fields.algorithm.parameters.as_ref().is_some_and(|parameters| !parameters.is_null()) {
            return Err(Tag::Sequence.value_error().into());
        }
        Ok(Self { algorithm: fields.algorithm.oid, hash: fields.hash.as_bytes().to_vec() })
    }
}

/// What ties a token to its request, or numbers it: an INTEGER of any value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(Vec<u8>);

impl Number {
    /// The most octets: of a nonce nobody needs more, and a serial number has 20 (RFC 3161 §2.4.2).
    pub const MAX_LENGTH: usize = 64;

    /// From the octets of a positive INTEGER.
    pub fn positive(octets: &[u8]) -> Self {
        let digits = &octets[octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len())..];
        let sign = if digits.first().is_none_or(|first| first & 0x80 != 0) { &[0][..] } else { &[] };
        Self([sign, digits].concat())
    }

    /// The content of the INTEGER.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn encode(&self) -> der::Result<AnyRef<'_>> {
        AnyRef::new(Tag::Integer, &self.0)
    }

    fn decode(integer: &Int) -> der::Result<Self> {
        if integer.as_bytes().len() > Self::MAX_LENGTH {
            Err(Tag::Integer.length_error().into())
        } else {
            Ok(Self(integer.as_bytes().to_vec()))
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&hex::encode(&self.0))
    }
}

/// RFC 3161 §2.4.1.
#[derive(der::Sequence)]
struct MessageImprintFields<'a> {
    algorithm: AlgorithmIdentifierOwned,
    hash: &'a OctetStringRef,
}
