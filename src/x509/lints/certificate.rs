//! A TBSCertificate as the rules see it, and what the issuing service says about it.

use const_oid::AssociatedOid;
use der::{Decode, Reader, SliceReader, asn1::ObjectIdentifier};
use time::OffsetDateTime;
use x509_cert::{
    certificate::{Raw, TbsCertificateInner},
    ext::{
        Extension,
        pkix::{
            AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints,
            ExtendedKeyUsage, KeyUsage, SubjectAltName, SubjectKeyIdentifier, name::GeneralName,
        },
    },
    name::Name,
};
use x509_parser::prelude::FromDer;

use crate::crypto::Algorithm;

/// What a certificate is for, as far as the rules tell certificates apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A self-signed authority.
    Root,
    /// An authority that a root certified.
    Authority,
    /// A delegated OCSP responder (RFC 6960 §4.2.2.2).
    OcspResponder,
    /// Anybody else: people, departments, services.
    EndEntity,
}

impl Role {
    pub fn is_authority(self) -> bool {
        matches!(self, Self::Root | Self::Authority)
    }
}

/// What the issuing service knows about a certificate before it is signed.
#[derive(Debug, Clone, Copy)]
pub struct CertificateContext<'a> {
    pub role: Role,
    /// The certificate that will vouch for this one; `None` for a root, which vouches for itself.
    pub issuer: Option<IssuerFacts<'a>>,
    pub expected: Expected<'a>,
}

/// What the issuer's own certificate says.
#[derive(Debug, Clone, Copy)]
pub struct IssuerFacts<'a> {
    /// The DER Name.
    pub subject: &'a [u8],
    /// The content of its SubjectKeyIdentifier.
    pub key_identifier: &'a [u8],
    pub not_after: OffsetDateTime,
    /// The algorithm of its key.
    pub algorithm: &'static dyn Algorithm,
}

/// What the draft says. The bytes must say the same.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The content octets of the INTEGER.
    pub serial: &'a [u8],
    /// The DER AlgorithmIdentifier.
    pub signature_algorithm: &'a [u8],
    /// The DER Name.
    pub issuer: &'a [u8],
    pub not_before: OffsetDateTime,
    pub not_after: OffsetDateTime,
    /// The DER Name.
    pub subject: &'a [u8],
    /// The DER SubjectPublicKeyInfo.
    pub spki: &'a [u8],
    /// All of them, in their order.
    pub extensions: &'a [Extension],
}

/// The bytes about to be signed, read by both parsers. An extension that is absent or malformed is `None` here.
pub struct CertificateUnderLint<'a> {
    pub der: &'a [u8],
    pub context: &'a CertificateContext<'a>,
    pub tbs: TbsCertificateInner<Raw>,
    /// The same bytes read by the second, independent parser.
    pub second: Result<x509_parser::certificate::TbsCertificate<'a>, String>,

    /// The content octets of the serial number.
    pub serial: &'a [u8],
    /// The fields as they stand in the bytes, each a whole TLV.
    pub signature_algorithm: &'a [u8],
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    pub spki: &'a [u8],

    pub key_usage: Option<KeyUsage>,
    pub extended_key_usage: Option<ExtendedKeyUsage>,
    pub basic_constraints: Option<BasicConstraints>,
    pub subject_key_identifier: Option<SubjectKeyIdentifier>,
    pub authority_key_identifier: Option<AuthorityKeyIdentifier>,
    pub subject_alt_name: Option<SubjectAltName>,
    pub policies: Option<CertificatePolicies>,
    pub distribution_points: Option<CrlDistributionPoints>,
    pub authority_information: Option<AuthorityInfoAccessSyntax>,
}

impl<'a> CertificateUnderLint<'a> {
    /// Reads bytes that must be one TBSCertificate. The answer to failure says why the first parser refused them.
    pub fn read(der: &'a [u8], context: &'a CertificateContext<'a>) -> Result<Self, String> {
        let tbs = TbsCertificateInner::<Raw>::from_der(der).map_err(|error| error.to_string())?;
        let fields = Fields::read(der).map_err(|error| error.to_string())?;
        let extensions = tbs.extensions().map_or(&[][..], Vec::as_slice);
        Ok(Self {
            der,
            context,
            second: read_again(der),
            serial: fields.serial,
            signature_algorithm: fields.signature_algorithm,
            issuer: fields.issuer,
            subject: fields.subject,
            spki: fields.spki,
            key_usage: decode(extensions),
            extended_key_usage: decode(extensions),
            basic_constraints: decode(extensions),
            subject_key_identifier: decode(extensions),
            authority_key_identifier: decode(extensions),
            subject_alt_name: decode(extensions),
            policies: decode(extensions),
            distribution_points: decode(extensions),
            authority_information: decode(extensions),
            tbs,
        })
    }

    pub fn role(&self) -> Role {
        self.context.role
    }

    pub fn subject_name(&self) -> &Name {
        self.tbs.subject()
    }

    pub fn extensions(&self) -> &[Extension] {
        self.tbs.extensions().map_or(&[], Vec::as_slice)
    }

    /// The first extension of that kind.
    pub fn extension(&self, oid: ObjectIdentifier) -> Option<&Extension> {
        self.extensions().iter().find(|extension| extension.extn_id == oid)
    }

    /// The purposes in the extended key usage; none when there is no such extension.
    pub fn purposes(&self) -> &[ObjectIdentifier] {
        self.extended_key_usage.as_ref().map_or(&[], |usage| &usage.0)
    }

    /// The subject alternative names; none when there is no such extension.
    pub fn alternative_names(&self) -> &[GeneralName] {
        self.subject_alt_name.as_ref().map_or(&[], |names| &names.0)
    }

    pub fn dns_names(&self) -> impl Iterator<Item = &str> {
        self.alternative_names().iter().filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.as_str()),
            _ => None,
        })
    }

    pub fn not_before(&self) -> OffsetDateTime {
        instant(&self.tbs.validity().not_before)
    }

    pub fn not_after(&self) -> OffsetDateTime {
        instant(&self.tbs.validity().not_after)
    }
}

/// The first extension of type `T`, when there is one and its value can be read.
pub fn decode<T: AssociatedOid + for<'der> Decode<'der>>(extensions: &[Extension]) -> Option<T> {
    let extension = extensions.iter().find(|extension| extension.extn_id == T::OID)?;
    T::from_der(extension.extn_value.as_bytes()).ok()
}

/// The instant that a Time names. UTCTime and GeneralizedTime of DER end with the year 9999, as `OffsetDateTime` does.
pub fn instant(time: &x509_cert::time::Time) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + time.to_unix_duration()
}

fn read_again(der: &[u8]) -> Result<x509_parser::certificate::TbsCertificate<'_>, String> {
    match x509_parser::certificate::TbsCertificate::from_der(der) {
        Ok(([], tbs)) => Ok(tbs),
        Ok(_) => Err("it found bytes after the end".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The fields whose exact bytes matter (RFC 5280 §4.1).
struct Fields<'a> {
    serial: &'a [u8],
    signature_algorithm: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    spki: &'a [u8],
}

impl<'a> Fields<'a> {
    fn read(der: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(der::AnyRef::from_der(der)?.value())?;
        let mut next = reader.tlv_bytes()?;
        // The version is DEFAULT v1 and so may be absent.
        if next.first() == Some(&0xa0) {
            next = reader.tlv_bytes()?;
        }
        let serial = der::AnyRef::from_der(next)?.value();
        let (signature_algorithm, issuer) = (reader.tlv_bytes()?, reader.tlv_bytes()?);
        let (_validity, subject, spki) = (reader.tlv_bytes()?, reader.tlv_bytes()?, reader.tlv_bytes()?);
        Ok(Self { serial, signature_algorithm, issuer, subject, spki })
    }
}
