//! OCSP requests: read at the responder, made by our own tools.

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use const_oid::{
    ObjectIdentifier,
    db::rfc6960::{ID_PKIX_OCSP_NONCE, ID_PKIX_OCSP_RESPONSE},
};
use der::{Decode, Encode, asn1::AnyRef};
use x509_cert::ext::Extensions;

use super::{CertId, Error, ID_PKIX_OCSP_BASIC, Nonce, extension_list};
use crate::crypto::Digest;

const WHAT: &str = "OCSP request";

/// What a client asks. A signature on the request is allowed and not looked at: the answer is the same for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcspRequest {
    /// Which certificates, at least one.
    pub cert_ids: Vec<CertId>,
    /// To be echoed.
    pub nonce: Option<Nonce>,
}

impl OcspRequest {
    /// How many certificates one request may ask for.
    pub const MAX_CERTIFICATES: usize = 100;
    /// The longest input that is looked at: room for that many CertIDs of any hash function, and for a signature.
    pub const MAX_LENGTH: usize = 32 * 1024;

    /// Reads the body of a POST. Every error is the answer `MalformedRequest`.
    ///
    /// A critical extension that is not known makes a request malformed, and so does one that accepts no basic response.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        if der.len() > Self::MAX_LENGTH {
            return Err(Error::malformed(WHAT, format_args!("longer than {} octets", Self::MAX_LENGTH)));
        }
        let fields = RequestFields::from_der(der).map_err(|error| Error::malformed(WHAT, error))?.tbs;
        if fields.version != V1 {
            return Err(Error::malformed(WHAT, "not version 1"));
        }
        if !(1..=Self::MAX_CERTIFICATES).contains(&fields.requests.len()) {
            return Err(Error::malformed(WHAT, format_args!("not 1 to {} certificates", Self::MAX_CERTIFICATES)));
        }
        let extensions = fields.extensions.unwrap_or_default();
        check_extensions(&extensions, &fields.requests)?;
        let decode = || {
            let cert_ids = fields.requests.iter().map(|request| CertId::decode(request.cert_id)).collect::<der::Result<_>>()?;
            Ok(Self { cert_ids, nonce: Nonce::find(&extensions)? })
        };
        decode().map_err(|error: der::Error| Error::malformed(WHAT, error))
    }

    /// Reads the last part of the path of a GET, percent-decoded (RFC 6960 Appendix A.1).
    ///
    /// A space stands for the `+` that form-decoding proxies turn into one; the URL-safe alphabet and missing padding are accepted.
    /// None of it can be taken for something else.
    pub fn parse_path(base64: &str) -> Result<Self, Error> {
        if base64.len() > Self::MAX_LENGTH.div_ceil(3) * 4 {
            return Err(Error::malformed(WHAT, format_args!("longer than {} octets", Self::MAX_LENGTH)));
        }
        let engine = if base64.contains(['-', '_']) { &BASE64_URL } else { &BASE64 };
        let der = engine.decode(base64.replace(' ', "+")).map_err(|error| Error::malformed(WHAT, error))?;
        Self::parse(&der)
    }
}

/// The DER of an unsigned request for certificates of one issuer. `issuer_key` is the content of the BIT STRING of the issuer's
/// public key; each serial the content octets of its INTEGER.
pub fn request(digest: Digest, issuer_name: &[u8], issuer_key: &[u8], serials: &[&[u8]], nonce: Option<&Nonce>) -> Result<Vec<u8>, Error> {
    let cert_ids: Vec<CertId> =
        serials.iter().map(|serial| CertId::new(digest, issuer_name, issuer_key, serial)).collect::<Result<_, _>>()?;
    let encode = || {
        let requests = cert_ids.iter().map(|id| Ok(Request { cert_id: AnyRef::from_der(id.der())?, extensions: None }));
        let tbs = TbsRequest {
            version: V1,
            requestor_name: None,
            requests: requests.collect::<der::Result<_>>()?,
            extensions: nonce.map(|nonce| Ok::<_, der::Error>(vec![nonce.extension()?])).transpose()?,
        };
        RequestFields { tbs, signature: None }.to_der()
    };
    encode().map_err(|error: der::Error| Error::malformed(WHAT, error))
}

fn check_extensions(extensions: &Extensions, requests: &[Request<'_>]) -> Result<(), Error> {
    let lists = || (!extensions.is_empty()).then_some(extensions).into_iter().chain(requests.iter().filter_map(|r| r.extensions.as_ref()));
    lists().try_for_each(|list| extension_list::check(list)).map_err(|error| Error::malformed(WHAT, error))?;
    if let Some(unknown) = lists().find_map(|list| extension_list::critical_unknown(list, KNOWN_EXTENSIONS).next()) {
        return Err(Error::malformed(WHAT, format_args!("the critical extension {unknown} is not known here")));
    }
    let accepted: Option<Vec<ObjectIdentifier>> =
        extension_list::find(extensions, ID_PKIX_OCSP_RESPONSE).map_err(|error| Error::malformed(WHAT, error))?;
    match accepted {
        Some(types) if !types.contains(&ID_PKIX_OCSP_BASIC) => Err(Error::malformed(WHAT, "the client accepts no basic response")),
        _ => Ok(()),
    }
}

const V1: u8 = 0;
const KNOWN_EXTENSIONS: &[ObjectIdentifier] = &[ID_PKIX_OCSP_NONCE, ID_PKIX_OCSP_RESPONSE];

const PADDING: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, PADDING);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, PADDING);

/// RFC 6960 §4.1.1.
#[derive(der::Sequence)]
struct RequestFields<'a> {
    tbs: TbsRequest<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    signature: Option<AnyRef<'a>>,
}

#[derive(der::Sequence)]
struct TbsRequest<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", default = "Default::default")]
    version: u8,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    requestor_name: Option<AnyRef<'a>>,
    requests: Vec<Request<'a>>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(der::Sequence)]
struct Request<'a> {
    cert_id: AnyRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[cfg(test)]
mod tests {
    use base64::prelude::*;
    use der::asn1::{Null, OctetString};
    use x509_cert::ext::Extension;

    use super::*;
    use crate::{world::SystemEntropy, x509::fixtures};

    const SERIALS: [&[u8]; 2] = [&[0, 0x80], &[0x7f; 20]];

    fn ask(digest: Digest, nonce: Option<&Nonce>) -> Vec<u8> {
        request(digest, b"name", b"key", &SERIALS, nonce).unwrap()
    }

    /// A request with these extensions and nothing else unusual.
    fn with_extensions(extensions: Vec<Extension>) -> Vec<u8> {
        let id = CertId::new(Digest::Sha1, b"name", b"key", &[5]).unwrap();
        let requests = vec![Request { cert_id: AnyRef::from_der(id.der()).unwrap(), extensions: None }];
        let tbs = TbsRequest { version: V1, requestor_name: None, requests, extensions: Some(extensions) };
        RequestFields { tbs, signature: None }.to_der().unwrap()
    }

    #[test]
    fn a_request_is_read_back_with_its_nonce_and_the_bytes_of_its_cert_ids() {
        let nonce = Nonce::generate(&SystemEntropy);
        for digest in Digest::ALL {
            let der = ask(digest, Some(&nonce));
            let parsed = OcspRequest::parse(&der).unwrap();
            assert_eq!(parsed.nonce.as_ref(), Some(&nonce));
            assert_eq!(parsed.cert_ids.iter().map(CertId::serial).collect::<Vec<_>>(), SERIALS);
            for id in &parsed.cert_ids {
                assert!(der.windows(id.der().len()).any(|window| window == id.der()));
            }
            for length in 0..der.len() {
                assert!(OcspRequest::parse(&der[..length]).is_err());
            }
        }
    }

    #[test]
    fn a_get_is_read_however_the_base64_was_mangled_on_its_way() {
        // Chosen so that the text has '+', '/' and padding.
        let der = request(Digest::Sha1, b"name", b"key", &[&[0x03, 0xef, 0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff, 0xff, 0xf1]], None).unwrap();
        let expected = OcspRequest::parse(&der).unwrap();
        let standard = BASE64_STANDARD.encode(&der);
        assert!(standard.contains('+') && standard.contains('/') && standard.contains('='), "{standard}");
        let forms = [
            standard.clone(),
            standard.replace('+', " "),
            standard.trim_end_matches('=').to_owned(),
            BASE64_URL_SAFE.encode(&der),
            BASE64_URL_SAFE_NO_PAD.encode(&der),
        ];
        for form in forms {
            assert_eq!(OcspRequest::parse_path(&form).as_ref(), Ok(&expected), "{form}");
        }
        for form in ["", "!", &standard[1..], &"A".repeat(OcspRequest::MAX_LENGTH * 2)] {
            assert!(OcspRequest::parse_path(form).is_err());
        }
    }

    #[test]
    fn what_cannot_be_answered_is_malformed() {
        let octets = |length: usize| OctetString::new(vec![7; length]).unwrap();
        let nonce = |value: &OctetString| extension_list::non_critical(ID_PKIX_OCSP_NONCE, value).unwrap();
        let accepts = |types: Vec<ObjectIdentifier>| extension_list::critical(ID_PKIX_OCSP_RESPONSE, &types).unwrap();
        let unknown = ObjectIdentifier::new_unwrap("2.25.1");
        let many = vec![[5].as_slice(); OcspRequest::MAX_CERTIFICATES];
        let all = |serials: &[&[u8]]| request(Digest::Sha1, b"name", b"key", serials, None).unwrap();
        let cases = [
            ("a nonce", with_extensions(vec![nonce(&octets(32))]), true),
            ("a nonce of nothing", with_extensions(vec![nonce(&octets(0))]), false),
            ("a nonce of 33 octets", with_extensions(vec![nonce(&octets(33))]), false),
            ("two nonces", with_extensions(vec![nonce(&octets(1)), nonce(&octets(2))]), false),
            ("a bare nonce", with_extensions(vec![Extension { extn_value: octets(16), ..nonce(&octets(1)) }]), false),
            ("basic response accepted", with_extensions(vec![accepts(vec![unknown, ID_PKIX_OCSP_BASIC])]), true),
            ("basic response not accepted", with_extensions(vec![accepts(vec![unknown])]), false),
            ("unknown extension", with_extensions(vec![extension_list::non_critical(unknown, &Null).unwrap()]), true),
            ("unknown critical extension", with_extensions(vec![extension_list::critical(unknown, &Null).unwrap()]), false),
            ("as many as allowed", all(&many), true),
            ("one more", all(&[many.clone(), vec![[5].as_slice()]].concat()), false),
            ("none", all(&[]), false),
            ("trailing byte", [all(&many), vec![0]].concat(), false),
            ("too long", vec![0x30; OcspRequest::MAX_LENGTH + 1], false),
        ];
        for (name, der, expected) in cases {
            let parsed = OcspRequest::parse(&der);
            assert_eq!(parsed.is_ok(), expected, "{name}: {parsed:?}");
        }
    }

    #[test]
    fn openssl_reads_our_requests_and_we_read_those_of_openssl() {
        for authority in fixtures::authorities() {
            let Some(openssl) = fixtures::OpenSsl::find() else { return };
            let nonce = Nonce::new(&[0xab; 16]).unwrap();
            let (name, key) = (authority.name_der(), authority.public_key().octets().to_vec());
            openssl.write("our.req", &request(Digest::Sm3, &name, &key, &[&[0x12, 0x34]], Some(&nonce)).unwrap());
            let text = openssl.run("ocsp -reqin our.req -req_text");
            for expected in ["Hash Algorithm: sm3", "Serial Number: 1234", "OCSP Nonce", "0410ABABABAB"] {
                assert!(text.contains(expected), "{expected} is not in\n{text}");
            }

            openssl.write_authority(&authority);
            for (option, digest) in [("-sha1", Digest::Sha1), ("-sha256", Digest::Sha256), ("-sm3", Digest::Sm3)] {
                openssl.run(&format!("ocsp {option} -issuer ca.pem -serial 0x1234 {option} -serial 7 -reqout their.req"));
                let parsed = OcspRequest::parse(&openssl.read("their.req")).unwrap();
                let expected = [&[0x12, 0x34][..], &[7]].map(|serial| CertId::new(digest, &name, &key, serial).unwrap());
                assert_eq!(parsed.cert_ids, expected);
                assert!(parsed.nonce.is_some());
            }
        }
    }

    #[test]
    fn our_requests_are_those_of_boringssl_byte_for_byte() {
        let Some(file) = crate::vectors::read("revocation/ocsp-verify.json") else { return };
        let vectors: Vec<serde_json::Value> = serde_json::from_slice(&file).unwrap();
        for vector in vectors {
            let read = |field: &str| der::pem::decode_vec(vector[field].as_str().unwrap().as_bytes()).unwrap().1;
            let certificate = x509_cert::Certificate::from_der(&read("certificate")).unwrap();
            let issuer = x509_cert::Certificate::from_der(&read("issuer")).unwrap();
            let name = issuer.tbs_certificate().subject().to_der().unwrap();
            let key = issuer.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes().to_vec();
            let serial = certificate.tbs_certificate().serial_number().as_bytes().to_vec();
            let ours = request(Digest::Sha1, &name, &key, &[&serial], None).unwrap();
            assert_eq!(BASE64_STANDARD.encode(ours), vector["request"].as_str().unwrap(), "{}", vector["id"]);
        }
    }
}
