//! Payloads that do something when they are dropped: wherever that happens, no lock
//! is held and nobody else suffers.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use distributary::{
    Executor, Filter, Hub, Item, Lane, Overflow, Publication, Selector, SubscribeOptions, Token,
    Topic,
};

use super::must_end;
use crate::edges::{Log, budget, drain, until};

/// Publishes to its own topic when it is dropped.
struct Echo {
    hub: Hub,
    dropped: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Echo {
    fn as_ref(&self) -> &[u8] {
        b"{}"
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // A hub that is closed refuses it.
        let _ = self.hub.publish("t", "echo");
        self.dropped.fetch_add(1, SeqCst);
    }
}

/// Runs a case with a maker of such payloads; they must all be gone at its end.
fn with_echoes(case: impl FnOnce(&Hub, &dyn Fn() -> Bytes) + Send + 'static) {
    must_end(move || {
        let hub = Hub::new();
        let (made, dropped) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let make = || {
            made.fetch_add(1, SeqCst);
            Bytes::from_owner(Echo {
                hub: hub.clone(),
                dropped: Arc::clone(&dropped),
            })
        };
        case(&hub, &make);
        hub.stats();
        let made = made.load(SeqCst);
        assert!(made > 0);
        until(|| dropped.load(SeqCst) == made);
        assert_eq!(hub.stats().bytes_held, 0);
    });
}

#[test]
fn an_unmatched_payload_may_publish_when_it_is_dropped() {
    with_echoes(|hub, echo| {
        hub.publish("t", echo()).unwrap();
        // Counted, and asked for by a filter and a pattern that do not match.
        hub.count_topic(&Topic::new("t").unwrap()).unwrap();
        hub.publish("t", echo()).unwrap();
        let filter = Filter::parse(r#"{"id": [1]}"#).unwrap();
        let selector = Selector::topic("t").unwrap().filter(filter.clone());
        let _picky = hub.subscribe(selector).unwrap();
        hub.publish("t", echo()).unwrap();
        let pattern = Selector::pattern("*").unwrap().filter(filter);
        let _pattern = hub.subscribe(pattern).unwrap();
        hub.publish("t", echo()).unwrap();
        let deadline = Instant::now() + Duration::from_millis(1);
        let waiting = Publication::new("t", echo());
        hub.publish_wait(waiting, deadline).unwrap();
    });
}

#[test]
fn a_matched_payload_may_publish_when_it_is_dropped() {
    with_echoes(|hub, echo| {
        // The reader lets go of it.
        let mut sub = hub.subscribe("t").unwrap();
        hub.publish("t", echo()).unwrap();
        drop(sub.try_recv().unwrap());
        assert_eq!(sub.try_recv().unwrap().payload(), "echo");
        hub.publish("t", echo()).unwrap();
        drop(sub.try_recv_batch(8).unwrap());
        assert_eq!(sub.try_recv().unwrap().payload(), "echo");
        // A lane does.
        let mut lane = Lane::new(hub);
        lane.subscribe("t", Token(1)).unwrap();
        drop(sub);
        hub.publish("t", echo()).unwrap();
        let mut sink = Log::default();
        drain(&mut lane, &mut sink);
        let read: Vec<&str> = sink.events.iter().map(|(_, text)| &text[..]).collect();
        assert_eq!(read, ["{}", "echo"]);
    });
}

#[test]
fn a_payload_that_gives_way_may_publish_when_it_is_dropped() {
    with_echoes(|hub, echo| {
        for overflow in [
            Overflow::DropOldest,
            Overflow::DropNewest,
            Overflow::KeepLatest,
        ] {
            let options = SubscribeOptions::new().overflow(overflow).budget(budget(1));
            let _full = hub.subscribe_with("t", options).unwrap();
            for _ in 0..3 {
                let publication = Publication::new("t", echo()).key("k");
                hub.publish_event(publication).unwrap();
            }
        }
    });
}

#[test]
fn a_payload_may_publish_when_its_last_holder_leaves() {
    with_echoes(|hub, echo| {
        let sub = hub.subscribe("t").unwrap();
        hub.publish("t", echo()).unwrap();
        drop(sub);
        let mut lane = Lane::new(hub);
        let id = lane.subscribe("t", Token(1)).unwrap();
        hub.publish("t", echo()).unwrap();
        assert!(lane.unsubscribe(id));
        lane.subscribe("t", Token(2)).unwrap();
        hub.publish("t", echo()).unwrap();
        drop(lane);
        let selector = Selector::topics(["t", "u"]).unwrap();
        let mut sub = hub.subscribe(selector).unwrap();
        hub.publish("t", echo()).unwrap();
        assert!(sub.remove_topic("t").unwrap());
        let sub = hub.subscribe("t").unwrap();
        hub.publish("t", echo()).unwrap();
        hub.close();
        drop(sub);
    });
}

/// Panics when it is dropped.
struct Bomb;

impl AsRef<[u8]> for Bomb {
    fn as_ref(&self) -> &[u8] {
        b"bomb"
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        // Two panics at once would end the process.
        if !std::thread::panicking() {
            panic!("a payload");
        }
    }
}

#[test]
fn a_payload_that_panics_on_an_executor_closes_nobody() {
    const WAIT: Duration = Duration::from_secs(10);
    let hub = Hub::new();
    let executor = Executor::new(&hub, 1).unwrap();
    let (tx, heard) = mpsc::channel();
    // Held up until the publisher has let go, so that the executor is the last.
    let (go, wait) = mpsc::channel();
    let own = tx.clone();
    let bombed = executor.on("bombed", move |item| {
        if let Item::Event(event) = item {
            if event.payload() == "bomb" {
                wait.recv().unwrap();
            }
            own.send(event.payload().len()).unwrap();
        }
    });
    let bombed = bombed.unwrap();
    let beside = executor.on("beside", move |item| {
        if let Item::Event(event) = item {
            tx.send(event.payload().len()).unwrap();
        }
    });
    let beside = beside.unwrap();
    for _ in 0..3 {
        hub.publish("bombed", Bytes::from_owner(Bomb)).unwrap();
        go.send(()).unwrap();
        assert_eq!(heard.recv_timeout(WAIT).unwrap(), 4);
        hub.publish("bombed", "1").unwrap();
        assert_eq!(heard.recv_timeout(WAIT), Ok(1));
        hub.publish("beside", "22").unwrap();
        assert_eq!(heard.recv_timeout(WAIT), Ok(2));
    }
    assert!(!bombed.is_closed() && !beside.is_closed());
    until(|| hub.stats().bytes_held == 0);
    let stats = hub.stats();
    assert_eq!((stats.panicked, stats.subscriptions), (0, 2));
}

#[test]
fn a_payload_that_panics_at_its_publisher_is_counted_out() {
    let hub = Hub::builder().budget(budget(1)).build().unwrap();
    let filter = Filter::parse(r#"{"id": [1]}"#).unwrap();
    let picky = Selector::topic("unmatched").unwrap().filter(filter);
    let _picky = hub.subscribe(picky).unwrap();
    let mut sub = hub.subscribe("t").unwrap();
    // Whether the publisher hears of it is its own affair.
    let publish = |topic, payload: Bytes| {
        let publish = AssertUnwindSafe(|| drop(hub.publish(topic, payload)));
        catch_unwind(publish).unwrap_or_default();
    };
    publish("unmatched", Bytes::from_owner(Bomb));
    publish("t", Bytes::from_owner(Bomb));
    publish("t", Bytes::from_owner(Bomb));
    publish("t", Bytes::from_static(b"last"));
    let missed = distributary::TryRecvError::Lagged { missed: 2 };
    assert_eq!(sub.try_recv().unwrap_err(), missed);
    assert_eq!(sub.try_recv().unwrap().payload(), "last");
    drop(sub);
    assert_eq!(hub.stats().bytes_held, 0);
}
