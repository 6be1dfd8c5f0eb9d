//! A certificate as received, read once.

use der::{Decode, Encode, asn1::ObjectIdentifier, oid::AssociatedOid, pem::LineEnding};
use time::OffsetDateTime;
use x509_cert::{
    ext::pkix::{
        AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints, ExtendedKeyUsage, KeyUsage,
        SubjectKeyIdentifier,
        name::{DistributionPointName, GeneralName},
    },
    name::Name,
};

use super::{Error, SerialNumber, Signed, instant, name};
use crate::crypto::{PublicKey, digest::sha256};

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

/// A certificate whose DER was read strictly. Its signature has not been checked.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
    public_key: PublicKey,
    id: CertificateId,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl Certificate {
    /// The largest certificate that is looked at, in octets of DER.
    pub const MAX_SIZE: usize = 64 * 1024;

    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        if der.len() > Self::MAX_SIZE {
            return Err(Error::malformed("certificate", "larger than 64 KiB"));
        }
        let parsed = x509_cert::Certificate::from_der(der).map_err(|error| Error::malformed("certificate", error))?;
        let spki = encode("certificate", parsed.tbs_certificate().subject_public_key_info())?;
        let public_key = PublicKey::from_spki(&spki)?;
        let id = CertificateId::of_tbs(Signed::parse(der)?.tbs);
        let validity = parsed.tbs_certificate().validity();
        let instant = |time| instant::from_time(time).map_err(|error| Error::malformed("certificate", error));
        let (not_before, not_after) = (instant(validity.not_before)?, instant(validity.not_after)?);
        Ok(Self { der: der.to_vec(), parsed, public_key, id, not_before, not_after })
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
        &self.der
    }

    pub fn to_pem(&self) -> String {
        // Base64 of at most 64 KiB always fits the encoder's buffer.
        der::pem::encode_string("CERTIFICATE", LineEnding::LF, &self.der).expect("a certificate encodes as PEM")
    }

    pub fn id(&self) -> CertificateId {
        self.id
    }

    /// SHA-256 of the whole DER.
    pub fn fingerprint(&self) -> [u8; 32] {
        sha256(&self.der)
    }

    /// The bytes that the issuer signed.
    pub fn tbs(&self) -> &[u8] {
        // `parse` has split these very bytes before.
        Signed::parse(&self.der).expect("the certificate was split when it was parsed").tbs
    }

    /// The content octets of the serial number.
    pub fn serial(&self) -> &[u8] {
        self.parsed.tbs_certificate().serial_number().as_bytes()
    }

    /// The serial number, if it has the form of ours.
    pub fn our_serial(&self) -> Option<SerialNumber> {
        SerialNumber::from_slice(self.serial())
    }

    pub fn subject(&self) -> &Name {
        self.parsed.tbs_certificate().subject()
    }

    pub fn issuer(&self) -> &Name {
        self.parsed.tbs_certificate().issuer()
    }

    pub fn subject_der(&self) -> Vec<u8> {
        // It was decoded from DER, which has one encoding only.
        name::to_der(self.subject()).expect("a decoded name encodes")
    }

    pub fn issuer_der(&self) -> Vec<u8> {
        name::to_der(self.issuer()).expect("a decoded name encodes")
    }

    pub fn subject_text(&self) -> String {
        name::text(self.subject())
    }

    pub fn issuer_text(&self) -> String {
        name::text(self.issuer())
    }

    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.extension()
    }

    pub fn extended_key_usage(&self) -> Option<Vec<ObjectIdentifier>> {
        self.extension::<ExtendedKeyUsage>().map(|usage| usage.0)
    }

    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.extension()
    }

    pub fn policies(&self) -> Vec<ObjectIdentifier> {
        let policies = self.extension::<CertificatePolicies>().map(|policies| policies.0).unwrap_or_default();
        policies.into_iter().map(|policy| policy.policy_identifier).collect()
    }

    pub fn subject_key_identifier(&self) -> Option<Vec<u8>> {
        self.extension::<SubjectKeyIdentifier>().map(|identifier| identifier.0.as_bytes().to_vec())
    }

    pub fn authority_key_identifier(&self) -> Option<Vec<u8>> {
        self.extension::<AuthorityKeyIdentifier>()?.key_identifier.map(|identifier| identifier.as_bytes().to_vec())
    }

    /// The URIs under which CRLs about this certificate are published.
    pub fn crl_distribution_points(&self) -> Vec<String> {
        let points = self.extension::<CrlDistributionPoints>().map(|points| points.0).unwrap_or_default();
        let names = points.into_iter().filter_map(|point| match point.distribution_point {
            Some(DistributionPointName::FullName(names)) => Some(names),
            Some(DistributionPointName::NameRelativeToCRLIssuer(_)) | None => None,
        });
        let uri = |name| match name {
            GeneralName::UniformResourceIdentifier(uri) => Some(uri.to_string()),
            _ => None,
        };
        names.flatten().filter_map(uri).collect()
    }

    /// The object identifiers of the critical extensions.
    pub fn critical_extensions(&self) -> Vec<ObjectIdentifier> {
        let extensions = self.parsed.tbs_certificate().extensions();
        extensions.into_iter().flatten().filter(|extension| extension.critical).map(|extension| extension.extn_id).collect()
    }

    /// Checks the signature with the issuer's key, over the received bytes. The two algorithm fields must be equal
    /// byte for byte (RFC 5280 §4.1.1.2).
    pub fn verify_signature(&self, issuer: &PublicKey) -> Result<(), Error> {
        if self.parsed.tbs_certificate().signature() != self.parsed.signature_algorithm() {
            return Err(Error::malformed("certificate", "the inner and outer signature algorithms differ"));
        }
        Signed::parse(&self.der)?.verify(issuer)
    }

    fn extension<'a, T: Decode<'a, Error = der::Error> + AssociatedOid>(&'a self) -> Option<T> {
        let extensions = self.parsed.tbs_certificate().extensions()?;
        let found = extensions.iter().find(|extension| extension.extn_id == T::OID)?;
        T::from_der(found.extn_value.as_bytes()).ok()
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Certificate({})", self.id)
    }
}

/// The content octets of the serial number inside a TBSCertificate; `None` for bytes that are not one.
pub fn serial_of_tbs(tbs: &[u8]) -> Option<Vec<u8>> {
    let tbs = x509_cert::TbsCertificate::from_der(tbs).ok()?;
    Some(tbs.serial_number().as_bytes().to_vec())
}

fn encode(what: &'static str, value: &impl Encode) -> Result<Vec<u8>, Error> {
    value.to_der().map_err(|error| Error::malformed(what, error))
}
