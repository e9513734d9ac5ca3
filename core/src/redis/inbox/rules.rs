//! Whether events come as this hub's rules say of their topics.
//!
//! Every hub publishes by its own rules, and the same belong in all of them. Where they
//! differ nothing fails: an envelope says what it is. But what one side takes for repaired
//! after a break is not, and nobody would see it. So what comes is compared with what this
//! hub would have sent:
//!
//! | the rule here | plain | in an envelope | in an envelope, of a log |
//! |---|---|---|---|
//! | live | the same | another wire | another promise |
//! | live in an envelope | another wire | the same | another promise |
//! | replay, durable | beyond repair | another promise | the same |
//!
//! Replay and durable look the same on the wire, and to a listener they are. What is plain
//! may also come from a publisher that is no hub, who is welcome on any topic: that is said,
//! and is no fault.
//!
//! # Invariants
//!
//! - One difference is remembered: the worst lately, of these the last. A minute after its
//!   last event it is forgotten.

use std::{
    fmt,
    time::{Duration, Instant},
};

use smol_str::SmolStr;

use crate::{
    backplane::Condition,
    redis::{
        modes::{Modes, Way},
        wire::envelope::{Arrival, Stamps},
    },
};

/// For how long it is said after the last event that differed.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The shape that an event came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Plain,
    /// And in no log, nor meant for one.
    Enveloped,
    /// In a log, or it should have been.
    Logged,
}

impl Shape {
    /// Of what arrived; none of what nobody can read.
    pub(super) fn of(arrival: &Arrival<'_>) -> Option<Self> {
        match arrival {
            Arrival::Plain => Some(Shape::Plain),
            Arrival::Enveloped(envelope) => {
                let Stamps { number, kept, .. } = envelope.stamps;
                Some(match number == 0 && kept {
                    true => Shape::Enveloped,
                    false => Shape::Logged,
                })
            }
            Arrival::Unreadable => None,
        }
    }

    /// What a hub with this rule sends.
    fn by(rule: Way) -> Self {
        match rule {
            Way::Plain => Shape::Plain,
            Way::Enveloped => Shape::Enveloped,
            Way::Replayed | Way::Durable => Shape::Logged,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Shape::Plain => "plain",
            Shape::Enveloped => "live in an envelope",
            Shape::Logged => "with a log",
        }
    }
}

/// The rules of this hub, and what came that is not by them.
#[derive(Debug)]
pub(super) struct Rules {
    modes: Modes,
    differing: Option<Difference>,
}

#[derive(Debug)]
struct Difference {
    topic: SmolStr,
    rule: Way,
    came: Shape,
    at: Instant,
}

impl Rules {
    pub(super) fn new(modes: Modes) -> Self {
        Rules {
            modes,
            differing: None,
        }
    }

    /// The rule of a topic.
    pub(super) fn of(&self, topic: &str) -> Way {
        self.modes.of(topic)
    }

    /// An event of somebody else came in a shape, on a topic with a rule.
    pub(super) fn compare(&mut self, topic: &str, rule: Way, came: Shape, now: Instant) {
        if came == Shape::by(rule) {
            return;
        }
        if let Some(known) = self.differing.as_mut().filter(|known| known.is_recent(now)) {
            if known.came == came && known.topic == topic {
                known.at = now;
                return;
            }
            if known.condition() > condition(rule, came) {
                return;
            }
        }
        self.differing = Some(Difference {
            topic: topic.into(),
            rule,
            came,
            at: now,
        });
    }

    /// How bad it is, and for people what to do, while something differs.
    pub(super) fn differing(&self, now: Instant) -> Option<(Condition, String)> {
        let known = self.differing.as_ref()?;
        let reason = (known.condition(), known.to_string());
        known.is_recent(now).then_some(reason)
    }
}

impl Difference {
    fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < REMEMBERED
    }

    fn condition(&self) -> Condition {
        condition(self.rule, self.came)
    }
}

/// An envelope is of a hub, and where it promises something else the rules are wrong. Where
/// both are live, what differs is only what can be known of a gap.
fn condition(rule: Way, came: Shape) -> Condition {
    match (came, rule.is_logged()) {
        (Shape::Logged, _) | (Shape::Enveloped, true) => Condition::Degraded,
        (Shape::Plain, _) | (Shape::Enveloped, false) => Condition::Ok,
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference {
            topic, rule, came, ..
        } = self;
        let means = match (came, rule.is_logged()) {
            (Shape::Logged, _) => {
                "what this hub publishes there is in no log, and what it misses may never be read"
            }
            (_, true) => "what a break takes of these cannot be repaired",
            (Shape::Plain, _) => "what is missing of these cannot be counted",
            (Shape::Enveloped, _) => "what is missing of this hub's own cannot be counted",
        };
        write!(
            f,
            "{topic:?} is {} by the rules of this hub, and events of it come {}: {means}. Give \
             every hub the same rules",
            rule.as_str(),
            came.as_str(),
        )?;
        match came {
            Shape::Plain => f.write_str(", or take this for a publisher that is no hub"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [Way; 4] = [Way::Plain, Way::Enveloped, Way::Replayed, Way::Durable];
    const SHAPES: [Shape; 3] = [Shape::Plain, Shape::Enveloped, Shape::Logged];

    fn rules() -> Rules {
        Rules::new(Modes::default())
    }

    #[test]
    fn each_combination_is_told_as_what_it_is() {
        const SAME: Option<Condition> = None;
        const WIRE: Option<Condition> = Some(Condition::Ok);
        const PROMISE: Option<Condition> = Some(Condition::Degraded);
        let now = Instant::now();
        let told = RULES.map(|rule| {
            SHAPES.map(|came| {
                let mut rules = rules();
                rules.compare("orders.1", rule, came, now);
                rules.differing(now).map(|(condition, text)| {
                    let named = [r#""orders.1""#, rule.as_str(), came.as_str()];
                    assert!(named.iter().all(|part| text.contains(part)), "{text}");
                    condition
                })
            })
        });
        let expected = [
            [SAME, WIRE, PROMISE],
            [WIRE, SAME, PROMISE],
            [WIRE, PROMISE, SAME],
            [WIRE, PROMISE, SAME],
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn the_worst_is_said_until_a_minute_after_its_last() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut rules = rules();
        let said = |rules: &Rules, seconds| rules.differing(at(seconds)).map(|(_, text)| text);
        let says = |rules: &Rules, seconds, topic: &str| {
            said(rules, seconds).is_some_and(|text| text.contains(topic))
        };
        rules.compare("mild", Way::Plain, Shape::Enveloped, at(0));
        assert!(says(&rules, 0, "mild"));
        rules.compare("bad", Way::Replayed, Shape::Enveloped, at(1));
        rules.compare("mild", Way::Plain, Shape::Enveloped, at(2));
        rules.compare("good", Way::Plain, Shape::Plain, at(2));
        assert!(says(&rules, 2, "bad"));
        // It goes on, and ends.
        rules.compare("bad", Way::Replayed, Shape::Enveloped, at(30));
        assert!(says(&rules, 89, "bad"));
        assert_eq!(said(&rules, 90), None);
        rules.compare("mild", Way::Plain, Shape::Enveloped, at(90));
        assert!(says(&rules, 90, "mild"));
        rules.compare("worse", Way::Plain, Shape::Logged, at(91));
        rules.compare("last", Way::Durable, Shape::Enveloped, at(92));
        assert!(says(&rules, 92, "last"));
    }
}
