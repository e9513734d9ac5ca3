//! Histories, told of what was published elsewhere while nobody here listened.
//!
//! A topic without listeners is given up upstream, and what others publish from there on does
//! not come. Its history goes on with what this hub publishes, so a position may stand on
//! either side of such a time, or in its midst. Both its ends are told: a loss as it begins,
//! before the server is asked to let go, to whoever came in that very moment as well; as it
//! ends a loss in the history alone. In between, whoever asks learns from
//! [`Heard`](crate::redis::heard::Heard) that nothing is heard.

use super::Conductor;
use crate::{backplane::Name, pattern::Pattern, topic::Topic};

impl Conductor {
    /// A server brings a name from here on.
    pub(super) fn now_heard(&self, name: Name) {
        let heard = &self.common.heard;
        if !self.inlet.keeps_history() || heard.has(&name) {
            return;
        }
        for topic in self.inlet.kept(&name) {
            if !heard.hears(&topic) {
                self.contained(|| self.inlet.unheard(&topic));
            }
        }
        heard.add(name);
    }

    /// The same, of what the server names.
    pub(super) fn now_heard_as(&self, name: &str, is_pattern: bool) {
        let name = match is_pattern {
            true => Pattern::new(name).map(Name::Pattern).ok(),
            false => Topic::new(name).map(Name::Topic).ok(),
        };
        if let Some(name) = name {
            self.now_heard(name);
        }
    }

    /// Names were let go of, or will be before anything else happens.
    pub(super) fn give_up(&self, names: impl IntoIterator<Item = Name>) {
        let heard = &self.common.heard;
        for name in names {
            if self.is_kept(&name) || !heard.remove(&name) {
                continue;
            }
            for topic in self.inlet.kept(&name) {
                if !heard.hears(&topic) {
                    self.contained(|| self.inlet.lost(&topic, None));
                }
            }
        }
    }

    /// Gives up what the ledgers have let go of.
    pub(super) fn give_up_left(&self) {
        let lines: Vec<_> = self.lines.borrow().values().cloned().collect();
        for line in lines {
            let left = line.ledger.borrow_mut().take_left();
            self.give_up(left);
        }
    }

    /// Whether a link has a name, or will: names move from one to another.
    fn is_kept(&self, name: &Name) -> bool {
        let lines = self.lines.borrow();
        lines.values().any(|line| line.ledger.borrow().keeps(name))
    }
}
