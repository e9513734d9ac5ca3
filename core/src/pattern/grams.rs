//! Grams: up to four neighbouring bytes of a topic, packed into a word, with marks for its start and end.
//!
//! A pattern that holds a literal stretch can only match a topic that holds each gram of it. Topics and patterns
//! are UTF-8, in which no byte is above `0xF7`: the marks and the padding of a gram shorter than four are bytes
//! that no text has, so grams of any length share one space without meeting.

use super::program::Program;

/// Stands before the first byte of a topic.
const START: u8 = 0xFE;
/// Stands behind the last byte of a topic.
const END: u8 = 0xFF;
/// Fills a gram that is shorter than [`GRAM_BYTES`].
const PAD: u8 = 0xFD;

/// The longest gram.
pub(super) const GRAM_BYTES: usize = 4;

/// A gram. The earlier byte is the more significant one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Gram(u32);

impl Gram {
    /// The last `len` bytes of `window`.
    fn ending(window: u32, len: usize) -> Self {
        const PADDING: u32 = u32::from_be_bytes([PAD; GRAM_BYTES]);
        let kept = u32::MAX >> (8 * (GRAM_BYTES - len));
        Self((window & kept) | (PADDING & !kept))
    }

    /// The bytes in it.
    pub(super) fn len(self) -> usize {
        self.0
            .to_be_bytes()
            .iter()
            .filter(|byte| **byte != PAD)
            .count()
    }
}

/// The longest grams that every match of `program` has, all of one length; none if it holds no literal byte.
pub(super) fn of_program(program: &Program) -> Vec<Gram> {
    let mut len = 0;
    let mut grams = Vec::new();
    let mut marked = Vec::new();
    program.for_each_literal(|bytes, at_start, at_end| {
        if bytes.is_empty() {
            return;
        }
        marked.clear();
        marked.extend(at_start.then_some(START));
        marked.extend(bytes);
        marked.extend(at_end.then_some(END));
        let longest = marked.len().min(GRAM_BYTES);
        if longest > len {
            len = longest;
            grams.clear();
        }
        if longest == len {
            let packed = marked.windows(len).map(|window| {
                window
                    .iter()
                    .fold(0, |packed, byte| packed << 8 | u32::from(*byte))
            });
            grams.extend(packed.map(|packed| Gram::ending(packed, len)));
        }
    });
    grams
}

/// Calls `f` with every gram of `topic` that has one of the lengths for which `wanted[len - 1]` holds.
pub(super) fn for_each_in_topic(topic: &[u8], wanted: [bool; GRAM_BYTES], mut f: impl FnMut(Gram)) {
    let mut window = 0;
    for (at, byte) in std::iter::once(START)
        .chain(topic.iter().copied())
        .chain([END])
        .enumerate()
    {
        window = window << 8 | u32::from(byte);
        for len in (1..=GRAM_BYTES.min(at + 1)).filter(|len| wanted[len - 1]) {
            f(Gram::ending(window, len));
        }
    }
}

/// A bit for each byte that a topic holds, or that a pattern asks for; some bytes share one.
///
/// The letters, the digits and the usual separators of topic names have each their own bit, upper and lower case
/// aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ByteSet(u64);

impl ByteSet {
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(0, |set, byte| {
            set | 1 << ((byte & 0x1F) | (byte & 0x40) >> 1)
        }))
    }

    pub(super) fn of_program(program: &Program) -> Self {
        let mut set = Self::default();
        program.for_each_literal(|bytes, _, _| set.0 |= Self::of_bytes(bytes).0);
        set
    }

    pub(super) fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}
