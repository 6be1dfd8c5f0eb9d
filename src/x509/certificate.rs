//! A certificate as received, read once.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use der::{
    Decode, Reader, SliceReader, Tag, Tagged,
    asn1::{AnyRef, ObjectIdentifier},
    pem::LineEnding,
};
use time::OffsetDateTime;
use x509_cert::ext::pkix::KeyUsage;

use super::{
    CertificateExtensions, DistinguishedName, Error, SerialNumber, Signed, certificate_extensions::Access, constraints::BasicConstraints,
    distribution_point::DistributionPoint, general_name::GeneralName, instant::TimeField, tlv,
};
use crate::crypto::{self, PublicKey, Strength, VerifyingKey, digest::sha256};

/// The identity of a certificate: SHA-256 of its TBSCertificate. It exists before the signature does and, unlike the
/// signature, cannot be changed by others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateId(pub [u8; 32]);

impl CertificateId {
    pub fn of_tbs(tbs: &[u8]) -> Self {
        Self(sha256(tbs))
    }

    pub fn from_hex(text: &str) -> Option<Self> {
        Some(Self(hex::decode(text).ok()?.try_into().ok()?))
    }
}

impl std::fmt::Display for CertificateId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for CertificateId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "CertificateId({self})")
    }
}

/// A certificate of anybody whose DER was read strictly. Its signature has not been checked.
///
/// A clone is another handle on the same certificate. What is costly to work out (keys, a signature that verified) is kept in
/// it, so that an authority that is met again and again is read and checked once.
#[derive(Clone)]
pub struct Certificate(Arc<Contents>);

struct Contents {
    der: Box<[u8]>,
    /// Where in `der` the TBSCertificate and the SubjectPublicKeyInfo are.
    tbs: Range<usize>,
    spki: Range<usize>,
    version: u8,
    serial: Box<[u8]>,
    issuer: DistinguishedName,
    subject: DistinguishedName,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    extensions: CertificateExtensions,
    id: OnceLock<CertificateId>,
    public_key: OnceLock<Result<PublicKey, crypto::Error>>,
    verifying_key: OnceLock<Result<VerifyingKey, crypto::Error>>,
    verified: OnceLock<Verified>,
}

/// Under which key the signature of a certificate verified, and how strong it is.
struct Verified {
    spki: Box<[u8]>,
    strength: Strength,
}

impl Certificate {
    /// The largest certificate that is looked at, in octets of DER.
    pub const MAX_SIZE: usize = 64 * 1024;

    /// Reads DER. The two AlgorithmIdentifiers must be equal byte for byte (RFC 5280 §4.1.1.2), and a known extension must be
    /// well formed; the key may be of any algorithm.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        if der.len() > Self::MAX_SIZE {
            return Err(Error::malformed("certificate", "larger than 64 KiB"));
        }
        let signed = Signed::parse(der)?;
        let contents = Contents::decode(der, &signed).map_err(|error| Error::malformed("certificate", error))?;
        Ok(Self(Arc::new(contents)))
    }

    /// Every certificate of a PEM file, in order; or the one of a DER file.
    pub fn parse_many(file: &[u8]) -> Result<Vec<Self>, Error> {
        if file.first() == Some(&0x30) {
            return Ok(vec![Self::parse(file)?]);
        }
        let text = std::str::from_utf8(file).map_err(|error| Error::malformed("certificate file", error))?;
        let mut certificates = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("-----BEGIN CERTIFICATE-----") {
            const END: &str = "-----END CERTIFICATE-----";
            let end = rest[start..].find(END).ok_or_else(|| Error::malformed("certificate file", "a PEM block has no end"))?;
            let block = &rest[start..start + end + END.len()];
            let (_, der) = der::pem::decode_vec(block.as_bytes()).map_err(|error| Error::malformed("certificate file", error))?;
            certificates.push(Self::parse(&der)?);
            rest = &rest[start + end + END.len()..];
        }
        if certificates.is_empty() { Err(Error::malformed("certificate file", "it holds no certificate")) } else { Ok(certificates) }
    }

    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    pub fn to_pem(&self) -> String {
        // Base64 of at most 64 KiB always fits the encoder's buffer.
        der::pem::encode_string("CERTIFICATE", LineEnding::LF, self.der()).expect("a certificate encodes as PEM")
    }

    pub fn id(&self) -> CertificateId {
        *self.0.id.get_or_init(|| CertificateId::of_tbs(self.tbs()))
    }

    /// SHA-256 of the whole DER.
    pub fn fingerprint(&self) -> [u8; 32] {
        sha256(self.der())
    }

    /// The bytes that the issuer signed.
    pub fn tbs(&self) -> &[u8] {
        &self.0.der[self.0.tbs.clone()]
    }

    /// 1, 2 or 3.
    pub fn version(&self) -> u8 {
        self.0.version
    }

    /// The content octets of the serial number.
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// The serial number, if it has the form of ours.
    pub fn our_serial(&self) -> Option<SerialNumber> {
        SerialNumber::from_slice(self.serial())
    }

    pub fn subject(&self) -> &DistinguishedName {
        &self.0.subject
    }

    pub fn issuer(&self) -> &DistinguishedName {
        &self.0.issuer
    }

    pub fn subject_der(&self) -> Vec<u8> {
        self.0.subject.der().to_vec()
    }

    pub fn issuer_der(&self) -> Vec<u8> {
        self.0.issuer.der().to_vec()
    }

    pub fn subject_text(&self) -> String {
        self.0.subject.text()
    }

    pub fn issuer_text(&self) -> String {
        self.0.issuer.text()
    }

    /// Issuer and subject are the same (RFC 5280 §6.1): a root, or an authority that changes its key.
    pub fn is_self_issued(&self) -> bool {
        self.0.subject == self.0.issuer
    }

    pub fn not_before(&self) -> OffsetDateTime {
        self.0.not_before
    }

    pub fn not_after(&self) -> OffsetDateTime {
        self.0.not_after
    }

    /// The DER SubjectPublicKeyInfo, as received.
    pub fn spki(&self) -> &[u8] {
        &self.0.der[self.0.spki.clone()]
    }

    /// The key, if it is of an algorithm that we certify.
    pub fn public_key(&self) -> Result<&PublicKey, crypto::Error> {
        self.0.public_key.get_or_init(|| PublicKey::from_spki(self.spki())).as_ref().map_err(Clone::clone)
    }

    /// The key, to check what its holder signed.
    pub fn verifying_key(&self) -> Result<&VerifyingKey, crypto::Error> {
        self.0.verifying_key.get_or_init(|| VerifyingKey::from_spki(self.spki())).as_ref().map_err(Clone::clone)
    }

    pub fn extensions(&self) -> &CertificateExtensions {
        &self.0.extensions
    }

    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.0.extensions.key_usage
    }

    pub fn extended_key_usage(&self) -> Option<&[ObjectIdentifier]> {
        self.0.extensions.extended_key_usage.as_deref()
    }

    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.0.extensions.basic_constraints
    }

    /// Whether it says that its subject is an authority.
    pub fn is_authority(&self) -> bool {
        self.basic_constraints().is_some_and(|constraints| constraints.ca)
    }

    pub fn policies(&self) -> &[ObjectIdentifier] {
        self.0.extensions.policies.as_deref().unwrap_or_default()
    }

    pub fn subject_key_identifier(&self) -> Option<Vec<u8>> {
        self.0.extensions.subject_key_identifier.clone()
    }

    pub fn authority_key_identifier(&self) -> Option<Vec<u8>> {
        self.0.extensions.authority_key_identifier.as_ref()?.key_identifier.clone()
    }

    /// The URIs under which CRLs about this certificate are published.
    pub fn crl_distribution_points(&self) -> Vec<String> {
        let points = self.0.extensions.crl_distribution_points.as_deref().unwrap_or_default();
        points.iter().flat_map(DistributionPoint::urls).map(str::to_owned).collect()
    }

    /// The addresses that authorityInfoAccess gives for a method (RFC 5280 §4.2.2.1).
    pub fn authority_information(&self, method: ObjectIdentifier) -> impl Iterator<Item = &str> {
        let address = move |access: &'_ Access| access.method == method;
        self.0.extensions.authority_information.iter().filter(move |access| address(access)).filter_map(|access| match &access.location {
            GeneralName::Uri(uri) => Some(uri.as_str()),
            _ => None,
        })
    }

    /// The object identifiers of the critical extensions.
    pub fn critical_extensions(&self) -> impl Iterator<Item = ObjectIdentifier> {
        self.0.extensions.present.iter().filter(|(_, critical)| *critical).map(|(id, _)| *id)
    }

    /// Checks the signature with the issuer's key, over the received bytes, at modern strength.
    pub fn verify_signature(&self, issuer: &Self) -> Result<(), Error> {
        self.verify_signature_with(issuer, Strength::Modern)
    }

    /// The same at the strength that the caller asks for. What verified once is not computed again.
    pub fn verify_signature_with(&self, issuer: &Self, strength: Strength) -> Result<(), Error> {
        if self.is_known_to_be_signed_by(issuer, strength) {
            return Ok(());
        }
        Signed::parse(self.der())?.verify_with(issuer.verifying_key()?, strength)?;
        // Another key that verified before stays: a certificate has hardly ever two issuers.
        self.0.verified.get_or_init(|| Verified { spki: issuer.spki().into(), strength });
        Ok(())
    }

    /// Whether that check would cost nothing, because it was done before.
    pub fn is_known_to_be_signed_by(&self, issuer: &Self, strength: Strength) -> bool {
        let known = |verified: &Verified| verified.strength >= strength && *verified.spki == *issuer.spki();
        self.0.verified.get().is_some_and(known)
    }
}

impl Contents {
    fn decode(der: &[u8], signed: &Signed<'_>) -> der::Result<Self> {
        let mut reader = tlv::sequence(signed.tbs)?;
        let version = tlv::optional(&mut reader, tlv::constructed(0))?.map(version).transpose()?.unwrap_or(1);
        let serial = AnyRef::decode(&mut reader)?;
        integer(serial)?;
        if spki::AlgorithmIdentifierOwned::decode(&mut reader)? != signed.algorithm {
            return Err(Tag::Sequence.value_error().into());
        }
        let issuer = DistinguishedName::decode(AnyRef::decode(&mut reader)?)?;
        let mut validity = tlv::parts(AnyRef::decode(&mut reader)?, Tag::Sequence)?;
        let (TimeField(not_before), TimeField(not_after)) = (TimeField::decode(&mut validity)?, TimeField::decode(&mut validity)?);
        validity.finish()?;
        let subject = DistinguishedName::decode(AnyRef::decode(&mut reader)?)?;
        let spki = reader.tlv_bytes()?;
        // Shape only: keys that are not known here may be certified, and are read when they are needed.
        spki::SubjectPublicKeyInfoRef::from_der(spki)?;
        unique_identifiers(&mut reader, version)?;
        let extensions = tlv::optional(&mut reader, tlv::constructed(3))?;
        reader.finish()?;
        if extensions.is_some() && version < 3 {
            return Err(Tag::Sequence.value_error().into());
        }
        Ok(Self {
            der: der.into(),
            tbs: span(der, signed.tbs),
            spki: span(der, spki),
            version,
            serial: serial.value().into(),
            issuer,
            subject,
            not_before,
            not_after,
            extensions: extensions
                .map(|list| CertificateExtensions::decode(AnyRef::from_der(list.value())?))
                .transpose()?
                .unwrap_or_default(),
            id: OnceLock::new(),
            public_key: OnceLock::new(),
            verifying_key: OnceLock::new(),
            verified: OnceLock::new(),
        })
    }
}

/// `[0] EXPLICIT INTEGER`: v2 or v3; some write out v1, which is the default.
fn version(tagged: AnyRef<'_>) -> der::Result<u8> {
    match tagged.value() {
        [2, 1, number @ 0..=2] => Ok(number + 1),
        _ => Err(Tag::Integer.value_error().into()),
    }
}

/// As DER has it, of either sign: shortest form.
fn integer(serial: AnyRef<'_>) -> der::Result<()> {
    serial.tag().assert_eq(Tag::Integer)?;
    match serial.value() {
        [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => Err(Tag::Integer.value_error().into()),
        _ => Ok(()),
    }
}

/// Only from version 2 on (RFC 5280 §4.1.2.8). They say nothing that anybody uses.
fn unique_identifiers(reader: &mut SliceReader<'_>, version: u8) -> der::Result<()> {
    let issuer = tlv::optional(reader, tlv::primitive(1))?;
    let subject = tlv::optional(reader, tlv::primitive(2))?;
    if version < 2 && (issuer.is_some() || subject.is_some()) { Err(Tag::Sequence.value_error().into()) } else { Ok(()) }
}

/// Where `part`, a piece of `whole`, is in it.
fn span(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Certificate({})", self.id())
    }
}

/// The content octets of the serial number inside a TBSCertificate; `None` for bytes that are not one.
pub fn serial_of_tbs(tbs: &[u8]) -> Option<Vec<u8>> {
    let tbs = x509_cert::TbsCertificate::from_der(tbs).ok()?;
    Some(tbs.serial_number().as_bytes().to_vec())
}
