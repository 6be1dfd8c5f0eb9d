//! Keys with which the service signs for whoever asks: time stamps and reports. One a purpose and family, certified and renewed like
//! the responders'.

use std::{collections::BTreeMap, sync::Arc};

use der::asn1::ObjectIdentifier;
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;

use super::{
    Services,
    authorities::{Authority, signature_algorithm},
    error::Error,
};
use crate::{
    crypto::keys::SigningKey,
    policy::Profile,
    x509::{
        Certificate,
        cms::{Dialect, Draft, Envelope, SM2_SIGN},
    },
};

/// The purposes of which each family has one key, with the profile of its certificate and the beginning of its name.
static FAMILY_KEYS: &[(&str, &str, &str)] = &[("time-stamping", "timestamping", "TSA"), ("report", "report", "Reports")];

/// A key that the service signs with in its own name, and what certifies it.
#[derive(Clone)]
pub struct OwnKey {
    pub purpose: &'static str,
    pub certificate: Arc<Certificate>,
    pub key: Arc<dyn SigningKey>,
    /// Who certified it.
    pub authority: Arc<Authority>,
    /// The certificates of the authority and of those above it, the root last.
    pub chain: Vec<Arc<Certificate>>,
}

impl Services {
    /// The key of that purpose and family. There is none where the policy has no profile for it, as in an installation that is
    /// older than the purpose.
    pub(super) fn own_key(&self, purpose: &str, family: &str) -> Option<OwnKey> {
        self.own_keys_for(purpose).into_iter().find(|own| own.authority.name.family() == family)
    }

    /// One a family. One whose certificate is suspended or revoked signs nothing; upkeep makes another.
    pub(super) fn own_keys_for(&self, purpose: &str) -> Vec<OwnKey> {
        let is_usable = |own: &&OwnKey| own.purpose == purpose && self.is_good(&own.certificate.id().0);
        self.own_keys.load().iter().filter(is_usable).cloned().collect()
    }

    pub(super) async fn renew_family_keys(&self) -> Result<Vec<OwnKey>, Error> {
        let mut keys = Vec::new();
        for (purpose, profile, name) in FAMILY_KEYS {
            let Ok(profile) = self.profile(profile) else {
                tracing::warn!(purpose, profile, "the policy has no profile for this purpose, so nothing is signed for it");
                continue;
            };
            // The parser of profiles refuses one without authorities.
            let issuer = profile.authorities()[0];
            for algorithm in profile.algorithms() {
                let Some(authority) = self.authorities.newest(issuer, algorithm.name()) else { continue };
                keys.push(self.renew_family_key(purpose, &profile, name, authority).await?);
            }
        }
        Ok(keys)
    }

    async fn renew_family_key(
        &self,
        purpose: &'static str,
        profile: &Profile,
        name: &str,
        authority: Arc<Authority>,
    ) -> Result<OwnKey, Error> {
        let row = match self.current(purpose, Some(&authority)).await? {
            Some(row) => row,
            None => {
                let family = authority.name.family();
                let subject = BTreeMap::from([("CN".to_owned(), format!("{name} {}", authority.name))]);
                self.issue_own(purpose, Some(authority.clone()), profile.name().as_str(), family, subject, BTreeMap::new()).await?
            }
        };
        let known = self.own_key(purpose, authority.name.family());
        if let Some(known) = known.filter(|known| known.certificate.id().0 == row.certificate[..]) {
            return Ok(known);
        }
        let certificate = self.find_certificate(&hex::encode(&row.certificate)).await?;
        Ok(OwnKey {
            purpose,
            certificate: Arc::new(self.assemble_certificate(&certificate)?),
            key: Arc::new(self.keys.load(&row.key_name).map_err(Error::Key)?),
            chain: self.authorities.chain(&authority)?,
            authority,
        })
    }
}

impl OwnKey {
    /// A CMS SignedData with the content in it, signed with this key (CAdES-B). `unsigned`: attributes beside the signature.
    pub(super) async fn sign_cms(
        &self,
        dialect: Dialect,
        content_type: ObjectIdentifier,
        content: &[u8],
        signing_time: OffsetDateTime,
        certificates: &[Vec<u8>],
        unsigned: &[Vec<u8>],
    ) -> Result<Vec<u8>, Error> {
        let algorithm = self.key.public_key().algorithm();
        let digest = algorithm.digest();
        let content_digest = digest.hash(content);
        let signature_algorithm = match dialect {
            Dialect::Cms => signature_algorithm(algorithm, false),
            // GB/T 35275 has the algorithm of the key here.
            Dialect::Gm => AlgorithmIdentifierOwned { oid: SM2_SIGN, parameters: None },
        };
        let draft = Draft {
            content_type,
            digest,
            content_digest: &content_digest,
            certificate: &self.certificate,
            signing_time,
            signature_algorithm,
        };
        let to_be_signed = draft.to_be_signed()?;
        let signature = self.key.sign(to_be_signed.clone()).await.map_err(Error::Key)?;
        let signer = draft.signer_info(&to_be_signed, &signature, unsigned)?;
        let envelope = Envelope::new(dialect, content_type, Some(content.len() as u64), digest, certificates, &signer)?;
        Ok(envelope.around(content))
    }

    /// Its own certificate and those above it but the root, which a verifier has or does not trust.
    pub(super) fn certificates(&self) -> Vec<Vec<u8>> {
        let chain = self.chain[..self.chain.len().saturating_sub(1)].iter().map(|certificate| certificate.der().to_vec());
        std::iter::once(self.certificate.der().to_vec()).chain(chain).collect()
    }
}
