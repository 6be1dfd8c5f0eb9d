//! The bytes say what the draft says, nothing more and nothing less.

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "matches-draft",
    clause: "RFC 5280 §4.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).drafted().with(|c| c.serial = integer(&[0x43; 20])),
            end_entity(family).drafted().with(|c| c.not_before = utc_time("270101000001Z")),
            end_entity(family).drafted().with(|c| c.not_after = utc_time("281231235959Z")),
            end_entity(family).drafted().with(|c| c.subject = subject(&[attribute(COMMON_NAME, UTF8, b"someone else")])),
            root(family).drafted().with(|c| {
                c.subject = c.issuer_subject.clone();
                c.issuer = c.issuer_subject.clone();
            }),
            end_entity(family).drafted().with(|c| c.set_key(other(family), &generator(other(family)))),
            end_entity(family).drafted().with(|c| c.set(ID_CE_KEY_USAGE, DIGITAL_SIGNATURE)),
            end_entity(family).drafted().with(|c| c.remove(ID_CE_EXT_KEY_USAGE)),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let expected = &certificate.context.expected;
    ensure!(certificate.serial == expected.serial, "another serial number");
    ensure!(certificate.signature_algorithm == expected.signature_algorithm, "another signature algorithm");
    ensure!(certificate.issuer == expected.issuer, "another issuer");
    // DER carries whole seconds.
    ensure!(
        certificate.not_before().unix_timestamp() == expected.not_before.unix_timestamp(),
        "another notBefore: {}",
        certificate.not_before()
    );
    ensure!(
        certificate.not_after().unix_timestamp() == expected.not_after.unix_timestamp(),
        "another notAfter: {}",
        certificate.not_after()
    );
    ensure!(certificate.subject == expected.subject, "another subject");
    ensure!(certificate.spki == expected.spki, "another public key");
    ensure!(certificate.extensions() == expected.extensions, "other extensions");
    Ok(())
}
