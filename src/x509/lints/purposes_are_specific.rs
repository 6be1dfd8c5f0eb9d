//! anyExtendedKeyUsage would turn every certificate into one for everything.

use const_oid::db::rfc5280::ANY_EXTENDED_KEY_USAGE;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "purposes-are-specific",
    clause: "RFC 5280 §4.2.1.12, CABF BR §7.1.2.7.10",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.set(ID_CE_EXT_KEY_USAGE, purposes(&[ANY_EXTENDED_KEY_USAGE]))),
            service(family).with(|c| c.set(ID_CE_EXT_KEY_USAGE, purposes(&[ID_KP_SERVER_AUTH, ANY_EXTENDED_KEY_USAGE]))),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    ensure!(!certificate.purposes().contains(&ANY_EXTENDED_KEY_USAGE), "anyExtendedKeyUsage");
    Ok(())
}
