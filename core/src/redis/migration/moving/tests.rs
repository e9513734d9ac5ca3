//! Moving without a server: who is told what, and which courses are refused.

use std::{
    task::{Context, Wake},
    thread,
    time::Duration,
};

use super::*;
use crate::{
    Hub,
    backplane::{Condition, ForwardErrorKind, Health, Reason},
    redis::{Mode, RedisBuilder},
    selector::Selector,
    sync::{AtomicBool, AtomicU64, Ordering},
};

/// Two threads took a pattern's end and its new beginning, and the first was slow.
#[test]
fn a_change_that_is_told_late_does_not_undo_a_later_one() {
    let moving = Moving::on(server());
    let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
    let pattern = Pattern::new("a.*").unwrap();
    let change = |wanted| Change {
        name: Name::Pattern(pattern.clone()),
        wanted,
    };
    let noted = || moving.0.patterns.lock().contains(&pattern);
    let selector = Selector::pattern("a.*").unwrap();
    let subscription = hub.subscribe(selector).unwrap();
    assert!(noted());
    moving.0.hub_changed(change(false));
    assert!(noted());
    drop(subscription);
    moving.0.hub_changed(change(true));
    assert!(!noted());
}

#[test]
fn a_hub_that_is_closed_enters_no_stage_and_does_not_try_until_the_deadline() {
    let moving = Moving::on(server());
    let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
    let course = Course::of("a").unwrap().onto(server());
    let migration = moving.begin(course, Stage::Old).unwrap();
    let deadline = Instant::now() + Duration::from_secs(600);
    thread::scope(|scope| {
        let entering = scope.spawn(|| migration.enter(Stage::DualRead, deadline));
        while migration.stage() == Stage::Old {
            thread::yield_now();
        }
        hub.close();
        assert_eq!(entering.join().unwrap(), Err(MigrationError::Closed));
    });
    assert_eq!(migration.stage(), Stage::Old);
    let after = migration.enter(Stage::DualRead, deadline);
    assert_eq!(after, Err(MigrationError::Closed));
}

/// A server that nobody connects to.
fn server() -> Redis {
    Redis::at("redis://127.0.0.1:1").unwrap().build().unwrap()
}

fn post(moving: &Moving, server: Server, condition: Condition) {
    let health = Health {
        condition,
        ..Health::default()
    };
    let plane = moving.0.plane(server).unwrap();
    plane.redis.board().post(health);
}

/// One that is called, and whether it was.
fn waits(moving: &Moving) -> StdArc<AtomicBool> {
    let called = StdArc::new(AtomicBool::new(false));
    let told = StdArc::clone(&called);
    let seen = moving.health().revision;
    moving.when_health_changes(seen, Box::new(move || told.store(true, Ordering::SeqCst)));
    called
}

#[test]
fn a_server_that_flaps_leaves_nothing_behind_at_one_that_is_steady() {
    let moving = Moving::on(server());
    let course = Course::of("a").unwrap().onto(server());
    moving.begin(course, Stage::Old).unwrap();
    for round in 0..100 {
        let condition = [Condition::Ok, Condition::Away][round % 2];
        let called = waits(&moving);
        post(&moving, 0, condition);
        assert!(called.load(Ordering::SeqCst));
    }
    let steady = moving.0.plane(1).unwrap();
    assert!(steady.redis.board().waiting() <= 1);
    let called = waits(&moving);
    post(&moving, 1, Condition::Degraded);
    assert!(called.load(Ordering::SeqCst));
}

#[test]
fn a_server_that_comes_is_a_change_and_is_waited_for_and_the_last_that_ends_is_the_end() {
    let moving = Moving::on(server());
    let called = waits(&moving);
    let course = Course::of("a").unwrap().onto(server());
    moving.begin(course, Stage::Old).unwrap();
    assert!(called.load(Ordering::SeqCst));
    let called = waits(&moving);
    post(&moving, 1, Condition::Degraded);
    assert!(called.load(Ordering::SeqCst));
    let called = waits(&moving);
    moving.0.plane(0).unwrap().redis.board().end();
    assert!(!called.load(Ordering::SeqCst));
    moving.0.plane(1).unwrap().redis.board().end();
    assert!(called.load(Ordering::SeqCst));
    assert!(waits(&moving).load(Ordering::SeqCst));
}

#[test]
fn a_course_whose_ends_promise_different_things_is_refused_with_both_of_them() {
    let at = || Redis::at("redis://127.0.0.1:1").unwrap();
    let replays = |pattern: &str| at().mode(pattern, Mode::Replay).unwrap();
    let begin = |redis: RedisBuilder, course: Course| {
        let moving = Moving::on(redis.build().unwrap());
        let _hub = Hub::builder().backplane(moving.clone()).build().unwrap();
        let begun = moving.begin(course, Stage::Old).map(drop);
        assert_eq!(moving.0.all_moved().len(), usize::from(begun.is_ok()));
        begun
    };
    let of = |topic: &str| Course::of(topic).unwrap();
    let differ = |topic: &str, old, name: &str, new| {
        Err(MigrationError::Modes {
            topic: topic.into(),
            old,
            name: name.into(),
            new,
        })
    };
    // To a name that no rule matches, there and back, and to one that another matches.
    let renamed = |topic: &str, name: &str| begin(replays("doc.*"), of(topic).to(name).unwrap());
    assert_eq!(
        renamed("doc.1", "other.1"),
        differ("doc.1", "replay", "other.1", "live")
    );
    assert_eq!(
        renamed("other.1", "doc.1"),
        differ("other.1", "live", "doc.1", "replay")
    );
    assert_eq!(renamed("doc.1", "doc.2"), Ok(()));
    let durable = replays("doc.*").mode("kept.*", Mode::Durable).unwrap();
    let kept = begin(durable, of("doc.1").to("kept.1").unwrap());
    assert_eq!(kept, differ("doc.1", "replay", "kept.1", "durable"));
    // To a server with no such rules, to one with the rule for another name, and to one
    // with the right one.
    let onto = |to: RedisBuilder| {
        let course = of("doc.1").to("other.1").unwrap();
        begin(replays("doc.*"), course.onto(to.build().unwrap()))
    };
    let live = differ("doc.1", "replay", "other.1", "live");
    assert_eq!(onto(at()), live);
    assert_eq!(onto(replays("doc.*")), live);
    assert_eq!(onto(replays("other.*")), Ok(()));
    // Readers of plain events cannot read envelopes.
    let enveloped = begin(
        at(),
        of("a").onto(at().envelope("a").unwrap().build().unwrap()),
    );
    let differ = differ("a", "live", "a", "live in an envelope");
    assert_eq!(enveloped, differ);
    let text = differ.unwrap_err().to_string();
    assert!(text.contains("rules for that name"), "{text}");
}

#[test]
fn the_stage_where_it_is_is_entered_again_at_once_and_changes_nothing() {
    let moving = Moving::on(server());
    let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
    // Nobody answers: what had to ask anybody would fail.
    let course = Course::of("a").unwrap().onto(server());
    let migration = moving.begin(course, Stage::NewWrite).unwrap();
    let now = Instant::now();
    assert_eq!(migration.check(Stage::NewWrite, now), Ok(()));
    assert_eq!(migration.enter(Stage::NewWrite, now), Ok(()));
    assert_eq!(migration.force(Stage::NewWrite, now), Ok(()));
    assert_eq!(migration.stage(), Stage::NewWrite);
    hub.close();
    let after = migration.enter(Stage::NewWrite, now);
    assert_eq!(after, Err(MigrationError::Closed));
}

#[test]
fn where_hubs_tell_their_stages_users_neither_publish_nor_listen() {
    let moving = Moving::on(server());
    let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
    let course = Course::of("a").unwrap().onto(server());
    moving.begin(course, Stage::Old).unwrap();
    for own in ["distributary:migration:a", "distributary:migration:b"] {
        let refused = moving.refuses(&Selector::topic(own).unwrap());
        assert!(refused.is_some_and(|why| why.contains(own)), "{own}");
        assert!(hub.subscribe(Selector::topic(own).unwrap()).is_err());
        let event = Publication::new(Topic::new(own).unwrap(), "new 1");
        let (error, _) = moving.forward(event, None).unwrap_err();
        assert_eq!(error.kind(), ForwardErrorKind::Unsupported);
    }
}

#[test]
fn one_of_two_servers_that_is_away_is_named_with_what_goes_by_it() {
    let at = |port: u16| {
        let url = format!("redis://127.0.0.1:{port}");
        Redis::at(url).unwrap().build().unwrap()
    };
    let moving = Moving::on(at(1));
    let texts = || {
        let reasons = moving.health().reasons;
        reasons.into_iter().map(|reason| reason.text).collect()
    };
    let away = |server: Server| {
        let reason = Reason {
            code: "disconnected",
            condition: Condition::Away,
            text: "refused".into(),
        };
        let health = Health {
            condition: Condition::Away,
            reasons: vec![reason],
            ..Health::default()
        };
        moving.0.plane(server).unwrap().redis.board().post(health);
    };
    away(0);
    let all: Vec<String> = texts();
    assert_eq!(all, ["refused"]);
    for topic in ["b", "a"] {
        let course = Course::of(topic).unwrap().onto(at(2));
        moving.begin(course, Stage::New).unwrap();
    }
    let course = Course::of("c").unwrap().onto(at(3));
    let migration = moving.begin(course, Stage::Old).unwrap();
    for server in 0..4 {
        away(server);
    }
    let all: Vec<String> = texts();
    let expected = [
        r#"127.0.0.1:1 ("c", all that is not moved): refused"#,
        r#"127.0.0.1:2 ("a", "b"): refused"#,
        "127.0.0.1:3 (no topic at this stage): refused",
    ];
    assert_eq!(all, expected);
    assert_eq!(moving.health().condition, Condition::Away);
    // Nor can its side be reached.
    let entered = migration.enter(Stage::DualRead, Instant::now());
    let not_reached = MigrationError::NotReached {
        server: "127.0.0.1:3".into(),
    };
    assert_eq!(entered, Err(not_reached));
}

#[test]
fn nothing_begins_on_a_hub_that_was_closed() {
    let moving = Moving::on(server());
    let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
    assert!(hub.close().wait(Instant::now() + Duration::from_secs(10)));
    let course = Course::of("a").unwrap().onto(server());
    let begun = moving.begin(course, Stage::Old);
    assert_eq!(begun.unwrap_err(), MigrationError::Closed);
    assert_eq!(moving.0.planes().len(), 1);
}

/// Counts how often a reader is woken.
#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn readers_of_what_arrives_together_are_woken_once_after_all_of_it() {
    const EVENTS: u64 = 100;
    let moving = Moving::on(server());
    let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
    let course = Course::of("old").unwrap().to("new").unwrap();
    moving.begin(course, Stage::DualRead).unwrap();
    let inlet = Inlet::of(StdArc::new(Tap {
        shared: StdArc::downgrade(&moving.0),
        server: 0,
    }));
    // One that is not moved, and one that is, by both of its names.
    for (topic, names) in [("steady", ["steady"; 2]), ("old", ["old", "new"])] {
        let mut reader = hub.subscribe(topic).unwrap();
        let wakes = StdArc::new(Wakes::default());
        let waker = StdArc::clone(&wakes).into();
        let mut waits = || {
            reader
                .poll_recv(&mut Context::from_waker(&waker))
                .is_pending()
        };
        let mut together = Together::default();
        assert!(waits());
        for number in 0..EVENTS {
            let name = names[number as usize % 2];
            let event = Publication::new(name, number.to_string());
            let heard = match number % 3 {
                0 => inlet.deliver_together(event, &mut together),
                _ => {
                    let origin = Origin {
                        publisher: number + 1,
                        serial: 1,
                        micros: number,
                    };
                    inlet.deliver_numbered(event, origin, &mut together)
                }
            };
            assert_eq!(heard, 1, "{name}: {number}");
        }
        assert_eq!(
            wakes.0.load(Ordering::SeqCst),
            0,
            "before all of it is there"
        );
        together.wake();
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        let mut had = 0;
        while !waits() {
            had += 1;
        }
        assert_eq!(had, EVENTS);
        // By itself, each at once.
        inlet.deliver(Publication::new(names[1], "last"));
        assert_eq!(wakes.0.load(Ordering::SeqCst), 2);
    }
}
