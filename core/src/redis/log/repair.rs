//! Reading what was missed from a topic's log: what to ask for, and what the answers mean.
//!
//! A [`Repair`] is one round: it asks for the log's head together with the first page,
//! takes pages until the log's end, and says event by event what it found. It knows no
//! socket; whoever drives it does the reading, and may give it up at any point.
//!
//! Where to go on from depends on whose numbers the reader's place is of:
//!
//! | the place's lineage | goes on after |
//! |---|---|
//! | is the log's | the place |
//! | is the one before | the place, or the newest number at the fork if that is smaller |
//! | is neither, or the head is gone | nothing: the whole log is read, and what is known of it passed over |
//!
//! # Invariants
//!
//! - Numbers that are missing between two entries, or between the last and the head, are
//!   told as lost with their number, once.
//! - What the log says is believed only as far as it makes sense: numbers that do not rise
//!   are passed over.

use crate::redis::wire::envelope::{self, Arrival, Envelope};

/// A place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Whose numbering.
    pub(crate) lineage: u64,
    /// The newest entry that is known.
    pub(crate) number: u64,
}

/// How far a topic's log is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// There was no log when it was looked at.
    Start,
    /// Up to here.
    At(Position),
}

/// The head of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its newest number, and whose numbering that is.
    pub(crate) newest: Position,
    /// The lineage before, and its newest number that this log has.
    pub(crate) before: Option<Position>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<B = bytes::Bytes> {
    pub(crate) number: u64,
    /// The envelope.
    pub(crate) bytes: B,
}

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The head, and in the same pipeline a page of entries after a number.
    Head { after: u64 },
    /// A page of entries after a number.
    Page { after: u64 },
    /// A page of the newest entries; they are handed over ascending, as all are.
    Newest,
}

/// What a round starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    Place(Place),
    /// Everything published since a time, in µs since the epoch.
    Since(u64),
}

/// What was found, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// The log is known up to here.
    Stand(Position),
    /// An event, and the place after it.
    Event(Envelope<'a>, Position),
    /// An entry that nobody can read.
    Unreadable,
    /// So many entries are gone.
    Lost(u64),
}

/// Whether there is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Ask again.
    More,
    /// The end of the log was reached.
    End,
}

/// One round of reading a log.
#[derive(Debug)]
pub(crate) struct Repair {
    aim: Aim,
    begun: bool,
    after: u64,
    /// Whether the number after `after` must come next.
    is_dense: bool,
    /// Whether one page is all.
    is_single: bool,
    newest: Option<Position>,
}

impl Repair {
    /// Everything after a place.
    pub(crate) fn after(place: Place) -> Self {
        Repair::new(Aim::Place(place))
    }

    /// Everything that was published since a time.
    pub(crate) fn since(micros: u64) -> Self {
        Repair::new(Aim::Since(micros))
    }

    fn new(aim: Aim) -> Self {
        let after = match aim {
            Aim::Place(Place::At(position)) => position.number,
            _ => 0,
        };
        Repair {
            aim,
            begun: false,
            after,
            is_dense: false,
            is_single: false,
            newest: None,
        }
    }

    /// What to read next.
    pub(crate) fn ask(&self) -> Ask {
        match (self.begun, self.aim) {
            (true, _) => Ask::Page { after: self.after },
            (false, Aim::Since(_)) => Ask::Newest,
            (false, Aim::Place(_)) => Ask::Head { after: self.after },
        }
    }

    /// What came, and what it means. To [`Ask::Head`] belongs the head, if the log has
    /// one. A page is the last when it has fewer entries than were asked for: how many
    /// that is, the reader chooses.
    pub(crate) fn read<B: AsRef<[u8]>>(
        &mut self,
        head: Option<Head>,
        entries: &[Entry<B>],
        is_last: bool,
        found: &mut impl FnMut(Found<'_>),
    ) -> Progress {
        if !self.begun {
            self.begun = true;
            let is_useful = match self.aim {
                Aim::Since(micros) => self.reaches_back(entries, is_last, micros),
                Aim::Place(place) => self.begin(place, head, found),
            };
            if !is_useful {
                return Progress::More;
            }
        }
        for entry in entries {
            self.entry(entry, found);
        }
        if !is_last && !self.is_single {
            return Progress::More;
        }
        self.end(found);
        Progress::End
    }

    /// Whether the newest entries are enough.
    fn reaches_back<B: AsRef<[u8]>>(
        &mut self,
        entries: &[Entry<B>],
        is_last: bool,
        micros: u64,
    ) -> bool {
        let begins_before =
            entries
                .first()
                .is_some_and(|entry| match envelope::decode(entry.bytes.as_ref()) {
                    Arrival::Enveloped(envelope) => envelope.stamps.micros < micros,
                    _ => false,
                });
        self.is_single = is_last || begins_before;
        self.is_single
    }

    /// Finds where to go on from. Whether the page that came with the head is that one.
    fn begin(
        &mut self,
        place: Place,
        head: Option<Head>,
        found: &mut impl FnMut(Found<'_>),
    ) -> bool {
        self.newest = head.map(|head| head.newest);
        let asked = self.after;
        let base = match (place, head) {
            (Place::Start, _) => Some(0),
            (Place::At(_), None) => None,
            (Place::At(at), Some(head)) if head.newest.lineage == at.lineage => Some(at.number),
            (Place::At(at), Some(head)) => head
                .before
                .filter(|before| before.lineage == at.lineage)
                .map(|before| before.number.min(at.number)),
        };
        self.is_dense = base.is_some();
        self.after = base.unwrap_or(0);
        if let (Place::At(_), Some(number), Some(head)) = (place, base, head) {
            found(Found::Stand(Position {
                lineage: head.newest.lineage,
                number,
            }));
        }
        self.after == asked
    }

    fn entry<B: AsRef<[u8]>>(&mut self, entry: &Entry<B>, found: &mut impl FnMut(Found<'_>)) {
        if entry.number <= self.after {
            return;
        }
        let missing = entry.number - self.after - 1;
        if self.is_dense && missing > 0 {
            found(Found::Lost(missing));
        }
        self.after = entry.number;
        self.is_dense = true;
        let Arrival::Enveloped(envelope) = envelope::decode(entry.bytes.as_ref()) else {
            return found(Found::Unreadable);
        };
        let stands = Position {
            lineage: envelope.stamps.lineage,
            number: entry.number,
        };
        let is_new = match self.aim {
            Aim::Since(micros) => envelope.stamps.micros >= micros,
            Aim::Place(Place::At(at)) => stands.lineage != at.lineage || stands.number > at.number,
            Aim::Place(_) => true,
        };
        found(if is_new {
            Found::Event(envelope, stands)
        } else {
            Found::Stand(stands)
        });
    }

    fn end(&self, found: &mut impl FnMut(Found<'_>)) {
        let Some(newest) = self.newest else {
            return;
        };
        // What the head had counted before the page was read, and no page has, is gone.
        if newest.number > self.after {
            if self.is_dense {
                found(Found::Lost(newest.number - self.after));
            }
            found(Found::Stand(newest));
        }
    }
}
