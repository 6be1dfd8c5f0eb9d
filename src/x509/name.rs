//! Distinguished names: in the order they were given, the root of the tree first (C, O, …, CN).

use const_oid::db::rfc4519;
use der::{
    Any, Encode, Tag,
    asn1::{ObjectIdentifier, SetOfVec},
};
use x509_cert::{
    attr::AttributeTypeAndValue,
    name::{Name, RdnSequence, RelativeDistinguishedName},
};

use super::Error;

/// One attribute per RDN. countryName and serialNumber are PrintableString, the rest UTF8String (RFC 5280 §4.1.2.4).
pub fn build(attributes: &[(ObjectIdentifier, String)]) -> Result<Name, Error> {
    let mut sequence = RdnSequence::default();
    for (oid, value) in attributes {
        let tag = if *oid == rfc4519::COUNTRY_NAME || *oid == rfc4519::SERIAL_NUMBER { Tag::PrintableString } else { Tag::Utf8String };
        sequence.push(rdn(*oid, tag, value).map_err(|error| Error::malformed("name", error))?);
    }
    Ok(Name::hazmat_from_rdn_sequence(sequence))
}

fn rdn(oid: ObjectIdentifier, tag: Tag, value: &str) -> der::Result<RelativeDistinguishedName> {
    let value = match tag {
        Tag::PrintableString => Any::encode_from(&der::asn1::PrintableStringRef::new(value)?)?,
        _ => Any::encode_from(&der::asn1::Utf8StringRef::new(value)?)?,
    };
    Ok(RelativeDistinguishedName::from(SetOfVec::try_from(vec![AttributeTypeAndValue { oid, value }])?))
}

/// An attribute of a distinguished name, with the upper bound of RFC 5280 appendix A.1 in characters.
#[derive(Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: &'static str,
    pub oid: ObjectIdentifier,
    pub limit: usize,
}

/// What a subject may hold (GB/T 20518 appendix B, RFC 5280 §4.1.2.4).
pub static ATTRIBUTES: &[Attribute] = &[
    Attribute { name: "C", oid: rfc4519::COUNTRY_NAME, limit: 2 },
    Attribute { name: "ST", oid: rfc4519::ST, limit: 128 },
    Attribute { name: "L", oid: rfc4519::LOCALITY_NAME, limit: 128 },
    Attribute { name: "O", oid: rfc4519::ORGANIZATION_NAME, limit: 64 },
    Attribute { name: "OU", oid: rfc4519::ORGANIZATIONAL_UNIT_NAME, limit: 64 },
    Attribute { name: "CN", oid: rfc4519::COMMON_NAME, limit: 64 },
    Attribute { name: "serialNumber", oid: rfc4519::SERIAL_NUMBER, limit: 64 },
    Attribute { name: "title", oid: rfc4519::TITLE, limit: 64 },
    // RFC 4519 §2.39 sets no bound; GB/T 20518 has none either, so the usual one.
    Attribute { name: "UID", oid: rfc4519::USER_ID, limit: 64 },
];

/// The DER of a name.
pub fn to_der(name: &Name) -> Result<Vec<u8>, Error> {
    name.to_der().map_err(|error| Error::malformed("name", error))
}

/// The name for people and for searching, in the order of its encoding: `C=CN, O=民政局, CN=王芳`.
pub fn text(name: &Name) -> String {
    let mut parts = Vec::new();
    for attribute in name.iter() {
        parts.push(format!("{}={}", label(attribute.oid), value_text(&attribute.value)));
    }
    parts.join(", ")
}

/// How an attribute is called: `CN`, or its object identifier.
pub(super) fn label(oid: ObjectIdentifier) -> String {
    let known = ATTRIBUTES.iter().find(|known| known.oid == oid);
    known.map_or_else(|| oid.to_string(), |known| known.name.to_owned())
}

/// The attributes whose values are strings, in the order of the name.
pub fn attributes(name: &Name) -> Vec<(ObjectIdentifier, String)> {
    let text =
        |attribute: &AttributeTypeAndValue| String::from_utf8(attribute.value.value().to_vec()).ok().map(|text| (attribute.oid, text));
    name.iter().filter_map(text).collect()
}

/// The value of the first attribute of that type, if it is a string.
pub fn find(name: &Name, oid: ObjectIdentifier) -> Option<String> {
    name.iter().find(|attribute| attribute.oid == oid).map(|attribute| value_text(&attribute.value))
}

fn value_text(value: &Any) -> String {
    String::from_utf8(value.value().to_vec()).unwrap_or_else(|_| format!("#{}", hex::encode(value.value())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_order_and_country_is_printable() {
        let name = build(&[(rfc4519::COUNTRY_NAME, "CN".into()), (rfc4519::COMMON_NAME, "王芳".into())]).unwrap();
        assert_eq!(text(&name), "C=CN, CN=王芳");
        assert_eq!(hex::encode(to_der(&name).unwrap()), "301e310b300906035504061302434e310f300d06035504030c06e78e8be88ab3");
    }

    #[test]
    fn a_country_that_is_not_printable_is_refused() {
        assert!(build(&[(rfc4519::COUNTRY_NAME, "中国".into())]).is_err());
    }
}
