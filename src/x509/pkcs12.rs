//! A private key with its certificates in one file under a passphrase (PKCS#12, RFC 7292), for programs that want it so.
//!
//! Keys and certificates are under PBES2 (AES-256-CBC, PBKDF2-HMAC-SHA256), the whole under HMAC-SHA256: what OpenSSL 3 and
//! Java write themselves. `open.rs` reads what is protected so. Kept out on purpose: the older ciphers.

mod open;

use aws_lc_rs::hmac;
use const_oid::{ObjectIdentifier, db::rfc5911::ID_DATA};
use der::{
    Encode, Tag,
    asn1::{Any, OctetString, SetOfVec},
};
use pkcs8::pkcs5::pbes2;
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::{Attribute, Attributes};
use zeroize::Zeroizing;

pub use open::Opened;

use super::Error;
use crate::{
    crypto::{Digest, Secret, digest::sha256_concat},
    world::{Entropy, random},
};

const WHAT: &str = "PKCS#12";

const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const SHROUDED_KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERTIFICATE_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const X509_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");
const FRIENDLY_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.20");
const LOCAL_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.21");

/// What the file will hold.
pub struct Pkcs12<'a> {
    /// PKCS#8, unencrypted.
    pub key: &'a Secret,
    /// The certificate of the key first, then those above it.
    pub certificates: &'a [Vec<u8>],
    /// Under which name programs show it.
    pub friendly_name: &'a str,
}

impl Pkcs12<'_> {
    /// The file. `iterations` is the work factor of each of its three key derivations.
    pub fn seal(&self, passphrase: &str, iterations: u32, entropy: &dyn Entropy) -> Result<Vec<u8>, Error> {
        if self.certificates.is_empty() {
            return Err(Error::malformed(WHAT, "no certificate for the key"));
        }
        self.encode(&Seal { passphrase, iterations, entropy }).map_err(|error| Error::malformed(WHAT, error))
    }

    fn encode(&self, seal: &Seal<'_>) -> der::Result<Vec<u8>> {
        let certificates = seal.encrypted_data(&self.certificate_bags()?.to_der()?)?;
        let key = data(&vec![self.key_bag(seal)?].to_der()?)?;
        let content = vec![certificates, key].to_der()?;
        Pfx { version: 3, mac: seal.mac(&content)?, auth_safe: data(&content)? }.to_der()
    }

    fn certificate_bags(&self) -> der::Result<Vec<SafeBag>> {
        let bag = |(index, certificate): (usize, &Vec<u8>)| {
            let value = CertificateBag { id: X509_CERTIFICATE, value: OctetString::new(certificate.as_slice())? };
            // Readers pair the key with the certificate that carries the same attributes.
            let attributes = if index == 0 { Some(self.attributes()?) } else { None };
            Ok(SafeBag { id: CERTIFICATE_BAG, value: Any::encode_from(&value)?, attributes })
        };
        self.certificates.iter().enumerate().map(bag).collect()
    }

    fn key_bag(&self, seal: &Seal<'_>) -> der::Result<SafeBag> {
        let (algorithm, ciphertext) = seal.encrypt(self.key)?;
        let value = EncryptedPrivateKeyInfo { algorithm, data: OctetString::new(ciphertext)? };
        Ok(SafeBag { id: SHROUDED_KEY_BAG, value: Any::encode_from(&value)?, attributes: Some(self.attributes()?) })
    }

    fn attributes(&self) -> der::Result<Attributes> {
        // UTF-16 rather than the UCS-2 of BMPString, as OpenSSL and Java do: some names have characters beyond plane 0.
        let name = Any::new(Tag::BmpString, utf16(self.friendly_name).to_vec())?;
        let id = Any::encode_from(&OctetString::new(Digest::Sha1.hash(&self.certificates[0]))?)?;
        let attribute = |oid, value| Ok(Attribute { oid, values: SetOfVec::try_from([value])? });
        let attributes: [der::Result<Attribute>; 2] = [attribute(FRIENDLY_NAME, name), attribute(LOCAL_KEY_ID, id)];
        SetOfVec::try_from(attributes.into_iter().collect::<der::Result<Vec<_>>>()?)
    }
}

/// How the contents are protected.
struct Seal<'a> {
    passphrase: &'a str,
    iterations: u32,
    entropy: &'a dyn Entropy,
}

impl Seal<'_> {
    /// Under PBES2 the passphrase is its UTF-8 octets, unlike under the MAC.
    fn encrypt(&self, plaintext: &[u8]) -> der::Result<(Any, Vec<u8>)> {
        let failed = |_| der::ErrorKind::Failed;
        let (salt, vector) = (random::<16>(self.entropy), random(self.entropy));
        let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(self.iterations, &salt, vector).map_err(failed)?;
        let ciphertext = parameters.encrypt(self.passphrase, plaintext).map_err(failed)?;
        Ok((Any::encode_from(&pkcs8::pkcs5::EncryptionScheme::from(parameters))?, ciphertext))
    }

    fn encrypted_data(&self, plaintext: &[u8]) -> der::Result<ContentInfo> {
        let (algorithm, ciphertext) = self.encrypt(plaintext)?;
        let content = EncryptedContentInfo { content_type: ID_DATA, algorithm, encrypted: OctetString::new(ciphertext)? };
        let value = EncryptedData { version: 0, content };
        Ok(ContentInfo { content_type: ENCRYPTED_DATA, content: Any::encode_from(&value)? })
    }

    fn mac(&self, content: &[u8]) -> der::Result<MacData> {
        let salt = random::<16>(self.entropy);
        let key = derive_mac_key(self.passphrase, &salt, self.iterations);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*key), content);
        let algorithm = AlgorithmIdentifierOwned { oid: Digest::Sha256.oid(), parameters: Some(Any::null()) };
        let mac = DigestInfo { algorithm, digest: OctetString::new(tag.as_ref())? };
        Ok(MacData { mac, salt: OctetString::new(salt)?, iterations: self.iterations })
    }
}

/// RFC 7292 Appendix B.2 with SHA-256 and ID 3. One output of the hash is the whole key, so step 6C never happens.
fn derive_mac_key(passphrase: &str, salt: &[u8], iterations: u32) -> Zeroizing<[u8; 32]> {
    const BLOCK: usize = 64;
    const MAC_KEY: [u8; BLOCK] = [3; BLOCK];
    let mut password = utf16(passphrase);
    password.extend_from_slice(&[0, 0]);
    let repeat = |octets: &[u8]| -> Vec<u8> { octets.iter().copied().cycle().take(octets.len().next_multiple_of(BLOCK)).collect() };
    let (salt, password) = (repeat(salt), Zeroizing::new(repeat(&password)));
    let mut key = Zeroizing::new(sha256_concat(&[&MAC_KEY, &salt, &password]));
    for _ in 1..iterations {
        *key = sha256_concat(&[&*key]);
    }
    key
}

fn utf16(text: &str) -> Zeroizing<Vec<u8>> {
    // Room for all at once, and for a terminator: growing would leave copies behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(2 * text.len() + 2));
    text.encode_utf16().for_each(|unit| octets.extend_from_slice(&unit.to_be_bytes()));
    octets
}

fn data(content: &[u8]) -> der::Result<ContentInfo> {
    Ok(ContentInfo { content_type: ID_DATA, content: Any::encode_from(&OctetString::new(content)?)? })
}

/// RFC 7292 §4.
#[derive(der::Sequence)]
struct Pfx {
    version: u8,
    auth_safe: ContentInfo,
    mac: MacData,
}

#[derive(der::Sequence)]
struct MacData {
    mac: DigestInfo,
    salt: OctetString,
    #[asn1(default = "one_iteration")]
    iterations: u32,
}

fn one_iteration() -> u32 {
    1
}

#[derive(der::Sequence)]
struct DigestInfo {
    algorithm: AlgorithmIdentifierOwned,
    digest: OctetString,
}

/// RFC 5652 §3.
#[derive(der::Sequence)]
struct ContentInfo {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: Any,
}

/// RFC 5652 §8.
#[derive(der::Sequence)]
struct EncryptedData {
    version: u8,
    content: EncryptedContentInfo,
}

#[derive(der::Sequence)]
struct EncryptedContentInfo {
    content_type: ObjectIdentifier,
    algorithm: Any,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    encrypted: OctetString,
}

/// RFC 7292 §4.2.
#[derive(der::Sequence)]
struct SafeBag {
    id: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    value: Any,
    attributes: Option<Attributes>,
}

#[derive(der::Sequence)]
struct CertificateBag {
    id: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    value: OctetString,
}

/// RFC 5958 §3.
#[derive(der::Sequence)]
struct EncryptedPrivateKeyInfo {
    algorithm: Any,
    data: OctetString,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::keys::software::decrypt_pem,
        world::SystemEntropy,
        x509::fixtures::{self, Authority},
    };

    const PASSPHRASE: &str = "trial-passphrase";

    /// The key of the authority, with a certificate for it and the authority's own.
    fn file(authority: &Authority, passphrase: &str) -> Vec<u8> {
        let holder = authority.certify_holder(authority.public_key(), &[9]);
        let certificates = [holder, authority.certificate().to_vec()];
        let contents = Pkcs12 { key: authority.secret(), certificates: &certificates, friendly_name: "张三 𠮷" };
        contents.seal(passphrase, 2000, &SystemEntropy).unwrap()
    }

    /// The blocks with this label in what openssl printed.
    fn blocks(text: &str, label: &str) -> Vec<String> {
        let (begin, end) = (format!("-----BEGIN {label}-----\n"), format!("-----END {label}-----\n"));
        text.split(&begin).skip(1).map(|block| format!("{begin}{}{end}", block.split_once(&end).unwrap().0)).collect()
    }

    #[test]
    fn openssl_opens_the_file_and_finds_the_key_and_both_certificates() {
        for authority in fixtures::authorities() {
            for passphrase in [PASSPHRASE, "", "口令𠮷"] {
                let Some(openssl) = fixtures::OpenSsl::find() else { return };
                openssl.write("x.p12", &file(&authority, passphrase));
                openssl.write("passphrase", format!("{passphrase}\n").as_bytes());
                let text = openssl.run("pkcs12 -in x.p12 -passin file:passphrase -noenc -info");
                assert!(text.contains("MAC: sha256, Iteration 2000"), "{text}");
                assert_eq!(text.matches("PBES2, PBKDF2, AES-256-CBC, Iteration 2000, PRF hmacWithSHA256").count(), 2, "{text}");
                assert_eq!(text.matches("localKeyID").count(), 2, "{text}");

                let certificates = blocks(&text, "CERTIFICATE");
                assert_eq!(certificates.len(), 2);
                assert_eq!(der::pem::decode_vec(certificates[1].as_bytes()).unwrap().1, authority.certificate());
                let key = decrypt_pem(&blocks(&text, "PRIVATE KEY")[0], b"").unwrap();
                let key = crate::crypto::algorithms::load_any(&key).unwrap();
                assert_eq!(key.public_key(), authority.public_key());
            }
        }
    }

    #[test]
    fn what_was_sealed_here_or_by_openssl_is_opened_again() {
        for authority in fixtures::authorities() {
            let sealed = file(&authority, PASSPHRASE);
            let check = |file: &[u8]| {
                let opened = Opened::open(file, PASSPHRASE).unwrap();
                assert_eq!(crate::crypto::algorithms::load_any(&opened.key).unwrap().public_key(), authority.public_key());
                assert!(opened.certificates.len() == 2 && opened.certificates.iter().any(|der| der == authority.certificate()));
            };
            check(&sealed);
            let Some(openssl) = fixtures::OpenSsl::find() else { return };
            openssl.write("x.p12", &sealed);
            openssl.run(&format!("pkcs12 -in x.p12 -passin pass:{PASSPHRASE} -noenc -out x.pem"));
            openssl.run(&format!("pkcs12 -export -in x.pem -passout pass:{PASSPHRASE} -out y.p12"));
            check(&openssl.read("y.p12"));
        }
    }

    #[test]
    fn damage_a_wrong_passphrase_and_endless_work_open_nothing() {
        let sealed = file(&Authority::p256(), PASSPHRASE);
        for passphrase in ["", "trial-passphrasf"] {
            assert!(Opened::open(&sealed, passphrase).is_err());
        }
        for length in (0..sealed.len()).step_by(97) {
            assert!(Opened::open(&sealed[..length], PASSPHRASE).is_err());
        }
        let mut endless: Pfx = der::Decode::from_der(&sealed).unwrap();
        endless.mac.iterations = 10_000_001;
        let error = Opened::open(&endless.to_der().unwrap(), PASSPHRASE).err().unwrap();
        assert!(error.to_string().contains("ten million"), "{error}");
    }

    #[test]
    fn a_wrong_passphrase_opens_nothing() {
        let Some(openssl) = fixtures::OpenSsl::find() else { return };
        openssl.write("x.p12", &file(&Authority::p256(), PASSPHRASE));
        openssl.run(&format!("pkcs12 -in x.p12 -passin pass:{PASSPHRASE} -noenc"));
        openssl.run_refused("pkcs12 -in x.p12 -passin pass:trial-passphrasf -noenc");
    }

    #[test]
    fn java_opens_the_file_too() {
        if !fixtures::find("keytool", "-help") {
            return;
        }
        let Some(directory) = fixtures::OpenSsl::find() else { return };
        directory.write("x.p12", &file(&Authority::p256(), PASSPHRASE));
        let text = directory.run_other("keytool", &format!("-list -v -keystore x.p12 -storetype PKCS12 -storepass {PASSPHRASE}"));
        assert!(text.contains("PrivateKeyEntry"), "{text}");
        assert!(text.contains("Certificate chain length: 2"), "{text}");
    }

    #[test]
    fn a_key_without_a_certificate_is_refused() {
        let authority = Authority::p256();
        let contents = Pkcs12 { key: authority.secret(), certificates: &[], friendly_name: "x" };
        assert!(contents.seal(PASSPHRASE, 1, &SystemEntropy).is_err());
    }
}
