//! Signatures: bare ones by scheme, JWS, and CMS with the certificates behind it.

use anyhow::Context;
use base64::prelude::*;
use hufu::{
    crypto::{Digest, Scheme, Strength, VerifyingKey, algorithms, jose::Jwk},
    validation::{
        Inputs, Reason, Report, StatusReport, TrustStore, Verdict,
        signature::{
            Asked,
            cms::{Moment, Verification, certificates},
            jws::Jws,
        },
        validate,
    },
    world::{Clock, SystemClock, rfc3339},
    x509::{
        Certificate, Error,
        cms::{Layout, SignedData},
    },
};
use serde_json::Value;

use crate::{Answer, octets, text};

/// `ecdsa`, `eddsa`, `rsa` and `rsa-pss`. The question is arithmetic, so old hash functions and short keys are judged as well.
pub fn bare(case: &Value) -> Answer {
    match verify_bare(case) {
        // What is not verified here at all is neither valid nor invalid.
        Err(Bare::Unknown(what)) => Answer::new("SKIPPED", format!("not verified here: {what}")),
        Err(Bare::Invalid(why)) => Answer::new("invalid", why),
        Ok(()) => Answer::new("valid", ""),
    }
}

enum Bare {
    Unknown(String),
    Invalid(String),
}

impl From<hufu::crypto::Error> for Bare {
    fn from(error: hufu::crypto::Error) -> Self {
        match error {
            hufu::crypto::Error::UnknownAlgorithm(what) => Self::Unknown(what),
            other => Self::Invalid(other.to_string()),
        }
    }
}

impl From<anyhow::Error> for Bare {
    fn from(error: anyhow::Error) -> Self {
        Self::Invalid(format!("{error:#}"))
    }
}

fn verify_bare(case: &Value) -> Result<(), Bare> {
    let key = VerifyingKey::from_spki(&hexadecimal(case, "publicKeyDer")?)?;
    let mut signature = hexadecimal(case, "sig")?;
    if case["encoding"] == "p1363" {
        signature = key.signature_from_fixed(&signature)?;
    }
    Ok(key.verify_with_strength(Strength::Legacy, scheme(case)?, &hexadecimal(case, "msg")?, &signature)?)
}

fn scheme(case: &Value) -> Result<Scheme, Bare> {
    let digest = || {
        let name = text(case, "alg")?;
        Digest::named(name).ok_or_else(|| Bare::Unknown(format!("the hash function {name}")))
    };
    Ok(match text(case, "kind")? {
        "ecdsa" => Scheme::Ecdsa(digest()?),
        "eddsa" => Scheme::Ed25519,
        "rsa" => Scheme::RsaPkcs1(digest()?),
        "rsa-pss" if case["mgf"] == "MGF1" && case["mgfSha"] == case["alg"] => {
            let salt = case["sLen"].as_u64().and_then(|length| u16::try_from(length).ok()).context("no sLen")?;
            Scheme::RsaPss { digest: digest()?, salt }
        }
        other => return Err(Bare::Unknown(format!("{other} with {} of {}", case["mgf"], case["mgfSha"]))),
    })
}

/// With the identity of the case, which is not always the default one.
pub fn sm2(case: &Value) -> Answer {
    let verify = || -> anyhow::Result<()> {
        let (point, message, signature) = (hexadecimal(case, "publicKey")?, hexadecimal(case, "msg")?, hexadecimal(case, "sig")?);
        Ok(algorithms::sm2::verify_with_identity(&hexadecimal(case, "sm2_id")?, &point, &message, &signature)?)
    };
    Answer::valid(verify())
}

pub fn jws(case: &Value) -> Answer {
    let verify = || -> anyhow::Result<()> {
        let jws = Jws::parse(text(case, "jws")?, None)?;
        let keys: Vec<&Value> = match [&case["jwks"], &case["jwk"]].into_iter().find_map(|set| set["keys"].as_array()) {
            Some(keys) => keys.iter().collect(),
            None => vec![&case["jwk"]],
        };
        let verify = |key: &Value| -> anyhow::Result<()> { Ok(jws.verify(&Jwk::parse(key.as_object().context("no key")?)?)?) };
        keys.into_iter().map(verify).reduce(Result::or).context("no key")?
    };
    Answer::valid(verify())
}

/// Every signer holds and leads to a root that is trusted; without any, the signatures alone are judged.
pub fn cms(case: &Value) -> Answer {
    match judge_cms(case) {
        Ok(Ok(())) => Answer::new("valid", ""),
        Ok(Err(reason)) => Answer::new("invalid", reason),
        Err(error) => Answer::new("invalid", error),
    }
}

fn judge_cms(case: &Value) -> anyhow::Result<Result<(), String>> {
    let file = octets(case, "cms")?;
    let pem = |member: &str| case[member].as_str().map(|pem| Certificate::parse_many(pem.as_bytes())).transpose();
    let (more, trusted) = (pem("extra_certs")?.unwrap_or_default(), pem("trusted")?);
    let layout = Layout::of(&file)?;
    let signed = SignedData::parse(&layout)?;
    let certificates = certificates(&signed, &more);
    let mut verification = Verification::begin(&signed, &certificates);
    match case["detached_content"].as_str() {
        Some(content) => verification.update(&BASE64_STANDARD.decode(content)?),
        None => layout.content.iter().for_each(|_| verification.update(&[])),
    }
    layout.segments(&file).for_each(|segment| verification.update(segment));
    let moment = Moment { at: None, now: SystemClock.now() };
    let trust = trusted.map(|roots| TrustStore::of_roots(&roots));
    let report = verification.finish(moment, &|asked| by_roots(trust.as_ref(), asked, moment));
    Ok(if report.verdict() == Verdict::Passed { Ok(()) } else { Err(format!("{:?}", report.judgement.reason)) })
}

fn by_roots(trust: Option<&TrustStore>, asked: &Asked<'_>, moment: Moment) -> Report {
    let inputs = Inputs::new(asked.at.unwrap_or(moment.now), asked.purpose);
    let reason = match trust.map(|trust| validate(asked.certificate, asked.candidates, trust, &inputs)) {
        None | Some(Ok(_)) => Reason::Valid,
        Some(Err(error)) => Reason::from(&error),
    };
    let status = StatusReport { state: "unknown", reason: None, since: None, invalid_since: None, as_of: rfc3339(moment.now) };
    Report::new(reason, status, Vec::new(), Vec::new(), None)
}

/// A SignedData that is read, for the malformed ones.
pub fn parse(file: &[u8]) -> Result<(), Error> {
    SignedData::parse(&Layout::of(file)?).map(drop)
}

fn hexadecimal(case: &Value, member: &str) -> anyhow::Result<Vec<u8>> {
    hex::decode(text(case, member)?).with_context(|| format!("{member} is not hexadecimal"))
}
