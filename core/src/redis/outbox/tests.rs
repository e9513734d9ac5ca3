//! The outbox against a naive server: whatever may happen, and scenes that once went wrong.

mod world;

use std::sync::Arc;

use proptest::prelude::*;

use self::world::{Action, Fault, ID, TOPICS, World, actions};
use super::*;

proptest! {
    #[test]
    fn every_event_has_one_outcome_and_it_is_true(actions in actions()) {
        let mut world = World::new();
        for action in actions {
            world.act(action);
        }
        world.heal();
        world.check();
    }
}

fn deliver(world: &mut World, topic: usize, count: usize) {
    for _ in 0..count {
        world.push(topic, 10);
    }
    world.collect();
    world.take(0);
}

#[test]
fn what_is_in_flight_when_a_connection_breaks() {
    let mut world = World::connected();
    for topic in 0..TOPICS.len() {
        deliver(&mut world, topic, 1);
    }
    world.break_off(0, 0);
    world.tell();
    let outcome = |world: &World, event: usize| world.events[event].receipt.outcome();
    let plain = outcome(&world, 0).unwrap().unwrap_err();
    assert_eq!(plain.kind(), ForwardErrorKind::Unconfirmed);
    assert!((1..5).all(|event| outcome(&world, event).is_none()));
    world.heal();
    world.tell();
    assert!((1..5).all(|event| outcome(&world, event).unwrap().is_ok()));
    world.check();
}

/// Each `WAIT` blocks the connection: replicas that stand still would hold it up once for
/// every pipeline in flight.
#[test]
fn waits_for_replicas_do_not_add_up() {
    let mut world = World::connected();
    let waits = |world: &World| {
        let commands = world.links[0].pipelines.iter().flatten();
        commands.filter(|command| command[0] == b"WAIT").count()
    };
    // One by one, as they come while a replica is silent.
    for _ in 0..10 {
        deliver(&mut world, 4, 1);
    }
    assert_eq!((waits(&world), world.links[0].pipelines.len()), (1, 1));
    world.serve(0, &[Fault::None, Fault::Replica]);
    // All the others together, and what came after them; the server's answer is not
    // waited for by what needs no replica.
    deliver(&mut world, 0, 1);
    assert_eq!((waits(&world), world.links[0].pipelines.len()), (1, 1));
    let next = &world.links[0].pipelines[0];
    assert_eq!(next.len(), 11, "nine, the live one, and a WAIT");
    assert_eq!(next[10], [b"WAIT".to_vec(), b"1".to_vec(), b"50".to_vec()]);
    deliver(&mut world, 0, 1);
    assert_eq!((waits(&world), world.links[0].pipelines.len()), (1, 2));
    world.heal();
    world.tell();
    world.check();
}

#[test]
fn small_events_in_flight_are_bounded_by_number() {
    let queue = Arc::new(Queue::new(usize::MAX));
    let limits = World::new().outbox.limits;
    let mut outbox = Outbox::new(Arc::clone(&queue), Modes::default(), limits, ID);
    let now = World::new().now;
    outbox.collect(|_, _| Some(0_u8));
    outbox.connected(
        0,
        Server {
            id: Some(1),
            ..Server::default()
        },
    );
    for _ in 0..2 * MOST_FLYING {
        let event = Publication::new(Topic::new("t").unwrap(), "");
        assert!(queue.push(event, None, now.instant).is_ok());
    }
    outbox.collect(|_, _| Some(0));
    let mut flying = 0;
    while outbox.take(0, now, |_| false, |_, _| flying += 1).is_some() {}
    assert!(
        (MOST_FLYING / 2..=MOST_FLYING).contains(&flying),
        "{flying}"
    );
}

#[test]
fn what_waits_too_long_expires_and_frees_its_bytes() {
    let mut world = World::new();
    deliver(&mut world, 2, 3);
    assert!(world.queue.bytes() > 0);
    let due = world.outbox.next_due(world.now.instant).unwrap();
    assert_eq!(due, world.now.instant + Duration::from_secs(1));
    world.act(Action::Advance { millis: 1_000 });
    assert_eq!(world.queue.bytes(), 0);
    for event in &world.events {
        let error = event.receipt.outcome().unwrap().unwrap_err();
        assert_eq!(error.kind(), ForwardErrorKind::Expired);
    }
    assert!(world.outbox.is_empty());
}

#[test]
fn a_server_that_takes_over_gets_what_it_lacks() {
    let mut world = World::connected();
    deliver(&mut world, 2, 5);
    world.serve(0, &[]);
    world.tell();
    assert!(
        world
            .events
            .iter()
            .all(|event| event.receipt.outcome().unwrap().is_ok())
    );
    world.break_off(0, 0);
    world.connect(0, Some(3));
    assert_eq!(world.servers.logs["log.a"].len(), 2);
    deliver(&mut world, 2, 1);
    world.heal();
    assert_eq!(world.servers.logs["log.a"].len(), 6);
    world.check();
}

/// The log knows an event already, says "not now" to it, and keeps the next: what a server
/// that takes over is given must be in the old order nevertheless.
fn one_refused_in_between(world: &mut World) {
    world.connect(0, None);
    deliver(world, 2, 3);
    world.break_off(0, 2);
    world.connect(0, None);
    world.take(0);
    world.serve(0, &[Fault::None, Fault::Odd, Fault::None]);
    assert_eq!(world.servers.logs["log.a"].len(), 3);
}

#[test]
fn what_was_refused_is_sent_in_its_old_place_to_a_server_that_takes_over() {
    let mut world = World::new();
    one_refused_in_between(&mut world);
    world.break_off(0, 0);
    world.connect(0, Some(2));
    world.heal();
    assert_eq!(world.servers.logs["log.a"].len(), 3);
    world.check();
}

#[test]
fn what_was_acknowledged_out_of_order_is_sent_again_in_order() {
    let mut world = World::new();
    one_refused_in_between(&mut world);
    world.heal();
    world.break_off(0, 0);
    world.connect(0, Some(2));
    world.heal();
    assert_eq!(world.servers.logs["log.a"].len(), 3);
    world.check();
}

#[test]
fn a_topic_that_moves_takes_along_what_was_refused_in_its_place() {
    let mut world = World::new();
    one_refused_in_between(&mut world);
    // Its new owner was given it by a server that lacked the end.
    world.servers.logs.get_mut("log.a").unwrap().truncate(1);
    world.act(Action::Move { topic: 2 });
    world.reroute();
    world.heal();
    assert_eq!(world.servers.logs["log.a"].len(), 3);
    world.check();
}

#[test]
fn a_log_that_is_ahead_of_its_slot_is_followed() {
    let mut world = World::connected();
    world.connect(1, None);
    deliver(&mut world, 2, 2);
    world.act(Action::GoAhead { topic: 2 });
    world.serve(0, &[]);
    // Not a moment later, in order, and others of the link stay where they are.
    deliver(&mut world, 2, 1);
    deliver(&mut world, 3, 1);
    // Once more each, for neither has been given the script.
    for link in [0, 1, 0, 1] {
        world.take(link);
        world.serve(link, &[]);
    }
    assert_eq!(world.servers.logs["log.a"].len(), 3);
    assert_eq!(world.servers.logs["log.b"].len(), 1);
    // The slot follows: nobody has to ask any more.
    world.act(Action::Move { topic: 2 });
    world.reroute();
    deliver(&mut world, 2, 1);
    world.take(1);
    let commands = &world.links[1].pipelines[0];
    assert!(commands.iter().all(|command| command[0] != b"ASKING"));
    world.heal();
    world.check();
}

#[test]
fn nodes_that_contradict_each_other_are_asked_slowly() {
    let mut world = World::connected();
    world.connect(1, None);
    world.servers.ahead.insert("log.a".into(), 7);
    deliver(&mut world, 2, 1);
    let mut refused = 0;
    let since = world.now.instant;
    while world.events[0].receipt.outcome().is_none() {
        for link in [0, 1] {
            world.take(link);
            while let Some(pipeline) = world.links[usize::from(link)].pipelines.pop_front() {
                refused += 1;
                // The owner says that it is there, and there they say that it is not.
                let words = ["ASK 1 127.0.0.1:1", "MOVED 1 127.0.0.1:0"][usize::from(link)];
                let replies = pipeline.iter().map(|command| match &command[0][..] {
                    b"ASKING" => Reply::Text("OK".into()),
                    _ => Reply::Error(words.into()),
                });
                let replies: Vec<Reply> = replies.collect();
                let settled = world.outbox.settle(link, &replies, world.now, |_, _| ());
                for (topic, words) in settled.places {
                    let to = words.starts_with("ASK").then_some(1);
                    if world.outbox.go_ahead(&topic, link, to, world.now.instant) {
                        world.outbox.reroute(|_, _| Some(0));
                    }
                }
            }
        }
        world.act(Action::Advance { millis: 1 });
    }
    assert!(world.now.instant - since >= Duration::from_secs(1));
    assert!(refused < 30, "{refused}");
}

/// Another server took over and cannot be reached: what it is to get again may wait longer
/// than what was published since.
#[test]
fn what_waits_behind_what_is_sent_again_expires_in_time() {
    let mut world = World::connected();
    deliver(&mut world, 2, 1);
    world.serve(0, &[]);
    world.tell();
    assert!(world.events[0].receipt.outcome().unwrap().is_ok());
    world.break_off(0, 0);
    world.connect(0, Some(0));
    world.break_off(0, 0);
    deliver(&mut world, 2, 1);
    let end = world.now.instant + Duration::from_millis(1_100);
    let mut looks = 0;
    while let Some(due) = world.outbox.next_due(world.now.instant)
        && due <= end
    {
        looks += 1;
        assert!(looks < 100, "it is looked for without end");
        world.now.instant = world.now.instant.max(due);
        world.outbox.expire(world.now.instant);
    }
    world.tell();
    let error = world.events[1].receipt.outcome().unwrap().unwrap_err();
    assert_eq!(error.kind(), ForwardErrorKind::Expired);
    assert_eq!(world.queue.bytes(), 0);
}

/// A log that keeps nothing for want of memory is no error of the server's: the event went
/// out. It is told all the same.
#[test]
fn what_a_log_cannot_keep_tells_of_the_memory() {
    let told = |words: &'static str| {
        let mut world = World::connected();
        deliver(&mut world, 2, 1);
        let unkept = vec![Reply::Int(4), Reply::Int(2), Reply::Text(words.into())];
        let unkept = [Reply::List(unkept)];
        let settled = world.outbox.settle(0, &unkept, world.now, |_, _| ());
        world.tell();
        let error = world.events[0].receipt.outcome().unwrap().unwrap_err();
        assert_eq!(error.kind(), ForwardErrorKind::NotKept);
        settled.troubles
    };
    let memory = [Trouble::OutOfMemory];
    assert_eq!(told("OOM command not allowed when used memory"), memory);
    assert_eq!(told("@user_script: 9: -OOM command not allowed"), memory);
    assert_eq!(told("WRONGTYPE Operation against a key"), []);
}

#[test]
fn a_topic_that_was_forgotten_begins_again_under_another_number() {
    let mut world = World::connected();
    let publisher = |world: &World| {
        let command = world.links[0].pipelines.back().unwrap().last().unwrap();
        let serial = std::str::from_utf8(&command[10]).unwrap().to_owned();
        (
            u64::from_be_bytes(command[17][..8].try_into().unwrap()),
            serial,
        )
    };
    deliver(&mut world, 2, 2);
    assert_eq!(publisher(&world), (ID, "2".into()));
    world.serve(0, &[]);
    world.act(Action::Advance { millis: 1 });
    world.act(Action::Advance { millis: 20_000_000 });
    world.servers.logs.clear();
    deliver(&mut world, 2, 1);
    assert_eq!(publisher(&world), (ID + (1 << 48), "1".into()));
    assert!(is_ours(ID, ID + (1 << 48)) && !is_ours(ID, ID + 1));
}

#[test]
fn a_queue_that_is_closed_takes_nothing() {
    let queue = Queue::new(10_000);
    let event = || Publication::new(Topic::new("t").unwrap(), "x");
    assert_eq!(queue.push(event(), None, Instant::now()).ok(), Some(true));
    assert_eq!(queue.push(event(), None, Instant::now()).ok(), Some(false));
    queue.close();
    let (error, _) = queue.push(event(), None, Instant::now()).unwrap_err();
    assert_eq!(error.kind(), ForwardErrorKind::Closed);
    assert!(!queue.is_empty());
    queue.abandon();
    assert!(queue.is_empty());
}

#[test]
fn topics_that_the_hub_has_yet_to_read_wait_for_a_moment() {
    let mut world = World::connected();
    world.behind[2] = true;
    for topic in [2, 3, 2] {
        deliver(&mut world, topic, 2);
    }
    while !world.links[0].pipelines.is_empty() {
        world.serve(0, &[]);
    }
    assert_eq!(world.servers.logs["log.b"].len(), 2);
    assert!(!world.servers.logs.contains_key("log.a"));
    // It has been read.
    world.behind[2] = false;
    world.now.instant += Duration::from_millis(10);
    deliver(&mut world, 2, 1);
    world.serve(0, &[]);
    assert_eq!(world.servers.logs["log.a"].len(), 5);
    // It cannot be read: that is waited for until shortly before the deadline.
    world.break_off(0, 0);
    world.connect(0, None);
    world.behind[2] = true;
    deliver(&mut world, 2, 1);
    assert!(world.links[0].pipelines.is_empty());
    world.now.instant += Duration::from_millis(500);
    world.take(0);
    world.serve(0, &[]);
    assert_eq!(world.servers.logs["log.a"].len(), 6);
    world.heal();
    world.check();
}

#[test]
fn a_payload_whose_destructor_fails_takes_nothing_with_it() {
    struct Bomb;
    impl AsRef<[u8]> for Bomb {
        fn as_ref(&self) -> &[u8] {
            b"\0\0\0\0\0\0\0\x01"
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a fault of the payload's owner");
        }
    }
    let mut world = World::new();
    world.outbox.window = Window::new(1, Duration::from_secs(20));
    world.connect(0, None);
    for topic in ["plain", "log.a", "log.a"] {
        let event = Publication::new(Topic::new(topic).unwrap(), Bytes::from_owner(Bomb));
        let pushed = world.queue.push(event, None, world.now.instant);
        assert!(pushed.is_ok());
    }
    world.collect();
    world.take(0);
    // The script is not known yet; then it is.
    world.serve(0, &[]);
    world.take(0);
    world.serve(0, &[]);
    assert!(world.outbox.is_empty());
    assert_eq!(world.queue.bytes(), 0);
    assert_eq!(world.outbox.tally().sent, 3);
    // What nobody sends any more is let go of as well.
    for _ in 0..2 {
        let event = Publication::new(Topic::new("plain").unwrap(), Bytes::from_owner(Bomb));
        assert!(world.queue.push(event, None, world.now.instant).is_ok());
    }
    world.queue.abandon();
    assert!(world.queue.is_empty());
}
