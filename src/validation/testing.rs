//! For the tests of this folder: certificates and lists that say whatever a test wants, well formed and signed, in both families.

use der::{Encode, asn1::ObjectIdentifier};
use time::{Duration, OffsetDateTime, macros::datetime};
use x509_cert::{
    ext::pkix::{KeyUsage, KeyUsages},
    name::Name,
};

use crate::{
    crypto::{Algorithm, Digest, PrivateKey, algorithms},
    x509::{Certificate, signed::assemble},
};

/// When everything is asked, and everything is valid.
pub const NOW: OffsetDateTime = datetime!(2030-06-01 00:00 UTC);
pub const FAMILIES: [&dyn Algorithm; 2] = [&algorithms::P256, &algorithms::Sm2];

pub const BASIC_CONSTRAINTS: &str = "2.5.29.19";
pub const KEY_USAGE: &str = "2.5.29.15";
pub const SUBJECT_ALT_NAME: &str = "2.5.29.17";
pub const NAME_CONSTRAINTS: &str = "2.5.29.30";
pub const DISTRIBUTION_POINTS: &str = "2.5.29.31";
pub const POLICIES: &str = "2.5.29.32";
pub const POLICY_MAPPINGS: &str = "2.5.29.33";
pub const POLICY_CONSTRAINTS: &str = "2.5.29.36";
pub const INHIBIT_ANY_POLICY: &str = "2.5.29.54";
const SUBJECT_KEY_IDENTIFIER: &str = "2.5.29.14";
const AUTHORITY_KEY_IDENTIFIER: &str = "2.5.29.35";
const CRL_NUMBER: &str = "2.5.29.20";
const DELTA_CRL_INDICATOR: &str = "2.5.29.27";
const ISSUING_DISTRIBUTION_POINT: &str = "2.5.29.28";
const CRL_REASON: &str = "2.5.29.21";
const CERTIFICATE_ISSUER: &str = "2.5.29.29";

/// One element of DER from its parts.
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let mut der = vec![tag];
    match content.len() {
        short @ 0..=0x7f => der.push(short as u8),
        0x80..=0xff => der.extend([0x81, length[3]]),
        0x100..=0xffff => der.extend([0x82, length[2], length[3]]),
        _ => der.extend([0x83, length[1], length[2], length[3]]),
    }
    [der, content].concat()
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

pub fn oid(text: &str) -> Vec<u8> {
    ObjectIdentifier::new_unwrap(text).to_der().unwrap()
}

/// `CN=Test, O=…` with the most significant first.
pub fn name(common_name: &str) -> Vec<u8> {
    format!("CN={common_name},O=Hufu Test").parse::<Name>().unwrap().to_der().unwrap()
}

/// What a certificate will say. Made good by `Node`, and bent by a test.
pub struct Draft {
    pub issuer: Vec<u8>,
    pub subject: Vec<u8>,
    pub serial: Vec<u8>,
    pub not_before: Vec<u8>,
    pub not_after: Vec<u8>,
    pub extensions: Vec<(String, bool, Vec<u8>)>,
}

impl Draft {
    pub fn with(mut self, id: &str, critical: bool, value: Vec<u8>) -> Self {
        self.extensions.retain(|(other, ..)| other != id);
        self.extensions.push((id.to_owned(), critical, value));
        self
    }

    pub fn without(mut self, id: &str) -> Self {
        self.extensions.retain(|(other, ..)| other != id);
        self
    }

    pub fn authority(self) -> Self {
        self.path_length(None).usage(KeyUsages::KeyCertSign | KeyUsages::CRLSign)
    }

    pub fn path_length(self, most: Option<u8>) -> Self {
        let most = most.map(|most| tlv(2, &[&[most]])).unwrap_or_default();
        self.with(BASIC_CONSTRAINTS, true, sequence(&[&tlv(1, &[&[0xff]]), &most]))
    }

    pub fn usage(self, usages: impl Into<der::flagset::FlagSet<KeyUsages>>) -> Self {
        self.with(KEY_USAGE, true, KeyUsage(usages.into()).to_der().unwrap())
    }

    pub fn policies(self, policies: &[&str]) -> Self {
        let policies: Vec<Vec<u8>> = policies.iter().map(|policy| sequence(&[&oid(policy)])).collect();
        self.with(POLICIES, false, sequence(&[&policies.concat()]))
    }

    pub fn mappings(self, pairs: &[(&str, &str)]) -> Self {
        let pairs: Vec<Vec<u8>> = pairs.iter().map(|(from, to)| sequence(&[&oid(from), &oid(to)])).collect();
        self.with(POLICY_MAPPINGS, true, sequence(&[&pairs.concat()]))
    }

    /// requireExplicitPolicy and inhibitPolicyMapping.
    pub fn policy_constraints(self, explicit: Option<u8>, mapping: Option<u8>) -> Self {
        let field = |tag: u8, value: Option<u8>| value.map(|value| tlv(tag, &[&[value]])).unwrap_or_default();
        self.with(POLICY_CONSTRAINTS, true, sequence(&[&field(0x80, explicit), &field(0x81, mapping)]))
    }

    pub fn inhibit_any(self, after: u8) -> Self {
        self.with(INHIBIT_ANY_POLICY, true, tlv(2, &[&[after]]))
    }

    /// General names, each whole.
    pub fn alternative_names(self, names: &[Vec<u8>]) -> Self {
        self.with(SUBJECT_ALT_NAME, false, sequence(&[&names.concat()]))
    }

    pub fn name_constraints(self, permitted: &[Vec<u8>], excluded: &[Vec<u8>]) -> Self {
        let list = |tag: u8, bases: &[Vec<u8>]| {
            let bases: Vec<Vec<u8>> = bases.iter().map(|base| sequence(&[base])).collect();
            if bases.is_empty() { Vec::new() } else { tlv(tag, &[&bases.concat()]) }
        };
        self.with(NAME_CONSTRAINTS, true, sequence(&[&list(0xa0, permitted), &list(0xa1, excluded)]))
    }
}

/// Somebody with a key, a name and a certificate.
pub struct Node {
    pub certificate: Certificate,
    key: Box<dyn PrivateKey>,
}

impl Node {
    /// A self-signed root.
    pub fn root(family: &'static dyn Algorithm) -> Self {
        Self::root_with(family, |draft| draft)
    }

    pub fn root_with(family: &'static dyn Algorithm, bend: impl FnOnce(Draft) -> Draft) -> Self {
        let key = family.load(&family.generate().unwrap()).unwrap();
        let draft = bend(draft(&name("Root"), &name("Root"), &*key).authority());
        Self { certificate: certify(draft, &*key, &*key), key }
    }

    /// A certificate by this one, with a key of its own.
    pub fn issue(&self, common_name: &str, bend: impl FnOnce(Draft) -> Draft) -> Self {
        let family = self.key.public_key().algorithm();
        let key = family.load(&family.generate().unwrap()).unwrap();
        let mut draft = draft(self.certificate.subject().der(), &name(common_name), &*key);
        draft = draft.with(AUTHORITY_KEY_IDENTIFIER, false, sequence(&[&tlv(0x80, &[&key_identifier(&*self.key)])]));
        Self { certificate: certify(bend(draft), &*key, &*self.key), key }
    }

    pub fn authority(&self, common_name: &str, bend: impl FnOnce(Draft) -> Draft) -> Self {
        self.issue(common_name, |draft| bend(draft.authority()))
    }

    /// A certificate of the same key by another one: a cross-certificate.
    pub fn certify(&self, subject: &Node, bend: impl FnOnce(Draft) -> Draft) -> Certificate {
        let mut draft = draft(self.certificate.subject().der(), subject.certificate.subject().der(), &*subject.key).authority();
        draft = draft.with(AUTHORITY_KEY_IDENTIFIER, false, sequence(&[&tlv(0x80, &[&key_identifier(&*self.key)])]));
        certify(bend(draft), &*subject.key, &*self.key)
    }
}

fn draft(issuer: &[u8], subject: &[u8], key: &dyn PrivateKey) -> Draft {
    static SERIAL: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0x0100_0000);
    Draft {
        issuer: issuer.to_vec(),
        subject: subject.to_vec(),
        serial: SERIAL.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_be_bytes().to_vec(),
        not_before: instant(NOW - Duration::days(365)),
        not_after: instant(NOW + Duration::days(365)),
        extensions: Vec::new(),
    }
    .with(SUBJECT_KEY_IDENTIFIER, false, tlv(4, &[&key_identifier(key)]))
}

fn key_identifier(key: &dyn PrivateKey) -> Vec<u8> {
    Digest::Sha1.hash(key.public_key().octets())
}

/// A UTCTime.
pub fn instant(at: OffsetDateTime) -> Vec<u8> {
    let (year, month, day) = (at.year() % 100, u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    tlv(0x17, &[format!("{year:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z").as_bytes()])
}

fn certify(draft: Draft, key: &dyn PrivateKey, issuer: &dyn PrivateKey) -> Certificate {
    let algorithm = issuer.public_key().algorithm().signature_algorithm();
    let tbs = sequence(&[
        &tlv(0xa0, &[&[2, 1, 2]]),
        &tlv(2, &[&draft.serial]),
        &algorithm.to_der().unwrap(),
        &draft.issuer,
        &sequence(&[&draft.not_before, &draft.not_after]),
        &draft.subject,
        key.public_key().spki(),
        &tlv(0xa3, &[&extensions(&draft.extensions)]),
    ]);
    Certificate::parse(&assemble(&tbs, &algorithm, &issuer.sign(&tbs).unwrap(), &[]).unwrap()).unwrap()
}

fn extensions(list: &[(String, bool, Vec<u8>)]) -> Vec<u8> {
    let extension = |(id, critical, value): &(String, bool, Vec<u8>)| {
        let critical = if *critical { tlv(1, &[&[0xff]]) } else { Vec::new() };
        sequence(&[&oid(id), &critical, &tlv(4, &[value])])
    };
    sequence(&[&list.iter().map(extension).collect::<Vec<_>>().concat()])
}

/// What a list will say.
pub struct List<'a> {
    pub by: &'a Node,
    pub number: u8,
    /// The number of the complete list that a delta list starts from.
    pub base: Option<u8>,
    /// The content of issuingDistributionPoint.
    pub scope: Option<Vec<u8>>,
    pub this_update: OffsetDateTime,
    pub next_update: OffsetDateTime,
    /// Certificates with reasons (RFC 5280 §5.3.1), and further extensions of their entries.
    pub entries: Vec<(&'a Certificate, u8)>,
    pub extensions: Vec<(String, bool, Vec<u8>)>,
    pub entry_extensions: Vec<(String, bool, Vec<u8>)>,
    /// Whether entries say whose certificates they are, where that changes.
    pub names_issuers: bool,
}

impl<'a> List<'a> {
    /// A complete list, a day old, on which these certificates are.
    pub fn by(node: &'a Node, entries: &[(&'a Certificate, u8)]) -> Self {
        Self {
            by: node,
            number: 5,
            base: None,
            scope: None,
            this_update: NOW - Duration::days(1),
            next_update: NOW + Duration::days(1),
            entries: entries.to_vec(),
            extensions: Vec::new(),
            entry_extensions: Vec::new(),
            names_issuers: false,
        }
    }

    pub fn der(&self) -> Vec<u8> {
        let issuer = self.by.certificate.subject().der();
        let algorithm = self.by.key.public_key().algorithm().signature_algorithm();
        let mut list = vec![
            (AUTHORITY_KEY_IDENTIFIER.to_owned(), false, sequence(&[&tlv(0x80, &[&key_identifier(&*self.by.key)])])),
            (CRL_NUMBER.to_owned(), false, tlv(2, &[&[self.number]])),
        ];
        list.extend(self.base.map(|base| (DELTA_CRL_INDICATOR.to_owned(), true, tlv(2, &[&[base]]))));
        list.extend(self.scope.clone().map(|scope| (ISSUING_DISTRIBUTION_POINT.to_owned(), true, sequence(&[&scope]))));
        list.extend(self.extensions.iter().cloned());
        let mut whose = self.by.certificate.subject().clone();
        let mut entries = Vec::new();
        for (certificate, reason) in &self.entries {
            let changes = self.names_issuers && *certificate.issuer() != whose;
            whose = certificate.issuer().clone();
            entries.push(self.entry(certificate, *reason, changes));
        }
        let tbs = sequence(&[
            &tlv(2, &[&[1]]),
            &algorithm.to_der().unwrap(),
            issuer,
            &instant(self.this_update),
            &instant(self.next_update),
            &if entries.is_empty() { Vec::new() } else { sequence(&[&entries.concat()]) },
            &tlv(0xa0, &[&extensions(&list)]),
        ]);
        assemble(&tbs, &algorithm, &self.by.key.sign(&tbs).unwrap(), &[]).unwrap()
    }

    fn entry(&self, certificate: &Certificate, reason: u8, names_issuer: bool) -> Vec<u8> {
        let mut list = vec![(CRL_REASON.to_owned(), false, tlv(0x0a, &[&[reason]]))];
        if names_issuer {
            let issuer = sequence(&[&tlv(0xa4, &[certificate.issuer().der()])]);
            list.push((CERTIFICATE_ISSUER.to_owned(), true, issuer));
        }
        list.extend(self.entry_extensions.iter().cloned());
        sequence(&[&tlv(2, &[certificate.serial()]), &instant(NOW - Duration::days(2)), &extensions(&list)])
    }
}
