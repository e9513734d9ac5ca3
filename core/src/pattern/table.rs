//! Many live patterns against one topic, without asking each.
//!
//! Each pattern is filed under one [`Gram`] that every topic it matches must hold: of the longest grams it has,
//! the one under which the fewest others are filed when it comes. A topic then looks each of its own grams up, a
//! few dozen look-ups however many patterns live, and matches only those it finds there. It is all the same
//! whether the literal part of a pattern stands at its start, at its end or in the middle, and what many patterns
//! have in common (`user.`) draws none of them, since each is filed under what sets it apart.
//!
//! Beside its id a filed pattern leaves its length and the set of bytes it asks for, so that most of those that
//! cannot match are passed over without being touched. Patterns without any literal byte (`*`, `[a-f]?`) are
//! asked each; so the worst case, patterns that differ in nothing but their classes, is the plain scan.
//!
//! Invariants: a live entry is in `by_text` once and in exactly one file, the one its `home` names; no file is
//! empty; a card stands in its file at its entry's `position`. Of a removed pattern a free slot remains, which the
//! next one takes, until the table is empty and gives up all it held.

use ahash::RandomState;
use hashbrown::hash_map::Entry as MapEntry;
use hashbrown::{HashMap, HashTable};
use smallvec::SmallVec;

use super::Pattern;
use super::grams::{self, ByteSet, GRAM_BYTES, Gram};

/// Names a pattern in its table for as long as it lives there; never another one that comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PatternId {
    slot: u32,
    serial: u32,
}

/// Patterns and what belongs to each; equal patterns are one.
#[derive(Debug)]
pub(crate) struct PatternTable<T> {
    slots: Vec<Option<Entry<T>>>,
    /// Slots without an entry.
    free: Vec<u32>,
    /// Slots by the text of their patterns.
    by_text: HashTable<u32>,
    by_gram: HashMap<Gram, File, RandomState>,
    /// Those without a gram.
    unfiled: File,
    /// How many patterns are filed under a gram of one byte, two, and so on: lengths that need a look-up.
    filed: [usize; GRAM_BYTES],
    /// The serial of the next entry; a slot that is taken again answers to no older id.
    next_serial: u32,
    hasher: RandomState,
}

#[derive(Debug)]
struct Entry<T> {
    pattern: Pattern,
    serial: u32,
    home: Option<Gram>,
    /// Where its card stands in its file.
    position: u32,
    value: T,
}

/// The patterns of one gram; usually one.
type File = SmallVec<[Card; 1]>;

/// What is asked of a topic before its pattern is.
#[derive(Debug, Clone, Copy)]
struct Card {
    required: ByteSet,
    min_len: u32,
    slot: u32,
}

impl<T> PatternTable<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_text: HashTable::new(),
            by_gram: HashMap::default(),
            unfiled: File::new(),
            filed: [0; GRAM_BYTES],
            next_serial: 0,
            hasher: RandomState::default(),
        }
    }

    /// The number of live patterns.
    pub(crate) fn len(&self) -> usize {
        self.by_text.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_text.is_empty()
    }

    /// The entry of an equal pattern.
    pub(crate) fn find(&self, pattern: &Pattern) -> Option<PatternId> {
        let hash = self.hasher.hash_one(pattern);
        let slot = *self.by_text.find(hash, |slot| self.holds(*slot, pattern))?;
        let serial = self.slots[slot as usize].as_ref()?.serial;
        Some(PatternId { slot, serial })
    }

    /// The values of all entries.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten().map(|entry| &entry.value)
    }

    pub(crate) fn get(&self, id: PatternId) -> Option<&T> {
        self.entry(id).map(|entry| &entry.value)
    }

    pub(crate) fn get_mut(&mut self, id: PatternId) -> Option<&mut T> {
        let entry = self.slots.get_mut(id.slot as usize)?.as_mut()?;
        (entry.serial == id.serial).then_some(&mut entry.value)
    }

    /// Adds a pattern, in time linear in its length. An equal one keeps its id and takes the new value.
    pub(crate) fn insert(&mut self, pattern: Pattern, value: T) -> PatternId {
        if let Some(id) = self.find(&pattern) {
            if let Some(old) = self.get_mut(id) {
                *old = value;
            }
            return id;
        }
        let program = pattern.program();
        let home = grams::of_program(program)
            .into_iter()
            .min_by_key(|gram| self.by_gram.get(gram).map_or(0, SmallVec::len));
        let required = ByteSet::of_program(program);
        // A pattern has at most `MAX_PATTERN_BYTES`, and so has its shortest match.
        let min_len = program.min_len() as u32;
        let hash = self.hasher.hash_one(&pattern);

        let file = match home {
            Some(gram) => {
                self.filed[gram.len() - 1] += 1;
                self.by_gram.entry(gram).or_default()
            }
            None => &mut self.unfiled,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        let position = file.len() as u32;
        file.push(Card {
            required,
            min_len,
            slot,
        });
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        self.slots[slot as usize] = Some(Entry {
            pattern,
            serial,
            home,
            position,
            value,
        });

        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_text
            .insert_unique(hash, slot, |slot| hash_of(slots, hasher, *slot));
        PatternId { slot, serial }
    }

    /// Takes a pattern out, in time linear in its length.
    pub(crate) fn remove(&mut self, id: PatternId) -> Option<T> {
        self.entry(id)?;
        let Entry {
            pattern,
            home,
            position,
            value,
            ..
        } = self.slots[id.slot as usize].take()?;
        let hash = self.hasher.hash_one(&pattern);
        if let Ok(found) = self.by_text.find_entry(hash, |slot| *slot == id.slot) {
            found.remove();
        }
        match home {
            Some(gram) => {
                self.filed[gram.len() - 1] -= 1;
                if let MapEntry::Occupied(mut file) = self.by_gram.entry(gram) {
                    take_card(file.get_mut(), position, &mut self.slots);
                    if file.get().is_empty() {
                        file.remove();
                    }
                }
            }
            None => take_card(&mut self.unfiled, position, &mut self.slots),
        }
        self.free.push(id.slot);
        self.release();
        Some(value)
    }

    /// Calls `f` once for each pattern that matches `topic`, in no particular order.
    ///
    /// Takes a look-up for each byte of the topic, and a match for each pattern found so.
    pub(crate) fn for_each_match(&self, topic: &str, mut f: impl FnMut(&T)) {
        if self.is_empty() {
            return;
        }
        let bytes = ByteSet::of_bytes(topic.as_bytes());
        let mut ask = |cards: &[Card]| {
            for card in cards {
                if !card.required.is_subset(bytes) || card.min_len as usize > topic.len() {
                    continue;
                }
                // A card is in a file for as long as its slot has an entry.
                if let Some(entry) = &self.slots[card.slot as usize]
                    && entry.pattern.matches(topic)
                {
                    f(&entry.value);
                }
            }
        };
        ask(&self.unfiled);
        // A topic may hold a gram several times; its file is asked once.
        let mut asked: SmallVec<[Gram; 32]> = SmallVec::new();
        grams::for_each_in_topic(
            topic.as_bytes(),
            self.filed.map(|count| count > 0),
            |gram| {
                if let Some(file) = self.by_gram.get(&gram)
                    && !asked.contains(&gram)
                {
                    asked.push(gram);
                    ask(file);
                }
            },
        );
    }

    /// Gives memory back once the table is nearly empty; rarely enough that a removal stays cheap.
    fn release(&mut self) {
        if self.is_empty() {
            self.slots = Vec::new();
            self.free = Vec::new();
            self.unfiled = File::new();
        }
        if self.by_gram.capacity() > 8 * self.by_gram.len() + 64 {
            self.by_gram.shrink_to(2 * self.by_gram.len());
        }
        if self.by_text.capacity() > 8 * self.by_text.len() + 64 {
            let (slots, hasher) = (&self.slots, &self.hasher);
            self.by_text
                .shrink_to(2 * self.by_text.len(), |slot| hash_of(slots, hasher, *slot));
        }
    }

    fn entry(&self, id: PatternId) -> Option<&Entry<T>> {
        let entry = self.slots.get(id.slot as usize)?.as_ref()?;
        (entry.serial == id.serial).then_some(entry)
    }

    fn holds(&self, slot: u32, pattern: &Pattern) -> bool {
        let entry = self.slots[slot as usize].as_ref();
        entry.is_some_and(|entry| entry.pattern == *pattern)
    }
}

#[cfg(test)]
impl<T> PatternTable<T> {
    /// Whether nothing is left of what was ever inserted.
    pub(super) fn holds_nothing(&self) -> bool {
        let tables = self.by_gram.capacity() + self.by_text.capacity();
        self.slots.capacity() == 0
            && self.free.capacity() == 0
            && tables <= 256
            && self.filed == [0; GRAM_BYTES]
    }

    /// How many patterns the fullest gram draws.
    pub(super) fn longest_file(&self) -> usize {
        self.by_gram.values().map(SmallVec::len).max().unwrap_or(0)
    }
}

/// The hash that `by_text` keeps `slot` under; each slot there has an entry.
fn hash_of<T>(slots: &[Option<Entry<T>>], hasher: &RandomState, slot: u32) -> u64 {
    slots[slot as usize]
        .as_ref()
        .map_or(0, |entry| hasher.hash_one(&entry.pattern))
}

/// Takes the card at `position` out of `file`; the last card takes its place.
fn take_card<T>(file: &mut File, position: u32, slots: &mut [Option<Entry<T>>]) {
    file.swap_remove(position as usize);
    if let Some(moved) = file.get(position as usize)
        && let Some(entry) = &mut slots[moved.slot as usize]
    {
        entry.position = position;
    }
}
