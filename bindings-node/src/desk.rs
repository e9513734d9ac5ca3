//! Where an engine's lane puts its deliveries until JavaScript takes them.
//!
//! A turn of the lane writes records of two words, whom and what; [`Desk::hand_out`] copies
//! them into the array of JavaScript's, with the new events that they name.
//!
//! # Invariants
//! - A member is known by its slot, which JavaScript chose and does not use again before
//!   all records that name it are out.
//! - Credit is counted in an array that both sides write to, in turns: the engine takes
//!   from it what it hands out, JavaScript gives. A member without credit stalls, and what
//!   waits for it stays in the engine under its policy.

use std::collections::VecDeque;

use distributary::{CloseReason, Event, Flow, MemberId, Sink, Token};

use crate::{
    events::Crossing,
    parcel::{self, Packer, ROW},
};

/// Where the pairs begin in the array of JavaScript's. Before them, in this order: how many
/// pairs, how many new events, the number of the first of them, the oldest number that is
/// held, how much of the slab is used, and the flags.
const PAIRS: usize = 8;
/// The most pairs that are handed out at once.
const MOST_PAIRS: usize = 256;
/// Where the rows of new events begin; there are as many at most. lib/lane.js says the same.
const ROWS: usize = PAIRS + 2 * MOST_PAIRS;

/// There is more to be had now.
pub(crate) const MORE: u32 = 1;
/// The slab is full: the rest needs a new one.
const SLAB: u32 = 2;
/// Some payload did not cross and waits to be fetched.
pub(crate) const APART: u32 = 4;
/// No record is left here.
const CLEAR: u32 = 8;

/// The pair says how many events of the member are gone.
const LAGGED: u32 = 1 << 30;
/// The pair says that the member is out, and why.
const CLOSED: u32 = 1 << 29;

/// The slot of nobody.
const NOBODY: u32 = CLOSED - 1;

/// Takes what it gets.
const UNBOUNDED: u32 = u32::MAX;
/// Had no credit left when there was something for it, and has to be resumed.
const STALLED: u32 = u32::MAX - 1;
/// Takes nothing until it is resumed, whatever happens.
const HELD: u32 = u32::MAX - 2;

/// Records on their way, and who the members are.
pub(crate) struct Desk {
    /// Names of members by slot.
    members: Vec<Option<MemberId>>,
    records: VecDeque<(u32, u32)>,
    pub(crate) crossing: Crossing,
    packer: Packer,
    /// The next event that JavaScript has not seen.
    unseen: u32,
    /// The first event of the delivery before: often that of the next one too.
    first: u32,
    /// Of the latest event that crossed: all of a hub have the same.
    pub(crate) epoch: u64,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Desk {
            members: Vec::new(),
            records: VecDeque::new(),
            crossing: Crossing::new(),
            packer: Packer::default(),
            unseen: 0,
            first: 0,
            epoch: 0,
        }
    }

    /// Seats a member.
    pub(crate) fn seat(&mut self, slot: u32, member: MemberId) {
        let slot = slot as usize;
        if slot >= self.members.capacity() {
            // Ahead by an eighth, not by as much again: there may be very many.
            let ahead = self.members.capacity() / 8 + 16;
            self.members
                .reserve_exact(slot + ahead - self.members.len());
        }
        if slot >= self.members.len() {
            self.members.resize(slot + 1, None);
        }
        self.members[slot] = Some(member);
    }

    /// Who sits there.
    pub(crate) fn member(&self, slot: u32) -> Option<MemberId> {
        *self.members.get(slot as usize)?
    }

    /// Takes a member out.
    pub(crate) fn leave(&mut self, slot: u32) -> Option<MemberId> {
        self.members.get_mut(slot as usize)?.take()
    }

    /// Takes back what is on its way to a member and is of a topic that it does not want.
    pub(crate) fn sift(&mut self, slot: u32, wants: impl Fn(&str) -> bool) {
        let crossing = &self.crossing;
        for (whom, what) in &mut self.records {
            let event = crossing.event(*what).filter(|_| *whom == slot);
            if event.is_some_and(|event| !wants(event.topic().as_str())) {
                // The number stays: new events cross in the order of theirs.
                *whom = NOBODY;
            }
        }
    }

    /// Gives all the credit there is to those who read at their own pace: the hub ends,
    /// and what waits for them would be lost. Those that have to be resumed for it.
    pub(crate) fn release<'a>(
        &'a self,
        credit: &'a mut [u32],
    ) -> impl Iterator<Item = MemberId> + 'a {
        let bounded = credit.iter_mut().zip(&self.members);
        let bounded = bounded.filter(|(credit, _)| !matches!(**credit, UNBOUNDED | HELD));
        bounded.filter_map(|(credit, member)| {
            let before = std::mem::replace(credit, UNBOUNDED);
            member.filter(|_| before == STALLED)
        })
    }

    /// Whether everything is handed out.
    pub(crate) fn is_clear(&self) -> bool {
        self.records.is_empty()
    }

    /// Copies records out, as many as there is room for. `more` says whether the lane has
    /// something besides. The flags.
    pub(crate) fn hand_out(
        &mut self,
        out: &mut [u32],
        slab: &mut [u8],
        used: usize,
        more: bool,
    ) -> u32 {
        let oldest = self.crossing.oldest();
        let first = self.unseen;
        let (head, body) = out.split_at_mut(PAIRS);
        let (pairs, rows) = body.split_at_mut(ROWS - PAIRS);
        let (mut count, mut news, mut used, mut flags) = (0, 0, used, 0);
        while count < MOST_PAIRS
            && let Some(&(whom, what)) = self.records.front()
        {
            if whom & (LAGGED | CLOSED) == 0 && what == self.unseen {
                let row = &mut rows[news * ROW..][..ROW];
                let packed = self.crossing.event(what).and_then(|event| {
                    self.epoch = event.position().epoch;
                    self.packer.pack(event, row, &mut slab[used..])
                });
                let Some(bytes) = packed else {
                    flags |= SLAB;
                    break;
                };
                used += bytes;
                if row[0] & parcel::APART != 0 {
                    flags |= APART;
                }
                news += 1;
                self.unseen = what.wrapping_add(1);
            }
            pairs[2 * count] = whom;
            pairs[2 * count + 1] = what;
            count += 1;
            self.records.pop_front();
        }
        if more || !self.records.is_empty() {
            flags |= MORE;
        }
        if self.records.is_empty() {
            flags |= CLEAR;
        }
        head[..6].copy_from_slice(&[count as u32, news as u32, first, oldest, used as u32, flags]);
        flags
    }

    /// How long a slab has to be for the next event.
    pub(crate) fn need(&self) -> usize {
        let event = self.crossing.event(self.unseen);
        event.map_or(0, |event| self.packer.need(event))
    }

    fn record(&mut self, to: Token, event: &Event, likely: u32) -> u32 {
        let number = self.crossing.number(event, likely);
        self.records.push_back((to.0 as u32, number));
        number
    }
}

/// The desk during a turn, with the credit of its members.
pub(crate) struct Counter<'a> {
    pub(crate) desk: &'a mut Desk,
    pub(crate) credit: &'a mut [u32],
}

impl Counter<'_> {
    /// Takes from a member's credit what it is to get of so many events.
    fn draw(&mut self, to: Token, wanted: usize) -> usize {
        let Some(credit) = self.credit.get_mut(to.0 as usize) else {
            return wanted;
        };
        match *credit {
            UNBOUNDED => wanted,
            STALLED | HELD => 0,
            left => {
                let taken = wanted.min(left as usize);
                *credit = if taken < wanted {
                    STALLED
                } else {
                    left - taken as u32
                };
                taken
            }
        }
    }
}

impl Sink for Counter<'_> {
    fn deliver(&mut self, to: Token, events: &[Event]) -> Flow {
        let taken = self.draw(to, events.len());
        let mut likely = self.desk.first;
        for (i, event) in events[..taken].iter().enumerate() {
            let number = self.desk.record(to, event, likely);
            if i == 0 {
                self.desk.first = number;
            }
            likely = number.wrapping_add(1);
        }
        match taken == events.len() {
            true => Flow::Taken,
            false => Flow::Stalled { taken },
        }
    }

    fn lagged(&mut self, to: Token, mut missed: u64) -> Flow {
        // A count that one word does not hold comes in parts.
        while missed > 0 {
            let part = missed.min(u32::MAX.into()) as u32;
            self.desk.records.push_back((to.0 as u32 | LAGGED, part));
            missed -= u64::from(part);
        }
        Flow::Taken
    }

    fn closed(&mut self, to: Token, reason: CloseReason) {
        let slot = to.0 as u32;
        self.desk.leave(slot);
        let reason = match reason {
            CloseReason::HubClosed => 0,
            CloseReason::SlowConsumer => 1,
            CloseReason::Lost => 3,
            _ => 2,
        };
        self.desk.records.push_back((slot | CLOSED, reason));
    }
}
