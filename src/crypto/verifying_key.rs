//! The public key of whoever signed something: every kind that is verified here, ours or not.
//!
//! `PublicKey` is narrower: a key of an algorithm that we sign with and certify. RSA and P-521 are read here and nowhere else.

mod aws;

use std::sync::OnceLock;

use aws_lc_rs::signature::{ParsedPublicKey, VerificationAlgorithm};
use der::{
    Decode,
    asn1::{AnyRef, ObjectIdentifier, UintRef},
};
use spki::SubjectPublicKeyInfoRef;

use super::{
    Digest, Error, Scheme,
    algorithms::{self, sm2::Sm2Verifier},
    digest::Hasher,
    scheme::PssParameters,
};

/// A public key that was checked when it was read. What is worked out for the first signature serves the ones after it.
pub struct VerifyingKey {
    kind: Kind,
    /// The content of the BIT STRING.
    octets: Box<[u8]>,
    prepared: OnceLock<Prepared>,
}

enum Kind {
    /// `only` is the scheme that an id-RSASSA-PSS key is restricted to (RFC 4055 §1.2).
    Rsa {
        bits: usize,
        restriction: Restriction,
    },
    Ec(Curve),
    Ed25519,
    Sm2(Box<Sm2Verifier>),
}

enum Restriction {
    None,
    AnyPss,
    /// The same hash function, and no less salt (RFC 4055 §3.3).
    Pss {
        digest: Digest,
        salt: u16,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

/// What strength a signature must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Strength {
    /// Also RSA from 1024 bits and SHA-1 under RSA PKCS #1: for objects of the past whose time is otherwise proven.
    Legacy,
    /// RSA from 2048 bits, SHA-2 or SM3.
    #[default]
    Modern,
}

impl VerifyingKey {
    /// From a DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
    ///
    /// Errors: `UnknownAlgorithm`, or `PublicKey` for one that is not a point of its curve or not an RSA key of 1024 to 8192 bits.
    pub fn from_spki(der: &[u8]) -> Result<Self, Error> {
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| Error::PublicKey)?;
        let octets = spki.subject_public_key.as_bytes().ok_or(Error::PublicKey)?;
        let unknown = || Error::UnknownAlgorithm(spki.algorithm.oid.to_string());
        let parameters = spki.algorithm.parameters;
        let kind = match spki.algorithm.oid {
            EC_PUBLIC_KEY | SM2_CURVE => ec(curve_of(parameters).ok_or_else(unknown)?, octets)?,
            ED25519 if parameters.is_none() && octets.len() == 32 => Kind::Ed25519,
            // RFC 3279 §2.3.1: the parameters of rsaEncryption are NULL.
            RSA if parameters.is_some_and(|parameters| parameters.is_null()) => rsa(octets, Restriction::None)?,
            RSASSA_PSS => rsa(octets, restriction(parameters).ok_or_else(unknown)?)?,
            _ => return Err(unknown()),
        };
        Ok(Self { kind, octets: octets.into(), prepared: OnceLock::new() })
    }

    /// The content of the BIT STRING.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub fn is_sm2(&self) -> bool {
        matches!(self.kind, Kind::Sm2(_))
    }

    /// The name of the key's kind, for people: `RSA-2048`, `P-256`, `SM2`.
    pub fn name(&self) -> String {
        match &self.kind {
            Kind::Rsa { bits, .. } => format!("RSA-{bits}"),
            Kind::Ec(curve) => curve.name().to_owned(),
            Kind::Ed25519 => "Ed25519".to_owned(),
            Kind::Sm2(_) => "SM2".to_owned(),
        }
    }

    /// Checks a signature in the form X.509 carries it, of modern strength.
    ///
    /// Errors: `UnknownAlgorithm` when key and scheme do not go together or are too weak, `Signature` when it does not verify.
    pub fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        self.verify_with_strength(Strength::Modern, scheme, message, signature)
    }

    /// The same with the strength that the caller asks for.
    pub fn verify_with_strength(&self, strength: Strength, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        if let (Kind::Sm2(key), Scheme::Sm2) = (&self.kind, scheme) {
            return key.verify(message, signature);
        }
        self.prepared(strength, scheme)?.with(|key| key.verify_sig(message, signature))
    }

    /// Checks a signature over a digest that `hasher` made of the message. Ed25519 signs no digests: `UnknownAlgorithm`.
    pub fn verify_digest(&self, scheme: Scheme, digest: &[u8], signature: &[u8]) -> Result<(), Error> {
        if let (Kind::Sm2(key), Scheme::Sm2) = (&self.kind, scheme) {
            return key.verify_digest(digest, signature);
        }
        let function = scheme.digest().and_then(Digest::aws).ok_or_else(|| unfit(scheme))?;
        let digest = aws_lc_rs::digest::Digest::import_less_safe(digest, function).map_err(|_| Error::Signature)?;
        self.prepared(Strength::Modern, scheme)?.with(|key| key.verify_digest_sig(&digest, signature))
    }

    /// A hash of a message that comes in parts, for `verify_digest`; of SM2 it begins with Z. `None` for Ed25519.
    pub fn hasher(&self, scheme: Scheme) -> Option<Hasher> {
        let mut hasher = scheme.digest()?.hasher();
        if let (Kind::Sm2(key), Scheme::Sm2) = (&self.kind, scheme) {
            hasher.update(key.z());
        }
        Some(hasher)
    }

    /// r ‖ s, as JWS and IEEE P1363 write it, in the form that X.509 carries. What is not of a curve stays as it is.
    pub fn signature_from_fixed(&self, signature: &[u8]) -> Result<Vec<u8>, Error> {
        match &self.kind {
            Kind::Ec(curve) => algorithms::ecdsa_from_fixed(signature, curve.width()),
            Kind::Sm2(_) => algorithms::ecdsa_from_fixed(signature, Curve::P256.width()),
            Kind::Rsa { .. } | Kind::Ed25519 => Ok(signature.to_vec()),
        }
    }

    fn prepared(&self, strength: Strength, scheme: Scheme) -> Result<PreparedKey<'_>, Error> {
        let algorithm = self.algorithm(strength, scheme).ok_or_else(|| unfit(scheme))?;
        let prepare = || ParsedPublicKey::new(algorithm, &self.octets).map_err(|_| Error::PublicKey);
        match self.prepared.get() {
            Some(first) if first.strength == strength && first.scheme == scheme => Ok(PreparedKey::Kept(&first.key)),
            Some(_) => Ok(PreparedKey::Made(prepare()?)),
            None => {
                let key = prepare()?;
                Ok(PreparedKey::Kept(&self.prepared.get_or_init(|| Prepared { strength, scheme, key }).key))
            }
        }
    }

    fn algorithm(&self, strength: Strength, scheme: Scheme) -> Option<&'static dyn VerificationAlgorithm> {
        match (&self.kind, scheme) {
            (Kind::Rsa { restriction, .. }, _) if !restriction.allows(scheme) => None,
            (Kind::Rsa { bits, .. }, _) if strength == Strength::Modern && *bits < MODERN_RSA_BITS => None,
            (Kind::Rsa { .. }, Scheme::RsaPkcs1(digest)) => aws::pkcs1(strength, digest),
            (Kind::Rsa { bits, .. }, Scheme::RsaPss { digest, salt }) => aws::pss(digest, salt, *bits),
            (Kind::Ec(curve), Scheme::Ecdsa(digest)) => aws::ecdsa(*curve, digest),
            (Kind::Ed25519, Scheme::Ed25519) => Some(&aws_lc_rs::signature::ED25519),
            _ => None,
        }
    }
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "VerifyingKey({} {})", self.name(), hex::encode(&self.octets))
    }
}

/// The key as AWS-LC holds it, for the first scheme that it was used with: hardly any key sees a second.
struct Prepared {
    strength: Strength,
    scheme: Scheme,
    key: ParsedPublicKey,
}

enum PreparedKey<'a> {
    Kept(&'a ParsedPublicKey),
    Made(ParsedPublicKey),
}

impl PreparedKey<'_> {
    fn with(&self, check: impl FnOnce(&ParsedPublicKey) -> Result<(), aws_lc_rs::error::Unspecified>) -> Result<(), Error> {
        let key = match self {
            Self::Kept(key) => key,
            Self::Made(key) => key,
        };
        check(key).map_err(|_| Error::Signature)
    }
}

impl Restriction {
    fn allows(&self, scheme: Scheme) -> bool {
        match (self, scheme) {
            (Self::None, _) | (Self::AnyPss, Scheme::RsaPss { .. }) => true,
            (Self::Pss { digest, salt }, Scheme::RsaPss { digest: used, salt: length }) => *digest == used && length >= *salt,
            _ => false,
        }
    }
}

impl Curve {
    fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Octets of a coordinate.
    fn width(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// The smallest RSA key that is read at all, and the largest.
const RSA_BITS: std::ops::RangeInclusive<usize> = 1024..=8192;
const MODERN_RSA_BITS: usize = 2048;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SM2_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");

fn curve_of(parameters: Option<AnyRef<'_>>) -> Option<ObjectIdentifier> {
    parameters?.decode_as().ok()
}

/// RFC 5480 §2.2 allows compressed points as well; they are refused, as everywhere here.
fn ec(curve: ObjectIdentifier, point: &[u8]) -> Result<Kind, Error> {
    if curve == SM2_CURVE {
        return Ok(Kind::Sm2(Box::new(Sm2Verifier::new(point)?)));
    }
    let curve = match curve.to_string().as_str() {
        "1.2.840.10045.3.1.7" => Curve::P256,
        "1.3.132.0.34" => Curve::P384,
        "1.3.132.0.35" => Curve::P521,
        other => return Err(Error::UnknownAlgorithm(format!("{EC_PUBLIC_KEY} with {other}"))),
    };
    if point.len() != 1 + 2 * curve.width() || point[0] != 4 {
        return Err(Error::PublicKey);
    }
    Ok(Kind::Ec(curve))
}

#[derive(der::Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

/// The modulus has a sane size and the exponent is odd and at least 3 (RFC 8017 §3.1).
fn rsa(octets: &[u8], restriction: Restriction) -> Result<Kind, Error> {
    let key = RsaPublicKey::from_der(octets).map_err(|_| Error::PublicKey)?;
    let (modulus, exponent) = (key.modulus.as_bytes(), key.exponent.as_bytes());
    let (Some(first), Some(last)) = (modulus.first(), exponent.last()) else { return Err(Error::PublicKey) };
    let bits = modulus.len() * 8 - first.leading_zeros() as usize;
    if !RSA_BITS.contains(&bits) || last % 2 == 0 || exponent == [1] {
        return Err(Error::PublicKey);
    }
    Ok(Kind::Rsa { bits, restriction })
}

fn restriction(parameters: Option<AnyRef<'_>>) -> Option<Restriction> {
    let Some(parameters) = parameters else { return Some(Restriction::AnyPss) };
    match PssParameters::parse(parameters)? {
        Scheme::RsaPss { digest, salt } => Some(Restriction::Pss { digest, salt }),
        _ => None,
    }
}

fn unfit(scheme: Scheme) -> Error {
    Error::UnknownAlgorithm(format!("{scheme} with this key"))
}

#[cfg(test)]
mod tests;
