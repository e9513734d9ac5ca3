//! One WebSocket client: its handshake, what it is sent, and whether that is what it
//! should be.
//!
//! It compares every message with the post whose turn it is, byte for byte. A message
//! that is lost, doubled or out of order is therefore found, and whom it happened to.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
};

use mio::net::TcpStream;

use super::frames::{self, BINARY, CLOSE, Frame, PING, PONG, TEXT};

/// Sent away, as by a gateway that is closed.
const GOING_AWAY: u16 = 1001;

/// Leaves of its own accord.
const NORMAL: u16 = 1000;

/// The request that a client begins with.
pub(crate) fn request(address: SocketAddr, name: &str) -> Vec<u8> {
    // The key is any sixteen bytes in base64.
    format!(
        "GET /?name={name} HTTP/1.1\r\nHost: {address}\r\n\
         Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: ZGVtb19jbGllbnRfa2V5IQ==\r\n\r\n"
    )
    .into_bytes()
}

pub(crate) struct Client {
    /// `None` once it is over.
    stream: Option<TcpStream>,
    stage: Stage,
    /// What has come and is not yet whole.
    rest: Vec<u8>,
    /// The beginning of a message that comes in fragments.
    message: Vec<u8>,
    /// Posts received.
    seen: usize,
    /// Whether it had nothing but what it should.
    is_well: bool,
    /// The code that the server closed with.
    code: Option<u16>,
    is_leaving: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Connecting,
    Asked,
    Open,
}

/// What some bytes came to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// The handshake has succeeded.
    pub(crate) opened: bool,
    /// Messages received, and those of them that were not the post whose turn it was.
    pub(crate) posts: u64,
    pub(crate) out_of_turn: u64,
    /// Frames after a close.
    pub(crate) after_close: u64,
}

impl Client {
    pub(crate) fn new(stream: Option<TcpStream>) -> Self {
        Client {
            stream,
            stage: Stage::Connecting,
            rest: Vec::new(),
            message: Vec::new(),
            seen: 0,
            is_well: true,
            code: None,
            is_leaving: false,
        }
    }

    /// Sends the request as soon as it is connected. False when it is not yet.
    pub(crate) fn ask(&mut self, address: SocketAddr, name: &str) -> io::Result<bool> {
        let Some(stream) = &mut self.stream else {
            return Ok(false);
        };
        if self.stage == Stage::Connecting {
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
            if stream.peer_addr().is_err() {
                return Ok(false);
            }
            stream.set_nodelay(true)?;
            // It fits into an empty socket whole.
            stream.write_all(&request(address, name))?;
            self.stage = Stage::Asked;
        }
        Ok(true)
    }

    /// What has come; nothing when it is over.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Some(stream) => stream.read(buffer),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Takes what has come.
    pub(crate) fn hear(&mut self, bytes: &[u8], posts: &[Vec<u8>]) -> Result<Heard, String> {
        let mut heard = Heard::default();
        let rest = std::mem::take(&mut self.rest);
        let joined;
        let mut bytes = match rest.is_empty() {
            true => bytes,
            false => {
                joined = [&rest, bytes].concat();
                &joined
            }
        };
        if self.stage != Stage::Open {
            let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else {
                self.rest = bytes.to_vec();
                return Ok(heard);
            };
            if !bytes.starts_with(b"HTTP/1.1 101 ") {
                let mut lines = bytes.split(|byte| *byte == b'\r');
                let line = String::from_utf8_lossy(lines.next().unwrap_or_default());
                return Err(format!("turned away: {line}"));
            }
            bytes = &bytes[end + 4..];
            self.stage = Stage::Open;
            heard.opened = true;
        }
        while let Some(frame) = frames::read(bytes)? {
            let payload = &bytes[frame.payload.clone()];
            self.frame(&frame, payload, posts, &mut heard)?;
            bytes = &bytes[frame.payload.end..];
        }
        self.rest.extend_from_slice(bytes);
        Ok(heard)
    }

    fn frame(
        &mut self,
        frame: &Frame,
        payload: &[u8],
        posts: &[Vec<u8>],
        heard: &mut Heard,
    ) -> Result<(), String> {
        if self.code.is_some() {
            heard.after_close += 1;
            return Ok(());
        }
        match frame.opcode {
            PING => self.say(&frames::control(PONG, payload)),
            PONG => {}
            CLOSE => {
                let code = payload.first_chunk();
                self.code = Some(code.map_or(0, |code| u16::from_be_bytes(*code)));
                if !self.is_leaving {
                    self.say(&frames::control(CLOSE, payload));
                }
            }
            0 | TEXT | BINARY if !frame.last => self.message.extend_from_slice(payload),
            0 => {
                self.message.extend_from_slice(payload);
                let message = std::mem::take(&mut self.message);
                self.post(&message, posts, heard);
            }
            TEXT | BINARY => self.post(payload, posts, heard),
            other => return Err(format!("a frame of kind {other}")),
        }
        Ok(())
    }

    /// A whole message has come.
    fn post(&mut self, message: &[u8], posts: &[Vec<u8>], heard: &mut Heard) {
        let turn = self.seen % posts.len().max(1);
        if posts.get(turn).is_none_or(|post| post != message) {
            heard.out_of_turn += 1;
            self.is_well = false;
        }
        heard.posts += 1;
        self.seen += 1;
    }

    /// Leaves, with a word or without.
    pub(crate) fn leave(&mut self, word: bool) {
        self.is_leaving = true;
        match word {
            true => self.say(&frames::control(CLOSE, &NORMAL.to_be_bytes())),
            false => self.stream = None,
        }
    }

    /// The connection is over.
    pub(crate) fn over(&mut self) {
        self.stream = None;
        self.is_well &= self.may_end();
    }

    /// Whether it is no wonder if the connection ends.
    pub(crate) fn may_end(&self) -> bool {
        self.is_leaving || self.code.is_some()
    }

    /// Whether it has still to get something.
    pub(crate) fn is_behind(&self, expected: usize) -> bool {
        self.stream.is_some() && !self.is_leaving && self.seen < expected
    }

    pub(crate) fn has_stayed(&self) -> bool {
        !self.is_leaving
    }

    /// Whether it got so many posts and nothing else.
    pub(crate) fn is_complete(&self, expected: usize) -> bool {
        self.is_well && self.seen == expected
    }

    pub(crate) fn was_sent_away(&self) -> bool {
        self.code == Some(GOING_AWAY)
    }

    /// Sends a control frame. So few are sent that they always fit; where they do not,
    /// the connection has broken, and reading finds out.
    fn say(&mut self, frame: &[u8]) {
        if let Some(stream) = &mut self.stream {
            let _ = stream.write(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        [&[first, payload.len() as u8], payload].concat()
    }

    fn posts() -> Vec<Vec<u8>> {
        vec![b"one".to_vec(), b"two".to_vec()]
    }

    /// What comes of bytes that arrive one by one.
    fn hear(client: &mut Client, bytes: &[u8]) -> Heard {
        let mut all = Heard::default();
        for byte in bytes {
            let heard = client.hear(&[*byte], &posts()).unwrap();
            all.opened |= heard.opened;
            all.posts += heard.posts;
            all.out_of_turn += heard.out_of_turn;
            all.after_close += heard.after_close;
        }
        all
    }

    #[test]
    fn posts_in_turn_are_well_whole_or_in_fragments() {
        let mut client = Client::new(None);
        assert_eq!(
            hear(&mut client, HEAD),
            Heard {
                opened: true,
                ..Heard::default()
            }
        );
        let ping = frame(0x89, b"");
        let sent = [
            frame(0x81, b"one"),
            frame(0x02, b"t"),
            ping,
            frame(0x80, b"wo"),
            frame(0x82, b"one"),
        ];
        assert_eq!(
            hear(&mut client, &sent.concat()),
            Heard {
                posts: 3,
                ..Heard::default()
            }
        );
        assert!(client.is_complete(3) && !client.is_complete(2));
    }

    #[test]
    fn lost_doubled_and_foreign_posts_are_found() {
        for sent in [&[&b"two"[..]][..], &[b"one", b"one"], &[b"on"]] {
            let mut client = Client::new(None);
            let frames: Vec<u8> = sent.iter().flat_map(|post| frame(0x81, post)).collect();
            let heard = hear(&mut client, &[HEAD, &frames].concat());
            assert_eq!(
                (heard.posts, heard.out_of_turn),
                (sent.len() as u64, 1),
                "{sent:?}"
            );
            assert!(!client.is_complete(sent.len()));
        }
    }

    #[test]
    fn nothing_may_come_after_a_close() {
        let mut client = Client::new(None);
        let close = frame(0x88, &GOING_AWAY.to_be_bytes());
        let sent = [HEAD, &close, &frame(0x81, b"one")].concat();
        let heard = hear(&mut client, &sent);
        assert_eq!((heard.posts, heard.after_close), (0, 1));
        assert!(client.was_sent_away() && client.may_end());
    }

    #[test]
    fn a_refusal_is_said() {
        let refused = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n";
        let error = Client::new(None).hear(refused, &posts()).unwrap_err();
        assert_eq!(error, "turned away: HTTP/1.1 503 Service Unavailable");
    }
}
