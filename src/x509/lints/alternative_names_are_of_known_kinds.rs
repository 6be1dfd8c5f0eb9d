//! Mail address, host name, URI and IP address: the kinds whose content the rules know how to check.

use x509_cert::ext::pkix::name::GeneralName::{DnsName, IpAddress, Rfc822Name, UniformResourceIdentifier};

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "alternative-names-are-of-known-kinds",
    clause: "RFC 5280 §4.2.1.6, CABF BR §7.1.2.7.12",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.set_names(&[tlv(0x88, &[0x2a, 3, 4])])),
            end_entity(family).with(|c| c.set_names(&[tlv(0xa4, &c.subject)])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for name in certificate.alternative_names() {
        let known = matches!(name, DnsName(_) | IpAddress(_) | Rfc822Name(_) | UniformResourceIdentifier(_));
        ensure!(known, "a name of another kind");
    }
    Ok(())
}
