//! Where a client stands in the topics that it follows, as a text that it shows when it
//! comes back.
//!
//! A position belongs to a topic. A client of one topic shows the position itself; one
//! of several shows `topic=position` pairs joined by commas, with the topics
//! percent-encoded. The JSON protocol keeps this with the client; an SSE client can
//! keep one id only, so for it the lane keeps the marks and sends them along.
//!
//! Several subscriptions of one client may cover a topic, and stand at different places
//! in it. The text speaks of the one furthest behind, so that a client that comes back
//! misses nothing; what others of them had beyond it comes again.

use std::fmt::Write;

use smallvec::{SmallVec, smallvec};

use crate::{
    event::Position,
    hub::{Resume, SubscribeOptions},
    selector::Selector,
    topic::Topic,
};

/// Topics of which one id can speak.
const MOST: usize = 64;
/// The longest id, in bytes: it comes back in a header, and proxies take some thousand.
const LONGEST: usize = 2_048;
/// The id of a client that follows more: coming back with it, it is told that it may
/// have missed something.
const TOO_MANY: &str = "*";

/// Where an SSE client of several topics, or with several subscriptions, stands: in each
/// topic its subscriptions by their numbers.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<(Topic, ByNumber)>);

type ByNumber = SmallVec<[(u32, Position); 1]>;

impl Marks {
    /// A subscription stands here in a topic. Returns where it stood before.
    pub(super) fn set(
        &mut self,
        number: u32,
        topic: &Topic,
        position: Position,
    ) -> Option<Position> {
        let Some(marks) = self.of(topic) else {
            // One more than an id can speak of is enough to know that it cannot.
            if self.0.len() <= MOST {
                self.0.push((topic.clone(), smallvec![(number, position)]));
            }
            return None;
        };
        match marks.iter_mut().find(|(known, _)| *known == number) {
            Some((_, at)) => Some(std::mem::replace(at, position)),
            None => {
                marks.push((number, position));
                None
            }
        }
    }

    /// A subscription has not come as far as it was set, but stands where it stood before.
    pub(super) fn set_back(&mut self, number: u32, topic: &Topic, before: Option<Position>) {
        match (before, self.of(topic)) {
            (Some(position), _) => _ = self.set(number, topic, position),
            (None, Some(marks)) => marks.retain(|(known, _)| *known != number),
            (None, None) => {}
        }
    }

    /// A subscription has ended: it holds nothing back any more.
    pub(super) fn forget(&mut self, number: u32) {
        self.0.retain_mut(|(_, marks)| {
            marks.retain(|(known, _)| *known != number);
            !marks.is_empty()
        });
    }

    fn of(&mut self, topic: &Topic) -> Option<&mut ByNumber> {
        let found = self.0.iter_mut().find(|(known, _)| known == topic);
        found.map(|(_, marks)| marks)
    }

    /// What the client shows when it comes back, if there is anything.
    pub(super) fn id(&self) -> Option<String> {
        if self.0.len() > MOST {
            return Some(TOO_MANY.to_owned());
        }
        let mut id = String::new();
        for (topic, marks) in &self.0 {
            // All are of this hub, and so of one epoch.
            let marks = marks.iter().map(|(_, position)| position);
            let Some(position) = marks.min_by_key(|position| position.offset) else {
                continue;
            };
            if !id.is_empty() {
                id.push(',');
            }
            encode(topic.as_str(), &mut id);
            // Writing to a string does not fail.
            let _ = write!(id, "={position}");
        }
        if id.len() > LONGEST {
            return Some(TOO_MANY.to_owned());
        }
        (!id.is_empty()).then_some(id)
    }
}

/// Letters, digits and what cannot be mistaken stand for themselves.
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' | b'/' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push((digit()? * 16 + digit()?) as u8);
    }
    String::from_utf8(bytes).ok()
}

/// Where a client that has come back says it stood.
#[derive(Debug, PartialEq)]
pub(super) enum Stood {
    /// In the only topic that it follows.
    At(Position),
    Topics(Vec<(Topic, Position)>),
    /// What it shows does not say.
    Unknown,
}

impl Stood {
    pub(super) fn parse(text: &str) -> Self {
        if let Ok(position) = text.parse() {
            return Stood::At(position);
        }
        let pair = |pair: &str| {
            let (topic, position) = pair.rsplit_once('=')?;
            Some((Topic::new(decode(topic)?).ok()?, position.parse().ok()?))
        };
        let pairs: Option<Vec<_>> = text.split(',').map(pair).collect();
        match pairs {
            Some(pairs) if pairs.len() <= MOST * 16 => Stood::Topics(pairs),
            _ => Stood::Unknown,
        }
    }

    /// Has a selector resume where the client stood. False when nothing is known of one
    /// of its topics, or it has patterns: the client has to be told that it may have
    /// missed something.
    pub(super) fn apply(&self, selector: &Selector, options: &mut SubscribeOptions) -> bool {
        let (resume, complete) = match self {
            Stood::Unknown => return false,
            Stood::At(position) => match (selector.topics.as_slice(), selector.patterns.len()) {
                ([_], 0) => (Resume::at(*position), true),
                _ => return false,
            },
            Stood::Topics(known) => {
                let covers = |topic: &Topic| {
                    let matches = |p: &crate::pattern::Pattern| p.matches(topic.as_str());
                    selector.topics.contains(topic) || selector.patterns.iter().any(matches)
                };
                let mut resume = Resume::new();
                for (topic, position) in known.iter().filter(|(topic, _)| covers(topic)) {
                    resume = resume.topic(topic.clone(), *position);
                }
                let known = |topic: &Topic| known.iter().any(|(name, _)| name == topic);
                let complete = selector.patterns.is_empty() && selector.topics.iter().all(known);
                (resume, complete)
            }
        };
        *options = std::mem::take(options).resume(resume);
        complete
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(offset: u64) -> Position {
        Position { epoch: 7, offset }
    }

    proptest! {
        #[test]
        fn what_a_client_shows_says_where_it_stood(
            topics in prop::collection::hash_map("[ -~ä=,%]{1,20}", 0u64..1_000_000, 1..20)
        ) {
            let mut marks = Marks::default();
            let mut expected = Vec::new();
            for (topic, offset) in topics {
                let topic = Topic::new(topic).unwrap();
                marks.set(0, &topic, position(offset / 2));
                marks.set(0, &topic, position(offset));
                marks.set(u32::MAX, &topic, position(offset + 1));
                expected.push((topic, position(offset)));
            }
            let id = marks.id().unwrap();
            prop_assert!(id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
            prop_assert_eq!(Stood::parse(&id), Stood::Topics(expected));
        }
    }

    #[test]
    fn what_has_ended_holds_nothing_back() {
        let mut marks = Marks::default();
        let [a, b] = ["a", "b"].map(|name| Topic::new(name).unwrap());
        for (number, topic, offset) in [(0, &a, 5), (7, &a, 1), (7, &b, 1)] {
            marks.set(number, topic, position(offset));
        }
        assert_eq!(marks.id().unwrap(), "a=7-1,b=7-1");
        marks.forget(7);
        assert_eq!(marks.id().unwrap(), "a=7-5");
        marks.forget(0);
        assert_eq!(marks.id(), None);
    }

    #[test]
    fn an_id_that_cannot_say_says_so() {
        let mut marks = Marks::default();
        for i in 0..=MOST {
            marks.set(0, &Topic::new(format!("t{i}")).unwrap(), position(1));
        }
        assert_eq!(Stood::parse(&marks.id().unwrap()), Stood::Unknown);
        for text in [
            "", "a", "a=", "a=1", "a=1-1,", "%=1-1", "%f=1-1", "%ff=1-1", "\u{80}",
        ] {
            assert_eq!(Stood::parse(text), Stood::Unknown, "{text:?}");
        }
    }

    #[test]
    fn a_selector_resumes_only_where_all_of_it_is_known() {
        let topics = Selector::topics(["a", "b"]).unwrap();
        let mut options = SubscribeOptions::new();
        assert!(Stood::parse("a=7-1,b=7-2,c=7-3").apply(&topics, &mut options));
        assert!(!Stood::parse("a=7-1").apply(&topics, &mut options));
        assert!(!Stood::parse("7-1").apply(&topics, &mut options));
        assert!(Stood::parse("7-1").apply(&Selector::topic("a").unwrap(), &mut options));
        assert!(!Stood::parse("a=7-1").apply(&Selector::pattern("*").unwrap(), &mut options));
    }
}
