//! Sinks: where the measured lanes put their events.

use std::time::{Duration, Instant};

use distributary::{CloseReason, Event, Flow, Sink, Token};

use crate::Outcome;

/// Looks at every event and counts it.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) missed: u64,
}

impl Count {
    /// Checks that so many events arrived since the last look, and none was missed.
    pub(crate) fn expect(&mut self, events: u64) -> Outcome<()> {
        let seen = std::mem::take(self);
        match seen.events == events && seen.missed == 0 {
            true => Ok(()),
            false => Err(format!("expected {events} events, got {seen:?}").into()),
        }
    }
}

impl Sink for Count {
    fn deliver(&mut self, _to: Token, events: &[Event]) -> Flow {
        self.events += events.len() as u64;
        self.bytes += events.iter().map(|e| e.payload().len() as u64).sum::<u64>();
        Flow::Taken
    }

    fn lagged(&mut self, _to: Token, missed: u64) -> Flow {
        self.missed += missed;
        Flow::Taken
    }

    fn closed(&mut self, _to: Token, _reason: CloseReason) {}
}

/// Takes a while for every delivery, as a socket does.
#[derive(Debug)]
pub(crate) struct Slow {
    pub(crate) takes: Duration,
    pub(crate) count: Count,
}

impl Sink for Slow {
    fn deliver(&mut self, to: Token, events: &[Event]) -> Flow {
        let until = Instant::now() + self.takes;
        let flow = self.count.deliver(to, events);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        flow
    }

    fn lagged(&mut self, to: Token, missed: u64) -> Flow {
        self.count.lagged(to, missed)
    }

    fn closed(&mut self, to: Token, reason: CloseReason) {
        self.count.closed(to, reason);
    }
}
