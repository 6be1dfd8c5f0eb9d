//! A URI has a scheme and something behind it, in graphic ASCII.

use x509_cert::ext::pkix::name::GeneralName;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "uris-are-absolute",
    clause: "RFC 5280 §4.2.1.6, RFC 3986 §3",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.set_names(&[tlv(URI, b"/people/4711")])),
            end_entity(family).with(|c| c.set_names(&[tlv(URI, b"urn:")])),
            end_entity(family).with(|c| c.set_names(&[tlv(URI, b"http://a b.gov.cn/")])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for name in certificate.alternative_names() {
        if let GeneralName::UniformResourceIdentifier(uri) = name {
            ensure!(is_absolute(uri.as_str()), "a URI that is not absolute");
        }
    }
    Ok(())
}

fn is_absolute(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let scheme_is_good = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet));
    scheme_is_good && !rest.is_empty() && rest.bytes().all(|octet| octet.is_ascii_graphic())
}
