//! Serial numbers of certificates.

use time::OffsetDateTime;

use crate::world::{Entropy, random, seconds};

/// Twenty octets: four of time, so that neighbours in time are neighbours in an index, and sixteen random.
/// Always positive and always the same length in DER (RFC 5280 §4.1.2.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber([u8; 20]);

impl SerialNumber {
    /// The prefix never has its top bit set (positive) and always has one of the next seven set (never shorter).
    pub fn generate(entropy: &dyn Entropy, now: OffsetDateTime) -> Self {
        let mut octets = [0; 20];
        octets[..4].copy_from_slice(&time_prefix(now).to_be_bytes());
        octets[4..].copy_from_slice(&random::<16>(entropy));
        Self(octets)
    }

    /// From the content octets of a DER INTEGER; `None` when it is not one of ours.
    pub fn from_slice(octets: &[u8]) -> Option<Self> {
        let octets: [u8; 20] = octets.try_into().ok()?;
        (0x01..=0x7f).contains(&octets[0]).then_some(Self(octets))
    }

    pub fn from_hex(text: &str) -> Option<Self> {
        Self::from_slice(&hex::decode(text).ok()?)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The CRL shard that lists this certificate: fixed for life by the serial's random last octets.
    pub fn shard(&self, shards: u16) -> u16 {
        u16::from_be_bytes([self.0[18], self.0[19]]) % shards.max(1)
    }
}

impl std::fmt::Display for SerialNumber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for SerialNumber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SerialNumber({self})")
    }
}

/// Seconds since 1970 in the low 30 bits of 0x4000_0000–0x7fff_ffff: grows with time, wraps once in 34 years.
fn time_prefix(now: OffsetDateTime) -> u32 {
    0x4000_0000 | (seconds(now) & 0x3fff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::SystemEntropy;

    #[test]
    fn a_serial_is_positive_twenty_octets_and_grows_with_time() {
        for seconds in [0, 1, 0x3fff_ffff, 0x4000_0000, 0x7fff_ffff, 0x8000_0000, 253_402_300_799] {
            let now = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            let serial = SerialNumber::generate(&SystemEntropy, now);
            assert!((0x40..=0x7f).contains(&serial.as_bytes()[0]), "{seconds}");
            assert_eq!(SerialNumber::from_hex(&serial.to_string()), Some(serial));
        }
        let at = |seconds| SerialNumber::generate(&SystemEntropy, OffsetDateTime::from_unix_timestamp(seconds).unwrap());
        assert!(at(1_795_000_000) < at(1_795_000_001));
    }

    #[test]
    fn two_serials_of_one_second_differ() {
        let now = OffsetDateTime::UNIX_EPOCH;
        assert_ne!(SerialNumber::generate(&SystemEntropy, now), SerialNumber::generate(&SystemEntropy, now));
    }
}
