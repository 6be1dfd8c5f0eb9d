//! Where private keys live and how the service asks them to sign. The only folder of `crypto` that does I/O.

pub mod software;

use async_trait::async_trait;

pub use software::{KeyStore, SoftwareKey};

use super::{Error, PublicKey};

/// A private key that may live in another process or in hardware.
///
/// `sign_batch` answers one signature a message, in order, all or none. It may be retried: signing the same octets
/// twice is harmless, because what is signed was committed before. No database transaction is open meanwhile.
#[async_trait]
pub trait SigningKey: Send + Sync {
    fn public_key(&self) -> &PublicKey;

    async fn sign_batch(&self, messages: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error>;

    /// One message, for callers that have but one.
    async fn sign(&self, message: Vec<u8>) -> Result<Vec<u8>, Error> {
        let mut signatures = self.sign_batch(vec![message]).await?;
        signatures.pop().ok_or_else(|| Error::KeyUnavailable("no signature for the message".to_owned()))
    }
}
