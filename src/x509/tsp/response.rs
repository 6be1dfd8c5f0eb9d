//! TimeStampResp (RFC 3161 §2.4.2).

use der::{
    Decode, Encode, Tag,
    asn1::{AnyRef, BitStringRef},
};

use super::Error;

const WHAT: &str = "TimeStampResp";
const GRANTED: u8 = 0;
const GRANTED_WITH_MODS: u8 = 1;
const REJECTION: u8 = 2;

/// PKIFailureInfo: why there is no token. The number is that of the bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Failure {
    /// The hash function is not known or not trusted any more.
    BadAlgorithm = 0,
    BadRequest = 2,
    /// The request cannot be read, or the hash has not the length of its function.
    BadDataFormat = 5,
    /// The clock is behind what was stamped already.
    TimeNotAvailable = 14,
    UnacceptedPolicy = 15,
    UnacceptedExtension = 16,
    AddInfoNotAvailable = 17,
    SystemFailure = 25,
}

impl Failure {
    const ALL: [Self; 8] = [
        Self::BadAlgorithm,
        Self::BadRequest,
        Self::BadDataFormat,
        Self::TimeNotAvailable,
        Self::UnacceptedPolicy,
        Self::UnacceptedExtension,
        Self::AddInfoNotAvailable,
        Self::SystemFailure,
    ];

    /// The name in RFC 3161 §2.4.2.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadAlgorithm => "badAlg",
            Self::BadRequest => "badRequest",
            Self::BadDataFormat => "badDataFormat",
            Self::TimeNotAvailable => "timeNotAvailable",
            Self::UnacceptedPolicy => "unacceptedPolicy",
            Self::UnacceptedExtension => "unacceptedExtension",
            Self::AddInfoNotAvailable => "addInfoNotAvailable",
            Self::SystemFailure => "systemFailure",
        }
    }
}

/// A response as received. Nothing was checked but its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeStampResponse<'a> {
    /// The ContentInfo of the token.
    Granted(&'a [u8]),
    Rejected(Rejection),
}

/// Why an authority gave no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// `None`: without a reason, or with one that is not known here.
    pub failure: Option<Failure>,
    /// What it says about it.
    pub text: String,
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let failure = self.failure.map_or("no reason that is known", Failure::name);
        // The text is a stranger's: on a terminal it must be text.
        write!(formatter, "{failure}: {}", self.text.escape_debug())
    }
}

impl<'a> TimeStampResponse<'a> {
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        let fields = Fields::from_der(der).map_err(|error| Error::malformed(WHAT, error))?;
        let (_, token) = split(der).map_err(|error| Error::malformed(WHAT, error))?;
        match (fields.status.status, fields.token) {
            (GRANTED | GRANTED_WITH_MODS, Some(_)) => Ok(Self::Granted(token)),
            (GRANTED | GRANTED_WITH_MODS, None) => Err(Error::malformed(WHAT, "granted and empty")),
            (_, Some(_)) => Err(Error::malformed(WHAT, "refused, with a token")),
            (_, None) => Ok(Self::Rejected(Rejection { failure: fields.status.failure(), text: fields.status.text() })),
        }
    }
}

/// A whole response around a token.
pub fn granted(token: &[u8]) -> Result<Vec<u8>, Error> {
    let encode = || {
        let status = StatusInfo { status: GRANTED, text: None, failure: None };
        Fields { status, token: Some(AnyRef::from_der(token)?) }.to_der()
    };
    encode().map_err(|error| Error::malformed(WHAT, error))
}

/// A whole response without one. `text` tells a person what to do about it.
pub fn rejection(failure: Failure, text: &str) -> Result<Vec<u8>, Error> {
    // A named bit list ends with its last bit that is set (X.690 §11.2.2).
    let bit = failure as u8;
    let mut octets = vec![0; usize::from(bit / 8) + 1];
    octets[usize::from(bit / 8)] = 0x80 >> (bit % 8);
    let encode = || {
        let text = vec![AnyRef::new(Tag::Utf8String, text.as_bytes())?];
        let status = StatusInfo { status: REJECTION, text: Some(text), failure: Some(BitStringRef::new(7 - bit % 8, &octets)?) };
        Fields { status, token: None }.to_der()
    };
    encode().map_err(|error| Error::malformed(WHAT, error))
}

/// The two parts of a response with a token, each whole.
fn split(der: &[u8]) -> der::Result<(&[u8], &[u8])> {
    let content = AnyRef::from_der(der)?.value();
    let status = Decode::from_der_partial(content).map(|(any, _): (AnyRef<'_>, _)| any)?;
    Ok(content.split_at(usize::try_from(status.encoded_len()?)?))
}

#[derive(der::Sequence)]
struct Fields<'a> {
    status: StatusInfo<'a>,
    #[asn1(optional = "true")]
    token: Option<AnyRef<'a>>,
}

#[derive(der::Sequence)]
struct StatusInfo<'a> {
    status: u8,
    #[asn1(optional = "true")]
    text: Option<Vec<AnyRef<'a>>>,
    #[asn1(optional = "true")]
    failure: Option<BitStringRef<'a>>,
}

impl StatusInfo<'_> {
    fn failure(&self) -> Option<Failure> {
        let octets = self.failure.as_ref()?.raw_bytes();
        let is_set = |bit: u8| octets.get(usize::from(bit / 8)).is_some_and(|octet| octet & 0x80 >> (bit % 8) != 0);
        Failure::ALL.into_iter().find(|failure| is_set(*failure as u8))
    }

    fn text(&self) -> String {
        let lines = self.text.iter().flatten().filter_map(|line| std::str::from_utf8(line.value()).ok());
        lines.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why_and_a_grant_carries_its_token() {
        let der = "300f 300d 020102 3004 0c0261 62 03020780".replace(' ', "");
        assert_eq!(hex::encode(rejection(Failure::BadAlgorithm, "ab").unwrap()), der);
        for failure in Failure::ALL {
            let response = rejection(failure, "为什么").unwrap();
            let expected = Rejection { failure: Some(failure), text: "为什么".to_owned() };
            assert_eq!(TimeStampResponse::parse(&response).unwrap(), TimeStampResponse::Rejected(expected));
        }
        let bare = TimeStampResponse::parse(&[0x30, 5, 0x30, 3, 2, 1, 2]).unwrap();
        assert_eq!(bare, TimeStampResponse::Rejected(Rejection { failure: None, text: String::new() }));
        let told = Rejection { failure: Some(Failure::BadAlgorithm), text: "\u{1b}[2J是".to_owned() };
        assert_eq!(told.to_string(), "badAlg: \\u{1b}[2J是");
        let token = [0x30, 3, 2, 1, 5];
        assert_eq!(TimeStampResponse::parse(&granted(&token).unwrap()).unwrap(), TimeStampResponse::Granted(&token));
    }

    #[test]
    fn contradictions_are_refused() {
        for der in ["30053003020100", "300a300302010230030201 05"] {
            assert!(TimeStampResponse::parse(&hex::decode(der.replace(' ', "")).unwrap()).is_err(), "{der}");
        }
    }
}
