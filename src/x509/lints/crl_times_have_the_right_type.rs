//! UTCTime to the end of 2049, GeneralizedTime from 2050, in the CRL and in its entries.

use x509_cert::time::Time;

use super::{Check, Lint, Outcome, crl::CrlUnderLint};

pub static LINT: Lint = Lint {
    name: "crl-times-have-the-right-type",
    clause: "RFC 5280 §5.1.2.4, §5.1.2.5, §5.1.2.6",
    check: Check::Crl(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            whole_crl(family).with(|c| c.this_update = general_time("20270101000000Z")),
            whole_crl(family).with(|c| c.next_update = general_time("20270108000000Z")),
            whole_crl(family).with(|c| c.entry().date = general_time("20261220000000Z")),
        ]
    },
};

fn check(crl: &CrlUnderLint) -> Outcome {
    let dates = crl.entries().iter().map(|entry| &entry.revocation_date);
    for time in std::iter::once(&crl.tbs.this_update).chain(&crl.tbs.next_update).chain(dates) {
        // A UTCTime cannot name a later year.
        ensure!(matches!(time, Time::UtcTime(_)) || time.to_date_time().year() >= 2050, "{time} is a GeneralizedTime");
    }
    Ok(())
}
