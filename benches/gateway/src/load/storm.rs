//! A mass reconnect: clients of the JSON protocol are cut off at once, come back at
//! random, and must have seen every event in the end.
//!
//! Each client follows one topic of everybody and one of its group, counts what comes on
//! both, and remembers the last position of each. Events carry a number, so that one that
//! is lost, comes twice or comes out of order is seen when it happens.

use std::{
    io::{ErrorKind, Read, Write},
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use serde_json::{Value, json};

use super::{Server, clients::connecting};
use crate::{
    Outcome,
    control::Control,
    servers::{GROUPS, storm_event, storm_topic},
    wire::{Item, JSON_PROTOCOL, WebSocketScanner, handshake, masked},
};

/// Events while the storm lasts.
const PER_SECOND: usize = 50;
/// Clients that connect at a time before it.
const IN_FLIGHT: usize = 64;
/// How long events go out before everybody is cut off, and after everybody is due back.
const MARGIN: Duration = Duration::from_secs(1);
/// How long the last one may take after the last event.
const PATIENCE: Duration = Duration::from_secs(20);

struct Storm<'s> {
    server: &'s Server,
    poll: Poll,
    clients: Vec<Client>,
    buffer: Vec<u8>,
    /// Clients that have said where they stand since they last connected.
    subscribed: usize,
    /// Events that have come, and came when they should.
    came: usize,
    /// How often one was told to come back later.
    refused: usize,
    random: Random,
}

struct Client {
    link: Option<Link>,
    /// When to connect next.
    due: Option<Instant>,
    follows: [Followed; 2],
}

struct Link {
    stream: TcpStream,
    scanner: WebSocketScanner,
    greeted: bool,
}

struct Followed {
    topic: String,
    next: usize,
    position: Option<Value>,
}

/// Lets so many be cut off, and come back within so many seconds. The answer: how long
/// until the last was back, in nanoseconds, and how many were told to come back later.
pub(super) fn run(
    server: &Server,
    control: &mut Control,
    count: usize,
    seconds: usize,
) -> Outcome<String> {
    let mut storm = Storm {
        server,
        poll: Poll::new()?,
        clients: (0..count).map(Client::new).collect(),
        buffer: vec![0; 64 << 10],
        subscribed: 0,
        came: 0,
        refused: 0,
        random: Random(0x9E37_79B9_7F4A_7C15),
    };
    storm.gather()?;
    let back = Duration::from_secs(seconds as u64);
    let events = PER_SECOND * (back + MARGIN * 2).as_secs() as usize;
    let started = Instant::now();
    let took = thread::scope(|scope| {
        let order = format!("storm {events} {PER_SECOND}");
        let publisher = scope.spawn(move || control.ask(&order));
        let took = storm.rage(started, back, awaited(count, events))?;
        publisher
            .join()
            .map_err(|_| "the publisher's order panicked")??;
        Outcome::Ok(took)
    })?;
    Ok(format!("{} {}", took.as_nanos(), storm.refused))
}

/// How many deliveries so many clients get of so many events.
fn awaited(clients: usize, events: usize) -> usize {
    let all = storm_topic(None);
    let members = |group: usize| clients / GROUPS + usize::from(group < clients % GROUPS);
    let groups: Vec<String> = (0..GROUPS).map(|group| storm_topic(Some(group))).collect();
    let of_event = |number| {
        let (topic, _) = storm_event(number);
        match topic == all {
            true => clients,
            false => groups.iter().position(|of| *of == topic).map_or(0, members),
        }
    };
    (0..events).map(of_event).sum()
}

impl Storm<'_> {
    /// Connects everybody for the first time.
    fn gather(&mut self) -> Outcome<()> {
        let mut ready = Events::with_capacity(1_024);
        let deadline = Instant::now() + PATIENCE;
        let mut begun = 0;
        while self.subscribed < self.clients.len() {
            while begun < self.clients.len() && begun < self.subscribed + IN_FLIGHT {
                self.connect(begun)?;
                begun += 1;
            }
            self.turn(&mut ready, Duration::from_millis(100))?;
            if Instant::now() > deadline {
                return Err(format!("{} of {begun} subscribed", self.subscribed).into());
            }
        }
        Ok(())
    }

    /// Cuts off, comes back, and waits for the last event. From the cut until the last
    /// client was subscribed again.
    fn rage(&mut self, started: Instant, back: Duration, awaited: usize) -> Outcome<Duration> {
        let mut ready = Events::with_capacity(1_024);
        while started.elapsed() < MARGIN {
            self.turn(&mut ready, Duration::from_millis(1))?;
        }
        let cut = Instant::now();
        for client in &mut self.clients {
            client.link = None;
            client.due = Some(cut + back.mul_f64(self.random.share()));
        }
        self.subscribed = 0;
        let deadline = cut + back + MARGIN + PATIENCE;
        let mut returned = None;
        while self.came < awaited || returned.is_none() {
            let now = Instant::now();
            for number in 0..self.clients.len() {
                if self.clients[number].due.is_some_and(|due| due <= now) {
                    self.connect(number)?;
                }
            }
            self.turn(&mut ready, Duration::from_millis(1))?;
            if returned.is_none() && self.subscribed == self.clients.len() {
                returned = Some(cut.elapsed());
            }
            if Instant::now() > deadline {
                let (came, back) = (self.came, self.subscribed);
                return Err(format!("{back} are back, {came} of {awaited} events came").into());
            }
        }
        Ok(returned.unwrap_or_default())
    }

    fn connect(&mut self, number: usize) -> Outcome<()> {
        let mut stream = connecting(self.server.address, None)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(number), interest)?;
        let client = &mut self.clients[number];
        client.due = None;
        client.link = Some(Link {
            stream,
            scanner: WebSocketScanner::keeping_client(),
            greeted: false,
        });
        Ok(())
    }

    fn turn(&mut self, ready: &mut Events, wait: Duration) -> Outcome<()> {
        match self.poll.poll(ready, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in &*ready {
            let number = event.token().0;
            let client = &mut self.clients[number];
            let turn = client.turn(event.is_readable(), &mut self.buffer);
            match turn.map_err(|error| format!("client {number}: {error}"))? {
                Turn::Came { subscribed, events } => {
                    self.subscribed += usize::from(subscribed);
                    self.came += events;
                }
                // As it was told, and a bit later, so that not all come at once again.
                Turn::Refused(wait) => {
                    client.link = None;
                    client.due = Some(Instant::now() + wait + MARGIN.mul_f64(self.random.share()));
                    self.refused += 1;
                }
            }
        }
        Ok(())
    }
}

/// What a client did when there was something to do.
enum Turn {
    /// Whether it has subscribed just now, and how many events came.
    Came { subscribed: bool, events: usize },
    /// It is to come back after this time.
    Refused(Duration),
}

impl Client {
    fn new(number: usize) -> Self {
        let followed = |group| Followed {
            topic: storm_topic(group),
            next: 0,
            position: None,
        };
        Client {
            link: None,
            due: None,
            follows: [followed(None), followed(Some(number % GROUPS))],
        }
    }

    fn turn(&mut self, readable: bool, buffer: &mut [u8]) -> Outcome<Turn> {
        let (mut subscribed, mut events) = (false, 0);
        let Some(link) = &mut self.link else {
            return Ok(Turn::Came { subscribed, events });
        };
        if !link.greeted {
            let hello = handshake("storm", Some(JSON_PROTOCOL));
            match link.stream.write(hello.as_bytes()) {
                Ok(_) => link.greeted = true,
                Err(error) if error.kind() == ErrorKind::NotConnected => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut said = Vec::new();
        while readable {
            let read = match link.stream.read(buffer) {
                Ok(0) => return Err("the server has closed it".into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            };
            let follows = &mut self.follows;
            let mut heard = Ok(());
            let each = |item: Item<'_>| match item {
                Item::Ready => said.extend(subscribe(follows)),
                Item::Ping(payload) => said.extend(masked(0xA, payload)),
                Item::Event(text) if heard.is_ok() => match hear(follows, text) {
                    Ok(Heard::Event) => events += 1,
                    Ok(Heard::Subscribed) => subscribed = true,
                    Ok(Heard::Other) => {}
                    Err(error) => heard = Err(error),
                },
                Item::Event(_) | Item::Pong => {}
                Item::Close => heard = Err("the server says goodbye".into()),
            };
            if let Err(unexpected) = link.scanner.scan(&buffer[..read], each) {
                let wait = unexpected.retry_after();
                return wait.map(Turn::Refused).ok_or_else(|| unexpected.0.into());
            }
            heard?;
            if read < buffer.len() {
                break;
            }
        }
        link.stream.write_all(&said)?;
        Ok(Turn::Came { subscribed, events })
    }
}

enum Heard {
    Event,
    Subscribed,
    Other,
}

fn subscribe(follows: &[Followed; 2]) -> Vec<u8> {
    let topics = follows.each_ref().map(|followed| &followed.topic);
    let positions = follows
        .iter()
        .filter_map(|followed| Some((followed.topic.clone(), followed.position.clone()?)));
    let from: serde_json::Map<String, Value> = positions.collect();
    let mut wish = json!({"type": "subscribe", "id": 1, "topics": topics});
    if !from.is_empty() {
        wish["from"] = Value::Object(from);
    }
    masked(0x1, wish.to_string().as_bytes())
}

fn hear(follows: &mut [Followed; 2], text: &[u8]) -> Outcome<Heard> {
    let message: Value = serde_json::from_slice(text)?;
    let unexpected = || String::from_utf8_lossy(text).into_owned();
    match message["type"].as_str() {
        Some("event") => {
            let followed = follows
                .iter_mut()
                .find(|followed| message["topic"] == followed.topic[..]);
            let followed = followed.ok_or_else(unexpected)?;
            if message["data"]["n"] != followed.next {
                return Err(format!("{} was due, {} came", followed.next, unexpected()).into());
            }
            followed.next += 1;
            followed.position = Some(message["position"].clone());
            Ok(Heard::Event)
        }
        Some("subscribed") => {
            // Where a topic stands, for those of which nothing has come yet.
            for followed in follows {
                if followed.position.is_none() {
                    followed.position = message["at"].get(&followed.topic).cloned();
                }
            }
            Ok(Heard::Subscribed)
        }
        Some("welcome" | "pong") => Ok(Heard::Other),
        _ => Err(unexpected().into()),
    }
}

/// Marsaglia's xorshift: the same storm each time.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as f64 / u64::MAX as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_awaited_is_what_each_client_would_count() {
        let (clients, events) = (250, 1_234);
        let mut count = 0;
        for client in (0..clients).map(Client::new) {
            for number in 0..events {
                let (topic, _) = storm_event(number);
                count += client.follows.iter().filter(|f| f.topic == topic).count();
            }
        }
        assert_eq!(awaited(clients, events), count);
    }

    #[test]
    fn an_event_that_is_lost_is_noticed() {
        let mut follows = Client::new(7).follows;
        let event = |n: usize| {
            json!({"type": "event", "topic": "storm.7", "position": "1-5", "data": {"n": n}})
                .to_string()
        };
        assert!(hear(&mut follows, event(0).as_bytes()).is_ok());
        assert!(hear(&mut follows, event(2).as_bytes()).is_err());
        let wish = String::from_utf8_lossy(&subscribe(&follows)).into_owned();
        assert!(wish.contains(r#""from":{"storm.7":"1-5"}"#), "{wish}");
    }
}
