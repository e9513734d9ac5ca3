//! Events that are too old: not delivered any more, and told to the event.

use std::time::Duration;

use distributary::{
    Budget, Hub, Lane, Overflow, Resume, ResumeErrorKind, SubscribeError, SubscribeOptions, Token,
    TryRecvError,
};

use super::let_pass;
use crate::edges::{Log, drain, text};

fn age(age: Duration) -> Budget {
    Budget::default().age(age).unwrap()
}

/// Long enough that nothing fresh grows old between two lines of a test.
const LONG: Duration = Duration::from_millis(400);

#[test]
fn history_gives_nothing_back_that_is_older_than_its_age() {
    const SHORT: Duration = Duration::from_millis(1);
    let builder = Hub::builder().history("h", age(SHORT)).unwrap();
    let hub = builder.build().unwrap();
    let first = hub.publish("h", "1").unwrap().position.unwrap();
    hub.publish("h", "2").unwrap();
    let_pass(5 * SHORT);
    let back = hub.subscribe_from("h", Resume::at(first));
    let Err(SubscribeError::Resume(error)) = back else {
        panic!("it was let in: {:?}", back.map(|mut sub| sub.try_recv()));
    };
    let kind = error.kind();
    assert!(matches!(kind, ResumeErrorKind::TooOld { .. }), "{kind:?}");
}

#[test]
fn history_gives_back_what_is_younger_and_says_where_that_starts() {
    let builder = Hub::builder().history("h", age(LONG)).unwrap();
    let hub = builder.build().unwrap();
    let publish = |payload| hub.publish("h", payload).unwrap().position.unwrap();
    let (first, second) = (publish("1"), publish("2"));
    let_pass(LONG);
    let third = publish("3");
    let back = hub.subscribe_from("h", Resume::at(first));
    let Err(SubscribeError::Resume(error)) = back else {
        panic!("it was let in: {:?}", back.map(|mut sub| sub.try_recv()));
    };
    let oldest = third.offset;
    assert_eq!(error.kind(), ResumeErrorKind::TooOld { oldest });
    let mut sub = hub.subscribe_from("h", Resume::at(second)).unwrap();
    assert_eq!(text(&sub.try_recv().unwrap()), "3");
    assert_eq!(sub.try_recv().unwrap_err(), TryRecvError::Empty);
}

#[test]
fn what_grows_old_while_a_returner_catches_up_is_told_as_missed() {
    let builder = Hub::builder().history("h", age(LONG)).unwrap();
    let hub = builder.build().unwrap();
    let first = hub.publish("h", "1").unwrap().position.unwrap();
    hub.publish("h", "2").unwrap();
    hub.publish("h", "3").unwrap();
    let mut sub = hub.subscribe_from("h", Resume::at(first)).unwrap();
    assert_eq!(text(&sub.try_recv().unwrap()), "2");
    let_pass(LONG);
    let missed = TryRecvError::Lagged { missed: 1 };
    assert_eq!(sub.try_recv().unwrap_err(), missed);
    hub.publish("h", "4").unwrap();
    assert_eq!(text(&sub.try_recv().unwrap()), "4");
}

/// Whichever way they read, and whatever gives way when they are slow.
fn each_reader_is_told_how_many_grew_old(overflow: Overflow) {
    let hub = Hub::new();
    let options = SubscribeOptions::new().overflow(overflow).budget(age(LONG));
    let subscribe = || hub.subscribe_with("t", options.clone()).unwrap();
    let [mut single, mut batch] = [subscribe(), subscribe()];
    let mut lane = Lane::new(&hub);
    lane.subscribe_with("t", Token(1), options.clone()).unwrap();
    // One that reads when nothing has come since.
    let quiet = hub.subscribe_with("quiet", options.clone());
    let mut quiet = quiet.unwrap();
    for payload in ["1", "2", "3"] {
        hub.publish("t", payload).unwrap();
        hub.publish("quiet", payload).unwrap();
    }
    let_pass(LONG);
    let missed = TryRecvError::Lagged { missed: 3 };
    assert_eq!(quiet.try_recv().unwrap_err(), missed, "{overflow:?}");
    assert_eq!(quiet.try_recv().unwrap_err(), TryRecvError::Empty);

    hub.publish("t", "4").unwrap();
    hub.publish("t", "5").unwrap();
    let mut sink = Log::default();
    drain(&mut lane, &mut sink);
    assert_eq!(sink.lagged, [(Token(1), 3)], "{overflow:?}");
    let fresh = ["4", "5"].map(|payload| (Token(1), payload.to_owned()));
    assert_eq!(sink.events, fresh);
    assert_eq!(batch.try_recv_batch(8).unwrap_err(), missed, "{overflow:?}");
    let read = batch.try_recv_batch(8).unwrap();
    assert_eq!(read.iter().map(text).collect::<Vec<_>>(), ["4", "5"]);
    assert_eq!(single.try_recv().unwrap_err(), missed, "{overflow:?}");
    assert_eq!(text(&single.try_recv().unwrap()), "4");
    assert_eq!(text(&single.try_recv().unwrap()), "5");
    assert_eq!(single.try_recv().unwrap_err(), TryRecvError::Empty);
}

#[test]
fn with_drop_oldest_each_reader_is_told_how_many_grew_old() {
    each_reader_is_told_how_many_grew_old(Overflow::DropOldest);
}

#[test]
fn with_drop_newest_each_reader_is_told_how_many_grew_old() {
    each_reader_is_told_how_many_grew_old(Overflow::DropNewest);
}

#[test]
fn with_keep_latest_each_reader_is_told_how_many_grew_old() {
    each_reader_is_told_how_many_grew_old(Overflow::KeepLatest);
}

/// What a topic's history took is given back with the topic, however it went: a hub that
/// believes itself fuller with each of them would take events away from everybody.
#[test]
fn histories_that_have_gone_are_not_counted_any_more() {
    const SHORT: Duration = Duration::from_millis(1);
    for budget in [u64::MAX / 4, 100_000] {
        let builder = Hub::builder().bytes(budget);
        let hub = builder.history("h.*", age(SHORT)).unwrap().build().unwrap();
        for round in 0..3 {
            for topic in 0..1_000 {
                hub.publish(format!("h.{round}.{topic}"), "x").unwrap();
            }
            let_pass(5 * SHORT);
        }
        let stats = hub.stats();
        let left = (stats.topics, stats.bytes_held, stats.log_bytes);
        assert_eq!(left, (0, 0, 0), "of {budget} bytes");
        let mut sub = hub.subscribe("news").unwrap();
        hub.publish("news", "1").unwrap();
        hub.publish("news", "2").unwrap();
        assert_eq!(text(&sub.try_recv().unwrap()), "1");
        assert_eq!(text(&sub.try_recv().unwrap()), "2");
    }
}
