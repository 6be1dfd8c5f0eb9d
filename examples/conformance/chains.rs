//! Path validation, as x509-limbo asks for it.

use anyhow::{Context, bail};
use hufu::{
    validation::{
        ANY_POLICY, Inputs, PathError, PeerName, PolicyInputs, Purpose, TrustStore,
        revocation::{Evidence, EvidenceInputs, check_path},
        validate, validate_if,
    },
    x509::Certificate,
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::Answer;

pub fn judge(case: &Value) -> Answer {
    let constrains = |member: &str| case[member].as_array().is_some_and(|list| !list.is_empty());
    if constrains("key_usage") || constrains("signature_algorithms") {
        return Answer::new("SKIPPED", "no question here constrains usages of keys or algorithms");
    }
    match validate_case(case) {
        Ok(detail) => Answer::new("SUCCESS", detail),
        Err(error) => match error.downcast_ref::<PathError>() {
            // What is not done here at all (docs/divergences.md) is no verdict on the path.
            Some(PathError::Algorithm(_, algorithm)) if DSA.contains(&algorithm.as_str()) => Answer::new("SKIPPED", "signed with DSA"),
            _ => Answer::new("FAILURE", format!("{error:#}")),
        },
    }
}

/// Keys and signatures of DSA (RFC 3279 §2.2.2, §2.3.2; RFC 5758 §3.1).
const DSA: [&str; 3] = ["1.2.840.10040.4.1", "1.2.840.10040.4.3", "2.16.840.1.101.3.4.3.2"];

fn validate_case(case: &Value) -> anyhow::Result<String> {
    let leaf = certificate(&case["peer_certificate"])?;
    let trust = TrustStore::of_roots(&certificates(&case["trusted_certs"])?);
    let bag = certificates(&case["untrusted_intermediates"])?;
    let lists = lists(case)?;
    let mut found = String::new();
    for purpose in purposes(case)? {
        let inputs = inputs(case, purpose)?;
        let path = match &lists {
            None => validate(&leaf, &bag, &trust, &inputs)?,
            Some(lists) => {
                let evidence = Evidence::read(lists.iter().map(Vec::as_slice), []);
                let at = EvidenceInputs { at: inputs.at, max_age: None, strength: inputs.strength };
                validate_if(&leaf, &bag, &trust, &inputs, &mut |path| check_path(path, &bag, &trust, &evidence, &at))?
            }
        };
        found = format!("{} certificates, policies {:?}", path.certificates().len(), path.policies().names());
    }
    Ok(found)
}

fn certificate(pem: &Value) -> anyhow::Result<Certificate> {
    let pem = pem.as_str().context("no certificate")?;
    Certificate::parse_many(pem.as_bytes())?.into_iter().next().context("no certificate")
}

fn certificates(pems: &Value) -> anyhow::Result<Vec<Certificate>> {
    // What cannot be read cannot be part of a path; the rest of the bag still can.
    Ok(pems.as_array().into_iter().flatten().filter_map(|pem| certificate(pem).ok()).collect())
}

/// The DER of the lists, when the case has some: then every certificate of the path must be covered.
fn lists(case: &Value) -> anyhow::Result<Option<Vec<Vec<u8>>>> {
    let Some(pems) = case["crls"].as_array().filter(|lists| !lists.is_empty()) else { return Ok(None) };
    let read = |pem: &Value| {
        let pem = pem.as_str().context("no list")?;
        Ok(der::pem::decode_vec(pem.as_bytes()).map_err(|error| anyhow::anyhow!("a list: {error}"))?.1)
    };
    pems.iter().map(read).collect::<anyhow::Result<_>>().map(Some)
}

fn inputs(case: &Value, purpose: Purpose) -> anyhow::Result<Inputs> {
    let at = match case["validation_time"].as_str() {
        Some(time) => OffsetDateTime::parse(time, &Rfc3339)?,
        None => OffsetDateTime::from_unix_timestamp(1_790_000_000)?,
    };
    let mut inputs = Inputs::new(at, purpose);
    let named = case["expected_peer_names"].as_array().into_iter().flatten();
    inputs.peers = named.chain(Some(&case["expected_peer_name"])).filter(|name| !name.is_null()).map(peer).collect::<Result<_, _>>()?;
    if let Some(most) = case["max_chain_depth"].as_u64() {
        inputs.max_intermediates = usize::try_from(most)?;
    }
    inputs.policies = policies(case)?;
    Ok(inputs)
}

/// The certificate must be for each of them.
fn purposes(case: &Value) -> anyhow::Result<Vec<Purpose>> {
    let words: Vec<&str> = case["extended_key_usage"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if words.is_empty() {
        return Ok(vec![if case["validation_kind"] == "SERVER" { Purpose::ServerAuth } else { Purpose::Any }]);
    }
    let find = |word: &str| {
        Ok(match word {
            "anyExtendedKeyUsage" => Purpose::Any,
            "serverAuth" => Purpose::ServerAuth,
            "clientAuth" => Purpose::ClientAuth,
            "emailProtection" => Purpose::EmailProtection,
            "codeSigning" => Purpose::CodeSigning,
            "timeStamping" => Purpose::TimeStamping,
            "OCSPSigning" => Purpose::OcspSigning,
            other => bail!("the purpose {other}"),
        })
    };
    words.into_iter().map(find).collect()
}

fn peer(name: &Value) -> anyhow::Result<PeerName> {
    let value = name["value"].as_str().context("a name without value")?;
    Ok(match name["kind"].as_str() {
        Some("DNS") => PeerName::Dns(value.to_owned()),
        Some("IP") => PeerName::Ip(value.parse()?),
        Some("RFC822") => PeerName::Email(value.to_owned()),
        other => bail!("a name of the kind {other:?}"),
    })
}

fn policies(case: &Value) -> anyhow::Result<PolicyInputs> {
    let flag = |name: &str| case[name].as_bool().unwrap_or(false);
    let listed = case["x_initial_policy_set"].as_array().map(|list| list.iter().filter_map(Value::as_str).map(str::parse).collect());
    let initial: Option<std::collections::BTreeSet<_>> = listed.transpose().map_err(|error| anyhow::anyhow!("a policy: {error}"))?;
    Ok(PolicyInputs {
        initial_set: initial.filter(|policies| !policies.contains(&ANY_POLICY)),
        explicit: flag("x_initial_explicit_policy"),
        inhibit_mapping: flag("x_initial_policy_mapping_inhibit"),
        inhibit_any: flag("x_initial_any_policy_inhibit"),
    })
}
