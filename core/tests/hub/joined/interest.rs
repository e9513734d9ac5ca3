//! What a backplane learns of who listens, and who waits until it is heard.

use super::*;

#[test]
fn interest_follows_the_first_listener_and_the_last() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    assert!(!node.wants("t"));
    let first = hub.subscribe("t").unwrap();
    assert!(node.wants("t"));
    let second = hub.subscribe("t").unwrap();
    drop(first);
    assert!(node.wants("t"));
    drop(second);
    assert!(!node.wants("t"));

    let selector = Selector::topic("a")
        .unwrap()
        .and_topic("b")
        .unwrap()
        .and_pattern("c.*")
        .unwrap();
    let mut several = hub.subscribe(selector).unwrap();
    assert!(node.wants("a") && node.wants("b") && node.wants("c.*"));
    several.remove_topic("a").unwrap();
    several.add_topic("d").unwrap();
    hub.stats();
    assert!(!node.wants("a") && node.wants("d"));
    drop(several);
    hub.stats();
    assert!(["a", "b", "c.*", "d"].iter().all(|name| !node.wants(name)));
}

#[test]
fn several_names_are_one_change() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let mut sub = hub.subscribe("a").unwrap();
    let looks = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&looks);
    *node.looks.lock().unwrap() = Some(Box::new(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    }));
    let names = Names::new().topics(["a", "b", "c"]).unwrap();
    let names = names.patterns(["d.*", "e.*"]).unwrap();
    assert_eq!(sub.add(names.clone()), Ok(4));
    assert_eq!(looks.load(Ordering::SeqCst), 1);
    assert!(["b", "c", "d.*", "e.*"].iter().all(|name| node.wants(name)));
    sub.add(Topic::new("f").unwrap()).unwrap();
    assert_eq!(sub.remove(names), Ok(5));
    hub.stats();
    assert!(
        !["a", "b", "c", "d.*", "e.*"]
            .iter()
            .any(|name| node.wants(name))
    );
    assert!(node.wants("f"));
}

#[test]
fn names_that_cannot_be_heard_are_refused_at_the_call() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let refused = hub.subscribe("unheard").unwrap_err();
    assert!(matches!(refused, SubscribeError::NotCarried { .. }));
    assert!(refused.to_string().contains("ask for something else"));
    let mut sub = hub.subscribe("heard").unwrap();
    let refused = sub.add_topic("unheard").unwrap_err();
    assert!(matches!(refused, SubscribeError::NotCarried { .. }));
    assert!(!node.wants("unheard"));
    // One of several takes the others with it.
    let names = Names::new().topics(["fine", "unheard"]).unwrap();
    let refused = sub.add(names).unwrap_err();
    assert!(matches!(refused, SubscribeError::NotCarried { .. }));
    assert!(!node.wants("fine") && !node.wants("unheard"));
    assert_eq!(sub.selector().unwrap().named_topics().count(), 1);
}

#[test]
fn joining_is_waited_for() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let joined = hub.joined();
    assert!(!joined.wait(Instant::now()));
    assert_eq!(joined.outcome(), None);
    node.tell_joined(&[]);
    assert!(joined.wait(soon()));
    assert_eq!(joined.outcome(), Some(Ok(())));
    assert!(Hub::new().joined().wait(Instant::now()), "nobody to join");
}

#[test]
fn a_backplane_sees_who_waits_no_more() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let awaited = |place: usize| node.joining.lock().unwrap()[place].is_awaited();
    let (stays, goes) = (hub.joined(), hub.joined());
    assert!(awaited(0) && awaited(1));
    // What waits by it goes with it.
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let held = Arc::strong_count(&wakes);
    let mut goes = Box::pin(goes);
    assert!(
        goes.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop(goes);
    assert_eq!(Arc::strong_count(&wakes), held);
    assert!(awaited(0) && !awaited(1));
    node.tell_joined(&[]);
    assert_eq!(stays.outcome(), Some(Ok(())));
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
}

#[test]
fn names_that_are_refused_are_said_to_whoever_waits() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let joined = hub.joined();
    let name = Name::Topic(Topic::new("secret").unwrap());
    node.tell_joined(std::slice::from_ref(&name));
    assert!(!joined.wait(soon()));
    let error = joined.outcome().unwrap().unwrap_err();
    assert!(error.to_string().contains("\"secret\""), "{error}");
    assert_eq!(error, JoinError::Refused(vec![name]));
}

#[test]
fn whoever_waits_for_a_backplane_that_ends_is_told_that_it_never_joined() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let joined = hub.joined();
    let ended = std::thread::scope(|scope| {
        let waits = scope.spawn(|| joined.wait(soon()));
        node.joining.lock().unwrap().clear();
        waits.join().unwrap()
    });
    assert!(!ended);
    assert_eq!(joined.outcome(), Some(Err(JoinError::Closed)));
    let mut joined = std::pin::pin!(joined);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(joined.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn a_backplane_learns_of_interest_while_no_publisher_waits_for_it() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.keeper();
    let here = hub.publish("t", "1").unwrap().position.unwrap();
    let (told, heard) = mpsc::channel();
    *node.looks.lock().unwrap() = Some(Box::new(move |inlet| {
        let (inlet, (done, through)) = (inlet.clone(), mpsc::channel());
        std::thread::spawn(move || {
            inlet.deliver(Publication::new("t", "2"));
            done.send(()).unwrap();
        });
        let through = through.recv_timeout(Duration::from_secs(5)).is_ok();
        told.send(through).unwrap();
    }));
    let mut sub = hub.subscribe_from("t", Resume::at(here)).unwrap();
    assert_eq!(heard.recv_timeout(Duration::from_secs(10)), Ok(true));
    assert_eq!(story(&mut sub), ["2"]);
}
