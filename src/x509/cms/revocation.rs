//! Revocation lists and OCSP responses that come along with a signature.

use der::{
    Decode, Reader, SliceReader, Tag,
    asn1::{AnyRef, ObjectIdentifier},
};

use super::signed_data::elements;
use crate::x509::{Error, tlv};

const WHAT: &str = "revocation values";
/// The most lists of one signer's attribute, and the most responses.
const MAX_VALUES: usize = 64;
/// RFC 5940 §2.
const ID_RI_OCSP_RESPONSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.16.2");
const OTHER_FORMAT: Tag = tlv::constructed(1);

/// As received; none was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevocationValues<'a> {
    /// The DER of CRLs.
    pub lists: Vec<&'a [u8]>,
    /// The DER of OCSP responses, or of the BasicOCSPResponse alone.
    pub responses: Vec<&'a [u8]>,
}

impl<'a> RevocationValues<'a> {
    /// Of RevocationInfoChoices (RFC 5652 §10.2.1). What is neither a list nor a response is passed over.
    pub(super) fn choices(choices: &[&'a [u8]]) -> Self {
        let lists = choices.iter().filter(|choice| choice.first() == Some(&0x30)).copied().collect();
        Self { lists, responses: choices.iter().filter_map(|choice| response(choice).ok().flatten()).collect() }
    }

    /// Of the attribute revocation-values (RFC 5126 §6.3.4, ETSI EN 319 122-1 §A.1.1).
    pub fn parse(attribute: &'a [u8]) -> Result<Self, Error> {
        let split = || -> der::Result<(&'a [u8], &'a [u8])> {
            let mut reader = tlv::sequence(attribute)?;
            let lists = tlv::optional(&mut reader, tlv::constructed(0))?;
            let responses = tlv::optional(&mut reader, tlv::constructed(1))?;
            // Other values are of forms that nobody has registered.
            tlv::optional(&mut reader, tlv::constructed(2))?;
            reader.finish()?;
            let inside = |list: Option<AnyRef<'a>>| match list {
                Some(list) => sequence(list.value()),
                None => Ok(&[][..]),
            };
            Ok((inside(lists)?, inside(responses)?))
        };
        let (lists, responses) = split().map_err(|error| Error::malformed(WHAT, error))?;
        Ok(Self { lists: elements(lists, MAX_VALUES, "CRLs")?, responses: elements(responses, MAX_VALUES, "OCSP responses")? })
    }
}

fn sequence(der: &[u8]) -> der::Result<&[u8]> {
    let list = AnyRef::from_der(der)?;
    der::Tagged::tag(&list).assert_eq(Tag::Sequence)?;
    Ok(list.value())
}

/// OtherRevocationInfoFormat, if it has a response in it.
fn response(choice: &[u8]) -> der::Result<Option<&[u8]>> {
    let other = AnyRef::from_der(choice)?;
    if der::Tagged::tag(&other) != OTHER_FORMAT {
        return Ok(None);
    }
    let mut reader = SliceReader::new(other.value())?;
    let format = ObjectIdentifier::decode(&mut reader)?;
    let value = reader.tlv_bytes()?;
    reader.finish()?;
    Ok((format == ID_RI_OCSP_RESPONSE).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(text: &str) -> Vec<u8> {
        hex::decode(text.replace(' ', "")).unwrap()
    }

    #[test]
    fn lists_and_responses_are_told_apart_and_all_else_is_passed_over() {
        let list = octets("3003020101");
        let ocsp = octets("a10f 06082b06010505071002 3003020102");
        let other = octets("a107 06022a03 020103");
        let bent = octets("a102 0609");
        let found = RevocationValues::choices(&[&list, &ocsp, &other, &bent]);
        assert_eq!(found, RevocationValues { lists: vec![&list], responses: vec![&octets("3003020102")] });
    }

    #[test]
    fn the_attribute_has_lists_responses_both_or_neither() {
        for (name, der, lists, responses) in [
            ("nothing", "3000", vec![], vec![]),
            ("lists", "3009 a007 3005 3000 3001ff", vec!["3000", "3001ff"], vec![]),
            ("responses", "3006 a104 3002 3000", vec![], vec!["3000"]),
            ("both, and others", "3012 a004 3002 3000 a104 3002 3000 a204 3002 3000", vec!["3000"], vec!["3000"]),
        ] {
            let (der, lists, responses) = (octets(der), lists.iter().map(|der| octets(der)), responses.iter().map(|der| octets(der)));
            let found = RevocationValues::parse(&der).unwrap();
            assert_eq!(found.lists, lists.collect::<Vec<_>>(), "{name}");
            assert_eq!(found.responses, responses.collect::<Vec<_>>(), "{name}");
        }
        for (name, der) in
            [("no sequence", "0500"), ("a list behind responses", "300c a1043002 3000 a0043002 3000"), ("cut", "3004a0043002")]
        {
            assert!(RevocationValues::parse(&octets(der)).is_err(), "{name}");
        }
        let many = [octets("3000").repeat(MAX_VALUES + 1)].concat();
        let wrap = |tag: u8, inner: &[u8]| [&[tag, 0x81, inner.len() as u8][..], inner].concat();
        assert!(RevocationValues::parse(&wrap(0x30, &wrap(0xa0, &wrap(0x30, &many)))).is_err(), "more than are looked at");
    }
}
