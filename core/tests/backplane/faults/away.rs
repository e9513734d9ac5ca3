//! A server that is away, or seems to be there.

use std::{
    thread,
    time::{Duration, Instant},
};

use distributary::{
    Hub,
    backplane::{Condition, ForwardErrorKind},
    redis::{Mode, Redis},
};

use crate::{
    hubs::{
        Ear, Told, hub, hub_with, joined, outcome, publish, publish_told, until_back, until_heard,
        until_well, until_worse,
    },
    rig::{Flow, Proxy, Server, until},
};

/// Found again within this after its return, and found dead within this.
const FOUND: Duration = Duration::from_secs(5);

/// Long enough that whoever backs off has backed off as far as he does.
const AWAY: Duration = Duration::from_secs(20);

/// The same for who waits for answers.
const HOLE: Duration = Duration::from_secs(8);

/// Two hubs in one mode: one publishes, the other one only listens.
struct Pair {
    topic: &'static str,
    talker: Hub,
    listener: Hub,
    own: Ear,
    other: Ear,
}

impl Pair {
    fn on(server: &Server, topic: &'static str, mode: Mode) -> Pair {
        let redis = || Redis::at(server.url()).unwrap().mode(topic, mode).unwrap();
        // It is to outlast the outage, and the wait for the next attempt after it.
        let patient = redis().queue_bytes(1 << 20).queue_deadline(3 * AWAY);
        let (talker, listener) = (hub_with(patient), hub_with(redis()));
        Pair {
            own: Ear::on(&talker, topic),
            other: Ear::on(&listener, topic),
            topic,
            talker,
            listener,
        }
    }

    fn hubs(&self) -> [&Hub; 2] {
        [&self.listener, &self.talker]
    }
}

#[test]
fn a_server_that_comes_back_is_found_again_also_by_who_only_listens() {
    let server = Server::start();
    let modes = [("news", Mode::Live), ("kept", Mode::Replay)];
    let pairs = modes.map(|(topic, mode)| Pair::on(&server, topic, mode));
    let listeners = [&pairs[0].listener, &pairs[1].listener];
    for pair in &pairs {
        pair.hubs().into_iter().for_each(joined);
        until_heard(&pair.other, FOUND, |mark| {
            publish(&pair.talker, pair.topic, mark);
        });
    }

    server.kill();
    let gone = Instant::now();
    let waiting = pairs.each_ref().map(|pair| {
        for hub in pair.hubs() {
            until_worse(hub, Condition::Away, FOUND);
        }
        let waits = publish_told(&pair.talker, pair.topic, "while away");
        until("who listens here is served", || {
            pair.own.heard("while away")
        });
        waits
    });
    let before = listeners.map(|hub| hub.health().counts.attempts);
    thread::sleep(AWAY.saturating_sub(gone.elapsed()));
    for (hub, before) in listeners.into_iter().zip(before) {
        let attempts = hub.health().counts.attempts - before;
        // Three in any five seconds at most.
        let most = 3 * (gone.elapsed().as_secs() / 5 + 1);
        assert!((1..=most).contains(&attempts), "{attempts} attempts");
    }

    server.restart();
    let back = Instant::now();
    for pair in &pairs {
        // Nothing but the server knows of a publisher that is not ours.
        until_heard(&pair.other, FOUND, |mark| {
            server.ask(&["PUBLISH", pair.topic, mark]);
        });
        for hub in pair.hubs() {
            until_back(hub, FOUND);
        }
    }
    assert!(back.elapsed() < FOUND, "{:?}", back.elapsed());
    println!("back after {:?}", back.elapsed());
    for (pair, waits) in pairs.iter().zip(&waiting) {
        outcome(waits).expect("it waited, and went out");
        let mut told = pair.own.told();
        told.retain(|told| *told == Told::Event("while away".into()));
        assert_eq!(told.len(), 1, "it came back");
    }
    until("what has a log reaches who was away as well", || {
        pairs[1].other.heard("while away")
    });
}

#[test]
fn what_waits_too_long_or_is_too_much_is_an_error() {
    let server = Server::start();
    let builder = Redis::at(server.url()).unwrap();
    let hub = hub_with(
        builder
            .queue_bytes(4_000)
            .queue_deadline(Duration::from_millis(500)),
    );
    until_well(&hub, FOUND);
    server.kill();
    until_worse(&hub, Condition::Away, FOUND);
    let since = Instant::now();
    let waits = publish_told(&hub, "news", "x".repeat(1_000));
    let more = publish_told(&hub, "news", "x".repeat(8_000));
    assert_eq!(outcome(&more).unwrap_err().kind(), ForwardErrorKind::Full);
    assert_eq!(
        outcome(&waits).unwrap_err().kind(),
        ForwardErrorKind::Expired
    );
    let waited = since.elapsed();
    assert!(
        (Duration::from_millis(450)..Duration::from_secs(2)).contains(&waited),
        "{waited:?}"
    );
    assert_eq!(hub.health().queued_bytes, 0);
    assert!(hub.health().counts.failed >= 2, "{:?}", hub.health());
}

#[test]
fn a_black_hole_is_noticed_and_left() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let (talker, listener) = (hub(&proxy.url()), hub(&proxy.url()));
    let ear = Ear::on(&listener, "news");
    joined(&listener);
    until_heard(&ear, FOUND, |mark| publish(&talker, "news", mark));

    proxy.flow(Flow::BlackHole);
    let since = Instant::now();
    for hub in [&talker, &listener] {
        until_worse(hub, Condition::Degraded, FOUND);
    }
    let connections = proxy.accepted();
    until("it tries another connection", || {
        proxy.accepted() > connections
    });
    assert!(since.elapsed() < 2 * FOUND);
    thread::sleep(HOLE.saturating_sub(since.elapsed()));
    proxy.flow(Flow::Open);
    let opened = Instant::now();
    until_heard(&ear, FOUND, |mark| {
        server.ask(&["PUBLISH", "news", mark]);
    });
    for hub in [&talker, &listener] {
        until_back(hub, FOUND);
    }
    assert!(opened.elapsed() < FOUND, "{:?}", opened.elapsed());
}

/// A hub that listens and is well.
fn well(url: &str) -> (Hub, Ear) {
    let hub = hub(url);
    let ear = Ear::on(&hub, "news");
    joined(&hub);
    until_well(&hub, FOUND);
    (hub, ear)
}

/// Publishes another event at the server; whether one was heard.
fn events_from(server: &Server, ear: &Ear) -> impl FnMut() -> bool {
    let mut console = server.console().unwrap();
    move || {
        console.ask(&["PUBLISH", "news", "from there"]).unwrap();
        ear.heard("from there")
    }
}

#[test]
fn a_connection_that_brings_events_and_takes_none_is_left() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let (hub, ear) = well(&proxy.url());
    let connections = proxy.accepted();
    let mut events_come = events_from(&server, &ear);
    until("events come", &mut events_come);
    proxy.deafen();
    // One to ask by, and one that replaces it. Nothing else would find it in this time.
    until("it is replaced", || {
        events_come() && proxy.accepted() >= connections + 2
    });
    until("the server has let go of the old one", || {
        server.listeners("news") == 1
    });
    until_back(&hub, FOUND);
    let told = outcome(&publish_told(&hub, "news", "from here")).unwrap();
    assert_eq!(told.heard, 1);
}

/// TCP sends again what was lost for a moment: it comes late, and nothing is to be given up.
#[test]
fn a_connection_is_kept_that_takes_late_what_it_was_told() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let (hub, ear) = well(&proxy.url());
    let connections = proxy.accepted();
    let mut events_come = events_from(&server, &ear);
    proxy.hold();
    until("it is doubted", || {
        events_come() && proxy.accepted() > connections
    });
    // The canary has long overtaken the probe.
    thread::sleep(Duration::from_millis(400));
    let receipt = publish_told(&hub, "news", "from here");
    proxy.let_go();
    assert_eq!(outcome(&receipt).unwrap().heard, 1);
    until_back(&hub, FOUND);
    // Long enough for whoever gives it up to have done so.
    thread::sleep(Duration::from_secs(2));
    assert_eq!(proxy.accepted(), connections + 1);
}

#[test]
fn a_connection_is_kept_whose_answers_wait_behind_events() {
    const EVENTS: usize = 225;
    const SIZE: usize = 10_000;
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let (hub, ear) = well(&proxy.url());
    let connections = proxy.accepted();
    // Four and a half seconds of events: what is asked meanwhile may wait for five.
    proxy.flow(Flow::Throttled(500_000));
    let mut console = server.console().unwrap();
    for number in 0..EVENTS {
        let event = format!("{number:>SIZE$}");
        console.ask(&["PUBLISH", "news", &event]).unwrap();
    }
    until("all is heard", || ear.told().len() == EVENTS);
    proxy.flow(Flow::Open);
    until_back(&hub, FOUND);
    // That by which it was asked: without it there was no doubt, and nothing was tested.
    assert_eq!(proxy.accepted(), connections + 1);
}

#[test]
fn a_frozen_server_is_found_out() {
    let server = Server::start();
    let hub = hub(&server.url());
    let ear = Ear::on(&hub, "news");
    joined(&hub);
    until_well(&hub, FOUND);
    server.freeze();
    let degraded = until_worse(&hub, Condition::Degraded, FOUND);
    let away = until_worse(&hub, Condition::Away, FOUND);
    assert!(degraded + away < FOUND, "{degraded:?} {away:?}");
    server.thaw();
    until_heard(&ear, FOUND, |mark| {
        server.ask(&["PUBLISH", "news", mark]);
    });
    until_back(&hub, FOUND);
}

#[test]
fn a_hub_made_while_the_server_is_away_joins_later() {
    let server = Server::start();
    server.kill();
    let hub = hub(&server.url());
    let ear = Ear::on(&hub, "news");
    until_worse(&hub, Condition::Away, FOUND);
    assert!(
        !hub.joined()
            .wait(Instant::now() + Duration::from_millis(300))
    );
    server.restart();
    joined(&hub);
    until_heard(&ear, FOUND, |mark| {
        server.ask(&["PUBLISH", "news", mark]);
    });
}
