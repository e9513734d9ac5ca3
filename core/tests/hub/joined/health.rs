//! How the health of a backplane is told.

use super::*;

#[test]
fn changes_of_health_end_with_the_backplane_that_tells_them() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let ring = || {
        for told in node.waiting.lock().unwrap().drain(..) {
            told();
        }
    };
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let poll = |changes: &mut HealthChanges| {
        std::pin::pin!(changes.next()).poll(&mut Context::from_waker(&waker))
    };
    let begun = || {
        let mut changes = hub.health_changes();
        let now = node.revision.load(Ordering::SeqCst);
        assert!(matches!(poll(&mut changes), Poll::Ready(Some(health)) if health.revision == now));
        changes
    };
    let mut changes = begun();
    assert!(poll(&mut changes).is_pending());
    node.revision.store(1, Ordering::SeqCst);
    ring();
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    let Poll::Ready(Some(health)) = poll(&mut changes) else {
        panic!("a change, and nobody was told");
    };
    assert_eq!(health.revision, 1);
    // It ends while somebody waits, and before somebody else does.
    let (mut other, mut late) = (begun(), begun());
    assert!(poll(&mut changes).is_pending());
    node.over.store(true, Ordering::SeqCst);
    ring();
    assert_eq!(wakes.0.load(Ordering::SeqCst), 2);
    assert_eq!(poll(&mut changes), Poll::Ready(None));
    assert_eq!(poll(&mut other), Poll::Ready(None));
    assert_eq!(late.wait(soon()), None);
    assert!(!hub.is_closed());
}

#[test]
fn health_is_told_as_it_is_now_and_then_as_it_becomes() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    node.revision.store(7, Ordering::SeqCst);
    let mut changes = hub.health_changes();
    node.revision.store(8, Ordering::SeqCst);
    let now = changes.wait(Instant::now());
    assert_eq!(now.map(|health| health.revision), Some(8));
    assert_eq!(changes.wait(Instant::now()), None);
    // A hub by itself is well, and nothing becomes of that.
    let alone = Hub::builder().build().unwrap();
    let mut changes = alone.health_changes();
    assert_eq!(changes.wait(soon()), Some(Health::default()));
    assert_eq!(changes.wait(soon()), None);
    let mut closed = alone.health_changes();
    alone.close();
    assert_eq!(closed.wait(soon()), None);
}

#[test]
fn who_gives_up_waiting_for_a_change_of_health_leaves_nothing_behind() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let held = Arc::strong_count(&wakes);
    let poll = |changes: &mut HealthChanges| {
        std::pin::pin!(changes.next()).poll(&mut Context::from_waker(&waker))
    };
    let begun = || {
        let mut changes = hub.health_changes();
        assert!(changes.wait(Instant::now()).is_some());
        changes
    };
    for _ in 0..100 {
        assert!(poll(&mut begun()).is_pending());
        assert_eq!(begun().wait(Instant::now()), None);
    }
    assert_eq!(node.waiting.lock().unwrap().len(), 1);
    assert_eq!(Arc::strong_count(&wakes), held);
    // Those who wait still are told by the question of one who does not.
    let (mut one, mut other) = (begun(), begun());
    assert!(poll(&mut one).is_pending() && poll(&mut other).is_pending());
    let blocked = std::thread::spawn({
        let mut changes = begun();
        move || changes.wait(soon()).map(|health| health.revision)
    });
    node.revision.store(1, Ordering::SeqCst);
    let waiting: Vec<_> = node.waiting.lock().unwrap().drain(..).collect();
    waiting.into_iter().for_each(|told| told());
    assert_eq!(wakes.0.load(Ordering::SeqCst), 2);
    for changes in [&mut one, &mut other] {
        assert!(matches!(poll(changes), Poll::Ready(Some(health)) if health.revision == 1));
    }
    assert_eq!(blocked.join().unwrap(), Some(1));
}
