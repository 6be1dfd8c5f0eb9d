//! Attributes of a signer (RFC 5652 §5.3, §11; RFC 5035; RFC 6211).

use der::{
    Decode, Encode, Header, Reader, SliceReader, Tag, Tagged,
    asn1::{AnyRef, ObjectIdentifier, OctetStringRef},
};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;

use super::{
    Error, ID_ALGORITHM_PROTECTION, ID_CONTENT_TYPE, ID_MESSAGE_DIGEST, ID_SIGNING_CERTIFICATE, ID_SIGNING_CERTIFICATE_V2, ID_SIGNING_TIME,
    instant,
};
use crate::{crypto::Digest, x509::Certificate};

const WHAT: &str = "CMS attribute";
/// The most attributes of one signer, signed or unsigned.
const MAX_ATTRIBUTES: usize = 128;
/// The most values of one attribute.
const MAX_VALUES: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute<'a> {
    pub id: ObjectIdentifier,
    /// Each a whole element.
    pub values: Vec<&'a [u8]>,
}

/// A SET OF Attribute as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes<'a> {
    list: Vec<Attribute<'a>>,
    /// Each whole, in the order received.
    encoded: Vec<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    /// From the content of the SET.
    pub(super) fn parse(content: &'a [u8]) -> Result<Self, Error> {
        let mut attributes = Self { list: Vec::new(), encoded: Vec::new() };
        let mut reader = SliceReader::new(content).map_err(malformed)?;
        while !reader.is_finished() {
            if attributes.list.len() == MAX_ATTRIBUTES {
                return Err(malformed(format_args!("more than {MAX_ATTRIBUTES} attributes")));
            }
            let encoded = reader.tlv_bytes().map_err(malformed)?;
            attributes.list.push(Attribute::parse(encoded)?);
            attributes.encoded.push(encoded);
        }
        Ok(attributes)
    }

    pub fn find(&self, id: ObjectIdentifier) -> Option<&Attribute<'a>> {
        self.list.iter().find(|attribute| attribute.id == id)
    }

    /// Every value of every attribute of that type.
    pub fn values(&self, id: ObjectIdentifier) -> impl Iterator<Item = &'a [u8]> {
        self.list.iter().filter(move |attribute| attribute.id == id).flat_map(|attribute| attribute.values.iter().copied())
    }

    /// The octets that a signature over signed attributes covers: the DER of the SET, whatever form was received
    /// (RFC 5652 §5.4).
    pub fn to_be_signed(&self) -> Vec<u8> {
        let mut sorted = self.encoded.clone();
        sorted.sort_unstable();
        set_of(&sorted)
    }

    /// The SET in the order received, where that is another than DER's: what producers that do not sort have signed.
    pub fn as_received(&self) -> Option<Vec<u8>> {
        (!self.encoded.is_sorted()).then(|| set_of(&self.encoded))
    }

    /// RFC 5652 §11.1.
    pub fn content_type(&self) -> Result<Option<ObjectIdentifier>, Error> {
        self.single(ID_CONTENT_TYPE)?.map(|value| ObjectIdentifier::from_der(value).map_err(malformed)).transpose()
    }

    /// RFC 5652 §11.2.
    pub fn message_digest(&self) -> Result<Option<&'a [u8]>, Error> {
        let octets = |value: &'a [u8]| <&OctetStringRef>::from_der(value).map(OctetStringRef::as_bytes).map_err(malformed);
        self.single(ID_MESSAGE_DIGEST)?.map(octets).transpose()
    }

    /// RFC 5652 §11.3: what the signer says the time was.
    pub fn signing_time(&self) -> Result<Option<OffsetDateTime>, Error> {
        let time = |value| x509_cert::time::Time::from_der(value).and_then(instant::from_time).map_err(malformed);
        self.single(ID_SIGNING_TIME)?.map(time).transpose()
    }

    /// The certificates that the signer says the signature is to be judged by, its own first (RFC 5035 §5.4): of version 2
    /// where there is one, else of version 1.
    pub fn signing_certificates(&self) -> Result<Option<Vec<EssCertId>>, Error> {
        if let Some(value) = self.single(ID_SIGNING_CERTIFICATE_V2)? {
            return EssCertId::parse_list(value, EssCertId::decode_v2).map(Some).map_err(malformed);
        }
        let list = |value| EssCertId::parse_list(value, EssCertId::decode_v1).map_err(malformed);
        self.single(ID_SIGNING_CERTIFICATE)?.map(list).transpose()
    }

    /// RFC 6211: the digest and signature algorithms that the signer meant.
    pub fn algorithm_protection(&self) -> Result<Option<(AlgorithmIdentifierOwned, Option<AlgorithmIdentifierOwned>)>, Error> {
        let decode = |value| {
            let protection = AlgorithmProtection::from_der(value)?;
            Ok((protection.digest_algorithm, protection.signature_algorithm))
        };
        self.single(ID_ALGORITHM_PROTECTION)?.map(decode).transpose().map_err(|error: der::Error| malformed(error))
    }

    /// The one value of an attribute that may not stand twice and has one value only.
    fn single(&self, id: ObjectIdentifier) -> Result<Option<&'a [u8]>, Error> {
        let mut found = self.list.iter().filter(|attribute| attribute.id == id);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(Attribute { values, .. }), None) if values.len() == 1 => Ok(Some(values[0])),
            _ => Err(malformed(format_args!("{id} more than once, or not with one value"))),
        }
    }
}

impl<'a> Attribute<'a> {
    fn parse(der: &'a [u8]) -> Result<Self, Error> {
        let decode = || {
            AnyRef::from_der(der)?.sequence(|reader| {
                let id = ObjectIdentifier::decode(reader)?;
                let set = AnyRef::decode(reader)?;
                set.tag().assert_eq(Tag::Set)?;
                Ok::<_, der::Error>((id, set.value()))
            })
        };
        let (id, content) = decode().map_err(malformed)?;
        let mut reader = SliceReader::new(content).map_err(malformed)?;
        let mut values = Vec::new();
        while !reader.is_finished() {
            if values.len() == MAX_VALUES {
                return Err(malformed(format_args!("more than {MAX_VALUES} values")));
            }
            values.push(reader.tlv_bytes().map_err(malformed)?);
        }
        Ok(Self { id, values })
    }
}

/// Whether octets are what a signature over signed attributes covers: the DER of a SET with content type and message digest.
pub fn is_attribute_set(octets: &[u8]) -> bool {
    let set = AnyRef::from_der(octets).ok().filter(|any| any.tag() == Tag::Set);
    let attributes = set.and_then(|set| Attributes::parse(set.value()).ok());
    attributes.is_some_and(|attributes| [ID_CONTENT_TYPE, ID_MESSAGE_DIGEST].iter().all(|id| attributes.find(*id).is_some()))
}

/// The DER of one attribute with one value.
pub(super) fn encode(id: ObjectIdentifier, value: &[u8]) -> der::Result<Vec<u8>> {
    let content = [id.to_der()?, AnyRef::new(Tag::Set, value)?.to_der()?].concat();
    AnyRef::new(Tag::Sequence, &content)?.to_der()
}

fn set_of(elements: &[&[u8]]) -> Vec<u8> {
    let content = elements.concat();
    // The elements were parts of something that was read, so their length is one that DER can say.
    let length = content.len().try_into().expect("the length of what was read fits DER");
    let mut der = Header::new(Tag::Set, length).to_der().expect("a header encodes");
    der.extend(content);
    der
}

/// How a signature names a certificate (RFC 5035 §4): by its hash, and perhaps by issuer and serial number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EssCertId {
    digest: ObjectIdentifier,
    hash: Vec<u8>,
    /// The DER of an IssuerSerial.
    issuer_serial: Option<Vec<u8>>,
}

impl EssCertId {
    /// Whether it names this certificate. One by a hash function that is not known here names none.
    pub fn names(&self, certificate: &Certificate) -> bool {
        let same_hash = Digest::find(self.digest).is_some_and(|digest| digest.hash(certificate.der()) == self.hash);
        same_hash && self.issuer_serial.as_ref().is_none_or(|der| names_issuer_and_serial(der, certificate).unwrap_or(false))
    }

    /// Named by SHA-1, whose collisions can be made.
    pub fn is_by_sha1(&self) -> bool {
        self.digest == Digest::Sha1.oid()
    }

    /// SigningCertificate and SigningCertificateV2: a list of these, then policies that say nothing about the signature.
    fn parse_list(value: &[u8], decode: fn(AnyRef<'_>) -> der::Result<Self>) -> der::Result<Vec<Self>> {
        let list: Vec<Self> = AnyRef::from_der(value)?.sequence(|reader| {
            let list = Vec::<AnyRef<'_>>::decode(reader)?.into_iter().take(MAX_VALUES).map(decode).collect::<der::Result<_>>()?;
            if !reader.is_finished() {
                AnyRef::decode(reader)?.tag().assert_eq(Tag::Sequence)?;
            }
            Ok::<_, der::Error>(list)
        })?;
        if list.is_empty() { Err(Tag::Sequence.value_error().into()) } else { Ok(list) }
    }

    fn decode_v1(any: AnyRef<'_>) -> der::Result<Self> {
        let fields = any.decode_as::<EssCertIdV1Fields<'_>>()?;
        Self::new(Digest::Sha1.oid(), fields.hash, fields.issuer_serial)
    }

    fn decode_v2(any: AnyRef<'_>) -> der::Result<Self> {
        let fields = any.decode_as::<EssCertIdV2Fields<'_>>()?;
        let digest = fields.hash_algorithm.map_or(Digest::Sha256.oid(), |algorithm| algorithm.oid);
        Self::new(digest, fields.hash, fields.issuer_serial)
    }

    fn new(digest: ObjectIdentifier, hash: &OctetStringRef, issuer_serial: Option<AnyRef<'_>>) -> der::Result<Self> {
        let issuer_serial = issuer_serial.map(|any| any.to_der()).transpose()?;
        Ok(Self { digest, hash: hash.as_bytes().to_vec(), issuer_serial })
    }

    /// SigningCertificateV2 with the signer's certificate alone, by a hash. SHA-256 is the default and so is left out.
    pub(super) fn signing_certificate_v2(digest: Digest, certificate: &Certificate) -> der::Result<Vec<u8>> {
        let hash = digest.hash(certificate.der());
        let hash_algorithm = (digest != Digest::Sha256).then(|| AlgorithmIdentifierOwned { oid: digest.oid(), parameters: None });
        let name = certificate.issuer_der();
        let directory_name = AnyRef::new(DIRECTORY_NAME, &name)?.to_der()?;
        let fields =
            IssuerSerial { issuer: vec![AnyRef::from_der(&directory_name)?], serial: AnyRef::new(Tag::Integer, certificate.serial())? };
        let issuer_serial = fields.to_der()?;
        let id =
            EssCertIdV2Fields { hash_algorithm, hash: OctetStringRef::new(&hash)?, issuer_serial: Some(AnyRef::from_der(&issuer_serial)?) };
        let list = AnyRef::new(Tag::Sequence, &id.to_der()?)?.to_der()?;
        AnyRef::new(Tag::Sequence, &list)?.to_der()
    }
}

const DIRECTORY_NAME: Tag = Tag::ContextSpecific { constructed: true, number: der::TagNumber(4) };

fn names_issuer_and_serial(der: &[u8], certificate: &Certificate) -> der::Result<bool> {
    let fields = IssuerSerial::from_der(der)?;
    let issuer = certificate.issuer_der();
    let names_issuer = fields.issuer.iter().any(|name| name.tag() == DIRECTORY_NAME && name.value() == issuer);
    Ok(names_issuer && fields.serial.value() == certificate.serial())
}

/// RFC 5035 §4.
#[derive(der::Sequence)]
struct EssCertIdV2Fields<'a> {
    #[asn1(optional = "true")]
    hash_algorithm: Option<AlgorithmIdentifierOwned>,
    hash: &'a OctetStringRef,
    #[asn1(optional = "true")]
    issuer_serial: Option<AnyRef<'a>>,
}

#[derive(der::Sequence)]
struct EssCertIdV1Fields<'a> {
    hash: &'a OctetStringRef,
    #[asn1(optional = "true")]
    issuer_serial: Option<AnyRef<'a>>,
}

#[derive(der::Sequence)]
struct IssuerSerial<'a> {
    issuer: Vec<AnyRef<'a>>,
    serial: AnyRef<'a>,
}

/// RFC 6211 §2; MACs are not for signatures.
#[derive(der::Sequence)]
struct AlgorithmProtection {
    digest_algorithm: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true", optional = "true")]
    signature_algorithm: Option<AlgorithmIdentifierOwned>,
}

fn malformed(why: impl std::fmt::Display) -> Error {
    Error::malformed(WHAT, why)
}
