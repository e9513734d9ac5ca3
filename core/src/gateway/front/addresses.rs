//! What is known of each client's address, and forgotten again.
//!
//! An address is remembered while it has a connection, or has lately had so many that
//! its bucket is not full again. The rest is forgotten when the table would grow, so its
//! size follows the connections. Whoever owns many networks can still leave an entry in
//! each: beyond [`MOST_IDLE`] entries without a connection, all of these are forgotten,
//! which forgives their owners up to a second's worth of haste.

use std::net::IpAddr;

use hashbrown::{HashMap, hash_map::Entry};

use super::bucket::Bucket;

/// The most addresses remembered that have no connection.
pub(super) const MOST_IDLE: usize = 65_536;

/// Below this many entries nothing is swept.
const FEW: usize = 1_024;

/// An address as far as limits go by it: IPv6 by /64, which is what one customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Origin(u128);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Origin(v4.to_ipv6_mapped().to_bits()),
            IpAddr::V6(v6) => Origin(v6.to_bits() & !u128::from(u64::MAX)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Connections,
    Rate,
}

pub(super) struct Addresses {
    /// The most connections of one address.
    connections: usize,
    /// The most new ones in a second.
    rate: u32,
    known: HashMap<Origin, Known, ahash::RandomState>,
    /// How many entries it has when it is swept next.
    sweep_at: usize,
}

struct Known {
    connections: usize,
    bucket: Bucket,
}

impl Addresses {
    pub(super) fn new(connections: usize, rate: u32) -> Self {
        Addresses {
            connections,
            rate,
            known: HashMap::default(),
            sweep_at: FEW,
        }
    }

    fn is_limited(&self) -> bool {
        self.connections != usize::MAX || self.is_rated()
    }

    fn is_rated(&self) -> bool {
        self.rate != u32::MAX
    }

    /// Whether one more connection may come from there.
    pub(super) fn check(&mut self, origin: Origin, now: u64) -> Result<(), Full> {
        if !self.is_limited() {
            return Ok(());
        }
        let Some(known) = self.known.get_mut(&origin) else {
            return Ok(());
        };
        if known.connections >= self.connections {
            return Err(Full::Connections);
        }
        if self.rate != u32::MAX && !known.bucket.has_token(self.rate, now) {
            return Err(Full::Rate);
        }
        Ok(())
    }

    /// Counts a connection that was [checked](Self::check) at the same time.
    pub(super) fn enter(&mut self, origin: Origin, now: u64) {
        if !self.is_limited() {
            return;
        }
        if self.known.len() >= self.sweep_at {
            self.sweep(now);
        }
        let rate = self.rate;
        let known = self.known.entry(origin).or_insert_with(|| Known {
            connections: 0,
            bucket: Bucket::full(rate, now),
        });
        known.connections += 1;
        if rate != u32::MAX {
            known.bucket.take();
        }
    }

    /// Counts down a connection that [entered](Self::enter).
    pub(super) fn leave(&mut self, origin: Origin, now: u64) {
        let (rated, rate) = (self.is_rated(), self.rate);
        if let Entry::Occupied(mut entry) = self.known.entry(origin) {
            let known = entry.get_mut();
            known.connections = known.connections.saturating_sub(1);
            if known.connections == 0 && (!rated || known.bucket.is_full(rate, now)) {
                entry.remove();
            }
        }
    }

    fn sweep(&mut self, now: u64) {
        let rate = self.rate;
        self.known
            .retain(|_, known| known.connections > 0 || !known.bucket.is_full(rate, now));
        let busy = self.known.values().filter(|known| known.connections > 0);
        let busy = busy.count();
        if self.known.len() - busy > MOST_IDLE / 2 {
            self.known.retain(|_, known| known.connections > 0);
        }
        let len = self.known.len();
        self.sweep_at = (2 * len).min(busy + MOST_IDLE).max(FEW);
        self.known.shrink_to(self.sweep_at);
    }

    /// How many it remembers.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn origin(n: usize) -> Origin {
        let prefix = 0x2001_0db8_u128 << 96 | (n as u128) << 64;
        Origin::from(IpAddr::from(std::net::Ipv6Addr::from_bits(prefix)))
    }

    #[test]
    fn a_customer_of_ipv6_is_one_origin_and_a_mapped_address_is_its_ipv4() {
        let origin = |text: &str| Origin::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:0:0:2"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
        assert_eq!(origin("::ffff:10.0.0.1"), origin("10.0.0.1"));
        assert_ne!(origin("10.0.0.1"), origin("10.0.0.2"));
        assert_ne!(origin("::"), origin("0.0.0.0"));
    }

    #[test]
    fn an_address_without_connection_and_haste_is_forgotten() {
        let mut addresses = Addresses::new(2, u32::MAX);
        for n in 0..10 {
            addresses.enter(origin(n), 0);
        }
        assert_eq!(addresses.len(), 10);
        (0..10).for_each(|n| addresses.leave(origin(n), 0));
        assert_eq!(addresses.len(), 0);
    }

    #[test]
    fn many_networks_leave_a_bounded_table() {
        let mut addresses = Addresses::new(usize::MAX, 1);
        let mut most = 0;
        for n in 0..3 * MOST_IDLE {
            addresses.enter(origin(n), 0);
            addresses.leave(origin(n), 0);
            most = most.max(addresses.len());
        }
        assert!(most <= MOST_IDLE, "{most}");
        // And once they have waited, the next sweep leaves nothing of them.
        for n in 0..2 * MOST_IDLE {
            let now = 2 * SECOND * (n as u64 + 1);
            addresses.enter(origin(n), now);
            addresses.leave(origin(n), now);
        }
        assert!(addresses.len() <= FEW, "{}", addresses.len());
    }

    #[test]
    fn what_has_a_connection_is_never_forgotten() {
        let mut addresses = Addresses::new(1, 1);
        addresses.enter(origin(usize::MAX), 0);
        for n in 0..2 * MOST_IDLE {
            addresses.enter(origin(n), 0);
            addresses.leave(origin(n), 0);
        }
        let later = addresses.check(origin(usize::MAX), 100 * SECOND);
        assert_eq!(later, Err(Full::Connections));
    }
}
