//! Does publishing take longer when more people listen?
//!
//! The publish call alone, onto one shared feed with a lane behind it. What the lane
//! does afterwards is not in the figure.

use std::time::Instant;

use bytes::Bytes;
use distributary::{Hub, Lane, Token};

use super::Row;
use crate::{
    Outcome,
    report::{Line, Target},
    rounds::{Contender, alternate_one},
    sinks::Count,
};

pub(crate) const ROW: Row = Row {
    name: "publish-call",
    question: "The publish call itself, lanes and a shared feed: with 100,000 subscriptions beside 10.",
    measure,
};

const ROUNDS: usize = 15;
/// Calls between two drains.
const BURST: usize = 128;
const BURSTS: usize = 8;

fn measure() -> Outcome<Vec<Line>> {
    let mut contenders = [
        ours("100,000 subscriptions", 100_000)?,
        ours("10 subscriptions", 10)?,
        tokio_broadcast("tokio broadcast, 100,000 receivers", 100_000),
        tokio_broadcast("tokio broadcast, 10 receivers", 10),
    ];
    let samples = alternate_one(ROUNDS, &mut contenders)?;
    Ok(vec![
        Line::new("publish to 100,000 beside 10", &samples[0])
            .against(&samples[1])
            .target(Target::RatioAtMost(2.0)),
        Line::new("publish to 100,000", &samples[0]).against(&samples[2]),
        Line::new("publish to 10", &samples[1]).against(&samples[3]),
    ])
}

fn ours(name: &str, subscriptions: usize) -> Outcome<Contender<'static>> {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    for number in 0..subscriptions {
        lane.subscribe("topic", Token(number as u64))?;
    }
    let mut sink = Count::default();
    let event = Bytes::from(vec![b'x'; 1_024]);
    Ok(Contender::new(name, move || {
        let mut nanos = 0;
        for _ in 0..BURSTS {
            let start = Instant::now();
            for _ in 0..BURST {
                hub.publish("topic", event.clone())?;
            }
            nanos += start.elapsed().as_nanos();
            while lane.turn(&mut sink).more {}
        }
        sink.expect((BURSTS * BURST * subscriptions) as u64)?;
        Ok(nanos as f64 / (BURSTS * BURST) as f64)
    }))
}

/// Nobody reads between its sends, as nobody does between ours; its log overwrites.
fn tokio_broadcast(name: &str, receivers: usize) -> Contender<'static> {
    let (sender, _) = tokio::sync::broadcast::channel::<Bytes>(1_024);
    let receivers: Vec<_> = (0..receivers).map(|_| sender.subscribe()).collect();
    let event = Bytes::from(vec![b'x'; 1_024]);
    Contender::new(name, move || {
        let _receivers = &receivers;
        let start = Instant::now();
        for _ in 0..BURSTS * BURST {
            sender.send(event.clone())?;
        }
        Ok(start.elapsed().as_nanos() as f64 / (BURSTS * BURST) as f64)
    })
}
