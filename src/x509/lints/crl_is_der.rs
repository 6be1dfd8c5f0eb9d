//! The bytes are the one DER encoding of what they say. Bytes that cannot be read at all are reported under this rule.

use der::Encode;

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-is-der",
    clause: "X.690 §10, RFC 5280 §5.1",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.version = vec![]),
            whole_crl(family).with(|c| c.this_update = utc_time("2701010000Z")),
            whole_crl(family).with(|c| c.extension(ID_CE_CRL_NUMBER).critical = vec![1, 1, 0]),
            whole_crl(family).with(|c| c.entry().serial.splice(1..2, [0x81, 20]).for_each(drop)),
            whole_crl(family).with(|c| c.trailing = vec![5, 0]),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    let again = crl.tbs.to_der().map_err(|error| error.to_string())?;
    ensure!(again == crl.der, "it encodes to other bytes than it was read from");
    Ok(())
}
