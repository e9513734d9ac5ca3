//! Names of members that any thread may give out and only the lane looks up.

use crate::sync::{AtomicU32, Ordering, Queue};

/// A member of a lane, for as long as it is one. No two lanes of a process give out
/// equal ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberId {
    lane: u32,
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// Gives out names; one that is given back comes out again with another generation.
pub(super) struct Ids {
    lane: u32,
    free: Queue<MemberId>,
    next: AtomicU32,
}

impl Ids {
    pub(super) fn new() -> Self {
        static LANES: AtomicU32 = AtomicU32::new(0);
        Ids {
            lane: LANES.fetch_add(1, Ordering::Relaxed),
            free: Queue::new(),
            next: AtomicU32::new(0),
        }
    }

    /// Whether this lane gave the name out.
    pub(super) fn gave(&self, id: MemberId) -> bool {
        self.lane == id.lane
    }

    pub(super) fn take(&self) -> MemberId {
        self.free.pop().unwrap_or_else(|| MemberId {
            lane: self.lane,
            index: self.next.fetch_add(1, Ordering::Relaxed),
            generation: 0,
        })
    }

    pub(super) fn give_back(&self, id: MemberId) {
        self.free.push(MemberId {
            lane: id.lane,
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
            if index >= self.0.capacity() {
                // Ahead by an eighth: there may be very many.
                let wanted = index + index / 8 + 16;
                self.0.reserve_exact(wanted - self.0.len());
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_given_back_finds_nobody() {
        let (ids, mut locations) = (Ids::new(), Locations::default());
        let first = ids.take();
        assert_eq!(locations.find(first), None, "nobody has said where it is");
        locations.set(first, 3, 5);
        assert_eq!(locations.find(first), Some((3, 5)));
        locations.moved(first, 6);
        assert_eq!(locations.find(first), Some((3, 6)));
        locations.clear(first);
        assert_eq!(locations.find(first), None);

        ids.give_back(first);
        let second = ids.take();
        assert_eq!(second.index, first.index);
        assert_ne!(second, first);
        locations.set(second, 3, 7);
        assert_eq!(locations.find(first), None);
        assert_eq!(locations.find(second), Some((3, 7)));
    }

    #[test]
    fn names_that_are_out_are_different() {
        let ids = Ids::new();
        let mut out: Vec<MemberId> = (0..100).map(|_| ids.take()).collect();
        for id in out.drain(30..60) {
            ids.give_back(id);
        }
        out.extend((0..50).map(|_| ids.take()));
        out.sort_unstable_by_key(|id| id.index);
        out.dedup_by_key(|id| id.index);
        assert_eq!(out.len(), 120);
        // And none was made while one was free.
        assert_eq!(out.last().map(|id| id.index), Some(119));
    }

    #[test]
    fn a_name_whose_generations_have_all_been_used_starts_again() {
        let ids = Ids::new();
        let last = MemberId {
            lane: 0,
            index: 0,
            generation: u32::MAX,
        };
        ids.give_back(last);
        assert_eq!(ids.take().generation, 0);
    }
}
