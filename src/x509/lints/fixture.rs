//! Good certificates and CRLs as descriptions, so that a bad one is a good one with a single line changed.
//!
//! Every field is raw DER on purpose: a rule must be shown bytes that no encoder of ours would write.

pub use const_oid::db::{rfc5280::*, rfc6960::ID_PKIX_OCSP_NOCHECK};
use der::{Decode, asn1::GeneralizedTime};
pub use der::{Encode, asn1::ObjectIdentifier};
use time::{OffsetDateTime, macros::datetime};

use x509_cert::ext::pkix::CrlReason;

pub use super::certificate::Role;
use super::{
    CertificateContext, CrlContext, Expected, ExpectedCrl, ExpectedEntry, Finding, IssuerFacts, certificate::instant, check_certificate,
    check_crl,
};
pub use crate::crypto::Algorithm;
pub use crate::crypto::algorithms::{P256, P384, Sm2};
use crate::crypto::{Digest, PublicKey};

pub const CRITICAL: &[u8] = &[1, 1, 0xff];
pub const NOT_CRITICAL: &[u8] = &[];

pub const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
pub const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
pub const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
pub const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
pub const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");

/// Tags of strings.
pub const UTF8: u8 = 0x0c;
pub const PRINTABLE: u8 = 0x13;
pub const TELETEX: u8 = 0x14;
pub const BMP: u8 = 0x1e;

/// Tags of the kinds of GeneralName.
pub const MAIL: u8 = 0x81;
pub const DNS: u8 = 0x82;
pub const URI: u8 = 0x86;
pub const IP: u8 = 0x87;

/// Values of a key usage.
pub const DIGITAL_SIGNATURE: &[u8] = &[3, 2, 7, 0x80];
pub const DIGITAL_SIGNATURE_AND_NON_REPUDIATION: &[u8] = &[3, 2, 6, 0xc0];
pub const KEY_CERT_SIGN_AND_CRL_SIGN: &[u8] = &[3, 2, 1, 6];
pub const ENCRYPTION: &[u8] = &[3, 2, 3, 0x38];

const NOW: OffsetDateTime = datetime!(2027-01-01 00:00 UTC);
const ISSUER_KEY_IDENTIFIER: [u8; 20] = [0x5a; 20];
pub const SHARD: &str = "http://ca.example.gov.cn/crl/department-g1/7.crl";

/// One bad object of a rule.
pub enum Object {
    Certificate(Box<Certificate>),
    Crl(Box<Crl>),
}

impl Object {
    pub fn findings(&self) -> Vec<Finding> {
        self.findings_in(&self.der())
    }

    pub fn der(&self) -> Vec<u8> {
        match self {
            Self::Certificate(certificate) => certificate.der(),
            Self::Crl(crl) => crl.der(),
        }
    }

    /// What the rules find when these bytes stand where the object's own should.
    pub fn findings_in(&self, der: &[u8]) -> Vec<Finding> {
        match self {
            Self::Certificate(certificate) => certificate.findings_in(der),
            Self::Crl(crl) => crl.findings_in(der),
        }
    }
}

/// Every kind of object that Hufu issues in one family, with its name.
pub fn good(family: &'static dyn Algorithm) -> Vec<(&'static str, Object)> {
    vec![
        ("root", root(family).with(|_| ())),
        ("authority", authority(family).with(|_| ())),
        ("responder", responder(family).with(|_| ())),
        ("signing", end_entity(family).with(|_| ())),
        ("encryption", encryption(family).with(|_| ())),
        ("service", service(family).with(|_| ())),
        (
            "nameless service",
            service(family).with(|c| {
                c.subject = name(&[]);
                c.extension(ID_CE_SUBJECT_ALT_NAME).critical = CRITICAL.to_vec();
            }),
        ),
        (
            "signature algorithm with NULL",
            end_entity(family).with(|c| {
                c.signature_algorithm = family.signature_algorithm_with_null().to_der().unwrap();
            }),
        ),
        ("after 2049", root(family).with(|c| c.not_after = general_time("20520101000000Z"))),
        ("whole CRL", whole_crl(family).with(|_| ())),
        ("shard CRL", shard_crl(family).with(|_| ())),
        ("empty CRL", whole_crl(family).with(|c| c.entries = None)),
        ("first CRL", whole_crl(family).with(|c| c.previous_number = None)),
    ]
}

/// A TBSCertificate as fields, each a whole TLV or nothing.
#[derive(Clone)]
pub struct Certificate {
    pub role: Role,
    pub issuer_subject: Vec<u8>,
    pub issuer_key_identifier: Vec<u8>,
    pub issuer_not_after: OffsetDateTime,
    pub issuer_algorithm: &'static dyn Algorithm,

    pub version: Vec<u8>,
    pub serial: Vec<u8>,
    pub signature_algorithm: Vec<u8>,
    pub issuer: Vec<u8>,
    pub not_before: Vec<u8>,
    pub not_after: Vec<u8>,
    pub subject: Vec<u8>,
    pub spki: Vec<u8>,
    pub unique_identifiers: Vec<u8>,
    pub extensions: Vec<Extension>,
    /// Follows the TBSCertificate.
    pub trailing: Vec<u8>,

    draft: Option<Box<Certificate>>,
}

#[derive(Clone)]
pub struct Extension {
    pub oid: ObjectIdentifier,
    /// The TLV of the BOOLEAN, or nothing.
    pub critical: Vec<u8>,
    /// What the OCTET STRING holds.
    pub value: Vec<u8>,
}

impl Extension {
    pub fn new(oid: ObjectIdentifier, critical: &[u8], value: impl Into<Vec<u8>>) -> Self {
        Self { oid, critical: critical.to_vec(), value: value.into() }
    }

    fn der(&self) -> Vec<u8> {
        sequence(&[&self.oid.to_der().unwrap(), &self.critical, &tlv(4, &self.value)])
    }
}

/// A self-signed root. P-256 authorities stand under a P-384 root.
pub fn root(family: &'static dyn Algorithm) -> Certificate {
    let algorithm: &'static dyn Algorithm = if family.name() == "p256" { &P384 } else { family };
    let mut root = certificate(Role::Root, algorithm, algorithm, "根 g1", "420101000000Z");
    root.issuer = root.subject.clone();
    root.authority_extensions();
    root
}

/// An authority that stands under `root`.
pub fn authority(family: &'static dyn Algorithm) -> Certificate {
    let issuer: &'static dyn Algorithm = if family.name() == "p256" { &P384 } else { family };
    let mut authority = certificate(Role::Authority, family, issuer, "部门 g1", "370101000000Z");
    authority.authority_extensions();
    authority.issued_extensions();
    authority
}

/// A responder with a short life.
pub fn responder(family: &'static dyn Algorithm) -> Certificate {
    let mut responder = certificate(Role::OcspResponder, family, family, "OCSP 1", "270131000000Z");
    responder.extensions.push(Extension::new(ID_CE_KEY_USAGE, CRITICAL, DIGITAL_SIGNATURE));
    responder.extensions.push(Extension::new(ID_CE_EXT_KEY_USAGE, NOT_CRITICAL, purposes(&[ID_KP_OCSP_SIGNING])));
    responder.extensions.push(Extension::new(ID_PKIX_OCSP_NOCHECK, NOT_CRITICAL, [5, 0]));
    responder.issued_extensions();
    responder.remove(ID_CE_CRL_DISTRIBUTION_POINTS);
    responder.remove(ID_PE_AUTHORITY_INFO_ACCESS);
    responder
}

/// The signing certificate of a person, with an address.
pub fn end_entity(family: &'static dyn Algorithm) -> Certificate {
    let mut person = certificate(Role::EndEntity, family, family, "张伟", "290101000000Z");
    person.extensions.push(Extension::new(ID_CE_KEY_USAGE, CRITICAL, DIGITAL_SIGNATURE_AND_NON_REPUDIATION));
    let purposes = purposes(&[ID_KP_CLIENT_AUTH, ID_KP_EMAIL_PROTECTION]);
    person.extensions.push(Extension::new(ID_CE_EXT_KEY_USAGE, NOT_CRITICAL, purposes));
    let names = sequence(&[&tlv(MAIL, b"zhang.wei@example.gov.cn"), &tlv(URI, b"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6")]);
    person.extensions.push(Extension::new(ID_CE_SUBJECT_ALT_NAME, NOT_CRITICAL, names));
    person.issued_extensions();
    person
}

/// The encryption certificate of the dual scheme.
pub fn encryption(family: &'static dyn Algorithm) -> Certificate {
    let mut person = certificate(Role::EndEntity, family, family, "张伟", "290101000000Z");
    person.extensions.push(Extension::new(ID_CE_KEY_USAGE, CRITICAL, ENCRYPTION));
    person.issued_extensions();
    person
}

/// The certificate of a TLS server.
pub fn service(family: &'static dyn Algorithm) -> Certificate {
    let mut service = certificate(Role::EndEntity, family, family, "service.example.gov.cn", "271231000000Z");
    service.extensions.push(Extension::new(ID_CE_KEY_USAGE, CRITICAL, DIGITAL_SIGNATURE));
    service.extensions.push(Extension::new(ID_CE_EXT_KEY_USAGE, NOT_CRITICAL, purposes(&[ID_KP_SERVER_AUTH])));
    let names =
        sequence(&[&tlv(DNS, b"service.example.gov.cn"), &tlv(DNS, b"*.example.gov.cn"), &tlv(IP, &[192, 0, 2, 1]), &tlv(IP, &[0x20; 16])]);
    service.extensions.push(Extension::new(ID_CE_SUBJECT_ALT_NAME, NOT_CRITICAL, names));
    service.issued_extensions();
    service
}

fn certificate(
    role: Role,
    algorithm: &'static dyn Algorithm,
    issuer_algorithm: &'static dyn Algorithm,
    common_name: &str,
    not_after: &str,
) -> Certificate {
    let issuer = subject(&[attribute(COMMON_NAME, UTF8, "签发者 g1".as_bytes())]);
    let mut certificate = Certificate {
        role,
        issuer_subject: issuer.clone(),
        issuer_key_identifier: ISSUER_KEY_IDENTIFIER.to_vec(),
        issuer_not_after: datetime!(2042-01-01 00:00 UTC),
        issuer_algorithm,
        version: tlv(0xa0, &integer(&[2])),
        serial: integer(&[0x41; 20]),
        signature_algorithm: issuer_algorithm.signature_algorithm().to_der().unwrap(),
        issuer,
        not_before: utc_time("270101000000Z"),
        not_after: utc_time(not_after),
        subject: subject(&[attribute(COMMON_NAME, UTF8, common_name.as_bytes())]),
        spki: Vec::new(),
        unique_identifiers: Vec::new(),
        extensions: vec![Extension::new(ID_CE_SUBJECT_KEY_IDENTIFIER, NOT_CRITICAL, [])],
        trailing: Vec::new(),
        draft: None,
    };
    certificate.set_key(algorithm, &generator(algorithm));
    certificate
}

impl Certificate {
    pub fn with(mut self, edit: impl FnOnce(&mut Self)) -> Object {
        edit(&mut self);
        Object::Certificate(Box::new(self))
    }

    /// Keeps this description as the draft, so that what is edited from here on drifts away from it.
    pub fn drafted(self) -> Self {
        Self { draft: Some(Box::new(self.clone())), ..self }
    }

    /// Puts a public key with its key identifier into the certificate, whether the key is good or not.
    pub fn set_key(&mut self, algorithm: &dyn Algorithm, octets: &[u8]) {
        self.spki = spki(&algorithm.spki_algorithm().to_der().unwrap(), octets);
        self.set(ID_CE_SUBJECT_KEY_IDENTIFIER, tlv(4, &Digest::Sha1.hash(octets)));
    }

    pub fn extension(&mut self, oid: ObjectIdentifier) -> &mut Extension {
        self.extensions.iter_mut().find(|extension| extension.oid == oid).unwrap()
    }

    pub fn set(&mut self, oid: ObjectIdentifier, value: impl Into<Vec<u8>>) {
        self.extension(oid).value = value.into();
    }

    pub fn remove(&mut self, oid: ObjectIdentifier) {
        self.extension(oid);
        self.extensions.retain(|extension| extension.oid != oid);
    }

    pub fn set_names(&mut self, names: &[Vec<u8>]) {
        self.set(ID_CE_SUBJECT_ALT_NAME, sequence(&slices(names)));
    }

    fn authority_extensions(&mut self) {
        self.extensions.push(Extension::new(ID_CE_BASIC_CONSTRAINTS, CRITICAL, [0x30, 3, 1, 1, 0xff]));
        self.extensions.push(Extension::new(ID_CE_KEY_USAGE, CRITICAL, KEY_CERT_SIGN_AND_CRL_SIGN));
    }

    fn issued_extensions(&mut self) {
        let issuer = sequence(&[&tlv(0x80, &self.issuer_key_identifier)]);
        self.extensions.push(Extension::new(ID_CE_AUTHORITY_KEY_IDENTIFIER, NOT_CRITICAL, issuer));
        let policies = sequence(&[&policy(ObjectIdentifier::new_unwrap("2.25.7.1"))]);
        self.extensions.push(Extension::new(ID_CE_CERTIFICATE_POLICIES, NOT_CRITICAL, policies));
        let points = sequence(&[&distribution_point(&tlv(URI, SHARD.as_bytes()), &[])]);
        self.extensions.push(Extension::new(ID_CE_CRL_DISTRIBUTION_POINTS, NOT_CRITICAL, points));
        let access = sequence(&[
            &access(ID_AD_OCSP, &tlv(URI, b"http://ca.example.gov.cn/ocsp")),
            &access(ID_AD_CA_ISSUERS, &tlv(URI, b"http://ca.example.gov.cn/ca/department-g1.cer")),
        ]);
        self.extensions.push(Extension::new(ID_PE_AUTHORITY_INFO_ACCESS, NOT_CRITICAL, access));
    }

    fn der(&self) -> Vec<u8> {
        let extensions: Vec<_> = self.extensions.iter().map(Extension::der).collect();
        let mut der = sequence(&[
            &self.version,
            &self.serial,
            &self.signature_algorithm,
            &self.issuer,
            &sequence(&[&self.not_before, &self.not_after]),
            &self.subject,
            &self.spki,
            &self.unique_identifiers,
            &tlv(0xa3, &sequence(&slices(&extensions))),
        ]);
        der.extend(&self.trailing);
        der
    }

    fn findings_in(&self, der: &[u8]) -> Vec<Finding> {
        let draft = self.draft.as_deref().unwrap_or(self);
        let extensions: Vec<_> = draft.extensions.iter().filter_map(|e| x509_cert::ext::Extension::from_der(&e.der()).ok()).collect();
        let issuer = IssuerFacts {
            subject: &self.issuer_subject,
            key_identifier: &self.issuer_key_identifier,
            not_after: self.issuer_not_after,
            algorithm: self.issuer_algorithm,
        };
        let context = CertificateContext {
            role: self.role,
            issuer: (self.role != Role::Root).then_some(issuer),
            expected: Expected {
                serial: &draft.serial[2..],
                signature_algorithm: &draft.signature_algorithm,
                issuer: &draft.issuer,
                not_before: moment(&draft.not_before),
                not_after: moment(&draft.not_after),
                subject: &draft.subject,
                spki: &draft.spki,
                extensions: &extensions,
            },
        };
        check_certificate(der, &context)
    }
}

/// A TBSCertList as fields, each a whole TLV or nothing.
#[derive(Clone)]
pub struct Crl {
    pub role: Role,
    pub issuer_subject: Vec<u8>,
    pub issuer_signature_algorithm: Vec<u8>,
    pub previous_number: Option<u64>,
    pub shard: Option<&'static str>,

    pub version: Vec<u8>,
    pub signature_algorithm: Vec<u8>,
    pub issuer: Vec<u8>,
    pub this_update: Vec<u8>,
    pub next_update: Vec<u8>,
    pub entries: Option<Vec<Entry>>,
    pub extensions: Vec<Extension>,
    /// Follows the TBSCertList.
    pub trailing: Vec<u8>,

    draft: Option<Box<Crl>>,
}

#[derive(Clone)]
pub struct Entry {
    pub serial: Vec<u8>,
    pub date: Vec<u8>,
    pub extensions: Vec<Extension>,
}

/// A CRL that covers everything an authority issued.
pub fn whole_crl(family: &'static dyn Algorithm) -> Crl {
    let issuer = subject(&[attribute(COMMON_NAME, UTF8, "签发者 g1".as_bytes())]);
    let algorithm = family.signature_algorithm().to_der().unwrap();
    let suspected = Extension::new(ID_CE_INVALIDITY_DATE, NOT_CRITICAL, general_time("20261215000000Z"));
    Crl {
        role: Role::Authority,
        issuer_subject: issuer.clone(),
        issuer_signature_algorithm: algorithm.clone(),
        previous_number: Some(7),
        shard: None,
        version: integer(&[1]),
        signature_algorithm: algorithm,
        issuer,
        this_update: utc_time("270101000000Z"),
        next_update: utc_time("270108000000Z"),
        entries: Some(vec![
            Entry { serial: integer(&[0x41; 20]), date: utc_time("261220000000Z"), extensions: vec![reason(1), suspected] },
            Entry { serial: integer(&[0x42; 20]), date: utc_time("261221000000Z"), extensions: vec![] },
        ]),
        extensions: vec![
            Extension::new(ID_CE_AUTHORITY_KEY_IDENTIFIER, NOT_CRITICAL, sequence(&[&tlv(0x80, &ISSUER_KEY_IDENTIFIER)])),
            Extension::new(ID_CE_CRL_NUMBER, NOT_CRITICAL, integer(&[8])),
        ],
        trailing: Vec::new(),
        draft: None,
    }
}

/// A CRL that covers the certificates of one distribution point.
pub fn shard_crl(family: &'static dyn Algorithm) -> Crl {
    let mut crl = whole_crl(family);
    crl.shard = Some(SHARD);
    crl.extensions.push(Extension::new(ID_CE_ISSUING_DISTRIBUTION_POINT, CRITICAL, issuing_distribution_point(SHARD, &[])));
    crl
}

impl Crl {
    pub fn with(mut self, edit: impl FnOnce(&mut Self)) -> Object {
        edit(&mut self);
        Object::Crl(Box::new(self))
    }

    /// Keeps this description as the draft, so that what is edited from here on drifts away from it.
    pub fn drafted(self) -> Self {
        Self { draft: Some(Box::new(self.clone())), ..self }
    }

    pub fn extension(&mut self, oid: ObjectIdentifier) -> &mut Extension {
        self.extensions.iter_mut().find(|extension| extension.oid == oid).unwrap()
    }

    pub fn set(&mut self, oid: ObjectIdentifier, value: impl Into<Vec<u8>>) {
        self.extension(oid).value = value.into();
    }

    pub fn remove(&mut self, oid: ObjectIdentifier) {
        self.extension(oid);
        self.extensions.retain(|extension| extension.oid != oid);
    }

    /// The first entry.
    pub fn entry(&mut self) -> &mut Entry {
        &mut self.entries.as_mut().unwrap()[0]
    }

    fn der(&self) -> Vec<u8> {
        let extensions: Vec<_> = self.extensions.iter().map(Extension::der).collect();
        let entries = self.entries.as_ref().map_or(Vec::new(), |entries| {
            let entries: Vec<_> = entries.iter().map(Entry::der).collect();
            sequence(&slices(&entries))
        });
        let mut der = sequence(&[
            &self.version,
            &self.signature_algorithm,
            &self.issuer,
            &self.this_update,
            &self.next_update,
            &entries,
            &tlv(0xa0, &sequence(&slices(&extensions))),
        ]);
        der.extend(&self.trailing);
        der
    }

    /// What the draft says as its number, when it says one.
    fn number(&self) -> u64 {
        let value = self.extensions.iter().find(|extension| extension.oid == ID_CE_CRL_NUMBER).map_or(&[][..], |number| &number.value);
        value.iter().skip(2).fold(0, |number, octet| number << 8 | u64::from(*octet))
    }

    fn findings_in(&self, der: &[u8]) -> Vec<Finding> {
        let draft = self.draft.as_deref().unwrap_or(self);
        let entries: Vec<_> = draft.entries.iter().flatten().map(Entry::expected).collect();
        let context = CrlContext {
            role: self.role,
            issuer: &self.issuer_subject,
            key_identifier: &ISSUER_KEY_IDENTIFIER,
            signature_algorithm: &self.issuer_signature_algorithm,
            previous_number: self.previous_number,
            distribution_point: self.shard,
            now: NOW,
            expected: ExpectedCrl {
                number: draft.number(),
                this_update: moment(&draft.this_update),
                next_update: moment(&draft.next_update),
                entries: &entries,
            },
        };
        check_crl(der, &context)
    }
}

impl Entry {
    fn expected(&self) -> ExpectedEntry<'_> {
        let value = |oid| self.extensions.iter().find(|extension| extension.oid == oid).map(|extension| &extension.value);
        ExpectedEntry {
            serial: &self.serial[2..],
            revoked_at: moment(&self.date),
            reason: value(ID_CE_CRL_REASONS).and_then(|value| CrlReason::from_der(value).ok()),
            invalidity_date: value(ID_CE_INVALIDITY_DATE)
                .and_then(|value| GeneralizedTime::from_der(value).ok())
                .map(|t| instant(&t.into())),
        }
    }

    fn der(&self) -> Vec<u8> {
        let extensions: Vec<_> = self.extensions.iter().map(Extension::der).collect();
        let extensions = if extensions.is_empty() { Vec::new() } else { sequence(&slices(&extensions)) };
        sequence(&[&self.serial, &self.date, &extensions])
    }
}

/// One TLV with the shortest length.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut der = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    der.extend(content);
    der
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub fn integer(content: &[u8]) -> Vec<u8> {
    tlv(2, content)
}

pub fn utc_time(text: &str) -> Vec<u8> {
    tlv(0x17, text.as_bytes())
}

pub fn general_time(text: &str) -> Vec<u8> {
    tlv(0x18, text.as_bytes())
}

/// A RelativeDistinguishedName of one attribute.
pub fn attribute(oid: ObjectIdentifier, tag: u8, value: &[u8]) -> Vec<u8> {
    tlv(0x31, &sequence(&[&oid.to_der().unwrap(), &tlv(tag, value)]))
}

pub fn name(rdns: &[Vec<u8>]) -> Vec<u8> {
    sequence(&slices(rdns))
}

/// C=CN, O=…, and what else is given.
pub fn subject(more: &[Vec<u8>]) -> Vec<u8> {
    let mut rdns = vec![attribute(COUNTRY, PRINTABLE, b"CN"), attribute(ORGANIZATION, UTF8, "某某局".as_bytes())];
    rdns.extend_from_slice(more);
    name(&rdns)
}

pub fn purposes(oids: &[ObjectIdentifier]) -> Vec<u8> {
    let oids: Vec<_> = oids.iter().map(|oid| oid.to_der().unwrap()).collect();
    sequence(&slices(&oids))
}

pub fn policy(oid: ObjectIdentifier) -> Vec<u8> {
    sequence(&[&oid.to_der().unwrap()])
}

/// A DistributionPoint with a full name, and what follows the name.
pub fn distribution_point(name: &[u8], rest: &[u8]) -> Vec<u8> {
    sequence(&[&tlv(0xa0, &tlv(0xa0, name)), rest])
}

pub fn issuing_distribution_point(uri: &str, rest: &[u8]) -> Vec<u8> {
    distribution_point(&tlv(URI, uri.as_bytes()), rest)
}

pub fn access(method: ObjectIdentifier, location: &[u8]) -> Vec<u8> {
    sequence(&[&method.to_der().unwrap(), location])
}

pub fn reason(code: u8) -> Extension {
    Extension::new(ID_CE_CRL_REASONS, NOT_CRITICAL, [10, 1, code])
}

/// A SubjectPublicKeyInfo with that DER AlgorithmIdentifier.
pub fn spki(algorithm: &[u8], octets: &[u8]) -> Vec<u8> {
    sequence(&[algorithm, &tlv(3, &[&[0], octets].concat())])
}

/// The generator of the curve: a good public key that needs no randomness.
pub fn generator(algorithm: &dyn Algorithm) -> Vec<u8> {
    hex::decode(match algorithm.name() {
        "p256" => concat!(
            "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
            "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
        ),
        "p384" => concat!(
            "04aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
            "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f"
        ),
        _ => concat!(
            "0432c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7",
            "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0"
        ),
    })
    .unwrap()
}

/// The other family's algorithm.
pub fn other(family: &'static dyn Algorithm) -> &'static dyn Algorithm {
    if family.name() == "p256" { &Sm2 } else { &P256 }
}

fn slices(parts: &[Vec<u8>]) -> Vec<&[u8]> {
    parts.iter().map(Vec::as_slice).collect()
}

fn moment(tlv: &[u8]) -> OffsetDateTime {
    x509_cert::time::Time::from_der(tlv).map_or(OffsetDateTime::UNIX_EPOCH, |time| instant(&time))
}

#[test]
fn the_generators_are_good_public_keys() {
    for algorithm in [&P256 as &'static dyn Algorithm, &P384, &Sm2] {
        PublicKey::new(algorithm, &generator(algorithm)).unwrap();
    }
}
