//! Hubs of several machines, joined in memory: what the engine promises around a
//! backplane, whatever stands behind it.

mod crossing;
mod ending;
mod health;
mod interest;
mod losses;

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

/// Counts how often it was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
