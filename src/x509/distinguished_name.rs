//! Distinguished names as others write them: kept as received, compared as RFC 5280 §7.1 asks.

use der::{
    Decode, Reader, Tag, Tagged,
    asn1::{AnyRef, ObjectIdentifier},
};

use super::{name, tlv};

/// A Name as received. Two are equal when they are the same after case and white space of their strings are levelled, whatever
/// string types they use (RFC 5280 §7.1).
#[derive(Clone)]
pub struct DistinguishedName {
    der: Box<[u8]>,
    /// One levelled RDN after the other, each behind its length: a subtree is a prefix.
    level: Box<[u8]>,
}

impl DistinguishedName {
    pub fn parse(der: &[u8]) -> der::Result<Self> {
        Self::decode(AnyRef::from_der(der)?)
    }

    pub(super) fn decode(name: AnyRef<'_>) -> der::Result<Self> {
        let mut level = Vec::with_capacity(name.value().len());
        let mut reader = tlv::parts(name, Tag::Sequence)?;
        while !reader.is_finished() {
            let rdn = AnyRef::decode(&mut reader)?;
            let mut attributes = tlv::list(&mut tlv::parts(rdn, Tag::Set)?, level_attribute)?;
            // A SET has no order.
            attributes.sort_unstable();
            push(&mut level, &attributes.concat());
        }
        Ok(Self { der: der::Encode::to_der(&name)?.into(), level: level.into() })
    }

    /// The name that is this one with one RDN more (nameRelativeToCRLIssuer, RFC 5280 §4.2.1.13). `rdn` is the content of the SET.
    pub fn with_rdn(&self, rdn: &[u8]) -> der::Result<Self> {
        let set = der::Encode::to_der(&AnyRef::new(Tag::Set, rdn)?)?;
        let mut content = AnyRef::from_der(&self.der)?.value().to_vec();
        content.extend(set);
        Self::decode(AnyRef::new(Tag::Sequence, &content)?)
    }

    /// The received bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub fn is_empty(&self) -> bool {
        self.level.is_empty()
    }

    /// Whether this name lies in the subtree under `base` (RFC 5280 §4.2.1.10).
    pub fn is_within(&self, base: &Self) -> bool {
        self.level.starts_with(&base.level)
    }

    /// The attributes whose values are text, in the order of the name.
    pub fn attributes(&self) -> Vec<(ObjectIdentifier, String)> {
        // `decode` has read these very bytes before.
        self.read().expect("the name was read when it was made")
    }

    /// The first attribute of that type.
    pub fn find(&self, oid: ObjectIdentifier) -> Option<String> {
        self.attributes().into_iter().find_map(|(found, value)| (found == oid).then_some(value))
    }

    /// For people and for searching, in the order of its encoding: `C=CN, O=民政局, CN=王芳`.
    pub fn text(&self) -> String {
        let part = |(oid, value): (ObjectIdentifier, String)| format!("{}={value}", name::label(oid));
        self.attributes().into_iter().map(part).collect::<Vec<_>>().join(", ")
    }

    fn read(&self) -> der::Result<Vec<(ObjectIdentifier, String)>> {
        let mut attributes = Vec::new();
        let mut reader = tlv::sequence(&self.der)?;
        while !reader.is_finished() {
            let rdn = AnyRef::decode(&mut reader)?;
            attributes.extend(tlv::list(&mut tlv::parts(rdn, Tag::Set)?, |attribute| {
                let (oid, value) = split(attribute)?;
                Ok((oid, text(value).unwrap_or_else(|| format!("#{}", hex::encode(value.value())))))
            })?);
        }
        Ok(attributes)
    }
}

impl PartialEq for DistinguishedName {
    fn eq(&self, other: &Self) -> bool {
        self.level == other.level
    }
}

impl Eq for DistinguishedName {}

impl std::hash::Hash for DistinguishedName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.level.hash(state);
    }
}

impl std::fmt::Debug for DistinguishedName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text())
    }
}

fn split(attribute: AnyRef<'_>) -> der::Result<(ObjectIdentifier, AnyRef<'_>)> {
    let mut reader = tlv::parts(attribute, Tag::Sequence)?;
    let parts = (ObjectIdentifier::decode(&mut reader)?, AnyRef::decode(&mut reader)?);
    reader.finish()?;
    Ok(parts)
}

fn level_attribute(attribute: AnyRef<'_>) -> der::Result<Vec<u8>> {
    let (oid, value) = split(attribute)?;
    let mut level = Vec::with_capacity(value.value().len() + 16);
    push(&mut level, oid.as_bytes());
    match text(value) {
        Some(text) => push(&mut level, level_text(&text).as_bytes()),
        None if !is_of_names(value.tag()) => return Err(value.tag().value_error().into()),
        // Of another type: equal only to the same octets of the same type.
        None => push(&mut level, &[&[0, value.tag().number().0 as u8], value.value()].concat()),
    }
    let mut whole = Vec::with_capacity(level.len() + 4);
    push(&mut whole, &level);
    Ok(whole)
}

/// What attributes of names consist of: text, and a few of them bits, octets or parts (X.520 §6).
fn is_of_names(tag: Tag) -> bool {
    let text = matches!(tag, Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::BmpString);
    let old_text = matches!(tag, Tag::TeletexString | Tag::VisibleString | Tag::GeneralString | Tag::VideotexString);
    text || old_text || matches!(tag, Tag::BitString | Tag::OctetString | Tag::Sequence)
}

/// Case, and white space at the ends and in runs, do not count.
fn level_text(text: &str) -> String {
    let mut level = String::with_capacity(text.len());
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !level.is_empty() {
            level.push(' ');
        }
        if word.is_ascii() {
            level.extend(word.bytes().map(|octet| char::from(octet.to_ascii_lowercase())));
        } else {
            level.extend(word.chars().flat_map(char::to_lowercase));
        }
    }
    level
}

/// The string types that RFC 5280 §7.1 compares by their characters; T61 is left out, as nobody agrees on its characters.
fn text(value: AnyRef<'_>) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            std::str::from_utf8(value.value()).ok().map(str::to_owned)
        }
        Tag::BmpString if value.value().len().is_multiple_of(2) => {
            let units: Vec<u16> = value.value().chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

fn push(level: &mut Vec<u8>, part: &[u8]) {
    // Names are parts of objects of some kilobytes.
    level.extend((part.len() as u32).to_be_bytes());
    level.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(rdns: &[&[(&str, u8, &[u8])]]) -> DistinguishedName {
        let tlv = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
        let attribute = |(oid, tag, value): &(&str, u8, &[u8])| {
            let oid = tlv(6, ObjectIdentifier::new_unwrap(oid).as_bytes());
            tlv(0x30, &[oid, tlv(*tag, value)].concat())
        };
        let rdn = |rdn: &&[(&str, u8, &[u8])]| tlv(0x31, &rdn.iter().map(attribute).collect::<Vec<_>>().concat());
        DistinguishedName::parse(&tlv(0x30, &rdns.iter().map(rdn).collect::<Vec<_>>().concat())).unwrap()
    }

    const O: &str = "2.5.4.10";
    const CN: &str = "2.5.4.3";

    #[test]
    fn case_white_space_and_string_type_do_not_count_and_all_else_does() {
        let one = name(&[&[(O, 0x13, b"Hufu  Test ")]]);
        assert_eq!(one, name(&[&[(O, 0x0c, b" hufu test")]]));
        assert_eq!(one, name(&[&[(O, 0x1e, b"\0H\0u\0f\0u\0 \0t\0e\0s\0t")]]));
        assert_ne!(one, name(&[&[(O, 0x13, b"HufuTest")]]));
        assert_ne!(one, name(&[&[(CN, 0x13, b"Hufu Test")]]));
        assert_ne!(one, name(&[&[(O, 0x14, b"Hufu Test")]]));
        assert_ne!(one, name(&[&[(O, 0x13, b"Hufu Test")], &[(CN, 0x13, b"x")]]));
        assert_eq!(name(&[&[(O, 0x13, b"a"), (CN, 0x13, b"b")]]), name(&[&[(CN, 0x13, b"B"), (O, 0x13, b"A")]]));
        assert_ne!(name(&[&[(O, 0x13, b"a"), (CN, 0x13, b"b")]]), name(&[&[(O, 0x13, b"a")], &[(CN, 0x13, b"b")]]));
    }

    #[test]
    fn a_subtree_is_a_prefix_of_whole_rdns() {
        let base = name(&[&[(O, 0x13, b"Hufu")]]);
        assert!(name(&[&[(O, 0x0c, b"HUFU")], &[(CN, 0x0c, b"x")]]).is_within(&base));
        assert!(base.is_within(&base) && base.is_within(&name(&[])));
        assert!(!name(&[&[(O, 0x13, b"Hufu Test")]]).is_within(&base));
        assert!(!name(&[&[(O, 0x13, b"Hufu"), (CN, 0x13, b"x")]]).is_within(&base));
        assert_eq!(base.with_rdn(&[0x30, 8, 6, 3, 0x55, 4, 3, 0x13, 1, b'x']).unwrap().text(), "O=Hufu, CN=x");
    }
}
