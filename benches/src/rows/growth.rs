//! Nobody reads: how much does the process grow?
//!
//! Each case runs in a process of its own, which subscribes, notes its resident
//! memory, publishes, and says by how much it has grown at its highest.

use std::hint::black_box;

use bytes::Bytes;
use distributary::{Budget, Filter, Hub, Lane, Selector, Token};

use super::Row;
use crate::{
    Outcome,
    children::{self, Case},
    process::Process,
    report::{Line, Target},
    rounds::{Samples, Unit},
};

pub(crate) const ROW: Row = Row {
    name: "growth",
    question: "How much a process grows while nobody reads.",
    measure,
};

const MIB: f64 = 1_048_576.0;
/// What the hub may hold in the second case: less than what is published.
const HUB_BUDGET: u64 = 16 << 20;
/// Stalled subscriptions of the filtered cases.
const STALLED: usize = 10_000;
const EVENTS: usize = 1_000;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "growth-large-lane",
        measure: large_to_lane,
    },
    Case {
        name: "growth-large-pull",
        measure: large_to_pull,
    },
    Case {
        name: "growth-large-tokio-mpsc",
        measure: large_to_copies,
    },
    Case {
        name: "growth-filtered-all",
        measure: || filtered(all_match),
    },
    Case {
        name: "growth-filtered-each",
        measure: || filtered(each_matches_some),
    },
];

fn measure() -> Outcome<Vec<Line>> {
    let figure = |case: &str, name: &str| -> Outcome<Samples> {
        Ok(Samples::new(name, Unit::Bytes, children::measure(case)?))
    };
    let copies = figure("growth-large-tokio-mpsc", "tokio mpsc each")?;
    let most = Target::AtMost(3.0 * MIB);
    let budget = Target::AtMost(HUB_BUDGET as f64 * 1.1);
    let large = "one event of 1 MiB to 50,000 subscriptions";
    Ok(vec![
        Line::new(format!("{large} of a lane"), &figure("growth-large-lane", "lane")?)
            .against(&copies)
            .target(most),
        Line::new(format!("{large} that pull"), &figure("growth-large-pull", "pull")?).target(most),
        Line::new(
            "1,000 events of 1 KB to 10,000 stalled ones with a filter each, all of which admit all; a hub of 16 MiB",
            &figure("growth-filtered-all", "lane")?,
        )
        .target(budget)
        .if_missed("the events and the places that hold them are within the budget; the rest is what the allocator keeps of 10,000 logs that grew by doubling, and the feeds' own room"),
        Line::new(
            "1,000 events of 1 KB to 10,000 stalled ones with a filter each, ten of which admit each; a hub of 16 MiB",
            &figure("growth-filtered-each", "lane")?,
        )
        .target(budget),
    ])
}

fn large_event() -> Bytes {
    Bytes::from(vec![b'x'; 1 << 20])
}

fn large_to_lane() -> Outcome<Vec<f64>> {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    for number in 0..50_000 {
        lane.subscribe("topic", Token(number))?;
    }
    let grown = grown_by(|| {
        hub.publish("topic", large_event())?;
        Ok(())
    });
    black_box(&lane);
    grown
}

fn large_to_pull() -> Outcome<Vec<f64>> {
    let hub = Hub::new();
    let subscriptions = (0..50_000).map(|_| hub.subscribe("topic"));
    let subscriptions = subscriptions.collect::<Result<Vec<_>, _>>()?;
    let grown = grown_by(|| {
        hub.publish("topic", large_event())?;
        Ok(())
    });
    black_box(&subscriptions);
    grown
}

/// A channel each, the payload shared: only the queues grow.
fn large_to_copies() -> Outcome<Vec<f64>> {
    let channels: Vec<_> = (0..50_000)
        .map(|_| tokio::sync::mpsc::unbounded_channel::<Bytes>())
        .collect();
    let grown = grown_by(|| {
        let event = large_event();
        for (sender, _) in &channels {
            sender.send(event.clone())?;
        }
        Ok(())
    });
    black_box(&channels);
    grown
}

/// Every filter admits every event, and no two are equal.
fn all_match(number: usize) -> String {
    format!(r#"{{"number":[{{"numeric":[">=",-{}]}}]}}"#, number + 1)
}

/// Every event is admitted by ten filters, and every filter admits one event.
fn each_matches_some(number: usize) -> String {
    let event = number % EVENTS;
    format!(r#"{{"number":[{event}],"kind":[{{"anything-but":["none","{number}"]}}]}}"#)
}

fn filtered(filter: fn(usize) -> String) -> Outcome<Vec<f64>> {
    let hub = Hub::builder()
        .bytes(HUB_BUDGET)
        .budget(Budget::default())
        .build()?;
    let mut lane = Lane::new(&hub);
    for number in 0..STALLED {
        let filter = Filter::parse(&filter(number))?;
        lane.subscribe(
            Selector::topic("topic")?.filter(filter),
            Token(number as u64),
        )?;
    }
    let grown = grown_by(|| {
        for number in 0..EVENTS {
            let text = format!(
                r#"{{"number":{number},"kind":"some","text":"{}"}}"#,
                "x".repeat(980)
            );
            hub.publish("topic", text)?;
        }
        Ok(())
    });
    black_box(&lane);
    grown
}

/// By how much the process is larger at its highest.
fn grown_by(publish: impl FnOnce() -> Outcome<()>) -> Outcome<Vec<f64>> {
    let unknown = "this system does not say how much memory is resident";
    if !Process::this().forget_highest_resident() {
        return Err("this system does not let a process reset its highest memory".into());
    }
    let before = Process::this().resident().ok_or(unknown)?;
    publish()?;
    let after = Process::this().highest_resident().ok_or(unknown)?;
    Ok(vec![after.saturating_sub(before) as f64])
}
