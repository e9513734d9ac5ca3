//! A topic while its log is read: what the pages bring, what is gone, and what is held
//! meanwhile.
//!
//! # Invariants
//!
//! - What is held is in the log as well, or is counted when it has to be let go.
//! - A number that the log has no more is no loss if what is held has it, or if it is our
//!   own. Where events may have been had under other numbers, those count as lost that
//!   their publishers' serials show, and of the rest it is said that nobody knows.

use super::{
    super::{
        Page, SKEW_MICROS, Shared,
        publishers::Serial,
        stock::{Held, Stock},
    },
    Standing, State, Track,
};
use crate::redis::{
    arrival::Deliver,
    log::repair::{Ask, Found, Hole, Place, Position, Progress, Repair},
    wire::envelope::{self, Arrival, Envelope, Stamps},
};

/// Events without a log that are remembered as let go. Of more the serials of their
/// publishers tell, once these go on.
const MOST_OWED: usize = 4_096;

/// A log that is being read.
#[derive(Debug)]
pub(super) struct Repairing {
    pub(super) repair: Repair,
    /// The read that is under way.
    pub(super) ticket: Option<u64>,
    pub(super) stock: Stock,
    /// Held events that were let go and are in the log: it has to be read once more.
    pub(super) again: bool,
    /// Those that are in no log, by publisher and serial.
    pub(super) owed: Vec<(u64, u64)>,
}

impl Track {
    /// The read that is under way will never be answered: it is wanted again.
    pub(in super::super) fn give_back(&mut self, topic: &str, shared: &mut Shared) {
        if let State::Repairing(repairing) = &mut self.state
            && repairing.ticket.take().is_some()
        {
            shared.want(topic);
        }
    }

    /// What to read now, if anything; the read is then under way.
    pub(in super::super) fn ask(&mut self, ticket: u64) -> Option<Ask> {
        let State::Repairing(repairing) = &mut self.state else {
            return None;
        };
        if repairing.ticket.is_some() {
            return None;
        }
        repairing.ticket = Some(ticket);
        repairing.stock.known = repairing.stock.held.len();
        Some(repairing.repair.ask())
    }

    /// Whether this read is under way.
    pub(in super::super) fn awaits(&self, ticket: u64) -> bool {
        match &self.state {
            State::Repairing(repairing) => repairing.ticket == Some(ticket),
            _ => false,
        }
    }

    /// The read was not done; it is wanted still.
    pub(in super::super) fn undone(&mut self, topic: &str, ticket: u64, shared: &mut Shared) {
        if let State::Repairing(repairing) = &mut self.state
            && repairing.ticket == Some(ticket)
        {
            repairing.ticket = None;
            shared.want(topic);
        }
    }

    /// What the read brought.
    pub(in super::super) fn read<B: AsRef<[u8]>>(
        &mut self,
        topic: &str,
        ticket: u64,
        page: Page<'_, B>,
        shared: &mut Shared,
        out: &mut impl Deliver,
    ) {
        let Some(mut repairing) = self.take(ticket) else {
            return;
        };
        let Repairing { repair, stock, .. } = &mut *repairing;
        let progress = repair.read(
            page.head,
            page.entries,
            page.is_last,
            &mut |found| match found {
                Found::Stand(position) => self.stand(position),
                Found::Gone(hole) => self.gone(topic, hole, stock, shared, out),
                Found::Unreadable(number) => self.unreadable(topic, number, shared, out),
                Found::Event(envelope, position) => {
                    self.entry(topic, envelope, position, shared, out);
                }
                Found::Doubtful(envelope, position) => match self.is_news(&envelope.stamps) {
                    true => self.entry(topic, envelope, position, shared, out),
                    false => self.stand(position),
                },
            },
        );
        self.is_doubtful = progress == Progress::More && !repair.is_certain();
        repairing.ticket = None;
        match progress {
            Progress::More => {
                self.state = State::Repairing(repairing);
                shared.want(topic);
            }
            Progress::End | Progress::Anew => {
                if progress == Progress::Anew {
                    repairing.again = true;
                    repairing.stock.known = 0;
                }
                let was_unseen = self.is_unseen;
                self.end(topic, repairing, shared, out);
                if was_unseen && self.place.is_none() {
                    self.place = Some(Place::Start);
                }
            }
        }
    }

    /// The log cannot be read: what is missing is lost.
    pub(in super::super) fn unread(
        &mut self,
        topic: &str,
        ticket: u64,
        shared: &mut Shared,
        out: &mut impl Deliver,
    ) {
        let Some(mut repairing) = self.take(ticket) else {
            return;
        };
        // Numbers of what is held tell how much; without any, nobody knows.
        if repairing.stock.held.is_empty() {
            shared.lost_some(topic, out);
        }
        repairing.stock.known = repairing.stock.held.len();
        repairing.again = false;
        let was_unseen = self.is_unseen;
        self.end(topic, repairing, shared, out);
        self.is_unseen = was_unseen && self.place.is_none();
    }

    fn take(&mut self, ticket: u64) -> Option<Box<Repairing>> {
        match std::mem::replace(&mut self.state, State::Open) {
            State::Repairing(repairing) if repairing.ticket == Some(ticket) => Some(repairing),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Whether an event of a log whose numbers say nothing counts here: it is of a publisher
    /// who was heard before, or not older than the listening.
    fn is_news(&self, stamps: &Stamps) -> bool {
        let is_old = stamps.micros.saturating_add(SKEW_MICROS) < self.since;
        !is_old || self.publishers.knows(stamps.publisher)
    }

    fn entry(
        &mut self,
        topic: &str,
        mut envelope: Envelope<'_>,
        position: Position,
        shared: &mut Shared,
        out: &mut impl Deliver,
    ) {
        envelope.stamps.number = position.number;
        self.apply(topic, envelope, true, shared, out);
    }

    fn unreadable(
        &mut self,
        topic: &str,
        number: u64,
        shared: &mut Shared,
        out: &mut impl Deliver,
    ) {
        shared.tally.unreadable += 1;
        if let Some(Place::At(at)) = &mut self.place {
            at.number = number;
        }
        if self.ours.between(number - 1, number) == 0 {
            self.lose(topic, 1, shared, out);
        }
    }

    /// Entries are gone from the log. What is held of them takes their place.
    fn gone(
        &mut self,
        topic: &str,
        hole: Hole,
        stock: &mut Stock,
        shared: &mut Shared,
        out: &mut impl Deliver,
    ) {
        let mut rest = hole;
        for held in stock.take(&hole, shared) {
            let number = held.stamps.number;
            if number <= rest.after {
                // It came twice.
                continue;
            }
            let before = Hole {
                last: number - 1,
                ..rest
            };
            self.missing(topic, before, shared, out);
            rest.after = number;
            self.unpack(topic, &held, false, shared, out);
        }
        self.missing(topic, rest, shared, out);
    }

    /// Nobody has these any more.
    fn missing(&mut self, topic: &str, hole: Hole, shared: &mut Shared, out: &mut impl Deliver) {
        let missing = hole.last - hole.after - self.ours.between(hole.after, hole.last);
        let doubtful = match hole.is_certain {
            true => missing.min(self.formerly.between(hole.after, hole.last)),
            false => missing,
        };
        self.doubtful = self.doubtful.saturating_add(doubtful);
        if missing > doubtful {
            self.lose(topic, missing - doubtful, shared, out);
        }
    }

    /// Hands on what was held; by its publisher alone if it `has_strayed`.
    fn unpack(
        &mut self,
        topic: &str,
        held: &Held,
        has_strayed: bool,
        shared: &mut Shared,
        out: &mut impl Deliver,
    ) {
        if let Arrival::Enveloped(mut envelope) = envelope::decode(&held.bytes) {
            if has_strayed {
                envelope.stamps.number = 0;
                // It may be behind the place, under another number.
                self.is_doubtful = true;
            }
            self.apply(topic, envelope, false, shared, out);
        }
    }

    /// The end of the log was reached: now what came meanwhile.
    fn end(
        &mut self,
        topic: &str,
        mut repairing: Box<Repairing>,
        shared: &mut Shared,
        out: &mut impl Deliver,
    ) {
        self.is_unseen = false;
        for (publisher, serial) in std::mem::take(&mut repairing.owed) {
            let heard = self.publishers.heard(publisher, serial, shared.second);
            if let Serial::New { missed } = heard {
                shared.lost(topic, missed + 1, out);
            }
        }
        let is_certain = repairing.repair.is_certain();
        let stock = &mut repairing.stock;
        while let Some(held) = stock.held.front() {
            let stamps = held.stamps;
            match self.standing(&stamps) {
                Standing::Ahead(_) | Standing::Elsewhere | Standing::Astray if stock.known == 0 => {
                    break;
                }
                // The log was read after it came, and has nothing of what is before it.
                Standing::Ahead(missed) => {
                    let hole = Hole {
                        after: stamps.number - 1 - missed,
                        last: stamps.number - 1,
                        lineage: Some(stamps.lineage),
                        is_certain,
                    };
                    self.missing(topic, hole, shared, out);
                }
                _ => {}
            }
            let standing = self.standing(&stamps);
            // Present: it was looked at above.
            let Some(held) = stock.pop(shared) else {
                break;
            };
            match standing {
                Standing::Seen => shared.seen(&stamps),
                // Of a log that is no more: it counts for its publisher alone.
                Standing::Elsewhere | Standing::Astray => {
                    self.unpack(topic, &held, true, shared, out);
                }
                Standing::Next | Standing::Ahead(_) => {
                    self.unpack(topic, &held, false, shared, out);
                }
            }
        }
        if stock.held.is_empty() && !repairing.again {
            self.state = State::Open;
            if std::mem::take(&mut self.doubtful) > 0 {
                shared.lost_some(topic, out);
            }
            return;
        }
        repairing.repair = self.repair();
        repairing.again = false;
        self.state = State::Repairing(repairing);
        shared.want(topic);
    }
}

impl Repairing {
    pub(super) fn hold(&mut self, stamps: Stamps, bytes: &[u8], shared: &mut Shared) {
        let held = Held::new(stamps, bytes);
        if shared.held + held.weight() > shared.most_held {
            self.let_go(shared);
        }
        if shared.held + held.weight() > shared.most_held {
            // Others hold as much as may be held.
            return self.forgo(stamps, shared);
        }
        self.stock.push(held, shared);
    }

    /// Lets everything go that is held: the log has it, or it is owed.
    fn let_go(&mut self, shared: &mut Shared) {
        for held in self.stock.clear(shared) {
            self.forgo(held.stamps, shared);
        }
    }

    /// One is not held: it is in the log, or is told as lost in its turn.
    fn forgo(&mut self, stamps: Stamps, shared: &Shared) {
        if stamps.number != 0 {
            self.again = true;
        } else {
            owe(&mut self.owed, &stamps, shared);
        }
    }
}

/// Notes an event that is let go, if it is in no log.
pub(super) fn owe(owed: &mut Vec<(u64, u64)>, stamps: &Stamps, shared: &Shared) {
    if stamps.number == 0 && !shared.is_ours(stamps.publisher) && owed.len() < MOST_OWED {
        owed.push((stamps.publisher, stamps.serial));
    }
}
