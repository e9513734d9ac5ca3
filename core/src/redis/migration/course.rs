//! What is moved, and where to.

use std::time::Duration;

use super::error::MigrationError;
use crate::{
    redis::{Demands, Redis, names::is_reserved},
    topic::Topic,
};

/// Events are one if they come by both sides within this.
const WINDOW: Duration = Duration::from_secs(2);

/// A side is given up only when nobody wrote to it for so long.
const QUIET: Duration = Duration::from_secs(2);

/// What a [`Migration`](super::Migration) moves, and where to: to another name, to another
/// server, or both.
#[derive(Debug)]
#[must_use = "a course does nothing until Moving::begin is given it"]
pub struct Course {
    pub(super) topic: Topic,
    pub(super) name: Topic,
    pub(super) onto: Option<Redis>,
    pub(super) window: Duration,
    pub(super) quiet: Duration,
    pub(super) demands: Demands,
}

impl Course {
    /// Of this topic.
    ///
    /// # Errors
    /// When it is no topic, or the backplane's own.
    pub fn of(topic: impl AsRef<str>) -> Result<Self, MigrationError> {
        let topic = named(topic)?;
        Ok(Course {
            name: topic.clone(),
            topic,
            onto: None,
            window: WINDOW,
            quiet: QUIET,
            demands: Demands::default(),
        })
    }

    /// Its channel is called so on the new side. In this hub it keeps its name.
    ///
    /// # Errors
    /// When it is no name of a topic, or the backplane's own.
    pub fn to(mut self, name: impl AsRef<str>) -> Result<Self, MigrationError> {
        self.name = named(name)?;
        Ok(self)
    }

    /// The new side is another server, Sentinel or cluster.
    pub fn onto(mut self, redis: Redis) -> Self {
        self.onto = Some(redis);
        self
    }

    /// Of two equal payloads that come by the two sides within this time, the second is
    /// let go: two seconds unless set, zero lets nothing go. Without publishers that write
    /// to both sides and without a mirror between them, zero is right.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// A side is given up only after nobody wrote to it for this long: two seconds unless
    /// set.
    pub fn quiet(mut self, quiet: Duration) -> Self {
        self.quiet = quiet;
        self
    }

    /// What is asked of a side before events go to it.
    pub fn demands(mut self, demands: Demands) -> Self {
        self.demands = demands;
        self
    }
}

/// A topic that is anybody's to name.
fn named(name: impl AsRef<str>) -> Result<Topic, MigrationError> {
    let topic = Topic::new(name)?;
    if is_reserved(topic.as_str()) {
        return Err(MigrationError::Reserved {
            name: topic.to_string(),
        });
    }
    Ok(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_the_backplane_s_own_are_neither_moved_nor_moved_to() {
        let own = "distributary:x";
        let reserved = MigrationError::Reserved { name: own.into() };
        assert_eq!(Course::of(own).unwrap_err(), reserved);
        assert_eq!(Course::of("a").unwrap().to(own).unwrap_err(), reserved);
        let text = reserved.to_string();
        assert!(
            text.starts_with("\"distributary:x\" is the backplane's own"),
            "{text}"
        );
        assert!(
            Course::of("distributary")
                .unwrap()
                .to("x.distributary:")
                .is_ok()
        );
    }
}
