//! The same, when the field has to be found in a kilobyte of JSON first.
//!
//! Ours is the whole publish call, the peer's is its match alone. Quamina is built for
//! filters that do not change; what a change costs is the second half. What the rest
//! of a payload costs is told by one of 64 KB.

use std::time::Instant;

use bytes::Bytes;
use distributary::{Filter, Hub, Selector, Token};
use quamina::{Quamina, QuaminaBuilder};

use super::{
    Row,
    equality::{filtered_lane, scattered},
};
use crate::{
    Outcome,
    report::{Line, Target},
    rounds::{Contender, alternate_one},
    sinks::Count,
};

pub(crate) const ROW: Row = Row {
    name: "json",
    question: "100,000 filters on one topic, each one equality of its own; one matches, from 1 KB of JSON: the whole publish call.",
    measure,
};

const ROUNDS: usize = 7;
const FILTERS: usize = 100_000;
const EVENTS: usize = 5_000;
const BURST: usize = 250;
const LARGE_EVENTS: usize = 500;

fn measure() -> Outcome<Vec<Line>> {
    let events: Vec<Bytes> = (0..EVENTS).map(|number| event(scattered(number))).collect();
    // Ours first: a peer that leaves the heap in pieces is not to slow us down.
    let ours = ours(&events)?;
    let quamina = filled_quamina()?;
    let mut contenders = [ours, theirs(&events, &quamina)];
    let steady = alternate_one(ROUNDS, &mut contenders)?;
    drop(contenders);
    // Few, so that they are in the cache, as what was just written is.
    let few: Vec<Bytes> = (0..8).map(|n| large(scattered(n))).collect();
    let large: Vec<Bytes> = few.into_iter().cycle().take(LARGE_EVENTS).collect();
    let mut contenders = [self::ours(&large)?, theirs(&large, &quamina)];
    let of_large = alternate_one(ROUNDS, &mut contenders)?;
    drop(contenders);
    let mut contenders = [ours_changing(&events)?, theirs_changing(&events, quamina)];
    let changing = alternate_one(3, &mut contenders)?;
    let what = "while no filter changes";
    let from_large = "the same from 64 KB";
    let change = "one filter added, one event, the filter removed again";
    Ok(vec![
        Line::new(what, &steady[0]).target(Target::AtMost(2_000.0)),
        Line::new(what, &steady[0])
            .against(&steady[1])
            .target(Target::RatioAtMost(1.5)),
        Line::new(from_large, &of_large[0]).target(Target::AtMost(12_000.0)),
        Line::new(from_large, &of_large[0])
            .against(&of_large[1])
            .note("it stops at the field; ours goes on, for the key may come again"),
        Line::new(change, &changing[0])
            .against(&changing[1])
            .target(Target::RatioAtMost(0.001)),
    ])
}

/// A kilobyte as a server sends it: the field that counts is neither first nor last.
fn event(id: usize) -> Bytes {
    let text = format!(
        concat!(
            r#"{{"type":"document.changed","at":"2025-03-04T05:06:07.089Z","version":17,"session":"0191e7ab-6f3c-7cc0-8a3b-5d0f4c2e9b1a","#,
            r#""author":{{"id":90210,"name":"Ada Lovelace","avatar":"https://static.example.org/avatars/90210/original.png","bot":false,"roles":["editor","owner"]}},"#,
            r#""id":{},"workspace":4711,"title":"Notes upon the memoir, by the translator","language":"en","#,
            r#""tags":["analysis","engine","notes"],"visibility":"workspace","wordCount":8423,"sensitive":false,"#,
            r#""change":{{"kind":"replace","from":1024,"to":1187,"removed":12,"inserted":175,"text":"{}"}},"#,
            r#""counts":{{"replies":3,"favourites":42,"shares":7}},"parent":null}}"#
        ),
        id,
        "The Analytical Engine weaves algebraical patterns just as the Jacquard loom weaves flowers and leaves. "
            .repeat(4)
    );
    text.into()
}

/// The same field early in 64 KB: a list of objects with ids of their own, and long texts.
fn large(id: usize) -> Bytes {
    let mut text = format!(r#"{{"type":"document.opened","id":{id},"workspace":4711,"rows":["#);
    for row in 0.. {
        let end = if text.len() < 64 << 10 { "," } else { "]}" };
        let words = r"flowers and leaves,\n".repeat(row % 9);
        text += &format!(
            concat!(
                r#"{{"id":{},"name":"row {}","tags":["a","bb"],"at":"2025-03-04T05:06:07Z","#,
                r#""place":{{"x":{},"y":{}}},"text":"{}"}}{}"#
            ),
            row,
            row,
            row * 7,
            row * 13,
            words,
            end
        );
        if end != "," {
            break;
        }
    }
    text.into()
}

fn filled_quamina() -> Outcome<Quamina<usize>> {
    // Its default is made for some thousands of patterns.
    let mut quamina = QuaminaBuilder::<usize>::new()
        .with_arena_byte_budget(4 << 30)
        .build()?;
    for id in 0..FILTERS {
        quamina.add_pattern(id, &format!(r#"{{"id":[{id}]}}"#))?;
    }
    Ok(quamina)
}

fn ours(events: &[Bytes]) -> Outcome<Contender<'_>> {
    let hub = Hub::new();
    let mut lane = filtered_lane(&hub)?;
    let mut sink = Count::default();
    Ok(Contender::new("publish", move || {
        let mut nanos = 0;
        for burst in events.chunks(BURST) {
            let start = Instant::now();
            for event in burst {
                hub.publish("documents", event.clone())?;
            }
            nanos += start.elapsed().as_nanos();
            while lane.turn(&mut sink).more {}
        }
        sink.expect(events.len() as u64)?;
        Ok(nanos as f64 / events.len() as f64)
    }))
}

fn theirs<'e>(events: &'e [Bytes], quamina: &'e Quamina<usize>) -> Contender<'e> {
    Contender::new("quamina, the match alone", move || {
        let start = Instant::now();
        for event in events {
            expect_one(quamina, event)?;
        }
        Ok(start.elapsed().as_nanos() as f64 / events.len() as f64)
    })
}

fn expect_one(quamina: &Quamina<usize>, event: &[u8]) -> Outcome<()> {
    match quamina.matches_for_event(event)?.len() {
        1 => Ok(()),
        found => Err(format!("{found} filters instead of one").into()),
    }
}

fn ours_changing(events: &[Bytes]) -> Outcome<Contender<'_>> {
    let hub = Hub::new();
    let mut lane = filtered_lane(&hub)?;
    let mut sink = Count::default();
    let mut id = FILTERS;
    Ok(Contender::new("publish", move || {
        let mut nanos = 0;
        for event in &events[..1_000] {
            id += 1;
            let text = format!(r#"{{"id":[{id}]}}"#);
            let start = Instant::now();
            let selector = Selector::topic("documents")?.filter(Filter::parse(&text)?);
            let member = lane.subscribe(selector, Token(id as u64))?;
            hub.publish("documents", event.clone())?;
            lane.unsubscribe(member);
            nanos += start.elapsed().as_nanos();
            while lane.turn(&mut sink).more {}
        }
        sink.expect(1_000)?;
        Ok(nanos as f64 / 1_000.0)
    }))
}

fn theirs_changing(events: &[Bytes], mut quamina: Quamina<usize>) -> Contender<'_> {
    let mut id = FILTERS;
    Contender::new("quamina", move || {
        id += 1;
        let text = format!(r#"{{"id":[{id}]}}"#);
        let start = Instant::now();
        quamina.add_pattern(id, &text)?;
        expect_one(&quamina, &events[id % events.len()])?;
        quamina.delete_patterns(&id)?;
        Ok(start.elapsed().as_nanos() as f64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_are_as_long_as_said_and_their_filter_admits_them() {
        let event = event(42);
        assert!((1_000..1_100).contains(&event.len()), "{}", event.len());
        let filter = Filter::parse(r#"{"id":[42]}"#).unwrap();
        assert!(filter.matches_json(&event).unwrap());
        let large = large(42);
        assert!(
            (64 << 10..66 << 10).contains(&large.len()),
            "{}",
            large.len()
        );
        assert!(filter.matches_json(&large).unwrap());
    }
}
