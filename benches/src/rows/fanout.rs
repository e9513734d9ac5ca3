//! What does it cost to bring one event to everybody, when one thread does it all?
//!
//! Ours is one lane whose sink looks at every event; each peer sends, and every
//! receiver takes its copy. The time runs from before the publish until the last one
//! has it.

use std::time::Instant;

use bytes::Bytes;
use distributary::{Hub, Lane, Token};

use super::Row;
use crate::{
    Outcome, peers,
    report::{Line, Target},
    rounds::{Contender, alternate_one},
    sinks::Count,
};

pub(crate) const ROW: Row = Row {
    name: "fanout",
    question: "One unfiltered event of 1 KB, from publish until the last of N has it, on one thread: per delivery.",
    measure,
};

const ROUNDS: usize = 7;
/// Deliveries of a round: long enough for the clock, short enough to alternate often.
const DELIVERIES: usize = 1_000_000;

fn measure() -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    for subscribers in [10_000, 100_000] {
        let peers = peers::broadcast::all(subscribers).into_iter();
        let mut contenders = vec![ours(subscribers)?];
        contenders.extend(peers.map(|(name, fanout)| timed(name, subscribers, fanout)));
        let samples = alternate_one(ROUNDS, &mut contenders)?;
        let what = format!("N = {subscribers}");
        lines.push(Line::new(what.clone(), &samples[0]).target(Target::AtMost(5.0)));
        for (place, peer) in samples[1..].iter().enumerate() {
            let line = Line::new(what.clone(), &samples[0]).against(peer);
            lines.push(match place {
                0 => line
                    .target(Target::RatioAtMost(0.08))
                    .if_missed("a delivery reads the member, calls the sink and writes its cursor: the rest is the clock of the slices"),
                _ => line,
            });
        }
    }
    Ok(lines)
}

fn ours(subscribers: usize) -> Outcome<Contender<'static>> {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    for number in 0..subscribers {
        lane.subscribe("topic", Token(number as u64))?;
    }
    let mut sink = Count::default();
    let fanout = move |event: &Bytes| {
        hub.publish("topic", event.clone())?;
        while lane.turn(&mut sink).more {}
        Ok(std::mem::take(&mut sink).events)
    };
    Ok(timed("lane", subscribers, Box::new(fanout)))
}

fn timed(
    name: &str,
    subscribers: usize,
    mut fanout: peers::broadcast::Fanout,
) -> Contender<'static> {
    let event = Bytes::from(vec![b'x'; 1_024]);
    let events = DELIVERIES / subscribers;
    Contender::new(name, move || {
        let start = Instant::now();
        for _ in 0..events {
            let delivered = fanout(&event)?;
            if delivered != subscribers as u64 {
                return Err(format!("{delivered} of {subscribers} got it").into());
            }
        }
        Ok(start.elapsed().as_nanos() as f64 / (events * subscribers) as f64)
    })
}
