//! Single cases at the edges: bad input, foreign code that misbehaves, ends and bounds.

mod bounds;
mod ends;
mod foreign;
mod input;
mod resume;
mod wakes;

use std::time::{Duration, Instant};

use distributary::{
    Budget, CloseReason, Event, Flow, Hub, Lane, Sink, Subscription, Token, TryRecvError,
};

/// Long enough for anything that is going to happen.
pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Waits until something is so.
pub(super) fn until(what: impl Fn() -> bool) {
    let deadline = soon();
    while !what() {
        assert!(Instant::now() < deadline, "it never happened");
        std::thread::yield_now();
    }
}

pub(super) fn budget(events: usize) -> Budget {
    Budget::default().events(events).unwrap()
}

/// The payloads of all that can be read now, and the sum of what was missed.
pub(super) fn read_all(sub: &mut Subscription) -> (Vec<String>, u64) {
    let (mut read, mut missed) = (Vec::new(), 0);
    loop {
        match sub.try_recv() {
            Ok(event) => read.push(text(&event)),
            Err(TryRecvError::Lagged { missed: more }) => missed += more,
            Err(_) => return (read, missed),
        }
    }
}

pub(super) fn text(event: &Event) -> String {
    String::from_utf8(event.payload().to_vec()).unwrap()
}

/// A sink that writes down what it is told, and takes what it is told to take.
#[derive(Default)]
pub(super) struct Log {
    pub(super) events: Vec<(Token, String)>,
    pub(super) lagged: Vec<(Token, u64)>,
    pub(super) closed: Vec<(Token, CloseReason)>,
    /// Stalls at the next delivery to this one.
    pub(super) stalls: Option<Token>,
}

impl Sink for Log {
    fn deliver(&mut self, to: Token, events: &[Event]) -> Flow {
        if self.stalls == Some(to) {
            self.stalls = None;
            return Flow::Stalled { taken: 0 };
        }
        self.events
            .extend(events.iter().map(|event| (to, text(event))));
        Flow::Taken
    }

    fn lagged(&mut self, to: Token, missed: u64) -> Flow {
        self.lagged.push((to, missed));
        Flow::Taken
    }

    fn closed(&mut self, to: Token, reason: CloseReason) {
        self.closed.push((to, reason));
    }
}

pub(super) fn drain(lane: &mut Lane, sink: &mut impl Sink) {
    while lane.turn(sink).more {}
}

pub(super) fn assert_nothing_left(hub: &Hub) {
    let stats = hub.stats();
    let alive = (
        stats.subscriptions,
        stats.feeds,
        stats.patterns,
        stats.topics,
    );
    assert_eq!(alive, (0, 0, 0, 0), "{stats:#?}");
    assert_eq!(stats.bytes_held, 0);
    assert_eq!(stats.closed_writes, 0);
}
