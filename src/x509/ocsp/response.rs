//! OCSP responses: what a responder signs, and a reader for those who asked.

use const_oid::ObjectIdentifier;
use der::{
    Choice, Decode, Encode, Enumerated, ErrorKind, Reader, SliceReader, Tag, TagMode, TagNumber, Tagged,
    asn1::{AnyRef, ContextSpecific, GeneralizedTime, Null, OctetStringRef},
};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;
use x509_cert::ext::Extensions;

use super::{CertId, Error, ID_PKIX_OCSP_BASIC, Nonce, extension_list};
use crate::{
    crypto::Digest,
    x509::{Signed, crl::CrlReason, instant, signed::assemble},
};

const WHAT: &str = "OCSP response";

/// What a responder says and signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseData {
    pub responder: ResponderId,
    pub produced_at: OffsetDateTime,
    pub responses: Vec<SingleResponse>,
    /// The one of the request.
    pub nonce: Option<Nonce>,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponderId {
    /// SHA-1 of the content of the BIT STRING of the responder's public key.
    ByKey(Vec<u8>),
    /// Its DER Name. Ours never use it.
    ByName(Vec<u8>),
}

/// What is said of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleResponse {
    pub cert_id: CertId,
    pub status: CertStatus,
    /// When the status was known to be right.
    pub this_update: OffsetDateTime,
    /// Until when there will be nothing newer; `None` means that there always is.
    pub next_update: Option<OffsetDateTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertStatus {
    Good,
    /// Also a suspended certificate, with `CertificateHold`.
    Revoked {
        at: OffsetDateTime,
        reason: Option<CrlReason>,
    },
    /// Never issued, or of an issuer that the responder does not speak for.
    Unknown,
}

impl ResponderId {
    /// `key` is the content of the BIT STRING of the responder's public key.
    pub fn by_key(key: &[u8]) -> Self {
        Self::ByKey(Digest::Sha1.hash(key))
    }
}

impl ResponseData {
    /// The ResponseData that is to be signed; `successful` puts the signature behind it.
    pub fn tbs_der(&self) -> Result<Vec<u8>, Error> {
        self.encode().map_err(|error| Error::malformed(WHAT, error))
    }

    fn encode(&self) -> der::Result<Vec<u8>> {
        let fields = ResponseDataFields {
            version: V1,
            responder_id: match &self.responder {
                ResponderId::ByKey(hash) => ResponderIdField::ByKey(OctetStringRef::new(hash)?),
                ResponderId::ByName(name) => ResponderIdField::ByName(AnyRef::from_der(name)?),
            },
            produced_at: instant::generalized_time(self.produced_at)?,
            responses: self.responses.iter().map(SingleResponse::encode).collect::<der::Result<_>>()?,
            extensions: self.nonce.as_ref().map(|nonce| Ok::<_, der::Error>(vec![nonce.extension()?])).transpose()?,
        };
        fields.to_der()
    }
}

impl SingleResponse {
    fn encode(&self) -> der::Result<SingleResponseFields<'_>> {
        Ok(SingleResponseFields {
            cert_id: AnyRef::from_der(self.cert_id.der())?,
            status: match self.status {
                CertStatus::Good => StatusField::Good(Null),
                CertStatus::Unknown => StatusField::Unknown(Null),
                CertStatus::Revoked { at, reason } => StatusField::Revoked(RevokedInfo {
                    at: instant::generalized_time(at)?,
                    // As in a CRL, no reason is better than one that says nothing.
                    reason: reason.filter(|reason| *reason != CrlReason::Unspecified),
                }),
            },
            this_update: instant::generalized_time(self.this_update)?,
            next_update: self.next_update.map(instant::generalized_time).transpose()?,
            extensions: None,
        })
    }

    fn decode(fields: &SingleResponseFields<'_>) -> der::Result<Self> {
        Ok(Self {
            cert_id: CertId::decode(fields.cert_id)?,
            status: match &fields.status {
                StatusField::Good(_) => CertStatus::Good,
                StatusField::Unknown(_) => CertStatus::Unknown,
                StatusField::Revoked(info) => CertStatus::Revoked { at: instant::from_generalized_time(info.at)?, reason: info.reason },
            },
            this_update: instant::from_generalized_time(fields.this_update)?,
            next_update: fields.next_update.map(instant::from_generalized_time).transpose()?,
        })
    }
}

/// A whole OCSPResponse from what was signed. `certificates` are those a client needs to check the responder.
pub fn successful(tbs: &[u8], algorithm: &AlgorithmIdentifierOwned, signature: &[u8], certificates: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
    let encode = |basic: &[u8]| {
        let bytes = ResponseBytes { response_type: ID_PKIX_OCSP_BASIC, response: OctetStringRef::new(basic)? };
        ResponseFields { status: StatusCode::Successful, bytes: Some(bytes) }.to_der()
    };
    let certificates = encode_certificates(certificates).map_err(|error| Error::malformed(WHAT, error))?;
    encode(&assemble(tbs, algorithm, signature, &certificates)?).map_err(|error| Error::malformed(WHAT, error))
}

/// A whole OCSPResponse that answers nothing. It is not signed (RFC 6960 §2.3).
pub fn error(status: OcspStatus) -> Vec<u8> {
    vec![0x30, 3, 0x0a, 1, status as u8]
}

/// Why there is no answer (RFC 6960 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum OcspStatus {
    MalformedRequest = 1,
    InternalError = 2,
    TryLater = 3,
    SigRequired = 5,
    Unauthorized = 6,
}

/// A response as received. Nothing was checked but its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OcspResponse<'a> {
    Basic(Box<BasicResponse<'a>>),
    Error(OcspStatus),
}

/// A BasicOCSPResponse as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicResponse<'a> {
    pub signed: Signed<'a>,
    pub data: ResponseData,
    /// The DER of the certificates that came along.
    pub certificates: Vec<&'a [u8]>,
    /// Critical extensions, of the response or of a single one, that this reader does not know: with any, it says nothing.
    pub critical_unknown: Vec<ObjectIdentifier>,
}

impl<'a> OcspResponse<'a> {
    /// Reads a whole OCSPResponse.
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        let fields = ResponseFields::from_der(der).map_err(|error| Error::malformed(WHAT, error))?;
        match (fields.status, fields.bytes) {
            (StatusCode::Successful, Some(bytes)) if bytes.response_type == ID_PKIX_OCSP_BASIC => {
                BasicResponse::parse(bytes.response.as_bytes()).map(|basic| Self::Basic(Box::new(basic)))
            }
            (StatusCode::Successful, Some(bytes)) => {
                Err(Error::malformed(WHAT, format_args!("a response of the type {}", bytes.response_type)))
            }
            (StatusCode::Successful, None) => Err(Error::malformed(WHAT, "successful and empty")),
            (StatusCode::MalformedRequest, _) => Ok(Self::Error(OcspStatus::MalformedRequest)),
            (StatusCode::InternalError, _) => Ok(Self::Error(OcspStatus::InternalError)),
            (StatusCode::TryLater, _) => Ok(Self::Error(OcspStatus::TryLater)),
            (StatusCode::SigRequired, _) => Ok(Self::Error(OcspStatus::SigRequired)),
            (StatusCode::Unauthorized, _) => Ok(Self::Error(OcspStatus::Unauthorized)),
        }
    }
}

impl<'a> BasicResponse<'a> {
    /// Reads the BasicOCSPResponse inside of a successful response.
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        let (signed, rest) = Signed::parse_with_rest(der)?;
        Self::decode(signed, rest).map_err(|error| Error::malformed(WHAT, error))
    }

    /// What is said of this certificate.
    pub fn find(&self, id: &CertId) -> Option<&SingleResponse> {
        self.data.responses.iter().find(|single| single.cert_id.names_same_certificate(id))
    }

    fn decode(signed: Signed<'a>, rest: &'a [u8]) -> der::Result<Self> {
        let fields = ResponseDataFields::from_der(signed.tbs)?;
        if fields.version != V1 {
            return Err(ErrorKind::Value { tag: Tag::Integer }.into());
        }
        let lists = || fields.extensions.iter().chain(fields.responses.iter().filter_map(|single| single.extensions.as_ref()));
        lists().try_for_each(|list| extension_list::check(list))?;
        let known = &[const_oid::db::rfc6960::ID_PKIX_OCSP_NONCE, SIGNED_CERTIFICATE_TIMESTAMPS];
        let data = ResponseData {
            responder: fields.responder_id.decode_id()?,
            produced_at: instant::from_generalized_time(fields.produced_at)?,
            responses: fields.responses.iter().map(SingleResponse::decode).collect::<der::Result<_>>()?,
            nonce: Nonce::find(fields.extensions.as_deref().unwrap_or_default())?,
        };
        let critical_unknown = lists().flat_map(|list| extension_list::critical_unknown(list, known)).collect();
        Ok(Self { data, critical_unknown, certificates: decode_certificates(rest)?, signed })
    }
}

/// RFC 6962 §3.3: where a certificate was logged, which says nothing about its status.
const SIGNED_CERTIFICATE_TIMESTAMPS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.5");

fn encode_certificates(certificates: &[Vec<u8>]) -> der::Result<Vec<u8>> {
    if certificates.is_empty() {
        return Ok(Vec::new());
    }
    let content = certificates.concat();
    let value = AnyRef::new(Tag::Sequence, &content)?;
    ContextSpecific { tag_number: CERTIFICATES, tag_mode: TagMode::Explicit, value }.to_der()
}

/// `[0] EXPLICIT SEQUENCE OF Certificate`, or nothing.
fn decode_certificates(rest: &[u8]) -> der::Result<Vec<&[u8]>> {
    let mut reader = SliceReader::new(rest)?;
    let Some(list) = ContextSpecific::<AnyRef<'_>>::decode_explicit(&mut reader, CERTIFICATES)? else {
        reader.finish()?;
        return Ok(Vec::new());
    };
    reader.finish()?;
    list.value.sequence(|reader| {
        let mut certificates = Vec::new();
        while !reader.is_finished() {
            certificates.push(reader.tlv_bytes()?);
        }
        Ok(certificates)
    })
}

const V1: u8 = 0;
const CERTIFICATES: TagNumber = TagNumber(0);

/// RFC 6960 §4.2.1.
#[derive(der::Sequence)]
struct ResponseFields<'a> {
    status: StatusCode,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    bytes: Option<ResponseBytes<'a>>,
}

#[derive(Clone, Copy, Enumerated)]
#[repr(u8)]
enum StatusCode {
    Successful = 0,
    MalformedRequest = 1,
    InternalError = 2,
    TryLater = 3,
    SigRequired = 5,
    Unauthorized = 6,
}

#[derive(der::Sequence)]
struct ResponseBytes<'a> {
    response_type: ObjectIdentifier,
    response: &'a OctetStringRef,
}

#[derive(der::Sequence)]
struct ResponseDataFields<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", default = "Default::default")]
    version: u8,
    responder_id: ResponderIdField<'a>,
    produced_at: GeneralizedTime,
    responses: Vec<SingleResponseFields<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(Choice)]
enum ResponderIdField<'a> {
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    ByName(AnyRef<'a>),
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    ByKey(&'a OctetStringRef),
}

impl ResponderIdField<'_> {
    fn decode_id(&self) -> der::Result<ResponderId> {
        match self {
            Self::ByKey(hash) => Ok(ResponderId::ByKey(hash.as_bytes().to_vec())),
            Self::ByName(name) => {
                name.tag().assert_eq(Tag::Sequence)?;
                Ok(ResponderId::ByName(name.to_der()?))
            }
        }
    }
}

#[derive(der::Sequence)]
struct SingleResponseFields<'a> {
    cert_id: AnyRef<'a>,
    status: StatusField,
    this_update: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    next_update: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(Choice)]
enum StatusField {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Good(Null),
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true")]
    Revoked(RevokedInfo),
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT")]
    Unknown(Null),
}

#[derive(der::Sequence)]
struct RevokedInfo {
    at: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    reason: Option<CrlReason>,
}

#[cfg(test)]
mod tests {
    use base64::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::{
        crypto::PrivateKey,
        x509::{fixtures, ocsp::IssuerHashes},
    };

    const AT: OffsetDateTime = datetime!(2024-11-22 10:00:00 UTC);

    /// Good, revoked, suspended and unknown, with serials 1, 2, 3 and 4.
    fn data(authority: &fixtures::Authority, responder: &dyn PrivateKey) -> ResponseData {
        let revoked = |reason| CertStatus::Revoked { at: AT - time::Duration::days(1), reason: Some(reason) };
        let statuses = [CertStatus::Good, revoked(CrlReason::KeyCompromise), revoked(CrlReason::CertificateHold), CertStatus::Unknown];
        let single = |(status, serial): (CertStatus, u8)| SingleResponse {
            cert_id: CertId::new(Digest::Sha256, &authority.name_der(), authority.public_key().octets(), &[serial]).unwrap(),
            status,
            this_update: AT,
            next_update: Some(AT + time::Duration::days(3650)),
        };
        ResponseData {
            responder: ResponderId::by_key(responder.public_key().octets()),
            produced_at: AT,
            responses: statuses.into_iter().zip(1..).map(single).collect(),
            nonce: Nonce::new(&[0xcd; 32]),
        }
    }

    fn respond(data: &ResponseData, key: &dyn PrivateKey, certificates: &[Vec<u8>]) -> Vec<u8> {
        let tbs = data.tbs_der().unwrap();
        successful(&tbs, &key.public_key().algorithm().signature_algorithm(), &key.sign(&tbs).unwrap(), certificates).unwrap()
    }

    fn responder(authority: &fixtures::Authority) -> (Box<dyn PrivateKey>, Vec<u8>) {
        let algorithm = authority.public_key().algorithm();
        let key = algorithm.load(&algorithm.generate().unwrap()).unwrap();
        let certificate = authority.certify_responder(key.public_key());
        (key, certificate)
    }

    fn basic(der: &[u8]) -> Box<BasicResponse<'_>> {
        let OcspResponse::Basic(basic) = OcspResponse::parse(der).unwrap() else { panic!("not successful") };
        basic
    }

    #[test]
    fn a_response_is_read_back_as_it_was_made_and_its_signature_covers_it() {
        for authority in fixtures::authorities() {
            let (key, certificate) = responder(&authority);
            let data = data(&authority, &*key);
            let der = respond(&data, &*key, std::slice::from_ref(&certificate));
            let basic = basic(&der);
            basic.signed.verify(key.public_key()).unwrap();
            assert!(basic.signed.verify(authority.public_key()).is_err());
            assert_eq!((&basic.data, basic.certificates.as_slice()), (&data, [certificate.as_slice()].as_slice()));
            assert_eq!(basic.find(&data.responses[1].cert_id), Some(&data.responses[1]));
            for length in 0..der.len() {
                assert!(OcspResponse::parse(&der[..length]).is_err());
            }
        }
    }

    #[test]
    fn a_response_without_the_optional_parts_is_read_back_too() {
        let authority = fixtures::Authority::p256();
        let mut data =
            ResponseData { nonce: None, responder: ResponderId::ByName(authority.name_der()), ..data(&authority, authority.key()) };
        data.responses.truncate(2);
        data.responses[0].next_update = None;
        data.responses[1].status = CertStatus::Revoked { at: AT, reason: None };
        let der = respond(&data, authority.key(), &[]);
        assert_eq!(basic(&der).data, data);
        assert!(basic(&der).certificates.is_empty());

        data.responses[1].status = CertStatus::Revoked { at: AT, reason: Some(CrlReason::Unspecified) };
        assert_eq!(data.tbs_der().unwrap(), basic(&der).signed.tbs);
    }

    #[test]
    fn an_error_is_five_octets_and_is_read_back() {
        use OcspStatus::*;
        for status in [MalformedRequest, InternalError, TryLater, SigRequired, Unauthorized] {
            assert_eq!(OcspResponse::parse(&error(status)), Ok(OcspResponse::Error(status)));
        }
        for code in [0, 4, 7] {
            assert!(OcspResponse::parse(&[0x30, 3, 0x0a, 1, code]).is_err());
        }
    }

    #[test]
    fn openssl_believes_a_delegated_responder_and_reads_every_status() {
        for authority in fixtures::authorities() {
            let Some(openssl) = fixtures::OpenSsl::find() else { return };
            let (key, certificate) = responder(&authority);
            let der = respond(&data(&authority, &*key), &*key, &[certificate]);
            openssl.write("x.resp", &der);
            openssl.write_authority(&authority);

            let text = openssl.run("ocsp -respin x.resp -noverify -resp_text");
            for expected in
                ["Cert Status: good", "Cert Status: revoked", "keyCompromise", "certificateHold", "Cert Status: unknown", "OCSP Nonce"]
            {
                assert!(text.contains(expected), "{expected} is not in\n{text}");
            }
            openssl.write("basic.der", ResponseFields::from_der(&der).unwrap().bytes.unwrap().response.as_bytes());
            openssl.verify_signed("basic.der", key.public_key());

            // No option of `openssl ocsp` carries the identity of an SM2 signature.
            if authority.public_key().algorithm().name() != "sm2" {
                let question = "-sha256 -issuer ca.pem -serial 1 -sha256 -serial 2 -sha256 -serial 4";
                let text = openssl.run(&format!("ocsp -respin x.resp -CAfile ca.pem {question} -no_nonce"));
                for expected in ["Response verify OK", "1: good", "2: revoked", "4: unknown"] {
                    assert!(text.contains(expected), "{expected} is not in\n{text}");
                }
            }
        }
    }

    /// BoringSSL's responses, in `revocation/` of the vectors. Whether one may be relied upon is decided in `validation`.
    #[test]
    fn responses_of_others_are_read_and_speak_of_the_certificate_that_was_asked_for() {
        let Some(file) = crate::vectors::read("revocation/ocsp-verify.json") else { return };
        let vectors: Vec<serde_json::Value> = serde_json::from_slice(&file).unwrap();
        assert!(vectors.len() >= 20);
        for vector in vectors {
            let id = vector["id"].as_str().unwrap();
            let octets = |field: &str| BASE64_STANDARD.decode(vector[field].as_str().unwrap()).unwrap();
            let (response, request) = (octets("response"), crate::x509::ocsp::OcspRequest::parse(&octets("request")).unwrap());
            let issuer = der::pem::decode_vec(vector["issuer"].as_str().unwrap().as_bytes()).unwrap().1;
            let issuer = x509_cert::Certificate::from_der(&issuer).unwrap();
            let issuer = issuer.tbs_certificate();
            let hashes =
                IssuerHashes::new(&issuer.subject().to_der().unwrap(), issuer.subject_public_key_info().subject_public_key.raw_bytes());
            assert!(hashes.matches(&request.cert_ids[0]), "{id}");

            let basic = match OcspResponse::parse(&response) {
                Ok(OcspResponse::Basic(basic)) => basic,
                Ok(OcspResponse::Error(status)) => {
                    assert_eq!((id, status), ("ocsp::malformed_request", OcspStatus::MalformedRequest));
                    continue;
                }
                Err(error) => panic!("{id}: {error}"),
            };
            let status = basic.find(&request.cert_ids[0]).map(|single| single.status);
            match vector["expected_status"].as_str().unwrap() {
                "GOOD" => assert_eq!(status, Some(CertStatus::Good), "{id}"),
                "REVOKED" => assert!(matches!(status, Some(CertStatus::Revoked { .. })), "{id}"),
                _ => {}
            }
        }
    }
}
