//! What a connection pushes, brought to where it belongs.

use std::{cell::Cell, rc::Rc};

use bytes::Bytes;

use super::{Conductor, handover::Brought, line::Line, probing::Probes};
use crate::{
    backplane::{Inlet, Origin, Together},
    event::Publication,
    redis::{
        arrival::{Deliver, Stamp},
        inbox::Via,
        migration,
        socket::{Kind, Listener, Push},
        topology::LinkId,
    },
    topic::Topic,
};

/// Where every hub listens and nobody publishes: how many listen is how many there are.
pub(super) const HUBS: &str = "distributary:hubs";

/// What the names of channels begin with that are the backplane's own.
const OWN: &str = "distributary:";

/// Why such a name is refused.
pub(crate) const RESERVED: &str =
    "is the backplane's own: take a name that does not begin with \"distributary:\"";

/// Whether a name is the backplane's own: what it hears there, and who else does, would be
/// mistaken for somebody's listening.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with(OWN) && !migration::is_channel(name)
}

/// What canaries' channels begin with.
const CANARIES: &str = "distributary:canary:";

/// Where this hub publishes what it alone listens to.
pub(super) fn canary(id: u64, link: LinkId) -> String {
    format!("{CANARIES}{id:016x}:{link}")
}

/// The hub.
pub(super) struct Shore<'a> {
    pub(super) inlet: &'a Inlet,
    pub(super) together: &'a mut Together,
}

impl Deliver for Shore<'_> {
    fn event(&mut self, event: Publication<&str>) {
        self.inlet.deliver_together(event, self.together);
    }

    fn numbered(&mut self, event: Publication<&str>, origin: Origin) {
        self.inlet.deliver_numbered(event, origin, self.together);
    }

    fn lost(&mut self, topic: &str, missed: Option<u64>) {
        if let Ok(topic) = Topic::new(topic) {
            self.inlet.lost(&topic, missed);
        }
    }
}

/// Hears one connection.
pub(super) struct Ears {
    pub(super) conductor: Rc<Conductor>,
    pub(super) line: Rc<Line>,
    pub(super) probes: Rc<Probes>,
    pub(super) canary: String,
    pub(super) learned: Cell<bool>,
}

impl Ears {
    fn message(&self, pattern: Option<&[u8]>, channel: &[u8], payload: &[u8], now: Stamp) {
        // Names of the hub are UTF-8; whatever is not was never asked for.
        let Ok(channel) = std::str::from_utf8(channel) else {
            return;
        };
        if channel == self.canary {
            self.probes.heard(payload, now.instant);
            return;
        }
        // A wide pattern brings those of others as well.
        if pattern.is_some() && channel.starts_with(CANARIES) {
            return;
        }
        self.probes.came();
        let (via, pattern) = match pattern {
            None => (Via::Topic, None),
            Some(text) => (Via::Pattern, Some(std::str::from_utf8(text).unwrap_or(""))),
        };
        if !self.line.ledger.borrow().carries(pattern, channel) {
            return;
        }
        let brought = Brought {
            via,
            topic: channel,
            payload,
            at: now,
        };
        if !self.conductor.is_first(&self.line, &brought) {
            return;
        }
        self.conductor.hear(|inbox, shore| {
            if migration::is_channel(channel) {
                // Said again within a second: what is missed of it is no loss.
                let payload = Bytes::copy_from_slice(payload);
                shore.event(Publication::new(channel, payload));
            } else {
                inbox.message(via, channel, payload, now, shore);
            }
        });
    }

    fn confirmed(&self, kind: Kind, joined: bool, name: &[u8], held: u64, now: Stamp) {
        let confirmation = {
            let mut ledger = self.line.ledger.borrow_mut();
            ledger.confirmed(kind, joined, name, held, now.instant)
        };
        self.learned.set(true);
        if let Ok(name) = std::str::from_utf8(name) {
            self.conductor.heeded(confirmation, kind, joined, name, now);
        }
    }
}

impl Listener for Ears {
    fn push(&mut self, push: Push<'_>, now: Stamp) {
        match push {
            Push::Message { channel, payload } | Push::SMessage { channel, payload } => {
                self.message(None, channel, payload, now);
            }
            Push::PMessage {
                pattern,
                channel,
                payload,
            } => self.message(Some(pattern), channel, payload, now),
            Push::Confirmed {
                kind,
                joined,
                name,
                held,
            } => self.confirmed(kind, joined, name, held, now),
            Push::Other => {}
        }
    }

    fn rest(&mut self, now: Stamp) {
        self.conductor.together.borrow_mut().wake();
        self.probes.alive(now.instant);
        self.line.heard.set(now.instant);
        self.conductor.count();
        if self.learned.replace(false) {
            self.line.stirred.notify_one();
            self.line.learned.notify_waiters();
            self.conductor.tidy();
            self.conductor.tell_joined();
        }
    }
}
