//! An iPAddress is four or sixteen octets; eight or thirty-two would be an address with a mask, which is for constraints.

use x509_cert::ext::pkix::name::GeneralName;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "ip-addresses-have-their-length",
    clause: "RFC 5280 §4.2.1.6",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            service(family).with(|c| c.set_names(&[tlv(IP, &[192, 0, 2, 0, 255, 255, 255, 0])])),
            service(family).with(|c| c.set_names(&[tlv(IP, b"192.0.2.1")])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for name in certificate.alternative_names() {
        if let GeneralName::IpAddress(address) = name {
            ensure!([4, 16].contains(&address.as_bytes().len()), "{} octets", address.as_bytes().len());
        }
    }
    Ok(())
}
