//! TimeStampReq (RFC 3161 §2.4.1).

use der::{
    Decode, Encode,
    asn1::{AnyRef, Int, ObjectIdentifier},
};
use x509_cert::ext::Extensions;

use super::{Error, MessageImprint, MessageImprintFields, Number};

const WHAT: &str = "TimeStampReq";
const VERSION: u8 = 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStampRequest {
    pub imprint: MessageImprint,
    pub policy: Option<ObjectIdentifier>,
    pub nonce: Option<Number>,
    /// Whether the token is to carry the authority's certificate.
    pub wants_certificate: bool,
    /// The extensions that it has, critical or not: an authority that knows none must refuse (RFC 3161 §2.4.1).
    pub extensions: Vec<ObjectIdentifier>,
}

impl TimeStampRequest {
    /// The largest request that is looked at.
    pub const MAX_SIZE: usize = 8 * 1024;

    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        if der.len() > Self::MAX_SIZE {
            return Err(Error::malformed(WHAT, "larger than 8 KiB"));
        }
        Self::decode(der).map_err(|error| Error::malformed(WHAT, error))
    }

    pub fn to_der(&self) -> Result<Vec<u8>, Error> {
        self.encode().map_err(|error| Error::malformed(WHAT, error))
    }

    fn decode(der: &[u8]) -> der::Result<Self> {
        let fields = Fields::from_der(der)?;
        if fields.version != VERSION {
            return Err(der::Tag::Integer.value_error().into());
        }
        Ok(Self {
            imprint: MessageImprint::decode(&fields.imprint)?,
            policy: fields.policy,
            nonce: fields.nonce.as_ref().map(Number::decode).transpose()?,
            wants_certificate: fields.wants_certificate,
            extensions: fields.extensions.unwrap_or_default().iter().map(|extension| extension.extn_id).collect(),
        })
    }

    /// We ask with no extensions.
    fn encode(&self) -> der::Result<Vec<u8>> {
        let nonce = self.nonce.as_ref().map(Number::encode).transpose()?;
        OwnFields {
            version: VERSION,
            imprint: self.imprint.encode()?,
            policy: self.policy,
            nonce,
            wants_certificate: self.wants_certificate,
        }
        .to_der()
    }
}

#[derive(der::Sequence)]
struct Fields<'a> {
    version: u8,
    imprint: MessageImprintFields<'a>,
    #[asn1(optional = "true")]
    policy: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(default = "Default::default")]
    wants_certificate: bool,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", constructed = "true", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(der::Sequence)]
struct OwnFields<'a> {
    version: u8,
    imprint: MessageImprintFields<'a>,
    #[asn1(optional = "true")]
    policy: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    nonce: Option<AnyRef<'a>>,
    #[asn1(default = "Default::default")]
    wants_certificate: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::Digest, x509::fixtures::OpenSsl};

    #[test]
    fn a_request_is_read_as_it_was_made_and_openssl_reads_it_too() {
        let Some(openssl) = OpenSsl::find() else { return };
        for digest in [Digest::Sha256, Digest::Sha384, Digest::Sm3] {
            for (policy, nonce, wants_certificate) in
                [(None, None, false), (Some("1.2.3.4".parse().unwrap()), Some(Number::positive(&[0xff, 1, 2])), true)]
            {
                let request = TimeStampRequest {
                    imprint: MessageImprint::of(digest, b"message"),
                    policy,
                    nonce,
                    wants_certificate,
                    extensions: vec![],
                };
                let der = request.to_der().unwrap();
                assert_eq!(TimeStampRequest::parse(&der).unwrap(), request);
                openssl.write("request.tsq", &der);
                let text = openssl.run("ts -query -in request.tsq -text");
                assert!(text.contains(if wants_certificate { "Certificate required: yes" } else { "Certificate required: no" }), "{text}");
                assert_eq!(text.contains("Nonce: 0xFF0102"), wants_certificate, "{text}");
                for length in 0..der.len() {
                    assert!(TimeStampRequest::parse(&der[..length]).is_err());
                }
            }
        }
    }

    #[test]
    fn openssl_requests_are_read() {
        let Some(openssl) = OpenSsl::find() else { return };
        openssl.write("message", b"message");
        for (digest, option) in [(Digest::Sha256, "-sha256"), (Digest::Sm3, "-sm3")] {
            openssl.run(&format!("ts -query -data message {option} -cert -tspolicy 1.2.3.4 -out request.tsq"));
            let request = TimeStampRequest::parse(&openssl.read("request.tsq")).unwrap();
            assert_eq!(request.imprint, MessageImprint::of(digest, b"message"));
            assert!(request.wants_certificate && request.nonce.is_some() && request.policy == Some("1.2.3.4".parse().unwrap()));
        }
    }

    #[test]
    fn numbers_are_positive_and_of_a_bounded_length() {
        for (octets, expected) in [(&[0x80][..], "0080"), (&[0, 0, 0x7f], "7f"), (&[0], "00"), (&[], "00")] {
            assert_eq!(Number::positive(octets).to_string(), expected);
        }
        let request = |nonce: &[u8]| TimeStampRequest {
            imprint: MessageImprint::of(Digest::Sha256, b""),
            policy: None,
            nonce: Some(Number::positive(nonce)),
            wants_certificate: false,
            extensions: vec![],
        };
        assert!(TimeStampRequest::parse(&request(&[1; 64]).to_der().unwrap()).is_ok());
        assert!(TimeStampRequest::parse(&request(&[1; 65]).to_der().unwrap()).is_err());
    }
}
