//! RFC 6455 from the wire: cases as data, each said in one piece and byte by byte.
//!
//! A gateway that says back what it hears is enough to see everything: what was
//! understood, in which order, and which close code a fault gets. A case that does not
//! end in a close goes on with a ping and a goodbye, to see that the connection is
//! still well.

use serde::Deserialize;

use crate::harness::{
    BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, Raw, Server, TEXT, frame, unhex,
};
use distributary::gateway::Ended;

#[derive(Deserialize)]
struct Case {
    name: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// A frame to send.
    Frame(Out),
    /// Bytes to send, in hexadecimal.
    Raw(String),
    /// What comes next.
    Expect(Want),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Out {
    op: Op,
    #[serde(flatten)]
    data: Option<Content>,
    #[serde(default = "yes")]
    fin: bool,
    #[serde(default)]
    rsv: u8,
    #[serde(default = "yes")]
    mask: bool,
    /// The mask, in hexadecimal.
    key: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Op {
    Name(String),
    Number(u8),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Data(String),
    Hex(String),
    /// A character, so many times.
    Fill(String, usize),
    /// A header that announces so many bytes, and none of them.
    Claim(u64),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Want {
    Text(String),
    Fill(String, usize),
    Binary(String),
    Pong(String),
    PongHex(String),
    Close(Codes),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Codes {
    One(u16),
    /// Any of these; none is a close without a code.
    Any(Vec<Option<u16>>),
}

fn yes() -> bool {
    true
}

fn cases() -> Vec<Case> {
    let text = include_str!("../../../testdata/gateway/frames.jsonl");
    let cases = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")));
    cases.collect()
}

impl Out {
    fn bytes(&self) -> Vec<u8> {
        let opcode = match &self.op {
            Op::Number(number) => *number,
            Op::Name(name) => match name.as_str() {
                "continuation" => CONTINUATION,
                "text" => TEXT,
                "binary" => BINARY,
                "close" => CLOSE,
                "ping" => PING,
                "pong" => PONG,
                other => panic!("no opcode: {other}"),
            },
        };
        let payload = match &self.data {
            None | Some(Content::Claim(_)) => Vec::new(),
            Some(Content::Data(text)) => text.clone().into_bytes(),
            Some(Content::Hex(hex)) => unhex(hex),
            Some(Content::Fill(text, times)) => text.repeat(*times).into_bytes(),
        };
        let mut bytes = frame(self.fin, opcode, &payload);
        if let Some(Content::Claim(length)) = self.data {
            // Before the mask stands the length, here in eight bytes.
            bytes[1] = 0x80 | 127;
            bytes.splice(2..2, length.to_be_bytes());
        }
        bytes[0] |= self.rsv << 4;
        let mask = bytes.len() - payload.len() - 4;
        if let Some(key) = &self.key {
            let key = unhex(key);
            for (at, byte) in payload.iter().enumerate() {
                bytes[mask + 4 + at] = byte ^ key[at % 4];
            }
            bytes[mask..mask + 4].copy_from_slice(&key);
        }
        if !self.mask {
            bytes[1] &= 0x7f;
            bytes.truncate(mask);
            bytes.extend(payload);
        }
        bytes
    }
}

/// Goes through a case, with what is sent cut into pieces of this size.
fn run(server: &Server, case: &Case, piece: usize) {
    let mut raw = Raw::open(server.address(), "/");
    for step in &case.steps {
        let out = match step {
            Step::Frame(out) => out.bytes(),
            Step::Raw(hex) => unhex(hex),
            Step::Expect(want) => {
                if check(&mut raw, want) {
                    return;
                }
                continue;
            }
        };
        for bytes in out.chunks(piece) {
            // A server that has seen a fault need not read to the end.
            raw.try_say(bytes);
        }
    }
    raw.send(PING, "still well?");
    let pong = raw.frame();
    assert_eq!((pong.opcode, &*pong.payload), (PONG, &b"still well?"[..]));
    raw.send(CLOSE, 1000_u16.to_be_bytes());
    assert_eq!(raw.closed().0, Some(1000));
}

/// Whether that was the end of the connection.
fn check(raw: &mut Raw, want: &Want) -> bool {
    let (opcode, payload) = match want {
        Want::Text(text) => (TEXT, text.clone().into_bytes()),
        Want::Fill(text, times) => (TEXT, text.repeat(*times).into_bytes()),
        Want::Binary(hex) => (BINARY, unhex(hex)),
        Want::Pong(text) => (PONG, text.clone().into_bytes()),
        Want::PongHex(hex) => (PONG, unhex(hex)),
        Want::Close(codes) => {
            let (code, _) = raw.closed();
            let fits = match codes {
                Codes::One(one) => code == Some(*one),
                Codes::Any(any) => any.contains(&code),
            };
            assert!(fits, "closed with {code:?}");
            return true;
        }
    };
    let came = match opcode {
        PONG => raw.frame(),
        _ => raw.message().0,
    };
    let expected = Frame {
        fin: true,
        opcode,
        payload,
    };
    // Large ones would fill the screen.
    assert!(came == expected, "{}", brief(&came));
    false
}

fn brief(frame: &Frame) -> String {
    let head = &frame.payload[..frame.payload.len().min(40)];
    let (opcode, length) = (frame.opcode, frame.payload.len());
    format!("opcode {opcode}, {length} bytes: {head:02x?}")
}

/// Runs all cases, says which ones fail, and leaves nothing behind.
fn all(piece: usize, select: impl Fn(&Case) -> bool) {
    let server = Server::start();
    let mut failed = Vec::new();
    let mut count = 0;
    for case in cases().iter().filter(|case| select(case)) {
        count += 1;
        let run = std::panic::AssertUnwindSafe(|| run(&server, case, piece));
        if std::panic::catch_unwind(run).is_err() {
            failed.push(case.name.clone());
        }
    }
    assert!(count > 50, "only {count} cases");
    assert!(failed.is_empty(), "{} failed: {failed:#?}", failed.len());
    assert_eq!(server.stats().opened, count);
    server.assert_nothing_left(0);
}

#[test]
fn the_cases_in_whole_frames() {
    all(usize::MAX, |_| true);
}

#[test]
fn the_cases_byte_by_byte() {
    all(1, |case| {
        let sent = case.steps.iter().map(|step| match step {
            Step::Frame(out) => out.bytes().len(),
            Step::Raw(hex) => hex.len() / 2,
            Step::Expect(_) => 0,
        });
        sent.sum::<usize>() < 2_000
    });
}

#[test]
fn each_fault_has_its_reason() {
    let server = Server::start();
    let faults: [(&[u8], u16, Ended); 5] = [
        (&frame(true, 3, b"x"), 1002, Ended::Protocol),
        (&frame(true, TEXT, b"\xff"), 1007, Ended::NotText),
        (&frame(true, TEXT, &[b'x'; 65_537]), 1009, Ended::TooLarge),
        (&frame(true, CLOSE, b"\x03\xe8"), 1000, Ended::Left),
        (&frame(true, CLOSE, b"\x0f\xa1bye"), 4001, Ended::Left),
    ];
    for (bytes, code, _) in &faults {
        let mut raw = Raw::open(server.address(), "/");
        raw.try_say(bytes);
        assert_eq!(raw.closed().0, Some(*code));
    }
    server.wait_ended(Ended::Protocol, 1);
    server.wait_ended(Ended::NotText, 1);
    server.wait_ended(Ended::TooLarge, 1);
    server.wait_ended(Ended::Left, 2);
    server.assert_nothing_left(0);
}

#[test]
fn a_message_where_nobody_listens() {
    let server = crate::harness::Setup::new().deaf().start();
    for opcode in [TEXT, BINARY] {
        let mut raw = Raw::open(server.address(), "/");
        raw.send(PING, "p");
        assert_eq!(raw.frame().opcode, PONG);
        raw.send(opcode, "anybody?");
        assert_eq!(raw.closed().0, Some(1003));
    }
    server.wait_ended(Ended::Unwanted, 2);
    server.assert_nothing_left(0);
}

#[test]
fn the_stream_ends_without_a_goodbye() {
    let server = Server::start();
    // Between two messages that is leaving, in the middle of one it is not.
    for (bytes, reason) in [
        (&b""[..], Ended::Left),
        (&frame(true, TEXT, b"whole")[..], Ended::Left),
        (&frame(true, TEXT, b"half")[..3], Ended::Broken),
        (&frame(true, TEXT, b"half")[..8], Ended::Broken),
        (&frame(false, TEXT, b"more to come")[..], Ended::Broken),
    ] {
        let before = server.ended(reason);
        let mut raw = Raw::open(server.address(), "/");
        raw.say(bytes);
        raw.half_close();
        assert!(raw.hung_up(), "half closed");
        server.wait_ended(reason, before + 1);
    }
    server.assert_nothing_left(0);
}

#[test]
fn what_comes_right_behind_the_request_is_heard() {
    let server = Server::start();
    let mut raw = Raw::connect(server.address());
    let mut both = crate::harness::upgrade_request("/", "").into_bytes();
    both.extend(frame(true, TEXT, b"in haste"));
    both.extend(&frame(true, PING, b"cut")[..4]);
    raw.say(&both);
    assert_eq!(raw.head().status, 101);
    assert_eq!(raw.text(), "in haste");
    raw.say(&frame(true, PING, b"cut")[4..]);
    assert_eq!(raw.frame().payload, b"cut");
}
