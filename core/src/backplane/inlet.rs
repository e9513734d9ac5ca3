//! Where a backplane puts what comes from other machines, and asks what this hub wants.

use std::fmt;

use super::interest::{Change, Name};
#[cfg(feature = "redis")]
use crate::event::Content;
use crate::{event::Publication, hub::core::Core, sync::StdArc, topic::Topic, wake::Calls};

/// Readers of events that arrive together: they are woken once for all of these, by
/// [`wake`](Together::wake) or when this is dropped.
#[derive(Default)]
pub struct Together(Calls);

impl Together {
    /// Wakes whoever has got something since the last time.
    pub fn wake(&mut self) {
        self.0.make();
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        self.wake();
    }
}

impl fmt::Debug for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together").finish_non_exhaustive()
    }
}

/// A hub, as its backplane sees it. Cheap to clone; does not keep the hub alive.
#[derive(Clone)]
pub struct Inlet(Way);

#[derive(Clone)]
enum Way {
    Hub(std::sync::Weak<Core>),
    #[cfg(feature = "redis")]
    Upstream(StdArc<dyn Upstream>),
}

/// By whom and as which an event was published: whatever way it comes, it is this one.
#[cfg(feature = "redis")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    /// The publisher.
    pub(crate) publisher: u64,
    /// Its number of the event, of a topic; it may have others of the same number.
    pub(crate) serial: u64,
    /// When, in µs since the Unix epoch.
    pub(crate) micros: u64,
}

/// A backplane that stands between a hub and other backplanes, and is to them what the
/// hub is to it.
#[cfg(feature = "redis")]
pub(crate) trait Upstream: Send + Sync {
    fn next_change(&self) -> Option<Change>;
    fn changes(&self) -> usize;
    fn end_changes(&self);
    fn is_wanted(&self, name: &Name) -> bool;
    /// Whoever gets it is woken with `together`.
    fn deliver(
        &self,
        topic: &str,
        content: Content,
        origin: Option<Origin>,
        together: &mut Together,
    ) -> u64;
    fn lost(&self, topic: &Topic, missed: Option<u64>);
    fn keeps_history(&self) -> bool;
    fn kept(&self, name: &Name) -> Vec<Topic>;
    fn unheard(&self, topic: &Topic);
    fn is_closed(&self) -> bool;
    fn tidy(&self);
}

impl Inlet {
    pub(crate) fn new(core: &StdArc<Core>) -> Self {
        Inlet(Way::Hub(StdArc::downgrade(core)))
    }

    /// Of a backplane that stands before others.
    #[cfg(feature = "redis")]
    pub(crate) fn of(upstream: StdArc<dyn Upstream>) -> Self {
        Inlet(Way::Upstream(upstream))
    }

    /// The next name whose interest may have changed, and whether it is wanted now.
    pub fn next_change(&self) -> Option<Change> {
        match &self.0 {
            Way::Hub(core) => {
                let core = core.upgrade()?;
                let name = core.interest.next()?;
                let wanted = core.is_wanted(&name);
                Some(Change { name, wanted })
            }
            #[cfg(feature = "redis")]
            Way::Upstream(upstream) => upstream.next_change(),
        }
    }

    /// How many names may have changed, as of now.
    #[cfg(feature = "redis")]
    pub(crate) fn changes(&self) -> usize {
        match &self.0 {
            Way::Hub(core) => core.upgrade().map_or(0, |core| core.interest.len()),
            Way::Upstream(upstream) => upstream.changes(),
        }
    }

    /// Nobody will ask for changes any more: none is kept.
    #[cfg(feature = "redis")]
    pub(crate) fn end_changes(&self) {
        match &self.0 {
            Way::Hub(core) => {
                if let Some(core) = core.upgrade() {
                    core.interest.end();
                }
            }
            Way::Upstream(upstream) => upstream.end_changes(),
        }
    }

    /// Whether anybody here listens to this name now.
    pub fn is_wanted(&self, name: &Name) -> bool {
        match &self.0 {
            Way::Hub(core) => core.upgrade().is_some_and(|core| core.is_wanted(name)),
            #[cfg(feature = "redis")]
            Way::Upstream(upstream) => upstream.is_wanted(name),
        }
    }

    /// Hands an event from elsewhere to those who asked for it. How many subscriptions
    /// that are; 0 when nobody did, or the hub is closed.
    pub fn deliver<T: AsRef<str>>(&self, publication: Publication<T>) -> u64 {
        match &self.0 {
            Way::Hub(core) => core.upgrade().map_or(0, |core| {
                core.publish(publication)
                    .map_or(0, |delivery| delivery.subscriptions)
            }),
            #[cfg(feature = "redis")]
            Way::Upstream(_) => self.deliver_together(publication, &mut Together::default()),
        }
    }

    /// The same, and its readers are woken with those of other events. Until then they may
    /// not have noticed it, so `together` is not to be kept for longer than a moment.
    pub fn deliver_together<T: AsRef<str>>(
        &self,
        publication: Publication<T>,
        together: &mut Together,
    ) -> u64 {
        match &self.0 {
            Way::Hub(core) => core.upgrade().map_or(0, |core| {
                core.publish_quietly(publication, &mut together.0)
                    .map_or(0, |delivery| delivery.subscriptions)
            }),
            #[cfg(feature = "redis")]
            Way::Upstream(upstream) => {
                let Publication { topic, content } = publication;
                upstream.deliver(topic.as_ref(), content, None, together)
            }
        }
    }

    /// The same, for those who compare what comes by several ways.
    #[cfg(feature = "redis")]
    pub(crate) fn deliver_numbered(
        &self,
        event: Publication<&str>,
        origin: Origin,
        together: &mut Together,
    ) -> u64 {
        match &self.0 {
            Way::Hub(_) => self.deliver_together(event, together),
            Way::Upstream(upstream) => {
                upstream.deliver(event.topic, event.content, Some(origin), together)
            }
        }
    }

    /// Tells everybody who asked for the topic that events of it are lost: as many as
    /// `missed`, or an unknown number that is at least one when it is `None`. Of more than
    /// 2^32 it is told that they were so many.
    pub fn lost(&self, topic: &Topic, missed: Option<u64>) {
        match &self.0 {
            Way::Hub(core) => {
                if let Some(core) = core.upgrade() {
                    core.lose(topic, missed.unwrap_or(1).max(1));
                }
            }
            #[cfg(feature = "redis")]
            Way::Upstream(upstream) => upstream.lost(topic, missed),
        }
    }

    /// Whether any topic may keep history.
    #[cfg(feature = "redis")]
    pub(crate) fn keeps_history(&self) -> bool {
        match &self.0 {
            Way::Hub(core) => core.upgrade().is_some_and(|core| !core.rules.is_empty()),
            Way::Upstream(upstream) => upstream.keeps_history(),
        }
    }

    /// The topics that a name stands for and that keep history, or did lately: what a
    /// backplane does not hear of them is to be told, so that nobody who comes back takes it
    /// for whole. See [`Backplane::hears`](super::Backplane::hears).
    pub fn kept(&self, name: &Name) -> Vec<Topic> {
        match &self.0 {
            Way::Hub(core) => core.upgrade().map_or_else(Vec::new, |core| core.kept(name)),
            #[cfg(feature = "redis")]
            Way::Upstream(upstream) => upstream.kept(name),
        }
    }

    /// A topic is heard from here on, and was not before: whoever comes back from before is
    /// told that something is missing. Those who listen now are not, for they have just come.
    pub fn unheard(&self, topic: &Topic) {
        match &self.0 {
            Way::Hub(core) => {
                if let Some(core) = core.upgrade() {
                    core.unheard(topic);
                }
            }
            #[cfg(feature = "redis")]
            Way::Upstream(upstream) => upstream.unheard(topic),
        }
    }

    /// Clears up what leavers left to whoever comes next, so that in a quiet hub, too, a
    /// name without listeners is noted as such. Call it every second or so.
    pub fn tidy(&self) {
        match &self.0 {
            Way::Hub(core) => {
                if let Some(core) = core.upgrade() {
                    core.reap_all();
                }
            }
            #[cfg(feature = "redis")]
            Way::Upstream(upstream) => upstream.tidy(),
        }
    }

    /// Whether the hub is gone or closed.
    pub fn is_closed(&self) -> bool {
        match &self.0 {
            Way::Hub(core) => core.upgrade().is_none_or(|core| core.is_closed()),
            #[cfg(feature = "redis")]
            Way::Upstream(upstream) => upstream.is_closed(),
        }
    }
}
