//! A certificate for TLS servers names a host as alternative name; clients do not look at the common name.

use const_oid::db::rfc5280::{ID_CE_SUBJECT_ALT_NAME, ID_KP_SERVER_AUTH};
use x509_cert::ext::pkix::name::GeneralName;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "servers-name-a-host",
    clause: "RFC 6125 §4.1, CABF BR §7.1.2.7.12",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            service(family).with(|c| c.remove(ID_CE_SUBJECT_ALT_NAME)),
            service(family).with(|c| c.set_names(&[tlv(URI, b"https://service.example.gov.cn/")])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    if certificate.purposes().contains(&ID_KP_SERVER_AUTH) {
        let names = certificate.alternative_names();
        let host = names.iter().any(|name| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_)));
        // Names that cannot be read or are none are other rules' findings.
        let unread = certificate.extension(ID_CE_SUBJECT_ALT_NAME).is_some() && names.is_empty();
        ensure!(host || unread, "neither a dNSName nor an iPAddress");
    }
    Ok(())
}
