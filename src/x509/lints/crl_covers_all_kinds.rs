//! A CRL is neither indirect nor limited to some reasons or kinds of certificates.

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-covers-all-kinds",
    clause: "RFC 5280 §5.2.5, GB/T 20518 §5.3",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            shard_crl(family).with(|c| {
                c.set(ID_CE_ISSUING_DISTRIBUTION_POINT, issuing_distribution_point(SHARD, &tlv(0x84, &[0xff])));
            }),
            shard_crl(family).with(|c| {
                c.set(ID_CE_ISSUING_DISTRIBUTION_POINT, issuing_distribution_point(SHARD, &tlv(0x83, &[5, 0x60])));
            }),
            shard_crl(family).with(|c| {
                c.set(ID_CE_ISSUING_DISTRIBUTION_POINT, issuing_distribution_point(SHARD, &tlv(0x81, &[0xff])));
            }),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    if let Some(found) = &crl.issuing_distribution_point {
        ensure!(!found.indirect_crl, "an indirect CRL");
        ensure!(found.only_some_reasons.is_none(), "only some reasons");
        let kinds = found.only_contains_user_certs || found.only_contains_ca_certs || found.only_contains_attribute_certs;
        ensure!(!kinds, "only some kinds of certificates");
    }
    Ok(())
}
