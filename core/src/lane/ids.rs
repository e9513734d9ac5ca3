//! Names of members that any thread may give out and only the lane looks up.

use crate::sync::{AtomicU32, Ordering, Queue};

/// A member of a lane, for as long as it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// Gives out names; one that is given back comes out again with another generation.
pub(super) struct Ids {
    free: Queue<MemberId>,
    next: AtomicU32,
}

impl Ids {
    pub(super) fn new() -> Self {
        Ids {
            free: Queue::new(),
            next: AtomicU32::new(0),
        }
    }

    pub(super) fn take(&self) -> MemberId {
        self.free.pop().unwrap_or_else(|| MemberId {
            index: self.next.fetch_add(1, Ordering::Relaxed),
            generation: 0,
        })
    }

    pub(super) fn give_back(&self, id: MemberId) {
        self.free.push(MemberId {
            index: id.index,
            generation: id.generation.wrapping_add(1),
        });
    }
}

/// Where each member is, looked up by its name.
#[derive(Default)]
pub(super) struct Locations(Vec<Location>);

#[derive(Clone, Copy)]
struct Location {
    generation: u32,
    group: u32,
    place: u32,
}

/// No member has this name now.
const NOWHERE: u32 = u32::MAX;

impl Locations {
    pub(super) fn set(&mut self, id: MemberId, group: u32, place: u32) {
        let index = id.index as usize;
        if index >= self.0.len() {
            let nowhere = Location {
                generation: 0,
                group: NOWHERE,
                place: 0,
            };
            self.0.resize(index + 1, nowhere);
        }
        self.0[index] = Location {
            generation: id.generation,
            group,
            place,
        };
    }

    /// Group and place of a member, if it is one still.
    pub(super) fn find(&self, id: MemberId) -> Option<(u32, u32)> {
        let location = self.0.get(id.index as usize)?;
        (location.generation == id.generation && location.group != NOWHERE)
            .then_some((location.group, location.place))
    }

    pub(super) fn moved(&mut self, id: MemberId, place: u32) {
        self.0[id.index as usize].place = place;
    }

    pub(super) fn clear(&mut self, id: MemberId) {
        self.0[id.index as usize].group = NOWHERE;
    }
}
