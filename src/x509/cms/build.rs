//! Making a SignedData with one signer: CAdES baseline B (ETSI EN 319 122-1 §6.3), or the same in the words of GM/T 0010.
//!
//! First the attributes that are signed, then, around a signature over them, the SignerInfo, then the SignedData around
//! that. The content is named by its digest and its length, so it may be larger than memory.

use der::{
    Encode, Tag, TagNumber,
    asn1::{AnyRef, ObjectIdentifier, OctetStringRef},
};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;

use super::{
    Dialect, Error, EssCertId, ID_CONTENT_TYPE, ID_MESSAGE_DIGEST, ID_SIGNING_CERTIFICATE_V2, ID_SIGNING_TIME, attributes::encode, ber,
    instant,
};
use crate::{crypto::Digest, x509::Certificate};

const WHAT: &str = "CMS SignedData";
const CONTEXT_0: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
const CONTEXT_1: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(1) };

/// What one signer is about to sign.
pub struct Draft<'a> {
    /// Of the content: `Dialect::data` or, say, TSTInfo.
    pub content_type: ObjectIdentifier,
    pub digest: Digest,
    pub content_digest: &'a [u8],
    pub certificate: &'a Certificate,
    /// The time that the signer claims.
    pub signing_time: OffsetDateTime,
    pub signature_algorithm: AlgorithmIdentifierOwned,
}

impl Draft<'_> {
    /// The octets to be signed: the DER SET of content-type, message-digest, signing-time and signing-certificate-v2.
    pub fn to_be_signed(&self) -> Result<Vec<u8>, Error> {
        let encode = || {
            let mut attributes = [
                encode(ID_CONTENT_TYPE, &self.content_type.to_der()?)?,
                encode(ID_MESSAGE_DIGEST, &OctetStringRef::new(self.content_digest)?.to_der()?)?,
                encode(ID_SIGNING_TIME, &instant::time(self.signing_time)?.to_der()?)?,
                encode(ID_SIGNING_CERTIFICATE_V2, &EssCertId::signing_certificate_v2(self.digest, self.certificate)?)?,
            ];
            attributes.sort_unstable();
            element(Tag::Set, &attributes.concat())
        };
        encode().map_err(malformed)
    }

    /// The SignerInfo with the signature over `to_be_signed`. `unsigned` are whole attributes.
    pub fn signer_info(&self, to_be_signed: &[u8], signature: &[u8], unsigned: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
        let encode = || {
            let issuer = self.certificate.issuer_der();
            let serial = AnyRef::new(Tag::Integer, self.certificate.serial())?.to_der()?;
            // IMPLICIT: another tag on the same SET.
            let signed = AnyRef::new(CONTEXT_0, der::Decode::from_der(to_be_signed).map(AnyRef::value)?)?.to_der()?;
            let mut fields = [
                1u8.to_der()?,
                element(Tag::Sequence, &[issuer, serial].concat())?,
                algorithm(self.digest).to_der()?,
                signed,
                self.signature_algorithm.to_der()?,
                OctetStringRef::new(signature)?.to_der()?,
            ]
            .concat();
            if !unsigned.is_empty() {
                let mut attributes = unsigned.to_vec();
                attributes.sort_unstable();
                fields.extend(element(CONTEXT_1, &attributes.concat())?);
            }
            element(Tag::Sequence, &fields)
        };
        encode().map_err(malformed)
    }
}

/// An unsigned attribute with one value, as `signer_info` takes it.
pub fn attribute(id: ObjectIdentifier, value: &[u8]) -> Result<Vec<u8>, Error> {
    encode(id, value).map_err(malformed)
}

/// An attribute with one value, a UTF8String.
pub fn text_attribute(id: ObjectIdentifier, text: &str) -> Result<Vec<u8>, Error> {
    encode(id, &text.to_der().map_err(malformed)?).map_err(malformed)
}

/// A SignedData in two halves, with the content between them.
pub struct Envelope {
    pub before: Vec<u8>,
    pub after: Vec<u8>,
}

impl Envelope {
    /// Around `content_length` octets of content, or with none (a detached signature): then nothing belongs between the halves.
    pub fn new(
        dialect: Dialect,
        content_type: ObjectIdentifier,
        content_length: Option<u64>,
        digest: Digest,
        certificates: &[Vec<u8>],
        signer_info: &[u8],
    ) -> Result<Self, Error> {
        let encode = || {
            let after = [certificate_set(certificates)?, element(Tag::Set, signer_info)?].concat();
            // Innermost first: each header counts what is behind it, the content included.
            let mut before = Vec::new();
            let mut inside = 0;
            if let Some(length) = content_length {
                inside = length;
                prepend(&mut before, &mut inside, ber::OCTET_STRING, &[]);
                prepend(&mut before, &mut inside, ber::EXPLICIT_0, &[]);
            }
            prepend(&mut before, &mut inside, ber::SEQUENCE, &content_type.to_der()?);
            inside += after.len() as u64;
            // RFC 5652 §5.1: version 3 for content that is not plain data.
            let version = if content_type == dialect.data() { 1u8 } else { 3 };
            let digests = element(Tag::Set, &algorithm(digest).to_der()?)?;
            prepend(&mut before, &mut inside, ber::SEQUENCE, &[version.to_der()?, digests].concat());
            prepend(&mut before, &mut inside, ber::EXPLICIT_0, &[]);
            prepend(&mut before, &mut inside, ber::SEQUENCE, &dialect.signed_data().to_der()?);
            Ok(Self { before, after })
        };
        encode().map_err(malformed)
    }

    /// With the content in place, or with nothing for a detached one.
    pub fn around(self, content: &[u8]) -> Vec<u8> {
        [self.before, content.to_vec(), self.after].concat()
    }
}

/// Puts an element around what there is: its header and, first inside of it, `fields`.
fn prepend(before: &mut Vec<u8>, inside: &mut u64, identifier: u8, fields: &[u8]) {
    let mut prefix = vec![identifier];
    ber::push_length(&mut prefix, *inside + fields.len() as u64);
    prefix.extend_from_slice(fields);
    *inside += prefix.len() as u64;
    before.splice(0..0, prefix);
}

fn certificate_set(certificates: &[Vec<u8>]) -> der::Result<Vec<u8>> {
    let mut sorted: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.is_empty() { Ok(Vec::new()) } else { element(CONTEXT_0, &sorted.concat()) }
}

/// Without parameters (RFC 5754 §2; SM3 likewise).
fn algorithm(digest: Digest) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: digest.oid(), parameters: None }
}

fn element(tag: Tag, content: &[u8]) -> der::Result<Vec<u8>> {
    AnyRef::new(tag, content)?.to_der()
}

fn malformed(error: der::Error) -> Error {
    Error::malformed(WHAT, error)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::x509::{
        cms::{Layout, SM2_SIGN, SignedData},
        fixtures::{self, OpenSsl},
    };

    fn signed(authority: &fixtures::Authority, dialect: Dialect, content: Option<&[u8]>) -> Vec<u8> {
        let certificate = Certificate::parse(authority.certificate()).unwrap();
        let digest = authority.public_key().algorithm().digest();
        let content_digest = digest.hash(b"content");
        let signature_algorithm = match dialect {
            Dialect::Cms => authority.signature_algorithm(),
            Dialect::Gm => AlgorithmIdentifierOwned { oid: SM2_SIGN, parameters: None },
        };
        let draft = Draft {
            content_type: dialect.data(),
            digest,
            content_digest: &content_digest,
            certificate: &certificate,
            signing_time: datetime!(2026-11-25 08:00 UTC),
            signature_algorithm,
        };
        let tbs = draft.to_be_signed().unwrap();
        let signer = draft.signer_info(&tbs, &authority.sign(&tbs), &[]).unwrap();
        let certificates = [certificate.der().to_vec()];
        let length = content.map(|content| content.len() as u64);
        Envelope::new(dialect, dialect.data(), length, digest, &certificates, &signer).unwrap().around(content.unwrap_or_default())
    }

    #[test]
    fn what_is_made_is_read_with_all_that_is_in_it() {
        for authority in fixtures::authorities() {
            for (dialect, content) in [(Dialect::Cms, Some(&b"content"[..])), (Dialect::Gm, None)] {
                let file = signed(&authority, dialect, content);
                let layout = Layout::of(&file).unwrap();
                assert_eq!(layout.segments(&file).collect::<Vec<_>>(), content.into_iter().collect::<Vec<_>>());
                let data = SignedData::parse(&layout).unwrap();
                let certificate = Certificate::parse(data.certificates[0]).unwrap();
                let signer = &data.signers[0];
                let attributes = signer.signed.as_ref().unwrap();
                assert!(data.is_data() && data.dialect == dialect && signer.identifier.names(&certificate));
                assert_eq!(attributes.content_type().unwrap(), Some(dialect.data()));
                assert_eq!(attributes.message_digest().unwrap().unwrap(), authority.public_key().algorithm().digest().hash(b"content"));
                assert_eq!(attributes.signing_time().unwrap(), Some(datetime!(2026-11-25 08:00 UTC)));
                assert!(attributes.signing_certificates().unwrap().unwrap()[0].names(&certificate));
                assert_eq!(attributes.as_received(), None);
                authority.public_key().verify(&attributes.to_be_signed(), signer.signature).unwrap();
                for length in 0..file.len() {
                    assert!(Layout::of(&file[..length]).is_err());
                }
            }
        }
    }

    #[test]
    fn openssl_accepts_the_p256_signature() {
        let Some(openssl) = OpenSsl::find() else { return };
        let authority = fixtures::Authority::p256();
        openssl.write_authority(&authority);
        openssl.write("content", b"content");
        openssl.write("attached.p7s", &signed(&authority, Dialect::Cms, Some(b"content")));
        openssl.write("detached.p7s", &signed(&authority, Dialect::Cms, None));
        openssl.run("cms -verify -cades -binary -inform DER -in attached.p7s -CAfile ca.pem -purpose any -out out");
        assert_eq!(openssl.read("out"), b"content");
        openssl.run("cms -verify -cades -binary -inform DER -in detached.p7s -content content -CAfile ca.pem -purpose any -out out");
    }
}
