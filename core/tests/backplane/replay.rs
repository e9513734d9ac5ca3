//! What is heard when connections break: in replay mode everything, once and in order, or
//! the exact number of what is missing; in live mode what came, and what can be counted.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use distributary::{
    Hub, Publication, Selector,
    backplane::Counts,
    redis::{Mode, Redis, RedisBuilder},
};

use crate::{
    hubs::{Ear, Told, hub, hub_with, joined, outcome, publish, publish_told},
    rig::{PATIENCE, Plan, Proxy, Server, until, until_within},
};

const KILLS: u64 = 20;
/// Events per second of each of two publishers.
const RATE: u64 = 1_000;

fn replay(url: &str) -> RedisBuilder {
    let redis = Redis::at(url).unwrap();
    redis.mode("*", Mode::Replay).unwrap()
}

/// A listener behind a proxy, so that it alone can be cut off.
fn behind(proxy: &Proxy, options: impl FnOnce(RedisBuilder) -> RedisBuilder) -> Hub {
    hub_with(options(Redis::at(proxy.url()).unwrap()))
}

fn replayed(redis: RedisBuilder) -> RedisBuilder {
    redis.mode("*", Mode::Replay).unwrap()
}

/// Cuts a listener off for as long as `meanwhile` takes.
fn while_away(proxy: &Proxy, server: &Server, topic: &str, meanwhile: impl FnOnce()) {
    let listeners = server.listeners(topic);
    proxy.refuse(true);
    proxy.cut();
    until("the server has noticed", || {
        server.listeners(topic) < listeners
    });
    meanwhile();
    proxy.refuse(false);
}

/// Waits for the hub's counts, which follow what it delivers.
#[track_caller]
fn counted(hub: &Hub, are: impl Fn(Counts) -> bool) {
    let since = Instant::now();
    while !are(hub.health().counts) {
        let counts = hub.health().counts;
        assert!(since.elapsed() < PATIENCE, "{counts:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn events(numbers: impl IntoIterator<Item = u64>) -> Vec<Told> {
    let numbers = numbers.into_iter();
    numbers.map(|n| Told::Event(n.to_string())).collect()
}

#[test]
fn every_connection_is_killed_and_everything_arrives_once_and_in_order() {
    let server = Server::start();
    let named = |name| hub_with(replay(&server.url()).client_name(name));
    let hubs = ["even", "odd", "listener"].map(named);
    // All listen: what a publisher hears of itself never went over the wire.
    let ears: Vec<Ear> = hubs.iter().map(|hub| Ear::on(hub, "numbers")).collect();
    hubs.iter().for_each(joined);
    let stop = AtomicBool::new(false);
    // Even numbers from one, odd ones from the other.
    let send = |of: u64| {
        let begun = Instant::now();
        let mut receipts = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let due = begun.elapsed().as_millis() as u64 * RATE / 1_000;
            while (receipts.len() as u64) < due {
                let number = 2 * receipts.len() as u64 + of;
                receipts.push(publish_told(&hubs[of as usize], "numbers", number));
            }
            thread::sleep(Duration::from_millis(1));
        }
        receipts.iter().for_each(|receipt| {
            outcome(receipt).expect("it was kept");
        });
        receipts.len() as u64
    };
    let sent = thread::scope(|scope| {
        let sending = [0, 1].map(|of| scope.spawn(move || send(of)));
        for _ in 0..KILLS {
            let heard = ears[2].numbers().len();
            server.kill_clients();
            until("it flows again", || ears[2].numbers().len() > heard + 200);
        }
        // Publishers that are cut off as well wait until they are back, so others may miss
        // nothing. Of these it misses something.
        for _ in 0..KILLS / 4 {
            let heard = ears[2].numbers().len();
            server.kill_named("listener");
            until("it flows again", || ears[2].numbers().len() > heard + 200);
        }
        stop.store(true, Ordering::Relaxed);
        sending.map(|sending| sending.join().unwrap())
    });
    for (at, ear) in ears.iter().enumerate() {
        until("the last come", || {
            ear.numbers().len() as u64 >= sent[0] + sent[1]
        });
        let numbers = ear.numbers();
        for of in [0, 1] {
            let these: Vec<u64> = numbers.iter().copied().filter(|n| n % 2 == of).collect();
            let expected: Vec<u64> = (0..sent[of as usize]).map(|n| 2 * n + of).collect();
            assert!(
                these == expected,
                "hub {at} did not hear {of} as it was sent"
            );
        }
        assert_eq!(ear.missed(), 0);
    }
    let counts = hubs[2].health().counts;
    assert_eq!((counts.gaps, counts.lost), (0, 0));
    assert!(counts.repaired > 0, "{counts:?}");
    println!(
        "{} events, {KILLS} kills of all and {} of the listener: {} repaired, {} came twice, longest silence {:?}",
        sent[0] + sent[1],
        KILLS / 4,
        counts.repaired,
        counts.duplicates,
        ears[2].longest_silence(),
    );
}

#[test]
fn what_was_trimmed_while_away_is_told_with_its_number() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let (away, other) = (behind(&proxy, replayed), hub_with(replay(&server.url())));
    let ear = Ear::on(&away, "t");
    joined(&away);
    outcome(&publish_told(&other, "t", 1)).unwrap();
    until("it is heard", || ear.told().len() == 1);
    while_away(&proxy, &server, "t", || {
        let receipts: Vec<_> = (2..=500).map(|n| publish_told(&other, "t", n)).collect();
        receipts.iter().for_each(|receipt| {
            outcome(receipt).unwrap();
        });
        server.ask(&["XTRIM", "distributary:log:{t}", "MAXLEN", "20"]);
    });
    until("all of the rest is heard", || ear.heard("500"));
    let mut expected = events([1]);
    expected.push(Told::Missed(479));
    expected.extend(events(481..=500));
    assert_eq!(ear.told(), expected);
    counted(&away, |counts| {
        (counts.gaps, counts.lost, counts.repaired) == (1, 479, 20)
    });
    // With nothing left at all, the head of the log tells how many.
    while_away(&proxy, &server, "t", || {
        let receipts: Vec<_> = (501..=510).map(|n| publish_told(&other, "t", n)).collect();
        receipts.iter().for_each(|receipt| {
            outcome(receipt).unwrap();
        });
        server.ask(&["XTRIM", "distributary:log:{t}", "MAXLEN", "0"]);
    });
    until("it is told", || ear.missed() == 489);
}

#[test]
fn what_a_hub_has_queued_does_not_trim_what_it_has_yet_to_read() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let short = |redis: RedisBuilder| replayed(redis).log_length(200);
    let away = behind(&proxy, short);
    let near = || hub_with(short(Redis::at(server.url()).unwrap()));
    let (other, third) = (near(), near());
    let ears = [&away, &third].map(|hub| Ear::on(hub, "t"));
    [&away, &third].into_iter().for_each(joined);
    let mut queued = Vec::new();
    for round in 1..=3 {
        while_away(&proxy, &server, "t", || {
            // Odd numbers of the one that is away, even ones of the other.
            queued = (0..3_000)
                .map(|n| publish_told(&away, "t", round * 10_000 + 2 * n + 1))
                .collect();
            let receipts: Vec<_> = (0..150)
                .map(|n| publish_told(&other, "t", round * 10_000 + 2 * n))
                .collect();
            receipts.iter().for_each(|receipt| {
                outcome(receipt).unwrap();
            });
        });
        queued.iter().for_each(|receipt| {
            outcome(receipt).unwrap();
        });
        for (ear, name) in ears.iter().zip(["away", "third"]) {
            let all = round as usize * 3_150;
            until_within(PATIENCE, name, || {
                assert_eq!(ear.missed(), 0, "{name} in round {round}");
                ear.numbers().len() >= all
            });
            let numbers = ear.numbers();
            for (of, count) in [(0, 150), (1, 3_000)] {
                let these: Vec<u64> = numbers.iter().copied().filter(|n| n % 2 == of).collect();
                let sent = (1..=round)
                    .flat_map(|round| (0..count).map(move |n| round * 10_000 + 2 * n + of));
                assert_eq!(these, sent.collect::<Vec<u64>>(), "{name}");
            }
        }
    }
}

#[test]
fn what_is_published_between_two_events_of_a_quiet_topic_is_read_back() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let (away, other) = (behind(&proxy, replayed), hub_with(replay(&server.url())));
    // Nothing was heard before the break: the place in the log is known all the same.
    let fresh = Ear::on(&away, "fresh");
    outcome(&publish_told(&other, "old", 1)).unwrap();
    let old = Ear::on(&away, "old");
    joined(&away);
    while_away(&proxy, &server, "old", || {
        for n in 2..=300 {
            publish(&other, "old", n);
            publish(&other, "fresh", n);
        }
        outcome(&publish_told(&other, "fresh", 301)).unwrap();
    });
    until("both are heard", || fresh.heard("301") && old.heard("300"));
    assert_eq!(fresh.told(), events(2..=301));
    assert_eq!(old.told(), events(2..=300));
}

#[test]
fn a_local_publish_is_heard_once_whatever_the_mode() {
    let server = Server::start();
    let redis = Redis::at(server.url()).unwrap();
    let redis = redis.envelope("enveloped").unwrap();
    let redis = redis.mode("replayed", Mode::Replay).unwrap();
    let here = hub_with(redis.clone());
    let there = hub_with(redis);
    let topics = ["plain", "enveloped", "replayed"];
    let all = Selector::pattern("*").unwrap();
    let mut ears = Vec::new();
    for hub in [&here, &there] {
        for topic in topics {
            ears.push(Ear::on(hub, topic));
        }
        joined(hub);
    }
    let wide = Ear::of(&here, all);
    joined(&here);
    for (topic, far) in topics.iter().zip(&ears[topics.len()..]) {
        for n in 0..200 {
            publish(&here, topic, n);
        }
        until("the other hub has heard it", || far.heard("199"));
        outcome(&publish_told(&there, topic, 200)).unwrap();
    }
    for ear in &ears {
        until("the last is heard", || ear.heard("200"));
        assert_eq!(ear.numbers(), (0..=200).collect::<Vec<u64>>());
    }
    until("all are heard", || wide.numbers().len() >= 603);
    assert_eq!(wide.numbers().len(), 603);
}

#[test]
fn plain_publishers_are_heard_on_topics_that_keep_a_log() {
    let server = Server::start();
    let listener = hub_with(replay(&server.url()));
    let other = hub_with(replay(&server.url()));
    let ear = Ear::on(&listener, "t");
    joined(&listener);
    outcome(&publish_told(&other, "t", 1)).unwrap();
    server.ask(&["PUBLISH", "t", "2"]);
    outcome(&publish_told(&other, "t", 3)).unwrap();
    until("all are heard", || ear.told().len() == 3);
    assert_eq!(ear.told(), events([1, 2, 3]));
}

#[test]
fn live_envelopes_tell_how_many_a_break_has_cost() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let enveloped = |redis: RedisBuilder| redis.envelope("*").unwrap();
    let away = behind(&proxy, enveloped);
    let other = hub_with(enveloped(Redis::at(server.url()).unwrap()));
    let ear = Ear::on(&away, "t");
    joined(&away);
    let event = Publication::new("t", "1")
        .key("k")
        .attribute("kind", "edit");
    let receipt = other.publish_acknowledged(event).unwrap();
    outcome(&receipt).unwrap();
    until("it is heard", || ear.told().len() == 1);
    while_away(&proxy, &server, "t", || {
        for n in 2..=8 {
            outcome(&publish_told(&other, "t", n)).unwrap();
        }
    });
    until("it listens again", || server.listeners("t") == 1);
    outcome(&publish_told(&other, "t", 9)).unwrap();
    until("it is heard", || ear.heard("9"));
    let expected = [events([1]), vec![Told::Missed(7)], events([9])].concat();
    assert_eq!(ear.told(), expected);
    counted(&away, |counts| (counts.gaps, counts.lost) == (1, 7));
}

#[test]
fn a_break_of_a_plain_topic_is_a_gap() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let away = behind(&proxy, |redis| redis);
    let other = hub(&server.url());
    let ear = Ear::on(&away, "busy");
    let quiet = Ear::on(&away, "quiet");
    joined(&away);
    outcome(&publish_told(&other, "busy", 1)).unwrap();
    until("it is heard", || ear.told().len() == 1);
    while_away(&proxy, &server, "busy", || {
        outcome(&publish_told(&other, "busy", 2)).unwrap();
    });
    until("the gap is told", || ear.missed() == 1);
    counted(&away, |counts| counts.gaps == 1);
    assert_eq!(quiet.missed(), 0);
}

#[test]
fn a_server_that_comes_back_empty_costs_nothing_that_publishers_still_have() {
    let server = Server::start();
    let (away, other) = (
        hub_with(replay(&server.url())),
        hub_with(replay(&server.url())),
    );
    let ear = Ear::on(&away, "t");
    joined(&away);
    let receipts: Vec<_> = (0..100).map(|n| publish_told(&other, "t", n)).collect();
    receipts.iter().for_each(|receipt| {
        outcome(receipt).unwrap();
    });
    server.kill();
    for n in 100..150 {
        publish(&other, "t", n);
    }
    server.restart();
    outcome(&publish_told(&other, "t", 150)).unwrap();
    until("the last is heard", || ear.heard("150"));
    assert_eq!(ear.told(), events(0..=150));
    assert_eq!(away.health().counts.gaps, 0);
}

#[test]
fn a_log_that_lost_its_tail_is_read_from_the_fork() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let (near, away) = (hub_with(replay(&server.url())), behind(&proxy, replayed));
    let other = hub_with(replay(&server.url()));
    let ears = [Ear::on(&near, "t"), Ear::on(&away, "t")];
    [&near, &away].into_iter().for_each(joined);
    let publish_all = |numbers: std::ops::Range<u64>| {
        let receipts: Vec<_> = numbers.map(|n| publish_told(&other, "t", n)).collect();
        receipts.iter().for_each(|receipt| {
            outcome(receipt).unwrap();
        });
    };
    publish_all(0..50);
    server.ask(&["SAVE"]);
    publish_all(50..60);
    until("all hear it", || ears.iter().all(|ear| ear.heard("59")));
    while_away(&proxy, &server, "t", || {
        publish_all(60..100);
        until("it is heard", || ears[0].heard("99"));
        // It comes back with what it had saved, as a replica might that takes over.
        server.kill();
        server.restart();
        publish_all(100..150);
    });
    for ear in &ears {
        until("all is heard", || ear.heard("149"));
        assert_eq!(ear.told(), events(0..150));
    }
    // What both had heard before came once more, and went no further.
    counted(&away, |counts| counts.duplicates >= 10 && counts.gaps == 0);
}

#[test]
fn a_log_that_may_not_be_read_is_a_gap_and_a_reason() {
    let plan = Plan::new().user("app on >secret ~* &* +@all -xrange");
    let server = Server::planned(&plan);
    let proxy = Proxy::before(server.port());
    let url = |port: u16| format!("redis://app:secret@127.0.0.1:{port}");
    let away = hub_with(replay(&url(proxy.port())));
    let other = hub_with(replay(&url(server.port())));
    let ear = Ear::on(&away, "t");
    joined(&away);
    outcome(&publish_told(&other, "t", 1)).unwrap();
    until("it is heard", || ear.told().len() == 1);
    while_away(&proxy, &server, "t", || {
        outcome(&publish_told(&other, "t", 2)).unwrap();
    });
    until("it is told", || ear.missed() == 1);
    let reasons = away.health().reasons;
    let unread = reasons.iter().find(|reason| reason.code == "unread");
    assert!(
        unread.is_some_and(|reason| reason.text.contains("xrange")),
        "{reasons:?}"
    );
    until("it listens again", || server.listeners("t") == 1);
    outcome(&publish_told(&other, "t", 3)).unwrap();
    until("it is heard", || ear.heard("3"));
}

#[test]
fn topics_that_begin_while_their_pattern_is_cut_off_are_found() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let other = hub_with(replay(&server.url()));
    // From before anybody listened: never to be heard.
    outcome(&publish_told(&other, "a.old", 0)).unwrap();
    let away = behind(&proxy, replayed);
    let ear = Ear::of(&away, Selector::pattern("a.*").unwrap());
    joined(&away);
    outcome(&publish_told(&other, "a.known", 1)).unwrap();
    until("it is heard", || ear.told().len() == 1);
    proxy.refuse(true);
    proxy.cut();
    until("the server has noticed", || {
        server.ask(&["PUBSUB", "NUMPAT"]).int() == 0
    });
    for (n, topic) in (2..).zip(["a.known", "a.new", "b.new", "a.{x}y"]) {
        outcome(&publish_told(&other, topic, n)).unwrap();
    }
    proxy.refuse(false);
    until("all are heard", || ear.numbers().len() >= 4);
    let mut numbers = ear.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 5]);
    // All is as before.
    outcome(&publish_told(&other, "a.new", 6)).unwrap();
    until_within(Duration::from_secs(5), "it is heard live", || {
        ear.heard("6")
    });
    assert_eq!((ear.numbers().len(), ear.missed()), (5, 0));
}
