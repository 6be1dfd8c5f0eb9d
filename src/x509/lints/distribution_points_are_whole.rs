//! The CRL at a distribution point has all reasons and comes from the issuer itself.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "distribution-points-are-whole",
    clause: "RFC 5280 §4.2.1.13, GB/T 20518 §5.3",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| {
                let point = distribution_point(&tlv(URI, SHARD.as_bytes()), &tlv(0x81, &[5, 0x60]));
                c.set(ID_CE_CRL_DISTRIBUTION_POINTS, sequence(&[&point]));
            }),
            end_entity(family).with(|c| {
                let point = distribution_point(&tlv(URI, SHARD.as_bytes()), &tlv(0xa2, &tlv(0xa4, &c.issuer)));
                c.set(ID_CE_CRL_DISTRIBUTION_POINTS, sequence(&[&point]));
            }),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for point in certificate.distribution_points.iter().flat_map(|points| &points.0) {
        ensure!(point.reasons.is_none(), "only some reasons");
        ensure!(point.crl_issuer.is_none(), "another CRL issuer");
    }
    Ok(())
}
