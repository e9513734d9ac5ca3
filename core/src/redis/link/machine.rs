//! The states of one link to one server.
//!
//! ```text
//!        ┌───────────────────────────── Backoff ◀──────────────┐ whatever fails
//!        ▼                                                     │
//!    Resolving ─▶ Connecting ─▶ Handshaking ─▶ Joining ─▶ Auditing ─▶ CatchingUp ─▶ Live ⇄ Degraded
//!                                                 ▲                                  │
//!                                                 └────── names were missing ────────┘
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
    pub(crate) resolve: Duration,
    pub(crate) connect: Duration,
    pub(crate) handshake: Duration,
    pub(crate) audit: Duration,
    pub(crate) drain: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            resolve: Duration::from_secs(2),
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
    /// Asks which server it is.
    Resolving,
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
        matches!(
            self,
            State::Idle | State::Resolving | State::Connecting | State::Handshaking
        )
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

/// What to do now. Each but the last three ends with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Find out where to connect to.
    Resolve,
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

            (Resolving, Input::Done) => {
                self.go(Connecting, Some(now + self.timing.connect));
                Action::Connect
            }
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
        self.go(State::Resolving, Some(now + self.timing.resolve));
        Action::Resolve
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
mod tests {
    use proptest::prelude::*;

    use super::{super::pace::LONE, *};

    /// What a shell would have: the one thing that is being done, and a connection.
    struct Shell {
        machine: Machine,
        budget: Budget,
        now: Instant,
        doing: Option<Action>,
        connected: bool,
        attempts: Vec<Instant>,
    }

    impl Shell {
        fn new(seed: u64) -> Self {
            let mut shell = Shell {
                machine: Machine::new(seed, Timing::default()),
                budget: Budget::new(),
                now: Instant::now() + Duration::from_secs(1_000),
                doing: None,
                connected: false,
                attempts: Vec::new(),
            };
            shell.put(Input::Start);
            shell
        }

        fn put(&mut self, input: Input) {
            if input == Input::Done && self.doing == Some(Action::Drop) {
                self.connected = false;
            }
            if input == Input::Done && self.doing == Some(Action::Connect) {
                self.connected = true;
            }
            if matches!(input, Input::Done | Input::Failed | Input::Refused) {
                self.doing = None;
            }
            match self.machine.on(input, self.now, &mut self.budget) {
                Action::Carry => {}
                Action::Wait => self.doing = None,
                action => {
                    if action == Action::Connect {
                        assert!(!self.connected, "a second connection");
                        self.attempts.push(self.now);
                    }
                    if action == Action::Drop {
                        assert!(self.connected, "let go of nothing");
                    }
                    self.doing = Some(action);
                }
            }
            let stands = self.machine.state().is_connected() || self.machine.dropping;
            assert_eq!(stands, self.connected, "{:?}", self.machine);
        }

        /// Whether this can happen now: what ends can only be what is being done, and letting
        /// go cannot fail.
        fn may(&self, input: Input) -> bool {
            let ends = matches!(input, Input::Done | Input::Failed | Input::Refused);
            (!ends || self.doing.is_some_and(|doing| doing != Action::Stop))
                && (input == Input::Done || self.doing != Some(Action::Drop))
        }

        fn wait(&mut self, time: Duration) {
            self.now += time;
            if self.machine.due().is_some_and(|due| due <= self.now) {
                self.put(Input::Due);
            }
        }

        /// Everything works from here on.
        fn work(&mut self) {
            for _ in 0..40 {
                if self.doing == Some(Action::Stop) {
                    return;
                } else if self.doing.is_some() {
                    self.put(Input::Done);
                } else if let Some(due) = self.machine.due() {
                    self.now = self.now.max(due);
                    self.put(Input::Due);
                } else {
                    return;
                }
            }
        }
    }

    /// A server that refuses every attempt, or lets all of them wait in vain, and comes back.
    #[test]
    fn a_server_that_was_away_for_an_hour_is_found_within_five_seconds_of_its_return() {
        let found_within = [(1, 5), (1_000, 15)];
        for seed in 0..100 {
            for ((hubs, seconds), is_silent) in found_within
                .into_iter()
                .flat_map(|fleet| [(fleet, false), (fleet, true)])
            {
                let mut shell = Shell::new(seed);
                shell.machine.fleet(hubs);
                shell.work();
                assert_eq!(shell.machine.state(), State::Live);
                shell.attempts.clear();
                shell.put(Input::Broken);
                let back = shell.now + Duration::from_secs(3_600);
                loop {
                    match shell.doing {
                        Some(Action::Drop | Action::Resolve) => shell.put(Input::Done),
                        Some(Action::Connect) if !is_silent => shell.put(Input::Failed),
                        _ => {
                            let due = shell.machine.due().expect("every state ends");
                            if due > back {
                                break;
                            }
                            shell.now = due;
                            shell.put(Input::Due);
                        }
                    }
                }
                let attempts = shell.attempts.len();
                assert!((500..2_500).contains(&attempts), "{attempts} attempts");
                // One that is under way was swallowed.
                shell.now = shell.machine.due().expect("every state ends");
                shell.put(Input::Due);
                shell.work();
                assert_eq!(shell.machine.state(), State::Live);
                let after = shell.now - back;
                assert!(after <= Duration::from_secs(seconds), "{hubs}: {after:?}");
            }
        }
    }

    fn any_input() -> impl Strategy<Value = Input> {
        prop_oneof![
            6 => Just(Input::Done),
            1 => Just(Input::Failed),
            1 => Just(Input::Refused),
            1 => Just(Input::Missing),
            1 => Just(Input::Late),
            1 => Just(Input::Prompt),
            1 => Just(Input::Silent),
            1 => Just(Input::Broken),
        ]
    }

    proptest! {
        #[test]
        fn never_stuck_never_twice_and_bounded(
            seed: u64,
            steps in proptest::collection::vec((any_input(), 0u64..700), 0..200),
        ) {
            let mut shell = Shell::new(seed);
            for (input, wait) in steps {
                if shell.may(input) {
                    shell.put(input);
                }
                shell.wait(Duration::from_millis(wait));
            }
            for (first, at) in shell.attempts.iter().enumerate() {
                let within = shell.attempts[first..]
                    .iter()
                    .filter(|attempt| **attempt < *at + Duration::from_secs(1))
                    .count();
                prop_assert!(within <= 11, "{within} attempts in a second");
            }
            shell.work();
            prop_assert!(
                matches!(shell.machine.state(), State::Live | State::Degraded),
                "{:?}", shell.machine
            );
        }

        #[test]
        fn whatever_fails_is_tried_again_within_the_pace(seed: u64, at in 0usize..6) {
            let mut shell = Shell::new(seed);
            for _ in 0..at {
                shell.put(Input::Done);
            }
            let before = shell.now;
            shell.put(Input::Broken);
            if shell.doing == Some(Action::Drop) {
                shell.put(Input::Done);
            }
            prop_assert_eq!(shell.machine.state(), State::Backoff);
            let due = shell.machine.due().unwrap();
            prop_assert!(due <= before + Duration::from_millis(100));
            shell.wait(due - before);
            if shell.machine.state() == State::Backoff {
                shell.wait(SPACING);
            }
            prop_assert_eq!(shell.machine.state(), State::Resolving);
        }
    }

    #[test]
    fn a_link_that_is_closed_drains_first_and_a_refusal_waits_long() {
        let mut shell = Shell::new(1);
        for _ in 0..2 {
            shell.put(Input::Done);
        }
        assert_eq!(shell.doing, Some(Action::Greet));
        shell.put(Input::Refused);
        shell.put(Input::Done);
        assert!(shell.machine.due().unwrap() >= shell.now + Duration::from_secs(4));
        shell.work();
        assert_eq!(shell.machine.state(), State::Live);
        shell.put(Input::Late);
        assert_eq!(shell.machine.state(), State::Degraded);
        shell.put(Input::Close);
        assert_eq!(shell.doing, Some(Action::Drain));
        shell.put(Input::Late);
        assert_eq!(shell.doing, Some(Action::Drain));
        shell.put(Input::Done);
        assert_eq!(shell.doing, Some(Action::Drop));
        shell.put(Input::Done);
        assert_eq!(shell.doing, Some(Action::Stop));
    }

    proptest! {
        #[test]
        fn a_link_that_is_closed_ends_from_wherever_it_is(
            seed: u64,
            before in proptest::collection::vec(any_input(), 0..20),
            after in proptest::collection::vec(any_input(), 0..5),
        ) {
            let mut shell = Shell::new(seed);
            let put = |shell: &mut Shell, inputs: Vec<Input>| {
                for input in inputs {
                    if shell.may(input) {
                        shell.put(input);
                    }
                }
            };
            put(&mut shell, before);
            shell.put(Input::Close);
            put(&mut shell, after);
            shell.work();
            prop_assert_eq!(shell.machine.state(), State::Closed);
            prop_assert!(!shell.connected);
            prop_assert_eq!(shell.doing, Some(Action::Stop));
        }
    }

    #[test]
    fn what_others_have_used_up_keeps_no_link_that_stood_from_its_return() {
        let mut shell = Shell::new(1);
        shell.work();
        while shell.budget.take(shell.now).is_ok() {}
        let before = shell.now;
        shell.put(Input::Broken);
        shell.put(Input::Done);
        while shell.machine.state() == State::Backoff {
            let due = shell.machine.due().unwrap();
            shell.wait(due - shell.now);
        }
        assert!(shell.now <= before + LONE.max(SPACING));
        // What fails from here on is the budget's affair, which has not been added to.
        shell.put(Input::Failed);
        let next = shell.budget.take(shell.now).unwrap_err();
        while shell.machine.state() == State::Backoff {
            let due = shell.machine.due().unwrap();
            shell.wait(due - shell.now);
        }
        assert!(shell.now >= next);
    }

    #[test]
    fn deadlines_end_what_hangs() {
        let mut shell = Shell::new(1);
        for state in [State::Resolving, State::Connecting, State::Handshaking] {
            assert_eq!(shell.machine.state(), state);
            let due = shell.machine.due().unwrap();
            shell.wait(due - shell.now);
            if shell.doing == Some(Action::Drop) {
                shell.put(Input::Done);
            }
            assert_eq!(shell.machine.state(), State::Backoff);
            shell.work();
            shell.put(Input::Broken);
            shell.put(Input::Done);
            while shell.machine.state() == State::Backoff {
                let due = shell.machine.due().unwrap();
                shell.wait(due - shell.now);
            }
            for _ in 0..match state {
                State::Resolving => 1,
                State::Connecting => 2,
                _ => 0,
            } {
                shell.put(Input::Done);
            }
        }
    }
}
