//! Reading what was missed from a topic's log: what to ask for, and what the answers mean.
//!
//! A [`Repair`] is one round: it asks for the log's head together with the first page,
//! takes pages until the log's end, and says event by event what it found. It knows no
//! socket; whoever drives it does the reading, and may give it up at any point.
//!
//! Where to go on from depends on whose numbers the reader's place is of. It remembers the
//! places where it left other lineages: after two failovers the server of the first may be
//! back, with a log that forked from one of these.
//!
//! | the log's lineage | goes on after |
//! |---|---|
//! | is one that the reader has a place of | that place |
//! | forked from such a one | that place, or the newest number at the fork if that is smaller |
//! | is another, or the head is gone | nothing: the whole log is read, and what is known of it passed over |
//!
//! # Invariants
//!
//! - Numbers that are missing between two entries, or between the last and the head, are
//!   told as a [`Hole`], once. Whether events are lost with them is certain where nothing in
//!   the log can have been had under other numbers.
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
    /// The same, later in the round: the head tells whether it is still the same log.
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
    /// Everything there is.
    All,
}

/// Entries that are gone, or never were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hole {
    /// The number before the first.
    pub(crate) after: u64,
    /// The number of the last.
    pub(crate) last: u64,
    /// Whose numbering, as far as anybody knows.
    pub(crate) lineage: Option<u64>,
    /// Nothing of it was had under another number.
    pub(crate) is_certain: bool,
}

/// What was found, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// The log is known up to here.
    Stand(Position),
    /// An event, and the place after it.
    Event(Envelope<'a>, Position),
    /// The same, in another's numbering: it may be from before anything was known.
    Doubtful(Envelope<'a>, Position),
    /// The entry of this number, that nobody can read.
    Unreadable(u64),
    /// Entries are gone.
    Gone(Hole),
}

/// Whether there is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Ask again.
    More,
    /// The end of the log was reached.
    End,
    /// The log has gone, and another begun: it has to be looked at anew.
    Anew,
}

/// One round of reading a log.
#[derive(Debug)]
pub(crate) struct Repair {
    aim: Aim,
    /// Places of other lineages.
    past: Vec<Position>,
    begun: bool,
    after: u64,
    /// Whether the number after `after` must come next.
    is_dense: bool,
    /// Whether one page is all.
    is_single: bool,
    /// The whole log is read, as it is not known from where on it is news.
    is_whole: bool,
    /// Whether nothing that is read now can have been had under another number.
    is_certain: bool,
    newest: Option<Position>,
    /// Up to here the log has entries of other lineages.
    fork: u64,
}

impl Repair {
    /// Everything after a place, or after that one of the `past` which the log forked from.
    pub(crate) fn after(place: Place, past: &[Position]) -> Self {
        Repair::new(Aim::Place(place), past)
    }

    /// The same, where an earlier round that was not certain did not come to its end.
    #[must_use]
    pub(crate) fn doubting(mut self, is_doubtful: bool) -> Self {
        self.is_certain = !is_doubtful;
        self
    }

    /// Whether nothing that is read now can have been had under another number.
    pub(crate) fn is_certain(&self) -> bool {
        self.is_certain
    }

    /// Everything that was published since a time.
    pub(crate) fn since(micros: u64) -> Self {
        Repair::new(Aim::Since(micros), &[])
    }

    /// Everything there is: no place says what is news.
    pub(crate) fn all() -> Self {
        Repair::new(Aim::All, &[])
    }

    fn new(aim: Aim, past: &[Position]) -> Self {
        let after = match aim {
            Aim::Place(Place::At(position)) => position.number,
            _ => 0,
        };
        Repair {
            aim,
            past: past.to_vec(),
            begun: aim == Aim::All,
            after,
            is_dense: false,
            is_single: false,
            is_whole: aim == Aim::All,
            is_certain: true,
            newest: None,
            fork: 0,
        }
    }

    /// What to read next.
    pub(crate) fn ask(&self) -> Ask {
        match (self.begun, self.aim) {
            (true, _) => Ask::Page { after: self.after },
            (false, Aim::Since(_)) => Ask::Newest,
            (false, Aim::Place(_) | Aim::All) => Ask::Head { after: self.after },
        }
    }

    /// What came, and what it means. To [`Ask::Head`] and [`Ask::Page`] belongs the head, if
    /// the log has one. A page is the last when it has fewer entries than were asked for: how many
    /// that is, the reader chooses.
    pub(crate) fn read<B: AsRef<[u8]>>(
        &mut self,
        head: Option<Head>,
        entries: &[Entry<B>],
        is_last: bool,
        found: &mut impl FnMut(Found<'_>),
    ) -> Progress {
        let successor = if !self.begun {
            self.begun = true;
            let is_useful = match self.aim {
                Aim::Since(micros) => self.reaches_back(entries, is_last, micros),
                Aim::Place(place) => self.begin(place, head, found),
                Aim::All => true,
            };
            if !is_useful {
                return Progress::More;
            }
            None
        } else {
            self.successor(head)
        };
        for entry in entries {
            let arrival = envelope::decode(entry.bytes.as_ref());
            if !self.goes_on(entry.number, arrival, successor) {
                return self.anew(successor, found);
            }
            self.entry(entry.number, arrival, found);
        }
        match successor {
            Some(_) if entries.is_empty() => return self.anew(successor, found),
            // There may be more of it.
            Some(_) => return Progress::Anew,
            None if !is_last && !self.is_single => return Progress::More,
            None => {}
        }
        self.end(found);
        Progress::End
    }

    /// The head of the log that has taken the place of the one that was begun with.
    fn successor(&self, head: Option<Head>) -> Option<Head> {
        let newest = self.newest?;
        head.filter(|head| head.newest.lineage != newest.lineage)
    }

    /// The log that was begun with ends here. What one that forked from it has of the rest is
    /// read from there.
    fn anew(&self, successor: Option<Head>, found: &mut impl FnMut(Found<'_>)) -> Progress {
        let fork = successor.and_then(|head| head.before);
        let is_fork = |(fork, newest): (Position, Position)| fork.lineage == newest.lineage;
        if !fork.zip(self.newest).is_some_and(is_fork) {
            self.end(found);
        }
        Progress::Anew
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
        let fork = head.and_then(|head| head.before);
        self.fork = fork.map_or(0, |fork| fork.number);
        let asked = self.after;
        let base = match (place, head) {
            (Place::Start, _) => Some(0),
            (Place::At(_), None) => None,
            (Place::At(at), Some(head)) => self.base(at, head),
        };
        // What was had beyond a fork may have been sent again and be in the log behind it.
        self.is_certain &= match (place, head) {
            (Place::Start, _) => true,
            (Place::At(_), None) => false,
            (Place::At(at), Some(Head { newest, before })) => {
                newest.lineage == at.lineage
                    || before
                        .is_some_and(|fork| fork.lineage == at.lineage && at.number <= fork.number)
            }
        };
        self.is_dense = base.is_some();
        self.is_whole = base.is_none();
        self.after = base.unwrap_or(0);
        if let (Place::At(_), Some(number), Some(head)) = (place, base, head) {
            found(Found::Stand(Position {
                lineage: head.newest.lineage,
                number,
            }));
        }
        self.after == asked
    }

    /// The newest number of a log that is known.
    fn base(&self, at: Position, head: Head) -> Option<u64> {
        let known = |place: &Position| match head.before {
            _ if place.lineage == head.newest.lineage => Some(place.number),
            Some(fork) if place.lineage == fork.lineage => Some(place.number.min(fork.number)),
            _ => None,
        };
        self.past.iter().chain([&at]).filter_map(known).max()
    }

    fn entry(&mut self, number: u64, arrival: Arrival<'_>, found: &mut impl FnMut(Found<'_>)) {
        if number <= self.after {
            return;
        }
        if self.is_dense && number - self.after > 1 {
            found(Found::Gone(Hole {
                after: self.after,
                last: number - 1,
                lineage: lineage_of(arrival).or(self.newest.map(|newest| newest.lineage)),
                is_certain: self.is_certain,
            }));
        }
        self.after = number;
        self.is_dense = true;
        let Arrival::Enveloped(envelope) = arrival else {
            return found(Found::Unreadable(number));
        };
        let stands = Position {
            lineage: envelope.stamps.lineage,
            number,
        };
        let is_new = match self.aim {
            Aim::Since(micros) => envelope.stamps.micros >= micros,
            Aim::Place(Place::At(at)) => stands.lineage != at.lineage || stands.number > at.number,
            Aim::Place(Place::Start) | Aim::All => true,
        };
        found(match (is_new, self.is_whole) {
            (true, false) => Found::Event(envelope, stands),
            (true, true) => Found::Doubtful(envelope, stands),
            (false, _) => Found::Stand(stands),
        });
    }

    /// Whether an entry is of the log that was begun with, for all that is known.
    fn goes_on(&self, number: u64, arrival: Arrival<'_>, successor: Option<Head>) -> bool {
        let lineage = lineage_of(arrival);
        if successor.is_some_and(|head| lineage == Some(head.newest.lineage)) {
            return false;
        }
        let is_newest = match (self.newest, lineage) {
            (Some(newest), Some(lineage)) => newest.lineage == lineage,
            _ => true,
        };
        is_newest || self.is_whole || number <= self.fork
    }

    fn end(&self, found: &mut impl FnMut(Found<'_>)) {
        let Some(newest) = self.newest else {
            return;
        };
        // What the head had counted before the page was read, and no page has, is gone. Of an
        // entry that nobody can read, the head alone says whose number it has.
        if newest.number >= self.after {
            if self.is_dense && newest.number > self.after {
                found(Found::Gone(Hole {
                    after: self.after,
                    last: newest.number,
                    lineage: Some(newest.lineage),
                    is_certain: self.is_certain,
                }));
            }
            found(Found::Stand(newest));
        }
    }
}

fn lineage_of(arrival: Arrival<'_>) -> Option<u64> {
    match arrival {
        Arrival::Enveloped(envelope) => Some(envelope.stamps.lineage),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Publication, redis::wire::envelope::Stamps};

    const PAGE: usize = 3;

    fn at(lineage: u64, number: u64) -> Position {
        Position { lineage, number }
    }

    fn entry(Position { lineage, number }: Position, micros: u64) -> Entry<Vec<u8>> {
        let stamps = Stamps {
            lineage,
            number,
            micros,
            ..Stamps::default()
        };
        let mut bytes = Vec::new();
        envelope::encode(&stamps, &Publication::new("t", ""), &mut bytes);
        Entry { number, bytes }
    }

    #[derive(Debug, PartialEq)]
    enum Told {
        Event(Position),
        Lost(u64),
        /// Or had under other numbers.
        Doubtful(u64),
        Unreadable,
    }

    /// Reads to the end of a log. What was told, where the reader stands then, and what it
    /// asked for.
    fn read(
        mut repair: Repair,
        head: Option<Head>,
        log: &[Entry<Vec<u8>>],
    ) -> (Vec<Told>, Option<Position>, Vec<Ask>) {
        let (mut told, mut stands, mut asked) = (Vec::new(), None, Vec::new());
        loop {
            let ask = repair.ask();
            asked.push(ask);
            let mut page: Vec<_> = match ask {
                Ask::Newest => log[log.len().saturating_sub(PAGE)..].to_vec(),
                Ask::Head { after } | Ask::Page { after } => {
                    let after = log.iter().filter(|entry| entry.number > after);
                    after.cloned().collect()
                }
            };
            page.truncate(PAGE);
            let head = head.filter(|_| matches!(ask, Ask::Head { .. }));
            let progress = repair.read(head, &page, page.len() < PAGE, &mut |found| match found {
                Found::Stand(position) => stands = Some(position),
                Found::Event(_, position) | Found::Doubtful(_, position) => {
                    told.push(Told::Event(position));
                    stands = Some(position);
                }
                Found::Gone(hole) => told.push(match hole.is_certain {
                    true => Told::Lost(hole.last - hole.after),
                    false => Told::Doubtful(hole.last - hole.after),
                }),
                Found::Unreadable(_) => told.push(Told::Unreadable),
            });
            assert!(asked.len() < 20, "it never ends");
            if progress != Progress::More {
                return (told, stands, asked);
            }
        }
    }

    fn head(newest: Position, before: Option<Position>) -> Option<Head> {
        Some(Head { newest, before })
    }

    fn after(lineage: u64, number: u64) -> Repair {
        Repair::after(Place::At(at(lineage, number)), &[])
    }

    #[test]
    fn the_place_decides_where_to_go_on() {
        let two_lineages = |fork: u64| -> Vec<_> {
            let lineage = |number| if number <= fork { 1 } else { 2 };
            (1..=9).map(|n| entry(at(lineage(n), n), 0)).collect()
        };
        let events = |from: u64, lineage| -> Vec<_> {
            (from..=9).map(|n| Told::Event(at(lineage, n))).collect()
        };
        // Of the log's own lineage.
        let log = two_lineages(0);
        let (told, stands, asked) = read(after(2, 6), head(at(2, 9), None), &log);
        assert_eq!((told, stands), (events(7, 2), Some(at(2, 9))));
        let pages = [Ask::Head { after: 6 }, Ask::Page { after: 9 }];
        assert_eq!(asked, pages);
        // Of the one before: from the fork, or from the place if that is older.
        let log = two_lineages(4);
        let forked = head(at(2, 9), Some(at(1, 4)));
        let (told, ..) = read(after(1, 7), forked, &log);
        assert_eq!(told, events(5, 2));
        let (told, ..) = read(after(1, 3), forked, &log);
        assert_eq!(told[0], Told::Event(at(1, 4)));
        assert_eq!(told[1..], events(5, 2));
        // Of neither, or nobody knows: all but what the place says was had.
        for head in [head(at(2, 9), Some(at(3, 4))), None] {
            let (told, ..) = read(after(1, 3), head, &log);
            assert_eq!(told[0], Told::Event(at(1, 4)));
            assert_eq!(told[1..], events(5, 2));
        }
        let (told, stands, _) = read(after(1, 3), head(at(2, 9), None), &[]);
        assert_eq!((told, stands), (vec![], Some(at(2, 9))));
        let (told, stands, _) = read(after(1, 3), None, &[]);
        assert_eq!((told, stands), (vec![], None));
    }

    #[test]
    fn what_is_gone_is_counted() {
        let log: Vec<_> = [5, 6, 9].map(|n| entry(at(1, n), 0)).into();
        let newest = head(at(1, 12), None);
        let told = |from| read(from, newest, &log).0;
        let rest = [
            Told::Event(at(1, 6)),
            Told::Lost(2),
            Told::Event(at(1, 9)),
            Told::Lost(3),
        ];
        assert_eq!(told(after(1, 5)), rest);
        let from_two = told(after(1, 2));
        assert_eq!(from_two[..2], [Told::Lost(2), Told::Event(at(1, 5))]);
        // A log that was not there when it was looked at began at 1.
        let from_start = told(Repair::after(Place::Start, &[]));
        assert_eq!(from_start[..2], [Told::Lost(4), Told::Event(at(1, 5))]);
    }

    #[test]
    fn since_a_time_reads_as_far_back_as_it_must() {
        let log: Vec<_> = (1..=9).map(|n| entry(at(1, n), n * 10)).collect();
        let events = |from: u64| -> Vec<_> { (from..=9).map(|n| Told::Event(at(1, n))).collect() };
        let (told, _, asked) = read(Repair::since(85), None, &log);
        assert_eq!((told, asked), (events(9), vec![Ask::Newest]));
        let (told, stands, asked) = read(Repair::since(35), None, &log);
        assert_eq!((told, stands), (events(4), Some(at(1, 9))));
        assert_eq!(asked[..2], [Ask::Newest, Ask::Page { after: 0 }]);
        let (told, stands, _) = read(Repair::since(500), None, &log);
        assert_eq!((told, stands), (vec![], Some(at(1, 9))));
    }

    #[test]
    fn nonsense_ends() {
        let foreign = Entry {
            number: 7,
            bytes: b"foreign".to_vec(),
        };
        let log = [foreign, entry(at(1, u64::MAX), 0)];
        let (told, ..) = read(after(1, 6), head(at(1, 3), None), &log);
        assert_eq!(told[0], Told::Unreadable);
        assert_eq!(told[1], Told::Lost(u64::MAX - 8));
        // The only entry cannot be read: the head says where that leaves us.
        let foreign = Entry {
            number: 1,
            bytes: b"foreign".to_vec(),
        };
        let from_start = Repair::after(Place::Start, &[]);
        let (told, stands, _) = read(from_start, head(at(1, 1), None), &[foreign]);
        assert_eq!((told, stands), (vec![Told::Unreadable], Some(at(1, 1))));
        let mut repair = after(1, 5);
        let backwards = [3, 2, 9, 4].map(|n| entry(at(1, n), 0));
        let mut events = 0;
        let mut count = |found: Found<'_>| events += u64::from(matches!(found, Found::Event(..)));
        repair.read(head(at(1, 9), None), &backwards, true, &mut count);
        assert_eq!(events, 1);
    }
}
