//! The payload as far as somebody asks for it.
//!
//! What stands in the objects and arrays that asked paths go through is read and checked: keys, commas and colons, scalars and
//! their escapes, the ends of everything. The values that no path leads into are passed over by [`Skip`], to where they end. So
//! every key beside an asked one is seen, up to the end of the event, and a repeated one counts; nothing is concluded from
//! having found something.
//!
//! On a text that is not JSON, what may go unnoticed is what stands inside of such a value: its grammar, control characters and
//! broken escapes in it, bytes that are not UTF-8, a bracket closed by one of the other kind. That strings and containers end,
//! and the event with the text, is always seen. A text cut short is none.
//!
//! [`read`] gives up on the first thing that it does not understand or that the strict reader might see otherwise, and leaves it to
//! that.

use super::json::{DEPTH, scalar};
use super::projection::{Node, NodeId, Projection};
use super::skip::Skip;
use super::{Fields, Place};

/// How many words of eight bytes a string may have to be short: up to there looking at each is quicker than a block.
const SHORT: usize = 4;

/// Appends the leaves of `payload` to `out`. None, with `out` half filled, if that is better left to the strict reader.
pub(super) fn read<'p>(
    projection: &Projection,
    payload: &'p [u8],
    out: &mut Fields<'p>,
) -> Option<()> {
    let mut skim = Skim {
        projection,
        out,
        text: payload,
        skip: Skip::new(),
    };
    let start = skim.blanks(0);
    let inside = skim.byte(start, b'{')?;
    let end = skim.object(inside, NodeId::ROOT, Place::EVENT, 1)?;
    (skim.blanks(end) == payload.len()).then_some(())
}

/// Each method takes where to begin, and gives where what it read has ended.
struct Skim<'w, 'p> {
    projection: &'w Projection,
    out: &'w mut Fields<'p>,
    text: &'p [u8],
    skip: Skip,
}

impl<'w, 'p> Skim<'w, 'p> {
    /// An object from behind its brace; `depth` counts it.
    fn object(&mut self, at: usize, node: NodeId, place: Place, depth: u32) -> Option<usize> {
        let mut at = self.blanks(at);
        if let Some(end) = self.byte(at, b'}') {
            return Some(end);
        }
        loop {
            let (child, end) = self.key(self.byte(at, b'"')?, node)?;
            at = self.byte(self.blanks(end), b':')?;
            at = self.blanks(at);
            at = match child {
                Some(child) => self.value(at, child, place, depth)?,
                None => self.pass(at)?,
            };
            at = self.blanks(at);
            at = match self.text.get(at)? {
                b',' => self.blanks(at + 1),
                b'}' => return Some(at + 1),
                _ => return None,
            };
        }
    }

    /// A key from behind its quote, and where it leads.
    #[inline]
    fn key(&self, at: usize, node: NodeId) -> Option<(Option<NodeId>, usize)> {
        let end = self.plain(at, usize::MAX);
        if *self.text.get(end)? == b'"' {
            let child = self.projection.resolve(node, &self.text[at..end]);
            return Some((child, end + 1));
        }
        self.odd_key(at, node)
    }

    #[cold]
    fn odd_key(&self, at: usize, node: NodeId) -> Option<(Option<NodeId>, usize)> {
        let end = self.skip.string(self.text, at)?;
        let key: String = serde_json::from_slice(&self.text[at - 1..end]).ok()?;
        Some((self.projection.resolve(node, key.as_bytes()), end))
    }

    /// A value that stands inside of `depth` containers.
    fn value(&mut self, at: usize, id: NodeId, place: Place, depth: u32) -> Option<usize> {
        let node = self.projection.node(id);
        match self.text.get(at)? {
            b'{' if node.is_inner() && depth < DEPTH => self.object(at + 1, id, place, depth + 1),
            b'[' if depth < DEPTH => self.array(at + 1, id, place, depth),
            b'{' | b'[' => self.pass(at),
            _ => self.scalar(at, node, place),
        }
    }

    /// An array from behind its bracket, inside of `depth` containers. Nested arrays are one to a path, so this goes through
    /// them in one loop.
    fn array(&mut self, at: usize, id: NodeId, place: Place, mut depth: u32) -> Option<usize> {
        let node = self.projection.node(id);
        let outside = depth;
        depth += 1;
        let mut at = self.blanks(at);
        let mut just_opened = true;
        loop {
            at = match self.text.get(at)? {
                b']' if just_opened => at,
                b'[' if depth < DEPTH => {
                    depth += 1;
                    at = self.blanks(at + 1);
                    just_opened = true;
                    continue;
                }
                b'{' if node.is_inner() && depth < DEPTH => {
                    // The root is an object and never in an array.
                    let path = node.path.as_ref()?;
                    let element = self.out.push_element(path.id(), place);
                    self.object(at + 1, id, element, depth + 1)?
                }
                b'{' | b'[' => self.pass(at)?,
                _ => self.scalar(at, node, place)?,
            };
            just_opened = false;
            loop {
                at = self.blanks(at);
                match self.text.get(at)? {
                    b',' => break,
                    b']' => {
                        depth -= 1;
                        at += 1;
                        if depth == outside {
                            return Some(at);
                        }
                    }
                    _ => return None,
                }
            }
            at = self.blanks(at + 1);
        }
    }

    /// A scalar, which is a leaf if the path itself is asked for.
    fn scalar(&mut self, at: usize, node: &Node, place: Place) -> Option<usize> {
        let Node {
            path: Some(path),
            is_leaf: true,
            ..
        } = node
        else {
            return self.pass(at);
        };
        let end = match self.text.get(at)? {
            b'"' => self.string(at)?,
            _ => self.pass(at)?,
        };
        let text = std::str::from_utf8(&self.text[at..end]).ok()?;
        self.out.push(path.id(), place, scalar(text).ok()?);
        Some(end)
    }

    /// A string that is going to be used.
    fn string(&self, at: usize) -> Option<usize> {
        let end = self.plain(at + 1, SHORT);
        if *self.text.get(end)? == b'"' {
            return Some(end + 1);
        }
        let end = self.skip.string(self.text, end)?;
        // All at once: this way the compiler makes vectors of it.
        let control = |found, byte: &u8| found | (*byte < b' ');
        (!self.text[at..end].iter().fold(false, control)).then_some(end)
    }

    /// A value that nobody asks for.
    fn pass(&self, at: usize) -> Option<usize> {
        match self.text.get(at)? {
            b'"' => self.pass_string(at + 1),
            b'{' | b'[' => self.skip.container(self.text, at + 1),
            b't' => self.word(at, b"true"),
            b'f' => self.word(at, b"false"),
            b'n' => self.word(at, b"null"),
            _ => self.number(at),
        }
    }

    /// A string that nobody asks for, from behind its quote.
    #[inline]
    fn pass_string(&self, at: usize) -> Option<usize> {
        let end = self.plain(at, SHORT);
        if *self.text.get(end)? == b'"' {
            return Some(end + 1);
        }
        self.skip.string(self.text, end)
    }

    fn word(&self, at: usize, word: &[u8]) -> Option<usize> {
        self.text[at..].starts_with(word).then_some(at + word.len())
    }

    fn number(&self, at: usize) -> Option<usize> {
        let mut at = self.byte(at, b'-').unwrap_or(at);
        at = match self.byte(at, b'0') {
            Some(end) => end,
            None => self.digits(at)?,
        };
        if let Some(point) = self.byte(at, b'.') {
            at = self.digits(point)?;
        }
        if let Some(b'e' | b'E') = self.text.get(at) {
            let sign = matches!(self.text.get(at + 1), Some(b'+' | b'-'));
            at = self.digits(at + 1 + usize::from(sign))?;
        }
        Some(at)
    }

    /// At least one digit.
    fn digits(&self, at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(at + count)
    }

    #[inline]
    fn byte(&self, at: usize, byte: u8) -> Option<usize> {
        (*self.text.get(at)? == byte).then_some(at + 1)
    }

    #[inline]
    fn blanks(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(at) {
            at += 1;
        }
        at
    }

    /// The first byte that does not simply stand for itself in a string: a quote, a backslash, a control character, or one that
    /// is not ASCII. Or one before it, behind as many words of eight bytes as are looked at.
    #[inline]
    fn plain(&self, mut at: usize, words: usize) -> usize {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const TOPS: u64 = ONES * 0x80;
        for _ in 0..words {
            let Some(bytes) = self.text.get(at..).and_then(<[u8]>::first_chunk) else {
                break;
            };
            let word = u64::from_le_bytes(*bytes);
            // The top bit of each byte that is below `limit`; of bytes above a true one it may be wrong.
            let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
            let quote = below(word ^ (ONES * u64::from(b'"')), 1);
            let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
            let odd = (quote | backslash | below(word, b' ') | word) & TOPS;
            if odd != 0 {
                return at + odd.trailing_zeros() as usize / 8;
            }
            at += 8;
        }
        let rest = self.text.get(at..).unwrap_or_default();
        if rest.len() >= 8 {
            return at;
        }
        let stands = |byte: &&u8| matches!(byte, b' '..=0x7f) && !matches!(byte, b'"' | b'\\');
        at + rest.iter().take_while(stands).count()
    }
}
