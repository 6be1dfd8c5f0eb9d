//! We publish complete CRLs only: no delta, and no pointer to one.

use const_oid::db::rfc5280::{ID_CE_DELTA_CRL_INDICATOR, ID_CE_FRESHEST_CRL};

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-is-complete",
    clause: "RFC 5280 §5.2.4, §5.2.6",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.extensions.push(Extension::new(ID_CE_DELTA_CRL_INDICATOR, CRITICAL, integer(&[3])))),
            whole_crl(family).with(|c| {
                let point = distribution_point(&tlv(URI, b"http://ca.example.gov.cn/crl/delta.crl"), &[]);
                c.extensions.push(Extension::new(ID_CE_FRESHEST_CRL, NOT_CRITICAL, sequence(&[&point])));
            }),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    ensure!(crl.extension(ID_CE_DELTA_CRL_INDICATOR).is_none(), "a delta CRL");
    ensure!(crl.extension(ID_CE_FRESHEST_CRL).is_none(), "a pointer to a delta CRL");
    Ok(())
}
