//! The authorities: names, keys and how each of them signs.

use std::{collections::BTreeMap, sync::Arc, sync::RwLock};

use der::asn1::ObjectIdentifier;
use spki::AlgorithmIdentifierOwned;

use super::error::Error;
use crate::{
    crypto::{Algorithm, keys::SigningKey},
    policy::{AuthorityName, Purpose},
    x509::{Certificate, SerialNumber},
};

/// An authority that can sign.
pub struct Authority {
    pub name: AuthorityName,
    /// Who certified it; `None` for a root, which certified itself.
    pub issuer: Option<AuthorityName>,
    /// Its DER name, exactly as its certificates give it as their issuer.
    pub subject: Vec<u8>,
    pub key: Arc<dyn SigningKey>,
    pub crl_shards: u16,
    pub null_parameters: bool,
    /// Asserted in what it issues, but for the certificates of other authorities, which assert their own.
    pub policy: ObjectIdentifier,
    /// Its own certificate, once that is signed.
    certificate: RwLock<Option<Arc<Certificate>>>,
}

impl Authority {
    pub fn new(
        name: AuthorityName,
        issuer: Option<AuthorityName>,
        subject: Vec<u8>,
        key: Arc<dyn SigningKey>,
        crl_shards: u16,
        null_parameters: bool,
        policy: ObjectIdentifier,
    ) -> Self {
        Self { name, issuer, subject, key, crl_shards, null_parameters, policy, certificate: RwLock::new(None) }
    }

    pub fn is_root(&self) -> bool {
        self.name.purpose() == Purpose::Root
    }

    /// The log that records what it issues has its name.
    pub fn log(&self) -> String {
        self.name.to_string()
    }

    pub fn algorithm(&self) -> &'static dyn Algorithm {
        self.key.public_key().algorithm()
    }

    /// The AlgorithmIdentifier in everything it signs.
    pub fn signature_algorithm(&self) -> AlgorithmIdentifierOwned {
        signature_algorithm(self.algorithm(), self.null_parameters)
    }

    pub fn certificate(&self) -> Result<Arc<Certificate>, Error> {
        // Nobody panics while holding the lock: it is only ever read or replaced.
        let certificate = self.certificate.read().expect("the certificate is not poisoned").clone();
        certificate.ok_or_else(|| Error::Corrupt(format!("authority {} has no certificate yet", self.name)))
    }

    pub fn set_certificate(&self, certificate: Certificate) {
        *self.certificate.write().expect("the certificate is not poisoned") = Some(Arc::new(certificate));
    }

    /// `{base}/crl/{authority}/{shard}.crl`: what the certificate's CDP and the shard's IDP say.
    pub fn shard_url(&self, base_url: &str, shard: u16) -> String {
        format!("{base_url}/crl/{}/{shard}.crl", self.name)
    }

    pub fn shard_url_of(&self, base_url: &str, serial: &SerialNumber) -> String {
        self.shard_url(base_url, serial.shard(self.crl_shards))
    }

    pub fn certificate_url(&self, base_url: &str) -> String {
        format!("{base_url}/ca/{}.cer", self.name)
    }

    pub fn ocsp_url(base_url: &str) -> String {
        format!("{base_url}/ocsp")
    }
}

pub fn signature_algorithm(algorithm: &dyn Algorithm, null_parameters: bool) -> AlgorithmIdentifierOwned {
    if null_parameters { algorithm.signature_algorithm_with_null() } else { algorithm.signature_algorithm() }
}

/// Every authority by name. Grows only while an installation is made.
#[derive(Default)]
pub struct Authorities(RwLock<BTreeMap<AuthorityName, Arc<Authority>>>);

impl Authorities {
    pub fn add(&self, authority: Authority) -> Arc<Authority> {
        let authority = Arc::new(authority);
        self.0.write().expect("the authorities are not poisoned").insert(authority.name, authority.clone());
        authority
    }

    pub fn all(&self) -> Vec<Arc<Authority>> {
        self.0.read().expect("the authorities are not poisoned").values().cloned().collect()
    }

    pub fn find(&self, name: &AuthorityName) -> Option<Arc<Authority>> {
        self.0.read().expect("the authorities are not poisoned").get(name).cloned()
    }

    pub fn load(&self, name: &str) -> Result<Arc<Authority>, Error> {
        let parsed: Option<AuthorityName> = name.parse().ok();
        parsed.and_then(|name| self.find(&name)).ok_or_else(|| Error::unknown("authority", name))
    }

    /// The newest authority of that purpose and family.
    pub fn newest(&self, purpose: Purpose, family: &str) -> Option<Arc<Authority>> {
        let fits = |authority: &Arc<Authority>| authority.name.purpose() == purpose && authority.name.family() == family;
        self.all().into_iter().filter(fits).max_by_key(|authority| authority.name.generation())
    }

    /// The certificates of an authority and of those above it, its own first, the root last.
    pub fn chain(&self, authority: &Authority) -> Result<Vec<Arc<Certificate>>, Error> {
        let mut chain = vec![authority.certificate()?];
        let mut issuer = authority.issuer;
        while let Some(name) = issuer {
            let above = self.find(&name).ok_or_else(|| Error::unknown("authority", name))?;
            chain.push(above.certificate()?);
            issuer = above.issuer;
        }
        Ok(chain)
    }

    pub fn roots(&self) -> Result<Vec<Arc<Certificate>>, Error> {
        self.all().iter().filter(|authority| authority.is_root()).map(|authority| authority.certificate()).collect()
    }
}
