//! Tests that need a process of their own: because they count all its descriptors, or
//! because the load has to come from another one.
//!
//! The test binary starts itself again with the name of the test and a variable that
//! tells it which part to play.

use std::{
    env,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::program::Ends;

/// Which part this process plays.
const PART: &str = "DISTRIBUTARY_TEST_PART";

/// Runs the test in a process where nothing else runs.
#[track_caller]
pub(crate) fn alone(test: &str, patience: Duration, body: impl FnOnce()) {
    if part().as_deref() == Some("alone") {
        return body();
    }
    let mut child = child_of(test, "alone", &[]);
    let deadline = Instant::now() + patience;
    let status = loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            break status;
        }
        assert!(
            Instant::now() < deadline,
            "{test} still runs after {patience:?}"
        );
        thread::sleep(Duration::from_millis(20));
    };
    assert!(
        status.success(),
        "{test} failed in a process of its own: {status}"
    );
}

/// Starts this binary again with one test, to play this part there.
pub(crate) fn child_of(test: &str, part: &str, given: &[(&str, String)]) -> Ends {
    let child = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads", "1"])
        .env(PART, part)
        .envs(given.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .spawn();
    Ends(child.unwrap())
}

/// The part that this process plays, if it was given one.
pub(crate) fn part() -> Option<String> {
    env::var(PART).ok()
}

/// Lets this process open as many descriptors as it may, and says how many.
pub(crate) fn raise_descriptors() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap()
}
