//! Connections that are ended again and again.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    hubs::{Ear, hub, joined, kill_hubs},
    rig::{Server, until},
};

const KILLS: u64 = 20;
/// What one kill may cost at 1,000 a second, on a machine that does other things as well.
const PER_KILL: u64 = 100;

/// A publisher that is not ours and knows nothing of envelopes: numbers at a rate, until
/// told to stop.
fn publish_plain(server: &Server, topic: &str, next: &AtomicU64, stop: &AtomicBool) {
    let mut console = server.console().unwrap();
    let begun = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let due = begun.elapsed().as_millis() as u64;
        let mut commands = Vec::new();
        while next.load(Ordering::Relaxed) < due {
            let number = next.fetch_add(1, Ordering::Relaxed);
            commands.push(vec![
                "PUBLISH".to_owned(),
                topic.to_owned(),
                number.to_string(),
            ]);
        }
        if !commands.is_empty() {
            console.ask_all(&commands).unwrap();
        }
        thread::sleep(Duration::from_millis(1));
    }
}

struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_plain_publisher_loses_a_few_messages_per_kill_and_each_gap_is_told() {
    let server = Server::start();
    let hub = hub(&server.url());
    let ear = Ear::on(&hub, "numbers");
    joined(&hub);
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| publish_plain(&server, "numbers", &next, &stop));
        // However this ends: the scope waits for the publisher.
        let _stopping = Stopping(&stop);
        until("it flows", || ear.numbers().len() > 100);
        for _ in 0..KILLS {
            let heard = ear.numbers().len();
            // What it had been sent before may still arrive when it is not back yet.
            until("a connection is killed", || kill_hubs(&server) == 1);
            until("it flows again", || ear.numbers().len() > heard + 100);
        }
    });
    let sent = next.load(Ordering::Relaxed);
    until("the last one comes", || {
        ear.numbers().last() == Some(&(sent - 1))
    });
    let numbers = ear.numbers();
    assert!(numbers.is_sorted_by(|a, b| a < b), "out of order, or twice");
    let lost = sent - numbers.len() as u64;
    assert!(lost <= KILLS * PER_KILL, "{lost} lost by {KILLS} kills");
    // Nobody numbers what a plain publisher sends: a break is told, not its size.
    let gaps = hub.health().counts.gaps;
    let holes = numbers
        .windows(2)
        .filter(|pair| pair[1] != pair[0] + 1)
        .count() as u64;
    assert!(gaps >= holes, "{gaps} gaps told, {holes} holes");
    assert!(ear.missed() >= holes, "{} told as missed", ear.missed());
    println!("{lost} of {sent} lost by {KILLS} kills, {gaps} gaps told");
}
