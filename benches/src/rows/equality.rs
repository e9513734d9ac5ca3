//! A hundred thousand subscribers each follow one document; an event says which. What
//! does it cost to find its one reader?
//!
//! Ours is the whole publish call: the topic, the index, the event, the append, the
//! wake. The peer is what a server does without an index: every subscriber's compiled
//! filter in turn, and nothing of the rest.

use std::time::Instant;

use bytes::Bytes;
use distributary::{
    Attributes, Hub, Lane, Publication, Selector, Template, Token, Value, Variables,
};

use super::Row;
use crate::{
    Outcome,
    report::{Line, Target},
    rounds::{Contender, alternate_one},
    sinks::Count,
};

pub(crate) const ROW: Row = Row {
    name: "equality",
    question: "100,000 filters on one topic, each one equality of its own; one matches, from attributes: the whole publish call.",
    measure,
};

const ROUNDS: usize = 9;
const FILTERS: usize = 100_000;
const EVENTS: usize = 50_000;
/// Events between drains, which are not timed.
const BURST: usize = 250;

/// What a filter is compiled to by hand: everybody's favourite closure.
type Compiled = Box<dyn Fn(&Attributes) -> bool>;

fn measure() -> Outcome<Vec<Line>> {
    let mut contenders = [ours()?, nobody()?, scan()];
    let samples = alternate_one(ROUNDS, &mut contenders)?;
    let what = "publish to one of 100,000";
    Ok(vec![
        Line::new(what, &samples[0]).target(Target::AtMost(150.0)),
        Line::new(what, &samples[0])
            .against(&samples[2])
            .target(Target::RatioAtMost(0.0001)),
        Line::new(
            "publish that none of 100,000 wants: the index, and no event",
            &samples[1],
        )
        .against(&samples[2]),
    ])
}

/// A lane with that many members, each with a filter of its own.
pub(super) fn filtered_lane(hub: &Hub) -> Outcome<Lane> {
    let mut lane = Lane::new(hub);
    let template = Template::parse(r#"{"id": [{"$var": "id"}]}"#)?;
    for id in 0..FILTERS {
        let filter = template.bind(&Variables::new().with("id", id as i64))?;
        lane.subscribe(
            Selector::topic("documents")?.filter(filter),
            Token(id as u64),
        )?;
    }
    Ok(lane)
}

/// Ids in an order that no cache foresees.
pub(super) fn scattered(number: usize) -> usize {
    (number * 7_919) % FILTERS
}

fn ours() -> Outcome<Contender<'static>> {
    let hub = Hub::new();
    let mut lane = filtered_lane(&hub)?;
    let mut sink = Count::default();
    let payload = Bytes::from_static(b"{}");
    let mut number = 0;
    Ok(Contender::new("publish", move || {
        let mut nanos = 0;
        for _ in 0..EVENTS / BURST {
            let start = Instant::now();
            for _ in 0..BURST {
                number += 1;
                let id = scattered(number) as i64;
                let event = Publication::new("documents", payload.clone()).attribute("id", id);
                hub.publish_event(event)?;
            }
            nanos += start.elapsed().as_nanos();
            while lane.turn(&mut sink).more {}
        }
        sink.expect(EVENTS as u64)?;
        Ok(nanos as f64 / EVENTS as f64)
    }))
}

fn nobody() -> Outcome<Contender<'static>> {
    let hub = Hub::new();
    let lane = filtered_lane(&hub)?;
    let payload = Bytes::from_static(b"{}");
    let mut number = 0;
    Ok(Contender::new("publish", move || {
        let _members = &lane;
        let start = Instant::now();
        for _ in 0..EVENTS {
            number += 1;
            let id = (FILTERS + scattered(number)) as i64;
            let event = Publication::new("documents", payload.clone()).attribute("id", id);
            if hub.publish_event(event)?.subscriptions != 0 {
                return Err("an event that nobody wants was delivered".into());
            }
        }
        Ok(start.elapsed().as_nanos() as f64 / EVENTS as f64)
    }))
}

fn scan() -> Contender<'static> {
    let filters: Vec<Compiled> = (0..FILTERS)
        .map(|id| compile("id", Value::from(id as i64)))
        .collect();
    let mut number = 0;
    Contender::new("linear scan of compiled filters", move || {
        let events = 5;
        let start = Instant::now();
        for _ in 0..events {
            number += 1;
            let event = Attributes::new().with("id", scattered(number) as i64);
            if filters.iter().filter(|admits| admits(&event)).count() != 1 {
                return Err("the scan found another number of filters than one".into());
            }
        }
        Ok(start.elapsed().as_nanos() as f64 / f64::from(events))
    })
}

fn compile(name: &'static str, value: Value) -> Compiled {
    Box::new(move |event| {
        event
            .iter()
            .any(|(field, found)| field == name && *found == value)
    })
}
