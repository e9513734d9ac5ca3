//! How a hub is built.

use std::fmt;

use super::{
    Hub, Owner, Waking,
    core::{Core, Settings},
    history::Rule,
};
use crate::{
    backplane::Backplane,
    feed::{Budget, Limits, Overflow},
    pattern::{Pattern, PatternError},
    sync::Arc,
};

/// Settings of a [`Hub`].
///
/// ```
/// use distributary::{Budget, Hub, Overflow};
///
/// let hub = Hub::builder()
///     .bytes(256 << 20)
///     .budget(Budget::default().events(256)?)
///     .overflow(Overflow::Disconnect)
///     .history("chat.*", Budget::default().events(500)?)?
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct HubBuilder {
    pub(super) settings: Settings,
}

/// The default budget of the whole hub: 1 GiB.
const BYTES: u64 = 1 << 30;
/// Shards of the topic table.
const SHARDS: usize = 256;
/// Topics that may be counted by themselves.
const TOPIC_COUNTERS: usize = 1_000;

impl HubBuilder {
    pub(super) fn new() -> Self {
        HubBuilder {
            settings: Settings {
                limits: Limits::default(),
                bytes: BYTES,
                shards: SHARDS,
                rules: Vec::new(),
                waking: Waking::default(),
                max_topic_counters: TOPIC_COUNTERS,
                strict_filters: false,
                backplane: None,
            },
        }
    }

    /// What gives way when a subscription does not keep up, unless it says otherwise.
    /// Default: [`Overflow::DropOldest`].
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.settings.limits.overflow = overflow;
        self
    }

    /// How much may wait for a subscription, unless it says otherwise.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.settings.limits.budget = budget;
        self
    }

    /// How much the hub may hold in all, in bytes: the weight of events, and the room
    /// that feeds take to hold them. Default: 1 GiB.
    ///
    /// Over it, feeds and histories give up their older halves in turn.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.settings.bytes = bytes;
        self
    }

    /// Lets the topics that a pattern matches keep history, as much as `keep` says. The
    /// first rule that matches a topic applies.
    ///
    /// With a backplane, what other machines publish comes while somebody here listens to the
    /// topic, and a while longer. Who comes back after a time in which nobody did is told that
    /// something is missing, be it so or not.
    ///
    /// # Errors
    /// When the text is not a pattern.
    pub fn history(mut self, topics: impl AsRef<str>, keep: Budget) -> Result<Self, PatternError> {
        let topics = Pattern::new(topics.as_ref())?;
        self.settings.rules.push(Rule { topics, keep });
        Ok(self)
    }

    /// Who wakes subscriptions that wait in tasks or threads of their own, beyond the
    /// first few of an event. Default: [`Waking::Thread`].
    pub fn waking(mut self, waking: Waking) -> Self {
        self.settings.waking = waking;
        self
    }

    /// How many topics may be counted by themselves. Default: 1,000.
    pub fn topic_counters(mut self, most: usize) -> Self {
        self.settings.max_topic_counters = most;
        self
    }

    /// Refuses filters that cannot be indexed.
    pub fn strict_filters(mut self) -> Self {
        self.settings.strict_filters = true;
        self
    }

    /// Joins the hub with those of other machines.
    pub fn backplane(mut self, backplane: impl Backplane) -> Self {
        self.settings.backplane = Some(Box::new(backplane));
        self
    }

    /// Makes the hub.
    ///
    /// # Errors
    /// [`BuildError`] when the byte budget is 0.
    pub fn build(self) -> Result<Hub, BuildError> {
        if self.settings.bytes == 0 {
            return Err(BuildError::NoBytes);
        }
        Ok(Hub(Arc::new(Owner(Core::new(self.settings)))))
    }
}

/// Why a hub was not built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The byte budget of the hub was 0.
    NoBytes,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::NoBytes => f.write_str(
                "a hub with a budget of 0 bytes could hold no event: give HubBuilder::bytes at least some hundred",
            ),
        }
    }
}

impl std::error::Error for BuildError {}
