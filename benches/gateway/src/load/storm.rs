//! A mass reconnect: clients of the JSON protocol are cut off at once, come back at
//! random, and must have seen every event in the end.
//!
//! Each client follows one topic of everybody and one of its group, counts what comes on
//! both, and remembers the last position of each. Events carry a number, so that one that
//! is lost, comes twice or comes out of order is seen when it happens.

use std::{
    io::ErrorKind,
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token};

use super::{
    Server,
    clients::connecting,
    returning::{Client, Link, Turn},
};
use crate::{
    Outcome,
    control::Control,
    servers::{GROUPS, storm_event, storm_topic},
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
        client.link = Some(Link::new(stream));
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
}
