//! Algorithms and keys. `algorithms/` and `digest.rs` are pure; `keys/` alone does I/O.
//!
//! Read `algorithms/mod.rs` first: an algorithm is one value behind one trait, and every list of algorithms in the crate
//! is `ALGORITHMS`. What others sign with is wider: `scheme.rs` says how a signature was made, `verifying_key.rs` checks it,
//! `jose.rs` knows both by JOSE's names. Kept out on purpose: who is allowed to use a key, what is being signed, and certificates.

pub mod algorithms;
pub mod digest;
pub mod jose;
pub mod keys;
pub mod public_key;
pub mod scheme;
pub mod tls;
pub mod verifying_key;

pub use algorithms::{ALGORITHMS, Algorithm, PrivateKey, Secret};
pub use digest::Digest;
pub use public_key::PublicKey;
pub use scheme::Scheme;
pub use verifying_key::{Strength, VerifyingKey};

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
