//! The ledger against a naive server that hears, forgets, refuses and breaks.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{
    Confirmation, Held, Ledger, Refusal, Step, Verdict,
    batches::{MOST_BYTES, MOST_NAMES},
};
use crate::{Pattern, Topic, backplane::Name, redis::socket::Kind};

const LINGER: Duration = Duration::from_secs(2);

fn topic(text: &str) -> Name {
    Name::Topic(Topic::new(text).unwrap())
}

fn pattern(text: &str) -> Name {
    Name::Pattern(Pattern::new(text).unwrap())
}

/// What a name is to a server: its kind and its text.
type Key = (Kind, String);

enum Answer {
    Confirmed(Kind, bool, String, u64),
    Refused(usize, &'static str),
    Info(String),
}

/// One connection of a server, and what is on its way back on it.
struct Server {
    exact: Kind,
    held: BTreeSet<Key>,
    denied: BTreeSet<String>,
    busy: bool,
    asked: VecDeque<Question>,
    answers: VecDeque<Answer>,
}

enum Question {
    Names {
        kind: Kind,
        joined: bool,
        names: Vec<String>,
        command: usize,
    },
    Info,
}

impl Server {
    fn new(exact: Kind) -> Self {
        Server {
            exact,
            held: BTreeSet::new(),
            denied: BTreeSet::new(),
            busy: false,
            asked: VecDeque::new(),
            answers: VecDeque::new(),
        }
    }

    fn ask(&mut self, step: &Step) {
        // What the server took from us just when we gave it up counts as given up.
        let others =
            |question: &Question| !matches!(question, Question::Names { joined: false, .. });
        assert!(!self.asked.iter().any(others), "one step at a time");
        match step {
            Step::Audit => self.asked.push_back(Question::Info),
            Step::Names(batch) => {
                assert!((1..=MOST_NAMES).contains(&batch.names().len()));
                assert!(batch.bytes() <= MOST_BYTES);
                for (command, names) in batch.commands().enumerate() {
                    assert!(!names.is_empty());
                    self.asked.push_back(Question::Names {
                        kind: batch.kind,
                        joined: batch.joined,
                        names: names.iter().map(|name| name.as_str().to_owned()).collect(),
                        command,
                    });
                }
            }
        }
    }

    /// Answers the next question.
    fn work(&mut self) {
        match self.asked.pop_front() {
            None => {}
            Some(Question::Info) => {
                let count = |kind| self.held.iter().filter(|(of, _)| *of == kind).count();
                self.answers.push_back(Answer::Info(format!(
                    "id=1 sub={} psub={} ssub={}",
                    count(Kind::Channel),
                    count(Kind::Pattern),
                    count(Kind::Shard)
                )));
            }
            Some(Question::Names {
                command, joined, ..
            }) if self.busy && joined => {
                self.busy = false;
                self.answers
                    .push_back(Answer::Refused(command, "LOADING the data set"));
            }
            Some(Question::Names {
                joined,
                names,
                command,
                ..
            }) if joined && names.iter().any(|name| self.denied.contains(name)) => {
                self.answers
                    .push_back(Answer::Refused(command, "NOPERM no such channel for you"));
            }
            Some(Question::Names {
                kind,
                joined,
                names,
                ..
            }) => {
                for name in names {
                    if joined {
                        self.held.insert((kind, name.clone()));
                    } else {
                        self.held.remove(&(kind, name.clone()));
                    }
                    let held = self.count(kind);
                    self.answers
                        .push_back(Answer::Confirmed(kind, joined, name, held));
                }
            }
        }
    }

    /// As a confirmation has it.
    fn count(&self, kind: Kind) -> u64 {
        let shard = kind == Kind::Shard;
        let alike = |(of, _): &&Key| (*of == Kind::Shard) == shard;
        self.held.iter().filter(alike).count() as u64
    }

    fn broken(&mut self) {
        self.held.clear();
        self.asked.clear();
        self.answers.clear();
    }
}

/// A ledger, its server, and what must be true of both.
struct Rig {
    ledger: Ledger,
    server: Server,
    wanted: BTreeSet<Key>,
    /// What a reader of the stream knows.
    seen: BTreeSet<Key>,
    /// What was confirmed, and has not been said to be let go of.
    heard: BTreeSet<Key>,
    now: Instant,
    open: bool,
}

impl Rig {
    fn new(exact: Kind) -> Self {
        Rig {
            ledger: Ledger::new(exact, LINGER),
            server: Server::new(exact),
            wanted: BTreeSet::new(),
            seen: BTreeSet::new(),
            heard: BTreeSet::new(),
            now: Instant::now(),
            open: false,
        }
    }

    fn key(&self, name: &Name) -> Key {
        let kind = match name {
            Name::Topic(_) => self.server.exact,
            Name::Pattern(_) => Kind::Pattern,
        };
        (kind, name.as_str().to_owned())
    }

    fn change(&mut self, name: &Name, wanted: bool) {
        let key = self.key(name);
        if wanted {
            self.wanted.insert(key);
        } else {
            self.wanted.remove(&key);
        }
        self.ledger.change(name, wanted, self.now);
    }

    fn open(&mut self) {
        self.open = true;
        self.ledger.opened(self.now);
    }

    fn close(&mut self) {
        self.open = false;
        self.seen.clear();
        self.server.broken();
        self.ledger.broken();
        self.give_up();
    }

    fn send(&mut self) -> bool {
        let sends = match self.ledger.next(self.now) {
            Some(step) => {
                assert!(self.open);
                self.server.ask(step);
                true
            }
            None => false,
        };
        self.give_up();
        sends
    }

    /// Whatever is neither heard nor wanted any more has been said.
    fn give_up(&mut self) {
        for name in self.ledger.take_left() {
            if !self.ledger.keeps(&name) {
                let key = self.key(&name);
                self.heard.remove(&key);
            }
        }
        let names: BTreeSet<_> = self.ledger.names().map(|name| self.key(name)).collect();
        assert!(self.heard.is_subset(&names), "{:?}", self.heard);
    }

    fn hear(&mut self) -> Option<Verdict> {
        match self.server.answers.pop_front()? {
            Answer::Confirmed(kind, joined, name, held) => {
                let key = (kind, name.clone());
                if joined {
                    self.seen.insert(key);
                } else {
                    self.seen.remove(&key);
                }
                let confirmation =
                    self.ledger
                        .confirmed(kind, joined, name.as_bytes(), held, self.now);
                let is_asked = matches!(confirmation, Confirmation::Asked | Confirmation::Missed);
                if joined && is_asked {
                    self.heard.insert((kind, name));
                }
            }
            Answer::Refused(command, words) => {
                self.ledger.refused(command, words, self.now);
            }
            Answer::Info(info) => {
                let verdict = self.ledger.audited(Some(&info), Held::default(), self.now);
                if verdict == Verdict::Beyond {
                    self.close();
                    self.open();
                }
                return Some(verdict);
            }
        }
        None
    }

    /// The counts are those of the stream.
    fn check(&self) {
        let count = |kind| self.seen.iter().filter(|(of, _)| *of == kind).count() as u64;
        assert_eq!(
            self.ledger.held(),
            Held {
                channels: count(Kind::Channel),
                patterns: count(Kind::Pattern),
                shards: count(Kind::Shard)
            }
        );
    }

    /// Of the copies of an event, one counts.
    fn check_carriers(&self, topic: &str) {
        let mut copies = 0;
        let mut carriers = 0;
        for (kind, name) in &self.seen {
            let carries = match kind {
                Kind::Pattern if Pattern::new(name).unwrap().matches(topic) => {
                    self.ledger.carries(Some(name), topic)
                }
                Kind::Pattern => continue,
                _ if name == topic => self.ledger.carries(None, topic),
                _ => continue,
            };
            copies += 1;
            carriers += usize::from(carries);
        }
        assert_eq!(carriers, copies.min(1), "of {topic} in {:?}", self.seen);
    }

    /// Lets everything happen that is going to, however long it takes.
    fn settle(&mut self) {
        if self.ledger.is_overdue(self.now) {
            self.close();
        }
        if !self.open {
            self.open();
        }
        let end = self.now + Duration::from_secs(200);
        loop {
            while self.send() || !self.server.asked.is_empty() || !self.server.answers.is_empty() {
                assert!(!self.ledger.is_overdue(self.now));
                self.server.work();
                while !self.server.answers.is_empty() {
                    self.hear();
                    self.check();
                }
            }
            match self.ledger.next_due() {
                Some(due) if due < end => self.now = self.now.max(due),
                _ => break,
            }
        }
        let denied = &self.server.denied;
        let expected: BTreeSet<_> = self
            .wanted
            .iter()
            .filter(|(_, name)| !denied.contains(name))
            .cloned()
            .collect();
        assert_eq!(self.server.held, expected);
        self.give_up();
        let astray: Vec<_> = self.heard.symmetric_difference(&expected).collect();
        assert!(astray.is_empty(), "{astray:?}");
        assert_eq!(self.ledger.missing(), 0);
        assert_eq!(self.ledger.refusals(), self.wanted.len() - expected.len());
        let mark = self.ledger.mark();
        assert!(self.ledger.is_heard(mark));
    }

    /// Like [`Rig::settle`], without time passing.
    fn settle_now(&mut self) {
        while self.send() || !self.server.asked.is_empty() || !self.server.answers.is_empty() {
            self.server.work();
            while !self.server.answers.is_empty() {
                self.hear();
            }
        }
    }

    /// Whether there is anything to ask for but an audit.
    fn sends_names(&mut self) -> bool {
        match self.ledger.next(self.now) {
            None => false,
            Some(Step::Names(_)) => true,
            Some(Step::Audit) => {
                self.server.asked.push_back(Question::Info);
                self.server.work();
                assert_eq!(self.hear(), Some(Verdict::Equal));
                self.sends_names()
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Change {
        name: usize,
        wanted: bool,
    },
    Wait {
        ms: u64,
    },
    Send,
    Work,
    Hear,
    /// The server takes a name from us and says so.
    Take {
        nth: usize,
    },
    /// And does not say so.
    Forget {
        nth: usize,
    },
    Deny {
        name: usize,
        denied: bool,
    },
    Busy,
    Break,
    Open,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        8 => (0..12_usize, any::<bool>()).prop_map(|(name, wanted)| Op::Change { name, wanted }),
        3 => (0..3_000_u64).prop_map(|ms| Op::Wait { ms }),
        6 => Just(Op::Send),
        6 => Just(Op::Work),
        9 => Just(Op::Hear),
        1 => (0..9_usize).prop_map(|nth| Op::Take { nth }),
        1 => (0..9_usize).prop_map(|nth| Op::Forget { nth }),
        1 => (0..12_usize, any::<bool>()).prop_map(|(name, denied)| Op::Deny { name, denied }),
        1 => Just(Op::Busy),
        1 => Just(Op::Break),
        3 => Just(Op::Open),
    ];
    prop::collection::vec(op, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn in_the_end_what_is_wanted_is_heard_and_nothing_else(
        ops in ops(),
        sharded in any::<bool>(),
    ) {
        let exact = if sharded { Kind::Shard } else { Kind::Channel };
        let names: Vec<Name> = ["a.x", "a.y", "b.x", "b.y", "c", "d{1}", "e{1}", "f{2}"]
            .map(topic)
            .into_iter()
            .chain(["a.*", "*.x", "*", "c"].map(pattern))
            .collect();
        let mut rig = Rig::new(exact);
        let mut marks = Vec::new();
        // A server that lost a subscription without a word carries nothing for it.
        let mut forgot = false;
        for op in ops {
            match op {
                Op::Change { name, wanted } => {
                    rig.change(&names[name], wanted);
                    marks.push(rig.ledger.mark());
                }
                Op::Wait { ms } => rig.now += Duration::from_millis(ms),
                Op::Send => {
                    rig.send();
                }
                Op::Work => rig.server.work(),
                Op::Hear => {
                    rig.hear();
                }
                Op::Take { nth } => {
                    if let Some((kind, name)) = rig.server.held.iter().nth(nth).cloned() {
                        rig.server.held.remove(&(kind, name.clone()));
                        let held = rig.server.count(kind);
                        rig.server.answers.push_back(Answer::Confirmed(kind, false, name, held));
                    }
                }
                Op::Forget { nth } => {
                    if let Some(key) = rig.server.held.iter().nth(nth).cloned() {
                        rig.server.held.remove(&key);
                        forgot = true;
                    }
                }
                Op::Deny { name, denied } => {
                    let name = names[name].as_str().to_owned();
                    // Who may not hear a name any more is disconnected.
                    if denied && rig.server.denied.insert(name.clone()) && rig.open {
                        rig.close();
                        rig.open();
                    } else if !denied {
                        rig.server.denied.remove(&name);
                    }
                }
                Op::Busy => rig.server.busy = true,
                Op::Break => rig.close(),
                Op::Open if !rig.open => rig.open(),
                Op::Open => {}
            }
            rig.check();
            if !forgot {
                for name in ["a.x", "a.y", "b.x", "c", "z"] {
                    rig.check_carriers(name);
                }
            }
        }
        rig.settle();
        for mark in marks {
            prop_assert!(rig.ledger.is_heard(mark));
        }
    }
}

#[test]
fn a_quick_rejoin_costs_nothing_and_a_slow_one_two_commands() {
    let mut rig = Rig::new(Kind::Channel);
    let name = topic("a");
    rig.open();
    rig.change(&name, true);
    rig.settle_now();
    for _ in 0..100 {
        rig.change(&name, false);
        rig.now += LINGER / 2;
        assert!(!rig.sends_names());
        rig.change(&name, true);
        rig.now += LINGER / 2;
        assert!(!rig.sends_names());
    }
    rig.change(&name, false);
    rig.now += LINGER * 2;
    rig.settle_now();
    assert!(rig.server.held.is_empty());
}

#[test]
fn without_a_time_to_linger_a_name_is_given_up_at_once() {
    let mut rig = Rig::new(Kind::Channel);
    rig.ledger = Ledger::new(Kind::Channel, Duration::ZERO);
    let name = topic("a");
    rig.open();
    for _ in 0..2 {
        rig.change(&name, true);
        rig.settle_now();
        assert_eq!(rig.server.held.len(), 1);
        rig.change(&name, false);
        // One that is wanted again before anything is sent costs nothing still.
        rig.change(&name, true);
        rig.settle_now();
        assert_eq!(rig.server.held.len(), 1);
        rig.change(&name, false);
        rig.settle_now();
        assert!(rig.server.held.is_empty());
    }
}

#[test]
fn one_name_that_is_denied_is_found_and_the_rest_is_served() {
    let mut rig = Rig::new(Kind::Channel);
    rig.server.denied.insert("n777".to_owned());
    for n in 0..1_500 {
        rig.change(&topic(&format!("n{n}")), true);
    }
    rig.open();
    let mut refused = Vec::new();
    let mut steps = 0;
    while let Some(step) = rig.ledger.next(rig.now) {
        rig.server.ask(step);
        steps += 1;
        while !rig.server.asked.is_empty() {
            rig.server.work();
            while let Some(answer) = rig.server.answers.pop_front() {
                match answer {
                    Answer::Refused(command, words) => {
                        if let Refusal::Names(names) = rig.ledger.refused(command, words, rig.now) {
                            refused.extend(names);
                        }
                    }
                    Answer::Confirmed(kind, joined, name, held) => {
                        rig.seen.insert((kind, name.clone()));
                        rig.heard.insert((kind, name.clone()));
                        let confirmation =
                            rig.ledger
                                .confirmed(kind, joined, name.as_bytes(), held, rig.now);
                        assert_eq!(confirmation, Confirmation::Asked);
                    }
                    Answer::Info(info) => {
                        rig.ledger.audited(Some(&info), Held::default(), rig.now);
                    }
                }
            }
        }
    }
    assert_eq!(refused, [topic("n777")]);
    assert_eq!(rig.server.held.len(), 1_499);
    assert_eq!((rig.ledger.missing(), rig.ledger.refusals()), (0, 1));
    // Three batches, 18 halves, the audit.
    assert!(steps <= 3 + 18 + 1, "{steps}");

    // It may be heard some day.
    rig.server.denied.clear();
    rig.settle();
}

#[test]
fn shard_channels_of_many_slots_go_in_one_step_and_are_refused_by_slot() {
    let mut rig = Rig::new(Kind::Shard);
    let denied = "n1234";
    rig.server.denied.insert(denied.to_owned());
    for n in 0..2_000 {
        rig.change(&topic(&format!("n{n}")), true);
    }
    rig.open();
    let (mut steps, mut commands) = (0, 0);
    while let Some(step) = rig.ledger.next(rig.now) {
        steps += 1;
        if let Step::Names(batch) = step {
            commands += batch.commands().count();
        }
        rig.server.ask(step);
        while !rig.server.asked.is_empty() {
            rig.server.work();
            while !rig.server.answers.is_empty() {
                rig.hear();
            }
        }
    }
    // As many steps as it takes for the names, those of one slot by halves, and the audit.
    assert!(commands > 1_800, "{commands}");
    assert!(steps <= 4 + 2 + 1, "{steps}");
    assert_eq!((rig.ledger.missing(), rig.ledger.refusals()), (0, 1));
    assert_eq!(rig.server.held.len(), 1_999);
}

#[test]
fn a_user_who_may_not_subscribe_at_all_is_not_asked_in_halves() {
    let mut ledger = Ledger::new(Kind::Channel, LINGER);
    let now = Instant::now();
    for n in 0..100 {
        ledger.change(&topic(&format!("n{n}")), true, now);
    }
    ledger.opened(now);
    assert!(ledger.next(now).is_some());
    let words = "NOPERM this user has no permissions to run the 'subscribe' command";
    assert!(matches!(
        ledger.refused(0, words, now),
        Refusal::Names(names) if names.len() == 100
    ));
    assert_eq!(ledger.missing(), 0);
}

#[test]
fn a_confirmation_that_never_comes_is_overdue() {
    let mut ledger = Ledger::new(Kind::Channel, LINGER);
    let now = Instant::now();
    ledger.change(&topic("a"), true, now);
    ledger.opened(now);
    assert!(ledger.next(now).is_some());
    assert!(ledger.next(now).is_none());
    let due = ledger.next_due().unwrap();
    assert!(!ledger.is_overdue(now) && ledger.is_overdue(due));
    let mark = ledger.mark();
    assert!(!ledger.is_heard(mark));
    ledger.broken();
    assert!(!ledger.is_overdue(due) && ledger.next_due().is_none());
    ledger.opened(due);
    assert!(ledger.next(due).is_some());
    ledger.confirmed(Kind::Channel, true, b"a", 1, due);
    assert!(ledger.is_heard(mark));
}

#[test]
fn whoever_waits_does_not_wait_for_names_that_come_later() {
    let mut ledger = Ledger::new(Kind::Channel, LINGER);
    let now = Instant::now();
    ledger.opened(now);
    ledger.change(&topic("a"), true, now);
    let mark = ledger.mark();
    for n in 0..50 {
        ledger.next(now);
        ledger.change(&topic(&format!("later{n}")), true, now);
        let last = if n == 0 {
            "a".to_owned()
        } else {
            format!("later{}", n - 1)
        };
        ledger.confirmed(Kind::Channel, true, last.as_bytes(), 1, now);
        if ledger.is_heard(mark) {
            assert!(n < 3, "{n}");
            assert_eq!(ledger.missing(), 1);
            return;
        }
    }
    panic!("never told");
}

#[test]
fn a_hundred_thousand_names_cost_little_beside_their_texts() {
    let mut ledger = Ledger::new(Kind::Channel, LINGER);
    let now = Instant::now();
    let names: Vec<Name> = (0..100_000).map(|n| topic(&format!("{n:0300}"))).collect();
    for name in &names {
        ledger.change(name, true, now);
    }
    ledger.opened(now);
    let mut steps = 0;
    while let Some(Step::Names(batch)) = ledger.next(now) {
        steps += 1;
        let names: Vec<Name> = batch.names().to_vec();
        for name in names {
            ledger.confirmed(Kind::Channel, true, name.as_str().as_bytes(), 1, now);
        }
    }
    assert_eq!(ledger.held().channels, 100_000);
    assert!((470..480).contains(&steps), "{steps}");
    let each = ledger.bytes() / names.len();
    assert!(each <= 64, "{each} bytes per name");
}

#[test]
fn names_that_were_lost_without_a_word_are_known_when_all_are_asked_for_again() {
    let mut rig = Rig::new(Kind::Channel);
    for n in 0..1_000 {
        rig.change(&topic(&format!("n{n}")), true);
    }
    rig.change(&pattern("n*"), true);
    rig.settle();
    let lost: BTreeSet<String> = (0..1_000).step_by(97).map(|n| format!("n{n}")).collect();
    rig.server.held.retain(|(_, name)| !lost.contains(name));
    // The next look, and the look after it.
    let mut missed = BTreeSet::new();
    let end = rig.now + Duration::from_secs(60);
    while let Some(due) = rig.ledger.next_due().filter(|due| *due < end) {
        rig.now = rig.now.max(due);
        while rig.send() {
            while !rig.server.asked.is_empty() {
                rig.server.work();
                while let Some(answer) = rig.server.answers.pop_front() {
                    match answer {
                        Answer::Confirmed(kind, joined, name, held) => {
                            let confirmation =
                                rig.ledger
                                    .confirmed(kind, joined, name.as_bytes(), held, rig.now);
                            if confirmation == Confirmation::Missed {
                                missed.insert(name);
                            }
                        }
                        Answer::Info(info) => {
                            rig.ledger.audited(Some(&info), Held::default(), rig.now);
                        }
                        Answer::Refused(..) => panic!("nobody is denied"),
                    }
                }
            }
        }
    }
    assert_eq!(missed, lost);
    assert_eq!(rig.server.held.len(), 1_001);
}

#[test]
fn what_goes_out_before_a_subscription_does_not_come_back() {
    let now = Instant::now();
    let mut ledger = Ledger::new(Kind::Channel, Duration::ZERO);
    for name in [topic("t"), pattern("p*")] {
        ledger.change(&name, true, now);
    }
    ledger.opened(now);
    for (kind, text, topic) in [(Kind::Pattern, "p*", "pt"), (Kind::Channel, "t", "t")] {
        assert!(ledger.next(now).is_some());
        // The server is not asked yet: whose logs there are is looked up first.
        assert!(!ledger.may_bring(topic));
        ledger.sent();
        assert!(ledger.may_bring(topic));
        ledger.confirmed(kind, true, text.as_bytes(), 1, now);
        assert!(ledger.may_bring(topic));
    }
}
