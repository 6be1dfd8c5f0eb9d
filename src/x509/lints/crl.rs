//! A TBSCertList as the rules see it, and what the issuing service says about it.

use const_oid::{
    AssociatedOid,
    db::rfc5280::{ID_CE_INVALIDITY_DATE, ID_CE_ISSUING_DISTRIBUTION_POINT},
};
use der::{
    Decode, Reader, SliceReader,
    asn1::{GeneralizedTime, ObjectIdentifier},
};
use time::OffsetDateTime;
use x509_cert::{
    certificate::Raw,
    crl::{RevokedCert, TbsCertList},
    ext::{
        Extension,
        pkix::{AuthorityKeyIdentifier, CrlNumber, CrlReason, IssuingDistributionPoint},
    },
};
use x509_parser::prelude::FromDer;

use super::certificate::{Role, decode, instant};

/// What the issuing service knows about a CRL before it is signed.
#[derive(Debug, Clone, Copy)]
pub struct CrlContext<'a> {
    /// What the issuer of the CRL is: a root or an authority.
    pub role: Role,
    /// The DER Name of the issuer.
    pub issuer: &'a [u8],
    /// The content of the issuer's SubjectKeyIdentifier.
    pub key_identifier: &'a [u8],
    /// The DER AlgorithmIdentifier with which the issuer signs.
    pub signature_algorithm: &'a [u8],
    /// The number of the CRL that this one replaces; `None` for the first.
    pub previous_number: Option<u64>,
    /// The URI in the certificates of this shard; `None` for a CRL that covers everything.
    pub distribution_point: Option<&'a str>,
    pub now: OffsetDateTime,
    pub expected: ExpectedCrl<'a>,
}

/// What the draft says. The bytes must say the same.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedCrl<'a> {
    pub number: u64,
    pub this_update: OffsetDateTime,
    pub next_update: OffsetDateTime,
    /// In any order.
    pub entries: &'a [ExpectedEntry<'a>],
}

/// What the draft says about one certificate.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedEntry<'a> {
    /// The content octets of the INTEGER.
    pub serial: &'a [u8],
    pub revoked_at: OffsetDateTime,
    /// `None` stands for an unspecified reason, which is left out (RFC 5280 §5.3.1).
    pub reason: Option<CrlReason>,
    pub invalidity_date: Option<OffsetDateTime>,
}

/// The bytes about to be signed, read by both parsers. An extension that is absent or malformed is `None` here.
pub struct CrlUnderLint<'a> {
    pub der: &'a [u8],
    pub context: &'a CrlContext<'a>,
    pub tbs: TbsCertList<Raw>,
    /// The same bytes read by the second, independent parser.
    pub second: Result<x509_parser::revocation_list::TbsCertList<'a>, String>,

    /// The fields as they stand in the bytes, each a whole TLV.
    pub signature_algorithm: &'a [u8],
    pub issuer: &'a [u8],

    pub number: Option<CrlNumber>,
    pub authority_key_identifier: Option<AuthorityKeyIdentifier>,
    pub issuing_distribution_point: Option<IssuingDistributionPoint>,
}

impl<'a> CrlUnderLint<'a> {
    /// Reads bytes that must be one TBSCertList. The answer to failure says why the first parser refused them.
    pub fn read(der: &'a [u8], context: &'a CrlContext<'a>) -> Result<Self, String> {
        let tbs = TbsCertList::<Raw>::from_der(der).map_err(|error| error.to_string())?;
        let (signature_algorithm, issuer) = fields(der).map_err(|error| error.to_string())?;
        let extensions = tbs.crl_extensions.as_deref().unwrap_or_default();
        // x509-cert gives the type of this extension the identifier of another one, so it is looked up by hand.
        let issuing_distribution_point = extensions
            .iter()
            .find(|extension| extension.extn_id == ID_CE_ISSUING_DISTRIBUTION_POINT)
            .and_then(|extension| IssuingDistributionPoint::from_der(extension.extn_value.as_bytes()).ok());
        Ok(Self {
            der,
            context,
            second: read_again(der),
            signature_algorithm,
            issuer,
            number: decode(extensions),
            authority_key_identifier: decode(extensions),
            issuing_distribution_point,
            tbs,
        })
    }

    pub fn extensions(&self) -> &[Extension] {
        self.tbs.crl_extensions.as_deref().unwrap_or_default()
    }

    /// The first extension of that kind.
    pub fn extension(&self, oid: ObjectIdentifier) -> Option<&Extension> {
        self.extensions().iter().find(|extension| extension.extn_id == oid)
    }

    pub fn entries(&self) -> &[RevokedCert<Raw>] {
        self.tbs.revoked_certificates.as_deref().unwrap_or_default()
    }

    pub fn this_update(&self) -> OffsetDateTime {
        instant(&self.tbs.this_update)
    }

    pub fn next_update(&self) -> Option<OffsetDateTime> {
        self.tbs.next_update.as_ref().map(instant)
    }
}

/// The extensions of an entry.
pub fn entry_extensions(entry: &RevokedCert<Raw>) -> &[Extension] {
    entry.crl_entry_extensions.as_deref().unwrap_or_default()
}

/// The first extension of type `T` in an entry, when there is one and its value can be read.
pub fn entry_extension<T: AssociatedOid + for<'der> Decode<'der>>(entry: &RevokedCert<Raw>) -> Option<T> {
    decode(entry_extensions(entry))
}

/// Since when the key is not trusted, when the entry says so.
pub fn invalidity_date(entry: &RevokedCert<Raw>) -> Option<OffsetDateTime> {
    let extension = entry_extensions(entry).iter().find(|extension| extension.extn_id == ID_CE_INVALIDITY_DATE)?;
    let date = GeneralizedTime::from_der(extension.extn_value.as_bytes()).ok()?;
    Some(OffsetDateTime::UNIX_EPOCH + date.to_unix_duration())
}

/// How findings name an entry: serial numbers are public.
pub fn entry_name(entry: &RevokedCert<Raw>) -> String {
    format!("the entry of {}", hex::encode(entry.serial_number.as_bytes()))
}

fn read_again(der: &[u8]) -> Result<x509_parser::revocation_list::TbsCertList<'_>, String> {
    match x509_parser::revocation_list::TbsCertList::from_der(der) {
        Ok(([], tbs)) => Ok(tbs),
        Ok(_) => Err("it found bytes after the end".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Signature algorithm and issuer. The first parser was satisfied, so the version is there and comes before them.
fn fields(der: &[u8]) -> der::Result<(&[u8], &[u8])> {
    let mut reader = SliceReader::new(der::AnyRef::from_der(der)?.value())?;
    let _version = reader.tlv_bytes()?;
    Ok((reader.tlv_bytes()?, reader.tlv_bytes()?))
}
