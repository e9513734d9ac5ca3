//! The states of one link to one server.
//!
//! ```text
//!        ┌────────────── Backoff ◀──────────────┐ whatever fails
//!        ▼                                      │
//!    Connecting ─▶ Handshaking ─▶ Joining ─▶ Auditing ─▶ CatchingUp ─▶ Live ⇄ Degraded
//!                                    ▲                                  │
//!                                    └────── names were missing ────────┘
//!    whatever is connected ── Close ──▶ Draining ──▶ Closed
//! ```
//!
//! An input says what has happened, the answer is the one thing to do now. Whoever does it
//! gives what came of it as the next input; [`Machine::due`] says how long it may take.
//!
//! # Invariants
//!
//! - Every state ends: by its deadline, or, while the server is being heard, by silence.
//! - `Connect` is never answered while a connection stands: `Drop` comes first.
//! - Attempts go through the pace and the budget, but for the first of all and the first
//!   after a live connection: a server that is away must not keep the process from another
//!   one that is back at once. One that led to a live connection is given back to the
//!   budget. In any case a link makes no two within [`SPACING`].

use std::time::{Duration, Instant};

use super::pace::{Budget, Pace};

/// From one attempt of a link to its next, even if each succeeds and breaks at once.
pub(crate) const SPACING: Duration = Duration::from_millis(100);

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) connect: Duration,
    pub(crate) handshake: Duration,
    pub(crate) audit: Duration,
    pub(crate) drain: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            connect: Duration::from_secs(2),
            handshake: Duration::from_secs(2),
            audit: Duration::from_secs(2),
            drain: Duration::from_millis(1_200),
        }
    }
}

/// Where a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum State {
    Idle,
    Connecting,
    /// Who we are, what the server is.
    Handshaking,
    /// Subscribes.
    Joining,
    /// Compares what the server has with what was asked for.
    Auditing,
    /// Reads what was missed.
    CatchingUp,
    Live,
    /// Live, and late.
    Degraded,
    /// Ends: what is in flight still goes out.
    Draining,
    Backoff,
    Closed,
}

impl State {
    /// Whether it is on its way to a connection, or to find out that there is none.
    pub(crate) fn is_on_its_way(self) -> bool {
        matches!(self, State::Idle | State::Connecting | State::Handshaking)
    }

    /// Whether a connection stands.
    pub(crate) fn is_connected(self) -> bool {
        matches!(
            self,
            State::Handshaking
                | State::Joining
                | State::Auditing
                | State::CatchingUp
                | State::Live
                | State::Degraded
                | State::Draining
        )
    }
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// The link is wanted.
    Start,
    /// What was to be done is done.
    Done,
    /// What was to be done has failed.
    Failed,
    /// The server has refused us, and will until somebody changes that.
    Refused,
    /// The audit has found names missing.
    Missing,
    /// Probes are late.
    Late,
    /// Probes come in time again.
    Prompt,
    /// Nothing is heard any more.
    Silent,
    /// The connection is gone.
    Broken,
    /// The time of [`Machine::due`] has come.
    Due,
    /// The link is no longer wanted.
    Close,
}

/// What to do now. Each but `Carry`, `Wait` and `Stop` ends with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Connect. No connection stands.
    Connect,
    /// Greet the server.
    Greet,
    /// Wait until all names are confirmed.
    Join,
    /// Compare names.
    Audit,
    /// Read what was missed.
    CatchUp,
    /// Nothing new: what is being done goes on.
    Carry,
    /// Finish what is in flight.
    Drain,
    /// Let go of the connection; `Done` once it is gone.
    Drop,
    /// Wait for the next input.
    Wait,
    /// It is over.
    Stop,
}

/// One link.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    state: State,
    pace: Pace,
    timing: Timing,
    due: Option<Instant>,
    /// A connection was let go of, and its end has not been reported yet.
    dropping: bool,
    /// When the last attempt was made.
    attempted: Option<Instant>,
    /// The next attempt is the budget's affair: the last one led to nothing.
    failed: bool,
    /// The attempt under way was taken out of the budget.
    owes: bool,
}

impl Machine {
    pub(crate) fn new(seed: u64, timing: Timing) -> Self {
        Machine {
            state: State::Idle,
            pace: Pace::new(seed),
            timing,
            due: None,
            dropping: false,
            attempted: None,
            failed: false,
            owes: false,
        }
    }

    /// Where it is.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// When `Due` is to be put in, if nothing else comes before.
    pub(crate) fn due(&self) -> Option<Instant> {
        // Nothing is timed while a connection is let go of: that ends by itself.
        self.due.filter(|_| !self.dropping)
    }

    /// How many hubs share the server.
    pub(crate) fn fleet(&mut self, hubs: u32) {
        self.pace.fleet(hubs);
    }

    /// What to do, now that this has happened.
    pub(crate) fn on(&mut self, input: Input, now: Instant, budget: &mut Budget) -> Action {
        use State::*;

        if self.dropping {
            // The one thing that matters first.
            if input == Input::Close {
                self.go(Closed, None);
            }
            if input != Input::Done {
                return Action::Carry;
            }
            self.dropping = false;
            return match self.state {
                Closed => Action::Stop,
                _ => Action::Wait,
            };
        }
        if self.state == Closed {
            return Action::Stop;
        }
        if input == Input::Close {
            if self.state == Draining {
                return Action::Carry;
            }
            if self.state.is_connected() {
                self.go(Draining, Some(now + self.timing.drain));
                return Action::Drain;
            }
            self.go(Closed, None);
            return Action::Stop;
        }
        match (self.state, input) {
            (Idle, Input::Start) => self.attempt(now, budget),
            (Backoff, Input::Due) => self.attempt(now, budget),
            // What was said of a connection that is gone.
            (Idle | Backoff, _) => Action::Carry,

            (Connecting, Input::Done) => {
                self.go(Handshaking, Some(now + self.timing.handshake));
                Action::Greet
            }
            (Handshaking, Input::Done) | (Auditing, Input::Missing) => {
                self.go(Joining, None);
                Action::Join
            }
            (Joining, Input::Done) => {
                self.go(Auditing, Some(now + self.timing.audit));
                Action::Audit
            }
            (Auditing, Input::Done) => {
                self.go(CatchingUp, None);
                Action::CatchUp
            }
            (CatchingUp, Input::Done) => {
                self.pace.succeeded();
                self.failed = false;
                if std::mem::take(&mut self.owes) {
                    budget.give_back();
                }
                self.go(Live, None);
                Action::Carry
            }
            (Live | Degraded, Input::Missing) => {
                self.go(Joining, None);
                Action::Join
            }
            (Live, Input::Late) => {
                self.go(Degraded, None);
                Action::Carry
            }
            (Degraded, Input::Prompt) => {
                self.go(Live, None);
                Action::Carry
            }
            (Draining, Input::Late | Input::Prompt | Input::Missing) => Action::Carry,
            (Draining, _) => self.let_go(Closed, None),

            (_, Input::Refused) => {
                let until = self.pace.refused(now);
                self.fall(until)
            }
            (Live | Degraded, Input::Broken | Input::Silent | Input::Failed) => {
                let until = self.pace.broken(now);
                self.fall(until)
            }
            (_, Input::Due) if self.due.is_none() => Action::Carry,
            (_, Input::Failed | Input::Broken | Input::Silent | Input::Due) => {
                let until = self.pace.failed(now);
                self.fall(until)
            }
            // Late or prompt while there is no word for it, or said of what is over.
            _ => Action::Carry,
        }
    }

    fn go(&mut self, state: State, due: Option<Instant>) {
        self.state = state;
        self.due = due;
    }

    /// Begins an attempt, if the process may make one now.
    fn attempt(&mut self, now: Instant, budget: &mut Budget) -> Action {
        let spaced = self.attempted.map_or(now, |last| last + SPACING);
        let allowed = match now < spaced {
            true => Err(spaced),
            false if self.failed => budget.take(now),
            false => Ok(()),
        };
        if let Err(until) = allowed {
            self.go(State::Backoff, Some(until));
            return Action::Wait;
        }
        self.attempted = Some(now);
        self.owes = std::mem::replace(&mut self.failed, true);
        self.go(State::Connecting, Some(now + self.timing.connect));
        Action::Connect
    }

    fn fall(&mut self, until: Instant) -> Action {
        if self.state.is_connected() {
            return self.let_go(State::Backoff, Some(until));
        }
        self.go(State::Backoff, Some(until));
        Action::Wait
    }

    fn let_go(&mut self, state: State, due: Option<Instant>) -> Action {
        self.go(state, due);
        self.dropping = true;
        Action::Drop
    }
}

#[cfg(test)]
mod tests;
