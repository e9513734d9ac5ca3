//! Starting, and coming in: who is let in, who is turned away and what they are told, tickets,
//! takeovers from other servers, and what is counted.

mod admin;
mod entry;
mod limits;
mod start;
mod takeover;
mod tickets;

use std::{
    future::Future,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use distributary::{
    Hub, Selector,
    gateway::{Accept, Gateway, GatewayBuilder, GatewayStats, Limits, Refused},
};

/// A runtime with a thread beside that of the test, which may block.
fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build();
    runtime.expect("the system gives a runtime").block_on(test);
}

/// Lets everybody follow the topic `news`.
fn news<S: Send + Sync + 'static>(session: S) -> Accept<S> {
    Accept::new(session).subscribe(Selector::topic("news").expect("a topic"))
}

/// A gateway with these limits that lets everybody in.
async fn open_to_all(limits: Limits) -> (Hub, Gateway) {
    let hub = Hub::new();
    let builder = Gateway::builder(&hub).authorize(async |_| Ok(news(())));
    // Nobody here answers a goodbye.
    let limits = limits.close_timeout(Duration::from_millis(200));
    let gateway = listening(builder.limits(limits)).await;
    (hub, gateway)
}

async fn listening<S: Send + Sync + 'static>(builder: GatewayBuilder<S>) -> Gateway {
    let builder = builder.address("127.0.0.1:0").expect("an address");
    let builder = builder.admin("127.0.0.1:0").expect("an address");
    builder.start().await.expect("it starts")
}

fn refused(stats: &GatewayStats, why: Refused) -> u64 {
    let mut refused = stats.refused();
    refused
        .find(|count| count.0 == why)
        .map_or(0, |count| count.1)
}

fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(Instant::now() < deadline, "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A client that says what it is told to.
struct Peer(TcpStream);

/// The answer to a request.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|header| header.0.eq_ignore_ascii_case(name));
        found.map(|header| header.1.as_str())
    }
}

impl Peer {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).expect("a time");
        Peer(stream)
    }

    fn at(gateway: &Gateway) -> Self {
        Peer::connect(gateway.address().expect("it listens"))
    }

    fn say(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.0.write_all(bytes.as_ref()).expect("it is read");
        self
    }

    /// Reads a head, byte by byte, so that nothing behind it is lost.
    fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            let read = self.0.read(&mut byte).expect("an answer in time");
            assert_eq!(read, 1, "closed after {:?}", String::from_utf8_lossy(&head));
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        Answer {
            status: status.and_then(|s| s.parse().ok()).expect("a status"),
            headers: lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// All that comes until the other side closes.
    fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("an end in time");
        String::from_utf8_lossy(&rest).into_owned()
    }

    fn upgrade(&mut self, url: &str, headers: &str) -> Answer {
        self.say(handshake(url, headers)).answer()
    }

    /// The payload of a text frame of less than 64 KiB.
    #[track_caller]
    fn text(&mut self) -> String {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).expect("a frame in time");
        assert_eq!(head[0], 0x81, "a text in one frame");
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).expect("a length");
                usize::from(u16::from_be_bytes(length))
            }
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).expect("a payload");
        String::from_utf8(payload).expect("text")
    }
}

fn handshake(url: &str, headers: &str) -> String {
    format!(
        "GET {url} HTTP/1.1\r\nhost: test\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         {headers}\r\n"
    )
}
