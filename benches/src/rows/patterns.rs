//! What do ten thousand patterns cost those who publish to topics that none of them
//! is about, and what does a topic cost that nobody has seen before?

use std::time::Instant;

use bytes::Bytes;
use distributary::{Hub, Lane, Selector, Token};

use super::Row;
use crate::{
    Outcome,
    report::{Line, Target},
    rounds::{Contender, alternate_one},
    sinks::Count,
};

pub(crate) const ROW: Row = Row {
    name: "patterns",
    question: "Publishing with 10,000 patterns alive: to a known topic beside without any pattern, and to new topics.",
    measure,
};

const ROUNDS: usize = 11;
const PATTERNS: usize = 10_000;
const EVENTS: usize = 5_000;
const BURST: usize = 250;
const NEW_TOPICS: usize = 1_000;

fn measure() -> Outcome<Vec<Line>> {
    let mut contenders = [
        known("with 10,000 patterns", PATTERNS)?,
        known("with none", 0)?,
        new_topics("a topic that one pattern matches", |n| {
            format!("room.{}.{n}", n % PATTERNS)
        })?,
        new_topics("a topic that none matches", |n| format!("hall.{n}"))?,
        naive_scan(),
    ];
    let samples = alternate_one(ROUNDS, &mut contenders)?;
    let most = Target::AtMost(100_000.0);
    Ok(vec![
        Line::new("publish to a known topic", &samples[0])
            .against(&samples[1])
            .target(Target::RatioAtMost(1.1)),
        Line::new(
            "first publish to a topic that one pattern matches",
            &samples[2],
        )
        .against(&samples[4])
        .target(most),
        Line::new("first publish to a topic that none matches", &samples[3]).target(most),
    ])
}

/// Patterns with their star at the end, at the start, and on both sides.
fn pattern(number: usize) -> String {
    match number % 4 {
        0 | 1 => format!("room.{number}.*"),
        2 => format!("*.user.{number}"),
        _ => format!("*.tag.{number}.*"),
    }
}

fn lane_with(hub: &Hub, patterns: usize) -> Outcome<Lane> {
    let mut lane = Lane::new(hub);
    for number in 0..patterns {
        lane.subscribe(Selector::pattern(pattern(number))?, Token(number as u64))?;
    }
    Ok(lane)
}

fn known(name: &str, patterns: usize) -> Outcome<Contender<'static>> {
    let hub = Hub::new();
    let mut lane = lane_with(&hub, patterns)?;
    lane.subscribe("news", Token(u64::MAX))?;
    let mut sink = Count::default();
    let event = Bytes::from_static(b"event");
    Ok(Contender::new(name, move || {
        let mut nanos = 0;
        for _ in 0..EVENTS / BURST {
            let start = Instant::now();
            for _ in 0..BURST {
                hub.publish("news", event.clone())?;
            }
            nanos += start.elapsed().as_nanos();
            while lane.turn(&mut sink).more {}
        }
        sink.expect(EVENTS as u64)?;
        Ok(nanos as f64 / EVENTS as f64)
    }))
}

fn new_topics(name: &str, topic: fn(usize) -> String) -> Outcome<Contender<'static>> {
    let hub = Hub::new();
    let mut lane = lane_with(&hub, PATTERNS)?;
    let mut sink = Count::default();
    let event = Bytes::from_static(b"event");
    let mut first = 0;
    Ok(Contender::new(name, move || {
        let topics: Vec<String> = (first..first + NEW_TOPICS).map(topic).collect();
        first += NEW_TOPICS;
        let start = Instant::now();
        for topic in &topics {
            hub.publish(topic, event.clone())?;
        }
        let nanos = start.elapsed().as_nanos();
        while lane.turn(&mut sink).more {}
        Ok(nanos as f64 / NEW_TOPICS as f64)
    }))
}

/// As brokers do it: each pattern against the name, by the fastest means that the
/// shapes above allow.
fn naive_scan() -> Contender<'static> {
    let patterns: Vec<String> = (0..PATTERNS).map(pattern).collect();
    let mut number = 0;
    Contender::new("each pattern in turn", move || {
        let start = Instant::now();
        let mut found = 0;
        for _ in 0..100 {
            number += 1;
            let topic = format!("room.{}.{number}", (number * 4) % PATTERNS);
            found += patterns
                .iter()
                .filter(|pattern| matches(pattern, &topic))
                .count();
        }
        match found {
            100 => Ok(start.elapsed().as_nanos() as f64 / 100.0),
            _ => Err(format!("{found} matches instead of 100").into()),
        }
    })
}

fn matches(pattern: &str, topic: &str) -> bool {
    let literal = pattern.trim_matches('*');
    match (pattern.starts_with('*'), pattern.ends_with('*')) {
        (true, true) => topic.contains(literal),
        (true, false) => topic.ends_with(literal),
        (false, true) => topic.starts_with(literal),
        (false, false) => topic == literal,
    }
}
