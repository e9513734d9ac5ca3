//! Where a backplane puts what comes from other machines, and asks what this hub wants.

use bytes::Bytes;

use super::interest::{Change, Name};
use crate::{
    event::{Content, Publication},
    hub::core::Core,
    sync::StdArc,
    topic::Topic,
};

/// A hub, as its backplane sees it. Cheap to clone; does not keep the hub alive.
#[derive(Clone)]
pub struct Inlet(std::sync::Weak<Core>);

impl Inlet {
    pub(crate) fn new(core: &StdArc<Core>) -> Self {
        Inlet(StdArc::downgrade(core))
    }

    /// The next name whose interest may have changed, and whether it is wanted now.
    pub fn next_change(&self) -> Option<Change> {
        let core = self.0.upgrade()?;
        let name = core.interest.next()?;
        let wanted = core.is_wanted(&name);
        Some(Change { name, wanted })
    }

    /// Whether anybody here listens to this name now.
    pub fn is_wanted(&self, name: &Name) -> bool {
        self.0.upgrade().is_some_and(|core| core.is_wanted(name))
    }

    /// Hands an event from elsewhere to those who asked for it. How many subscriptions
    /// that are; 0 when nobody did, or the hub is closed.
    pub fn deliver<T: AsRef<str>>(&self, publication: Publication<T>) -> u64 {
        let Some(core) = self.0.upgrade() else {
            return 0;
        };
        core.publish(publication)
            .map_or(0, |delivery| delivery.subscriptions)
    }

    /// The same for a payload and nothing else.
    pub fn deliver_payload(&self, topic: &str, payload: Bytes) -> u64 {
        self.deliver(Publication {
            topic,
            content: Content::plain(payload),
        })
    }

    /// Tells everybody who asked for the topic that events of it are lost: as many as
    /// `missed`, or an unknown number that is at least one when it is `None`. Those under
    /// [`Overflow::Disconnect`](crate::Overflow::Disconnect) end, as with any loss.
    pub fn lost(&self, topic: &Topic, missed: Option<u64>) {
        if let Some(core) = self.0.upgrade() {
            core.lose(topic, missed.unwrap_or(1).max(1));
        }
    }

    /// Clears up what leavers left to whoever comes next, so that in a quiet hub, too, a
    /// name without listeners is noted as such. Call it every second or so.
    pub fn tidy(&self) {
        if let Some(core) = self.0.upgrade() {
            core.reap_all();
        }
    }

    /// Whether the hub is gone or closed.
    pub fn is_closed(&self) -> bool {
        self.0.upgrade().is_none_or(|core| core.is_closed())
    }
}
