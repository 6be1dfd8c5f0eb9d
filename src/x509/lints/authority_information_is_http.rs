//! Responder and issuer are reached by http: https would need the certificate whose status is asked for.

use x509_cert::ext::pkix::name::GeneralName;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "authority-information-is-http",
    clause: "RFC 5280 §4.2.2.1, CABF BR §7.1.2.7.7",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| {
                let issuer = access(ID_AD_CA_ISSUERS, &tlv(URI, b"http://ca.example.gov.cn/g1.cer"));
                let responder = access(ID_AD_OCSP, &tlv(URI, b"https://ca.example.gov.cn/ocsp"));
                c.set(ID_PE_AUTHORITY_INFO_ACCESS, sequence(&[&responder, &issuer]));
            }),
            authority(family).with(|c| {
                c.set(ID_PE_AUTHORITY_INFO_ACCESS, sequence(&[&access(ID_AD_CA_ISSUERS, &tlv(URI, b"http:///g1.cer"))]));
            }),
            authority(family).with(|c| {
                c.set(ID_PE_AUTHORITY_INFO_ACCESS, sequence(&[&access(ID_AD_OCSP, &tlv(DNS, b"ca.example.gov.cn"))]));
            }),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for description in certificate.authority_information.iter().flat_map(|access| &access.0) {
        ensure!(is_http(&description.access_location), "{} is not at an http URI", description.access_method);
    }
    Ok(())
}

/// Whether a name is an http URI with a host.
pub(super) fn is_http(name: &GeneralName) -> bool {
    let GeneralName::UniformResourceIdentifier(uri) = name else { return false };
    let host = uri.as_str().strip_prefix("http://");
    host.is_some_and(|host| !host.is_empty() && !host.starts_with('/') && host.bytes().all(|octet| octet.is_ascii_graphic()))
}
