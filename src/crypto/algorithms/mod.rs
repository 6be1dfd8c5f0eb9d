//! Signature algorithms, one file each. To add one, write its file and put it into the list below: nothing else lists them.
//!
//! Signatures cross this trait in the form that X.509 puts into its BIT STRING (for ECDSA and SM2 a DER SEQUENCE of r and s).

mod ecdsa;

use std::fmt::Debug;

use spki::AlgorithmIdentifierOwned;
use zeroize::Zeroizing;

pub(super) use self::ecdsa::from_fixed as ecdsa_from_fixed;
use super::{Digest, Error, PublicKey};

/// Declares the file of each algorithm and the list of all: to add one is to add its line.
macro_rules! algorithms {
    ($($file:ident::$name:ident)*) => {
        $(
            pub mod $file;
            pub use self::$file::$name;
        )*

        pub static ALGORITHMS: &[&dyn Algorithm] = &[$(&$name),*];
    };
}

algorithms! {
    p256::P256
    p384::P384
    sm2::Sm2
    ed25519::Ed25519
}

/// An unencrypted DER PKCS#8 private key, wiped when dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// A signature algorithm with its one hash function.
pub trait Algorithm: Debug + Send + Sync {
    /// The name in configuration, profiles and authority names: `p256`, `sm2`.
    fn name(&self) -> &'static str;

    /// The `alg` of a JWS (RFC 7518 §3.1); `SM2` is ours.
    fn jose_name(&self) -> &'static str;

    /// The hash function under the signature.
    fn digest(&self) -> Digest;

    /// The AlgorithmIdentifier that we write into a SubjectPublicKeyInfo.
    fn spki_algorithm(&self) -> AlgorithmIdentifierOwned;

    /// Whether a SubjectPublicKeyInfo with this AlgorithmIdentifier holds a key of this algorithm.
    fn accepts_spki_algorithm(&self, found: &AlgorithmIdentifierOwned) -> bool {
        *found == self.spki_algorithm()
    }

    /// The AlgorithmIdentifier of a signature, without parameters unless the standard demands them.
    fn signature_algorithm(&self) -> AlgorithmIdentifierOwned;

    /// The same in the form with NULL parameters, for algorithms whose standard knows both forms.
    fn signature_algorithm_with_null(&self) -> AlgorithmIdentifierOwned {
        self.signature_algorithm()
    }

    /// Whether a signature with this AlgorithmIdentifier is of this algorithm.
    fn accepts_signature_algorithm(&self, found: &AlgorithmIdentifierOwned) -> bool {
        *found == self.signature_algorithm() || *found == self.signature_algorithm_with_null()
    }

    /// The number of the TLS 1.3 SignatureScheme; `None` for one that TLS does not know.
    fn tls_scheme(&self) -> Option<u16>;

    /// Checks the octets of a public key: their length, and that they are a point of the curve.
    fn check_public_key(&self, octets: &[u8]) -> Result<(), Error>;

    fn verify(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error>;

    /// Checks a TLS 1.3 CertificateVerify, which for SM2 has an identity of its own (RFC 8998 §3.2.1).
    fn verify_tls13(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
        self.verify(public_key, message, signature)
    }

    /// The signature as JWS carries it: r and s of fixed length, one after the other (RFC 7518 §3.4).
    fn signature_to_jose(&self, signature: &[u8]) -> Result<Vec<u8>, Error>;

    /// The reverse of `signature_to_jose`.
    fn signature_from_jose(&self, signature: &[u8]) -> Result<Vec<u8>, Error>;

    /// Makes a private key.
    fn generate(&self) -> Result<Secret, Error>;

    /// Reads a private key and derives its public key.
    fn load(&'static self, pkcs8: &[u8]) -> Result<Box<dyn PrivateKey>, Error>;
}

/// A private key in this process. Wiped when dropped, never printed.
pub trait PrivateKey: Send + Sync {
    fn public_key(&self) -> &PublicKey;

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error>;

    /// Signs a TLS 1.3 CertificateVerify.
    fn sign_tls13(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.sign(message)
    }
}

/// The algorithm of that name in configuration.
pub fn find(name: &str) -> Result<&'static dyn Algorithm, Error> {
    ALGORITHMS.iter().copied().find(|algorithm| algorithm.name() == name).ok_or_else(|| Error::UnknownAlgorithm(name.to_owned()))
}

/// Reads a private key of whichever algorithm it is.
pub fn load_any(pkcs8: &[u8]) -> Result<Box<dyn PrivateKey>, Error> {
    ALGORITHMS.iter().find_map(|algorithm| algorithm.load(pkcs8).ok()).ok_or(Error::PrivateKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_signs_verifies_and_refuses_what_was_altered() {
        for algorithm in ALGORITHMS {
            let key = algorithm.load(&algorithm.generate().unwrap()).unwrap();
            let public = PublicKey::from_spki(key.public_key().spki()).unwrap();
            let signature = key.sign(b"message").unwrap();

            assert_eq!(public.algorithm().name(), algorithm.name());
            public.verify(b"message", &signature).unwrap();
            assert_eq!(public.verify(b"massage", &signature), Err(Error::Signature), "{}", algorithm.name());
            assert!(public.verify(b"message", &signature[1..]).is_err());

            let raw = algorithm.signature_to_jose(&signature).unwrap();
            assert_eq!(algorithm.signature_from_jose(&raw).unwrap(), signature);
        }
    }

    #[test]
    fn names_and_identifiers_are_unique() {
        for (index, one) in ALGORITHMS.iter().enumerate() {
            for other in &ALGORITHMS[index + 1..] {
                assert_ne!(one.name(), other.name());
                assert_ne!(one.jose_name(), other.jose_name());
                assert_ne!(one.spki_algorithm(), other.spki_algorithm());
                assert_ne!(one.signature_algorithm(), other.signature_algorithm());
            }
        }
    }

    #[test]
    fn a_point_that_is_not_on_the_curve_is_refused() {
        for algorithm in ALGORITHMS.iter().filter(|algorithm| algorithm.name() != "ed25519") {
            let key = algorithm.load(&algorithm.generate().unwrap()).unwrap();
            let mut octets = key.public_key().octets().to_vec();
            *octets.last_mut().unwrap() ^= 1;
            assert_eq!(PublicKey::new(*algorithm, &octets), Err(Error::PublicKey), "{}", algorithm.name());
        }
    }
}
