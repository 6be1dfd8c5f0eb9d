//! SignedData (RFC 5652 §5.1) without its content.

use der::{
    Decode, Reader, SliceReader, Tag, TagNumber, Tagged,
    asn1::{AnyRef, ObjectIdentifier},
};

use super::{Dialect, Error, Layout, RevocationValues, SignerInfo, signer_info::optional};

const WHAT: &str = "CMS SignedData";
const CERTIFICATES: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
const CRLS: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(1) };
const MAX_CERTIFICATES: usize = 512;
const MAX_CRLS: usize = 256;
const MAX_SIGNERS: usize = 256;

/// As received; nothing was checked but its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedData<'a> {
    pub dialect: Dialect,
    pub content_type: ObjectIdentifier,
    /// The DER of the certificates that came along. Attribute certificates and older kinds are passed over.
    pub certificates: Vec<&'a [u8]>,
    /// The CRLs and OCSP responses that came along.
    pub revocation: RevocationValues<'a>,
    pub signers: Vec<SignerInfo<'a>>,
}

impl<'a> SignedData<'a> {
    pub fn parse(layout: &'a Layout) -> Result<Self, Error> {
        let dialect = Dialect::find(layout.outer_type)
            .ok_or_else(|| Error::malformed(WHAT, format_args!("a ContentInfo of type {}", layout.outer_type)))?;
        let fields = Fields::from_der(&layout.rest).map_err(|error| Error::malformed(WHAT, error))?;
        let certificates = elements(fields.certificates, MAX_CERTIFICATES, "certificates")?;
        let choices = elements(fields.crls, MAX_CRLS, "CRLs")?;
        let signers = elements(fields.signers, MAX_SIGNERS, "signers")?;
        Ok(Self {
            dialect,
            content_type: fields.content_type,
            certificates: sequences(certificates),
            revocation: RevocationValues::choices(&choices),
            signers: signers.into_iter().map(SignerInfo::parse).collect::<Result<_, _>>()?,
        })
    }

    /// Whether the content is plain octets, in the words of either standard.
    pub fn is_data(&self) -> bool {
        [Dialect::Cms, Dialect::Gm].iter().any(|dialect| dialect.data() == self.content_type)
    }
}

struct Fields<'a> {
    content_type: ObjectIdentifier,
    certificates: &'a [u8],
    crls: &'a [u8],
    signers: &'a [u8],
}

impl<'a> Fields<'a> {
    fn from_der(der: &'a [u8]) -> der::Result<Self> {
        AnyRef::from_der(der)?.sequence(|reader| {
            // Versions and the list of digest algorithms tell a reader what to expect; the signers say what counts.
            u8::decode(reader)?;
            AnyRef::decode(reader)?.tag().assert_eq(Tag::Set)?;
            let content_type = AnyRef::decode(reader)?.sequence(ObjectIdentifier::decode)?;
            let certificates = optional(reader, CERTIFICATES)?.unwrap_or_default();
            let crls = optional(reader, CRLS)?.unwrap_or_default();
            let signers = AnyRef::decode(reader)?;
            signers.tag().assert_eq(Tag::Set)?;
            Ok(Self { content_type, certificates, crls, signers: signers.value() })
        })
    }
}

/// The elements of a SET or SEQUENCE, each whole.
pub(super) fn elements<'a>(content: &'a [u8], most: usize, what: &str) -> Result<Vec<&'a [u8]>, Error> {
    let mut reader = SliceReader::new(content).map_err(|error| Error::malformed(WHAT, error))?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        if elements.len() == most {
            return Err(Error::malformed(WHAT, format_args!("more than {most} {what}")));
        }
        elements.push(reader.tlv_bytes().map_err(|error| Error::malformed(WHAT, error))?);
    }
    Ok(elements)
}

/// Of a CHOICE of formats the one that is a plain SEQUENCE: a certificate.
fn sequences(elements: Vec<&[u8]>) -> Vec<&[u8]> {
    elements.into_iter().filter(|element| element.first() == Some(&0x30)).collect()
}
