//! A real browser: a headless Chromium loads a page of the test's own and says how its
//! conversations went.

mod pages;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use distributary::{Budget, Hub};
use serde::Deserialize;

use self::pages::Pages;
use crate::harness::{Ends, Proxy, Setup};

/// Names that a Chromium goes by.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Longer than all conversations together take.
const ALL_CASES: Duration = Duration::from_secs(90);

#[derive(Deserialize)]
struct Case {
    name: String,
    ok: bool,
    #[serde(default)]
    text: String,
}

/// A directory that goes with the test.
struct Profile(PathBuf);

impl Profile {
    fn new() -> Self {
        let name = format!("chromium-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Profile(path)
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        // The browser may still write while it ends.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn chromium() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut programs =
        std::env::split_paths(&path).flat_map(|directory| NAMES.map(|name| directory.join(name)));
    let found = programs.find(|program| program.is_file());
    found.expect("there is no Chromium: run `make clients`")
}

fn open(url: &str, profile: &Profile) -> Ends {
    let browser = Command::new(chromium())
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .arg(format!("--user-data-dir={}", profile.0.display()))
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ends(browser.unwrap())
}

#[test]
fn chromium_talks_to_a_gateway() {
    let hub = Hub::builder().history("kept.*", Budget::default()).unwrap();
    let server = Setup::new().hub(hub.build().unwrap()).start();
    let network = Arc::new(Proxy::to(server.address()));
    let pages = Pages::serve(server.address(), Arc::clone(&network));
    let profile = Profile::new();
    let browser = open(&pages.url(), &profile);
    let report = pages.report(ALL_CASES);
    let cases: Vec<Case> = serde_json::from_str(&report).unwrap();
    for case in &cases {
        println!("{}: {}", case.name, if case.ok { "ok" } else { &case.text });
    }
    assert!(cases.len() >= 6, "{report}");
    assert!(cases.iter().all(|case| case.ok), "see above");
    drop(browser);
    drop(pages);
    network.cut();
    // A browser that is killed leaves its sockets to the system.
    crate::harness::until("its sockets are closed", || server.stats().open == 0);
    let kept = server.hub.stats().bytes_held;
    server.assert_nothing_left(kept);
}
