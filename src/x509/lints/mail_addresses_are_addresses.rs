//! An rfc822Name is local part, at sign and host name, without display name or brackets.

use x509_cert::ext::pkix::name::GeneralName;

use super::{Check, Lint, Outcome, certificate::CertificateUnderLint, dns_names_are_host_names::is_label};

pub static LINT: Lint = Lint {
    name: "mail-addresses-are-addresses",
    clause: "RFC 5280 §4.2.1.6, RFC 5321 §4.1.2",
    check: Check::Certificate(check),
    #[cfg(test)]
    bad: |family| {
        use super::fixture::*;
        vec![
            end_entity(family).with(|c| c.set_names(&[tlv(MAIL, b"zhang.wei")])),
            end_entity(family).with(|c| c.set_names(&[tlv(MAIL, b"Zhang Wei <zhang.wei@example.gov.cn>")])),
            end_entity(family).with(|c| c.set_names(&[tlv(MAIL, b"zhang@wei@example.gov.cn")])),
            end_entity(family).with(|c| c.set_names(&[tlv(MAIL, b"zhang..wei@example.gov.cn")])),
            end_entity(family).with(|c| c.set_names(&[tlv(MAIL, b"zhang.wei@")])),
        ]
    },
};

fn check(certificate: &CertificateUnderLint) -> Outcome {
    for name in certificate.alternative_names() {
        if let GeneralName::Rfc822Name(address) = name {
            ensure!(is_address(address.as_str()), "an rfc822Name that is not a mail address");
        }
    }
    Ok(())
}

fn is_address(address: &str) -> bool {
    let Some((local, host)) = address.rsplit_once('@') else { return false };
    let dot_atom = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&octet);
    let local_is_good = (1..=64).contains(&local.len()) && local.bytes().all(dot_atom) && local.split('.').all(|atom| !atom.is_empty());
    local_is_good && address.len() <= 254 && host.to_ascii_lowercase().split('.').all(is_label)
}
