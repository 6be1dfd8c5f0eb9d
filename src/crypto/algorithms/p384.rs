//! ECDSA on P-384 with SHA-384 (FIPS 186-5), by AWS-LC.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{self, EcdsaKeyPair, KeyPair, ParsedPublicKey},
};
use der::{Any, asn1::ObjectIdentifier};
use spki::AlgorithmIdentifierOwned;

use super::{Algorithm, PrivateKey, Secret, ecdsa};
use crate::crypto::{Digest, Error, PublicKey};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SIGNATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const WIDTH: usize = 48;

#[derive(Debug)]
pub struct P384;

impl Algorithm for P384 {
    fn name(&self) -> &'static str {
        "p384"
    }

    fn jose_name(&self) -> &'static str {
        "ES384"
    }

    fn digest(&self) -> Digest {
        Digest::Sha384
    }

    fn spki_algorithm(&self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: EC_PUBLIC_KEY, parameters: Some(Any::from(CURVE)) }
    }

    fn signature_algorithm(&self) -> AlgorithmIdentifierOwned {
        // RFC 5758 §3.2: the parameters are absent.
        AlgorithmIdentifierOwned { oid: SIGNATURE, parameters: None }
    }

    fn tls_scheme(&self) -> Option<u16> {
        Some(0x0503)
    }

    fn check_public_key(&self, octets: &[u8]) -> Result<(), Error> {
        // RFC 5480 §2.2 allows compressed points; we take the uncompressed form alone, as every peer can read it.
        if octets.len() != 1 + 2 * WIDTH || octets[0] != 4 {
            return Err(Error::PublicKey);
        }
        ParsedPublicKey::new(&signature::ECDSA_P384_SHA384_ASN1, octets).map(drop).map_err(|_| Error::PublicKey)
    }

    fn verify(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
        signature::UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_ASN1, public_key)
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
        EcdsaKeyPair::generate_pkcs8(&signature::ECDSA_P384_SHA384_ASN1_SIGNING, &SystemRandom::new())
            .map(|document| Secret::new(document.as_ref().to_vec()))
            .map_err(|_| Error::PrivateKey)
    }

    fn load(&self, pkcs8: &[u8]) -> Result<Box<dyn PrivateKey>, Error> {
        let pair = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8).map_err(|_| Error::PrivateKey)?;
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
