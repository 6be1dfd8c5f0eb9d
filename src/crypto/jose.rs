//! JOSE's words for what this folder does: base64url (RFC 7515 §2), algorithm names (RFC 7518 §3.1, RFC 8037) and keys (RFC 7517).

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use der::{
    Any, Encode,
    asn1::{BitString, ObjectIdentifier, UintRef},
};
use serde_json::{Map, Value};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use zeroize::Zeroizing;

use super::{Digest, Error, Scheme, VerifyingKey};

/// Only what re-encodes to itself: no padding, no line breaks, no stray bits in the last digit (RFC 4648 §3.5).
pub fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    let octets = URL_SAFE_NO_PAD.decode(text).ok()?;
    (URL_SAFE_NO_PAD.encode(&octets) == text).then_some(octets)
}

/// An `alg` of public keys: it fixes scheme, hash function and kind of key together.
#[derive(Debug, Clone, Copy)]
pub struct JoseAlgorithm {
    pub name: &'static str,
    pub scheme: Scheme,
    /// The beginning of the key's name in `VerifyingKey::name`.
    key: &'static str,
}

/// `SM2`, r ‖ s with SM3 and the default identity, is registered nowhere and means the same in statements.
static ALGORITHMS: &[JoseAlgorithm] = &[
    JoseAlgorithm { name: "ES256", scheme: Scheme::Ecdsa(Digest::Sha256), key: "P-256" },
    JoseAlgorithm { name: "ES384", scheme: Scheme::Ecdsa(Digest::Sha384), key: "P-384" },
    JoseAlgorithm { name: "ES512", scheme: Scheme::Ecdsa(Digest::Sha512), key: "P-521" },
    JoseAlgorithm { name: "EdDSA", scheme: Scheme::Ed25519, key: "Ed25519" },
    JoseAlgorithm { name: "SM2", scheme: Scheme::Sm2, key: "SM2" },
    JoseAlgorithm { name: "PS256", scheme: Scheme::RsaPss { digest: Digest::Sha256, salt: 32 }, key: "RSA" },
    JoseAlgorithm { name: "PS384", scheme: Scheme::RsaPss { digest: Digest::Sha384, salt: 48 }, key: "RSA" },
    JoseAlgorithm { name: "PS512", scheme: Scheme::RsaPss { digest: Digest::Sha512, salt: 64 }, key: "RSA" },
    JoseAlgorithm { name: "RS256", scheme: Scheme::RsaPkcs1(Digest::Sha256), key: "RSA" },
    JoseAlgorithm { name: "RS384", scheme: Scheme::RsaPkcs1(Digest::Sha384), key: "RSA" },
    JoseAlgorithm { name: "RS512", scheme: Scheme::RsaPkcs1(Digest::Sha512), key: "RSA" },
];

impl JoseAlgorithm {
    pub fn find(name: &str) -> Option<Self> {
        ALGORITHMS.iter().find(|algorithm| algorithm.name == name).copied()
    }

    /// The names of all, for whoever asks for another.
    pub fn names() -> String {
        ALGORITHMS.iter().map(|algorithm| algorithm.name).collect::<Vec<_>>().join(", ")
    }

    /// Checks a signature in JOSE's form. A key of another kind is refused, whatever the signature.
    pub fn verify(&self, key: &VerifyingKey, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        if !key.name().starts_with(self.key) {
            return Err(Error::UnknownAlgorithm(format!("{} with a key of {}", self.name, key.name())));
        }
        key.verify(self.scheme, message, &key.signature_from_fixed(signature)?)
    }
}

/// A JSON Web Key that checks signatures, or MACs: those only for a holder of the secret, never on the word of a header.
pub struct Jwk {
    material: Material,
    /// The one algorithm that it is for.
    algorithm: Option<String>,
    pub key_id: Option<String>,
}

enum Material {
    Public(VerifyingKey),
    Secret(Zeroizing<Vec<u8>>),
}

impl Jwk {
    /// Reads a key that may be used to verify: one whose `use` or `key_ops` says otherwise is refused (RFC 7517 §4.2, §4.3).
    pub fn parse(members: &Map<String, Value>) -> Result<Self, Error> {
        let is_for_signatures = members.get("use").is_none_or(|usage| usage == "sig");
        let verifies = |operations: &Value| {
            operations.as_array().is_some_and(|list| list.iter().any(|operation| operation == "verify" || operation == "sign"))
        };
        if !is_for_signatures || !members.get("key_ops").is_none_or(verifies) {
            return Err(Error::PublicKey);
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let octets = |name: &str| text(name).and_then(decode_base64url).ok_or(Error::PublicKey);
        let material = match text("kty").ok_or(Error::PublicKey)? {
            "EC" => Material::Public(ec(text("crv").unwrap_or_default(), &octets("x")?, &octets("y")?)?),
            "OKP" if text("crv") == Some("Ed25519") => Material::Public(from_parts(ED25519, None, &octets("x")?)?),
            "RSA" => Material::Public(rsa(&octets("n")?, &octets("e")?)?),
            "oct" => Material::Secret(Zeroizing::new(octets("k")?)),
            other => return Err(Error::UnknownAlgorithm(other.to_owned())),
        };
        Ok(Self { material, algorithm: text("alg").map(str::to_owned), key_id: text("kid").map(str::to_owned) })
    }

    /// Checks a signature or MAC by this key with the algorithm that a header names.
    ///
    /// Errors: `UnknownAlgorithm` when the key is not for that algorithm, `Signature` when it does not verify.
    pub fn verify(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        let unfit = || Error::UnknownAlgorithm(format!("{algorithm} with this key"));
        if !self.is_for(algorithm) {
            return Err(unfit());
        }
        match &self.material {
            Material::Public(key) => JoseAlgorithm::find(algorithm).ok_or_else(unfit)?.verify(key, message, signature),
            Material::Secret(secret) => {
                let function = mac(algorithm).ok_or_else(unfit)?;
                // RFC 7518 §3.2: the key is at least as long as the hash.
                if secret.len() < function.digest_algorithm().output_len() {
                    return Err(unfit());
                }
                hmac::verify(&hmac::Key::new(function, secret), message, signature).map_err(|_| Error::Signature)
            }
        }
    }

    /// A name that no standard registers says nothing; the kind of the key decides alone then.
    fn is_for(&self, algorithm: &str) -> bool {
        match &self.algorithm {
            Some(named) if JoseAlgorithm::find(named).is_some() || mac(named).is_some() => named == algorithm,
            Some(_) | None => true,
        }
    }
}

fn mac(name: &str) -> Option<hmac::Algorithm> {
    match name {
        "HS256" => Some(hmac::HMAC_SHA256),
        "HS384" => Some(hmac::HMAC_SHA384),
        "HS512" => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// RFC 7518 §6.2.1: a coordinate has all octets of its curve, leading zeros included.
fn ec(curve: &str, x: &[u8], y: &[u8]) -> Result<VerifyingKey, Error> {
    let (curve, width) = match curve {
        "P-256" => ("1.2.840.10045.3.1.7", 32),
        "P-384" => ("1.3.132.0.34", 48),
        "P-521" => ("1.3.132.0.35", 66),
        "SM2" => ("1.2.156.10197.1.301", 32),
        other => return Err(Error::UnknownAlgorithm(other.to_owned())),
    };
    if x.len() != width || y.len() != width {
        return Err(Error::PublicKey);
    }
    from_parts(EC_PUBLIC_KEY, Some(Any::from(ObjectIdentifier::new_unwrap(curve))), &[&[4], x, y].concat())
}

#[derive(der::Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<VerifyingKey, Error> {
    let number = |octets| UintRef::new(octets).map_err(|_| Error::PublicKey);
    let key = RsaPublicKey { modulus: number(modulus)?, exponent: number(exponent)? };
    from_parts(RSA, Some(Any::null()), &key.to_der().map_err(|_| Error::PublicKey)?)
}

fn from_parts(oid: ObjectIdentifier, parameters: Option<Any>, octets: &[u8]) -> Result<VerifyingKey, Error> {
    let subject_public_key = BitString::from_bytes(octets).map_err(|_| Error::PublicKey)?;
    let spki = SubjectPublicKeyInfoOwned { algorithm: AlgorithmIdentifierOwned { oid, parameters }, subject_public_key };
    VerifyingKey::from_spki(&spki.to_der().map_err(|_| Error::PublicKey)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::ALGORITHMS as KEYS;

    #[test]
    fn base64url_has_one_form() {
        assert_eq!(decode_base64url("AQ"), Some(vec![1]));
        for other in ["AQ==", "AR", "A", "A+", "A Q", "AQ\n", "A?Q"] {
            assert_eq!(decode_base64url(other), None, "{other:?}");
        }
    }

    #[test]
    fn every_algorithm_that_signs_here_has_its_name_and_its_key_verifies() {
        for algorithm in KEYS {
            let private = algorithm.load(&algorithm.generate().unwrap()).unwrap();
            let named = JoseAlgorithm::find(algorithm.jose_name()).unwrap();
            let signature = algorithm.signature_to_jose(&private.sign(b"message").unwrap()).unwrap();
            let key = VerifyingKey::from_spki(private.public_key().spki()).unwrap();
            named.verify(&key, b"message", &signature).unwrap();
            assert_eq!(named.verify(&key, b"massage", &signature), Err(Error::Signature));
            for other in ALGORITHMS.iter().filter(|other| other.name != named.name) {
                assert!(other.verify(&key, b"message", &signature).is_err(), "{} with a key of {}", other.name, named.name);
            }
        }
    }

    #[test]
    fn a_key_is_used_for_what_it_is_for_alone() {
        let jwk = |value: Value| Jwk::parse(value.as_object().unwrap());
        let secret = json!({"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"});
        let with = |name: &str, value: Value| {
            let mut members = secret.clone();
            members[name] = value;
            jwk(members)
        };
        assert!(with("use", json!("enc")).is_err() && with("key_ops", json!(["encrypt"])).is_err() && with("use", json!("sig")).is_ok());
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[0; 32]), b"message");
        with("alg", json!("HS256")).unwrap().verify("HS256", b"message", tag.as_ref()).unwrap();
        assert!(with("alg", json!("HS384")).unwrap().verify("HS256", b"message", tag.as_ref()).is_err());
        assert!(with("alg", json!("ES256")).unwrap().verify("HS256", b"message", tag.as_ref()).is_err());
        assert!(jwk(secret).unwrap().verify("none", b"message", b"").is_err());
        let short = jwk(json!({"kty": "oct", "k": "AAAA"})).unwrap();
        assert!(short.verify("HS256", b"message", hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[0; 3]), b"message").as_ref()).is_err());
        assert!(jwk(json!({"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"})).is_err());
    }
}
