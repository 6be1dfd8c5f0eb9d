//! JSON Web Signatures of anybody (RFC 7515, RFC 7797, RFC 8037): compact, flattened and general.
//!
//! Statements (`policy/jws.rs`) are much narrower: one header, one form. Here is everything that RFC 7515 lets others write, and
//! what it leaves open is decided strictly: no member twice, nothing critical that is not known, no base64url but the one form.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{
    Judge, SignatureReason, SignatureReport, SignerReport,
    cms::Moment,
    conclusion::{self, Unconcluded},
    signer::record,
};
use crate::{
    crypto::{
        self,
        digest::sha256,
        jose::{JoseAlgorithm, Jwk, decode_base64url},
    },
    validation::{CheckName, revocation::Evidence},
    x509::Certificate,
};

/// The longest serialisation that is read.
pub const MAX_LENGTH: usize = 16 << 20;
/// The longest header, and the most signatures.
const MAX_HEADER: usize = 64 * 1024;
const MAX_SIGNATURES: usize = 64;
/// The most certificates of one header.
const MAX_CERTIFICATES: usize = 16;
/// The most certificates that are tried for one signature.
const MAX_TRIED: usize = 4;
/// What `crit` may name, for it is understood here (RFC 7797).
const UNDERSTOOD: &[&str] = &["b64"];
/// What `crit` may not name, because every reader must understand it (RFC 7515 §4.1.11).
const STANDARD_NAMES: &[&str] = &["alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty", "crit"];

/// Why text is no JWS. Repeats none of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    #[error("longer than {MAX_LENGTH} octets")]
    TooLong,
    #[error("not three parts in base64url")]
    Parts,
    #[error("not the JSON of a JWS: {0}")]
    Json(&'static str),
    #[error("the header is {0}")]
    Header(&'static str),
    #[error("the payload is detached and was not given")]
    NoPayload,
    #[error("more than {MAX_SIGNATURES} signatures")]
    TooMany,
}

/// One or more signatures over one payload.
#[derive(Debug)]
pub struct Jws {
    /// As it stands in the JWS: base64url, or the octets themselves with `b64` false.
    payload: String,
    signatures: Vec<One>,
}

#[derive(Debug)]
struct One {
    /// As received: what was signed.
    protected: String,
    header: Header,
    signature: Vec<u8>,
}

/// The union of the protected and the unprotected header (RFC 7515 §4).
#[derive(Debug)]
struct Header {
    algorithm: String,
    is_base64: bool,
    members: Map<String, Value>,
}

impl Jws {
    /// Whichever serialisation it is.
    pub fn parse(text: &str, detached: Option<&[u8]>) -> Result<Self, JwsError> {
        if text.trim_start().starts_with('{') { Self::parse_json(text, detached) } else { Self::parse_compact(text, detached) }
    }

    /// RFC 7515 §7.1. `detached`: the payload when the part between the dots is empty (Appendix F).
    pub fn parse_compact(text: &str, detached: Option<&[u8]>) -> Result<Self, JwsError> {
        if text.len() > MAX_LENGTH {
            return Err(JwsError::TooLong);
        }
        let mut parts = text.split('.');
        let (Some(protected), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(JwsError::Parts);
        };
        let one = One {
            header: Header::parse(protected, None)?,
            protected: protected.to_owned(),
            signature: decode_base64url(signature).ok_or(JwsError::Parts)?,
        };
        Self { payload: payload.to_owned(), signatures: vec![one] }.with_payload(detached)
    }

    /// RFC 7515 §7.2.
    pub fn parse_json(text: &str, detached: Option<&[u8]>) -> Result<Self, JwsError> {
        if text.len() > MAX_LENGTH {
            return Err(JwsError::TooLong);
        }
        let json: Serialization = serde_json::from_str(text).map_err(|_| JwsError::Json("a member is missing, repeated or malformed"))?;
        let flattened =
            OneSerialization { protected: json.protected, header: json.header, signature: json.signature.clone().unwrap_or_default() };
        let is_flat = json.signature.is_some();
        let list = match (json.signatures, is_flat) {
            (Some(list), false) if flattened.protected.is_none() && flattened.header.is_none() => list,
            (None, true) => vec![flattened],
            _ => return Err(JwsError::Json("neither of the two JSON serialisations")),
        };
        if list.is_empty() {
            return Err(JwsError::Json("no signature"));
        }
        if list.len() > MAX_SIGNATURES {
            return Err(JwsError::TooMany);
        }
        let signatures = list.into_iter().map(One::parse).collect::<Result<Vec<_>, _>>()?;
        // RFC 7797 §3: one payload is encoded in one way.
        if signatures.iter().any(|one| one.header.is_base64 != signatures[0].header.is_base64) {
            return Err(JwsError::Header("at odds with another about b64"));
        }
        Self { payload: json.payload.unwrap_or_default(), signatures }.with_payload(detached)
    }

    fn with_payload(mut self, detached: Option<&[u8]>) -> Result<Self, JwsError> {
        let is_base64 = self.signatures[0].header.is_base64;
        if let Some(octets) = detached.filter(|_| self.payload.is_empty()) {
            self.payload = match is_base64 {
                true => base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets),
                false => String::from_utf8(octets.to_vec()).map_err(|_| JwsError::Json("the payload is not text, and b64 is false"))?,
            };
        }
        if is_base64 && decode_base64url(&self.payload).is_none() {
            return Err(JwsError::Parts);
        }
        Ok(self)
    }

    /// The octets of the payload.
    pub fn payload(&self) -> Vec<u8> {
        // Of what is in base64url it was checked that it is.
        let is_base64 = self.signatures[0].header.is_base64;
        let decoded = if is_base64 { decode_base64url(&self.payload) } else { None };
        decoded.unwrap_or_else(|| self.payload.clone().into_bytes())
    }

    /// Checks every signature with a key that the caller has, whatever the headers say of keys.
    pub fn verify(&self, key: &Jwk) -> Result<(), crypto::Error> {
        self.signatures.iter().try_for_each(|one| {
            let names_another = match (one.header.members.get("kid"), &key.key_id) {
                (Some(named), Some(own)) => named != own.as_str(),
                _ => false,
            };
            if names_another {
                return Err(crypto::Error::PublicKey);
            }
            key.verify(&one.header.algorithm, self.signing_input(one).as_bytes(), &one.signature)
        })
    }

    /// The verdict on every signature by the certificate that its header carries, or else by one of those given.
    pub fn judge(&self, more: &[Certificate], moment: Moment, judge: &Judge<'_>) -> SignatureReport {
        SignatureReport::new("jws", self.signatures.iter().map(|one| self.judge_one(one, more, moment, judge)).collect())
    }

    fn judge_one(&self, one: &One, more: &[Certificate], moment: Moment, judge: &Judge<'_>) -> SignerReport {
        let mut checks = Vec::new();
        let mut candidates = match one.header.certificates() {
            Ok(candidates) => candidates,
            Err(error) => return conclusion::unreadable(&error.to_string(), moment),
        };
        let carries_own = !candidates.is_empty();
        candidates.extend_from_slice(more);
        // Without a word of the header which it is, the one that the signature is by.
        let mut fitting = one.header.fitting(&candidates, carries_own).take(MAX_TRIED);
        let certificate = fitting.clone().find(|certificate| self.verify_one(one, certificate).is_ok()).or_else(|| fitting.next());
        let found = certificate.ok_or(SignatureReason::SignerCertificateMissing);
        let named = certificate.map_or_else(|| "none that the header names".to_owned(), Certificate::subject_text);
        record(&mut checks, CheckName::SignerCertificate, "RFC 7515 §4.1.6 to §4.1.8", &found, named);
        let checked = found.and_then(|certificate| {
            let verified = self.verify_one(one, certificate);
            record(&mut checks, CheckName::Signature, "RFC 7515 §5.2", &verified, one.header.algorithm.as_str());
            verified
        });
        // No header of RFC 7515 has room for any.
        let evidence = &Evidence::default();
        let unconcluded =
            Unconcluded { certificate, candidates: &candidates, evidence, checked, checks, time_stamps: Vec::new(), claimed: None };
        conclusion::conclude(unconcluded, moment, judge)
    }

    fn verify_one(&self, one: &One, certificate: &Certificate) -> Result<(), SignatureReason> {
        let algorithm = JoseAlgorithm::find(&one.header.algorithm).ok_or(SignatureReason::AlgorithmNotAccepted)?;
        let key = certificate.verifying_key().map_err(|_| SignatureReason::AlgorithmNotAccepted)?;
        algorithm.verify(key, self.signing_input(one).as_bytes(), &one.signature).map_err(|error| match error {
            crypto::Error::Signature => SignatureReason::SignatureBroken,
            _ => SignatureReason::AlgorithmNotAccepted,
        })
    }

    fn signing_input(&self, one: &One) -> String {
        format!("{}.{}", one.protected, self.payload)
    }
}

impl One {
    fn parse(json: OneSerialization) -> Result<Self, JwsError> {
        let protected = json.protected.unwrap_or_default();
        Ok(Self {
            header: Header::parse(&protected, json.header)?,
            signature: decode_base64url(&json.signature).ok_or(JwsError::Parts)?,
            protected,
        })
    }
}

impl Header {
    fn parse(protected: &str, unprotected: Option<Members>) -> Result<Self, JwsError> {
        let octets = decode_base64url(protected).filter(|octets| octets.len() <= MAX_HEADER).ok_or(JwsError::Header("not base64url"))?;
        let protected: Members = match octets.is_empty() && unprotected.is_some() {
            true => Members::default(),
            false => serde_json::from_slice(&octets).map_err(|_| JwsError::Header("not a JSON object, or has a member twice"))?,
        };
        let critical = Self::critical(&protected.0)?;
        // Only what is signed may change how the payload is read (RFC 7797 §6).
        let is_base64 = match protected.0.get("b64") {
            None => true,
            Some(Value::Bool(value)) if critical.contains(&"b64") => *value,
            Some(_) => return Err(JwsError::Header("one whose b64 is not critical or not a boolean")),
        };
        let mut members = protected.0.clone();
        for (name, value) in unprotected.unwrap_or_default().0 {
            if name == "crit" || name == "b64" || members.insert(name, value).is_some() {
                return Err(JwsError::Header("one with a member in both parts, or in the part that is not signed"));
            }
        }
        let algorithm = members.get("alg").and_then(Value::as_str).ok_or(JwsError::Header("without alg"))?.to_owned();
        Ok(Self { algorithm, is_base64, members })
    }

    /// RFC 7515 §4.1.11: names of members that are there, that no standard header has, and that are understood.
    fn critical(protected: &Map<String, Value>) -> Result<Vec<&str>, JwsError> {
        let Some(value) = protected.get("crit") else { return Ok(Vec::new()) };
        let names: Option<Vec<&str>> = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        let names = names.filter(|names| !names.is_empty()).ok_or(JwsError::Header("one whose crit is no list of names"))?;
        let is_right = |name: &&str| protected.contains_key(*name) && !STANDARD_NAMES.contains(name) && UNDERSTOOD.contains(name);
        let is_unique = names.iter().enumerate().all(|(index, name)| !names[..index].contains(name));
        if names.iter().all(is_right) && is_unique {
            Ok(names)
        } else {
            Err(JwsError::Header("one with a critical member that is not known"))
        }
    }

    /// `x5c`: the signer's certificate first (RFC 7515 §4.1.6).
    fn certificates(&self) -> Result<Vec<Certificate>, JwsError> {
        let Some(list) = self.members.get("x5c") else { return Ok(Vec::new()) };
        let wrong = || JwsError::Header("one whose x5c is no list of certificates");
        let list = list.as_array().filter(|list| (1..=MAX_CERTIFICATES).contains(&list.len())).ok_or_else(wrong)?;
        let read = |value: &Value| Certificate::parse(&STANDARD.decode(value.as_str()?).ok()?).ok();
        list.iter().map(|value| read(value).ok_or_else(wrong)).collect()
    }

    /// The certificates that the header may mean: of those that it carries the first, otherwise those that it names by their hash.
    fn fitting<'a>(&self, candidates: &'a [Certificate], carries_own: bool) -> impl Iterator<Item = &'a Certificate> + Clone {
        let thumbprint = self.members.get("x5t#S256").map(|value| value.as_str().and_then(decode_base64url));
        let candidates = if carries_own { &candidates[..1] } else { candidates };
        candidates.iter().filter(move |certificate| match &thumbprint {
            Some(named) => named.as_deref() == Some(&sha256(certificate.der())[..]),
            None => true,
        })
    }
}

#[derive(Deserialize)]
struct Serialization {
    payload: Option<String>,
    signatures: Option<Vec<OneSerialization>>,
    protected: Option<String>,
    header: Option<Members>,
    signature: Option<String>,
}

/// Members that are not known are passed over (RFC 7515 §7.2.1).
#[derive(Deserialize)]
struct OneSerialization {
    protected: Option<String>,
    header: Option<Members>,
    signature: String,
}

/// A JSON object none of whose members stands twice (RFC 7515 §4).
#[derive(Debug, Default)]
struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unique;
        impl<'de> Visitor<'de> for Unique {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object without repeated members")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(de::Error::custom("a member stands twice"));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Unique)
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn jwk() -> Jwk {
        Jwk::parse(json!({"kty": "oct", "k": KEY}).as_object().unwrap()).unwrap()
    }

    fn mac(input: &str) -> String {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[0; 32]);
        URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, input.as_bytes()))
    }

    fn encode(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn compact(header: &str, payload: &str) -> String {
        let input = format!("{}.{payload}", encode(header));
        format!("{input}.{}", mac(&input))
    }

    #[test]
    fn a_header_says_each_thing_once_and_nothing_critical_that_is_not_known() {
        for (header, is_right) in [
            (r#"{"alg":"HS256"}"#, true),
            (r#" {"alg" : "HS256", "x" : [1, {"y":2}] } "#, true),
            (r#"{"alg":"HS256","alg":"HS256"}"#, false),
            (r#"{"alg":"HS256","crit":["exp"],"exp":1}"#, false),
            (r#"{"alg":"HS256","crit":[]}"#, false),
            (r#"{"alg":"HS256","crit":["alg"]}"#, false),
            (r#"{"alg":"HS256","crit":["b64"]}"#, false),
            (r#"{"alg":"HS256","crit":["b64","b64"],"b64":true}"#, false),
            (r#"{"alg":"HS256","crit":["b64"],"b64":true}"#, true),
            (r#"{"alg":"HS256","b64":false}"#, false),
            (r#"{"alg":"none"}"#, false),
            (r#"{"alg":1}"#, false),
            (r#"{}"#, false),
            (r#"[]"#, false),
            ("", false),
        ] {
            let verified = Jws::parse(&compact(header, &encode("payload")), None).map(|jws| jws.verify(&jwk()));
            assert_eq!(matches!(verified, Ok(Ok(()))), is_right, "{header}: {verified:?}");
        }
    }

    #[test]
    fn all_three_serialisations_and_detached_payloads_are_read() {
        let header = encode(r#"{"alg":"HS256"}"#);
        let payload = encode("payload");
        let signature = mac(&format!("{header}.{payload}"));
        let general =
            json!({"payload": payload, "signatures": [{"protected": header, "header": {"kid": "1"}, "signature": signature}], "more": 1});
        let flat = json!({"payload": payload, "protected": header, "signature": signature});
        let detached = json!({"protected": header, "signature": signature});
        for (name, text, octets) in [
            ("compact", format!("{header}.{payload}.{signature}"), None),
            ("general", general.to_string(), None),
            ("flattened", flat.to_string(), None),
            ("compact, detached", format!("{header}..{signature}"), Some(&b"payload"[..])),
            ("flattened, detached", detached.to_string(), Some(b"payload")),
        ] {
            Jws::parse(&text, octets).unwrap().verify(&jwk()).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let raw = encode(r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#);
        let signature = mac(&format!("{raw}.$.02"));
        Jws::parse(&format!("{raw}..{signature}"), Some(b"$.02")).unwrap().verify(&jwk()).unwrap();
    }

    #[test]
    fn mixtures_repetitions_and_crowds_are_refused() {
        let header = encode(r#"{"alg":"HS256"}"#);
        let one = json!({"protected": header, "signature": ""});
        for (name, text) in [
            ("both forms", json!({"payload": "", "signature": "", "protected": header, "signatures": [one]}).to_string()),
            ("no signature", json!({"payload": "", "signatures": []}).to_string()),
            ("too many", json!({"payload": "", "signatures": vec![one.clone(); MAX_SIGNATURES + 1]}).to_string()),
            ("a payload twice", format!(r#"{{"payload":"","payload":"","protected":"{header}","signature":""}}"#)),
            ("alg in both headers", json!({"payload": "", "protected": header, "header": {"alg": "HS256"}, "signature": ""}).to_string()),
            ("an unsigned crit", json!({"payload": "", "header": {"alg": "HS256", "crit": ["b64"]}, "signature": ""}).to_string()),
            ("padding", format!("{header}=.AA.AA")),
            ("four parts", format!("{header}.AA.AA.AA")),
            ("stray bits in the payload", format!("{header}.AB.AA")),
            ("nesting", format!("{{\"payload\":{}", "[".repeat(100_000))),
        ] {
            assert!(Jws::parse(&text, None).is_err(), "{name}");
        }
    }
}
