//! `curl -N`, which is how people look at Server-Sent Events.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
};

use distributary::{Budget, Hub};

use crate::harness::{Ends, PATIENCE, Setup, finish};

/// A `curl` that runs, line by line.
struct Curl {
    lines: mpsc::Receiver<String>,
    _process: Ends,
}

impl Curl {
    fn start(address: SocketAddr, target: &str, last: Option<&str>) -> Self {
        let mut command = Command::new("curl");
        command.args(["-sN", &format!("http://{address}{target}")]);
        if let Some(id) = last {
            command.args(["-H", &format!("Last-Event-ID: {id}")]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Ends(
            command
                .spawn()
                .expect("curl is missing: run `make clients`"),
        );
        let out = process.0.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Curl {
            lines,
            _process: process,
        }
    }

    /// The next line with this field; gives its value.
    #[track_caller]
    fn field(&self, name: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("a line in time");
            if let Some((field, value)) = line.split_once(':')
                && field == name
            {
                return value.strip_prefix(' ').unwrap_or(value).to_owned();
            }
        }
    }
}

#[test]
fn curl_listens_and_comes_back() {
    let hub = Hub::builder().history("kept", Budget::default()).unwrap();
    let server = Setup::new().hub(hub.build().unwrap()).start();
    let curl = Curl::start(server.address(), "/?topics=kept", None);
    server.wait_open(1);
    server.publish("kept", "first");
    let id = curl.field("id");
    assert_eq!(curl.field("data"), "first");
    drop(curl);
    server.publish("kept", "second");
    server.publish("kept", "third");
    let curl = Curl::start(server.address(), "/?topics=kept", Some(&id));
    assert_eq!(curl.field("data"), "second");
    assert_eq!(curl.field("data"), "third");
    drop(curl);
    let kept = server.hub.stats().bytes_held;
    server.assert_nothing_left(kept);
}

#[test]
fn curl_is_refused() {
    let server = Setup::new().start();
    let mut curl = Command::new("curl");
    curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}"])
        .arg(format!("http://{}/?refuse=403", server.address()));
    let outcome = finish(curl, PATIENCE, || {});
    assert!(outcome.text.starts_with("403"), "{}", outcome.text);
}
