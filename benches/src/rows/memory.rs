//! What does a subscription cost that gets nothing?
//!
//! Resident memory of a process that only subscribes, with the handles that the
//! library gives out counted in. Members of a lane have no handle but an id, which is
//! their owner's to keep. Names and filters are made on the fly and dropped, so that
//! only what the library keeps is seen.

use std::hint::black_box;

use bytes::Bytes;
use distributary::{Hub, Lane, Selector, Template, Token, Variables};

use super::Row;
use crate::{
    Outcome,
    children::{self, Case},
    process::Process,
    report::{Line, Target},
    rounds::{Samples, Unit},
};

pub(crate) const ROW: Row = Row {
    name: "memory",
    question: "Resident bytes of an idle subscription, 1,000,000 of them, in a process of their own.",
    measure,
};

const SUBSCRIPTIONS: usize = 1_000_000;
const LANE: &str = "beside the feed, a lane keeps a group for each feed that it reads";

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "memory-shared-lane",
        measure: || lane(|_| Ok(Selector::topic("topic")?)),
    },
    Case {
        name: "memory-shared-pull",
        measure: || pull(|_| Ok(Selector::topic("topic")?)),
    },
    Case {
        name: "memory-filter-lane",
        measure: || filters(lane),
    },
    Case {
        name: "memory-filter-pull",
        measure: || filters(pull),
    },
    Case {
        name: "memory-topic-lane",
        measure: || lane(topic_of_its_own),
    },
    Case {
        name: "memory-topic-pull",
        measure: || pull(topic_of_its_own),
    },
    Case {
        name: "memory-tokio-broadcast",
        measure: tokio_broadcast,
    },
    Case {
        name: "memory-flume",
        measure: || each(|_| flume::unbounded::<Bytes>()),
    },
    Case {
        name: "memory-tokio-mpsc",
        measure: || each(|_| tokio::sync::mpsc::unbounded_channel::<Bytes>()),
    },
    Case {
        name: "memory-tokio-mpsc-topic",
        measure: mpsc_by_topic,
    },
];

fn measure() -> Outcome<Vec<Line>> {
    let figure = |case: &str, name: &str| -> Outcome<Samples> {
        Ok(Samples::new(name, Unit::Bytes, children::measure(case)?))
    };
    let broadcast = figure("memory-tokio-broadcast", "tokio broadcast")?;
    let flume = figure("memory-flume", "flume each")?;
    let mpsc = figure("memory-tokio-mpsc", "tokio mpsc each")?;
    let by_topic = figure(
        "memory-tokio-mpsc-topic",
        "tokio mpsc each in a map by topic",
    )?;
    let mut lines = Vec::new();
    for (what, case, most) in [
        ("on a shared feed", "shared", 48.0),
        ("with a filter of its own", "filter", 256.0),
        ("with a topic of its own", "topic", 256.0),
    ] {
        for kind in ["lane", "pull"] {
            let ours = figure(&format!("memory-{case}-{kind}"), kind)?;
            let line = |peer| Line::new(format!("{what}, {kind}"), &ours).against(peer);
            let target = Target::AtMost(most);
            match case {
                "shared" => {
                    lines.push(line(&broadcast).target(target));
                    lines.extend([line(&flume), line(&mpsc)]);
                }
                "topic" => lines.push(line(&by_topic).target(target).if_missed(LANE)),
                _ => {
                    let line = Line::new(format!("{what}, {kind}"), &ours);
                    lines.push(line.target(target).if_missed(LANE));
                }
            }
        }
    }
    Ok(lines)
}

fn lane(select: impl Fn(usize) -> Outcome<Selector>) -> Outcome<Vec<f64>> {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    per_subscription(|number| {
        lane.subscribe(select(number)?, Token(number as u64))?;
        Ok(())
    })
}

fn pull(select: impl Fn(usize) -> Outcome<Selector>) -> Outcome<Vec<f64>> {
    let hub = Hub::new();
    let mut subscriptions = Vec::with_capacity(SUBSCRIPTIONS);
    let bytes = per_subscription(|number| {
        subscriptions.push(hub.subscribe(select(number)?)?);
        Ok(())
    })?;
    black_box(&subscriptions);
    Ok(bytes)
}

/// As a server does it: one template, bound for each subscriber.
fn filters(
    subscribe: impl FnOnce(Box<dyn Fn(usize) -> Outcome<Selector>>) -> Outcome<Vec<f64>>,
) -> Outcome<Vec<f64>> {
    let template = Template::parse(r#"{"id": [{"$var": "id"}]}"#)?;
    subscribe(Box::new(move |number| {
        let filter = template.bind(&Variables::new().with("id", number as i64))?;
        Ok(Selector::topic("topic")?.filter(filter))
    }))
}

fn topic_of_its_own(number: usize) -> Outcome<Selector> {
    Ok(Selector::topic(format!("document.{number}"))?)
}

fn tokio_broadcast() -> Outcome<Vec<f64>> {
    let (sender, _) = tokio::sync::broadcast::channel::<Bytes>(16);
    let mut receivers = Vec::with_capacity(SUBSCRIPTIONS);
    let bytes = per_subscription(|_| {
        receivers.push(sender.subscribe());
        Ok(())
    })?;
    black_box(&receivers);
    Ok(bytes)
}

fn each<C>(channel: impl Fn(usize) -> C) -> Outcome<Vec<f64>> {
    let mut channels = Vec::with_capacity(SUBSCRIPTIONS);
    let bytes = per_subscription(|number| {
        channels.push(channel(number));
        Ok(())
    })?;
    black_box(&channels);
    Ok(bytes)
}

fn mpsc_by_topic() -> Outcome<Vec<f64>> {
    let mut senders = std::collections::HashMap::<String, Vec<_>>::new();
    let mut receivers = Vec::with_capacity(SUBSCRIPTIONS);
    let bytes = per_subscription(|number| {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
        senders
            .entry(format!("document.{number}"))
            .or_default()
            .push(sender);
        receivers.push(receiver);
        Ok(())
    })?;
    black_box((&senders, &receivers));
    Ok(bytes)
}

/// What a million of them add to the process, each.
fn per_subscription(mut subscribe: impl FnMut(usize) -> Outcome<()>) -> Outcome<Vec<f64>> {
    let before = Process::this()
        .resident()
        .ok_or("this system does not say how much memory is resident")?;
    for number in 0..SUBSCRIPTIONS {
        subscribe(number)?;
    }
    let after = Process::this()
        .resident()
        .ok_or("this system does not say how much memory is resident")?;
    Ok(vec![
        after.saturating_sub(before) as f64 / SUBSCRIPTIONS as f64,
    ])
}
