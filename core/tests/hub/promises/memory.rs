//! Memory that does not grow with what came and went.
#![cfg(target_os = "linux")]

use std::{env, process::Command};

use distributary::{Hub, Lane, Token};

use crate::edges::{Log, drain};

const ROUNDS: u32 = 200_000;
const MOST_GROWTH: u64 = 2 << 20;

/// Set for the process that does nothing but one test.
const ALONE: &str = "DISTRIBUTARY_TEST_ALONE";

/// What the process has in memory, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages = statm.split(' ').nth(1).unwrap();
    pages.parse::<u64>().unwrap() * 4_096
}

/// Runs the test in a process of its own: the others would be measured with it.
fn alone(test: &str, body: impl FnOnce()) {
    if env::var_os(ALONE).is_some() {
        return body();
    }
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{said}");
}

fn assert_keeps_its_memory(mut round: impl FnMut()) {
    // Warm: what is kept for the next ones is there by now.
    (0..1_000).for_each(|_| round());
    let before = resident();
    (0..ROUNDS).for_each(|_| round());
    let growth = resident().saturating_sub(before);
    assert!(growth < MOST_GROWTH, "{growth} bytes more");
}

#[test]
fn a_lane_on_a_quiet_topic_keeps_nothing_of_those_who_left() {
    alone(
        "promises::memory::a_lane_on_a_quiet_topic_keeps_nothing_of_those_who_left",
        || {
            let hub = Hub::new();
            let mut lane = Lane::new(&hub);
            lane.subscribe("t", Token(0)).unwrap();
            assert_keeps_its_memory(|| {
                let id = lane.subscribe("t", Token(1)).unwrap();
                assert!(lane.unsubscribe(id));
            });
            assert_eq!(lane.len(), 1);
            hub.publish("t", "p").unwrap();
            let mut sink = Log::default();
            drain(&mut lane, &mut sink);
            assert_eq!(sink.events, [(Token(0), "p".to_owned())]);
        },
    );
}

#[test]
fn a_lane_with_turns_on_a_quiet_topic_keeps_nothing_of_those_who_left() {
    alone(
        "promises::memory::a_lane_with_turns_on_a_quiet_topic_keeps_nothing_of_those_who_left",
        || {
            let hub = Hub::new();
            let mut lane = Lane::new(&hub);
            lane.subscribe("t", Token(0)).unwrap();
            let mut sink = Log::default();
            assert_keeps_its_memory(|| {
                let id = lane.subscribe("t", Token(1)).unwrap();
                drain(&mut lane, &mut sink);
                assert!(lane.unsubscribe(id));
            });
            assert_eq!(lane.len(), 1);
        },
    );
}
