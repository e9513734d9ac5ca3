//! Names of members: good from the moment they are given out, and on one lane alone.

use distributary::{
    CloseReason, Event, Flow, Hub, Lane, Sink, SliceLimits, SubscribeOptions, Token,
};

use crate::edges::{Log, assert_nothing_left, drain};

fn options() -> SubscribeOptions {
    SubscribeOptions::new()
}

#[test]
fn a_member_can_be_taken_out_before_its_lane_took_it_in() {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    let stays = lane.subscribe("t", Token(0)).unwrap();
    let remote = lane.remote();
    let id = remote.subscribe("t", Token(1), options()).unwrap();
    assert!(lane.unsubscribe(id));
    assert!(!lane.unsubscribe(id), "it is no member any more");
    hub.publish("t", "p").unwrap();
    let mut sink = Log::default();
    drain(&mut lane, &mut sink);
    assert_eq!(sink.events, [(Token(0), "p".to_owned())]);
    assert!(sink.closed.is_empty() && sink.lagged.is_empty());
    assert_eq!(lane.len(), 1);
    assert!(lane.unsubscribe(stays));
    assert!(lane.is_empty());
    assert_nothing_left(&hub);
}

#[test]
fn the_only_member_can_be_taken_out_before_its_lane_took_it_in() {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    let id = lane.remote().subscribe("t", Token(1), options()).unwrap();
    assert!(lane.unsubscribe(id));
    hub.publish("t", "p").unwrap();
    let mut sink = Log::default();
    drain(&mut lane, &mut sink);
    assert!(sink.events.is_empty());
    assert_eq!(lane.len(), 0);
    assert_nothing_left(&hub);
}

/// Commands posted in between are carried out for whom they were meant.
#[test]
fn one_that_is_taken_out_early_leaves_the_other_commands_alone() {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    let remote = lane.remote();
    let join = |token| remote.subscribe("t", Token(token), options()).unwrap();
    let [first, second, third] = [1, 2, 3].map(join);
    remote.unsubscribe(third);
    assert!(lane.unsubscribe(first));
    // Its name may be given out again by now.
    let fourth = join(4);
    assert!(![first, second, third].contains(&fourth));
    hub.publish("t", "p").unwrap();
    let mut sink = Log::default();
    drain(&mut lane, &mut sink);
    let mut told: Vec<u64> = sink.events.iter().map(|(token, _)| token.0).collect();
    told.sort_unstable();
    assert_eq!(told, [2, 4]);
    assert_eq!(lane.len(), 2);
    assert!(lane.unsubscribe(second) && lane.unsubscribe(fourth));
    assert_nothing_left(&hub);
}

#[test]
fn a_name_of_another_lane_takes_nobody_out() {
    let hub = Hub::new();
    let (mut one, mut other) = (Lane::new(&hub), Lane::new(&hub));
    let of_one = one.subscribe("t", Token(1)).unwrap();
    let of_other = other.subscribe("t", Token(2)).unwrap();
    assert_ne!(of_one, of_other);
    assert!(!other.unsubscribe(of_one));
    other.remote().unsubscribe(of_one);
    hub.publish("t", "p").unwrap();
    let mut sink = Log::default();
    drain(&mut other, &mut sink);
    assert_eq!(sink.events, [(Token(2), "p".to_owned())]);
    assert_eq!((one.len(), other.len()), (1, 1));
    assert!(one.unsubscribe(of_one));
    assert!(other.unsubscribe(of_other));
}

#[test]
fn a_name_of_another_lane_resumes_nobody() {
    let hub = Hub::new();
    let (mut one, mut other) = (Lane::new(&hub), Lane::new(&hub));
    let of_one = one.subscribe("t", Token(1)).unwrap();
    let of_other = other.subscribe("t", Token(2)).unwrap();
    let mut sink = Log {
        stalls: Some(Token(2)),
        ..Log::default()
    };
    hub.publish("t", "p").unwrap();
    drain(&mut other, &mut sink);
    assert!(sink.stalls.is_none(), "it was to stall");
    other.resume(of_one);
    other.remote().resume(of_one);
    drain(&mut other, &mut sink);
    assert!(sink.events.is_empty(), "it went on for a foreign name");
    other.resume(of_other);
    drain(&mut other, &mut sink);
    assert_eq!(sink.events, [(Token(2), "p".to_owned())]);
}

/// Takes one event of each delivery until it is told to take all.
#[derive(Default)]
struct Sips {
    offered: Vec<usize>,
    takes_all: bool,
}

impl Sink for Sips {
    fn deliver(&mut self, _: Token, events: &[Event]) -> Flow {
        self.offered.push(events.len());
        match self.takes_all {
            true => Flow::Taken,
            false => Flow::Stalled { taken: 1 },
        }
    }

    fn lagged(&mut self, _: Token, _: u64) -> Flow {
        unreachable!("nothing is lost")
    }

    fn closed(&mut self, _: Token, _: CloseReason) {}
}

#[test]
fn one_that_takes_little_is_offered_little() {
    let hub = Hub::new();
    let mut lane = Lane::with_limits(&hub, SliceLimits::default().deliveries(1_000));
    let id = lane.subscribe("t", Token(0)).unwrap();
    let mut sink = Sips::default();
    for _ in 0..40 {
        hub.publish("t", "p").unwrap();
    }
    for _ in 0..4 {
        drain(&mut lane, &mut sink);
        lane.resume(id);
    }
    assert_eq!(sink.offered, [40, 1, 1, 1]);
    sink.takes_all = true;
    drain(&mut lane, &mut sink);
    assert_eq!(sink.offered[4..], [1, 2, 4, 8, 16, 5]);
    assert_eq!(lane.lag(id), Some(0));
}
