//! The few ASN.1 shapes that every reader here needs and derived types do not give: optional tagged parts and lists, without copying.

use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged, asn1::AnyRef};

/// `[number]` around another encoding, or in place of a constructed one.
pub(super) const fn constructed(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}

/// `[number]` in place of a primitive encoding.
pub(super) const fn primitive(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: false, number: TagNumber(number) }
}

/// The parts of a SEQUENCE that is all of `der`.
pub(super) fn sequence(der: &[u8]) -> der::Result<SliceReader<'_>> {
    parts(AnyRef::from_der(der)?, Tag::Sequence)
}

/// The parts of an element that must have this tag.
pub(super) fn parts<'a>(element: AnyRef<'a>, tag: Tag) -> der::Result<SliceReader<'a>> {
    element.tag().assert_eq(tag)?;
    SliceReader::new(element.value())
}

/// The next part, if it has this tag.
pub(super) fn optional<'a>(reader: &mut SliceReader<'a>, tag: Tag) -> der::Result<Option<AnyRef<'a>>> {
    if reader.is_finished() || Tag::peek(reader)? != tag { Ok(None) } else { AnyRef::decode(reader).map(Some) }
}

/// Every part there is, at least one (`SIZE (1..MAX)`).
pub(super) fn list<'a, T>(reader: &mut SliceReader<'a>, mut item: impl FnMut(AnyRef<'a>) -> der::Result<T>) -> der::Result<Vec<T>> {
    let mut items = Vec::new();
    while !reader.is_finished() {
        items.push(item(AnyRef::decode(reader)?)?);
    }
    if items.is_empty() { Err(Tag::Sequence.length_error().into()) } else { Ok(items) }
}

/// An INTEGER that is not negative, in place of its own tag too; beyond 32 bits it counts as the greatest.
pub(super) fn unsigned(content: &[u8]) -> der::Result<u32> {
    let minimal = !matches!(content, [] | [0, 0..=0x7f, ..] | [0x80..=0xff, ..]);
    if !minimal {
        return Err(Tag::Integer.value_error().into());
    }
    Ok(content.iter().try_fold(0_u32, |value, octet| value.checked_mul(256)?.checked_add(u32::from(*octet))).unwrap_or(u32::MAX))
}

/// The content of a BOOLEAN. DER knows two values; the default may be written out, because authorities do it.
pub(super) fn boolean(content: &[u8]) -> der::Result<bool> {
    match content {
        [0] => Ok(false),
        [0xff] => Ok(true),
        _ => Err(Tag::Boolean.value_error().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_minimal_and_not_negative() {
        let cases: [(&[u8], Option<u32>); 8] = [
            (&[], None),
            (&[0], Some(0)),
            (&[0x7f], Some(127)),
            (&[0x80], None),
            (&[0, 0x80], Some(128)),
            (&[0, 1], None),
            (&[0, 0xff, 0xff, 0xff, 0xff], Some(u32::MAX)),
            (&[1, 0, 0, 0, 0], Some(u32::MAX)),
        ];
        for (content, expected) in cases {
            assert_eq!(unsigned(content).ok(), expected, "{content:?}");
        }
    }
}
