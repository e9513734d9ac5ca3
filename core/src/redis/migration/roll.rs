//! Which hubs take part in a migration, at which stage each is, and which it is about to
//! enter.
//!
//! Every hub says so on the channel `distributary:migration:<topic>` of the old side's
//! server, once a second and whenever it changes, as JSON:
//!
//! ```text
//! {"hub":"00c0ffee00c0ffee","number":7,"stage":"dual_read","entering":"new_write",
//!  "hears":["old","new"],"call":true,"answers":null,"gone":false}
//! ```
//!
//! `hears` names the sides where it has a subscription of the topic, so that the server's
//! count of listeners can be compared; `call` asks all others to answer at once, and
//! `answers` says which call of which hub this is the answer to; `gone` is a hub's last
//! word. Who is silent for [`SILENT`] is gone as well.
//!
//! # Invariants
//!
//! - Of two hubs that are about to enter stages that do not go together, at least one knows
//!   of the other: each says what it is about to do before it asks how the others are, so
//!   that whichever is asked later has said so in its answer.
//! - Nobody enters a stage that does not go with one that another hub is about to enter.
//!   The one with the smaller number as its name waits until the other has given way.
//! - What a hub has said is never undone by what it said before: its words are numbered.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::stage::{Change, Side, Stage};

/// How often a hub says that it is there.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// For how long it is believed. Who is cut off is back by then; a hub that crashed says
/// nothing more.
pub(super) const SILENT: Duration = Duration::from_secs(30);

/// Another hub that takes part in a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The number it chose for itself. On the first server it is known by it in `CLIENT LIST`
    /// as well, as `distributary-` and the number in hexadecimal, unless it was given a name.
    pub hub: u64,
    /// How far it has come.
    pub stage: Stage,
    /// The stage that it is about to enter, unless it finds somebody in the way.
    pub entering: Option<Stage>,
    /// Whether it listens on the old side, and on the new one.
    pub hears: [bool; 2],
}

/// One hub's question how all others are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) hub: u64,
    /// The number of what it said.
    pub(super) number: u64,
}

/// What a hub says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announcement {
    pub(super) peer: Peer,
    /// Rises with everything that it says.
    number: u64,
    call: bool,
    answers: Option<Call>,
    gone: bool,
}

impl Announcement {
    pub(super) fn text(&self) -> String {
        let hears: Vec<_> = Side::BOTH
            .into_iter()
            .filter(|side| self.peer.hears[side.index()])
            .map(Side::as_str)
            .collect();
        let name = |hub: u64| format!("{hub:016x}");
        json!({
            "hub": name(self.peer.hub),
            "number": self.number,
            "stage": self.peer.stage.as_str(),
            "entering": self.peer.entering.map(Stage::as_str),
            "hears": hears,
            "call": self.call,
            "answers": self.answers.map(|to| json!({"hub": name(to.hub), "number": to.number})),
            "gone": self.gone,
        })
        .to_string()
    }

    /// `None` for whatever else comes by the channel.
    pub(super) fn parse(text: &[u8]) -> Option<Announcement> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let hears = value["hears"].as_array()?;
        let flag = |name: &str| value[name].as_bool().unwrap_or(false);
        let call = |value: &Value| {
            Some(Call {
                hub: u64::from_str_radix(value["hub"].as_str()?, 16).ok()?,
                number: value["number"].as_u64()?,
            })
        };
        let Call { hub, number } = call(&value)?;
        Some(Announcement {
            peer: Peer {
                hub,
                stage: Stage::parse(value["stage"].as_str()?)?,
                entering: value["entering"].as_str().and_then(Stage::parse),
                hears: Side::BOTH.map(|side| hears.iter().any(|word| *word == side.as_str())),
            },
            number,
            call: flag("call"),
            answers: call(&value["answers"]),
            gone: flag("gone"),
        })
    }
}

/// How a change stands with the other hubs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody would lose anything by it.
    Free,
    /// These will give way, for they are about to enter what does not go with it.
    Waits(Vec<Peer>),
    /// These are in the way.
    Barred(Vec<Peer>),
}

/// This hub as the others know it, and the others.
#[derive(Debug)]
pub(super) struct Roll {
    hub: u64,
    stage: Stage,
    entering: Option<Stage>,
    said: u64,
    seen: BTreeMap<u64, Seen>,
    tidied: Option<Instant>,
}

#[derive(Debug)]
struct Seen {
    /// `None` once it is gone.
    peer: Option<Peer>,
    number: u64,
    /// Our last call that it has answered.
    answered: u64,
    at: Instant,
}

impl Roll {
    pub(super) fn new(hub: u64, stage: Stage) -> Self {
        Roll {
            hub,
            stage,
            entering: None,
            said: 0,
            seen: BTreeMap::new(),
            tidied: None,
        }
    }

    /// This hub is about to enter a stage, or has given that up. To be said before anybody
    /// is called.
    pub(super) fn intend(&mut self, stage: Option<Stage>) {
        self.entering = stage;
    }

    /// This hub has entered a stage.
    pub(super) fn reached(&mut self, stage: Stage) {
        self.stage = stage;
        self.entering = None;
    }

    /// What is said of this hub, which listens on these sides.
    pub(super) fn say(&mut self, hears: [bool; 2]) -> Announcement {
        self.said += 1;
        Announcement {
            peer: Peer {
                hub: self.hub,
                stage: self.stage,
                entering: self.entering,
                hears,
            },
            number: self.said,
            call: false,
            answers: None,
            gone: false,
        }
    }

    /// The same, and who hears it is to answer: see [`answered`](Roll::answered).
    pub(super) fn call(&mut self, hears: [bool; 2]) -> (Announcement, Call) {
        let said = Announcement {
            call: true,
            ..self.say(hears)
        };
        let call = Call {
            hub: self.hub,
            number: said.number,
        };
        (said, call)
    }

    /// The same, as an answer.
    pub(super) fn answer(&mut self, hears: [bool; 2], call: Call) -> Announcement {
        Announcement {
            answers: Some(call),
            ..self.say(hears)
        }
    }

    /// The last word.
    pub(super) fn farewell(&mut self) -> Announcement {
        Announcement {
            gone: true,
            ..self.say([false; 2])
        }
    }

    /// Somebody has said something; the call that is to be answered, if it was one.
    pub(super) fn heard(&mut self, said: Announcement, now: Instant) -> Option<Call> {
        let Announcement { peer, number, .. } = said;
        let hub = peer.hub;
        if hub == self.hub {
            return None;
        }
        if self.tidied.is_none_or(|at| at + EVERY <= now) {
            self.tidied = Some(now);
            self.tidy(now);
        }
        let seen = self.seen.entry(hub).or_insert(Seen {
            peer: None,
            number: 0,
            answered: 0,
            at: now,
        });
        seen.at = now;
        if let Some(call) = said.answers
            && call.hub == self.hub
        {
            // Whatever is known of it is no older than this.
            seen.answered = seen.answered.max(call.number);
        }
        if number > seen.number {
            seen.number = number;
            seen.peer = (!said.gone).then_some(peer);
        }
        said.call.then_some(Call { hub, number })
    }

    /// Those who are there.
    pub(super) fn present(&mut self, now: Instant) -> Vec<Peer> {
        self.tidy(now);
        self.seen
            .values()
            .filter_map(|seen| seen.peer.clone())
            .collect()
    }

    /// Who has left keeps its place until then, lest an older word brings it back.
    fn tidy(&mut self, now: Instant) {
        self.seen.retain(|_, seen| seen.at + SILENT > now);
    }

    /// How many of those who are there have answered a call of this hub.
    pub(super) fn answered(&self, call: Call) -> usize {
        let answered = |seen: &&Seen| seen.peer.is_some() && seen.answered >= call.number;
        self.seen.values().filter(answered).count()
    }

    /// How a change stands that this hub is about to make, once all have answered a call
    /// that came after it was said.
    pub(super) fn standing(&mut self, change: Change, now: Instant) -> Standing {
        let peers = self.present(now);
        let barring = |stage: fn(&Peer) -> Option<Stage>| {
            let barring = peers
                .iter()
                .filter(|peer| stage(peer).is_some_and(|stage| change.is_barred_by(stage)));
            barring.cloned().collect::<Vec<_>>()
        };
        let there = barring(|peer| Some(peer.stage));
        if !there.is_empty() {
            return Standing::Barred(there);
        }
        let coming = barring(|peer| peer.entering);
        if coming.is_empty() {
            Standing::Free
        } else if coming.iter().any(|peer| peer.hub < self.hub) {
            Standing::Barred(coming)
        } else {
            Standing::Waits(coming)
        }
    }
}

/// Listeners of a side that no hub is: neither this one, which `hears`, nor a peer.
pub(super) fn strangers(listeners: u64, side: Side, hears: [bool; 2], peers: &[Peer]) -> u64 {
    let known = peers
        .iter()
        .map(|peer| peer.hears)
        .chain([hears])
        .filter(|hears| hears[side.index()])
        .count();
    listeners.saturating_sub(known as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn roll(hub: u64, stage: Stage) -> Roll {
        Roll::new(hub, stage)
    }

    fn peer(hub: u64, stage: Stage) -> Peer {
        Peer {
            hub,
            stage,
            entering: None,
            hears: Side::BOTH.map(|side| stage.reads(side)),
        }
    }

    fn said(peer: Peer, number: u64) -> Announcement {
        Announcement {
            peer,
            number,
            call: false,
            answers: None,
            gone: false,
        }
    }

    #[test]
    fn what_a_hub_says_is_read_as_it_was_said() {
        let mut one = roll(0xc0ffee, Stage::DualRead);
        one.intend(Some(Stage::NewWrite));
        let (call, question) = one.call([true, false]);
        let answer = one.answer([true, true], question);
        let last = one.farewell();
        for said in [call, answer, last] {
            assert_eq!(Announcement::parse(said.text().as_bytes()), Some(said));
        }
        for foreign in [
            "",
            "{}",
            "null",
            r#"{"hub":"x","number":1,"stage":"old","hears":[]}"#,
            r#"{"hub":"1","stage":"old","hears":[]}"#,
            r#"{"hub":"1","number":1}"#,
        ] {
            assert_eq!(Announcement::parse(foreign.as_bytes()), None, "{foreign}");
        }
    }

    #[test]
    fn who_is_silent_or_said_goodbye_is_gone() {
        let now = Instant::now();
        let mut us = roll(9, Stage::Old);
        let mut two = roll(2, Stage::Old);
        let late = two.say([true; 2]);
        let (_, call) = us.call([true; 2]);
        us.heard(said(peer(1, Stage::Old), 1), now);
        us.heard(two.answer([true; 2], call), now);
        us.heard(roll(3, Stage::Old).answer([true; 2], call), now);
        assert_eq!(us.answered(call), 2);
        us.heard(two.farewell(), now);
        us.heard(late, now);
        assert_eq!(us.answered(call), 1, "it is gone, whatever it said before");
        us.heard(said(peer(3, Stage::DualRead), 2), now + SILENT / 2);
        assert_eq!(us.present(now + SILENT), [peer(3, Stage::DualRead)]);
        assert_eq!(us.seen.len(), 1);
    }

    #[test]
    fn who_came_and_went_is_forgotten_though_nobody_asks() {
        let now = Instant::now();
        let mut us = roll(0, Stage::Old);
        for hub in 1..1_000 {
            let at = now + EVERY * u32::try_from(hub).unwrap();
            us.heard(said(peer(hub, Stage::Old), 1), at);
        }
        assert!(us.seen.len() <= 31, "{}", us.seen.len());
    }

    #[test]
    fn an_older_word_undoes_nothing_and_is_no_answer() {
        let now = Instant::now();
        let (mut us, mut other) = (roll(1, Stage::DualRead), roll(2, Stage::DualRead));
        let before = other.say([true; 2]);
        other.intend(Some(Stage::Old));
        let (question, asked) = other.call([true; 2]);
        assert_eq!(us.heard(question, now), Some(asked));
        let (_, call) = us.call([true; 2]);
        us.heard(before, now);
        assert_eq!(us.answered(call), 0);
        let change = Change::Write(Side::New);
        let Standing::Waits(coming) = us.standing(change, now) else {
            panic!("it is about to go back");
        };
        assert_eq!(coming[0].entering, Some(Stage::Old));
    }

    #[test]
    fn listeners_that_nobody_answers_for_are_strangers() {
        let us = [true, true];
        let peers = [peer(2, Stage::DualRead), peer(3, Stage::Old)];
        assert_eq!(strangers(3, Side::Old, us, &peers), 0);
        assert_eq!(strangers(5, Side::Old, us, &peers), 2);
        assert_eq!(strangers(2, Side::New, us, &peers), 0);
        assert_eq!(strangers(1, Side::New, us, &peers), 0);
    }

    /// A hub as `entering` drives it.
    struct Node {
        roll: Roll,
        trying: Option<(Stage, Change, Call)>,
    }

    /// Hubs, and what is on its way between each two of them. Words of one hub may overtake
    /// each other: several threads send them.
    struct World {
        now: Instant,
        nodes: Vec<Node>,
        wires: Vec<(usize, Announcement)>,
        entered: usize,
        refused: usize,
    }

    impl World {
        fn new(stages: &[Stage]) -> Self {
            let nodes = stages.iter().enumerate().map(|(at, stage)| Node {
                roll: roll(at as u64, *stage),
                trying: None,
            });
            World {
                now: Instant::now(),
                nodes: nodes.collect(),
                wires: Vec::new(),
                entered: 0,
                refused: 0,
            }
        }

        fn send(&mut self, from: usize, said: Announcement) {
            let others = (0..self.nodes.len()).filter(|to| *to != from);
            self.wires.extend(others.map(|to| (to, said.clone())));
        }

        fn begin(&mut self, at: usize, to: Stage) {
            let node = &mut self.nodes[at];
            let change = Change::between(node.roll.stage, to);
            let Some(change) = change.filter(|_| node.trying.is_none()) else {
                return;
            };
            if let Change::Hear(_) = change {
                node.roll.reached(to);
                let said = node.roll.say([true; 2]);
                return self.send(at, said);
            }
            node.roll.intend(Some(to));
            let (said, call) = node.roll.call([true; 2]);
            node.trying = Some((to, change, call));
            self.send(at, said);
        }

        /// Brings the word that stands there.
        fn bring(&mut self, at: usize) {
            let (to, said) = self.wires.swap_remove(at % self.wires.len());
            if let Some(call) = self.nodes[to].roll.heard(said, self.now) {
                let answer = self.nodes[to].roll.answer([true; 2], call);
                self.send(to, answer);
            }
        }

        /// Looks whether a hub may go on; `ends` when it has no more time.
        fn look(&mut self, at: usize, ends: bool) {
            let others = self.nodes.len() - 1;
            let node = &mut self.nodes[at];
            let Some((to, change, call)) = node.trying else {
                return;
            };
            let enters = if node.roll.answered(call) < others {
                ends.then_some(false)
            } else {
                match node.roll.standing(change, self.now) {
                    Standing::Free => Some(true),
                    Standing::Waits(_) => ends.then_some(false),
                    Standing::Barred(_) => Some(false),
                }
            };
            let Some(enters) = enters else {
                return;
            };
            node.trying = None;
            match enters {
                true => node.roll.reached(to),
                false => node.roll.intend(None),
            }
            self.entered += usize::from(enters);
            self.refused += usize::from(!enters);
            let said = node.roll.say([true; 2]);
            self.send(at, said);
            self.check();
        }

        /// Where anybody writes, everybody reads.
        fn check(&self) {
            let stages: Vec<Stage> = self.nodes.iter().map(|node| node.roll.stage).collect();
            for one in &stages {
                let all = stages.iter().all(|other| other.reads(one.writes()));
                assert!(all, "{stages:?}");
            }
        }

        /// All goes on in this order until nothing is on its way.
        fn settle(&mut self, order: &mut impl Iterator<Item = usize>) {
            while !self.wires.is_empty() {
                let next = order.next().unwrap();
                self.bring(next);
                self.look(next / 7 % self.nodes.len(), false);
            }
            for _ in 0..2 {
                for at in 0..self.nodes.len() {
                    self.look(at, false);
                }
                while !self.wires.is_empty() {
                    self.bring(0);
                }
            }
        }
    }

    proptest! {
        /// Whatever hubs try, whenever their words arrive and whenever they give up.
        #[test]
        fn where_anybody_writes_everybody_reads(
            first in 0..3_usize,
            among in prop::collection::vec(any::<bool>(), 2..5),
            steps in prop::collection::vec((0..8_u8, any::<usize>(), 0..4_usize), 0..400),
        ) {
            let stages: Vec<Stage> = among
                .iter()
                .map(|later| Stage::ALL[first + usize::from(*later)])
                .collect();
            let mut world = World::new(&stages);
            for (what, at, to) in steps {
                let node = at % world.nodes.len();
                match what {
                    0 => world.begin(node, Stage::ALL[to]),
                    1 => world.look(node, to == 0),
                    // A heartbeat that may be late.
                    2 => {
                        let said = world.nodes[node].roll.say([true; 2]);
                        world.send(node, said);
                    }
                    _ if world.wires.is_empty() => {}
                    _ => world.bring(at),
                }
            }
        }

        /// Two that go opposite ways at once: one arrives, and both know where they are.
        #[test]
        fn of_two_that_go_opposite_ways_one_arrives(
            swapped in any::<bool>(),
            order in prop::collection::vec(any::<usize>(), 64),
        ) {
            let mut world = World::new(&[Stage::DualRead; 2]);
            let mut order = order.into_iter().cycle();
            let ways = match swapped {
                false => [Stage::NewWrite, Stage::Old],
                true => [Stage::Old, Stage::NewWrite],
            };
            for (at, to) in ways.into_iter().enumerate() {
                world.begin(at, to);
                if order.next().unwrap() % 2 == 0 {
                    world.bring(0);
                }
            }
            world.settle(&mut order);
            prop_assert_eq!((world.entered, world.refused), (1, 1));
        }
    }
}
