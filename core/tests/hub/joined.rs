//! Hubs of several machines, joined in memory: what the engine promises around a
//! backplane, whatever stands behind it.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use distributary::{
    Budget, CloseReason, Event, Filter, Flow, Hub, HubBuilder, Lane, Names, Overflow, Pattern,
    Publication, Resume, Selector, Sink, SubscribeError, SubscribeOptions, Subscription, Token,
    Topic, TryRecvError,
    backplane::{
        Acknowledge, Acknowledged, Backplane, ForwardError, ForwardErrorKind, Forwarding, Health,
        HealthChanges, Inlet, JoinError, Joining, Name, Together,
    },
};
use proptest::prelude::*;

/// To be called once.
type Told = Box<dyn FnOnce() + Send>;

/// What joins the hubs of a test.
#[derive(Default)]
struct Wire {
    nodes: Mutex<Vec<Weak<Node>>>,
}

#[derive(Default)]
struct Node {
    inlet: Mutex<Option<Inlet>>,
    wanted: Mutex<HashMap<Name, bool>>,
    refuse: Mutex<Option<ForwardErrorKind>>,
    waiting: Mutex<Vec<Told>>,
    joining: Mutex<Vec<Joining>>,
    closed: Mutex<u32>,
    /// Its end takes until somebody takes this out and calls it.
    lingers: AtomicBool,
    parting: Mutex<Option<Told>>,
    /// Counts its changes; it is over once there is none.
    revision: AtomicU64,
    over: AtomicBool,
    /// Called when interest changes.
    looks: Mutex<Option<Look>>,
    /// It does not bring this topic.
    deaf_to: Mutex<Option<Topic>>,
}

type Look = Box<dyn Fn(&Inlet) + Send>;

struct Joint(Arc<Wire>, Arc<Node>);

impl Wire {
    fn hub(self: &Arc<Self>) -> (Hub, Arc<Node>) {
        self.hub_of(Hub::builder())
    }

    /// One that keeps the history of all topics.
    fn keeper(self: &Arc<Self>) -> (Hub, Arc<Node>) {
        let keep = Budget::default().events(10).unwrap();
        self.hub_of(Hub::builder().history("*", keep).unwrap())
    }

    fn hub_of(self: &Arc<Self>, builder: HubBuilder) -> (Hub, Arc<Node>) {
        let node = Arc::new(Node::default());
        self.nodes.lock().unwrap().push(Arc::downgrade(&node));
        let joint = Joint(Arc::clone(self), Arc::clone(&node));
        (builder.backplane(joint).build().unwrap(), node)
    }
}

impl Node {
    fn inlet(&self) -> Inlet {
        self.inlet.lock().unwrap().clone().unwrap()
    }

    fn wants(&self, name: &str) -> bool {
        let wanted = self.wanted.lock().unwrap();
        wanted
            .iter()
            .any(|(wanted, is)| wanted.as_str() == name && *is)
    }

    /// All that is wanted is heard, but for these.
    fn tell_joined(&self, refused: &[Name]) {
        let joining: Vec<_> = self.joining.lock().unwrap().drain(..).collect();
        for joining in joining {
            joining.tell(refused.to_vec());
        }
    }
}

impl Backplane for Joint {
    fn attach(&self, inlet: Inlet) {
        *self.1.inlet.lock().unwrap() = Some(inlet);
    }

    fn interest_changed(&self) {
        let inlet = self.1.inlet();
        while let Some(change) = inlet.next_change() {
            let mut wanted = self.1.wanted.lock().unwrap();
            wanted.insert(change.name, change.wanted);
        }
        if let Some(look) = &*self.1.looks.lock().unwrap() {
            look(&inlet);
        }
    }

    fn refuses(&self, selector: &Selector) -> Option<String> {
        let mut topics = selector.named_topics();
        topics
            .any(|topic| topic.as_str() == "unheard")
            .then(|| "unheard cannot be heard: ask for something else".into())
    }

    fn hears(&self, topic: &Topic) -> bool {
        self.1.deaf_to.lock().unwrap().as_ref() != Some(topic)
    }

    fn forward(
        &self,
        event: Publication,
        acknowledge: Option<Acknowledge>,
    ) -> Result<(), (ForwardError, Option<Acknowledge>)> {
        if let Some(kind) = *self.1.refuse.lock().unwrap() {
            return Err((ForwardError::new(kind), acknowledge));
        }
        let nodes: Vec<_> = self.0.nodes.lock().unwrap().clone();
        let mut heard = 0;
        for node in nodes.iter().filter_map(Weak::upgrade) {
            if !Arc::ptr_eq(&node, &self.1) {
                heard += node.inlet().deliver(event.clone());
            }
        }
        if let Some(acknowledge) = acknowledge {
            let mut outcome = Acknowledged::default();
            outcome.heard = heard;
            acknowledge.tell(Ok(outcome));
        }
        Ok(())
    }

    fn health(&self) -> Health {
        let mut health = Health::default();
        health.revision = self.1.revision.load(Ordering::SeqCst);
        health
    }

    fn when_health_changes(&self, _seen: u64, told: Told) {
        if self.1.over.load(Ordering::SeqCst) {
            return told();
        }
        self.1.waiting.lock().unwrap().push(told);
    }

    fn prometheus(&self) -> String {
        String::new()
    }

    fn when_joined(&self, joining: Joining) {
        self.1.joining.lock().unwrap().push(joining);
    }

    fn close(&self, told: Told) {
        *self.1.closed.lock().unwrap() += 1;
        match self.1.lingers.load(Ordering::SeqCst) {
            true => *self.1.parting.lock().unwrap() = Some(told),
            false => told(),
        }
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[test]
fn an_event_reaches_the_other_hub_once_and_its_own_once() {
    let wire = Arc::new(Wire::default());
    let ((here, _a), (there, _b)) = (wire.hub(), wire.hub());
    let (mut mine, mut theirs) = (here.subscribe("t").unwrap(), there.subscribe("t").unwrap());
    let delivery = here.publish("t", "1").unwrap();
    assert_eq!(delivery.forwarding, Forwarding::Queued);
    assert_eq!(delivery.subscriptions, 1, "those of this hub");
    for sub in [&mut mine, &mut theirs] {
        assert_eq!(&sub.try_recv().unwrap().payload()[..], b"1");
        assert_eq!(sub.try_recv().unwrap_err(), TryRecvError::Empty);
    }
}

#[test]
fn what_waited_for_room_goes_on_as_well() {
    let wire = Arc::new(Wire::default());
    let ((here, _a), (there, _b)) = (wire.hub(), wire.hub());
    let mut theirs = there.subscribe("t").unwrap();
    let sent = here.publish_wait(Publication::new("t", "1"), soon());
    assert_eq!(sent.unwrap().forwarding, Forwarding::Queued);
    assert_eq!(&theirs.try_recv().unwrap().payload()[..], b"1");
}

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

#[test]
fn attributes_and_keys_cross() {
    let wire = Arc::new(Wire::default());
    let ((here, _a), (there, _b)) = (wire.hub(), wire.hub());
    let mut sub = there.subscribe("t").unwrap();
    let publication = Publication::new("t", "p").key("k").attribute("n", 7);
    here.publish_event(publication).unwrap();
    let event: Event = sub.try_recv().unwrap();
    assert_eq!(event.key(), Some("k"));
    assert_eq!(event.attributes().len(), 1);
}

#[test]
fn an_event_that_waited_for_room_crosses_once_it_has_it() {
    let wire = Arc::new(Wire::default());
    let ((here, _a), (there, node)) = (wire.hub(), wire.hub());
    let options = SubscribeOptions::new().budget(Budget::default().events(1).unwrap());
    let mut mine = here.subscribe_with("t", options).unwrap();
    let mut theirs = there.subscribe("t").unwrap();
    let delivery = here
        .publish_wait(Publication::new("t", "1"), soon())
        .unwrap();
    assert_eq!(delivery.forwarding, Forwarding::Queued);
    let late = here.publish_wait(Publication::new("t", "2"), Instant::now());
    assert!(late.is_err());
    assert_eq!(&mine.try_recv().unwrap().payload()[..], b"1");
    here.publish_wait(Publication::new("t", "3"), soon())
        .unwrap();
    assert_eq!(&theirs.try_recv().unwrap().payload()[..], b"1");
    assert_eq!(&theirs.try_recv().unwrap().payload()[..], b"3");
    assert_eq!(theirs.try_recv().unwrap_err(), TryRecvError::Empty);
    *node.refuse.lock().unwrap() = Some(ForwardErrorKind::Full);
    let delivery = there
        .publish_wait(Publication::new("t", "4"), soon())
        .unwrap();
    assert_eq!(
        delivery.forwarding,
        Forwarding::Refused(ForwardErrorKind::Full)
    );
}

#[test]
fn a_hub_serves_its_own_although_nothing_can_be_forwarded() {
    let wire = Arc::new(Wire::default());
    let (here, node) = wire.hub();
    *node.refuse.lock().unwrap() = Some(ForwardErrorKind::Full);
    let mut sub = here.subscribe("t").unwrap();
    let receipt = here
        .publish_acknowledged(Publication::new("t", "1"))
        .unwrap();
    let delivery = receipt.delivery();
    assert_eq!(
        delivery.forwarding,
        Forwarding::Refused(ForwardErrorKind::Full)
    );
    let outcome = receipt.wait(soon()).unwrap();
    assert_eq!(outcome.unwrap_err().kind(), ForwardErrorKind::Full);
    assert_eq!(&sub.try_recv().unwrap().payload()[..], b"1");
}

#[test]
fn a_receipt_says_what_became_of_it() {
    let wire = Arc::new(Wire::default());
    let ((here, _a), (there, _b)) = (wire.hub(), wire.hub());
    let _theirs = there.subscribe("t").unwrap();
    let receipt = here
        .publish_acknowledged(Publication::new("t", "1"))
        .unwrap();
    assert_eq!(receipt.outcome().unwrap().unwrap().heard, 1);
    // Alone, there is nobody to wait for.
    let receipt = Hub::new().publish_acknowledged(Publication::new("t", "1"));
    assert!(receipt.unwrap().outcome().unwrap().is_ok());
}

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
fn a_loss_is_told_between_the_events_where_it_happened() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let topic = Topic::new("t").unwrap();
    let mut plain = hub.subscribe("t").unwrap();
    let mut pattern = hub.subscribe(Selector::pattern("*").unwrap()).unwrap();
    let mut other = hub.subscribe("other").unwrap();
    hub.publish("t", "1").unwrap();
    node.inlet().lost(&topic, Some(5));
    hub.publish("t", "2").unwrap();
    node.inlet().lost(&topic, None);
    for sub in [&mut plain, &mut pattern] {
        assert_eq!(&sub.try_recv().unwrap().payload()[..], b"1");
        assert!(matches!(
            sub.try_recv(),
            Err(TryRecvError::Lagged { missed: 5 })
        ));
        assert_eq!(&sub.try_recv().unwrap().payload()[..], b"2");
        assert!(matches!(
            sub.try_recv(),
            Err(TryRecvError::Lagged { missed: 1 })
        ));
        assert_eq!(sub.try_recv().unwrap_err(), TryRecvError::Empty);
    }
    assert_eq!(other.try_recv().unwrap_err(), TryRecvError::Empty);
}

/// Payloads as text, and `-n` for so many that are lost.
fn story(sub: &mut Subscription) -> Vec<String> {
    let mut story = Vec::new();
    loop {
        match sub.try_recv() {
            Ok(event) => story.push(String::from_utf8(event.payload().to_vec()).unwrap()),
            Err(TryRecvError::Lagged { missed }) => story.push(format!("-{missed}")),
            Err(_) => return story,
        }
    }
}

#[test]
fn whoever_comes_back_is_told_what_was_lost_meanwhile() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.keeper();
    let topic = Topic::new("t").unwrap();
    let here = hub.publish("t", "1").unwrap().position.unwrap();
    node.inlet().lost(&topic, Some(5));
    hub.publish("t", "2").unwrap();
    hub.publish("t", "3").unwrap();
    node.inlet().lost(&topic, None);
    let mut sub = hub.subscribe_from("t", Resume::at(here)).unwrap();
    assert_eq!(sub.lag(), 8);
    hub.publish("t", "4").unwrap();
    assert_eq!(story(&mut sub), ["-5", "2", "3", "-1", "4"]);
    // What a filter would have made of them nobody knows.
    let only = Filter::parse(r#"{"is": ["there"]}"#).unwrap();
    let filtered = Selector::topic("t").unwrap().filter(only);
    let mut sub = hub.subscribe_from(filtered, Resume::at(here)).unwrap();
    assert_eq!(story(&mut sub), ["-6"]);
    // Where it stands behind a loss there is nothing to be told.
    let here = hub.position(&topic).unwrap();
    node.inlet().lost(&topic, Some(2));
    let behind = hub.position(&topic).unwrap();
    assert_eq!(behind.offset, here.offset + 2);
    let mut sub = hub.subscribe_from("t", Resume::at(behind)).unwrap();
    assert!(story(&mut sub).is_empty());
    let mut sub = hub.subscribe_from("t", Resume::at(here)).unwrap();
    assert_eq!(story(&mut sub), ["-2"]);
}

#[test]
fn whoever_comes_back_to_a_topic_that_was_not_heard_is_told_so() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.keeper();
    let topic = Topic::new("t").unwrap();
    let back = |position| story(&mut hub.subscribe_from("t", Resume::at(position)).unwrap());
    let here = hub.publish("t", "1").unwrap().position.unwrap();
    let behind = hub.publish("t", "2").unwrap().position.unwrap();
    assert_eq!(back(here), ["2"]);
    *node.deaf_to.lock().unwrap() = Some(topic.clone());
    let mut new = hub.subscribe("t").unwrap();
    let mut sub = hub.subscribe_from("t", Resume::at(here)).unwrap();
    hub.publish("t", "3").unwrap();
    assert_eq!(story(&mut sub), ["2", "-1", "3"]);
    assert_eq!(story(&mut new), ["3"], "it has not been here before");
    // Once more for what came behind the last event, and not for each of a crowd.
    for _ in 0..2 {
        assert_eq!(back(here), ["2", "-1", "3", "-1"]);
        assert_eq!(back(behind), ["-1", "3", "-1"]);
    }
    // Who stands behind the loss itself may have missed more since.
    let last = hub.position(&topic).unwrap();
    assert_eq!(back(last), ["-1"]);
    let last = hub.position(&topic).unwrap();
    *node.deaf_to.lock().unwrap() = None;
    node.inlet().unheard(&topic);
    assert_eq!(back(last), ["-1"]);
    let last = hub.position(&topic).unwrap();
    assert!(back(last).is_empty());
    assert_eq!(story(&mut new), [""; 0], "it was not told before");
    // A position that was never given out changes nothing.
    let mut never = last;
    never.offset += 1;
    *node.deaf_to.lock().unwrap() = Some(topic.clone());
    assert!(hub.subscribe_from("t", Resume::at(never)).is_err());
    assert_eq!(hub.position(&topic), Some(last));
}

#[test]
fn a_topic_that_is_forgotten_and_was_not_heard_is_not_whole_when_it_comes_back() {
    let wire = Arc::new(Wire::default());
    let keep = Budget::default().age(Duration::from_millis(1)).unwrap();
    let builder = Hub::builder().history("kept.*", keep).unwrap();
    let (hub, node) = wire.hub_of(builder);
    let [topic, other] = ["kept.1", "other.1"].map(|name| Topic::new(name).unwrap());
    let here = hub.publish("kept.1", "1").unwrap().position.unwrap();
    std::thread::sleep(Duration::from_millis(5));
    let back = || story(&mut hub.subscribe_from("kept.1", Resume::at(here)).unwrap());
    assert!(back().is_empty(), "nothing came since");
    assert_eq!(hub.stats().topics, 0);
    let all = Name::Pattern(Pattern::new("*").unwrap());
    let kept = node.inlet().kept(&all);
    assert!(kept.contains(&topic) && !kept.contains(&other), "{kept:?}");
    assert_eq!(node.inlet().kept(&Name::Topic(other)), []);
    node.inlet().unheard(&topic);
    assert!(hub.subscribe_from("kept.1", Resume::at(here)).is_err());
}

#[test]
fn whoever_asked_to_be_disconnected_is_told_whether_it_was_slow_or_something_was_lost() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let topic = Topic::new("t").unwrap();
    let options = SubscribeOptions::new()
        .overflow(Overflow::Disconnect)
        .budget(Budget::default().events(2).unwrap());
    let listen = || hub.subscribe_with("t", options.clone()).unwrap();
    let end = |sub: &mut Subscription| loop {
        match sub.try_recv() {
            Ok(_) => {}
            Err(TryRecvError::Closed(reason)) => return Some(reason),
            Err(_) => return None,
        }
    };
    let mut quick = listen();
    hub.publish("t", "1").unwrap();
    node.inlet().lost(&topic, Some(3));
    assert_eq!(end(&mut quick), Some(CloseReason::Lost));
    assert_eq!(hub.stats().slow_closed, 0);
    let mut slow = listen();
    for _ in 0..3 {
        hub.publish("t", "1").unwrap();
    }
    // Both: it did not keep up either way.
    node.inlet().lost(&topic, None);
    let mut level = listen();
    hub.publish("t", "2").unwrap();
    assert_eq!(end(&mut slow), Some(CloseReason::SlowConsumer));
    assert_eq!(end(&mut level), None);
    assert_eq!(hub.stats().slow_closed, 1);
}

#[test]
fn a_loss_of_a_topic_that_nobody_knows_leaves_nothing_behind() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.keeper();
    for number in 0..100 {
        let topic = Topic::new(format!("t{number}")).unwrap();
        node.inlet().lost(&topic, Some(1));
    }
    assert_eq!(hub.stats().topics, 0);
}

#[test]
fn a_loss_beyond_measure_breaks_nobody() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.keeper();
    let topic = Topic::new("t").unwrap();
    let mut sub = hub.subscribe("t").unwrap();
    for _ in 0..3 {
        node.inlet().lost(&topic, Some(u64::MAX));
    }
    hub.publish("t", "there").unwrap();
    let lost = format!("-{}", 3 * (1_u64 << 32));
    assert_eq!(story(&mut sub), [&lost, "there"]);
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

#[test]
fn a_loss_wakes_who_waits_for_an_event() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let mut sub = hub.subscribe("t").unwrap();
    let waiting = std::thread::spawn(move || sub.recv_deadline(soon()));
    node.inlet().lost(&Topic::new("t").unwrap(), Some(2));
    let got = waiting.join().unwrap();
    assert!(got.is_err(), "{got:?}");
}

/// Counts how often it was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn whoever_reads_what_arrives_together_is_woken_once_after_all_of_it() {
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let mut subs = ["a", "b"].map(|topic| hub.subscribe(topic).unwrap());
    let wakes: [Arc<Wakes>; 2] = Default::default();
    let mut wait = |place: usize| {
        let waker = Arc::clone(&wakes[place]).into();
        subs[place].poll_recv(&mut Context::from_waker(&waker))
    };
    assert!(wait(0).is_pending() && wait(1).is_pending());
    let woken = || [0, 1].map(|place| wakes[place].0.load(Ordering::SeqCst));

    let mut together = Together::default();
    let mut deliver = |topic: &str, payload: &'static str| {
        let event = Publication::new(topic, payload);
        node.inlet().deliver_together(event, &mut together)
    };
    assert_eq!(
        [deliver("a", "1"), deliver("a", "2"), deliver("b", "3")],
        [1, 1, 1]
    );
    assert_eq!(woken(), [0, 0], "before all of it is there");
    together.wake();
    assert_eq!(woken(), [1, 1]);
    together.wake();
    assert_eq!(woken(), [1, 1], "nothing came since");
    for expected in ["1", "2"] {
        let Poll::Ready(Ok(event)) = wait(0) else {
            panic!("nothing came");
        };
        assert_eq!(event.payload(), expected);
    }
    assert!(wait(0).is_pending());
    node.inlet()
        .deliver_together(Publication::new("a", "4"), &mut together);
    drop(together);
    assert_eq!(woken(), [2, 1], "dropped is as good");
}

#[test]
fn a_lane_is_told_of_a_loss_under_every_policy() {
    const ENDED: u64 = u64::MAX;
    #[derive(Default)]
    struct Told(Vec<(u64, u64)>);
    impl Sink for Told {
        fn deliver(&mut self, _: Token, _: &[Event]) -> Flow {
            Flow::Taken
        }
        fn lagged(&mut self, to: Token, missed: u64) -> Flow {
            self.0.push((to.0, missed));
            Flow::Taken
        }
        fn closed(&mut self, to: Token, reason: CloseReason) {
            assert_eq!(reason, CloseReason::Lost);
            self.0.push((to.0, ENDED));
        }
    }
    let wire = Arc::new(Wire::default());
    let (hub, node) = wire.hub();
    let mut lane = Lane::new(&hub);
    let policies = [
        Overflow::DropOldest,
        Overflow::DropNewest,
        Overflow::Disconnect,
        Overflow::KeepLatest,
    ];
    let mut members = Vec::new();
    for (token, overflow) in (0..).zip(policies) {
        let options = SubscribeOptions::new().overflow(overflow);
        members.push(lane.subscribe_with("t", Token(token), options).unwrap());
    }
    node.inlet().lost(&Topic::new("t").unwrap(), Some(4));
    let mut told = Told::default();
    while lane.turn(&mut told).more {}
    told.0.sort_unstable();
    assert_eq!(told.0, [(0, 4), (1, 4), (2, ENDED), (3, 4)]);
    assert_eq!(lane.len(), members.len() - 1);
}

proptest! {
    /// Events and losses in any order, read at any time: what a reader got and what it was
    /// told of add up to what happened, in that order.
    #[test]
    fn what_is_read_and_what_is_lost_add_up(
        steps in prop::collection::vec(0u8..6, 1..60),
    ) {
        let wire = Arc::new(Wire::default());
        let (hub, node) = wire.hub();
        let topic = Topic::new("t").unwrap();
        let mut sub = hub.subscribe("t").unwrap();
        let (mut happened, mut seen) = (Vec::new(), Vec::new());
        let mut number = 0u64;
        for step in steps.into_iter().chain([9]) {
            match step {
                0..=2 => {
                    hub.publish("t", number.to_string()).unwrap();
                    happened.push(Some(number));
                    number += 1;
                }
                3 | 4 => {
                    node.inlet().lost(&topic, Some(u64::from(step)));
                    happened.extend((0..step).map(|_| None));
                }
                _ => loop {
                    match sub.try_recv() {
                        Ok(event) => {
                            let text = std::str::from_utf8(event.payload()).unwrap();
                            seen.push(Some(text.parse().unwrap()));
                        }
                        Err(TryRecvError::Lagged { missed }) => {
                            seen.extend((0..missed).map(|_| None));
                        }
                        Err(_) => break,
                    }
                },
            }
        }
        prop_assert_eq!(happened, seen);
    }
}
