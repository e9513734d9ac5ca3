//! Code of others that runs inside: callbacks, wakers, sinks, destructors.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use distributary::{
    CloseReason, Event, Executor, Flow, Hub, Item, Lane, Listener, Sink, Token, Waking,
};

use super::{assert_nothing_left, budget, drain, until};

/// Panics when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

#[test]
fn a_callback_that_panics_ends_itself_alone() {
    let hub = Hub::builder().budget(budget(1)).build().unwrap();
    let executor = Executor::new(&hub, 1).unwrap();
    let (tx, rx) = mpsc::channel();
    let heard = tx.clone();
    let well = executor.on("t", move |item| {
        if let Item::Event(event) = item {
            heard.send(super::text(event)).unwrap();
        }
    });
    let closed = tx.clone();
    let at_event = executor.on("t", move |item| match item {
        Item::Closed(reason) => {
            assert_eq!(reason, CloseReason::Panicked);
            closed.send("closed".to_owned()).unwrap();
            panic!("again");
        }
        _ => panic!("at once"),
    });
    let at_event = at_event.unwrap();
    hub.publish("t", "1").unwrap();
    let first = [rx.recv().unwrap(), rx.recv().unwrap()];
    assert!(first.contains(&"1".to_owned()) && first.contains(&"closed".to_owned()));
    until(|| at_event.is_closed());
    hub.publish("t", "2").unwrap();
    assert_eq!(rx.recv().unwrap(), "2");

    // And one that panics when it hears of a lag, held up by a gate of the test.
    let (go, wait) = mpsc::channel::<()>();
    let at_lag = executor.on("l", move |item| match item {
        Item::Lagged { missed } => panic!("{missed}"),
        _ => wait.recv().unwrap_or_default(),
    });
    let at_lag = at_lag.unwrap();
    (0..5).for_each(|i| drop(hub.publish("l", i.to_string())));
    drop(go);
    until(|| at_lag.is_closed());
    assert_eq!(hub.stats().panicked, 2);
    hub.publish("t", "3").unwrap();
    assert_eq!(rx.recv().unwrap(), "3");
    drop((well, at_event, at_lag));
    until(|| hub.stats().subscriptions == 0);
    drop(executor);
    assert_nothing_left(&hub);
}

#[test]
fn what_callbacks_own_may_panic_when_it_is_dropped() {
    let hub = Hub::new();
    let executor = Executor::new(&hub, 1).unwrap();
    let grenades: Vec<Listener> = (0..4)
        .map(|_| {
            let grenade = Grenade;
            let on = executor.on("t", move |_| {
                let _ = &grenade;
            });
            on.unwrap()
        })
        .collect();
    let (tx, rx) = mpsc::channel();
    let _well = executor.on("t", move |_| tx.send(()).unwrap()).unwrap();
    let mut grenades = grenades.into_iter();
    drop(grenades.next());
    until(|| hub.stats().subscriptions == 4);
    hub.publish("t", "p").unwrap();
    rx.recv().unwrap();
    // The others are dropped with the executor, one by one.
    drop(executor);
    assert!(grenades.all(|listener| listener.is_closed()));
    until(|| hub.stats().subscriptions == 0);
    assert_nothing_left(&hub);
}

#[test]
fn a_refused_callback_is_dropped_soon() {
    let hub = Hub::new();
    let executor = Executor::new(&hub, 1).unwrap();
    let owned = Arc::new(());
    let held = Arc::clone(&owned);
    let refused = executor.on("", move |_| {
        let _ = &held;
    });
    assert!(refused.is_err());
    until(|| Arc::strong_count(&owned) == 1);
}

#[test]
fn a_callback_may_unsubscribe_itself_and_end_its_executor() {
    let hub = Hub::new();
    let executor = Executor::new(&hub, 2).unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let own: Arc<Mutex<Option<Listener>>> = Arc::default();
    let (slot, count) = (Arc::clone(&own), Arc::clone(&calls));
    let listener = executor.on("t", move |_| {
        count.fetch_add(1, SeqCst);
        slot.lock().unwrap().take();
    });
    *own.lock().unwrap() = Some(listener.unwrap());
    hub.publish("t", "1").unwrap();
    hub.publish("t", "2").unwrap();
    until(|| hub.stats().subscriptions == 0);
    hub.publish("t", "3").unwrap();
    assert_eq!(calls.load(SeqCst), 1);

    let owner: Arc<Mutex<Option<Executor>>> = Arc::default();
    let dropped = Arc::new(AtomicBool::new(false));
    let (slot, done) = (Arc::clone(&owner), Arc::clone(&dropped));
    let listener = executor.on("end", move |_| {
        let executor = slot.lock().unwrap().take();
        drop(executor);
        done.store(true, SeqCst);
    });
    let listener = listener.unwrap();
    *owner.lock().unwrap() = Some(executor);
    hub.publish("end", "p").unwrap();
    until(|| dropped.load(SeqCst));
    drop(listener);
    until(|| hub.stats().subscriptions == 0);
    assert_nothing_left(&hub);
}

#[test]
fn an_executor_may_end_at_any_moment() {
    let hub = Hub::new();
    for round in 0..300 {
        let executor = Executor::new(&hub, 1).unwrap();
        let listener = executor.on("t", |_| {}).unwrap();
        if round % 2 == 0 {
            hub.publish("t", "p").unwrap();
        }
        (0..round % 7).for_each(|_| std::thread::yield_now());
        drop(executor);
        drop(listener);
    }
    assert_nothing_left(&hub);
}

/// Does something when it wakes.
struct Does<F>(F);

impl<F: Fn() + Send + Sync> Wake for Does<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker(wake: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Does(wake)))
}

#[test]
fn a_waker_may_panic_publish_subscribe_and_leave() {
    for waking in [Waking::Thread, Waking::Publisher] {
        let hub = Hub::builder().waking(waking).build().unwrap();
        let mut subs: Vec<_> = (0..100).map(|_| hub.subscribe("t").unwrap()).collect();
        let woken = Arc::new(AtomicUsize::new(0));
        let left = Arc::new(Mutex::new(Some(hub.subscribe("t").unwrap())));
        for (i, sub) in subs.iter_mut().enumerate() {
            let (hub, woken, left) = (hub.clone(), Arc::clone(&woken), Arc::clone(&left));
            let waker = waker(move || {
                woken.fetch_add(1, SeqCst);
                match i % 3 {
                    0 => panic!("a waker"),
                    1 => drop(left.lock().unwrap().take()),
                    _ => {
                        let mut sub = hub.subscribe("u").unwrap();
                        hub.publish("u", "from a waker").unwrap();
                        assert!(sub.try_recv().is_ok());
                    }
                }
            });
            assert!(sub.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        }
        hub.publish("t", "p").unwrap();
        until(|| woken.load(SeqCst) == 100);
        for sub in &mut subs {
            assert!(sub.try_recv().is_ok());
        }
        assert!(left.lock().unwrap().is_none());
        drop(subs);
        assert_nothing_left(&hub);
    }
}

#[test]
fn a_callback_and_a_bell_may_publish_and_subscribe() {
    let hub = Hub::new();
    let executor = Executor::new(&hub, 1).unwrap();
    let (tx, rx) = mpsc::channel();
    let inner = hub.clone();
    let listener = executor.on("ping", move |item| {
        let Item::Event(event) = item else { return };
        let mut sub = inner.subscribe("pong").unwrap();
        inner.publish("pong", event.payload().clone()).unwrap();
        inner.publish("ping2", "more").unwrap();
        tx.send(super::text(&sub.try_recv().unwrap())).unwrap();
    });
    let _listener = listener.unwrap();
    hub.publish("ping", "1").unwrap();
    hub.publish("ping", "2").unwrap();
    let wait = Duration::from_secs(20);
    assert_eq!(rx.recv_timeout(wait).unwrap(), "1");
    assert_eq!(rx.recv_timeout(wait).unwrap(), "2");

    let mut lane = Lane::new(&hub);
    lane.subscribe("bell", Token(1)).unwrap();
    let mut sink = super::Log::default();
    drain(&mut lane, &mut sink);
    let inner = hub.clone();
    lane.on_ready(move || {
        let mut sub = inner.subscribe("bell").unwrap();
        // The lane is awake by now, so this does not ring again.
        inner.publish("bell", "from the bell").unwrap();
        assert!(sub.try_recv().is_ok());
    });
    hub.publish("bell", "first").unwrap();
    drain(&mut lane, &mut sink);
    let texts: Vec<&str> = sink.events.iter().map(|(_, text)| &text[..]).collect();
    assert_eq!(texts, ["first", "from the bell"]);
}

/// A sink that publishes, subscribes and panics.
struct Meddler {
    hub: Hub,
    events: usize,
    panics_for: Option<Token>,
    closed: Vec<(Token, CloseReason)>,
}

impl Sink for Meddler {
    fn deliver(&mut self, to: Token, events: &[Event]) -> Flow {
        if self.panics_for == Some(to) {
            panic!("a sink");
        }
        self.events += events.len();
        if self.events < 50 {
            self.hub.publish("t", "again").unwrap();
            drop(self.hub.subscribe("t").unwrap());
        }
        Flow::Taken
    }

    fn lagged(&mut self, _: Token, _: u64) -> Flow {
        Flow::Close
    }

    fn closed(&mut self, to: Token, reason: CloseReason) {
        self.closed.push((to, reason));
    }
}

#[test]
fn a_sink_may_publish_subscribe_and_panic() {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    lane.subscribe("t", Token(1)).unwrap();
    lane.subscribe("t", Token(2)).unwrap();
    let mut sink = Meddler {
        hub: hub.clone(),
        events: 0,
        panics_for: None,
        closed: Vec::new(),
    };
    hub.publish("t", "first").unwrap();
    drain(&mut lane, &mut sink);
    assert!(sink.events >= 50);
    sink.panics_for = Some(Token(1));
    hub.publish("t", "last").unwrap();
    drain(&mut lane, &mut sink);
    assert_eq!(sink.closed, [(Token(1), CloseReason::Panicked)]);
    assert_eq!(lane.len(), 1);
    drop(lane);
    assert_nothing_left(&hub);
}

#[test]
fn a_future_that_is_dropped_takes_nothing_with_it() {
    let hub = Hub::new();
    let mut sub = hub.subscribe("t").unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    {
        let mut recv = std::pin::pin!(sub.recv());
        assert!(recv.as_mut().poll(&mut cx).is_pending());
        hub.publish("t", "p").unwrap();
    }
    let mut recv = std::pin::pin!(sub.recv());
    assert!(matches!(recv.as_mut().poll(&mut cx), Poll::Ready(Ok(_))));
}
