//! No extension stands in a CRL, or in one of its entries, twice.

use x509_cert::ext::Extension;

use super::{
    Check, Lint, Outcome,
    crl::{CrlUnderLint, entry_extensions},
};

pub static LINT: Lint = Lint {
    name: "crl-extensions-appear-once",
    clause: "RFC 5280 §4.2, §5.2",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.extensions.push(c.extensions[0].clone())),
            whole_crl(family).with(|c| c.entry().extensions.push(reason(1))),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    appear_once(crl.extensions())?;
    crl.entries().iter().try_for_each(|entry| appear_once(entry_extensions(entry)))
}

fn appear_once(extensions: &[Extension]) -> Outcome {
    for (index, extension) in extensions.iter().enumerate() {
        ensure!(extensions[..index].iter().all(|earlier| earlier.extn_id != extension.extn_id), "{} twice", extension.extn_id);
    }
    Ok(())
}
