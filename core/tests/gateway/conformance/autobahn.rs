//! The Autobahn test suite: about 300 cases of others.
//!
//! It is written in Python 2, which few machines still have. So it does not belong to
//! the tests that everybody runs: `make autobahn` does, where there is a `python2.7`.

use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};

use serde::Deserialize;

use crate::harness::{Setup, finish};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Judgement {
    behavior: String,
    behavior_close: String,
}

#[test]
#[ignore = "needs Python 2.7: run `make autobahn`"]
fn the_autobahn_test_suite() {
    let server = Setup::new()
        .limits(|limits| limits.max_message(32 << 20))
        .start();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("autobahn");
    fs::create_dir_all(&directory).unwrap();
    let spec = serde_json::json!({
        "outdir": directory,
        "servers": [{"agent": "gateway", "url": format!("ws://{}", server.address())}],
        "cases": ["*"],
        // Compression, which is declined.
        "exclude-cases": ["12.*", "13.*"],
        "exclude-agent-cases": {},
    });
    let file = directory.join("spec.json");
    fs::write(&file, spec.to_string()).unwrap();
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/clients/autobahn");
    let mut suite = Command::new("python2.7");
    suite
        .args([
            "-m",
            "autobahntestsuite.wstest",
            "-m",
            "fuzzingclient",
            "-s",
        ])
        .arg(&file)
        .env("PYTHONPATH", packages)
        .current_dir(&directory);
    let outcome = finish(suite, Duration::from_secs(900), || {});
    assert!(outcome.success, "{}", outcome.text);

    let index = fs::read_to_string(directory.join("index.json")).unwrap();
    let all: BTreeMap<String, BTreeMap<String, Judgement>> = serde_json::from_str(&index).unwrap();
    let mut counts = BTreeMap::<&str, usize>::new();
    let mut failed = Vec::new();
    for (case, judgement) in &all["gateway"] {
        *counts.entry(&judgement.behavior).or_default() += 1;
        let fine = ["OK", "NON-STRICT", "INFORMATIONAL"];
        let is_fine = |behavior: &str| fine.contains(&behavior);
        if !is_fine(&judgement.behavior) || !is_fine(&judgement.behavior_close) {
            failed.push((case, &judgement.behavior, &judgement.behavior_close));
        }
        if judgement.behavior == "NON-STRICT" {
            println!("not strict: {case}");
        }
    }
    println!("{counts:?}");
    assert!(all["gateway"].len() > 200, "{counts:?}");
    assert!(failed.is_empty(), "{failed:#?}");
}
