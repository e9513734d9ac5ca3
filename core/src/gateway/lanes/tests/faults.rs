//! What once went wrong.

use bytes::Bytes;

use super::*;
use crate::gateway::lanes::marks::Stood;

impl Fixture {
    fn sse(&mut self, topics: &[&str]) -> u32 {
        let selector = Selector::topics(topics.iter().copied()).unwrap();
        self.connect(Speech::Sse, Accept::new(()).subscribe(selector))
    }
}

/// What the application keeps, and panics when it is dropped.
struct Session;

impl Drop for Session {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// Bytes whose owner panics when it is dropped.
struct Trap;

impl AsRef<[u8]> for Trap {
    fn as_ref(&self) -> &[u8] {
        b"trap"
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn an_id_does_not_speak_of_what_is_still_to_be_sent() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let fast = f.sse(&["a", "b"]);
    let slow = f.sse(&["a", "b"]);
    f.room(slow, Some(5));
    for (n, topic) in ["a", "a", "b", "a", "b", "b", "a"].into_iter().enumerate() {
        f.hub.publish(topic, format!("{n}")).unwrap();
    }
    f.settle();
    for _ in 0..100 {
        f.room(slow, Some(17));
        f.settle();
    }
    let sent = |place: u32| String::from_utf8(f.lines[place as usize].0.borrow().sent.clone());
    assert_eq!(sent(slow).unwrap(), sent(fast).unwrap());
}

#[test]
fn an_id_is_never_longer_than_a_header_may_be() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let names: Vec<String> = (0..60).map(|i| format!("{i}{}", "ä".repeat(400))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    f.sse(&names);
    for name in names {
        f.hub.publish(name, "x").unwrap();
    }
    f.settle();
    let sent = String::from_utf8(f.lines.last().unwrap().0.borrow().sent.clone()).unwrap();
    let longest = sent.lines().map(str::len).max().unwrap();
    assert!(longest < 8_000, "{longest}");
    let last = sent
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .next_back();
    assert_eq!(Stood::parse(last.unwrap()), Stood::Unknown);
}

#[test]
fn sessions_that_panic_when_they_are_dropped_do_not_keep_others_open() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    for _ in 0..3 {
        let mut arrival = arrival(Line::default(), Speech::Plain, Accept::new(()));
        arrival.session = std::sync::Arc::new(Session);
        let place = f.shard.reserve();
        f.shard.inbox.count_in();
        f.shard.arrive(place, arrival);
    }
    f.plain("a");
    f.shard.abandon();
    assert_eq!(
        (
            f.shard.len(),
            std::rc::Rc::strong_count(&f.lines.last().unwrap().0)
        ),
        (0, 1)
    );
}

#[test]
fn a_payload_that_panics_when_it_is_dropped_ends_no_lane() {
    let mut f = Fixture::new(Hub::new(), Limits::default().fragment(1_024));
    let place = f.plain("a");
    f.hub.publish("a", Bytes::from_owner(Trap)).unwrap();
    f.settle();
    f.hub.publish("a", "after").unwrap();
    f.settle();
    assert_eq!(f.texts(place), ["trap", "after"]);
}

#[test]
fn who_has_left_leaves_room() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    for _ in 0..100 {
        let place = f.plain("a");
        assert!(place < 2, "{place}");
        assert_eq!(f.shard.inbox.load(), 1);
        let line = f.lines.last().unwrap().clone();
        line.0.borrow_mut().input.extend(masked(8, b""));
        f.shard.ready(place, true, false, false);
        f.settle();
        assert_eq!(f.shard.inbox.load(), 0);
    }
}

#[test]
fn all_subscriptions_of_a_socket_go_on_when_it_does() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let mut accept = Accept::new(());
    for topic in ["a", "b", "c"] {
        accept = accept.subscribe(Selector::topic(topic).unwrap());
    }
    let place = f.connect(Speech::Plain, accept);
    f.room(place, Some(0));
    for topic in ["a", "b", "c"] {
        f.hub.publish(topic, topic).unwrap();
        f.settle();
    }
    f.room(place, None);
    f.settle();
    let mut texts = f.texts(place);
    texts.sort();
    assert_eq!(texts, ["a", "b", "c"]);
}

#[test]
fn nothing_comes_behind_a_close() {
    let mut f = Fixture::new(Hub::new(), Limits::default().fragment(1_024));
    let place = f.plain("a");
    f.room(place, Some(1_500));
    f.hub.publish("a", vec![b'x'; 10_000]).unwrap();
    f.settle();
    let id = f.shard.handle(place).id;
    let note = Message::Text("too late".to_owned());
    f.shard.command(Command::Send(id, note));
    f.shard.command(Command::Close(
        id,
        Ended::Application,
        None,
        "go".to_owned(),
    ));
    f.room(place, None);
    f.settle();
    let sent = f.lines[place as usize].0.borrow().sent.clone();
    assert_eq!(sent[2 * 1_028..], *b"\x88\x04\x03\xe8go");
}

#[test]
fn what_does_not_fit_into_one_read_is_read_without_another_word_of_the_poll() {
    let mut f = Fixture::new(Hub::new(), Limits::default());
    let place = f.plain("a");
    f.lines[place as usize]
        .0
        .borrow_mut()
        .input
        .extend(masked(9, b"").repeat(5_000));
    f.say(place, &masked(9, b"last"));
    f.settle();
    let last = f.got(place).pop();
    assert_eq!(last, Some(Got::Control(10, b"last".to_vec())));
}
