//! A public key that was checked once, when it was read.

use der::{Decode, Encode};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::{ALGORITHMS, Algorithm, Error, digest::sha256};

/// A public key of a known algorithm. Its octets were checked (right length, a point of the curve) when it was made.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: &'static dyn Algorithm,
    octets: Vec<u8>,
    spki: Vec<u8>,
}

impl PublicKey {
    /// From the content of the BIT STRING of a SubjectPublicKeyInfo (SEC 1 uncompressed point, or the raw key).
    pub fn new(algorithm: &'static dyn Algorithm, octets: &[u8]) -> Result<Self, Error> {
        algorithm.check_public_key(octets)?;
        let spki = SubjectPublicKeyInfoOwned {
            algorithm: algorithm.spki_algorithm(),
            subject_public_key: der::asn1::BitString::from_bytes(octets).map_err(|_| Error::PublicKey)?,
        };
        Ok(Self { algorithm, octets: octets.to_vec(), spki: spki.to_der().map_err(|_| Error::PublicKey)? })
    }

    /// From a DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
    ///
    /// Errors: `UnknownAlgorithm` with the object identifiers, or `PublicKey`.
    pub fn from_spki(der: &[u8]) -> Result<Self, Error> {
        let spki = SubjectPublicKeyInfoOwned::from_der(der).map_err(|_| Error::PublicKey)?;
        let algorithm = ALGORITHMS
            .iter()
            .find(|algorithm| algorithm.accepts_spki_algorithm(&spki.algorithm))
            .ok_or_else(|| Error::UnknownAlgorithm(describe(&spki.algorithm)))?;
        Self::new(*algorithm, spki.subject_public_key.as_bytes().ok_or(Error::PublicKey)?)
    }

    pub fn algorithm(&self) -> &'static dyn Algorithm {
        self.algorithm
    }

    /// The content of the BIT STRING.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The DER SubjectPublicKeyInfo in the form we emit, whatever form was read.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of the SubjectPublicKeyInfo: the identity of a key.
    pub fn fingerprint(&self) -> [u8; 32] {
        sha256(&self.spki)
    }

    /// Checks a signature in the form X.509 carries it.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        self.algorithm.verify(&self.octets, message, signature)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "PublicKey({} {})", self.algorithm.name(), hex::encode(self.fingerprint()))
    }
}

fn describe(algorithm: &AlgorithmIdentifierOwned) -> String {
    match algorithm.parameters.as_ref().and_then(|parameters| parameters.decode_as::<der::asn1::ObjectIdentifier>().ok()) {
        Some(parameters) => format!("{} with {}", algorithm.oid, parameters),
        None => algorithm.oid.to_string(),
    }
}
