//! Where revocation lists are, and which certificates a list is about (RFC 5280 §4.2.1.13, §5.2.5).

use std::borrow::Cow;

use der::{Decode, Reader, Tag, asn1::AnyRef};

use super::{DistinguishedName, GeneralName, tlv};

/// Reasons for revocation, a bit each; bit 0 of the ASN.1 is the most significant here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reasons(u16);

impl Reasons {
    pub const NONE: Self = Self(0);
    /// Every reason but `unused` (RFC 5280 §6.3.3).
    pub const ALL: Self = Self(0b0111_1111_1000_0000);

    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The content of a BIT STRING.
    fn parse(content: &[u8]) -> der::Result<Self> {
        let [unused, octets @ ..] = content else { return Err(Tag::BitString.length_error().into()) };
        if *unused > 7 || octets.len() > 2 || (octets.is_empty() && *unused > 0) {
            return Err(Tag::BitString.value_error().into());
        }
        let octet = |index: usize| u16::from(octets.get(index).copied().unwrap_or_default());
        Ok(Self((octet(0) << 8 | octet(1)) & Self::ALL.0))
    }
}

/// The name of a place where lists are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PointName {
    Full(Vec<GeneralName>),
    /// The content of one more RDN below the name of the issuer of the list.
    Relative(Vec<u8>),
}

impl PointName {
    /// `[0] EXPLICIT CHOICE { fullName [0], nameRelativeToCRLIssuer [1] }`, without the outer tag.
    fn parse(content: &[u8]) -> der::Result<Self> {
        let mut reader = der::SliceReader::new(content)?;
        let name = match tlv::optional(&mut reader, tlv::constructed(0))? {
            Some(names) => Self::Full(tlv::list(&mut der::SliceReader::new(names.value())?, GeneralName::decode)?),
            None => {
                let rdn = AnyRef::decode(&mut reader)?;
                der::Tagged::tag(&rdn).assert_eq(tlv::constructed(1))?;
                Self::Relative(rdn.value().to_vec())
            }
        };
        reader.finish()?;
        Ok(name)
    }

    /// Every name it is, below this issuer.
    pub fn names(&self, issuer: &DistinguishedName) -> Cow<'_, [GeneralName]> {
        match self {
            Self::Full(names) => Cow::Borrowed(names),
            Self::Relative(rdn) => issuer.with_rdn(rdn).map(GeneralName::Directory).into_iter().collect(),
        }
    }
}

/// One place where a certificate says that lists about it are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionPoint {
    pub name: Option<PointName>,
    /// `None` means that the list there covers every reason.
    pub reasons: Option<Reasons>,
    /// Who signs the list, when it is not the issuer of the certificate.
    pub crl_issuer: Option<Vec<GeneralName>>,
}

impl DistributionPoint {
    /// cRLDistributionPoints and freshestCRL.
    pub(super) fn parse_list(der: &[u8]) -> der::Result<Vec<Self>> {
        tlv::list(&mut tlv::sequence(der)?, |point| {
            let mut reader = tlv::parts(point, Tag::Sequence)?;
            let name = tlv::optional(&mut reader, tlv::constructed(0))?.map(|name| PointName::parse(name.value())).transpose()?;
            let reasons = tlv::optional(&mut reader, tlv::primitive(1))?.map(|reasons| Reasons::parse(reasons.value())).transpose()?;
            let crl_issuer = tlv::optional(&mut reader, tlv::constructed(2))?
                .map(|names| tlv::list(&mut der::SliceReader::new(names.value())?, GeneralName::decode))
                .transpose()?;
            reader.finish()?;
            Ok(Self { name, reasons, crl_issuer })
        })
    }

    /// The HTTP addresses in it.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        let names = match &self.name {
            Some(PointName::Full(names)) => names.as_slice(),
            _ => &[],
        };
        names.iter().filter_map(|name| match name {
            GeneralName::Uri(uri) => Some(uri.as_str()),
            _ => None,
        })
    }
}

/// Which certificates a list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    All,
    UserCertificates,
    AuthorityCertificates,
    AttributeCertificates,
}

/// issuingDistributionPoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuingDistributionPoint {
    pub name: Option<PointName>,
    pub coverage: Coverage,
    pub only_some_reasons: Option<Reasons>,
    pub indirect: bool,
}

impl IssuingDistributionPoint {
    /// A scope of nothing or of two kinds at once is a mistake.
    pub(super) fn parse(der: &[u8]) -> der::Result<Self> {
        let mut reader = tlv::sequence(der)?;
        let name = tlv::optional(&mut reader, tlv::constructed(0))?.map(|name| PointName::parse(name.value())).transpose()?;
        let flag = |number: u32, reader: &mut der::SliceReader<'_>| -> der::Result<bool> {
            let value = tlv::optional(reader, tlv::primitive(number))?.map(|value| tlv::boolean(value.value())).transpose()?;
            Ok(value.unwrap_or(false))
        };
        let (user, authority) = (flag(1, &mut reader)?, flag(2, &mut reader)?);
        let only_some_reasons = tlv::optional(&mut reader, tlv::primitive(3))?.map(|value| Reasons::parse(value.value())).transpose()?;
        let (indirect, attribute) = (flag(4, &mut reader)?, flag(5, &mut reader)?);
        reader.finish()?;
        let coverage = match (user, authority, attribute) {
            (false, false, false) => Coverage::All,
            (true, false, false) => Coverage::UserCertificates,
            (false, true, false) => Coverage::AuthorityCertificates,
            (false, false, true) => Coverage::AttributeCertificates,
            _ => return Err(Tag::Sequence.value_error().into()),
        };
        if coverage == Coverage::All && !indirect && name.is_none() && only_some_reasons.is_none() {
            return Err(Tag::Sequence.length_error().into());
        }
        Ok(Self { name, coverage, only_some_reasons, indirect })
    }
}
