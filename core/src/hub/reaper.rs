//! What a leaver leaves behind, and who clears it away.
//!
//! Leaving never waits. A leaver does its own clearing if every lock it needs is
//! free, and only a bounded amount of it; otherwise the rest goes into a queue that
//! the next publish, subscribe or leave works off a few pieces at a time. A feed that
//! is dead stays dead (see [`Feed`](crate::feed::Feed)), so it does not matter how
//! late it is unhooked.

use super::{
    core::Core,
    node::{Name, Node},
    outlet::Outlet,
};
use crate::{
    feed::{Shed, SlotId},
    sync::{Arc, Ordering, Queue},
};

/// Places that one leaver unhooks a feed from.
const LINKS: usize = 32;
/// Pieces of other leavers that one call clears.
const PIECES: usize = 8;

pub(crate) struct Reaper {
    queue: Queue<Piece>,
}

enum Piece {
    /// A reader whose feed was locked when it left.
    Reader(Arc<Outlet>, u64, SlotId),
    /// A feed without subscriptions, still hooked in somewhere.
    Dead(Arc<Outlet>),
    /// A node that may be empty.
    Empty(Arc<Node>),
    /// The last pattern has gone: topics that were only passing need not be known.
    Passing,
}

impl Reaper {
    pub(crate) fn new() -> Self {
        Reaper {
            queue: Queue::new(),
        }
    }

    pub(crate) fn clear(&self) {
        while self.queue.pop().is_some() {}
    }
}

impl Core {
    /// Ends a subscription that stood at `cursor`. O(1), never waits.
    pub(crate) fn leave(&self, outlet: &Arc<Outlet>, cursor: u64, slot: SlotId) {
        self.live.fetch_sub(1, Ordering::Relaxed);
        if outlet.feed.exit() {
            // The feed is dead, so there is no reader to count out any more.
            self.clear(Piece::Dead(Arc::clone(outlet)), false);
        } else {
            self.clear(Piece::Reader(Arc::clone(outlet), cursor, slot), false);
        }
        self.left();
    }

    /// The same for a lane's member: the lane counts its readers itself.
    pub(crate) fn leave_seated(&self, outlet: &Arc<Outlet>) {
        self.live.fetch_sub(1, Ordering::Relaxed);
        if outlet.feed.exit() {
            self.clear(Piece::Dead(Arc::clone(outlet)), false);
        }
        self.left();
    }

    fn left(&self) {
        self.reap(false);
        // Who left may have been the one that kept a feed full.
        self.room.made();
        if self.is_closed() {
            // Nobody comes any more to clear what could not be cleared now.
            self.reaper.clear();
        }
    }

    /// Gives up a feed that nobody reads and nobody else knows of.
    pub(crate) fn abandon(&self, outlet: &Arc<Outlet>) {
        if outlet.feed.exit() {
            self.clear(Piece::Dead(Arc::clone(outlet)), true);
        }
    }

    /// Clears a few pieces that others left. With `wait`, for locks that are taken as
    /// well; then no lock may be held here.
    pub(crate) fn reap(&self, wait: bool) {
        if self.reaper.queue.is_empty() {
            return;
        }
        for _ in 0..PIECES {
            let Some(piece) = self.reaper.queue.pop() else {
                return;
            };
            if !self.clear(piece, wait) {
                return;
            }
        }
    }

    /// Clears everything that is left to clear.
    pub(crate) fn reap_all(&self) {
        while let Some(piece) = self.reaper.queue.pop() {
            self.clear(piece, true);
        }
    }

    /// False when a lock was taken, or it was too much for once: then it is queued.
    fn clear(&self, piece: Piece, wait: bool) -> bool {
        match piece {
            Piece::Reader(outlet, cursor, slot) => {
                let mut shed = Shed::default();
                let left = match wait {
                    true => {
                        outlet.feed.leave(cursor, slot, &mut shed);
                        true
                    }
                    false => outlet.feed.try_leave(cursor, slot, &mut shed),
                };
                self.account(&mut shed);
                if !left {
                    self.reaper.queue.push(Piece::Reader(outlet, cursor, slot));
                }
                left
            }
            Piece::Dead(outlet) => self.unhook(outlet, wait),
            Piece::Empty(node) => self.forget(node, wait),
            Piece::Passing if wait => {
                if self.patterns.len() == 0 {
                    self.table.forget_passing();
                }
                true
            }
            Piece::Passing => {
                self.reaper.queue.push(Piece::Passing);
                false
            }
        }
    }

    /// Takes a dead feed out of the routes.
    fn unhook(&self, outlet: Arc<Outlet>, wait: bool) -> bool {
        let mut links = outlet.take_links(LINKS);
        let through = links.len() < LINKS;
        while let Some(link) = links.pop() {
            let Some(mut admissions) = (match wait {
                true => Some(link.node.admissions().lock()),
                false => link.node.admissions().try_lock(),
            }) else {
                links.push(link);
                outlet.put_links_back(links);
                self.reaper.queue.push(Piece::Dead(outlet));
                return false;
            };
            let dropped = admissions.remove(link.entry, &outlet);
            let empty = admissions.has_no_feeds();
            drop(admissions);
            drop(dropped);
            if empty {
                self.note_interest(&link.node);
                self.tell_interest();
                self.forget(link.node, wait);
            }
        }
        if !through && outlet.has_links() {
            self.reaper.queue.push(Piece::Dead(outlet));
            return false;
        }
        if !self.unregister(&outlet, wait) {
            self.reaper.queue.push(Piece::Dead(outlet));
            return false;
        }
        self.pressure.leave(&outlet);
        let mut shed = Shed::default();
        outlet.feed.clear(&mut shed);
        self.account(&mut shed);
        true
    }

    /// Takes a node out of its table if it is empty. No lock may be held.
    pub(crate) fn forget_node(&self, node: Arc<Node>) {
        self.forget(node, true);
    }

    /// Takes a node out of its table if it is empty.
    fn forget(&self, node: Arc<Node>, wait: bool) -> bool {
        let done = match &node.name {
            Name::Topic(_) => self.table.forget(&node, wait),
            Name::Pattern(pattern) => {
                let done = self.patterns.forget(&node, pattern, wait);
                if done && self.patterns.len() == 0 {
                    self.reaper.queue.push(Piece::Passing);
                }
                done
            }
        };
        if !done {
            self.reaper.queue.push(Piece::Empty(node));
        }
        done
    }
}
