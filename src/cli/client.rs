//! The command line's end of the API: one HTTPS client that trusts the installation's roots alone and shows its user's
//! certificate, P-256 or SM2.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use reqwest::{Method, StatusCode};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        ResolvesClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::CertifiedKey,
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    crypto::{PrivateKey, Secret, algorithms, digest::sha256, keys::software::decrypt_pem, tls},
    x509::Certificate,
};

/// How a client knows the server.
pub enum Trust {
    /// These root certificates.
    Roots(Vec<Certificate>),
    /// The first octets of a root's SHA-256 fingerprint, as a claim code carries them.
    Pin(Vec<u8>),
}

/// A client for what is served over plain HTTP, where what is believed is what is signed. It trusts nobody over TLS.
pub fn over_http(patience: std::time::Duration) -> anyhow::Result<reqwest::Client> {
    let config = ClientConfig::builder_with_provider(Arc::new(tls::provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Ok(reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().timeout(patience).build()?)
}

/// A person's certificate chain and private key, from `{name}.crt` and `{name}.key`.
pub struct Identity {
    pub chain: Vec<Certificate>,
    pub key: Box<dyn PrivateKey>,
    secret: Secret,
}

impl Identity {
    /// `path` is the name that both files share: `alice` for `alice.crt` and `alice.key`.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let file = |extension: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(extension);
            std::path::PathBuf::from(name)
        };
        // Whoever names one of the files, or none, is told what the name is that both share.
        let reading = |extension: &str| format!("reading {}{extension}: --identity NAME is for NAME.crt and NAME.key", path.display());
        let chain = std::fs::read(file(".crt")).with_context(|| reading(".crt, the certificate"))?;
        let pem = std::fs::read_to_string(file(".key")).with_context(|| reading(".key, its private key"))?;
        let passphrase = std::env::var("HUFU_KEY_PASSPHRASE").unwrap_or_default();
        let secret = decrypt_pem(&pem, passphrase.as_bytes()).with_context(|| format!("reading {}.key", path.display()))?;
        let identity = Self { chain: Certificate::parse_many(&chain)?, key: algorithms::load_any(&secret)?, secret };
        if identity.certificate().public_key() != Ok(identity.key.public_key()) {
            bail!("{0}.key is not the key of {0}.crt", path.display());
        }
        Ok(identity)
    }

    pub fn certificate(&self) -> &Certificate {
        // `parse_many` never answers an empty list.
        &self.chain[0]
    }

    fn certified_key(&self) -> anyhow::Result<CertifiedKey> {
        let chain = self.chain.iter().map(|certificate| CertificateDer::from(certificate.der().to_vec())).collect();
        Ok(tls::certified_key(chain, &self.secret)?)
    }
}

/// A problem document the server answered with (RFC 9457).
#[derive(Debug, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Problem {
    pub status: u16,
    pub code: String,
    pub detail: String,
}

pub struct Client {
    http: reqwest::Client,
    server: String,
}

impl Client {
    /// Refuses to show a claim code or an identity to a server over plain HTTP: whoever listens would have them.
    pub fn new(server: &str, trust: Trust, identity: Option<&Identity>) -> anyhow::Result<Self> {
        if !server.starts_with("https://") && (identity.is_some() || matches!(trust, Trust::Pin(_))) {
            bail!("{server} is not the address of the API, which starts with https://");
        }
        let provider = Arc::new(tls::provider());
        let verifier: Arc<dyn ServerCertVerifier> = match trust {
            Trust::Roots(roots) => {
                let mut store = RootCertStore::empty();
                for root in roots {
                    store.add(CertificateDer::from(root.der().to_vec()))?;
                }
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone()).build()?
            }
            Trust::Pin(pin) => Arc::new(PinnedRoot { pin, provider: provider.clone() }),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(OneIdentity(Arc::new(identity.certified_key()?)))),
            None => builder.with_no_client_auth(),
        };
        let http =
            reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().timeout(std::time::Duration::from_secs(60)).build()?;
        Ok(Self { http, server: server.trim_end_matches('/').to_owned() })
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.http.get(format!("{}{path}", self.server)).send().await?;
        Self::json(answer).await
    }

    pub async fn get_bytes(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let answer = self.http.get(format!("{}{path}", self.server)).send().await?;
        if answer.status().is_success() { Ok(answer.bytes().await?.to_vec()) } else { Err(Self::problem(answer).await) }
    }

    pub async fn post(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        let answer = self.http.request(Method::POST, format!("{}{path}", self.server)).json(body).send().await?;
        Self::json(answer).await
    }

    pub async fn patch(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        let answer = self.http.request(Method::PATCH, format!("{}{path}", self.server)).json(body).send().await?;
        Self::json(answer).await
    }

    pub async fn post_bytes(&self, path: &str, content_type: &str, body: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        let request = self.http.post(format!("{}{path}", self.server)).header(reqwest::header::CONTENT_TYPE, content_type).body(body);
        let answer = request.send().await?;
        if answer.status().is_success() { Ok(answer.bytes().await?.to_vec()) } else { Err(Self::problem(answer).await) }
    }

    /// A report as a page, with the word of its verdict.
    pub async fn post_for_page(&self, path: &str, body: &impl Serialize) -> anyhow::Result<(String, Option<String>)> {
        let request = self.http.post(format!("{}{path}", self.server)).header(reqwest::header::ACCEPT, "text/html").json(body);
        let answer = request.send().await?;
        if !answer.status().is_success() {
            return Err(Self::problem(answer).await);
        }
        let verdict = answer.headers().get("hufu-verdict").and_then(|verdict| verdict.to_str().ok()).map(str::to_owned);
        Ok((answer.text().await?, verdict))
    }

    async fn json(answer: reqwest::Response) -> anyhow::Result<Value> {
        if answer.status() == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        if answer.status().is_success() { Ok(answer.json().await?) } else { Err(Self::problem(answer).await) }
    }

    async fn problem(answer: reqwest::Response) -> anyhow::Error {
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (code, detail) = (text("code"), text("detail"));
        if code.is_empty() { anyhow::anyhow!("the server answered {status}") } else { Problem { status, code, detail }.into() }
    }
}

#[derive(Debug)]
struct OneIdentity(Arc<CertifiedKey>);

impl ResolvesClientCert for OneIdentity {
    fn resolve(&self, _: &[&[u8]], offered: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.key.choose_scheme(offered).is_some().then(|| self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Trusts the server whose chain ends in the root that a claim code names. The root itself comes with the handshake.
#[derive(Debug)]
struct PinnedRoot {
    pin: Vec<u8>,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for PinnedRoot {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pinned = |certificate: &&CertificateDer<'_>| !self.pin.is_empty() && sha256(certificate).starts_with(&self.pin);
        let root = intermediates
            .iter()
            .find(pinned)
            .ok_or_else(|| rustls::Error::General("the server does not show the root that the claim code names".to_owned()))?;
        let mut store = RootCertStore::empty();
        store.add(root.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), self.provider.clone())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_code_is_never_sent_in_the_clear() {
        for server in ["http://127.0.0.1:8080", "127.0.0.1:8443", "ftp://ca.example"] {
            assert!(Client::new(server, Trust::Pin(vec![7; 16]), None).is_err(), "{server}");
        }
        Client::new("https://127.0.0.1:8443", Trust::Pin(vec![7; 16]), None).unwrap();
    }
}
