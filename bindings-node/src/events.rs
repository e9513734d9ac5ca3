//! Events that have crossed to an event loop, so that each crosses once.
//!
//! An event that JavaScript is to see gets a number of its lane. Its text and bytes cross
//! with its first delivery, every further delivery is the number alone. Both sides keep
//! the latest [`RING`] of them, the engine's event here and the JavaScript object there,
//! at `number % RING`.
//!
//! # Invariants
//! - What one turn of the lane hands out stays in its place until JavaScript has taken it
//!   all: a turn makes at most [`TURN`] new numbers, and an event that stands closer than
//!   that to being pushed out gets a new number rather than its old one.
//! - An event is recognised by its address, which is nobody else's while it is held here.
//! - Between turns no more than [`BYTES`] are held, and nothing once the lane is idle.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use distributary::Event;

/// How many events are known by number.
pub(crate) const RING: usize = 2_048;
/// The most new numbers of a turn.
pub(crate) const TURN: usize = 512;
/// What the events may weigh that are held between turns.
const BYTES: usize = 16 << 20;

/// The events that JavaScript knows by number.
pub(crate) struct Crossing {
    ring: Vec<Option<Event>>,
    numbers: HashMap<usize, u32, BuildHasherDefault<Spread>>,
    /// The oldest number that is held.
    oldest: u32,
    /// The next number.
    next: u32,
    bytes: usize,
}

impl Crossing {
    pub(crate) fn new() -> Self {
        Crossing {
            ring: Vec::new(),
            numbers: HashMap::default(),
            oldest: 0,
            next: 0,
            bytes: 0,
        }
    }

    /// The oldest number that is held, or the next one.
    pub(crate) fn oldest(&self) -> u32 {
        self.oldest
    }

    /// The number of an event, a new one if it has none. `likely` is tried first.
    pub(crate) fn number(&mut self, event: &Event, likely: u32) -> u32 {
        if self.stays(likely) && self.event(likely).is_some_and(|held| held.is_same(event)) {
            return likely;
        }
        if let Some(&number) = self.numbers.get(&address(event))
            && self.stays(number)
        {
            return number;
        }
        self.take(event)
    }

    /// Whether it is held and no new number of this turn can push it out.
    fn stays(&self, number: u32) -> bool {
        let age = self.next.wrapping_sub(number) as usize;
        (1..=RING - TURN).contains(&age)
    }

    fn take(&mut self, event: &Event) -> u32 {
        if self.ring.is_empty() {
            self.ring.resize(RING, None);
        }
        let number = self.next;
        self.next = number.wrapping_add(1);
        if self.next.wrapping_sub(self.oldest) as usize > RING {
            self.let_go_of_oldest();
        }
        self.bytes += event.weight();
        // An older number of the same event is forgotten: this one stays longer.
        self.numbers.insert(address(event), number);
        self.ring[place(number)] = Some(event.clone());
        number
    }

    /// The event of a number that is held.
    pub(crate) fn event(&self, number: u32) -> Option<&Event> {
        self.ring.get(place(number))?.as_ref()
    }

    fn let_go_of_oldest(&mut self) {
        let number = self.oldest;
        self.oldest = number.wrapping_add(1);
        let Some(event) = self.ring[place(number)].take() else {
            return;
        };
        self.bytes -= event.weight();
        if self.numbers.get(&address(&event)) == Some(&number) {
            self.numbers.remove(&address(&event));
        }
    }

    /// Between turns: lets go of what is too much.
    pub(crate) fn trim(&mut self) {
        while self.bytes > BYTES && self.oldest != self.next {
            self.let_go_of_oldest();
        }
    }

    /// The lane is idle: lets go of everything.
    pub(crate) fn clear(&mut self) {
        while self.oldest != self.next {
            self.let_go_of_oldest();
        }
    }
}

fn place(number: u32) -> usize {
    number as usize % RING
}

/// Names an event as long as it is held: its topic lies inside of it.
fn address(event: &Event) -> usize {
    std::ptr::from_ref(event.topic()).addr()
}

/// Addresses are nobody's choice, so nothing has to be kept secret of them: a multiplication spreads them.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_usize(byte.into());
        }
    }

    fn write_usize(&mut self, number: usize) {
        self.0 = (self.0 ^ number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        // A table takes its place from the low bits, and those of an address are all alike.
        self.0.rotate_left(32)
    }
}
