//! Publishing at a rate, and what became of each message.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use distributary::{
    Bytes, Publication,
    backplane::{Acknowledged, ForwardError, Receipt},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::commands::Publisher;

/// What is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Flood {
    channel: String,
    rate: f64,
    seconds: f64,
    #[serde(default)]
    size: usize,
    #[serde(default)]
    start: u64,
}

/// Messages of a flood.
const MOST: f64 = 1e9;
/// Bytes of a message's padding: what a server takes at all.
const LARGEST: usize = 512 << 20;
/// A turn: what is due since the last one goes out together.
const TURN: Duration = Duration::from_millis(1);
/// How long an outcome may be awaited after the queue's own deadline.
const PATIENCE: Duration = Duration::from_secs(30);

impl Flood {
    /// Refuses what would never end or never begin, and what has no number or no room.
    pub(crate) fn check(&self) -> Result<(), String> {
        let sound = |number: f64| number.is_finite() && number > 0.0;
        if !(sound(self.rate) && sound(self.seconds) && self.rate * self.seconds < MOST) {
            return Err(format!(
                "a rate of {} for {} seconds is not a flood: both are above 0, and at most a billion messages",
                self.rate, self.seconds
            ));
        }
        if self.size > LARGEST {
            return Err(format!(
                "a size of {} is too much: at most {LARGEST} bytes",
                self.size
            ));
        }
        match self.start.checked_add(MOST as u64) {
            Some(_) => Ok(()),
            None => Err(format!("a start of {} leaves no numbers", self.start)),
        }
    }

    /// Publishes, then waits for every outcome that is still open. What is due at once is
    /// published also by a flood that is stopped before its first turn.
    pub(crate) fn run(&self, publisher: &Publisher, stopped: &Arc<AtomicBool>) -> Value {
        let total = (self.rate * self.seconds).round() as u64;
        let padding = "x".repeat(self.size);
        let mut tally = Tally::default();
        let mut open: VecDeque<(u64, Receipt)> = VecDeque::new();
        let begun = Instant::now();
        let mut sent = 0;
        loop {
            let due = (begun.elapsed().as_secs_f64() * self.rate) as u64 + 1;
            while sent < due.min(total) {
                let number = self.start + sent;
                let payload = format!(r#"{{"i":{number},"t":{:.6},"p":"{padding}"}}"#, epoch());
                let event = Publication::new(&*self.channel, Bytes::from(payload));
                match publisher.publish(event) {
                    Ok(receipt) => open.push_back((number, receipt)),
                    Err(error) => tally.refused(&error.to_string()),
                }
                sent += 1;
            }
            while let Some(outcome) = open.front().and_then(|(_, receipt)| receipt.outcome()) {
                tally.count(open.pop_front().map_or(0, |(number, _)| number), outcome);
            }
            if sent == total || stopped.load(Ordering::Relaxed) {
                break;
            }
            let next = begun + Duration::from_secs_f64(sent as f64 / self.rate);
            let now = Instant::now();
            thread::sleep(next.saturating_duration_since(now).max(TURN).min(4 * TURN));
        }
        let deadline = Instant::now() + publisher.deadline() + PATIENCE;
        for (number, receipt) in open {
            match receipt.wait(deadline) {
                Some(outcome) => tally.count(number, outcome),
                None => tally.refused("no outcome in time"),
            }
        }
        tally.report(sent, self.start + sent)
    }
}

fn epoch() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// Outcomes so far.
#[derive(Default)]
struct Tally {
    acked: u64,
    zero: u64,
    failed: u64,
    errors: BTreeMap<String, u64>,
    /// Numbers that were acknowledged, in runs.
    ranges: Vec<(u64, u64)>,
}

impl Tally {
    fn count(&mut self, number: u64, outcome: Result<Acknowledged, ForwardError>) {
        match outcome {
            Ok(acknowledged) => {
                self.acked += 1;
                self.zero += u64::from(acknowledged.heard == 0);
                match self.ranges.last_mut() {
                    Some((_, last)) if *last + 1 == number => *last = number,
                    _ => self.ranges.push((number, number)),
                }
            }
            Err(error) => self.refused(&format!("{:?}", error.kind())),
        }
    }

    fn refused(&mut self, why: &str) {
        self.failed += 1;
        *self.errors.entry(why.to_owned()).or_default() += 1;
    }

    fn report(self, sent: u64, end: u64) -> Value {
        json!({
            "sent": sent, "acked": self.acked, "zero": self.zero, "failed": self.failed,
            "end": end, "acked_ranges": self.ranges, "errors": self.errors,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(fields: Value) -> Result<(), String> {
        serde_json::from_value::<Flood>(fields).unwrap().check()
    }

    #[test]
    fn what_cannot_be_published_is_refused_before_it_begins() {
        let sound = json!({"channel": "f", "rate": 1000, "seconds": 5, "size": 100, "start": 0});
        assert_eq!(checked(sound.clone()), Ok(()));
        for (field, value, reason) in [
            ("rate", json!(0), "not a flood"),
            ("seconds", json!(-1), "not a flood"),
            ("seconds", json!(1e9), "not a flood"),
            ("size", json!(100_000_000_000_000_u64), "too much"),
            ("start", json!(u64::MAX - 5), "leaves no numbers"),
        ] {
            let mut fields = sound.clone();
            fields[field] = value;
            let refused = checked(fields).unwrap_err();
            assert!(refused.contains(reason), "{field}: {refused}");
        }
    }
}
