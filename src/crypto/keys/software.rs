//! Keys in files: PKCS#8 encrypted under one passphrase (PBES2: PBKDF2-HMAC-SHA256, AES-256-CBC), signed with in this process.

use std::{
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use der::{Decode, pem::LineEnding};
use pkcs8::{EncryptedPrivateKeyInfoRef, pkcs5::pbes2};
use secrecy::{ExposeSecret, SecretString};

use super::SigningKey;
use crate::{
    crypto::{Algorithm, Error, PrivateKey, PublicKey, Secret, algorithms},
    world::{Entropy, random},
};

/// A key in the memory of this process.
#[derive(Clone)]
pub struct SoftwareKey(Arc<dyn PrivateKey>);

impl SoftwareKey {
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, Error> {
        Ok(Self(algorithms::load_any(pkcs8)?.into()))
    }
}

#[async_trait]
impl SigningKey for SoftwareKey {
    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    async fn sign_batch(&self, messages: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
        let key = self.0.clone();
        tokio::task::spawn_blocking(move || messages.iter().map(|message| sign_and_check(&*key, message)).collect())
            .await
            .map_err(|error| Error::KeyUnavailable(error.to_string()))?
    }
}

/// A fault during signing can leak the key through the wrong signature, so none leaves before it was verified.
fn sign_and_check(key: &dyn PrivateKey, message: &[u8]) -> Result<Vec<u8>, Error> {
    let signature = key.sign(message)?;
    key.public_key().verify(message, &signature).map_err(|_| Error::KeyUnavailable("the key made a wrong signature".to_owned()))?;
    Ok(signature)
}

/// A directory of encrypted keys, `{name}.key` each, readable by their owner only.
pub struct KeyStore {
    directory: PathBuf,
    passphrase: SecretString,
    iterations: u32,
}

impl KeyStore {
    /// The work factor of new files: OWASP's figure for PBKDF2-HMAC-SHA256 (2023).
    pub const ITERATIONS: u32 = 600_000;

    pub fn open(directory: &Path, passphrase: SecretString, iterations: u32) -> std::io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        Ok(Self { directory: directory.to_owned(), passphrase, iterations })
    }

    /// Makes a key and stores it durably before it is returned. Refuses a name that is taken.
    pub fn generate(&self, name: &str, algorithm: &dyn Algorithm, entropy: &dyn Entropy) -> Result<SoftwareKey, Error> {
        let secret = algorithm.generate()?;
        let pem = self.encrypt(&secret, entropy)?;
        self.write_new(name, pem.as_bytes()).map_err(|error| unavailable(name, &error))?;
        SoftwareKey::from_pkcs8(&secret)
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub fn load(&self, name: &str) -> Result<SoftwareKey, Error> {
        let pem = std::fs::read_to_string(self.path(name)).map_err(|error| unavailable(name, &error))?;
        SoftwareKey::from_pkcs8(&decrypt_pem(&pem, self.passphrase.expose_secret().as_bytes())?)
    }

    /// The key itself, for the one use that cannot ask for signatures: TLS handshakes in this process.
    pub fn export(&self, name: &str) -> Result<Secret, Error> {
        let pem = std::fs::read_to_string(self.path(name)).map_err(|error| unavailable(name, &error))?;
        decrypt_pem(&pem, self.passphrase.expose_secret().as_bytes())
    }

    /// Deletes a key that no certificate needs any more.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        std::fs::remove_file(self.path(name)).map_err(|error| unavailable(name, &error))
    }

    fn encrypt(&self, secret: &Secret, entropy: &dyn Entropy) -> Result<String, Error> {
        encrypt_pem(secret, self.passphrase.expose_secret().as_bytes(), self.iterations, entropy)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.key"))
    }

    fn write_new(&self, name: &str, contents: &[u8]) -> std::io::Result<()> {
        let temporary = self.directory.join(format!("{name}.key.new"));
        let _ = std::fs::remove_file(&temporary);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(contents)?;
        file.sync_all()?;
        // A link refuses a name that is taken, and what has the name is whole, so a crash leaves a key or none.
        std::fs::hard_link(&temporary, self.path(name))?;
        std::fs::remove_file(&temporary)?;
        std::fs::File::open(&self.directory)?.sync_all()
    }
}

/// PKCS#8 → PEM `ENCRYPTED PRIVATE KEY`.
pub fn encrypt_pem(secret: &Secret, passphrase: &[u8], iterations: u32, entropy: &dyn Entropy) -> Result<String, Error> {
    let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(iterations, &random::<16>(entropy), random(entropy))
        .map_err(|_| Error::PrivateKey)?;
    let ciphertext = parameters.encrypt(passphrase, secret).map_err(|_| Error::PrivateKey)?;
    let info = pkcs8::EncryptedPrivateKeyInfo {
        encryption_algorithm: parameters.into(),
        encrypted_data: der::asn1::OctetString::new(ciphertext).map_err(|_| Error::PrivateKey)?,
    };
    let der = der::Encode::to_der(&info).map_err(|_| Error::PrivateKey)?;
    der::pem::encode_string("ENCRYPTED PRIVATE KEY", LineEnding::LF, &der).map_err(|_| Error::PrivateKey)
}

/// PEM `PRIVATE KEY` or `ENCRYPTED PRIVATE KEY` → PKCS#8. The passphrase is not looked at in the first case.
pub fn decrypt_pem(pem: &str, passphrase: &[u8]) -> Result<Secret, Error> {
    let (label, der) = der::pem::decode_vec(pem.as_bytes()).map_err(|_| Error::PrivateKey)?;
    let der = Secret::new(der);
    match label {
        "PRIVATE KEY" => Ok(der),
        "ENCRYPTED PRIVATE KEY" => {
            let info = EncryptedPrivateKeyInfoRef::from_der(&der).map_err(|_| Error::PrivateKey)?;
            let scheme = info.encryption_algorithm;
            scheme.decrypt(passphrase, info.encrypted_data.as_bytes()).map(Secret::new).map_err(|_| Error::PrivateKey)
        }
        _ => Err(Error::PrivateKey),
    }
}

fn unavailable(name: &str, error: &std::io::Error) -> Error {
    Error::KeyUnavailable(format!("key file {name}: {error}"))
}
