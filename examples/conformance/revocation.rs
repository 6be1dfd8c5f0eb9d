//! What status follows from a response or a list.
//!
//! The cases are of the years of SHA-1 and short keys, so evidence is judged at legacy strength.

use anyhow::{Context, bail, ensure};
use hufu::{
    crypto::Strength,
    validation::{
        Inputs, Purpose, TrustStore,
        ocsp_status::responder,
        revocation::{Evidence, EvidenceInputs, Signers, Status, status},
        validate,
    },
    x509::{
        Certificate,
        crl::CertificateList,
        ocsp::{BasicResponse, IssuerHashes, OcspResponse},
    },
};
use serde_json::Value;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{Answer, octets, text};

pub fn ocsp(case: &Value) -> Answer {
    answer((|| {
        let der = octets(case, "response")?;
        let OcspResponse::Basic(_) = OcspResponse::parse(&der)? else { bail!("an error, not a response") };
        Question::read(case)?.judge(&Evidence::read([], [&der[..]]))
    })())
}

pub fn crl(case: &Value) -> Answer {
    answer((|| {
        let der = octets(case, "crl")?;
        CertificateList::parse(&der)?;
        Question::read(case)?.judge(&Evidence::read([&der[..]], []))
    })())
}

/// Only the response is judged: somebody who may answer for each certificate in it has signed it, and is trusted.
pub fn ocsp_chain(case: &Value) -> Answer {
    Answer::valid((|| -> anyhow::Result<()> {
        let der = octets(case, "response")?;
        let OcspResponse::Basic(response) = OcspResponse::parse(&der)? else { bail!("an error, not a response") };
        let at = time(case)?;
        let (trusted, mut bag) = (certificates(&case["trusted"])?, certificates(&case["untrusted"])?);
        bag.extend(trusted.iter().cloned());
        let trust = TrustStore::of_roots(&trusted);
        let found = bag.iter().find(|issuer| speaks_for(issuer, &response, at) && is_trusted(issuer, &bag, &trust, at));
        found.map(drop).context("nobody who may do so has signed it")
    })())
}

fn speaks_for(issuer: &Certificate, response: &BasicResponse<'_>, at: OffsetDateTime) -> bool {
    let Ok(key) = issuer.verifying_key() else { return false };
    let hashes = IssuerHashes::new(&issuer.subject_der(), key.octets());
    let inputs = EvidenceInputs { at, max_age: None, strength: Strength::Legacy };
    response.data.responses.iter().all(|single| hashes.matches(&single.cert_id)) && responder(issuer, response, &inputs).is_some()
}

fn is_trusted(issuer: &Certificate, bag: &[Certificate], trust: &TrustStore, at: OffsetDateTime) -> bool {
    let mut inputs = Inputs::new(at, Purpose::Any);
    inputs.strength = Strength::Legacy;
    trust.anchors().any(|anchor| anchor.certificate() == issuer) || validate(issuer, bag, trust, &inputs).is_ok()
}

struct Question {
    certificate: Certificate,
    issuer: Certificate,
    bag: Vec<Certificate>,
    inputs: EvidenceInputs,
}

impl Question {
    fn read(case: &Value) -> anyhow::Result<Self> {
        let one = |member: &str| Ok::<_, anyhow::Error>(Certificate::parse_many(text(case, member)?.as_bytes())?.remove(0));
        let bag = if case["issuer_2"].is_string() { vec![one("issuer_2")?] } else { Vec::new() };
        let max_age = Duration::seconds(case["max_age_s"].as_i64().context("no max_age_s")?);
        Ok(Self {
            certificate: one("certificate")?,
            issuer: one("issuer")?,
            bag,
            inputs: EvidenceInputs { at: time(case)?, max_age: Some(max_age), strength: Strength::Legacy },
        })
    }

    fn judge(&self, evidence: &Evidence<'_>) -> anyhow::Result<Status> {
        ensure!(self.certificate.verify_signature_with(&self.issuer, Strength::Legacy).is_ok(), "not a certificate of this issuer");
        // Of two certificates of the issuer, the one above is the anchor.
        let above = self.bag.iter().find(|other| self.issuer.verify_signature_with(other, Strength::Legacy).is_ok());
        let anchor = above.unwrap_or(&self.issuer);
        let trust = TrustStore::of_roots(std::slice::from_ref(anchor));
        let signers = Signers::new(&self.bag, &trust, anchor);
        Ok(status(&self.certificate, &self.issuer, signers, evidence, &self.inputs))
    }
}

fn answer(judged: anyhow::Result<Status>) -> Answer {
    match judged {
        Ok(Status::Good { .. }) => Answer::new("GOOD", ""),
        Ok(Status::Revoked { .. }) => Answer::new("REVOKED", ""),
        Ok(Status::Unknown(obstacle)) => Answer::new("UNKNOWN", obstacle),
        Err(error) => Answer::new("UNKNOWN", format!("{error:#}")),
    }
}

fn time(case: &Value) -> anyhow::Result<OffsetDateTime> {
    Ok(OffsetDateTime::parse(text(case, "verify_time")?, &Rfc3339)?)
}

/// One text of several certificates, or a list of texts.
fn certificates(value: &Value) -> anyhow::Result<Vec<Certificate>> {
    match value {
        Value::String(pem) => Ok(Certificate::parse_many(pem.as_bytes())?),
        Value::Array(pems) => pems.iter().map(certificates).collect::<anyhow::Result<Vec<_>>>().map(|lists| lists.concat()),
        _ => Ok(Vec::new()),
    }
}
