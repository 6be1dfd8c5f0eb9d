//! For the tests of this folder: small authorities of both families, and the machine's `openssl` as a stranger who judges our bytes.

use std::{path::Path, process::Command, str::FromStr};

use const_oid::db::rfc5280::{
    ID_CE_BASIC_CONSTRAINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE, ID_CE_SUBJECT_KEY_IDENTIFIER, ID_KP_OCSP_SIGNING, ID_KP_TIME_STAMPING,
};
use der::{Encode, asn1::AnyRef, asn1::OctetString};
use spki::AlgorithmIdentifierOwned;
use time::macros::datetime;
use x509_cert::{
    ext::{
        Extensions,
        pkix::{BasicConstraints, KeyUsage, KeyUsages},
    },
    name::Name,
    time::Time,
};

use super::{extension_list, instant, signed::assemble};
use crate::crypto::{Algorithm, Digest, PrivateKey, PublicKey, Secret, algorithms};

/// A self-signed authority.
pub struct Authority {
    secret: Secret,
    key: Box<dyn PrivateKey>,
    name: Name,
    certificate: Vec<u8>,
}

/// One of each family.
pub fn authorities() -> [Authority; 2] {
    [Authority::p256(), Authority::sm2()]
}

impl Authority {
    pub fn p256() -> Self {
        Self::new(&algorithms::P256)
    }

    pub fn sm2() -> Self {
        Self::new(&algorithms::Sm2)
    }

    fn new(algorithm: &'static dyn Algorithm) -> Self {
        let secret = algorithm.generate().unwrap();
        let key = algorithm.load(&secret).unwrap();
        let name = Name::from_str("CN=测试根,O=Hufu Test,C=CN").unwrap();
        let mut authority = Self { secret, key, name, certificate: Vec::new() };
        let usage = KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign | KeyUsages::DigitalSignature);
        let extensions = vec![
            extension_list::critical(ID_CE_BASIC_CONSTRAINTS, &BasicConstraints { ca: true, path_len_constraint: None }).unwrap(),
            extension_list::critical(ID_CE_KEY_USAGE, &usage).unwrap(),
            extension_list::non_critical(ID_CE_SUBJECT_KEY_IDENTIFIER, &OctetString::new(authority.key_identifier()).unwrap()).unwrap(),
        ];
        authority.certificate = authority.certify(&authority.name, authority.key.public_key(), &[1], extensions);
        authority
    }

    /// The certificate of an OCSP responder.
    pub fn certify_responder(&self, key: &PublicKey) -> Vec<u8> {
        let usage = vec![ID_KP_OCSP_SIGNING];
        let extensions = vec![extension_list::non_critical(ID_CE_EXT_KEY_USAGE, &usage).unwrap()];
        self.certify(&Name::from_str("CN=responder").unwrap(), key, &[2], extensions)
    }

    /// The certificate of an end entity, with this serial.
    pub fn certify_holder(&self, key: &PublicKey, serial: &[u8]) -> Vec<u8> {
        let usage = KeyUsage(KeyUsages::DigitalSignature.into());
        let extensions = vec![extension_list::critical(ID_CE_KEY_USAGE, &usage).unwrap()];
        self.certify(&Name::from_str("CN=张三").unwrap(), key, serial, extensions)
    }

    /// The certificate of a time-stamping authority.
    pub fn certify_stamper(&self, key: &PublicKey) -> Vec<u8> {
        let usage = vec![ID_KP_TIME_STAMPING];
        let extensions = vec![extension_list::critical(ID_CE_EXT_KEY_USAGE, &usage).unwrap()];
        self.certify(&Name::from_str("CN=stamper").unwrap(), key, &[3], extensions)
    }

    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    pub fn key(&self) -> &dyn PrivateKey {
        &*self.key
    }

    pub fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub fn name_der(&self) -> Vec<u8> {
        self.name.to_der().unwrap()
    }

    pub fn key_identifier(&self) -> Vec<u8> {
        Digest::Sha1.hash(self.public_key().octets())
    }

    pub fn signature_algorithm(&self) -> AlgorithmIdentifierOwned {
        self.public_key().algorithm().signature_algorithm()
    }

    pub fn sign(&self, tbs: &[u8]) -> Vec<u8> {
        self.key.sign(tbs).unwrap()
    }

    fn certify(&self, subject: &Name, key: &PublicKey, serial: &[u8], extensions: Extensions) -> Vec<u8> {
        let tbs = TbsCertificate {
            version: 2,
            serial: AnyRef::new(der::Tag::Integer, serial).unwrap(),
            signature: self.signature_algorithm(),
            issuer: self.name.clone(),
            validity: Validity {
                not_before: instant::time(datetime!(2020-01-01 00:00 UTC)).unwrap(),
                not_after: instant::time(datetime!(2048-01-01 00:00 UTC)).unwrap(),
            },
            subject: subject.clone(),
            subject_public_key_info: der::Decode::from_der(key.spki()).unwrap(),
            extensions,
        };
        let tbs = tbs.to_der().unwrap();
        assemble(&tbs, &self.signature_algorithm(), &self.sign(&tbs), &[]).unwrap()
    }
}

#[derive(der::Sequence)]
struct TbsCertificate<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial: AnyRef<'a>,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity,
    subject: Name,
    subject_public_key_info: AnyRef<'a>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Extensions,
}

#[derive(der::Sequence)]
struct Validity {
    not_before: Time,
    not_after: Time,
}

/// `openssl` in a directory of its own.
pub struct OpenSsl {
    directory: tempfile::TempDir,
}

impl OpenSsl {
    /// `None` where there is none, which CI does not forgive.
    pub fn find() -> Option<Self> {
        find("openssl", "version").then(|| Self { directory: tempfile::tempdir().unwrap() })
    }

    /// The certificate of the authority as `ca.pem`, the only form that some commands read.
    pub fn write_authority(&self, authority: &Authority) {
        self.write("ca.der", authority.certificate());
        self.run("x509 -inform DER -in ca.der -out ca.pem");
    }

    pub fn write(&self, file: &str, contents: &[u8]) {
        std::fs::write(self.directory.path().join(file), contents).unwrap();
    }

    pub fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.directory.path().join(file)).unwrap()
    }

    /// Runs it with these arguments, parted by spaces, and answers all that it printed. It must succeed.
    pub fn run(&self, arguments: &str) -> String {
        run("openssl", arguments, self.directory.path())
    }

    /// Runs it on something that it must refuse.
    pub fn run_refused(&self, arguments: &str) {
        let (succeeded, text) = start("openssl", arguments, self.directory.path());
        assert!(!succeeded, "openssl {arguments}\n{text}");
    }

    /// Runs another program on files of the same directory.
    pub fn run_other(&self, program: &str, arguments: &str) -> String {
        run(program, arguments, self.directory.path())
    }

    /// Cuts a signed object into its parts and checks the signature, all by openssl: the only way for an SM2 signature over
    /// anything but certificates and requests, because no option of the other commands carries the SM2 identity.
    pub fn verify_signed(&self, file: &str, key: &PublicKey) {
        let parsed = self.run(&format!("asn1parse -inform DER -in {file}"));
        // A line of a direct part reads "   10:d=1  hl=…".
        let parts: Vec<&str> = parsed.lines().filter(|line| line.contains(":d=1 ")).map(|line| line.split_once(':').unwrap().0).collect();
        for (offset, part) in [(parts[0], "tbs"), (parts[2], "signature")] {
            self.run(&format!("asn1parse -inform DER -in {file} -strparse {} -noout -out {part}", offset.trim()));
        }
        self.write("key.spki", key.spki());
        self.run("pkey -pubin -inform DER -in key.spki -pubout -out key.pem");
        let how = if key.algorithm().name() == "sm2" { "-sm3 -sigopt distid:1234567812345678" } else { "-sha256" };
        let answer = self.run(&format!("dgst {how} -verify key.pem -signature signature tbs"));
        assert!(answer.contains("Verified OK"), "{answer}");
    }
}

/// Whether a program is there. In CI it must be.
pub fn find(program: &str, question: &str) -> bool {
    let found = Command::new(program).arg(question).output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "{program} is missing");
    if !found {
        eprintln!("skipped: there is no {program} on this machine");
    }
    found
}

fn run(program: &str, arguments: &str, directory: &Path) -> String {
    let (succeeded, text) = start(program, arguments, directory);
    assert!(succeeded, "{program} {arguments}\n{text}");
    text
}

fn start(program: &str, arguments: &str, directory: &Path) -> (bool, String) {
    let output = Command::new(program).args(arguments.split_ascii_whitespace()).current_dir(directory).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}
