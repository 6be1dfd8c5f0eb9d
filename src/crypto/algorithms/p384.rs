//! ECDSA on P-384 with SHA-384: the key of the international root.

use aws_lc_rs::signature;
use der::asn1::ObjectIdentifier;

use super::ecdsa::Ecdsa;
use crate::crypto::Digest;

pub static P384: Ecdsa = Ecdsa {
    name: "p384",
    jose_name: "ES384",
    digest: Digest::Sha384,
    curve: ObjectIdentifier::new_unwrap("1.3.132.0.34"),
    signature: ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"),
    tls_scheme: 0x0503,
    width: 48,
    verification: &signature::ECDSA_P384_SHA384_ASN1,
    signing: &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
};
