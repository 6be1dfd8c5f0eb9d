//! The service's own certificates: OCSP responders, time-stamping authorities, signers of reports and the HTTPS listener.
//! The system key asks for them, they are issued on the same path as everyone's, and the service renews them by itself, with a
//! new key each time.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use super::{
    Services,
    answer_ocsp::Responder,
    authorities::Authority,
    enrol::{Application, New, Person},
    error::Error,
    issue::Serves,
};
use crate::{
    crypto::{Secret, keys::SigningKey},
    ledger::{State, StatusKey},
    policy::{Act, DepartmentFacts, NameKind},
    store,
    world::{from_millis, random},
    x509::{Certificate, name, request::CertificationRequest, signed::assemble},
};

/// The family of the listener's certificate: every TLS client knows it.
const LISTENER_FAMILY: &str = "p256";

/// What the HTTPS listener shows: the chain, leaf first, and its private key.
pub struct ListenerIdentity {
    pub chain: Vec<Vec<u8>>,
    pub key: Secret,
}

impl Services {
    /// The responder that answers for an authority.
    pub fn responder(&self, authority: &Authority) -> Result<Responder, Error> {
        let found = self.responders.load().get(&authority.log()).cloned();
        found.ok_or_else(|| Error::Corrupt(format!("{} has no OCSP responder", authority.name)))
    }

    /// Issues whatever responder or listener certificate is missing or in its renewal window, and loads them all.
    /// Answers whether the listener's certificate is a new one.
    pub async fn renew_own_certificates(&self) -> Result<bool, Error> {
        let mut responders = BTreeMap::new();
        for authority in self.authorities.all() {
            let row = match self.current("responder", Some(&authority)).await? {
                Some(row) => row,
                None => self.issue_responder(&authority).await?,
            };
            let known = self.responders.load().get(&authority.log()).cloned();
            let responder = match known.filter(|known| known.certificate.id().0 == row.certificate[..]) {
                Some(responder) => responder,
                None => self.load_responder(&authority, &row).await?,
            };
            responders.insert(authority.log(), responder);
        }
        self.responders.store(Arc::new(responders));
        self.own_keys.store(Arc::new(self.renew_family_keys().await?));
        if self.current("listener", None).await?.is_some() {
            return Ok(false);
        }
        self.issue_listener().await?;
        Ok(true)
    }

    /// The active certificate of that purpose, unless it is due for renewal or not good any more.
    pub(super) async fn current(&self, purpose: &str, authority: Option<&Authority>) -> Result<Option<store::SystemCertificateRow>, Error> {
        let log = authority.map(Authority::log);
        let mut connection = self.db.read().await?;
        let Some(row) = store::certificates::active_system_certificate(&mut connection, purpose, log.as_deref()).await? else {
            return Ok(None);
        };
        let Some(certificate) = store::certificates::find(&mut connection, &row.certificate).await? else { return Ok(None) };
        let profile = self.profile(&certificate.profile)?;
        let fresh = self.clock.now() < from_millis(certificate.not_after) - profile.validity().renewal_window;
        let fits = purpose != "listener" || self.fits_own_names(&certificate.tbs);
        Ok((fresh && fits && certificate.signature.is_some() && self.is_good(&row.certificate)).then_some(row))
    }

    /// Whether the ledger says so of a certificate of the service's own: an officer may have revoked it.
    pub(super) fn is_good(&self, id: &[u8]) -> bool {
        let key = <[u8; 32]>::try_from(id).ok().map(|id| StatusKey::from_tbs_digest(&id));
        key.and_then(|key| self.logs.find(&key)).is_some_and(|record| record.state == State::Good)
    }

    async fn load_responder(&self, authority: &Authority, row: &store::SystemCertificateRow) -> Result<Responder, Error> {
        let certificate = self.find_certificate(&hex::encode(&row.certificate)).await?;
        Ok(Responder {
            certificate: Arc::new(self.assemble_certificate(&certificate)?),
            key: Arc::new(self.keys.load(&row.key_name).map_err(Error::Key)?),
            null_parameters: authority.null_parameters,
        })
    }

    async fn issue_responder(&self, authority: &Arc<Authority>) -> Result<store::SystemCertificateRow, Error> {
        let subject = BTreeMap::from([("CN".to_owned(), format!("OCSP {}", authority.name))]);
        self.issue_own("responder", Some(authority.clone()), "ocsp", authority.name.family(), subject, BTreeMap::new()).await
    }

    async fn issue_listener(&self) -> Result<store::SystemCertificateRow, Error> {
        let subject = BTreeMap::from([("CN".to_owned(), self.own_host())]);
        self.issue_own("listener", None, "service", LISTENER_FAMILY, subject, self.own_names()).await
    }

    pub(super) async fn issue_own(
        &self,
        purpose: &'static str,
        authority: Option<Arc<Authority>>,
        profile: &str,
        family: &str,
        subject: BTreeMap<String, String>,
        alternative_names: BTreeMap<NameKind, Vec<String>>,
    ) -> Result<store::SystemCertificateRow, Error> {
        let key_name = format!("{purpose}-{}", hex::encode(random::<8>(&*self.entropy)));
        let algorithm = crate::crypto::algorithms::find(family).map_err(Error::Key)?;
        let key = self.keys.generate(&key_name, algorithm, &*self.entropy).map_err(Error::Key)?;
        let request = own_request(&key).await?;
        let application =
            Application { profile: profile.to_owned(), subject, alternative_names, requests: vec![request], ..Application::default() };
        let profile = self.profile(profile)?;
        let person = Person { id: self.system_person, is_new: New::No };
        let prepared = self.prepare(profile, None, person, self.system_person, application).await?;

        let seen = self.enrolment_subject(&prepared.enrolment)?;
        let checked = self.system_statement(Act::Issue, seen.about, &seen.shown, &seen.salt, &seen.log).await?;
        let log = authority.as_deref().map(Authority::log);
        let serves = Serves { purpose, authority: log.clone(), key_name: key_name.clone() };
        let issued = self.issue_own_enrolment(authority.as_ref(), prepared, checked, serves).await?;
        let certificate = &issued.first().ok_or(Error::NoRequests)?.certificate;
        tracing::info!(purpose, id = %certificate.id(), "a certificate of the service itself was issued");
        Ok(store::SystemCertificateRow {
            certificate: certificate.id().0.to_vec(),
            purpose: purpose.to_owned(),
            authority: log,
            key_name,
            active: 1,
        })
    }

    /// What the HTTPS listener shows now.
    pub async fn listener_identity(&self) -> Result<ListenerIdentity, Error> {
        let row = {
            let mut connection = self.db.read().await?;
            store::certificates::active_system_certificate(&mut connection, "listener", None).await?
        };
        let row = row.ok_or_else(|| Error::Corrupt("the listener has no certificate".to_owned()))?;
        let leaf = self.find_certificate(&hex::encode(&row.certificate)).await?;
        let authority = self.authorities.load(&leaf.authority)?;
        let mut chain = vec![self.assemble_certificate(&leaf)?.der().to_vec()];
        chain.extend(self.authorities.chain(&authority)?.iter().map(|certificate| certificate.der().to_vec()));
        Ok(ListenerIdentity { chain, key: self.keys.export(&row.key_name).map_err(Error::Key)? })
    }

    /// The hosts by which others reach us, and this machine for a service that listens on it.
    fn own_names(&self) -> BTreeMap<NameKind, Vec<String>> {
        let mut names: BTreeMap<NameKind, Vec<String>> = BTreeMap::new();
        for host in [self.own_host(), self.api_host(), "127.0.0.1".to_owned()] {
            let kind = if host.parse::<IpAddr>().is_ok() { NameKind::Ip } else { NameKind::Dns };
            let list = names.entry(kind).or_default();
            if !list.contains(&host) {
                list.push(host);
            }
        }
        names
    }

    pub(super) fn own_facts(&self) -> DepartmentFacts {
        let names = self.own_names();
        DepartmentFacts {
            organizations: vec![self.organization.clone()],
            dns_suffixes: names.get(&NameKind::Dns).cloned().unwrap_or_default(),
            mail_domains: Vec::new(),
            addresses: names.get(&NameKind::Ip).into_iter().flatten().filter_map(|address| address.parse().ok()).collect(),
            above: Vec::new(),
        }
    }

    fn own_host(&self) -> String {
        host(&self.base_url).unwrap_or_else(|| "localhost".to_owned())
    }

    /// Of the API. One that listens on every address says by none of them how it is reached.
    fn api_host(&self) -> String {
        let named = host(&self.api_origin).filter(|host| !host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified()));
        named.unwrap_or_else(|| self.own_host())
    }

    /// Whether a listener's certificate still names the hosts that the configuration says.
    fn fits_own_names(&self, tbs: &[u8]) -> bool {
        [self.own_host(), self.api_host()].iter().all(|host| match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => contains(tbs, &address.octets()),
            Ok(IpAddr::V6(address)) => contains(tbs, &address.octets()),
            Err(_) => contains(tbs, host.as_bytes()),
        })
    }
}

fn host(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    Some(url.host_str()?.trim_matches(['[', ']']).to_owned())
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// A certification request of a key of the service's own.
async fn own_request(key: &dyn SigningKey) -> Result<Vec<u8>, Error> {
    let info = CertificationRequest::to_be_signed(&name::build(&[])?, key.public_key())?;
    let signature = key.sign(info.clone()).await.map_err(Error::Key)?;
    Ok(assemble(&info, &key.public_key().algorithm().signature_algorithm(), &signature, &[])?)
}

impl Services {
    /// Puts a stored certificate together; a promise has none yet.
    pub fn assemble_certificate(&self, row: &store::CertificateRow) -> Result<Certificate, Error> {
        let signature = row.signature.as_deref().ok_or(Error::WrongState {
            what: "certificate",
            found: "promised and not signed yet".to_owned(),
            expected: "signed",
        })?;
        let authority = self.authorities.load(&row.authority)?;
        Ok(Certificate::parse(&assemble(&row.tbs, &authority.signature_algorithm(), signature, &[])?)?)
    }
}
