//! What a certificate of an authority says about the certificates below it: names, policies, path length (RFC 5280 §4.2.1).

use der::{Decode, Reader, Tag, Tagged, asn1::AnyRef, asn1::ObjectIdentifier};

use super::{GeneralName, tlv};

/// RFC 5280 §4.2.1.9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasicConstraints {
    pub ca: bool,
    /// How many certificates of authorities may follow that are not self-issued.
    pub path_len_constraint: Option<u32>,
}

impl BasicConstraints {
    pub(super) fn parse(der: &[u8]) -> der::Result<Self> {
        let mut reader = tlv::sequence(der)?;
        let ca = tlv::optional(&mut reader, Tag::Boolean)?.map(|value| tlv::boolean(value.value())).transpose()?;
        let path_len_constraint = tlv::optional(&mut reader, Tag::Integer)?.map(|value| tlv::unsigned(value.value())).transpose()?;
        reader.finish()?;
        Ok(Self { ca: ca.unwrap_or(false), path_len_constraint })
    }
}

/// RFC 5280 §4.2.1.10: subtrees of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameConstraints {
    pub permitted: Vec<GeneralName>,
    pub excluded: Vec<GeneralName>,
}

impl NameConstraints {
    /// minimum and maximum must be as RFC 5280 profiles them, zero and absent; one of the lists must be there.
    pub(super) fn parse(der: &[u8]) -> der::Result<Self> {
        let mut reader = tlv::sequence(der)?;
        let permitted = tlv::optional(&mut reader, tlv::constructed(0))?;
        let excluded = tlv::optional(&mut reader, tlv::constructed(1))?;
        reader.finish()?;
        if permitted.is_none() && excluded.is_none() {
            return Err(Tag::Sequence.length_error().into());
        }
        Ok(Self { permitted: subtrees(permitted)?, excluded: subtrees(excluded)? })
    }
}

fn subtrees(list: Option<AnyRef<'_>>) -> der::Result<Vec<GeneralName>> {
    let Some(list) = list else { return Ok(Vec::new()) };
    tlv::list(&mut der::SliceReader::new(list.value())?, |subtree| {
        let mut reader = tlv::parts(subtree, Tag::Sequence)?;
        let base = GeneralName::decode(AnyRef::decode(&mut reader)?)?;
        if let Some(minimum) = tlv::optional(&mut reader, tlv::primitive(0))?
            && minimum.value() != [0]
        {
            return Err(minimum.tag().value_error().into());
        }
        reader.finish()?;
        Ok(base)
    })
}

/// RFC 5280 §4.2.1.11.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyConstraints {
    pub require_explicit_policy: Option<u32>,
    pub inhibit_policy_mapping: Option<u32>,
}

impl PolicyConstraints {
    /// Not empty, as the clause asks.
    pub(super) fn parse(der: &[u8]) -> der::Result<Self> {
        let mut reader = tlv::sequence(der)?;
        let require_explicit_policy =
            tlv::optional(&mut reader, tlv::primitive(0))?.map(|value| tlv::unsigned(value.value())).transpose()?;
        let inhibit_policy_mapping =
            tlv::optional(&mut reader, tlv::primitive(1))?.map(|value| tlv::unsigned(value.value())).transpose()?;
        reader.finish()?;
        if require_explicit_policy.is_none() && inhibit_policy_mapping.is_none() {
            return Err(Tag::Sequence.length_error().into());
        }
        Ok(Self { require_explicit_policy, inhibit_policy_mapping })
    }
}

/// A policy of the issuer's domain that counts as one of the subject's (RFC 5280 §4.2.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyMapping {
    pub issuer_domain: ObjectIdentifier,
    pub subject_domain: ObjectIdentifier,
}

impl PolicyMapping {
    pub(super) fn parse_list(der: &[u8]) -> der::Result<Vec<Self>> {
        tlv::list(&mut tlv::sequence(der)?, |mapping| {
            let mut reader = tlv::parts(mapping, Tag::Sequence)?;
            let mapping =
                Self { issuer_domain: ObjectIdentifier::decode(&mut reader)?, subject_domain: ObjectIdentifier::decode(&mut reader)? };
            reader.finish()?;
            Ok(mapping)
        })
    }
}

/// The policies of a certificate, without their qualifiers, which decide nothing (RFC 5280 §4.2.1.4).
pub(super) fn parse_policies(der: &[u8]) -> der::Result<Vec<ObjectIdentifier>> {
    tlv::list(&mut tlv::sequence(der)?, |policy| {
        let mut reader = tlv::parts(policy, Tag::Sequence)?;
        let oid = ObjectIdentifier::decode(&mut reader)?;
        if let Some(qualifiers) = tlv::optional(&mut reader, Tag::Sequence)? {
            tlv::list(&mut tlv::parts(qualifiers, Tag::Sequence)?, |qualifier| qualifier.tag().assert_eq(Tag::Sequence).map(drop))?;
        }
        reader.finish()?;
        Ok(oid)
    })
}
