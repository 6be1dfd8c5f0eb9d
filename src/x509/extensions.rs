//! The extensions that our certificates carry, each in the one encoding we emit (RFC 5280 §4.2, GB/T 20518 §5.2.4).

use const_oid::db::{rfc5280, rfc5912, rfc6960};
use der::{
    Encode,
    asn1::{Ia5String, Null, ObjectIdentifier, OctetString, PrintableStringRef},
    flagset::FlagSet,
};
use x509_cert::ext::{
    Extension,
    pkix::{
        AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints,
        ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName, SubjectInfoAccessSyntax, SubjectKeyIdentifier,
        certpolicy::PolicyInformation,
        crl::dp::DistributionPoint,
        name::{DistributionPointName, GeneralName},
    },
};

use super::Error;
use crate::crypto::{Digest, PublicKey};

const ID_AD_CA_REPOSITORY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.5");

/// Only for authorities: on end entities the extension is left out, because GmSSL refuses its empty SEQUENCE.
pub fn basic_constraints(path_length: Option<u8>) -> Result<Extension, Error> {
    critical(rfc5280::ID_CE_BASIC_CONSTRAINTS, &BasicConstraints { ca: true, path_len_constraint: path_length })
}

pub fn key_usage(usages: FlagSet<KeyUsages>) -> Result<Extension, Error> {
    critical(rfc5280::ID_CE_KEY_USAGE, &KeyUsage(usages))
}

/// `timeStamping` must stand alone and critical (RFC 3161 §2.3); the others are not critical.
pub fn extended_key_usage(purposes: Vec<ObjectIdentifier>) -> Result<Extension, Error> {
    let is_critical = purposes == [rfc5280::ID_KP_TIME_STAMPING];
    extension(rfc5280::ID_CE_EXT_KEY_USAGE, is_critical, &ExtendedKeyUsage(purposes))
}

/// SHA-1 of the key's BIT STRING: method 1 of RFC 5280 §4.2.1.2, the one that GB/T 20518 §5.2.4.2 names too.
pub fn key_identifier(key: &PublicKey) -> Vec<u8> {
    Digest::Sha1.hash(key.octets())
}

pub fn subject_key_identifier(key: &PublicKey) -> Result<Extension, Error> {
    plain(rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER, &SubjectKeyIdentifier(octets(key_identifier(key))?))
}

pub fn authority_key_identifier(issuer: &PublicKey) -> Result<Extension, Error> {
    let identifier = AuthorityKeyIdentifier { key_identifier: Some(octets(key_identifier(issuer))?), ..Default::default() };
    plain(rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER, &identifier)
}

pub fn certificate_policies(policies: &[ObjectIdentifier]) -> Result<Extension, Error> {
    let policies = policies.iter().map(|oid| PolicyInformation { policy_identifier: *oid, policy_qualifiers: None }).collect();
    plain(rfc5280::ID_CE_CERTIFICATE_POLICIES, &CertificatePolicies(policies))
}

pub fn crl_distribution_point(url: &str) -> Result<Extension, Error> {
    let point =
        DistributionPoint { distribution_point: Some(DistributionPointName::FullName(vec![uri(url)?])), reasons: None, crl_issuer: None };
    plain(rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS, &CrlDistributionPoints(vec![point]))
}

pub fn authority_information_access(ocsp: &str, ca_issuers: &str) -> Result<Extension, Error> {
    let access = AuthorityInfoAccessSyntax(vec![
        AccessDescription { access_method: rfc5912::ID_AD_OCSP, access_location: uri(ocsp)? },
        AccessDescription { access_method: rfc5912::ID_AD_CA_ISSUERS, access_location: uri(ca_issuers)? },
    ]);
    plain(rfc5280::ID_PE_AUTHORITY_INFO_ACCESS, &access)
}

/// Where an authority publishes what it issues (GM/T 0015 tables C.1 and C.2).
pub fn subject_information_access(repository: &str) -> Result<Extension, Error> {
    let access = SubjectInfoAccessSyntax(vec![AccessDescription { access_method: ID_AD_CA_REPOSITORY, access_location: uri(repository)? }]);
    plain(rfc5280::ID_PE_SUBJECT_INFO_ACCESS, &access)
}

/// Critical only when the subject is empty (RFC 5280 §4.2.1.6), which no profile of ours allows.
pub fn subject_alternative_names(names: Vec<GeneralName>) -> Result<Extension, Error> {
    plain(rfc5280::ID_CE_SUBJECT_ALT_NAME, &SubjectAltName(names))
}

/// The responder's own status need not be asked (RFC 6960 §4.2.2.2.1).
pub fn ocsp_no_check() -> Result<Extension, Error> {
    plain(rfc6960::ID_PKIX_OCSP_NOCHECK, &Null)
}

/// A number of a national register, as a PrintableString (GB/T 20518 §5.2.4).
pub fn national(oid: ObjectIdentifier, number: &str) -> Result<Extension, Error> {
    plain(oid, &PrintableStringRef::new(number).map_err(|error| Error::malformed("extension", error))?)
}

/// The alternative name of that kind: `dns`, `mail`, `ip` or `uri`.
pub fn general_name(kind: &str, value: &str) -> Result<GeneralName, Error> {
    let malformed = |error: der::Error| Error::malformed("alternative name", error);
    match kind {
        "dns" => Ia5String::new(value).map(GeneralName::DnsName).map_err(malformed),
        "mail" => Ia5String::new(value).map(GeneralName::Rfc822Name).map_err(malformed),
        "uri" => uri(value),
        "ip" => {
            let address: std::net::IpAddr = value.parse().map_err(|error| Error::malformed("alternative name", error))?;
            let bytes = match address {
                std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
                std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
            };
            Ok(GeneralName::IpAddress(octets(bytes)?))
        }
        other => Err(Error::malformed("alternative name", format!("no kind {other:?}"))),
    }
}

fn uri(url: &str) -> Result<GeneralName, Error> {
    Ia5String::new(url).map(GeneralName::UniformResourceIdentifier).map_err(|error| Error::malformed("URI", error))
}

fn octets(bytes: Vec<u8>) -> Result<OctetString, Error> {
    OctetString::new(bytes).map_err(|error| Error::malformed("extension", error))
}

fn critical(oid: ObjectIdentifier, value: &impl Encode) -> Result<Extension, Error> {
    extension(oid, true, value)
}

fn plain(oid: ObjectIdentifier, value: &impl Encode) -> Result<Extension, Error> {
    extension(oid, false, value)
}

fn extension(extn_id: ObjectIdentifier, critical: bool, value: &impl Encode) -> Result<Extension, Error> {
    let der = value.to_der().map_err(|error| Error::malformed("extension", error))?;
    Ok(Extension { extn_id, critical, extn_value: octets(der)? })
}
