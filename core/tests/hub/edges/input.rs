//! What cannot be taken is refused where it is given, and by name.

use distributary::{
    Budget, BudgetError, BudgetOptions, BuildError, Executor, Filter, Hub, Lane, PatternErrorKind,
    Publication, PublishError, Resume, Selector, SelectorError, SubscribeError, SubscribeOptions,
    Token, Topic, TopicError, TryRecvError,
};
use std::time::Duration;

#[test]
fn topics() {
    let hub = Hub::new();
    let long = "x".repeat(distributary::MAX_TOPIC_BYTES + 1);
    let too_long = TopicError::TooLong { bytes: long.len() };
    assert_eq!(
        hub.publish("", "p"),
        Err(PublishError::Topic(TopicError::Empty))
    );
    assert_eq!(hub.publish(&long, "p"), Err(PublishError::Topic(too_long)));
    for (name, why) in [("", TopicError::Empty), (&long, too_long)] {
        let why = SelectorError::Topic(why);
        assert_eq!(
            hub.subscribe(name).unwrap_err(),
            SubscribeError::Selector(why.clone())
        );
        let mut sub = hub.subscribe("good").unwrap();
        assert_eq!(sub.add_topic(name), Err(why.clone().into()));
        assert_eq!(sub.remove_topic(name), Err(why.clone().into()));
        let mut lane = Lane::new(&hub);
        let error = lane.subscribe(name, Token(1)).unwrap_err();
        assert_eq!(error, SubscribeError::Selector(why));
    }
    // The longest name, and names that are no ASCII.
    for name in [&long[1..], "ö", "\0", " ", "*", "\u{10ffff}"] {
        let mut sub = hub.subscribe(name).unwrap();
        hub.publish(name, "p").unwrap();
        assert_eq!(sub.try_recv().unwrap().topic().as_str(), name);
    }
    super::assert_nothing_left(&hub);
}

#[test]
fn patterns_and_filters() {
    let hub = Hub::new();
    let Err(SelectorError::Pattern(error)) = Selector::pattern("a[b") else {
        panic!("taken");
    };
    assert_eq!(error.kind(), PatternErrorKind::UnclosedClass);
    assert_eq!(error.offset(), 1);
    let mut sub = hub.subscribe("a").unwrap();
    assert!(matches!(
        sub.add_pattern(""),
        Err(SubscribeError::Selector(SelectorError::Pattern(_)))
    ));
    assert!(matches!(
        sub.remove_pattern("\\"),
        Err(SubscribeError::Selector(SelectorError::Pattern(_)))
    ));
    for bad in [
        "",
        "[]",
        "{",
        r#"{"a": {}}"#,
        r#"{"a": [{"like": 1}]}"#,
        r#"{"$x": [1]}"#,
    ] {
        let error = Filter::parse(bad).unwrap_err();
        assert!(!error.to_string().is_empty());
        assert!(!error.expected().is_empty(), "{bad}: {error:?}");
    }
    let strict = Hub::builder().strict_filters().build().unwrap();
    let scanned = Filter::parse(r#"{"a": [{"anything-but": 1}]}"#).unwrap();
    let selector = Selector::topic("t").unwrap().filter(scanned);
    let error = strict.subscribe(selector).unwrap_err();
    assert!(matches!(error, SubscribeError::Unindexed { .. }), "{error}");
    super::assert_nothing_left(&strict);
}

#[test]
fn names_of_a_selector() {
    let none: [&str; 0] = [];
    assert_eq!(Selector::topics(none), Err(SelectorError::Empty));
    let most = (0..distributary::MAX_NAMES).map(|i| i.to_string());
    let most = Selector::topics(most).unwrap();
    let given = distributary::MAX_NAMES + 1;
    assert_eq!(
        most.clone().and_pattern("*"),
        Err(SelectorError::TooManyNames { given })
    );
    let hub = Hub::new();
    let mut sub = hub.subscribe(most).unwrap();
    assert_eq!(
        sub.add_topic("more"),
        Err(SelectorError::TooManyNames { given }.into())
    );
    assert_eq!(hub.stats().topics, distributary::MAX_NAMES);
    drop(sub);
    super::assert_nothing_left(&hub);
    let mut sub = hub.subscribe("only").unwrap();
    assert_eq!(sub.remove_topic("only"), Err(SelectorError::Empty.into()));
    assert_eq!(sub.remove_topic("other"), Ok(false));
    hub.publish("only", "p").unwrap();
    assert!(sub.try_recv().is_ok());
}

#[test]
fn budgets_and_threads() {
    assert_eq!(
        Budget::default().events(0),
        Err(BudgetError::Events { given: 0 })
    );
    let given = Budget::MAX_EVENTS + 1;
    assert_eq!(
        Budget::default().events(given),
        Err(BudgetError::Events { given })
    );
    assert_eq!(Budget::default().bytes(0), Err(BudgetError::Bytes));
    assert_eq!(Budget::default().age(Duration::ZERO), Err(BudgetError::Age));
    assert_eq!(
        Hub::builder().bytes(0).build().unwrap_err(),
        BuildError::NoBytes
    );
    assert!(Hub::builder().history("[", Budget::default()).is_err());
    let none = Executor::new(&Hub::new(), 0).unwrap_err();
    assert_eq!(none.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn a_part_of_a_budget_that_is_not_said_is_the_hubs() {
    let two = Budget::default().events(2).unwrap();
    let hub = Hub::builder().budget(two).build().unwrap();
    let with =
        |budget: BudgetOptions| hub.subscribe_with("t", SubscribeOptions::new().budget(budget));
    let said = BudgetOptions::default();
    let mut bytes = with(BudgetOptions {
        bytes: Some(1 << 20),
        ..said
    })
    .unwrap();
    let mut all = with(Budget::default().into()).unwrap();
    for text in ["1", "2", "3"] {
        hub.publish("t", text).unwrap();
    }
    let missed = bytes.try_recv().unwrap_err();
    assert_eq!(missed, TryRecvError::Lagged { missed: 1 });
    assert!(all.try_recv().is_ok());
    let none = with(BudgetOptions {
        bytes: Some(0),
        ..said
    });
    assert_eq!(none.err(), Some(BudgetError::Bytes.into()));
}

#[test]
fn an_event_of_exactly_the_hubs_budget_passes_and_a_byte_more_does_not() {
    let weight = {
        let hub = Hub::new();
        let mut sub = hub.subscribe("t").unwrap();
        hub.publish("t", vec![0; 1_000]).unwrap();
        sub.try_recv().unwrap().weight()
    };
    let hub = Hub::builder().bytes(weight as u64).build().unwrap();
    let mut sub = hub.subscribe("t").unwrap();
    for _ in 0..3 {
        assert_eq!(hub.publish("t", vec![0; 1_000]).unwrap().subscriptions, 1);
        assert_eq!(hub.stats().bytes_held, weight as u64);
    }
    let refused = hub.publish("t", vec![0; 1_001]);
    let budget = weight as u64;
    let weight = weight + 1;
    assert_eq!(refused, Err(PublishError::TooLarge { weight, budget }));
    // Each made room for the next; whoever lost is told how many.
    let (read, missed) = super::read_all(&mut sub);
    assert_eq!((read.len(), missed), (1, 2));
    assert_eq!(hub.stats().dropped_pressed, 2);
}

#[test]
fn a_closed_hub_and_a_lane_that_is_gone() {
    let hub = Hub::new();
    let lane = Lane::new(&hub);
    let remote = lane.remote();
    drop(lane);
    let gone = remote.subscribe("t", Token(1), SubscribeOptions::new());
    assert_eq!(gone.unwrap_err(), SubscribeError::LaneGone);
    super::assert_nothing_left(&hub);

    let topic = Topic::new("t").unwrap();
    let mut lane = Lane::new(&hub);
    let executor = Executor::new(&hub, 1).unwrap();
    hub.close();
    assert_eq!(hub.publish("t", "p"), Err(PublishError::Closed));
    assert_eq!(
        hub.publish_event(Publication::new(topic, "p")),
        Err(PublishError::Closed)
    );
    assert_eq!(hub.subscribe("t").unwrap_err(), SubscribeError::Closed);
    assert_eq!(
        lane.subscribe("t", Token(1)).unwrap_err(),
        SubscribeError::Closed
    );
    assert_eq!(
        executor.on("t", |_| {}).unwrap_err(),
        SubscribeError::Closed
    );
    let resumed = hub.subscribe_from("t", Resume::at("1-1".parse().unwrap()));
    assert_eq!(resumed.unwrap_err(), SubscribeError::Closed);
    hub.close();
    super::assert_nothing_left(&hub);
}
