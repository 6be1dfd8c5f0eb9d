//! What the tests of this folder share: the published vectors and keys, and small logs made by hand.

use crate::crypto::{Algorithm, PrivateKey, algorithms::Ed25519};
pub(super) use crate::vectors::read as vector;

/// An Ed25519 private key from its seed (RFC 8410 §7).
pub(super) fn ed25519(seed: &[u8; 32]) -> Box<dyn PrivateKey> {
    let mut pkcs8 = hex::decode("302e020100300506032b657004220420").unwrap();
    pkcs8.extend(seed);
    Ed25519.load(&pkcs8).unwrap()
}

/// A fresh private key.
pub(super) fn generate(algorithm: &'static dyn Algorithm) -> Box<dyn PrivateKey> {
    algorithm.load(&algorithm.generate().unwrap()).unwrap()
}
