//! From the data of a request to the names in a certificate: every value checked against the profile and the department.
//!
//! Refusals name the field and the rule and never repeat the value: they are logged, and a value may be about a person.

use std::{collections::BTreeMap, net::IpAddr};

use der::asn1::ObjectIdentifier;
use serde::Deserialize;

use crate::x509::identity_number::holds_resident_number;
pub use crate::x509::name::{ATTRIBUTES, Attribute};

use super::{
    identity::PersonId,
    national::NATIONAL,
    profile::{NameSource, Need, Profile, SERVER_AUTH, Source, SubjectField},
};

/// What a department may certify: its namespaces, in lower case but for the O values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DepartmentFacts {
    /// O values; the first is the usual one.
    pub organizations: Vec<String>,
    /// A name is the suffix itself or lies below it: `example.cn` allows `www.example.cn`, never `wwwexample.cn`.
    pub dns_suffixes: Vec<String>,
    /// A mail address lies in exactly one of these.
    pub mail_domains: Vec<String>,
    /// Addresses, each by itself: nobody delegates them by suffix. The system lists its own listener's.
    pub addresses: Vec<IpAddr>,
    /// The same of each department above it: nobody certifies a name that one above may not.
    pub above: Vec<DepartmentFacts>,
}

/// All that a subject may be made of. Which of it is used, the profile says.
#[derive(Debug, Clone, Copy)]
pub struct SubjectData<'a> {
    /// What the request says, by the short name of the attribute (`CN`).
    pub fields: &'a BTreeMap<String, String>,
    pub department: &'a DepartmentFacts,
    pub person: PersonId,
    pub csr_subject: &'a [(ObjectIdentifier, String)],
}

impl Profile {
    /// The subject as a list of attributes, one to an RDN, in the order of the profile.
    pub fn subject(&self, data: &SubjectData<'_>) -> Result<Vec<(ObjectIdentifier, String)>, FieldError> {
        self.refuse_fields_that_are_not_asked_for(data.fields)?;
        let mut subject = Vec::new();
        for field in &self.subject {
            let name = field.attribute.name;
            match field.value(data).map_err(|rule| FieldError::new(name, rule))? {
                Some(value) => {
                    self.refuse_hosts_of_others(field, &value, data.department)?;
                    subject.push((field.attribute.oid, value));
                }
                None if field.need == Need::Required => return Err(FieldError::new(name, FieldRule::Missing)),
                None => {}
            }
        }
        Ok(subject)
    }

    /// Whether this profile would certify a value that a request brings for an attribute, before there is a request.
    pub fn check_requested(&self, attribute: &str, value: &str) -> Result<(), FieldError> {
        let field = self.subject.iter().find(|field| field.attribute.name == attribute && field.source == Source::Request);
        let Some(field) = field else { return Ok(()) };
        check_text(field.attribute, field.max, value).map_err(|rule| FieldError::new(field.attribute.name, rule))
    }

    /// The alternative names: `requested` by the request or by the CSR, whichever the profile trusts for that kind.
    pub fn alternative_names(
        &self,
        requested: &[(NameKind, String)],
        csr: &[(NameKind, String)],
        department: &DepartmentFacts,
    ) -> Result<Vec<AlternativeName>, FieldError> {
        let asked = |kind: NameKind| self.alternative_names.iter().any(|field| field.kind == kind && field.source == NameSource::Request);
        if let Some((kind, _)) = requested.iter().find(|(kind, _)| !asked(*kind)) {
            return Err(FieldError::new(kind.as_str(), FieldRule::NotAskedFor));
        }
        let mut names = Vec::new();
        for field in &self.alternative_names {
            let fail = |rule| FieldError::new(field.kind.as_str(), rule);
            let offered = match field.source {
                NameSource::Request => requested,
                NameSource::Csr => csr,
            };
            let offered: Vec<&String> = offered.iter().filter(|(kind, _)| *kind == field.kind).map(|(_, text)| text).collect();
            if offered.is_empty() && field.need == Need::Required {
                return Err(fail(FieldRule::Missing));
            }
            if offered.len() > field.max {
                return Err(fail(FieldRule::TooMany { limit: field.max }));
            }
            for text in offered {
                let name = AlternativeName::parse(field.kind, text).map_err(fail)?;
                if !department.owns(&name) {
                    return Err(fail(FieldRule::NotTheDepartments));
                }
                if names.contains(&name) {
                    return Err(fail(FieldRule::Repeated));
                }
                names.push(name);
            }
        }
        let names_a_host = names.iter().any(|name| matches!(name, AlternativeName::Dns(_) | AlternativeName::Ip(_)));
        if self.extended_key_usage().contains(&SERVER_AUTH) && !names_a_host {
            return Err(FieldError::new(NameKind::Dns.as_str(), FieldRule::Missing));
        }
        Ok(names)
    }

    /// Data that the profile does not want is not dropped in silence: whoever sent it believes that it will be there.
    fn refuse_fields_that_are_not_asked_for(&self, fields: &BTreeMap<String, String>) -> Result<(), FieldError> {
        let asked = |name: &str| {
            let from_request = |field: &&SubjectField| matches!(field.source, Source::Request | Source::Department);
            self.subject.iter().filter(from_request).any(|field| field.attribute.name == name) || self.asks_for_number(name)
        };
        match fields.keys().find(|name| !asked(name)) {
            Some(name) => Err(FieldError::new(attribute_name(name), FieldRule::NotAskedFor)),
            None => Ok(()),
        }
    }

    /// Some clients still take a host from CN (deprecated by RFC 9525 §1.4), so a CN that reads as one is held to be one.
    fn refuse_hosts_of_others(&self, field: &SubjectField, value: &str, department: &DepartmentFacts) -> Result<(), FieldError> {
        if field.attribute.name != "CN" || !self.extended_key_usage().contains(&SERVER_AUTH) || matches!(field.source, Source::Fixed(_)) {
            return Ok(());
        }
        let value = value.to_lowercase();
        let host = value.trim_start_matches("*.").trim_end_matches('.');
        let name = match host.parse() {
            Ok(address) => AlternativeName::Ip(address),
            Err(_) if host.contains('.') && is_dns_name(host) => AlternativeName::Dns(host.to_owned()),
            Err(_) => return Ok(()),
        };
        if department.owns(&name) { Ok(()) } else { Err(FieldError::new("CN", FieldRule::NotTheDepartments)) }
    }
}

impl SubjectField {
    fn value(&self, data: &SubjectData<'_>) -> Result<Option<String>, FieldRule> {
        let requested = data.fields.get(self.attribute.name);
        let value = match &self.source {
            // Both were checked before: by the profile's parser, and by being hexadecimal.
            Source::Fixed(value) => return Ok(Some(value.clone())),
            Source::Person => return Ok(Some(data.person.to_string())),
            Source::Request => requested,
            Source::Csr => one_of(data.csr_subject, self.attribute.oid)?,
            Source::Department => match requested.or(data.department.organizations.first()) {
                Some(chosen) if !data.department.owns_organization(chosen) => return Err(FieldRule::NotTheDepartments),
                chosen => chosen,
            },
        };
        value.map(|value| check_text(self.attribute, self.max, value).map(|()| value.clone())).transpose()
    }
}

fn one_of(csr_subject: &[(ObjectIdentifier, String)], oid: ObjectIdentifier) -> Result<Option<&String>, FieldRule> {
    let mut values = csr_subject.iter().filter(|(found, _)| *found == oid).map(|(_, value)| value);
    let first = values.next();
    if values.next().is_some() { Err(FieldRule::Repeated) } else { Ok(first) }
}

impl DepartmentFacts {
    fn owns_organization(&self, value: &String) -> bool {
        self.organizations.contains(value) && self.above.iter().all(|above| above.organizations.contains(value))
    }

    fn owns(&self, name: &AlternativeName) -> bool {
        let own = match name {
            AlternativeName::Dns(name) => self.dns_suffixes.iter().any(|suffix| lies_in(name, suffix)),
            AlternativeName::Mail(address) => self.mail_domains.iter().any(|own| Some(own.as_str()) == domain(address)),
            AlternativeName::Ip(address) => self.addresses.contains(address),
        };
        own && self.above.iter().all(|above| above.covers(name))
    }

    /// Whether departments below may have the name.
    fn covers(&self, name: &AlternativeName) -> bool {
        match name {
            AlternativeName::Dns(name) => self.dns_suffixes.iter().any(|suffix| lies_in(name, suffix)),
            AlternativeName::Mail(address) => {
                domain(address).is_some_and(|domain| self.mail_domains.iter().any(|own| lies_in(domain, own)))
            }
            AlternativeName::Ip(address) => self.addresses.contains(address),
        }
    }
}

fn domain(address: &str) -> Option<&str> {
    address.rsplit_once('@').map(|(_, domain)| domain)
}

/// Whether a domain is this one or below it.
pub(super) fn lies_in(name: &str, suffix: &str) -> bool {
    name == suffix || name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.') && !suffix.is_empty())
}

/// What kind of alternative name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NameKind {
    Dns,
    Mail,
    Ip,
}

impl NameKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Mail => "mail",
            Self::Ip => "ip",
        }
    }
}

impl std::fmt::Display for NameKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A name for the subjectAltName extension (RFC 5280 §4.2.1.6). Host names and domains are in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlternativeName {
    Dns(String),
    Mail(String),
    Ip(IpAddr),
}

impl AlternativeName {
    /// Lowers the case of host names. Refuses wildcards, IDNs that are not in A-label form, and names ending in a dot.
    pub fn parse(kind: NameKind, text: &str) -> Result<Self, FieldRule> {
        if holds_resident_number(text) {
            return Err(FieldRule::IdentityNumber);
        }
        let name = match kind {
            NameKind::Dns => Some(text.to_ascii_lowercase()).filter(|name| is_dns_name(name)).map(Self::Dns),
            NameKind::Mail => parse_mail(text).map(Self::Mail),
            NameKind::Ip => text.parse().ok().map(Self::Ip),
        };
        name.ok_or(FieldRule::Syntax)
    }
}

/// The preferred syntax (RFC 1034 §3.5, RFC 1123 §2.1), in lower case, and nothing that could be read as an address.
fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_a_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(label) && !last_is_a_number
}

/// A Mailbox whose local part is a Dot-string (RFC 5321 §4.1.2); quoted ones serve nobody but attackers.
fn parse_mail(text: &str) -> Option<String> {
    let (local, domain) = text.split_once('@')?;
    let atom =
        |atom: &str| !atom.is_empty() && atom.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet));
    let domain = domain.to_ascii_lowercase();
    (local.len() <= 64 && local.split('.').all(atom) && is_dns_name(&domain)).then(|| format!("{local}@{domain}"))
}

/// The name itself when it is an attribute's or an extension's, so that an answer never repeats what else stood there.
fn attribute_name(text: &str) -> &'static str {
    let mut known = ATTRIBUTES.iter().map(|attribute| attribute.name).chain(NATIONAL.iter().map(|extension| extension.name));
    known.find(|name| *name == text).unwrap_or("an unknown field")
}

/// Which field was refused by which rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct FieldError {
    /// The short name of an attribute, the kind of an alternative name, or the name of a national extension.
    pub field: &'static str,
    pub rule: FieldRule,
}

impl FieldError {
    pub(super) const fn new(field: &'static str, rule: FieldRule) -> Self {
        Self { field, rule }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldRule {
    #[error("is required")]
    Missing,
    #[error("is not taken from the request for this profile")]
    NotAskedFor,
    #[error("has a value and no space around it")]
    Blank,
    #[error("has at most {limit} characters")]
    TooLong { limit: usize },
    #[error("has at most {limit} values")]
    TooMany { limit: usize },
    #[error("has this value twice")]
    Repeated,
    #[error("has no control characters, and none that are invisible")]
    ControlCharacter,
    #[error("is not in the syntax of its kind")]
    Syntax,
    #[error("is a country of two capital letters")]
    Country,
    #[error("has letters, digits and ' ()+,-./:=? only")]
    NotPrintable,
    #[error("never holds an identity number")]
    IdentityNumber,
    #[error("is outside the department's names")]
    NotTheDepartments,
}

impl FieldRule {
    /// The rule as a stable word, for lists that programs read.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotAskedFor => "not-asked-for",
            Self::Blank => "blank",
            Self::TooLong { .. } => "too-long",
            Self::TooMany { .. } => "too-many",
            Self::Repeated => "repeated",
            Self::ControlCharacter => "control-character",
            Self::Syntax => "syntax",
            Self::Country => "country",
            Self::NotPrintable => "not-printable",
            Self::IdentityNumber => "identity-number",
            Self::NotTheDepartments => "not-the-departments",
        }
    }
}

/// What every value in a subject must be.
pub(super) fn check_text(attribute: &Attribute, max: usize, value: &str) -> Result<(), FieldRule> {
    if value.is_empty() || value.trim() != value {
        return Err(FieldRule::Blank);
    }
    if attribute.name == "C" && !(value.len() == 2 && value.bytes().all(|octet| octet.is_ascii_uppercase())) {
        return Err(FieldRule::Country);
    }
    if value.chars().count() > max {
        return Err(FieldRule::TooLong { limit: max });
    }
    if value.chars().any(|letter| letter.is_control() || is_invisible(letter)) {
        return Err(FieldRule::ControlCharacter);
    }
    // X520SerialNumber is a PrintableString (RFC 5280 appendix A.1).
    if attribute.name == "serialNumber" && !value.chars().all(is_printable) {
        return Err(FieldRule::NotPrintable);
    }
    if holds_resident_number(value) { Err(FieldRule::IdentityNumber) } else { Ok(()) }
}

/// Zero-width characters, marks that turn the direction of writing, and line separators: two names that look alike differ by them.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// X.680 §41.4.
fn is_printable(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || " '()+,-./:=?".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::set::{
        PolicySet,
        tests::{shipped, shipped_with},
    };

    const PERSON: PersonId = PersonId::from_bytes([7; 16]);

    fn department() -> DepartmentFacts {
        DepartmentFacts {
            organizations: vec!["市监局".to_owned(), "市知识产权局".to_owned()],
            dns_suffixes: vec!["scjg.example.cn".to_owned()],
            mail_domains: vec!["scjg.example.cn".to_owned()],
            addresses: vec!["192.0.2.7".parse().unwrap()],
            above: Vec::new(),
        }
    }

    fn fields(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn subject_of(set: &PolicySet, profile: &str, request: &[(&str, &str)]) -> Result<Vec<String>, FieldError> {
        let csr_subject = [(ATTRIBUTES[5].oid, "a name in the CSR".to_owned()), (ATTRIBUTES[1].oid, "北京".to_owned())];
        let data = SubjectData { fields: &fields(request), department: &department(), person: PERSON, csr_subject: &csr_subject };
        let subject = set.profile(&profile.parse().unwrap()).unwrap().subject(&data)?;
        let name = |oid| ATTRIBUTES.iter().find(|attribute| attribute.oid == oid).unwrap().name;
        Ok(subject.into_iter().map(|(oid, value)| format!("{}={value}", name(oid))).collect())
    }

    #[test]
    fn a_subject_comes_from_profile_department_request_and_person_in_the_order_of_the_profile() {
        let set = shipped();
        let staff = subject_of(&set, "staff", &[("OU", "登记处"), ("CN", "王小明")]).unwrap();
        assert_eq!(staff, ["C=CN", "O=市监局", "OU=登记处", "CN=王小明", &format!("serialNumber={PERSON}")]);
        let chosen = subject_of(&set, "staff", &[("O", "市知识产权局"), ("CN", "王小明")]).unwrap();
        assert_eq!(chosen[1], "O=市知识产权局");
        let citizen = subject_of(&set, "citizen", &[("CN", "李雷")]).unwrap();
        assert_eq!(citizen, ["C=CN", "CN=李雷", &format!("serialNumber={PERSON}")]);
    }

    #[test]
    fn a_field_that_breaks_a_rule_is_refused_by_name() {
        let set = shipped();
        let long = "长".repeat(65);
        for (case, request, field, rule) in [
            ("no CN", vec![], "CN", FieldRule::Missing),
            ("empty", vec![("CN", "")], "CN", FieldRule::Blank),
            ("space around", vec![("CN", " 王")], "CN", FieldRule::Blank),
            ("too long", vec![("CN", long.as_str())], "CN", FieldRule::TooLong { limit: 64 }),
            ("NUL", vec![("CN", "a\0b")], "CN", FieldRule::ControlCharacter),
            ("right to left", vec![("CN", "a\u{202e}b")], "CN", FieldRule::ControlCharacter),
            ("zero width", vec![("CN", "a\u{200b}b")], "CN", FieldRule::ControlCharacter),
            ("identity number", vec![("CN", "王小明 11010519491231002X")], "CN", FieldRule::IdentityNumber),
            ("O of another", vec![("CN", "王"), ("O", "公安局")], "O", FieldRule::NotTheDepartments),
            ("fixed field", vec![("CN", "王"), ("C", "US")], "C", FieldRule::NotAskedFor),
            ("person's field", vec![("CN", "王"), ("serialNumber", "1")], "serialNumber", FieldRule::NotAskedFor),
            ("no such field", vec![("CN", "王"), ("110105", "1")], "an unknown field", FieldRule::NotAskedFor),
        ] {
            assert_eq!(subject_of(&set, "staff", &request), Err(FieldError { field, rule }), "{case}");
        }
        subject_of(&set, "staff", &[("CN", &"长".repeat(64))]).unwrap();
    }

    #[test]
    fn a_csr_gives_a_field_only_where_the_profile_says_so() {
        let text = std::fs::read_to_string("policies/profiles/staff.toml").unwrap();
        let from_csr = text.replace("attribute = \"CN\"\nfrom = \"request\"", "attribute = \"CN\"\nfrom = \"csr\"");
        assert_ne!(text, from_csr);
        let set = shipped_with("profiles/staff.toml", &from_csr).unwrap();
        let subject = subject_of(&set, "staff", &[]).unwrap();
        assert!(subject.contains(&"CN=a name in the CSR".to_owned()) && !subject.iter().any(|value| value.starts_with("ST")));
        let shipped = subject_of(&shipped(), "staff", &[("CN", "王小明")]).unwrap();
        assert!(shipped.contains(&"CN=王小明".to_owned()));
    }

    fn names_of(profile: &str, requested: &[(NameKind, &str)]) -> Result<Vec<AlternativeName>, FieldError> {
        let own = |names: &[(NameKind, &str)]| names.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect::<Vec<_>>();
        let csr = own(&[(NameKind::Dns, "csr.scjg.example.cn")]);
        shipped().profile(&profile.parse().unwrap()).unwrap().alternative_names(&own(requested), &csr, &department())
    }

    #[test]
    fn names_within_the_departments_namespaces_are_taken() {
        let names = names_of("service", &[(NameKind::Ip, "192.0.2.7"), (NameKind::Dns, "API.scjg.example.cn")]).unwrap();
        assert_eq!(names, [AlternativeName::Dns("api.scjg.example.cn".to_owned()), AlternativeName::Ip("192.0.2.7".parse().unwrap())]);
        let names = names_of("staff", &[(NameKind::Mail, "Wang.Xiaoming@SCJG.example.cn")]).unwrap();
        assert_eq!(names, [AlternativeName::Mail("Wang.Xiaoming@scjg.example.cn".to_owned())]);
        assert_eq!(names_of("staff", &[]).unwrap(), []);
        names_of("service", &[(NameKind::Dns, "scjg.example.cn")]).unwrap();
    }

    #[test]
    fn a_name_is_refused_that_a_department_above_may_not_certify() {
        let own = DepartmentFacts { addresses: Vec::new(), ..department() };
        let above = DepartmentFacts {
            organizations: vec!["市监局".to_owned()],
            dns_suffixes: vec!["api.scjg.example.cn".to_owned()],
            mail_domains: vec!["example.cn".to_owned()],
            ..DepartmentFacts::default()
        };
        let below = DepartmentFacts { above: vec![above], ..own.clone() };
        let dns = |name: &str| AlternativeName::Dns(name.to_owned());
        let mail = AlternativeName::Mail("wang@scjg.example.cn".to_owned());
        for (name, owns) in [(dns("a.api.scjg.example.cn"), true), (dns("www.scjg.example.cn"), false), (mail, true)] {
            assert!(own.owns(&name));
            assert_eq!(below.owns(&name), owns, "{name:?}");
        }
        assert!(below.owns_organization(&"市监局".to_owned()));
        assert!(own.owns_organization(&"市知识产权局".to_owned()) && !below.owns_organization(&"市知识产权局".to_owned()));
    }

    #[test]
    fn a_name_that_is_malformed_or_belongs_to_others_is_refused_by_kind() {
        use FieldRule::{IdentityNumber, Missing, NotAskedFor, NotTheDepartments, Repeated, Syntax, TooMany};
        use NameKind::{Dns, Ip, Mail};
        let label = format!("{}.scjg.example.cn", "a".repeat(64));
        type Case<'a> = (&'a str, &'a [(NameKind, &'a str)], NameKind, FieldRule);
        let cases: [Case<'_>; 20] = [
            ("service", &[], Dns, Missing),
            ("service", &[(Dns, "www.example.com")], Dns, NotTheDepartments),
            ("service", &[(Dns, "evilscjg.example.cn")], Dns, NotTheDepartments),
            ("service", &[(Dns, "example.cn")], Dns, NotTheDepartments),
            ("service", &[(Dns, "*.scjg.example.cn")], Dns, Syntax),
            ("service", &[(Dns, "www.scjg.example.cn.")], Dns, Syntax),
            ("service", &[(Dns, ".scjg.example.cn")], Dns, Syntax),
            ("service", &[(Dns, "-a.scjg.example.cn")], Dns, Syntax),
            ("service", &[(Dns, "192.0.2.7")], Dns, Syntax),
            ("service", &[(Dns, "市监.scjg.example.cn")], Dns, Syntax),
            ("service", &[(Dns, &label)], Dns, Syntax),
            ("service", &[(Dns, "a.scjg.example.cn"), (Dns, "A.scjg.example.cn")], Dns, Repeated),
            ("service", &[(Ip, "192.0.2.8")], Ip, NotTheDepartments),
            ("service", &[(Ip, "192.0.2")], Ip, Syntax),
            ("staff", &[(Dns, "a.scjg.example.cn")], Dns, NotAskedFor),
            ("staff", &[(Mail, "wang@example.cn")], Mail, NotTheDepartments),
            ("staff", &[(Mail, "wang@mail.scjg.example.cn")], Mail, NotTheDepartments),
            ("staff", &[(Mail, "wang..x@scjg.example.cn")], Mail, Syntax),
            ("staff", &[(Mail, "11010519491231002X@scjg.example.cn")], Mail, IdentityNumber),
            ("staff", &[(Mail, "a@scjg.example.cn"), (Mail, "b@scjg.example.cn"), (Mail, "c@scjg.example.cn")], Mail, TooMany { limit: 2 }),
        ];
        for (profile, requested, kind, rule) in cases {
            assert_eq!(names_of(profile, requested), Err(FieldError { field: kind.as_str(), rule }), "{requested:?}");
        }
    }

    #[test]
    fn a_server_is_not_called_by_the_host_of_another_in_its_common_name() {
        let set = shipped();
        for own in ["网关", "gateway", "api.scjg.example.cn", "*.scjg.example.cn", "192.0.2.7"] {
            subject_of(&set, "service", &[("CN", own)]).unwrap();
        }
        for other in ["bank.example.com", "*.example.com", "BANK.example.com.", "192.0.2.8"] {
            let refused = Err(FieldError { field: "CN", rule: FieldRule::NotTheDepartments });
            assert_eq!(subject_of(&set, "service", &[("CN", other)]), refused, "{other}");
        }
    }
}
