//! What goes out: bytes made once, and sent to any number of sockets from any offset.
//!
//! A small message is one run of bytes, header included. A large one is never copied:
//! it keeps the payload as the publisher gave it, and its *wire form* (fragment
//! headers between stretches of payload) is worked out from an offset alone. So a
//! socket that stalls in the middle holds a reference and a number.
//!
//! # Invariants
//!
//! - The wire form of a frame never changes, and offsets run from 0 to [`Frame::len`].
//! - Between two fragments ([`Frame::is_boundary`]) a control frame may go out.

use std::io::IoSlice;

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::{SmallVec, smallvec};

use crate::{event::Event, sync::Arc, wake::contained};

/// The slices of one write.
pub(in crate::gateway) type Slices<'a> = SmallVec<[IoSlice<'a>; 16]>;

/// What a WebSocket frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::gateway) enum Opcode {
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

const FINAL: u8 = 0x80;
const CONTINUATION: u8 = 0x0;

/// Bytes ready to be sent, shared by every socket that they go to.
#[derive(Clone)]
pub(in crate::gateway) struct Frame(Arc<Inner>);

struct Inner {
    body: SmallVec<[Bytes; 3]>,
    len: usize,
    /// Absent where the body is the wire form itself.
    fragments: Option<Fragments>,
    /// Keeps the weight of what is still to be sent in the hub's gauge.
    event: Option<Event>,
}

impl Drop for Inner {
    /// Perhaps the last holder of an event, whose buffers are anybody's: what their
    /// destructors do must not end a lane.
    fn drop(&mut self) {
        let (body, event) = (std::mem::take(&mut self.body), self.event.take());
        contained(|| drop(body));
        contained(|| drop(event));
    }
}

impl Frame {
    /// Bytes that are sent as they are.
    pub(in crate::gateway) fn bare(body: SmallVec<[Bytes; 3]>, event: Option<&Event>) -> Self {
        let len = body.iter().map(Bytes::len).sum();
        Frame::new(body, len, None, event)
    }

    /// One run of bytes that is sent as it is.
    pub(in crate::gateway) fn run(bytes: Bytes) -> Self {
        Frame::bare(smallvec![bytes], None)
    }

    /// One WebSocket message. Its parts are copied into one run if they are no larger
    /// than a fragment, else they are kept.
    pub(in crate::gateway) fn message(
        opcode: Opcode,
        body: SmallVec<[Bytes; 3]>,
        fragment: usize,
        event: Option<&Event>,
    ) -> Self {
        let len: usize = body.iter().map(Bytes::len).sum();
        if len <= fragment {
            let header = Header::new(FINAL | opcode as u8, len);
            let mut whole = BytesMut::with_capacity(header.len() + len);
            whole.put_slice(header.as_slice());
            body.iter().for_each(|part| whole.put_slice(part));
            return Frame::bare(smallvec![whole.freeze()], event);
        }
        let fragments = Fragments::new(opcode, len, fragment);
        let wire = fragments.wire_len(len);
        Frame::new(body, wire, Some(fragments), event)
    }

    /// Lines of text. Copied into one run if they are few, else kept in their parts.
    pub(in crate::gateway) fn lines(body: SmallVec<[Bytes; 3]>, few: usize, event: &Event) -> Self {
        let len: usize = body.iter().map(Bytes::len).sum();
        match len <= few {
            true => Frame::bare(smallvec![Bytes::from(body.concat())], Some(event)),
            false => Frame::bare(body, Some(event)),
        }
    }

    /// The same with bytes of one socket's own behind it. The parts are shared.
    pub(in crate::gateway) fn with_tail(&self, tail: Bytes) -> Self {
        let mut body = self.0.body.clone();
        body.push(tail);
        Frame::bare(body, self.0.event.as_ref())
    }

    fn new(
        body: SmallVec<[Bytes; 3]>,
        len: usize,
        fragments: Option<Fragments>,
        event: Option<&Event>,
    ) -> Self {
        Frame(Arc::new(Inner {
            body,
            len,
            fragments,
            event: event.cloned(),
        }))
    }

    /// Bytes on the wire.
    pub(in crate::gateway) fn len(&self) -> usize {
        self.0.len
    }

    /// The wire form, where it is one run of bytes.
    pub(in crate::gateway) fn as_run(&self) -> Option<&[u8]> {
        match (&self.0.fragments, self.0.body.as_slice()) {
            (None, [run]) => Some(run),
            _ => None,
        }
    }

    /// Whether a control frame may go out at this offset.
    pub(in crate::gateway) fn is_boundary(&self, at: usize) -> bool {
        self.next_boundary(at) == at
    }

    /// The first offset from `at` on where a control frame may go out.
    pub(in crate::gateway) fn next_boundary(&self, at: usize) -> usize {
        match &self.0.fragments {
            _ if at == 0 => 0,
            None => self.0.len,
            Some(fragments) => at.next_multiple_of(fragments.stride()).min(self.0.len),
        }
    }

    /// Adds what is to be sent from offset `from` up to `until`, as far as `slices` has
    /// room. The offset that they reach.
    pub(in crate::gateway) fn slices<'a>(
        &'a self,
        from: usize,
        until: usize,
        slices: &mut Slices<'a>,
    ) -> usize {
        let Inner {
            body, fragments, ..
        } = &*self.0;
        let mut at = from;
        while at < until && slices.len() < slices.inline_size() {
            let stretch = match fragments {
                None => Stretch::Body(at..until),
                Some(fragments) => fragments.stretch(at, self.0.len),
            };
            match stretch {
                Stretch::Header(bytes) => {
                    let bytes = &bytes[..bytes.len().min(until - at)];
                    slices.push(IoSlice::new(bytes));
                    at += bytes.len();
                }
                Stretch::Body(range) => {
                    let end = range.end.min(range.start + (until - at));
                    at += push_body(body, range.start..end, slices);
                }
            }
        }
        at
    }
}

/// Adds a range of the parts taken together. How many bytes there was room for.
fn push_body<'a>(
    body: &'a [Bytes],
    range: std::ops::Range<usize>,
    slices: &mut Slices<'a>,
) -> usize {
    let (mut start, mut pushed) = (range.start, 0);
    for part in body {
        if start >= part.len() {
            start -= part.len();
            continue;
        }
        let end = part.len().min(start + (range.len() - pushed));
        if end == start || slices.len() == slices.inline_size() {
            break;
        }
        slices.push(IoSlice::new(&part[start..end]));
        pushed += end - start;
        start = 0;
    }
    pushed
}

/// A WebSocket header without a mask: at most ten bytes.
#[derive(Debug, Clone, Copy)]
struct Header {
    bytes: [u8; 10],
    len: u8,
}

impl Header {
    fn new(first: u8, payload: usize) -> Self {
        let mut bytes = [0; 10];
        bytes[0] = first;
        let len = match payload {
            0..126 => {
                bytes[1] = payload as u8;
                2
            }
            126..65_536 => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(payload as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..].copy_from_slice(&(payload as u64).to_be_bytes());
                10
            }
        };
        Header { bytes, len }
    }

    fn len(&self) -> usize {
        usize::from(self.len)
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }
}

/// How a large message is cut: fragments of one size, and the rest.
///
/// All but the last have headers of the same length, so the fragment at an offset is
/// found by division.
struct Fragments {
    /// Payload of each but the last.
    size: usize,
    /// How many before the last.
    full: usize,
    first: Header,
    middle: Header,
    last: Header,
}

enum Stretch<'a> {
    Header(&'a [u8]),
    /// A range of the body.
    Body(std::ops::Range<usize>),
}

impl Fragments {
    /// For a body longer than one fragment.
    fn new(opcode: Opcode, body: usize, size: usize) -> Self {
        let full = (body - 1) / size;
        Fragments {
            size,
            full,
            first: Header::new(opcode as u8, size),
            middle: Header::new(CONTINUATION, size),
            last: Header::new(FINAL | CONTINUATION, body - full * size),
        }
    }

    /// Bytes on the wire from one fragment to the next.
    fn stride(&self) -> usize {
        self.middle.len() + self.size
    }

    fn wire_len(&self, body: usize) -> usize {
        body + self.full * self.middle.len() + self.last.len()
    }

    fn stretch(&self, at: usize, wire_len: usize) -> Stretch<'_> {
        let fragment = (at / self.stride()).min(self.full);
        let within = at - fragment * self.stride();
        let header = match fragment {
            last if last == self.full => &self.last,
            0 => &self.first,
            _ => &self.middle,
        };
        if within < header.len() {
            return Stretch::Header(&header.as_slice()[within..]);
        }
        let start = fragment * self.size;
        let end = match fragment == self.full {
            true => wire_len - self.full * self.middle.len() - self.last.len(),
            false => start + self.size,
        };
        Stretch::Body(start + within - header.len()..end)
    }
}

/// A message in its wire form, copied: for what goes to one socket only.
pub(in crate::gateway) fn whole(opcode: Opcode, body: impl Into<Bytes>, fragment: usize) -> Bytes {
    let frame = Frame::message(opcode, smallvec![body.into()], fragment, None);
    let mut wire = BytesMut::with_capacity(frame.len());
    let mut at = 0;
    while at < frame.len() {
        let mut slices = Slices::new();
        at = frame.slices(at, frame.len(), &mut slices);
        slices.iter().for_each(|slice| wire.put_slice(slice));
    }
    wire.freeze()
}

/// A text message in one frame.
pub(in crate::gateway) fn text(body: Bytes) -> Bytes {
    whole(Opcode::Text, body, usize::MAX)
}

/// A control frame on the wire. A payload over 125 bytes is cut there.
pub(in crate::gateway) fn control(opcode: Opcode, payload: &[u8]) -> Bytes {
    let payload = &payload[..payload.len().min(125)];
    let mut bytes = BytesMut::with_capacity(2 + payload.len());
    bytes.put_slice(Header::new(FINAL | opcode as u8, payload.len()).as_slice());
    bytes.put_slice(payload);
    bytes.freeze()
}

/// A close frame with a code and a reason, cut between characters to what fits.
pub(in crate::gateway) fn close(code: u16, reason: &str) -> Bytes {
    let mut cut = reason.len().min(123);
    while !reason.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut payload = SmallVec::<[u8; 125]>::new();
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(&reason.as_bytes()[..cut]);
    control(Opcode::Close, &payload)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The wire form by the RFC, written down plainly.
    fn naive(opcode: Opcode, body: &[u8], fragment: usize) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut pieces: Vec<&[u8]> = body.chunks(fragment).collect();
        if pieces.is_empty() {
            pieces.push(&[]);
        }
        let last = pieces.len() - 1;
        for (i, piece) in pieces.into_iter().enumerate() {
            let code = if i == 0 { opcode as u8 } else { 0 };
            wire.push(code | if i == last { 0x80 } else { 0 });
            match piece.len() {
                n if n < 126 => wire.push(n as u8),
                n if n < 65_536 => {
                    wire.push(126);
                    wire.extend((n as u16).to_be_bytes());
                }
                n => {
                    wire.push(127);
                    wire.extend((n as u64).to_be_bytes());
                }
            }
            wire.extend(piece);
        }
        wire
    }

    fn parts(body: &[u8], cuts: (usize, usize)) -> SmallVec<[Bytes; 3]> {
        let (a, b) = (cuts.0.min(cuts.1), cuts.0.max(cuts.1));
        [&body[..a], &body[a..b], &body[b..]]
            .map(Bytes::copy_from_slice)
            .into_iter()
            .collect()
    }

    proptest! {
        #[test]
        fn any_way_of_sending_gives_the_wire_form(
            len in prop_oneof![0usize..400, 60_000usize..140_000],
            fragment in prop_oneof![Just(100usize), Just(125), Just(126), Just(1_024), Just(65_535), Just(65_536)],
            cuts in (0.0f64..1.0, 0.0f64..1.0),
            steps in prop::collection::vec(1usize..70_000, 1..8),
        ) {
            let body: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let cut = |share: f64| (share * len as f64) as usize;
            let frame = Frame::message(Opcode::Text, parts(&body, (cut(cuts.0), cut(cuts.1))), fragment, None);
            let wire = naive(Opcode::Text, &body, fragment);
            prop_assert_eq!(frame.len(), wire.len());
            let (mut sent, mut at, mut steps) = (Vec::new(), 0, steps.into_iter().cycle());
            while at < frame.len() {
                let until = (at + steps.next().unwrap_or(1)).min(frame.len());
                let mut slices = Slices::new();
                let reached = frame.slices(at, until, &mut slices);
                prop_assert!(reached > at && reached <= until);
                prop_assert_eq!(slices.iter().map(|s| s.len()).sum::<usize>(), reached - at);
                slices.iter().for_each(|slice| sent.extend_from_slice(slice));
                at = reached;
            }
            prop_assert_eq!(sent, wire);
        }

        #[test]
        fn boundaries_are_where_headers_begin(len in 1usize..5_000, fragment in 126usize..1_200) {
            let body = vec![7u8; len];
            let frame = Frame::message(Opcode::Binary, parts(&body, (0, 0)), fragment, None);
            let mut expected = vec![0];
            let mut left = len;
            let mut at = 0;
            while left > 0 {
                let piece = left.min(fragment);
                at += piece + if piece < 126 { 2 } else { 4 };
                expected.push(at);
                left -= piece;
            }
            let found: Vec<usize> = (0..=frame.len()).filter(|at| frame.is_boundary(*at)).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_large_payload_is_not_copied() {
        let payload = Bytes::from(vec![1u8; 1 << 20]);
        let frame = Frame::message(
            Opcode::Binary,
            SmallVec::from_iter([payload.clone()]),
            65_536,
            None,
        );
        let mut slices = Slices::new();
        frame.slices(0, frame.len(), &mut slices);
        let range = payload.as_ptr_range();
        assert!(range.contains(&slices[1].as_ptr()));
    }

    #[test]
    fn a_close_reason_is_cut_between_characters() {
        let bytes = close(1000, &"ä".repeat(100));
        assert_eq!(bytes.len(), 2 + 2 + 122);
        assert!(std::str::from_utf8(&bytes[4..]).is_ok());
    }
}
