//! Statement v1: how anyone decides anything. A person, or the system key where no person decides, signs what they do,
//! to what, having seen what, under which policy, knowing which state of the ledger (`jws.rs` has the envelope).
//!
//! ```text
//! header   {"alg":"ES256"|"SM2","typ":"hufu-statement","x5t#S256":base64url}      or "kid":hex, the system key alone
//! payload  {"about":hex,"act":word,"at":time,"log":{"origin":text,"size":number},"nonce":hex,"policy":hex,
//!           "reason":code?,"seen":hex,"since":time?,"v":1}
//! ```
//! Digests and identifiers in the payload are lower-case hexadecimal, times RFC 3339 in UTC with whole seconds. `at` and
//! `since` are claims: whether the signer was entitled is judged by the ledger's order, never by the time they wrote.
//! A member that is not used is left out, never null. Logging in is another kind of word, so that none passes for the other.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

pub use super::identity::Nonce;
use super::{
    identity::{DepartmentId, EnrolmentId, IdentityError, PersonId, parse_hex},
    jws::{Content, Jws, canonical},
};
use crate::crypto::digest::{sha256, sha256_concat};

pub type Statement = Jws<Payload>;

/// What is decided. Fields are in canonical order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    pub about: About,
    pub act: Act,
    /// When the signer says that they signed.
    pub at: Timestamp,
    /// The state of the ledger that the signer knew.
    pub log: LogPosition,
    /// Makes the statement single-use.
    pub nonce: Nonce,
    /// The digest of the policy that the signer was shown.
    pub policy: Digest32,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub reason: Option<ReasonCode>,
    /// `seen()` of what was shown.
    pub seen: Digest32,
    /// Since when the key is not trusted, with a revocation (RFC 5280 §5.3.2) or a re-review.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub since: Option<Timestamp>,
    pub v: Version,
}

impl Content for Payload {
    const TYPE: &'static str = "hufu-statement";

    fn check(&self) -> Result<(), &'static str> {
        if self.since.is_some() && !matches!(self.act, Act::Revoke | Act::ReReview) {
            return Err("only a revocation and a re-review have since");
        }
        self.log.check()
    }
}

/// The words of `act`. New ones are added at the end; an unknown one is refused, never skipped.
macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Act { $($(#[$doc])* $name,)* }

        impl Act {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

acts! {
    /// An enrolment is asked for; about its identifier.
    Submit = "submit",
    /// A claim code is used, by the key that will be certified; about the enrolment.
    Claim = "claim",
    /// About the enrolment, or about the root of a list of them.
    Approve = "approve",
    Reject = "reject",
    /// Whoever asked takes it back.
    Withdraw = "withdraw",
    /// The holder asks for a successor; about the certificate.
    Renew = "renew",
    /// About a certificate, or about the root of a list of them.
    Revoke = "revoke",
    Suspend = "suspend",
    Resume = "resume",
    /// A person receives a role; about the person, and what was seen says which role.
    Grant = "grant",
    /// A person loses a role; as above.
    Dismiss = "dismiss",
    /// A department is made; about it.
    DefineDepartment = "define-department",
    /// About the digest of the policy.
    ActivatePolicy = "activate-policy",
    /// The system key has a certificate of the service itself issued: responder, listener; about the enrolment.
    Issue = "issue",
    /// The system key finishes a promised signature after a crash; about the certificate.
    Complete = "complete",
    /// The system key publishes on schedule; about the digest of the TBSCertList.
    PublishCrl = "publish-crl",
    /// The system key closes a request that nobody decided on in time; about the enrolment.
    Expire = "expire",
    /// An officer has seen a person and their documents at the counter; about the identity check.
    CheckIdentity = "check-identity",
    /// Another officer confirms it, and the code is made; about the identity check.
    ConfirmIdentity = "confirm-identity",
    /// The system key decides on a proof of identity that the profile calls good enough; about the enrolment.
    Prove = "prove",
    /// One of two who find that the earlier certificate was obtained wrongly; about the later enrolment.
    UpholdContest = "uphold-contest",
    /// One of two who find that the earlier certificate stands; about the later enrolment.
    DismissContest = "dismiss-contest",
    /// One of two auditors who take everything that is held about a person; about the person.
    Export = "export",
    /// What is held about a person is destroyed; about the person.
    Erase = "erase",
    /// A service gets a token; about the token.
    GrantToken = "grant-token",
    /// A token ends; about the token.
    RevokeToken = "revoke-token",
    /// An identity check is taken back before its code is used; about the identity check.
    WithdrawIdentity = "withdraw-identity",
    /// What a stolen key signed is stopped until others have looked at it again; about its certificate.
    ReReview = "re-review",
    /// A department has another name, other names to certify or another place; about the change.
    ChangeDepartment = "change-department",
    /// A department is merged into another; about the change.
    MergeDepartment = "merge-department",
}

impl std::str::FromStr for Act {
    type Err = UnknownAct;

    fn from_str(text: &str) -> Result<Self, UnknownAct> {
        Self::ALL.iter().copied().find(|act| act.as_str() == text).ok_or(UnknownAct)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an act that a statement can have")]
pub struct UnknownAct;

/// What a statement is about: an identifier (16 octets), or a digest (32): of a TBSCertificate, a policy, a TBSCertList,
/// or the root of a list (`list_root`). No digest of one thing is the root of a list, for leaves are hashed with a prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    Identifier([u8; 16]),
    Digest([u8; 32]),
}

impl From<EnrolmentId> for About {
    fn from(id: EnrolmentId) -> Self {
        Self::Identifier(*id.as_bytes())
    }
}

impl From<PersonId> for About {
    fn from(id: PersonId) -> Self {
        Self::Identifier(*id.as_bytes())
    }
}

impl From<DepartmentId> for About {
    fn from(id: DepartmentId) -> Self {
        Self::Identifier(*id.as_bytes())
    }
}

impl std::str::FromStr for About {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        (parse_hex(text).map(Self::Identifier))
            .or_else(|| parse_hex(text).map(Self::Digest))
            .ok_or(IdentityError("an identifier or a digest (32 or 64 lower-case hexadecimal digits)"))
    }
}

impl std::fmt::Display for About {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Identifier(octets) => formatter.write_str(&hex::encode(octets)),
            Self::Digest(octets) => formatter.write_str(&hex::encode(octets)),
        }
    }
}

/// SHA-256, in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest32(pub [u8; 32]);

impl std::str::FromStr for Digest32 {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_hex(text).map(Self).ok_or(IdentityError("a digest (64 lower-case hexadecimal digits)"))
    }
}

impl std::fmt::Display for Digest32 {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

/// Why, as a code: an RFC 5280 §5.3.1 name such as `keyCompromise`, or one of ours. Never a sentence, so never a name in it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ReasonCode(String);

impl ReasonCode {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ReasonCode {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letters = text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(|octet| octet.is_ascii_alphabetic() || octet == b'-');
        if letters && text.len() <= 40 {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdentityError("a reason code (at most 40 letters and hyphens)"))
        }
    }
}

impl std::fmt::Display for ReasonCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An instant in whole seconds of the years 1970 to 9999, written `2030-01-01T00:00:00Z` and read in no other form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// Drops what is below a second. Instants outside the range become its nearest end.
    pub fn new(instant: OffsetDateTime) -> Self {
        let seconds = instant.unix_timestamp().clamp(0, 253_402_300_799);
        Self(OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }

    pub const fn instant(self) -> OffsetDateTime {
        self.0
    }
}

const RFC_3339: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

impl std::str::FromStr for Timestamp {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = time::PrimitiveDateTime::parse(text, RFC_3339).map(|instant| Self::new(instant.assume_utc()));
        read.ok().filter(|read| read.to_string() == text).ok_or(IdentityError("a time such as 2030-01-01T00:00:00Z"))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.format(RFC_3339).map_err(|_| std::fmt::Error)?)
    }
}

/// A state of a log: its origin and how many leaves it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogPosition {
    pub origin: String,
    pub size: u64,
}

impl LogPosition {
    fn check(&self) -> Result<(), &'static str> {
        let origin = !self.origin.is_empty() && self.origin.len() <= 255 && self.origin.chars().all(|letter| !letter.is_control());
        if !origin {
            return Err("the origin of a log is 1 to 255 octets without control characters");
        }
        // RFC 8785 §3.2.2.3: beyond this a number no longer stands for one integer.
        if self.size > 1 << 53 { Err("the size of a log is at most 2^53") } else { Ok(()) }
    }
}

/// The version of the format: 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            1 => Ok(Self),
            _ => Err(D::Error::custom("version")),
        }
    }
}

/// Values that JSON carries as their text form.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

as_text!(Act, About, Digest32, ReasonCode, Timestamp);

impl std::fmt::Display for Act {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

macro_rules! debug_as_text {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self)
            }
        }
    )*};
}

debug_as_text!(About, Digest32, ReasonCode, Timestamp);

/// A member that is there must have a value: null is not how a statement leaves something out.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// What binds a statement to what was shown. The salt is random and one per record: once it is destroyed,
/// nobody can test guesses of what was shown.
pub fn seen(salt: &[u8; 32], shown: &Value) -> Digest32 {
    Digest32(sha256_concat(&[salt, &canonical(shown)]))
}

/// The root of the Merkle tree (RFC 6962 §2.1) over the text forms of a list, in the order in which it was shown:
/// what a statement about many things is about.
pub fn list_root(items: &[About]) -> About {
    About::Digest(tree_hash(items))
}

fn tree_hash(items: &[About]) -> [u8; 32] {
    match items {
        [] => sha256(&[]),
        [item] => sha256_concat(&[&[0], item.to_string().as_bytes()]),
        _ => {
            let (left, right) = items.split_at(items.len().next_power_of_two() / 2);
            sha256_concat(&[&[1], &tree_hash(left), &tree_hash(right)])
        }
    }
}

pub type Login = Jws<LoginPayload>;

/// A session is opened. Names the origin that the signer's browser or program saw, so that no other site can pass it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginPayload {
    pub at: Timestamp,
    pub nonce: Nonce,
    /// Scheme, host and port (RFC 6454 §6.2).
    pub origin: String,
    pub v: Version,
}

impl Content for LoginPayload {
    const TYPE: &'static str = "hufu-login";

    fn check(&self) -> Result<(), &'static str> {
        let plain = self.origin.len() <= 255 && self.origin.bytes().all(|octet| octet.is_ascii_graphic());
        if plain && self.origin.starts_with("https://") { Ok(()) } else { Err("the origin is https:// with host and port") }
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;
    use crate::{
        crypto::{Algorithm, PrivateKey, PublicKey, algorithms},
        policy::jws::{Header, MAX_LENGTH, SignerReference, StatementError, assemble, signing_input},
    };

    /// Keys of these tests alone.
    const KEYS: [(&str, &str); 2] = [("p256", P256_KEY), ("sm2", SM2_KEY)];
    const P256_KEY: &str = "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420d99840dc3318d8e882536656c2b2848d5453ed0ef22ac9f77fab0bcf3cdd91cca144034200047d82bbc700ec95160ef3faaa4e896d07bea81201f42d9c286a41f457e91185e52a43c2dbb9ac1984cb6c04642f1a7b454cba8e3124a897a4ac90900225083685";
    const SM2_KEY: &str = "308187020100301306072a8648ce3d020106082a811ccf5501822d046d306b02010104206740a41d3a4164c4596b3de957ebdce6efb43bdd072b0d93b0e10c3b1c0bd78ba14403420004b7f16d0e0b9b0d04f63a1f3aaeca5795acb34531f42a5ee5253b2925ab5db76897f8ad7c16d080ab3d10d458f71a939b22602aa64ee1b600e87992d6d3bc7ce3";

    fn key(algorithm: &str) -> (&'static dyn Algorithm, Box<dyn PrivateKey>) {
        let algorithm = algorithms::find(algorithm).unwrap();
        let (_, pkcs8) = KEYS.into_iter().find(|(name, _)| *name == algorithm.name()).unwrap();
        (algorithm, algorithm.load(&hex::decode(pkcs8).unwrap()).unwrap())
    }

    fn payload() -> Payload {
        Payload {
            about: About::Digest([0x11; 32]),
            act: Act::Revoke,
            at: "2030-01-02T03:04:05Z".parse().unwrap(),
            log: LogPosition { origin: "ca.example/ledger/department-sm2-g1".to_owned(), size: 4_294_967_296 },
            nonce: "000102030405060708090a0b0c0d0e0f".parse().unwrap(),
            policy: Digest32([0x22; 32]),
            reason: Some("keyCompromise".parse().unwrap()),
            seen: seen(&[0x33; 32], &json!({"title": "撤销", "count": 1})),
            since: Some("2029-12-31T00:00:00Z".parse().unwrap()),
            v: Version,
        }
    }

    fn signed<P: Content>(name: &str, signer: impl Fn(&PublicKey) -> SignerReference, payload: &P) -> String {
        let (algorithm, key) = key(name);
        let input = signing_input(&Header { algorithm, signer: signer(key.public_key()) }, payload);
        assemble(&input, algorithm, &key.sign(input.as_bytes()).unwrap()).unwrap()
    }

    fn statement(name: &str) -> String {
        signed(name, |_| SignerReference::certificate(b"a certificate"), &payload())
    }

    /// A statement with these header and payload bytes, signed for real, so that nothing but its form is wrong.
    fn resigned(header: &str, payload: &str) -> String {
        let (algorithm, key) = key("p256");
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        assemble(&input, algorithm, &key.sign(input.as_bytes()).unwrap()).unwrap()
    }

    fn parts(compact: &str) -> [String; 2] {
        let mut parts = compact.split('.').map(|part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap());
        [parts.next().unwrap(), parts.next().unwrap()]
    }

    #[test]
    fn a_statement_has_the_bytes_of_its_golden_file() {
        for (name, _) in KEYS {
            let [header, payload] = parts(&statement(name));
            let golden = std::fs::read_to_string(format!("tests/golden/statement/{name}.txt")).unwrap();
            assert_eq!(format!("{header}\n{payload}\n"), golden, "{name}");
        }
    }

    #[test]
    fn a_statement_signed_long_ago_still_verifies() {
        for (name, _) in KEYS {
            let compact = std::fs::read_to_string(format!("tests/golden/statement/{name}.jws")).unwrap();
            let statement = Statement::parse(compact.trim_end()).unwrap();
            statement.verify(key(name).1.public_key()).unwrap();
            assert_eq!(statement.payload(), &payload(), "{name}");
            assert_eq!(statement.as_str(), compact.trim_end());
        }
    }

    #[test]
    fn what_is_signed_is_read_again_and_verifies_with_that_key_alone() {
        for (name, _) in KEYS {
            let (algorithm, own) = key(name);
            let statement = Statement::parse(&statement(name)).unwrap();
            statement.verify(own.public_key()).unwrap();
            assert_eq!(statement.signer(), SignerReference::certificate(b"a certificate"));
            assert_eq!(statement.digest(), sha256(statement.as_str().as_bytes()));

            let other = algorithm.load(&algorithm.generate().unwrap()).unwrap();
            assert_eq!(statement.verify(other.public_key()), Err(StatementError::Signature));
        }
        let p256 = Statement::parse(&statement("p256")).unwrap();
        assert_eq!(p256.verify(key("sm2").1.public_key()), Err(StatementError::WrongKey));
    }

    #[test]
    fn the_system_key_is_named_by_its_key_and_no_other_key_passes_for_it() {
        let (algorithm, own) = key("p256");
        Statement::parse(&signed("p256", SignerReference::key, &payload())).unwrap().verify(own.public_key()).unwrap();
        let other = algorithm.load(&algorithm.generate().unwrap()).unwrap();
        let forged = signed("p256", |_| SignerReference::key(other.public_key()), &payload());
        assert_eq!(Statement::parse(&forged).unwrap().verify(own.public_key()), Err(StatementError::WrongKey));
    }

    #[test]
    fn a_statement_with_any_character_changed_is_refused() {
        for (name, _) in KEYS {
            let compact = statement(name);
            let public = key(name).1.public_key().clone();
            for index in 0..compact.len() {
                let mut altered = compact.clone().into_bytes();
                altered[index] = if altered[index] == b'A' { b'B' } else { b'A' };
                let altered = String::from_utf8(altered).unwrap();
                let accepted = Statement::parse(&altered).is_ok_and(|statement| statement.verify(&public).is_ok());
                assert!(!accepted, "{name}: character {index}");
            }
        }
    }

    #[test]
    fn a_statement_has_one_form_in_text() {
        let compact = statement("p256");
        let [header, payload, signature] = <[&str; 3]>::try_from(compact.split('.').collect::<Vec<_>>()).unwrap();
        let stray_bits = format!("{}{}", &compact[..compact.len() - 1], next_digit(compact.as_bytes()[compact.len() - 1]));
        for (case, text) in [
            ("empty", String::new()),
            ("two parts", format!("{header}.{payload}")),
            ("four parts", format!("{compact}.")),
            ("padded", format!("{compact}==")),
            ("padded header", format!("{header}=.{payload}.{signature}")),
            ("newline at the end", format!("{compact}\n")),
            ("space", format!(" {compact}")),
            ("standard alphabet", format!("{header}.{payload}.++//{}", &signature[4..])),
            ("stray bits", stray_bits),
        ] {
            assert_eq!(Statement::parse(&text).unwrap_err(), StatementError::Form, "{case}");
        }
        let long = "A".repeat(MAX_LENGTH + 1);
        assert_eq!(Statement::parse(&long).unwrap_err(), StatementError::TooLong { limit: MAX_LENGTH });
    }

    /// The last digit of 64 octets carries four bits that say nothing; a lax reader takes the next digit for the same octets.
    fn next_digit(digit: u8) -> char {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let index = ALPHABET.iter().position(|letter| *letter == digit).unwrap();
        char::from(ALPHABET[index + 1])
    }

    #[test]
    fn a_header_with_anything_else_in_it_is_refused_even_when_the_signature_is_good() {
        let [header, payload] = parts(&statement("p256"));
        Statement::parse(&resigned(&header, &payload)).unwrap();
        let kid = hex::encode(key("p256").1.public_key().fingerprint());
        for (case, altered) in [
            ("crit", header.replace(r#""typ""#, r#""crit":["b64"],"typ""#)),
            ("jwk", header.replace(r#""typ""#, r#""jwk":{},"typ""#)),
            ("none", header.replace("ES256", "none")),
            ("unknown algorithm", header.replace("ES256", "HS256")),
            ("repeated alg", header.replace(r#""alg":"ES256""#, r#""alg":"ES256","alg":"ES256""#)),
            ("white space", header.replace(",", ", ")),
            ("another order", r#"{"typ":"hufu-statement","#.to_owned() + &header[1..].replace(r#","typ":"hufu-statement""#, "")),
            ("escaped letter", header.replace("ES256", "\\u0045S256")),
            ("both references", header.replace(r#""typ""#, &format!(r#""kid":"{kid}","typ""#))),
            ("no reference", r#"{"alg":"ES256","typ":"hufu-statement"}"#.to_owned()),
            ("null reference", r#"{"alg":"ES256","kid":null,"typ":"hufu-statement"}"#.to_owned()),
            ("short reference", r#"{"alg":"ES256","kid":"00","typ":"hufu-statement"}"#.to_owned()),
            ("upper-case reference", format!(r#"{{"alg":"ES256","kid":"{}","typ":"hufu-statement"}}"#, kid.to_uppercase())),
            ("not an object", "[]".to_owned()),
        ] {
            assert_ne!(altered, header, "{case}");
            assert_eq!(Statement::parse(&resigned(&altered, &payload)).unwrap_err(), StatementError::Header, "{case}");
        }
        let login = header.replace("hufu-statement", "hufu-login");
        let expected = StatementError::Type { expected: "hufu-statement" };
        assert_eq!(Statement::parse(&resigned(&login, &payload)).unwrap_err(), expected);
    }

    #[test]
    fn a_payload_in_any_other_spelling_is_refused_even_when_the_signature_is_good() {
        let [header, payload] = parts(&statement("p256"));
        for (case, from, to) in [
            ("white space", ",", ", "),
            ("newline", "{", "{\n"),
            ("escaped letter", "revoke", "\\u0072evoke"),
            ("number with exponent", "4294967296", "4294967296e0"),
            ("number with fraction", "4294967296", "4294967296.0"),
            ("number that is not one integer", "4294967296", "9007199254740993"),
            ("version 2", r#""v":1"#, r#""v":2"#),
            ("version as text", r#""v":1"#, r#""v":"1""#),
            ("unknown member", r#""v":1"#, r#""v":1,"x":1"#),
            ("unknown member of log", r#""size":"#, r#""sise":1,"size":"#),
            ("repeated member", r#""v":1"#, r#""v":1,"v":1"#),
            ("repeated act", r#""act":"revoke""#, r#""act":"approve","act":"revoke""#),
            ("missing member", r#","v":1"#, ""),
            ("null member", r#""reason":"keyCompromise""#, r#""reason":null"#),
            ("unknown act", "revoke", "bless"),
            ("since of an approval", "revoke", "approve"),
            ("upper-case digest", "2222222222222222", "222222222222222A"),
            ("short digest", "2222222222222222", "22"),
            ("reason that is a sentence", "keyCompromise", "he left us"),
            ("time with offset", "05Z", "05+00:00"),
            ("time with fraction", "05Z", "05.0Z"),
            ("time that is none", "2030-01-02", "2030-02-30"),
            ("origin with control character", "ca.example", "ca\\u0000example"),
            ("empty origin", "ca.example/ledger/department-sm2-g1", ""),
        ] {
            let altered = payload.replacen(from, to, 1);
            assert_ne!(altered, payload, "{case}");
            let error = Statement::parse(&resigned(&header, &altered)).unwrap_err();
            assert!(matches!(error, StatementError::Payload(_) | StatementError::NotCanonical), "{case}: {error}");
        }
        let reordered = format!(r#"{{"v":1,{}}}"#, payload[1..].replace(r#","v":1}"#, ""));
        assert_eq!(Statement::parse(&resigned(&header, &reordered)).unwrap_err(), StatementError::NotCanonical);
    }

    #[test]
    fn an_error_does_not_repeat_what_was_sent() {
        let [header, payload] = parts(&statement("p256"));
        let secret = payload.replace("keyCompromise", "wang-xiaoming 110105194912310022");
        assert!(!Statement::parse(&resigned(&header, &secret)).unwrap_err().to_string().contains("wang"));
        let secret = payload.replace(r#""v":1"#, r#""v":1,"wang":1"#);
        assert!(!Statement::parse(&resigned(&header, &secret)).unwrap_err().to_string().contains("wang"));
    }

    #[test]
    fn every_act_is_read_in_the_form_it_is_written() {
        for act in Act::ALL {
            assert_eq!(act.as_str().parse(), Ok(*act));
        }
        assert!("Approve".parse::<Act>().is_err());
    }

    #[test]
    fn what_was_seen_depends_on_the_salt_and_on_all_that_was_shown_but_not_on_its_order() {
        let one = seen(&[1; 32], &json!({"a": 1, "b": [1, 2]}));
        assert_eq!(one, seen(&[1; 32], &serde_json::from_str(r#"{"b":[1,2.0],"a":1}"#).unwrap()));
        assert_ne!(one, seen(&[2; 32], &json!({"a": 1, "b": [1, 2]})));
        assert_ne!(one, seen(&[1; 32], &json!({"a": 1, "b": [2, 1]})));
        let by_hand = [&[1; 32], br#"{"a":1,"b":[1,2]}"#.as_slice()].concat();
        assert_eq!(one, Digest32(sha256(&by_hand)));
    }

    #[test]
    fn the_root_of_a_list_is_that_of_rfc_6962() {
        let items: Vec<About> = (0..5).map(|index| About::Identifier([index; 16])).collect();
        let leaf = |index: usize| sha256(format!("\0{}", items[index]).as_bytes());
        let node = |left: [u8; 32], right: [u8; 32]| sha256(&[&[1], &left[..], &right[..]].concat());
        let four = node(node(leaf(0), leaf(1)), node(leaf(2), leaf(3)));

        assert_eq!(list_root(&[]), About::Digest(sha256(b"")));
        assert_eq!(list_root(&items[..1]), About::Digest(leaf(0)));
        assert_eq!(list_root(&items[..3]), About::Digest(node(node(leaf(0), leaf(1)), leaf(2))));
        assert_eq!(list_root(&items[..4]), About::Digest(four));
        assert_eq!(list_root(&items), About::Digest(node(four, leaf(4))));
    }

    #[test]
    fn a_login_names_its_origin_and_is_no_statement() {
        let login = |origin: &str| LoginPayload { at: payload().at, nonce: payload().nonce, origin: origin.to_owned(), v: Version };
        let compact = signed("sm2", |_| SignerReference::certificate(b"a certificate"), &login("https://ca.example:8443"));
        Login::parse(&compact).unwrap().verify(key("sm2").1.public_key()).unwrap();
        assert_eq!(Statement::parse(&compact).unwrap_err(), StatementError::Type { expected: "hufu-statement" });
        let plain = signed("sm2", |_| SignerReference::certificate(b"a certificate"), &login("http://ca.example"));
        assert!(matches!(Login::parse(&plain), Err(StatementError::Payload(_))));
    }
}
