//! Members of lanes that change their names: they stay who they are, wherever they
//! stand at that moment.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use distributary::{
    Budget, CloseReason, Event, Flow, Hub, Lane, MemberId, Overflow, Resume, Selector,
    SelectorError, Sink, SliceLimits, SubscribeError, SubscribeOptions, Token,
};

use crate::edges::{Log, assert_nothing_left, budget, drain};

fn publish(hub: &Hub, topic: &str, texts: &[&str]) {
    for text in texts {
        hub.publish(topic, text.to_string()).unwrap();
    }
}

/// What came for one member.
fn of(log: &Log, token: u64) -> Vec<&str> {
    let events = log.events.iter();
    let own = events.filter(|(to, _)| *to == Token(token));
    own.map(|(_, text)| text.as_str()).collect()
}

fn three(lane: &mut Lane) -> [MemberId; 3] {
    [0, 1, 2].map(|token| lane.subscribe("t", Token(token)).unwrap())
}

#[test]
fn before_and_after_its_turn_in_a_pass() {
    let hub = Hub::new();
    // One member's delivery fills a slice.
    let limits = SliceLimits::default().deliveries(1);
    let mut lane = Lane::with_limits(&hub, limits);
    let [first, _, third] = three(&mut lane);
    let mut log = Log::default();
    publish(&hub, "t", &["1", "2"]);
    assert!(lane.turn(&mut log).more);
    assert_eq!((of(&log, 0).len(), log.events.len()), (2, 2));
    assert_eq!((lane.lag(first), lane.lag(third)), (Some(0), Some(2)));

    assert_eq!(lane.add_topic(first, "u"), Ok(true));
    assert_eq!(lane.add_topic(third, "u"), Ok(true));
    assert_eq!(lane.add_topic(third, "u"), Ok(false));
    assert_eq!((lane.lag(first), lane.lag(third)), (Some(0), Some(2)));
    assert_eq!(lane.len(), 3);
    publish(&hub, "u", &["3"]);
    publish(&hub, "t", &["4"]);
    drain(&mut lane, &mut log);
    assert_eq!(of(&log, 0), ["1", "2", "3", "4"]);
    assert_eq!(of(&log, 1), ["1", "2", "4"]);
    assert_eq!(of(&log, 2), ["1", "2", "3", "4"]);
    assert!(log.lagged.is_empty() && log.closed.is_empty());

    let names = Selector::topics(["t", "u"]).unwrap();
    assert_eq!(lane.selector(first), Some(names));
    assert!(lane.unsubscribe(first));
    assert_eq!((lane.lag(first), lane.selector(first)), (None, None));
    drop(lane);
    assert_nothing_left(&hub);
}

/// What is left of a large event when a member of it goes elsewhere.
#[test]
fn the_others_of_a_pass_get_it_all_the_same() {
    let hub = Hub::new();
    let mut lane = Lane::with_limits(&hub, SliceLimits::default().deliveries(3));
    let ids: Vec<_> = (0..100)
        .map(|token| lane.subscribe("t", Token(token)).unwrap())
        .collect();
    let mut log = Log::default();
    publish(&hub, "t", &["1"]);
    for (step, id) in ids.iter().enumerate() {
        if step % 2 == 0 {
            assert_eq!(lane.add_pattern(*id, "u*"), Ok(true));
            let _ = lane.turn(&mut log);
        }
    }
    drain(&mut lane, &mut log);
    assert_eq!(log.events.len(), 100);
    assert!((0..100).all(|token| of(&log, token) == ["1"]));
}

#[test]
fn one_that_is_stalled_stays_so_and_keeps_what_waits() {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    let [_, stalls, _] = three(&mut lane);
    let mut log = Log {
        stalls: Some(Token(1)),
        ..Log::default()
    };
    publish(&hub, "t", &["1"]);
    drain(&mut lane, &mut log);
    publish(&hub, "t", &["2"]);
    drain(&mut lane, &mut log);
    assert_eq!(lane.lag(stalls), Some(2));

    assert_eq!(lane.add_topic(stalls, "u"), Ok(true));
    publish(&hub, "u", &["3"]);
    drain(&mut lane, &mut log);
    assert_eq!((lane.lag(stalls), of(&log, 1).len()), (Some(3), 0));
    // Now the feed is its own, and it is stalled in the group of that one.
    assert_eq!(lane.remove_topic(stalls, "t"), Ok(true));
    publish(&hub, "t", &["no"]);
    publish(&hub, "u", &["4"]);
    drain(&mut lane, &mut log);
    assert_eq!((lane.lag(stalls), of(&log, 1).len()), (Some(2), 0));

    lane.resume(stalls);
    drain(&mut lane, &mut log);
    assert_eq!(of(&log, 1), ["3", "4"]);
    assert_eq!(lane.lag(stalls), Some(0));
    assert!(log.lagged.is_empty());
    // Level again, and not stalled.
    publish(&hub, "u", &["5"]);
    drain(&mut lane, &mut log);
    assert_eq!(of(&log, 1), ["3", "4", "5"]);
}

#[test]
fn one_that_is_stalled_and_level_stays_stalled() {
    /// Takes what comes and then nothing more.
    struct Once(Log);
    impl Sink for Once {
        fn deliver(&mut self, to: Token, events: &[Event]) -> Flow {
            let _ = self.0.deliver(to, &events[..1]);
            Flow::Stalled { taken: 1 }
        }
        fn lagged(&mut self, _: Token, _: u64) -> Flow {
            Flow::Taken
        }
        fn closed(&mut self, _: Token, _: CloseReason) {}
    }
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    let id = lane.subscribe("t", Token(0)).unwrap();
    let mut sink = Once(Log::default());
    publish(&hub, "t", &["1"]);
    drain(&mut lane, &mut sink);
    assert_eq!(lane.lag(id), Some(0));
    assert_eq!(lane.add_topic(id, "u"), Ok(true));
    publish(&hub, "u", &["2"]);
    drain(&mut lane, &mut sink);
    assert_eq!(of(&sink.0, 0), ["1"]);
    lane.resume(id);
    drain(&mut lane, &mut sink);
    assert_eq!(of(&sink.0, 0), ["1", "2"]);
}

#[test]
fn one_that_catches_up_from_history_goes_on_with_what_is_still_asked_for() {
    let keep = Budget::default().events(100).unwrap();
    let hub = Hub::builder().history("h.*", keep).unwrap();
    let hub = hub.build().unwrap();
    let mut seen = hub.subscribe(Selector::pattern("h.*").unwrap()).unwrap();
    publish(&hub, "h.1", &["0"]);
    publish(&hub, "h.2", &["0"]);
    let [one, other] = [0, 1].map(|_| seen.try_recv().unwrap());
    publish(&hub, "h.1", &["1", "2"]);
    publish(&hub, "h.2", &["3"]);
    publish(&hub, "h.1", &["4"]);

    let resume = Resume::new()
        .topic(one.topic().clone(), one.position())
        .topic(other.topic().clone(), other.position());
    let options = SubscribeOptions::new().resume(resume);
    let limits = SliceLimits::default().deliveries(1);
    let mut lane = Lane::with_limits(&hub, limits);
    let names = Selector::topics(["h.1", "h.2"]).unwrap();
    let id = lane.subscribe_with(names, Token(0), options).unwrap();
    assert_eq!(lane.lag(id), Some(4));
    let mut log = Log::default();
    assert!(lane.turn(&mut log).more);
    assert_eq!(of(&log, 0), ["1"]);
    publish(&hub, "h.2", &["5"]);
    assert_eq!(lane.add_topic(id, "u"), Ok(true));
    assert_eq!(lane.lag(id), Some(4));
    publish(&hub, "u", &["6"]);
    assert_eq!(lane.remove_topic(id, "h.1"), Ok(true));
    assert_eq!(lane.lag(id), Some(3));
    drain(&mut lane, &mut log);
    assert_eq!(of(&log, 0), ["1", "3", "5", "6"]);
}

#[test]
fn on_a_closed_hub_what_waits_comes_and_then_the_end() {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    let [_, member, _] = three(&mut lane);
    publish(&hub, "t", &["1"]);
    hub.close();
    assert_eq!(lane.selector(member), None);
    assert_eq!(lane.add_topic(member, "u"), Ok(true));
    let mut log = Log::default();
    drain(&mut lane, &mut log);
    assert_eq!(of(&log, 1), ["1"]);
    let mut closed = log.closed.clone();
    closed.sort_by_key(|(token, _)| *token);
    let ended = |token| (Token(token), CloseReason::HubClosed);
    assert_eq!(closed, [0, 1, 2].map(ended));
    assert_eq!(
        lane.add_topic(member, "v"),
        Err(SubscribeError::NoMember),
        "it has been closed"
    );
}

/// It would be told at the next event of its old feed, which it does not get any more.
#[test]
fn a_slow_one_is_told_so_also_after_its_names_have_changed() {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    let options = SubscribeOptions::new()
        .overflow(Overflow::Disconnect)
        .budget(budget(2));
    let id = lane.subscribe_with("t", Token(0), options).unwrap();
    let mut log = Log {
        stalls: Some(Token(0)),
        ..Log::default()
    };
    publish(&hub, "t", &["1"]);
    drain(&mut lane, &mut log);
    publish(&hub, "t", &["2", "3"]);
    assert_eq!(lane.add_topic(id, "u"), Ok(true));
    drain(&mut lane, &mut log);
    assert_eq!(log.closed, [(Token(0), CloseReason::SlowConsumer)]);
    assert!(lane.is_empty());
    assert_nothing_left(&hub);
}

#[test]
fn what_is_wrong_changes_nothing() {
    let hub = Hub::new();
    let (mut lane, mut other) = (Lane::new(&hub), Lane::new(&hub));
    let id = lane.subscribe("t", Token(0)).unwrap();
    let foreign = other.subscribe("t", Token(0)).unwrap();
    assert_eq!(lane.add_topic(foreign, "u"), Err(SubscribeError::NoMember));
    assert_eq!((lane.lag(foreign), lane.selector(foreign)), (None, None));
    let last = Err(SubscribeError::Selector(SelectorError::Empty));
    assert_eq!(lane.remove_topic(id, "t"), last);
    assert_eq!(lane.remove_topic(id, "u"), Ok(false));
    assert_eq!(lane.remove_pattern(id, "t*"), Ok(false));
    let wrong = |result| matches!(result, Err(SubscribeError::Selector(_)));
    assert!(wrong(lane.add_topic(id, "")));
    assert!(wrong(lane.add_pattern(id, "[")));
    assert_eq!(lane.selector(id), Some(Selector::topic("t").unwrap()));
    // It still shares its feed.
    assert_eq!(hub.stats().feeds, 1);
}

#[test]
fn one_that_another_thread_has_subscribed_is_known() {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    let options = SubscribeOptions::new();
    let id = lane.remote().subscribe("t", Token(0), options).unwrap();
    assert_eq!(lane.lag(id), None, "the lane has not heard of it");
    assert_eq!(lane.add_pattern(id, "u*"), Ok(true));
    assert_eq!(lane.lag(id), Some(0));
    publish(&hub, "uu", &["1"]);
    publish(&hub, "t", &["2"]);
    let mut log = Log::default();
    drain(&mut lane, &mut log);
    assert_eq!(of(&log, 0), ["1", "2"]);
}

/// Whatever comes while the member is between two feeds, the lane is turned for it.
#[test]
fn a_change_rings_a_lane_that_sleeps() {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    let id = lane.subscribe("t", Token(0)).unwrap();
    let mut log = Log::default();
    drain(&mut lane, &mut log);
    let rung = Arc::new(AtomicUsize::new(0));
    let bell = Arc::clone(&rung);
    lane.on_ready(move || {
        bell.fetch_add(1, Ordering::SeqCst);
    });
    assert_eq!(lane.add_topic(id, "t"), Ok(false));
    assert_eq!(rung.load(Ordering::SeqCst), 0);
    assert_eq!(lane.add_topic(id, "u"), Ok(true));
    assert_eq!(rung.load(Ordering::SeqCst), 1);
    drain(&mut lane, &mut log);
    publish(&hub, "u", &["1"]);
    assert_eq!(rung.load(Ordering::SeqCst), 2);
}

/// A lane does not wait for others when its owner has given it something to do.
#[test]
fn what_the_owner_does_is_not_waited_for() {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    let id = lane.subscribe("t", Token(0)).unwrap();
    let mut log = Log {
        stalls: Some(Token(0)),
        ..Log::default()
    };
    publish(&hub, "t", &["1"]);
    drain(&mut lane, &mut log);
    assert!(!lane.wait(Duration::ZERO));
    lane.resume(id);
    assert!(lane.wait(Duration::ZERO));
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(
        std::pin::pin!(lane.ready()).as_mut().poll(&mut cx),
        Poll::Ready(())
    );
    drain(&mut lane, &mut log);
    assert_eq!(of(&log, 0), ["1"]);
    assert!(!lane.wait(Duration::ZERO));
}
