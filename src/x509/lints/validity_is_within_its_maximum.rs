//! A ceiling over what any profile may ask for. For authorities it is higher than that of the CA/Browser Forum, whose roots live
//! 25 years at most: theirs are replaced by an update of a browser, those of a state are in hardware.

use const_oid::db::rfc5280::ID_KP_SERVER_AUTH;
use time::Duration;

use super::{Check, Lint, Outcome, Role, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "validity-is-within-its-maximum",
    clause: "CABF BR §6.3.2, §7.1.2.1.1; RFC 6960 §4.2.2.2.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            root(family).with(|c| c.not_after = general_time("20580101000000Z")),
            authority(family).with(|c| {
                c.not_before = utc_time("270101000000Z");
                c.not_after = utc_time("480101000000Z");
                c.issuer_not_after = time::macros::datetime!(2050-01-01 00:00 UTC);
            }),
            end_entity(family).with(|c| c.not_after = utc_time("380101000000Z")),
            responder(family).with(|c| c.not_after = utc_time("280301000000Z")),
            service(family).with(|c| c.not_after = utc_time("280301000000Z")),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let days = match certificate.role() {
        Role::Root => 30 * YEAR,
        Role::Authority => 20 * YEAR,
        // Nobody can revoke a responder that says "no check", so it lives shortly.
        Role::OcspResponder => 398,
        Role::EndEntity if certificate.purposes().contains(&ID_KP_SERVER_AUTH) => 398,
        Role::EndEntity => 10 * YEAR,
    };
    let found = certificate.not_after() - certificate.not_before();
    ensure!(found <= Duration::days(days), "{} days, at most {days} are allowed", found.whole_days());
    Ok(())
}

/// Leap days included.
const YEAR: i64 = 366;
