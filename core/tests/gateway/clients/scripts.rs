//! Conversations written for Node and Python, run against a gateway of this process.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use distributary::{Budget, Hub, TryRecvError};

use crate::harness::{PATIENCE, Proxy, Server, Setup, finish};

/// Longer than all cases of a script together take.
const ALL_CASES: Duration = Duration::from_secs(80);

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Keeps what is published to `kept.*`, and pings who says nothing for a second.
fn server() -> Server {
    let hub = Hub::builder().history("kept.*", Budget::default()).unwrap();
    Setup::new()
        .hub(hub.build().unwrap())
        .limits(|limits| limits.ping(Duration::from_secs(1), PATIENCE))
        .start()
}

/// Runs a script, with an address that can be cut by publishing to `test.cut` beside
/// the real one.
fn converse(mut program: Command) {
    let server = server();
    let proxy = Proxy::to(server.address());
    let mut cuts = server.hub.subscribe("test.cut").unwrap();
    program
        .arg(format!("ws://{}", server.address()))
        .arg(format!("http://{}", proxy.address()));
    let outcome = finish(program, ALL_CASES, || match cuts.try_recv() {
        Ok(_) => proxy.cut(),
        Err(TryRecvError::Empty) => {}
        Err(other) => panic!("{other}"),
    });
    assert!(outcome.success, "{}", outcome.text);
    drop(cuts);
    drop(proxy);
    // The events that are kept are known to the hub alone: nothing else may be held.
    let kept = server.hub.stats().bytes_held;
    server.assert_nothing_left(kept);
}

fn node(script: &str) {
    let directory = clients().join("node");
    let modules = directory.join("node_modules");
    assert!(
        modules.exists(),
        "{} is not there: run `make clients`",
        modules.display()
    );
    let mut program = Command::new("node");
    program.arg(directory.join(script));
    converse(program);
}

fn python(script: &str) {
    let interpreter =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/clients/python/bin/python");
    assert!(
        interpreter.exists(),
        "{} is not there: run `make clients`",
        interpreter.display()
    );
    let mut program = Command::new(interpreter);
    program.arg(clients().join("python").join(script));
    converse(program);
}

#[test]
fn node_ws_plain() {
    node("plain.mjs");
}

#[test]
fn node_ws_json() {
    node("json.mjs");
}

#[test]
fn node_eventsource() {
    node("sse.mjs");
}

#[test]
fn python_websockets_plain() {
    python("plain.py");
}

#[test]
fn python_websockets_json() {
    python("json_protocol.py");
}

#[test]
fn python_sse() {
    python("sse.py");
}
