//! A lane's connections over lines in memory, with a clock that is told.

mod faults;

use proptest::prelude::*;

use super::{
    command::{Command, Speech},
    rig::{Line, arrival, shard, silent},
    shard::Shard,
};
use crate::{
    feed::Budget,
    gateway::{
        ended::Ended,
        hooks::Message,
        limits::Limits,
        verdict::{Accept, Format, OnLag, Wish},
    },
    hub::{Hub, SubscribeOptions},
    selector::Selector,
};

/// A message or control frame that a client got.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Got {
    Message(Vec<u8>),
    Control(u8, Vec<u8>),
}

/// Reads what a server wrote: frames without masks. What is cut off is left.
pub(super) fn read(wire: &[u8]) -> Vec<Got> {
    let (mut got, mut message, mut at) = (Vec::new(), Vec::new(), 0);
    while at + 2 <= wire.len() {
        let (first, short) = (wire[at], usize::from(wire[at + 1]));
        assert_eq!(short & 0x80, 0, "servers do not mask");
        let (len, header) = match short {
            126 if wire.len() < at + 4 => break,
            127 if wire.len() < at + 10 => break,
            126 => (
                usize::from(u16::from_be_bytes([wire[at + 2], wire[at + 3]])),
                4,
            ),
            127 => {
                let bytes = wire[at + 2..at + 10].try_into().unwrap();
                (u64::from_be_bytes(bytes) as usize, 10)
            }
            short => (short, 2),
        };
        let Some(payload) = wire.get(at + header..at + header + len) else {
            break;
        };
        match first & 0xf {
            control @ 8.. => got.push(Got::Control(control, payload.to_vec())),
            opcode => {
                assert_eq!(opcode == 0, !message.is_empty(), "out of place");
                message.extend_from_slice(payload);
                if first & 0x80 != 0 {
                    got.push(Got::Message(std::mem::take(&mut message)));
                }
            }
        }
        at += header + len;
    }
    got
}

/// A client's frame.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    let mut frame = vec![0x80 | opcode, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

struct Fixture {
    hub: Hub,
    shard: Shard<Line>,
    lines: Vec<Line>,
}

impl Fixture {
    fn new(hub: Hub, limits: Limits) -> Self {
        Fixture {
            shard: shard(&hub, silent(), limits),
            hub,
            lines: Vec::new(),
        }
    }

    fn connect(&mut self, speech: Speech, accept: Accept<()>) -> u32 {
        let line = Line::default();
        self.lines.push(line.clone());
        let place = self.shard.reserve();
        self.shard.inbox.count_in();
        self.shard.arrive(place, arrival(line, speech, accept));
        place
    }

    fn plain(&mut self, topic: &str) -> u32 {
        let selector = Selector::topic(topic).unwrap();
        self.connect(Speech::Plain, Accept::new(()).subscribe(selector))
    }

    fn settle(&mut self) {
        self.shard.go_on();
        while self.shard.turn() {
            self.shard.go_on();
        }
    }

    fn say(&mut self, place: u32, frame: &[u8]) {
        self.lines[place as usize]
            .0
            .borrow_mut()
            .input
            .extend(frame);
        self.shard.ready(place, true, false, false);
    }

    fn room(&mut self, place: u32, room: Option<usize>) {
        self.lines[place as usize].0.borrow_mut().room = room;
        self.shard.ready(place, false, true, false);
    }

    fn got(&self, place: u32) -> Vec<Got> {
        read(&self.lines[place as usize].0.borrow().sent)
    }

    fn texts(&self, place: u32) -> Vec<String> {
        let text = |got| match got {
            Got::Message(bytes) => String::from_utf8(bytes).ok(),
            Got::Control(..) => None,
        };
        self.got(place).into_iter().filter_map(text).collect()
    }

    fn wish(&mut self, place: u32, number: u32, topic: &str) {
        let wish = format!(r#"{{"type":"subscribe","id":{number},"topics":["{topic}"]}}"#);
        self.say(place, &masked(1, wish.as_bytes()));
    }

    fn ended(&self, why: Ended) -> u64 {
        let stats = self.shard.shared.meters.snapshot();
        stats.ended().find(|(ended, _)| *ended == why).unwrap().1
    }
}

fn message(text: &str) -> Got {
    Got::Message(text.as_bytes().to_vec())
}

#[test]
fn an_event_goes_to_everybody_as_one_frame() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let places: Vec<u32> = (0..100).map(|_| f.plain("a")).collect();
    f.hub.publish("a", "hello").unwrap();
    f.settle();
    for place in places {
        assert_eq!(f.got(place), [message("hello")]);
    }
    let stats = f.shard.shared.meters.snapshot();
    assert_eq!((stats.frames_made, stats.writes), (1, 100));
    assert_eq!(stats.share.last(), 1.0);
    assert_eq!(stats.closed_writes, 0);
}

#[test]
fn a_pong_goes_between_the_fragments_of_a_large_message() {
    let mut f = Fixture::new(Hub::new(), Limits::default().fragment(1_024));
    let place = f.plain("a");
    f.room(place, Some(1_500));
    f.hub.publish("a", vec![b'x'; 10_000]).unwrap();
    f.settle();
    f.say(place, &masked(9, b"now"));
    f.room(place, Some(3_000));
    f.settle();
    f.room(place, None);
    f.settle();
    let got = f.got(place);
    assert_eq!(got[0], Got::Control(10, b"now".to_vec()));
    assert_eq!(got[1], Got::Message(vec![b'x'; 10_000]));
}

#[test]
fn a_close_cuts_a_large_message_between_fragments_and_ends_it() {
    let mut f = Fixture::new(Hub::new(), Limits::default().fragment(1_024));
    let place = f.plain("a");
    f.room(place, Some(1_500));
    f.hub.publish("a", vec![b'x'; 10_000]).unwrap();
    f.hub.publish("a", "never").unwrap();
    f.settle();
    f.say(place, &masked(8, &1000u16.to_be_bytes()));
    f.room(place, None);
    f.settle();
    let ends = f.lines[place as usize].0.borrow();
    assert!(ends.finished);
    let (before, close) = ends.sent.split_at(ends.sent.len() - 4);
    assert_eq!(close, [0x88, 2, 3, 232]);
    assert_eq!(before.len(), 2 * 1_028, "ends with a fragment");
    assert_eq!((f.ended(Ended::Left), f.shard.berths.len()), (1, 0));
    assert_eq!(f.hub.stats().subscriptions, 0);
}

#[test]
fn a_stalled_socket_holds_no_event_of_its_own() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let places: Vec<u32> = (0..50).map(|_| f.plain("a")).collect();
    for place in &places {
        f.room(*place, Some(100_000));
    }
    f.hub.publish("a", vec![b'x'; 1 << 20]).unwrap();
    f.settle();
    assert_eq!(f.shard.shared.meters.snapshot().stalled, 50);
    assert!(f.hub.stats().bytes_held < (1 << 20) + 4_096);
    for place in places {
        f.room(place, None);
        f.settle();
        assert_eq!(f.got(place), [Got::Message(vec![b'x'; 1 << 20])]);
    }
    assert_eq!(f.hub.stats().bytes_held, 0);
    assert_eq!(f.shard.shared.meters.snapshot().stalled, 0);
}

#[test]
fn a_client_of_the_json_protocol_is_told_what_it_missed() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let options = SubscribeOptions::new().budget(Budget::default().events(10).unwrap());
    let selector = Selector::topic("a").unwrap();
    let accept = Accept::new(()).subscribe_with(selector, options);
    let place = f.connect(Speech::Json, accept);
    f.room(place, Some(0));
    f.hub.publish("a", "0").unwrap();
    f.settle();
    for i in 1..=30 {
        f.hub.publish("a", i.to_string()).unwrap();
        f.settle();
    }
    f.room(place, None);
    f.settle();
    let texts = f.texts(place);
    assert!(texts[0].contains("\"welcome\""), "{texts:?}");
    assert!(texts[1].contains("\"subscribed\""), "{texts:?}");
    let lagged = texts
        .iter()
        .position(|text| text.contains("\"lagged\""))
        .unwrap();
    let missed: u64 = serde_json::from_str::<serde_json::Value>(&texts[lagged]).unwrap()["missed"]
        .as_u64()
        .unwrap();
    let events = texts
        .iter()
        .filter(|text| text.contains("\"event\""))
        .count();
    assert_eq!(events as u64 + missed, 31);
    assert!(
        texts.last().unwrap().ends_with(r#""data":30}"#),
        "{texts:?}"
    );
}

#[test]
fn a_plain_client_that_missed_something_is_closed_or_goes_on() {
    for (on_lag, ended) in [(OnLag::Close, 1), (OnLag::Continue, 0)] {
        let mut f = Fixture::new(Hub::new(), Limits::default());
        let options = SubscribeOptions::new().budget(Budget::default().events(2).unwrap());
        let selector = Selector::topic("a").unwrap();
        let accept = Accept::new(())
            .subscribe_with(selector, options)
            .on_lag(on_lag);
        let place = f.connect(Speech::Plain, accept);
        f.room(place, Some(0));
        for i in 0..10 {
            f.hub.publish("a", i.to_string()).unwrap();
            f.settle();
        }
        f.room(place, None);
        f.settle();
        assert_eq!(f.ended(Ended::Lagged), ended, "{on_lag:?}");
        let last = f.got(place).pop().unwrap();
        match on_lag {
            OnLag::Continue => assert_eq!(last, message("9")),
            _ => assert!(matches!(last, Got::Control(8, why) if why[..2] == [3, 245])),
        }
    }
}

#[test]
fn after_unsubscribed_nothing_of_it_comes() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let accept = Accept::new(()).allow("a*".try_into().unwrap());
    let place = f.connect(Speech::Json, accept);
    f.say(
        place,
        &masked(1, br#"{"type":"subscribe","id":1,"topics":["a1"]}"#),
    );
    f.say(
        place,
        &masked(1, br#"{"type":"subscribe","id":2,"patterns":["a*"]}"#),
    );
    f.say(
        place,
        &masked(1, br#"{"type":"subscribe","id":3,"topics":["b"]}"#),
    );
    f.hub.publish("a1", "1").unwrap();
    f.settle();
    f.hub.publish("a1", "2").unwrap();
    f.say(place, &masked(1, br#"{"type":"unsubscribe","id":1}"#));
    f.say(place, &masked(1, br#"{"type":"unsubscribe","id":9}"#));
    f.settle();
    let texts = f.texts(place);
    let of = |kind: &str| {
        let kind = format!("\"type\":\"{kind}\"");
        texts.iter().filter(|text| text.contains(&kind)).count()
    };
    assert_eq!(
        (of("event"), of("unsubscribed"), of("error")),
        (3, 1, 2),
        "{texts:#?}"
    );
    assert!(
        texts.iter().any(|text| text.contains("denied")),
        "{texts:#?}"
    );
}

#[test]
fn who_does_not_answer_a_ping_is_closed_and_who_does_is_not() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let (silent, alive) = (f.plain("a"), f.plain("a"));
    for second in 0..=50 {
        f.shard.tick(second * 1_000);
        f.settle();
        if f.got(alive).contains(&Got::Control(9, vec![])) {
            f.say(alive, &masked(10, b""));
        }
    }
    assert_eq!((f.ended(Ended::Silent), f.shard.berths.len()), (1, 1));
    assert_eq!(f.got(silent), [Got::Control(9, vec![])]);
    f.hub.publish("a", "still here").unwrap();
    f.settle();
    assert_eq!(f.texts(alive), ["still here"]);
}

#[test]
fn who_takes_nothing_is_closed_in_time() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let place = f.plain("a");
    f.room(place, Some(3));
    f.hub.publish("a", "hello").unwrap();
    f.settle();
    let mut since = 0;
    while !f.shard.berths.is_empty() {
        since += 500;
        f.say_alive(place);
        f.shard.tick(since);
        f.settle();
        assert!(since < 60_000, "never closed");
    }
    assert!(
        (30_000..=31_000).contains(&since),
        "closed after {since} ms"
    );
    assert_eq!(f.ended(Ended::WriteTimeout), 1);
}

impl Fixture {
    fn say_alive(&mut self, place: u32) {
        self.say(place, &masked(10, b""));
    }
}

#[test]
fn a_drain_is_even_and_says_when_to_come_back() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    for _ in 0..100 {
        f.plain("a");
    }
    let (done, mut waiting) = tokio::sync::oneshot::channel();
    let over = std::time::Duration::from_secs(10);
    f.shard.command(Command::Drain(over, done));
    for tick in 1..=100u64 {
        f.shard.tick(tick * 100);
        let told = f
            .lines
            .iter()
            .filter(|line| !line.0.borrow().sent.is_empty());
        assert_eq!(told.count() as u64, tick);
    }
    assert!(waiting.try_recv().is_err(), "they have not answered yet");
    for place in 0..100 {
        let Got::Control(8, why) = f.got(place).remove(0) else {
            panic!("no close");
        };
        assert_eq!(why[..2], 1012u16.to_be_bytes());
        assert!(String::from_utf8_lossy(&why).contains("reconnect after"));
        f.say(place, &masked(8, &1012u16.to_be_bytes()));
    }
    assert_eq!(waiting.try_recv(), Ok(()));
    assert_eq!(f.ended(Ended::Drained), 100);
}

#[test]
fn a_flood_of_pings_is_answered_by_one_write_a_read() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let place = f.plain("a");
    let flood: Vec<u8> = (0..10_000u32)
        .flat_map(|i| masked(9, &i.to_be_bytes()))
        .collect();
    f.say(place, &flood);
    f.settle();
    let writes = f.shard.shared.meters.snapshot().writes;
    let reads = flood.len().div_ceil(16 << 10) as u64;
    assert!(writes <= reads, "{writes} writes for {reads} reads");
    let last = f.got(place).pop();
    assert_eq!(
        last,
        Some(Got::Control(10, 9_999u32.to_be_bytes().to_vec()))
    );
}

#[test]
fn a_flood_of_one_holds_nobody_else_up() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let (flooder, other) = (f.plain("a"), f.plain("a"));
    let flood: Vec<u8> = (0..100_000).flat_map(|_| masked(10, b"")).collect();
    let reads = flood.len() / (16 << 10);
    f.say(flooder, &flood);
    f.say(other, &masked(9, b"?"));
    f.hub.publish("a", "event").unwrap();
    f.shard.go_on();
    assert!(f.shard.turn());
    assert_eq!(f.texts(other), ["event"]);
    assert_eq!(f.got(other).len(), 2, "the ping has been answered");
    let left = f.lines[flooder as usize].0.borrow().input.len();
    assert!(left > flood.len() / 2, "{left} bytes left of {reads} reads");
}

#[test]
fn a_drain_says_when_to_come_back_to_those_who_lag_too() {
    for speech in [Speech::Json, Speech::Sse] {
        let mut f = Fixture::new(Hub::new(), Limits::default());
        let selector = Selector::topic("a").unwrap();
        let place = f.connect(speech, Accept::new(()).subscribe(selector));
        f.room(place, Some(100));
        for _ in 0..50 {
            f.hub.publish("a", "x".repeat(1_000)).unwrap();
        }
        f.settle();
        let (done, _waiting) = tokio::sync::oneshot::channel();
        f.shard
            .command(Command::Drain(std::time::Duration::ZERO, done));
        f.room(place, None);
        f.settle();
        let sent = f.lines[place as usize].0.borrow().sent.clone();
        let sent = String::from_utf8_lossy(&sent);
        let hint = match speech {
            Speech::Json => "\"type\":\"reconnect\"",
            _ => "\n\nretry: ",
        };
        assert_eq!(sent.matches(hint).count(), 1, "{sent}");
        let events = sent.matches("xxx").count();
        assert!(events > 0, "what was under way is finished");
    }
}

#[test]
fn a_message_in_pieces_that_is_cut_is_not_followed_by_another() {
    let mut f = Fixture::new(Hub::new(), Limits::default().fragment(1_024));
    let selector = Selector::topic("a").unwrap();
    let place = f.connect(Speech::Json, Accept::new(()).subscribe(selector));
    f.room(place, Some(1_500));
    f.hub.publish("a", vec![b'x'; 10_000]).unwrap();
    f.settle();
    let (done, _waiting) = tokio::sync::oneshot::channel();
    f.shard
        .command(Command::Drain(std::time::Duration::ZERO, done));
    f.room(place, None);
    f.settle();
    // Reading it asserts that nothing but control frames came in between.
    let got = f.got(place);
    assert!(matches!(got.last(), Some(Got::Control(8, _))), "{got:?}");
}

#[test]
fn one_who_is_being_closed_is_not_read_for_ever() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let place = f.plain("a");
    f.say(place, &masked(1, b"nobody listens"));
    assert_eq!(f.ended(Ended::Unwanted), 1);
    let flood = masked(1, &[b'x'; 120]).repeat(10_000);
    f.say(place, &flood);
    f.settle();
    let left = f.lines[place as usize].0.borrow().input.len();
    assert!(left > flood.len() / 2, "{left} of {}", flood.len());
}

#[test]
fn a_drain_is_over_when_all_have_left_by_themselves() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let places: Vec<u32> = (0..10).map(|_| f.plain("a")).collect();
    let (done, mut waiting) = tokio::sync::oneshot::channel();
    let over = std::time::Duration::from_secs(600);
    f.shard.command(Command::Drain(over, done));
    for place in places {
        assert!(waiting.try_recv().is_err());
        f.say(place, &masked(8, b""));
    }
    assert_eq!(waiting.try_recv(), Ok(()));
}

#[test]
fn who_stays_does_not_wait_for_thousands_who_leave() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let stays = f.plain("a");
    let leavers: Vec<u32> = (0..5_000).map(|_| f.plain("a")).collect();
    f.hub.publish("a", "hello").unwrap();
    for place in leavers {
        f.lines[place as usize].0.borrow_mut().over = true;
        f.shard.ready(place, true, false, true);
    }
    f.say(stays, &masked(9, b"?"));
    assert_eq!(f.got(stays), [Got::Control(10, b"?".to_vec())]);
    f.settle();
    assert_eq!((f.ended(Ended::Left), f.shard.len()), (5_000, 1));
    // Whoever was known to leave got nothing more.
    assert!(
        f.lines[1..]
            .iter()
            .all(|line| line.0.borrow().sent.is_empty())
    );
    assert_eq!(f.texts(stays), ["hello"]);
}

#[test]
fn a_newcomer_is_not_taken_for_one_whose_socket_is_still_open() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let leavers: Vec<u32> = (0..100).map(|_| f.plain("a")).collect();
    for place in &leavers {
        f.say(*place, &masked(8, b""));
    }
    let newcomer = f.plain("a");
    // The poll tells what it has been told of sockets that are not closed yet.
    for place in leavers {
        f.shard.ready(place, true, true, true);
    }
    f.settle();
    f.hub.publish("a", "for the newcomer").unwrap();
    f.settle();
    let line = f.lines.last().unwrap().0.borrow().sent.clone();
    assert_eq!(read(&line), [message("for the newcomer")]);
    assert_eq!((f.shard.len(), newcomer), (1, 100));
    // Once they are closed their places are taken again.
    assert!(f.plain("a") < 100);
}

#[test]
fn a_newcomer_is_answered_however_long_its_answer_is() {
    let budget = Budget::default().events(1).unwrap();
    let hub = Hub::builder().history("*", budget).unwrap();
    let mut f = Fixture::new(hub.build().unwrap(), Limits::default());
    let topics = (0..2_000).map(|i| format!("a topic with a rather long name, number {i}"));
    let accept = Accept::new(()).subscribe(Selector::topics(topics).unwrap());
    let place = f.connect(Speech::Json, accept);
    let texts = f.texts(place);
    assert!(texts[0].contains("welcome") && texts[1].len() > 100_000);
    assert_eq!(f.shard.berths.len(), 1);
}

#[test]
fn times_without_end_are_never() {
    let never = std::time::Duration::MAX;
    let limits = Limits::default()
        .ping(never, never)
        .write_timeout(never)
        .close_timeout(never);
    let mut f = Fixture::new(Hub::new(), limits);
    let place = f.plain("a");
    f.room(place, Some(0));
    f.hub.publish("a", "x").unwrap();
    f.settle();
    for day in 1..400 {
        f.shard.tick(day * 86_400_000);
        f.settle();
    }
    f.say(place, &masked(8, b""));
    let (done, mut waiting) = tokio::sync::oneshot::channel();
    f.shard.command(Command::Drain(never, done));
    f.shard.tick(500 * 86_400_000);
    f.settle();
    assert!(waiting.try_recv().is_err());
    f.room(place, None);
    f.settle();
    assert_eq!(waiting.try_recv(), Ok(()));
}

#[test]
fn who_was_quiet_for_long_has_all_the_time_to_take_an_event() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let place = f.plain("a");
    for second in 1..=100 {
        f.shard.tick(second * 1_000);
        f.say_alive(place);
        f.settle();
    }
    f.room(place, Some(0));
    f.hub.publish("a", "x").unwrap();
    f.settle();
    for second in 101..=129 {
        f.shard.tick(second * 1_000);
        f.say_alive(place);
        f.settle();
        assert_eq!(f.shard.berths.len(), 1, "closed after {} s", second - 100);
    }
}

#[test]
fn keep_alives_of_thousands_do_not_come_all_at_once() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    for _ in 0..1_000 {
        let selector = Selector::topic("a").unwrap();
        f.connect(Speech::Sse, Accept::new(()).subscribe(selector));
    }
    f.shard.tick(26_000);
    let mut turns = 0;
    while f.shard.turn() {
        let before = f.shard.shared.meters.snapshot().writes;
        f.shard.go_on();
        let written = f.shard.shared.meters.snapshot().writes - before;
        assert!(written <= 64, "{written} writes between two slices");
        turns += 1;
    }
    assert!(turns > 10, "{turns}");
    assert_eq!(f.shard.shared.meters.snapshot().writes, 1_000);
}

#[test]
fn frames_for_numbers_that_nobody_shares_are_not_kept() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let accept = || Accept::new(()).allow("*".try_into().unwrap());
    let places: Vec<u32> = (0..100)
        .map(|_| f.connect(Speech::Json, accept()))
        .collect();
    for place in &places {
        let wish = format!(
            r#"{{"type":"subscribe","id":{},"topics":["a"]}}"#,
            place + 1
        );
        f.say(*place, &masked(1, wish.as_bytes()));
    }
    f.settle();
    f.hub.publish("a", "7").unwrap();
    f.settle();
    for place in places {
        let last = f.texts(place).pop().unwrap();
        assert!(last.contains(&format!("\"id\":{},", place + 1)), "{last}");
    }
}

#[test]
fn formats_follow_the_payload_or_the_wish() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let auto = f.plain("a");
    let selector = Selector::topic("a").unwrap();
    let accept = Accept::new(()).subscribe(selector).format(Format::Binary);
    let binary = f.connect(Speech::Plain, accept);
    f.hub.publish("a", "text").unwrap();
    f.hub.publish("a", vec![0xff]).unwrap();
    f.settle();
    let first = |f: &Fixture, place: u32| f.lines[place as usize].0.borrow().sent.clone();
    assert_eq!(first(&f, auto), b"\x81\x04text\x82\x01\xff");
    assert_eq!(first(&f, binary), b"\x82\x04text\x82\x01\xff");
}

#[test]
fn a_message_of_the_application_reaches_its_client_alone() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let (one, other) = (f.plain("a"), f.plain("a"));
    let handle = f.shard.handle(one);
    let text = Message::Text("for you".to_owned());
    f.shard.command(Command::Send(handle.id, text.clone()));
    assert_eq!(
        (f.texts(one), f.texts(other)),
        (vec!["for you".to_owned()], vec![])
    );
    f.say(one, &masked(8, b""));
    f.shard.command(Command::Send(handle.id, text));
    assert_eq!(f.texts(one).len(), 1);
}

#[test]
fn the_application_subscribes_a_client_to_more() {
    for speech in [Speech::Plain, Speech::Json, Speech::Sse] {
        let mut f = Fixture::new(Hub::new(), Limits::default());
        let selector = Selector::topic("a").unwrap();
        let place = f.connect(speech, Accept::new(()).subscribe(selector));
        let id = f.shard.handle(place).id;
        let number = f.shard.inbox.number();
        let wish = |topic: &str| {
            Box::new(Wish {
                selector: Selector::topic(topic).unwrap(),
                options: SubscribeOptions::new(),
            })
        };
        f.shard.command(Command::Subscribe(id, number, wish("b")));
        f.hub.publish("b", "\"of b\"").unwrap();
        f.settle();
        f.shard.command(Command::Unsubscribe(id, number));
        f.hub.publish("b", "\"no more\"").unwrap();
        f.hub.publish("a", "\"of a\"").unwrap();
        f.settle();
        let sent = f.lines[place as usize].0.borrow().sent.clone();
        let sent = String::from_utf8_lossy(&sent);
        assert!(sent.contains("of b") && sent.contains("of a"), "{sent}");
        assert!(!sent.contains("no more"), "{sent}");
    }
}

#[test]
fn an_answer_is_for_the_wish_that_was_asked_about() {
    let mut hooks = silent();
    hooks.wish = Some(Box::new(|_, _, wish| Box::pin(async { Ok(wish) })));
    let limits = Limits::default().max_subscriptions(3);
    let hub = Hub::new();
    let mut f = Fixture {
        shard: shard(&hub, hooks, limits),
        hub,
        lines: Vec::new(),
    };
    // Tasks of the rig's runtime never run: the answers are given here.
    let place = f.connect(Speech::Json, Accept::new(()));
    f.wish(place, 1, "withdrawn");
    f.say(place, &masked(1, br#"{"type":"unsubscribe","id":1}"#));
    f.wish(place, 1, "wanted");
    f.wish(place, 2, "another");
    f.wish(place, 3, "one too many, while the first is not answered");
    let id = f.shard.handle(place).id;
    let granted = |topic: &str| {
        let selector = Selector::topic(topic).unwrap();
        let options = SubscribeOptions::new();
        Box::new(Some(Ok(Wish { selector, options })))
    };
    f.shard
        .command(Command::Granted(id, 1, granted("withdrawn")));
    f.shard.command(Command::Granted(id, 2, granted("wanted")));
    f.hub.publish("withdrawn", "0").unwrap();
    f.hub.publish("wanted", "1").unwrap();
    f.settle();
    let texts = f.texts(place);
    let topics = texts.iter().filter(|text| text.contains("\"event\""));
    let topics: Vec<bool> = topics.map(|text| text.contains("wanted")).collect();
    assert_eq!(topics, [true], "{texts:#?}");
    assert!(
        texts.iter().any(|text| text.contains("too_many")),
        "{texts:#?}"
    );
}

#[test]
fn what_a_client_may_follow_is_bounded_by_names_too() {
    let limits = Limits::default().max_topics(5);
    let mut f = Fixture::new(Hub::new(), limits);
    let place = f.connect(Speech::Json, Accept::new(()).allow("*".try_into().unwrap()));
    f.say(
        place,
        &masked(1, br#"{"type":"subscribe","id":1,"topics":["a","b","c"]}"#),
    );
    f.say(
        place,
        &masked(1, br#"{"type":"subscribe","id":2,"topics":["d","e","f"]}"#),
    );
    f.say(place, &masked(1, br#"{"type":"unsubscribe","id":1}"#));
    f.say(
        place,
        &masked(1, br#"{"type":"subscribe","id":3,"topics":["d","e","f"]}"#),
    );
    let texts = f.texts(place);
    let kinds: Vec<bool> = texts.iter().map(|text| text.contains("too_many")).collect();
    assert_eq!(kinds, [false, false, true, false, false], "{texts:#?}");
    assert!(texts[4].contains("\"subscribed\",\"id\":3"), "{texts:#?}");
}

#[test]
fn a_slow_reader_is_not_taken_for_a_silent_one() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let place = f.plain("a");
    f.room(place, Some(1_000));
    f.hub.publish("a", vec![b'x'; 60_000]).unwrap();
    f.settle();
    for second in 1..=60 {
        f.shard.tick(second * 1_000);
        f.settle();
        f.room(place, Some(500));
    }
    assert_eq!(f.shard.berths.len(), 1, "takes 500 bytes a second");
}

#[test]
fn an_event_is_counted_once_however_late_it_is_taken() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let places: Vec<u32> = (0..100).map(|_| f.plain("a")).collect();
    for place in &places[..10] {
        f.room(*place, Some(0));
    }
    f.hub.publish("a", "x").unwrap();
    f.settle();
    for place in &places[..10] {
        f.room(*place, None);
        f.settle();
    }
    let share = f.shard.shared.meters.snapshot().share;
    assert_eq!(share.last(), 1.0);
    assert_eq!(share.buckets().map(|(_, n)| n).sum::<u64>(), 1);
}

#[test]
fn one_who_never_reads_its_answers_is_let_go() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let place = f.connect(Speech::Json, Accept::new(()));
    f.room(place, Some(0));
    for _ in 0..10_000 {
        f.say(place, &masked(9, b"are you there?"));
        f.settle();
    }
    assert_eq!(f.shard.berths.len(), 1, "answers to pings take no room");
    for _ in 0..10_000 {
        f.say(place, &masked(1, br#"{"type":"ping"}"#));
        f.settle();
    }
    assert_eq!(f.ended(Ended::Slow), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_the_line_takes_everything_comes_in_order(
        steps in prop::collection::vec((0usize..6, 0usize..6_000), 1..60),
        speech in prop::sample::select(vec![Speech::Plain, Speech::Json, Speech::Sse]),
        topics in 1usize..3,
    ) {
        let mut f = Fixture::new(Hub::new(), Limits::default().fragment(1_024));
        let names = &["a", "b"][..topics];
        let accept = Accept::new(()).subscribe(Selector::topics(names).unwrap());
        let place = f.connect(speech, accept);
        let mut published = Vec::new();
        let mut pings = 0;
        for (what, size) in steps {
            match what {
                0..3 => {
                    let text = format!("{:05}{}", published.len(), "x".repeat(size));
                    f.hub.publish(names[size % topics], text.clone()).unwrap();
                    published.push(text);
                }
                3 => f.room(place, Some(size)),
                4 if speech != Speech::Sse => {
                    f.say(place, &masked(9, b"?"));
                    pings += 1;
                }
                _ => f.settle(),
            }
        }
        f.settle();
        f.room(place, None);
        f.settle();
        let got: Vec<String> = match speech {
            Speech::Sse => {
                let sent = String::from_utf8(f.lines[0].0.borrow().sent.clone()).unwrap();
                let data = sent.lines().filter_map(|line| line.strip_prefix("data: "));
                data.map(str::to_owned).collect()
            }
            Speech::Plain => f.texts(place),
            Speech::Json => {
                let events = f.texts(place).into_iter().skip(2);
                let data = events.map(|text| {
                    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                    value["text"].as_str().unwrap().to_owned()
                });
                data.collect()
            }
        };
        prop_assert_eq!(got, published);
        if speech != Speech::Sse {
            let pong = |got: &Got| matches!(got, Got::Control(10, _));
            let pongs = f.got(place).into_iter().filter(pong).count();
            prop_assert!(pongs <= pings && (pings == 0 || pongs > 0));
        }
        prop_assert_eq!(f.hub.stats().bytes_held, 0);
    }
}
