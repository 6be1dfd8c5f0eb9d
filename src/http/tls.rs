//! TLS of the HTTPS listener: 1.3 and 1.2, a client certificate asked for but not demanded, the server's own certificate
//! exchanged while connections go on.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::CertificateDer,
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};

use crate::crypto::tls::provider;

/// The certificate that the listener shows now; renewing it is one `store`.
#[derive(Debug)]
pub struct ListenerCertificate(ArcSwap<CertifiedKey>);

impl ListenerCertificate {
    pub fn new(key: CertifiedKey) -> Self {
        Self(ArcSwap::from_pointee(key))
    }

    pub fn replace(&self, key: CertifiedKey) {
        self.0.store(Arc::new(key));
    }
}

impl ResolvesServerCert for ListenerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Client certificates must chain to one of `roots`; whether they are good now is the ledger's to say, per request.
pub fn server_config(
    certificate: Arc<ListenerCertificate>,
    roots: &[Vec<u8>],
) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let provider = Arc::new(provider());
    let mut anchors = RootCertStore::empty();
    for root in roots {
        anchors.add(CertificateDer::from(root.clone()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(anchors), provider.clone()).allow_unauthenticated().build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
