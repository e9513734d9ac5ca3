//! Which names the servers bring, or what of them was missed is made up for: what the hub asks
//! before it calls a topic's history whole.
//!
//! A name stands here from when a server has confirmed it until it is about to be given up,
//! or was lost while nobody wanted it. A connection that breaks under a name that is wanted
//! does not take it out: what that costs is read from a log, or told. Written by the
//! backplane's thread, read by any.

use std::collections::HashSet;

use crate::{backplane::Name, pattern::PatternTable, sync::Mutex, topic::Topic};

/// See the [module](self).
pub(crate) struct Heard(Mutex<Names>);

struct Names {
    topics: HashSet<Topic, ahash::RandomState>,
    patterns: PatternTable<()>,
}

impl Heard {
    pub(crate) fn new() -> Self {
        Heard(Mutex::new(Names {
            topics: HashSet::default(),
            patterns: PatternTable::new(),
        }))
    }

    /// Whether a topic is brought, by its name or by a pattern.
    pub(crate) fn hears(&self, topic: &Topic) -> bool {
        let names = self.0.lock();
        let mut is_heard = names.topics.contains(topic);
        if !is_heard {
            let found = |(): &()| is_heard = true;
            names.patterns.for_each_match(topic.as_str(), found);
        }
        is_heard
    }

    /// Whether this very name stands here.
    pub(crate) fn has(&self, name: &Name) -> bool {
        let names = self.0.lock();
        match name {
            Name::Topic(topic) => names.topics.contains(topic),
            Name::Pattern(pattern) => names.patterns.find(pattern).is_some(),
        }
    }

    pub(crate) fn add(&self, name: Name) {
        let mut names = self.0.lock();
        match name {
            Name::Topic(topic) => {
                names.topics.insert(topic);
            }
            Name::Pattern(pattern) if names.patterns.find(&pattern).is_none() => {
                names.patterns.insert(pattern, ());
            }
            Name::Pattern(_) => {}
        }
    }

    /// Whether it stood here.
    pub(crate) fn remove(&self, name: &Name) -> bool {
        let mut names = self.0.lock();
        match name {
            Name::Topic(topic) => names.topics.remove(topic),
            Name::Pattern(pattern) => {
                let found = names.patterns.find(pattern);
                found.is_some_and(|id| names.patterns.remove(id).is_some())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;

    #[test]
    fn a_topic_is_heard_by_its_name_or_by_a_pattern() {
        let heard = Heard::new();
        let topic = Topic::new("a.1").unwrap();
        let name = || Name::Topic(topic.clone());
        let pattern = || Name::Pattern(Pattern::new("a.*").unwrap());
        assert!(!heard.hears(&topic) && !heard.remove(&name()));
        heard.add(name());
        heard.add(pattern());
        heard.add(pattern());
        assert!(heard.has(&name()) && heard.has(&pattern()));
        assert!(heard.remove(&name()) && !heard.has(&name()));
        assert!(heard.hears(&topic));
        assert!(heard.remove(&pattern()) && !heard.remove(&pattern()));
        assert!(!heard.hears(&topic));
    }
}
