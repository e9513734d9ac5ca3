//! What is bounded, what is counted, and that the sums are right.

use distributary::{
    CloseReason, Filter, Hub, Lane, Overflow, Publication, Selector, SubscribeOptions, Token,
    Topic, TryRecvError,
};

use super::{Log, assert_nothing_left, budget, drain, read_all};

#[test]
fn one_large_event_for_fifty_thousand_is_held_once() {
    let hub = Hub::new();
    let stalled: Vec<_> = (0..25_000).map(|_| hub.subscribe("t").unwrap()).collect();
    let mut lane = Lane::new(&hub);
    for i in 0..25_000 {
        lane.subscribe("t", Token(i)).unwrap();
    }
    let large = vec![7_u8; 1 << 20];
    let delivery = hub.publish("t", large).unwrap();
    assert_eq!((delivery.feeds, delivery.subscriptions), (1, 50_000));
    assert!((delivery.share - 1.0).abs() < f64::EPSILON);
    let held = hub.stats().bytes_held;
    assert!((1 << 20..(1 << 20) + 4_096).contains(&held), "{held}");
    drop((stalled, lane));
    assert_nothing_left(&hub);
}

#[test]
fn topics_that_nobody_asked_for_leave_nothing() {
    let hub = Hub::new();
    for i in 0..100_000 {
        let delivery = hub.publish(format!("unknown.{i}"), "p").unwrap();
        assert_eq!(delivery.position, None);
    }
    assert_eq!(hub.stats().topics, 0);

    let some = hub
        .subscribe(Selector::pattern("known.*").unwrap())
        .unwrap();
    let most = hub.subscribe(Selector::pattern("*").unwrap()).unwrap();
    for i in 0..100_000 {
        hub.publish(format!("passing.{i}"), "p").unwrap();
    }
    let stats = hub.stats();
    assert!(
        stats.topics < 100_000,
        "{} topics are remembered",
        stats.topics
    );
    assert_eq!((stats.patterns, stats.unmatched), (2, 100_000));
    drop(most);
    assert!(hub.stats().patterns == 1);
    drop(some);
    assert_nothing_left(&hub);
    // And names that go as they come.
    for i in 0..20_000 {
        drop(hub.subscribe(format!("brief.{i}")).unwrap());
    }
    assert_nothing_left(&hub);
}

#[test]
fn counters_of_topics_are_bounded_and_right() {
    let hub = Hub::builder().topic_counters(2).build().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| Topic::new(name).unwrap());
    hub.count_topic(&a).unwrap();
    hub.count_topic(&b).unwrap();
    hub.count_topic(&a).unwrap();
    assert_eq!(hub.count_topic(&c).unwrap_err().limit, 2);
    let _two = [hub.subscribe("a").unwrap(), hub.subscribe("a").unwrap()];
    let _pattern = hub.subscribe(Selector::pattern("?").unwrap()).unwrap();
    hub.publish("a", "12345").unwrap();
    hub.publish("b", "1").unwrap();
    hub.publish("c", "1").unwrap();
    let stats = hub.topic_stats();
    assert_eq!(stats.iter().map(|s| &s.topic).collect::<Vec<_>>(), [&a, &b]);
    let a_counts = (
        stats[0].published,
        stats[0].matched,
        stats[0].reached,
        stats[0].bytes,
    );
    assert_eq!(a_counts, (1, 2, 3, 5));
    let b_counts = (
        stats[1].published,
        stats[1].matched,
        stats[1].reached,
        stats[1].bytes,
    );
    assert_eq!(b_counts, (1, 1, 1, 1));
    hub.uncount_topic(&a);
    hub.count_topic(&c).unwrap();
    hub.uncount_topic(&b);
    hub.uncount_topic(&c);
    assert!(hub.topic_stats().is_empty());
    drop((_two, _pattern));
    assert_nothing_left(&hub);
}

#[test]
fn the_latest_of_each_key_is_kept() {
    let hub = Hub::builder()
        .overflow(Overflow::KeepLatest)
        .build()
        .unwrap();
    let mut sub = hub.subscribe("t").unwrap();
    let mut lane = Lane::new(&hub);
    lane.subscribe("t", Token(1)).unwrap();
    let publish = |key: &str, text: &str| {
        let publication = Publication::new("t", text.to_owned());
        let publication = match key {
            "" => publication,
            key => publication.key(key),
        };
        hub.publish_event(publication).unwrap();
    };
    for (key, text) in [
        ("x", "x1"),
        ("y", "y1"),
        ("", "-1"),
        ("x", "x2"),
        ("", "-2"),
        ("x", "x3"),
    ] {
        publish(key, text);
    }
    assert_eq!(
        read_all(&mut sub),
        (["y1", "-1", "-2", "x3"].map(String::from).into(), 0)
    );
    let mut sink = Log::default();
    drain(&mut lane, &mut sink);
    let got: Vec<String> = sink.events.into_iter().map(|(_, text)| text).collect();
    assert_eq!(got, ["y1", "-1", "-2", "x3"]);
    assert!(sink.lagged.is_empty());
    assert_eq!(hub.stats().conflated, 2);
    // One that was read is not replaced any more.
    publish("x", "x4");
    assert_eq!(read_all(&mut sub).0, ["x4"]);
}

#[test]
fn the_newest_are_refused_and_counted_where_they_would_have_stood() {
    let hub = Hub::new();
    let options = SubscribeOptions::new()
        .overflow(Overflow::DropNewest)
        .budget(budget(2));
    let mut sub = hub.subscribe_with("t", options).unwrap();
    for i in 0..5 {
        hub.publish("t", i.to_string()).unwrap();
    }
    assert_eq!(super::text(&sub.try_recv().unwrap()), "0");
    hub.publish("t", "5").unwrap();
    assert_eq!(super::text(&sub.try_recv().unwrap()), "1");
    assert_eq!(
        sub.try_recv().unwrap_err(),
        TryRecvError::Lagged { missed: 3 }
    );
    assert_eq!(super::text(&sub.try_recv().unwrap()), "5");
    assert_eq!(sub.try_recv().unwrap_err(), TryRecvError::Empty);
    let stats = hub.stats();
    assert_eq!(
        (stats.dropped_newest, stats.missed, stats.delivered),
        (3, 3, 3)
    );
}

#[test]
fn what_was_reached_is_delivered_or_missed() {
    let hub = Hub::builder().budget(budget(16)).build().unwrap();
    let mut subs: Vec<_> = (0..20)
        .map(|i| hub.subscribe(format!("t{}", i % 4)).unwrap())
        .collect();
    let filter = Filter::parse(r#"{"n": [{"numeric": ["<", 50]}]}"#).unwrap();
    let few = Selector::pattern("t*").unwrap().filter(filter);
    subs.push(hub.subscribe(few).unwrap());
    let mut lane = Lane::new(&hub);
    for i in 0..20 {
        lane.subscribe(format!("t{}", i % 4), Token(i)).unwrap();
    }
    let mut sink = Log::default();
    for n in 0..200 {
        hub.publish(format!("t{}", n % 4), format!(r#"{{"n": {n}}}"#))
            .unwrap();
        if n % 30 == 0 {
            drain(&mut lane, &mut sink);
        }
    }
    drain(&mut lane, &mut sink);
    let read: u64 = subs
        .iter_mut()
        .map(|sub| {
            let (read, missed) = read_all(sub);
            read.len() as u64 + missed
        })
        .sum();
    let by_lane = sink.events.len() as u64 + sink.lagged.iter().map(|(_, m)| m).sum::<u64>();
    let stats = hub.stats();
    assert_eq!(read, 20 * 50 + 50);
    assert_eq!(by_lane, 20 * 50);
    assert_eq!(stats.reached, read + by_lane);
    assert_eq!(stats.delivered + stats.missed, stats.reached);
    assert!(stats.missed > 0 && stats.dropped_oldest > 0);
    assert_eq!(stats.bytes_held, 0);
}

#[test]
fn a_subscription_over_many_names_gets_each_event_once() {
    let hub = Hub::new();
    let selector = Selector::topics(["a", "b"]).unwrap();
    let selector = selector
        .and_pattern("*")
        .unwrap()
        .and_pattern("[ab]")
        .unwrap();
    let mut sub = hub.subscribe(selector).unwrap();
    for name in ["a", "b", "c", "a"] {
        assert_eq!(hub.publish(name, name).unwrap().subscriptions, 1);
    }
    assert_eq!(
        read_all(&mut sub),
        (["a", "b", "c", "a"].map(String::from).into(), 0)
    );
    assert_eq!(sub.closed(), None::<CloseReason>);
}

#[test]
fn a_topic_that_slept_through_thousands_of_pattern_changes_finds_the_right_ones() {
    let hub = Hub::new();
    let mut exact = hub.subscribe("t.1").unwrap();
    let early = hub.subscribe(Selector::pattern("t.*").unwrap()).unwrap();
    hub.publish("t.1", "0").unwrap();
    for many in [10, 3_000] {
        let others: Vec<_> = (0..many)
            .map(|i| {
                hub.subscribe(Selector::pattern(format!("other.{i}.*")).unwrap())
                    .unwrap()
            })
            .collect();
        let mut late = hub.subscribe(Selector::pattern("?.1").unwrap()).unwrap();
        assert_eq!(hub.publish("t.1", "1").unwrap().subscriptions, 3);
        assert_eq!(read_all(&mut late).0, ["1"]);
        drop((others, late));
        assert_eq!(hub.publish("t.1", "2").unwrap().subscriptions, 2);
    }
    drop(early);
    assert_eq!(hub.publish("t.1", "3").unwrap().subscriptions, 1);
    assert_eq!(read_all(&mut exact).0.len(), 6);
    drop(exact);
    assert_nothing_left(&hub);
}
