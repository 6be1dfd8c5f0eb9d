//! An old verifier that does not know the extension must not take just anybody for an authority.

use const_oid::db::rfc5280::ID_CE_BASIC_CONSTRAINTS;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "basic-constraints-are-critical",
    clause: "RFC 5280 §4.2.1.9",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            authority(family).with(|c| c.extension(ID_CE_BASIC_CONSTRAINTS).critical = NOT_CRITICAL.to_vec()),
            root(family).with(|c| c.extension(ID_CE_BASIC_CONSTRAINTS).critical = NOT_CRITICAL.to_vec()),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let found = certificate.extension(ID_CE_BASIC_CONSTRAINTS).filter(|_| certificate.role().is_authority());
    ensure!(found.is_none_or(|extension| extension.critical), "not critical");
    Ok(())
}
