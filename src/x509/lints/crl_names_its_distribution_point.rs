//! The CRL of a shard names, critically, the distribution point in the certificates it covers: without that, an attacker could
//! show the CRL of another shard. A CRL that covers everything names none.

use const_oid::db::rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-names-its-distribution-point",
    clause: "RFC 5280 §5.2.5, GB/T 20518 §5.3",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            shard_crl(family).with(|c| c.remove(ID_CE_ISSUING_DISTRIBUTION_POINT)),
            shard_crl(family).with(|c| c.extension(ID_CE_ISSUING_DISTRIBUTION_POINT).critical = NOT_CRITICAL.to_vec()),
            shard_crl(family).with(|c| c.shard = Some("http://ca.example.gov.cn/crl/department-g1/8.crl")),
            shard_crl(family).with(|c| c.shard = None),
            shard_crl(family).with(|c| c.set(ID_CE_ISSUING_DISTRIBUTION_POINT, sequence(&[]))),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    let extension = crl.extension(ID_CE_ISSUING_DISTRIBUTION_POINT);
    let Some(expected) = crl.context.distribution_point else {
        ensure!(extension.is_none(), "a distribution point in a CRL that covers everything");
        return Ok(());
    };
    ensure!(extension.is_some_and(|extension| extension.critical), "no critical issuing distribution point");
    if let Some(found) = &crl.issuing_distribution_point {
        let Some(DistributionPointName::FullName(names)) = &found.distribution_point else {
            return Err("no full name".to_owned());
        };
        let named = matches!(&names[..], [GeneralName::UniformResourceIdentifier(uri)] if uri.as_str() == expected);
        ensure!(named, "another name than that of the certificates");
    }
    Ok(())
}
