//! A wildcard is the whole first label, above at least two others.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "wildcards-are-whole-first-labels",
    clause: "RFC 6125 §6.4.3, CABF BR §3.2.2.6",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            service(family).with(|c| c.set_names(&[tlv(DNS, b"www.*.gov.cn")])),
            service(family).with(|c| c.set_names(&[tlv(DNS, b"w*.example.gov.cn")])),
            service(family).with(|c| c.set_names(&[tlv(DNS, b"*.*.gov.cn")])),
            service(family).with(|c| c.set_names(&[tlv(DNS, b"*.cn")])),
            service(family).with(|c| c.set_names(&[tlv(DNS, b"*")])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for name in certificate.dns_names().filter(|name| name.contains('*')) {
        let rest = name.strip_prefix("*.").unwrap_or_default();
        ensure!(rest.contains('.') && !rest.contains('*'), "a wildcard that is not the first label of three");
    }
    Ok(())
}
