//! UTCTime to the end of 2049, GeneralizedTime from 2050.

use x509_cert::time::Time;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "validity-times-have-the-right-type",
    clause: "RFC 5280 §4.1.2.5, GB/T 20518 §5.2.3",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.not_before = general_time("20270101000000Z")),
            end_entity(family).with(|c| c.not_after = general_time("20290101000000Z")),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let validity = certificate.tbs.validity();
    for (time, field) in [(&validity.not_before, "notBefore"), (&validity.not_after, "notAfter")] {
        // A UTCTime cannot name a later year.
        ensure!(matches!(time, Time::UtcTime(_)) || time.to_date_time().year() >= 2050, "{field} is a GeneralizedTime before 2050");
    }
    Ok(())
}
