//! Ends: of hubs, lanes, subscriptions and slow consumers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Instant,
};

use distributary::{
    CloseReason, Executor, Filter, Hub, Lane, Overflow, RecvError, Selector, SubscribeOptions,
    Token, TryRecvError, Waking,
};

use super::{Log, assert_nothing_left, budget, drain, read_all, soon, until};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn closing_ends_a_thousand_who_wait() {
    for waking in [Waking::Thread, Waking::Publisher] {
        let hub = Hub::builder().waking(waking).build().unwrap();
        let woken = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        let mut tasks: Vec<_> = (0..1_000)
            .map(|i| hub.subscribe(format!("t{}", i % 3)).unwrap())
            .collect();
        for task in &mut tasks {
            assert!(task.poll_recv(&mut cx).is_pending());
        }
        thread::scope(|scope| {
            let threads: Vec<_> = (0..40)
                .map(|i| {
                    let mut sub = hub.subscribe(format!("t{}", i % 3)).unwrap();
                    scope.spawn(move || {
                        let deadline = soon();
                        let error = sub.recv_deadline(deadline).unwrap_err();
                        assert_eq!(error, TryRecvError::Closed(CloseReason::HubClosed));
                        assert!(Instant::now() < deadline);
                    })
                })
                .collect();
            assert!(!hub.is_closed());
            hub.close();
            assert!(hub.clone().is_closed());
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
        });
        until(|| woken.0.load(SeqCst) == 1_000);
        let closed = Poll::Ready(RecvError::Closed(CloseReason::HubClosed));
        for task in &mut tasks {
            assert_eq!(task.poll_recv(&mut cx).map(Result::unwrap_err), closed);
        }
        drop(tasks);
        assert_nothing_left(&hub);
    }
}

#[test]
fn a_dropped_hub_tells_everybody_after_the_last_event() {
    let hub = Hub::new();
    let mut sub = hub.subscribe("t").unwrap();
    let mut lane = Lane::new(&hub);
    lane.subscribe("t", Token(1)).unwrap();
    let executor = Executor::new(&hub, 1).unwrap();
    let listener = executor.on("t", |_| {}).unwrap();
    let clone = hub.clone();
    hub.publish("t", "last").unwrap();
    drop(hub);
    clone.publish("t", "very last").unwrap();
    drop(clone);
    let (read, missed) = read_all(&mut sub);
    assert_eq!((read.join(","), missed), ("last,very last".to_owned(), 0));
    assert_eq!(sub.closed(), Some(CloseReason::HubClosed));
    let mut sink = Log::default();
    drain(&mut lane, &mut sink);
    assert_eq!(sink.events.len(), 2);
    assert_eq!(sink.closed, [(Token(1), CloseReason::HubClosed)]);
    assert!(lane.is_empty());
    until(|| listener.is_closed());
}

#[test]
fn names_changed_after_the_end_are_closed_too() {
    let hub = Hub::new();
    let mut sub = hub.subscribe("t").unwrap();
    hub.publish("t", "left").unwrap();
    hub.close();
    sub.add_topic("u").unwrap();
    assert_eq!(read_all(&mut sub).0, ["left"]);
    assert_eq!(sub.closed(), Some(CloseReason::HubClosed));
    drop(sub);
    assert_nothing_left(&hub);
}

#[test]
fn a_lane_may_go_with_members_pending_joins_and_commands() {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    let remote = lane.remote();
    let members: Vec<_> = (0..50)
        .map(|i| lane.subscribe(format!("t{}", i % 5), Token(i)).unwrap())
        .collect();
    let late: Vec<_> = (50..100)
        .map(|i| {
            let options = SubscribeOptions::new();
            remote
                .subscribe(format!("t{}", i % 5), Token(i), options)
                .unwrap()
        })
        .collect();
    hub.publish("t1", "p").unwrap();
    remote.unsubscribe(members[3]);
    remote.unsubscribe(late[3]);
    remote.resume(members[4]);
    assert_eq!(hub.stats().subscriptions, 100);
    drop(lane);
    assert_nothing_left(&hub);
    remote.unsubscribe(members[5]);
    remote.resume(late[5]);
    remote.call();
    assert_nothing_left(&hub);
}

#[test]
fn slow_consumers_are_disconnected_and_nobody_else() {
    let hub = Hub::builder()
        .overflow(Overflow::Disconnect)
        .budget(budget(4))
        .build()
        .unwrap();
    let mut slow = hub.subscribe("t").unwrap();
    let mut quick = hub.subscribe("t").unwrap();
    let mut lane = Lane::new(&hub);
    let stalled = lane.subscribe("t", Token(1)).unwrap();
    lane.subscribe("t", Token(2)).unwrap();
    let mut sink = Log {
        stalls: Some(Token(1)),
        ..Log::default()
    };
    for i in 0..4 {
        hub.publish("t", i.to_string()).unwrap();
        drain(&mut lane, &mut sink);
        assert_eq!(read_all(&mut quick).0.len(), 1);
        assert!(sink.closed.is_empty());
    }
    hub.publish("t", "4").unwrap();
    drain(&mut lane, &mut sink);
    assert_eq!(sink.closed, [(Token(1), CloseReason::SlowConsumer)]);
    assert!(!lane.unsubscribe(stalled));
    assert_eq!(sink.events.len(), 5);
    assert!(quick.try_recv().is_ok());
    let closed = TryRecvError::Closed(CloseReason::SlowConsumer);
    assert_eq!(slow.try_recv().unwrap_err(), closed);
    assert_eq!(slow.try_recv().unwrap_err(), closed);
    assert_eq!(hub.stats().slow_closed, 2);
    drop((slow, quick, lane));
    assert_nothing_left(&hub);
}

#[test]
fn a_sink_that_had_been_closed_is_counted() {
    struct Closed;
    impl distributary::Sink for Closed {
        fn deliver(&mut self, _: Token, _: &[distributary::Event]) -> distributary::Flow {
            distributary::Flow::AlreadyClosed
        }
        fn lagged(&mut self, _: Token, _: u64) -> distributary::Flow {
            distributary::Flow::AlreadyClosed
        }
        fn closed(&mut self, _: Token, _: CloseReason) {
            panic!("it was closed already");
        }
    }
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    lane.subscribe("t", Token(1)).unwrap();
    hub.publish("t", "p").unwrap();
    drain(&mut lane, &mut Closed);
    let stats = hub.stats();
    assert_eq!((stats.closed_writes, stats.subscriptions), (1, 0));
    assert_eq!((stats.delivered, stats.panicked), (0, 0));
}

/// The filters of a pattern are emptied and others take their place: a topic that has
/// looked into its events for the old ones must look for the new ones.
#[test]
fn new_filters_of_a_pattern_are_not_taken_for_the_old_ones() {
    let hub = Hub::new();
    let with = |filter: &str| {
        let filter = Filter::parse(filter).unwrap();
        hub.subscribe(Selector::pattern("t*").unwrap().filter(filter))
            .unwrap()
    };
    let _stays = hub.subscribe(Selector::pattern("t*").unwrap()).unwrap();
    let payload = r#"{"a": 1, "b": 1}"#;
    for _ in 0..3 {
        for filter in [r#"{"a": 1}"#, r#"{"b": 1}"#] {
            let mut sub = with(filter);
            assert_eq!(hub.publish("t", payload).unwrap().feeds, 2, "{filter}");
            assert!(sub.try_recv().is_ok());
        }
    }
}
