//! Admission with a lock, a clock and a count that goes down by itself.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http::{StatusCode, header};

use super::{addresses::Origin, admission::Admission, memory::Memory, refused::Refused};
use crate::{
    gateway::{Shared, verdict::Reject},
    sync::{Mutex, MutexGuard, Queue},
};

/// Where newcomers are counted in. Everything counted is counted out again by the drop
/// of a [`Seat`], on whatever thread that happens.
///
/// That may be a lane, which does not wait for those who come in: while the lock is
/// taken it leaves a note instead, and whoever has the lock next carries it out before
/// anything else.
pub(super) struct Door {
    shared: Arc<Shared>,
    opened: Instant,
    admission: Mutex<Admission>,
    /// Those who left while the lock was taken.
    left: Queue<Departure>,
    /// Only where a limit asks for it.
    memory: Option<Mutex<Memory>>,
    /// What jitter is drawn with: a hash of a running number under random keys.
    chance: ahash::RandomState,
    drawn: AtomicU64,
}

impl Door {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let limits = &shared.limits;
        Door {
            shared: Arc::clone(shared),
            opened: Instant::now(),
            admission: Mutex::new(Admission::new(limits)),
            left: Queue::new(),
            memory: limits.memory.map(|_| Mutex::new(Memory::new())),
            chance: ahash::RandomState::new(),
            drawn: AtomicU64::new(0),
        }
    }

    /// Counts a newcomer in, with a handshake before it.
    pub(super) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Seat, Refused> {
        let origin = address.map(Origin::from);
        let (now, memory) = self.look();
        self.open_admission().enter(now, memory, origin)?;
        let handshaking = &self.shared.meters.front.handshaking;
        handshaking.fetch_add(1, Ordering::Relaxed);
        Ok(self.seat(origin, true))
    }

    /// Counts a connection in whose handshake was seen to elsewhere.
    pub(super) fn join(self: &Arc<Self>) -> Result<Seat, Refused> {
        let (now, memory) = self.look();
        self.open_admission().join(now, memory, None)?;
        Ok(self.seat(None, false))
    }

    fn seat(self: &Arc<Self>, origin: Option<Origin>, shaking: bool) -> Seat {
        Seat {
            door: Arc::clone(self),
            origin,
            shaking,
        }
    }

    /// With everybody counted out who has left.
    fn admission(&self) -> MutexGuard<'_, Admission> {
        let mut admission = self.admission.lock();
        self.see_off(&mut admission);
        admission
    }

    fn see_off(&self, admission: &mut Admission) {
        while let Some(departure) = self.left.pop() {
            departure.carry_out(admission);
        }
    }

    fn look(&self) -> (u64, u64) {
        let memory = self.memory.as_ref().map_or(0, |memory| {
            let core = self.shared.hub.core();
            let known = || core.gauge.total() + core.log_gauge.total();
            memory.lock().held(Instant::now(), known)
        });
        (self.now(), memory)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// From now on nobody comes in.
    pub(super) fn drain(&self) {
        self.admission().drain();
    }

    pub(super) fn is_draining(&self) -> bool {
        self.open_admission().is_draining()
    }

    /// Of a closed hub there is nothing to be had: nobody is let in to be told so.
    fn open_admission(&self) -> MutexGuard<'_, Admission> {
        let mut admission = self.admission();
        if self.shared.hub.is_closed() {
            admission.drain();
        }
        admission
    }

    /// What somebody is told who was turned away here.
    pub(super) fn answer(&self, refused: Refused) -> Reject {
        let status = match refused {
            Refused::AddressConnections | Refused::AddressRate => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut reject = Reject::with(status).body(refused.to_string());
        let seconds = self.retry_after();
        reject.headers.insert(header::RETRY_AFTER, seconds.into());
        reject
    }

    /// In how many seconds this one is to come back: each is told its own time, so that
    /// those who were turned away together do not return together.
    pub(super) fn retry_after(&self) -> u64 {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let (least, most) = self.shared.limits.retry_after;
        between(least, most, self.chance.hash_one(number))
    }
}

/// A time in whole seconds, rounded up, as far from the least to the most as `draw` is
/// from 0 to 2^64.
fn between(least: Duration, most: Duration, draw: u64) -> u64 {
    let span = most.saturating_sub(least).as_millis();
    let millis = least.as_millis() + ((span * u128::from(draw)) >> 64);
    u64::try_from(millis.div_ceil(1_000)).unwrap_or(u64::MAX)
}

/// A place that was counted in; dropping it counts it out.
pub(super) struct Seat {
    door: Arc<Door>,
    origin: Option<Origin>,
    shaking: bool,
}

impl Seat {
    /// It is known now where this one comes from.
    pub(super) fn place(&mut self, address: IpAddr) -> Result<(), Refused> {
        let origin = Origin::from(address);
        let now = self.door.now();
        self.door.admission().place(now, origin)?;
        self.origin = Some(origin);
        Ok(())
    }

    /// The handshake is over; the connection goes on.
    pub(super) fn shaken(&mut self) {
        if std::mem::take(&mut self.shaking) {
            self.door.admission().shaken();
            self.count_out();
        }
    }

    fn count_out(&self) {
        let handshaking = &self.door.shared.meters.front.handshaking;
        handshaking.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let door = &self.door;
        door.left.push(Departure {
            at: door.now(),
            origin: self.origin,
            shaking: self.shaking,
        });
        if let Some(mut admission) = door.admission.try_lock() {
            door.see_off(&mut admission);
        }
        if self.shaking {
            self.count_out();
        }
    }
}

/// Somebody who has left.
struct Departure {
    at: u64,
    origin: Option<Origin>,
    /// In the middle of the handshake.
    shaking: bool,
}

impl Departure {
    fn carry_out(self, admission: &mut Admission) {
        if self.shaking {
            admission.shaken();
        }
        admission.leave(self.at, self.origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_come_back_are_spread_over_the_whole_range() {
        let (least, most) = (Duration::from_millis(500), Duration::from_secs(4));
        assert_eq!(between(least, most, 0), 1);
        assert_eq!(between(least, most, u64::MAX), 4);
        assert_eq!(between(least, most, u64::MAX / 2), 3);
        assert_eq!(between(least, least, u64::MAX), 1);
    }
}
