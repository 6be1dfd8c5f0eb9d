//! An end entity's certificate says where to ask for its status, and where its issuer's certificate is.

use const_oid::db::rfc5280::{ID_AD_CA_ISSUERS, ID_AD_OCSP, ID_PE_AUTHORITY_INFO_ACCESS};

use super::{Check, Lint, Outcome, Role, certificate::CertificateUnderLint};

pub static LINT: Lint = Lint {
    name: "authority-information-is-present",
    clause: "RFC 5280 §4.2.2.1, GM/T 0015 Tables C.3 and C.4",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.remove(ID_PE_AUTHORITY_INFO_ACCESS)),
            end_entity(family).with(|c| {
                c.set(ID_PE_AUTHORITY_INFO_ACCESS, sequence(&[&access(ID_AD_OCSP, &tlv(URI, b"http://ca.example.gov.cn/ocsp"))]));
            }),
            service(family).with(|c| {
                c.set(ID_PE_AUTHORITY_INFO_ACCESS, sequence(&[&access(ID_AD_CA_ISSUERS, &tlv(URI, b"http://ca.example.gov.cn/g1.cer"))]));
            }),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    if certificate.role() == Role::EndEntity {
        ensure!(certificate.extension(ID_PE_AUTHORITY_INFO_ACCESS).is_some(), "none");
    }
    if let Some(access) = certificate.authority_information.as_ref().filter(|_| certificate.role() == Role::EndEntity) {
        for (method, what) in [(ID_AD_OCSP, "ocsp"), (ID_AD_CA_ISSUERS, "caIssuers")] {
            ensure!(access.0.iter().any(|description| description.access_method == method), "no {what}");
        }
    }
    Ok(())
}
