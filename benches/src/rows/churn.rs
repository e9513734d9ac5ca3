//! People come and go all day long. How many filters can be added and removed while
//! events go on, and how long does one of them take at worst?
//!
//! One thread binds, adds and removes filters on a topic with 100,000 live ones;
//! another publishes events that one of those wants, without a pause.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use distributary::{Hub, Lane, MemberId, Publication, Selector, Template, Token, Variables};

use super::{Row, equality::scattered};
use crate::{
    Outcome,
    report::{Line, Target},
    rounds::{Contender, Unit, alternate, quantile},
    sinks::Count,
};

pub(crate) const ROW: Row = Row {
    name: "churn",
    question: "Filters added and removed by one thread on a topic with 100,000 live ones, while another publishes without a pause.",
    measure,
};

const ROUNDS: usize = 5;
const FILTERS: usize = 100_000;
const ROUND: Duration = Duration::from_millis(600);
/// Additions before as many removals.
const BATCH: usize = 500;
const FIGURES: &[(&str, Unit)] = &[
    ("changes", Unit::PerSecond),
    ("p50", Unit::Nanos),
    ("p99.9", Unit::Nanos),
    ("events", Unit::PerSecond),
];

fn measure() -> Outcome<Vec<Line>> {
    let template = Template::parse(r#"{"id": [{"$var": "id"}]}"#)?;
    let mut contenders = [lane(&template)?, pull(&template)?];
    let all = alternate(ROUNDS, &mut contenders)?;
    let mut lines = Vec::new();
    for (kind, figures) in ["a lane's own members", "pull subscriptions"]
        .iter()
        .zip(&all)
    {
        let line = |what: &str, place: usize| Line::new(format!("{kind}: {what}"), &figures[place]);
        lines.push(
            line("additions and removals", 0)
                .target(Target::AtLeast(2_000_000.0))
                .if_missed("each takes the topic's lock, which the publisher takes for every event, and makes or frees a feed"),
        );
        lines.push(line("one of them, p50", 1));
        lines.push(
            line("one of them, p99.9", 2)
                .target(Target::AtMost(10_000.0))
                .if_missed(
                    "now and then the topic's lock is taken and the thread sleeps until it is free",
                ),
        );
        lines.push(line("events published meanwhile", 3));
    }
    Ok(lines)
}

fn select(template: &Template, id: usize) -> Outcome<Selector> {
    let filter = template.bind(&Variables::new().with("id", id as i64))?;
    Ok(Selector::topic("documents")?.filter(filter))
}

fn lane<'t>(template: &'t Template) -> Outcome<Contender<'t>> {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    for id in 0..FILTERS {
        lane.subscribe(select(template, id)?, Token(id as u64))?;
    }
    let mut members: Vec<MemberId> = Vec::with_capacity(BATCH);
    let mut sink = Count::default();
    let mut id = FILTERS;
    Ok(Contender::with_figures("lane", FIGURES, move || {
        while_publishing(&hub, |clock| {
            for _ in 0..BATCH {
                id += 1;
                let member =
                    clock.time(|| Outcome::Ok(lane.subscribe(select(template, id)?, Token(0))?));
                members.push(member?);
            }
            for member in members.drain(..) {
                clock.time(|| lane.unsubscribe(member));
            }
            // Once per batch, as an event loop would; what it takes is part of the time.
            let _ = lane.turn(&mut sink);
            Ok(())
        })
    }))
}

fn pull<'t>(template: &'t Template) -> Outcome<Contender<'t>> {
    let hub = Hub::new();
    let select = move |id| select(template, id);
    let mut live = Vec::with_capacity(FILTERS);
    for id in 0..FILTERS {
        live.push(hub.subscribe(select(id)?)?);
    }
    let mut members = Vec::with_capacity(BATCH);
    let mut id = FILTERS;
    Ok(Contender::with_figures("pull", FIGURES, move || {
        let _live = &live;
        while_publishing(&hub, |clock| {
            for _ in 0..BATCH {
                id += 1;
                let subscription = clock.time(|| Outcome::Ok(hub.subscribe(select(id)?)?));
                members.push(subscription?);
            }
            for subscription in members.drain(..) {
                clock.time(|| drop(subscription));
            }
            Ok(())
        })
    }))
}

/// Times every change in the second half of a round; the first half is for the rate.
struct Clock {
    changes: u64,
    singly: bool,
    took: Vec<u64>,
}

impl Clock {
    fn time<T>(&mut self, change: impl FnOnce() -> T) -> T {
        self.changes += 1;
        if !self.singly {
            return change();
        }
        let start = Instant::now();
        let result = change();
        self.took.push(start.elapsed().as_nanos() as u64);
        result
    }
}

fn while_publishing(
    hub: &Hub,
    mut batch: impl FnMut(&mut Clock) -> Outcome<()>,
) -> Outcome<Vec<f64>> {
    let stop = AtomicBool::new(false);
    let published = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| publish_until(hub, &stop, &published));
        let mut clock = Clock {
            changes: 0,
            singly: false,
            took: Vec::new(),
        };
        let result = (|| {
            let start = Instant::now();
            while start.elapsed() < ROUND / 2 {
                batch(&mut clock)?;
            }
            let rate = clock.changes as f64 / start.elapsed().as_secs_f64();
            clock.singly = true;
            while start.elapsed() < ROUND {
                batch(&mut clock)?;
            }
            let events = published.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
            clock.took.sort_unstable();
            let of = |share| quantile(&clock.took, share);
            Ok(vec![rate, of(0.5), of(0.999), events])
        })();
        stop.store(true, Ordering::Relaxed);
        result
    })
}

fn publish_until(hub: &Hub, stop: &AtomicBool, published: &AtomicU64) {
    let payload = Bytes::from_static(b"{}");
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let id = scattered(number) as i64;
        let event = Publication::new("documents", payload.clone()).attribute("id", id);
        // Only a closed hub refuses this one, and it is open as long as the round lasts.
        if hub.publish_event(event).is_ok() {
            published.fetch_add(1, Ordering::Relaxed);
        }
    }
}
