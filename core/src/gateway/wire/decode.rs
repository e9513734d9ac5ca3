//! What WebSocket clients send: frames (RFC 6455) into messages, as the bytes come in.
//!
//! The read buffer belongs to the thread that reads, and all its sockets share it. A
//! decoder keeps only what is left over: half a header, the payload so far of an
//! unfinished message. So it is a few words for a connection that says nothing, and a
//! short message that comes in one piece is handed out from where it was read.
//!
//! Invariants:
//! - It does not matter how the bytes are cut: the same messages come out, then the
//!   same violation, at the same byte.
//! - A violation is told at the first byte that shows it. For text that is the first
//!   byte that no UTF-8 can go on with; for a message that is too large its header.
//! - No more than the largest message allowed is held, and nothing is reserved because
//!   a header announced it.
//! - After a close, a violation or a break by the receiver nothing more comes out.
//!
//! There are no extensions, so reserved bits are refused. Compression would begin with
//! `RSV1` in [`header`], and change nothing else here but where a message is completed.

mod violation;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod naive;
#[cfg(test)]
mod tests;

use std::{mem, ops::ControlFlow};

pub(crate) use violation::Violation;

/// The longest header: two bytes, a length of eight, a mask.
const LONGEST_HEADER: usize = 14;
/// The longest payload of a control frame.
const LONGEST_CONTROL: usize = 125;

/// What a client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    /// To be answered with a pong of this payload.
    Ping(&'a [u8]),
    Pong,
    /// Goodbye, with a code and a reason if the client gave any. The last that comes.
    Close(Option<(u16, &'a str)>),
}

/// Reads one connection.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: State,
    /// What was read of a message that is in several frames, or not all here.
    message: Option<Box<Message>>,
    /// What was read of a control frame that is not all here.
    control: Option<Box<Control>>,
}

// One stands beside every socket.
const _: () = assert!(size_of::<Decoder>() <= 40);

#[derive(Debug)]
enum State {
    /// So much of a header has come.
    Header {
        bytes: [u8; LONGEST_HEADER],
        len: u8,
    },
    /// The payload of this frame is due.
    Payload(Frame),
    Ended,
}

/// A frame whose header has been read.
#[derive(Debug, Clone, Copy)]
struct Frame {
    kind: Kind,
    is_last: bool,
    /// Turned so that it begins with the byte for what comes next.
    mask: [u8; 4],
    /// How much of the payload is still to come.
    left: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

#[derive(Debug)]
struct Message {
    is_text: bool,
    bytes: Vec<u8>,
    /// Of a text: how much of it is known to be UTF-8.
    checked: usize,
}

#[derive(Debug)]
struct Control {
    bytes: [u8; LONGEST_CONTROL],
    len: u8,
}

impl Decoder {
    /// Reads what came in, and hands out every message that it completes. `input` is
    /// unmasked in place; `most` is the length of the largest message allowed.
    ///
    /// When `out` breaks, what is left of the input is dropped, and so is all that
    /// comes later.
    pub(crate) fn feed(
        &mut self,
        input: &mut [u8],
        most: usize,
        out: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), Violation> {
        let fed = self.read(input, most, out);
        if fed.is_err() {
            self.end();
        }
        fed
    }

    /// Whether nothing has been begun, or all is over: an end of the stream is then no
    /// surprise.
    pub(crate) fn is_between_messages(&self) -> bool {
        match self.state {
            State::Header { len, .. } => len == 0 && self.message.is_none(),
            State::Payload(_) => false,
            State::Ended => true,
        }
    }

    /// What it holds beside its own size, in bytes.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn held(&self) -> usize {
        let message = |message: &Message| size_of::<Message>() + message.bytes.capacity();
        self.message.as_deref().map_or(0, message)
            + self.control.as_ref().map_or(0, |_| size_of::<Control>())
    }

    fn end(&mut self) {
        *self = Decoder {
            state: State::Ended,
            ..Decoder::default()
        };
    }

    fn read(
        &mut self,
        mut input: &mut [u8],
        most: usize,
        out: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), Violation> {
        loop {
            match &mut self.state {
                State::Ended => return Ok(()),
                State::Header { bytes, len } => {
                    let open = self.message.as_ref().map(|message| message.bytes.len());
                    let Some(frame) = next_header(bytes, len, &mut input, open, most)? else {
                        return Ok(());
                    };
                    self.state = State::Payload(frame);
                }
                State::Payload(frame) => {
                    // The smaller of the two fits both types.
                    let taken = frame.left.min(input.len() as u64) as usize;
                    let part;
                    (part, input) = mem::take(&mut input).split_at_mut(taken);
                    unmask(part, &mut frame.mask);
                    frame.left -= taken as u64;

                    let frame = *frame;
                    if frame.left == 0 {
                        self.state = State::default();
                    }
                    let flow = if frame.kind.is_control() {
                        self.control(frame, part, out)?
                    } else {
                        self.data(frame, part, most, out)?
                    };
                    if flow.is_break() {
                        self.end();
                    }
                    if frame.left > 0 {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Takes a part of a data frame, which is its last part if nothing is left.
    fn data(
        &mut self,
        frame: Frame,
        part: &[u8],
        most: usize,
        out: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Violation> {
        let is_text = frame.kind == Kind::Text;
        let is_complete = frame.is_last && frame.left == 0;
        if is_complete && self.message.is_none() {
            return Ok(out(whole(is_text, part)?));
        }
        let message = self.message.get_or_insert_with(|| {
            Box::new(Message {
                is_text,
                bytes: Vec::new(),
                checked: 0,
            })
        });
        message.push(part, most)?;
        if !is_complete {
            return Ok(ControlFlow::Continue(()));
        }
        let flow = out(whole(message.is_text, &message.bytes)?);
        self.message = None;
        Ok(flow)
    }

    /// Takes a part of a control frame, which is its last part if nothing is left.
    fn control(
        &mut self,
        frame: Frame,
        part: &[u8],
        out: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Violation> {
        if frame.left > 0 || self.control.is_some() {
            let control = self.control.get_or_insert_with(|| {
                Box::new(Control {
                    bytes: [0; LONGEST_CONTROL],
                    len: 0,
                })
            });
            control.push(part);
        }
        if frame.left > 0 {
            return Ok(ControlFlow::Continue(()));
        }
        let held = self.control.take();
        let payload = held.as_deref().map_or(part, Control::payload);
        Ok(match frame.kind {
            Kind::Ping => out(Incoming::Ping(payload)),
            Kind::Pong => out(Incoming::Pong),
            _ => {
                // Whatever the receiver says: nothing comes behind a close.
                let _ = out(Incoming::Close(close(payload)?));
                ControlFlow::Break(())
            }
        })
    }
}

impl Default for State {
    fn default() -> Self {
        State::Header {
            bytes: [0; LONGEST_HEADER],
            len: 0,
        }
    }
}

impl Kind {
    fn from_opcode(opcode: u8) -> Option<Self> {
        Some(match opcode {
            0x0 => Kind::Continuation,
            0x1 => Kind::Text,
            0x2 => Kind::Binary,
            0x8 => Kind::Close,
            0x9 => Kind::Ping,
            0xa => Kind::Pong,
            _ => return None,
        })
    }

    fn is_control(self) -> bool {
        matches!(self, Kind::Close | Kind::Ping | Kind::Pong)
    }
}

impl Message {
    /// Adds to it. The header has been checked: it will not be longer than `most`.
    fn push(&mut self, part: &[u8], most: usize) -> Result<(), Violation> {
        let needed = self.bytes.len() + part.len();
        if needed > self.bytes.capacity() {
            // Doubling, so that many small parts are not copied each time, but not
            // beyond what a message may have.
            let room = needed.max(most.min(self.bytes.capacity().saturating_mul(2)));
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(part);
        if self.is_text {
            self.checked += match std::str::from_utf8(&self.bytes[self.checked..]) {
                Ok(text) => text.len(),
                Err(error) if error.error_len().is_some() => return Err(Violation::NotText),
                // The rest of a character may come.
                Err(error) => error.valid_up_to(),
            };
        }
        Ok(())
    }
}

impl Control {
    /// Adds to it. The header has been checked: it will not be longer than a control
    /// frame may be.
    fn push(&mut self, part: &[u8]) {
        let len = usize::from(self.len);
        self.bytes[len..len + part.len()].copy_from_slice(part);
        self.len += part.len() as u8;
    }

    fn payload(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Takes a header off the input, behind the part of it that came before. `None` when
/// it is not all here; then the input is used up.
fn next_header(
    bytes: &mut [u8; LONGEST_HEADER],
    len: &mut u8,
    input: &mut &mut [u8],
    open: Option<usize>,
    most: usize,
) -> Result<Option<Frame>, Violation> {
    let before = usize::from(*len);
    let copied = input.len().min(LONGEST_HEADER - before);
    let found = if before == 0 && copied == LONGEST_HEADER {
        header(input, open, most)?
    } else {
        bytes[before..before + copied].copy_from_slice(&input[..copied]);
        header(&bytes[..before + copied], open, most)?
    };
    match found {
        Some((_, size)) => *input = &mut mem::take(input)[size - before..],
        // What is no whole header is shorter than the longest.
        None => *len += copied as u8,
    }
    Ok(found.map(|(frame, _)| frame))
}

/// Reads a header, checks it as far as it is there, and tells its size. `open` is the
/// length so far of a message that waits for its continuation.
fn header(
    bytes: &[u8],
    open: Option<usize>,
    most: usize,
) -> Result<Option<(Frame, usize)>, Violation> {
    let Some((&first, after)) = bytes.split_first() else {
        return Ok(None);
    };
    let is_last = first & 0x80 != 0;
    if first & 0x70 != 0 {
        return Err(Violation::ReservedBits);
    }
    let opcode = first & 0x0f;
    let kind = Kind::from_opcode(opcode).ok_or(Violation::Opcode(opcode))?;
    match (kind, open) {
        (Kind::Continuation, None) => return Err(Violation::NothingToContinue),
        (Kind::Text | Kind::Binary, Some(_)) => return Err(Violation::Interrupted),
        _ if kind.is_control() && !is_last => return Err(Violation::FragmentedControl),
        _ => {}
    }

    let Some((&second, after)) = after.split_first() else {
        return Ok(None);
    };
    if second & 0x80 == 0 {
        return Err(Violation::Unmasked);
    }
    let short = second & 0x7f;
    if kind.is_control() && usize::from(short) > LONGEST_CONTROL {
        return Err(Violation::LongControl);
    }
    let (length, least, after) = match short {
        126 => match after.split_first_chunk() {
            Some((length, after)) => (u16::from_be_bytes(*length).into(), 126, after),
            None => return Ok(None),
        },
        127 => match after.split_first_chunk() {
            Some((length, after)) => (u64::from_be_bytes(*length), 1 << 16, after),
            None => return Ok(None),
        },
        short => (short.into(), 0, after),
    };
    if length < least || length > i64::MAX as u64 {
        return Err(Violation::Length);
    }
    if !kind.is_control() && length > most.saturating_sub(open.unwrap_or(0)) as u64 {
        return Err(Violation::TooLarge { most });
    }

    let Some((&mask, after)) = after.split_first_chunk() else {
        return Ok(None);
    };
    let frame = Frame {
        kind,
        is_last,
        mask,
        left: length,
    };
    Ok(Some((frame, bytes.len() - after.len())))
}

/// A message that is all here.
fn whole(is_text: bool, bytes: &[u8]) -> Result<Incoming<'_>, Violation> {
    if !is_text {
        return Ok(Incoming::Binary(bytes));
    }
    std::str::from_utf8(bytes)
        .map(Incoming::Text)
        .map_err(|_| Violation::NotText)
}

/// What a close frame says.
fn close(payload: &[u8]) -> Result<Option<(u16, &str)>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return match payload {
            [] => Ok(None),
            _ => Err(Violation::ClosePayload),
        };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::CloseCode(code));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Violation::CloseReason)?;
    Ok(Some((code, reason)))
}

/// Takes the mask off, a word at a time, and turns it for what follows.
fn unmask(bytes: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = bytes.as_chunks_mut();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, mask) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    mask.rotate_left(bytes.len() % 4);
}
