//! How a signature was made, as its AlgorithmIdentifier says: padding or curve arithmetic, and the hash function.
//!
//! These are the schemes that are *verified*, whoever used them; what is signed with here is `ALGORITHMS`.

use der::{
    Decode,
    asn1::{AnyRef, ObjectIdentifier},
};
use spki::AlgorithmIdentifierRef;

use super::{Digest, Error};

/// A signature scheme with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    RsaPkcs1(Digest),
    /// RSASSA-PSS (RFC 8017 §8.1) with MGF1 over the same hash function.
    RsaPss { digest: Digest, salt: u16 },
    /// ECDSA with the key's curve, r and s in a DER SEQUENCE.
    Ecdsa(Digest),
    /// RFC 8032, over the whole message.
    Ed25519,
    /// GB/T 32918.2 with SM3, r and s in a DER SEQUENCE, the default identity.
    Sm2,
}

impl Scheme {
    /// Reads the AlgorithmIdentifier of a signature. Parameters must be those that the scheme's standard allows.
    ///
    /// Errors: `UnknownAlgorithm`.
    pub fn parse(algorithm: AlgorithmIdentifierRef<'_>) -> Result<Self, Error> {
        let unknown = || Error::UnknownAlgorithm(algorithm.oid.to_string());
        if algorithm.oid == RSASSA_PSS {
            return pss(algorithm.parameters).ok_or_else(unknown);
        }
        let (_, scheme, parameters) = SCHEMES.iter().find(|(oid, ..)| *oid == algorithm.oid).ok_or_else(unknown)?;
        let allowed = match (parameters, algorithm.parameters) {
            (Parameters::Absent, None) | (Parameters::NullOrAbsent, None) => true,
            (Parameters::NullOrAbsent, Some(parameters)) => parameters.is_null(),
            (Parameters::Absent, Some(_)) => false,
        };
        if allowed { Ok(*scheme) } else { Err(unknown()) }
    }

    /// The hash function over the message; `None` for Ed25519, which hashes it twice with other input around it.
    pub fn digest(self) -> Option<Digest> {
        match self {
            Self::RsaPkcs1(digest) | Self::RsaPss { digest, .. } | Self::Ecdsa(digest) => Some(digest),
            Self::Sm2 => Some(Digest::Sm3),
            Self::Ed25519 => None,
        }
    }
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RsaPkcs1(digest) => write!(formatter, "RSA PKCS #1 v1.5 with {}", digest.name()),
            Self::RsaPss { digest, .. } => write!(formatter, "RSA PSS with {}", digest.name()),
            Self::Ecdsa(digest) => write!(formatter, "ECDSA with {}", digest.name()),
            Self::Ed25519 => formatter.write_str("Ed25519"),
            Self::Sm2 => formatter.write_str("SM2 with SM3"),
        }
    }
}

/// What the standard says of the parameters of an AlgorithmIdentifier.
enum Parameters {
    /// RFC 5758 §3.2, RFC 8410 §3.
    Absent,
    /// RFC 4055 §5 asks readers to take both; of SM2 the national and the international form differ in it.
    NullOrAbsent,
}

const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");

static SCHEMES: &[(ObjectIdentifier, Scheme, Parameters)] = &[
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"), Scheme::Ecdsa(Digest::Sha256), Parameters::Absent),
    (ObjectIdentifier::new_unwrap("1.2.156.10197.1.501"), Scheme::Sm2, Parameters::NullOrAbsent),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"), Scheme::Ecdsa(Digest::Sha384), Parameters::Absent),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"), Scheme::Ecdsa(Digest::Sha512), Parameters::Absent),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"), Scheme::RsaPkcs1(Digest::Sha256), Parameters::NullOrAbsent),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12"), Scheme::RsaPkcs1(Digest::Sha384), Parameters::NullOrAbsent),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13"), Scheme::RsaPkcs1(Digest::Sha512), Parameters::NullOrAbsent),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"), Scheme::RsaPkcs1(Digest::Sha1), Parameters::NullOrAbsent),
    (ObjectIdentifier::new_unwrap("1.3.101.112"), Scheme::Ed25519, Parameters::Absent),
];

/// RSASSA-PSS-params (RFC 4055 §3.1). The defaults, all of SHA-1, cannot be verified but can be written.
#[derive(der::Sequence)]
pub(super) struct PssParameters<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<AlgorithmIdentifierRef<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask: Option<AlgorithmIdentifierRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    salt: Option<u16>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer: Option<u8>,
}

fn pss(parameters: Option<AnyRef<'_>>) -> Option<Scheme> {
    parameters?.decode_as::<PssParameters<'_>>().ok()?.scheme()
}

impl PssParameters<'_> {
    /// `None` unless mask and message have the same hash function and the trailer is the only one there is.
    pub(super) fn scheme(&self) -> Option<Scheme> {
        let digest = match self.hash {
            None => Digest::Sha1,
            Some(hash) => hash_function(hash)?,
        };
        let mask = match self.mask {
            None => Digest::Sha1,
            Some(mask) if mask.oid == MGF1 => hash_function(mask.parameters?.decode_as().ok()?)?,
            Some(_) => return None,
        };
        let salt = self.salt.unwrap_or(20);
        (mask == digest && self.trailer.unwrap_or(1) == 1).then_some(Scheme::RsaPss { digest, salt })
    }

    pub(super) fn parse(parameters: AnyRef<'_>) -> Option<Scheme> {
        PssParameters::from_der(&der::Encode::to_der(&parameters).ok()?).ok()?.scheme()
    }
}

fn hash_function(algorithm: AlgorithmIdentifierRef<'_>) -> Option<Digest> {
    if algorithm.parameters.is_some_and(|parameters| !parameters.is_null()) {
        return None;
    }
    Digest::find(algorithm.oid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(hexadecimal: &str) -> Result<Scheme, Error> {
        Scheme::parse(AlgorithmIdentifierRef::from_der(&hex::decode(hexadecimal).unwrap()).unwrap())
    }

    #[test]
    fn parameters_are_read_where_the_standard_has_them_and_refused_elsewhere() {
        let cases = [
            ("ECDSA without parameters", "300a06082a8648ce3d040302", Some(Scheme::Ecdsa(Digest::Sha256))),
            ("ECDSA with NULL", "300c06082a8648ce3d0403020500", None),
            ("RSA with NULL", "300d06092a864886f70d01010b0500", Some(Scheme::RsaPkcs1(Digest::Sha256))),
            ("RSA without", "300b06092a864886f70d01010b", Some(Scheme::RsaPkcs1(Digest::Sha256))),
            ("SM2 with NULL", "300c06082a811ccf550183750500", Some(Scheme::Sm2)),
            ("SM2 without", "300a06082a811ccf55018375", Some(Scheme::Sm2)),
            ("Ed25519 with NULL", "300706032b65700500", None),
            ("PSS without parameters", "300b06092a864886f70d01010a", None),
            (
                "PSS of SHA-256 with 32 octets of salt",
                "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120",
                Some(Scheme::RsaPss { digest: Digest::Sha256, salt: 32 }),
            ),
            ("PSS of SHA-1 by default", "300d06092a864886f70d01010a3000", Some(Scheme::RsaPss { digest: Digest::Sha1, salt: 20 })),
            ("PSS of SHA-256 with a mask of SHA-1", "302306092a864886f70d01010a3016a00f300d06096086480165030402010500a203020120", None),
            ("MD5 with RSA", "300d06092a864886f70d0101040500", None),
        ];
        for (name, hexadecimal, expected) in cases {
            assert_eq!(parse(hexadecimal).ok(), expected, "{name}");
        }
    }
}
