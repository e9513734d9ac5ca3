//! One event on its way, and its outcome.

use std::{collections::VecDeque, rc::Rc, time::Instant};

use super::{Limits, Outcomes, queue::Posted};
use crate::{
    backplane::{Acknowledge, Acknowledged, ForwardError, ForwardErrorKind},
    event::Publication,
    redis::modes::Way,
    topic::Topic,
    wake::contained,
};

/// An event that waits, is in flight, or was acknowledged and is in the window.
pub(super) struct Parcel {
    pub(super) event: Publication,
    pub(super) way: Way,
    pub(super) at: Instant,
    /// The publisher's number on the topic; 0 until it first departs, and when it is plain.
    pub(super) serial: u64,
    weight: usize,
    acknowledge: Option<Acknowledge>,
    /// It has had its outcome, and is sent for the sake of another server's log.
    told: bool,
    pub(super) trace: Trace,
    /// It went out behind an `ASKING`, which has a reply of its own.
    pub(super) asked: bool,
    /// Its topic is remembered for as long as it has a number.
    pub(super) known: Option<Rc<()>>,
}

/// What is known of an event that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trace {
    /// No server has it.
    None,
    /// It was in flight when a connection broke. If its server has it, that will say so.
    Maybe,
    /// The same, and another server answers by now, which may lack it.
    Astray,
    /// The log has it; a replica may not.
    InLog,
}

/// A payload may be anybody's buffer, with a destructor that panics: the outbox is in the
/// middle of its work when it lets go of an event.
impl Drop for Parcel {
    fn drop(&mut self) {
        let payload = std::mem::take(&mut self.event.content.payload);
        contained(|| drop(payload));
    }
}

impl Parcel {
    pub(super) fn new(posted: Posted, way: Way) -> Self {
        Parcel {
            event: posted.event,
            way,
            at: posted.at,
            serial: 0,
            weight: posted.weight,
            acknowledge: posted.acknowledge,
            told: false,
            trace: Trace::None,
            asked: false,
            known: None,
        }
    }

    pub(super) fn topic(&self) -> &Topic {
        self.event.topic()
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// When it is given up.
    pub(super) fn due(&self, limits: &Limits) -> Instant {
        let patience = if self.told {
            limits.window_age
        } else {
            limits.deadline
        };
        self.at + patience
    }

    /// Whether it has had its outcome.
    pub(super) fn is_told(&self) -> bool {
        self.told
    }

    pub(super) fn is_late(&self, now: Instant, limits: &Limits) -> bool {
        now >= self.due(limits)
    }

    /// It will not be sent any more: its time is over.
    pub(super) fn late(self, outcomes: &mut Outcomes) {
        let kind = match self.trace {
            Trace::None => ForwardErrorKind::Expired,
            Trace::Maybe | Trace::Astray => ForwardErrorKind::Unconfirmed,
            Trace::InLog => ForwardErrorKind::NotReplicated,
        };
        self.failed(ForwardError::new(kind), outcomes);
    }

    /// The server that answers for its topic does not have it, and cannot keep it now.
    pub(super) fn not_kept(self, words: &str, outcomes: &mut Outcomes) {
        let kind = match self.trace {
            Trace::None | Trace::Maybe => ForwardErrorKind::NotKept,
            // One that had it has lost it since.
            Trace::Astray | Trace::InLog => ForwardErrorKind::Unconfirmed,
        };
        self.failed(ForwardError::new(kind).because(words), outcomes);
    }

    /// Another server answers for its topic than before.
    pub(super) fn astray(&mut self) {
        if self.trace == Trace::Maybe {
            self.trace = Trace::Astray;
        }
    }

    /// Nobody knows whether it arrived.
    pub(super) fn unconfirmed(self, outcomes: &mut Outcomes) {
        let error = ForwardError::new(ForwardErrorKind::Unconfirmed);
        self.failed(error, outcomes);
    }

    pub(super) fn failed(mut self, error: ForwardError, outcomes: &mut Outcomes) {
        self.tell(Err(error), outcomes);
    }

    pub(super) fn arrived(&mut self, heard: u64, number: Option<u64>, outcomes: &mut Outcomes) {
        self.tell(Ok(Acknowledged { heard, number }), outcomes);
    }

    pub(super) fn tell(
        &mut self,
        outcome: Result<Acknowledged, ForwardError>,
        outcomes: &mut Outcomes,
    ) {
        if std::mem::replace(&mut self.told, true) {
            outcomes.tally.voided += u64::from(outcome.is_err());
            return;
        }
        match outcome {
            Ok(_) => outcomes.tally.sent += 1,
            Err(_) => outcomes.tally.failed += 1,
        }
        outcomes.released += self.weight;
        if let Some(acknowledge) = self.acknowledge.take() {
            outcomes.untold.push((acknowledge, outcome));
        }
    }
}

/// Gives up what has waited too long. What was told and is sent again may wait longer, and
/// stands before what may not: that is looked for `behind` it.
pub(super) fn expire(
    line: &mut VecDeque<Parcel>,
    behind: bool,
    now: Instant,
    limits: &Limits,
    outcomes: &mut Outcomes,
) {
    let is_late = |parcel: &Parcel| parcel.is_late(now, limits);
    while line.front().is_some_and(is_late)
        && let Some(parcel) = line.pop_front()
    {
        parcel.late(outcomes);
    }
    let hides = behind && line.front().is_some_and(|front| front.told);
    if hides && line.iter().any(is_late) {
        for parcel in std::mem::take(line) {
            match is_late(&parcel) {
                true => parcel.late(outcomes),
                false => line.push_back(parcel),
            }
        }
    }
}

/// Brings events that are to be sent again into the order of each topic's serials.
///
/// Those that were acknowledged and those that were refused come from different lines, and
/// a later one may have been kept while an earlier one, that its log knew, was refused.
pub(super) fn in_order(again: &mut [Parcel]) {
    again.sort_by_key(|parcel| parcel.serial);
}
