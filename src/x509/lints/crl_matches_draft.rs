//! The bytes say what the draft says: nobody is missing from the list, and nobody is on it by mistake.

use std::collections::HashMap;

use super::{
    Check, Lint, Outcome,
    certificate::instant,
    crl::{CrlUnderLint, entry_extension, entry_name, invalidity_date},
};

pub static LINT: Lint = Lint {
    name: "crl-matches-draft",
    clause: "RFC 5280 §5.1.2",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).drafted().with(|c| c.set(ID_CE_CRL_NUMBER, integer(&[9]))),
            whole_crl(family).drafted().with(|c| c.this_update = utc_time("261231235959Z")),
            whole_crl(family).drafted().with(|c| c.next_update = utc_time("270109000000Z")),
            whole_crl(family).drafted().with(|c| c.entries.as_mut().unwrap().truncate(1)),
            whole_crl(family).drafted().with(|c| c.entries = None),
            whole_crl(family).drafted().with(|c| c.entry().serial = integer(&[0x43; 20])),
            whole_crl(family).drafted().with(|c| c.entry().date = utc_time("261221000000Z")),
            whole_crl(family).drafted().with(|c| c.entry().extensions[0] = reason(4)),
            whole_crl(family).drafted().with(|c| c.entry().extensions.truncate(1)),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    let expected = &crl.context.expected;
    if let Some(number) = &crl.number {
        let octets = expected.number.to_be_bytes();
        let significant = &octets[octets.iter().take_while(|octet| **octet == 0).count()..];
        // Numbers of more octets than we count with are another rule's finding.
        let same = number.0.as_bytes() == significant || number.0.as_bytes() == [0] && significant.is_empty();
        ensure!(same || number.0.as_bytes().len() > octets.len(), "another number than {}", expected.number);
    }
    // DER carries whole seconds.
    ensure!(crl.this_update().unix_timestamp() == expected.this_update.unix_timestamp(), "another thisUpdate: {}", crl.this_update());
    let next = crl.next_update().unwrap_or(expected.next_update);
    ensure!(next.unix_timestamp() == expected.next_update.unix_timestamp(), "another nextUpdate: {next}");
    same_entries(crl)
}

fn same_entries(crl: &CrlUnderLint) -> Outcome {
    let expected = crl.context.expected.entries;
    ensure!(crl.entries().len() == expected.len(), "{} entries instead of {}", crl.entries().len(), expected.len());
    let by_serial: HashMap<_, _> = expected.iter().map(|entry| (entry.serial, entry)).collect();
    for entry in crl.entries() {
        let name = || entry_name(entry);
        let expected = by_serial.get(entry.serial_number.as_bytes()).ok_or_else(|| format!("{} is not in the draft", name()))?;
        let revoked_at = instant(&entry.revocation_date);
        ensure!(revoked_at.unix_timestamp() == expected.revoked_at.unix_timestamp(), "{} has another date", name());
        ensure!(entry_extension(entry) == expected.reason, "{} has another reason", name());
        let since = invalidity_date(entry).map(|since| since.unix_timestamp());
        ensure!(since == expected.invalidity_date.map(|since| since.unix_timestamp()), "{} has another invalidityDate", name());
    }
    Ok(())
}
