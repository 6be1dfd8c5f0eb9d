//! Two parsers that share no code read the same certificate in the bytes.

use x509_cert::ext::Extension;
use x509_parser::{
    extensions::{ParsedExtension, X509Extension},
    x509::AlgorithmIdentifier,
};

use super::{
    Check, Lint, Outcome,
    certificate::CertificateUnderLint,
    extensions::{IN_CERTIFICATES, KnownExtension, find},
};

pub static LINT: Lint = Lint {
    name: "parsers-agree",
    clause: "RFC 5280 §4.1, X.690 §8.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        // An RDN without attributes: a SET OF may be empty, but not this one (RFC 5280 Appendix A.1), as only the second parser knows.
        vec![
            end_entity(family).with(|c| c.subject = subject(&[attribute(COMMON_NAME, UTF8, b"Li"), tlv(0x31, &[])])),
            end_entity(family).with(|c| {
                c.issuer = name(&[tlv(0x31, &[])]);
                c.issuer_subject = c.issuer.clone();
            }),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let second = certificate.second.as_ref().map_err(|error| format!("the second parser says: {error}"))?;
    let first = &certificate.tbs;
    ensure!(u32::from(first.version() as u8) == second.version.0, "version");
    ensure!(certificate.serial == second.raw_serial(), "serial number");
    ensure!(same_algorithm(first.signature(), &second.signature), "signature algorithm");
    ensure!(certificate.issuer == second.issuer.as_raw(), "issuer");
    ensure!(certificate.not_before() == second.validity.not_before.to_datetime(), "notBefore");
    ensure!(certificate.not_after() == second.validity.not_after.to_datetime(), "notAfter");
    ensure!(certificate.subject == second.subject.as_raw(), "subject");
    ensure!(certificate.spki == second.subject_pki.raw, "public key");
    ensure!(first.issuer_unique_id().is_some() == second.issuer_uid.is_some(), "issuerUniqueID");
    ensure!(first.subject_unique_id().is_some() == second.subject_uid.is_some(), "subjectUniqueID");
    same_extensions(IN_CERTIFICATES, certificate.extensions(), second.extensions())
}

pub(super) fn same_algorithm(first: &spki::AlgorithmIdentifierOwned, second: &AlgorithmIdentifier) -> bool {
    let parameters = first.parameters.as_ref().map(|parameters| parameters.value());
    first.oid.as_bytes() == second.algorithm.as_bytes() && parameters == second.parameters.as_ref().map(|parameters| parameters.data)
}

/// The same extensions in the same order; and what the first parser can read, the second can.
pub(super) fn same_extensions(known: &'static [KnownExtension], first: &[Extension], second: &[X509Extension]) -> Outcome {
    ensure!(first.len() == second.len(), "{} extensions, or {}", first.len(), second.len());
    for (first, second) in first.iter().zip(second) {
        let value = first.extn_value.as_bytes();
        let oid = first.extn_id;
        ensure!(oid.as_bytes() == second.oid.as_bytes(), "{oid} or {}", second.oid);
        ensure!(first.critical == second.critical && value == second.value, "{oid} has another value or criticality");
        let unread = matches!(second.parsed_extension(), ParsedExtension::ParseError { .. });
        ensure!(!unread || find(known, oid).is_none_or(|known| !(known.is_der)(value)), "the second parser cannot read {oid}");
    }
    Ok(())
}
