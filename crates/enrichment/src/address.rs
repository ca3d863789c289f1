//! Addresses as CloudTrail writes them, and networks to hold them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address that a text is; one that maps IPv4 into IPv6 is the IPv4 address. `None` for a service's name and for
/// whatever else is no address.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Whether an address is of no place: private, loopback, link-local or shared space, also where IPv6 maps it.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || a == 0 || is_shared
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

/// A network: an address whose bits beyond the prefix are zero, and the length of the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Network {
    pub(crate) address: IpAddr,
    pub(crate) prefix_bits: u8,
}

impl Network {
    /// Reads `address/prefix`, or an address alone, which is a network of one. The error says what to write.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| "write an address and a prefix, such as 198.51.100.0/24".to_owned())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            None => bits_max,
            Some(prefix) => {
                let is_plain = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
                let bits = prefix.parse().ok().filter(|bits| is_plain && *bits <= bits_max);
                bits.ok_or_else(|| format!("write a prefix from 0 to {bits_max}"))?
            }
        };
        let network = Self::of(address, prefix_bits);
        if network.address != address {
            let Self { address, prefix_bits } = network;
            return Err(format!("clear the bits beyond the prefix: {address}/{prefix_bits}"));
        }
        Ok(network.canonical())
    }

    /// The network of this length that holds an address.
    pub(crate) fn of(address: IpAddr, prefix_bits: u8) -> Self {
        let address = match address {
            IpAddr::V4(v4) => {
                let beyond = u32::MAX.checked_shr(prefix_bits.into()).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & !beyond))
            }
            IpAddr::V6(v6) => {
                let beyond = u128::MAX.checked_shr(prefix_bits.into()).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !beyond))
            }
        };
        Self { address, prefix_bits }
    }

    /// A network of mapped addresses as the IPv4 network that it is, because addresses are looked up as IPv4.
    fn canonical(self) -> Self {
        match self.address.to_canonical() {
            IpAddr::V4(v4) if self.address.is_ipv6() && self.prefix_bits >= 96 => {
                Self { address: IpAddr::V4(v4), prefix_bits: self.prefix_bits - 96 }
            }
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_read_as_addresses() {
        for (text, expected) in [
            ("192.0.2.7", Some("192.0.2.7")),
            ("::ffff:192.0.2.7", Some("192.0.2.7")),
            ("2001:DB8::1", Some("2001:db8::1")),
            ("cloudformation.amazonaws.com", None),
            ("AWS Internal", None),
            ("192.0.2.7 ", None),
            ("", None),
        ] {
            let read = parse(text).map(|address| address.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn private_addresses_are_those_of_ip_kind() {
        for (text, expected) in [
            ("10.0.0.1", true),
            ("172.31.255.255", true),
            ("192.168.0.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("127.0.0.1", true),
            ("169.254.169.254", true),
            ("0.0.0.0", true),
            ("203.0.113.9", false),
            ("::1", true),
            ("::", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn networks_are_read_or_say_what_to_write() {
        for (text, expected) in [
            ("198.51.100.0/24", Ok("198.51.100.0/24")),
            ("198.51.100.7", Ok("198.51.100.7/32")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("2001:db8::/32", Ok("2001:db8::/32")),
            ("::/0", Ok("::/0")),
            ("::ffff:192.0.2.0/120", Ok("192.0.2.0/24")),
            ("198.51.100.7/24", Err("198.51.100.0/24")),
            ("198.51.100.0/33", Err("0 to 32")),
            ("198.51.100.0/+8", Err("0 to 32")),
            ("2001:db8::/129", Err("0 to 128")),
            ("198.51.100.0/", Err("0 to 32")),
            ("office", Err("such as")),
        ] {
            match (Network::parse(text), expected) {
                (Ok(read), Ok(expected)) => {
                    assert_eq!(format!("{}/{}", read.address, read.prefix_bits), expected);
                }
                (Err(help), Err(part)) => assert!(help.contains(part), "{text}: {help}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9a-f:./]{0,30}|.{0,20}") {
            if let Ok(network) = Network::parse(&text) {
                prop_assert_eq!(Network::of(network.address, network.prefix_bits), network);
            }
            prop_assert!(parse(&text).is_none_or(|address| address == address.to_canonical()));
        }
    }
}
