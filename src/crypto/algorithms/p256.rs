//! ECDSA on P-256 with SHA-256 (FIPS 186-5), by AWS-LC.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{self, EcdsaKeyPair, KeyPair, ParsedPublicKey},
};
use der::{Any, asn1::ObjectIdentifier};
use spki::AlgorithmIdentifierOwned;

use super::{Algorithm, PrivateKey, Secret, ecdsa};
use crate::crypto::{Digest, Error, PublicKey};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SIGNATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const WIDTH: usize = 32;

#[derive(Debug)]
pub struct P256;

impl Algorithm for P256 {
    fn name(&self) -> &'static str {
        "p256"
    }

    fn jose_name(&self) -> &'static str {
        "ES256"
    }

    fn digest(&self) -> Digest {
        Digest::Sha256
    }

    fn spki_algorithm(&self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: EC_PUBLIC_KEY, parameters: Some(Any::from(CURVE)) }
    }

    fn signature_algorithm(&self) -> AlgorithmIdentifierOwned {
        // RFC 5758 §3.2: the parameters are absent.
        AlgorithmIdentifierOwned { oid: SIGNATURE, parameters: None }
    }

    fn tls_scheme(&self) -> Option<u16> {
        Some(0x0403)
    }

    fn check_public_key(&self, octets: &[u8]) -> Result<(), Error> {
        // RFC 5480 §2.2 allows compressed points; we take the uncompressed form alone, as every peer can read it.
        if octets.len() != 1 + 2 * WIDTH || octets[0] != 4 {
            return Err(Error::PublicKey);
        }
        ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, octets).map(drop).map_err(|_| Error::PublicKey)
    }

    fn verify(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
        signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, public_key)
            .verify(message, signature)
            .map_err(|_| Error::Signature)
    }

    fn signature_to_jose(&self, signature: &[u8]) -> Result<Vec<u8>, Error> {
        ecdsa::to_fixed(signature, WIDTH)
    }

    fn signature_from_jose(&self, signature: &[u8]) -> Result<Vec<u8>, Error> {
        ecdsa::from_fixed(signature, WIDTH)
    }

    fn generate(&self) -> Result<Secret, Error> {
        EcdsaKeyPair::generate_pkcs8(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            .map(|document| Secret::new(document.as_ref().to_vec()))
            .map_err(|_| Error::PrivateKey)
    }

    fn load(&self, pkcs8: &[u8]) -> Result<Box<dyn PrivateKey>, Error> {
        let pair = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8).map_err(|_| Error::PrivateKey)?;
        let public = PublicKey::new(&Self, pair.public_key().as_ref())?;
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
        self.pair
            .sign(&SystemRandom::new(), message)
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| Error::KeyUnavailable("signing failed".to_owned()))
    }
}
