//! Who may come in, as far as numbers go.
//!
//! Pure: time and the memory held come in as arguments, nothing is locked and nothing is
//! written. [`Door`](super::door::Door) is the shell around it that has a lock and a
//! clock.
//!
//! A connection is checked against every limit before it is counted by any, so that one
//! that is refused takes nothing from the others. Behind proxies the address is known
//! only when the head has been read: then it is counted by the limits in total first
//! and by those of its address later.

use super::{
    addresses::{Addresses, Full, Origin},
    bucket::Bucket,
    refused::Refused,
};
use crate::gateway::limits::Limits;

pub(super) struct Admission {
    most_connections: usize,
    most_handshakes: usize,
    rate: u32,
    memory: Option<u64>,
    draining: bool,
    connections: usize,
    handshakes: usize,
    bucket: Bucket,
    addresses: Addresses,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        Admission {
            most_connections: limits.connections,
            most_handshakes: limits.handshakes,
            rate: limits.per_second,
            memory: limits.memory,
            draining: false,
            connections: 0,
            handshakes: 0,
            bucket: Bucket::full(limits.per_second, 0),
            addresses: Addresses::new(limits.per_address, limits.per_address_per_second),
        }
    }

    /// A newcomer, from here unless that is not known yet. When it is admitted it counts
    /// as a connection and as a handshake under way.
    pub(super) fn enter(
        &mut self,
        now: u64,
        memory: u64,
        origin: Option<Origin>,
    ) -> Result<(), Refused> {
        self.check(memory)?;
        if self.handshakes >= self.most_handshakes {
            return Err(Refused::Handshakes);
        }
        self.join(now, memory, origin)?;
        self.handshakes += 1;
        Ok(())
    }

    /// A connection whose handshake somebody else has seen to.
    pub(super) fn join(
        &mut self,
        now: u64,
        memory: u64,
        origin: Option<Origin>,
    ) -> Result<(), Refused> {
        self.check(memory)?;
        if self.rate != u32::MAX && !self.bucket.has_token(self.rate, now) {
            return Err(Refused::Rate);
        }
        if let Some(origin) = origin {
            self.place(now, origin)?;
        }
        if self.rate != u32::MAX {
            self.bucket.take();
        }
        self.connections += 1;
        Ok(())
    }

    fn check(&self, memory: u64) -> Result<(), Refused> {
        if self.draining {
            return Err(Refused::Draining);
        }
        if self.memory.is_some_and(|most| memory > most) {
            return Err(Refused::Memory);
        }
        if self.connections >= self.most_connections {
            return Err(Refused::Connections);
        }
        Ok(())
    }

    /// It is known now where this one, admitted before, comes from.
    pub(super) fn place(&mut self, now: u64, origin: Origin) -> Result<(), Refused> {
        self.addresses
            .check(origin, now)
            .map_err(|full| match full {
                Full::Connections => Refused::AddressConnections,
                Full::Rate => Refused::AddressRate,
            })?;
        self.addresses.enter(origin, now);
        Ok(())
    }

    /// A handshake is over, well or not.
    pub(super) fn shaken(&mut self) {
        self.handshakes -= 1;
    }

    /// A connection is over.
    pub(super) fn leave(&mut self, now: u64, origin: Option<Origin>) {
        self.connections -= 1;
        if let Some(origin) = origin {
            self.addresses.leave(origin, now);
        }
    }

    /// From now on nobody is admitted.
    pub(super) fn drain(&mut self) {
        self.draining = true;
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;

    const SECOND: u128 = 1_000_000_000;

    /// The same limits, by their definitions: everything that was ever admitted is kept,
    /// and counted anew for each newcomer.
    struct Naive {
        limits: Limits,
        draining: bool,
        /// When, from where, whether it lives and whether its handshake is under way.
        admitted: Vec<(u64, Origin, bool, bool)>,
    }

    impl Naive {
        fn enter(&self, now: u64, memory: u64, origin: Origin) -> Result<(), Refused> {
            let limits = &self.limits;
            let live = self.admitted.iter().filter(|a| a.2);
            let here = live.clone().filter(|a| a.1 == origin).count();
            let when = |from: Option<Origin>| -> Vec<u64> {
                let admitted = self.admitted.iter();
                let admitted = admitted.filter(|a| from.is_none_or(|from| a.1 == from));
                admitted.map(|a| a.0).collect()
            };
            let reasons = [
                (self.draining, Refused::Draining),
                (limits.memory.is_some_and(|m| memory > m), Refused::Memory),
                (
                    live.clone().count() >= limits.connections,
                    Refused::Connections,
                ),
                (
                    live.clone().filter(|a| a.3).count() >= limits.handshakes,
                    Refused::Handshakes,
                ),
                (!within(limits.per_second, &when(None), now), Refused::Rate),
                (here >= limits.per_address, Refused::AddressConnections),
                (
                    !within(limits.per_address_per_second, &when(Some(origin)), now),
                    Refused::AddressRate,
                ),
            ];
            reasons.iter().find(|r| r.0).map_or(Ok(()), |r| Err(r.1))
        }
    }

    /// Whether one more at `now` keeps to the rate: over no stretch of time that ends
    /// now may there be more than what it brings and one second's worth beyond.
    fn within(rate: u32, admitted: &[u64], now: u64) -> bool {
        let rate = u128::from(rate);
        admitted.iter().enumerate().all(|(i, from)| {
            let with_this = (admitted.len() - i + 1) as u128;
            with_this * SECOND <= rate * SECOND + u128::from(now - from) * rate
        }) && rate >= 1
    }

    #[derive(Debug, Clone)]
    enum Step {
        Enter { address: u8, memory: u64 },
        Shaken(usize),
        Leave(usize),
        Wait(u64),
        Drain,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            12 => (0..4_u8, 0..12_u64).prop_map(|(address, memory)| Step::Enter { address, memory }),
            4 => any::<usize>().prop_map(Step::Shaken),
            4 => any::<usize>().prop_map(Step::Leave),
            4 => (0..1_500_000_000_u64).prop_map(Step::Wait),
            1 => Just(Step::Wait(5_000_000_000)),
        ];
        let steps = prop::collection::vec(step, 0..120);
        (steps, any::<bool>()).prop_map(|(mut steps, drain)| {
            if drain {
                steps.insert(steps.len() / 2, Step::Drain);
            }
            steps
        })
    }

    fn limits() -> impl Strategy<Value = Limits> {
        let count = prop_oneof![1..8_usize, Just(usize::MAX)];
        let rate = prop_oneof![1..8_u32, Just(u32::MAX)];
        (
            count.clone(),
            rate.clone(),
            count.clone(),
            rate,
            count,
            prop::option::of(5..12_u64),
        )
            .prop_map(|(connections, rate, here, rate_here, handshakes, memory)| {
                let limits = Limits::default()
                    .connections(connections)
                    .per_second(rate)
                    .per_address(here)
                    .per_address_per_second(rate_here)
                    .handshakes(handshakes);
                match memory {
                    Some(bytes) => limits.memory(bytes),
                    None => limits,
                }
            })
    }

    proptest! {
        #[test]
        fn admits_what_the_definitions_admit(limits in limits(), steps in steps()) {
            let mut admission = Admission::new(&limits);
            let mut naive = Naive { limits, draining: false, admitted: Vec::new() };
            let mut now = 0;
            for step in steps {
                match step {
                    Step::Enter { address, memory } => {
                        let origin = IpAddr::from(Ipv4Addr::new(10, 0, 0, address)).into();
                        let expected = naive.enter(now, memory, origin);
                        prop_assert_eq!(admission.enter(now, memory, Some(origin)), expected);
                        if expected.is_ok() {
                            naive.admitted.push((now, origin, true, true));
                        }
                    }
                    Step::Shaken(which) => {
                        let mut shaking: Vec<_> =
                            naive.admitted.iter_mut().filter(|a| a.2 && a.3).collect();
                        if !shaking.is_empty() {
                            let which = which % shaking.len();
                            shaking[which].3 = false;
                            admission.shaken();
                        }
                    }
                    Step::Leave(which) => {
                        let mut live: Vec<_> =
                            naive.admitted.iter_mut().filter(|a| a.2).collect();
                        if !live.is_empty() {
                            let which = which % live.len();
                            let gone = &mut live[which];
                            gone.2 = false;
                            if std::mem::take(&mut gone.3) {
                                admission.shaken();
                            }
                            admission.leave(now, Some(gone.1));
                        }
                    }
                    Step::Wait(nanos) => now += nanos,
                    Step::Drain => {
                        naive.draining = true;
                        admission.drain();
                    }
                }
            }
        }
    }

    #[test]
    fn an_address_known_later_is_counted_later() {
        let limits = Limits::default().per_address(1);
        let mut admission = Admission::new(&limits);
        let origin = IpAddr::from([10, 0, 0, 1]).into();
        admission.enter(0, 0, None).unwrap();
        admission.enter(0, 0, None).unwrap();
        admission.place(0, origin).unwrap();
        let second = admission.place(0, origin);
        assert_eq!(second, Err(Refused::AddressConnections));
        // The one that was never placed leaves no trace there.
        admission.leave(0, None);
        admission.leave(0, Some(origin));
        admission.place(0, origin).unwrap();
    }
}
