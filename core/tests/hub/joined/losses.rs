//! What a backplane has lost, told to those who listen and to those who come back.

use super::*;

#[test]
fn a_loss_is_told_between_the_events_where_it_happened() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let topic = Topic::new("t").unwrap();
    let mut plain = hub.subscribe("t").unwrap();
    let mut pattern = hub.subscribe(Selector::pattern("*").unwrap()).unwrap();
    let mut other = hub.subscribe("other").unwrap();
    hub.publish("t", "1").unwrap();
    node.inlet().lost(&topic, Some(5));
    hub.publish("t", "2").unwrap();
    node.inlet().lost(&topic, None);
    for sub in [&mut plain, &mut pattern] {
        assert_eq!(&sub.try_recv().unwrap().payload()[..], b"1");
        assert!(matches!(
            sub.try_recv(),
            Err(TryRecvError::Lagged { missed: 5 })
        ));
        assert_eq!(&sub.try_recv().unwrap().payload()[..], b"2");
        assert!(matches!(
            sub.try_recv(),
            Err(TryRecvError::Lagged { missed: 1 })
        ));
        assert_eq!(sub.try_recv().unwrap_err(), TryRecvError::Empty);
    }
    assert_eq!(other.try_recv().unwrap_err(), TryRecvError::Empty);
}

#[test]
fn whoever_comes_back_is_told_what_was_lost_meanwhile() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.keeper();
    let topic = Topic::new("t").unwrap();
    let here = hub.publish("t", "1").unwrap().position.unwrap();
    node.inlet().lost(&topic, Some(5));
    hub.publish("t", "2").unwrap();
    hub.publish("t", "3").unwrap();
    node.inlet().lost(&topic, None);
    let mut sub = hub.subscribe_from("t", Resume::at(here)).unwrap();
    assert_eq!(sub.lag(), 8);
    hub.publish("t", "4").unwrap();
    assert_eq!(story(&mut sub), ["-5", "2", "3", "-1", "4"]);
    // What a filter would have made of them nobody knows.
    let only = Filter::parse(r#"{"is": ["there"]}"#).unwrap();
    let filtered = Selector::topic("t").unwrap().filter(only);
    let mut sub = hub.subscribe_from(filtered, Resume::at(here)).unwrap();
    assert_eq!(story(&mut sub), ["-6"]);
    // Where it stands behind a loss there is nothing to be told.
    let here = hub.position(&topic).unwrap();
    node.inlet().lost(&topic, Some(2));
    let behind = hub.position(&topic).unwrap();
    assert_eq!(behind.offset, here.offset + 2);
    let mut sub = hub.subscribe_from("t", Resume::at(behind)).unwrap();
    assert!(story(&mut sub).is_empty());
    let mut sub = hub.subscribe_from("t", Resume::at(here)).unwrap();
    assert_eq!(story(&mut sub), ["-2"]);
}

#[test]
fn whoever_comes_back_to_a_topic_that_was_not_heard_is_told_so() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.keeper();
    let topic = Topic::new("t").unwrap();
    let back = |position| story(&mut hub.subscribe_from("t", Resume::at(position)).unwrap());
    let here = hub.publish("t", "1").unwrap().position.unwrap();
    let behind = hub.publish("t", "2").unwrap().position.unwrap();
    assert_eq!(back(here), ["2"]);
    *node.deaf_to.lock().unwrap() = Some(topic.clone());
    let mut new = hub.subscribe("t").unwrap();
    let mut sub = hub.subscribe_from("t", Resume::at(here)).unwrap();
    hub.publish("t", "3").unwrap();
    assert_eq!(story(&mut sub), ["2", "-1", "3"]);
    assert_eq!(story(&mut new), ["3"], "it has not been here before");
    // Once more for what came behind the last event, and not for each of a crowd.
    for _ in 0..2 {
        assert_eq!(back(here), ["2", "-1", "3", "-1"]);
        assert_eq!(back(behind), ["-1", "3", "-1"]);
    }
    // Who stands behind the loss itself may have missed more since.
    let last = hub.position(&topic).unwrap();
    assert_eq!(back(last), ["-1"]);
    let last = hub.position(&topic).unwrap();
    *node.deaf_to.lock().unwrap() = None;
    node.inlet().unheard(&topic);
    assert_eq!(back(last), ["-1"]);
    let last = hub.position(&topic).unwrap();
    assert!(back(last).is_empty());
    assert_eq!(story(&mut new), [""; 0], "it was not told before");
    // A position that was never given out changes nothing.
    let mut never = last;
    never.offset += 1;
    *node.deaf_to.lock().unwrap() = Some(topic.clone());
    assert!(hub.subscribe_from("t", Resume::at(never)).is_err());
    assert_eq!(hub.position(&topic), Some(last));
}

#[test]
fn a_topic_that_is_forgotten_and_was_not_heard_is_not_whole_when_it_comes_back() {
    let wire = Arc::new(Wire::default());
    let keep = Budget::default().age(Duration::from_millis(1)).unwrap();
    let builder = Hub::builder().history("kept.*", keep).unwrap();
    let (hub, node) = wire.hub_of(builder);
    let [topic, other] = ["kept.1", "other.1"].map(|name| Topic::new(name).unwrap());
    let here = hub.publish("kept.1", "1").unwrap().position.unwrap();
    std::thread::sleep(Duration::from_millis(5));
    let back = || story(&mut hub.subscribe_from("kept.1", Resume::at(here)).unwrap());
    assert!(back().is_empty(), "nothing came since");
    assert_eq!(hub.stats().topics, 0);
    let all = Name::Pattern(Pattern::new("*").unwrap());
    let kept = node.inlet().kept(&all);
    assert!(kept.contains(&topic) && !kept.contains(&other), "{kept:?}");
    assert_eq!(node.inlet().kept(&Name::Topic(other)), []);
    node.inlet().unheard(&topic);
    assert!(hub.subscribe_from("kept.1", Resume::at(here)).is_err());
}

#[test]
fn whoever_asked_to_be_disconnected_is_told_whether_it_was_slow_or_something_was_lost() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let topic = Topic::new("t").unwrap();
    let options = SubscribeOptions::new()
        .overflow(Overflow::Disconnect)
        .budget(Budget::default().events(2).unwrap());
    let listen = || hub.subscribe_with("t", options.clone()).unwrap();
    let end = |sub: &mut Subscription| loop {
        match sub.try_recv() {
            Ok(_) => {}
            Err(TryRecvError::Closed(reason)) => return Some(reason),
            Err(_) => return None,
        }
    };
    let mut quick = listen();
    hub.publish("t", "1").unwrap();
    node.inlet().lost(&topic, Some(3));
    assert_eq!(end(&mut quick), Some(CloseReason::Lost));
    assert_eq!(hub.stats().slow_closed, 0);
    let mut slow = listen();
    for _ in 0..3 {
        hub.publish("t", "1").unwrap();
    }
    // Both: it did not keep up either way.
    node.inlet().lost(&topic, None);
    let mut level = listen();
    hub.publish("t", "2").unwrap();
    assert_eq!(end(&mut slow), Some(CloseReason::SlowConsumer));
    assert_eq!(end(&mut level), None);
    assert_eq!(hub.stats().slow_closed, 1);
}

#[test]
fn a_loss_of_a_topic_that_nobody_knows_leaves_nothing_behind() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.keeper();
    for number in 0..100 {
        let topic = Topic::new(format!("t{number}")).unwrap();
        node.inlet().lost(&topic, Some(1));
    }
    assert_eq!(hub.stats().topics, 0);
}

#[test]
fn a_loss_beyond_measure_breaks_nobody() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.keeper();
    let topic = Topic::new("t").unwrap();
    let mut sub = hub.subscribe("t").unwrap();
    for _ in 0..3 {
        node.inlet().lost(&topic, Some(u64::MAX));
    }
    hub.publish("t", "there").unwrap();
    let lost = format!("-{}", 3 * (1_u64 << 32));
    assert_eq!(story(&mut sub), [&lost, "there"]);
}

#[test]
fn a_loss_wakes_who_waits_for_an_event() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let mut sub = hub.subscribe("t").unwrap();
    let waiting = std::thread::spawn(move || sub.recv_deadline(soon()));
    node.inlet().lost(&Topic::new("t").unwrap(), Some(2));
    let got = waiting.join().unwrap();
    assert!(got.is_err(), "{got:?}");
}

#[test]
fn whoever_reads_what_arrives_together_is_woken_once_after_all_of_it() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let mut subs = ["a", "b"].map(|topic| hub.subscribe(topic).unwrap());
    let wakes: [Arc<Wakes>; 2] = Default::default();
    let mut wait = |place: usize| {
        let waker = Arc::clone(&wakes[place]).into();
        subs[place].poll_recv(&mut Context::from_waker(&waker))
    };
    assert!(wait(0).is_pending() && wait(1).is_pending());
    let woken = || [0, 1].map(|place| wakes[place].0.load(Ordering::SeqCst));

    let mut together = Together::default();
    let mut deliver = |topic: &str, payload: &'static str| {
        let event = Publication::new(topic, payload);
        node.inlet().deliver_together(event, &mut together)
    };
    assert_eq!(
        [deliver("a", "1"), deliver("a", "2"), deliver("b", "3")],
        [1, 1, 1]
    );
    assert_eq!(woken(), [0, 0], "before all of it is there");
    together.wake();
    assert_eq!(woken(), [1, 1]);
    together.wake();
    assert_eq!(woken(), [1, 1], "nothing came since");
    for expected in ["1", "2"] {
        let Poll::Ready(Ok(event)) = wait(0) else {
            panic!("nothing came");
        };
        assert_eq!(event.payload(), expected);
    }
    assert!(wait(0).is_pending());
    node.inlet()
        .deliver_together(Publication::new("a", "4"), &mut together);
    drop(together);
    assert_eq!(woken(), [2, 1], "dropped is as good");
}

#[test]
fn a_lane_is_told_of_a_loss_under_every_policy() {
    const ENDED: u64 = u64::MAX;
    #[derive(Default)]
    struct Told(Vec<(u64, u64)>);
    impl Sink for Told {
        fn deliver(&mut self, _: Token, _: &[Event]) -> Flow {
            Flow::Taken
        }
        fn lagged(&mut self, to: Token, missed: u64) -> Flow {
            self.0.push((to.0, missed));
            Flow::Taken
        }
        fn closed(&mut self, to: Token, reason: CloseReason) {
            assert_eq!(reason, CloseReason::Lost);
            self.0.push((to.0, ENDED));
        }
    }
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let mut lane = Lane::new(&hub);
    let policies = [
        Overflow::DropOldest,
        Overflow::DropNewest,
        Overflow::Disconnect,
        Overflow::KeepLatest,
    ];
    let mut members = Vec::new();
    for (token, overflow) in (0..).zip(policies) {
        let options = SubscribeOptions::new().overflow(overflow);
        members.push(lane.subscribe_with("t", Token(token), options).unwrap());
    }
    node.inlet().lost(&Topic::new("t").unwrap(), Some(4));
    let mut told = Told::default();
    while lane.turn(&mut told).more {}
    told.0.sort_unstable();
    assert_eq!(told.0, [(0, 4), (1, 4), (2, ENDED), (3, 4)]);
    assert_eq!(lane.len(), members.len() - 1);
}

proptest! {
    /// Events and losses in any order, read at any time: what a reader got and what it was
    /// told of add up to what happened, in that order.
    #[test]
    fn what_is_read_and_what_is_lost_add_up(
        steps in prop::collection::vec(0u8..6, 1..60),
    ) {
        let wire = Arc::new(Wire::default());
        let (hub, node) = wire.hub();
        let topic = Topic::new("t").unwrap();
        let mut sub = hub.subscribe("t").unwrap();
        let (mut happened, mut seen) = (Vec::new(), Vec::new());
        let mut number = 0u64;
        for step in steps.into_iter().chain([9]) {
            match step {
                0..=2 => {
                    hub.publish("t", number.to_string()).unwrap();
                    happened.push(Some(number));
                    number += 1;
                }
                3 | 4 => {
                    node.inlet().lost(&topic, Some(u64::from(step)));
                    happened.extend((0..step).map(|_| None));
                }
                _ => loop {
                    match sub.try_recv() {
                        Ok(event) => {
                            let text = std::str::from_utf8(event.payload()).unwrap();
                            seen.push(Some(text.parse().unwrap()));
                        }
                        Err(TryRecvError::Lagged { missed }) => {
                            seen.extend((0..missed).map(|_| None));
                        }
                        Err(_) => break,
                    }
                },
            }
        }
        prop_assert_eq!(happened, seen);
    }
}
