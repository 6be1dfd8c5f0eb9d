//! Signatures made here, in every shape that a test asks for, also those that nobody should make.

use der::{
    Decode, Encode, Reader, SliceReader, Tag, TagNumber,
    asn1::{AnyRef, ObjectIdentifier, OctetStringRef},
};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;

use crate::{
    crypto::{Algorithm, Digest, PrivateKey, algorithms},
    x509::{
        Certificate,
        cms::{self, Dialect, Envelope},
        crl::{CrlDraft, CrlReason, RevokedEntry},
        fixtures,
        ocsp::{CertId, CertStatus, ResponderId, ResponseData, SingleResponse},
        signed::assemble,
        tsp::{ID_CT_TST_INFO, MessageImprint, Number, TstInfo},
    },
};

/// When lists and responses are made.
const MADE: OffsetDateTime = time::macros::datetime!(2030-05-31 12:00 UTC);

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

/// The file with these elements as RevocationInfoChoices, behind its certificates.
pub fn with_revocation(file: &[u8], choices: &[Vec<u8>]) -> Vec<u8> {
    let info = children(file);
    let signed = children(children(&info[1])[0].as_slice());
    let (signers, before) = signed.split_last().unwrap();
    let parts = [before.concat(), element(context(1), &choices.concat()), signers.clone()].concat();
    element(Tag::Sequence, &[info[0].clone(), element(context(0), &element(Tag::Sequence, &parts))].concat())
}

/// The elements in an element, each whole.
fn children(der: &[u8]) -> Vec<Vec<u8>> {
    let any = AnyRef::from_der(der).unwrap();
    let mut reader = SliceReader::new(any.value()).unwrap();
    let mut children = Vec::new();
    while !reader.is_finished() {
        children.push(reader.tlv_bytes().unwrap().to_vec());
    }
    children
}

/// A list with so many entries.
pub fn list(signer: &Signer, entries: u32) -> Vec<u8> {
    let algorithm = signer.algorithm().signature_algorithm();
    let entry = |number: u32| RevokedEntry {
        serial: [&[1][..], &number.to_be_bytes()].concat(),
        revoked_at: MADE,
        reason: Some(CrlReason::KeyCompromise),
        invalidity_date: None,
    };
    let draft = CrlDraft {
        issuer: signer.certificate.subject_der(),
        this_update: MADE,
        next_update: MADE + time::Duration::days(1),
        number: 1,
        authority_key_identifier: vec![1; 20],
        distribution_point: None,
        entries: (0..entries).map(entry).collect(),
        signature_algorithm: algorithm.clone(),
    };
    let tbs = draft.tbs_der().unwrap();
    assemble(&tbs, &algorithm, &signer.key.sign(&tbs).unwrap(), &[]).unwrap()
}

/// A BasicOCSPResponse.
pub fn basic_response(signer: &Signer) -> Vec<u8> {
    let octets = signer.key.public_key().octets();
    let cert_id = CertId::new(Digest::Sha1, &signer.certificate.subject_der(), octets, &[5]).unwrap();
    let single = SingleResponse { cert_id, status: CertStatus::Good, this_update: MADE, next_update: None };
    let responder = ResponderId::by_key(octets);
    let tbs = ResponseData { responder, produced_at: MADE, responses: vec![single], nonce: None }.tbs_der().unwrap();
    assemble(&tbs, &signer.algorithm().signature_algorithm(), &signer.key.sign(&tbs).unwrap(), &[]).unwrap()
}

/// OtherRevocationInfoFormat of RFC 5940, with the whole OCSPResponse around a basic one.
pub fn response_choice(basic: &[u8]) -> Vec<u8> {
    let oid = |text: &str| ObjectIdentifier::new_unwrap(text).to_der().unwrap();
    let bytes = element(Tag::Sequence, &[oid("1.3.6.1.5.5.7.48.1.1"), element(Tag::OctetString, basic)].concat());
    let whole = element(Tag::Sequence, &[element(Tag::Enumerated, &[0]), element(context(0), &bytes)].concat());
    element(context(1), &[oid("1.3.6.1.5.5.7.16.2"), whole].concat())
}

/// RevocationValues of one list and one BasicOCSPResponse.
pub fn revocation_values(list: &[u8], response: &[u8]) -> Vec<u8> {
    let values = |number: u32, value: &[u8]| element(context(number), &element(Tag::Sequence, value));
    element(Tag::Sequence, &[values(0, list), values(1, response)].concat())
}
