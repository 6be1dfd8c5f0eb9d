//! Which names may stand below an authority (RFC 5280 §4.2.1.10, §6.1.3 (b) and (c)).

use const_oid::db::rfc3280;
use der::asn1::ObjectIdentifier;

use super::{
    PathError,
    peer_name::{is_host, split_mailbox},
};
use crate::x509::{Certificate, GeneralName, constraints::NameConstraints};

/// What the comparisons of one search have cost, in octets of the names that were looked at: authorities may list many subtrees
/// and certificates many names, and many paths may meet in them.
#[derive(Default)]
pub(super) struct NameWork(usize);

impl NameWork {
    const MOST: usize = 1 << 26;

    fn add(&mut self, names: &[GeneralName], constraints: &NameConstraints) -> Result<(), PathError> {
        let octets = |names: &mut dyn Iterator<Item = &GeneralName>| names.map(|name| 1 + size(name)).sum::<usize>();
        let bases = || constraints.permitted.iter().chain(&constraints.excluded);
        let work = octets(&mut names.iter()) * bases().count() + names.len() * octets(&mut bases());
        self.0 = self.0.saturating_add(work);
        if self.0 > Self::MOST { Err(PathError::TooMuchWork) } else { Ok(()) }
    }
}

fn size(name: &GeneralName) -> usize {
    match name {
        GeneralName::Email(text) | GeneralName::Dns(text) | GeneralName::Uri(text) => text.len(),
        GeneralName::Directory(name) => name.der().len(),
        GeneralName::Ip(octets) | GeneralName::Other(_, octets) => octets.len(),
        GeneralName::RegisteredId(oid) => oid.as_bytes().len(),
    }
}

const EMAIL_ADDRESS: ObjectIdentifier = rfc3280::EMAIL_ADDRESS;

/// The constraints of the authorities so far. Each must be kept, so what is permitted is what all of them permit.
pub(super) struct NameState<'a> {
    constraints: Vec<&'a NameConstraints>,
    work: &'a mut NameWork,
}

impl<'a> NameState<'a> {
    pub fn new(work: &'a mut NameWork) -> Self {
        Self { constraints: Vec::new(), work }
    }

    /// §6.1.4 (g).
    pub fn add(&mut self, constraints: &'a NameConstraints) {
        self.constraints.push(constraints);
    }

    /// The subject and every subjectAltName lie where all authorities above allow it.
    pub fn check(&mut self, certificate: &Certificate) -> Result<(), PathError> {
        if self.constraints.is_empty() {
            return Ok(());
        }
        let names = names_of(certificate);
        for constraints in &self.constraints {
            self.work.add(&names, constraints)?;
            if let Some(name) = names.iter().find(|name| !is_allowed(name, constraints)) {
                return Err(PathError::NameConstraints(certificate.subject_text(), describe(name)));
            }
        }
        Ok(())
    }
}

/// The subject unless it is empty, the alternative names, and the mail addresses that old certificates have in the subject alone.
fn names_of(certificate: &Certificate) -> Vec<GeneralName> {
    let alternative = certificate.extensions().subject_alt_names.as_ref();
    let mut names = alternative.cloned().unwrap_or_default();
    if !certificate.subject().is_empty() {
        names.push(GeneralName::Directory(certificate.subject().clone()));
    }
    if alternative.is_none() {
        let addresses = certificate.subject().attributes().into_iter().filter(|(oid, _)| *oid == EMAIL_ADDRESS);
        names.extend(addresses.map(|(_, address)| GeneralName::Email(address)));
    }
    names
}

/// A base of another form neither permits nor excludes; the first permitted base of its own form makes them all count.
fn is_allowed(name: &GeneralName, constraints: &NameConstraints) -> bool {
    let excluded = constraints.excluded.iter().any(|base| relation(name, base, Side::Excluded) == Relation::Inside);
    let mut same_form = constraints
        .permitted
        .iter()
        .map(|base| relation(name, base, Side::Permitted))
        .filter(|found| *found != Relation::OtherForm)
        .peekable();
    let permitted = same_form.peek().is_none() || same_form.any(|found| found == Relation::Inside);
    permitted && !excluded
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Permitted,
    Excluded,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    OtherForm,
    Inside,
    Outside,
}

/// Where a name lies. What cannot be told is held against it: outside of what is permitted, inside of what is excluded.
fn relation(name: &GeneralName, base: &GeneralName, side: Side) -> Relation {
    let inside = match (name, base) {
        (GeneralName::Directory(name), GeneralName::Directory(base)) => Some(name.is_within(base)),
        (GeneralName::Dns(name), GeneralName::Dns(base)) => dns(name, base, side),
        (GeneralName::Email(name), GeneralName::Email(base)) => email(name, base),
        (GeneralName::Uri(name), GeneralName::Uri(base)) => uri(name, base),
        (GeneralName::Ip(name), GeneralName::Ip(base)) => ip(name, base),
        // Not processed here, so a name of a form that is constrained is refused (§4.2.1.10).
        (GeneralName::RegisteredId(_), GeneralName::RegisteredId(_)) => None,
        (GeneralName::Other(name, _), GeneralName::Other(base, _)) if name == base => None,
        _ => return Relation::OtherForm,
    };
    match (inside, side) {
        (Some(true), _) | (None, Side::Excluded) => Relation::Inside,
        (Some(false), _) | (None, Side::Permitted) => Relation::Outside,
    }
}

/// The base or something below it. A wildcard lies inside when all that it stands for does; it is excluded when any of it is.
fn dns(name: &str, base: &str, side: Side) -> Option<bool> {
    if base.is_empty() {
        return Some(true);
    }
    let wildcard = name.strip_prefix("*.");
    let host = wildcard.unwrap_or(name);
    if !is_host(host) || !is_host(base) {
        return None;
    }
    let below = is_below(host, base);
    Some(match (wildcard, side) {
        (Some(parent), Side::Excluded) => below || one_label_below(base, parent),
        _ => below,
    })
}

fn is_below(host: &str, base: &str) -> bool {
    let Some(start) = host.len().checked_sub(base.len()) else { return false };
    host.is_char_boundary(start) && host[start..].eq_ignore_ascii_case(base) && (start == 0 || host.as_bytes()[start - 1] == b'.')
}

fn one_label_below(host: &str, parent: &str) -> bool {
    host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent))
}

/// A whole address, every address of a host, or with a leading period of the hosts below.
fn email(name: &str, base: &str) -> Option<bool> {
    let (local, host) = split_mailbox(name)?;
    if base.contains('@') {
        let (base_local, base_host) = split_mailbox(base)?;
        return Some(local == base_local && host.eq_ignore_ascii_case(base_host));
    }
    host_or_domain(host, base)
}

/// The same forms for the host of a URI; one without a host name cannot be judged (§4.2.1.10).
fn uri(name: &str, base: &str) -> Option<bool> {
    let (_, rest) = name.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = host.rsplit_once(':').map_or(host, |(host, _port)| host);
    // An address in place of a name does not satisfy the clause either; none ends in a label of letters.
    let is_name = is_host(host) && host.rsplit('.').next()?.bytes().any(|octet| octet.is_ascii_alphabetic());
    if is_name { host_or_domain(host, base) } else { None }
}

fn host_or_domain(host: &str, base: &str) -> Option<bool> {
    match base.strip_prefix('.') {
        Some(domain) if is_host(domain) => Some(host.len() > domain.len() && is_below(host, domain)),
        None if is_host(base) => Some(host.eq_ignore_ascii_case(base)),
        None if base.is_empty() => Some(true),
        _ => None,
    }
}

/// Address and mask of the same family; the mask must be a prefix (RFC 4632 §3.1).
fn ip(address: &[u8], base: &[u8]) -> Option<bool> {
    if !matches!(address.len(), 4 | 16) || !matches!(base.len(), 8 | 32) {
        return None;
    }
    let (network, mask) = base.split_at(base.len() / 2);
    let bits = mask.iter().fold(String::new(), |bits, octet| bits + &format!("{octet:08b}"));
    if bits.contains("01") {
        return None;
    }
    if address.len() != network.len() {
        return Some(false);
    }
    Some(address.iter().zip(network).zip(mask).all(|((octet, network), mask)| octet & mask == network & mask))
}

fn describe(name: &GeneralName) -> String {
    match name {
        GeneralName::Email(text) | GeneralName::Dns(text) | GeneralName::Uri(text) => text.clone(),
        GeneralName::Directory(name) => name.text(),
        GeneralName::Ip(octets) => GeneralName::ip(octets).map_or_else(|| hex::encode(octets), |address| address.to_string()),
        GeneralName::RegisteredId(oid) => oid.to_string(),
        GeneralName::Other(number, _) => format!("a name of the form [{number}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &GeneralName, permitted: &[GeneralName], excluded: &[GeneralName], expected: bool) {
        let constraints = NameConstraints { permitted: permitted.to_vec(), excluded: excluded.to_vec() };
        assert_eq!(is_allowed(name, &constraints), expected, "{name:?} by {constraints:?}");
    }

    fn dns(name: &str) -> GeneralName {
        GeneralName::Dns(name.to_owned())
    }

    #[test]
    fn host_names_lie_below_their_base_by_whole_labels() {
        for (name, base, permitted, excluded) in [
            ("example.com", "example.com", true, false),
            ("A.Example.com", "example.com", true, false),
            ("badexample.com", "example.com", false, true),
            ("example.com", "", true, false),
            ("*.example.com", "example.com", true, false),
            ("*.example.com", "a.example.com", false, false),
            ("*.example.com", "b.a.example.com", false, true),
            ("a.example.com", ".example.com", false, false),
            ("a_b.example.com", "example.com", false, false),
        ] {
            check(&dns(name), &[dns(base)], &[], permitted);
            check(&dns(name), &[], &[dns(base)], excluded);
        }
    }

    #[test]
    fn addresses_and_uris_are_judged_by_their_host() {
        let email = |text: &str| GeneralName::Email(text.to_owned());
        let uri = |text: &str| GeneralName::Uri(text.to_owned());
        for (name, base, permitted) in [
            (email("a@example.com"), email("example.com"), true),
            (email("a@b.example.com"), email("example.com"), false),
            (email("a@b.example.com"), email(".example.com"), true),
            (email("a@example.com"), email(".example.com"), false),
            (email("a@EXAMPLE.com"), email("a@example.com"), true),
            (email("A@example.com"), email("a@example.com"), false),
            (email("example.com"), email("example.com"), false),
            (uri("http://u@example.com:80/x"), uri("example.com"), true),
            (uri("ldap://a.example.com"), uri(".example.com"), true),
            (uri("urn:example"), uri("example.com"), false),
            (uri("http://192.0.2.1/"), uri(".1"), false),
        ] {
            check(&name, &[base], &[], permitted);
        }
    }

    #[test]
    fn ip_addresses_lie_in_a_network_of_their_family() {
        let ip = |octets: &[u8]| GeneralName::Ip(octets.to_vec());
        let network = ip(&[192, 0, 2, 0, 255, 255, 255, 0]);
        check(&ip(&[192, 0, 2, 9]), std::slice::from_ref(&network), &[], true);
        check(&ip(&[192, 0, 3, 9]), std::slice::from_ref(&network), &[], false);
        check(&ip(&[0; 16]), std::slice::from_ref(&network), &[], false);
        check(&ip(&[192, 0, 2, 9]), &[ip(&[192, 0, 2, 0, 255, 0, 255, 0])], &[], false);
        check(&ip(&[192, 0, 2, 9]), &[], &[ip(&[192, 0, 2, 0, 255, 0, 255, 0])], false);
        check(&dns("example.com"), &[network], &[], true);
    }

    #[test]
    fn a_form_that_is_not_processed_is_refused_where_it_is_constrained() {
        let name = GeneralName::Other(0, vec![1]);
        check(&name, &[GeneralName::Other(0, vec![1])], &[], false);
        check(&name, &[], &[GeneralName::Other(0, vec![2])], false);
        check(&name, &[GeneralName::Other(5, vec![1])], &[dns("example.com")], true);
    }
}
