//! Of several subscriptions that bring one event, the one that counts.
//!
//! A server sends an event once for the channel and once more for each pattern that
//! matches it. All of them come on one connection, and confirmations stand in the same
//! stream, so it is known at each message which subscriptions the server had when it sent
//! it: the exact one carries the topic if there is one, else the oldest pattern. The
//! other copies are let go, by this rule and not by comparing payloads.

use ahash::AHashMap;

use crate::pattern::{Pattern, PatternId, PatternTable};

/// The patterns that are heard, by age.
#[derive(Default)]
pub(super) struct Carriers {
    ages: Ages,
    by_text: AHashMap<Box<str>, (PatternId, u64)>,
    next_age: u64,
}

struct Ages(PatternTable<u64>);

impl Default for Ages {
    fn default() -> Self {
        Ages(PatternTable::new())
    }
}

impl Carriers {
    /// A pattern is heard from here on.
    pub(super) fn joined(&mut self, pattern: &Pattern) {
        if self.by_text.contains_key(pattern.as_str()) {
            return;
        }
        let age = self.next_age;
        self.next_age += 1;
        let id = self.ages.0.insert(pattern.clone(), age);
        self.by_text.insert(pattern.as_str().into(), (id, age));
    }

    /// It is not heard any more.
    pub(super) fn parted(&mut self, pattern: &Pattern) {
        if let Some((id, _)) = self.by_text.remove(pattern.as_str()) {
            self.ages.0.remove(id);
        }
    }

    /// Nothing is heard any more.
    pub(super) fn clear(&mut self) {
        *self = Carriers::default();
    }

    /// Whether any pattern brings a topic.
    pub(super) fn any(&self, topic: &str) -> bool {
        let mut any = false;
        self.ages.0.for_each_match(topic, |_| any = true);
        any
    }

    /// Whether a message that came by this pattern is the copy that counts among those
    /// that came by patterns.
    pub(super) fn carries(&self, pattern: &str, topic: &str) -> bool {
        let Some((_, age)) = self.by_text.get(pattern) else {
            // Not ours, or given up: then its messages are nobody's.
            return false;
        };
        if self.by_text.len() == 1 {
            return true;
        }
        let mut oldest = *age;
        self.ages
            .0
            .for_each_match(topic, |other| oldest = oldest.min(*other));
        oldest == *age
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_pattern_that_matches_carries_until_it_goes() {
        let [all, news, sport] = ["*", "news.*", "*.sport"].map(|p| Pattern::new(p).unwrap());
        let mut carriers = Carriers::default();
        carriers.joined(&news);
        carriers.joined(&sport);
        carriers.joined(&all);
        carriers.joined(&news);
        let who = |carriers: &Carriers, topic: &str| {
            ["*", "news.*", "*.sport"]
                .into_iter()
                .filter(|pattern| {
                    Pattern::new(pattern).unwrap().matches(topic)
                        && carriers.carries(pattern, topic)
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(who(&carriers, "news.sport"), ["news.*"]);
        assert_eq!(who(&carriers, "old.sport"), ["*.sport"]);
        assert_eq!(who(&carriers, "x"), ["*"]);

        carriers.parted(&news);
        assert_eq!(who(&carriers, "news.sport"), ["*.sport"]);
        // Back again, it is the youngest.
        carriers.joined(&news);
        assert_eq!(who(&carriers, "news.sport"), ["*.sport"]);
        carriers.parted(&sport);
        assert_eq!(who(&carriers, "news.sport"), ["*"]);
        carriers.clear();
        assert_eq!(who(&carriers, "news.sport"), [""; 0]);
    }
}
