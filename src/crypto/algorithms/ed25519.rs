//! Ed25519 (RFC 8032, RFC 8410), by AWS-LC: the keys of checkpoints.

use aws_lc_rs::signature::{self, Ed25519KeyPair, KeyPair};
use der::asn1::ObjectIdentifier;
use spki::AlgorithmIdentifierOwned;

use super::{Algorithm, PrivateKey, Secret};
use crate::crypto::{Digest, Error, PublicKey};

const OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

#[derive(Debug)]
pub struct Ed25519;

impl Algorithm for Ed25519 {
    fn name(&self) -> &'static str {
        "ed25519"
    }

    fn jose_name(&self) -> &'static str {
        "EdDSA"
    }

    fn digest(&self) -> Digest {
        Digest::Sha512
    }

    fn spki_algorithm(&self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: OID, parameters: None }
    }

    fn signature_algorithm(&self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: OID, parameters: None }
    }

    fn tls_scheme(&self) -> Option<u16> {
        Some(0x0807)
    }

    fn check_public_key(&self, octets: &[u8]) -> Result<(), Error> {
        if octets.len() == 32 { Ok(()) } else { Err(Error::PublicKey) }
    }

    fn verify(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
        signature::UnparsedPublicKey::new(&signature::ED25519, public_key).verify(message, signature).map_err(|_| Error::Signature)
    }

    fn signature_to_jose(&self, signature: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(signature.to_vec())
    }

    fn signature_from_jose(&self, signature: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(signature.to_vec())
    }

    fn generate(&self) -> Result<Secret, Error> {
        // Version 1 of PKCS#8, without the public key: the only form OpenSSL 3.0 reads.
        Ed25519KeyPair::generate_pkcs8v1(&aws_lc_rs::rand::SystemRandom::new())
            .map(|document| Secret::new(document.as_ref().to_vec()))
            .map_err(|_| Error::PrivateKey)
    }

    fn load(&'static self, pkcs8: &[u8]) -> Result<Box<dyn PrivateKey>, Error> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|_| Error::PrivateKey)?;
        let public = PublicKey::new(&Self, pair.public_key().as_ref())?;
        Ok(Box::new(Key { pair, public }))
    }
}

struct Key {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl PrivateKey for Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.pair.sign(message).as_ref().to_vec())
    }
}
