//! Coming back: exactly what was missed, or the reason why not.

use distributary::{
    Budget, Hub, Lane, Position, Resume, ResumeErrorKind, Selector, SubscribeError,
    SubscribeOptions, Token, Topic, TryRecvError,
};

use super::{Log, assert_nothing_left, budget, drain, read_all, text};

fn hub(kept: usize) -> Hub {
    let builder = Hub::builder().history("h.*", budget(kept)).unwrap();
    builder.build().unwrap()
}

fn topic(name: &str) -> Topic {
    Topic::new(name).unwrap()
}

fn refused(hub: &Hub, selector: Selector, resume: Resume) -> ResumeErrorKind {
    match hub.subscribe_from(selector, resume) {
        Err(SubscribeError::Resume(error)) => error.kind(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_reason_why_not() {
    let hub = hub(3);
    let h = || Selector::topic("h.1").unwrap();
    let positions: Vec<Position> = (0..6)
        .map(|i| hub.publish("h.1", i.to_string()).unwrap().position.unwrap())
        .collect();
    let last = positions[5];
    let oldest = positions[3].offset;
    for old in &positions[..2] {
        let kind = refused(&hub, h(), Resume::at(*old));
        assert_eq!(kind, ResumeErrorKind::TooOld { oldest });
    }
    for (since, rest) in [(2, "345"), (3, "45"), (5, "")] {
        let mut sub = hub
            .subscribe_from(h(), Resume::at(positions[since]))
            .unwrap();
        assert_eq!(sub.lag(), rest.len() as u64);
        assert_eq!(
            read_all(&mut sub),
            (rest.chars().map(String::from).collect(), 0)
        );
    }
    let not_yet = Position {
        offset: last.offset + 1,
        ..last
    };
    assert_eq!(
        refused(&hub, h(), Resume::at(not_yet)),
        ResumeErrorKind::NotYet
    );
    let other = Position {
        epoch: last.epoch ^ 2,
        ..last
    };
    let current = last.epoch;
    assert_eq!(
        refused(&hub, h(), Resume::at(other)),
        ResumeErrorKind::OtherEpoch { current }
    );
    let plain = Selector::topic("plain").unwrap();
    assert_eq!(
        refused(&hub, plain, Resume::at(last)),
        ResumeErrorKind::NoHistory
    );
    let two = h().and_topic("h.2").unwrap();
    assert_eq!(
        refused(&hub, two, Resume::at(last)),
        ResumeErrorKind::NotSelected
    );
    let pattern = Selector::pattern("h.*").unwrap();
    assert_eq!(
        refused(&hub, pattern, Resume::at(last)),
        ResumeErrorKind::NotSelected
    );
    let elsewhere = Resume::new().topic(topic("h.2"), last);
    assert_eq!(refused(&hub, h(), elsewhere), ResumeErrorKind::NotSelected);
    // None of them left anything behind.
    let stats = hub.stats();
    assert_eq!((stats.topics, stats.feeds, stats.subscriptions), (1, 0, 0));
    hub.close();
    assert_nothing_left(&hub);
}

#[test]
fn several_topics_come_in_the_order_of_publishing_and_go_on_with_what_is_new() {
    let hub = hub(10);
    let first: Vec<Position> = ["h.1", "h.2"]
        .map(|name| hub.publish(name, "seen").unwrap().position.unwrap())
        .into();
    for i in 0..6 {
        hub.publish(["h.1", "h.2", "h.2"][i % 3], i.to_string())
            .unwrap();
    }
    let resume = Resume::new()
        .topic(topic("h.1"), first[0])
        .topic(topic("h.2"), first[1]);
    let selector = || Selector::pattern("h.*").unwrap();
    let mut sub = hub.subscribe_from(selector(), resume.clone()).unwrap();
    let mut lane = Lane::new(&hub);
    let options = SubscribeOptions::new().resume(resume);
    lane.subscribe_with(selector(), Token(1), options).unwrap();
    hub.publish("h.3", "6").unwrap();
    hub.publish("h.1", "7").unwrap();
    let expected: Vec<String> = (0..8).map(|i| i.to_string()).collect();
    assert_eq!(read_all(&mut sub), (expected.clone(), 0));
    let mut sink = Log::default();
    drain(&mut lane, &mut sink);
    let got: Vec<String> = sink.events.into_iter().map(|(_, text)| text).collect();
    assert_eq!(got, expected);
}

#[test]
fn what_history_lets_go_before_it_is_read_is_told_also_in_a_batch() {
    let hub = hub(2);
    let a = hub.publish("h.a", "seen").unwrap().position.unwrap();
    let b = hub.publish("h.b", "seen").unwrap().position.unwrap();
    hub.publish("h.a", "a1").unwrap();
    hub.publish("h.b", "b1").unwrap();
    hub.publish("h.b", "b2").unwrap();
    let selector = Selector::topics(["h.a", "h.b"]).unwrap();
    let resume = Resume::new().topic(topic("h.a"), a).topic(topic("h.b"), b);
    let mut sub = hub.subscribe_from(selector, resume).unwrap();
    hub.publish("h.b", "b3").unwrap();
    // History has a1, b2, b3 now, and the feed b3.
    let batch = sub.try_recv_batch(10).unwrap();
    assert_eq!(batch.iter().map(text).collect::<Vec<_>>(), ["a1"]);
    let lagged = TryRecvError::Lagged { missed: 1 };
    assert_eq!(sub.try_recv_batch(10).unwrap_err(), lagged);
    assert_eq!(read_all(&mut sub).0, ["b2", "b3"]);
    assert_eq!(hub.stats().missed, 1);
}

#[test]
fn history_that_is_gone_by_age_or_size_leaves_nothing_behind() {
    let young = Budget::default()
        .age(std::time::Duration::from_millis(1))
        .unwrap();
    let small = Budget::default().bytes(1).unwrap();
    let builder = Hub::builder().history("young.*", young).unwrap();
    let hub = builder.history("small.*", small).unwrap().build().unwrap();
    for i in 0..100 {
        hub.publish(format!("young.{i}"), "p").unwrap();
        hub.publish(format!("small.{i}"), "p").unwrap();
    }
    super::until(|| hub.stats().topics == 0);
    assert_nothing_left(&hub);
}

#[test]
fn a_position_holds_although_everybody_left_before_the_first_event() {
    let keep = Budget::default().events(10).unwrap();
    let hub = Hub::builder().history("t*", keep).unwrap();
    let hub = hub.build().unwrap();
    let topic = Topic::new("t").unwrap();
    let here = hub.position(&topic).unwrap();
    for _ in 0..3 {
        drop(hub.subscribe("t").unwrap());
        // Clears up after whoever left.
        assert_eq!(hub.stats().topics, 0);
    }
    assert_eq!(hub.position(&topic), Some(here));
    drop(hub.subscribe("t").unwrap());
    assert_eq!(hub.stats().topics, 0);
    hub.publish("t", "while nobody was there").unwrap();
    let mut sub = hub.subscribe_from("t", Resume::at(here)).unwrap();
    assert_eq!(
        &sub.try_recv().unwrap().payload()[..],
        b"while nobody was there"
    );
}

#[test]
fn positions_that_are_only_looked_at_leave_nothing_behind() {
    let hub = hub(3);
    let looked: Vec<_> = (0..1_000)
        .map(|i| topic(&format!("h.{i}")))
        .map(|topic| (hub.position(&topic), topic))
        .collect();
    assert_eq!(hub.stats().topics, 0);
    for (position, topic) in looked {
        assert!(position.is_some());
        assert_eq!(hub.position(&topic), position, "it holds all the same");
    }
}
