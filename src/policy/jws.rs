//! The envelope of every signed word: JWS in its compact form (RFC 7515 §7.1) over canonical JSON (RFC 8785).
//!
//! RFC 7515 leaves much open: members of the header, the spelling of the JSON, several signatures. Here one word has one
//! byte form, so its digest can stand for it: the header and the payload must be the canonical form of what they say, and
//! nothing may be in them that we do not know. `crit`, `jwk`, `x5u` and the rest are therefore refused, never skipped.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::identity::parse_hex;
use crate::crypto::{self, ALGORITHMS, Algorithm, PublicKey, digest::sha256, jose::decode_base64url};

/// The longest compact serialisation that is read.
pub const MAX_LENGTH: usize = 16 * 1024;

/// Why text is not a signed word, or not one by this key. Carries none of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    #[error("longer than {limit} octets")]
    TooLong { limit: usize },
    #[error("not three parts in unpadded base64url")]
    Form,
    #[error("the header is not exactly alg, typ and one of x5t#S256 and kid, in canonical form")]
    Header,
    #[error("typ is not {expected}")]
    Type { expected: &'static str },
    #[error("the payload is not of this kind: {0}")]
    Payload(String),
    #[error("the payload is not in canonical form (RFC 8785)")]
    NotCanonical,
    #[error("the header names another algorithm or another key")]
    WrongKey,
    #[error("the signature does not verify")]
    Signature,
}

/// What a payload is: its `typ`, and what its types alone cannot check.
pub trait Content: Serialize + DeserializeOwned {
    const TYPE: &'static str;

    /// Errors are shown to whoever sent the payload and must not repeat it.
    fn check(&self) -> Result<(), &'static str>;
}

/// How a word names its signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignerReference {
    /// SHA-256 of the signer's DER certificate: how people sign (RFC 7515 §4.1.8).
    Certificate([u8; 32]),
    /// SHA-256 of the SubjectPublicKeyInfo: how the system key signs, which has no certificate when it signs first.
    Key([u8; 32]),
}

impl SignerReference {
    pub fn certificate(der: &[u8]) -> Self {
        Self::Certificate(sha256(der))
    }

    pub fn key(key: &PublicKey) -> Self {
        Self::Key(key.fingerprint())
    }
}

/// The protected header; there is no other.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    pub algorithm: &'static dyn Algorithm,
    pub signer: SignerReference,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHeader {
    alg: String,
    typ: String,
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    #[serde(rename = "kid", skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl Header {
    fn encode(&self, typ: &str) -> Vec<u8> {
        let (certificate, key) = match self.signer {
            SignerReference::Certificate(digest) => (Some(URL_SAFE_NO_PAD.encode(digest)), None),
            SignerReference::Key(digest) => (None, Some(hex::encode(digest))),
        };
        canonical(&RawHeader { alg: self.algorithm.jose_name().to_owned(), typ: typ.to_owned(), certificate, key })
    }

    fn parse(octets: &[u8], expected: &'static str) -> Result<Self, StatementError> {
        let raw: RawHeader = serde_json::from_slice(octets).map_err(|_| StatementError::Header)?;
        if raw.typ != expected {
            return Err(StatementError::Type { expected });
        }
        let algorithm = ALGORITHMS.iter().copied().find(|algorithm| algorithm.jose_name() == raw.alg).ok_or(StatementError::Header)?;
        let signer = match (&raw.certificate, &raw.key) {
            (Some(digest), None) => decode_base64url(digest).and_then(|octets| octets.try_into().ok()).map(SignerReference::Certificate),
            (None, Some(digest)) => parse_hex(digest).map(SignerReference::Key),
            (Some(_), Some(_)) | (None, None) => None,
        };
        let header = Self { algorithm, signer: signer.ok_or(StatementError::Header)? };
        if header.encode(expected) == octets { Ok(header) } else { Err(StatementError::Header) }
    }
}

/// The octets that a key signs: the first two parts of the compact serialisation (RFC 7515 §5.1).
pub fn signing_input<P: Content>(header: &Header, payload: &P) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.encode(P::TYPE)), URL_SAFE_NO_PAD.encode(canonical(payload)))
}

/// Puts a signature, in the form that X.509 carries it, behind what it covers.
pub fn assemble(signing_input: &str, algorithm: &dyn Algorithm, signature: &[u8]) -> Result<String, crypto::Error> {
    Ok(format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(algorithm.signature_to_jose(signature)?)))
}

/// A signed word that was read strictly. Its signature counts only after `verify`.
#[derive(Debug, Clone)]
pub struct Jws<P> {
    compact: String,
    header: Header,
    payload: P,
    signature: Vec<u8>,
}

impl<P: Content> Jws<P> {
    pub fn parse(compact: &str) -> Result<Self, StatementError> {
        if compact.len() > MAX_LENGTH {
            return Err(StatementError::TooLong { limit: MAX_LENGTH });
        }
        let mut parts = compact.split('.').map(|part| decode_base64url(part).ok_or(StatementError::Form));
        let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(StatementError::Form);
        };
        Ok(Self {
            header: Header::parse(&header?, P::TYPE)?,
            payload: parse_payload(&payload?)?,
            signature: signature?,
            compact: compact.to_owned(),
        })
    }

    /// Checks the signature, that the header names this key's algorithm and, when it names a key, that it names this one.
    /// When it names a certificate, the caller must have taken `key` out of that very certificate.
    pub fn verify(&self, key: &PublicKey) -> Result<(), StatementError> {
        let names_this_key = match self.header.signer {
            SignerReference::Certificate(_) => true,
            SignerReference::Key(fingerprint) => fingerprint == key.fingerprint(),
        };
        if self.header.algorithm.name() != key.algorithm().name() || !names_this_key {
            return Err(StatementError::WrongKey);
        }
        let signature = key.algorithm().signature_from_jose(&self.signature).map_err(|_| StatementError::Signature)?;
        key.verify(self.signing_input().as_bytes(), &signature).map_err(|_| StatementError::Signature)
    }

    pub fn signer(&self) -> SignerReference {
        self.header.signer
    }

    pub fn payload(&self) -> &P {
        &self.payload
    }

    /// The compact serialisation as received, to be stored.
    pub fn as_str(&self) -> &str {
        &self.compact
    }

    /// SHA-256 of the compact serialisation: how a decision names its statements.
    pub fn digest(&self) -> [u8; 32] {
        sha256(self.compact.as_bytes())
    }

    fn signing_input(&self) -> &str {
        self.compact.rsplit_once('.').map_or("", |(input, _)| input)
    }
}

fn parse_payload<P: Content>(octets: &[u8]) -> Result<P, StatementError> {
    let payload: P = serde_json::from_slice(octets).map_err(|error| StatementError::Payload(what_is_wrong(&error)))?;
    payload.check().map_err(|why| StatementError::Payload(why.to_owned()))?;
    if canonical(&payload) == octets { Ok(payload) } else { Err(StatementError::NotCanonical) }
}

/// Where the JSON stopped making sense; the parser's own words may quote the payload.
fn what_is_wrong(error: &serde_json::Error) -> String {
    let kind = if error.is_data() { "a member is unknown, missing, repeated or malformed" } else { "not JSON" };
    format!("{kind}, at octet {}", error.column())
}

/// RFC 8785. Numbers are IEEE doubles there: integers beyond 2^53 must be written as text.
pub fn canonical(value: &impl Serialize) -> Vec<u8> {
    // Fails for numbers that are not finite and for maps whose keys are not text; neither is in a JSON value or in our types.
    serde_json_canonicalizer::to_vec(value).expect("a JSON value has a canonical form")
}
