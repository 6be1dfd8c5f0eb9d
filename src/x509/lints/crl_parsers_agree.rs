//! Two parsers that share no code read the same CRL in the bytes.

use super::{
    Check, Lint, Outcome,
    certificate::instant,
    crl::{CrlUnderLint, entry_extensions, entry_name},
    extensions::{IN_CRL_ENTRIES, IN_CRLS},
    parsers_agree::{same_algorithm, same_extensions},
};

pub static LINT: Lint = Lint {
    name: "crl-parsers-agree",
    clause: "RFC 5280 §5.1, X.690 §8.1",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        // An RDN without attributes: a SET OF may be empty, but not this one (RFC 5280 Appendix A.1), as only the second parser knows.
        vec![whole_crl(family).with(|c| {
            c.issuer = subject(&[tlv(0x31, &[])]);
            c.issuer_subject = c.issuer.clone();
        })]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    let second = crl.second.as_ref().map_err(|error| format!("the second parser says: {error}"))?;
    ensure!(second.version.is_some_and(|version| version.0 == u32::from(crl.tbs.version as u8)), "version");
    ensure!(same_algorithm(&crl.tbs.signature, &second.signature), "signature algorithm");
    ensure!(crl.issuer == second.issuer.as_raw(), "issuer");
    ensure!(crl.this_update() == second.this_update.to_datetime(), "thisUpdate");
    ensure!(crl.next_update() == second.next_update.map(|next| next.to_datetime()), "nextUpdate");
    same_extensions(IN_CRLS, crl.extensions(), second.extensions())?;

    ensure!(crl.entries().len() == second.revoked_certificates.len(), "the number of entries");
    for (first, second) in crl.entries().iter().zip(&second.revoked_certificates) {
        ensure!(first.serial_number.as_bytes() == second.raw_serial(), "the serial number in {}", entry_name(first));
        ensure!(instant(&first.revocation_date) == second.revocation_date.to_datetime(), "the date in {}", entry_name(first));
        same_extensions(IN_CRL_ENTRIES, entry_extensions(first), second.extensions())?;
    }
    Ok(())
}
