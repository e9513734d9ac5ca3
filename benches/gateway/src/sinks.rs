//! A lane of the gateway over sinks that take a fixed time each, in a process of its own:
//! numbers of sockets that no process here may open.

use std::{
    io::{BufRead, stdin},
    time::Duration,
};

use distributary::fuzzing::toll::Lane;

use crate::Outcome;

/// What a write to a socket costs at best.
const COST: Duration = Duration::from_micros(4);
/// Between requests.
const EVERY: Duration = Duration::from_micros(200);
const BYTES: usize = 1_024;

/// Serves an event for each line. The answer is the longest wait for a pong, that for a
/// close, and how long all of it took, in nanoseconds.
pub(crate) fn run(sinks: usize) -> Outcome<()> {
    let mut lane = Lane::new(sinks, COST);
    let payload = [b'x'; BYTES];
    for line in stdin().lock().lines() {
        line?;
        let tolled = lane.event(&payload, EVERY);
        let figures = [tolled.ping, tolled.close, tolled.total];
        let [ping, close, total] = figures.map(|figure| figure.as_nanos());
        println!("ok {ping} {close} {total}");
    }
    Ok(())
}
