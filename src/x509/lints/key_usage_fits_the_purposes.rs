//! For every purpose that the certificate states, the key usage has a bit that the purpose can use.

use const_oid::db::rfc5280::{
    ID_KP_CLIENT_AUTH, ID_KP_CODE_SIGNING, ID_KP_EMAIL_PROTECTION, ID_KP_OCSP_SIGNING, ID_KP_SERVER_AUTH, ID_KP_TIME_STAMPING,
};
use x509_cert::ext::pkix::KeyUsages::{DigitalSignature, KeyAgreement, KeyEncipherment, NonRepudiation};

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "key-usage-fits-the-purposes",
    clause: "RFC 5280 §4.2.1.12",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.set(ID_CE_KEY_USAGE, [3, 2, 6, 0x40])),
            responder(family).with(|c| c.set(ID_CE_KEY_USAGE, [3, 2, 3, 8])),
            encryption(family).with(|c| {
                c.extensions.push(Extension::new(ID_CE_EXT_KEY_USAGE, NOT_CRITICAL, purposes(&[ID_KP_CODE_SIGNING])));
            }),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    let Some(usage) = certificate.key_usage.filter(|usage| !certificate.role().is_authority() && !usage.0.is_empty()) else {
        return Ok(());
    };
    for purpose in certificate.purposes() {
        let consistent = match *purpose {
            ID_KP_SERVER_AUTH => DigitalSignature | KeyEncipherment | KeyAgreement,
            ID_KP_CLIENT_AUTH => DigitalSignature | KeyAgreement,
            ID_KP_CODE_SIGNING => DigitalSignature.into(),
            ID_KP_EMAIL_PROTECTION => DigitalSignature | NonRepudiation | KeyEncipherment | KeyAgreement,
            ID_KP_TIME_STAMPING | ID_KP_OCSP_SIGNING => DigitalSignature | NonRepudiation,
            _ => continue,
        };
        ensure!(!usage.0.is_disjoint(consistent), "{purpose} with {:?}", usage.0);
    }
    Ok(())
}
