//! A bare signature value over content, or over the digest of content.

use super::{
    Judge, SignatureReason, SignatureReport,
    cms::Moment,
    conclusion::{self, Unconcluded},
    signer::record,
};
use crate::{
    crypto::{Digest, Error, Scheme, VerifyingKey, digest::Hasher, jose::JoseAlgorithm},
    validation::{
        CheckName,
        report::{Hashed, Judged},
        revocation::Evidence,
    },
    x509::Certificate,
};

/// The form of an ECDSA or SM2 signature; other signatures have one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// A DER SEQUENCE of r and s, as X.509 has it.
    Der,
    /// r ‖ s, as JOSE, PKCS #11 and national devices have it.
    Fixed,
}

/// What was signed.
pub enum Signed<'a> {
    Content(&'a [u8]),
    /// Made by `Verifier::hasher`, or by somebody else in the same way: for SM2 it is SM3(Z ‖ content).
    Digest(&'a [u8]),
}

/// The key of a certificate with an algorithm in JOSE's words.
pub struct Verifier<'a> {
    certificate: &'a Certificate,
    algorithm: JoseAlgorithm,
    key: &'a VerifyingKey,
}

impl<'a> Verifier<'a> {
    /// Without a name, the algorithm is what its kind of key usually signs with.
    ///
    /// Errors: `UnknownAlgorithm` when there is no such algorithm.
    pub fn new(certificate: &'a Certificate, algorithm: Option<&str>) -> Result<Self, Error> {
        let key = certificate.verifying_key()?;
        let name = algorithm.map_or_else(|| usual(&key.name()), Ok)?;
        let algorithm = JoseAlgorithm::find(name).ok_or_else(|| Error::UnknownAlgorithm(name.to_owned()))?;
        Ok(Self { certificate, algorithm, key })
    }

    /// For content that comes in parts; `None` for Ed25519, which needs it whole.
    pub fn hasher(&self) -> Option<Hasher> {
        self.key.hasher(self.algorithm.scheme)
    }

    pub fn judge(
        &self,
        signed: &Signed<'_>,
        signature: &[u8],
        encoding: Encoding,
        candidates: &[Certificate],
        moment: Moment,
        judge: &Judge<'_>,
    ) -> SignatureReport {
        let checked = self.verify(signed, signature, encoding).map_err(|error| match error {
            Error::Signature => SignatureReason::SignatureBroken,
            Error::UnknownAlgorithm(_) | Error::PublicKey | Error::PrivateKey | Error::KeyUnavailable(_) => {
                SignatureReason::AlgorithmNotAccepted
            }
        });
        let mut checks = Vec::new();
        record(&mut checks, CheckName::Signature, "RFC 7518 §3.1", &checked, self.algorithm.name);
        let certificate = Some(self.certificate);
        // A bare value has nothing with it.
        let evidence = &Evidence::default();
        let unconcluded = Unconcluded { certificate, candidates, evidence, checked, checks, time_stamps: Vec::new(), claimed: None };
        let report = SignatureReport::new("raw", vec![conclusion::conclude(unconcluded, moment, judge)]);
        let content = self.hashed(signed);
        let judged = Judged { content, ..Judged::new(moment.at, moment.now).file(signature) };
        SignatureReport { judged: Some(judged), ..report }
    }

    fn hashed(&self, signed: &Signed<'_>) -> Option<Hashed> {
        match (signed, self.algorithm.scheme) {
            (Signed::Content(content), _) => Some(Hashed::of(content)),
            (Signed::Digest(digest), Scheme::Sm2) => Some(Hashed { algorithm: "SM3(Z || content)", digest: hex::encode(digest) }),
            (Signed::Digest(digest), scheme) => scheme.digest().map(|function| Hashed::new(function, digest)),
        }
    }

    /// How many octets a digest of the content has; `None` of Ed25519, which signs no digest.
    pub fn digest_length(&self) -> Option<usize> {
        self.algorithm.scheme.digest().filter(|_| self.hasher().is_some()).map(Digest::length)
    }

    fn verify(&self, signed: &Signed<'_>, signature: &[u8], encoding: Encoding) -> Result<(), Error> {
        let signature = match encoding {
            Encoding::Der => signature.to_vec(),
            Encoding::Fixed => self.key.signature_from_fixed(signature)?,
        };
        match signed {
            Signed::Content(content) => self.key.verify(self.algorithm.scheme, content, &signature),
            Signed::Digest(digest) => self.key.verify_digest(self.algorithm.scheme, digest, &signature),
        }
    }
}

fn usual(key: &str) -> Result<&'static str, Error> {
    match key {
        "P-256" => Ok("ES256"),
        "P-384" => Ok("ES384"),
        "P-521" => Ok("ES512"),
        "Ed25519" => Ok("EdDSA"),
        "SM2" => Ok("SM2"),
        rsa if rsa.starts_with("RSA") => Ok("RS256"),
        other => Err(Error::UnknownAlgorithm(other.to_owned())),
    }
}
