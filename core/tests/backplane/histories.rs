//! Whoever comes back gets what is kept of a topic; what others published while nobody here
//! listened is not, and is told.

use std::time::{Duration, Instant};

use distributary::{
    Budget, Hub, Position, Resume, Selector, Subscription, Topic, TryRecvError,
    redis::{Mode, Redis, RedisBuilder},
};

use crate::{
    hubs::{joined, kill_hubs, outcome, publish, publish_told},
    rig::{PATIENCE, Server, until},
};

/// A hub that keeps what it hears of topics that begin with `kept`.
fn keeper(redis: RedisBuilder) -> Hub {
    let keep = Budget::default().events(100).unwrap();
    let builder = Hub::builder().backplane(redis.build().unwrap());
    builder.history("kept*", keep).unwrap().build().unwrap()
}

fn lingering(server: &Server, linger: Duration) -> RedisBuilder {
    Redis::at(server.url()).unwrap().linger(linger)
}

/// For longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

/// Not so long that anybody waits.
const SHORT: Duration = Duration::from_millis(30);

#[track_caller]
fn next(sub: &mut Subscription) -> (String, Position) {
    let event = sub.recv_deadline(Instant::now() + PATIENCE);
    let event = event.expect("an event");
    let text = String::from_utf8(event.payload().to_vec()).unwrap();
    (text, event.position())
}

/// What is there at once: payloads, and `lost` for any number that is.
fn story(sub: &mut Subscription) -> Vec<String> {
    let mut story = Vec::new();
    loop {
        match sub.try_recv() {
            Ok(event) => story.push(String::from_utf8(event.payload().to_vec()).unwrap()),
            Err(TryRecvError::Lagged { .. }) => story.push("lost".into()),
            Err(_) => return story,
        }
    }
}

fn back(hub: &Hub, topic: &str, position: Position) -> Vec<String> {
    story(&mut hub.subscribe_from(topic, Resume::at(position)).unwrap())
}

/// Listens, hears an event of the other hub and leaves; where that was.
fn visit(here: &Hub, there: &Hub, topic: &str, selector: Selector) -> Position {
    let mut sub = here.subscribe(selector).unwrap();
    joined(here);
    publish(there, topic, "visited");
    let (text, position) = next(&mut sub);
    assert_eq!(text, "visited");
    position
}

/// An event that nobody hears, because it was there before anybody listened.
fn unheard(there: &Hub, topic: &str) {
    outcome(&publish_told(there, topic, "unheard")).unwrap();
}

fn named(topic: &str) -> Selector {
    Selector::topic(topic).unwrap()
}

fn moved_on(hub: &Hub, topic: &str, from: Position) {
    let topic = Topic::new(topic).unwrap();
    until("its history goes on", || {
        hub.position(&topic).unwrap().offset > from.offset
    });
}

#[test]
fn who_comes_back_while_the_topic_lingers_misses_nothing() {
    let server = Server::start();
    let here = keeper(lingering(&server, LONG));
    let there = keeper(lingering(&server, LONG));
    for selector in [named("kept"), Selector::pattern("kept*").unwrap()] {
        let position = visit(&here, &there, "kept", selector);
        publish(&there, "kept", "meanwhile");
        moved_on(&here, "kept", position);
        assert_eq!(back(&here, "kept", position), ["meanwhile"]);
    }
}

#[test]
fn who_comes_back_after_a_topic_was_given_up_is_told() {
    let server = Server::start();
    for mode in [Mode::Live, Mode::Replay] {
        let moded = || lingering(&server, SHORT).mode("kept*", mode).unwrap();
        let (here, there) = (keeper(moded()), keeper(moded()));
        let before = visit(&here, &there, "kept", named("kept"));
        until("it is given up", || server.listeners("kept") == 0);
        let amid = here.publish("kept", "amid").unwrap().position.unwrap();
        unheard(&there, "kept");
        // Before it is heard again, and after.
        let mut sub = here.subscribe_from("kept", Resume::at(amid)).unwrap();
        assert_eq!(story(&mut sub), ["lost"]);
        joined(&here);
        publish(&there, "kept", "heard");
        let (text, after) = next(&mut sub);
        assert_eq!(text, "heard");
        assert_eq!(
            back(&here, "kept", before),
            ["lost", "amid", "lost", "heard"]
        );
        assert_eq!(back(&here, "kept", amid), ["lost", "heard"]);
        publish(&there, "kept", "more");
        assert_eq!(next(&mut sub).0, "more");
        assert_eq!(back(&here, "kept", after), ["more"]);
    }
}

#[test]
fn what_was_published_here_before_anybody_listened_is_not_all_there_was() {
    let server = Server::start();
    let (here, there) = (
        keeper(lingering(&server, LONG)),
        keeper(lingering(&server, LONG)),
    );
    let mine = here.publish("kept", "mine").unwrap().position.unwrap();
    unheard(&there, "kept");
    assert_eq!(back(&here, "kept", mine), ["lost"]);
    let other = here.publish("kept2", "mine").unwrap().position.unwrap();
    unheard(&there, "kept2");
    let mut sub = here.subscribe("kept2").unwrap();
    joined(&here);
    assert!(story(&mut sub).is_empty(), "it has not been here before");
    assert_eq!(back(&here, "kept2", other), ["lost"]);
}

#[test]
fn a_pattern_that_is_given_up_takes_what_it_alone_brought() {
    let server = Server::start();
    let here = keeper(lingering(&server, SHORT));
    let there = keeper(lingering(&server, SHORT));
    let _stays = here.subscribe("kept.1").unwrap();
    let first = visit(
        &here,
        &there,
        "kept.1",
        Selector::pattern("kept.*").unwrap(),
    );
    let second = visit(
        &here,
        &there,
        "kept.2",
        Selector::pattern("kept.*").unwrap(),
    );
    until("it is given up", || {
        server.ask(&["PUBSUB", "NUMPAT"]).int() == 0
    });
    unheard(&there, "kept.2");
    publish(&there, "kept.1", "heard");
    moved_on(&here, "kept.1", first);
    assert_eq!(back(&here, "kept.1", first), ["heard"]);
    assert_eq!(back(&here, "kept.2", second), ["lost"]);
}

#[test]
fn a_connection_that_breaks_while_the_topic_lingers_is_told() {
    let server = Server::start();
    let here = keeper(lingering(&server, LONG));
    let there = keeper(lingering(&server, LONG));
    let position = visit(&here, &there, "kept", named("kept"));
    let attempts = here.health().counts.connections;
    kill_hubs(&server);
    until("it is connected again", || {
        here.health().counts.connections > attempts
            && there.joined().wait(Instant::now() + PATIENCE)
    });
    assert_eq!(server.listeners("kept"), 0);
    unheard(&there, "kept");
    assert_eq!(back(&here, "kept", position), ["lost"]);
}
