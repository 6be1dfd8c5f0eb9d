//! SM2 with SM3 (GB/T 32918.2, GM/T 0009), by the `sm2` crate: constant time and safe Rust.
//!
//! Z is always computed with the default identity of GM/T 0009 §10; TLS 1.3 alone has another (RFC 8998 §3.2.1).

use der::{Any, asn1::ObjectIdentifier};
use signature::{Signer, Verifier, hazmat::PrehashVerifier};
use sm2::{
    SecretKey,
    dsa::{Signature, SigningKey, VerifyingKey},
    elliptic_curve::{Generate, sec1::ToSec1Point},
    pkcs8::{DecodePrivateKey, EncodePrivateKey},
};
use spki::AlgorithmIdentifierOwned;

use super::{Algorithm, PrivateKey, Secret, ecdsa};
use crate::crypto::{Digest, Error, PublicKey};

/// The identity in Z of everything but TLS (GM/T 0009 §10).
const DEFAULT_IDENTITY: &str = "1234567812345678";
/// The identity in Z of a TLS 1.3 CertificateVerify (RFC 8998 §3.2.1).
pub const TLS13_IDENTITY: &str = "TLSv1.3+GM+Cipher+Suite";

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301");
const SIGNATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");
const WIDTH: usize = 32;

#[derive(Debug)]
pub struct Sm2;

impl Algorithm for Sm2 {
    fn name(&self) -> &'static str {
        "sm2"
    }

    fn jose_name(&self) -> &'static str {
        "SM2"
    }

    fn digest(&self) -> Digest {
        Digest::Sm3
    }

    fn spki_algorithm(&self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: EC_PUBLIC_KEY, parameters: Some(Any::from(CURVE)) }
    }

    /// Also the form 301 + 301 that some tokens send; it is re-encoded as id-ecPublicKey.
    fn accepts_spki_algorithm(&self, found: &AlgorithmIdentifierOwned) -> bool {
        (found.oid == EC_PUBLIC_KEY || found.oid == CURVE) && found.parameters.as_ref() == Some(&Any::from(CURVE))
    }

    fn signature_algorithm(&self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: SIGNATURE, parameters: None }
    }

    fn signature_algorithm_with_null(&self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: SIGNATURE, parameters: Some(Any::from(der::asn1::Null)) }
    }

    fn tls_scheme(&self) -> Option<u16> {
        Some(0x0708)
    }

    fn check_public_key(&self, octets: &[u8]) -> Result<(), Error> {
        if octets.len() != 1 + 2 * WIDTH || octets[0] != 4 {
            return Err(Error::PublicKey);
        }
        VerifyingKey::from_sec1_bytes(DEFAULT_IDENTITY, octets).map(drop).map_err(|_| Error::PublicKey)
    }

    fn verify(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
        verify(DEFAULT_IDENTITY, public_key, message, signature)
    }

    fn verify_tls13(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
        verify(TLS13_IDENTITY, public_key, message, signature)
    }

    fn signature_to_jose(&self, signature: &[u8]) -> Result<Vec<u8>, Error> {
        ecdsa::to_fixed(signature, WIDTH)
    }

    fn signature_from_jose(&self, signature: &[u8]) -> Result<Vec<u8>, Error> {
        ecdsa::from_fixed(signature, WIDTH)
    }

    fn generate(&self) -> Result<Secret, Error> {
        // d = n-1 makes 1+d non-invertible (GM/T 0009 §6.1); SigningKey::new refuses it and we draw again.
        loop {
            let key = SecretKey::generate();
            if SigningKey::new(DEFAULT_IDENTITY, &key).is_ok() {
                return key.to_pkcs8_der().map(|document| Secret::new(document.as_bytes().to_vec())).map_err(|_| Error::PrivateKey);
            }
        }
    }

    fn load(&'static self, pkcs8: &[u8]) -> Result<Box<dyn PrivateKey>, Error> {
        let secret = SecretKey::from_pkcs8_der(pkcs8).map_err(|_| Error::PrivateKey)?;
        let public = PublicKey::new(&Self, secret.public_key().to_sec1_point(false).as_bytes())?;
        let key = |identity| SigningKey::new(identity, &secret).map_err(|_| Error::PrivateKey);
        Ok(Box::new(Key { default: key(DEFAULT_IDENTITY)?, tls13: key(TLS13_IDENTITY)?, public }))
    }
}

/// Checks a signature whose signer has another identity than the default one, any octets: for vectors, for nobody here signs so.
///
/// Errors: `Signature` also for an identity of 8192 octets or more, whose length in bits Z cannot say.
pub fn verify_with_identity(identity: &[u8], public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
    Sm2.check_public_key(public_key)?;
    let mut hasher = Digest::Sm3.hasher();
    hasher.update(&z(identity, public_key).ok_or(Error::Signature)?);
    hasher.update(message);
    let key = VerifyingKey::from_sec1_bytes(DEFAULT_IDENTITY, public_key).map_err(|_| Error::PublicKey)?;
    key.verify_prehash(&hasher.finish(), &parse_signature(signature)?).map_err(|_| Error::Signature)
}

fn verify(identity: &str, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
    let key = VerifyingKey::from_sec1_bytes(identity, public_key).map_err(|_| Error::PublicKey)?;
    key.verify(message, &parse_signature(signature)?).map_err(|_| Error::Signature)
}

fn parse_signature(der: &[u8]) -> Result<Signature, Error> {
    // The crate reads BER-like forms too; a signature has one form only, so it must encode back to what was read.
    let parsed = Signature::from_der(der).map_err(|_| Error::Signature)?;
    if parsed.to_der().as_bytes() == der { Ok(parsed) } else { Err(Error::Signature) }
}

/// A public key made ready for many signatures with the default identity.
pub(in crate::crypto) struct Sm2Verifier {
    key: VerifyingKey,
    z: [u8; 32],
}

impl Sm2Verifier {
    /// From an uncompressed point.
    pub(in crate::crypto) fn new(point: &[u8]) -> Result<Self, Error> {
        Sm2.check_public_key(point)?;
        let key = VerifyingKey::from_sec1_bytes(DEFAULT_IDENTITY, point).map_err(|_| Error::PublicKey)?;
        let z = z(DEFAULT_IDENTITY.as_bytes(), point).ok_or(Error::PublicKey)?;
        Ok(Self { key, z })
    }

    /// What is hashed before the message (GM/T 0009 §8.1).
    pub(in crate::crypto) fn z(&self) -> &[u8] {
        &self.z
    }

    pub(in crate::crypto) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        self.key.verify(message, &parse_signature(signature)?).map_err(|_| Error::Signature)
    }

    /// `digest` is SM3(Z ‖ message).
    pub(in crate::crypto) fn verify_digest(&self, digest: &[u8], signature: &[u8]) -> Result<(), Error> {
        self.key.verify_prehash(digest, &parse_signature(signature)?).map_err(|_| Error::Signature)
    }
}

/// SM3(ENTL ‖ identity ‖ a ‖ b ‖ G ‖ public key), the curve as GM/T 0009 §5 and GB/T 32918.5 have it. `None` for an identity
/// whose length in bits does not fit the two octets of ENTL.
fn z(identity: &[u8], point: &[u8]) -> Option<[u8; 32]> {
    const A: [u8; 32] = hex_literal("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC");
    const B: [u8; 32] = hex_literal("28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93");
    const X: [u8; 32] = hex_literal("32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7");
    const Y: [u8; 32] = hex_literal("BC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0");
    let mut hash = Digest::Sm3.hasher();
    let bits = u16::try_from(identity.len() * 8).ok()?.to_be_bytes();
    for part in [&bits[..], identity, &A, &B, &X, &Y, point.get(1..).unwrap_or_default()] {
        hash.update(part);
    }
    let mut z = [0; 32];
    z.copy_from_slice(&hash.finish());
    Some(z)
}

const fn hex_literal(text: &str) -> [u8; 32] {
    const fn digit(character: u8) -> u8 {
        if character <= b'9' { character - b'0' } else { character - b'A' + 10 }
    }
    let (text, mut octets, mut index) = (text.as_bytes(), [0; 32], 0);
    while index < 32 {
        octets[index] = digit(text[2 * index]) << 4 | digit(text[2 * index + 1]);
        index += 1;
    }
    octets
}

struct Key {
    default: SigningKey,
    tls13: SigningKey,
    public: PublicKey,
}

impl PrivateKey for Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        sign(&self.default, message)
    }

    fn sign_tls13(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        sign(&self.tls13, message)
    }
}

fn sign(key: &SigningKey, message: &[u8]) -> Result<Vec<u8>, Error> {
    let signature: Signature = key.try_sign(message).map_err(|_| Error::KeyUnavailable("signing failed".to_owned()))?;
    Ok(signature.to_der().as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use der::{Decode, Encode};

    use super::*;

    #[test]
    fn the_national_form_of_a_signature_algorithm_carries_null_and_both_forms_are_accepted() {
        let null = Sm2.signature_algorithm_with_null();
        assert_eq!(hex::encode(null.to_der().unwrap()), "300c06082a811ccf550183750500");
        assert_eq!(hex::encode(Sm2.signature_algorithm().to_der().unwrap()), "300a06082a811ccf55018375");
        let other = AlgorithmIdentifierOwned::from_der(&hex::decode("300d06082a811ccf55018375020101").unwrap()).unwrap();
        assert!(Sm2.accepts_signature_algorithm(&null) && !Sm2.accepts_signature_algorithm(&other));
    }
}
