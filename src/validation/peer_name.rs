//! Whether a certificate is for the host, address or mailbox that one means to reach (RFC 9525, RFC 5280 §4.2.1.6).

use std::net::IpAddr;

use super::PathError;
use crate::x509::{Certificate, GeneralName};

/// Whom the caller means. Only subjectAltName is looked at: a common name is no identity (RFC 9525 §6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerName {
    Dns(String),
    Ip(IpAddr),
    Email(String),
}

impl PeerName {
    /// The certificate must be for it.
    pub(super) fn check(&self, certificate: &Certificate) -> Result<(), PathError> {
        let names = certificate.extensions().subject_alt_names.as_deref().unwrap_or_default();
        if names.iter().any(|name| self.matches(name)) { Ok(()) } else { Err(PathError::PeerName(self.to_string())) }
    }

    fn matches(&self, name: &GeneralName) -> bool {
        match (self, name) {
            (Self::Dns(wanted), GeneralName::Dns(presented)) => matches_host(presented, wanted),
            (Self::Ip(wanted), GeneralName::Ip(presented)) => GeneralName::ip(presented) == Some(*wanted),
            (Self::Email(wanted), GeneralName::Email(presented)) => matches_mailbox(presented, wanted),
            _ => false,
        }
    }
}

impl std::fmt::Display for PeerName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) | Self::Email(name) => formatter.write_str(name),
            Self::Ip(address) => address.fmt(formatter),
        }
    }
}

/// RFC 9525 §6.3: a wildcard is the whole leftmost label, stands for exactly one label, and has two labels or more behind it.
fn matches_host(presented: &str, wanted: &str) -> bool {
    let wanted = wanted.strip_suffix('.').unwrap_or(wanted);
    if !is_host(wanted) || wanted.parse::<IpAddr>().is_ok() {
        return false;
    }
    match presented.strip_prefix("*.") {
        Some(parent) => {
            let rest = wanted.split_once('.').map(|(_, rest)| rest);
            is_host(parent) && parent.contains('.') && rest.is_some_and(|rest| rest.eq_ignore_ascii_case(parent))
        }
        None => is_host(presented) && presented.eq_ignore_ascii_case(wanted),
    }
}

/// Letters, digits and hyphens in labels of 1 to 63 octets, 253 together (RFC 1034 §3.5, RFC 1123 §2.1).
pub(super) fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// The local part counts letter by letter, the host does not care for case (RFC 5280 §7.5).
fn matches_mailbox(presented: &str, wanted: &str) -> bool {
    match (split_mailbox(presented), split_mailbox(wanted)) {
        (Some((local, host)), Some((wanted_local, wanted_host))) => local == wanted_local && host.eq_ignore_ascii_case(wanted_host),
        _ => false,
    }
}

/// Local part and host of an address without display name, comment or quoting.
pub(super) fn split_mailbox(address: &str) -> Option<(&str, &str)> {
    let (local, host) = address.rsplit_once('@')?;
    let is_atom = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&octet);
    let good = !local.is_empty() && local.bytes().all(is_atom) && is_host(host);
    good.then_some((local, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_match_whole_and_wildcards_one_label() {
        let cases = [
            ("example.com", "EXAMPLE.com", true),
            ("example.com", "example.com.", true),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", false),
            ("*.com", "example.com", false),
            ("*", "localhost", false),
            ("a*.example.com", "ab.example.com", false),
            ("a.*.com", "a.b.com", false),
            ("*.example.com", "*.example.com", false),
            ("foo_bar.example.com", "foo_bar.example.com", false),
            ("-a.example.com", "-a.example.com", false),
            (".example.com", "a.example.com", false),
            ("192.0.2.1", "192.0.2.1", false),
            ("", "", false),
        ];
        for (presented, wanted, expected) in cases {
            assert_eq!(matches_host(presented, wanted), expected, "{presented} {wanted}");
        }
    }

    #[test]
    fn the_local_part_of_a_mailbox_is_compared_letter_by_letter() {
        let cases = [
            ("a@example.com", "a@EXAMPLE.com", true),
            ("A@example.com", "a@example.com", false),
            ("*@example.com", "a@example.com", false),
            ("*@example.com", "*@example.com", true),
            ("@example.com", "@example.com", false),
            ("a@b@example.com", "a@b@example.com", false),
        ];
        for (presented, wanted, expected) in cases {
            assert_eq!(matches_mailbox(presented, wanted), expected, "{presented} {wanted}");
        }
    }
}
