//! Who subscribes to what: the followers of one topic, those with a topic of their
//! own, and those with filters. All drawn before the hub exists, so that what should
//! be delivered can be worked out without it.

use std::collections::HashMap;

use distributary::{Filter, Selector, Topic};

use super::{
    Failure,
    events::Entry,
    filters::{Source, is_pattern},
    rng::Rng,
};

/// What one or more subscriptions ask for.
pub(crate) struct Wish {
    pub(crate) selector: Selector,
    /// The names in the selector.
    pub(crate) names: Vec<String>,
    pub(crate) filter: Option<Filter>,
}

/// All subscriptions.
pub(crate) struct Crowd {
    /// The distinct wishes; the first is to follow the topic that everybody follows.
    pub(crate) wishes: Vec<Wish>,
    /// The wish of each subscription. The followers come first.
    pub(crate) members: Vec<u32>,
    /// How many follow.
    pub(crate) followers: usize,
    /// How many have a topic of their own or one of the file.
    pub(crate) plain: usize,
    /// How many have a filter.
    pub(crate) filtered: usize,
}

impl Crowd {
    pub(crate) fn draw(
        entries: &[Entry],
        followed: &Topic,
        followers: usize,
        source: &Source,
        rng: &mut Rng,
    ) -> Result<Self, Failure> {
        let mut crowd = Crowd {
            wishes: Vec::new(),
            members: Vec::new(),
            followers,
            plain: followers / 5,
            filtered: 0,
        };
        let mut known = HashMap::new();
        for _ in 0..followers {
            crowd.add(&mut known, vec![followed.to_string()], None)?;
        }
        let others: Vec<&Topic> = entries.iter().map(|entry| &entry.topic).collect();
        for number in 0..crowd.plain {
            // Half of them on topics of the file, by how much happens there; the other
            // half waits for notifications that do not come today.
            let busy = rng.pick(&others).filter(|topic| **topic != followed);
            let name = match busy {
                Some(topic) if number % 2 == 0 => topic.to_string(),
                _ => format!("timeline:{}:notifications", 200_000_000 + number),
            };
            crowd.add(&mut known, vec![name], None)?;
        }
        let parts: Vec<usize> = source.kinds().iter().map(|kind| kind.share).collect();
        let whole: usize = parts.iter().sum();
        for kind in source.kinds() {
            let count = (followers / 5 * kind.share).div_ceil(whole);
            for _ in 0..count {
                let filter = source.filter(kind, rng)?;
                crowd.add(&mut known, kind.topics.clone(), Some(filter))?;
            }
            crowd.filtered += count;
        }
        Ok(crowd)
    }

    /// Adds a subscription; equal wishes are one.
    fn add(
        &mut self,
        known: &mut HashMap<Selector, u32>,
        names: Vec<String>,
        filter: Option<Filter>,
    ) -> Result<(), Failure> {
        let (patterns, topics): (Vec<_>, Vec<_>) = names.iter().partition(|name| is_pattern(name));
        let mut patterns = patterns.into_iter();
        let mut selector = match topics.is_empty() {
            false => Selector::topics(topics)?,
            true => Selector::pattern(patterns.next().map_or("", |name| name))?,
        };
        for pattern in patterns {
            selector = selector.and_pattern(pattern)?;
        }
        if let Some(filter) = &filter {
            selector = selector.filter(filter.clone());
        }
        let next = self.wishes.len() as u32;
        let wish = *known.entry(selector.clone()).or_insert(next);
        if wish == next {
            self.wishes.push(Wish {
                selector,
                names,
                filter,
            });
        }
        self.members.push(wish);
        Ok(())
    }
}
