//! General names (RFC 5280 §4.2.1.6), as they stand in certificates, constraints and distribution points.

use std::net::IpAddr;

use der::{
    Decode, Reader, Tag, TagNumber, Tagged,
    asn1::{AnyRef, ObjectIdentifier},
};

use super::{DistinguishedName, tlv};

/// A general name. The text of the first three is ASCII; whether it is a good host name or address is for whoever uses it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GeneralName {
    Email(String),
    Dns(String),
    Uri(String),
    Directory(DistinguishedName),
    /// Four or sixteen octets; in a constraint twice as many, address and mask.
    Ip(Vec<u8>),
    RegisteredId(ObjectIdentifier),
    /// otherName, x400Address or ediPartyName: the number of its tag, and the content.
    Other(u32, Vec<u8>),
}

impl GeneralName {
    /// Reads one, by its tag.
    pub(super) fn decode(name: AnyRef<'_>) -> der::Result<Self> {
        let Tag::ContextSpecific { constructed, number: TagNumber(number) } = name.tag() else {
            return Err(name.tag().value_error().into());
        };
        match (number, constructed) {
            (1, false) => ascii(name).map(Self::Email),
            (2, false) => ascii(name).map(Self::Dns),
            (6, false) => ascii(name).map(Self::Uri),
            (4, true) => DistinguishedName::parse(name.value()).map(Self::Directory),
            (7, false) => Ok(Self::Ip(name.value().to_vec())),
            (8, false) => ObjectIdentifier::from_bytes(name.value()).map(Self::RegisteredId).map_err(|_| name.tag().value_error().into()),
            (0, true) => other_name(name),
            (3 | 5, true) => Ok(Self::Other(number, name.value().to_vec())),
            _ => Err(name.tag().value_error().into()),
        }
    }

    /// GeneralNames that are all of `der`.
    pub(super) fn list(der: &[u8]) -> der::Result<Vec<Self>> {
        tlv::list(&mut tlv::sequence(der)?, Self::decode)
    }

    /// The address, unless it is one of a constraint or of no known length.
    pub fn ip(octets: &[u8]) -> Option<IpAddr> {
        match octets.len() {
            4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
            16 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
            _ => None,
        }
    }
}

fn ascii(name: AnyRef<'_>) -> der::Result<String> {
    match std::str::from_utf8(name.value()) {
        Ok(text) if text.is_ascii() => Ok(text.to_owned()),
        _ => Err(name.tag().value_error().into()),
    }
}

/// `SEQUENCE { type-id, [0] EXPLICIT ANY }`.
fn other_name(name: AnyRef<'_>) -> der::Result<GeneralName> {
    let mut reader = der::SliceReader::new(name.value())?;
    <ObjectIdentifier>::decode(&mut reader)?;
    AnyRef::decode(&mut reader)?.tag().assert_eq(tlv::constructed(0))?;
    reader.finish()?;
    Ok(GeneralName::Other(0, name.value().to_vec()))
}
