//! Networks of addresses, as `10.0.0.0/8` writes them.

use std::net::IpAddr;

/// An IPv4 or IPv6 network. Canonical: the host bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Net {
    is_v6: bool,
    bytes: [u8; 16],
    length: u8,
}

impl Net {
    /// Reads `address/length`; host bits may be set and are dropped. `None` for anything else, a bare address included.
    pub(crate) fn parse(text: &str) -> Option<Net> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        // `parse` would take a plus sign and leading zeros.
        if length.len() > 3
            || !length.bytes().all(|b| b.is_ascii_digit())
            || (length.len() > 1 && length.starts_with('0'))
        {
            return None;
        }
        let length: u8 = length.parse().ok()?;
        let (is_v6, bits) = address_bits(address);
        if length > if is_v6 { 128 } else { 32 } {
            return None;
        }
        Some(Net {
            is_v6,
            bytes: (bits & mask(length)).to_be_bytes(),
            length,
        })
    }

    /// Whether this is a network of IPv6 addresses.
    pub(crate) fn is_v6(&self) -> bool {
        self.is_v6
    }

    /// How many leading bits all its addresses share.
    pub(crate) fn length(&self) -> u8 {
        self.length
    }

    /// The shared bits, leading; an IPv4 network has its 32 bits first.
    pub(crate) fn bits(&self) -> u128 {
        u128::from_be_bytes(self.bytes)
    }

    /// Whether `address` belongs to it. A v4-mapped IPv6 address is an IPv6 address and nothing else.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let (is_v6, bits) = address_bits(address);
        is_v6 == self.is_v6 && bits & mask(self.length) == self.bits()
    }
}

/// Whether it is IPv6, and its bits from the top of the word.
pub(crate) fn address_bits(address: IpAddr) -> (bool, u128) {
    match address {
        IpAddr::V4(address) => (false, u128::from(address.to_bits()) << 96),
        IpAddr::V6(address) => (true, address.to_bits()),
    }
}

/// The first `length` bits set.
pub(crate) fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership() {
        for (net, address, expected) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.9.9.9/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("1.2.3.4/32", "1.2.3.4", true),
            ("1.2.3.4/32", "1.2.3.5", false),
            ("0.0.0.0/0", "::1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", false),
            ("::/0", "::ffff:10.0.0.1", true),
            ("::/0", "10.0.0.1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::1/128", "::1", true),
        ] {
            let net = Net::parse(net).expect(net);
            assert_eq!(
                net.contains(address.parse().unwrap()),
                expected,
                "{net:?} {address}"
            );
        }
    }

    #[test]
    fn refused() {
        for text in [
            "10.0.0.1",
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0/8",
            "x/8",
            "/8",
            "",
        ] {
            assert_eq!(Net::parse(text), None, "{text}");
        }
    }
}
