//! Lists of extensions: how one is made, found, and what a reader may not pass over (RFC 5280 §4.2).

use const_oid::ObjectIdentifier;
use der::{Decode, Encode, ErrorKind, Tag, asn1::OctetString};
use x509_cert::ext::Extension;

pub(super) fn critical(id: ObjectIdentifier, value: &impl Encode) -> der::Result<Extension> {
    Ok(Extension { extn_id: id, critical: true, extn_value: OctetString::new(value.to_der()?)? })
}

pub(super) fn non_critical(id: ObjectIdentifier, value: &impl Encode) -> der::Result<Extension> {
    Ok(Extension { extn_id: id, critical: false, extn_value: OctetString::new(value.to_der()?)? })
}

/// The value of the extension, if it is in the list.
pub(super) fn find<T: for<'a> Decode<'a, Error = der::Error>>(list: &[Extension], id: ObjectIdentifier) -> der::Result<Option<T>> {
    list.iter().find(|extension| extension.extn_id == id).map(|extension| T::from_der(extension.extn_value.as_bytes())).transpose()
}

/// No extension stands in a list twice (RFC 5280 §4.2), and no list is empty (`SIZE (1..MAX)`).
pub(super) fn check(list: &[Extension]) -> der::Result<()> {
    let mut ids: Vec<ObjectIdentifier> = list.iter().map(|extension| extension.extn_id).collect();
    ids.sort_unstable();
    if ids.is_empty() || ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(ErrorKind::Value { tag: Tag::Sequence }.into());
    }
    Ok(())
}

/// Critical extensions outside of `known`: with one of them, the object may not be relied upon.
pub(super) fn critical_unknown(list: &[Extension], known: &'static [ObjectIdentifier]) -> impl Iterator<Item = ObjectIdentifier> {
    list.iter().filter(|extension| extension.critical && !known.contains(&extension.extn_id)).map(|extension| extension.extn_id)
}
