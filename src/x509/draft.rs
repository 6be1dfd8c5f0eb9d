//! What a certificate will say, before anybody has signed it.

use der::{
    AnyRef, Decode, Encode, Sequence,
    asn1::{BitString, UintRef},
};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;
use x509_cert::{ext::Extension, time::Time};

use super::{Error, SerialNumber, instant};
use crate::crypto::PublicKey;

/// A certificate in the making. Every field comes from a decision; nothing here is taken from a request unseen.
#[derive(Debug, Clone)]
pub struct Draft {
    pub serial: SerialNumber,
    /// Stands inside the TBSCertificate and outside beside the signature, byte for byte the same.
    pub signature_algorithm: AlgorithmIdentifierOwned,
    /// The issuer's subject, as its own certificate encodes it.
    pub issuer: Vec<u8>,
    pub not_before: OffsetDateTime,
    pub not_after: OffsetDateTime,
    /// A DER Name.
    pub subject: Vec<u8>,
    pub public_key: PublicKey,
    pub extensions: Vec<Extension>,
}

impl Draft {
    /// The DER TBSCertificate, version 3 (RFC 5280 §4.1).
    pub fn to_tbs(&self) -> Result<Vec<u8>, Error> {
        let malformed = |error: der::Error| Error::malformed("draft", error);
        let tbs = Tbs {
            version: 2,
            serial: UintRef::new(self.serial.as_bytes()).map_err(malformed)?,
            signature: self.signature_algorithm.clone(),
            issuer: AnyRef::from_der(&self.issuer).map_err(malformed)?,
            validity: Validity {
                not_before: instant::time(self.not_before).map_err(malformed)?,
                not_after: instant::time(self.not_after).map_err(malformed)?,
            },
            subject: AnyRef::from_der(&self.subject).map_err(malformed)?,
            spki: Spki {
                algorithm: self.public_key.algorithm().spki_algorithm(),
                key: BitString::from_bytes(self.public_key.octets()).map_err(malformed)?,
            },
            extensions: self.extensions.clone(),
        };
        tbs.to_der().map_err(malformed)
    }
}

#[derive(Sequence)]
struct Tbs<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial: UintRef<'a>,
    signature: AlgorithmIdentifierOwned,
    issuer: AnyRef<'a>,
    validity: Validity,
    subject: AnyRef<'a>,
    spki: Spki,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

#[derive(Sequence)]
struct Validity {
    not_before: Time,
    not_after: Time,
}

#[derive(Sequence)]
struct Spki {
    algorithm: AlgorithmIdentifierOwned,
    key: BitString,
}
