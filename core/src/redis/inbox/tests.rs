use std::time::Instant;

use super::memory::{MOST_ROAMING, SILENT};
use super::model::{Heard, US, sealed, stamp};
use super::*;
use crate::Publication;
use crate::redis::{log::repair::Position, wire::envelope::Stamps};

const PAGE: usize = 100;

struct Rig {
    inbox: Inbox,
    heard: Heard,
    started: Instant,
    millis: u64,
}

impl Rig {
    fn new() -> Self {
        let started = Instant::now();
        Rig {
            inbox: Inbox::new(US, Modes::default(), stamp(started, 0)),
            heard: Heard::default(),
            started,
            millis: 0,
        }
    }

    fn now(&self) -> Stamp {
        stamp(self.started, self.millis)
    }

    fn message(&mut self, via: Via, topic: &str, bytes: &[u8]) {
        let now = self.now();
        self.inbox.message(via, topic, bytes, now, &mut self.heard);
    }

    fn taken(&mut self) -> Vec<String> {
        std::mem::take(&mut self.heard.events)
    }

    /// An event of a log of lineage 9.
    fn kept(&self, number: u64, publisher: u64, serial: u64) -> Vec<u8> {
        sealed(Stamps {
            lineage: 9,
            number,
            publisher,
            serial,
            micros: self.now().micros,
            kept: true,
        })
    }

    fn entry(&self, number: u64, publisher: u64, serial: u64) -> Entry<Vec<u8>> {
        Entry {
            number,
            bytes: self.kept(number, publisher, serial),
        }
    }

    fn read(&mut self, read: &Read, head: Option<Head>, entries: &[Entry<Vec<u8>>]) {
        let page = Page {
            head,
            entries,
            is_last: entries.len() < PAGE,
        };
        let now = self.now();
        self.inbox.read(read, page, now, &mut self.heard);
    }

    /// Breaks the connection for a second; the topic is heard again by its name.
    fn cut(&mut self, topic: &str) {
        self.inbox.broken(self.now(), |_| false);
        self.millis += 1_000;
        let now = self.now();
        self.inbox.joined(topic, now, &mut self.heard);
    }
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

fn head(number: u64) -> Head {
    Head {
        newest: Position { lineage: 9, number },
        before: None,
    }
}

#[test]
fn plain_payloads_are_events_and_our_own_are_not() {
    let mut rig = Rig::new();
    rig.message(Via::Topic, "t", b"{}");
    rig.inbox.sent("t", b"{}", rig.now());
    rig.message(Via::Topic, "t", b"other");
    rig.message(Via::Topic, "t", b"{}");
    rig.message(Via::Topic, "t", b"{}");
    assert_eq!(rig.taken(), ["{}", "other", "{}"]);
    // A refused one does not come back.
    rig.inbox.sent("t", b"x", rig.now());
    rig.inbox.refused("t", b"x");
    rig.message(Via::Topic, "t", b"x");
    assert_eq!(rig.taken(), ["x"]);
    // Nor does one that was under way when the connection broke.
    rig.inbox.sent("t", b"y", rig.now());
    rig.cut("t");
    rig.message(Via::Topic, "t", b"y");
    assert_eq!(rig.taken(), ["y"]);
    assert_eq!(rig.inbox.tally().arrived, 5);
}

#[test]
fn a_break_is_a_gap_of_unknown_size_where_plain_events_came_lately() {
    let mut rig = Rig::new();
    rig.message(Via::Topic, "busy", b"1");
    rig.message(Via::Topic, "quiet", b"1");
    rig.millis += 1_000 * u64::from(LATELY) + 2_000;
    rig.message(Via::Topic, "busy", b"2");
    rig.inbox.sent("echoed", b"1", rig.now());
    rig.message(Via::Topic, "echoed", b"1");
    for topic in ["busy", "quiet", "echoed", "never"] {
        rig.cut(topic);
    }
    assert_eq!((rig.heard.unknown, rig.heard.lost), (1, 0));
    assert_eq!(rig.inbox.tally().gaps, 1);
    // It is told once, until something comes again.
    rig.cut("busy");
    assert_eq!(rig.heard.unknown, 1);
    rig.message(Via::Topic, "busy", b"3");
    rig.inbox.broken(rig.now(), |_| false);
    rig.millis += 3_600_000;
    // However long it lasted.
    let now = rig.now();
    rig.inbox.whole(now, |_| true, &mut rig.heard);
    assert_eq!(rig.heard.unknown, 2);
}

#[test]
fn live_envelopes_are_counted_per_publisher() {
    let mut rig = Rig::new();
    let live = |publisher, serial| {
        sealed(Stamps {
            publisher,
            serial,
            micros: stamp(Instant::now(), 0).micros,
            kept: true,
            ..Stamps::default()
        })
    };
    for (publisher, serial) in [(1, 5), (2, 1), (US, 1), (1, 6), (1, 6), (1, 9), (2, 2)] {
        rig.message(Via::Topic, "t", &live(publisher, serial));
    }
    assert_eq!(rig.taken(), ["1:5", "2:1", "1:6", "1:9", "2:2"]);
    assert_eq!(rig.heard.lost, 2);
    rig.cut("t");
    assert_eq!(rig.inbox.next_read(), None);
    // However long it lasted.
    rig.inbox.broken(rig.now(), |_| false);
    rig.millis += 10_000 * u64::from(SILENT);
    rig.inbox.sweep(rig.now());
    let now = rig.now();
    rig.inbox.joined("t", now, &mut rig.heard);
    rig.inbox.sweep(now);
    rig.message(Via::Topic, "t", &live(2, 5));
    let tally = rig.inbox.tally();
    assert_eq!((rig.heard.lost, rig.heard.unknown), (4, 0));
    assert_eq!((tally.gaps, tally.lost, tally.duplicates), (2, 4, 1));
}

#[test]
fn a_clock_that_is_behind_costs_nothing_where_numbers_say_what_is_news() {
    let mut rig = Rig::new();
    let behind = [rig.entry(6, 1, 1), rig.entry(7, 1, 2)];
    rig.millis += 60_000;
    rig.inbox.placed("t", Some(head(5)), rig.now());
    rig.cut("t");
    let read = rig.inbox.next_read().unwrap();
    rig.read(&read, Some(head(7)), &behind);
    assert_eq!(rig.taken(), ["1:1", "1:2"]);
}

/// A topic that is joined while the server of its log is away.
fn begun(rig: &mut Rig, topic: &str) {
    let now = rig.now();
    rig.inbox.begun(topic, now);
    rig.inbox.joined(topic, now, &mut rig.heard);
    assert!(
        !rig.inbox.is_unplaced(topic),
        "it is not placed behind a break"
    );
}

#[test]
fn what_nobody_could_place_is_read_from_the_time_of_its_joining() {
    let mut rig = Rig::new();
    let long_ago = rig.entry(3, 1, 1);
    rig.millis += 3_600_000;
    begun(&mut rig, "t");
    rig.millis += 1_000;
    let missed = rig.entry(4, 1, 2);
    rig.cut("t");
    // Where the log goes now is behind the break.
    rig.inbox.placed("t", Some(head(4)), rig.now());
    let read = rig.inbox.next_read().unwrap();
    rig.read(&read, None, &[long_ago, missed]);
    rig.message(Via::Topic, "t", &rig.kept(5, 1, 3));
    assert_eq!(rig.taken(), ["1:2", "1:3"]);
    assert_eq!((rig.heard.lost, rig.heard.unknown), (0, 0));
}

#[test]
fn what_nobody_could_place_and_has_no_log_is_read_from_its_start_later() {
    let mut rig = Rig::new();
    begun(&mut rig, "t");
    rig.cut("t");
    let read = rig.inbox.next_read().unwrap();
    rig.read(&read, None, &[]);
    rig.cut("t");
    let read = rig.inbox.next_read().unwrap();
    let first = rig.entry(1, 1, 1);
    rig.read(&read, Some(head(1)), &[first]);
    assert_eq!(rig.taken(), ["1:1"]);
}

#[test]
fn what_was_trimmed_while_away_is_told_exactly() {
    let mut rig = Rig::new();
    rig.inbox.placed("t", Some(head(10)), rig.now());
    rig.message(Via::Topic, "t", &rig.kept(11, 1, 7));
    rig.cut("t");
    let read = rig.inbox.next_read().unwrap();
    assert_eq!(read.ask, Ask::Head { after: 11 });
    // Live meanwhile: held.
    rig.message(Via::Topic, "t", &rig.kept(52, 1, 48));
    assert_eq!(rig.taken(), ["1:7"]);
    let entries = [rig.entry(50, 1, 46), rig.entry(51, 1, 47)];
    rig.read(&read, Some(head(51)), &entries);
    assert_eq!(rig.taken(), ["1:46", "1:47", "1:48"]);
    assert_eq!(rig.heard.lost, 38);
    let tally = rig.inbox.tally();
    assert_eq!((tally.gaps, tally.repaired, tally.arrived), (1, 2, 4));
}

#[test]
fn what_was_given_up_while_away_is_forgotten() {
    let mut rig = Rig::new();
    for topic in ["given_up", "kept", "wanted"] {
        rig.inbox.placed(topic, Some(head(10)), rig.now());
        rig.inbox.joined(topic, rig.now(), &mut rig.heard);
    }
    rig.inbox.broken(rig.now(), |_| false);
    let now = rig.now();
    rig.inbox.joined("kept", now, &mut rig.heard);
    rig.inbox.whole(now, |_| false, &mut rig.heard);
    rig.inbox.forget_cut(|topic| topic == "wanted");
    // Asked for anew, it begins anew.
    assert!(rig.inbox.is_unplaced("given_up"));
    assert!(!rig.inbox.is_unplaced("kept"));
    assert!(!rig.inbox.is_unplaced("wanted"));
    assert_eq!(rig.inbox.next_read().unwrap().topic, "kept");
    assert_eq!(rig.inbox.next_read(), None);
}

#[test]
fn a_log_that_cannot_be_read_is_a_gap() {
    let mut rig = Rig::new();
    rig.inbox.placed("t", Some(head(10)), rig.now());
    rig.message(Via::Topic, "t", &rig.kept(11, 1, 1));
    rig.cut("t");
    let read = rig.inbox.next_read().unwrap();
    rig.inbox.undone(&read);
    let now = rig.now();
    // An answer to what was given up changes nothing.
    rig.inbox.unread(&read, now, &mut rig.heard);
    let read = rig.inbox.next_read().unwrap();
    rig.inbox.unread(&read, now, &mut rig.heard);
    assert_eq!(rig.heard.unknown, 1);
    // Live from here on, with the hole that the numbers tell.
    rig.message(Via::Topic, "t", &rig.kept(15, 1, 5));
    let read = rig.inbox.next_read().unwrap();
    rig.inbox.unread(&read, now, &mut rig.heard);
    assert_eq!(rig.taken(), ["1:1", "1:5"]);
    assert_eq!(rig.heard.lost, 3);
}

#[test]
fn logs_that_began_while_a_pattern_was_cut_off_are_read_since_the_break() {
    let mut rig = Rig::new();
    let via = Via::Pattern;
    rig.inbox.pattern_joined(&pattern("a.*"), rig.now());
    rig.millis = 3_600_000;
    let old = rig.entry(1, 1, 1);
    rig.millis += 3_600_000;
    rig.message(via, "a.known", &rig.kept(5, 1, 1));
    assert_eq!(rig.inbox.to_search(), None);
    rig.inbox.broken(rig.now(), |_| false);
    rig.millis += 1_000;
    let mark = rig.inbox.to_search().unwrap();
    let young = rig.entry(2, 1, 2);
    let now = rig.now();
    rig.inbox.pattern_joined(&pattern("a.*"), now);
    rig.inbox.found("a.known", now, &mut rig.heard);
    rig.inbox.found("a.found", now, &mut rig.heard);
    // Another is heard before it is found.
    rig.message(via, "a.heard", &rig.kept(3, 1, 3));
    rig.inbox.searched(mark);
    rig.inbox.whole(now, |_| true, &mut rig.heard);
    assert_eq!(rig.taken(), ["1:1"]);
    let mut asked = Vec::new();
    while let Some(read) = rig.inbox.next_read() {
        asked.push((read.topic.to_string(), read.ask));
        let entries = match read.ask {
            Ask::Newest => vec![old.clone(), young.clone()],
            _ => Vec::new(),
        };
        let head = matches!(read.ask, Ask::Head { .. }).then(|| head(5));
        rig.read(&read, head, &entries);
    }
    asked.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("a.found".to_owned(), Ask::Newest),
        ("a.heard".to_owned(), Ask::Newest),
        ("a.known".to_owned(), Ask::Head { after: 5 }),
    ];
    assert_eq!(asked, expected);
    let mut events = rig.taken();
    events.sort();
    assert_eq!(events, ["1:2", "1:2", "1:3"]);
    assert_eq!(rig.heard.lost + rig.heard.unknown, 0);
    // A topic that is new after that is just new.
    rig.message(via, "a.new", &rig.kept(7, 1, 1));
    assert_eq!(rig.taken(), ["1:1"]);
}

#[test]
fn a_slow_clock_does_not_hide_what_came_after_the_place() {
    let mut rig = Rig::new();
    let slow = rig.entry(6, 1, 1);
    rig.millis += 3_600_000;
    rig.inbox.placed("t", Some(head(5)), rig.now());
    let now = rig.now();
    rig.inbox.joined("t", now, &mut rig.heard);
    rig.cut("t");
    let read = rig.inbox.next_read().unwrap();
    rig.read(&read, Some(head(6)), &[slow]);
    assert_eq!(rig.taken(), ["1:1"]);
}

#[test]
fn what_was_held_and_is_in_no_log_is_told_when_the_connection_breaks() {
    let mut rig = Rig::new();
    let unkept = |publisher, serial| {
        sealed(Stamps {
            publisher,
            serial,
            micros: stamp(Instant::now(), 0).micros,
            ..Stamps::default()
        })
    };
    rig.inbox.placed("t", Some(head(5)), rig.now());
    rig.message(Via::Topic, "t", &rig.kept(6, 1, 1));
    rig.message(Via::Topic, "t", &rig.kept(8, 1, 3));
    rig.message(Via::Topic, "t", &unkept(1, 4));
    rig.message(Via::Topic, "t", &unkept(US, 4));
    assert_eq!(rig.taken(), ["1:1"]);
    rig.cut("t");
    let read = rig.inbox.next_read().unwrap();
    rig.read(
        &read,
        Some(head(8)),
        &[rig.entry(7, 1, 2), rig.entry(8, 1, 3)],
    );
    assert_eq!(rig.heard.lost, 1);
    // Once.
    rig.message(Via::Topic, "t", &rig.kept(9, 1, 5));
    assert_eq!(rig.taken(), ["1:2", "1:3", "1:5"]);
    assert_eq!((rig.heard.lost, rig.inbox.shared.held), (1, 0));
}

#[test]
fn a_damaged_entry_that_came_live_is_told_once() {
    let mut rig = Rig::new();
    rig.inbox.placed("t", Some(head(5)), rig.now());
    rig.message(Via::Topic, "t", b"\0dy\xff");
    rig.message(Via::Topic, "t", &rig.kept(7, 1, 2));
    let read = rig.inbox.next_read().unwrap();
    let damaged = Entry {
        number: 6,
        bytes: b"\0dy\xff".to_vec(),
    };
    let entries = [damaged, rig.entry(7, 1, 2)];
    rig.read(&read, Some(head(7)), &entries);
    assert_eq!(rig.taken(), ["1:2"]);
    assert_eq!(rig.heard.lost, 1);
}

#[test]
fn reads_that_nobody_answers_any_more_are_asked_for_again() {
    let mut rig = Rig::new();
    rig.inbox.placed("t", Some(head(5)), rig.now());
    rig.message(Via::Topic, "t", &rig.kept(7, 1, 2));
    rig.inbox.next_read().unwrap();
    assert_eq!(rig.inbox.next_read(), None);
    rig.inbox.give_back();
    let read = rig.inbox.next_read().unwrap();
    rig.read(
        &read,
        Some(head(7)),
        &[rig.entry(6, 1, 1), rig.entry(7, 1, 2)],
    );
    assert_eq!(rig.taken(), ["1:1", "1:2"]);
}

#[test]
fn topics_that_are_being_read_are_forgotten_last_and_not_in_silence() {
    let mut rig = Rig::new();
    for at in 0..MOST_ROAMING {
        let topic = format!("t{at}");
        rig.message(Via::Pattern, &topic, &rig.kept(1, 1, 1));
        // Three in four have a hole.
        if at % 4 > 0 {
            rig.message(Via::Pattern, &topic, &rig.kept(3, 1, 3));
        }
    }
    for at in 0..2 {
        rig.message(Via::Pattern, &format!("more{at}"), &rig.kept(1, 1, 1));
    }
    assert!(
        rig.inbox.roaming <= MOST_ROAMING / 2 + 3,
        "{}",
        rig.inbox.roaming
    );
    let open = MOST_ROAMING / 4 + 1;
    let lost = MOST_ROAMING / 2 - open;
    assert!(
        rig.heard.unknown.abs_diff(lost as u64) <= 2,
        "{}",
        rig.heard.unknown
    );
    let rest = rig.inbox.tracks.values().filter(|track| track.is_behind());
    assert_eq!(
        rest.count() as u64 + rig.heard.unknown,
        MOST_ROAMING as u64 / 4 * 3
    );
}

#[test]
fn a_long_log_is_read_whole_when_its_newest_page_does_not_reach_back() {
    let mut rig = Rig::new();
    rig.inbox.pattern_joined(&pattern("*"), rig.now());
    rig.inbox.broken(rig.now(), |_| false);
    let now = rig.now();
    rig.inbox.found("t", now, &mut rig.heard);
    let count = 2 * PAGE as u64 + 5;
    let log: Vec<_> = (1..=count).map(|n| rig.entry(n, 1, n)).collect();
    while let Some(read) = rig.inbox.next_read() {
        let page = match read.ask {
            Ask::Newest => &log[log.len() - PAGE..],
            Ask::Page { after } | Ask::Head { after } => {
                let after = after as usize;
                &log[after..(after + PAGE).min(log.len())]
            }
        };
        rig.read(&read, None, page);
    }
    assert_eq!(rig.taken().len() as u64, count);
}

#[test]
fn what_cannot_be_read_is_one_lost_event() {
    let mut rig = Rig::new();
    rig.message(Via::Topic, "t", b"\0dy\xff");
    let mut damaged = Vec::new();
    let event = Publication::new("t", "").key("key");
    let stamps = Stamps {
        publisher: 1,
        serial: 1,
        ..Stamps::default()
    };
    envelope::encode(&stamps, &event, &mut damaged);
    let last = damaged.len() - 1;
    damaged[last] = 0xff;
    rig.message(Via::Topic, "t", &damaged);
    assert_eq!(rig.heard.lost, 2);
    assert_eq!(rig.inbox.tally().unreadable, 2);
    // In a log too, and it takes a number there.
    rig.inbox.placed("u", Some(head(1)), rig.now());
    rig.message(Via::Topic, "u", &rig.kept(2, 1, 1));
    rig.cut("u");
    let read = rig.inbox.next_read().unwrap();
    let foreign = Entry {
        number: 3,
        bytes: b"foreign".to_vec(),
    };
    let entries = [foreign, rig.entry(4, 1, 2)];
    rig.read(&read, Some(head(4)), &entries);
    assert_eq!(rig.taken(), ["1:1", "1:2"]);
    assert_eq!(rig.heard.lost, 3);
    // One of our own is no loss of ours.
    rig.cut("u");
    rig.inbox.kept("u", 5);
    let read = rig.inbox.next_read().unwrap();
    let foreign = Entry {
        number: 5,
        bytes: b"foreign".to_vec(),
    };
    rig.read(&read, Some(head(5)), &[foreign]);
    assert_eq!(rig.heard.lost, 3);
}

#[test]
fn the_late_are_counted() {
    let mut rig = Rig::new();
    let early = rig.kept(1, 1, 1);
    rig.millis = 900;
    rig.message(Via::Topic, "t", &early);
    let early = rig.kept(2, 1, 2);
    rig.millis += 901;
    rig.message(Via::Topic, "t", &early);
    assert_eq!(rig.inbox.tally().late, 1);
    // Of what is handed on: not our own, nor what was had.
    let ours = rig.kept(3, US, 1);
    rig.millis += 901;
    rig.message(Via::Topic, "t", &early);
    rig.message(Via::Topic, "t", &ours);
    assert_eq!(rig.inbox.tally().late, 1);
}

#[test]
fn what_is_silent_or_given_up_is_forgotten() {
    let mut rig = Rig::new();
    rig.inbox.pattern_joined(&pattern("*"), rig.now());
    rig.inbox.placed("exact", Some(head(1)), rig.now());
    rig.inbox.joined("exact", rig.now(), &mut rig.heard);
    rig.message(Via::Topic, "plain", b"1");
    for at in 0..MOST_ROAMING + 10 {
        if at == MOST_ROAMING {
            rig.millis += 1_000;
        }
        rig.message(Via::Pattern, &format!("t{at}"), b"1");
    }
    assert!(rig.inbox.roaming <= MOST_ROAMING);
    let newest = format!("t{}", MOST_ROAMING + 9);
    assert!(rig.inbox.tracks.contains_key(newest.as_str()));
    assert!(!rig.inbox.is_unplaced("exact"));
    assert!(rig.inbox.tracks.contains_key("plain"));

    rig.inbox.pattern_parted(&pattern("*"));
    rig.inbox.forget_unheard(|_| false);
    assert_eq!((rig.inbox.tracks.len(), rig.inbox.roaming), (2, 0));
    rig.millis += 1_000 * u64::from(SILENT) + 2_000;
    rig.inbox.sweep(rig.now());
    assert_eq!(rig.inbox.tracks.len(), 1);
    rig.inbox.parted("exact", true);
    assert_eq!(rig.inbox.roaming, 1);
    rig.inbox.parted("exact", false);
    assert_eq!((rig.inbox.tracks.len(), rig.inbox.roaming), (0, 0));
}

/// Every read that is wanted, of a log that begins with `log[0]`.
fn read_all(rig: &mut Rig, head: Head, log: &[Entry<Vec<u8>>]) {
    while let Some(read) = rig.inbox.next_read() {
        let after = match read.ask {
            Ask::Head { after } | Ask::Page { after } => after,
            Ask::Newest => 0,
        };
        let rest = log.iter().filter(|entry| entry.number > after);
        let page: Vec<_> = rest.take(PAGE).cloned().collect();
        let head = matches!(read.ask, Ask::Head { .. }).then_some(head);
        rig.read(&read, head, &page);
    }
}

/// An event of a log of any lineage.
fn kept_in(lineage: u64, number: u64, publisher: u64, serial: u64) -> Vec<u8> {
    sealed(Stamps {
        lineage,
        number,
        publisher,
        serial,
        micros: stamp(Instant::now(), 0).micros,
        kept: true,
    })
}

fn entries_in(
    lineage: u64,
    numbers: std::ops::RangeInclusive<u64>,
    publisher: u64,
    serial: u64,
) -> Vec<Entry<Vec<u8>>> {
    let first = *numbers.start();
    let entry = |number| Entry {
        number,
        bytes: kept_in(lineage, number, publisher, serial + number - first),
    };
    numbers.map(entry).collect()
}

fn forked(lineage: u64, newest: u64, before: u64, fork: u64) -> Head {
    let position = |lineage, number| Position { lineage, number };
    Head {
        newest: position(lineage, newest),
        before: Some(position(before, fork)),
    }
}

#[test]
fn our_own_events_that_are_gone_from_a_log_are_not_missing() {
    let mut rig = Rig::new();
    rig.inbox.placed("t", Some(head(10)), rig.now());
    rig.message(Via::Topic, "t", &rig.kept(11, 1, 7));
    rig.inbox.broken(rig.now(), |_| false);
    // What we had to say meanwhile has pushed everything out: 12 to 41, and one of
    // somebody else between.
    for number in (12..=41).filter(|number| *number != 20) {
        rig.inbox.kept("t", number);
    }
    let now = rig.now();
    rig.inbox.joined("t", now, &mut rig.heard);
    let log: Vec<_> = (40..=42)
        .map(|number| match number {
            42 => rig.entry(42, 1, 9),
            _ => rig.entry(number, US, number),
        })
        .collect();
    read_all(&mut rig, head(42), &log);
    assert_eq!(rig.taken(), ["1:7", "1:9"]);
    assert_eq!((rig.heard.lost, rig.heard.unknown), (1, 0));
}

#[test]
fn what_is_held_takes_the_place_of_what_is_gone_from_the_log() {
    let mut rig = Rig::new();
    rig.inbox.placed("t", Some(head(10)), rig.now());
    rig.message(Via::Topic, "t", &rig.kept(11, 1, 1));
    rig.cut("t");
    // Every second one is ours.
    let log: Vec<_> = (12..=30)
        .map(|number| match number % 2 {
            0 => rig.entry(number, 1, number / 2 - 4),
            _ => rig.entry(number, US, number),
        })
        .collect();
    for entry in &log {
        rig.message(Via::Topic, "t", &entry.bytes);
    }
    // The log has been trimmed meanwhile.
    read_all(&mut rig, head(30), &log[13..]);
    let events: Vec<_> = (1..=11).map(|serial| format!("1:{serial}")).collect();
    assert_eq!(rig.taken(), events);
    assert_eq!((rig.heard.lost, rig.heard.unknown), (0, 0));
    assert_eq!(rig.inbox.shared.held, 0);
}

#[test]
fn a_server_that_is_back_with_a_fork_of_an_older_log_is_read_from_there() {
    let mut rig = Rig::new();
    rig.inbox.placed("t", None, rig.now());
    for entry in entries_in(1, 1..=5, 1, 1) {
        rig.message(Via::Topic, "t", &entry.bytes);
    }
    // Another takes over with four of them, and gets the fifth again.
    rig.cut("t");
    let second = [entries_in(1, 1..=4, 1, 1), entries_in(2, 5..=9, 1, 5)].concat();
    read_all(&mut rig, forked(2, 9, 1, 4), &second);
    assert_eq!(rig.taken().len(), 9);
    // The first is back as it was, and is given again what it lacks. The beginning of its
    // log is gone by then.
    rig.cut("t");
    let third = [entries_in(1, 4..=5, 1, 4), entries_in(3, 6..=12, 1, 6)].concat();
    read_all(&mut rig, forked(3, 12, 1, 5), &third);
    assert_eq!(rig.taken(), ["1:10", "1:11", "1:12"]);
    assert_eq!((rig.heard.lost, rig.heard.unknown), (0, 0));
    let duplicates = rig.inbox.tally().duplicates;
    assert!(duplicates <= 5, "{duplicates}: it read what it had");
}

#[test]
fn what_may_have_been_had_under_other_numbers_is_counted_by_serials_alone() {
    let mut rig = Rig::new();
    rig.inbox.placed("t", None, rig.now());
    for entry in entries_in(1, 1..=9, 1, 1) {
        rig.message(Via::Topic, "t", &entry.bytes);
    }
    // The new server has five of them, gets the others again, and more: and has trimmed its
    // log before it is read.
    rig.cut("t");
    let newest = entries_in(2, 15..=16, 1, 15);
    read_all(&mut rig, forked(2, 16, 1, 5), &newest);
    // Ten to fourteen.
    assert_eq!((rig.heard.lost, rig.heard.unknown), (5, 1));
    assert_eq!(rig.taken()[9..], ["1:15", "1:16"]);
    // Nothing new was in what is gone, as far as anybody can tell.
    rig.cut("t");
    let newest = entries_in(3, 20..=21, 1, 17);
    read_all(&mut rig, forked(3, 21, 2, 15), &newest);
    assert_eq!(rig.taken(), ["1:17", "1:18"]);
    assert_eq!((rig.heard.lost, rig.heard.unknown), (5, 2));
}

#[test]
fn a_server_that_gives_numbers_out_again_under_the_same_lineage_is_found_out() {
    let mut rig = Rig::new();
    rig.inbox.placed("t", None, rig.now());
    for entry in entries_in(1, 1..=9, 1, 1) {
        rig.message(Via::Topic, "t", &entry.bytes);
    }
    // Nobody may see whose numbers they are: the log of the next server ends at 5.
    rig.cut("t");
    read_all(&mut rig, forked(1, 5, 0, 0), &[]);
    let again = entries_in(1, 6..=8, 1, 10);
    rig.message(Via::Topic, "t", &again[1].bytes);
    let log = [entries_in(1, 1..=5, 1, 1), again].concat();
    read_all(&mut rig, forked(1, 8, 0, 0), &log);
    rig.message(Via::Topic, "t", &kept_in(1, 9, 1, 13));
    assert_eq!(rig.taken()[9..], ["1:10", "1:11", "1:12", "1:13"]);
    assert_eq!((rig.heard.lost, rig.heard.unknown), (0, 0));
}
