//! One signer of a SignedData (RFC 5652 §5.3).

use der::{
    Decode, Reader, Tag, TagNumber, Tagged,
    asn1::{AnyRef, ObjectIdentifier, OctetStringRef},
};
use spki::AlgorithmIdentifierOwned;

use super::{Attributes, Error};
use crate::x509::Certificate;

const WHAT: &str = "SignerInfo";
const KEY_IDENTIFIER: Tag = Tag::ContextSpecific { constructed: false, number: TagNumber(0) };
const SIGNED_ATTRIBUTES: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
const UNSIGNED_ATTRIBUTES: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(1) };
/// CMSVersion ends at 5 (RFC 5652 §10.2.5).
const MAX_VERSION: u8 = 5;

/// Which certificate a signer says is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerIdentifier<'a> {
    /// The DER Name of the issuer and the content of the serial number.
    IssuerAndSerial { issuer: &'a [u8], serial: &'a [u8] },
    /// The value of the certificate's subjectKeyIdentifier.
    KeyIdentifier(&'a [u8]),
}

impl SignerIdentifier<'_> {
    pub fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => certificate.serial() == *serial && certificate.issuer_der() == *issuer,
            Self::KeyIdentifier(identifier) => certificate.subject_key_identifier().as_deref() == Some(identifier),
        }
    }
}

/// As received; nothing was checked but its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerInfo<'a> {
    pub identifier: SignerIdentifier<'a>,
    pub digest_algorithm: AlgorithmIdentifierOwned,
    /// `None`: the signature is over the content itself.
    pub signed: Option<Attributes<'a>>,
    pub signature_algorithm: AlgorithmIdentifierOwned,
    pub signature: &'a [u8],
    pub unsigned: Attributes<'a>,
}

impl<'a> SignerInfo<'a> {
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        let fields = Fields::from_der(der).map_err(|error| Error::malformed(WHAT, error))?;
        let signed = fields.signed.map(Attributes::parse).transpose()?;
        if signed.is_some() && fields.signed.is_some_and(<[u8]>::is_empty) {
            return Err(Error::malformed(WHAT, "signed attributes without any"));
        }
        Ok(Self {
            identifier: fields.identifier,
            digest_algorithm: fields.digest_algorithm,
            signed,
            signature_algorithm: fields.signature_algorithm,
            signature: fields.signature,
            unsigned: Attributes::parse(fields.unsigned.unwrap_or_default())?,
        })
    }

    pub fn digest(&self) -> ObjectIdentifier {
        self.digest_algorithm.oid
    }
}

struct Fields<'a> {
    identifier: SignerIdentifier<'a>,
    digest_algorithm: AlgorithmIdentifierOwned,
    signed: Option<&'a [u8]>,
    signature_algorithm: AlgorithmIdentifierOwned,
    signature: &'a [u8],
    unsigned: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn from_der(der: &'a [u8]) -> der::Result<Self> {
        AnyRef::from_der(der)?.sequence(|reader| {
            // The version follows from the identifier; producers get it wrong, and nothing depends on it.
            if u8::decode(reader)? > MAX_VERSION {
                return Err(Tag::Integer.value_error().into());
            }
            Ok(Self {
                identifier: decode_identifier(AnyRef::decode(reader)?)?,
                digest_algorithm: AlgorithmIdentifierOwned::decode(reader)?,
                signed: optional(reader, SIGNED_ATTRIBUTES)?,
                signature_algorithm: AlgorithmIdentifierOwned::decode(reader)?,
                signature: <&OctetStringRef>::decode(reader)?.as_bytes(),
                unsigned: optional(reader, UNSIGNED_ATTRIBUTES)?,
            })
        })
    }
}

fn decode_identifier(any: AnyRef<'_>) -> der::Result<SignerIdentifier<'_>> {
    match any.tag() {
        Tag::Sequence => any.sequence(|reader| {
            Tag::peek(reader)?.assert_eq(Tag::Sequence)?;
            let issuer = reader.tlv_bytes()?;
            let serial = AnyRef::decode(reader)?;
            serial.tag().assert_eq(Tag::Integer)?;
            Ok(SignerIdentifier::IssuerAndSerial { issuer, serial: serial.value() })
        }),
        KEY_IDENTIFIER => Ok(SignerIdentifier::KeyIdentifier(any.value())),
        other => Err(other.unexpected_error(None).into()),
    }
}

/// The content of the next element if it has that tag.
pub(super) fn optional<'a, R: Reader<'a>>(reader: &mut R, tag: Tag) -> der::Result<Option<&'a [u8]>> {
    if reader.is_finished() || Tag::peek(reader)? != tag {
        return Ok(None);
    }
    Ok(Some(AnyRef::decode(reader)?.value()))
}
