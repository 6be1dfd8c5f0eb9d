//! Objects that a parser must survive, and take or refuse.

use der::{Decode, Reader, Tag, Tagged, asn1::AnyRef};
use hufu::x509::{
    Certificate, Error,
    crl::CertificateList,
    ocsp::{OcspRequest, OcspResponse},
    request::CertificationRequest,
    signed::assemble,
};
use serde_json::Value;

use crate::{Answer, octets, signatures};

pub fn judge(case: &Value) -> Answer {
    let der = match octets(case, "der") {
        Ok(der) => der,
        Err(error) => return Answer::new("rejected", error),
    };
    let parsed = match case["object"].as_str().unwrap_or_default() {
        "cert" => Certificate::parse(&der).map(drop),
        "tbs" => tbs(&der),
        "crl" => CertificateList::parse(&der).map(drop),
        "csr" => CertificationRequest::parse(&der).map(drop),
        "cms" => match signatures::parse(&der) {
            // Encrypted, digested and the like: whole, and nothing here reads them further.
            Err(Error::OtherContent(_)) => Ok(()),
            read => read,
        },
        "cmp" => message(&der),
        "ocsp-req" => OcspRequest::parse(&der).map(drop),
        "ocsp-resp" => OcspResponse::parse(&der).map(drop),
        other => return Answer::new("SKIPPED", format!("no such object here: {other}")),
    };
    match parsed {
        // The object was read; only its key is of a kind that nobody here may have certified.
        Ok(()) | Err(Error::Crypto(hufu::crypto::Error::UnknownAlgorithm(_))) => Answer::new("parsed", ""),
        Err(error) => Answer::new("rejected", error),
    }
}

/// A PKIMessage (RFC 9810 §5.1), whose parts nothing here reads yet: header and body, then protection and certificates.
fn message(der: &[u8]) -> Result<(), Error> {
    let split = || -> der::Result<()> {
        let mut reader = der::SliceReader::new(AnyRef::from_der(der)?.value())?;
        AnyRef::decode(&mut reader)?.tag().assert_eq(Tag::Sequence)?;
        AnyRef::decode(&mut reader)?;
        while !reader.is_finished() {
            AnyRef::decode(&mut reader)?;
        }
        Ok(())
    };
    split().map_err(|error| Error::Malformed { what: "PKIMessage", why: error.to_string() })
}

/// A TBSCertificate alone, read as part of a certificate with an empty signature of the algorithm that it names itself.
fn tbs(der: &[u8]) -> Result<(), Error> {
    let algorithm = || -> der::Result<spki::AlgorithmIdentifierOwned> {
        let content = AnyRef::from_der(der)?;
        let mut reader = der::SliceReader::new(content.value())?;
        if reader.peek_byte() == Some(0xa0) {
            reader.tlv_bytes()?;
        }
        reader.tlv_bytes()?;
        spki::AlgorithmIdentifierOwned::decode(&mut reader)
    };
    let algorithm = algorithm().map_err(|error| Error::Malformed { what: "TBSCertificate", why: error.to_string() })?;
    Certificate::parse(&assemble(der, &algorithm, &[], &[])?).map(drop)
}
