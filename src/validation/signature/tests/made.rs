//! Signatures made here, in every shape that a test asks for, also those that nobody should make.

use der::{
    Encode, Tag, TagNumber,
    asn1::{AnyRef, ObjectIdentifier, OctetStringRef},
};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;

use crate::{
    crypto::{Algorithm, PrivateKey, algorithms},
    x509::{
        Certificate,
        cms::{self, Dialect, Envelope},
        fixtures,
        tsp::{ID_CT_TST_INFO, MessageImprint, Number, TstInfo},
    },
};

/// A key with a certificate for it.
pub struct Signer {
    pub key: Box<dyn PrivateKey>,
    pub certificate: Certificate,
}

pub fn families() -> [&'static dyn Algorithm; 2] {
    [&algorithms::P256, &algorithms::Sm2]
}

impl Signer {
    pub fn new(algorithm: &'static dyn Algorithm, serial: u8) -> Self {
        Self::certified(algorithm, |authority, key| authority.certify_holder(key.public_key(), &[1, serial]))
    }

    /// One that may sign times.
    pub fn stamper(algorithm: &'static dyn Algorithm) -> Self {
        Self::certified(algorithm, |authority, key| authority.certify_stamper(key.public_key()))
    }

    fn certified(algorithm: &'static dyn Algorithm, certify: impl Fn(&fixtures::Authority, &dyn PrivateKey) -> Vec<u8>) -> Self {
        let authority = if algorithm.name() == "sm2" { fixtures::Authority::sm2() } else { fixtures::Authority::p256() };
        let key = algorithm.load(&algorithm.generate().unwrap()).unwrap();
        let certificate = Certificate::parse(&certify(&authority, &*key)).unwrap();
        Self { key, certificate }
    }

    fn algorithm(&self) -> &'static dyn Algorithm {
        self.key.public_key().algorithm()
    }

    pub fn hash(&self, message: &[u8]) -> Vec<u8> {
        self.algorithm().digest().hash(message)
    }

    /// The attributes that every signature with attributes has, over that content.
    pub fn attributes(&self, content_type: ObjectIdentifier, content: &[u8]) -> Vec<Vec<u8>> {
        vec![attribute(cms::ID_CONTENT_TYPE, &content_type), self.message_digest(content)]
    }

    pub fn message_digest(&self, content: &[u8]) -> Vec<u8> {
        attribute(cms::ID_MESSAGE_DIGEST, &OctetStringRef::new(&self.hash(content)).unwrap())
    }

    /// A SignerInfo over these attributes, sorted.
    pub fn over_attributes(&self, attributes: &[Vec<u8>], unsigned: &[Vec<u8>]) -> Vec<u8> {
        let mut sorted = attributes.to_vec();
        sorted.sort();
        let signature = self.key.sign(&element(Tag::Set, &sorted.concat())).unwrap();
        self.info(Some(&sorted.concat()), &signature, unsigned)
    }

    /// A SignerInfo over the content itself.
    pub fn over_content(&self, content: &[u8]) -> Vec<u8> {
        self.info(None, &self.key.sign(content).unwrap(), &[])
    }

    pub fn info(&self, signed: Option<&[u8]>, signature: &[u8], unsigned: &[Vec<u8>]) -> Vec<u8> {
        let serial = element(Tag::Integer, self.certificate.serial());
        let digest = AlgorithmIdentifierOwned { oid: self.algorithm().digest().oid(), parameters: None };
        let fields = [
            1u8.to_der().unwrap(),
            element(Tag::Sequence, &[self.certificate.issuer_der(), serial].concat()),
            digest.to_der().unwrap(),
            signed.map(|signed| element(context(0), signed)).unwrap_or_default(),
            self.algorithm().signature_algorithm().to_der().unwrap(),
            element(Tag::OctetString, signature),
            if unsigned.is_empty() { Vec::new() } else { element(context(1), &unsigned.concat()) },
        ];
        element(Tag::Sequence, &fields.concat())
    }

    /// A token for what has that hash.
    pub fn token(&self, imprint: MessageImprint, time: OffsetDateTime) -> Vec<u8> {
        let info = TstInfo {
            policy: "1.2.3".parse().unwrap(),
            imprint,
            serial: Number::positive(&[7]),
            time,
            accuracy: None,
            ordering: false,
            nonce: None,
            critical_unknown: Vec::new(),
        };
        let content = info.to_der().unwrap();
        let digest = self.algorithm().digest();
        let draft = cms::Draft {
            content_type: ID_CT_TST_INFO,
            digest,
            content_digest: &digest.hash(&content),
            certificate: &self.certificate,
            signing_time: time,
            signature_algorithm: self.algorithm().signature_algorithm(),
        };
        let tbs = draft.to_be_signed().unwrap();
        let signer = draft.signer_info(&tbs, &self.key.sign(&tbs).unwrap(), &[]).unwrap();
        file(Dialect::Cms, ID_CT_TST_INFO, Some(&content), &[self], &[signer])
    }
}

pub fn attribute(id: ObjectIdentifier, value: &impl Encode) -> Vec<u8> {
    cms::attribute(id, &value.to_der().unwrap()).unwrap()
}

/// The ContentInfo around it all.
pub fn file(dialect: Dialect, content_type: ObjectIdentifier, content: Option<&[u8]>, signers: &[&Signer], infos: &[Vec<u8>]) -> Vec<u8> {
    let certificates: Vec<Vec<u8>> = signers.iter().map(|signer| signer.certificate.der().to_vec()).collect();
    let length = content.map(|content| content.len() as u64);
    let digest = signers[0].algorithm().digest();
    let envelope = Envelope::new(dialect, content_type, length, digest, &certificates, &infos.concat()).unwrap();
    envelope.around(content.unwrap_or_default())
}

pub fn element(tag: Tag, content: &[u8]) -> Vec<u8> {
    AnyRef::new(tag, content).unwrap().to_der().unwrap()
}

fn context(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}
