//! Extensions that help to find something are never critical.

use const_oid::db::{
    rfc5280::{
        ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_CERTIFICATE_POLICIES, ID_CE_CRL_DISTRIBUTION_POINTS, ID_CE_SUBJECT_KEY_IDENTIFIER,
        ID_PE_AUTHORITY_INFO_ACCESS, ID_PE_SUBJECT_INFO_ACCESS,
    },
    rfc6960::ID_PKIX_OCSP_NOCHECK,
};
use der::asn1::ObjectIdentifier;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "plain-extensions-are-not-critical",
    clause: "RFC 5280 §4.2.1.1, §4.2.1.2, §4.2.1.13, §4.2.2; GB/T 20518 Table A.3",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.extension(ID_CE_SUBJECT_KEY_IDENTIFIER).critical = CRITICAL.to_vec()),
            end_entity(family).with(|c| c.extension(ID_CE_AUTHORITY_KEY_IDENTIFIER).critical = CRITICAL.to_vec()),
            end_entity(family).with(|c| c.extension(ID_CE_CERTIFICATE_POLICIES).critical = CRITICAL.to_vec()),
            end_entity(family).with(|c| c.extension(ID_CE_CRL_DISTRIBUTION_POINTS).critical = CRITICAL.to_vec()),
            end_entity(family).with(|c| c.extension(ID_PE_AUTHORITY_INFO_ACCESS).critical = CRITICAL.to_vec()),
            responder(family).with(|c| c.extension(ID_PKIX_OCSP_NOCHECK).critical = CRITICAL.to_vec()),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for extension in certificate.extensions().iter().filter(|extension| extension.critical) {
        ensure!(!PLAIN.contains(&extension.extn_id), "{}", extension.extn_id);
    }
    Ok(())
}

const PLAIN: [ObjectIdentifier; 7] = [
    ID_CE_AUTHORITY_KEY_IDENTIFIER,
    ID_CE_CERTIFICATE_POLICIES,
    ID_CE_CRL_DISTRIBUTION_POINTS,
    ID_CE_SUBJECT_KEY_IDENTIFIER,
    ID_PE_AUTHORITY_INFO_ACCESS,
    ID_PE_SUBJECT_INFO_ACCESS,
    ID_PKIX_OCSP_NOCHECK,
];
