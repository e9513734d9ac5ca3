//! All live patterns, and how topics learn of them.
//!
//! A topic matches every pattern once: all of them when it first appears, and after
//! that only those that came since. The table keeps a journal of its latest changes
//! for that; a topic that slept through more than the journal holds matches afresh.
//! So a publish costs one load as long as nobody adds or removes a pattern, and
//! adding a pattern costs nothing per topic.
//!
//! # Invariant
//!
//! `changes` is raised after a change is in the table and before `subscribe`
//! returns; a publish that starts later therefore finds it.

use std::collections::VecDeque;

use super::node::{Admissions, Node};
use crate::{
    pattern::{Pattern, PatternTable},
    sync::{Arc, AtomicU64, Ordering, RwLock},
};

/// Changes that the journal remembers.
const JOURNAL: usize = 1_024;

#[derive(Default)]
pub(crate) struct Patterns {
    changes: AtomicU64,
    state: RwLock<State>,
}

struct State {
    table: PatternTable<Arc<Node>>,
    /// The latest changes; the last one is number `changes`.
    journal: VecDeque<Change>,
}

enum Change {
    Added(Arc<Node>, Pattern),
    Removed(Arc<Node>),
}

impl Default for State {
    fn default() -> Self {
        State {
            table: PatternTable::new(),
            journal: VecDeque::new(),
        }
    }
}

impl Patterns {
    /// How many patterns live.
    pub(crate) fn len(&self) -> usize {
        self.state.read().table.len()
    }

    /// Whether there has ever been one; one load.
    pub(crate) fn were_any(&self) -> bool {
        self.changes.load(Ordering::Acquire) > 0
    }

    /// The node of a pattern, if anybody asked for it.
    pub(crate) fn find(&self, pattern: &Pattern) -> Option<Arc<Node>> {
        let state = self.state.read();
        let id = state.table.find(pattern)?;
        state.table.get(id).cloned()
    }

    /// The node of a pattern, made if it is new.
    pub(crate) fn find_or_insert(&self, pattern: &Pattern) -> Arc<Node> {
        let mut state = self.state.write();
        let found = state.table.find(pattern);
        if let Some(node) = found.and_then(|id| state.table.get(id)) {
            return Arc::clone(node);
        }
        let node = Arc::new(Node::pattern(pattern.clone()));
        state.table.insert(pattern.clone(), Arc::clone(&node));
        self.note(
            &mut state,
            Change::Added(Arc::clone(&node), pattern.clone()),
        );
        node
    }

    /// Takes an empty pattern out. False when the table is busy and `wait` is not
    /// wanted; true when done, or when the pattern is needed again.
    pub(crate) fn forget(&self, node: &Arc<Node>, pattern: &Pattern, wait: bool) -> bool {
        let Some(mut state) = (match wait {
            true => Some(self.state.write()),
            false => self.state.try_write(),
        }) else {
            return false;
        };
        let mut admissions = node.admissions().lock();
        if admissions.is_gone() || !admissions.has_no_feeds() {
            return true;
        }
        admissions.go();
        drop(admissions);
        if let Some(id) = state.table.find(pattern) {
            state.table.remove(id);
        }
        self.note(&mut state, Change::Removed(Arc::clone(node)));
        true
    }

    /// Calls `f` with every pattern, without holding a lock meanwhile.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Arc<Node>)) {
        let nodes: Vec<_> = self.state.read().table.values().cloned().collect();
        nodes.iter().for_each(&mut f);
    }

    /// Forgets everything, because the hub ends.
    pub(crate) fn clear(&self) {
        let state = std::mem::take(&mut *self.state.write());
        drop(state);
    }

    fn note(&self, state: &mut State, change: Change) {
        state.journal.push_back(change);
        if state.journal.len() > JOURNAL {
            state.journal.pop_front();
        }
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Brings a topic's list of matching patterns up to date.
    pub(crate) fn sync(&self, topic: &str, admissions: &mut Admissions) {
        let changes = self.changes.load(Ordering::Acquire);
        if changes == admissions.more().map_or(0, |more| more.patterns_seen) {
            return;
        }
        let state = self.state.read();
        // Under the lock, for the list below is of this moment.
        let changes = self.changes.load(Ordering::Acquire);
        let more = admissions.more_mut();
        let unseen = usize::try_from(changes - more.patterns_seen).unwrap_or(usize::MAX);
        let before = more.patterns.len();
        let mut changed = false;
        if more.patterns_seen == 0 || unseen > state.journal.len() {
            more.patterns.clear();
            state
                .table
                .for_each_match(topic, |node| more.patterns.push(Arc::clone(node)));
            changed = before > 0 || !more.patterns.is_empty();
        } else {
            for change in state.journal.range(state.journal.len() - unseen..) {
                match change {
                    Change::Added(node, pattern) if pattern.matches(topic) => {
                        more.patterns.push(Arc::clone(node));
                        changed = true;
                    }
                    Change::Added(..) => {}
                    Change::Removed(node) => {
                        let before = more.patterns.len();
                        more.patterns.retain(|n| !Arc::ptr_eq(n, node));
                        changed |= more.patterns.len() != before;
                    }
                }
            }
        }
        more.patterns_seen = changes;
        if changed {
            more.view = None;
        }
    }
}
