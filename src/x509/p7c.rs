//! Certificates in one file: a SignedData without content or signers (`application/pkcs7-mime; smime-type=certs-only`, RFC 5652 §5, RFC 8551 §3.8).

use const_oid::{
    ObjectIdentifier,
    db::rfc5911::{ID_DATA, ID_SIGNED_DATA},
};
use der::{
    Decode, Encode, ErrorKind, Reader, SliceReader, Tag, TagNumber, Tagged,
    asn1::{Any, AnyRef},
};

use super::Error;

const WHAT: &str = "certs-only PKCS#7";
/// Of a SignedData with nothing newer in it than X.509 certificates (RFC 5652 §5.1).
const VERSION: u8 = 1;
const CERTIFICATES: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
const CRLS: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(1) };

/// The file with these certificates. DER sorts a SET, so their order is not kept; nor are repetitions.
pub fn certs_only(certificates: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
    let mut certificates: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    certificates.sort_unstable();
    certificates.dedup();
    encode(&certificates.concat()).map_err(|error| Error::malformed(WHAT, error))
}

/// The certificates of a file, in its order. CRLs and signers beside them are passed over.
pub fn parse(der: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    decode(der).map_err(|error| Error::malformed(WHAT, error))
}

/// RFC 5652 §3.
#[derive(der::Sequence)]
struct ContentInfo {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: Any,
}

fn encode(certificates: &[u8]) -> der::Result<Vec<u8>> {
    let empty_set = AnyRef::new(Tag::Set, &[])?.to_der()?;
    let fields = [
        VERSION.to_der()?,
        empty_set.clone(),
        AnyRef::new(Tag::Sequence, &ID_DATA.to_der()?)?.to_der()?,
        AnyRef::new(CERTIFICATES, certificates)?.to_der()?,
        empty_set,
    ];
    ContentInfo { content_type: ID_SIGNED_DATA, content: Any::new(Tag::Sequence, fields.concat())? }.to_der()
}

fn decode(der: &[u8]) -> der::Result<Vec<Vec<u8>>> {
    let info = ContentInfo::from_der(der)?;
    if info.content_type != ID_SIGNED_DATA {
        return Err(ErrorKind::OidUnknown { oid: info.content_type }.into());
    }
    AnyRef::from(&info.content).sequence(|reader| {
        u8::decode(reader)?;
        AnyRef::decode(reader)?.tag().assert_eq(Tag::Set)?;
        AnyRef::decode(reader)?.tag().assert_eq(Tag::Sequence)?;
        let mut next = AnyRef::decode(reader)?;
        let mut certificates = Vec::new();
        if next.tag() == CERTIFICATES {
            certificates = split(next.value())?;
            next = AnyRef::decode(reader)?;
        }
        if next.tag() == CRLS {
            next = AnyRef::decode(reader)?;
        }
        next.tag().assert_eq(Tag::Set)?;
        Ok(certificates)
    })
}

/// Certificates one behind the other. Other choices of CertificateSet (attribute certificates) are refused.
fn split(content: &[u8]) -> der::Result<Vec<Vec<u8>>> {
    let mut reader = SliceReader::new(content)?;
    let mut certificates = Vec::new();
    while !reader.is_finished() {
        Tag::peek(&reader)?.assert_eq(Tag::Sequence)?;
        certificates.push(reader.tlv_bytes()?.to_vec());
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::fixtures;

    #[test]
    fn what_was_packed_is_unpacked_in_the_order_of_der() {
        let certificates: Vec<Vec<u8>> = fixtures::authorities().iter().map(|authority| authority.certificate().to_vec()).collect();
        let mut expected = certificates.clone();
        expected.sort();
        let der = certs_only(&[certificates.clone(), certificates].concat()).unwrap();
        assert_eq!(parse(&der).unwrap(), expected);
        assert_eq!(parse(&certs_only(&[]).unwrap()).unwrap(), Vec::<Vec<u8>>::new());
        for length in 0..der.len() {
            assert!(parse(&der[..length]).is_err());
        }
    }

    #[test]
    fn openssl_prints_our_certificates_and_we_read_its_file() {
        for authority in fixtures::authorities() {
            let Some(openssl) = fixtures::OpenSsl::find() else { return };
            let holder = authority.certify_holder(authority.public_key(), &[9]);
            openssl.write("our.p7c", &certs_only(&[holder, authority.certificate().to_vec()]).unwrap());
            let text = openssl.run("pkcs7 -inform DER -in our.p7c -print_certs -noout");
            assert_eq!(text.matches("subject=").count(), 2, "{text}");

            openssl.write_authority(&authority);
            openssl.run("crl2pkcs7 -nocrl -certfile ca.pem -outform DER -out their.p7c");
            assert_eq!(parse(&openssl.read("their.p7c")).unwrap(), [authority.certificate()]);
        }
    }
}
