//! A dNSName is made of lower-case labels of letters, digits and hyphens; a name in Chinese is in its A-label form.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "dns-names-are-host-names",
    clause: "RFC 5280 §4.2.1.6, RFC 1123 §2.1, RFC 5890 §2.3.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            service(family).with(|c| c.set_names(&[tlv(DNS, b"my_service.example.gov.cn")])),
            service(family).with(|c| c.set_names(&[tlv(DNS, b"Service.example.gov.cn")])),
            service(family).with(|c| c.set_names(&[tlv(DNS, b"-a.example.gov.cn")])),
            service(family).with(|c| c.set_names(&[tlv(DNS, b"example.gov.cn.")])),
            service(family).with(|c| c.set_names(&[tlv(DNS, b"")])),
            service(family).with(|c| c.set_names(&[tlv(DNS, b"192.0.2.1")])),
            service(family).with(|c| c.set_names(&[tlv(DNS, &[b'a'; 64])])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for name in certificate.dns_names() {
        // Where a wildcard may stand is another rule's matter.
        let labels = name.split('.').filter(|label| !label.contains('*'));
        let last_is_a_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit()));
        ensure!(name.len() <= 253 && labels.clone().all(is_label) && !last_is_a_number, "a dNSName that is not a host name");
    }
    Ok(())
}

/// Whether a label is one of a host name, in lower case.
pub(super) fn is_label(label: &str) -> bool {
    let octets = label.as_bytes();
    (1..=63).contains(&octets.len())
        && octets.iter().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || *octet == b'-')
        && octets.first() != Some(&b'-')
        && octets.last() != Some(&b'-')
}
