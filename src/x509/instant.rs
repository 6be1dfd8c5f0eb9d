//! Instants between `time` and the two time types of X.509.

use std::time::Duration;

use der::{
    DateTime,
    asn1::{GeneralizedTime, UtcTime},
};
use time::OffsetDateTime;
use x509_cert::time::Time;

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
}
