//! What a certificate of one kind holds, who may ask for it and who must approve it: one TOML file each.
//!
//! A profile is a typed value once it was read: every name in it is known, nothing in it contradicts anything else in it, and
//! nobody who asks can also be enough to approve. What it does not allow is not in a certificate; above all nothing from a CSR
//! beside its key, unless a field says `from = "csr"`.

use std::ops::Range;

use der::asn1::ObjectIdentifier;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use time::Duration;
use toml::Spanned;
use x509_cert::ext::pkix::{KeyUsage, KeyUsages};

use super::{
    assurance::{Assurance, ProofingRules, UnknownAssurance},
    identity::{IdentityError, Purpose},
    national::{NationalField, RawNational, national},
    quorum::Quorum,
    rules::Role,
    subject::{ATTRIBUTES, Attribute, NameKind, check_text},
};
use crate::crypto::{Algorithm, algorithms};

/// One kind of certificate.
#[derive(Debug, Clone)]
pub struct Profile {
    name: ProfileName,
    title: Title,
    subject_kind: SubjectKind,
    authorities: Vec<Purpose>,
    algorithms: Vec<&'static dyn Algorithm>,
    validity: Validity,
    key_usage: KeyUsage,
    extended_key_usage: Vec<ObjectIdentifier>,
    pub(super) subject: Vec<SubjectField>,
    pub(super) alternative_names: Vec<NameField>,
    pub(super) national: Vec<NationalField>,
    requesters: Vec<Requester>,
    approvals: Approvals,
    evidence: Evidence,
    proofing: Option<ProofingRules>,
    assurance: Assurance,
    extensions: Vec<Extension>,
}

impl Profile {
    pub fn name(&self) -> &ProfileName {
        &self.name
    }

    pub fn title(&self) -> &Title {
        &self.title
    }

    pub fn subject_kind(&self) -> SubjectKind {
        self.subject_kind
    }

    /// Which authorities may issue it, by their purpose.
    pub fn authorities(&self) -> &[Purpose] {
        &self.authorities
    }

    /// Of which algorithms the subject's key may be.
    pub fn algorithms(&self) -> &[&'static dyn Algorithm] {
        &self.algorithms
    }

    pub fn validity(&self) -> &Validity {
        &self.validity
    }

    pub fn key_usage(&self) -> KeyUsage {
        self.key_usage
    }

    pub fn extended_key_usage(&self) -> &[ObjectIdentifier] {
        &self.extended_key_usage
    }

    /// Whether its certificates answer for the authority that issued them.
    pub fn answers_ocsp(&self) -> bool {
        self.extended_key_usage.contains(&OCSP_SIGNING)
    }

    /// The fields of the subject in the order in which the name holds them.
    pub fn subject_fields(&self) -> &[SubjectField] {
        &self.subject
    }

    pub fn name_fields(&self) -> &[NameField] {
        &self.alternative_names
    }

    /// Which national extensions it holds. A profile that names none has none.
    pub fn national_fields(&self) -> &[NationalField] {
        &self.national
    }

    pub fn requesters(&self) -> &[Requester] {
        &self.requesters
    }

    /// What a request by people needs. The system's own requests are decided by this profile alone, and a claim was decided
    /// when its code was made.
    pub fn approvals(&self) -> &Approvals {
        &self.approvals
    }

    pub fn evidence(&self) -> Evidence {
        self.evidence
    }

    /// What is asked of people who enrol themselves; `None` when nobody does.
    pub fn proofing(&self) -> Option<&ProofingRules> {
        self.proofing.as_ref()
    }

    /// How far a verifier may trust that the subject is who its certificates say.
    pub fn assurance(&self) -> Assurance {
        self.assurance
    }

    pub fn has(&self, extension: Extension) -> bool {
        self.extensions.contains(&extension)
    }
}

/// The name of a profile and of its file: lower-case letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileName(String);

impl ProfileName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ProfileName {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let plain = text.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-');
        if plain && text.len() <= 40 && text.starts_with(|first: char| first.is_ascii_lowercase()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdentityError("the name of a profile (at most 40 lower-case letters, digits and hyphens)"))
        }
    }
}

impl std::fmt::Display for ProfileName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for ProfileName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProfileName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What people call it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Title {
    pub zh: String,
    pub en: String,
}

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    Person,
    Service,
    /// The CA itself.
    System,
}

/// When a certificate begins, ends and may be followed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From issuance to `notAfter`.
    pub lifetime: Duration,
    /// How far before issuance `notBefore` lies, for clocks that are behind.
    pub backdate: Duration,
    /// How long before `notAfter` a successor may be asked for.
    pub renewal_window: Duration,
}

/// One attribute of the subject.
#[derive(Debug, Clone)]
pub struct SubjectField {
    pub attribute: &'static Attribute,
    pub source: Source,
    pub need: Need,
    /// The longest value, in characters.
    pub max: usize,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The profile says it.
    Fixed(String),
    /// The request says it, under the attribute's name.
    Request,
    /// One of the department's O values; the first, unless the request chooses another.
    Department,
    /// The opaque identifier of the person or service.
    Person,
    /// The subject of the CSR says it.
    Csr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Required,
    Optional,
}

/// Alternative names of one kind.
#[derive(Debug, Clone)]
pub struct NameField {
    pub kind: NameKind,
    pub source: NameSource,
    pub need: Need,
    /// How many at most.
    pub max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NameSource {
    Request,
    Csr,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requester {
    Role(Role),
    /// The person whom the certificate will name.
    Subject,
    /// Whoever holds a one-time code for it.
    Claim,
    /// The service, for itself.
    System,
}

impl Requester {
    pub const fn role(self) -> Option<Role> {
        match self {
            Self::Role(role) => Some(role),
            Self::Subject | Self::Claim | Self::System => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "subject" => Some(Self::Subject),
            "claim" => Some(Self::Claim),
            "system" => Some(Self::System),
            role => role.parse().ok().map(Self::Role),
        }
    }
}

/// How many different people must approve, in which role, for how many departments, and how many of them as administrators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    pub count: usize,
    pub roles: Vec<Role>,
    /// For how many different departments they act; at most `count`.
    pub departments: usize,
    /// How many of them are administrators; at most `count`.
    pub administrators: usize,
}

impl Approvals {
    /// Who must have approved before a certificate is issued.
    pub fn quorum(&self) -> Quorum {
        Quorum { people: self.count, departments: self.departments, outside: 0, administrators: self.administrators, audit: 0 }
    }
}

/// Whether the identity of the subject must have been proofed before approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    Required,
    NotNeeded,
}

/// Extensions that are not in every certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1).
    OcspNoCheck,
}

/// Key purposes (RFC 5280 §4.2.1.12) by the names that the standard gives them.
pub static KEY_PURPOSES: &[(&str, ObjectIdentifier)] = &[
    ("serverAuth", SERVER_AUTH),
    ("clientAuth", ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2")),
    ("codeSigning", ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3")),
    ("emailProtection", ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4")),
    ("timeStamping", TIME_STAMPING),
    ("OCSPSigning", OCSP_SIGNING),
];

pub(super) const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");

/// Usages of end entities (RFC 5280 §4.2.1.3); `keyCertSign` and `cRLSign` are in no profile.
static KEY_USAGES: &[(&str, KeyUsages)] = &[
    ("digitalSignature", KeyUsages::DigitalSignature),
    ("nonRepudiation", KeyUsages::NonRepudiation),
    ("keyEncipherment", KeyUsages::KeyEncipherment),
    ("dataEncipherment", KeyUsages::DataEncipherment),
    ("keyAgreement", KeyUsages::KeyAgreement),
    ("encipherOnly", KeyUsages::EncipherOnly),
    ("decipherOnly", KeyUsages::DecipherOnly),
];

static EXTENSIONS: &[(&str, Extension)] = &[("ocspNoCheck", Extension::OcspNoCheck)];

const LONGEST_LIFETIME: Duration = Duration::days(10 * 366);
const LONGEST_BACKDATE: Duration = Duration::days(1);
const MOST_APPROVALS: usize = 9;
const MOST_NAMES: usize = 100;

/// What is wrong with a profile, and where in its text.
#[derive(Debug)]
pub(super) struct Fault {
    pub at: Range<usize>,
    pub message: String,
}

impl Fault {
    pub(super) fn at<T>(value: &Spanned<T>, message: impl Into<String>) -> Self {
        Self { at: value.span(), message: message.into() }
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    name: Spanned<String>,
    title: Title,
    #[serde(rename = "for")]
    subject_kind: Spanned<SubjectKind>,
    authorities: Spanned<Vec<Spanned<String>>>,
    algorithms: Spanned<Vec<Spanned<String>>>,
    validity: RawValidity,
    key_usage: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    extended_key_usage: Option<Spanned<Vec<Spanned<String>>>>,
    subject: Spanned<Vec<RawField>>,
    #[serde(default)]
    alternative_name: Vec<RawName>,
    #[serde(default)]
    national: Vec<RawNational>,
    requested_by: Spanned<Vec<Spanned<String>>>,
    approvals: RawApprovals,
    evidence: Evidence,
    #[serde(default)]
    proofing: Option<RawProofing>,
    #[serde(default)]
    assurance: Option<Spanned<String>>,
    #[serde(default)]
    extensions: Option<Spanned<Vec<Spanned<String>>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawValidity {
    lifetime: Spanned<String>,
    backdate: Spanned<String>,
    renewal_window: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawField {
    attribute: Spanned<String>,
    from: Spanned<RawSource>,
    value: Option<Spanned<String>>,
    #[serde(default)]
    required: RawNeed,
    max: Option<Spanned<usize>>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawSource {
    Fixed,
    Request,
    Department,
    Person,
    Csr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawName {
    kind: Spanned<NameKind>,
    from: NameSource,
    #[serde(default)]
    required: RawNeed,
    max: Spanned<usize>,
}

/// `required = true`; left out, a field is optional.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct RawNeed(bool);

impl From<RawNeed> for Need {
    fn from(RawNeed(required): RawNeed) -> Self {
        if required { Self::Required } else { Self::Optional }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawApprovals {
    count: Spanned<usize>,
    roles: Spanned<Vec<Spanned<String>>>,
    departments: Option<Spanned<usize>>,
    administrators: Option<Spanned<usize>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProofing {
    lowest: Spanned<String>,
    #[serde(default)]
    decides_from: Option<Spanned<String>>,
    cooling: Spanned<String>,
}

impl Profile {
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let raw: RawProfile = toml::from_str(text)
            .map_err(|error| Fault { at: error.span().unwrap_or(0..0), message: error.message().trim_end().to_owned() })?;
        let extended_key_usage = raw.extended_key_usage.as_ref().map(extended_key_usage).transpose()?.unwrap_or_default();
        Ok(Self {
            name: raw.name.get_ref().parse().map_err(|error: IdentityError| Fault::at(&raw.name, error.to_string()))?,
            authorities: authorities(&raw)?,
            algorithms: named(&raw.algorithms, "algorithm", |name| algorithms::find(name).ok())?,
            validity: validity(&raw.validity)?,
            key_usage: key_usage(&raw.key_usage)?,
            subject: subject(&raw.subject)?,
            alternative_names: alternative_names(&raw, &extended_key_usage)?,
            national: national(&raw.national)?,
            requesters: requesters(&raw)?,
            approvals: approvals(&raw)?,
            extensions: raw.extensions.as_ref().map(|list| extensions(list, &extended_key_usage)).transpose()?.unwrap_or_default(),
            extended_key_usage,
            proofing: raw.proofing.as_ref().map(|proofing| proofing_rules(proofing, &raw)).transpose()?,
            evidence: raw.evidence,
            assurance: raw.assurance.as_ref().map(level).transpose()?.unwrap_or(Assurance::Low),
            subject_kind: *raw.subject_kind.get_ref(),
            title: raw.title,
        })
    }
}

/// Each name looked up; none unknown, none twice, at least one.
fn named<T>(list: &Spanned<Vec<Spanned<String>>>, what: &str, find: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Fault> {
    if list.get_ref().is_empty() {
        return Err(Fault::at(list, format!("at least one {what} is needed")));
    }
    let mut found = Vec::new();
    for (index, name) in list.get_ref().iter().enumerate() {
        if list.get_ref()[..index].iter().any(|earlier| earlier.get_ref() == name.get_ref()) {
            return Err(Fault::at(name, format!("the {what} \"{}\" stands here twice", name.get_ref())));
        }
        found.push(find(name.get_ref()).ok_or_else(|| Fault::at(name, format!("\"{}\" is no {what} known here", name.get_ref())))?);
    }
    Ok(found)
}

fn look_up<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

fn authorities(raw: &RawProfile) -> Result<Vec<Purpose>, Fault> {
    let purposes: Vec<Purpose> = named(&raw.authorities, "purpose of an authority", |name| name.parse().ok())?;
    if purposes.contains(&Purpose::Root) && *raw.subject_kind.get_ref() != SubjectKind::System {
        return Err(Fault::at(&raw.authorities, "a root certifies authorities and the system's own responders only"));
    }
    Ok(purposes)
}

fn validity(raw: &RawValidity) -> Result<Validity, Fault> {
    let lifetime = duration(&raw.lifetime)?;
    let backdate = duration(&raw.backdate)?;
    let renewal_window = duration(&raw.renewal_window)?;
    if lifetime <= Duration::ZERO || lifetime > LONGEST_LIFETIME {
        return Err(Fault::at(
            &raw.lifetime,
            format!("a lifetime is more than nothing and at most {} days", LONGEST_LIFETIME.whole_days()),
        ));
    }
    if backdate > LONGEST_BACKDATE {
        return Err(Fault::at(&raw.backdate, "a certificate is backdated by at most one day"));
    }
    if renewal_window >= lifetime {
        return Err(Fault::at(
            &raw.renewal_window,
            "a certificate that may be renewed at once is renewed for ever: shorter than the lifetime",
        ));
    }
    Ok(Validity { lifetime, backdate, renewal_window })
}

/// A number and its unit, as in `365 days`.
fn duration(text: &Spanned<String>) -> Result<Duration, Fault> {
    let parse = || {
        let (number, unit) = text.get_ref().split_once(' ')?;
        let number: u32 = number.parse().ok()?;
        let seconds = match unit {
            "day" | "days" => 86_400,
            "hour" | "hours" => 3600,
            "minute" | "minutes" => 60,
            "second" | "seconds" => 1,
            _ => return None,
        };
        Some(Duration::seconds(i64::from(number) * seconds))
    };
    parse().ok_or_else(|| Fault::at(text, "not a length of time such as \"365 days\" (days, hours, minutes, seconds)"))
}

fn key_usage(list: &Spanned<Vec<Spanned<String>>>) -> Result<KeyUsage, Fault> {
    let mut usage = KeyUsage(Default::default());
    for one in named(list, "key usage of an end entity", |name| look_up(KEY_USAGES, name))? {
        usage.0 |= one;
    }
    Ok(usage)
}

fn extended_key_usage(list: &Spanned<Vec<Spanned<String>>>) -> Result<Vec<ObjectIdentifier>, Fault> {
    let purposes = named(list, "extended key usage", |name| look_up(KEY_PURPOSES, name))?;
    // A key that answers for the CA, or for the time, does nothing else (RFC 3161 §2.3), or a leaked server could vouch for others.
    for (name, purpose) in [("OCSPSigning", OCSP_SIGNING), ("timeStamping", TIME_STAMPING)] {
        if purposes.contains(&purpose) && purposes.len() > 1 {
            return Err(Fault::at(list, format!("{name} stands alone")));
        }
    }
    Ok(purposes)
}

fn extensions(list: &Spanned<Vec<Spanned<String>>>, purposes: &[ObjectIdentifier]) -> Result<Vec<Extension>, Fault> {
    let extensions = named(list, "extension", |name| look_up(EXTENSIONS, name))?;
    if extensions.contains(&Extension::OcspNoCheck) && !purposes.contains(&OCSP_SIGNING) {
        return Err(Fault::at(list, "ocspNoCheck is for OCSPSigning certificates (RFC 6960 §4.2.2.2.1)"));
    }
    Ok(extensions)
}

fn subject(fields: &Spanned<Vec<RawField>>) -> Result<Vec<SubjectField>, Fault> {
    if fields.get_ref().is_empty() {
        return Err(Fault::at(fields, "a certificate names its subject"));
    }
    let mut found: Vec<SubjectField> = Vec::new();
    for raw in fields.get_ref() {
        let field = subject_field(raw)?;
        if found.iter().any(|earlier| earlier.attribute.name == field.attribute.name) {
            return Err(Fault::at(&raw.attribute, format!("the attribute \"{}\" stands here twice", field.attribute.name)));
        }
        found.push(field);
    }
    Ok(found)
}

fn subject_field(raw: &RawField) -> Result<SubjectField, Fault> {
    let name = raw.attribute.get_ref();
    let attribute = ATTRIBUTES
        .iter()
        .find(|attribute| attribute.name == name)
        .ok_or_else(|| Fault::at(&raw.attribute, format!("\"{name}\" is no attribute known here")))?;
    let max = match &raw.max {
        Some(max) if *max.get_ref() == 0 || *max.get_ref() > attribute.limit => {
            return Err(Fault::at(max, format!("{name} has 1 to {} characters (RFC 5280 appendix A.1)", attribute.limit)));
        }
        Some(max) => *max.get_ref(),
        None => attribute.limit,
    };
    Ok(SubjectField { attribute, source: source(raw, attribute, max)?, need: raw.required.into(), max })
}

fn source(raw: &RawField, attribute: &Attribute, max: usize) -> Result<Source, Fault> {
    let from = *raw.from.get_ref();
    match (&raw.value, from) {
        (None, RawSource::Fixed) => return Err(Fault::at(&raw.from, "a fixed field has a value")),
        (Some(value), RawSource::Request | RawSource::Department | RawSource::Person | RawSource::Csr) => {
            return Err(Fault::at(value, "only a fixed field has a value"));
        }
        (Some(value), RawSource::Fixed) => {
            check_text(attribute, max, value.get_ref()).map_err(|rule| Fault::at(value, rule.to_string()))?;
            return Ok(Source::Fixed(value.get_ref().clone()));
        }
        (None, _) => {}
    }
    match from {
        RawSource::Department if attribute.name != "O" => Err(Fault::at(&raw.from, "a department gives O values only")),
        RawSource::Person if !matches!(attribute.name, "serialNumber" | "UID" | "CN") || max < 32 => {
            Err(Fault::at(&raw.from, "the identifier of a person is a serialNumber, UID or CN of 32 characters"))
        }
        RawSource::Department => Ok(Source::Department),
        RawSource::Person => Ok(Source::Person),
        RawSource::Csr => Ok(Source::Csr),
        RawSource::Request | RawSource::Fixed => Ok(Source::Request),
    }
}

fn alternative_names(raw: &RawProfile, purposes: &[ObjectIdentifier]) -> Result<Vec<NameField>, Fault> {
    let mut found: Vec<NameField> = Vec::new();
    for name in &raw.alternative_name {
        let (kind, max) = (*name.kind.get_ref(), *name.max.get_ref());
        if found.iter().any(|earlier| earlier.kind == kind) {
            return Err(Fault::at(&name.kind, format!("the kind \"{kind}\" stands here twice")));
        }
        if max == 0 || max > MOST_NAMES {
            return Err(Fault::at(&name.max, format!("1 to {MOST_NAMES} names of a kind")));
        }
        found.push(NameField { kind, source: name.from, need: name.required.into(), max });
    }
    let names_a_host = found.iter().any(|name| matches!(name.kind, NameKind::Dns | NameKind::Ip));
    if purposes.contains(&SERVER_AUTH) && !names_a_host {
        let at = raw.extended_key_usage.as_ref().map_or(0..0, Spanned::span);
        return Err(Fault { at, message: "a server is named by dns or ip alternative names (RFC 9525 §6.3)".to_owned() });
    }
    Ok(found)
}

fn requesters(raw: &RawProfile) -> Result<Vec<Requester>, Fault> {
    let requesters = named(&raw.requested_by, "role, nor \"subject\", \"claim\" or \"system\",", Requester::parse)?;
    if requesters.contains(&Requester::Role(Role::Auditor)) {
        return Err(Fault::at(&raw.requested_by, "an auditor changes nothing, so asks for nothing"));
    }
    if *raw.subject_kind.get_ref() == SubjectKind::System && requesters != [Requester::System] {
        return Err(Fault::at(&raw.requested_by, "a certificate of the system is requested by the system alone"));
    }
    if *raw.subject_kind.get_ref() == SubjectKind::Person && requesters.contains(&Requester::System) {
        return Err(Fault::at(&raw.requested_by, "the system asks for no certificate of a person"));
    }
    Ok(requesters)
}

fn level(text: &Spanned<String>) -> Result<Assurance, Fault> {
    text.get_ref().parse().map_err(|error: UnknownAssurance| Fault::at(text, error.to_string()))
}

fn proofing_rules(proofing: &RawProofing, raw: &RawProfile) -> Result<ProofingRules, Fault> {
    let (lowest, decides_from) = (level(&proofing.lowest)?, proofing.decides_from.as_ref().map(level).transpose()?);
    let by_subject = raw.requested_by.get_ref().iter().any(|name| name.get_ref() == "subject");
    if !by_subject || raw.evidence != Evidence::Required {
        return Err(Fault::at(&proofing.lowest, "proofing is for a profile that its subject may ask for and that requires evidence"));
    }
    match &proofing.decides_from {
        Some(text) if decides_from < Some(lowest) => Err(Fault::at(text, "a proof that decides is at least of the lowest level")),
        _ => Ok(ProofingRules { lowest, decides_from, cooling: duration(&proofing.cooling)? }),
    }
}

fn approvals(raw: &RawProfile) -> Result<Approvals, Fault> {
    let (count, list) = (*raw.approvals.count.get_ref(), &raw.approvals.roles);
    let asked_by_people = raw.requested_by.get_ref().iter().any(|name| !matches!(name.get_ref().as_str(), "claim" | "system"));
    if asked_by_people && count == 0 {
        return Err(Fault::at(&raw.approvals.count, "whoever asks would decide alone: at least one approval"));
    }
    if count > MOST_APPROVALS {
        return Err(Fault::at(&raw.approvals.count, format!("at most {MOST_APPROVALS} approvals")));
    }
    let roles = if count == 0 && list.get_ref().is_empty() { Vec::new() } else { named(list, "role", |name| name.parse().ok())? };
    if roles.contains(&Role::Auditor) {
        return Err(Fault::at(list, "an auditor changes nothing, so approves nothing"));
    }
    let part = |part: &Option<Spanned<usize>>, otherwise| match part {
        None => Ok(otherwise),
        Some(part) if *part.get_ref() <= count => Ok(*part.get_ref()),
        Some(part) => Err(Fault::at(part, "no part of those who approve is more than all of them")),
    };
    let departments = part(&raw.approvals.departments, 0)?;
    let administrators = part(&raw.approvals.administrators, 0)?;
    if administrators > 0 && !roles.contains(&Role::Administrator) {
        return Err(Fault::at(list, "an administrator must approve, and may not"));
    }
    Ok(Approvals { count, roles, departments, administrators })
}
