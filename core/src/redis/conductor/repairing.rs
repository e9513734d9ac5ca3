//! Reading logs, after breaks and where numbers are missing.
//!
//! The inbox says what to read; this reads it, at each link one pipeline after another
//! (`desks`).
//! Pages are sized by what entries were seen to weigh, so that neither a server nor its
//! output buffer for us is held up; where connections break over reads, `suspects` says how
//! to go on.
//!
//! # Invariants
//!
//! - Every read that the inbox asks for is done, or given back, or refused.
//! - The inbox is never borrowed across an `await`.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval, sleep_until},
};

use super::{
    Conductor,
    desks::{Answered, Desks, Rounds},
    pieces,
    suspects::{self, Step, Suspects, Weight},
};
use crate::{
    backplane::Condition,
    redis::{
        arrival::Stamp,
        inbox::{Page, Read},
        log::{query, repair::Ask},
        socket::{Commands, Reply},
        topology::LinkId,
        watch::code,
    },
};

/// Entries per page.
const PAGE: usize = 128;
/// What a pipeline may bring, in bytes, should all its pages be full.
const PIPELINE: usize = 2 << 20;
/// What an entry is taken to weigh before one was seen, and the least and most after.
const ENTRY: usize = 16 << 10;
const LIGHTEST: usize = 256;
const HEAVIEST: usize = 1 << 20;
/// When to try again what a server could not do just now.
const LATER: Duration = Duration::from_millis(100);
/// When to look again whether somebody is there, should no link have come.
const AWAY: Duration = Duration::from_secs(1);
/// How often what is silent is forgotten.
const SWEEP: Duration = Duration::from_secs(30);
/// For how long it is said that an entry is larger than the server sends.
const REMEMBERED: Duration = Duration::from_secs(60);

/// What there is to read, beside what the inbox knows.
pub(super) struct Repairs {
    wanted: Notify,
    entry_bytes: Cell<usize>,
    /// What a pipeline may bring, as far as a server has said what it lets wait.
    room: Cell<usize>,
    /// Reads that wait for a moment.
    later: RefCell<Vec<Read>>,
    /// Until then.
    again: Cell<Option<Instant>>,
    /// Reads whose logs nobody is there for. There may be many, for long: they are left
    /// alone until a link stands again.
    homeless: RefCell<Vec<Read>>,
    /// One stands again.
    may_return: Cell<bool>,
    /// It was said that logs cannot be read.
    was_refused: Cell<bool>,
    suspects: RefCell<Suspects>,
    /// When an entry was found last that is larger than the server sends.
    oversized: Cell<Option<Instant>>,
}

impl Default for Repairs {
    fn default() -> Self {
        Repairs {
            wanted: Notify::new(),
            entry_bytes: Cell::new(ENTRY),
            room: Cell::new(PIPELINE),
            later: RefCell::default(),
            again: Cell::new(None),
            homeless: RefCell::default(),
            may_return: Cell::new(false),
            was_refused: Cell::new(false),
            suspects: RefCell::default(),
            oversized: Cell::new(None),
        }
    }
}

impl Repairs {
    /// There is something to read.
    pub(super) fn wake(&self) {
        self.wanted.notify_one();
    }

    /// Somebody may be there for logs that nobody was there for.
    pub(super) fn return_home(&self) {
        self.may_return.set(true);
        self.wake();
    }

    /// A read is to be tried again in a moment.
    fn put_off(&self, read: Read) {
        self.later.borrow_mut().push(read);
        let again = self.again.get();
        self.again.set(again.or(Some(Instant::now() + LATER)));
    }

    /// The heaviest entry of a pipeline was so heavy.
    fn weighed(&self, heaviest: usize) {
        let least = (self.entry_bytes.get() / 2).max(LIGHTEST);
        self.entry_bytes.set(heaviest.max(least).min(HEAVIEST));
    }

    /// A server may have said how much it lets wait: what it is asked for at once stays well
    /// below.
    fn limited(&self, limit: Option<u64>) {
        let most = limit.and_then(|limit| usize::try_from(limit / 2).ok());
        self.room.set(most.unwrap_or(PIPELINE).min(PIPELINE));
    }

    /// A connection broke over a pipeline: should that have been too much for the server,
    /// the next is not.
    fn broke(&self) {
        let bytes = self.entry_bytes.get();
        self.entry_bytes.set((bytes * 4).min(HEAVIEST));
    }
}

impl Conductor {
    /// Reads what the inbox wants read, for as long as the hub lives.
    pub(super) async fn repair(self: Rc<Self>) {
        let mut sweeps = interval(SWEEP);
        let mut returns = interval(AWAY);
        returns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut desks, mut rounds) = (Desks::default(), Rounds::default());
        // Begun anew after a fault, it knows nothing of the reads that were under way.
        self.inbox.borrow_mut().give_back();
        loop {
            self.deal(&mut desks, &mut rounds);
            let again = self.repairs.again.get();
            tokio::select! {
                answered = rounds.next(), if !rounds.is_empty() => {
                    desks.end(answered.link);
                    self.answered(answered);
                    self.count();
                }
                () = self.repairs.wanted.notified() => {}
                () = sleep_until(again.unwrap_or_else(Instant::now).into()), if again.is_some() => {
                    self.repairs.again.set(None);
                    self.give_back(self.repairs.later.take());
                }
                _ = returns.tick(), if !self.repairs.homeless.borrow().is_empty() => {
                    self.repairs.return_home();
                }
                _ = sweeps.tick() => self.sweep(),
            }
            if self.repairs.may_return.take() {
                self.give_back(self.repairs.homeless.take());
            }
        }
    }

    fn sweep(&self) {
        let now = Stamp::now();
        self.inbox.borrow_mut().sweep(now);
        self.repairs.suspects.borrow_mut().sweep(now.instant);
        let found = self.repairs.oversized.get();
        if found.is_some_and(|at| now.instant.saturating_duration_since(at) >= REMEMBERED) {
            self.repairs.oversized.set(None);
            self.unsay(code::OVERSIZED);
        }
    }

    /// Reads that were not done are wanted again.
    fn give_back(&self, reads: Vec<Read>) {
        let mut inbox = self.inbox.borrow_mut();
        for read in reads {
            inbox.undone(&read);
        }
    }

    /// Brings what is wanted to the links, and begins to read where nothing is being read.
    fn deal(&self, desks: &mut Desks, rounds: &mut Rounds) {
        loop {
            let Some(read) = self.inbox.borrow_mut().next_read() else {
                break;
            };
            match self.home(&read.topic) {
                Some((link, _)) => desks.add(link, read),
                None => self.repairs.homeless.borrow_mut().push(read),
            }
        }
        while let Some((link, reads)) = desks.begin() {
            match self.begin(link, reads, desks) {
                Some(round) => rounds.push(round),
                None => desks.end(link),
            }
        }
    }

    /// Reads for a link, as many as one pipeline may bring. None if none of them is its own
    /// any more.
    fn begin(
        &self,
        link: LinkId,
        reads: VecDeque<Read>,
        desks: &mut Desks,
    ) -> Option<impl Future<Output = Answered> + 'static> {
        let room = self.repairs.room.get() / self.repairs.entry_bytes.get();
        let page = (room / reads.len().max(1)).clamp(1, PAGE);
        let at_once = (room / page).max(1);
        let mut commands = Commands::default();
        let (mut asked, mut session) = (Vec::new(), None);
        let wary = self.repairs.oversized.get().is_some();
        for read in reads {
            let step = self.repairs.suspects.borrow().step(&read, page, wary);
            let is_alone = asked.iter().any(|(_, step): &(Read, Step)| step.is_alone());
            if asked.len() == at_once || is_alone || step.is_alone() && !asked.is_empty() {
                desks.add(link, read);
                continue;
            }
            // While it waited, its topic may have been cut off, or have moved.
            if !self.inbox.borrow().awaits(&read) {
                continue;
            }
            match self.home(&read.topic) {
                Some((home, at)) if home == link => {
                    match step {
                        Step::Page(page) => query::ask(&mut commands, &read.topic, read.ask, page),
                        Step::Alone => query::ask(&mut commands, &read.topic, read.ask, 1),
                        Step::Weigh => suspects::ask(&mut commands, &read, page),
                        Step::Anew => query::ask_head(&mut commands, &read.topic),
                        // Asked for one after the other, below.
                        Step::Pieces(_) => {}
                    }
                    asked.push((read, step));
                    session = Some(at);
                }
                Some((home, _)) => desks.add(home, read),
                None => self.repairs.homeless.borrow_mut().push(read),
            }
        }
        let session = session?;
        if asked.iter().any(|(_, step)| *step == Step::Weigh) {
            suspects::ask_limit(&mut commands);
        }
        let replies = session.request(commands);
        Some(async move {
            let replies = match &asked[..] {
                [(read, Step::Pieces(number))] => pieces::read(&session, read, *number).await,
                _ => replies.await,
            };
            Answered {
                link,
                reads: asked,
                replies,
            }
        })
    }

    fn answered(self: &Rc<Self>, answered: Answered) {
        let Answered {
            link,
            reads,
            replies,
        } = answered;
        match replies {
            Ok(replies) => self.settle(link, &reads, replies),
            Err(_) => {
                if reads.iter().any(|(_, step)| matches!(step, Step::Page(_))) {
                    self.repairs.broke();
                }
                let now = Instant::now();
                for (read, step) in reads {
                    self.repairs.suspects.borrow_mut().broke(&read, step, now);
                    self.repairs.put_off(read);
                }
            }
        }
    }

    fn settle(self: &Rc<Self>, link: LinkId, reads: &[(Read, Step)], mut replies: Vec<Reply>) {
        let now = Stamp::now();
        let mut heaviest = 0;
        let mut limit = None;
        if reads.iter().any(|(_, step)| *step == Step::Weigh) {
            limit = replies.pop().as_ref().and_then(suspects::limit_of);
            self.repairs.limited(limit);
        }
        let mut replies = replies.into_iter();
        for (read, step) in reads {
            let head = match read.ask {
                Ask::Head { .. } | Ask::Page { .. } if *step != Step::Weigh => replies.next(),
                _ => Some(Reply::Nil),
            };
            let (Some(head), Some(page)) = (head, replies.next()) else {
                // What was read in pieces has gone meanwhile.
                self.repairs.suspects.borrow_mut().cleared(read);
                self.repairs.put_off(read.clone());
                continue;
            };
            if let Some(words) = head.error().or(page.error()) {
                self.read_refused(link, read, *step, words, now);
                continue;
            }
            if self.repairs.was_refused.replace(false) {
                self.unsay(code::UNREAD);
            }
            match step {
                Step::Weigh => self.found(read, Weight::of(&page), limit, now.instant),
                step => heaviest = heaviest.max(self.brought(read, *step, &head, page, now)),
            }
        }
        if heaviest > 0 {
            self.repairs.weighed(heaviest);
        }
    }

    /// The server has answered a read with an error.
    fn read_refused(
        self: &Rc<Self>,
        link: LinkId,
        read: &Read,
        step: Step,
        words: &str,
        now: Stamp,
    ) {
        if is_passing(words) {
            self.refused_by(link, words);
            self.repairs.put_off(read.clone());
        } else if let Step::Weigh | Step::Pieces(_) = step {
            // Scripts may be refused: it is read entry by entry.
            self.weighed(read, Weight::default(), now.instant);
        } else {
            let text = format!("the log of {:?} cannot be read: {words}", &*read.topic);
            self.say(code::UNREAD, Condition::Degraded, text);
            self.repairs.was_refused.set(true);
            self.inbox(|inbox, shore| inbox.unread(read, now, shore));
        }
    }

    /// The server has answered a read. What the heaviest of the entries weighs.
    fn brought(&self, read: &Read, step: Step, head: &Reply, page: Reply, now: Stamp) -> usize {
        let (mut entries, asked) = match step {
            Step::Page(asked) => (query::entries_of(page), asked),
            Step::Alone | Step::Pieces(_) => (query::entries_of(page), 1),
            // The round goes on with the whole log.
            Step::Anew | Step::Weigh => (Vec::new(), 0),
        };
        if step != Step::Anew {
            self.repairs.suspects.borrow_mut().cleared(read);
        }
        if read.ask == Ask::Newest {
            entries.reverse();
        }
        let page = Page {
            head: query::head_of(head),
            entries: &entries,
            is_last: entries.len() < asked,
        };
        self.inbox(|inbox, shore| inbox.read(read, page, now, shore));
        let weights = entries.iter().map(|entry| entry.bytes.len());
        weights.max().unwrap_or(0)
    }

    /// The server has said what a read would bring, and how much it lets wait.
    fn found(&self, read: &Read, weight: Weight, limit: Option<u64>, now: Instant) {
        if let Some(why) = weight.oversized(limit) {
            self.oversized(read, &why, now);
        }
        self.weighed(read, weight, now);
    }

    /// It is known what a read would bring, and it is wanted still.
    fn weighed(&self, read: &Read, weight: Weight, now: Instant) {
        let mut suspects = self.repairs.suspects.borrow_mut();
        suspects.weighed(read, weight, now);
        self.inbox.borrow_mut().undone(read);
    }

    fn oversized(&self, read: &Read, why: &str, now: Instant) {
        let text = format!(
            "an event of {:?} cuts off whoever listens, and is read from the log in pieces: {why}. \
             Raise its `client-output-buffer-limit pubsub`, or publish smaller events",
            &*read.topic,
        );
        self.repairs.oversized.set(Some(now));
        self.say(code::OVERSIZED, Condition::Degraded, text);
    }
}

/// Whether a refusal will pass: the server is loading, a slot is on its way.
fn is_passing(words: &str) -> bool {
    let code = words.split(' ').next().unwrap_or_default();
    matches!(
        code,
        "ASK" | "BUSY" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "MOVED" | "TRYAGAIN"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_grow_light_slowly_and_heavy_at_once() {
        let repairs = Repairs::default();
        repairs.weighed(100);
        assert_eq!(repairs.entry_bytes.get(), ENTRY / 2);
        repairs.weighed(10 << 20);
        assert_eq!(repairs.entry_bytes.get(), HEAVIEST);
        for _ in 0..64 {
            repairs.weighed(100);
        }
        assert_eq!(repairs.entry_bytes.get(), LIGHTEST);
        repairs.broke();
        assert_eq!(repairs.entry_bytes.get(), 4 * LIGHTEST);
    }

    #[test]
    fn a_pipeline_brings_half_of_what_the_server_lets_wait() {
        let repairs = Repairs::default();
        for (limit, room) in [
            (Some(256 << 10), 128 << 10),
            (Some(u64::MAX), PIPELINE),
            (Some(1 << 20), 512 << 10),
            (None, PIPELINE),
        ] {
            repairs.limited(limit);
            assert_eq!(repairs.room.get(), room);
        }
    }
}
