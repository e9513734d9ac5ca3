//! What comes while a topic's log is read: held, until the log has shown what is before it.
//!
//! # Invariants
//!
//! - The bytes of all stocks are in `Shared::held`, which bounds them together.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Shared;
use crate::redis::{log::repair::Hole, wire::envelope::Stamps};

/// What came while a log is read, in the order it came.
#[derive(Debug, Default)]
pub(super) struct Stock {
    pub(super) held: VecDeque<Held>,
    pub(super) bytes: usize,
    /// So many of the held were there when the read began.
    pub(super) known: usize,
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) stamps: Stamps,
    pub(super) bytes: Bytes,
}

impl Stock {
    pub(super) fn push(&mut self, held: Held, shared: &mut Shared) {
        self.bytes += held.weight();
        shared.held += held.weight();
        self.held.push_back(held);
    }

    pub(super) fn pop(&mut self, shared: &mut Shared) -> Option<Held> {
        let held = self.held.pop_front()?;
        self.known = self.known.saturating_sub(1);
        self.let_go(&held, shared);
        Some(held)
    }

    /// Takes out what is in a hole.
    pub(super) fn take(&mut self, hole: &Hole, shared: &mut Shared) -> Vec<Held> {
        let is_in = |held: &Held| {
            let Stamps {
                lineage, number, ..
            } = held.stamps;
            number > hole.after && number <= hole.last && Some(lineage) == hole.lineage
        };
        if !self.held.iter().any(is_in) {
            return Vec::new();
        }
        let (mut taken, mut known) = (Vec::new(), self.known);
        for (at, held) in std::mem::take(&mut self.held).into_iter().enumerate() {
            if is_in(&held) {
                known -= usize::from(at < self.known);
                self.let_go(&held, shared);
                taken.push(held);
            } else {
                self.held.push_back(held);
            }
        }
        self.known = known;
        taken
    }

    /// Lets everything go. What it was.
    pub(super) fn clear(&mut self, shared: &mut Shared) -> VecDeque<Held> {
        shared.held -= std::mem::take(&mut self.bytes);
        self.known = 0;
        std::mem::take(&mut self.held)
    }

    fn let_go(&mut self, held: &Held, shared: &mut Shared) {
        self.bytes -= held.weight();
        shared.held -= held.weight();
    }
}

impl Held {
    pub(super) fn new(stamps: Stamps, bytes: &[u8]) -> Self {
        Held {
            stamps,
            bytes: Bytes::copy_from_slice(bytes),
        }
    }

    pub(super) fn weight(&self) -> usize {
        size_of::<Held>() + self.bytes.len()
    }
}
