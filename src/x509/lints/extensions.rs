//! The extensions that Hufu writes into certificates, CRLs and CRL entries, and how the value of each is read.

use const_oid::db::{rfc5280::*, rfc6960::ID_PKIX_OCSP_NOCHECK};
use der::{
    Any, Decode, Encode,
    asn1::{GeneralizedTime, Null, ObjectIdentifier},
};
use x509_cert::ext::pkix::*;

/// One kind of extension.
pub struct KnownExtension {
    pub oid: ObjectIdentifier,
    /// Whether a value is strict DER of the extension's type: it can be read and encodes back to the same bytes.
    pub is_der: fn(&[u8]) -> bool,
}

pub static IN_CERTIFICATES: &[KnownExtension] = &[
    known::<SubjectKeyIdentifier>(ID_CE_SUBJECT_KEY_IDENTIFIER),
    known::<AuthorityKeyIdentifier>(ID_CE_AUTHORITY_KEY_IDENTIFIER),
    known::<KeyUsage>(ID_CE_KEY_USAGE),
    known::<ExtendedKeyUsage>(ID_CE_EXT_KEY_USAGE),
    known::<BasicConstraints>(ID_CE_BASIC_CONSTRAINTS),
    known::<SubjectAltName>(ID_CE_SUBJECT_ALT_NAME),
    known::<CertificatePolicies>(ID_CE_CERTIFICATE_POLICIES),
    known::<PolicyMappings>(ID_CE_POLICY_MAPPINGS),
    known::<PolicyConstraints>(ID_CE_POLICY_CONSTRAINTS),
    known::<InhibitAnyPolicy>(ID_CE_INHIBIT_ANY_POLICY),
    known::<NameConstraints>(ID_CE_NAME_CONSTRAINTS),
    known::<CrlDistributionPoints>(ID_CE_CRL_DISTRIBUTION_POINTS),
    known::<AuthorityInfoAccessSyntax>(ID_PE_AUTHORITY_INFO_ACCESS),
    known::<SubjectInfoAccessSyntax>(ID_PE_SUBJECT_INFO_ACCESS),
    known::<Null>(ID_PKIX_OCSP_NOCHECK),
    // GB/T 20518 §5.2.4: insurance number, business registration, organisation code, taxation number.
    // The identity code (4.1.1) is left out on purpose: a certificate never carries the number of a person's document.
    known::<Any>(ObjectIdentifier::new_unwrap("1.2.156.10260.4.1.2")),
    known::<Any>(ObjectIdentifier::new_unwrap("1.2.156.10260.4.1.3")),
    known::<Any>(ObjectIdentifier::new_unwrap("1.2.156.10260.4.1.4")),
    known::<Any>(ObjectIdentifier::new_unwrap("1.2.156.10260.4.1.5")),
];

pub static IN_CRLS: &[KnownExtension] = &[
    known::<CrlNumber>(ID_CE_CRL_NUMBER),
    known::<AuthorityKeyIdentifier>(ID_CE_AUTHORITY_KEY_IDENTIFIER),
    known::<IssuingDistributionPoint>(ID_CE_ISSUING_DISTRIBUTION_POINT),
    known::<BaseCrlNumber>(ID_CE_DELTA_CRL_INDICATOR),
    known::<FreshestCrl>(ID_CE_FRESHEST_CRL),
];

pub static IN_CRL_ENTRIES: &[KnownExtension] = &[known::<CrlReason>(ID_CE_CRL_REASONS), known::<GeneralizedTime>(ID_CE_INVALIDITY_DATE)];

/// The entry of an identifier in one of these lists.
pub fn find(list: &'static [KnownExtension], oid: ObjectIdentifier) -> Option<&'static KnownExtension> {
    list.iter().find(|known| known.oid == oid)
}

const fn known<T: for<'der> Decode<'der> + Encode>(oid: ObjectIdentifier) -> KnownExtension {
    KnownExtension { oid, is_der: is_der::<T> }
}

fn is_der<T: for<'der> Decode<'der> + Encode>(value: &[u8]) -> bool {
    T::from_der(value).ok().and_then(|read| read.to_der().ok()).is_some_and(|again| again == value)
}
