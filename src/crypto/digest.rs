//! Hash functions by name and object identifier.

use der::asn1::ObjectIdentifier;

/// A hash function that certificates, OCSP requests or signatures name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digest {
    /// To match an OCSP CertID or to derive a key identifier (RFC 5280 §4.2.1.2); under a signature only of legacy strength.
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

    /// As people and other programs name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Sm3 => "SM3",
        }
    }

    /// The function of that name, of those that a signature may be by.
    pub fn named(name: &str) -> Option<Self> {
        Self::SIGNED.into_iter().find(|digest| digest.name() == name)
    }

    /// Those that a signature may be by: SHA-1 is too weak.
    pub const SIGNED: [Self; 4] = [Self::Sha256, Self::Sha384, Self::Sha512, Self::Sm3];

    /// The names of those, for whoever asks for another.
    pub fn names() -> String {
        Self::SIGNED.map(Self::name).join(", ")
    }

    /// In octets.
    pub const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 | Self::Sm3 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    pub fn find(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|digest| digest.oid() == oid)
    }

    pub fn hash(self, message: &[u8]) -> Vec<u8> {
        let mut hasher = self.hasher();
        hasher.update(message);
        hasher.finish()
    }

    /// For a message that comes in parts.
    pub fn hasher(self) -> Hasher {
        match self.aws() {
            Some(algorithm) => Hasher(Context::Aws(aws_lc_rs::digest::Context::new(algorithm))),
            None => Hasher(Context::Sm3(::sm3::Digest::new())),
        }
    }

    /// The function in AWS-LC, which has all but SM3.
    pub(super) fn aws(self) -> Option<&'static aws_lc_rs::digest::Algorithm> {
        use aws_lc_rs::digest;
        match self {
            Self::Sha1 => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha256 => Some(&digest::SHA256),
            Self::Sha384 => Some(&digest::SHA384),
            Self::Sha512 => Some(&digest::SHA512),
            Self::Sm3 => None,
        }
    }
}

/// A hash in the making: constant memory, however long the message.
#[derive(Clone)]
pub struct Hasher(Context);

#[derive(Clone)]
enum Context {
    Aws(aws_lc_rs::digest::Context),
    Sm3(::sm3::Sm3),
}

impl Hasher {
    pub fn update(&mut self, part: &[u8]) {
        match &mut self.0 {
            Context::Aws(context) => context.update(part),
            Context::Sm3(context) => ::sm3::Digest::update(context, part),
        }
    }

    pub fn finish(self) -> Vec<u8> {
        match self.0 {
            Context::Aws(context) => context.finish().as_ref().to_vec(),
            Context::Sm3(context) => ::sm3::Digest::finalize(context).to_vec(),
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
