//! WebSocket frames, either way.
//!
//! The scanner is incremental: a read may end anywhere in a frame. Payloads of data
//! frames are stepped over unless it was told to keep them.

use super::{Item, Unexpected};

/// The longest head of an HTTP answer that is read.
const LONGEST_HEAD: usize = 16 << 10;

#[derive(Debug)]
pub(crate) struct Scanner {
    at: At,
    keeps_events: bool,
    /// The payload of an event, if they are kept.
    event: Vec<u8>,
    /// The payload of a control frame.
    control: Vec<u8>,
}

#[derive(Debug)]
enum At {
    /// In the head of the HTTP answer.
    Answer(Vec<u8>),
    /// In the head of a frame, of which so many bytes are there.
    Head([u8; 14], usize),
    Payload(Frame),
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    opcode: u8,
    is_last: bool,
    left: u64,
    mask: Option<[u8; 4]>,
}

impl Scanner {
    /// For a client that has sent its [`handshake`].
    pub(crate) fn client() -> Self {
        Scanner::at(At::Answer(Vec::new()), false)
    }

    /// As [`client`](Self::client), and events come with their payload.
    pub(crate) fn keeping_client() -> Self {
        Scanner::at(At::Answer(Vec::new()), true)
    }

    /// For either side, behind the handshake. Events come with their payload.
    pub(crate) fn frames() -> Self {
        Scanner::at(At::Head([0; 14], 0), true)
    }

    fn at(at: At, keeps_events: bool) -> Self {
        Scanner {
            at,
            keeps_events,
            event: Vec::new(),
            control: Vec::new(),
        }
    }

    pub(crate) fn scan(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(Item<'_>),
    ) -> Result<(), Unexpected> {
        while !bytes.is_empty() {
            match &mut self.at {
                At::Answer(head) => {
                    let Some(taken) = answer(head, bytes)? else {
                        return Ok(());
                    };
                    bytes = &bytes[taken..];
                    self.at = At::Head([0; 14], 0);
                    each(Item::Ready);
                }
                At::Head(head, have) => {
                    let taken = bytes.len().min(head_length(head, *have) - *have);
                    head[*have..*have + taken].copy_from_slice(&bytes[..taken]);
                    *have += taken;
                    bytes = &bytes[taken..];
                    if *have == head_length(head, *have) {
                        let frame = Frame::of(head);
                        self.at = At::Payload(frame);
                        if frame.left == 0 {
                            self.end(frame, &mut each);
                        }
                    }
                }
                At::Payload(frame) => {
                    let taken = bytes.len().min(frame.left.try_into().unwrap_or(usize::MAX));
                    match frame.opcode {
                        0x8.. => self.control.extend_from_slice(&bytes[..taken]),
                        _ if self.keeps_events => self.event.extend_from_slice(&bytes[..taken]),
                        _ => {}
                    }
                    bytes = &bytes[taken..];
                    frame.left -= taken as u64;
                    let frame = *frame;
                    if frame.left == 0 {
                        self.end(frame, &mut each);
                    }
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, frame: Frame, each: &mut impl FnMut(Item<'_>)) {
        self.at = At::Head([0; 14], 0);
        // Only clients mask, and what they say here is never fragmented.
        let kept = match frame.opcode {
            0x8.. => &mut self.control,
            _ => &mut self.event,
        };
        if let Some(mask) = frame.mask {
            let keys = mask.iter().cycle();
            kept.iter_mut()
                .zip(keys)
                .for_each(|(byte, key)| *byte ^= key);
        }
        match frame.opcode {
            0x8 => each(Item::Close),
            0x9 => each(Item::Ping(kept)),
            0xA => each(Item::Pong),
            _ if !frame.is_last => return,
            _ => each(Item::Event(kept)),
        }
        kept.clear();
    }
}

impl Frame {
    fn of(head: &[u8; 14]) -> Self {
        let (left, length) = match head[1] & 0x7F {
            126 => (u16::from_be_bytes([head[2], head[3]]).into(), 4),
            127 => {
                let mut wide = [0; 8];
                wide.copy_from_slice(&head[2..10]);
                (u64::from_be_bytes(wide), 10)
            }
            short => (short.into(), 2),
        };
        let mask = head[1] & 0x80 != 0;
        let mask = mask.then(|| [0, 1, 2, 3].map(|place| head[length + place]));
        Frame {
            opcode: head[0] & 0x0F,
            is_last: head[0] & 0x80 != 0,
            left,
            mask,
        }
    }
}

/// How long a frame's head is, as far as its first bytes tell.
fn head_length(head: &[u8; 14], have: usize) -> usize {
    if have < 2 {
        return 2;
    }
    let wide = match head[1] & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + wide + if head[1] & 0x80 != 0 { 4 } else { 0 }
}

/// Adds to the head of an HTTP answer. When it is whole, says how many of these bytes
/// belong to it.
fn answer(head: &mut Vec<u8>, bytes: &[u8]) -> Result<Option<usize>, Unexpected> {
    let before = head.len();
    head.extend_from_slice(bytes);
    let from = before.saturating_sub(3);
    let end = head[from..].windows(4).position(|four| four == b"\r\n\r\n");
    match end {
        Some(end) if head.starts_with(b"HTTP/1.1 101 ") => Ok(Some(from + end + 4 - before)),
        None if head.len() < LONGEST_HEAD => Ok(None),
        _ => Err(Unexpected(
            String::from_utf8_lossy(head).trim_end().to_owned(),
        )),
    }
}

/// What a client asks an HTTP server in order to get a WebSocket.
pub(crate) fn handshake(path: &str, protocol: Option<&str>) -> String {
    let protocol = protocol.map_or(String::new(), |name| {
        format!("Sec-WebSocket-Protocol: {name}\r\n")
    });
    format!(
        "GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n"
    )
}

/// A whole frame from a server.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, payload.len(), 0);
    frame.extend_from_slice(payload);
    frame
}

/// A whole frame from a client. The key is all zero: nothing between is to be fooled.
pub(crate) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, payload.len(), 0x80);
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

fn head(opcode: u8, length: usize, mask: u8) -> Vec<u8> {
    let mut head = vec![0x80 | opcode];
    match length {
        0..=125 => head.push(mask | length as u8),
        126..=0xFFFF => {
            head.push(mask | 126);
            head.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            head.push(mask | 127);
            head.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out, as text, when the bytes come in pieces of this size.
    fn scanned(mut scanner: Scanner, bytes: &[u8], piece: usize) -> Vec<String> {
        let mut seen = Vec::new();
        for piece in bytes.chunks(piece) {
            let each = |item: Item<'_>| {
                seen.push(match item {
                    Item::Event(kept) => format!("event {}", kept.len()),
                    Item::Ping(kept) => format!("ping {}", String::from_utf8_lossy(kept)),
                    other => format!("{other:?}"),
                });
            };
            scanner.scan(piece, each).unwrap();
        }
        seen
    }

    #[test]
    fn frames_are_told_apart_wherever_reads_end() {
        let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n".to_vec();
        bytes.extend(frame(0x1, &[b'x'; 5]));
        bytes.extend(frame(0x1, &[b'x'; 300]));
        bytes.extend(frame(0x2, &[b'x'; 70_000]));
        // A fragment, a ping between, the rest.
        let mut first = frame(0x1, b"abc");
        first[0] &= 0x7F;
        bytes.extend(first);
        bytes.extend(frame(0x9, b"hm"));
        bytes.extend(frame(0x0, b"def"));
        bytes.extend(frame(0x1, b""));
        bytes.extend(frame(0x8, &[3, 232]));
        let wanted = [
            "Ready",
            "event 5",
            "event 300",
            "event 70000",
            "ping hm",
            "event 6",
            "event 0",
            "Close",
        ];
        for piece in [1, 2, 3, 7, 1_000, usize::MAX] {
            assert_eq!(scanned(Scanner::keeping_client(), &bytes, piece), wanted);
        }
        let skipped = scanned(Scanner::client(), &bytes, 5);
        assert_eq!(skipped.len(), wanted.len());
        assert_eq!(skipped[1], "event 0");
    }

    #[test]
    fn what_clients_mask_is_unmasked() {
        let mut bytes = masked(0x9, b"hello");
        bytes[2..6].copy_from_slice(&[1, 2, 3, 4]);
        let keys = [1, 2, 3, 4].iter().cycle();
        bytes[6..]
            .iter_mut()
            .zip(keys)
            .for_each(|(byte, key)| *byte ^= key);
        assert_eq!(scanned(Scanner::frames(), &bytes, 3), ["ping hello"]);
    }

    #[test]
    fn a_refusal_is_told_with_its_status() {
        let refused = Scanner::client().scan(b"HTTP/1.1 503 No\r\nRetry-After: 3\r\n\r\n", |_| {});
        let refusal = Unexpected("HTTP/1.1 503 No\r\nRetry-After: 3".to_owned());
        assert_eq!(refused, Err(refusal));
    }
}
