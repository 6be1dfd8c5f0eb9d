//! A distribution point is a full name of http URIs: https would need the certificate whose status is asked for.

use x509_cert::ext::pkix::name::DistributionPointName;

use super::{Check, Lint, Outcome, authority_information_is_http::is_http, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "distribution-points-are-http",
    clause: "RFC 5280 §4.2.1.13, CABF BR §7.1.2.11.2",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| {
                let point = distribution_point(&tlv(URI, b"ldap://ca.example.gov.cn/cn=g1"), &[]);
                c.set(ID_CE_CRL_DISTRIBUTION_POINTS, sequence(&[&point]));
            }),
            end_entity(family).with(|c| {
                let point = distribution_point(&tlv(URI, b"https://ca.example.gov.cn/crl/7.crl"), &[]);
                c.set(ID_CE_CRL_DISTRIBUTION_POINTS, sequence(&[&point]));
            }),
            end_entity(family).with(|c| {
                let point = distribution_point(&tlv(0xa4, &c.issuer), &[]);
                c.set(ID_CE_CRL_DISTRIBUTION_POINTS, sequence(&[&point]));
            }),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for point in certificate.distribution_points.iter().flat_map(|points| &points.0) {
        let Some(DistributionPointName::FullName(names)) = &point.distribution_point else {
            return Err("a distribution point without a full name".to_owned());
        };
        ensure!(!names.is_empty() && names.iter().all(is_http), "a name that is not an http URI");
    }
    Ok(())
}
