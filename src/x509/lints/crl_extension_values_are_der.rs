//! The value of each extension is the one DER encoding of its type.

use x509_cert::ext::Extension;

use super::{
    Check, Lint, Outcome,
    crl::{CrlUnderLint, entry_extensions},
    extensions::{IN_CRL_ENTRIES, IN_CRLS, KnownExtension, find},
};

pub static LINT: Lint = Lint {
    name: "crl-extension-values-are-der",
    clause: "RFC 5280 §5.2, §5.3; X.690 §10 and §11",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.extension(ID_CE_CRL_NUMBER).value.push(0)),
            whole_crl(family).with(|c| c.set(ID_CE_CRL_NUMBER, integer(&[0, 8]))),
            // FALSE is the default and so is not encoded.
            shard_crl(family).with(|c| {
                c.set(ID_CE_ISSUING_DISTRIBUTION_POINT, issuing_distribution_point(SHARD, &tlv(0x81, &[0])));
            }),
            // Reason 7 is not used.
            whole_crl(family).with(|c| c.entry().extensions[0] = reason(7)),
            whole_crl(family).with(|c| c.entry().extensions[1].value = utc_time("261215000000Z")),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    crl.extensions().iter().try_for_each(|extension| is_der(IN_CRLS, extension))?;
    crl.entries().iter().flat_map(entry_extensions).try_for_each(|extension| is_der(IN_CRL_ENTRIES, extension))
}

fn is_der(list: &'static [KnownExtension], extension: &Extension) -> Outcome {
    if let Some(known) = find(list, extension.extn_id) {
        ensure!((known.is_der)(extension.extn_value.as_bytes()), "{} is not DER of its type", extension.extn_id);
    }
    Ok(())
}
