//! How a backplane and its hub end.

use super::*;

#[test]
fn the_backplane_is_closed_once_and_its_inlet_leads_nowhere() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let inlet = node.inlet();
    assert!(!inlet.is_closed());
    hub.close();
    hub.close();
    drop(hub);
    assert_eq!(*node.closed.lock().unwrap(), 1);
    assert!(inlet.is_closed());
    assert_eq!(inlet.deliver(Publication::new("t", "1")), 0);
    inlet.lost(&Topic::new("t").unwrap(), Some(3));
}

#[test]
fn closing_waits_for_nothing_and_says_when_it_is_over() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    node.lingers.store(true, Ordering::SeqCst);
    let mut events = hub.subscribe("t").unwrap();
    let mut closing = hub.close();
    assert!(matches!(
        events.try_recv(),
        Err(TryRecvError::Closed(CloseReason::HubClosed))
    ));
    assert!(!closing.wait(Instant::now()));
    let woken = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(&mut closing).poll(&mut cx).is_pending());
    // Whoever closes it again waits for the same.
    let (again, dropped) = (hub.close(), hub.close());
    drop(dropped);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| again.wait(soon()));
        let told = node.parting.lock().unwrap().take().unwrap();
        told();
        assert!(waits.join().unwrap());
    });
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert!(Pin::new(&mut closing).poll(&mut cx).is_ready());

    // A backplane that gives up has ended as well, and without one nothing is waited for.
    let (hub, node) = wire.hub();
    node.lingers.store(true, Ordering::SeqCst);
    let closing = hub.close();
    drop(node.parting.lock().unwrap().take());
    assert!(closing.wait(soon()));
    assert!(Hub::new().close().wait(Instant::now()));
}

#[test]
fn the_last_hub_that_is_dropped_waits_unless_it_was_closed() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    node.lingers.store(true, Ordering::SeqCst);
    let over = std::thread::scope(|scope| {
        let dropping = scope.spawn(move || {
            drop(hub);
            Instant::now()
        });
        let told = loop {
            if let Some(told) = node.parting.lock().unwrap().take() {
                break told;
            }
            std::thread::yield_now();
        };
        std::thread::sleep(Duration::from_millis(20));
        let over = Instant::now();
        told();
        assert!(dropping.join().unwrap() >= over);
        over
    });
    assert!(over.elapsed() < Duration::from_secs(2));

    let (hub, node) = wire.hub();
    node.lingers.store(true, Ordering::SeqCst);
    hub.close();
    let since = Instant::now();
    drop(hub);
    assert!(since.elapsed() < Duration::from_secs(1));
    assert!(node.parting.lock().unwrap().is_some());
}

#[test]
fn a_hub_goes_although_it_ends_while_a_crowd_is_being_woken() {
    let wire = Arc::new(Wire::default());
    for _ in 0..50 {
        let (hub, node) = wire.hub();
        let mut subs: Vec<_> = (0..200).map(|_| hub.subscribe("t").unwrap()).collect();
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut cx = Context::from_waker(&waker);
        let mut read = |sub: &mut Subscription| while sub.poll_recv(&mut cx).is_ready() {};
        subs.iter_mut().for_each(&mut read);
        // More than the publisher wakes itself: the thread begins that wakes the rest.
        hub.publish("t", "1").unwrap();
        let until = soon();
        while wakes.0.load(Ordering::SeqCst) < subs.len() {
            assert!(Instant::now() < until, "somebody is not woken");
            std::thread::yield_now();
        }
        subs.iter_mut().for_each(&mut read);
        hub.publish("t", "2").unwrap();
        drop(hub);
        drop(subs);
        let until = soon();
        while Arc::strong_count(&node) > 1 {
            assert!(Instant::now() < until, "something still holds the hub");
            std::thread::yield_now();
        }
    }
}
