//! A large event is going out and clients hang up: how long does one disconnect take?
//!
//! One thread broadcasts to 50,000 without a pause and lets everybody take the event;
//! another makes 10,000 leaves and as many joins a second and times each call. What
//! it times is the call alone: a registry whose lock makes it wait for milliseconds
//! gets fewer calls done, and only those are in its figures.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use crossbeam_channel::{Receiver, unbounded};
use distributary::{Hub, Lane, Selector, Sink, SubscribeOptions, Token, TryRecvError};

use super::Row;
use crate::{
    Outcome,
    peers::registry::{Dash, OneLock, Registry, Shards},
    report::{Line, Target},
    rounds::{Contender, Unit, alternate, quantile},
    sinks::{Count, Slow},
};

const LEAVE: &str = "a leaver touches the feed that the broadcaster reads 50,000 times a round: the line has to come from the other core";

pub(crate) const ROW: Row = Row {
    name: "leave",
    question: "Leaving while another thread broadcasts to 50,000 without a pause, at 10,000 leaves and joins per second.",
    measure,
};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1_000);
const MEMBERS: usize = 50_000;
/// Those who come and go.
const GUESTS: usize = 1_000;
/// Ten of each every millisecond.
const PER_TICK: usize = 10;
const TICK: Duration = Duration::from_millis(1);
const TOPICS: [&str; 4] = ["hot", "room.1", "room.2", "room.3"];

const FIGURES: &[(&str, Unit)] = &[
    ("p50", Unit::Nanos),
    ("p99.9", Unit::Nanos),
    ("joins p99.9", Unit::Nanos),
    ("leaves", Unit::PerSecond),
    ("broadcasts", Unit::PerSecond),
];

fn measure() -> Outcome<Vec<Line>> {
    let (one, shards, dash) = (OneLock::default(), Shards::default(), Dash::default());
    let slow = || Slow {
        takes: Duration::from_micros(1),
        count: Count::default(),
    };
    let mut contenders = [
        members("lane", "hot", Count::default)?,
        members("lane, four topics", TOPICS, Count::default)?,
        members("lane, sinks that take 1 µs", "hot", slow)?,
        pull("pull", "hot")?,
        pull("pull, four topics", TOPICS)?,
        registry("parking_lot `RwLock` registry", &one)?,
        registry("64 `RwLock` shards", &shards)?,
        registry("`DashMap`", &dash)?,
    ];
    let all = alternate(ROUNDS, &mut contenders)?;
    let [
        lane,
        lane_four,
        lane_slow,
        pull,
        pull_four,
        one,
        shards,
        dash,
    ] = &all[..]
    else {
        return Err("as many answers as contenders".into());
    };
    let (p50, p999) = (0, 1);
    let mut lines = Vec::new();
    for (what, ours) in [("a lane's member", lane), ("a pull subscription", pull)] {
        let line = Line::new(format!("{what} leaves: p99.9"), &ours[p999]);
        lines.push(
            line.against(&one[p999])
                .target(Target::RatioAtMost(1.0 / 300.0)),
        );
        let line = Line::new(format!("{what} leaves: p99.9"), &ours[p999]);
        lines.push(
            line.against(&shards[p999])
                .target(Target::RatioAtMost(1.0 / 30.0))
                .if_missed(LEAVE),
        );
        lines.push(Line::new(format!("{what} leaves: p99.9"), &ours[p999]).against(&dash[p999]));
        lines.push(Line::new(format!("{what} joins: p99.9"), &ours[2]).against(&one[2]));
    }
    for (what, ours) in [
        ("a lane's member leaves", lane),
        ("a lane's member leaves, all of its four topics", lane_four),
        ("a pull subscription leaves", pull),
        (
            "a pull subscription leaves, all of its four topics",
            pull_four,
        ),
    ] {
        lines.push(
            Line::new(format!("{what}: p50"), &ours[p50])
                .target(Target::AtMost(500.0))
                .if_missed(LEAVE),
        );
        lines.push(
            Line::new(format!("{what}: p99.9"), &ours[p999]).target(Target::AtMost(10_000.0)),
        );
    }
    let slow = Line::new(
        "a lane's member leaves, p50: sinks that take 1 µs beside memory sinks",
        &lane_slow[p50],
    );
    lines.push(slow.against(&lane[p50]).target(Target::RatioAtMost(1.5)));
    for (name, figures) in ["lane", "pull", "`RwLock`", "64 shards", "`DashMap`"]
        .iter()
        .zip([lane, pull, one, shards, dash])
    {
        lines.push(Line::new(
            format!("{name}: leaves done per second"),
            &figures[3],
        ));
        lines.push(Line::new(
            format!("{name}: broadcasts to everybody per second"),
            &figures[4],
        ));
    }
    Ok(lines)
}

/// Members of a lane on the broadcasting thread, commanded by another.
fn members<S: Sink + Send + 'static>(
    name: &str,
    guest: impl Topics + 'static,
    sink: impl Fn() -> S + 'static,
) -> Outcome<Contender<'static>> {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    for number in 0..MEMBERS {
        lane.subscribe("hot", Token(number as u64))?;
    }
    let remote = lane.remote();
    let join =
        move || Ok(remote.subscribe(guest.selector()?, Token(0), SubscribeOptions::new())?);
    let remote = lane.remote();
    let mut guests = house(|_| join())?;
    let mut lane = Some(lane);
    Ok(Contender::with_figures(name, FIGURES, move || {
        let mut sink = sink();
        let mut owned = lane.take().ok_or("the lane was lost in an earlier round")?;
        let event = Bytes::from_static(b"event");
        let broadcast = |more: &AtomicBool| {
            hub.publish("hot", event.clone())?;
            // A slow broadcast is broken off at the end of the round, not waited for.
            while owned.turn(&mut sink).more && more.load(Ordering::Relaxed) {}
            Ok(())
        };
        let leave = |guest| remote.unsubscribe(guest);
        let figures = while_broadcasting(broadcast, &mut guests, leave, |_| join());
        lane = Some(owned);
        figures
    }))
}

/// What a guest subscribes to.
trait Topics {
    fn selector(&self) -> Outcome<Selector>;
}

impl Topics for &'static str {
    fn selector(&self) -> Outcome<Selector> {
        Ok(Selector::topic(self)?)
    }
}

impl Topics for [&'static str; 4] {
    fn selector(&self) -> Outcome<Selector> {
        Ok(Selector::topics(self)?)
    }
}

/// Subscriptions that the broadcasting thread reads; those of the other come and go.
fn pull(name: &str, guest: impl Topics + 'static) -> Outcome<Contender<'static>> {
    let hub = Hub::new();
    let readers = (0..MEMBERS).map(|_| hub.subscribe("hot"));
    let mut readers = readers.collect::<Result<Vec<_>, _>>()?;
    let of_guests = hub.clone();
    let join = move || Ok(of_guests.subscribe(guest.selector()?)?);
    let mut guests = house(|_| join())?;
    Ok(Contender::with_figures(name, FIGURES, move || {
        let event = Bytes::from_static(b"event");
        let broadcast = |_: &AtomicBool| {
            hub.publish("hot", event.clone())?;
            for reader in &mut readers {
                reader.try_recv().map_err(|e: TryRecvError| e.to_string())?;
            }
            Ok(())
        };
        while_broadcasting(broadcast, &mut guests, drop, |_| join())
    }))
}

fn registry<'r>(name: &str, registry: &'r (impl Registry + 'r)) -> Outcome<Contender<'r>> {
    let mut readers: Vec<Receiver<Bytes>> = Vec::with_capacity(MEMBERS);
    for number in 0..MEMBERS {
        let (sender, receiver) = unbounded();
        registry.join("hot", number, sender);
        readers.push(receiver);
    }
    let join = |number| {
        let (sender, receiver) = unbounded();
        Ok((registry.join("hot", number, sender), receiver))
    };
    let mut guests = house(join)?;
    Ok(Contender::with_figures(name, FIGURES, move || {
        let event = Bytes::from_static(b"event");
        let broadcast = |_: &AtomicBool| {
            registry.broadcast("hot", &event);
            for reader in &readers {
                reader.try_recv()?;
            }
            Ok(())
        };
        let leave = |(place, _receiver)| registry.leave("hot", place);
        while_broadcasting(broadcast, &mut guests, leave, join)
    }))
}

/// Those who come and go, before the first of them goes.
fn house<G>(join: impl FnMut(usize) -> Outcome<G>) -> Outcome<Vec<Option<G>>> {
    (0..GUESTS).map(join).map(|guest| guest.map(Some)).collect()
}

/// Broadcasts on one thread, leaves and joins on this one, for a round.
fn while_broadcasting<G>(
    mut broadcast: impl FnMut(&AtomicBool) -> Outcome<()> + Send,
    guests: &mut [Option<G>],
    leave: impl FnMut(G),
    join: impl FnMut(usize) -> Outcome<G>,
) -> Outcome<Vec<f64>> {
    let more = AtomicBool::new(true);
    let broadcasts = AtomicU64::new(0);
    thread::scope(|scope| {
        let broadcaster = scope.spawn(|| -> Outcome<()> {
            while more.load(Ordering::Relaxed) {
                broadcast(&more)?;
                broadcasts.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        let figures = come_and_go(guests, leave, join);
        let sent = broadcasts.load(Ordering::Relaxed);
        more.store(false, Ordering::Relaxed);
        broadcaster
            .join()
            .map_err(|_| "the broadcasting thread panicked")??;
        let mut figures = figures?;
        figures.push(sent as f64 / ROUND.as_secs_f64());
        Ok(figures)
    })
}

fn come_and_go<G>(
    guests: &mut [Option<G>],
    mut leave: impl FnMut(G),
    mut join: impl FnMut(usize) -> Outcome<G>,
) -> Outcome<Vec<f64>> {
    let (mut left, mut joined) = (Vec::new(), Vec::new());
    let start = Instant::now();
    let mut next = start + TICK;
    let mut number = 0;
    while start.elapsed() < ROUND {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        next += TICK;
        for _ in 0..PER_TICK {
            // In an order that is not the one they joined in.
            number = (number + 379) % GUESTS;
            if let Some(guest) = guests[number].take() {
                let before = Instant::now();
                leave(guest);
                left.push(before.elapsed().as_nanos() as u64);
            }
            let before = Instant::now();
            let guest = join(number)?;
            joined.push(before.elapsed().as_nanos() as u64);
            guests[number] = Some(guest);
        }
    }
    let rate = left.len() as f64 / start.elapsed().as_secs_f64();
    left.sort_unstable();
    joined.sort_unstable();
    Ok(vec![
        quantile(&left, 0.5),
        quantile(&left, 0.999),
        quantile(&joined, 0.999),
        rate,
    ])
}
