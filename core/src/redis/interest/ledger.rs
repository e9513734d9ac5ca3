//! Every name that is wanted on one connection, and how far it has come.
//!
//! ```text
//!            ┌──────────── refused, later ────────────┐
//!            ▼                                        │
//!   wanted  Waiting ──next──▶ Joining ──confirmed──▶ Heard ──unwanted, linger──▶ leaving
//!            ▲  ▲                │ refused                ▲ wanted again: free     │ next
//!            │  └── 30 s ── Refused                       └────────────────────────┤
//!            └──────── wanted again ──── Parting ◀──────────────────────────────────┘
//! ```
//!
//! What is wanted is a level that changes at any time; what is heard follows from the
//! server's confirmations alone. One step is under way at a time, so the answer to "what
//! next" is looked up when it can be sent and not when it was caused: a name that comes
//! and goes a thousand times while a step is under way is asked for once or not at all.
//!
//! # Invariants
//!
//! - A name is in the table while it is wanted or while the server may have it, and not
//!   longer. It owns no text: that is the hub's, shared.
//! - A waiting name stands in exactly one queue while a connection is open, and in none
//!   while there is none: an outage costs nothing that grows.
//! - The counts of what is held and what is missing are those of the table at any time.
//! - A name that the server refuses keeps nobody else from being served.

use std::time::{Duration, Instant};

use super::{
    audit::{Audit, Held, Verdict},
    batches::Step,
    queues::{LATER, Queues},
    table::{Entry, State, Table},
};
use crate::{backplane::Name, redis::socket::Kind};

/// How long the confirmations of a step may take on a connection that is alive.
const OVERDUE: Duration = Duration::from_secs(5);

/// The names of one connection.
pub(crate) struct Ledger {
    table: Table,
    linger: Duration,
    open: bool,
    under_way: Option<UnderWay>,
    queues: Queues,
    audit: Audit,
    /// While names are asked for again: how many the server has, and how many shard
    /// channels.
    theirs: Option<[u64; 2]>,
}

/// What a confirmation was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// The answer to a step.
    Asked,
    /// The same, and the server had lost it without a word: events are missing.
    Missed,
    /// The server took a subscription from us. It is asked for again if it is wanted.
    Lost,
    /// Of a name that is not in this ledger, or nothing new.
    Unknown,
}

/// What an error in answer to a command of a step meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The server does not let us hear these names. They are asked for again after a
    /// while, in case that it changed.
    Names(Vec<Name>),
    /// One of them is to blame: they are asked for in halves.
    Halved,
    /// It was none of the names' fault: they are asked for again soon.
    Later,
}

/// A moment at which somebody asked to be told once all is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(pub(super) u64);

struct UnderWay {
    step: Step,
    /// Names of it that were neither confirmed nor refused.
    unanswered: usize,
    since: Instant,
    /// The server has been asked, or will be before anything else.
    is_sent: bool,
}

impl Ledger {
    /// Of a connection that hears topics by `exact`; a name is given up when it was not
    /// wanted for `linger`, at most twice that.
    pub(crate) fn new(exact: Kind, linger: Duration) -> Self {
        Ledger {
            table: Table::new(exact),
            linger,
            open: false,
            under_way: None,
            queues: Queues::default(),
            audit: Audit::default(),
            theirs: None,
        }
    }

    /// Whether a name is wanted from now on.
    pub(crate) fn change(&mut self, name: &Name, wanted: bool, now: Instant) {
        if wanted {
            self.want(name);
        } else {
            self.unwant(name, now);
        }
    }

    fn want(&mut self, name: &Name) {
        let known = self.table.alter(name, |entry| {
            entry.rejoined |= entry.lingers;
            entry.wanted = true;
        });
        if known.is_none() {
            self.table.insert(name.clone());
            if self.open {
                self.queues.join(name.clone());
            }
        }
    }

    fn unwant(&mut self, name: &Name, now: Instant) {
        let open = self.open;
        let held = self.table.alter(name, |entry| {
            if !std::mem::replace(&mut entry.wanted, false) {
                return false;
            }
            match entry.state {
                // It stands in a queue, and is let go when its turn comes.
                State::Waiting if open => false,
                State::Waiting | State::Refused => {
                    entry.state = State::Gone;
                    false
                }
                State::Heard | State::Rejoining => !entry.lingers,
                State::Joining | State::Parting | State::Gone => false,
            }
        });
        if held == Some(true) {
            self.let_linger(name.clone(), now);
        }
    }

    /// Gives a name up that is heard and not wanted, in a while.
    fn let_linger(&mut self, name: Name, now: Instant) {
        self.table.alter(&name, |entry| entry.lingers = true);
        self.queues.linger(now + self.linger, name);
    }

    /// A connection stands: everything that is wanted is asked for.
    pub(crate) fn opened(&mut self, now: Instant) {
        self.broken();
        self.open = true;
        self.audit.opened(now);
        for name in self.table.names() {
            self.queues.join(name.clone());
        }
        if self.table.exact == Kind::Shard {
            self.queues.sort_by_slot();
        }
    }

    /// The connection is no more: nothing is heard.
    pub(crate) fn broken(&mut self) {
        self.open = false;
        self.under_way = None;
        self.queues = Queues::default();
        self.audit.broken();
        self.theirs = None;
        self.table.broken();
    }

    /// What is to be sent now, if anything. Nothing while a step is under way.
    pub(crate) fn next(&mut self, now: Instant) -> Option<&Step> {
        if !self.open || self.under_way.is_some() {
            return None;
        }
        self.take_due(now);
        let step = match self.queues.next(&mut self.table, now) {
            Some(batch) => Step::Names(batch),
            None if self.audit.due().is_some_and(|due| due <= now) => Step::Audit,
            None => return None,
        };
        let unanswered = match &step {
            Step::Names(batch) => batch.names().len(),
            Step::Audit => 0,
        };
        let under_way = self.under_way.insert(UnderWay {
            step,
            unanswered,
            since: now,
            is_sent: false,
        });
        Some(&under_way.step)
    }

    /// The step goes out: what is sent from here on, the server takes after it.
    pub(crate) fn sent(&mut self) {
        if let Some(under_way) = &mut self.under_way {
            under_way.is_sent = true;
        }
    }

    /// Puts in their queues whose time has come.
    fn take_due(&mut self, now: Instant) {
        while let Some(name) = self.queues.lingered(now) {
            self.lingered(name, now);
        }
        while let Some(name) = self.queues.refused(now) {
            let again = self.table.alter(&name, |entry| {
                let again = entry.state == State::Refused;
                if again {
                    entry.state = State::Waiting;
                }
                again
            });
            if again == Some(true) {
                self.queues.join(name);
            }
        }
    }

    fn lingered(&mut self, name: Name, now: Instant) {
        enum Then {
            Stay,
            Linger,
            Leave,
        }
        let then = self.table.alter(&name, |entry| {
            let lingered = std::mem::replace(&mut entry.lingers, false);
            let rejoined = std::mem::replace(&mut entry.rejoined, false);
            if !lingered || entry.wanted || !entry.is_held() {
                Then::Stay
            } else if rejoined {
                // It was wanted in between: its time began anew.
                Then::Linger
            } else if std::mem::replace(&mut entry.leaves, true) {
                Then::Stay
            } else {
                Then::Leave
            }
        });
        match then {
            None | Some(Then::Stay) => {}
            Some(Then::Linger) => self.let_linger(name, now),
            Some(Then::Leave) => self.queues.leave(name),
        }
    }

    /// From here on in the stream, the server sends us a name's events (`joined`) or not.
    pub(crate) fn confirmed(
        &mut self,
        kind: Kind,
        joined: bool,
        name: &[u8],
        held: u64,
        now: Instant,
    ) -> Confirmation {
        let grown = self.recount(kind, held);
        let Some((name, was, wanted)) = self.table.confirmed(kind, joined, name) else {
            return Confirmation::Unknown;
        };
        let asked = match (joined, was) {
            (true, State::Joining | State::Rejoining) => {
                if !wanted {
                    self.let_linger(name, now);
                }
                true
            }
            (false, State::Parting) => {
                if wanted {
                    self.queues.join_first(name);
                }
                true
            }
            (false, State::Heard) => {
                if wanted {
                    self.queues.join_first(name);
                }
                return Confirmation::Lost;
            }
            // It will be confirmed once more: that it is asked for is under way.
            (false, State::Rejoining) => return Confirmation::Lost,
            _ => false,
        };
        if !asked {
            return Confirmation::Unknown;
        }
        self.answered(1, now);
        if was == State::Rejoining && grown {
            return Confirmation::Missed;
        }
        Confirmation::Asked
    }

    /// Whether the server has more names than before, if both are known.
    fn recount(&mut self, kind: Kind, held: u64) -> bool {
        let Some([listed, shards]) = &mut self.theirs else {
            return false;
        };
        let before = match kind {
            Kind::Channel | Kind::Pattern => listed,
            Kind::Shard => shards,
        };
        std::mem::replace(before, held) < held
    }

    /// So many names of the step have their answer.
    fn answered(&mut self, names: usize, now: Instant) {
        if let Some(under_way) = &mut self.under_way {
            under_way.unanswered = under_way.unanswered.saturating_sub(names);
            if under_way.unanswered == 0 {
                self.under_way = None;
                self.audit.changed(now);
            }
        }
    }

    /// The step's command of this index was answered by an error.
    pub(crate) fn refused(&mut self, command: usize, words: &str, now: Instant) -> Refusal {
        let Some((kind, joined, names)) = self.unanswered(command) else {
            return Refusal::Later;
        };
        let count = names.len();
        let refusal = if !joined {
            for name in names {
                self.table.alter(&name, |entry| entry.state = State::Heard);
                self.let_linger(name, now + LATER);
            }
            Refusal::Later
        } else if !words.starts_with("NOPERM") {
            self.wait_again(&names);
            self.queues.join_later(kind, names, now);
            Refusal::Later
        } else if count <= 1 || words.contains("to run the") {
            for name in &names {
                self.table.alter(name, Entry::refuse);
                self.table.left.push(name.clone());
                self.queues.refuse(name.clone(), now);
            }
            Refusal::Names(names)
        } else {
            self.wait_again(&names);
            self.queues.join_in_halves(kind, names);
            Refusal::Halved
        };
        self.answered(count, now);
        refusal
    }

    /// The names of a command of the step that have no answer yet.
    fn unanswered(&mut self, command: usize) -> Option<(Kind, bool, Vec<Name>)> {
        let Step::Names(batch) = &self.under_way.as_ref()?.step else {
            return None;
        };
        let mut names = batch.commands().nth(command)?.to_vec();
        names.retain(|name| {
            self.table.alter(name, |entry| {
                matches!(
                    entry.state,
                    State::Joining | State::Rejoining | State::Parting
                )
            }) == Some(true)
        });
        Some((batch.kind, batch.joined, names))
    }

    fn wait_again(&mut self, names: &[Name]) {
        for name in names {
            self.table.alter(name, Entry::wait_again);
        }
    }

    /// The answer to `CLIENT INFO`, `None` when it was refused. `beside` are names that
    /// the connection hears and the ledger does not know.
    pub(crate) fn audited(&mut self, info: Option<&str>, beside: Held, now: Instant) -> Verdict {
        if let Some(UnderWay {
            step: Step::Audit, ..
        }) = self.under_way
        {
            self.under_way = None;
        }
        let verdict = self.audit.answered(info, self.held().and(beside), now);
        self.theirs = None;
        if let Verdict::Missing { theirs } = verdict {
            self.theirs = Some([theirs.channels + theirs.patterns, theirs.shards]);
            for name in self.table.ask_again() {
                self.queues.join(name);
            }
        }
        verdict
    }

    /// When [`next`](Ledger::next) or [`is_overdue`](Ledger::is_overdue) may have another
    /// answer without anything having come.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        if !self.open {
            return None;
        }
        if let Some(under_way) = &self.under_way {
            return Some(under_way.since + OVERDUE);
        }
        let dues = [self.queues.due(), self.audit.due()];
        dues.into_iter().flatten().min()
    }

    /// Whether a step has had no answer for too long: the connection is to be replaced.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.under_way
            .as_ref()
            .is_some_and(|under_way| under_way.since + OVERDUE <= now)
    }

    /// Whether the copy of an event that came by the topic's own subscription, or by a
    /// pattern, is the one that counts.
    pub(crate) fn carries(&self, pattern: Option<&str>, topic: &str) -> bool {
        match pattern {
            None => true,
            Some(pattern) => {
                !self.table.hears_exactly(topic) && self.table.carriers.carries(pattern, topic)
            }
        }
    }

    /// Whether messages of a topic come here, by its name or by a pattern.
    pub(crate) fn brings(&self, topic: &str) -> bool {
        self.table.hears_exactly(topic) || self.table.carriers.any(topic)
    }

    /// Whether what is published now may come back here: also by a name that the server
    /// was asked for and has not confirmed. Patterns on their way may be any.
    pub(crate) fn may_bring(&self, topic: &str) -> bool {
        let (sends, joins_patterns) = match &self.under_way {
            Some(UnderWay {
                step: Step::Names(batch),
                is_sent,
                ..
            }) if batch.joined => (*is_sent, *is_sent && batch.kind == Kind::Pattern),
            _ => (false, false),
        };
        joins_patterns || self.table.hears(topic, sends) || self.table.carriers.any(topic)
    }

    /// The names that were let go of or refused since this was last asked, and those that
    /// the step which is to be sent gives up.
    pub(crate) fn take_left(&mut self) -> Vec<Name> {
        std::mem::take(&mut self.table.left)
    }

    /// Whether a name is wanted here, or heard and not about to be given up.
    pub(crate) fn keeps(&self, name: &Name) -> bool {
        self.table.keeps(name)
    }

    /// Every name, wanted or heard.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.table.names()
    }

    /// Every name that is wanted.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &Name> {
        self.table.wanted()
    }

    /// How many names the server has for us, as far as it told.
    pub(crate) fn held(&self) -> Held {
        self.table.held
    }

    /// Whether every name has been asked for: what is still missing is to be asked again
    /// later.
    pub(crate) fn is_through(&self) -> bool {
        self.missing() == 0 || self.under_way.is_none() && self.queues.is_through()
    }

    /// Names that are wanted and not yet heard, without those that are refused.
    pub(crate) fn missing(&self) -> usize {
        self.table.missing[0] + self.table.missing[1]
    }

    /// Names that the server does not let us hear.
    pub(crate) fn refusals(&self) -> usize {
        self.table.refused
    }

    /// The same, by name.
    pub(crate) fn refused_names(&self) -> Vec<Name> {
        match self.refusals() {
            0 => Vec::new(),
            _ => self.table.refused_names().cloned().collect(),
        }
    }

    /// A mark to ask [`is_heard`](Ledger::is_heard) with.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.table.round)
    }

    /// Whether all that was wanted at the mark is heard by now, or refused.
    pub(crate) fn is_heard(&mut self, mark: Mark) -> bool {
        self.table.is_heard(mark)
    }

    /// Bytes that the ledger takes beside the texts of names.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes() + self.queues.bytes()
    }
}
