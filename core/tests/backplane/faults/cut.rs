//! Connections that are ended again and again.

use std::{collections::BTreeSet, time::Instant};

use crate::{
    hubs::{Ear, hub, joined},
    rig::{Console, Server, until},
};

const KILLS: u64 = 20;

/// A publisher that is not ours and knows nothing of envelopes: numbers, 1,000 a second.
///
/// It ends connections itself, between two of its batches: what the server has answered by
/// then it has also sent to whoever listened.
struct Numbers {
    console: Console,
    topic: &'static str,
    begun: Instant,
    next: u64,
    /// Those that the server had nobody to send to.
    unheard: BTreeSet<u64>,
}

impl Numbers {
    fn new(server: &Server, topic: &'static str) -> Self {
        Numbers {
            console: server.console().unwrap(),
            topic,
            begun: Instant::now(),
            next: 0,
            unheard: BTreeSet::new(),
        }
    }

    /// Publishes what is due.
    fn publish(&mut self) {
        let due = self.begun.elapsed().as_millis() as u64;
        let numbers = self.next..due.max(self.next);
        let command = |number: u64| ["PUBLISH", self.topic, &number.to_string()].map(String::from);
        let commands: Vec<_> = numbers.clone().map(|n| command(n).to_vec()).collect();
        let answers = self.console.ask_all(&commands).unwrap();
        let unheard = numbers.clone().zip(answers);
        let unheard = unheard.filter(|(_, listeners)| listeners.int() == 0);
        self.unheard.extend(unheard.map(|(number, _)| number));
        self.next = numbers.end;
    }

    /// Goes on until it holds.
    fn until(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        until(what, || {
            self.publish();
            holds()
        });
    }

    /// Ends the hub's connection, as soon as it has one.
    fn kill(&mut self) {
        until("a connection is killed", || {
            self.publish();
            let kill = ["CLIENT", "KILL", "TYPE", "pubsub"];
            self.console.ask(&kill).unwrap().int() == 1
        });
    }
}

#[test]
fn of_a_plain_publishers_messages_those_alone_are_lost_that_the_server_had_nobody_to_send_to() {
    let server = Server::start();
    let hub = hub(&server.url());
    let ear = Ear::on(&hub, "numbers");
    joined(&hub);
    let mut published = Numbers::new(&server, "numbers");
    published.until("it flows", || ear.numbers().len() > 100);
    for _ in 0..KILLS {
        published.kill();
        let heard = ear.numbers().len();
        // What it had been sent before may still arrive when it is not back yet.
        published.until("it flows again", || ear.numbers().len() > heard + 100);
    }
    until("it is back", || {
        published.publish();
        !published.unheard.contains(&(published.next - 1))
    });
    let last = published.next - 1;
    until("the last one comes", || ear.numbers().last() == Some(&last));
    let numbers = ear.numbers();
    assert!(numbers.is_sorted_by(|a, b| a < b), "out of order, or twice");
    let numbers: BTreeSet<u64> = numbers.into_iter().collect();
    let lost: BTreeSet<u64> = (0..=last).filter(|n| !numbers.contains(n)).collect();
    let sent: Vec<_> = lost.difference(&published.unheard).collect();
    assert!(sent.is_empty(), "sent to the hub and not heard: {sent:?}");
    // Nobody numbers what a plain publisher sends: a break is told, not its size.
    let holes = lost.iter().filter(|n| numbers.contains(&(*n + 1))).count() as u64;
    let gaps = hub.health().counts.gaps;
    assert!(gaps >= holes, "{gaps} gaps told, {holes} holes");
    assert!(ear.missed() >= holes, "{} told as missed", ear.missed());
    let lost = lost.len();
    println!("{lost} of {last} lost by {KILLS} kills, {gaps} gaps told");
}
