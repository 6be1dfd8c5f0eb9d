//! Personal data at rest: AES-256-GCM under one data key, which lies encrypted under the passphrase of the keys.
//!
//! A sealed value is bound to the row it belongs to, so it cannot be moved to another; erasing the row erases the data.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::world::{Entropy, random};

/// Seals and opens personal data.
pub struct Sealer(LessSafeKey);

/// The sealed bytes are not of this row, were altered, or the key is another.
#[derive(Debug, thiserror::Error)]
#[error("sealed data cannot be opened")]
pub struct Unsealable;

impl Sealer {
    pub fn new(key: &[u8; 32]) -> Self {
        // AES-256 takes any 32 octets.
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("a key of 32 octets")))
    }

    /// nonce ‖ ciphertext ‖ tag. `row` names the row that the value belongs to.
    pub fn seal(&self, row: &str, plaintext: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random(entropy);
        let mut sealed = plaintext.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(row.as_bytes()), &mut sealed)
            // Only plaintexts of 64 GiB and more are refused.
            .expect("a record is far smaller than the limit of AES-GCM");
        [&nonce[..], &sealed].concat()
    }

    pub fn open(&self, row: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let length = self.0.open_in_place(nonce, Aad::from(row.as_bytes()), &mut buffer).map_err(|_| Unsealable)?.len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::SystemEntropy;

    #[test]
    fn sealed_data_opens_only_in_its_own_row_and_unaltered() {
        let sealer = Sealer::new(&[7; 32]);
        let sealed = sealer.seal("enrolment/1", "王芳".as_bytes(), &SystemEntropy);
        assert_eq!(&sealer.open("enrolment/1", &sealed).unwrap()[..], "王芳".as_bytes());
        assert!(sealer.open("enrolment/2", &sealed).is_err());
        for index in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[index] ^= 1;
            assert!(sealer.open("enrolment/1", &altered).is_err());
        }
    }
}
