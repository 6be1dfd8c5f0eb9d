//! Instants between `time` and the two time types of X.509.

use std::time::Duration;

use der::{
    Choice, DateTime, Decode, Encode, Length, Reader, Tag, Tagged, Writer,
    asn1::{AnyRef, GeneralizedTime, UtcTime},
};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime};
use x509_cert::time::Time;

/// A Time of a certificate or CRL (RFC 5280 §4.1.2.5), of any year: some begin in 1950, and UTCTime has no other way to say
/// "since ever".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeField(pub OffsetDateTime);

impl TimeField {
    fn read(time: AnyRef<'_>) -> der::Result<Self> {
        let digits = time.value();
        let instant = match time.tag() {
            // Two digits stand for 1950 to 2049.
            Tag::UtcTime => digits.split_at_checked(2).and_then(|(year, rest)| {
                let year = pair(year)?;
                seconds(if year < 50 { 2000 } else { 1900 } + i32::from(year), rest)
            }),
            Tag::GeneralizedTime => digits.split_at_checked(4).and_then(|(year, rest)| {
                let (century, year) = (pair(&year[..2])?, pair(&year[2..])?);
                seconds(i32::from(century) * 100 + i32::from(year), rest)
            }),
            _ => None,
        };
        instant.map(Self).ok_or_else(|| time.tag().value_error().into())
    }
}

/// `MMDDHHMMSSZ` of a year: seconds always, and never a fraction or an offset.
fn seconds(year: i32, rest: &[u8]) -> Option<OffsetDateTime> {
    let [digits @ .., b'Z'] = rest else { return None };
    if digits.len() != 10 {
        return None;
    }
    let mut pairs = digits.chunks(2).map(pair);
    let mut next = || pairs.next().flatten();
    let date = Date::from_calendar_date(year, Month::try_from(next()?).ok()?, next()?).ok()?;
    let time = time::Time::from_hms(next()?, next()?, next()?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc())
}

fn pair(digits: &[u8]) -> Option<u8> {
    match digits {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    }
}

impl<'a> Decode<'a> for TimeField {
    type Error = der::Error;

    fn decode<R: Reader<'a>>(reader: &mut R) -> der::Result<Self> {
        Self::read(AnyRef::decode(reader)?)
    }
}

impl Encode for TimeField {
    fn encoded_len(&self) -> der::Result<Length> {
        time(self.0)?.encoded_len()
    }

    fn encode(&self, writer: &mut impl Writer) -> der::Result<()> {
        time(self.0)?.encode(writer)
    }
}

impl Tagged for TimeField {
    fn tag(&self) -> Tag {
        if self.0.year() <= i32::from(UtcTime::MAX_YEAR) { Tag::UtcTime } else { Tag::GeneralizedTime }
    }
}

impl<'a> Choice<'a> for TimeField {
    fn can_decode(tag: Tag) -> bool {
        matches!(tag, Tag::UtcTime | Tag::GeneralizedTime)
    }
}

/// UTCTime to 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5, GB/T 20518 §5.2.3). Fractions of a second are cut off.
pub(super) fn time(instant: OffsetDateTime) -> der::Result<Time> {
    let date = date(instant)?;
    if date.year() <= UtcTime::MAX_YEAR {
        Ok(Time::UtcTime(UtcTime::from_date_time(date)?))
    } else {
        Ok(Time::GeneralTime(GeneralizedTime::from_date_time(date)))
    }
}

/// Without a fraction of a second, as DER and RFC 5280 §4.1.2.5.2 demand.
pub(super) fn generalized_time(instant: OffsetDateTime) -> der::Result<GeneralizedTime> {
    Ok(GeneralizedTime::from_date_time(date(instant)?))
}

pub(super) fn from_time(time: Time) -> der::Result<OffsetDateTime> {
    from_seconds(time.to_unix_duration())
}

pub(super) fn from_generalized_time(time: GeneralizedTime) -> der::Result<OffsetDateTime> {
    from_seconds(time.to_unix_duration())
}

fn date(instant: OffsetDateTime) -> der::Result<DateTime> {
    let seconds = u64::try_from(instant.unix_timestamp()).map_err(|_| der::ErrorKind::DateTime)?;
    DateTime::from_unix_duration(Duration::from_secs(seconds))
}

fn from_seconds(since_epoch: Duration) -> der::Result<OffsetDateTime> {
    let seconds = i64::try_from(since_epoch.as_secs()).map_err(|_| der::ErrorKind::DateTime)?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| der::ErrorKind::DateTime.into())
}

#[cfg(test)]
mod tests {
    use der::Encode;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_time_is_two_digit_to_2049_and_four_digit_from_2050() {
        let cases = [
            (datetime!(2026-11-22 01:02:03.999 UTC), "170d3236313132323031303230335a"),
            (datetime!(2049-12-31 23:59:59 UTC), "170d3439313233313233353935395a"),
            (datetime!(2050-01-01 00:00:00 UTC), "180f32303530303130313030303030305a"),
        ];
        for (instant, expected) in cases {
            let encoded = time(instant).unwrap();
            assert_eq!(hex::encode(encoded.to_der().unwrap()), expected);
            assert_eq!(from_time(encoded).unwrap(), instant.replace_nanosecond(0).unwrap());
        }
        assert!(time(datetime!(1969-12-31 23:59:59 UTC)).is_err());
    }

    #[test]
    fn times_of_others_are_of_any_year_and_of_one_form() {
        let cases: [(&[u8], Option<OffsetDateTime>); 13] = [
            (b"\x17\x0d500101120100Z", Some(datetime!(1950-01-01 12:01 UTC))),
            (b"\x17\x0d491231235959Z", Some(datetime!(2049-12-31 23:59:59 UTC))),
            (b"\x17\x0d700101000000Z", Some(datetime!(1970-01-01 00:00 UTC))),
            (b"\x18\x0f00010101000000Z", Some(datetime!(0001-01-01 00:00 UTC))),
            (b"\x18\x0f99991231235959Z", Some(datetime!(9999-12-31 23:59:59 UTC))),
            (b"\x17\x0b5001011201Z", None),
            (b"\x17\x115001011201+0800Z", None),
            (b"\x17\x0d500101120160Z", None),
            (b"\x17\x0d500230120100Z", None),
            (b"\x17\x0d5001 1120100Z", None),
            (b"\x18\x1120300101000000.5", None),
            (b"\x18\x0d500101120100Z", None),
            (b"\x17\x0f20300101000000Z", None),
        ];
        for (der, expected) in cases {
            assert_eq!(TimeField::from_der(der).ok().map(|instant| instant.0), expected, "{}", String::from_utf8_lossy(der));
        }
    }
}
