//! Publishers that wait for room, and those who pay for an event that nobody wants.

use std::{
    thread,
    time::{Duration, Instant},
};

use distributary::{
    Budget, Filter, Hub, Publication, PublishError, PublishWaitError, Selector, SubscribeOptions,
};

use crate::edges::{budget, read_all, soon, text};

#[test]
fn an_event_that_can_never_fit_is_refused_at_once() {
    let hub = Hub::new();
    let small = Budget::default().bytes(300).unwrap();
    let options = SubscribeOptions::new().budget(small);
    let mut narrow = hub.subscribe_with("t", options).unwrap();
    let mut wide = hub.subscribe("t").unwrap();
    let deadline = soon();
    let refused = hub.publish_wait(Publication::new("t", vec![b' '; 1_000]), deadline);
    assert!(Instant::now() < deadline, "it waited for what cannot be");
    let Err(PublishWaitError::Refused(PublishError::TooLarge { weight, budget })) = refused else {
        panic!("{refused:?}");
    };
    assert!(weight >= 1_000);
    assert_eq!(budget, 300);
    // Nobody has lost anything, nor got it.
    assert_eq!(read_all(&mut narrow), (vec![], 0));
    assert_eq!(read_all(&mut wide), (vec![], 0));
    hub.publish_wait(Publication::new("t", "p"), deadline)
        .unwrap();
    assert_eq!(read_all(&mut narrow), (vec!["p".to_owned()], 0));
    assert_eq!(read_all(&mut wide), (vec!["p".to_owned()], 0));
}

#[test]
fn publishers_of_several_topics_do_not_crowd_one_feed() {
    const PUBLISHERS: usize = 4;
    const EACH: usize = 250;
    let hub = Hub::builder().budget(budget(1)).build().unwrap();
    let sub = hub.subscribe(Selector::pattern("t.*").unwrap()).unwrap();
    let mut next = [0; PUBLISHERS];
    thread::scope(|scope| {
        // Dropped in here, it lets the publishers go when the test fails.
        let mut sub = sub;
        for publisher in 0..PUBLISHERS {
            let hub = &hub;
            // Two of them on each topic.
            let topic = format!("t.{}", publisher % 2);
            scope.spawn(move || {
                for number in 0..EACH {
                    let payload = format!("{publisher} {number}");
                    let publication = Publication::new(&topic, payload);
                    hub.publish_wait(publication, soon()).unwrap();
                }
            });
        }
        for _ in 0..PUBLISHERS * EACH {
            let event = sub.recv_deadline(soon()).unwrap();
            let text = text(&event);
            let (publisher, number) = text.split_once(' ').unwrap();
            let next: &mut usize = &mut next[publisher.parse::<usize>().unwrap()];
            assert_eq!(number.parse::<usize>().unwrap(), *next, "by {publisher}");
            *next += 1;
        }
    });
    assert_eq!(next, [EACH; PUBLISHERS]);
    assert_eq!(hub.stats().missed, 0);
    assert_eq!(hub.stats().dropped_oldest, 0);
}

/// A hub that has room for little more than what waits in the subscription's feed.
fn nearly_full() -> (Hub, distributary::Subscription) {
    let hub = Hub::builder().bytes(20_000).build().unwrap();
    let sub = hub.subscribe("held").unwrap();
    for _ in 0..40 {
        hub.publish("held", vec![b' '; 200]).unwrap();
    }
    assert_eq!(hub.stats().dropped_pressed, 0);
    (hub, sub)
}

fn heavy(topic: &str) -> Publication<&str> {
    Publication::new(topic, vec![b' '; 15_000])
}

fn assert_untouched(hub: &Hub, mut sub: distributary::Subscription) {
    assert_eq!(hub.stats().dropped_pressed, 0);
    let (read, missed) = read_all(&mut sub);
    assert_eq!((read.len(), missed), (40, 0));
}

#[test]
fn an_event_that_nobody_wants_takes_nobodys_place() {
    let (hub, sub) = nearly_full();
    let filter = Filter::parse(r#"{"id": [1]}"#).unwrap();
    let _picky = hub
        .subscribe(Selector::topic("t").unwrap().filter(filter))
        .unwrap();
    assert_eq!(hub.publish_event(heavy("t")).unwrap().subscriptions, 0);
    let waited = hub.publish_wait(heavy("t"), soon()).unwrap();
    assert_eq!(waited.subscriptions, 0);
    assert_eq!(hub.publish_event(heavy("u")).unwrap().subscriptions, 0);
    assert_untouched(&hub, sub);
}

#[test]
fn an_event_that_was_not_published_takes_nobodys_place() {
    let (hub, sub) = nearly_full();
    let options = SubscribeOptions::new().budget(budget(1));
    let _full = hub.subscribe_with("t", options).unwrap();
    hub.publish("t", "p").unwrap();
    let deadline = Instant::now() + Duration::from_millis(5);
    let refused = hub.publish_wait(heavy("t"), deadline);
    assert!(
        matches!(refused, Err(PublishWaitError::TimedOut(_))),
        "{refused:?}"
    );
    assert_untouched(&hub, sub);
}
