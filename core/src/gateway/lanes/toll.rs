//! A lane over sinks that cost a fixed time each: how long a ping or a close waits
//! during an event, at numbers of sockets that no machine at hand would open.
//!
//! Everything but the sockets is the real thing: reading, decoding, the engine's walk,
//! the frames. Requests become due at fixed times, and the lane finds them, as it would
//! find them in its poll, when it looks between two slices.

use std::{
    cell::Cell,
    io::{self, IoSlice},
    rc::Rc,
    time::{Duration, Instant},
};

use super::{
    command::Speech,
    rig::{arrival, shard, silent},
    shard::Shard,
    stream::Transport,
};
use crate::{
    gateway::{limits::Limits, verdict::Accept},
    hub::Hub,
    selector::Selector,
};

/// A masked ping without a payload, and a masked close.
const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];
const CLOSE: [u8; 6] = [0x88, 0x80, 0, 0, 0, 0];

/// A line that takes everything, slowly.
struct Toll {
    cost: Duration,
    /// What the client has said.
    input: Rc<Cell<&'static [u8]>>,
    /// When something was last written.
    written: Rc<Cell<Instant>>,
}

impl Transport for Toll {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let began = Instant::now();
        while began.elapsed() < self.cost {
            std::hint::spin_loop();
        }
        self.written.set(Instant::now());
        Ok(bytes.len())
    }

    fn send_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send(&[])?;
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let input = self.input.take();
        if input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer[..input.len()].copy_from_slice(input);
        Ok(input.len())
    }

    fn finish(&self) {}

    fn abort(&self) {}
}

/// What one event came to.
#[derive(Debug, Clone, Copy)]
pub struct Tolled {
    /// From publish until the last sink had it.
    pub total: Duration,
    /// The longest that a ping of a connection that is not subscribed waited for its
    /// answer.
    pub ping: Duration,
    /// The longest that a close of a subscribed connection waited until it was out of
    /// the index and answered.
    pub close: Duration,
    /// How many of each there were.
    pub requests: usize,
}

/// A client's end of a line.
struct Client {
    place: u32,
    input: Rc<Cell<&'static [u8]>>,
    written: Rc<Cell<Instant>>,
}

/// A lane and its sinks.
pub struct Lane {
    hub: Hub,
    shard: Shard<Toll>,
    cost: Duration,
    began: Instant,
    /// Follows nothing.
    bystander: Option<Client>,
}

impl Lane {
    /// So many connections that follow one topic, each write costing so much.
    pub fn new(sinks: usize, cost: Duration) -> Self {
        let hub = Hub::new();
        let mut lane = Lane {
            shard: shard(&hub, silent(), Limits::default()),
            hub,
            cost,
            began: Instant::now(),
            bystander: None,
        };
        lane.bystander = Some(lane.connect(Accept::new(())));
        for _ in 0..sinks {
            lane.join();
        }
        lane
    }

    fn join(&mut self) -> Client {
        let accept = Selector::topic("t").map(|topic| Accept::new(()).subscribe(topic));
        self.connect(accept.unwrap_or_else(|_| unreachable!("a plain name")))
    }

    fn connect(&mut self, accept: Accept<()>) -> Client {
        let input = Rc::<Cell<&'static [u8]>>::default();
        let written = Rc::new(Cell::new(self.began));
        let line = Toll {
            cost: self.cost,
            input: Rc::clone(&input),
            written: Rc::clone(&written),
        };
        let place = self.shard.reserve();
        self.shard.inbox.count_in();
        self.shard
            .arrive(place, arrival(line, Speech::Plain, accept));
        Client {
            place,
            input,
            written,
        }
    }

    /// Publishes one event and serves it, while a ping and a close become due every so
    /// often. Those who left are replaced afterwards.
    pub fn event(&mut self, payload: &[u8], every: Duration) -> Tolled {
        let leavers: Vec<_> = (0..10_000.min(self.shard.len() / 100))
            .map(|_| self.join())
            .collect();
        while self.shard.turn() {
            self.shard.go_on();
        }
        let mut tolled = Tolled {
            total: Duration::ZERO,
            ping: Duration::ZERO,
            close: Duration::ZERO,
            requests: 0,
        };
        let published = Instant::now();
        let mut due = published + every;
        let sent = self.hub.publish("t", payload.to_vec());
        debug_assert!(sent.is_ok());
        let mut more = true;
        while more {
            let now = Instant::now();
            self.shard
                .tick(now.duration_since(self.began).as_millis() as u64);
            // What has become due since the last look, oldest first.
            while due <= Instant::now() {
                if let Some(client) = &self.bystander {
                    client.say(&PING, &mut self.shard);
                    tolled.ping = tolled.ping.max(client.waited(due));
                }
                if let Some(client) = leavers.get(tolled.requests) {
                    client.say(&CLOSE, &mut self.shard);
                    tolled.close = tolled.close.max(client.waited(due));
                }
                tolled.requests += 1;
                due += every;
            }
            self.shard.go_on();
            more = self.shard.turn();
        }
        tolled.total = published.elapsed();
        let left = tolled.requests.min(leavers.len());
        for client in &leavers[left..] {
            client.say(&CLOSE, &mut self.shard);
        }
        tolled
    }
}

impl Client {
    fn say(&self, frame: &'static [u8], shard: &mut Shard<Toll>) {
        self.input.set(frame);
        shard.ready(self.place, true, false, false);
    }

    /// From when it had something to say until it was answered.
    fn waited(&self, since: Instant) -> Duration {
        self.written.get().duration_since(since)
    }
}
