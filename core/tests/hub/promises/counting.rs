//! Topics that are counted by themselves for a while leave nothing behind.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use distributary::{Hub, Topic};

use crate::edges::{assert_nothing_left, until};

#[test]
fn topics_go_when_they_are_uncounted_in_the_middle_of_a_publish() {
    const RUN: Duration = Duration::from_millis(400);
    const OVER: u64 = u64::MAX;
    let hub = Hub::new();
    let (current, published) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                let number = current.load(SeqCst);
                if number == OVER {
                    return;
                }
                hub.publish(format!("t{number}"), "p").unwrap();
                published.fetch_add(1, SeqCst);
            }
        });
        until(|| published.load(SeqCst) > 0);
        let start = Instant::now();
        let mut number = 0;
        while start.elapsed() < RUN {
            number += 1;
            current.store(number, SeqCst);
            let topic = Topic::new(format!("t{number}")).unwrap();
            hub.count_topic(&topic).unwrap();
            // Now sooner, now later: somewhere in the publisher's way.
            (0..number % 400).for_each(|_| std::hint::spin_loop());
            hub.uncount_topic(&topic);
        }
        current.store(OVER, SeqCst);
    });
    assert!(hub.topic_stats().is_empty());
    assert_nothing_left(&hub);
}
