//! A root is for everything below it; verifiers disagree about what a purpose in it would mean.

use const_oid::db::rfc5280::ID_CE_EXT_KEY_USAGE;

use super::{Check, Lint, Outcome, Role, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "roots-have-no-purposes",
    clause: "CABF BR §7.1.2.1.2",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![root(family).with(|c| {
            c.extensions.push(Extension::new(ID_CE_EXT_KEY_USAGE, NOT_CRITICAL, purposes(&[ID_KP_CLIENT_AUTH])));
        })]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    ensure!(certificate.role() != Role::Root || certificate.extension(ID_CE_EXT_KEY_USAGE).is_none(), "an extended key usage");
    Ok(())
}
