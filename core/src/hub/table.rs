//! All topics that somebody asked for, by name, in shards.
//!
//! A shard's lock covers one look-up. A topic stands here while it has a feed, keeps
//! history or is counted; besides, each shard remembers a bounded number of topics
//! that are only published to, so that patterns are matched when such a topic first
//! appears and not for each of its events.
//!
//! A topic that kept history and is forgotten leaves its count behind, for a while: if it
//! comes back it goes on counting, and whoever stood at its end has missed nothing.

use std::collections::VecDeque;

use crossbeam::utils::CachePadded;
use hashbrown::{HashTable, hash_table};

use super::node::Node;
use crate::{
    sync::{Arc, Mutex},
    topic::Topic,
};

/// Topics without a subscription that one shard remembers.
const PASSING: usize = 256;
/// Forgotten topics whose count one shard remembers.
const COUNTS: usize = 256;

pub(crate) struct Table {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    hasher: ahash::RandomState,
}

#[derive(Default)]
struct Shard {
    topics: HashTable<Arc<Node>>,
    /// Topics that nobody asked for by name, oldest first.
    passing: VecDeque<Arc<Node>>,
    /// The next offset of topics that kept history and were forgotten, oldest first.
    counts: VecDeque<(Topic, u64)>,
}

impl Table {
    pub(crate) fn new(shards: usize) -> Self {
        Table {
            shards: (0..shards.next_power_of_two())
                .map(|_| CachePadded::default())
                .collect(),
            hasher: ahash::RandomState::new(),
        }
    }

    fn hash(&self, name: &str) -> u64 {
        self.hasher.hash_one(name)
    }

    /// The table within a shard uses the low and the seven highest bits.
    fn shard(&self, hash: u64) -> &Mutex<Shard> {
        &self.shards[(hash >> 32) as usize & (self.shards.len() - 1)]
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Node>> {
        let hash = self.hash(name);
        let shard = self.shard(hash).lock();
        shard
            .topics
            .find(hash, |node| node.as_str() == name)
            .cloned()
    }

    /// The node of a topic, made if it is new: from where it counted, if that is known.
    /// `passing` ones are forgotten when too many others have passed.
    pub(crate) fn find_or_insert(
        &self,
        topic: &Topic,
        passing: bool,
        make: impl FnOnce(Option<u64>) -> Node,
    ) -> Arc<Node> {
        let hash = self.hash(topic.as_str());
        let shard = &mut *self.shard(hash).lock();
        let rehash = |node: &Arc<Node>| self.hash(node.as_str());
        let node = match shard
            .topics
            .entry(hash, |node| node.as_str() == topic.as_str(), rehash)
        {
            hash_table::Entry::Occupied(found) => return Arc::clone(found.get()),
            hash_table::Entry::Vacant(place) => {
                let count = shard.counts.iter().position(|(name, _)| name == topic);
                let count = count.and_then(|at| shard.counts.remove(at));
                let node = Arc::new(make(count.map(|(_, next)| next)));
                place.insert(Arc::clone(&node));
                node
            }
        };
        if passing {
            shard.passing.push_back(Arc::clone(&node));
            if shard.passing.len() > PASSING
                && let Some(oldest) = shard.passing.pop_front()
            {
                self.drop_passing(shard, &oldest);
            }
        }
        node
    }

    /// Takes an empty topic out. False when the shard is busy and `wait` is not wanted,
    /// or somebody is publishing to it; true when done, or when it is needed again.
    #[must_use]
    pub(crate) fn forget(&self, node: &Arc<Node>, wait: bool) -> bool {
        let hash = self.hash(node.as_str());
        let shard = self.shard(hash);
        let Some(mut shard) = (match wait {
            true => Some(shard.lock()),
            false => shard.try_lock(),
        }) else {
            return false;
        };
        // Whoever waits for the publishers at work (see `rewire`) finds them by the table,
        // so a topic stays in it while one is at work.
        let Some(order) = node.order.try_lock() else {
            return false;
        };
        let mut admissions = node.admissions().lock();
        if admissions.is_gone() || !admissions.is_empty() || node.keeps_history() {
            return true;
        }
        admissions.go();
        drop(admissions);
        let next = *order;
        drop(order);
        if let (Some(topic), true) = (node.topic_name(), node.history.is_some()) {
            if shard.counts.len() == COUNTS {
                shard.counts.pop_front();
            }
            shard.counts.push_back((topic.clone(), next));
        }
        self.remove(&mut shard, node, hash);
        true
    }

    fn remove(&self, shard: &mut Shard, node: &Arc<Node>, hash: u64) {
        if let Ok(found) = shard.topics.find_entry(hash, |n| Arc::ptr_eq(n, node)) {
            found.remove();
        }
        // A table grown for a storm gives its memory back once it is mostly empty.
        let (len, room) = (shard.topics.len(), shard.topics.capacity());
        if room > 64 && len * 8 < room {
            shard
                .topics
                .shrink_to(len * 2, |node| self.hash(node.as_str()));
        }
    }

    /// Drops a passing topic unless somebody has asked for it since.
    fn drop_passing(&self, shard: &mut Shard, node: &Arc<Node>) {
        let Some(_order) = node.order.try_lock() else {
            shard.passing.push_back(Arc::clone(node));
            return;
        };
        let mut admissions = node.admissions().lock();
        if admissions.is_gone() || !admissions.is_empty() || node.keeps_history() {
            return;
        }
        admissions.go();
        drop(admissions);
        self.remove(shard, node, self.hash(node.as_str()));
    }

    /// Forgets all topics that were only passing.
    pub(crate) fn forget_passing(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            for node in std::mem::take(&mut shard.passing) {
                self.drop_passing(&mut shard, &node);
            }
        }
    }

    /// Calls `f` with every topic, shard by shard, without holding a lock meanwhile.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Arc<Node>)) {
        for shard in &self.shards {
            let nodes: Vec<_> = shard.lock().topics.iter().cloned().collect();
            nodes.iter().for_each(&mut f);
        }
    }

    /// The topics that stand here, or did and have left their count, as far as they are
    /// meant.
    pub(crate) fn names(&self, mut is_meant: impl FnMut(&Topic) -> bool) -> Vec<Topic> {
        let mut names = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let counted = shard.counts.iter().map(|(topic, _)| topic);
            let standing = shard.topics.iter().filter_map(|node| node.topic_name());
            names.extend(counted.chain(standing).cloned());
        }
        names.retain(&mut is_meant);
        names
    }

    /// Forgets everything, because the hub ends.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let shard = std::mem::take(&mut *shard.lock());
            drop(shard);
        }
    }

    /// How many topics stand here.
    pub(crate) fn len(&self) -> usize {
        let lens = self.shards.iter().map(|shard| shard.lock().topics.len());
        lens.sum()
    }
}
