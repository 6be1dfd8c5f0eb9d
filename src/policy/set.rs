//! One version of `policies/`: its profiles, its rules, its digest, and its text, by which an auditor replays old decisions.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    cap::{Cap, Caps},
    jws::canonical,
    profile::{Fault, Profile, ProfileName},
    quorum::{Quorum, Quorums},
    rulebook::{Rulebook, SCHEMA},
    separation, shipped,
    statement::{Act, Digest32},
};
use crate::crypto::digest::sha256;

/// The file that says how many people an act takes.
const QUORUMS: &str = "quorums.toml";
/// The file that says how much of an act one person may sign in a day.
const CAPS: &str = "caps.toml";

/// All files of one version, checked.
#[derive(Debug, Clone)]
pub struct PolicySet {
    profiles: BTreeMap<ProfileName, Profile>,
    quorums: Quorums,
    caps: Caps,
    rules: Arc<Rulebook>,
    text: String,
    digest: Digest32,
}

/// Why a file of `policies/` was refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct PolicyError {
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    pub message: String,
}

impl PolicyError {
    pub(super) fn new(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 1, message: message.into() }
    }

    fn of(file: &str, text: &str, Fault { at, message }: Fault) -> Self {
        Self { file: file.to_owned(), line: line(text, at.start), message }
    }
}

/// Everything that is wrong with a version, by file and line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct PolicyErrors(pub Vec<PolicyError>);

impl From<PolicyError> for PolicyErrors {
    fn from(error: PolicyError) -> Self {
        Self(vec![error])
    }
}

impl PolicySet {
    /// From the files of the folder, each with its path below it (`profiles/staff.toml`, `rules/officers.cedar`) and its text.
    pub fn parse(files: &[(impl AsRef<str>, impl AsRef<str>)]) -> Result<Self, PolicyErrors> {
        if !files.iter().any(|(path, _)| matches!(kind(path.as_ref()), Some(Kind::Rules))) {
            return Err(PolicyError::new(SCHEMA, "there are no rules").into());
        }
        let set = Self::read(files)?;
        let mut faults = separation::check(&set.rules, &set.profiles);
        let text = files.iter().find(|(path, _)| path.as_ref() == QUORUMS).map_or("", |(_, text)| text.as_ref());
        faults.extend(set.quorums.too_few().map(|(act, message)| {
            let line = text.lines().position(|line| line.starts_with(&format!("[{act}]"))).map_or(1, |index| index + 1);
            PolicyError { file: QUORUMS.to_owned(), line, message }
        }));
        if faults.is_empty() {
            return Ok(set);
        }
        faults.sort();
        Err(PolicyErrors(faults))
    }

    /// From a stored `canonical_text`. What no version may allow was tried before it was put in force.
    pub fn from_canonical_text(text: &str) -> Result<Self, PolicyErrors> {
        let files: BTreeMap<String, String> =
            serde_json::from_str(text).map_err(|_| PolicyError::new("policy", "not the stored form of a policy"))?;
        let set = Self::read(&files.into_iter().collect::<Vec<_>>())?;
        if set.text == text { Ok(set) } else { Err(PolicyError::new("policy", "not the canonical form of a policy").into()) }
    }

    fn read(files: &[(impl AsRef<str>, impl AsRef<str>)]) -> Result<Self, PolicyErrors> {
        let mut reader = Reader::default();
        for (path, text) in files {
            reader.read(path.as_ref(), text.as_ref());
        }
        reader.finish()
    }

    /// The canonical JSON (RFC 8785) of `{path: text…}`: what is stored and digested.
    pub fn canonical_text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of `canonical_text`: the name of this version in statements, decisions and leaves.
    pub fn digest(&self) -> Digest32 {
        self.digest
    }

    pub fn profile(&self, name: &ProfileName) -> Option<&Profile> {
        self.profiles.get(name)
    }

    /// How many people an act takes.
    pub fn quorum(&self, act: Act) -> Quorum {
        self.quorums.of(act)
    }

    /// How much of an act one person may sign in a day, if there is an end to it.
    pub fn cap(&self, act: Act) -> Option<Cap> {
        self.caps.of(act)
    }

    /// All profiles, by name.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values()
    }

    pub(super) fn rulebook(&self) -> &Rulebook {
        &self.rules
    }
}

/// Reads all files before it says what is wrong with them.
#[derive(Default)]
struct Reader<'a> {
    texts: BTreeMap<&'a str, &'a str>,
    profiles: BTreeMap<ProfileName, Profile>,
    quorums: Quorums,
    caps: Caps,
    rules: Vec<(&'a str, &'a str)>,
    faults: Vec<PolicyError>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, path: &'a str, text: &'a str) {
        if self.texts.insert(path, text).is_some() {
            return self.faults.push(PolicyError::new(path, "this file is here twice"));
        }
        match kind(path) {
            Some(Kind::Profile(stem)) => match parse_profile(path, stem, text) {
                Ok(profile) => drop(self.profiles.insert(profile.name().clone(), profile)),
                Err(fault) => self.faults.push(fault),
            },
            Some(Kind::Rules) => self.rules.push((path, text)),
            Some(Kind::Quorums) => match Quorums::parse(text) {
                Ok(quorums) => self.quorums = quorums,
                Err(fault) => self.faults.push(PolicyError::of(path, text, fault)),
            },
            Some(Kind::Caps) => match Caps::parse(text) {
                Ok(caps) => self.caps = caps,
                Err(fault) => self.faults.push(PolicyError::of(path, text, fault)),
            },
            None => self.faults.push(PolicyError::new(path, NOT_A_POLICY_FILE)),
        }
    }

    fn finish(mut self) -> Result<PolicySet, PolicyErrors> {
        if self.profiles.is_empty() && self.faults.is_empty() {
            self.faults.push(PolicyError::new("profiles", "there is no profile"));
        }
        // A version from before rules were text is judged by those of this program, as it always was.
        let rules = if self.rules.is_empty() { shipped::rules() } else { std::mem::take(&mut self.rules) };
        match Rulebook::parse(&rules, &self.profiles) {
            Ok(rules) if self.faults.is_empty() => {
                // serde_json writes UTF-8 only.
                let text = String::from_utf8(canonical(&self.texts)).expect("JSON is UTF-8");
                let digest = Digest32(sha256(text.as_bytes()));
                let Self { profiles, quorums, caps, .. } = self;
                Ok(PolicySet { profiles, quorums, caps, rules: Arc::new(rules), text, digest })
            }
            other => {
                self.faults.extend(other.err().unwrap_or_default());
                self.faults.sort();
                Err(PolicyErrors(self.faults))
            }
        }
    }
}

/// What a file of the folder is, by its path.
enum Kind<'a> {
    /// With the name that it must have.
    Profile(&'a str),
    Rules,
    Quorums,
    Caps,
}

const NOT_A_POLICY_FILE: &str =
    "not a policy file: those are profiles/NAME.toml, rules/NAME.cedar, rules/schema.cedarschema, quorums.toml and caps.toml";

fn kind(path: &str) -> Option<Kind<'_>> {
    match path {
        QUORUMS => Some(Kind::Quorums),
        CAPS => Some(Kind::Caps),
        SCHEMA => Some(Kind::Rules),
        _ if path.starts_with("rules/") && path.ends_with(".cedar") => Some(Kind::Rules),
        _ => path.strip_prefix("profiles/").and_then(|file| file.strip_suffix(".toml")).map(Kind::Profile),
    }
}

fn parse_profile(path: &str, stem: &str, text: &str) -> Result<Profile, PolicyError> {
    let profile = Profile::parse(text).map_err(|fault| PolicyError::of(path, text, fault))?;
    // A file found by its name is the profile of that name, and two files never define one profile.
    if profile.name().as_str() == stem { Ok(profile) } else { Err(PolicyError::new(path, "a profile has the name of its file")) }
}

/// Of the octet at this place, counted from 1.
pub(super) fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|octet| *octet == b'\n').count() + 1
}

#[cfg(test)]
pub(super) mod tests {
    use time::Duration;
    use x509_cert::ext::pkix::KeyUsages;

    use super::*;
    use crate::{
        crypto::ALGORITHMS,
        policy::{
            assurance::Assurance,
            identity::Purpose,
            profile::{Evidence, Extension, KEY_PURPOSES, Requester, SubjectKind},
            rules::Role,
        },
    };

    pub(in crate::policy) fn files() -> Vec<(String, String)> {
        shipped::files().into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect()
    }

    /// The policies that are shipped, with one file added or changed.
    pub(in crate::policy) fn shipped_with(path: &str, text: &str) -> Result<PolicySet, PolicyErrors> {
        let mut files = files();
        files.retain(|(name, _)| name != path);
        files.push((path.to_owned(), text.to_owned()));
        PolicySet::parse(&files)
    }

    /// The policies that are shipped.
    pub(in crate::policy) fn shipped() -> PolicySet {
        PolicySet::parse(&files()).unwrap()
    }

    #[test]
    fn the_shipped_profiles_say_what_the_design_says() {
        let set = shipped();
        let names: Vec<&str> = set.profiles().map(|profile| profile.name().as_str()).collect();
        // More may be there: the folder is the list.
        let needed = ["citizen", "ocsp", "officer", "service", "staff"];
        assert!(needed.iter().all(|name| names.contains(name)), "{names:?}");
        let get = |name: &str| set.profile(&name.parse().unwrap()).unwrap();

        for profile in needed.map(get) {
            let algorithms: Vec<&str> = profile.algorithms().iter().map(|algorithm| algorithm.name()).collect();
            assert_eq!(algorithms, ["p256", "sm2"], "{}", profile.name());
        }
        let staff = get("staff");
        assert_eq!(staff.authorities(), [Purpose::Department]);
        assert_eq!(staff.key_usage().0, KeyUsages::DigitalSignature | KeyUsages::NonRepudiation);
        assert_eq!(staff.extended_key_usage(), [KEY_PURPOSES[1].1, KEY_PURPOSES[3].1]);
        assert_eq!(staff.validity().lifetime, Duration::days(365));
        assert_eq!((staff.approvals().count, staff.approvals().roles.as_slice()), (1, [Role::Approver].as_slice()));
        assert_eq!((staff.approvals().administrators, staff.assurance()), (0, Assurance::Substantial));
        assert_eq!(get("department-seal").approvals().quorum(), Quorum { people: 2, administrators: 1, ..Quorum::ONE });
        assert!(set.profiles().all(|profile| profile.authorities() != [Purpose::Citizen] || profile.national_fields().is_empty()));

        let citizen = get("citizen");
        assert_eq!((citizen.authorities(), citizen.evidence()), ([Purpose::Citizen].as_slice(), Evidence::Required));
        let attributes: Vec<&str> = citizen.subject_fields().iter().map(|field| field.attribute.name).collect();
        assert_eq!(attributes, ["C", "CN", "serialNumber"]);

        let ocsp = get("ocsp");
        assert_eq!(ocsp.subject_kind(), SubjectKind::System);
        assert!(ocsp.has(Extension::OcspNoCheck) && !staff.has(Extension::OcspNoCheck));
        assert_eq!(ocsp.requesters(), [Requester::System]);
        assert!(get("officer").requesters().contains(&Requester::Claim));
        assert!(get("service").requesters().contains(&Requester::System));
    }

    #[test]
    fn no_version_lets_one_person_give_roles_change_the_rules_or_revoke_a_list() {
        let good =
            "[grant]\npeople = 2\noutside = 1\n\n[activate-policy]\npeople = 2\naudit = 1\n\n[revoke]\npeople = 2\nadministrators = 2\n";
        assert!(shipped_with(QUORUMS, good).is_ok());
        for (from, to, line, message) in [
            ("people = 2\noutside = 1", "people = 2", 1, "[grant] takes at least people = 2, outside = 1"),
            ("people = 2\naudit = 1", "people = 1\naudit = 1", 5, "[activate-policy] takes at least people = 2, audit = 1"),
            ("administrators = 2", "administrators = 1", 9, "[revoke] takes at least people = 2, administrators = 2"),
        ] {
            let faults = shipped_with(QUORUMS, &good.replacen(from, to, 1)).unwrap_err().0;
            assert_eq!(faults, [PolicyError { file: QUORUMS.to_owned(), line, message: message.to_owned() }]);
        }
        let without: Vec<_> = files().into_iter().filter(|(path, _)| path != QUORUMS).collect();
        let faults = PolicySet::parse(&without).unwrap_err().0;
        let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(messages.len(), 3, "{messages:?}");
        assert!(messages.contains(&"[revoke] takes at least people = 2, administrators = 2"), "{messages:?}");
    }

    #[test]
    fn a_version_is_named_by_all_its_text_and_is_read_again_from_it() {
        let set = shipped();
        let mut reversed = files();
        reversed.sort_by(|one, other| other.cmp(one));
        assert_eq!(PolicySet::parse(&reversed).unwrap().digest(), set.digest());
        assert_eq!(PolicySet::from_canonical_text(set.canonical_text()).unwrap().digest(), set.digest());

        reversed.iter_mut().find(|(path, _)| path.ends_with(".toml")).unwrap().1.push_str("# a comment\n");
        assert_ne!(PolicySet::parse(&reversed).unwrap().digest(), set.digest());
        assert!(PolicySet::from_canonical_text(&format!(" {}", set.canonical_text())).is_err());
        assert!(PolicySet::from_canonical_text("[]").is_err());
    }

    fn only(errors: PolicyErrors) -> PolicyError {
        let [error] = <[PolicyError; 1]>::try_from(errors.0).unwrap();
        error
    }

    const GOOD: &str = r#"name = "clerk"
title = { zh = "职员", en = "Clerk" }
for = "person"
authorities = ["department"]
algorithms = ["p256"]
validity = { lifetime = "2 days", backdate = "5 minutes", renewal_window = "12 hours" }
key_usage = ["digitalSignature"]
extended_key_usage = ["clientAuth"]
requested_by = ["registration-officer"]
approvals = { count = 1, roles = ["approver"] }
evidence = "not-needed"

[[subject]]
attribute = "C"
from = "fixed"
value = "CN"

[[subject]]
attribute = "CN"
from = "request"
max = 20

[[alternative_name]]
kind = "mail"
from = "request"
max = 1
"#;

    #[test]
    fn a_profile_that_is_wrong_is_refused_with_its_file_and_line() {
        shipped_with("profiles/clerk.toml", GOOD).unwrap();
        for (from, to, line, said) in [
            ("\"clerk\"", "\"Clerk\"", 1, "name of a profile"),
            ("title", "titel", 2, "unknown field"),
            (", en = \"Clerk\"", "", 2, "missing field"),
            ("\"person\"", "\"animal\"", 3, "unknown variant"),
            ("\"person\"", "\"system\"", 9, "by the system alone"),
            ("\"department\"", "\"town\"", 4, "\"town\" is no purpose"),
            ("\"department\"", "\"root\"", 4, "a root certifies"),
            ("\"p256\"", "\"rot13\"", 5, "\"rot13\" is no algorithm"),
            ("\"p256\"", "\"p256\", \"p256\"", 5, "twice"),
            ("[\"p256\"]", "[]", 5, "at least one algorithm"),
            ("2 days", "0 days", 6, "more than nothing"),
            ("2 days", "4000 days", 6, "at most"),
            ("2 days", "2d", 6, "not a length of time"),
            ("2 days", "-2 days", 6, "not a length of time"),
            ("5 minutes", "25 hours", 6, "at most one day"),
            ("12 hours", "48 hours", 6, "shorter than the lifetime"),
            ("digitalSignature", "keyCertSign", 7, "\"keyCertSign\" is no key usage"),
            ("clientAuth", "anyExtendedKeyUsage", 8, "is no extended key usage"),
            ("\"clientAuth\"", "\"clientAuth\", \"OCSPSigning\"", 8, "stands alone"),
            ("clientAuth", "serverAuth", 8, "dns or ip"),
            ("\"registration-officer\"", "\"king\"", 9, "\"king\" is no role"),
            ("\"registration-officer\"", "\"auditor\"", 9, "asks for nothing"),
            ("\"registration-officer\"", "\"system\"", 9, "no certificate of a person"),
            ("count = 1", "count = 0", 10, "decide alone"),
            ("count = 1", "count = 10", 10, "at most"),
            ("count = 1", "count = -1", 10, "invalid value"),
            ("[\"approver\"]", "[]", 10, "at least one role"),
            ("\"approver\"", "\"auditor\"", 10, "approves nothing"),
            ("[\"approver\"]", "[\"approver\"], departments = 2", 10, "more than all"),
            ("[\"approver\"]", "[\"approver\"], administrators = 2", 10, "more than all"),
            ("[\"approver\"]", "[\"approver\"], administrators = 1", 10, "must approve, and may not"),
            ("[\"approver\"]", "[\"approver\"], outside = 1", 10, "unknown field"),
            ("\"not-needed\"", "\"not-needed\"\nassurance = \"absolute\"", 12, "not a level"),
            ("max = 1\n", "max = 1\n[[national]]\nextension = \"identifyCode\"\nfrom = \"request\"\n", 28, "in no certificate"),
            ("max = 1\n", "max = 1\n[[national]]\nextension = \"shoeSize\"\nfrom = \"request\"\n", 28, "no extension of GB/T 20518"),
            ("max = 1\n", "max = 1\n[[national]]\nextension = \"taxationNumber\"\n", 27, "missing field"),
            ("max = 1\n", "max = 1\n[[national]]\nextension = \"taxationNumber\"\nfrom = \"csr\"\n", 29, "unknown variant"),
            ("max = 1\n", "max = 1\n[[national]]\nextension = \"taxationNumber\"\nfrom = \"fixed\"\n", 29, "has a value"),
            ("max = 1\n", "max = 1\n[[national]]\nextension = \"taxationNumber\"\nfrom = \"fixed\"\nvalue = \"一\"\n", 30, "syntax"),
            ("max = 1\n", "max = 1\n[[national]]\nextension = \"taxationNumber\"\nfrom = \"request\"\nvalue = \"1\"\n", 30, "only a fixed"),
            ("\"not-needed\"", "\"perhaps\"", 11, "unknown variant"),
            ("\"not-needed\"", "\"not-needed\"\nextensions = [\"ocspNoCheck\"]", 12, "OCSPSigning"),
            ("\"not-needed\"", "\"not-needed\"\nextensions = [\"magic\"]", 12, "\"magic\" is no extension"),
            ("attribute = \"C\"", "attribute = \"X\"", 14, "\"X\" is no attribute"),
            ("attribute = \"C\"", "attribute = \"CN\"", 19, "twice"),
            ("\"fixed\"", "\"nowhere\"", 15, "unknown variant"),
            ("\"fixed\"", "\"request\"", 16, "only a fixed field"),
            ("value = \"CN\"", "", 15, "has a value"),
            ("value = \"CN\"", "value = \"China\"", 16, "two capital letters"),
            ("from = \"request\"\nmax = 20", "from = \"department\"", 20, "O values only"),
            ("from = \"request\"\nmax = 20", "from = \"person\"\nmax = 20", 20, "identifier of a person"),
            ("\"not-needed\"", "\"required\"\nproofing = { lowest = \"low\", cooling = \"1 hour\" }", 12, "its subject may ask"),
            ("max = 20", "max = 65", 21, "1 to 64"),
            ("max = 20", "max = 0", 21, "1 to 64"),
            ("\"mail\"", "\"uri\"", 24, "unknown variant"),
            ("max = 1\n", "max = 0\n", 26, "1 to 100 names"),
            ("max = 1\n", "max = 1\n[[alternative_name]]\nkind = \"mail\"\nfrom = \"csr\"\nmax = 1\n", 28, "twice"),
            ("for = \"person\"", "for = \"person", 3, ""),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let error = only(shipped_with("profiles/clerk.toml", &text).map(drop).expect_err(to));
            assert_eq!((error.file.as_str(), error.line), ("profiles/clerk.toml", line), "{from} → {to}: {error}");
            assert!(error.message.contains(said), "{from} → {to}: {error}");
        }
    }

    #[test]
    fn nobody_who_asks_is_enough_to_approve_but_a_claim_and_the_system_were_decided_before() {
        let asked_by = |who: &str, kind: &str| {
            let text = GOOD.replace("[\"registration-officer\"]", who).replace("\"person\"", kind);
            shipped_with("profiles/clerk.toml", &text.replace("count = 1, roles = [\"approver\"]", "count = 0, roles = []"))
        };
        asked_by("[\"claim\"]", "\"person\"").unwrap();
        asked_by("[\"system\"]", "\"service\"").unwrap();
        for people in ["[\"subject\"]", "[\"administrator\"]", "[\"claim\", \"registration-officer\"]"] {
            assert!(only(asked_by(people, "\"person\"").unwrap_err()).message.contains("decide alone"), "{people}");
        }
    }

    #[test]
    fn proofing_that_contradicts_itself_is_refused_with_its_line() {
        let with = |proofing: &str| {
            let text = GOOD.replace("[\"registration-officer\"]", "[\"registration-officer\", \"subject\"]");
            shipped_with("profiles/clerk.toml", &text.replace("\"not-needed\"", &format!("\"required\"\nproofing = {proofing}")))
        };
        let set = with("{ lowest = \"low\", decides_from = \"high\", cooling = \"72 hours\" }").unwrap();
        let proofing = *set.profile(&"clerk".parse().unwrap()).unwrap().proofing().unwrap();
        assert_eq!((proofing.decides_from, proofing.cooling), (Some(Assurance::High), Duration::hours(72)));
        for (wrong, said) in [
            ("{ lowest = \"some\", cooling = \"1 hour\" }", "not a level"),
            ("{ lowest = \"high\", decides_from = \"low\", cooling = \"1 hour\" }", "at least of the lowest"),
            ("{ lowest = \"low\", cooling = \"soon\" }", "length of time"),
            ("{ lowest = \"low\" }", "missing field"),
            ("{ lowest = \"low\", cooling = \"1 hour\", fee = 1 }", "unknown field"),
        ] {
            let error = only(with(wrong).unwrap_err());
            assert!(error.line == 12 && error.message.contains(said), "{wrong}: {error}");
        }
    }

    #[test]
    fn files_that_are_no_profiles_or_have_another_name_are_refused() {
        for (path, said) in [
            ("profiles/writer.toml", "name of its file"),
            ("profiles/clerk.yaml", "not a policy file"),
            ("clerk.toml", "not a policy file"),
            ("profiles/old/clerk.toml", "name of its file"),
        ] {
            let error = only(shipped_with(path, GOOD).unwrap_err());
            assert!(error.file == path && error.message.contains(said), "{error}");
        }
        let mut twice = files();
        twice.extend([(); 2].map(|()| ("profiles/clerk.toml".to_owned(), GOOD.to_owned())));
        assert!(only(PolicySet::parse(&twice).unwrap_err()).message.contains("twice"));
        assert!(PolicySet::parse(&[] as &[(&str, &str)]).is_err());
    }

    #[test]
    fn caps_are_of_a_version_and_one_without_them_has_none() {
        assert_eq!(shipped().cap(Act::Approve), Some(Cap { statements: 500, items: Some(20_000) }));
        let error = only(shipped_with("caps.toml", "[approve]\nstatements = 5\n\n[bless]\nstatements = 1\n").unwrap_err());
        assert_eq!((error.file.as_str(), error.line), ("caps.toml", 4));
        let mut files = files();
        files.retain(|(path, _)| path != "caps.toml");
        let without = PolicySet::parse(&files).unwrap();
        assert_eq!(without.cap(Act::Approve), None);
        assert_ne!(without.digest(), shipped().digest());
    }

    #[test]
    fn every_algorithm_can_stand_in_a_profile() {
        for algorithm in ALGORITHMS {
            let text = GOOD.replace("\"p256\"", &format!("\"{}\"", algorithm.name()));
            shipped_with("profiles/clerk.toml", &text).unwrap();
        }
    }
}
