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

    /// The next event that has data: that, and the last id so far.
    #[track_caller]
    fn event(&self) -> (String, String) {
        let (mut id, mut data) = (String::new(), None);
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("a line in time");
            match (line.split_once(": "), &data) {
                (Some(("id", value)), _) => id = value.to_owned(),
                (Some(("data", value)), _) => data = Some(value.to_owned()),
                (None, Some(data)) if line.is_empty() => return (data.clone(), id),
                _ => {}
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
    let (data, id) = curl.event();
    assert_eq!(data, "first");
    drop(curl);
    server.publish("kept", "second");
    server.publish("kept", "third");
    let curl = Curl::start(server.address(), "/?topics=kept", Some(&id));
    assert_eq!(curl.event().0, "second");
    assert_eq!(curl.event().0, "third");
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
