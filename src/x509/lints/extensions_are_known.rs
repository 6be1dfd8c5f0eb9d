//! Only extensions that we know: not those of Netscape, and not the one for numbers of people's documents.

use super::{
    Check, Lint, Outcome,
    certificate::CertificateUnderLint,
    extensions::{IN_CERTIFICATES, find},
};

pub static LINT: Lint = Lint {
    name: "extensions-are-known",
    clause: "CABF BR §7.1.2.11.5, PIPL art. 6",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| {
                let netscape_certificate_type = ObjectIdentifier::new_unwrap("2.16.840.1.113730.1.1");
                c.extensions.push(Extension::new(netscape_certificate_type, NOT_CRITICAL, [3, 2, 5, 0xa0]));
            }),
            end_entity(family).with(|c| {
                let identify_code = ObjectIdentifier::new_unwrap("1.2.156.10260.4.1.1");
                c.extensions.push(Extension::new(identify_code, NOT_CRITICAL, tlv(0xa2, &tlv(PRINTABLE, b"E12345678"))));
            }),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for extension in certificate.extensions().iter().filter(|extension| !extension.critical) {
        ensure!(find(IN_CERTIFICATES, extension.extn_id).is_some(), "{}", extension.extn_id);
    }
    Ok(())
}
