//! Everybody comes at once, and everybody goes at once: what does one of them cost?
//!
//! Joins onto one topic beside the registry that only pushes a sender under a lock,
//! and leaves in random order, whose cost per leave must not grow with the crowd.
//! Each crowd comes to a process of its own, so that all of them take their memory
//! from the system.

use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use distributary::{Hub, Lane, MemberId, Token};

use super::Row;
use crate::{
    Outcome,
    children::{self, Case},
    peers::registry::{OneLock, Registry},
    report::{Line, Target},
    rounds::{Contender, Unit, alternate},
};

pub(crate) const ROW: Row = Row {
    name: "join",
    question: "100,000 joins onto one topic, and 100,000 leaves in random order: of one, on one thread.",
    measure,
};

const ROUNDS: usize = 9;
const CROWD: usize = 100_000;
/// The crowd that a leave from the large one is compared with.
const SMALL_CROWD: usize = 10_000;
const FIGURES: &[(&str, Unit)] = &[("join", Unit::Nanos), ("leave", Unit::Nanos)];

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "join-lane",
        measure: || in_and_out(CROWD, lane),
    },
    Case {
        name: "join-lane-small",
        measure: || in_and_out(SMALL_CROWD, lane),
    },
    Case {
        name: "join-pull",
        measure: || in_and_out(CROWD, pull),
    },
    Case {
        name: "join-pull-small",
        measure: || in_and_out(SMALL_CROWD, pull),
    },
    Case {
        name: "join-registry",
        measure: || in_and_out(CROWD, registry),
    },
];

fn measure() -> Outcome<Vec<Line>> {
    let contender = |case: &'static str, name: &str| {
        Contender::with_figures(name, FIGURES, move || children::measure(case))
    };
    let mut contenders = [
        contender("join-lane", "lane"),
        contender("join-lane-small", "lane of 10,000"),
        contender("join-pull", "pull"),
        contender("join-pull-small", "pull of 10,000"),
        contender("join-registry", "`RwLock` map, a channel each"),
    ];
    let all = alternate(ROUNDS, &mut contenders)?;
    let [lane, lane_small, pull, pull_small, registry] = &all[..] else {
        return Err("as many answers as contenders".into());
    };
    let mut lines = Vec::new();
    let most = Target::RatioAtMost(1.2);
    for (kind, ours, small) in [("lane", lane, lane_small), ("pull", pull, pull_small)] {
        let join = Line::new(format!("{kind}: a join"), &ours[0]);
        lines.push(join.against(&registry[0]).target(most));
        let leave = Line::new(
            format!("{kind}: a leave out of 100,000 beside 10,000"),
            &ours[1],
        );
        lines.push(leave.against(&small[1]).target(most).if_missed(
            "100,000 members do not fit into the nearest caches: a random one costs two misses",
        ));
        lines.push(Line::new(format!("{kind}: a leave"), &ours[1]).against(&registry[1]));
    }
    Ok(lines)
}

fn lane(crowd: usize) -> Outcome<[Duration; 2]> {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    let mut members: Vec<MemberId> = Vec::with_capacity(crowd);
    let start = Instant::now();
    for number in 0..crowd {
        members.push(lane.subscribe("topic", Token(number as u64))?);
    }
    let joined = start.elapsed();
    shuffle(&mut members);
    let start = Instant::now();
    for member in members {
        lane.unsubscribe(member);
    }
    let left = start.elapsed();
    match lane.is_empty() {
        true => Ok([joined, left]),
        false => Err("somebody is still there".into()),
    }
}

fn pull(crowd: usize) -> Outcome<[Duration; 2]> {
    let hub = Hub::new();
    let mut subscriptions = Vec::with_capacity(crowd);
    let start = Instant::now();
    for _ in 0..crowd {
        subscriptions.push(hub.subscribe("topic")?);
    }
    let joined = start.elapsed();
    shuffle(&mut subscriptions);
    let start = Instant::now();
    drop(subscriptions);
    let left = start.elapsed();
    match hub.stats().subscriptions {
        0 => Ok([joined, left]),
        left => Err(format!("{left} are still there").into()),
    }
}

fn registry(crowd: usize) -> Outcome<[Duration; 2]> {
    let registry = OneLock::default();
    let mut guests = Vec::with_capacity(crowd);
    let start = Instant::now();
    for number in 0..crowd {
        let (sender, receiver) = unbounded();
        guests.push((registry.join("topic", number, sender), receiver));
    }
    let joined = start.elapsed();
    shuffle(&mut guests);
    let start = Instant::now();
    for (place, receiver) in guests {
        registry.leave("topic", place);
        drop(receiver);
    }
    Ok([joined, start.elapsed()])
}

/// What one of the crowd takes to come, and to go.
fn in_and_out(crowd: usize, run: fn(usize) -> Outcome<[Duration; 2]>) -> Outcome<Vec<f64>> {
    let each = |took: Duration| took.as_nanos() as f64 / crowd as f64;
    Ok(run(crowd)?.map(each).to_vec())
}

/// Fisher and Yates, with Marsaglia's xorshift from a fixed seed.
fn shuffle<T>(items: &mut [T]) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for last in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        items.swap(last, (state % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffling_keeps_everybody_and_moves_most() {
        let mut items: Vec<usize> = (0..1_000).collect();
        shuffle(&mut items);
        let unmoved = items
            .iter()
            .enumerate()
            .filter(|(place, item)| place == *item)
            .count();
        assert!(unmoved < 20, "{unmoved}");
        items.sort_unstable();
        assert!(items.iter().copied().eq(0..1_000));
    }
}
