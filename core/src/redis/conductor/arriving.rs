//! What a connection pushes, brought to where it belongs.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use bytes::Bytes;

use super::{Conductor, handover::Brought, line::Line, probing::Probes};
use crate::{
    backplane::{Inlet, Origin, Together},
    event::Publication,
    redis::{
        arrival::{Deliver, Stamp},
        figures::Figure,
        inbox::Via,
        migration,
        names::is_reserved,
        socket::{Kind, Listener, Push},
    },
    topic::Topic,
};

/// The hub. What panics there is counted, event by event: whoever hands events on is in the
/// midst of something, such as a log that it reads.
pub(super) struct Shore<'a> {
    pub(super) inlet: &'a Inlet,
    pub(super) together: &'a mut Together,
    pub(super) panics: &'a Figure,
}

impl Shore<'_> {
    fn contained<T>(&mut self, call: impl FnOnce(&Inlet, &mut Together) -> T) {
        let Shore {
            inlet, together, ..
        } = self;
        if catch_unwind(AssertUnwindSafe(|| call(inlet, together))).is_err() {
            self.panics.add(1);
        }
    }
}

impl Deliver for Shore<'_> {
    fn event(&mut self, event: Publication<&str>) {
        self.contained(|inlet, together| inlet.deliver_together(event, together));
    }

    fn numbered(&mut self, event: Publication<&str>, origin: Origin) {
        self.contained(|inlet, together| inlet.deliver_numbered(event, origin, together));
    }

    fn lost(&mut self, topic: &str, missed: Option<u64>) {
        if let Ok(topic) = Topic::new(topic) {
            self.contained(|inlet, _| inlet.lost(&topic, missed));
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
        // A wide pattern brings these as well, and nobody's events travel there. Hubs hear each
        // other's stages by the name of the channel.
        if pattern.is_some() && is_reserved(channel) {
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

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;
    use crate::{
        backplane::{Change, Name, Upstream},
        event::Content,
        redis::{
            inbox::{Inbox, Page},
            log::repair::{Entry, Head, Position},
            modes::Modes,
            wire::envelope::{self, Stamps},
        },
    };

    /// Panics over the first event.
    #[derive(Default)]
    struct Hub {
        has_panicked: AtomicBool,
        heard: Mutex<Vec<Option<u64>>>,
    }

    impl Upstream for Hub {
        fn next_change(&self) -> Option<Change> {
            None
        }

        fn changes(&self) -> usize {
            0
        }

        fn end_changes(&self) {}

        fn is_wanted(&self, _: &Name) -> bool {
            true
        }

        fn deliver(&self, _: &str, _: Content, origin: Option<Origin>, _: &mut Together) -> u64 {
            if !self.has_panicked.swap(true, Ordering::Relaxed) {
                panic!("of the hub");
            }
            let serial = origin.map(|origin| origin.serial);
            self.heard.lock().unwrap().push(serial);
            1
        }

        fn lost(&self, _: &Topic, _: Option<u64>) {}

        fn keeps_history(&self) -> bool {
            false
        }

        fn kept(&self, _: &Name) -> Vec<Topic> {
            Vec::new()
        }

        fn unheard(&self, _: &Topic) {}

        fn is_closed(&self) -> bool {
            false
        }

        fn tidy(&self) {}
    }

    #[test]
    fn a_panic_over_one_event_of_a_log_costs_no_other() {
        let hub = Arc::new(Hub::default());
        let panics = Figure::default();
        let mut shore = Shore {
            inlet: &Inlet::of(Arc::clone(&hub) as Arc<dyn Upstream>),
            together: &mut Together::default(),
            panics: &panics,
        };
        let now = Stamp::now();
        let at = |number| Position { lineage: 1, number };
        let head = |number| Head {
            newest: at(number),
            before: None,
        };
        let entry = |number| {
            let stamps = Stamps {
                lineage: 1,
                number,
                publisher: 7,
                serial: number,
                micros: now.micros,
            };
            let mut bytes = Vec::new();
            envelope::encode(&stamps, &Publication::new("t", "x"), &mut bytes);
            Entry { number, bytes }
        };
        let mut inbox = Inbox::new(0, Modes::default(), now);
        inbox.placed("t", Some(head(5)), now);
        // Seven and eight are held until six and seven have been read.
        for number in [7, 8] {
            inbox.message(Via::Topic, "t", &entry(number).bytes, now, &mut shore);
        }
        let read = inbox.next_read().unwrap();
        let page = Page {
            head: Some(head(8)),
            entries: &[entry(6), entry(7)],
            is_last: true,
        };
        inbox.read(&read, page, now, &mut shore);
        inbox.message(Via::Topic, "t", &entry(9).bytes, now, &mut shore);
        assert_eq!(*hub.heard.lock().unwrap(), [Some(7), Some(8), Some(9)]);
        assert_eq!(panics.get(), 1);
    }
}
