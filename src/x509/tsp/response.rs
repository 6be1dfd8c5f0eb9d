//! TimeStampResp (RFC 3161 §2.4.2).

use der::{
    Decode, Encode,
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
    /// The hash has not the length of its function.
    BadDataFormat = 5,
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
}

/// A response as received. Nothing was checked but its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeStampResponse<'a> {
    /// The ContentInfo of the token.
    Granted(&'a [u8]),
    /// `None`: without a reason, or with one that is not known here.
    Rejected(Option<Failure>),
}

impl<'a> TimeStampResponse<'a> {
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        let fields = Fields::from_der(der).map_err(|error| Error::malformed(WHAT, error))?;
        let (_, token) = split(der).map_err(|error| Error::malformed(WHAT, error))?;
        match (fields.status.status, fields.token) {
            (GRANTED | GRANTED_WITH_MODS, Some(_)) => Ok(Self::Granted(token)),
            (GRANTED | GRANTED_WITH_MODS, None) => Err(Error::malformed(WHAT, "granted and empty")),
            (_, Some(_)) => Err(Error::malformed(WHAT, "refused, with a token")),
            (_, None) => Ok(Self::Rejected(fields.status.failure())),
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

/// A whole response without one.
pub fn rejection(failure: Failure) -> Result<Vec<u8>, Error> {
    // A named bit list ends with its last bit that is set (X.690 §11.2.2).
    let bit = failure as u8;
    let mut octets = vec![0; usize::from(bit / 8) + 1];
    octets[usize::from(bit / 8)] = 0x80 >> (bit % 8);
    let encode = || {
        let status = StatusInfo { status: REJECTION, text: None, failure: Some(BitStringRef::new(7 - bit % 8, &octets)?) };
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why_and_a_grant_carries_its_token() {
        assert_eq!(hex::encode(rejection(Failure::BadAlgorithm).unwrap()), "30093007020102030207 80".replace(' ', ""));
        for failure in Failure::ALL {
            assert_eq!(TimeStampResponse::parse(&rejection(failure).unwrap()).unwrap(), TimeStampResponse::Rejected(Some(failure)));
        }
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
