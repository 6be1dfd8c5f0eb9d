//! The issuer is, byte for byte, the subject of the certificate above; in a root, its own subject.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "issuer-is-the-issuers-subject",
    clause: "RFC 5280 §4.1.2.4, §6.1.3 (a)(4)",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.issuer = subject(&[attribute(COMMON_NAME, UTF8, b"another g1")])),
            // The same characters in another string type are another name.
            end_entity(family).with(|c| {
                c.issuer_subject = subject(&[attribute(COMMON_NAME, UTF8, b"g1")]);
                c.issuer = subject(&[attribute(COMMON_NAME, PRINTABLE, b"g1")]);
            }),
            root(family).with(|c| c.issuer = c.issuer_subject.clone()),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let above = certificate.context.issuer.map_or(certificate.subject, |issuer| issuer.subject);
    ensure!(certificate.issuer == above, "not the bytes of the issuer's subject");
    Ok(())
}
