//! A time stamp asked for over HTTP (RFC 3161 §3.4), and believed only as far as it answers what was asked.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::header::CONTENT_TYPE;
use url::Url;

use super::client::over_http;
use crate::{
    crypto::Digest,
    validation::{
        Report,
        signature::{SignatureReason, time_stamp::Token},
    },
    world::{Clock, SystemClock, SystemEntropy, random},
    x509::tsp::{MessageImprint, Number, TimeStampRequest, TimeStampResponse},
};

/// A token with its certificates is a few kilobytes.
const MAX_RESPONSE: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// A token with its DER.
pub struct Stamp {
    der: Vec<u8>,
    token: Token,
}

impl Stamp {
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub fn time(&self) -> time::OffsetDateTime {
        self.token.time()
    }
}

/// A token over this hash, whose signature holds. Whether its authority is to be trusted is for whoever verifies to say.
pub async fn fetch(url: &Url, digest: Digest, hash: &[u8]) -> anyhow::Result<Stamp> {
    let request = TimeStampRequest {
        imprint: MessageImprint { algorithm: digest.oid(), hash: hash.to_vec() },
        policy: None,
        nonce: Some(Number::positive(&random::<16>(&SystemEntropy))),
        wants_certificate: true,
        extensions: Vec::new(),
    };
    let answer = ask(url, request.to_der()?).await.with_context(|| format!("asking {url} for a time stamp"))?;
    let der = match TimeStampResponse::parse(&answer)? {
        TimeStampResponse::Granted(token) => token.to_vec(),
        TimeStampResponse::Rejected(rejection) => bail!("{url} gives no time stamp: {rejection}"),
    };
    let token = Token::parse(&der)?;
    check(&token, &request)?;
    Ok(Stamp { der, token })
}

async fn ask(url: &Url, request: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    // A token is signed, so it may travel in the open; and roots for TLS are nobody's to choose here.
    ensure!(url.scheme() == "http", "a time-stamping authority is asked over http://");
    let post = over_http(PATIENCE)?.post(url.clone()).header(CONTENT_TYPE, "application/timestamp-query").body(request);
    let mut answer = post.send().await?;
    ensure!(answer.status().is_success(), "it answered {}", answer.status().as_u16());
    let mut octets = Vec::new();
    while let Some(part) = answer.chunk().await? {
        ensure!(octets.len() + part.len() <= MAX_RESPONSE, "it answered with more than a megabyte");
        octets.extend_from_slice(&part);
    }
    Ok(octets)
}

/// RFC 3161 §2.2: what was asked is what was stamped, and the signature holds.
fn check(token: &Token, request: &TimeStampRequest) -> anyhow::Result<()> {
    ensure!(token.info().imprint == request.imprint, "the time stamp is of something else");
    ensure!(token.info().nonce == request.nonce, "the time stamp answers another request");
    let nobody_asked = |asked: &crate::validation::signature::Asked<'_>| Report::unknown(asked.at.unwrap_or_else(|| SystemClock.now()));
    let report = token.judge(Some(&request.imprint.hash), &[], SystemClock.now(), &nobody_asked);
    match report.judgement.reason {
        SignatureReason::SignatureValid | SignatureReason::Certificate(_) => Ok(()),
        reason => bail!("the time stamp does not hold: {}", serde_json::to_value(reason)?),
    }
}
