//! Opening a PKCS#12 file that is protected as we protect ours.

use aws_lc_rs::hmac;
use der::{
    Decode, Encode,
    asn1::{Any, OctetString},
};
use pkcs8::{EncryptedPrivateKeyInfoRef, pkcs5::EncryptionScheme};

use super::{
    CERTIFICATE_BAG, CertificateBag, ContentInfo, ENCRYPTED_DATA, EncryptedData, ID_DATA, Pfx, SHROUDED_KEY_BAG, SafeBag, WHAT,
    X509_CERTIFICATE, derive_mac_key,
};
use crate::{
    crypto::{Digest, Secret},
    x509::Error,
};

/// The most work that a file may ask for before its MAC has shown that it is of whoever knows the passphrase.
const MAX_ITERATIONS: u32 = 10_000_000;

/// What was in the file.
pub struct Opened {
    /// PKCS#8, unencrypted.
    pub key: Secret,
    /// In the order of the file.
    pub certificates: Vec<Vec<u8>>,
}

impl Opened {
    /// Reads a file with one private key under PBES2 and a MAC by HMAC-SHA256.
    ///
    /// Errors: anything else, a wrong passphrase too, which cannot be told from a file that was altered.
    pub fn open(file: &[u8], passphrase: &str) -> Result<Self, Error> {
        let malformed = |error: der::Error| Error::malformed(WHAT, error);
        let pfx = Pfx::from_der(file).map_err(malformed)?;
        let content = octets_of(&pfx.auth_safe)?;
        check_mac(&pfx, content.as_bytes(), passphrase)?;

        let mut bags = Vec::new();
        for part in Vec::<ContentInfo>::from_der(content.as_bytes()).map_err(malformed)? {
            let safe = match part.content_type {
                ENCRYPTED_DATA => decrypt(part.content.decode_as::<EncryptedData>().map_err(malformed)?, passphrase)?,
                _ => octets_of(&part)?.as_bytes().to_vec(),
            };
            bags.extend(Vec::<SafeBag>::from_der(&safe).map_err(malformed)?);
        }
        let certificates = bags.iter().filter(|bag| bag.id == CERTIFICATE_BAG).map(certificate).collect::<Result<_, _>>()?;
        let mut keys = bags.iter().filter(|bag| bag.id == SHROUDED_KEY_BAG);
        match (keys.next(), keys.next()) {
            (Some(bag), None) => Ok(Self { key: key(&bag.value, passphrase)?, certificates }),
            _ => Err(Error::malformed(WHAT, "not exactly one encrypted private key in it")),
        }
    }
}

fn check_mac(pfx: &Pfx, content: &[u8], passphrase: &str) -> Result<(), Error> {
    let mac = &pfx.mac;
    if mac.mac.algorithm.oid != Digest::Sha256.oid() || mac.iterations > MAX_ITERATIONS {
        return Err(Error::malformed(WHAT, "its MAC is not by SHA-256 with at most ten million iterations"));
    }
    let key = derive_mac_key(passphrase, mac.salt.as_bytes(), mac.iterations);
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &*key), content, mac.mac.digest.as_bytes())
        .map_err(|_| Error::malformed(WHAT, "the passphrase is wrong, or the file was altered"))
}

fn octets_of(info: &ContentInfo) -> Result<OctetString, Error> {
    const NOT_DATA: &str = "content that is neither plain nor encrypted under a passphrase";
    if info.content_type != ID_DATA {
        return Err(Error::malformed(WHAT, NOT_DATA));
    }
    info.content.decode_as().map_err(|error| Error::malformed(WHAT, error))
}

fn decrypt(data: EncryptedData, passphrase: &str) -> Result<Vec<u8>, Error> {
    let scheme = data.content.algorithm.to_der().and_then(|der| decrypt_with(&der, data.content.encrypted.as_bytes(), passphrase));
    scheme.map_err(|error| Error::malformed(WHAT, error))
}

fn decrypt_with(scheme: &[u8], ciphertext: &[u8], passphrase: &str) -> der::Result<Vec<u8>> {
    EncryptionScheme::from_der(scheme)?.decrypt(passphrase, ciphertext).map_err(|_| der::ErrorKind::Failed.into())
}

fn key(bag: &Any, passphrase: &str) -> Result<Secret, Error> {
    let decrypt = || {
        let der = bag.to_der()?;
        let info = EncryptedPrivateKeyInfoRef::from_der(&der)?;
        let secret = info.encryption_algorithm.decrypt(passphrase, info.encrypted_data.as_bytes());
        secret.map(Secret::new).map_err(|_| der::Error::from(der::ErrorKind::Failed))
    };
    decrypt().map_err(|error| Error::malformed(WHAT, error))
}

fn certificate(bag: &SafeBag) -> Result<Vec<u8>, Error> {
    let bag: CertificateBag = bag.value.decode_as().map_err(|error| Error::malformed(WHAT, error))?;
    if bag.id == X509_CERTIFICATE {
        Ok(bag.value.as_bytes().to_vec())
    } else {
        Err(Error::malformed(WHAT, "a certificate that is not X.509"))
    }
}
