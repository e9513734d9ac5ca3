//! A subscription as a stream: events, what was missed, and the end.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
    thread,
};

use distributary::{
    CloseReason, Event, Hub, Lagged, Overflow, Publication, SubscribeOptions, Subscription,
};
use futures_core::Stream;

use crate::edges::{budget, text, until};

fn next(sub: &mut Subscription) -> Poll<Option<Result<String, Lagged>>> {
    next_for(sub, Waker::noop())
}

fn next_for(sub: &mut Subscription, waker: &Waker) -> Poll<Option<Result<String, Lagged>>> {
    let mut cx = Context::from_waker(waker);
    let as_text = |event: Event| text(&event);
    let polled = Pin::new(sub).poll_next(&mut cx);
    polled.map(|item| item.map(|item| item.map(as_text)))
}

fn item(payload: &str) -> Poll<Option<Result<String, Lagged>>> {
    Poll::Ready(Some(Ok(payload.to_owned())))
}

#[test]
fn a_stream_yields_events_and_what_was_missed_and_ends() {
    let hub = Hub::builder().budget(budget(2)).build().unwrap();
    let mut sub = hub.subscribe("t").unwrap();
    assert_eq!(next(&mut sub), Poll::Pending);
    for payload in ["1", "2", "3", "4", "5"] {
        hub.publish("t", payload).unwrap();
    }
    let lagged = Lagged { missed: 3 };
    assert_eq!(next(&mut sub), Poll::Ready(Some(Err(lagged))));
    assert_eq!(next(&mut sub), item("4"));
    // What is left comes before the end, and the end comes again and again.
    hub.close();
    assert_eq!(next(&mut sub), item("5"));
    assert_eq!(next(&mut sub), Poll::Ready(None));
    assert_eq!(next(&mut sub), Poll::Ready(None));
    assert_eq!(sub.closed(), Some(CloseReason::HubClosed));
}

#[test]
fn a_stream_of_a_slow_consumer_ends() {
    let hub = Hub::new();
    let options = SubscribeOptions::new()
        .overflow(Overflow::Disconnect)
        .budget(budget(1));
    let mut sub = hub.subscribe_with("t", options).unwrap();
    hub.publish("t", "1").unwrap();
    hub.publish_event(Publication::new("t", "2")).unwrap();
    assert_eq!(next(&mut sub), Poll::Ready(None));
    assert_eq!(next(&mut sub), Poll::Ready(None));
    assert_eq!(sub.closed(), Some(CloseReason::SlowConsumer));
}

#[test]
fn a_stream_that_is_pending_is_woken_by_an_event_and_by_the_end() {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    let hub = Hub::new();
    let mut sub = hub.subscribe("t").unwrap();
    let woken = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert_eq!(next_for(&mut sub, &waker), Poll::Pending);
    let publisher = hub.clone();
    let published = thread::spawn(move || publisher.publish("t", "1").unwrap());
    published.join().unwrap();
    until(|| woken.0.load(SeqCst) == 1);
    assert_eq!(next_for(&mut sub, &waker), item("1"));
    assert_eq!(next_for(&mut sub, &waker), Poll::Pending);
    hub.close();
    until(|| woken.0.load(SeqCst) == 2);
    assert_eq!(next_for(&mut sub, &waker), Poll::Ready(None));
}
