//! Signed notes (C2SP signed-note) and the keys that sign checkpoints (C2SP tlog-cosignature), SM2 beside Ed25519.
//!
//! Signing is somebody else's: this file says which octets a private key must sign and turns its answer into a line.

use std::fmt;

use super::{checkpoint::Checkpoint, text};
use crate::crypto::{
    self, Algorithm, PublicKey,
    algorithms::{Ed25519, P256, Sm2},
    digest::sha256_concat,
};

/// More signature lines than any quorum needs; C2SP signed-note asks for 16 at least.
const MAX_SIGNATURES: usize = 100;
/// C2SP tlog-cosignature: a timestamp must not exceed this.
const MAX_TIMESTAMP: u64 = i64::MAX as u64;
const LINE_START: &str = "\u{2014} ";

/// Why a note, a key or a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    #[error("the text of the note is not a checkpoint")]
    Checkpoint,
    #[error("not a verifier key: {0}")]
    Key(&'static str),
    #[error("the signature of {0} does not verify")]
    BadSignature(String),
    #[error("no signature of a known key")]
    Unsigned,
    #[error("a name or an origin is longer than 255 octets")]
    TooLong,
    #[error(transparent)]
    Crypto(#[from] crypto::Error),
}

/// A text with its signatures. Nothing in it is to be believed before `verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    pub name: String,
    pub key_id: [u8; 4],
    /// The signature, behind its time in forms that carry one.
    pub blob: Vec<u8>,
}

impl Note {
    /// A note from a text and the lines of `NoteKey::signature_line`. Goes through the parser, so it cannot be malformed.
    pub fn assemble(text: &str, lines: &[String]) -> Result<Self, NoteError> {
        Self::parse(&format!("{text}\n{}", lines.concat()))
    }

    /// Reads the one form that a note has; says nothing about its signatures.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.chars().any(|character| character < ' ' && character != '\n') {
            return Err(NoteError::Malformed("control character"));
        }
        // The text may hold empty lines: the last one separates.
        let blank = note.rfind("\n\n").ok_or(NoteError::Malformed("no blank line before signatures"))?;
        let (text, lines) = (&note[..=blank], &note[blank + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("no newline at the end"))?;
        let signatures = lines.split('\n').map(NoteSignature::parse).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::Malformed("too many signatures"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// What is signed, with its final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Which of the keys vouch for the text, and since when each says so. Signatures of unknown keys are ignored; a bad
    /// signature of a known key, or none of any, refuses the note.
    pub fn verify<'k>(&self, keys: &'k [NoteKey]) -> Result<Vec<(&'k NoteKey, Vouched)>, NoteError> {
        let mut vouching = Vec::new();
        for key in keys {
            vouching.extend(key.verify(self)?.map(|vouched| (key, vouched)));
        }
        if vouching.is_empty() { Err(NoteError::Unsigned) } else { Ok(vouching) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| signature.fmt(formatter))
    }
}

impl NoteSignature {
    fn parse(line: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Malformed("signature line");
        let Some((name, signature)) = line.strip_prefix(LINE_START).and_then(|rest| rest.split_once(' ')) else { return Err(malformed) };
        let octets = text::decode(signature).ok_or(malformed.clone())?;
        match octets.split_first_chunk() {
            Some((key_id, blob)) if is_name(name) && !blob.is_empty() => {
                Ok(Self { name: name.to_owned(), key_id: *key_id, blob: blob.to_vec() })
            }
            _ => Err(malformed),
        }
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{LINE_START}{} {}", self.name, text::encode(&[&self.key_id, &self.blob[..]].concat()))
    }
}

/// That a key signed a note, and the time it gave: the latest if it signed more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vouched {
    /// The form of signature has no time in it.
    Untimed,
    /// Seconds since 1970. Zero makes no statement about time.
    At(u64),
}

/// A form of signature: how the key is written in key id and vkey, and what is signed.
#[derive(Debug)]
struct Form {
    identifier: &'static [u8],
    algorithm: &'static dyn Algorithm,
    message: Message,
}

/// What a signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    /// The note text.
    Text,
    /// The note text behind a header and the time (tlog-cosignature, "Ed25519 signed message").
    Cosignature,
    /// Origin, size and root with the cosigner's name and the time (tlog-cosignature, struct cosigned_message).
    Subtree,
}

static ED25519: Form = Form { identifier: &[0x01], algorithm: &Ed25519, message: Message::Text };
static ED25519_COSIGNATURE: Form = Form { identifier: &[0x04], algorithm: &Ed25519, message: Message::Cosignature };
static SM2_SUBTREE: Form = Form { identifier: b"\xffsm2-subtree/v1", algorithm: &Sm2, message: Message::Subtree };
static P256_SUBTREE: Form = Form { identifier: b"\xffp256-subtree/v1", algorithm: &P256, message: Message::Subtree };

static FORMS: &[&Form] = &[&ED25519, &ED25519_COSIGNATURE, &SM2_SUBTREE, &P256_SUBTREE];

/// A public key with the name and the form under which it signs notes.
#[derive(Debug, Clone)]
pub struct NoteKey {
    name: String,
    form: &'static Form,
    key: PublicKey,
}

impl PartialEq for NoteKey {
    fn eq(&self, other: &Self) -> bool {
        self.vkey() == other.vkey()
    }
}

impl Eq for NoteKey {}

impl NoteKey {
    /// Type 0x01: Ed25519 over the note text, a log's own signature.
    pub fn ed25519(name: &str, key: &PublicKey) -> Result<Self, NoteError> {
        Self::new(name, &ED25519, key)
    }

    /// Type 0x04: Ed25519 with a time, a witness's signature. The same key must not sign under another name.
    pub fn ed25519_cosignature(name: &str, key: &PublicKey) -> Result<Self, NoteError> {
        Self::new(name, &ED25519_COSIGNATURE, key)
    }

    /// Type 0xff `sm2-subtree/v1`: SM2 with SM3 over the cosigned_message.
    pub fn sm2_subtree(name: &str, key: &PublicKey) -> Result<Self, NoteError> {
        Self::new(name, &SM2_SUBTREE, key)
    }

    /// Type 0xff `p256-subtree/v1`: ECDSA with SHA-256 over the cosigned_message.
    pub fn p256_subtree(name: &str, key: &PublicKey) -> Result<Self, NoteError> {
        Self::new(name, &P256_SUBTREE, key)
    }

    fn new(name: &str, form: &'static Form, key: &PublicKey) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::Key("the name is empty, or holds a space, a plus or a control character"));
        }
        if name.len() > usize::from(u8::MAX) {
            return Err(NoteError::TooLong);
        }
        if key.algorithm().name() != form.algorithm.name() {
            return Err(NoteError::Key("a key of another algorithm"));
        }
        Ok(Self { name: name.to_owned(), form, key: key.clone() })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// With the name, what tells whose a signature line is.
    pub fn key_id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = sha256_concat(&[self.name.as_bytes(), b"\n", self.form.identifier, self.key.octets()]);
        [a, b, c, d]
    }

    /// `name+hex(key id)+base64(type ‖ public key)`.
    pub fn vkey(&self) -> String {
        let octets = [self.form.identifier, self.key.octets()].concat();
        format!("{}+{}+{}", self.name, hex::encode(self.key_id()), text::encode(&octets))
    }

    /// Reads what `vkey` writes, for the forms that are known here.
    pub fn parse_vkey(vkey: &str) -> Result<Self, NoteError> {
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(key_id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("not name+id+key"));
        };
        let octets = text::decode(key).ok_or(NoteError::Key("the key is not base64"))?;
        let (form, octets) = FORMS
            .iter()
            .find_map(|form| Some((*form, octets.strip_prefix(form.identifier)?)))
            .ok_or(NoteError::Key("a form of signature that is not known here"))?;
        let parsed = Self::new(name, form, &PublicKey::new(form.algorithm, octets)?)?;
        if hex::encode(parsed.key_id()) == key_id { Ok(parsed) } else { Err(NoteError::Key("the key id is another key's")) }
    }

    /// The octets that the private key must sign. `timestamp` (seconds since 1970) counts only in forms that carry a time.
    pub fn signed_message(&self, checkpoint: &Checkpoint, timestamp: u64) -> Result<Vec<u8>, NoteError> {
        self.message(&checkpoint.text(), timestamp)
    }

    /// The line for a note, from the signature over `signed_message` in the form X.509 carries it.
    pub fn signature_line(&self, signature: &[u8], timestamp: u64) -> Result<String, NoteError> {
        let raw = self.form.algorithm.signature_to_jose(signature)?;
        let blob = if self.is_timed() { [&timestamp.to_be_bytes(), &raw[..]].concat() } else { raw };
        Ok(NoteSignature { name: self.name.clone(), key_id: self.key_id(), blob }.to_string())
    }

    /// Whether this key vouches for the note: `None` if it did not sign it, an error if one of its signatures is bad.
    pub fn verify(&self, note: &Note) -> Result<Option<Vouched>, NoteError> {
        let key_id = self.key_id();
        let own = note.signatures.iter().filter(|signature| signature.name == self.name && signature.key_id == key_id);
        let vouched = own.map(|signature| self.verify_blob(&note.text, &signature.blob)).collect::<Result<Vec<_>, _>>()?;
        Ok(vouched.into_iter().max())
    }

    fn verify_blob(&self, text: &str, blob: &[u8]) -> Result<Vouched, NoteError> {
        let bad = || NoteError::BadSignature(self.name.clone());
        let (vouched, raw) = if self.is_timed() {
            let (timestamp, raw) = blob.split_first_chunk().ok_or_else(bad)?;
            (Vouched::At(u64::from_be_bytes(*timestamp)), raw)
        } else {
            (Vouched::Untimed, blob)
        };
        let timestamp = if let Vouched::At(timestamp) = vouched { timestamp } else { 0 };
        let message = self.message(text, timestamp)?;
        let signature = self.form.algorithm.signature_from_jose(raw).map_err(|_| bad())?;
        self.key.verify(&message, &signature).map_err(|_| bad())?;
        if timestamp <= MAX_TIMESTAMP { Ok(vouched) } else { Err(bad()) }
    }

    fn is_timed(&self) -> bool {
        self.form.message != Message::Text
    }

    fn message(&self, text: &str, timestamp: u64) -> Result<Vec<u8>, NoteError> {
        match self.form.message {
            Message::Text => Ok(text.as_bytes().to_vec()),
            Message::Cosignature => Ok(format!("cosignature/v1\ntime {timestamp}\n{text}").into_bytes()),
            Message::Subtree => self.cosigned_message(&Checkpoint::parse(text)?, timestamp),
        }
    }

    fn cosigned_message(&self, checkpoint: &Checkpoint, timestamp: u64) -> Result<Vec<u8>, NoteError> {
        let mut message = b"subtree/v1\n\0".to_vec();
        push_name(&mut message, &self.name)?;
        message.extend(timestamp.to_be_bytes());
        push_name(&mut message, &checkpoint.origin)?;
        // A checkpoint is the subtree that starts at the first leaf.
        message.extend(0_u64.to_be_bytes());
        message.extend(checkpoint.size.to_be_bytes());
        message.extend(checkpoint.root);
        Ok(message)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|character| character.is_whitespace() || character == '+' || character < ' ')
}

fn push_name(message: &mut Vec<u8>, name: &str) -> Result<(), NoteError> {
    message.push(name.len().try_into().map_err(|_| NoteError::TooLong)?);
    message.extend(name.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests;
