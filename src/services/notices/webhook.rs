//! Notices as events: an HTTP POST of JSON to one address, signed by the system key and told apart by an id, so that a receiver
//! needs neither a secret nor a memory longer than three days. The event names a certificate and nobody.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Channel, Expiry, Failure, Services};
use crate::{
    config::WebhookConfig,
    policy::{
        Timestamp,
        jws::{self, Content},
    },
    services::https,
};

/// The longest a receiver may take to answer.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// A JWS whose payload is the body: header and signature with nothing between them (RFC 7515 appendix F).
const SIGNATURE: &str = "hufu-signature";
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Where events are posted.
pub struct Webhook {
    http: reqwest::Client,
    url: Url,
}

/// The body: canonical JSON (RFC 8785). Fields are added, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When the threshold was seen to be passed.
    pub at: Timestamp,
    pub authority: String,
    /// The TBS digest.
    pub certificate: String,
    pub days: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// `certificate-expires`.
    pub event: String,
    pub id: String,
    pub not_after: Timestamp,
    pub profile: String,
    pub serial: String,
    /// What the certificate serves the installation as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serves: Option<String>,
    pub v: u8,
}

impl Content for Event {
    const TYPE: &'static str = "hufu-event";

    fn check(&self) -> Result<(), &'static str> {
        if self.v == 1 { Ok(()) } else { Err("v is not 1") }
    }
}

impl Webhook {
    /// `None` when no address is configured.
    pub fn open(config: &WebhookConfig) -> anyhow::Result<Option<Self>> {
        let Some(url) = config.url.clone() else { return Ok(None) };
        Ok(Some(Self { http: https::client(&url, &config.ca_file, REQUEST_TIME)?, url }))
    }
}

#[async_trait]
impl Channel for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    /// Any answer but a success is a failure, a redirection as well. What the receiver says beyond that is not read.
    async fn send(&self, services: &Services, expiry: &Expiry) -> Result<(), Failure> {
        let event = Event::from(expiry);
        let signature = detached(&services.sign_by_system_key(&event).await?);
        let request = self.http.post(self.url.clone()).body(jws::canonical(&event));
        let headers = [("content-type", "application/json"), (IDEMPOTENCY_KEY, event.id.as_str()), (SIGNATURE, signature.as_str())];
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(Failure::Answer(answer.status().as_u16())),
            Err(error) if error.is_timeout() => Err(Failure::Timeout),
            Err(_) => Err(Failure::Connection),
        }
    }
}

impl From<&Expiry> for Event {
    fn from(expiry: &Expiry) -> Self {
        Self {
            at: Timestamp::new(expiry.queued_at),
            authority: expiry.row.authority.clone(),
            certificate: expiry.certificate.id().to_string(),
            days: expiry.days,
            department: expiry.row.department.clone(),
            event: "certificate-expires".to_owned(),
            id: expiry.id(),
            not_after: Timestamp::new(expiry.certificate.not_after()),
            profile: expiry.row.profile.clone(),
            serial: hex::encode(&expiry.row.serial),
            serves: expiry.serves.clone(),
            v: 1,
        }
    }
}

/// A compact JWS without its payload.
fn detached(compact: &str) -> String {
    let mut parts = compact.split('.');
    let (header, signature) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
    format!("{header}..{signature}")
}
