//! The bytes are the one DER encoding of what they say. Bytes that cannot be read at all are reported under this rule.

use der::Encode;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "certificate-is-der",
    clause: "X.690 §10, RFC 5280 §4.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.serial.splice(1..2, [0x81, 20]).for_each(drop)),
            end_entity(family).with(|c| c.not_before = utc_time("2701010000Z")),
            end_entity(family).with(|c| c.not_after = general_time("20500101000000.5Z")),
            end_entity(family).with(|c| c.extension(ID_CE_EXT_KEY_USAGE).critical = vec![1, 1, 0]),
            end_entity(family).with(|c| c.extension(ID_CE_KEY_USAGE).critical = vec![1, 1, 1]),
            end_entity(family).with(|c| c.trailing = vec![5, 0]),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let again = certificate.tbs.to_der().map_err(|error| error.to_string())?;
    ensure!(again == certificate.der, "it encodes to other bytes than it was read from");
    Ok(())
}
