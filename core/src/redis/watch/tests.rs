//! One server from connection to loss, and a hub with several.

use super::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn codes(servers: &[&Watch], now: Instant) -> (Condition, Vec<&'static str>) {
    let health = health(servers.iter().copied(), &Tallies::default(), vec![], now);
    let codes = health.reasons.iter().map(|reason| reason.code);
    (health.condition, codes.collect())
}

#[test]
fn away_until_there_is_a_connection_and_again_after_it() {
    let start = Instant::now();
    let mut watch = Watch::new("a:1");
    let connecting = (Condition::Away, vec![code::CONNECTING]);
    assert_eq!(codes(&[&watch], start), connecting);
    assert_eq!(codes(&[], start), connecting);
    watch.up(start);
    assert_eq!(codes(&[&watch], start), (Condition::Ok, vec![]));
    watch.down("connection reset", start);
    let health = health([&watch], &Tallies::default(), vec![], start);
    assert_eq!(health.condition, Condition::Away);
    assert_eq!(health.reasons[0].code, code::DISCONNECTED);
    assert!(health.reasons[0].text.contains("connection reset"));
}

#[test]
fn a_reason_is_never_empty() {
    let start = Instant::now();
    let mut watch = Watch::new("a:1");
    watch.down(" ", start);
    let health = health([&watch], &Tallies::default(), vec![], start);
    assert!(
        health.reasons[0]
            .text
            .starts_with("a:1: no reason was given. ")
    );
}

#[test]
fn one_of_several_away_is_not_away() {
    let start = Instant::now();
    let (mut one, mut two) = (Watch::new("a:1"), Watch::new("b:1"));
    one.up(start);
    assert_eq!(codes(&[&one, &two], start), (Condition::Ok, vec![]));
    two.down("refused", start);
    let partly = (Condition::Degraded, vec![code::PARTLY_DISCONNECTED]);
    assert_eq!(codes(&[&one, &two], start), partly);
    one.down("refused", start);
    assert_eq!(codes(&[&one, &two], start).0, Condition::Away);
}

#[test]
fn a_frozen_server_is_degraded_at_900_ms_and_well_again_after() {
    let start = Instant::now();
    let mut watch = Watch::new("a:1");
    watch.up(start);
    let number = watch.probes.sent(start);
    assert_eq!(codes(&[&watch], start + ms(899)).0, Condition::Ok);
    let frozen = codes(&[&watch], start + ms(900));
    assert_eq!(frozen, (Condition::Degraded, vec![code::SILENT]));
    watch.probes.heard(number, start + ms(1_500));
    assert_eq!(codes(&[&watch], start + ms(1_500)).1, [code::LATE]);
    let prompt = watch.probes.sent(start + ms(1_500));
    watch.probes.heard(prompt, start + ms(1_501));
    assert_eq!(codes(&[&watch], start + ms(2_499)).1, [code::LATE]);
    assert_eq!(codes(&[&watch], start + ms(2_500)), (Condition::Ok, vec![]));
}

#[test]
fn after_an_outage_with_losses_all_is_well_at_once() {
    let start = Instant::now();
    let mut watch = Watch::new("a:1");
    watch.up(start);
    watch.probes.sent(start);
    watch.down("silent for 2.5 s", start + ms(2_500));
    watch.up(start + ms(4_000));
    let tallies = Tallies {
        live_lost_at: Some(start + ms(4_000)),
        ..Tallies::default()
    };
    let health = health([&watch], &tallies, vec![], start + ms(4_000));
    let codes: Vec<_> = health.reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(
        (health.condition, codes),
        (Condition::Ok, vec![code::LOSING])
    );
}

#[test]
fn looks_are_short_and_long_in_turn_and_spread_over_a_fleet() {
    let start = Instant::now();
    let looks = |hubs, seconds: u64| {
        let mut watch = Watch::new("a:1");
        watch.up(start);
        let times = (0..seconds * 4).map(|i| start + ms(i * 250));
        times
            .filter_map(|now| watch.look(hubs, 0.5, now))
            .collect::<Vec<_>>()
    };
    let long = |server, ages| Look::Long { server, ages };
    let few = looks(3, 50);
    assert_eq!(few.len(), 40);
    assert_eq!(few[0], long(true, false));
    assert_eq!(few[1], Look::Short);
    assert_eq!(few[2], long(false, true));
    let count = |looks: &[Look], which| looks.iter().filter(|look| **look == which).count();
    let counts = |looks: &[Look]| {
        let seldom = count(looks, long(true, false)) + count(looks, long(false, true));
        (seldom, count(looks, long(false, false)))
    };
    assert_eq!(counts(&few), (2, 9));
    assert_eq!(counts(&looks(100, 50)), (2, 4));
    assert_eq!(counts(&looks(1_000, 50)), (2, 0));
    assert_eq!(looks(1_000, 50).len(), 40);
    assert_eq!(looks(5_000, 50).len(), 10);
    assert_eq!(looks(1_000_000, 50).len(), 5);
    assert!(Watch::new("a:1").look(1, 0.0, start).is_none());
}

#[test]
fn what_is_odd_is_looked_at_again_soon_and_long() {
    let start = Instant::now();
    let full = "# Memory\r\nused_memory:9\r\nmaxmemory:10\r\nmaxmemory_policy:noeviction\r\n";
    let looked = |hubs| {
        let mut watch = Watch::new("a:1");
        watch.up(start);
        watch.look(hubs, 0.5, start).expect("the first one");
        watch.told([full], start + ms(1));
        watch
    };
    let mut alone = looked(1);
    assert_eq!(alone.look(1, 0.5, start + ms(500)), None);
    let again = alone.look(1, 0.5, start + ms(501));
    let long = Look::Long {
        server: false,
        ages: false,
    };
    assert_eq!(again, Some(long));
    // What is shared stays shared.
    let mut shared = looked(5_000);
    assert_eq!(shared.look(5_000, 0.5, start + ms(4_999)), None);
    assert!(shared.look(5_000, 0.5, start + ms(5_000)).is_some());
}

#[test]
fn who_may_not_ask_is_told_what_is_not_known_and_works() {
    let start = Instant::now();
    let mut watch = Watch::new("a:1");
    watch.up(start);
    watch.denied();
    assert_eq!(
        codes(&[&watch], start),
        (Condition::Ok, vec![code::INFO_DENIED])
    );
    watch.told(["# Stats\r\nsync_full:0\r\n"], start);
    assert_eq!(codes(&[&watch], start).1, [""; 0]);
}

#[test]
fn the_worst_stands_first() {
    let start = Instant::now();
    let mut watch = Watch::new("a:1");
    watch.up(start);
    watch.denied();
    watch.refused(start);
    let (condition, codes) = codes(&[&watch], start);
    assert_eq!(condition, Condition::Degraded);
    assert_eq!(codes, [code::MEMORY_FULL, code::INFO_DENIED]);
}

#[test]
fn joining_and_losing_are_said_for_a_while() {
    let start = Instant::now();
    let mut watch = Watch::new("a:1");
    watch.up(start);
    let tallies = Tallies {
        joining: 5,
        joining_since: Some(start),
        live_lost_at: Some(start),
        faults: 1,
        fault_at: Some(start + ms(1)),
        ..Tallies::default()
    };
    let at = |now| {
        let health = health([&watch], &tallies, vec![], now);
        let codes = health.reasons.iter().map(|reason| reason.code);
        codes.collect::<Vec<_>>()
    };
    assert_eq!(at(start + ms(2_999)), [code::LOSING, code::FAULT]);
    let all = [code::JOINING, code::LOSING, code::FAULT];
    assert_eq!(at(start + ms(3_000)), all);
    assert_eq!(at(start + ms(10_000)), [code::JOINING, code::FAULT]);
    assert_eq!(at(start + ms(10_001)), [code::JOINING]);
}

#[test]
fn losses_are_explained_by_the_mode_of_their_topics() {
    let start = Instant::now();
    let said = |live_lost_at, logged_lost_at| {
        let tallies = Tallies {
            live_lost_at,
            logged_lost_at,
            ..Tallies::default()
        };
        let mut watch = Watch::new("a:1");
        watch.up(start);
        let health = health([&watch], &tallies, vec![], start + ms(11_000));
        let losing = (health.reasons.into_iter()).find(|reason| reason.code == code::LOSING);
        losing.map(|losing| {
            let says = |words: &str| losing.text.contains(words);
            (says("Replay mode would"), says("with a log are not in it"))
        })
    };
    let (old, new) = (Some(start), Some(start + ms(5_000)));
    assert_eq!(said(None, old), None);
    assert_eq!(said(new, None), Some((true, false)));
    assert_eq!(said(old, new), Some((false, true)));
    assert_eq!(said(new, new), Some((true, true)));
}

#[test]
fn every_code_is_documented() {
    let documented = include_str!("codes.md");
    let codes = include_str!("mod.rs").lines().filter_map(|line| {
        let (_, word) = line.trim().split_once(": &str = \"")?;
        word.strip_suffix("\";")
    });
    let codes: Vec<_> = codes.collect();
    for code in &codes {
        assert!(documented.contains(&format!("| `{code}` |")), "{code}");
    }
    let rows = documented.lines().filter(|line| line.starts_with("| `"));
    assert_eq!(rows.count(), codes.len());
}
