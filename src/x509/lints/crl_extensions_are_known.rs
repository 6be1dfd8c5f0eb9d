//! Only extensions that we know, in the CRL and in its entries.

use super::{
    Check, Lint, Outcome,
    crl::{CrlUnderLint, entry_extensions},
    extensions::{IN_CRL_ENTRIES, IN_CRLS, find},
};

pub static LINT: Lint = Lint {
    name: "crl-extensions-are-known",
    clause: "RFC 5280 §5.2, §5.3",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.extensions.push(Extension::new(ObjectIdentifier::new_unwrap("1.2.3.4"), CRITICAL, [5, 0]))),
            // holdInstructionCode, which RFC 5280 no longer has.
            whole_crl(family).with(|c| {
                let code = hex::decode("06072a8648ce380202").unwrap();
                c.entry().extensions.push(Extension::new(ID_CE_HOLD_INSTRUCTION_CODE, NOT_CRITICAL, code));
            }),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    for extension in crl.extensions() {
        ensure!(find(IN_CRLS, extension.extn_id).is_some(), "{}", extension.extn_id);
    }
    for extension in crl.entries().iter().flat_map(entry_extensions) {
        ensure!(find(IN_CRL_ENTRIES, extension.extn_id).is_some(), "{} in an entry", extension.extn_id);
    }
    Ok(())
}
