//! One topic: how far it is known, and what waits until it is known further.
//!
//! A track is *open* (what comes is judged at once), *cut* (nothing can come; what is
//! missing is to be found out when it is heard again), or *repairing* (the log is being
//! read; what comes meanwhile is held).
//!
//! # Invariants
//!
//! - Events of a log are handed on by rising place; a publisher's events by rising serial.
//! - Every number that is passed over is told as lost, once.
//! - What is held is in the log as well, or is counted when it has to be let go.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    Page, Shared,
    echo::Echoes,
    publishers::{Publishers, Serial},
};
use crate::redis::{
    arrival::Deliver,
    log::repair::{Ask, Found, Place, Position, Progress, Repair},
    wire::envelope::{self, Arrival, Envelope, Stamps},
};

/// How much later than its time an event of an unknown publisher may have been published
/// and still count as from before we listened: what clocks of machines differ by.
const SKEW_MICROS: u64 = 30_000_000;

/// Events without a log that are remembered as let go. Of more the serials of their
/// publishers tell, once these go on.
const MOST_OWED: usize = 4_096;

/// What the hub knows of one topic.
#[derive(Debug)]
pub(super) struct Track {
    state: State,
    place: Option<Place>,
    publishers: Publishers,
    echoes: Option<Box<Echoes>>,
    /// When it began to be heard, in µs since the epoch.
    since: u64,
    /// Its log appeared unheard, or could not be looked at, and has not been read yet: it is
    /// known by time alone from where it counts.
    is_unseen: bool,
    /// The second of the newest message.
    pub(super) heard: u32,
    /// The second of the newest plain one that was not an echo.
    plain: Option<u32>,
    /// Whether the topic is listened to by its name.
    pub(super) is_exact: bool,
}

#[derive(Debug)]
enum State {
    Open,
    Cut,
    Repairing(Box<Repairing>),
}

#[derive(Debug)]
struct Repairing {
    repair: Repair,
    /// The read that is under way.
    ticket: Option<u64>,
    held: VecDeque<Held>,
    bytes: usize,
    /// So many of the held were there when the read began.
    known: usize,
    /// Held events that were let go and are in the log: it has to be read once more.
    again: bool,
    /// Those that are in no log, by publisher and serial.
    owed: Vec<(u64, u64)>,
}

#[derive(Debug)]
struct Held {
    stamps: Stamps,
    bytes: Bytes,
}

/// Where a log's event stands to what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Next,
    Seen,
    /// So many are missing before it.
    Ahead(u64),
    /// It belongs to another numbering.
    Elsewhere,
}

impl Track {
    pub(super) fn new(shared: &Shared) -> Self {
        Track {
            state: State::Open,
            place: None,
            publishers: Publishers::default(),
            echoes: None,
            since: shared.now.micros,
            is_unseen: false,
            heard: shared.second,
            plain: None,
            is_exact: false,
        }
    }

    /// A topic whose log appeared while its pattern was cut off.
    pub(super) fn since(micros: u64, topic: &str, shared: &mut Shared) -> Self {
        let mut track = Track::new(shared);
        track.since = micros;
        track.is_unseen = true;
        track.begin(Repair::since(micros), topic, shared);
        track
    }

    /// How far its log goes before anything of it was heard.
    pub(super) fn placed(&mut self, place: Place) {
        if self.is_placed() {
            return;
        }
        self.place = Some(place);
    }

    /// It is heard, and how far its log goes is not known: after a break, everything since a
    /// time counts.
    pub(super) fn begun(&mut self, micros: u64) {
        self.since = micros;
        self.is_unseen = true;
    }

    /// Whether it is known where to go on in its log, be it by time.
    pub(super) fn is_placed(&self) -> bool {
        self.place.is_some() || self.is_unseen
    }

    /// Whether it is cut off.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self.state, State::Cut)
    }

    /// Whether its log is to be read before it is known again.
    pub(super) fn is_behind(&self) -> bool {
        match self.state {
            State::Open => false,
            State::Cut => self.place.is_some() || self.is_unseen,
            State::Repairing(_) => true,
        }
    }

    /// Whether nothing was heard of it since a second, and nothing is being read.
    pub(super) fn is_idle_since(&self, second: u32) -> bool {
        self.heard < second && !matches!(self.state, State::Repairing(_))
    }

    /// Whether nothing would be lost with it.
    pub(super) fn is_blank(&self) -> bool {
        self.place.is_none()
            && self.publishers.is_empty()
            && !self.is_unseen
            && !(self.is_cut() && self.plain.is_some())
    }

    /// Forgets publishers that were silent since before a second.
    pub(super) fn forget_before(&mut self, second: u32) {
        if self.is_cut() {
            return;
        }
        self.publishers.forget_before(second);
        if self.echoes.as_ref().is_some_and(|echoes| echoes.is_empty()) {
            self.echoes = None;
        }
    }

    // Plain messages.

    /// Whether a plain payload is what we sent ourselves.
    pub(super) fn is_echo(&mut self, payload: &[u8], shared: &Shared) -> bool {
        match &mut self.echoes {
            Some(echoes) if !echoes.is_empty() => {
                echoes.is_echo(shared.hash(payload), shared.second)
            }
            _ => false,
        }
    }

    /// A plain payload of somebody else.
    pub(super) fn plain_heard(&mut self, shared: &Shared) {
        self.plain = Some(shared.second);
    }

    /// Notes what goes out plain and will be heard.
    pub(super) fn sent(&mut self, payload: &[u8], shared: &Shared) {
        let hash = shared.hash(payload);
        self.echoes
            .get_or_insert_default()
            .sent(hash, shared.second);
    }

    /// Takes it back: the server refused it.
    pub(super) fn refused(&mut self, payload: &[u8], shared: &Shared) {
        if let Some(echoes) = &mut self.echoes {
            echoes.refused(shared.hash(payload));
        }
    }

    // Breaks.

    /// The connection is gone.
    pub(super) fn cut(&mut self, shared: &mut Shared) {
        self.echoes = None;
        if let State::Repairing(repairing) = &mut self.state {
            shared.held -= repairing.bytes;
            // What no log has shows in the serials of its publisher, should it go on.
        }
        self.state = State::Cut;
    }

    /// It is heard again.
    pub(super) fn resume(&mut self, topic: &str, shared: &mut Shared, out: &mut impl Deliver) {
        if !self.is_cut() {
            return;
        }
        self.state = State::Open;
        self.heard = shared.second;
        self.publishers.excuse(shared.second);
        if let Some(plain) = self.plain.take()
            && plain >= shared.cut_second.saturating_sub(super::LATELY)
        {
            shared.tally.gaps += 1;
            out.lost(topic, None);
        }
        match self.place {
            Some(place) => self.begin(Repair::after(place), topic, shared),
            None if self.is_unseen => self.begin(Repair::since(self.since), topic, shared),
            None => {}
        }
    }

    // Envelopes.

    /// An envelope that came live.
    pub(super) fn message(
        &mut self,
        topic: &str,
        envelope: Envelope<'_>,
        bytes: &[u8],
        shared: &mut Shared,
        out: &mut impl Deliver,
    ) {
        if let State::Repairing(repairing) = &mut self.state {
            return repairing.hold(envelope.stamps, bytes, shared);
        }
        match self.standing(&envelope.stamps) {
            Standing::Next => self.apply(topic, envelope, false, shared, out),
            Standing::Seen => shared.seen(&envelope.stamps),
            Standing::Ahead(_) | Standing::Elsewhere => {
                let place = self.place.unwrap_or(Place::Start);
                self.begin(Repair::after(place), topic, shared);
                if let State::Repairing(repairing) = &mut self.state {
                    repairing.hold(envelope.stamps, bytes, shared);
                }
            }
        }
    }

    fn standing(&self, stamps: &Stamps) -> Standing {
        if stamps.number == 0 {
            return Standing::Next;
        }
        let known = match self.place {
            None => return Standing::Next,
            Some(Place::Start) => 0,
            Some(Place::At(at)) if at.lineage != stamps.lineage => return Standing::Elsewhere,
            Some(Place::At(at)) => at.number,
        };
        if stamps.number <= known {
            return Standing::Seen;
        }
        match stamps.number - known - 1 {
            0 => Standing::Next,
            missing => Standing::Ahead(missing),
        }
    }

    /// Hands an event on, unless its publisher says that it was.
    fn apply(
        &mut self,
        topic: &str,
        envelope: Envelope<'_>,
        from_log: bool,
        shared: &mut Shared,
        out: &mut impl Deliver,
    ) {
        let stamps = envelope.stamps;
        if stamps.number != 0 {
            self.place = Some(Place::At(Position {
                lineage: stamps.lineage,
                number: stamps.number,
            }));
        }
        if shared.is_ours(stamps.publisher) {
            return;
        }
        match self
            .publishers
            .heard(stamps.publisher, stamps.serial, shared.second)
        {
            Serial::Seen => shared.tally.duplicates += 1,
            Serial::New { missed } => {
                if missed > 0 {
                    shared.lost(topic, missed, out);
                }
                shared.deliver(topic, envelope, from_log, out);
            }
        }
    }

    /// Events are gone, and nobody knows whose they were.
    fn lose(&mut self, topic: &str, missed: u64, shared: &mut Shared, out: &mut impl Deliver) {
        self.publishers.told(missed);
        shared.lost(topic, missed, out);
    }

    // Repairs.

    fn begin(&mut self, repair: Repair, topic: &str, shared: &mut Shared) {
        self.state = State::Repairing(Box::new(Repairing {
            repair,
            ticket: None,
            held: VecDeque::new(),
            bytes: 0,
            known: 0,
            again: false,
            owed: Vec::new(),
        }));
        shared.want(topic);
    }

    /// What to read now, if anything; the read is then under way.
    pub(super) fn ask(&mut self, ticket: u64) -> Option<Ask> {
        let State::Repairing(repairing) = &mut self.state else {
            return None;
        };
        if repairing.ticket.is_some() {
            return None;
        }
        repairing.ticket = Some(ticket);
        repairing.known = repairing.held.len();
        Some(repairing.repair.ask())
    }

    /// The read was not done; it is wanted still.
    pub(super) fn undone(&mut self, topic: &str, ticket: u64, shared: &mut Shared) {
        if let State::Repairing(repairing) = &mut self.state
            && repairing.ticket == Some(ticket)
        {
            repairing.ticket = None;
            shared.want(topic);
        }
    }

    /// What the read brought.
    pub(super) fn read<B: AsRef<[u8]>>(
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
        let progress =
            repairing.repair.read(
                page.head,
                page.entries,
                page.is_last,
                &mut |found| match found {
                    Found::Stand(position) => self.place = Some(Place::At(position)),
                    Found::Lost(missed) => self.lose(topic, missed, shared, out),
                    Found::Unreadable => self.unreadable(topic, shared, out),
                    Found::Event(envelope, position) => {
                        self.entry(topic, envelope, position, shared, out);
                    }
                    Found::Doubtful(envelope, position) => match self.is_news(&envelope.stamps) {
                        true => self.entry(topic, envelope, position, shared, out),
                        false => self.place = Some(Place::At(position)),
                    },
                },
            );
        repairing.ticket = None;
        match progress {
            Progress::More => {
                self.state = State::Repairing(repairing);
                shared.want(topic);
            }
            Progress::End => {
                let was_unseen = self.is_unseen;
                self.end(topic, repairing, shared, out);
                if was_unseen && self.place.is_none() {
                    self.place = Some(Place::Start);
                }
            }
        }
    }

    /// The log cannot be read: what is missing is lost.
    pub(super) fn unread(
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
        if repairing.held.is_empty() {
            shared.tally.gaps += 1;
            out.lost(topic, None);
        }
        repairing.known = repairing.held.len();
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

    fn unreadable(&mut self, topic: &str, shared: &mut Shared, out: &mut impl Deliver) {
        shared.tally.unreadable += 1;
        if let Some(Place::At(at)) = &mut self.place {
            at.number = at.number.saturating_add(1);
        }
        self.lose(topic, 1, shared, out);
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
        while let Some(held) = repairing.held.front() {
            let stamps = held.stamps;
            let was_there = repairing.known > 0;
            match self.standing(&stamps) {
                Standing::Ahead(_) | Standing::Elsewhere if !was_there => break,
                // The log was read after it came, and has nothing of what is before it.
                Standing::Ahead(missed) => self.lose(topic, missed, shared, out),
                _ => {}
            }
            let standing = self.standing(&stamps);
            // Present: it was looked at above.
            let Some(held) = repairing.held.pop_front() else {
                break;
            };
            repairing.known = repairing.known.saturating_sub(1);
            repairing.bytes -= held.weight();
            shared.held -= held.weight();
            if standing == Standing::Seen {
                shared.seen(&stamps);
            } else if let Arrival::Enveloped(mut envelope) = envelope::decode(&held.bytes) {
                if standing == Standing::Elsewhere {
                    // Of a log that is no more: it counts for its publisher alone.
                    envelope.stamps.number = 0;
                }
                self.apply(topic, envelope, false, shared, out);
            }
        }
        if repairing.held.is_empty() && !repairing.again {
            self.state = State::Open;
            return;
        }
        repairing.repair = Repair::after(self.place.unwrap_or(Place::Start));
        repairing.again = false;
        self.state = State::Repairing(repairing);
        shared.want(topic);
    }
}

impl Repairing {
    fn hold(&mut self, stamps: Stamps, bytes: &[u8], shared: &mut Shared) {
        let held = Held {
            stamps,
            bytes: Bytes::copy_from_slice(bytes),
        };
        if shared.held + held.weight() > shared.most_held {
            self.let_go(shared);
        }
        if shared.held + held.weight() > shared.most_held {
            // Others hold as much as may be held.
            return self.forgo(stamps, shared);
        }
        self.bytes += held.weight();
        shared.held += held.weight();
        self.held.push_back(held);
    }

    /// Lets everything go that is held: the log has it, or it is owed.
    fn let_go(&mut self, shared: &mut Shared) {
        shared.held -= std::mem::take(&mut self.bytes);
        self.known = 0;
        for held in std::mem::take(&mut self.held) {
            self.forgo(held.stamps, shared);
        }
    }

    /// One is not held: it is in the log, or is told as lost in its turn.
    fn forgo(&mut self, stamps: Stamps, shared: &Shared) {
        if stamps.number != 0 {
            self.again = true;
        } else if !shared.is_ours(stamps.publisher) && self.owed.len() < MOST_OWED {
            self.owed.push((stamps.publisher, stamps.serial));
        }
    }
}

impl Held {
    fn weight(&self) -> usize {
        size_of::<Held>() + self.bytes.len()
    }
}
