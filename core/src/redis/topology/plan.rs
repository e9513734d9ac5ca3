//! Which connections there must be, and which name belongs to which.
//!
//! | layout | connections | listening | logs and scripts |
//! |---|---|---|---|
//! | one server, or the master that sentinels name | one | there | there |
//! | cluster, classic channels | one node, the *ear*; with logs every master as well | at the ear: a cluster carries every event to every node | at the slot's master |
//! | cluster, shard channels | every master | at the slot's master | there |
//!
//! A plan is told what is wanted and what is known of the servers, and answers in
//! [`Step`]s. It holds no connection and knows nothing of their states: a connection that
//! breaks is made again to the same place by whoever drives it, until the plan says that
//! the place is another.
//!
//! # Invariants
//!
//! - Following the steps, every wanted shard channel is joined at the owner of its slot,
//!   once, and nowhere while its slot has no owner.
//! - A connection is opened before it is named otherwise, and after its end never again:
//!   numbers are not used twice.
//! - One that others are to succeed is closed only when asked for ([`Plan::drained`]).

use std::{collections::BTreeMap, fmt};

use ahash::{AHashMap as HashMap, AHashSet as HashSet};

use super::slots::{Slot, SlotMap};
use crate::{redis::target::Server, topic::Topic};

/// A connection to one address, through all its breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u32);

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Connect there, and stay connected.
    Open { link: LinkId, at: Server },
    /// Listen to a shard channel there.
    Join { link: LinkId, topic: Topic },
    /// No longer. The server may have ended it by itself.
    Part { link: LinkId, topic: Topic },
    /// All that is listened to at `from` is listened to at `to`; once that is so, `from`
    /// is left, and [`Plan::drained`] told.
    Succeed { from: LinkId, to: LinkId },
    /// End it.
    Close { link: LinkId },
}

/// What kind of servers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One place at a time.
    One,
    /// A cluster, and channels that all its nodes carry. `logs`: whether there are logs,
    /// which live at the masters.
    Classic { logs: bool },
    /// A cluster, and channels that live at the masters.
    Sharded,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Plan {
    shape: Shape,
    links: BTreeMap<LinkId, Server>,
    next: u32,
    /// Where listening is done that is not bound to a slot.
    ear: Option<LinkId>,
    /// Left, and not yet drained.
    leaving: Vec<LinkId>,
    map: SlotMap,
    wanted: HashMap<Slot, HashSet<Topic>>,
    /// Of those, topics whose slots have no owner: counted as they come, for it is asked
    /// for with every confirmation.
    unseated: usize,
    /// Which of several equally good nodes is chosen: differs between hubs.
    lot: usize,
}

impl Plan {
    /// A plan for servers of which nothing is known yet. `lot` is any number that differs
    /// between hubs.
    pub(crate) fn new(shape: Shape, lot: u64) -> Self {
        Plan {
            shape,
            links: BTreeMap::new(),
            next: 0,
            ear: None,
            leaving: Vec::new(),
            map: SlotMap::default(),
            wanted: HashMap::new(),
            unseated: 0,
            lot: usize::try_from(lot >> 33).unwrap_or_default(),
        }
    }

    /// Where listening is done that is not bound to a slot: patterns, classic channels.
    pub(crate) fn ear(&self) -> Option<LinkId> {
        self.ear
    }

    /// Where the log and the shard channel of a name are. `None` while nobody is known to
    /// own its slot.
    pub(crate) fn home(&self, channel: &[u8]) -> Option<LinkId> {
        match self.shape {
            Shape::One => self.ear,
            Shape::Classic { .. } | Shape::Sharded => self.seat(Slot::of(channel)),
        }
    }

    /// Where a connection goes.
    pub(crate) fn address(&self, link: LinkId) -> Option<&Server> {
        self.links.get(&link)
    }

    /// What is known of the slots.
    pub(crate) fn map(&self) -> &SlotMap {
        &self.map
    }

    /// Shard channels that are wanted and whose slots have no owner.
    pub(crate) fn unseated(&self) -> usize {
        self.unseated
    }

    /// The one server, or the new master.
    pub(crate) fn master(&mut self, at: Server, steps: &mut Vec<Step>) {
        self.listen_at(at, steps);
    }

    /// The nodes of a cluster, as one of them told.
    pub(crate) fn slots(&mut self, map: SlotMap, steps: &mut Vec<Step>) {
        let before = std::mem::replace(&mut self.map, map);
        for at in self.needed() {
            self.open(at, steps);
        }
        for slot in self.wanted.keys().copied().collect::<Vec<_>>() {
            if before.owner(slot) != self.map.owner(slot) {
                self.reseat(slot, before.owner(slot), steps);
            }
        }
        let wanted = self.wanted.iter();
        let homeless = wanted.filter(|(slot, _)| self.map.owner(**slot).is_none());
        self.unseated = homeless.map(|(_, topics)| topics.len()).sum();
        self.settle(steps);
    }

    /// One slot has moved, by the word of its owner of until now.
    pub(crate) fn moved(&mut self, slot: Slot, to: Server, steps: &mut Vec<Step>) {
        let before = self.map.owner(slot).cloned();
        if !self.map.assign(slot, to.clone()) {
            return;
        }
        if before.is_none() {
            self.unseated -= self.wanted.get(&slot).map_or(0, |topics| topics.len());
        }
        if self.keeps_masters() {
            self.open(to, steps);
        }
        self.reseat(slot, before.as_ref(), steps);
        self.settle(steps);
    }

    /// The ear cannot be reached: another node will do, if there is one.
    pub(crate) fn deaf(&mut self, steps: &mut Vec<Step>) {
        let ear = self.ear.and_then(|ear| self.links.get(&ear)).cloned();
        self.lot = self.lot.wrapping_add(1);
        if let Some(at) = self.choose(ear.as_ref()) {
            self.listen_at(at, steps);
            self.settle(steps);
        }
    }

    /// Whoever succeeded this one is heard in its stead, and it has been left.
    pub(crate) fn drained(&mut self, link: LinkId, steps: &mut Vec<Step>) {
        self.leaving.retain(|leaving| *leaving != link);
        match self.shape {
            Shape::One if self.ear != Some(link) => self.close(link, steps),
            Shape::One => {}
            Shape::Classic { .. } | Shape::Sharded => self.settle(steps),
        }
    }

    /// A shard channel is wanted from now on, or no longer.
    pub(crate) fn want(&mut self, topic: Topic, wanted: bool, steps: &mut Vec<Step>) {
        let slot = Slot::of(topic.as_str().as_bytes());
        let link = self.seat(slot);
        let homeless = usize::from(self.map.owner(slot).is_none());
        if wanted {
            if self.wanted.entry(slot).or_default().insert(topic.clone()) {
                self.unseated += homeless;
                steps.extend(link.map(|link| Step::Join { link, topic }));
            }
        } else if let Some(topics) = self.wanted.get_mut(&slot)
            && topics.remove(&topic)
        {
            self.unseated -= homeless;
            if topics.is_empty() {
                self.wanted.remove(&slot);
            }
            steps.extend(link.map(|link| Step::Part { link, topic }));
        }
    }

    fn keeps_masters(&self) -> bool {
        matches!(self.shape, Shape::Sharded | Shape::Classic { logs: true })
    }

    fn needed(&self) -> Vec<Server> {
        match self.keeps_masters() {
            true => self.map.masters().into_iter().cloned().collect(),
            false => Vec::new(),
        }
    }

    fn seat(&self, slot: Slot) -> Option<LinkId> {
        self.link_to(self.map.owner(slot)?)
    }

    /// The connection to a place. The newest: one that is left may be on its way out.
    pub(crate) fn link_to(&self, at: &Server) -> Option<LinkId> {
        let mut links = self.links.iter().rev();
        links.find(|(_, to)| *to == at).map(|(link, _)| *link)
    }

    fn open(&mut self, at: Server, steps: &mut Vec<Step>) -> LinkId {
        self.link_to(&at).unwrap_or_else(|| {
            let link = LinkId(self.next);
            self.next += 1;
            self.links.insert(link, at.clone());
            steps.push(Step::Open { link, at });
            link
        })
    }

    fn close(&mut self, link: LinkId, steps: &mut Vec<Step>) {
        if self.links.remove(&link).is_some() {
            steps.push(Step::Close { link });
        }
    }

    fn listen_at(&mut self, at: Server, steps: &mut Vec<Step>) {
        let to = self.open(at, steps);
        self.leaving.retain(|leaving| *leaving != to);
        match self.ear.replace(to) {
            Some(from) if from != to => {
                self.leaving.push(from);
                steps.push(Step::Succeed { from, to });
            }
            _ => {}
        }
    }

    fn reseat(&self, slot: Slot, before: Option<&Server>, steps: &mut Vec<Step>) {
        let (from, to) = (before.and_then(|at| self.link_to(at)), self.seat(slot));
        for topic in self.wanted.get(&slot).into_iter().flatten() {
            let step = |link, join: bool| match join {
                true => Step::Join {
                    link,
                    topic: topic.clone(),
                },
                false => Step::Part {
                    link,
                    topic: topic.clone(),
                },
            };
            steps.extend(to.map(|link| step(link, true)));
            steps.extend(from.map(|link| step(link, false)));
        }
    }

    /// Sees to it that there is an ear where one is needed, and nothing that is not.
    fn settle(&mut self, steps: &mut Vec<Step>) {
        if let Shape::Classic { .. } = self.shape {
            let ear = self.ear.and_then(|ear| self.links.get(&ear));
            let known = ear.is_some_and(|at| self.map.nodes().any(|node| node == at));
            if !known && let Some(at) = self.choose(None) {
                self.listen_at(at, steps);
            }
        }
        let needed = self.needed();
        let idle: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(link, at)| {
                Some(**link) != self.ear && !self.leaving.contains(link) && !needed.contains(at)
            })
            .map(|(link, _)| *link)
            .collect();
        for link in idle {
            self.close(link, steps);
        }
    }

    /// A node to listen at: a master, for replicas may be full of old data's readers.
    fn choose(&self, except: Option<&Server>) -> Option<Server> {
        let masters = self.map.masters();
        let others = masters.into_iter().filter(|at| Some(*at) != except);
        let others: Vec<&Server> = others.collect();
        let lot = self.lot.checked_rem(others.len())?;
        Some(others[lot].clone())
    }
}

#[cfg(test)]
mod tests;
