//! Certification requests (PKCS#10, RFC 2986): reading those of others, and the bytes of our own to be signed.
//!
//! A request proves that somebody holds a key and, by itself, nothing more: subject and extensions of the certificate come from
//! the enrolment and its profile. Kept out on purpose: which keys and names are allowed.

use base64::prelude::*;
use const_oid::{ObjectIdentifier, db::rfc5912::ID_EXTENSION_REQ};
use der::{Decode, Encode, ErrorKind, Reader, Tag, TagNumber, Tagged, asn1::AnyRef};
use x509_cert::{
    ext::{Extension, Extensions},
    name::Name,
};

use super::{Error, Signed, extension_list};
use crate::crypto::PublicKey;

const WHAT: &str = "certification request";
/// The labels of RFC 7468 §7 and of older tools.
const PEM_LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/// A certification request as received, with a key of a known algorithm. Whether its sender holds that key is a separate question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificationRequest {
    der: Vec<u8>,
    subject: Name,
    public_key: PublicKey,
    requested_extensions: Vec<Extension>,
}

impl CertificationRequest {
    /// The longest input that is looked at. A request with an ECC key has some hundred octets.
    pub const MAX_LENGTH: usize = 16 * 1024;

    /// Reads PEM or DER.
    ///
    /// Errors: `Malformed`; `Crypto(UnknownAlgorithm)` with the object identifiers of a key that is not supported (RSA, P-521, …);
    /// `Crypto(PublicKey)` when the key is not a point of its curve.
    pub fn parse(pem_or_der: &[u8]) -> Result<Self, Error> {
        if pem_or_der.len() > Self::MAX_LENGTH {
            return Err(Error::malformed(WHAT, format_args!("longer than {} octets", Self::MAX_LENGTH)));
        }
        // A DER SEQUENCE begins with '0', which no PEM does.
        let der = if pem_or_der.first() == Some(&0x30) { pem_or_der.to_vec() } else { decode_pem(pem_or_der)? };
        let info = Info::decode(Signed::parse(&der)?.tbs).map_err(|error| Error::malformed(WHAT, error))?;
        let public_key = PublicKey::from_spki(info.spki)?;
        Ok(Self { subject: info.subject, requested_extensions: info.requested_extensions, public_key, der })
    }

    /// What is to be signed to request a certificate for `key`, without attributes. `signed::assemble` makes the request of it.
    pub fn to_be_signed(subject: &Name, key: &PublicKey) -> Result<Vec<u8>, Error> {
        let encode = || -> der::Result<Vec<u8>> {
            let mut content = V1.to_der()?;
            content.extend(subject.to_der()?);
            content.extend_from_slice(key.spki());
            content.extend(AnyRef::new(ATTRIBUTES, &[])?.to_der()?);
            AnyRef::new(Tag::Sequence, &content)?.to_der()
        };
        encode().map_err(|error| Error::malformed(WHAT, error))
    }

    /// The signature over the received bytes was made with the key that is in them (RFC 2986 §3 step 3).
    ///
    /// Errors: `Crypto(UnknownAlgorithm)` when the algorithm of the signature is not the key's; `Crypto(Signature)` when it is not
    /// a signature of this key.
    pub fn verify_possession(&self) -> Result<(), Error> {
        Signed::parse(&self.der)?.verify(&self.public_key)
    }

    /// The received bytes, without PEM.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub fn subject(&self) -> &Name {
        &self.subject
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// What the extensionRequest attribute asks for (RFC 2985 §5.4.2), often nothing. No extension is in it twice.
    pub fn requested_extensions(&self) -> &[Extension] {
        &self.requested_extensions
    }
}

const V1: u8 = 0;
const ATTRIBUTES: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };

/// CertificationRequestInfo (RFC 2986 §4.1).
struct Info<'a> {
    subject: Name,
    spki: &'a [u8],
    requested_extensions: Vec<Extension>,
}

impl<'a> Info<'a> {
    fn decode(der: &'a [u8]) -> der::Result<Self> {
        AnyRef::from_der(der)?.sequence(|reader| {
            if u8::decode(reader)? != V1 {
                return Err(ErrorKind::Value { tag: Tag::Integer }.into());
            }
            let subject = Name::decode(reader)?;
            let spki = reader.tlv_bytes()?;
            // Mandatory in the standard, left out by some writers when it would be empty.
            let attributes = if reader.is_finished() { None } else { Some(AnyRef::decode(reader)?) };
            Ok(Self { subject, spki, requested_extensions: requested_extensions(attributes)? })
        })
    }
}

/// Attributes of other types are passed over unread: CFCA's are not even of the form that RFC 2986 gives them.
fn requested_extensions(attributes: Option<AnyRef<'_>>) -> der::Result<Vec<Extension>> {
    let Some(attributes) = attributes else { return Ok(Vec::new()) };
    attributes.tag().assert_eq(ATTRIBUTES)?;
    let mut reader = der::SliceReader::new(attributes.value())?;
    let mut extensions = Extensions::new();
    while !reader.is_finished() {
        extensions.extend(extension_request(reader.tlv_bytes()?)?);
    }
    // The attribute should stand once and not empty (RFC 2985 §5.4.2), and does not always; what counts is that it asks for nothing twice.
    if !extensions.is_empty() {
        extension_list::check(&extensions)?;
    }
    Ok(extensions)
}

fn extension_request(attribute: &[u8]) -> der::Result<Extensions> {
    AnyRef::from_der(attribute)?.sequence(|reader| {
        if ObjectIdentifier::decode(reader)? != ID_EXTENSION_REQ {
            reader.drain(reader.remaining_len())?;
            return Ok(Extensions::new());
        }
        let values = AnyRef::decode(reader)?;
        values.tag().assert_eq(Tag::Set)?;
        // One value exactly: anything behind it is refused.
        Extensions::from_der(values.value())
    })
}

/// One block with any text before it and any line width (RFC 7468 §2, lax), because people paste requests into forms.
fn decode_pem(pem: &[u8]) -> Result<Vec<u8>, Error> {
    let malformed = |why| Error::malformed(WHAT, why);
    let text = std::str::from_utf8(pem).map_err(|_| malformed("neither DER nor PEM"))?;
    let (_, block) = text.split_once("-----BEGIN ").ok_or_else(|| malformed("neither DER nor PEM"))?;
    let (label, block) = block.split_once("-----").ok_or_else(|| malformed("the PEM label does not end"))?;
    if !PEM_LABELS.contains(&label) {
        return Err(malformed("the PEM label is not CERTIFICATE REQUEST"));
    }
    let (base64, rest) = block.split_once(&format!("-----END {label}-----")).ok_or_else(|| malformed("the PEM block does not end"))?;
    if rest.contains("-----BEGIN ") {
        return Err(malformed("more than one PEM block"));
    }
    let base64: String = base64.split_ascii_whitespace().collect();
    BASE64_STANDARD.decode(base64).map_err(|_| malformed("the PEM block is not base64"))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use der::asn1::OctetString;

    use super::*;
    use crate::{
        crypto::{self, ALGORITHMS, PrivateKey},
        x509::{fixtures, signed::assemble},
    };

    fn subject() -> Name {
        Name::from_str("CN=张三,O=示例市政务服务局,C=CN").unwrap()
    }

    fn request(key: &dyn PrivateKey) -> Vec<u8> {
        finish(CertificationRequest::to_be_signed(&subject(), key.public_key()).unwrap(), key)
    }

    fn finish(tbs: Vec<u8>, key: &dyn PrivateKey) -> Vec<u8> {
        assemble(&tbs, &key.public_key().algorithm().signature_algorithm(), &key.sign(&tbs).unwrap(), &[]).unwrap()
    }

    /// A request with these attributes, each whole.
    fn with_attributes(key: &dyn PrivateKey, attributes: &[Vec<u8>]) -> Vec<u8> {
        let attributes = AnyRef::new(ATTRIBUTES, &attributes.concat()).unwrap().to_der().unwrap();
        let content = [V1.to_der().unwrap(), subject().to_der().unwrap(), key.public_key().spki().to_vec(), attributes].concat();
        finish(AnyRef::new(Tag::Sequence, &content).unwrap().to_der().unwrap(), key)
    }

    fn attribute(id: &str, value: &[u8]) -> Vec<u8> {
        let content = [ObjectIdentifier::new_unwrap(id).to_der().unwrap(), value.to_vec()].concat();
        AnyRef::new(Tag::Sequence, &content).unwrap().to_der().unwrap()
    }

    fn extension_request_of(extensions: &Extensions) -> Vec<u8> {
        let value = extensions.to_der().unwrap();
        attribute("1.2.840.113549.1.9.14", &AnyRef::new(Tag::Set, &value).unwrap().to_der().unwrap())
    }

    #[test]
    fn a_request_is_read_back_from_der_and_pem_and_proves_possession() {
        for algorithm in ALGORITHMS {
            let key = algorithm.load(&algorithm.generate().unwrap()).unwrap();
            let der = request(&*key);
            for label in PEM_LABELS {
                let pem = der::pem::encode_string(label, der::pem::LineEnding::CRLF, &der).unwrap();
                let parsed = CertificationRequest::parse(format!("Certificate Request:\n{pem}\n").as_bytes()).unwrap();
                assert_eq!(parsed, CertificationRequest::parse(&der).unwrap());
                assert_eq!((parsed.der(), parsed.subject(), parsed.public_key()), (der.as_slice(), &subject(), key.public_key()));
                assert!(parsed.requested_extensions().is_empty());
                parsed.verify_possession().unwrap();
            }
        }
    }

    #[test]
    fn a_signature_of_another_key_or_over_other_bytes_is_no_proof_of_possession() {
        for authority in fixtures::authorities() {
            let algorithm = authority.public_key().algorithm();
            let other = algorithm.load(&algorithm.generate().unwrap()).unwrap();
            let tbs = CertificationRequest::to_be_signed(&subject(), authority.public_key()).unwrap();
            let stolen = CertificationRequest::parse(&finish(tbs, &*other)).unwrap();
            assert_eq!(stolen.verify_possession(), Err(Error::Crypto(crypto::Error::Signature)));

            let tbs = CertificationRequest::to_be_signed(&Name::default(), authority.public_key()).unwrap();
            let signature = authority.sign(&CertificationRequest::to_be_signed(&subject(), authority.public_key()).unwrap());
            let altered = assemble(&tbs, &authority.signature_algorithm(), &signature, &[]).unwrap();
            let altered = CertificationRequest::parse(&altered).unwrap();
            assert_eq!(altered.verify_possession(), Err(Error::Crypto(crypto::Error::Signature)));
        }
    }

    #[test]
    fn requested_extensions_are_read_and_other_attributes_passed_over() {
        let authority = fixtures::Authority::p256();
        let extensions =
            vec![extension_list::non_critical(ObjectIdentifier::new_unwrap("2.5.29.17"), &OctetString::new([1]).unwrap()).unwrap()];
        let asked = extension_request_of(&extensions);
        // As CFCA writes it: the value is not in a SET.
        let foreign = attribute("1.2.840.113549.1.9.63", &[4, 1, 7]);

        let more = vec![extension_list::critical(ObjectIdentifier::new_unwrap("2.5.29.15"), &OctetString::new([2]).unwrap()).unwrap()];
        for (attributes, expected) in [
            (vec![foreign.clone(), asked.clone()], extensions.clone()),
            (vec![asked.clone(), extension_request_of(&more)], [extensions.clone(), more].concat()),
            (vec![foreign, extension_request_of(&vec![])], vec![]),
        ] {
            let parsed = CertificationRequest::parse(&with_attributes(authority.key(), &attributes)).unwrap();
            parsed.verify_possession().unwrap();
            assert_eq!(parsed.requested_extensions(), expected);
        }

        let twice = [extensions.clone(), extensions.clone()].concat();
        for (name, attributes) in [
            ("an extension twice, in two attributes", vec![asked.clone(), asked]),
            ("an extension twice", vec![extension_request_of(&twice)]),
            ("not a SEQUENCE", vec![vec![4, 0]]),
        ] {
            let parsed = CertificationRequest::parse(&with_attributes(authority.key(), &attributes));
            assert!(matches!(parsed, Err(Error::Malformed { .. })), "{name}");
        }
    }

    #[test]
    fn a_key_of_an_unsupported_algorithm_is_named_and_not_called_malformed() {
        let Some(openssl) = fixtures::OpenSsl::find() else { return };
        for (arguments, expected) in
            [("rsa:2048", "1.2.840.113549.1.1.1"), ("ec -pkeyopt ec_paramgen_curve:secp521r1", "1.2.840.10045.2.1 with 1.3.132.0.35")]
        {
            openssl.run(&format!("req -new -newkey {arguments} -noenc -keyout unused.key -subj /CN=x -out x.csr"));
            let parsed = CertificationRequest::parse(&openssl.read("x.csr"));
            assert_eq!(parsed, Err(Error::Crypto(crypto::Error::UnknownAlgorithm(expected.to_owned()))));
        }
    }

    #[test]
    fn a_point_off_the_curve_is_a_bad_key() {
        let authority = fixtures::Authority::sm2();
        let mut der = request(authority.key());
        let point = authority.public_key().octets();
        let position = der.windows(point.len()).position(|window| window == point).unwrap();
        der[position + 40] ^= 1;
        assert_eq!(CertificationRequest::parse(&der), Err(Error::Crypto(crypto::Error::PublicKey)));
    }

    #[test]
    fn what_is_not_a_request_is_malformed() {
        let authority = fixtures::Authority::p256();
        let der = request(authority.key());
        let pem = der::pem::encode_string(PEM_LABELS[0], der::pem::LineEnding::LF, &der).unwrap();
        let mut version = der.clone();
        let position = der.windows(3).position(|window| window == [2, 1, 0]).unwrap();
        version[position + 2] = 1;
        let cases = [
            ("nothing", vec![]),
            ("trailing byte", [der.as_slice(), &[0]].concat()),
            ("version 2", version),
            ("a certificate", authority.certificate().to_vec()),
            ("another label", pem.replace("CERTIFICATE REQUEST", "CERTIFICATE").into_bytes()),
            ("two of them", [pem.clone(), pem.clone()].concat().into_bytes()),
            ("no end", pem.replace("-----END", "").into_bytes()),
            ("not base64", pem.replace('M', "!").into_bytes()),
            ("too long", [der.clone(), vec![0; CertificationRequest::MAX_LENGTH]].concat()),
        ];
        for (name, input) in cases {
            assert!(matches!(CertificationRequest::parse(&input), Err(Error::Malformed { .. })), "{name}");
        }
        for length in 0..der.len() {
            assert!(CertificationRequest::parse(&der[..length]).is_err());
        }
    }

    #[test]
    fn openssl_verifies_our_requests_and_we_verify_those_of_openssl() {
        for authority in fixtures::authorities() {
            let Some(openssl) = fixtures::OpenSsl::find() else { return };
            let sm2 = authority.public_key().algorithm().name() == "sm2";
            openssl.write("our.csr", &request(authority.key()));
            let identity = if sm2 { "-vfyopt distid:1234567812345678" } else { "" };
            let text = openssl.run(&format!("req -verify -inform DER -in our.csr -noout -subject -nameopt utf8 {identity}"));
            // openssl 3.0 exits with 0 even when the signature is wrong.
            assert!(text.contains("verify OK") && text.contains("示例市政务服务局"), "{text}");

            let (key, sign) = if sm2 {
                ("SM2", "-sm3 -sigopt distid:1234567812345678")
            } else {
                ("EC -pkeyopt ec_paramgen_curve:P-256", "-sha256 -addext subjectAltName=DNS:example.gov.cn")
            };
            openssl.run(&format!("genpkey -algorithm {key} -out their.key"));
            openssl.run(&format!("req -new -key their.key -subj /C=CN/CN=x {sign} -out their.csr"));
            let parsed = CertificationRequest::parse(&openssl.read("their.csr")).unwrap();
            parsed.verify_possession().unwrap();
            assert_eq!(parsed.requested_extensions().len(), usize::from(!sm2));
        }
    }
}
