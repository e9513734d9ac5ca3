//! Live mode on one server: what is published on one hub arrives on the others, once; who
//! is let in and who is not; how a hub leaves.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use distributary::{
    Bytes, Hub, Selector, SubscribeError, Subscription, Topic,
    backplane::{Condition, ForwardErrorKind, Forwarding, JoinError, Name},
    redis::{Redis, RedisErrorKind},
};

use crate::{
    hubs::{hub, hub_with, joined, outcome, publish, publish_told, until_well},
    rig::{Authority, PATIENCE, Plan, Server, until},
};

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

#[track_caller]
fn listen(hub: &Hub, selector: Selector) -> Subscription {
    let subscription = hub.subscribe(selector).unwrap();
    joined(hub);
    subscription
}

#[track_caller]
fn topic(hub: &Hub, name: &str) -> Subscription {
    listen(hub, Selector::topic(name).unwrap())
}

#[track_caller]
fn next(subscription: &mut Subscription) -> Bytes {
    let event = subscription.recv_deadline(soon()).expect("an event");
    event.payload().clone()
}

/// Waits until a reason of this code is given; its text.
#[track_caller]
fn reason(hub: &Hub, code: &str) -> String {
    let mut text = String::new();
    until(&format!("the reason {code}"), || {
        let health = hub.health();
        let reason = health.reasons.iter().find(|reason| reason.code == code);
        reason
            .inspect(|reason| text = reason.text.clone())
            .is_some()
    });
    text
}

#[test]
fn what_is_published_on_one_hub_arrives_on_another_and_once_on_its_own() {
    let server = Server::start();
    let (here, there) = (hub(&server.url()), hub(&server.url()));
    let mut near = topic(&here, "a");
    let mut far = topic(&there, "a");
    for number in 0..1_000 {
        let receipt = publish_told(&here, "a", number);
        if number % 100 == 0 {
            assert_eq!(outcome(&receipt).unwrap().heard, 2);
        }
    }
    for number in 0..1_000 {
        assert_eq!(next(&mut near), number.to_string());
        assert_eq!(next(&mut far), number.to_string());
    }
    // Whatever came twice would be between the last and this one.
    publish(&there, "a", "end");
    assert_eq!(next(&mut near), "end");
    assert_eq!(next(&mut far), "end");
    until_well(&here, PATIENCE);
    assert_eq!(here.health().counts.sent, 1_000);
    assert_eq!(there.health().counts.arrived, 1_000);
}

#[test]
fn whatever_others_publish_arrives_as_it_is() {
    let server = Server::start();
    let hub = hub(&server.url());
    let mut all = topic(&hub, "plain");
    let mut console = server.console().unwrap();
    let payloads: [&[u8]; 5] = [b"{\"a\":1}", b"", b"\xff\xfe", b"\0", &[b'x'; 300_000]];
    for payload in payloads {
        console
            .ask(&[b"PUBLISH", b"plain".as_slice(), payload])
            .unwrap();
        assert_eq!(next(&mut all), payload);
    }
}

#[test]
fn a_topic_that_several_patterns_match_is_heard_once() {
    let server = Server::start();
    let (here, there) = (hub(&server.url()), hub(&server.url()));
    let mut star = listen(&here, Selector::pattern("news.*").unwrap());
    let mut all = listen(&here, Selector::pattern("*").unwrap());
    let mut exact = topic(&here, "news.eu");
    for number in 0..100 {
        publish(&there, "news.eu", number);
        server.ask(&["PUBLISH", "news.eu", "plain"]);
        publish(&here, "news.eu", "own");
    }
    publish(&there, "news.eu", "end");
    for subscription in [&mut star, &mut all, &mut exact] {
        let mut counts = [0; 3];
        loop {
            match next(subscription).as_ref() {
                b"end" => break,
                b"own" => counts[1] += 1,
                b"plain" => counts[2] += 1,
                _ => counts[0] += 1,
            }
        }
        assert_eq!(counts, [100; 3]);
    }
    // The pattern takes over from the topic without a gap.
    drop(exact);
    until("the topic is given up", || server.listeners("news.eu") == 0);
    publish(&there, "news.eu", "by the pattern");
    assert_eq!(next(&mut star), "by the pattern");
}

#[test]
fn a_topic_is_heard_while_somebody_listens_and_a_while_longer() {
    let server = Server::start();
    let hub = hub_with(
        Redis::at(server.url())
            .unwrap()
            .linger(Duration::from_millis(300)),
    );
    let first = topic(&hub, "t");
    assert_eq!(server.listeners("t"), 1);
    drop(first);
    let again = topic(&hub, "t");
    thread::sleep(Duration::from_millis(700));
    assert_eq!(server.listeners("t"), 1);
    drop(again);
    until("it is given up", || server.listeners("t") == 0);
}

#[test]
fn over_tls_with_roots_of_its_own_and_only_with_those() {
    let authority = Authority::new();
    let server = Server::planned(&Plan::new().tls(&authority));
    let trusting = || {
        let redis = Redis::at(server.tls_url()).unwrap();
        hub_with(redis.root_certificates(authority.pem()))
    };
    let (here, there) = (trusting(), trusting());
    let mut far = topic(&there, "secret");
    // In portions that a feed has room for.
    for portion in 0..4 {
        let numbers = portion * 500..(portion + 1) * 500;
        for number in numbers.clone() {
            publish(&here, "secret", format!("{number}-{}", "x".repeat(500)));
        }
        for number in numbers {
            assert!(next(&mut far).starts_with(format!("{number}-").as_bytes()));
        }
    }
    let stranger = Authority::new();
    let redis = Redis::at(server.tls_url()).unwrap();
    let doubting = hub_with(redis.root_certificates(stranger.pem()));
    let text = reason(&doubting, "disconnected");
    assert!(text.contains("TLS"), "{text}");

    let redis = Redis::at(server.tls_url()).unwrap();
    let error = redis.root_certificates("none").build().unwrap_err();
    assert_eq!(error.kind(), RedisErrorKind::Certificates);
    let redis = Redis::at(server.url()).unwrap();
    let error = redis.root_certificates(stranger.pem()).build().unwrap_err();
    assert_eq!(error.kind(), RedisErrorKind::Option);
}

#[test]
fn a_wrong_password_is_told_and_tried_again_slowly() {
    let server = Server::planned(&Plan::new().user("app on >right ~* &* +@all"));
    let wrong = hub(&server.url_of("app", "wrong"));
    let text = reason(&wrong, "disconnected");
    assert!(text.contains("WRONGPASS"), "{text}");
    assert_eq!(wrong.health().condition, Condition::Away);
    let attempts = wrong.health().counts.attempts;
    thread::sleep(Duration::from_secs(2));
    assert_eq!(wrong.health().counts.attempts, attempts);
    server.ask(&["ACL", "SETUSER", "app", ">wrong"]);
    until_well(&wrong, PATIENCE);
    until_well(&hub(&server.url_of("app", "right")), PATIENCE);
}

#[test]
fn a_user_of_few_rights_is_let_in_as_far_as_these_go() {
    let rules = "app on >pw ~* &app:* &distributary:canary:* resetkeys -@all +hello +auth +select +ping +publish +subscribe +unsubscribe +psubscribe +punsubscribe";
    let server = Server::planned(&Plan::new().user(rules));
    let (here, there) = (
        hub(&server.url_of("app", "pw")),
        hub(&server.url_of("app", "pw")),
    );
    let mut allowed = topic(&there, "app:1");
    let mut denied = there.subscribe(Selector::topic("other").unwrap()).unwrap();
    let joined = there.joined();
    assert!(!joined.wait(soon()));
    let unheard = vec![Name::Topic(Topic::new("other").unwrap())];
    assert_eq!(joined.outcome(), Some(Err(JoinError::Refused(unheard))));
    assert!(reason(&there, "refused_names").contains("\"other\""));
    let text = reason(&there, "denied");
    assert!(text.contains("NOPERM"), "{text}");
    let mut sentences = std::collections::HashSet::new();
    let sentences_once = text
        .split("NOPERM")
        .skip(1)
        .all(|one| sentences.insert(one.trim_end_matches("; ")));
    assert!(sentences_once, "{text}");
    assert_eq!(there.health().condition, Condition::Degraded);
    publish(&here, "app:1", "in");
    assert_eq!(next(&mut allowed), "in");
    let refused = outcome(&publish_told(&here, "other", "x")).unwrap_err();
    assert_eq!(refused.kind(), ForwardErrorKind::Rejected);
    assert!(refused.to_string().contains("NOPERM"), "{refused}");
    assert!(denied.try_recv().is_err());
}

#[test]
fn a_user_whose_channels_are_taken_away_and_given_back_hears_again() {
    let server = Server::start();
    let hub = hub(&server.url());
    let mut all = topic(&hub, "t");
    until_well(&hub, PATIENCE);
    server.ask(&["ACL", "SETUSER", "default", "resetchannels"]);
    until("the server has cut it off", || server.listeners("t") == 0);
    server.ask(&["ACL", "SETUSER", "default", "allchannels"]);
    until("it is heard again", || {
        server.ask(&["PUBLISH", "t", "again"]);
        all.try_recv().is_ok()
    });
}

#[test]
fn names_of_the_backplane_itself_are_refused_at_the_call() {
    let hub = hub("redis://127.0.0.1:1");
    for name in ["distributary:hubs", "distributary:canary:00:1"] {
        let refused = hub.subscribe(Selector::topic(name).unwrap()).unwrap_err();
        assert!(matches!(refused, SubscribeError::NotCarried { .. }));
        assert!(refused.to_string().contains(name), "{refused}");
        let sent = publish_told(&hub, name, "x");
        let kind = ForwardErrorKind::Unsupported;
        assert_eq!(sent.delivery().forwarding, Forwarding::Refused(kind));
        let refused = outcome(&sent).unwrap_err();
        assert!(refused.to_string().contains(name), "{refused}");
    }
    assert!(
        hub.subscribe(Selector::topic("distributary").unwrap())
            .is_ok()
    );
}

#[test]
fn a_user_that_may_only_listen_listens() {
    let rules = "ear on >pw resetkeys &* -@all +hello +auth +ping +subscribe +unsubscribe";
    let server = Server::planned(&Plan::new().user(rules));
    let ear = hub(&server.url_of("ear", "pw"));
    let mut all = topic(&ear, "t");
    server.ask(&["PUBLISH", "t", "x"]);
    assert_eq!(next(&mut all), "x");
    // Long enough for a probe to be missed.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(ear.health().counts.connections, 1, "{:?}", ear.health());
    assert!(
        ear.health()
            .reasons
            .iter()
            .all(|reason| reason.code != "late")
    );
}

#[test]
fn a_master_that_is_made_a_replica_is_left() {
    let (first, second) = (Server::start(), Server::start());
    let hub = hub(&first.url());
    joined(&hub);
    until_well(&hub, PATIENCE);
    first.ask(&["REPLICAOF", "127.0.0.1", &second.port().to_string()]);
    until("it is said", || hub.health().condition == Condition::Away);
    first.ask(&["REPLICAOF", "NO", "ONE"]);
    until_well(&hub, PATIENCE);
}

#[test]
fn the_database_of_the_url_is_taken_and_one_that_is_not_there_is_told() {
    let server = Server::start();
    let hub_of = |db: u32| hub(&format!("{}/{db}", server.url()));
    until_well(&hub_of(3), PATIENCE);
    let text = reason(&hub_of(99), "disconnected");
    assert!(text.contains("SELECT 99"), "{text}");
}

#[test]
fn a_replica_is_not_taken_for_a_master() {
    let master = Server::start();
    let replica = Server::planned(&Plan::new().replica_of(&master));
    let lost = hub(&replica.url());
    let text = reason(&lost, "disconnected");
    assert!(text.contains("no master"), "{text}");
    replica.ask(&["REPLICAOF", "NO", "ONE"]);
    until_well(&lost, PATIENCE);
}

#[test]
fn what_is_published_by_a_hub_that_closes_at_once_still_goes_out() {
    let server = Server::start();
    let there = hub(&server.url());
    let mut far = topic(&there, "t");
    joined(&there);
    for number in 0..3 {
        let script = hub(&server.url());
        let receipt = publish_told(&script, "t", number);
        script.close();
        outcome(&receipt).unwrap();
        assert_eq!(next(&mut far), number.to_string());
    }
}

#[test]
fn closing_sends_what_is_queued_and_does_not_wait_for_a_server_that_is_away() {
    let server = Server::start();
    let there = hub(&server.url());
    let mut far = topic(&there, "t");
    let here = hub(&server.url());
    joined(&here);
    until_well(&here, PATIENCE);
    for number in 0..20_000 {
        publish(&here, "t", number);
        if number % 5_000 == 0 {
            // Room in the feed of who listens.
            while far.try_recv().is_ok() {}
        }
    }
    let since = Instant::now();
    let closing = here.close();
    let held = since.elapsed();
    assert!(held < Duration::from_millis(500), "{held:?}");
    assert!(closing.wait(since + Duration::from_secs(3)));
    let mut last = Bytes::new();
    until("the last event comes", || {
        while let Ok(event) = far.try_recv() {
            last = event.payload().clone();
        }
        last == "19999"
    });
    until("the connection is gone", || {
        server.listeners("distributary:hubs") == 1
    });
    let late = here.publish("t", "late");
    assert!(
        late.is_err() || late.is_ok_and(|late| late.forwarding != Forwarding::Queued),
        "a closed hub takes events"
    );

    let away = hub("redis://127.0.0.1:1");
    let receipt = publish_told(&away, "t", "never");
    let closing = away.close();
    assert!(closing.wait(Instant::now() + Duration::from_millis(500)));
    let closed = outcome(&receipt).unwrap_err();
    assert_eq!(closed.kind(), ForwardErrorKind::Closed);
}

#[test]
fn the_last_hub_may_be_dropped_anywhere() {
    let server = Server::start();

    // Inside a runtime, in one that is current as well.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let hub = hub(&server.url());
        let _listener = hub.subscribe(Selector::topic("t").unwrap()).unwrap();
        hub.joined().await.unwrap();
        drop(hub);
    });

    // On the backplane's own thread, by a waker that it calls.
    struct Holds(Mutex<Option<Hub>>, AtomicBool);
    impl Wake for Holds {
        fn wake(self: Arc<Self>) {
            let hub = self.0.lock().unwrap().take();
            drop(hub);
            self.1.store(true, Ordering::Release);
        }
    }
    let last = hub(&server.url());
    until_well(&last, PATIENCE);
    let mut receipt = publish_told(&last, "t", "x");
    let holds = Arc::new(Holds(Mutex::new(None), AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&holds));
    *holds.0.lock().unwrap() = Some(last);
    let polled = std::pin::Pin::new(&mut receipt).poll(&mut Context::from_waker(&waker));
    if polled.is_pending() {
        until("the waker is called", || holds.1.load(Ordering::Acquire));
    } else {
        holds.wake();
    }
    until("both connections are gone", || {
        server.listeners("distributary:hubs") == 0
    });
}

#[test]
fn a_waker_that_panics_takes_nobody_down() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker of the application");
        }
    }
    let server = Server::start();
    let (here, there) = (hub(&server.url()), hub(&server.url()));
    let mut far = topic(&there, "t");
    let waker = Waker::from(Arc::new(Panics));
    let mut cx = Context::from_waker(&waker);
    for _ in 0..10 {
        assert!(far.poll_ready(&mut cx).is_pending());
        let mut receipt = publish_told(&here, "t", "x");
        let _ = std::pin::Pin::new(&mut receipt).poll(&mut cx);
        assert_eq!(next(&mut far), "x");
        assert!(outcome(&receipt).is_ok());
    }
    until_well(&here, PATIENCE);
    assert_eq!(here.health().counts.connections, 1);
    assert_eq!(there.health().counts.connections, 1);
}
