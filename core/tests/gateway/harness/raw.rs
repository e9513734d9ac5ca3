//! A client that says exactly the bytes it is told to say, and reads frames one by one.
//!
//! It knows as little of WebSockets as possible: what it accepts is checked by the
//! tests. Every read has a deadline.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use socket2::{Domain, SockRef, Socket, Type};

use super::PATIENCE;

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The key and its answer from section 1.3 of RFC 6455.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Bytes of a small buffer; one much smaller than a packet of the loopback device makes
/// the system wait all the time.
const NARROW: usize = 128 << 10;

/// A frame as it came from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

pub(crate) struct Raw {
    stream: TcpStream,
    /// Read and not yet looked at: from `start` on.
    buffer: Vec<u8>,
    start: usize,
}

impl Raw {
    /// A connection on which nothing was said.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&address, PATIENCE).unwrap())
    }

    /// As `connect`, with little room in the system's buffer of what was received, so
    /// that a reader that stalls is noticed soon.
    pub(crate) fn narrow(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(NARROW).unwrap();
        socket.connect_timeout(&address.into(), PATIENCE).unwrap();
        Self::over(socket.into())
    }

    /// From this address of the machine.
    pub(crate) fn connect_from(from: [u8; 4], address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect_timeout(&address.into(), PATIENCE).unwrap();
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Raw {
            stream,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// A WebSocket at this path and query.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr, target: &str) -> Self {
        let mut raw = Self::connect(address);
        raw.upgrade(target, "");
        raw
    }

    /// A WebSocket that asks for more by further header lines.
    #[track_caller]
    pub(crate) fn upgrade(&mut self, target: &str, headers: &str) -> Head {
        self.say(upgrade_request(target, headers).as_bytes());
        let head = self.head();
        assert_eq!(head.status, 101, "{}", head.text);
        assert_eq!(head.header("sec-websocket-accept"), Some(ACCEPT));
        head
    }

    /// Asks to be upgraded, and expects to be refused.
    #[track_caller]
    pub(crate) fn refused(address: SocketAddr, target: &str) -> Head {
        let mut raw = Self::connect(address);
        raw.say(upgrade_request(target, "").as_bytes());
        raw.head()
    }

    #[track_caller]
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// As `say`, to a server that may have had enough. Whether all could be said.
    pub(crate) fn try_say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Says this so many times, as long as the other end takes it; stops once nothing
    /// was taken for a while. The rest of what was begun is left unsaid.
    pub(crate) fn say_what_fits(&mut self, bytes: &[u8], times: usize) {
        const WHILE: Duration = Duration::from_millis(500);
        self.stream.set_write_timeout(Some(WHILE)).unwrap();
        for _ in 0..times {
            if self.stream.write_all(bytes).is_err() {
                break;
            }
        }
        self.stream.set_write_timeout(Some(PATIENCE)).unwrap();
    }

    #[track_caller]
    pub(crate) fn send(&mut self, opcode: u8, payload: impl AsRef<[u8]>) {
        self.say(&frame(true, opcode, payload.as_ref()));
    }

    /// The head of the answer to a request.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Head {
        let head = self.try_head();
        head.expect("the server hung up before it answered")
    }

    /// As `head`; `None` when the server hangs up instead.
    #[track_caller]
    pub(crate) fn try_head(&mut self) -> Option<Head> {
        let end = loop {
            let unread = &self.buffer[self.start..];
            if let Some(end) = unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break self.start + end + 4;
            }
            if !self.fill() {
                return None;
            }
        };
        let text = String::from_utf8(self.buffer[self.start..end].to_vec()).unwrap();
        self.start = end;
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
        Some(Head {
            status: status.unwrap_or_else(|| panic!("no status in {text:?}")),
            text,
        })
    }

    /// The next frame.
    #[track_caller]
    pub(crate) fn frame(&mut self) -> Frame {
        self.next_frame().expect("the server hung up")
    }

    /// The next frame, or `None` when the server ends the stream between two.
    #[track_caller]
    pub(crate) fn next_frame(&mut self) -> Option<Frame> {
        let head = self.take(2)?;
        assert_eq!(head[0] & 0x70, 0, "reserved bits are set: {head:02x?}");
        assert_eq!(head[1] & 0x80, 0, "a server does not mask: {head:02x?}");
        let mut whole = |bytes| self.take(bytes).expect("the stream ended within a frame");
        let length = match head[1] {
            126 => u64::from(u16::from_be_bytes(whole(2).try_into().unwrap())),
            127 => u64::from_be_bytes(whole(8).try_into().unwrap()),
            short => u64::from(short),
        };
        let shortest = [0, 126, 0x1_0000][usize::from(head[1].saturating_sub(125))];
        assert!(
            length >= shortest,
            "the length {length} is not in its shortest form"
        );
        let frame = Frame {
            fin: head[0] & 0x80 != 0,
            opcode: head[0] & 0x0f,
            payload: whole(usize::try_from(length).unwrap()),
        };
        if frame.opcode >= 8 {
            assert!(frame.fin && length <= 125, "no control frame: {head:02x?}");
        }
        Some(frame)
    }

    /// The next message, put together, and the control frames that came before its end.
    #[track_caller]
    pub(crate) fn message(&mut self) -> (Frame, Vec<Frame>) {
        let (mut message, mut controls) = (None::<Frame>, Vec::new());
        loop {
            let next = self.frame();
            match (&mut message, next.opcode) {
                (_, CLOSE) => panic!("closed in the middle of it: {:?}", code(&next)),
                (_, 8..) => controls.push(next),
                (None, TEXT | BINARY) => message = Some(next),
                (Some(message), CONTINUATION) => {
                    message.payload.extend(next.payload);
                    message.fin = next.fin;
                }
                (_, opcode) => panic!("opcode {opcode} has no place here"),
            }
            if let Some(whole) = message.take_if(|message| message.fin) {
                return (whole, controls);
            }
        }
    }

    /// The next message, which is text; pings on the way are answered.
    #[track_caller]
    pub(crate) fn text(&mut self) -> String {
        let (message, controls) = self.message();
        for control in controls {
            match control.opcode {
                PING => self.send(PONG, control.payload),
                PONG => {}
                other => panic!("a control frame of an unknown kind: {other}"),
            }
        }
        assert_eq!(message.opcode, TEXT);
        String::from_utf8(message.payload).expect("a text message is text")
    }

    /// Reads past everything to the close frame, for its code and reason; then the end
    /// of the stream.
    #[track_caller]
    pub(crate) fn closed(&mut self) -> (Option<u16>, String) {
        let close = loop {
            let next = self
                .next_frame()
                .expect("the server hung up without a close");
            if next.opcode == CLOSE {
                break next;
            }
        };
        // The answer to a close, unless the connection is gone already.
        self.try_say(&frame(true, CLOSE, &close.payload));
        assert_eq!(self.next_frame(), None, "something follows a close");
        let reason = close.payload.get(2..).unwrap_or_default().to_vec();
        (code(&close), String::from_utf8(reason).unwrap())
    }

    /// Whether the server ends the connection, in whatever way and after whatever.
    pub(crate) fn hung_up(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let mut chunk = vec![0; 64 << 10];
        while Instant::now() < deadline {
            self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
            match self.stream.read(&mut chunk) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return !would_wait(&error),
            }
        }
        false
    }

    /// Goes in the rudest way: what comes next at the other end is a reset.
    pub(crate) fn reset(self) {
        let socket = SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Says that nothing more will be said.
    pub(crate) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Reads whatever has come, to be looked at later.
    #[track_caller]
    pub(crate) fn buffer_some(&mut self) {
        assert!(self.fill(), "the server hung up");
    }

    /// So many bytes of whatever comes.
    #[track_caller]
    pub(crate) fn first_bytes(&mut self, many: usize) -> Vec<u8> {
        self.take(many).expect("the server hung up")
    }

    #[track_caller]
    pub(crate) fn next_byte(&mut self) -> Option<u8> {
        if self.start == self.buffer.len() && !self.fill() {
            return None;
        }
        self.start += 1;
        Some(self.buffer[self.start - 1])
    }

    /// This many bytes; `None` at the end of the stream, which may not come in between.
    #[track_caller]
    fn take(&mut self, many: usize) -> Option<Vec<u8>> {
        while self.buffer.len() - self.start < many {
            if !self.fill() {
                let rest = self.buffer.len() - self.start;
                assert_eq!(rest, 0, "the stream ended within {many} bytes");
                return None;
            }
        }
        let taken = self.buffer[self.start..self.start + many].to_vec();
        self.start += many;
        Some(taken)
    }

    /// Reads more. False at the end of the stream, by a reset as well.
    #[track_caller]
    fn fill(&mut self) -> bool {
        self.buffer.drain(..self.start);
        self.start = 0;
        let had = self.buffer.len();
        self.buffer.resize(had + (64 << 10), 0);
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let read = match self.stream.read(&mut self.buffer[had..]) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("nothing came within {PATIENCE:?}: {error}"),
        };
        self.buffer.truncate(had + read);
        read > 0
    }
}

fn would_wait(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn code(close: &Frame) -> Option<u16> {
    let bytes = close.payload.get(..2)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

/// The request for a WebSocket, with further header lines, each with its line end.
pub(crate) fn upgrade_request(target: &str, headers: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}

/// A masked frame, as a client sends it.
pub(crate) fn frame(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![u8::from(fin) << 7 | opcode];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        middle @ 126..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    let masked = payload.iter().enumerate();
    bytes.extend(masked.map(|(at, byte)| byte ^ MASK[at % 4]));
    bytes
}
