//! Networks of IP addresses, and which addresses belong to everybody.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// An address and how many of its bits count; the others are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a network as 10.0.0.0/8 or fd00::/8")]
pub struct NotANetwork(String);

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => network.to_bits() == address.to_bits() & mask(32, self.bits) as u32,
            (IpAddr::V6(network), IpAddr::V6(address)) => network.to_bits() == address.to_bits() & mask(128, self.bits),
            _ => false,
        }
    }

    /// Address and mask, as iPAddress has them in name constraints (RFC 5280 §4.2.1.10).
    pub fn octets(&self) -> Vec<u8> {
        match self.address {
            IpAddr::V4(address) => [address.octets(), (mask(32, self.bits) as u32).to_be_bytes()].concat(),
            IpAddr::V6(address) => [address.octets(), mask(128, self.bits).to_be_bytes()].concat(),
        }
    }
}

/// The leading `bits` of `width`.
fn mask(width: u32, bits: u8) -> u128 {
    let all = u128::MAX >> (128 - width);
    all & !all.checked_shr(u32::from(bits)).unwrap_or(0)
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let error = || NotANetwork(text.to_owned());
        let (address, bits) = text.split_once('/').ok_or_else(error)?;
        let network = Self { address: address.parse().map_err(|_| error())?, bits: bits.parse().map_err(|_| error())? };
        let width = if network.address.is_ipv4() { 32 } else { 128 };
        if network.bits <= width && network.contains(network.address) { Ok(network) } else { Err(error()) }
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        format!("{}/{}", network.address, network.bits)
    }
}

/// Whether an address is one of the Internet at large: not of this machine, of a private network, of the link, of the machine's
/// metadata, of many, or of nobody (IANA's registries of special-purpose addresses, RFC 6890).
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || address.is_broadcast();
    let network = |a, b, bits| address.to_bits() >> (32 - bits) == Ipv4Addr::new(a, b, 0, 0).to_bits() >> (32 - bits);
    // "This" network, shared addresses of carriers, protocol assignments, benchmarks, reserved.
    let reserved = network(0, 0, 8)
        || network(100, 64, 10)
        || (network(192, 0, 16) && address.octets()[2] == 0)
        || network(198, 18, 15)
        || network(240, 0, 4);
    !special && !reserved
}

/// Only global unicast addresses, and of those not the ones that stand for an IPv4 address behind a translator or a tunnel.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let global = first & 0xe000 == 0x2000;
    // Teredo and other protocol assignments, documentation, 6to4.
    let special = (first == 0x2001 && (second < 0x0200 || second == 0x0db8)) || first == 0x2002 || first == 0x3fff;
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_and_of_private_networks_are_not_public() {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "240.0.0.1",
            "192.0.2.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fec0::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.1.0.1", "223.255.255.255", "2400:3200::1", "2606:4700::1", "::ffff:1.1.1.1"]
        {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_network_holds_the_addresses_with_its_leading_bits() {
        let network: Network = "10.16.0.0/12".parse().unwrap();
        let holds = |text: &str| network.contains(text.parse().unwrap());
        assert!(holds("10.16.0.1") && holds("10.31.255.255") && holds("::ffff:10.16.0.1"));
        assert!(!holds("10.32.0.0") && !holds("10.15.255.255") && !holds("::1"));
        assert_eq!(network.octets(), [10, 16, 0, 0, 255, 240, 0, 0]);
        assert_eq!("fd00::/8".parse::<Network>().unwrap().octets()[16..], [&[0xff][..], &[0; 15]].concat());
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains(IpAddr::from([8, 8, 8, 8])));
        for text in ["10.0.0.0", "10.0.0.0/33", "10.0.0.1/8", "fd00::/129", "x/8", "10.0.0.0/", "/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
