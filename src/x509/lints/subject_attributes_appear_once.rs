//! One attribute in each RDN, and each kind once, except the two that are hierarchies: a name is read in one way only.

use const_oid::db::rfc4519::{DC, ORGANIZATIONAL_UNIT_NAME};

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "subject-attributes-appear-once",
    clause: "CABF BR §7.1.4.1",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| {
                c.subject = subject(&[attribute(COMMON_NAME, UTF8, b"Li"), attribute(COMMON_NAME, UTF8, b"Wang")]);
            }),
            end_entity(family).with(|c| {
                let (unit, name) = (attribute(ORGANIZATIONAL_UNIT, UTF8, b"IT"), attribute(COMMON_NAME, UTF8, b"Li"));
                // The smaller encoding comes first in a DER SET.
                c.subject = subject(&[tlv(0x31, &[&name[2..], &unit[2..]].concat())]);
            }),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let subject = certificate.subject_name();
    ensure!(subject.iter_rdn().all(|rdn| rdn.len() <= 1), "an RDN with several attributes");
    for (index, attribute) in subject.iter().enumerate() {
        let hierarchy = [DC, ORGANIZATIONAL_UNIT_NAME].contains(&attribute.oid);
        ensure!(hierarchy || subject.iter().take(index).all(|earlier| earlier.oid != attribute.oid), "{} twice", attribute.oid);
    }
    Ok(())
}
