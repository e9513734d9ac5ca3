//! Do two publishers get in each other's way?
//!
//! Each publishes to a topic of its own on a thread of its own and drains the lane of
//! its subscribers; the same by one alone.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use distributary::{Hub, Lane, Token};

use super::Row;
use crate::{
    Outcome, process,
    report::{Line, Target},
    rounds::{Contender, Unit, alternate},
    sinks::Count,
};

pub(crate) const ROW: Row = Row {
    name: "publishers",
    question: "Two publishers on two topics on two threads beside one publisher: events per second, each to ten subscriptions.",
    measure,
};

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(200);
const SUBSCRIPTIONS: u64 = 10;
const BURST: usize = 64;
const FIGURES: &[(&str, Unit)] = &[
    ("", Unit::PerSecond),
    ("processor time of an event", Unit::Nanos),
];

fn measure() -> Outcome<Vec<Line>> {
    let mut contenders = [
        publishers("two publishers", 2)?,
        publishers("one publisher", 1)?,
    ];
    let samples = alternate(ROUNDS, &mut contenders)?;
    let [two, one] = &samples[..] else {
        return Err("as many answers as contenders".into());
    };
    Ok(vec![
        Line::new("events per second, two beside one", &two[0])
            .against(&one[0])
            .target(Target::RatioAtLeast(1.7))
            .if_missed("see the processor time below: if it is level, the machine had no second processor free"),
        Line::new("processor time of an event, two beside one", &two[1])
            .against(&one[1])
            .note("what the two cost each other, whoever else is on the machine"),
    ])
}

fn publishers(name: &str, count: usize) -> Outcome<Contender<'static>> {
    let hub = Hub::new();
    let mut lanes = Vec::new();
    for number in 0..count {
        let topic = format!("topic.{number}");
        let mut lane = Lane::new(&hub);
        for token in 0..SUBSCRIPTIONS {
            lane.subscribe(&*topic, Token(token))?;
        }
        lanes.push((topic, lane));
    }
    Ok(Contender::with_figures(name, FIGURES, move || {
        let start = Barrier::new(lanes.len());
        let rates = thread::scope(|scope| {
            let threads = lanes.iter_mut().map(|(topic, lane)| {
                let (hub, start) = (&hub, &start);
                scope.spawn(move || publish(hub, topic, lane, start))
            });
            let threads: Vec<_> = threads.collect();
            let rates = threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| "a publishing thread panicked")?);
            rates.collect::<Outcome<Vec<_>>>()
        })?;
        let nanos: f64 = rates.iter().map(|(_, nanos)| nanos).sum();
        let rate = rates.iter().map(|(rate, _)| rate).sum();
        Ok(vec![rate, nanos / rates.len() as f64])
    }))
}

/// Events per second of one of them, and the processor time of each.
fn publish(hub: &Hub, topic: &str, lane: &mut Lane, start: &Barrier) -> Outcome<(f64, f64)> {
    let event = Bytes::from_static(b"event");
    let mut sink = Count::default();
    let mut events = 0;
    start.wait();
    let on_processor = process::processor_time();
    let start = Instant::now();
    while start.elapsed() < ROUND {
        for _ in 0..BURST {
            // A buffer of its own for each event, as a server reads it from a socket.
            hub.publish(topic, Bytes::copy_from_slice(&event))?;
        }
        events += BURST;
        while lane.turn(&mut sink).more {}
    }
    let rate = events as f64 / start.elapsed().as_secs_f64();
    let taken = on_processor.zip(process::processor_time());
    let nanos = taken.map_or(f64::NAN, |(before, after)| {
        (after - before) as f64 / events as f64
    });
    sink.expect(events as u64 * SUBSCRIPTIONS)?;
    Ok((rate, nanos))
}
