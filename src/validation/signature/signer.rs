//! One signer of a CMS: its certificate, its attributes, its signature value (RFC 5652 §5.4 to §5.6).

use der::{asn1::ObjectIdentifier, referenced::OwnedToRef};
use spki::AlgorithmIdentifierOwned;

use super::report::SignatureReason;
use crate::{
    crypto::{Digest, Error, Scheme, VerifyingKey, digest::Hasher},
    validation::{Check, CheckName, Outcome, Verdict},
    x509::{
        Certificate,
        cms::{Attributes, SM2_SIGN, SignerIdentifier, SignerInfo},
    },
};

/// A signer with the certificate and the key that it is checked by.
pub(super) struct Signer<'a> {
    pub info: &'a SignerInfo<'a>,
    pub certificate: Option<&'a Certificate>,
    key: Option<&'a VerifyingKey>,
    scheme: Option<Scheme>,
}

/// What the content is to a signer.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    Missing,
    /// There is too much of it for what this signer needs.
    TooMuch,
    /// Hashed with `Signer::hash`.
    Hash(&'a [u8]),
    /// There is only a hash by this function, which says nothing to this signer.
    HashAlone(Digest),
    /// For a scheme that hashes nothing beforehand.
    Whole(&'a [u8]),
}

/// Which hash of the content a signer needs: signers that need the same share it.
#[derive(PartialEq, Eq)]
pub(super) struct HashId {
    digest: Digest,
    /// The key that goes into the hash (Z of SM2).
    key: Option<Vec<u8>>,
}

impl HashId {
    /// Of the content and nothing else.
    pub fn plain(digest: Digest) -> Self {
        Self { digest, key: None }
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn is_keyed(&self) -> bool {
        self.key.is_some()
    }
}

/// The most certificates with the issuer and serial number, or with the key identifier, of one signer that are looked at.
const MAX_ALIKE: usize = 8;

impl Content<'_> {
    /// `digest`: the function that the signer hashes with.
    fn describe(self, digest: ObjectIdentifier) -> String {
        match self {
            Self::HashAlone(given) => {
                let own = Digest::find(digest).map_or_else(|| digest.to_string(), |digest| digest.name().to_owned());
                format!("the signature is by {own}, the digest that was given by {}", given.name())
            }
            Self::Missing => "none was given".to_owned(),
            Self::TooMuch => "too many signers need a hash of their own".to_owned(),
            Self::Hash(hash) => hex::encode(hash),
            Self::Whole(octets) => format!("{} octets", octets.len()),
        }
    }
}

type Checked = Result<(), SignatureReason>;

impl<'a> Signer<'a> {
    /// Of several certificates that fit, the one that the signature itself names by its hash.
    pub fn resolve(info: &'a SignerInfo<'a>, certificates: &'a [Certificate]) -> Self {
        let named = info.signed.as_ref().and_then(|signed| signed.signing_certificates().ok().flatten());
        let is_named = |certificate: &&Certificate| named.as_ref().is_some_and(|list| list[0].names(certificate));
        let mut fitting = certificates.iter().filter(|certificate| info.identifier.names(certificate)).take(MAX_ALIKE);
        let certificate = fitting.clone().find(is_named).or_else(|| fitting.next());
        let key = certificate.and_then(|certificate| certificate.verifying_key().ok());
        Self { info, certificate, key, scheme: scheme(info) }
    }

    /// What to hash the content with; `None` when it must be kept whole, or when nothing can come of it.
    pub fn hash(&self) -> Option<(HashId, Hasher)> {
        if self.info.signed.is_some() {
            let digest = Digest::find(self.info.digest())?;
            return Some((HashId::plain(digest), digest.hasher()));
        }
        let (key, scheme) = (self.key?, self.scheme?);
        let keyed = (scheme == Scheme::Sm2).then(|| key.octets().to_vec());
        Some((HashId { digest: scheme.digest()?, key: keyed }, key.hasher(scheme)?))
    }

    pub fn needs_whole_content(&self) -> bool {
        self.info.signed.is_none() && self.scheme == Some(Scheme::Ed25519)
    }

    /// The same for content in memory.
    pub fn check_over(&self, content_type: Option<ObjectIdentifier>, octets: &[u8], checks: &mut Vec<Check>) -> Checked {
        let hash = self.hash().map(|(_, mut hasher)| {
            hasher.update(octets);
            hasher.finish()
        });
        let content = hash.as_deref().map_or(Content::Whole(octets), Content::Hash);
        self.check(content_type, content, checks)
    }

    /// `content_type`: of the content; `None` for a counter-signature, which has none (RFC 5652 §11.4).
    pub fn check(&self, content_type: Option<ObjectIdentifier>, content: Content<'_>, checks: &mut Vec<Check>) -> Checked {
        let certificate = self.certificate.ok_or(SignatureReason::SignerCertificateMissing);
        let subject = self.certificate.map_or_else(|| self.describe_identifier(), Certificate::subject_text);
        record(checks, CheckName::SignerCertificate, "RFC 5652 §5.3", &certificate, subject);
        let certificate = certificate?;
        let algorithms = self.check_algorithms();
        record(checks, CheckName::Algorithms, "ETSI TS 119 312", &algorithms, self.describe_algorithms());
        let (key, scheme) = algorithms?;
        let holds = match &self.info.signed {
            Some(signed) => {
                self.check_attributes(signed, certificate, content_type, content, checks)?;
                verify_attributes(key, scheme, signed, self.info.signature)
            }
            None => self.verify_content(key, scheme, content),
        };
        let over = match (&self.info.signed, content) {
            (Some(_), _) => "the signed attributes",
            (None, Content::HashAlone(_)) => "the content, which is needed whole: there are no signed attributes",
            (None, _) => "the content",
        };
        record(checks, CheckName::Signature, "RFC 5652 §5.6", &holds, format!("{scheme} over {over}"));
        holds
    }

    fn check_algorithms(&self) -> Result<(&VerifyingKey, Scheme), SignatureReason> {
        let refused = SignatureReason::AlgorithmNotAccepted;
        let (key, scheme) = (self.key.ok_or(refused)?, self.scheme.ok_or(refused)?);
        let digest = Digest::find(self.info.digest()).filter(|digest| *digest != Digest::Sha1).ok_or(refused)?;
        let has_no_parameters = self.info.digest_algorithm.parameters.as_ref().is_none_or(|parameters| parameters.is_null());
        // One hash function for content and attributes; what Ed25519 hashes is its own affair (RFC 8419 §3.1).
        let agree = scheme.digest().is_none_or(|own| own == digest);
        if has_no_parameters && agree { Ok((key, scheme)) } else { Err(refused) }
    }

    fn describe_algorithms(&self) -> String {
        let key = self.key.map_or_else(|| "unknown key".to_owned(), VerifyingKey::name);
        let scheme = self.scheme.map_or_else(|| self.info.signature_algorithm.oid.to_string(), |scheme| scheme.to_string());
        let digest = Digest::find(self.info.digest()).map_or_else(|| self.info.digest().to_string(), |digest| digest.name().to_owned());
        format!("{scheme}, {key}, digest {digest}")
    }

    fn describe_identifier(&self) -> String {
        match self.info.identifier {
            SignerIdentifier::IssuerAndSerial { serial, .. } => format!("none with the serial number {}", hex::encode(serial)),
            SignerIdentifier::KeyIdentifier(identifier) => format!("none with the key identifier {}", hex::encode(identifier)),
        }
    }

    fn check_attributes(
        &self,
        signed: &Attributes<'_>,
        certificate: &Certificate,
        content_type: Option<ObjectIdentifier>,
        content: Content<'_>,
        checks: &mut Vec<Check>,
    ) -> Checked {
        let attributes = self.check_content_type(signed, content_type).and_then(|()| self.check_protection(signed));
        let found = content_type.map_or_else(|| "none, as in a counter-signature".to_owned(), |found| format!("content type {found}"));
        record(checks, CheckName::SignedAttributes, "RFC 5652 §11.1, §11.4, RFC 6211", &attributes, found);
        attributes?;
        let digest = check_message_digest(signed, content);
        record(checks, CheckName::Content, "RFC 5652 §11.2", &digest, content.describe(self.info.digest()));
        digest?;
        let named = check_signing_certificate(signed, certificate);
        if let Some(named) = named {
            record(checks, CheckName::SigningCertificate, "RFC 5035 §4", &named, certificate.id().to_string());
            named?;
        }
        Ok(())
    }

    fn check_content_type(&self, signed: &Attributes<'_>, content_type: Option<ObjectIdentifier>) -> Checked {
        match signed.content_type() {
            Ok(found) if found == content_type => Ok(()),
            Ok(_) | Err(_) => Err(SignatureReason::AttributesContradict),
        }
    }

    /// NULL and absent parameters say the same.
    fn check_protection(&self, signed: &Attributes<'_>) -> Checked {
        let same = |one: &AlgorithmIdentifierOwned, other: &AlgorithmIdentifierOwned| {
            let parameters = |algorithm: &AlgorithmIdentifierOwned| algorithm.parameters.clone().filter(|parameters| !parameters.is_null());
            one.oid == other.oid && parameters(one) == parameters(other)
        };
        match signed.algorithm_protection() {
            Ok(None) => Ok(()),
            Ok(Some((digest, Some(signature))))
                if same(&digest, &self.info.digest_algorithm) && same(&signature, &self.info.signature_algorithm) =>
            {
                Ok(())
            }
            Ok(Some(_)) | Err(_) => Err(SignatureReason::AttributesContradict),
        }
    }

    /// Without signed attributes the content itself was signed.
    fn verify_content(&self, key: &VerifyingKey, scheme: Scheme, content: Content<'_>) -> Checked {
        let verified = match content {
            Content::Missing | Content::HashAlone(_) => return Err(SignatureReason::ContentMissing),
            Content::TooMuch => return Err(SignatureReason::TooMuchWork),
            Content::Hash(hash) => key.verify_digest(scheme, hash, self.info.signature),
            Content::Whole(message) => key.verify(scheme, message, self.info.signature),
        };
        verified.map_err(|error| reason(&error))
    }
}

/// The DER of the attributes was signed; of producers that do not sort them, the order they wrote.
fn verify_attributes(key: &VerifyingKey, scheme: Scheme, signed: &Attributes<'_>, signature: &[u8]) -> Checked {
    let verify = |octets: &[u8]| key.verify(scheme, octets, signature);
    let verified = match (verify(&signed.to_be_signed()), signed.as_received()) {
        (Err(Error::Signature), Some(received)) => verify(&received),
        (verified, _) => verified,
    };
    verified.map_err(|error| reason(&error))
}

fn check_message_digest(signed: &Attributes<'_>, content: Content<'_>) -> Checked {
    let hash = match content {
        Content::Hash(hash) => hash,
        Content::TooMuch => return Err(SignatureReason::TooMuchWork),
        Content::Missing | Content::HashAlone(_) | Content::Whole(_) => return Err(SignatureReason::ContentMissing),
    };
    match signed.message_digest() {
        Ok(Some(found)) if found == hash => Ok(()),
        Ok(Some(_)) => Err(SignatureReason::ContentChanged),
        Ok(None) | Err(_) => Err(SignatureReason::AttributesContradict),
    }
}

/// `None` when the signature names no certificate.
fn check_signing_certificate(signed: &Attributes<'_>, certificate: &Certificate) -> Option<Checked> {
    match signed.signing_certificates() {
        Ok(None) => None,
        Ok(Some(list)) if list[0].names(certificate) => Some(Ok(())),
        Ok(Some(_)) => Some(Err(SignatureReason::SignerCertificateMismatch)),
        Err(_) => Some(Err(SignatureReason::AttributesContradict)),
    }
}

fn reason(error: &Error) -> SignatureReason {
    match error {
        Error::Signature => SignatureReason::SignatureBroken,
        Error::UnknownAlgorithm(_) | Error::PublicKey | Error::PrivateKey | Error::KeyUnavailable(_) => {
            SignatureReason::AlgorithmNotAccepted
        }
    }
}

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SM2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301");

/// CMS may name the kind of key where certificates name the scheme; the hash function is then that of the signer
/// (RFC 3370 §3.2; nationally GB/T 35275).
fn scheme(info: &SignerInfo<'_>) -> Option<Scheme> {
    let algorithm = &info.signature_algorithm;
    let is_plain = algorithm.parameters.as_ref().is_none_or(|parameters| parameters.is_null());
    match algorithm.oid {
        RSA_ENCRYPTION if is_plain => Some(Scheme::RsaPkcs1(Digest::find(info.digest())?)),
        EC_PUBLIC_KEY => Some(Scheme::Ecdsa(Digest::find(info.digest())?)),
        SM2 | SM2_SIGN if is_plain => Some(Scheme::Sm2),
        _ => Scheme::parse(algorithm.owned_to_ref()).ok(),
    }
}

/// Writes down what came of a check, and the evidence: what was looked at.
pub(super) fn record<T>(
    checks: &mut Vec<Check>,
    name: CheckName,
    clause: &'static str,
    result: &Result<T, SignatureReason>,
    evidence: impl Into<String>,
) {
    let outcome = match result {
        Ok(_) => Outcome::Passed,
        Err(reason) if reason.verdict() == Verdict::Failed => Outcome::Failed,
        Err(_) => Outcome::Unknown,
    };
    checks.push(Check::new(name, clause, outcome, evidence));
}
