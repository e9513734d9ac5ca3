//! The machine in a shell that does what it says, with whatever inputs and waits.

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
                    Some(Action::Drop) => shell.put(Input::Done),
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
        prop_assert!(due <= before + Duration::from_millis(500));
        shell.wait(due - before);
        if shell.machine.state() == State::Backoff {
            shell.wait(SPACING);
        }
        prop_assert_eq!(shell.machine.state(), State::Connecting);
    }
}

#[test]
fn a_link_that_is_closed_drains_first_and_a_refusal_waits_long() {
    let mut shell = Shell::new(1);
    shell.put(Input::Done);
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
    for state in [State::Connecting, State::Handshaking] {
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
        if state == State::Connecting {
            shell.put(Input::Done);
        }
    }
}
