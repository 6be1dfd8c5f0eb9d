//! Algorithms and keys. `algorithms/` and `digest.rs` are pure; `keys/` alone does I/O.
//!
//! Read `algorithms/mod.rs` first: an algorithm is one value behind one trait, and every list of algorithms in the crate
//! is `ALGORITHMS`. Kept out on purpose: who is allowed to use a key, what is being signed, and certificates.

pub mod algorithms;
pub mod digest;
pub mod keys;
pub mod public_key;
pub mod tls;

pub use algorithms::{ALGORITHMS, Algorithm, PrivateKey, Secret};
pub use digest::Digest;
pub use public_key::PublicKey;

/// Why a key, a signature or an algorithm was refused. Carries no secret and no input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the algorithm {0} is not known here")]
    UnknownAlgorithm(String),
    #[error("the public key is malformed or not a point of its curve")]
    PublicKey,
    #[error("the private key is malformed or of another algorithm")]
    PrivateKey,
    #[error("the signature does not verify")]
    Signature,
    #[error("the key did not answer: {0}")]
    KeyUnavailable(String),
}
