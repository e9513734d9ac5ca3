//! A hundred thousand subscribers each follow one document; an event says which. What
//! does it cost to find its one reader?
//!
//! Ours is the whole publish call: the topic, the index, the event, the append, the
//! wake; and the index alone, which is what the peers' figures are made of: every
//! subscriber's compiled filter in turn, and nothing of the rest.

use std::time::Instant;

use bytes::Bytes;
use distributary::{
    Attributes, Hub, Lane, Publication, Selector, Template, Token, Value, Variables,
    fuzzing::IndexOfFilters,
};

use super::Row;
use crate::{
    Outcome,
    peers::scan,
    report::{Line, Target},
    rounds::{Contender, alternate_one},
    sinks::Count,
};

pub(crate) const ROW: Row = Row {
    name: "equality",
    question: "100,000 filters on one topic, each one equality of its own; one matches, from attributes.",
    measure,
};

const ROUNDS: usize = 9;
const FILTERS: usize = 100_000;
const EVENTS: usize = 50_000;
/// Events between drains, which are not timed.
const BURST: usize = 250;

const CALL: &str = "a publish to one feed without a filter takes most of this already: locks and counts, one after another; a filter that is not in the cache costs some misses more";
const INDEX: &str = "control bytes, cell, entry and the filter that is verified: each a cache miss that waits for the one before";

fn measure() -> Outcome<Vec<Line>> {
    let mut contenders = [
        publish("publish", scattered, 1)?,
        publish("publish", |_| 7, 1)?,
        publish("publish", |number| FILTERS + scattered(number), 0)?,
        index_alone()?,
        compiled(),
        closures(),
    ];
    let samples = alternate_one(ROUNDS, &mut contenders)?;
    let [publish, same, nobody, index, compiled, closures] = &samples[..] else {
        return Err("as many answers as contenders".into());
    };
    let most = Target::AtMost(150.0);
    let share = Target::RatioAtMost(0.0001);
    let all = "the whole publish call, another subscriber each time";
    let alone = "the index alone, another subscriber each time";
    Ok(vec![
        Line::new(all, publish).target(most).if_missed(CALL),
        Line::new(all, publish)
            .against(compiled)
            .target(share)
            .if_missed(CALL),
        Line::new(alone, index).target(most).if_missed(INDEX),
        Line::new(alone, index)
            .against(compiled)
            .target(share)
            .if_missed(INDEX),
        Line::new(alone, index).against(closures),
        Line::new("the whole publish call, always the same subscriber", same).against(compiled),
        Line::new("the whole publish call, nobody wants it", nobody).against(compiled),
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

fn publish(name: &str, id: fn(usize) -> usize, subscribers: u64) -> Outcome<Contender<'static>> {
    let hub = Hub::new();
    let mut lane = filtered_lane(&hub)?;
    let mut sink = Count::default();
    let payload = Bytes::from_static(b"{}");
    let mut number = 0;
    Ok(Contender::new(name, move || {
        let mut nanos = 0;
        for _ in 0..EVENTS / BURST {
            let start = Instant::now();
            for _ in 0..BURST {
                number += 1;
                let id = id(number) as i64;
                let event = Publication::new("documents", payload.clone()).attribute("id", id);
                hub.publish_event(event)?;
            }
            nanos += start.elapsed().as_nanos();
            while lane.turn(&mut sink).more {}
        }
        sink.expect(EVENTS as u64 * subscribers)?;
        Ok(nanos as f64 / EVENTS as f64)
    }))
}

fn index_alone() -> Outcome<Contender<'static>> {
    let mut index = IndexOfFilters::new();
    let template = Template::parse(r#"{"id": [{"$var": "id"}]}"#)?;
    for id in 0..FILTERS {
        let filter = template.bind(&Variables::new().with("id", id as i64))?;
        index.insert(id, filter);
    }
    let mut number = 0;
    Ok(Contender::new("index", move || {
        let mut found = 0;
        let start = Instant::now();
        for _ in 0..EVENTS {
            number += 1;
            let id = scattered(number);
            let event = Attributes::new().with("id", id as i64);
            index.for_each_match(&event, |hit| found += usize::from(hit == id));
        }
        match found {
            EVENTS => Ok(start.elapsed().as_nanos() as f64 / EVENTS as f64),
            _ => Err(format!("{found} filters were found instead of {EVENTS}").into()),
        }
    }))
}

fn compiled() -> Contender<'static> {
    let filters: Vec<_> = (0..FILTERS)
        .map(|id| scan::Filter::equals("id", id as f64))
        .collect();
    scanned("linear scan of compiled filters", move |id| {
        scan::count(&filters, &scan::Fields::from([("id", (id as f64).into())]))
    })
}

/// What a filter of one test is compiled to by hand, if it is the only kind.
type Compiled = Box<dyn Fn(&Attributes) -> bool>;

fn closures() -> Contender<'static> {
    let compile = |id: usize| -> Compiled {
        let value = Value::from(id as i64);
        Box::new(move |event| {
            event
                .iter()
                .any(|(name, found)| name == "id" && *found == value)
        })
    };
    let filters: Vec<_> = (0..FILTERS).map(compile).collect();
    scanned("linear scan of hand-written closures", move |id| {
        let event = Attributes::new().with("id", id as i64);
        filters.iter().filter(|admits| admits(&event)).count()
    })
}

fn scanned(name: &str, count: impl Fn(usize) -> usize + 'static) -> Contender<'static> {
    const SCANS: usize = 5;
    let mut number = 0;
    Contender::new(name, move || {
        let start = Instant::now();
        for _ in 0..SCANS {
            number += 1;
            if count(scattered(number)) != 1 {
                return Err("the scan found another number of filters than one".into());
            }
        }
        Ok(start.elapsed().as_nanos() as f64 / SCANS as f64)
    })
}
