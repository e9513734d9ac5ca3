//! The masks without vectors: eight bytes in a word.

use super::scan::{BLOCK, ContainerEnd, Masks, StringEnd, find};

const ONES: u64 = 0x0101_0101_0101_0101;

pub(super) fn container(text: &[u8], at: usize) -> Option<usize> {
    find(text, at, ContainerEnd::new(), masks)
}

pub(super) fn string(text: &[u8], at: usize) -> Option<usize> {
    find(text, at, StringEnd::default(), masks)
}

#[inline(always)]
fn masks(block: &[u8; BLOCK]) -> Masks {
    let mut masks = Masks {
        quotes: 0,
        backslashes: 0,
        opens: 0,
        closes: 0,
    };
    for (place, bytes) in block.as_chunks::<8>().0.iter().enumerate() {
        let word = u64::from_le_bytes(*bytes);
        // The two kinds of brackets differ in this bit alone.
        let bracket = word | (ONES * 0x20);
        masks.quotes |= equal(word, b'"') << (8 * place);
        masks.backslashes |= equal(word, b'\\') << (8 * place);
        masks.opens |= equal(bracket, b'{') << (8 * place);
        masks.closes |= equal(bracket, b'}') << (8 * place);
    }
    masks
}

/// Bit `i` of eight is set if byte `i` is `byte`.
#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    const LOW: u64 = ONES * 0x7f;
    let other = word ^ (ONES * u64::from(byte));
    // The sum sets the top bit of every byte whose lower bits are not all zero, and carries nothing over.
    let same = !(((other & LOW) + LOW) | other | LOW);
    // One bit a byte, all brought together in the top byte by the product.
    (same >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
