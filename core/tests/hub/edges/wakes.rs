//! Each way to wait for a lane or a subscription, woken by an event.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use distributary::{Hub, Lane, Publication, PublishWaitError, SubscribeOptions, Token};

use super::{Log, budget, drain, soon};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A lane with one member that has nothing to do.
fn idle(hub: &Hub) -> (Lane, Log) {
    let mut lane = Lane::new(hub);
    lane.subscribe("t", Token(1)).unwrap();
    let mut sink = Log::default();
    drain(&mut lane, &mut sink);
    (lane, sink)
}

fn publish_ten(hub: &Hub) {
    for _ in 0..10 {
        hub.publish("t", "p").unwrap();
    }
}

#[test]
fn a_task_is_woken_once_per_batch() {
    let hub = Hub::new();
    let (mut lane, mut sink) = idle(&hub);
    let woken = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    for round in 1..4 {
        {
            let mut ready = pin!(lane.ready());
            assert!(ready.as_mut().poll(&mut cx).is_pending());
            publish_ten(&hub);
            assert_eq!(woken.0.load(SeqCst), round);
            assert_eq!(ready.as_mut().poll(&mut cx), Poll::Ready(()));
        }
        drain(&mut lane, &mut sink);
        assert_eq!(sink.events.len(), round * 10);
    }
}

#[test]
fn a_callback_is_called_once_per_batch() {
    let hub = Hub::new();
    let (mut lane, mut sink) = idle(&hub);
    let rung = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&rung);
    lane.on_ready(move || {
        count.fetch_add(1, SeqCst);
    });
    assert_eq!(rung.load(SeqCst), 0);
    for round in 1..4 {
        publish_ten(&hub);
        let options = SubscribeOptions::new();
        let late = lane.remote().subscribe("t", Token(2), options).unwrap();
        assert_eq!(rung.load(SeqCst), round);
        drain(&mut lane, &mut sink);
        assert!(lane.unsubscribe(late));
    }
    // With something to do already, it is called at once.
    hub.publish("t", "p").unwrap();
    let count = Arc::clone(&rung);
    lane.on_ready(move || {
        count.fetch_add(10, SeqCst);
    });
    assert_eq!(rung.load(SeqCst), 14);
}

#[test]
fn a_thread_is_woken_by_events_and_by_commands() {
    let hub = Hub::new();
    let (mut lane, mut sink) = idle(&hub);
    assert!(!lane.wait(Duration::from_millis(1)));
    thread::scope(|scope| {
        let remote = lane.remote();
        scope.spawn(|| hub.publish("t", "p").unwrap());
        assert!(lane.wait(Duration::from_secs(20)));
        drain(&mut lane, &mut sink);
        assert_eq!(sink.events.len(), 1);
        scope.spawn(move || {
            remote
                .subscribe("u", Token(2), SubscribeOptions::new())
                .unwrap()
        });
        assert!(lane.wait(Duration::from_secs(20)));
        drain(&mut lane, &mut sink);
        assert_eq!(lane.len(), 2);
    });
}

#[cfg(unix)]
#[test]
fn a_descriptor_is_readable_while_there_is_something_to_do() {
    use std::{
        io::Read,
        os::{fd::AsFd, unix::net::UnixStream},
    };

    /// Whether it is readable, without taking a byte from it for long.
    fn readable(lane: &mut Lane) -> bool {
        let copy = lane.descriptor().unwrap().as_fd().try_clone_to_owned();
        let mut stream = UnixStream::from(copy.unwrap());
        matches!(stream.read(&mut [0]), Ok(1))
    }

    let hub = Hub::new();
    let (mut lane, mut sink) = idle(&hub);
    assert!(!readable(&mut lane));
    for _ in 0..3 {
        hub.publish("t", "p").unwrap();
        assert!(readable(&mut lane));
        drain(&mut lane, &mut sink);
        assert!(!readable(&mut lane));
    }
    // Another way to wait in between does not silence it.
    assert!(!lane.wait(Duration::from_millis(1)));
    assert!(!readable(&mut lane));
    hub.publish("t", "p").unwrap();
    assert!(readable(&mut lane));
}

#[test]
fn a_deadline_passes_without_an_event_and_not_with_one() {
    let hub = Hub::new();
    let mut sub = hub.subscribe("t").unwrap();
    let deadline = Instant::now() + Duration::from_millis(10);
    let empty = distributary::TryRecvError::Empty;
    assert_eq!(sub.recv_deadline(deadline).unwrap_err(), empty);
    assert!(Instant::now() >= deadline);
    thread::scope(|scope| {
        scope.spawn(|| hub.publish("t", "p").unwrap());
        assert!(sub.recv_deadline(soon()).is_ok());
    });
}

#[test]
fn a_publisher_that_waits_is_let_in_by_whoever_makes_room() {
    let hub = Hub::builder().budget(budget(1)).build().unwrap();
    let mut sub = hub.subscribe("t").unwrap();
    hub.publish("t", "1").unwrap();
    let passed = hub.publish_wait(Publication::new("t", "2"), Instant::now());
    assert!(matches!(passed, Err(PublishWaitError::TimedOut(_))));
    // Being let in at the deadline would be no proof.
    let wait = || {
        let deadline = soon();
        let result = hub.publish_wait(Publication::new("t", "more"), deadline);
        assert!(Instant::now() < deadline, "nobody told it");
        result
    };
    thread::scope(|scope| {
        let waiting = scope.spawn(wait);
        thread::sleep(Duration::from_millis(5));
        assert_eq!(super::text(&sub.try_recv().unwrap()), "1");
        assert!(waiting.join().unwrap().is_ok());
        // Room is made by leaving, too, and by the end.
        let waiting = scope.spawn(wait);
        thread::sleep(Duration::from_millis(5));
        drop(sub);
        assert!(waiting.join().unwrap().is_ok());
        let _full = hub.subscribe("t").unwrap();
        hub.publish("t", "5").unwrap();
        let waiting = scope.spawn(wait);
        thread::sleep(Duration::from_millis(5));
        hub.close();
        let refused = waiting.join().unwrap();
        assert!(matches!(refused, Err(PublishWaitError::Refused(_))));
    });
}

#[test]
fn a_task_that_waits_is_woken_although_its_names_have_changed_since() {
    let hub = Hub::new();
    let mut sub = hub.subscribe("t").unwrap();
    let woken = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    // As a stream in a list of streams: whoever has the list changes the names, and polls
    // again when it is woken.
    assert!(sub.poll_recv(&mut cx).is_pending());
    sub.add_topic("u").unwrap();
    hub.publish("u", "p").unwrap();
    assert!(woken.0.load(SeqCst) > 0);
    assert!(sub.poll_recv(&mut cx).is_ready());
    // From here on it has a feed of its own, and waits there.
    assert!(sub.poll_recv(&mut cx).is_pending());
    let before = woken.0.load(SeqCst);
    sub.add_topic("v").unwrap();
    sub.remove_topic("t").unwrap();
    hub.publish("v", "p").unwrap();
    assert!(woken.0.load(SeqCst) > before);
}
