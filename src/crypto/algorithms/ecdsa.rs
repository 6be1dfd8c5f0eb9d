//! ECDSA (FIPS 186-5) over a curve, by AWS-LC, and the two forms of a signature (r, s), which SM2 shares.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair, ParsedPublicKey, UnparsedPublicKey},
};
use der::{
    Any, Decode, Encode,
    asn1::{ObjectIdentifier, UintRef},
};
use spki::AlgorithmIdentifierOwned;

use super::{Algorithm, PrivateKey, Secret};
use crate::crypto::{Digest, Error, PublicKey};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// ECDSA on one curve with one hash function.
pub struct Ecdsa {
    pub(super) name: &'static str,
    pub(super) jose_name: &'static str,
    pub(super) digest: Digest,
    pub(super) curve: ObjectIdentifier,
    pub(super) signature: ObjectIdentifier,
    pub(super) tls_scheme: u16,
    /// Octets of a coordinate, and of r and s.
    pub(super) width: usize,
    pub(super) verification: &'static EcdsaVerificationAlgorithm,
    pub(super) signing: &'static EcdsaSigningAlgorithm,
}

impl std::fmt::Debug for Ecdsa {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.jose_name)
    }
}

impl Algorithm for Ecdsa {
    fn name(&self) -> &'static str {
        self.name
    }

    fn jose_name(&self) -> &'static str {
        self.jose_name
    }

    fn digest(&self) -> Digest {
        self.digest
    }

    fn spki_algorithm(&self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: EC_PUBLIC_KEY, parameters: Some(Any::from(self.curve)) }
    }

    fn signature_algorithm(&self) -> AlgorithmIdentifierOwned {
        // RFC 5758 §3.2: the parameters are absent.
        AlgorithmIdentifierOwned { oid: self.signature, parameters: None }
    }

    fn tls_scheme(&self) -> Option<u16> {
        Some(self.tls_scheme)
    }

    fn check_public_key(&self, octets: &[u8]) -> Result<(), Error> {
        // RFC 5480 §2.2 allows compressed points; we take the uncompressed form alone, as every peer can read it.
        if octets.len() != 1 + 2 * self.width || octets[0] != 4 {
            return Err(Error::PublicKey);
        }
        ParsedPublicKey::new(self.verification, octets).map(drop).map_err(|_| Error::PublicKey)
    }

    fn verify(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
        UnparsedPublicKey::new(self.verification, public_key).verify(message, signature).map_err(|_| Error::Signature)
    }

    fn signature_to_jose(&self, signature: &[u8]) -> Result<Vec<u8>, Error> {
        to_fixed(signature, self.width)
    }

    fn signature_from_jose(&self, signature: &[u8]) -> Result<Vec<u8>, Error> {
        from_fixed(signature, self.width)
    }

    fn generate(&self) -> Result<Secret, Error> {
        EcdsaKeyPair::generate_pkcs8(self.signing, &SystemRandom::new())
            .map(|document| Secret::new(document.as_ref().to_vec()))
            .map_err(|_| Error::PrivateKey)
    }

    fn load(&'static self, pkcs8: &[u8]) -> Result<Box<dyn PrivateKey>, Error> {
        let pair = EcdsaKeyPair::from_pkcs8(self.signing, pkcs8).map_err(|_| Error::PrivateKey)?;
        let public = PublicKey::new(self, pair.public_key().as_ref())?;
        Ok(Box::new(Key { pair, public }))
    }
}

struct Key {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl PrivateKey for Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| Error::KeyUnavailable("signing failed".to_owned()))
    }
}

#[derive(der::Sequence)]
struct Pair<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// DER SEQUENCE of r and s → r ‖ s, each `width` octets.
pub(super) fn to_fixed(signature: &[u8], width: usize) -> Result<Vec<u8>, Error> {
    let pair = Pair::from_der(signature).map_err(|_| Error::Signature)?;
    let mut fixed = vec![0; 2 * width];
    for (half, number) in fixed.chunks_mut(width).zip([pair.r, pair.s]) {
        let octets = number.as_bytes();
        let start = width.checked_sub(octets.len()).ok_or(Error::Signature)?;
        half[start..].copy_from_slice(octets);
    }
    Ok(fixed)
}

/// r ‖ s → DER SEQUENCE of r and s.
pub(in crate::crypto) fn from_fixed(signature: &[u8], width: usize) -> Result<Vec<u8>, Error> {
    if signature.len() != 2 * width {
        return Err(Error::Signature);
    }
    let (r, s) = signature.split_at(width);
    let pair = Pair { r: UintRef::new(r).map_err(|_| Error::Signature)?, s: UintRef::new(s).map_err(|_| Error::Signature)? };
    pair.to_der().map_err(|_| Error::Signature)
}
