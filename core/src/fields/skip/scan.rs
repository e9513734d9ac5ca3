//! The count over the masks of one block after another. Pure: whoever makes the masks inlines it.

/// How many bytes a block has: as many as its masks have bits.
pub(super) const BLOCK: usize = 64;

/// Where in a block the bytes that matter stand.
pub(super) struct Masks {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    /// `{` and `[`.
    pub(super) opens: u64,
    /// `}` and `]`.
    pub(super) closes: u64,
}

/// What is looked for.
pub(super) trait End {
    /// Where in the next block it is.
    fn in_block(&mut self, masks: Masks) -> Option<u32>;
}

/// One past the end that is looked for from `at` on.
///
/// Whole blocks and the last one go by one call of each function, so that both are compiled into their caller, for the
/// features of the processor that the caller knows of.
#[inline(always)]
pub(super) fn find(
    text: &[u8],
    at: usize,
    mut end: impl End,
    masks: impl Fn(&[u8; BLOCK]) -> Masks,
) -> Option<usize> {
    let mut rest = text.get(at..)?;
    let mut last = [b' '; BLOCK];
    loop {
        let block = rest.first_chunk().unwrap_or_else(|| {
            // Blanks end nothing, so an end is found in the text itself.
            last[..rest.len()].copy_from_slice(rest);
            &last
        });
        if let Some(offset) = end.in_block(masks(block)) {
            return Some(text.len() - rest.len() + offset as usize + 1);
        }
        rest = rest.get(BLOCK..)?;
    }
}

/// Looks for the quote that ends a string.
#[derive(Default)]
pub(super) struct StringEnd(Escapes);

impl End for StringEnd {
    #[inline(always)]
    fn in_block(&mut self, masks: Masks) -> Option<u32> {
        let quotes = self.0.unescaped(&masks);
        (quotes != 0).then(|| quotes.trailing_zeros())
    }
}

/// Looks for the bracket that ends a container.
pub(super) struct ContainerEnd {
    escapes: Escapes,
    /// All bits set when the last block ended inside of a string.
    inside: u64,
    /// How many containers are open, at least one.
    depth: i64,
}

impl ContainerEnd {
    #[inline(always)]
    pub(super) fn new() -> ContainerEnd {
        ContainerEnd {
            escapes: Escapes::default(),
            inside: 0,
            depth: 1,
        }
    }
}

impl End for ContainerEnd {
    #[inline(always)]
    fn in_block(&mut self, masks: Masks) -> Option<u32> {
        let inside = parity(self.escapes.unescaped(&masks)) ^ self.inside;
        self.inside = ((inside as i64) >> 63) as u64;
        let opens = masks.opens & !inside;
        let closes = masks.closes & !inside;
        let count = i64::from(closes.count_ones());
        // With fewer closing brackets than open containers the depth cannot have come to zero on the way.
        if count >= self.depth
            && let Some(offset) = zero(self.depth, opens, closes)
        {
            return Some(offset);
        }
        self.depth = self.depth + i64::from(opens.count_ones()) - count;
        None
    }
}

/// The closing bracket that brings `depth` to zero.
#[inline(always)]
fn zero(mut depth: i64, opens: u64, mut closes: u64) -> Option<u32> {
    while closes != 0 {
        let lowest = closes & closes.wrapping_neg();
        // May go below zero: what was opened before within the block is counted apart.
        depth -= 1;
        if depth + i64::from((opens & (lowest - 1)).count_ones()) == 0 {
            return Some(lowest.trailing_zeros());
        }
        closes ^= lowest;
    }
    None
}

/// Which quotes are quotes: not those that a backslash takes away.
#[derive(Default)]
struct Escapes {
    /// 1 when the last block ended in a backslash that takes away what follows.
    open: u64,
}

impl Escapes {
    #[inline(always)]
    fn unescaped(&mut self, masks: &Masks) -> u64 {
        if masks.backslashes | self.open == 0 {
            return masks.quotes;
        }
        masks.quotes & !self.escaped(masks.backslashes)
    }

    /// The bytes behind runs of backslashes of odd length.
    ///
    /// Adding its first bit to a run carries through to the bit behind it. Done to the runs that begin at even places alone, this
    /// tells them from the others; and the length of a run is odd if its beginning and the place behind it are not both even or
    /// both odd.
    #[inline(always)]
    fn escaped(&mut self, backslashes: u64) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let taken = self.open;
        let runs = backslashes & !taken;
        let begins = runs & !(runs << 1);
        let (carried, overflow) = runs.overflowing_add(begins & EVEN);
        let behind_even = carried & !runs;
        let behind_odd = (runs << 1) & !runs & !behind_even;
        // A run up to the end of the block is odd if it began at an odd place, which is one that did not overflow.
        self.open = (runs >> 63) & u64::from(!overflow);
        (behind_even & !EVEN) | (behind_odd & EVEN) | taken
    }
}

/// Bit `i` is set if an odd number of bits is set up to and with `i`: from an opening quote until before the closing one.
#[inline(always)]
fn parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}
