//! Certificate revocation lists, version 2 (RFC 5280 §5, GB/T 20518 §5.3): the bytes of one to be signed, and a reader.
//!
//! Kept out on purpose: making indirect and delta lists and lists of some reasons, which GB/T 20518 advises against; and who signs.
//! Those of others are read.

use const_oid::{
    ObjectIdentifier,
    db::rfc5280::{
        ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_CERTIFICATE_ISSUER, ID_CE_CRL_NUMBER, ID_CE_CRL_REASONS, ID_CE_DELTA_CRL_INDICATOR,
        ID_CE_INVALIDITY_DATE, ID_CE_ISSUING_DISTRIBUTION_POINT,
    },
};
use der::{
    Decode, Encode, ErrorKind, Tag, Tagged,
    asn1::{AnyRef, GeneralizedTime, Ia5String, IntRef, OctetString, Uint},
};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;
use x509_cert::ext::{
    Extension, Extensions,
    pkix::{
        AuthorityKeyIdentifier,
        crl::dp::IssuingDistributionPoint,
        name::{DistributionPointName, GeneralName as GeneralNameField},
    },
};

pub use x509_cert::ext::pkix::CrlReason;

use super::{
    DistinguishedName, Error, GeneralName, Signed,
    certificate_extensions::AuthorityKeyIdentifier as AuthorityKeyIdentifierField,
    distribution_point::{IssuingDistributionPoint as Scope, PointName},
    extension_list,
    instant::{self, TimeField},
};

const WHAT: &str = "CRL";

/// What a CRL will say.
#[derive(Debug, Clone)]
pub struct CrlDraft {
    /// The DER Name of the issuer, verbatim as in its certificate.
    pub issuer: Vec<u8>,
    pub this_update: OffsetDateTime,
    pub next_update: OffsetDateTime,
    pub number: u64,
    /// The subject key identifier of the issuer.
    pub authority_key_identifier: Vec<u8>,
    /// For a shard, the URI in the CRLDistributionPoints of the certificates that it covers; `None` for the whole list.
    pub distribution_point: Option<String>,
    /// In any order; no serial twice.
    pub entries: Vec<RevokedEntry>,
    /// Also the algorithm of the signature to come, byte for byte.
    pub signature_algorithm: AlgorithmIdentifierOwned,
}

/// One certificate that must not be relied upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedEntry {
    /// The content octets of the INTEGER.
    pub serial: Vec<u8>,
    pub revoked_at: OffsetDateTime,
    /// `CertificateHold` for a suspended certificate; an unspecified reason is left out of the list (RFC 5280 §5.3.1).
    pub reason: Option<CrlReason>,
    /// Since when the key is not trusted.
    pub invalidity_date: Option<OffsetDateTime>,
}

impl CrlDraft {
    /// The TBSCertList.
    pub fn tbs_der(&self) -> Result<Vec<u8>, Error> {
        let mut entries: Vec<&RevokedEntry> = self.entries.iter().collect();
        // Positive integers without leading zeros: the longer is the greater.
        entries.sort_unstable_by_key(|entry| (entry.serial.len(), &entry.serial));
        self.check(&entries)?;
        self.encode(&entries).map_err(|error| Error::malformed(WHAT, error))
    }

    fn check(&self, sorted: &[&RevokedEntry]) -> Result<(), Error> {
        if self.next_update <= self.this_update {
            return Err(Error::malformed(WHAT, "nextUpdate is not after thisUpdate"));
        }
        if sorted.windows(2).any(|pair| pair[0].serial == pair[1].serial) {
            return Err(Error::malformed(WHAT, "a serial number is listed twice"));
        }
        if sorted.iter().any(|entry| !is_positive_integer(&entry.serial)) {
            return Err(Error::malformed(WHAT, "a serial number is not a positive DER INTEGER"));
        }
        // Only a delta CRL may say it (RFC 5280 §5.3.1).
        if sorted.iter().any(|entry| entry.reason == Some(CrlReason::RemoveFromCRL)) {
            return Err(Error::malformed(WHAT, "removeFromCRL outside of a delta CRL"));
        }
        Ok(())
    }

    fn encode(&self, sorted: &[&RevokedEntry]) -> der::Result<Vec<u8>> {
        let entries = sorted.iter().map(|entry| entry.encode()).collect::<der::Result<Vec<_>>>()?;
        let fields = TbsCertList {
            version: Some(V2),
            signature: self.signature_algorithm.clone(),
            issuer: AnyRef::from_der(&self.issuer)?,
            this_update: TimeField(self.this_update),
            next_update: Some(TimeField(self.next_update)),
            // Absent when there is none (RFC 5280 §5.1.2.6).
            revoked_certificates: (!entries.is_empty()).then_some(entries),
            extensions: Some(self.extensions()?),
        };
        fields.issuer.tag().assert_eq(Tag::Sequence)?;
        fields.to_der()
    }

    fn extensions(&self) -> der::Result<Extensions> {
        let key_identifier = Some(OctetString::new(self.authority_key_identifier.as_slice())?);
        let authority_key_identifier = AuthorityKeyIdentifier { key_identifier, ..Default::default() };
        let mut extensions = vec![
            extension_list::non_critical(ID_CE_AUTHORITY_KEY_IDENTIFIER, &authority_key_identifier)?,
            extension_list::non_critical(ID_CE_CRL_NUMBER, &self.number)?,
        ];
        if let Some(uri) = &self.distribution_point {
            extensions.push(extension_list::critical(ID_CE_ISSUING_DISTRIBUTION_POINT, &shard(uri)?)?);
        }
        Ok(extensions)
    }
}

impl RevokedEntry {
    fn encode(&self) -> der::Result<RevokedCertificate<'_>> {
        let mut extensions = Extensions::new();
        if let Some(reason) = self.reason.filter(|reason| *reason != CrlReason::Unspecified) {
            extensions.push(extension_list::non_critical(ID_CE_CRL_REASONS, &reason)?);
        }
        if let Some(date) = self.invalidity_date {
            extensions.push(extension_list::non_critical(ID_CE_INVALIDITY_DATE, &instant::generalized_time(date)?)?);
        }
        Ok(RevokedCertificate {
            serial: AnyRef::new(Tag::Integer, &self.serial)?,
            revocation_date: TimeField(self.revoked_at),
            extensions: (!extensions.is_empty()).then_some(extensions),
        })
    }

    fn decode(fields: RevokedCertificate<'_>) -> der::Result<Self> {
        let extensions = fields.extensions.unwrap_or_default();
        // For its check that the INTEGER is canonical; its value loses the leading octet of some numbers.
        fields.serial.decode_as::<IntRef<'_>>()?;
        Ok(Self {
            serial: fields.serial.value().to_vec(),
            revoked_at: fields.revocation_date.0,
            reason: extension_list::find(&extensions, ID_CE_CRL_REASONS)?,
            invalidity_date: extension_list::find::<GeneralizedTime>(&extensions, ID_CE_INVALIDITY_DATE)?
                .map(instant::from_generalized_time)
                .transpose()?,
        })
    }
}

/// A CRL as received. Its signature was not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateList<'a> {
    pub signed: Signed<'a>,
    /// The DER Name, verbatim.
    pub issuer: Vec<u8>,
    issuer_name: DistinguishedName,
    pub this_update: OffsetDateTime,
    /// Mandatory in ours (GB/T 20518 Table C.5), missing in some.
    pub next_update: Option<OffsetDateTime>,
    pub authority_key_identifier: Option<Vec<u8>>,
    /// Which certificates the list covers; `None` means all of the issuer.
    pub scope: Option<Scope>,
    pub entries: Vec<RevokedEntry>,
    /// Why the list may not be relied upon although it can be read; empty for a sound one.
    pub obstacles: Vec<Obstacle>,
    /// Of an indirect list: from which entry on its certificates are whose (certificateIssuer, RFC 5280 §5.3.3).
    issuers: Vec<(usize, DistinguishedName)>,
    number: Option<Uint>,
    /// deltaCRLIndicator: the list says what changed since the complete one with this number (RFC 5280 §5.2.4).
    base_number: Option<Uint>,
}

/// What a reader may not pass over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// A critical extension, of the list or of an entry, that is not known here (RFC 5280 §5.2, §5.3).
    CriticalExtension(ObjectIdentifier),
    /// revokedCertificates is there without an entry, where it must be absent (RFC 5280 §5.1.2.6).
    EmptyRevokedCertificates,
    /// cRLNumber is critical, which it must not be (RFC 5280 §5.2.3).
    CriticalNumber,
}

impl<'a> CertificateList<'a> {
    /// Reads DER. Version 1 is accepted, without extensions; the two AlgorithmIdentifiers must be equal (RFC 5280 §5.1.1.2).
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        Self::decode(Signed::parse(der)?).map_err(|error| Error::malformed(WHAT, error))
    }

    /// `None` when the list has none or one beyond 64 bits, which ours never reach.
    pub fn number(&self) -> Option<u64> {
        let octets = self.number.as_ref()?.as_bytes();
        let start = 8usize.checked_sub(octets.len())?;
        let mut number = [0; 8];
        number[start..].copy_from_slice(octets);
        Some(u64::from_be_bytes(number))
    }

    /// The issuer, for comparison with names that may be written differently.
    pub fn issuer_name(&self) -> &DistinguishedName {
        &self.issuer_name
    }

    pub fn has_number(&self) -> bool {
        self.number.is_some()
    }

    /// Whether the list says only what changed since a complete one.
    pub fn is_delta(&self) -> bool {
        self.base_number.is_some()
    }

    /// Whether this delta list brings that complete list up to date: it starts from it or from one before, and is newer
    /// (RFC 5280 §5.2.4). Issuer, scope and key are for the caller to compare.
    pub fn updates(&self, complete: &CertificateList<'_>) -> bool {
        let (Some(base), Some(number)) = (&self.base_number, &self.number) else { return false };
        let order = |number: &Uint| (number.as_bytes().len(), number.as_bytes().to_vec());
        complete.number.as_ref().is_some_and(|complete| order(complete) >= order(base) && order(complete) < order(number))
    }

    /// The URI of the shard, to be compared with the CRLDistributionPoints of the certificate.
    pub fn distribution_point(&self) -> Option<&str> {
        let PointName::Full(names) = self.scope.as_ref()?.name.as_ref()? else { return None };
        names.iter().find_map(|name| match name {
            GeneralName::Uri(uri) => Some(uri.as_str()),
            _ => None,
        })
    }

    /// Whether there may be entries of certificates of others than the issuer of the list.
    pub fn is_indirect(&self) -> bool {
        self.scope.as_ref().is_some_and(|scope| scope.indirect)
    }

    /// The entry of the certificate of the list's issuer with this serial (content octets of the INTEGER).
    pub fn find(&self, serial: &[u8]) -> Option<&RevokedEntry> {
        self.find_of(&self.issuer_name, serial)
    }

    /// The same for a certificate of this issuer.
    pub fn find_of(&self, issuer: &DistinguishedName, serial: &[u8]) -> Option<&RevokedEntry> {
        let is_it = |(index, entry): &(usize, &RevokedEntry)| entry.serial == serial && self.issuer_of(*index) == issuer;
        self.entries.iter().enumerate().find(is_it).map(|(_, entry)| entry)
    }

    /// An entry that names no issuer has that of the one before it.
    fn issuer_of(&self, index: usize) -> &DistinguishedName {
        let named = self.issuers.partition_point(|(start, _)| *start <= index);
        named.checked_sub(1).map_or(&self.issuer_name, |last| &self.issuers[last].1)
    }

    fn decode(signed: Signed<'a>) -> der::Result<Self> {
        let fields = TbsCertList::from_der(signed.tbs)?;
        fields.check(&signed)?;
        let extensions = fields.extensions.unwrap_or_default();
        let scope = value(&extensions, ID_CE_ISSUING_DISTRIBUTION_POINT).map(Scope::parse).transpose()?;
        let is_indirect = scope.as_ref().is_some_and(|scope| scope.indirect);
        let obstacles = obstacles(&extensions, fields.revoked_certificates.as_deref(), is_indirect);
        let entries = fields.revoked_certificates.unwrap_or_default();
        Ok(Self {
            issuer: fields.issuer.to_der()?,
            issuer_name: DistinguishedName::decode(fields.issuer)?,
            this_update: fields.this_update.0,
            next_update: fields.next_update.map(|TimeField(next_update)| next_update),
            number: extension_list::find(&extensions, ID_CE_CRL_NUMBER)?,
            base_number: extension_list::find(&extensions, ID_CE_DELTA_CRL_INDICATOR)?,
            authority_key_identifier: key_identifier(&extensions)?,
            scope,
            issuers: issuers(&entries)?,
            entries: entries.into_iter().map(RevokedEntry::decode).collect::<der::Result<_>>()?,
            obstacles,
            signed,
        })
    }
}

const V2: u8 = 1;
const LIST_EXTENSIONS: &[ObjectIdentifier] =
    &[ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_CRL_NUMBER, ID_CE_DELTA_CRL_INDICATOR, ID_CE_ISSUING_DISTRIBUTION_POINT];
const ENTRY_EXTENSIONS: &[ObjectIdentifier] = &[ID_CE_CRL_REASONS, ID_CE_INVALIDITY_DATE, ID_CE_CERTIFICATE_ISSUER];

/// RFC 5280 §5.1.
#[derive(der::Sequence)]
struct TbsCertList<'a> {
    version: Option<u8>,
    signature: AlgorithmIdentifierOwned,
    issuer: AnyRef<'a>,
    this_update: TimeField,
    next_update: Option<TimeField>,
    revoked_certificates: Option<Vec<RevokedCertificate<'a>>>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(der::Sequence)]
struct RevokedCertificate<'a> {
    serial: AnyRef<'a>,
    revocation_date: TimeField,
    extensions: Option<Extensions>,
}

impl TbsCertList<'_> {
    /// What the ASN.1 types alone do not say.
    fn check(&self, signed: &Signed<'_>) -> der::Result<()> {
        self.issuer.tag().assert_eq(Tag::Sequence)?;
        let entries = self.revoked_certificates.as_deref();
        let mut lists = self.extensions.iter().chain(entries.unwrap_or_default().iter().filter_map(|entry| entry.extensions.as_ref()));
        let version_fits = match self.version {
            None => lists.clone().next().is_none(),
            Some(version) => version == V2,
        };
        if !version_fits || self.signature != signed.algorithm {
            return Err(ErrorKind::Value { tag: Tag::Sequence }.into());
        }
        lists.try_for_each(|list| extension_list::check(list))
    }
}

fn obstacles(extensions: &[Extension], entries: Option<&[RevokedCertificate<'_>]>, is_indirect: bool) -> Vec<Obstacle> {
    let of_entries = || entries.unwrap_or_default().iter().filter_map(|entry| entry.extensions.as_deref());
    // Whose certificate it is may not be passed over, critical or not.
    let misplaced = of_entries().flatten().filter(|extension| !is_indirect && extension.extn_id == ID_CE_CERTIFICATE_ISSUER);
    let unknown = extension_list::critical_unknown(extensions, LIST_EXTENSIONS)
        .chain(of_entries().flat_map(|list| extension_list::critical_unknown(list, ENTRY_EXTENSIONS)))
        .chain(misplaced.map(|extension| extension.extn_id));
    let empty = entries.is_some_and(<[_]>::is_empty).then_some(Obstacle::EmptyRevokedCertificates);
    let critical = |extension: &Extension| extension.extn_id == ID_CE_CRL_NUMBER && extension.critical;
    let number = extensions.iter().any(critical).then_some(Obstacle::CriticalNumber);
    unknown.map(Obstacle::CriticalExtension).chain(empty).chain(number).collect()
}

/// Where in the list the issuer changes.
fn issuers(entries: &[RevokedCertificate<'_>]) -> der::Result<Vec<(usize, DistinguishedName)>> {
    let named = |(index, entry): (usize, &RevokedCertificate<'_>)| {
        let names = value(entry.extensions.as_deref()?, ID_CE_CERTIFICATE_ISSUER)?;
        let directory = |name| if let GeneralName::Directory(name) = name { Some(name) } else { None };
        let name = GeneralName::list(names).map(|names| names.into_iter().find_map(directory));
        Some(name.and_then(|name| Ok((index, name.ok_or_else(|| Tag::Sequence.value_error())?))))
    };
    entries.iter().enumerate().filter_map(named).collect()
}

fn key_identifier(extensions: &[Extension]) -> der::Result<Option<Vec<u8>>> {
    let identifier = value(extensions, ID_CE_AUTHORITY_KEY_IDENTIFIER).map(AuthorityKeyIdentifierField::parse).transpose()?;
    Ok(identifier.and_then(|identifier| identifier.key_identifier))
}

/// The content of the extension's OCTET STRING.
fn value(extensions: &[Extension], id: ObjectIdentifier) -> Option<&[u8]> {
    extensions.iter().find(|extension| extension.extn_id == id).map(|extension| extension.extn_value.as_bytes())
}

/// The scope of a list that holds what the certificates naming `uri` need: every reason, user and CA certificates alike.
fn shard(uri: &str) -> der::Result<IssuingDistributionPoint> {
    let uri = GeneralNameField::UniformResourceIdentifier(Ia5String::new(uri)?);
    Ok(IssuingDistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![uri])),
        only_contains_user_certs: false,
        only_contains_ca_certs: false,
        only_some_reasons: None,
        indirect_crl: false,
        only_contains_attribute_certs: false,
    })
}

fn is_positive_integer(content: &[u8]) -> bool {
    match content {
        [] | [0] => false,
        [0, second, ..] => *second >= 0x80,
        [first, ..] => *first < 0x80,
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::x509::{fixtures, signed::assemble};

    const URI: &str = "http://ca.example.gov.cn/crl/department-p256-g1/3.crl";

    fn entry(serial: &[u8], reason: Option<CrlReason>, invalidity_date: Option<OffsetDateTime>) -> RevokedEntry {
        RevokedEntry { serial: serial.to_vec(), revoked_at: datetime!(2026-11-20 08:00:00 UTC), reason, invalidity_date }
    }

    fn draft(authority: &fixtures::Authority) -> CrlDraft {
        CrlDraft {
            issuer: authority.name_der(),
            this_update: datetime!(2026-11-22 00:00:00 UTC),
            next_update: datetime!(2026-11-29 00:00:00 UTC),
            number: 0x1_0000_0001,
            authority_key_identifier: authority.key_identifier(),
            distribution_point: Some(URI.to_owned()),
            entries: vec![
                entry(&[0x7f; 20], Some(CrlReason::KeyCompromise), Some(datetime!(2026-11-01 12:30:00 UTC))),
                entry(&[0, 0x80], Some(CrlReason::CertificateHold), None),
                entry(&[5], Some(CrlReason::Unspecified), None),
            ],
            signature_algorithm: authority.signature_algorithm(),
        }
    }

    fn sign(authority: &fixtures::Authority, draft: &CrlDraft) -> Vec<u8> {
        let tbs = draft.tbs_der().unwrap();
        assemble(&tbs, &draft.signature_algorithm, &authority.sign(&tbs), &[]).unwrap()
    }

    #[test]
    fn a_shard_is_read_back_as_it_was_drafted_sorted_and_without_unspecified_reasons() {
        for authority in fixtures::authorities() {
            let draft = draft(&authority);
            let der = sign(&authority, &draft);
            let list = CertificateList::parse(&der).unwrap();

            list.signed.verify(authority.public_key()).unwrap();
            assert_eq!((list.issuer.as_slice(), list.number()), (draft.issuer.as_slice(), Some(draft.number)));
            assert_eq!((list.this_update, list.next_update), (draft.this_update, Some(draft.next_update)));
            assert_eq!(list.distribution_point(), Some(URI));
            assert_eq!(list.authority_key_identifier.as_ref(), Some(&draft.authority_key_identifier));
            assert!(list.obstacles.is_empty());
            assert_eq!(list.entries, [entry(&[5], None, None), draft.entries[1].clone(), draft.entries[0].clone()]);
            assert_eq!(list.find(&[0, 0x80]), Some(&draft.entries[1]));
        }
    }

    #[test]
    fn an_empty_list_has_no_revoked_certificates_and_a_whole_list_no_distribution_point() {
        let authority = fixtures::Authority::p256();
        let draft = CrlDraft { entries: vec![], distribution_point: None, ..draft(&authority) };
        let der = sign(&authority, &draft);
        let list = CertificateList::parse(&der).unwrap();
        assert!(list.entries.is_empty() && list.scope.is_none());
        assert!(TbsCertList::from_der(list.signed.tbs).unwrap().revoked_certificates.is_none());
    }

    #[test]
    fn what_must_not_be_published_cannot_be_drafted() {
        let authority = fixtures::Authority::p256();
        let good = draft(&authority);
        let with_entries = |entries| CrlDraft { entries, ..good.clone() };
        let cases = [
            ("ends before it begins", CrlDraft { next_update: good.this_update, ..good.clone() }),
            ("serial twice", with_entries(vec![entry(&[5], None, None), entry(&[5], None, None)])),
            ("no serial", with_entries(vec![entry(&[], None, None)])),
            ("serial zero", with_entries(vec![entry(&[0], None, None)])),
            ("negative serial", with_entries(vec![entry(&[0x80], None, None)])),
            ("padded serial", with_entries(vec![entry(&[0, 1], None, None)])),
            ("removeFromCRL", with_entries(vec![entry(&[5], Some(CrlReason::RemoveFromCRL), None)])),
            ("a URI beyond ASCII", CrlDraft { distribution_point: Some("http://机关.cn/".to_owned()), ..good.clone() }),
            ("an issuer that is no Name", CrlDraft { issuer: vec![5, 0], ..good.clone() }),
        ];
        for (name, draft) in cases {
            assert!(draft.tbs_der().is_err(), "{name}");
        }
    }

    #[test]
    fn a_list_whose_inner_algorithm_differs_from_the_outer_is_refused() {
        let authority = fixtures::Authority::sm2();
        let draft = draft(&authority);
        let tbs = draft.tbs_der().unwrap();
        let null = authority.public_key().algorithm().signature_algorithm_with_null();
        assert!(CertificateList::parse(&assemble(&tbs, &null, &authority.sign(&tbs), &[]).unwrap()).is_err());

        let national = CrlDraft { signature_algorithm: null.clone(), ..draft };
        let tbs = national.tbs_der().unwrap();
        CertificateList::parse(&assemble(&tbs, &null, &authority.sign(&tbs), &[]).unwrap()).unwrap();
    }

    #[test]
    fn openssl_reads_every_field_and_verifies_the_signature() {
        for authority in fixtures::authorities() {
            let der = sign(&authority, &draft(&authority));
            let Some(openssl) = fixtures::OpenSsl::find() else { return };
            openssl.write("list.crl", &der);
            let text = openssl.run("crl -inform DER -in list.crl -noout -text");
            for expected in [
                "Version 2",
                "Next Update: Nov 29 00:00:00 2026 GMT",
                "X509v3 Issuing Distribution Point: critical",
                URI,
                "4294967297",
                "Serial Number: 7F7F7F7F7F7F7F7F7F7F7F7F7F7F7F7F7F7F7F7F",
                "Key Compromise",
                "Certificate Hold",
                "Nov  1 12:30:00 2026 GMT",
            ] {
                assert!(text.contains(expected), "{expected} is not in\n{text}");
            }
            openssl.verify_signed("list.crl", authority.public_key());
            if authority.public_key().algorithm().name() != "sm2" {
                openssl.write_authority(&authority);
                let text = openssl.run("crl -inform DER -in list.crl -noout -CAfile ca.pem");
                assert!(text.contains("verify OK"), "{text}");
            }
        }
    }

    /// BoringSSL's lists, in `revocation/` of the vectors. Whether one may be relied upon is decided in `validation`; here it is only read.
    #[test]
    fn lists_of_others_are_read_and_malformed_ones_refused() {
        let Some(file) = crate::vectors::read("revocation/crl-verify.json") else { return };
        let vectors: Vec<serde_json::Value> = serde_json::from_slice(&file).unwrap();
        assert!(vectors.len() >= 30);
        for vector in vectors {
            let id = vector["id"].as_str().unwrap();
            let der = BASE64_STANDARD.decode(vector["crl"].as_str().unwrap()).unwrap();
            let parsed = CertificateList::parse(&der);
            let legible = [
                "crl::invalid_idp_onlycontainsusercerts_v1_leaf",
                "crl::invalid_key_rollover_issuer_keyusage_no_crlsign",
                "crl::invalid_revoked_empty_sequence",
            ];
            let expected = !id.starts_with("crl::invalid_") || legible.contains(&id);
            assert_eq!(parsed.is_ok(), expected, "{id}: {parsed:?}");
            let Ok(list) = parsed else { continue };
            let expected = match id {
                "crl::bad_fake_critical_crlentryextension" => 1,
                "crl::invalid_revoked_empty_sequence" => 1,
                _ => 0,
            };
            assert_eq!(list.obstacles.len(), expected, "{id}");
            match vector["expected"].as_str().unwrap() {
                "GOOD" => assert_eq!(list.find(&[5]), None, "{id}"),
                "REVOKED" => assert!(list.find(&[5]).is_some(), "{id}"),
                _ => {}
            }
        }
    }
}
