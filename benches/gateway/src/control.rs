//! How a server is told what to do, and asked what it has seen.
//!
//! Servers take lines: `publish BYTES` sends an event of this size to everybody,
//! `watch N` is answered with `reached TIME` as soon as no more than N subscribers are
//! left. Most take them on a port of their own; one has no sockets but WebSockets and
//! takes them as text messages; Redis is told in its own words.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{
    Outcome,
    clock::now,
    wire::{ALL, Item, WebSocketScanner, handshake, masked},
};

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often Redis is asked how many are left.
const ASK_EVERY: Duration = Duration::from_micros(200);

/// Where a server takes its orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Lines on this port.
    Lines(u16),
    /// Text messages on a WebSocket at `/control`.
    WebSocket,
    /// Commands of Redis.
    Resp,
}

impl Kind {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "websocket" => Some(Kind::WebSocket),
            "resp" => Some(Kind::Resp),
            port => port.parse().ok().map(Kind::Lines),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Lines(port) => port.fmt(f),
            Kind::WebSocket => f.write_str("websocket"),
            Kind::Resp => f.write_str("resp"),
        }
    }
}

/// A connection that gives orders.
pub(crate) struct Control {
    kind: Kind,
    server: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Control {
    pub(crate) fn connect(kind: Kind, server: SocketAddr) -> Outcome<Self> {
        let mut address = server;
        if let Kind::Lines(port) = kind {
            address.set_port(port);
        }
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut control = Control {
            kind,
            server,
            stream: BufReader::new(stream),
        };
        if kind == Kind::WebSocket {
            control.write(handshake("control", None).as_bytes())?;
            while !control.line()?.is_empty() {}
        }
        Ok(control)
    }

    /// Sends events of this size to everybody, with one write.
    pub(crate) fn publish(&mut self, bytes: usize, times: usize) -> Outcome<()> {
        let order = match self.kind {
            Kind::Lines(_) => format!("publish {bytes}\n").into_bytes(),
            Kind::WebSocket => masked(0x1, format!("publish {bytes}").as_bytes()),
            Kind::Resp => {
                let mut order = format!("*3\r\n$7\r\nPUBLISH\r\n$3\r\n{ALL}\r\n${bytes}\r\n");
                order.extend(std::iter::repeat_n('x', bytes));
                order.push_str("\r\n");
                order.into_bytes()
            }
        };
        self.write(&order.repeat(times))
    }

    /// Reads what the server answers to so many events that were published.
    pub(crate) fn settle(&mut self, times: usize) -> Outcome<()> {
        if self.kind == Kind::Resp {
            for _ in 0..times {
                self.line()?;
            }
        }
        Ok(())
    }

    /// Says a line, and reads the line that answers it.
    pub(crate) fn ask(&mut self, line: &str) -> Outcome<String> {
        match self.kind {
            Kind::Lines(_) => {
                self.write(format!("{line}\n").as_bytes())?;
                self.line()
            }
            Kind::WebSocket => {
                self.write(&masked(0x1, line.as_bytes()))?;
                self.message()
            }
            Kind::Resp => {
                self.write(format!("{line}\r\n").as_bytes())?;
                self.line()
            }
        }
    }

    /// When no more than so many subscribers are left, by the shared clock. Asked on a
    /// connection of its own, by a thread of its own.
    pub(crate) fn watch(&self, left: usize) -> Outcome<mpsc::Receiver<Outcome<u64>>> {
        let mut control = Control::connect(self.kind, self.server)?;
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            // Nobody waits for it any more when this fails.
            let _ = tell.send(control.reached(left));
        });
        Ok(told)
    }

    fn reached(&mut self, left: usize) -> Outcome<u64> {
        if self.kind != Kind::Resp {
            let answer = self.ask(&format!("watch {left}"))?;
            let time = answer.strip_prefix("reached ").ok_or(answer.clone())?;
            return Ok(time.parse()?);
        }
        loop {
            self.write(format!("PUBSUB NUMSUB {ALL}\r\n").as_bytes())?;
            // The array's head, the name's length, the name, the number.
            let lines = (0..4).map(|_| self.line()).collect::<Outcome<Vec<_>>>()?;
            let number = lines[3].strip_prefix(':').ok_or(lines[3].clone())?;
            if number.parse::<usize>()? <= left {
                return Ok(now());
            }
            thread::sleep(ASK_EVERY);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Outcome<()> {
        Ok(self.stream.get_mut().write_all(bytes)?)
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err("the server has gone".into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    fn message(&mut self) -> Outcome<String> {
        let mut scanner = WebSocketScanner::frames();
        let mut message = None;
        let mut buffer = [0; 1_024];
        while message.is_none() {
            let bytes = match self.stream.read(&mut buffer)? {
                0 => return Err("the server has gone".into()),
                read => &buffer[..read],
            };
            let each = |item: Item<'_>| {
                if let Item::Event(text) = item {
                    message = Some(String::from_utf8_lossy(text).into_owned());
                }
            };
            scanner.scan(bytes, each).map_err(|error| error.0)?;
        }
        message.ok_or_else(|| "no message".into())
    }
}
