//! Whatever is asked for, a certificate holds nothing but what its profile allows from the source that it names, and no name
//! outside the department's. Judged by a reader of its own: the profile's TOML, and x509-parser on the bytes.

use std::collections::BTreeMap;

use der::{Decode, asn1::ObjectIdentifier};
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed, TestRunner},
};
use rcgen::{CertificateParams, DnType, SanType};
use time::macros::datetime;
use toml::{Table, Value};
use x509_parser::{
    extensions::{GeneralName, ParsedExtension},
    prelude::{FromDer, TbsCertificate},
};

use super::*;
use crate::{
    crypto::{Algorithm, algorithms},
    policy::PolicySet,
    services::start::read_or_shipped_policies,
    world::SystemEntropy,
    x509::{Draft, SerialNumber, name::ATTRIBUTES},
};

/// Requests in each run, half of them for what a careful clerk would ask.
const REQUESTS: u32 = 4000;
const MANY_REQUESTS: u32 = 100_000;

#[test]
fn nothing_is_in_a_certificate_that_its_profile_does_not_allow_from_that_source() {
    try_requests(REQUESTS);
}

#[test]
#[ignore = "takes minutes"]
fn nothing_is_in_a_hundred_thousand_certificates_that_their_profiles_do_not_allow() {
    try_requests(MANY_REQUESTS);
}

#[test]
fn a_csr_names_hosts_only_where_the_profile_says_so() {
    let set = policies();
    let csr_subject = vec![("CN", "网关".to_owned())];
    let request = Request { csr_subject, csr_names: vec![("dns", "api.scjg.example.cn".to_owned())], ..clerk("service-csr") };
    let (_, extensions) = request.contents(&set).unwrap();
    assert!(extensions.iter().any(|extension| extension.extn_id == ID_CE_SUBJECT_ALT_NAME));
    assert!(Request { profile: "service".to_owned(), ..request }.contents(&set).is_err());
}

#[test]
fn a_number_of_a_register_is_in_a_seal_and_refused_elsewhere() {
    let set = policies();
    let number =
        |value: &str| BTreeMap::from([("CN".to_owned(), "合同专用章".to_owned()), ("organizationCode".to_owned(), value.to_owned())]);
    let seal = Request { fields: number("91350100M000100Y43"), names: Vec::new(), ..clerk("department-seal") };
    let (_, extensions) = seal.contents(&set).unwrap();
    let held = extensions.iter().find(|extension| extension.extn_id == ObjectIdentifier::new_unwrap("1.2.156.10260.4.1.4")).unwrap();
    assert_eq!((held.critical, held.extn_value.as_bytes()), (false, &[b"\x13\x12", &b"91350100M000100Y43"[..]].concat()[..]));
    for (wrong, rule) in [("", "has a value"), ("一", "syntax"), ("11010519491231002X", "identity number"), (&"1".repeat(33), "at most 32")]
    {
        let error = Request { fields: number(wrong), ..seal.clone() }.contents(&set).unwrap_err().to_string();
        assert!(error.contains("organizationCode") && error.contains(rule), "{error}");
    }
    let staff = Request { profile: "staff".to_owned(), ..seal };
    assert!(staff.contents(&set).unwrap_err().to_string().contains("not taken from the request"));
}

fn try_requests(cases: u32) {
    let set = policies();
    // The same requests each time: a failure is found again.
    let config = Config { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let issued = std::cell::Cell::new(0);
    let names: Vec<String> = set.profiles().map(|profile| profile.name().to_string()).collect();
    runner
        .run(&any_request(names), |request| {
            if let Ok((subject, extensions)) = request.contents(&set) {
                issued.set(issued.get() + 1);
                check(&set, &request, &to_be_signed(&subject, extensions)).map_err(TestCaseError::fail)?;
            }
            Ok(())
        })
        .unwrap();
    // Else nothing was shown.
    assert!(issued.get() > cases / 5, "{} of {cases} were issued", issued.get());
}

/// What somebody asks for.
#[derive(Debug, Clone)]
struct Request {
    profile: String,
    fields: BTreeMap<String, String>,
    names: Vec<(&'static str, String)>,
    csr_subject: Vec<(&'static str, String)>,
    csr_names: Vec<(&'static str, String)>,
}

impl Request {
    fn contents(&self, set: &PolicySet) -> Result<(Name, Vec<Extension>), Error> {
        let csr = CertificationRequest::parse(&self.csr()).unwrap();
        let mut alternative_names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (kind, name) in &self.names {
            alternative_names.entry((*kind).to_owned()).or_default().push(name.clone());
        }
        let sources = Sources {
            profile: set.profile(&self.profile.parse().unwrap()).unwrap(),
            fields: &self.fields,
            alternative_names: &alternative_names,
            department: &department(),
            person: PERSON,
            csr: Some(&csr),
        };
        sources.contents()
    }

    /// A real request that another program made.
    fn csr(&self) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (name, value) in &self.csr_subject {
            params.distinguished_name.push(rdn(name), value.as_str());
        }
        params.subject_alt_names = self.csr_names.iter().map(|(kind, name)| san(kind, name)).collect();
        KEY.with(|key| params.serialize_request(key).unwrap().der().to_vec())
    }
}

thread_local! {
    static KEY: rcgen::KeyPair = rcgen::KeyPair::generate().unwrap();
}

fn rdn(name: &str) -> DnType {
    match name {
        "C" => DnType::CountryName,
        "O" => DnType::OrganizationName,
        "OU" => DnType::OrganizationalUnitName,
        "CN" => DnType::CommonName,
        "ST" => DnType::StateOrProvinceName,
        other => panic!("{other}"),
    }
}

fn san(kind: &str, name: &str) -> SanType {
    match kind {
        "dns" => SanType::DnsName(name.try_into().unwrap()),
        "mail" => SanType::Rfc822Name(name.try_into().unwrap()),
        "ip" => SanType::IpAddress(name.parse().unwrap()),
        other => panic!("{other}"),
    }
}

const PERSON: PersonId = PersonId::from_bytes([7; 16]);

/// A department that has more names than the two above it: what they may not certify, it may not.
fn department() -> DepartmentFacts {
    let facts = |organizations: &[&str], domains: &[&str]| DepartmentFacts {
        organizations: organizations.iter().map(ToString::to_string).collect(),
        dns_suffixes: domains.iter().map(ToString::to_string).collect(),
        mail_domains: domains.iter().map(ToString::to_string).collect(),
        addresses: vec!["192.0.2.7".parse().unwrap()],
        above: Vec::new(),
    };
    DepartmentFacts {
        above: vec![facts(&["市监局", "市知识产权局"], &["example.cn", "example.com"]), facts(&["市监局", "省政府"], &["example.cn"])],
        ..facts(&["市监局", "市知识产权局"], &["scjg.example.cn", "example.com"])
    }
}

/// The shipped policies, and two profiles that believe their CSRs.
fn policies() -> PolicySet {
    let nowhere = tempfile::tempdir().unwrap();
    let shipped = read_or_shipped_policies(nowhere.path()).unwrap();
    let mut files: BTreeMap<String, String> = serde_json::from_str(shipped.canonical_text()).unwrap();
    for (from, to) in [("staff", "staff-csr"), ("service", "service-csr")] {
        let text = files[&format!("profiles/{from}.toml")].replace("from = \"request\"", "from = \"csr\"");
        let name = |name: &str| format!("name = \"{name}\"");
        files.insert(format!("profiles/{to}.toml"), text.replace(&name(from), &name(to)));
    }
    PolicySet::parse(&files.into_iter().collect::<Vec<_>>()).unwrap()
}

// ---- what is asked for ----

static VALUES: &[&str] = &[
    "王小明",
    "登记处",
    "市监局",
    "市知识产权局",
    "公安局",
    "CN",
    "US",
    "api.scjg.example.cn",
    "bank.example.com",
    "192.0.2.8",
    "11010519491231002X",
    " 王",
    "a\u{202e}b",
    "",
    "91350100M000100Y43",
    "07070707070707070707070707070707",
];
static FIELDS: &[&str] =
    &["C", "ST", "L", "O", "OU", "CN", "serialNumber", "title", "UID", "organizationCode", "taxationNumber", "identifyCode", "nonsense"];
static NAMES: &[(&str, &str)] = &[
    ("dns", "api.scjg.example.cn"),
    ("dns", "SCJG.example.cn"),
    ("dns", "bank.example.com"),
    ("dns", "evilscjg.example.cn"),
    ("mail", "wang@scjg.example.cn"),
    ("mail", "wang@example.com"),
    ("ip", "192.0.2.7"),
    ("ip", "192.0.2.8"),
];

fn any_request(profiles: Vec<String>) -> impl Strategy<Value = Request> {
    let careful = prop::sample::select(profiles.clone()).prop_map(|profile| clerk(&profile));
    let value = || prop_oneof![3 => prop::sample::select(VALUES).prop_map(str::to_owned), 1 => "\\PC{0,70}"];
    let fields = prop::collection::btree_map(prop::sample::select(FIELDS).prop_map(str::to_owned), value(), 0..3);
    let names = || prop::collection::vec(prop::sample::select(NAMES).prop_map(|(kind, name)| (kind, name.to_owned())), 0..3);
    let csr_subject = prop::collection::vec((prop::sample::select(&["C", "O", "OU", "CN", "ST"][..]), value()), 0..4);
    let careless = (careful.clone(), fields, names(), csr_subject, names()).prop_map(|(clerk, fields, names, csr_subject, csr_names)| {
        let fields = clerk.fields.into_iter().chain(fields).collect();
        let names = clerk.names.into_iter().chain(names).collect();
        Request { fields, names, csr_subject, csr_names, ..clerk }
    });
    // What whoever made the CSR wrote there, beside a careful request.
    let curious = (careful, careless.clone()).prop_map(|(clerk, other)| Request {
        csr_subject: other.csr_subject,
        csr_names: other.csr_names,
        ..clerk
    });
    prop_oneof![careless, curious]
}

/// What is needed, and no more.
fn clerk(profile: &str) -> Request {
    let fields = if profile.ends_with("-csr") { BTreeMap::new() } else { BTreeMap::from([("CN".to_owned(), "王小明".to_owned())]) };
    let names = if profile == "service" { vec![("dns", "www.scjg.example.cn".to_owned())] } else { Vec::new() };
    Request { profile: profile.to_owned(), fields, names, csr_subject: Vec::new(), csr_names: Vec::new() }
}

// ---- what it became ----

fn to_be_signed(subject: &Name, extensions: Vec<Extension>) -> Vec<u8> {
    let key = crate::crypto::PublicKey::from_spki(&KEY.with(rcgen::PublicKeyData::subject_public_key_info)).unwrap();
    let draft = Draft {
        serial: SerialNumber::generate(&SystemEntropy, datetime!(2030-01-01 0:00 UTC)),
        signature_algorithm: algorithms::P256.signature_algorithm(),
        issuer: name::to_der(&name::build(&[(ATTRIBUTES[5].oid, "CA".to_owned())]).unwrap()).unwrap(),
        not_before: datetime!(2030-01-01 0:00 UTC),
        not_after: datetime!(2031-01-01 0:00 UTC),
        subject: name::to_der(subject).unwrap(),
        public_key: key,
        extensions,
    };
    draft.to_tbs().unwrap()
}

/// Holds each field of the certificate against the profile as it is written.
fn check(set: &PolicySet, request: &Request, tbs: &[u8]) -> Result<(), String> {
    let files: BTreeMap<String, String> = serde_json::from_str(set.canonical_text()).unwrap();
    let profile: Table = files[&format!("profiles/{}.toml", request.profile)].parse().unwrap();
    let (_, certificate) = TbsCertificate::from_der(tbs).map_err(|error| error.to_string())?;
    for attribute in certificate.subject.iter_attributes() {
        let oid = attribute.attr_type().to_id_string();
        let name = ATTRIBUTES.iter().find(|known| known.oid.to_string() == oid).ok_or("an attribute that nobody knows")?.name;
        let value = attribute.as_str().map_err(|error| error.to_string())?;
        let rule = entry(&profile, "subject", "attribute", name).ok_or(format!("{name} is not in the profile"))?;
        if !may_say(rule, name, value, request) {
            return Err(format!("{name}={value} does not come from {}", text(rule, "from")));
        }
    }
    for extension in certificate.extensions() {
        let oid = extension.oid.to_id_string();
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                names.general_names.iter().try_for_each(|name| check_name(&profile, request, name))?;
            }
            ParsedExtension::KeyUsage(_) | ParsedExtension::ExtendedKeyUsage(_) => {}
            _ if oid == "1.3.6.1.5.5.7.48.1.5" => {
                let listed = profile.get("extensions").and_then(Value::as_array).into_iter().flatten();
                listed.filter_map(Value::as_str).find(|name| *name == "ocspNoCheck").ok_or("ocspNoCheck is not in the profile")?;
            }
            _ => check_number(&profile, request, &oid, extension.value)?,
        }
    }
    Ok(())
}

fn may_say(rule: &Table, name: &str, value: &str, request: &Request) -> bool {
    match text(rule, "from") {
        "fixed" => text(rule, "value") == value,
        "request" => request.fields.get(name).is_some_and(|asked| asked == value),
        "department" => value == "市监局",
        "person" => value == PERSON.to_string(),
        "csr" => request.csr_subject.iter().any(|(asked, said)| *asked == name && said == value),
        other => panic!("{other}"),
    }
}

fn check_name(profile: &Table, request: &Request, name: &GeneralName<'_>) -> Result<(), String> {
    let (kind, value, own) = match name {
        GeneralName::DNSName(name) => ("dns", (*name).to_owned(), format!(".{name}").ends_with(".scjg.example.cn")),
        GeneralName::RFC822Name(name) => ("mail", (*name).to_owned(), name.ends_with("@scjg.example.cn")),
        GeneralName::IPAddress(octets) => {
            let address = octets.iter().map(u8::to_string).collect::<Vec<_>>().join(".");
            ("ip", address.clone(), address == "192.0.2.7")
        }
        other => return Err(format!("{other} is of no kind that a profile has")),
    };
    let rule = entry(profile, "alternative_name", "kind", kind).ok_or(format!("{kind} is not in the profile"))?;
    let asked = if text(rule, "from") == "csr" { &request.csr_names } else { &request.names };
    let is_asked = asked.iter().any(|(of, said)| *of == kind && said.eq_ignore_ascii_case(&value));
    if is_asked && own { Ok(()) } else { Err(format!("{value}: asked for: {is_asked}, the department's: {own}")) }
}

fn check_number(profile: &Table, request: &Request, oid: &str, value: &[u8]) -> Result<(), String> {
    let names = ["identifyCode", "insuranceNumber", "icRegistrationNumber", "organizationCode", "taxationNumber"];
    let arc = oid.strip_prefix("1.2.156.10260.4.1.").and_then(|last| last.parse::<usize>().ok());
    let name = arc.and_then(|last| names.get(last - 1)).ok_or(format!("the extension {oid} is in no profile"))?;
    let rule = entry(profile, "national", "extension", name).ok_or(format!("{name} is not in the profile"))?;
    let value = der::asn1::PrintableStringRef::from_der(value).map_err(|error| error.to_string())?;
    if may_say(rule, name, value.as_str(), request) { Ok(()) } else { Err(format!("{name} does not come from {}", text(rule, "from"))) }
}

fn entry<'a>(profile: &'a Table, list: &str, key: &str, value: &str) -> Option<&'a Table> {
    profile.get(list)?.as_array()?.iter().filter_map(Value::as_table).find(|entry| text(entry, key) == value)
}

fn text<'a>(table: &'a Table, key: &str) -> &'a str {
    table.get(key).and_then(Value::as_str).unwrap_or_default()
}
