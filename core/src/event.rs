//! The event: one immutable allocation, shared by everyone who gets it.
//!
//! An [`Event`] is a counted reference. Cloning it never copies the payload; the
//! payload is [`Bytes`], so a publisher that already holds its data in one hands it
//! over without a copy as well. While it lives it is weighed: its size stands in
//! the hub's gauge from publish until the last holder lets go of it, wherever that
//! holder is. That is what makes "bytes held" true however many feeds share it.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use smol_str::SmolStr;

use crate::{fields::Attributes, metrics::Gauge, sync::Arc, topic::Topic};

/// What an event costs beside its payload, key and attributes, in bytes: its own
/// allocation and an entry in a feed.
const OVERHEAD: usize = 192;

/// Where an event stands in its topic.
///
/// Offsets grow by one per event of a topic, and in a topic that keeps history by one for
/// each that a [backplane](crate::backplane) has lost. The epoch names the hub that counted:
/// a position from before a restart has another epoch and cannot be resumed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which counting this offset belongs to.
    pub epoch: u64,
    /// The event's number within its topic.
    pub offset: u64,
}

impl fmt::Display for Position {
    /// `epoch-offset`, both in hexadecimal: short, and safe in a header or a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.epoch, self.offset)
    }
}

impl std::str::FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let number = |part: &str| {
            // `from_str_radix` would also take a sign.
            let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_hexdigit());
            plain.then(|| u64::from_str_radix(part, 16).ok()).flatten()
        };
        text.split_once('-')
            .and_then(|(epoch, offset)| {
                Some(Position {
                    epoch: number(epoch)?,
                    offset: number(offset)?,
                })
            })
            .ok_or_else(|| PositionError(text.chars().take(64).collect()))
    }
}

/// A text that is not a [`Position`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionError(String);

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a position: expected two hexadecimal numbers of at most 64 bits joined by '-', as an event's position prints",
            self.0
        )
    }
}

impl std::error::Error for PositionError {}

/// An event as it is published: what the publisher chooses.
///
/// ```
/// use distributary::{Hub, Publication};
///
/// let hub = Hub::new();
/// hub.publish_event(
///     Publication::new("prices", r#"{"symbol":"ABC","bid":10.5}"#)
///         .key("ABC")
///         .attribute("symbol", "ABC"),
/// )?;
/// # Ok::<(), distributary::PublishError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a publication does nothing until it is published"]
pub struct Publication<T = Topic> {
    pub(crate) topic: T,
    pub(crate) content: Content,
}

/// What a publication and its event have in common.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) payload: Bytes,
    pub(crate) attributes: Attributes,
    key: Option<SmolStr>,
}

impl Content {
    /// A payload and nothing else.
    pub(crate) fn plain(payload: Bytes) -> Self {
        Content {
            payload,
            attributes: Attributes::new(),
            key: None,
        }
    }

    /// What the event weighs in every budget, in bytes.
    pub(crate) fn weight(&self) -> usize {
        OVERHEAD
            + self.payload.len()
            + self.attributes.heap_bytes()
            + self.key.as_ref().map_or(0, SmolStr::len)
    }
}

impl<T: AsRef<str>> Publication<T> {
    /// A payload for a topic. The name is checked when it is published.
    pub fn new(topic: T, payload: impl Into<Bytes>) -> Self {
        let content = Content::plain(payload.into());
        Publication { topic, content }
    }

    /// The topic as it was given.
    pub fn topic(&self) -> &T {
        &self.topic
    }

    /// The payload.
    pub fn payload(&self) -> &Bytes {
        &self.content.payload
    }

    /// The attributes given so far, and the conflation key.
    pub fn headers(&self) -> (&Attributes, Option<&str>) {
        (&self.content.attributes, self.content.key.as_deref())
    }

    /// Adds a typed scalar for filters to look at. With any attribute given, filters
    /// look at the attributes alone and the payload is not parsed.
    pub fn attribute(mut self, name: &str, value: impl Into<crate::fields::Value>) -> Self {
        self.content.attributes.push(name, value);
        self
    }

    /// Sets all attributes at once.
    pub fn attributes(mut self, attributes: Attributes) -> Self {
        self.content.attributes = attributes;
        self
    }

    /// Sets the conflation key: under
    /// [`Overflow::KeepLatest`](crate::Overflow::KeepLatest) a newer event replaces an
    /// unread older one of the same key.
    pub fn key(mut self, key: impl AsRef<str>) -> Self {
        self.content.key = Some(SmolStr::new(key));
        self
    }
}

/// One published event, shared by everyone who gets it. Cheap to clone.
#[derive(Clone)]
pub struct Event(Arc<Inner>);

struct Inner {
    topic: Topic,
    content: Content,
    /// Nanoseconds since the Unix epoch.
    published: u64,
    position: Position,
    gauge: Arc<Gauge>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.gauge.sub(self.content.weight());
    }
}

impl Event {
    pub(crate) fn new(
        topic: Topic,
        content: Content,
        published: u64,
        position: Position,
        gauge: &Arc<Gauge>,
    ) -> Self {
        gauge.add(content.weight());
        Event(Arc::new(Inner {
            topic,
            content,
            published,
            position,
            gauge: Arc::clone(gauge),
        }))
    }

    /// The topic it was published to.
    pub fn topic(&self) -> &Topic {
        &self.0.topic
    }

    /// The payload; clone it to keep it without keeping the event.
    pub fn payload(&self) -> &Bytes {
        &self.0.content.payload
    }

    /// The attributes given at publish.
    pub fn attributes(&self) -> &Attributes {
        &self.0.content.attributes
    }

    /// The conflation key, if it was given one.
    pub fn key(&self) -> Option<&str> {
        self.0.content.key.as_deref()
    }

    /// Where it stands in its topic: what to resume from after it.
    pub fn position(&self) -> Position {
        self.0.position
    }

    /// When it was published, by this process' clock.
    pub fn published_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.0.published)
    }

    /// What it weighs in every budget: payload, key, attributes and a fixed
    /// overhead, in bytes.
    pub fn weight(&self) -> usize {
        self.0.content.weight()
    }

    /// The key, shared rather than copied.
    pub(crate) fn conflation_key(&self) -> Option<SmolStr> {
        self.0.content.key.clone()
    }

    /// Nanoseconds since the Unix epoch, on the hub's clock.
    pub(crate) fn published_nanos(&self) -> u64 {
        self.0.published
    }

    /// Names the event as long as somebody holds it.
    #[cfg(feature = "gateway")]
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Whether both are the same event, not merely equal ones.
    pub fn is_same(&self, other: &Event) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("topic", self.topic())
            .field("position", &self.position())
            .field("key", &self.key())
            .field("attributes", self.attributes())
            .field("payload", self.payload())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_prints_and_parses_back() {
        let position = Position {
            epoch: 0xdead_beef,
            offset: 7,
        };
        assert_eq!(position.to_string(), "deadbeef-7");
        assert_eq!("deadbeef-7".parse(), Ok(position));
        for bad in [
            "",
            "7",
            "-",
            "1-",
            "-1",
            "+1-2",
            "1-2-3",
            "g-1",
            "11111111111111111-1",
        ] {
            assert!(bad.parse::<Position>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn the_gauge_holds_an_event_until_its_last_holder_is_gone() {
        let gauge = Arc::new(Gauge::default());
        let position = Position {
            epoch: 1,
            offset: 9,
        };
        let publication = Publication::new("t", vec![0u8; 1_000]);
        let event = Event::new(
            Topic::new("t").unwrap(),
            publication.content,
            0,
            position,
            &gauge,
        );
        let clone = event.clone();
        drop(event);
        assert_eq!(gauge.total(), clone.weight() as u64);
        drop(clone);
        assert_eq!(gauge.total(), 0);
    }
}
