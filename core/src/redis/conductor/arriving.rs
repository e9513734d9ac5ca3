//! What a connection pushes, brought to where it belongs.

use std::{
    cell::Cell,
    collections::{HashMap, VecDeque},
    rc::Rc,
};

use bytes::Bytes;

use super::{Conductor, line::Line, probing::Probes};
use crate::{
    backplane::Inlet,
    event::{Content, Publication},
    redis::{
        arrival::{Deliver, Stamp},
        figures::Figures,
        socket::{Listener, Push},
        topology::LinkId,
    },
    topic::Topic,
};

/// Where every hub listens and nobody publishes: how many listen is how many there are.
pub(super) const HUBS: &str = "distributary:hubs";

/// Where this hub publishes what it alone listens to.
pub(super) fn canary(id: u64, link: LinkId) -> String {
    format!("distributary:canary:{id:016x}:{link}")
}

/// The hub.
pub(super) struct Shore<'a> {
    pub(super) inlet: &'a Inlet,
    pub(super) figures: &'a Figures,
}

impl Deliver for Shore<'_> {
    fn event(&mut self, event: Publication<&str>) {
        self.inlet.deliver(event);
        self.figures.arrived.add(1);
    }

    fn lost(&mut self, topic: &str, missed: Option<u64>) {
        self.figures.gaps.add(1);
        self.figures.lost.add(missed.unwrap_or(0));
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
        let conductor = &self.conductor;
        let pattern = pattern.map(|pattern| std::str::from_utf8(pattern).unwrap_or_default());
        if self.line.mute.get()
            || !self.line.ledger.borrow().carries(pattern, channel)
            || conductor.echoes.borrow_mut().take(channel, payload)
        {
            return;
        }
        let mut shore = Shore {
            inlet: &conductor.inlet,
            figures: &conductor.common.figures,
        };
        let content = Content::plain(Bytes::copy_from_slice(payload));
        conductor.contained(|| {
            shore.event(Publication {
                topic: channel,
                content,
            });
        });
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
            Push::Confirmed { kind, joined, name } => {
                let mut ledger = self.line.ledger.borrow_mut();
                ledger.confirmed(kind, joined, name, now.instant);
                self.learned.set(true);
            }
            Push::Other => {}
        }
    }

    fn rest(&mut self, now: Stamp) {
        self.probes.alive(now.instant);
        self.line.heard.set(now.instant);
        if self.learned.replace(false) {
            self.line.stirred.notify_one();
            self.line.learned.notify_waiters();
            self.conductor.tell_joined();
        }
    }
}

/// What was sent plain and comes back.
#[derive(Default)]
pub(super) struct Echoes {
    sent: HashMap<String, VecDeque<u64>>,
    hasher: ahash::RandomState,
}

impl Echoes {
    pub(super) fn sent(&mut self, channel: &str, payload: &[u8]) {
        let hash = self.hasher.hash_one(payload);
        self.sent
            .entry(channel.to_owned())
            .or_default()
            .push_back(hash);
    }

    fn take(&mut self, channel: &str, payload: &[u8]) -> bool {
        if self.sent.is_empty() {
            return false;
        }
        let Some(sent) = self.sent.get_mut(channel) else {
            return false;
        };
        let hash = self.hasher.hash_one(payload);
        let Some(at) = sent.iter().position(|&one| one == hash) else {
            return false;
        };
        sent.remove(at);
        if sent.is_empty() {
            self.sent.remove(channel);
        }
        true
    }

    pub(super) fn broken(&mut self) {
        self.sent.clear();
    }
}
