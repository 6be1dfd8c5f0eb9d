//! OCSP (RFC 6960): the status of certificates from committed leaves, signed by each authority's delegated responder.

use std::sync::Arc;

use time::Duration;

use super::{Services, authorities::Authority, error::Error, publish_crl::crl_reason};
use crate::{
    crypto::keys::SigningKey,
    ledger::{State, StatusKey},
    store,
    world::{from_millis, seconds},
    x509::{
        self, Certificate, SerialNumber,
        ocsp::{self, CertId, CertStatus, IssuerHashes, OcspRequest, OcspStatus, ResponderId, ResponseData, SingleResponse},
    },
};

/// A delegated responder: its certificate, issued by the authority it answers for, and its key.
#[derive(Clone)]
pub struct Responder {
    pub certificate: Arc<Certificate>,
    pub key: Arc<dyn SigningKey>,
    pub null_parameters: bool,
}

/// An answer and how long it may be kept; errors may not be kept.
pub struct OcspAnswer {
    pub der: Vec<u8>,
    pub max_age: Option<Duration>,
}

impl Services {
    /// Answers a DER OCSPRequest. Whatever comes in, an OCSPResponse goes out.
    pub async fn answer_ocsp(&self, der: &[u8]) -> OcspAnswer {
        match OcspRequest::parse(der) {
            Ok(request) => self.answer_ocsp_request(request).await,
            Err(_) => OcspAnswer { der: ocsp::error(OcspStatus::MalformedRequest), max_age: None },
        }
    }

    /// The same for the path of a GET (RFC 6960 Appendix A.1), percent-decoded.
    pub async fn answer_ocsp_path(&self, path: &str) -> OcspAnswer {
        match OcspRequest::parse_path(path) {
            Ok(request) => self.answer_ocsp_request(request).await,
            Err(_) => OcspAnswer { der: ocsp::error(OcspStatus::MalformedRequest), max_age: None },
        }
    }

    async fn answer_ocsp_request(&self, request: OcspRequest) -> OcspAnswer {
        match self.respond(request).await {
            Ok(answer) => answer,
            Err(OcspError::NotOurs) => OcspAnswer { der: ocsp::error(OcspStatus::Unauthorized), max_age: None },
            Err(OcspError::Service(error)) => {
                tracing::error!(%error, "an OCSP request was not answered");
                OcspAnswer { der: ocsp::error(OcspStatus::TryLater), max_age: None }
            }
        }
    }

    async fn respond(&self, request: OcspRequest) -> Result<OcspAnswer, OcspError> {
        // One response has one signer, so the first certificate decides whose responder answers.
        let authority = request.cert_ids.first().and_then(|id| self.issuer_of(id)).ok_or(OcspError::NotOurs)?;
        let hashes = IssuerHashes::new(&authority.subject, authority.key.public_key().octets());
        let now = from_millis(seconds(self.clock.now()) as i64 * 1000);
        let mut responses = Vec::with_capacity(request.cert_ids.len());
        for cert_id in request.cert_ids {
            // Of another issuer this responder may say nothing but that it does not know (RFC 6960 §2.2).
            let status = if hashes.matches(&cert_id) { self.ocsp_status(&authority, &cert_id).await? } else { CertStatus::Unknown };
            responses.push(SingleResponse { cert_id, status, this_update: now, next_update: Some(now + self.ocsp_life) });
        }
        let has_nonce = request.nonce.is_some();
        let responder = self.responder(&authority)?;
        let key = responder.key.public_key();
        let data = ResponseData { responder: ResponderId::by_key(key.octets()), produced_at: now, responses, nonce: request.nonce };
        let algorithm = super::authorities::signature_algorithm(key.algorithm(), responder.null_parameters);
        let tbs = data.tbs_der()?;
        let signature = responder.key.sign(tbs.clone()).await.map_err(Error::Key)?;
        let der = ocsp::successful(&tbs, &algorithm, &signature, &[responder.certificate.der().to_vec()])?;
        Ok(OcspAnswer { der, max_age: (!has_nonce).then_some(self.ocsp_life) })
    }

    fn issuer_of(&self, id: &CertId) -> Option<Arc<Authority>> {
        self.authorities
            .all()
            .into_iter()
            .find(|authority| IssuerHashes::new(&authority.subject, authority.key.public_key().octets()).matches(id))
    }

    /// Good, revoked or unknown. A row alone makes nothing good: the TBSCertificate must have that serial number, and the
    /// map of that authority's log must know it.
    async fn ocsp_status(&self, authority: &Authority, id: &CertId) -> Result<CertStatus, Error> {
        let Some(serial) = SerialNumber::from_slice(id.serial()) else { return Ok(CertStatus::Unknown) };
        let row = {
            let mut connection = self.db.read().await?;
            store::certificates::find_by_serial(&mut connection, serial.as_bytes()).await?
        };
        let Some(row) = row else { return Ok(CertStatus::Unknown) };
        if serial_of(&row.tbs).as_deref() != Some(serial.as_bytes()) {
            tracing::error!(%serial, "a certificate row has another serial number than its TBSCertificate");
            return Ok(CertStatus::Unknown);
        }
        let status = self.logs.status(&authority.log(), &StatusKey::of_tbs(&row.tbs));
        let Some(change) = status.and_then(|status| status.changes.last().copied()) else { return Ok(CertStatus::Unknown) };
        Ok(match change.state {
            State::Absent => CertStatus::Unknown,
            State::Good => CertStatus::Good,
            State::Hold | State::Revoked => CertStatus::Revoked { at: from_millis(change.time as i64 * 1000), reason: crl_reason(&change) },
        })
    }
}

enum OcspError {
    NotOurs,
    Service(Error),
}

impl<E: Into<Error>> From<E> for OcspError {
    fn from(error: E) -> Self {
        Self::Service(error.into())
    }
}

/// The serial number inside a TBSCertificate.
fn serial_of(tbs: &[u8]) -> Option<Vec<u8>> {
    x509::certificate::serial_of_tbs(tbs)
}
