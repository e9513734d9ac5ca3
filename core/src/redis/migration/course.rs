//! What is moved, and where to.

use std::time::Duration;

use super::error::MigrationError;
use crate::{
    redis::{Demands, DemandsOptions, Redis, RedisOptions, builder::LONGEST, names::is_reserved},
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
        self.window = window.min(LONGEST);
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

/// A [`Course`] as data: for whoever reads it from a file or another language. What is not
/// said is the course's affair.
///
/// ```
/// use distributary::redis::{RedisOptions, migration::CourseOptions};
///
/// let course = CourseOptions {
///     topic: "documents".into(),
///     onto: Some(RedisOptions {
///         urls: vec!["redis://new.example".into()],
///         ..RedisOptions::default()
///     }),
///     ..CourseOptions::default()
/// };
/// assert!(course.build().is_ok());
/// ```
#[derive(Debug, Clone, Default)]
pub struct CourseOptions {
    /// As [`Course::of`].
    pub topic: String,
    /// As [`Course::to`].
    pub to: Option<String>,
    /// As [`Course::onto`].
    pub onto: Option<RedisOptions>,
    /// As [`Course::window`].
    pub window: Option<Duration>,
    /// As [`Course::quiet`].
    pub quiet: Option<Duration>,
    /// As [`Course::demands`].
    pub demands: DemandsOptions,
}

impl CourseOptions {
    /// Checks it all.
    ///
    /// # Errors
    /// When a name is none, or the backplane's own; [`MigrationError::Redis`] when the server
    /// cannot be as it was asked for.
    pub fn build(self) -> Result<Course, MigrationError> {
        let mut course = Course::of(self.topic)?.demands(self.demands.into());
        if let Some(name) = self.to {
            course = course.to(name)?;
        }
        if let Some(redis) = self.onto {
            course = course.onto(redis.build().map_err(MigrationError::Redis)?);
        }
        if let Some(window) = self.window {
            course = course.window(window);
        }
        if let Some(quiet) = self.quiet {
            course = course.quiet(quiet);
        }
        Ok(course)
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
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_is_said_as_data_reaches_the_course_and_the_rest_is_as_ever() {
        let server = RedisOptions {
            urls: vec!["redis://a".into()],
            ..RedisOptions::default()
        };
        let topic = || CourseOptions {
            topic: "a".into(),
            ..CourseOptions::default()
        };
        let usual = topic().build().unwrap();
        assert_eq!((usual.window, usual.quiet), (WINDOW, QUIET));
        assert_eq!(
            (usual.name.as_str(), usual.demands),
            ("a", Demands::default())
        );
        assert!(usual.onto.is_none());
        let all = CourseOptions {
            to: Some("b".into()),
            onto: Some(server),
            window: Some(Duration::ZERO),
            quiet: Some(Duration::from_secs(7)),
            demands: DemandsOptions {
                replicas: Some(2),
                ..DemandsOptions::default()
            },
            ..topic()
        };
        let all = all.build().unwrap();
        assert_eq!((all.topic.as_str(), all.name.as_str()), ("a", "b"));
        assert_eq!(
            (all.window, all.quiet),
            (Duration::ZERO, Duration::from_secs(7))
        );
        assert!(all.onto.is_some() && all.demands.replicas == 2);
        let for_ever = CourseOptions {
            window: Some(Duration::MAX),
            ..topic()
        };
        let window = for_ever.build().unwrap().window;
        assert!(Instant::now().checked_add(window).is_some());
        let nowhere = CourseOptions {
            onto: Some(RedisOptions::default()),
            ..topic()
        };
        assert!(matches!(nowhere.build(), Err(MigrationError::Redis(_))));
        let nameless = CourseOptions::default();
        assert!(matches!(nameless.build(), Err(MigrationError::Topic(_))));
    }

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
