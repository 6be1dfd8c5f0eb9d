//! Our algorithms as rustls wants them: AWS-LC's provider with SM2 beside it (RFC 8998 §3.2.1).
//!
//! Values only; listeners and connections are elsewhere.

use std::sync::Arc;

use rustls::{
    SignatureAlgorithm, SignatureScheme,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms},
    pki_types::{AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm},
    sign::{CertifiedKey, Signer, SigningKey},
};

use super::{Algorithm, Error, PrivateKey, algorithms, algorithms::Sm2};

/// AWS-LC's algorithms and, for certificates and TLS 1.3 signatures, SM2 with SM3.
pub fn provider() -> CryptoProvider {
    CryptoProvider { signature_verification_algorithms: VERIFICATION, ..rustls::crypto::aws_lc_rs::default_provider() }
}

/// A certificate chain (leaf first) with its private key, ready for either end of a connection.
pub fn certified_key(chain: Vec<CertificateDer<'static>>, pkcs8: &[u8]) -> Result<CertifiedKey, Error> {
    let key: Arc<dyn PrivateKey> = algorithms::load_any(pkcs8)?.into();
    let scheme = key.public_key().algorithm().tls_scheme().ok_or(Error::PrivateKey)?;
    Ok(CertifiedKey::new(chain, Arc::new(TlsKey { key, scheme: scheme.into() })))
}

static VERIFICATION: WebPkiSupportedAlgorithms = {
    use webpki::aws_lc_rs as aws;
    WebPkiSupportedAlgorithms {
        all: &[
            aws::ECDSA_P256_SHA256,
            aws::ECDSA_P256_SHA384,
            aws::ECDSA_P384_SHA256,
            aws::ECDSA_P384_SHA384,
            aws::ED25519,
            aws::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
            aws::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
            aws::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
            aws::RSA_PKCS1_2048_8192_SHA256,
            aws::RSA_PKCS1_2048_8192_SHA384,
            aws::RSA_PKCS1_2048_8192_SHA512,
            &SM2_CERTIFICATE,
            &SM2_CERTIFICATE_NULL,
        ],
        mapping: &[
            (SignatureScheme::ECDSA_NISTP384_SHA384, &[aws::ECDSA_P384_SHA384, aws::ECDSA_P256_SHA384]),
            (SignatureScheme::ECDSA_NISTP256_SHA256, &[aws::ECDSA_P256_SHA256, aws::ECDSA_P384_SHA256]),
            (SignatureScheme::ED25519, &[aws::ED25519]),
            (SignatureScheme::RSA_PSS_SHA512, &[aws::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
            (SignatureScheme::RSA_PSS_SHA384, &[aws::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
            (SignatureScheme::RSA_PSS_SHA256, &[aws::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
            (SignatureScheme::RSA_PKCS1_SHA512, &[aws::RSA_PKCS1_2048_8192_SHA512]),
            (SignatureScheme::RSA_PKCS1_SHA384, &[aws::RSA_PKCS1_2048_8192_SHA384]),
            (SignatureScheme::RSA_PKCS1_SHA256, &[aws::RSA_PKCS1_2048_8192_SHA256]),
            (SignatureScheme::Unknown(0x0708), &[&SM2_TLS13]),
        ],
    }
};

/// webpki compares AlgorithmIdentifiers octet for octet, so each form of 501 is an entry of its own.
static SM2_CERTIFICATE: Sm2Verification = Sm2Verification { signature: SM2_WITH_SM3, verify: Algorithm::verify };
static SM2_CERTIFICATE_NULL: Sm2Verification = Sm2Verification { signature: SM2_WITH_SM3_NULL, verify: Algorithm::verify };
static SM2_TLS13: Sm2Verification = Sm2Verification { signature: SM2_WITH_SM3, verify: Algorithm::verify_tls13 };

/// The content octets of AlgorithmIdentifier { 1.2.156.10197.1.501 }, without and with NULL.
const SM2_WITH_SM3: &[u8] = &[0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75];
const SM2_WITH_SM3_NULL: &[u8] = &[0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75, 0x05, 0x00];
/// The content octets of AlgorithmIdentifier { id-ecPublicKey, 1.2.156.10197.1.301 }.
const SM2_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d];

/// Public key, message, signature.
type Verify = fn(&Sm2, &[u8], &[u8], &[u8]) -> Result<(), Error>;

#[derive(Debug)]
struct Sm2Verification {
    signature: &'static [u8],
    verify: Verify,
}

impl SignatureVerificationAlgorithm for Sm2Verification {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        (self.verify)(&Sm2, public_key, message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        AlgorithmIdentifier::from_slice(SM2_KEY)
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        AlgorithmIdentifier::from_slice(self.signature)
    }
}

/// A private key of ours that signs handshakes, with its one scheme.
#[derive(Clone)]
struct TlsKey {
    key: Arc<dyn PrivateKey>,
    scheme: SignatureScheme,
}

impl std::fmt::Debug for TlsKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "TlsKey({:?})", self.scheme)
    }
}

impl SigningKey for TlsKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.scheme).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        // For TLS 1.2, which knows SM2 in no cipher suite of ours; the number is outside the registry on purpose.
        if self.scheme == SignatureScheme::Unknown(0x0708) { SignatureAlgorithm::Unknown(0xff) } else { SignatureAlgorithm::ECDSA }
    }
}

impl Signer for TlsKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.key.sign_tls13(message).map_err(|error| rustls::Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}
