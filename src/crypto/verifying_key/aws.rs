//! Which of AWS-LC's algorithms a scheme is.

use aws_lc_rs::signature::*;

use super::{Curve, Digest, Strength};

type Found = Option<&'static dyn VerificationAlgorithm>;

pub(super) fn pkcs1(strength: Strength, digest: Digest) -> Found {
    Some(match (strength, digest) {
        (_, Digest::Sha384) => &RSA_PKCS1_2048_8192_SHA384,
        (Strength::Modern, Digest::Sha256) => &RSA_PKCS1_2048_8192_SHA256,
        (Strength::Modern, Digest::Sha512) => &RSA_PKCS1_2048_8192_SHA512,
        (Strength::Legacy, Digest::Sha1) => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (Strength::Legacy, Digest::Sha256) => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (Strength::Legacy, Digest::Sha512) => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (Strength::Modern, Digest::Sha1) | (_, Digest::Sm3) => return None,
    })
}

pub(super) fn ecdsa(curve: Curve, digest: Digest) -> Found {
    Some(match (curve, digest) {
        (Curve::P256, Digest::Sha256) => &ECDSA_P256_SHA256_ASN1,
        (Curve::P256, Digest::Sha384) => &ECDSA_P256_SHA384_ASN1,
        (Curve::P256, Digest::Sha512) => &ECDSA_P256_SHA512_ASN1,
        (Curve::P384, Digest::Sha256) => &ECDSA_P384_SHA256_ASN1,
        (Curve::P384, Digest::Sha384) => &ECDSA_P384_SHA384_ASN1,
        (Curve::P384, Digest::Sha512) => &ECDSA_P384_SHA512_ASN1,
        (Curve::P521, Digest::Sha256) => &ECDSA_P521_SHA256_ASN1,
        (Curve::P521, Digest::Sha384) => &ECDSA_P521_SHA384_ASN1,
        (Curve::P521, Digest::Sha512) => &ECDSA_P521_SHA512_ASN1,
        (_, Digest::Sha1 | Digest::Sm3) => return None,
    })
}

/// AWS-LC wants a static value for each length of salt, so the lengths in use are listed: none, those of the hash functions, and
/// all that the key has room for, which OpenSSL writes unless it is told otherwise.
pub(super) fn pss(digest: Digest, salt: u16, bits: usize) -> Found {
    if Some(usize::from(salt)) == most_salt(digest, bits) {
        return salted_at_most(digest);
    }
    match salt {
        0 => salted::<0>(digest),
        20 => salted::<20>(digest),
        28 => salted::<28>(digest),
        32 => salted::<32>(digest),
        48 => salted::<48>(digest),
        64 => salted::<64>(digest),
        _ => None,
    }
}

/// emLen − hLen − 2, where emLen is that of one bit less than the modulus (RFC 8017 §8.1.1, §9.1.1).
fn most_salt(digest: Digest, bits: usize) -> Option<usize> {
    (bits - 1).div_ceil(8).checked_sub(digest.aws()?.output_len() + 2)
}

fn salted_at_most(digest: Digest) -> Found {
    Some(match digest {
        Digest::Sha256 => &const { RSA_PSS_2048_8192_SHA256.with_pss_salt_length(RsaPssSaltLength::Max) },
        Digest::Sha384 => &const { RSA_PSS_2048_8192_SHA384.with_pss_salt_length(RsaPssSaltLength::Max) },
        Digest::Sha512 => &const { RSA_PSS_2048_8192_SHA512.with_pss_salt_length(RsaPssSaltLength::Max) },
        Digest::Sha1 | Digest::Sm3 => return None,
    })
}

fn salted<const SALT: u16>(digest: Digest) -> Found {
    Some(match digest {
        Digest::Sha256 => &const { RSA_PSS_2048_8192_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(SALT)) },
        Digest::Sha384 => &const { RSA_PSS_2048_8192_SHA384.with_pss_salt_length(RsaPssSaltLength::Custom(SALT)) },
        Digest::Sha512 => &const { RSA_PSS_2048_8192_SHA512.with_pss_salt_length(RsaPssSaltLength::Custom(SALT)) },
        Digest::Sha1 | Digest::Sm3 => return None,
    })
}
