//! TSTInfo, what a time-stamping authority signs (RFC 3161 §2.4.2).

use der::{
    Decode, Encode, Tag, Tagged,
    asn1::{AnyRef, Int, ObjectIdentifier},
};
use time::{Duration, OffsetDateTime, PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description};
use x509_cert::ext::Extensions;

use super::{Error, MessageImprint, MessageImprintFields, Number};

const WHAT: &str = "TSTInfo";
const VERSION: u8 = 1;
const GENERAL_NAME: Tag = Tag::ContextSpecific { constructed: true, number: der::TagNumber(0) };
const SECONDS: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day][hour][minute][second]");

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TstInfo {
    pub policy: ObjectIdentifier,
    pub imprint: MessageImprint,
    pub serial: Number,
    pub time: OffsetDateTime,
    pub accuracy: Option<Accuracy>,
    /// Whether the tokens of this authority are in the order of their times, whatever their accuracy.
    pub ordering: bool,
    pub nonce: Option<Number>,
    /// Critical extensions, none of which is known here: with any, the token says nothing.
    pub critical_unknown: Vec<ObjectIdentifier>,
}

/// How far the time may be off, either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accuracy(pub Duration);

impl TstInfo {
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        Self::decode(der).map_err(|error| Error::malformed(WHAT, error))
    }

    /// To be signed. The time has milliseconds; there are no extensions and no name, which the signer's certificate says.
    pub fn to_der(&self) -> Result<Vec<u8>, Error> {
        self.encode().map_err(|error| Error::malformed(WHAT, error))
    }

    /// The latest instant that it proves the message to be older than.
    pub fn not_later_than(&self) -> OffsetDateTime {
        self.accuracy.map_or(self.time, |accuracy| self.time.checked_add(accuracy.0).unwrap_or(self.time))
    }

    fn decode(der: &[u8]) -> der::Result<Self> {
        let fields = Fields::from_der(der)?;
        let value = |tag: Tag| Err(tag.value_error().into());
        if fields.version != VERSION {
            return value(Tag::Integer);
        }
        if fields.name.as_ref().is_some_and(|name| name.tag() != GENERAL_NAME) {
            return value(GENERAL_NAME);
        }
        Ok(Self {
            policy: fields.policy,
            imprint: MessageImprint::decode(&fields.imprint)?,
            serial: Number::decode(&fields.serial)?,
            time: decode_time(fields.time)?,
            accuracy: fields.accuracy.map(|accuracy| accuracy.decode()).transpose()?,
            ordering: fields.ordering,
            nonce: fields.nonce.as_ref().map(Number::decode).transpose()?,
            critical_unknown: fields
                .extensions
                .unwrap_or_default()
                .iter()
                .filter(|extension| extension.critical)
                .map(|extension| extension.extn_id)
                .collect(),
        })
    }

    fn encode(&self) -> der::Result<Vec<u8>> {
        let time = encode_time(self.time)?;
        OwnFields {
            version: VERSION,
            policy: self.policy,
            imprint: self.imprint.encode()?,
            serial: self.serial.encode()?,
            time: AnyRef::new(Tag::GeneralizedTime, time.as_bytes())?,
            accuracy: self.accuracy.map(AccuracyFields::encode).transpose()?,
            ordering: self.ordering,
            nonce: self.nonce.as_ref().map(Number::encode).transpose()?,
        }
        .to_der()
    }
}

/// `YYYYMMDDhhmmss[.s…]Z`, where the fraction ends in no zero.
fn decode_time(any: AnyRef<'_>) -> der::Result<OffsetDateTime> {
    let refused = || der::Error::from(Tag::GeneralizedTime.value_error());
    any.tag().assert_eq(Tag::GeneralizedTime)?;
    let text = std::str::from_utf8(any.value()).ok().and_then(|text| text.strip_suffix('Z')).ok_or_else(refused)?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    if whole.len() != 14 || !whole.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(refused());
    }
    let time = PrimitiveDateTime::parse(whole, SECONDS).map_err(|_| refused())?.assume_utc();
    let Some(fraction) = fraction else { return Ok(time) };
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|digit| digit.is_ascii_digit()) && !fraction.ends_with('0');
    let nanoseconds = format!("{fraction:0<9}").parse().ok().filter(|_| is_fraction).ok_or_else(refused)?;
    time.replace_nanosecond(nanoseconds).map_err(|_| refused())
}

fn encode_time(time: OffsetDateTime) -> der::Result<String> {
    let utc = time.to_offset(time::UtcOffset::UTC);
    let whole = utc.format(SECONDS).map_err(|_| der::Error::from(Tag::GeneralizedTime.value_error()))?;
    let fraction = format!(".{:03}", utc.millisecond());
    Ok(format!("{whole}{}Z", fraction.trim_end_matches('0').trim_end_matches('.')))
}

#[derive(der::Sequence)]
struct Fields<'a> {
    version: u8,
    policy: ObjectIdentifier,
    imprint: MessageImprintFields<'a>,
    serial: Int,
    time: AnyRef<'a>,
    #[asn1(optional = "true")]
    accuracy: Option<AccuracyFields>,
    #[asn1(default = "Default::default")]
    ordering: bool,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    name: Option<AnyRef<'a>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(der::Sequence)]
struct OwnFields<'a> {
    version: u8,
    policy: ObjectIdentifier,
    imprint: MessageImprintFields<'a>,
    serial: AnyRef<'a>,
    time: AnyRef<'a>,
    #[asn1(optional = "true")]
    accuracy: Option<AccuracyFields>,
    #[asn1(default = "Default::default")]
    ordering: bool,
    #[asn1(optional = "true")]
    nonce: Option<AnyRef<'a>>,
}

#[derive(der::Sequence)]
struct AccuracyFields {
    #[asn1(optional = "true")]
    seconds: Option<u32>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    milliseconds: Option<u16>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    microseconds: Option<u16>,
}

impl AccuracyFields {
    fn encode(accuracy: Accuracy) -> der::Result<Self> {
        let part = |value: i64| u16::try_from(value).ok().filter(|value| *value != 0);
        Ok(Self {
            seconds: u32::try_from(accuracy.0.whole_seconds()).ok().filter(|seconds| *seconds != 0),
            milliseconds: part(i64::from(accuracy.0.subsec_milliseconds())),
            microseconds: part(i64::from(accuracy.0.subsec_microseconds() % 1000)),
        })
    }

    /// Milli- and microseconds are 1 to 999.
    fn decode(&self) -> der::Result<Accuracy> {
        if [self.milliseconds, self.microseconds].into_iter().flatten().any(|part| !(1..=999).contains(&part)) {
            return Err(Tag::Integer.value_error().into());
        }
        let part = |part: Option<u16>| i64::from(part.unwrap_or(0));
        let fraction = Duration::microseconds(part(self.milliseconds) * 1000 + part(self.microseconds));
        Ok(Accuracy(Duration::seconds(i64::from(self.seconds.unwrap_or(0))) + fraction))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::crypto::Digest;

    #[test]
    fn what_is_encoded_is_read_again() {
        for (time, accuracy, nonce) in [
            (datetime!(2026-11-25 08:00:00 UTC), None, None),
            (datetime!(2026-11-25 08:00:00.120 UTC), Some(Accuracy(Duration::seconds(1))), Some(Number::positive(&[7; 8]))),
            (datetime!(2050-01-01 00:00:00.001 UTC), Some(Accuracy(Duration::microseconds(1_002_003))), None),
        ] {
            let info = TstInfo {
                policy: "1.2.3".parse().unwrap(),
                imprint: MessageImprint::of(Digest::Sm3, b"message"),
                serial: Number::positive(&[0x40; 20]),
                time,
                accuracy,
                ordering: nonce.is_some(),
                nonce,
                critical_unknown: Vec::new(),
            };
            let der = info.to_der().unwrap();
            assert_eq!(TstInfo::parse(&der).unwrap(), info);
            for length in 0..der.len() {
                assert!(TstInfo::parse(&der[..length]).is_err());
            }
        }
    }

    #[test]
    fn a_time_is_utc_to_the_second_or_finer_in_one_form() {
        let decode = |text: &str| decode_time(AnyRef::new(Tag::GeneralizedTime, text.as_bytes()).unwrap());
        assert_eq!(decode("20261125080000Z").unwrap(), datetime!(2026-11-25 08:00 UTC));
        assert_eq!(decode("20261125080000.123456789Z").unwrap(), datetime!(2026-11-25 08:00:00.123456789 UTC));
        for wrong in [
            "20261125080000",
            "202611250800Z",
            "20261125080000.Z",
            "20261125080000.10Z",
            "20261125080000+0800",
            "20261325080000Z",
            "2026112508000xZ",
        ] {
            assert!(decode(wrong).is_err(), "{wrong}");
        }
        assert_eq!(encode_time(datetime!(2026-11-25 16:00:00.5 +8)).unwrap(), "20261125080000.5Z");
    }
}
