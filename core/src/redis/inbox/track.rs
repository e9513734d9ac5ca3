//! One topic: how far it is known, and what waits until it is known further.
//!
//! A track is *open* (what comes is judged at once), *cut* (nothing can come; what is
//! missing is to be found out when it is heard again), or *repairing* (the log is being
//! read; what comes meanwhile is held). What a track does while it repairs stands in
//! `reading`.
//!
//! # Invariants
//!
//! - Events of a log are handed on by rising place; a publisher's events by rising serial.
//! - Every number that is passed over is told as lost, once.

mod reading;

use self::reading::{Repairing, owe};
use super::{
    Shared,
    echo::Echoes,
    ours::Ours,
    publishers::{Publishers, Serial},
    stock::{Held, Stock},
};
use crate::redis::{
    arrival::Deliver,
    log::repair::{Place, Position, Repair},
    modes::Way,
    wire::envelope::{Envelope, Stamps},
};

/// Places in other lineages that are remembered.
const MOST_PAST: usize = 8;

/// What the hub knows of one topic.
#[derive(Debug)]
pub(super) struct Track {
    state: State,
    place: Option<Place>,
    /// Where it stood in lineages that it left, oldest first.
    past: Vec<Position>,
    /// Numbers that our own events got, beyond the place.
    ours: Ours,
    /// The same at servers before: the one that took over may have given them to others.
    formerly: Ours,
    publishers: Publishers,
    echoes: Option<Box<Echoes>>,
    /// When it began to be heard, in µs since the epoch.
    since: u64,
    /// Its log appeared unheard, or could not be looked at, and has not been read yet: it is
    /// known by time alone from where it counts.
    is_unseen: bool,
    /// Events in no log that were let go when the connection broke.
    owed: Vec<(u64, u64)>,
    /// The log was being read where events may have been had under other numbers.
    is_doubtful: bool,
    /// So many entries are gone that may have been such, and no serial has told of them.
    doubtful: u64,
    /// The second of the newest message.
    pub(super) heard: u32,
    /// The second of the newest plain one that was not an echo.
    plain: Option<u32>,
    /// Whether the topic is listened to by its name.
    pub(super) is_exact: bool,
    /// How this hub would send its events.
    pub(super) rule: Way,
}

#[derive(Debug)]
enum State {
    Open,
    Cut,
    Repairing(Box<Repairing>),
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
    /// Its number was had, and its publisher had not come so far: another server gives the
    /// numbers out again, and whoever published could not see that.
    Astray,
}

impl Track {
    pub(super) fn new(topic: &str, shared: &Shared) -> Self {
        Track {
            state: State::Open,
            place: None,
            past: Vec::new(),
            ours: Ours::default(),
            formerly: Ours::default(),
            publishers: Publishers::default(),
            echoes: None,
            since: shared.now.micros,
            is_unseen: false,
            owed: Vec::new(),
            is_doubtful: false,
            doubtful: 0,
            heard: shared.second,
            plain: None,
            is_exact: false,
            rule: shared.rules.of(topic),
        }
    }

    /// A topic whose log appeared while its pattern was cut off.
    pub(super) fn since(micros: u64, topic: &str, shared: &mut Shared) -> Self {
        let mut track = Track::new(topic, shared);
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

    /// Whether something of it has to be read, or will have to be.
    pub(super) fn is_behind(&self) -> bool {
        match self.state {
            State::Open => false,
            State::Cut => self.is_placed(),
            State::Repairing(_) => true,
        }
    }

    /// Whether it is cut off.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self.state, State::Cut)
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
            shared.held -= repairing.stock.bytes;
            self.owed = std::mem::take(&mut repairing.owed);
            for Held { stamps, .. } in &repairing.stock.held {
                owe(&mut self.owed, stamps, shared);
            }
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
            shared.lost_some(topic, out);
        }
        match self.place {
            Some(_) => self.begin(self.repair(), topic, shared),
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
            standing => {
                let repair = match standing {
                    Standing::Astray => Repair::all(),
                    _ => self.repair(),
                };
                self.begin(repair, topic, shared);
                if let State::Repairing(repairing) = &mut self.state {
                    repairing.hold(envelope.stamps, bytes, shared);
                }
            }
        }
    }

    /// A live message that is no plain one, and that nobody can read. A log tells of it in
    /// its turn: it took a number there.
    pub(super) fn unreadable_message(
        &mut self,
        topic: &str,
        shared: &mut Shared,
        out: &mut impl Deliver,
    ) {
        shared.tally.unreadable += 1;
        match (&mut self.state, self.place) {
            (State::Repairing(repairing), _) => repairing.again = true,
            (_, Some(_)) => self.begin(self.repair(), topic, shared),
            (_, None) => shared.lost(topic, 1, out),
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
            return match self.publishers.is_ahead(stamps.publisher, stamps.serial) {
                true => Standing::Astray,
                false => Standing::Seen,
            };
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
            self.stand(Position {
                lineage: stamps.lineage,
                number: stamps.number,
            });
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
                    self.doubtful = self.doubtful.saturating_sub(missed);
                }
                shared.deliver(topic, envelope, from_log, out);
            }
        }
    }

    /// The log is known up to here.
    fn stand(&mut self, position: Position) {
        if let Some(Place::At(left)) = self.place.replace(Place::At(position))
            && left.lineage != position.lineage
        {
            self.past.retain(|past| past.lineage != left.lineage);
            if self.past.len() == MOST_PAST {
                self.past.remove(0);
            }
            self.past.push(left);
        }
        self.ours.forget_to(position.number);
        self.formerly.forget_to(position.number);
    }

    /// Events are gone, and nobody knows whose they were.
    fn lose(&mut self, topic: &str, missed: u64, shared: &mut Shared, out: &mut impl Deliver) {
        self.publishers.told(missed);
        shared.lost(topic, missed, out);
    }

    /// Our own event got this number.
    pub(super) fn kept(&mut self, number: u64) {
        let known = match self.place {
            Some(Place::At(at)) => at.number,
            _ => 0,
        };
        if !matches!(self.state, State::Open) || number > known {
            self.ours.add(number);
        }
    }

    /// Another server may give out numbers anew.
    pub(super) fn disown(&mut self) {
        self.formerly.append(&mut self.ours);
    }

    // Repairs.

    /// Of what is behind the place.
    fn repair(&self) -> Repair {
        let place = self.place.unwrap_or(Place::Start);
        Repair::after(place, &self.past).doubting(self.is_doubtful)
    }

    fn begin(&mut self, repair: Repair, topic: &str, shared: &mut Shared) {
        self.state = State::Repairing(Box::new(Repairing {
            repair,
            ticket: None,
            stock: Stock::default(),
            again: false,
            owed: std::mem::take(&mut self.owed),
        }));
        shared.want(topic);
    }
}
