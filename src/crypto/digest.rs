//! Hash functions by name and object identifier.

use der::asn1::ObjectIdentifier;

/// A hash function that certificates, OCSP requests or signatures name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digest {
    /// Only to match an OCSP CertID or to derive a key identifier (RFC 5280 §4.2.1.2), never under a signature.
    Sha1,
    Sha256,
    Sha384,
    Sha512,
    /// GB/T 32905.
    Sm3,
}

impl Digest {
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512, Self::Sm3];

    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha1 => ObjectIdentifier::new_unwrap("1.3.14.3.2.26"),
            Self::Sha256 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"),
            Self::Sha384 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"),
            Self::Sha512 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"),
            Self::Sm3 => ObjectIdentifier::new_unwrap("1.2.156.10197.1.401"),
        }
    }

    pub fn find(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|digest| digest.oid() == oid)
    }

    pub fn hash(self, message: &[u8]) -> Vec<u8> {
        use aws_lc_rs::digest;
        match self {
            Self::Sha1 => digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, message).as_ref().to_vec(),
            Self::Sha256 => digest::digest(&digest::SHA256, message).as_ref().to_vec(),
            Self::Sha384 => digest::digest(&digest::SHA384, message).as_ref().to_vec(),
            Self::Sha512 => digest::digest(&digest::SHA512, message).as_ref().to_vec(),
            Self::Sm3 => sm3(message).to_vec(),
        }
    }
}

/// SHA-256 of one message.
pub fn sha256(message: &[u8]) -> [u8; 32] {
    sha256_concat(&[message])
}

/// SHA-256 of several parts as if they were one message.
pub fn sha256_concat(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// SM3 of one message.
pub fn sm3(message: &[u8]) -> [u8; 32] {
    use ::sm3::Digest as _;
    ::sm3::Sm3::digest(message).into()
}
