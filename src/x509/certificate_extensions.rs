//! The extensions of a certificate that decide something, read once (RFC 5280 §4.2).
//!
//! What is known here must be well formed or the certificate is not read at all; what is not known is kept by name, because a
//! critical one ends a path.

use const_oid::db::rfc5280;
use der::{
    Decode, Reader, Tag, Tagged,
    asn1::{AnyRef, ObjectIdentifier},
    flagset::FlagSet,
};
use x509_cert::ext::pkix::KeyUsage;

use super::{
    GeneralName,
    constraints::{BasicConstraints, NameConstraints, PolicyConstraints, PolicyMapping, parse_policies},
    distribution_point::DistributionPoint,
    tlv,
};

/// The values of the extensions, where they are there.
#[derive(Debug, Clone, Default)]
pub struct CertificateExtensions {
    /// Every extension, in its order, and whether it is critical. None stands twice (RFC 5280 §4.2).
    pub present: Vec<(ObjectIdentifier, bool)>,
    pub authority_key_identifier: Option<AuthorityKeyIdentifier>,
    pub subject_key_identifier: Option<Vec<u8>>,
    pub key_usage: Option<KeyUsage>,
    pub extended_key_usage: Option<Vec<ObjectIdentifier>>,
    pub basic_constraints: Option<BasicConstraints>,
    pub subject_alt_names: Option<Vec<GeneralName>>,
    pub name_constraints: Option<NameConstraints>,
    pub policies: Option<Vec<ObjectIdentifier>>,
    pub policy_mappings: Option<Vec<PolicyMapping>>,
    pub policy_constraints: Option<PolicyConstraints>,
    pub inhibit_any_policy: Option<u32>,
    pub crl_distribution_points: Option<Vec<DistributionPoint>>,
    pub freshest_crl: Option<Vec<DistributionPoint>>,
    pub authority_information: Vec<Access>,
    /// id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1).
    pub ocsp_nocheck: bool,
}

/// RFC 5280 §4.2.1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityKeyIdentifier {
    pub key_identifier: Option<Vec<u8>>,
    pub issuer: Option<Vec<GeneralName>>,
    /// The content octets of the INTEGER.
    pub serial: Option<Vec<u8>>,
}

/// A place where something about the issuer is found (RFC 5280 §4.2.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub method: ObjectIdentifier,
    pub location: GeneralName,
}

pub const OCSP_NOCHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");

impl CertificateExtensions {
    /// Whether the extension is there and critical.
    pub fn is_critical(&self, id: ObjectIdentifier) -> bool {
        self.present.contains(&(id, true))
    }

    pub fn contains(&self, id: ObjectIdentifier) -> bool {
        self.present.iter().any(|(found, _)| *found == id)
    }

    /// `SEQUENCE OF Extension`. An empty one, which `SIZE (1..MAX)` forbids, says no more than none, and exists.
    pub(super) fn decode(list: AnyRef<'_>) -> der::Result<Self> {
        let mut extensions = Self::default();
        let mut reader = tlv::parts(list, Tag::Sequence)?;
        if reader.is_finished() {
            return Ok(extensions);
        }
        let values = tlv::list(&mut reader, split)?;
        extensions.present = values.iter().map(|(id, critical, _)| (*id, *critical)).collect();
        let mut ids: Vec<_> = values.iter().map(|(id, ..)| *id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Tag::Sequence.value_error().into());
        }
        values.into_iter().try_for_each(|(id, _, value)| extensions.read(id, value))?;
        Ok(extensions)
    }

    fn read(&mut self, id: ObjectIdentifier, value: &[u8]) -> der::Result<()> {
        match id {
            rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER => self.authority_key_identifier = Some(AuthorityKeyIdentifier::parse(value)?),
            rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER => self.subject_key_identifier = Some(octet_string(value)?.to_vec()),
            rfc5280::ID_CE_KEY_USAGE => self.key_usage = Some(key_usage(value)?),
            rfc5280::ID_CE_EXT_KEY_USAGE => self.extended_key_usage = Some(purposes(value)?),
            rfc5280::ID_CE_BASIC_CONSTRAINTS => self.basic_constraints = Some(BasicConstraints::parse(value)?),
            rfc5280::ID_CE_SUBJECT_ALT_NAME => self.subject_alt_names = Some(alternative_names(value)?),
            rfc5280::ID_CE_NAME_CONSTRAINTS => self.name_constraints = Some(NameConstraints::parse(value)?),
            rfc5280::ID_CE_CERTIFICATE_POLICIES => self.policies = Some(parse_policies(value)?),
            rfc5280::ID_CE_POLICY_MAPPINGS => self.policy_mappings = Some(PolicyMapping::parse_list(value)?),
            rfc5280::ID_CE_POLICY_CONSTRAINTS => self.policy_constraints = Some(PolicyConstraints::parse(value)?),
            rfc5280::ID_CE_INHIBIT_ANY_POLICY => self.inhibit_any_policy = Some(integer(value)?),
            rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS => self.crl_distribution_points = Some(DistributionPoint::parse_list(value)?),
            rfc5280::ID_CE_FRESHEST_CRL => self.freshest_crl = Some(DistributionPoint::parse_list(value)?),
            rfc5280::ID_PE_AUTHORITY_INFO_ACCESS => self.authority_information = accesses(value)?,
            OCSP_NOCHECK => self.ocsp_nocheck = true,
            _ => {}
        }
        Ok(())
    }
}

/// The identifier, whether it is critical, and the content of the value.
fn split<'a>(extension: AnyRef<'a>) -> der::Result<(ObjectIdentifier, bool, &'a [u8])> {
    let mut reader = tlv::parts(extension, Tag::Sequence)?;
    let id = ObjectIdentifier::decode(&mut reader)?;
    let critical = tlv::optional(&mut reader, Tag::Boolean)?.map(|value| tlv::boolean(value.value())).transpose()?;
    let value = AnyRef::decode(&mut reader)?;
    value.tag().assert_eq(Tag::OctetString)?;
    reader.finish()?;
    Ok((id, critical.unwrap_or(false), value.value()))
}

impl AuthorityKeyIdentifier {
    pub(super) fn parse(der: &[u8]) -> der::Result<Self> {
        let mut reader = tlv::sequence(der)?;
        let key_identifier = tlv::optional(&mut reader, tlv::primitive(0))?.map(|value| value.value().to_vec());
        let issuer = tlv::optional(&mut reader, tlv::constructed(1))?
            .map(|names| tlv::list(&mut der::SliceReader::new(names.value())?, GeneralName::decode))
            .transpose()?;
        let serial = tlv::optional(&mut reader, tlv::primitive(2))?.map(|value| value.value().to_vec());
        reader.finish()?;
        Ok(Self { key_identifier, issuer, serial })
    }
}

/// An empty list is a mistake that responders in operation make; it names nobody.
fn alternative_names(der: &[u8]) -> der::Result<Vec<GeneralName>> {
    if tlv::sequence(der)?.is_finished() { Ok(Vec::new()) } else { GeneralName::list(der) }
}

fn octet_string(der: &[u8]) -> der::Result<&[u8]> {
    let value = AnyRef::from_der(der)?;
    value.tag().assert_eq(Tag::OctetString)?;
    Ok(value.value())
}

/// Its nine bits; some authorities write more of them (RFC 5280 §4.2.1.3).
fn key_usage(der: &[u8]) -> der::Result<KeyUsage> {
    let value = AnyRef::from_der(der)?;
    value.tag().assert_eq(Tag::BitString)?;
    let [unused @ 0..=7, octets @ ..] = value.value() else { return Err(Tag::BitString.value_error().into()) };
    let mut octets = octets.to_vec();
    match octets.last_mut() {
        Some(last) => *last &= 0xff << unused,
        None if *unused == 0 => {}
        None => return Err(Tag::BitString.value_error().into()),
    }
    // Bit 0 of the ASN.1 is the most significant of its octet, and the least significant of the flags.
    let octet = |index: usize| octets.get(index).copied().unwrap_or_default().reverse_bits();
    Ok(KeyUsage(FlagSet::new_truncated(u16::from_le_bytes([octet(0), octet(1)]))))
}

fn integer(der: &[u8]) -> der::Result<u32> {
    let value = AnyRef::from_der(der)?;
    value.tag().assert_eq(Tag::Integer)?;
    tlv::unsigned(value.value())
}

fn purposes(der: &[u8]) -> der::Result<Vec<ObjectIdentifier>> {
    tlv::list(&mut tlv::sequence(der)?, |purpose| purpose.decode_as())
}

fn accesses(der: &[u8]) -> der::Result<Vec<Access>> {
    tlv::list(&mut tlv::sequence(der)?, |access| {
        let mut reader = tlv::parts(access, Tag::Sequence)?;
        let method = ObjectIdentifier::decode(&mut reader)?;
        let location = GeneralName::decode(AnyRef::decode(&mut reader)?)?;
        reader.finish()?;
        Ok(Access { method, location })
    })
}
