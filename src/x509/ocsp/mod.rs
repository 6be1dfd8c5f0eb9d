//! Online certificate status (RFC 6960): requests, responses, and how a certificate is named in them.
//!
//! Read `request.rs`, then `response.rs`; both read what others sent and make our own. A certificate that was never issued is
//! *unknown*: the extended meaning of *revoked* (RFC 6960 §2.2) is not used. Kept out on purpose: where a status comes from, who
//! may sign for whom, HTTP.

pub mod request;
pub mod response;

use const_oid::{ObjectIdentifier, db::rfc6960::ID_PKIX_OCSP_NONCE};
use der::{
    Decode, Encode, Tag,
    asn1::{Any, AnyRef, IntRef, OctetString, OctetStringRef},
};
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::Extension;

use super::{Error, extension_list};
use crate::{
    crypto::Digest,
    world::{Entropy, random},
};

pub use request::{OcspRequest, request};
pub use response::{BasicResponse, CertStatus, OcspResponse, OcspStatus, ResponderId, ResponseData, SingleResponse, error, successful};

const ID_PKIX_OCSP_BASIC: ObjectIdentifier = const_oid::db::rfc6960::ID_PKIX_OCSP_BASIC;

/// How OCSP names a certificate: its serial number and hashes of its issuer's name and key. Keeps the bytes it was read from, so
/// that a response echoes exactly what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertId {
    der: Vec<u8>,
    digest: ObjectIdentifier,
    issuer_name_hash: Vec<u8>,
    issuer_key_hash: Vec<u8>,
    serial: Vec<u8>,
}

impl CertId {
    /// `issuer_key` is the content of the BIT STRING of the issuer's public key; `serial` the content octets of the INTEGER.
    pub fn new(digest: Digest, issuer_name: &[u8], issuer_key: &[u8], serial: &[u8]) -> Result<Self, Error> {
        let (name_hash, key_hash) = (digest.hash(issuer_name), digest.hash(issuer_key));
        let encode = || {
            let fields = CertIdFields {
                // NULL parameters, as every other client writes them.
                hash_algorithm: AlgorithmIdentifierOwned { oid: digest.oid(), parameters: Some(Any::null()) },
                issuer_name_hash: OctetStringRef::new(&name_hash)?,
                issuer_key_hash: OctetStringRef::new(&key_hash)?,
                serial: AnyRef::new(Tag::Integer, serial)?,
            };
            Self::decode(AnyRef::from_der(&fields.to_der()?)?)
        };
        encode().map_err(|error| Error::malformed("CertID", error))
    }

    /// The bytes of the CertID, as received.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The content octets of the INTEGER.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// `None` for a hash function that is not known here.
    pub fn digest(&self) -> Option<Digest> {
        Digest::find(self.digest)
    }

    /// The same certificate by the same hash function; the parameters of the function may be written differently.
    pub fn names_same_certificate(&self, other: &Self) -> bool {
        let key = |id: &'_ Self| (id.digest, id.issuer_name_hash.clone(), id.issuer_key_hash.clone(), id.serial.clone());
        key(self) == key(other)
    }

    fn decode(any: AnyRef<'_>) -> der::Result<Self> {
        let fields = any.decode_as::<CertIdFields<'_>>()?;
        fields.serial.decode_as::<IntRef<'_>>()?;
        Ok(Self {
            der: any.to_der()?,
            digest: fields.hash_algorithm.oid,
            issuer_name_hash: fields.issuer_name_hash.as_bytes().to_vec(),
            issuer_key_hash: fields.issuer_key_hash.as_bytes().to_vec(),
            serial: fields.serial.value().to_vec(),
        })
    }
}

/// RFC 6960 §4.1.1.
#[derive(der::Sequence)]
struct CertIdFields<'a> {
    hash_algorithm: AlgorithmIdentifierOwned,
    issuer_name_hash: &'a OctetStringRef,
    issuer_key_hash: &'a OctetStringRef,
    serial: AnyRef<'a>,
}

/// The hashes by which requests may name one issuer, by every hash function known here. Made once, asked often.
#[derive(Debug, Clone)]
pub struct IssuerHashes(Vec<(ObjectIdentifier, Vec<u8>, Vec<u8>)>);

impl IssuerHashes {
    /// `name` is the DER Name, `key` the content of the BIT STRING of the public key.
    pub fn new(name: &[u8], key: &[u8]) -> Self {
        Self(Digest::ALL.map(|digest| (digest.oid(), digest.hash(name), digest.hash(key))).into())
    }

    /// Whether the CertID names a certificate of this issuer.
    pub fn matches(&self, id: &CertId) -> bool {
        self.0.iter().any(|(digest, name, key)| *digest == id.digest && *name == id.issuer_name_hash && *key == id.issuer_key_hash)
    }
}

/// What ties a response to its request: 1 to 32 octets (RFC 8954 §2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(Vec<u8>);

impl Nonce {
    pub const MAX_LENGTH: usize = 32;

    /// A fresh one of the recommended length.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(random::<{ Self::MAX_LENGTH }>(entropy).to_vec())
    }

    /// `None` when it is too short or too long.
    pub fn new(octets: &[u8]) -> Option<Self> {
        (1..=Self::MAX_LENGTH).contains(&octets.len()).then(|| Self(octets.to_vec()))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value of the extension is an OCTET STRING inside the extension's own (RFC 8954 §2.1). The bare octets that RFC 2560 let
    /// clients send are refused: taken as they are, they might be echoed in another form than they were sent.
    fn find(extensions: &[Extension]) -> der::Result<Option<Self>> {
        let Some(octets) = extension_list::find::<OctetString>(extensions, ID_PKIX_OCSP_NONCE)? else { return Ok(None) };
        Self::new(octets.as_bytes()).map(Some).ok_or_else(|| Tag::OctetString.length_error().into())
    }

    fn extension(&self) -> der::Result<Extension> {
        extension_list::non_critical(ID_PKIX_OCSP_NONCE, &OctetStringRef::new(&self.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::fixtures;

    #[test]
    fn an_issuer_is_recognised_by_each_hash_function_and_by_name_and_key_together() {
        for authority in fixtures::authorities() {
            let (name, key) = (authority.name_der(), authority.public_key().octets().to_vec());
            let hashes = IssuerHashes::new(&name, &key);
            for digest in Digest::ALL {
                let id = |name: &[u8], key: &[u8]| CertId::new(digest, name, key, &[0, 0x80]).unwrap();
                assert!(hashes.matches(&id(&name, &key)), "{digest:?}");
                assert!(!hashes.matches(&id(&name, &key[1..])), "{digest:?}");
                assert!(!hashes.matches(&id(&name[1..], &key)), "{digest:?}");
                assert_eq!((id(&name, &key).digest(), id(&name, &key).serial()), (Some(digest), [0, 0x80].as_slice()));
            }
        }
    }

    #[test]
    fn null_and_absent_parameters_of_the_hash_name_the_same_certificate_and_are_kept_apart_in_the_bytes() {
        let null = CertId::new(Digest::Sm3, b"name", b"key", &[5]).unwrap();
        let mut fields = CertIdFields::from_der(null.der()).unwrap();
        fields.hash_algorithm.parameters = None;
        let absent = fields.to_der().unwrap();
        let absent = CertId::decode(AnyRef::from_der(&absent).unwrap()).unwrap();
        assert!(null.names_same_certificate(&absent) && null.der() != absent.der());
    }

    #[test]
    fn a_nonce_has_one_to_thirty_two_octets() {
        for (length, expected) in [(0, false), (1, true), (32, true), (33, false)] {
            assert_eq!(Nonce::new(&vec![7; length]).is_some(), expected, "{length}");
        }
    }
}
